"""Which rules a query meets, and in which order they are asked.

Pure. The most specific rule comes first: by rating group, service identifier, APN, zone (longest PLMN
prefix), called number (longest prefix), category, radio access, number of facts, then by weight, then by place
in the file. Equal rules therefore always come in the same order.
"""

from typing import NamedTuple, TypeVar

from ocs.charging.tariff.model import Query, Rule
from ocs.charging.tariff.prefixes import PrefixTable

Order = tuple[int, ...]
ORDER = (  # what each number of an order stands for
    "rating group",
    "rating group",
    "service identifier",
    "APN",
    "zone",
    "PLMN prefix",
    "destination",
    "called prefix",
    "category",
    "radio access",
    "facts",
    "weight",
    "place in the file",
)
T = TypeVar("T", int, str)


class Place(NamedTuple):
    """Where a query points: every prefix of its number and of its network with the names they have."""

    called: list[tuple[str, tuple[str, ...]]]
    network: list[tuple[str, tuple[str, ...]]]


class Match(NamedTuple):
    """What made a rule match; a smaller order is asked earlier."""

    order: Order
    destination: str = ""
    prefix: str = ""
    zone: str = ""


def place(query: Query, destinations: PrefixTable, zones: PrefixTable) -> Place:
    """Resolves the called number and the network of a query."""
    return Place(destinations.matches(query.called), zones.matches(query.plmn) if query.plmn else [])


def match(rule: Rule, query: Query, where: Place, position: int) -> Match | None:
    """How the rule at a position of its file meets a query, if it does."""
    if rule.unit is not None and query.unit is not None and rule.unit != query.unit:
        return None
    if (group := _rating_group_order(rule, query.rating_group)) is None:
        return None
    if not _listed(rule.service_identifiers, query.service_identifier) or not _listed(rule.apns, query.apn):
        return None
    if not _listed(rule.categories, query.category) or not _listed(rule.rats, query.rat):
        return None
    if rule.facts and _missing_fact(rule, query):
        return None
    zone, network = _named(rule.zones, where.network)
    destination, prefix = _named(rule.destinations, where.called)
    if zone is None or destination is None:
        return None
    order = (
        *group,
        int(rule.service_identifiers is None),
        int(rule.apns is None),
        int(rule.zones is None),
        -len(network),
        int(rule.destinations is None),
        -len(prefix),
        int(rule.categories is None),
        int(rule.rats is None),
        -len(rule.facts),
        -rule.weight,
        position,
    )
    return Match(order, destination, prefix, zone)


def mismatch(rule: Rule, query: Query, where: Place) -> str:
    """Why a rule does not meet a query, in words; empty where it does."""
    if rule.service != query.service:
        return f"is for {rule.service}, not {query.service}"
    if rule.unit is not None and query.unit is not None and rule.unit != query.unit:
        return f"rates {rule.unit.name.lower()}, not {query.unit.name.lower()}"
    if _rating_group_order(rule, query.rating_group) is None:
        asked = "no rating group" if query.rating_group is None else f"rating group {query.rating_group}"
        return f"is not for {asked}"
    if not _listed(rule.service_identifiers, query.service_identifier):
        return f"is not for service identifier {query.service_identifier}"
    if not _listed(rule.apns, query.apn):
        return f'is not for APN "{query.apn}"'
    if _named(rule.zones, where.network)[0] is None:
        return f'network "{query.plmn}" is in none of its zones'
    if _named(rule.destinations, where.called)[0] is None:
        return f'called number "{query.called}" begins with no prefix of its destinations'
    if not _listed(rule.categories, query.category):
        return f'is not for category "{query.category}"'
    if not _listed(rule.rats, query.rat):
        return f'is not for radio access "{query.rat}"'
    return _missing_fact(rule, query)


def _missing_fact(rule: Rule, query: Query) -> str:
    """Which fact a rule wants and the query does not have, in words; empty where there is none."""
    known = dict(query.facts)
    for name, values in rule.facts:
        if known.get(name, "") not in values:
            return f'is not for {name} "{known.get(name, "")}"'
    return ""


def _rating_group_order(rule: Rule, rating_group: int | None) -> Order | None:
    """Listed before range before anything; a narrower range before a wider one."""
    if rule.rating_groups is None and not rule.without_rating_group:
        return (1, 0)
    if rating_group is None:
        return (0, 0) if rule.without_rating_group else None
    widths = [last - first for first, last in rule.rating_groups or () if first <= rating_group <= last]
    return (0, min(widths)) if widths else None


def _listed(allowed: frozenset[T] | None, value: T | None) -> bool:
    return allowed is None or value in allowed


def _named(
    allowed: tuple[str, ...] | None, found: list[tuple[str, tuple[str, ...]]]
) -> tuple[str | None, str]:
    """The name and the longest prefix by which one of the allowed names is met; ("", "") where any is."""
    if allowed is None:
        return "", ""
    for prefix, names in found:
        for name in allowed:
            if name in names:
                return name, prefix
    return None, ""
