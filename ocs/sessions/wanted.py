"""What a session method is asked to do around charging, and what came of it. Pure."""

import msgspec

from ocs.sessions.surroundings import Address, Altered, Routed, RouteOptions


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """The flags of a request. `charges` is its own step: max usage, init, update, terminate or debit."""

    charges: bool = False
    forces: bool = False
    attributes: bool = False
    attribute_ids: tuple[str, ...] = ()
    resources: bool = False
    ips: bool = False
    routes: bool = False
    route_options: RouteOptions = RouteOptions()
    thresholds: bool = False
    threshold_ids: tuple[str, ...] = ()
    stats: bool = False
    stat_ids: tuple[str, ...] = ()


class Answer(msgspec.Struct, gc=False):
    """What was done; None where it was not asked for."""

    attributes: Altered | None = None
    resources: str | None = None
    address: Address | None = None
    usage: int | None = None
    routes: Routed | None = None
    threshold_ids: list[str] | None = None
    stat_ids: list[str] | None = None
    is_partial: bool = False
