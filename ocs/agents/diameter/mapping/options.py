"""What the Gy mapping needs to know of the settings, in the form it uses. Pure."""

from collections.abc import Mapping

import msgspec

from ocs.agents.diameter.mapping.profiles import Profiles
from ocs.config.currencies import CURRENCIES
from ocs.config.profiles import BUILT_IN
from ocs.config.settings import STANDARD_CONTEXTS, Settings

_DAY_NS = 86_400 * 1_000_000_000
_HOUR_NS = 3_600 * 1_000_000_000

# Contexts the shipped settings need not name: MMTel (TS 32.275), 5G data through a Gy function (TS 32.255).
_FURTHER_CONTEXTS = (("32275@3gpp.org", "voice"), ("32255@3gpp.org", "data"))


class GyOptions(msgspec.Struct, frozen=True):
    """Rules of the mapping; host and realm names are lower case, None serves any."""

    origin_host: str
    origin_realm: str
    profiles: Profiles
    contexts: tuple[tuple[str, str], ...] = ()  # ending of Service-Context-Id and service, the longest first
    unknown_context: str | None = None  # the service of every other context; None refuses them
    serve_realms: frozenset[str] | None = None
    serve_hosts: frozenset[str] | None = None
    strict: bool = False
    currency_code: int = 978
    currency_decimals: int = 2
    services_per_request: int = 64
    subscription_ids: int = 8
    remembered: int = 20_000  # decoded groups kept per table
    oldest_event_ns: int = 7 * _DAY_NS
    newest_event_ns: int = _HOUR_NS


def _ordered(contexts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(contexts.items(), key=lambda rule: (-len(rule[0]), rule[0])))


def gy_options(settings: Settings) -> GyOptions:
    """The mapping's rules from the server's settings."""
    diameter, charging = settings.diameter, settings.charging
    contexts = dict(_FURTHER_CONTEXTS) | {rule.match: rule.service for rule in STANDARD_CONTEXTS}
    contexts |= {rule.match: rule.service for rule in charging.service_contexts}
    currency = CURRENCIES[charging.currency]
    realms, hosts = diameter.serve_realms, diameter.serve_hosts
    own = settings.identity
    unknown = charging.unknown_context
    return GyOptions(
        origin_host=own.origin_host.lower(),
        origin_realm=own.origin_realm.lower(),
        profiles=Profiles(BUILT_IN | diameter.profiles, diameter.peers),
        contexts=_ordered(contexts),
        unknown_context=None if unknown == "reject" else unknown,
        serve_realms=None if realms is None else frozenset(map(str.lower, (*realms, own.origin_realm))),
        serve_hosts=None if hosts is None else frozenset(map(str.lower, (*hosts, own.origin_host))),
        strict=diameter.strict,
        currency_code=currency.numeric,
        currency_decimals=currency.decimals,
        services_per_request=diameter.limits.services_per_request,
        subscription_ids=diameter.limits.subscription_ids,
    )
