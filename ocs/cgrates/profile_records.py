"""Raw profile records, as the API shows them, into the book that finds profiles by event. Pure.

Kinds the book does not know (trends, rankings, pools of addresses) are records alone, and only looked at.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ocs.cgrates.kinds import Kind
from ocs.cgrates.query_records import ranking_profile, trend_profile
from ocs.charging.cgrates import values
from ocs.charging.profiles.activation import ALWAYS, Activation
from ocs.charging.profiles.book import ProfileBook
from ocs.charging.profiles.filters import Filter, FilterRule
from ocs.charging.profiles.model import (
    AttributeProfile,
    AttributeRule,
    ChargerProfile,
    Metric,
    ProfileBase,
    ResourceProfile,
    Route,
    RouteProfile,
    StatProfile,
    ThresholdProfile,
)

Record = Mapping[str, Any]
NO_TIME = "0001-01-01T00:00:00Z"


def put_record(book: ProfileBook, kind: Kind, record: Record) -> None:
    """Adds or replaces a filter or profile. Raises ValueError that says what is wrong with it."""
    if kind is Kind.FILTER:
        book.put_filter(_filter(record))
    elif kind in _READERS:
        book.put(_READERS[kind](record))
    elif kind is Kind.TREND:
        trend_profile(record)
    elif kind is Kind.RANKING:
        ranking_profile(record)


def remove_record(book: ProfileBook, kind: Kind, key: str) -> None:
    """Removes a filter or profile. Raises ValueError for a filter that a profile has."""
    tenant, _, name = key.partition(":")
    match kind:
        case Kind.FILTER:
            book.remove_filter(tenant, name)
        case Kind.ATTRIBUTE:
            book.attributes.remove(tenant, name)
        case Kind.CHARGER:
            book.chargers.remove(tenant, name)
        case Kind.RESOURCE:
            book.resources.remove(tenant, name)
        case Kind.ROUTE:
            book.routes.remove(tenant, name)
        case Kind.STAT:
            book.stats.remove(tenant, name)
        case Kind.THRESHOLD:
            book.thresholds.remove(tenant, name)
        case _:
            return


def _filter(record: Record) -> Filter:
    rules = tuple(
        FilterRule(rule.get("Type") or "", rule.get("Element") or "", _words(rule, "Values"))
        for rule in record.get("Rules") or ()
    )
    return Filter(record["Tenant"], record["ID"], rules, _activation(record))


def _base(record: Record) -> dict[str, Any]:
    return {
        "tenant": record["Tenant"],
        "id": record["ID"],
        "filter_ids": _words(record, "FilterIDs"),
        "activation": _activation(record),
        "weight": float(record.get("Weight") or 0),
    }


def _attribute(record: Record) -> ProfileBase:
    rules = tuple(
        AttributeRule(
            path=rule.get("Path") or "",
            type=rule.get("Type") or "*variable",
            value=rule.get("Value") or "",
            filter_ids=_words(rule, "FilterIDs"),
        )
        for rule in record.get("Attributes") or ()
    )
    return AttributeProfile(
        **_base(record),
        contexts=_words(record, "Contexts"),
        attributes=rules,
        is_blocker=bool(record.get("Blocker")),
    )


def _charger(record: Record) -> ProfileBase:
    return ChargerProfile(
        **_base(record),
        run_id=record.get("RunID") or "*default",
        attribute_ids=_words(record, "AttributeIDs"),
    )


def _resource(record: Record) -> ProfileBase:
    return ResourceProfile(
        **_base(record),
        usage_ttl_ns=record.get("UsageTTL") or 0,
        limit=float(record.get("Limit") or 0),
        allocation_message=record.get("AllocationMessage") or "",
        is_blocker=bool(record.get("Blocker")),
        is_stored=bool(record.get("Stored")),
        threshold_ids=_words(record, "ThresholdIDs"),
    )


def _route(record: Record) -> ProfileBase:
    routes = tuple(
        Route(
            id=route["ID"],
            filter_ids=_words(route, "FilterIDs"),
            account_ids=_words(route, "AccountIDs"),
            rating_plan_ids=_words(route, "RatingPlanIDs", "RatingPlanIds"),
            resource_ids=_words(route, "ResourceIDs"),
            stat_ids=_words(route, "StatIDs"),
            weight=float(route.get("Weight") or 0),
            is_blocker=bool(route.get("Blocker")),
            parameters=route.get("RouteParameters") or "",
        )
        for route in record.get("Routes") or ()
    )
    return RouteProfile(
        **_base(record),
        sorting=record.get("Sorting") or "*weight",
        sorting_parameters=_words(record, "SortingParameters"),
        routes=routes,
    )


def _stat(record: Record) -> ProfileBase:
    metrics = tuple(
        Metric(id=metric["MetricID"], filter_ids=_words(metric, "FilterIDs"))
        for metric in record.get("Metrics") or ()
    )
    return StatProfile(
        **_base(record),
        queue_length=record.get("QueueLength") or 0,
        ttl_ns=record.get("TTL") or -1,
        min_items=record.get("MinItems") or 0,
        metrics=metrics,
        is_stored=bool(record.get("Stored")),
        is_blocker=bool(record.get("Blocker")),
        threshold_ids=_words(record, "ThresholdIDs"),
    )


def _threshold(record: Record) -> ProfileBase:
    return ThresholdProfile(
        **_base(record),
        max_hits=record.get("MaxHits") or 0,
        min_hits=record.get("MinHits") or 0,
        min_sleep_ns=record.get("MinSleep") or 0,
        is_blocker=bool(record.get("Blocker")),
        action_ids=_words(record, "ActionIDs"),
        is_async=bool(record.get("Async")),
        exporter_ids=_words(record, "EeIDs"),
    )


_READERS: Mapping[Kind, Callable[[Record], ProfileBase]] = {
    Kind.ATTRIBUTE: _attribute,
    Kind.CHARGER: _charger,
    Kind.RESOURCE: _resource,
    Kind.ROUTE: _route,
    Kind.STAT: _stat,
    Kind.THRESHOLD: _threshold,
}


def _words(record: Record, *names: str) -> tuple[str, ...]:
    for name in names:
        found = record.get(name)
        if found:
            return tuple(found)
    return ()


def _activation(record: Record) -> Activation:
    found = record.get("ActivationInterval")
    if not found:
        return ALWAYS
    start, end = found.get("ActivationTime"), found.get("ExpiryTime")
    return Activation(_moment(start), _moment(end))


def _moment(text: str | None) -> int:
    return 0 if not text or text == NO_TIME else values.instant_ns(text)
