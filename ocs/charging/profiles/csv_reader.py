"""Profiles from the rows of a CSV folder; an unusable cell becomes a problem at its file, line and column. Pure.

Rows of the same tenant and id are one profile: lists grow row by row; of other cells the last that is given counts.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

import msgspec

from ocs.charging.cgrates import values as cells
from ocs.charging.cgrates.csv_folder import COLUMNS, Problem, Row, Rows
from ocs.charging.profiles.activation import ALWAYS, Activation
from ocs.charging.profiles.attributes import check_inline, is_inline
from ocs.charging.profiles.filters import (
    Filter,
    FilterRule,
    compile_filter,
    compile_rule,
    parse_inline,
    split_values,
)
from ocs.charging.profiles.filters import is_inline as is_inline_filter
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

T = TypeVar("T")
P = TypeVar("P", bound=ProfileBase)


class Profiles(msgspec.Struct, frozen=True):
    """All profiles of a folder, in the order of their first rows."""

    filters: tuple[Filter, ...] = ()
    attributes: tuple[AttributeProfile, ...] = ()
    chargers: tuple[ChargerProfile, ...] = ()
    resources: tuple[ResourceProfile, ...] = ()
    routes: tuple[RouteProfile, ...] = ()
    stats: tuple[StatProfile, ...] = ()
    thresholds: tuple[ThresholdProfile, ...] = ()


def read_profiles(rows: Rows) -> tuple[Profiles, tuple[Problem, ...]]:
    """The profiles of all rows, with what could not be used."""
    reader = _Reader()
    found = Profiles(
        filters=tuple(_filters(reader, rows.get("Filters.csv", ()))),
        attributes=tuple(_each(reader, rows.get("Attributes.csv", ()), _attribute)),
        chargers=tuple(_each(reader, rows.get("Chargers.csv", ()), _charger)),
        resources=tuple(_each(reader, rows.get("Resources.csv", ()), _resource)),
        routes=tuple(_each(reader, rows.get("Routes.csv", ()), _route_profile)),
        stats=tuple(_each(reader, rows.get("Stats.csv", ()), _stat)),
        thresholds=tuple(_each(reader, rows.get("Thresholds.csv", ()), _threshold)),
    )
    return found, tuple(reader.problems)


class _Reader:
    """Reads cells by column name; an unusable cell gives the fallback value."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def text(self, row: Row, name: str) -> str:
        return row.cells[_column(row, name)]

    def read(self, row: Row, name: str, parse: Callable[[str], T], fallback: T) -> T:
        """What a cell says; the fallback where it says nothing."""
        column = _column(row, name)
        if not row.cells[column]:
            return fallback
        try:
            return parse(row.cells[column])
        except ValueError as error:
            self.problems.append(row.problem(column, str(error)))
            return fallback

    def words(self, row: Row, name: str, before: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list that grows row by row."""
        found: tuple[str, ...] = self.read(row, name, words, tuple[str, ...]())
        if name.endswith("FilterIDs"):
            for word in filter(is_inline_filter, found):
                self.read(row, name, partial(_checked_filter, word), None)
        return tuple(dict.fromkeys((*before, *found)))


def _column(row: Row, name: str) -> int:
    return COLUMNS[row.file.rpartition("/")[2]].index(name)


def words(text: str) -> tuple[str, ...]:
    """`a;b;c`; a semicolon in backticks or braces does not separate."""
    return tuple(word.strip() for word in split_values(text, ";") if word.strip())


def activation(text: str) -> Activation:
    """`start;end`, either of which may be missing."""
    start, _, end = text.partition(";")
    found = Activation(cells.instant_ns(start), cells.instant_ns(end))
    if found.end_ns and found.end_ns <= found.start_ns:
        raise ValueError(f"ends before it starts: {text!r}")
    return found


def whole(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"not a whole number: {text!r}") from None


def _each(reader: _Reader, rows: Iterable[Row], read: Callable[[_Reader, list[Row]], P]) -> Iterable[P]:
    """One profile from the rows of each tenant and id."""
    by_name: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        by_name.setdefault((row.cells[0], row.cells[1]), []).append(row)
    for (tenant, name), own in by_name.items():
        for number, what in enumerate((tenant, name)):
            if not what:
                reader.problems.append(own[0].problem(number, "is missing"))
        if tenant and name:
            yield read(reader, own)


def _base(reader: _Reader, rows: list[Row]) -> dict[str, object]:
    filter_ids: tuple[str, ...] = ()
    active, weight = ALWAYS, 0.0
    for row in rows:
        filter_ids = reader.words(row, "FilterIDs", filter_ids)
        active = reader.read(row, "ActivationInterval", activation, active)
        weight = reader.read(row, "Weight", cells.real, weight)
    return {
        "tenant": rows[0].cells[0],
        "id": rows[0].cells[1],
        "filter_ids": filter_ids,
        "activation": active,
        "weight": weight,
    }


def _last(reader: _Reader, rows: list[Row], name: str, parse: Callable[[str], T], fallback: T) -> T:
    for row in rows:
        fallback = reader.read(row, name, parse, fallback)
    return fallback


def _all(reader: _Reader, rows: list[Row], name: str) -> tuple[str, ...]:
    found: tuple[str, ...] = ()
    for row in rows:
        found = reader.words(row, name, found)
    return found


def _filters(reader: _Reader, rows: Iterable[Row]) -> Iterable[Filter]:
    by_name: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        by_name.setdefault((row.cells[0], row.cells[1]), []).append(row)
    for (tenant, name), own in by_name.items():
        rules: list[FilterRule] = []
        for row in own:
            kind = reader.text(row, "Type")
            rule = FilterRule(kind, reader.text(row, "Element"), words(reader.text(row, "Values")))
            try:
                compile_filter(Filter(tenant, name, (rule,)))
            except ValueError as error:
                reader.problems.append(row.problem(_column(row, "Type"), str(error)))
            else:
                rules.append(rule)
        yield Filter(tenant, name, tuple(rules), _last(reader, own, "ActivationInterval", activation, ALWAYS))


def _attribute(reader: _Reader, rows: list[Row]) -> AttributeProfile:
    attributes = tuple(
        AttributeRule(
            path=reader.text(row, "Path"),
            type=reader.text(row, "Type"),
            value=reader.text(row, "Value"),
            filter_ids=reader.words(row, "AttributeFilterIDs"),
        )
        for row in rows
        if reader.text(row, "Path")
    )
    return msgspec.convert(
        _base(reader, rows)
        | {
            "contexts": _all(reader, rows, "Contexts"),
            "attributes": attributes,
            "is_blocker": _last(reader, rows, "Blocker", cells.flag, False),
        },
        AttributeProfile,
    )


def _charger(reader: _Reader, rows: list[Row]) -> ChargerProfile:
    for row in rows:
        for word in reader.words(row, "AttributeIDs"):
            if is_inline(word):
                reader.read(row, "AttributeIDs", partial(_checked_attribute, row.cells[0], word), None)
    return msgspec.convert(
        _base(reader, rows)
        | {
            "run_id": _last(reader, rows, "RunID", str, ""),
            "attribute_ids": _all(reader, rows, "AttributeIDs"),
        },
        ChargerProfile,
    )


def _checked_attribute(tenant: str, attribute_id: str, cell: str) -> None:
    check_inline(tenant, attribute_id)


def _checked_filter(filter_id: str, cell: str) -> None:
    compile_rule(parse_inline(filter_id))


def _resource(reader: _Reader, rows: list[Row]) -> ResourceProfile:
    return msgspec.convert(
        _base(reader, rows)
        | {
            "usage_ttl_ns": _last(reader, rows, "UsageTTL", cells.duration_ns, 0),
            "limit": _last(reader, rows, "Limit", cells.real, 0.0),
            "allocation_message": _last(reader, rows, "AllocationMessage", str, ""),
            "is_blocker": _last(reader, rows, "Blocker", cells.flag, False),
            "is_stored": _last(reader, rows, "Stored", cells.flag, False),
            "threshold_ids": _all(reader, rows, "ThresholdIDs"),
        },
        ResourceProfile,
    )


def _route_profile(reader: _Reader, rows: list[Row]) -> RouteProfile:
    by_route: dict[str, list[Row]] = {}
    for row in rows:
        if reader.text(row, "RouteID"):
            by_route.setdefault(reader.text(row, "RouteID"), []).append(row)
    return msgspec.convert(
        _base(reader, rows)
        | {
            "sorting": _last(reader, rows, "Sorting", str, "*weight"),
            "sorting_parameters": _all(reader, rows, "SortingParameters"),
            "routes": tuple(_route(reader, name, own) for name, own in by_route.items()),
        },
        RouteProfile,
    )


def _route(reader: _Reader, name: str, rows: list[Row]) -> Route:
    return Route(
        id=name,
        filter_ids=_all(reader, rows, "RouteFilterIDs"),
        account_ids=_all(reader, rows, "RouteAccountIDs"),
        rating_plan_ids=_all(reader, rows, "RouteRatingPlanIDs"),
        resource_ids=_all(reader, rows, "RouteResourceIDs"),
        stat_ids=_all(reader, rows, "RouteStatIDs"),
        weight=_last(reader, rows, "RouteWeight", cells.real, 0.0),
        is_blocker=_last(reader, rows, "RouteBlocker", cells.flag, False),
        parameters=_last(reader, rows, "RouteParameters", str, ""),
    )


def _stat(reader: _Reader, rows: list[Row]) -> StatProfile:
    metrics: dict[str, tuple[str, ...]] = {}
    for row in rows:
        for name in reader.words(row, "MetricIDs"):
            metrics[name] = reader.words(row, "MetricFilterIDs", metrics.get(name, ()))
    return msgspec.convert(
        _base(reader, rows)
        | {
            "queue_length": _last(reader, rows, "QueueLength", whole, 0),
            "ttl_ns": _last(reader, rows, "TTL", cells.duration_ns, 0),
            "min_items": _last(reader, rows, "MinItems", whole, 0),
            "metrics": tuple(Metric(id=name, filter_ids=ids) for name, ids in metrics.items()),
            "is_stored": _last(reader, rows, "Stored", cells.flag, False),
            "is_blocker": _last(reader, rows, "Blocker", cells.flag, False),
            "threshold_ids": _all(reader, rows, "ThresholdIDs"),
        },
        StatProfile,
    )


def _threshold(reader: _Reader, rows: list[Row]) -> ThresholdProfile:
    return msgspec.convert(
        _base(reader, rows)
        | {
            "max_hits": _last(reader, rows, "MaxHits", whole, 0),
            "min_hits": _last(reader, rows, "MinHits", whole, 0),
            "min_sleep_ns": _last(reader, rows, "MinSleep", cells.duration_ns, 0),
            "is_blocker": _last(reader, rows, "Blocker", cells.flag, False),
            "action_ids": _all(reader, rows, "ActionIDs"),
            "is_async": _last(reader, rows, "Async", cells.flag, False),
            "exporter_ids": _all(reader, rows, "EeIDs"),
        },
        ThresholdProfile,
    )


KINDS: Mapping[str, type[ProfileBase]] = {
    "Attribute": AttributeProfile,
    "Charger": ChargerProfile,
    "Resource": ResourceProfile,
    "Route": RouteProfile,
    "StatQueue": StatProfile,
    "Threshold": ThresholdProfile,
}
