"""Profiles of every kind, as they are configured. Pure.

Durations are ns; -1 has the incumbent's meaning "no limit" or "for ever". Texts of filters and values are kept as
written and compiled by whoever uses them.
"""

import msgspec

from ocs.charging.profiles.activation import ALWAYS, Activation

NONE = "*none"
ANY = "*any"


class ProfileBase(msgspec.Struct, frozen=True, kw_only=True):
    """What every kind has; where several match, the larger weight comes first."""

    tenant: str
    id: str
    filter_ids: tuple[str, ...] = ()
    activation: Activation = ALWAYS
    weight: float = 0.0


class AttributeRule(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an event: `path` becomes what `type` makes of `value`."""

    path: str
    type: str = "*variable"
    value: str = ""
    filter_ids: tuple[str, ...] = ()


class AttributeProfile(ProfileBase, frozen=True, kw_only=True):
    """Changes of an event; `contexts` are the uses it is for, none for all."""

    contexts: tuple[str, ...] = ()
    attributes: tuple[AttributeRule, ...] = ()
    is_blocker: bool = False


class ChargerProfile(ProfileBase, frozen=True, kw_only=True):
    """One run of a matching event, changed by attribute profiles."""

    run_id: str = "*default"
    attribute_ids: tuple[str, ...] = ()


class Run(msgspec.Struct, frozen=True, gc=False):
    """One run: its charger, its event, and what attributes did to it."""

    charger_id: str
    run_id: str
    tenant: str
    event: dict[str, object]
    opts: dict[str, object]
    attribute_ids: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()


class ResourceProfile(ProfileBase, frozen=True, kw_only=True):
    """How many units of something may be in use at once."""

    usage_ttl_ns: int = 0
    limit: float = 0.0
    allocation_message: str = ""
    is_blocker: bool = False
    is_stored: bool = False
    threshold_ids: tuple[str, ...] = ()


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One way out of a route profile, a carrier or gateway."""

    id: str
    filter_ids: tuple[str, ...] = ()
    account_ids: tuple[str, ...] = ()
    rating_plan_ids: tuple[str, ...] = ()
    resource_ids: tuple[str, ...] = ()
    stat_ids: tuple[str, ...] = ()
    weight: float = 0.0
    is_blocker: bool = False
    parameters: str = ""


class RouteProfile(ProfileBase, frozen=True, kw_only=True):
    """Routes of matching events and how they are sorted."""

    sorting: str = "*weight"
    sorting_parameters: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of a queue, such as `*asr` or `*sum#~*req.Cost`."""

    id: str
    filter_ids: tuple[str, ...] = ()


class StatProfile(ProfileBase, frozen=True, kw_only=True):
    """A window over events and what is measured in it; a length of 0 or -1 has no limit, so has a TTL."""

    queue_length: int = 0
    ttl_ns: int = -1
    min_items: int = 0
    metrics: tuple[Metric, ...] = ()
    is_stored: bool = False
    is_blocker: bool = False
    threshold_ids: tuple[str, ...] = ()


class ThresholdProfile(ProfileBase, frozen=True, kw_only=True):
    """What happens after how many hits, and how often; `max_hits` -1 has no limit."""

    max_hits: int = 0
    min_hits: int = 0
    min_sleep_ns: int = 0
    is_blocker: bool = False
    action_ids: tuple[str, ...] = ()
    is_async: bool = False
    exporter_ids: tuple[str, ...] = ()


def tenant_id(profile: ProfileBase) -> str:
    """`tenant:id`."""
    return f"{profile.tenant}:{profile.id}"
