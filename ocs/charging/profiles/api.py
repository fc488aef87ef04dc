"""Profiles and filters as objects of the JSON API, with the incumbent's member names. Pure.

Members are read in any case, unknown ones are passed over, missing ones have no value; what cannot be read raises
ValueError with the member's name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec

from ocs.charging.profiles.activation import ALWAYS, Activation
from ocs.charging.profiles.filters import Filter, FilterRule
from ocs.charging.profiles.model import (
    AttributeProfile,
    AttributeRule,
    ChargerProfile,
    Metric,
    ResourceProfile,
    Route,
    RouteProfile,
    StatProfile,
    ThresholdProfile,
)
from ocs.charging.profiles.routes import number
from ocs.charging.profiles.values import ZERO_TIME, duration_of, moment_of, number_of, rfc3339, text_of

S = TypeVar("S", bound=msgspec.Struct)


class Codec(NamedTuple):
    """How a member is read and written."""

    read: Callable[[object], object]
    write: Callable[[Any], object]
    part: type[msgspec.Struct] | None = None  # of a list of objects


class Member(NamedTuple):
    """One member of an object and the field it is."""

    name: str
    field: str
    codec: Codec


def decode(kind: type[S], value: object, **defaults: object) -> S:
    """An object as a profile, a filter or a part of one. Raises ValueError."""
    if not isinstance(value, Mapping):
        raise ValueError("is not an object")
    by_name = {name.casefold(): each for name, each in value.items() if isinstance(name, str)}
    fields = dict(defaults)
    for member in MEMBERS[kind]:
        given = by_name.get(member.name.casefold())
        if given is None or (given == "" and member.field in defaults):
            continue
        try:
            fields[member.field] = member.codec.read(given)
        except ValueError as error:
            raise ValueError(f"{member.name}: {error}") from None
    try:
        return kind(**fields)
    except TypeError:
        raise ValueError(f"{_missing(kind, fields)}: is missing") from None


def encode(found: msgspec.Struct, empty: "list[object] | None" = None) -> dict[str, object]:
    """A profile or filter as an object; an empty list is written as `empty`, as whoever set it wrote it."""
    written: dict[str, object] = {}
    for member in MEMBERS[type(found)]:
        value = member.codec.write(getattr(found, member.field))
        if isinstance(value, list):
            value = [
                encode(each, empty) if isinstance(each, msgspec.Struct) else each for each in value
            ] or empty
        written[member.name] = value
    return written


def _missing(kind: type[msgspec.Struct], fields: Mapping[str, object]) -> str:
    return next(
        member.name
        for member in MEMBERS[kind]
        if member.field in kind.__struct_fields__ and member.field not in fields
    )


def _text(value: object) -> str:
    if isinstance(value, (Mapping, list)):
        raise ValueError("is not a text")
    return text_of(value)


def _attribute_value(value: object) -> str:
    """A text, or the list of its parts that the first version of the method takes."""
    if not isinstance(value, list):
        return _text(value)
    parts = [each.get("Rules", "") if isinstance(each, Mapping) else each for each in value]
    return ";".join(_text(part) for part in parts)


def _words(value: object) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError("is not a list")
    return tuple(_text(each) for each in value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is not true or false")
    return value


def _real(value: object) -> float:
    found = number_of(value)
    if found is None:
        raise ValueError("is not a number")
    return float(found)


def _whole(value: object) -> int:
    found = number_of(value)
    if found is None or found != int(found):
        raise ValueError("is not a whole number")
    return int(found)


def _length(value: object) -> int:
    found = duration_of(value)
    if found is None:
        raise ValueError("is not a duration")
    return found


def _activation(value: object) -> Activation:
    if not isinstance(value, Mapping):
        raise ValueError("is not an object")
    edges = []
    for name in ("ActivationTime", "ExpiryTime"):
        found = moment_of(value.get(name), 0)
        if found is None:
            raise ValueError(f"{name}: is not a point in time")
        edges.append(found)
    return Activation(*edges)


def _written_activation(found: Activation) -> object:
    if found == ALWAYS:
        return None
    end = rfc3339(found.end_ns) if found.end_ns else ZERO_TIME
    return {"ActivationTime": rfc3339(found.start_ns), "ExpiryTime": end}


def _structs(kind: type[msgspec.Struct]) -> Codec:
    def read(value: object) -> object:
        if not isinstance(value, list):
            raise ValueError("is not a list")
        found = []
        for place, each in enumerate(value):
            try:
                found.append(decode(kind, each))
            except ValueError as error:
                raise ValueError(f"[{place}].{error}") from None
        return tuple(found)

    return Codec(read, list, kind)


def _same(value: object) -> object:
    return value


TEXT = Codec(_text, _same)
WORDS = Codec(_words, list)
FLAG = Codec(_flag, _same)
REAL = Codec(_real, number)
WHOLE = Codec(_whole, _same)
LENGTH = Codec(_length, _same)
ACTIVE = Codec(_activation, _written_activation)

_HEAD = (Member("Tenant", "tenant", TEXT), Member("ID", "id", TEXT))
_FILTERED = (Member("FilterIDs", "filter_ids", WORDS), Member("ActivationInterval", "activation", ACTIVE))
_WEIGHT = Member("Weight", "weight", REAL)
_BLOCKER = Member("Blocker", "is_blocker", FLAG)
_STORED = Member("Stored", "is_stored", FLAG)
_THRESHOLDS = Member("ThresholdIDs", "threshold_ids", WORDS)

MEMBERS: Mapping[type[msgspec.Struct], tuple[Member, ...]] = {
    FilterRule: (
        Member("Type", "type", TEXT),
        Member("Element", "element", TEXT),
        Member("Values", "values", WORDS),
    ),
    Filter: (
        *_HEAD,
        Member("Rules", "rules", _structs(FilterRule)),
        Member("ActivationInterval", "activation", ACTIVE),
    ),
    AttributeRule: (
        Member("FilterIDs", "filter_ids", WORDS),
        Member("Path", "path", TEXT),
        Member("Type", "type", TEXT),
        Member("Value", "value", Codec(_attribute_value, _same)),
    ),
    AttributeProfile: (
        *_HEAD,
        Member("Contexts", "contexts", WORDS),
        *_FILTERED,
        Member("Attributes", "attributes", _structs(AttributeRule)),
        _BLOCKER,
        _WEIGHT,
    ),
    ChargerProfile: (
        *_HEAD,
        *_FILTERED,
        Member("RunID", "run_id", TEXT),
        Member("AttributeIDs", "attribute_ids", WORDS),
        _WEIGHT,
    ),
    ResourceProfile: (
        *_HEAD,
        *_FILTERED,
        Member("UsageTTL", "usage_ttl_ns", LENGTH),
        Member("Limit", "limit", REAL),
        Member("AllocationMessage", "allocation_message", TEXT),
        _BLOCKER,
        _STORED,
        _WEIGHT,
        _THRESHOLDS,
    ),
    Route: (
        Member("ID", "id", TEXT),
        Member("FilterIDs", "filter_ids", WORDS),
        Member("AccountIDs", "account_ids", WORDS),
        Member("RatingPlanIDs", "rating_plan_ids", WORDS),
        Member("ResourceIDs", "resource_ids", WORDS),
        Member("StatIDs", "stat_ids", WORDS),
        _WEIGHT,
        _BLOCKER,
        Member("RouteParameters", "parameters", TEXT),
    ),
    RouteProfile: (
        *_HEAD,
        *_FILTERED,
        Member("Sorting", "sorting", TEXT),
        Member("SortingParameters", "sorting_parameters", WORDS),
        Member("Routes", "routes", _structs(Route)),
        _WEIGHT,
    ),
    Metric: (Member("FilterIDs", "filter_ids", WORDS), Member("MetricID", "id", TEXT)),
    StatProfile: (
        *_HEAD,
        *_FILTERED,
        Member("QueueLength", "queue_length", WHOLE),
        Member("TTL", "ttl_ns", LENGTH),
        Member("MinItems", "min_items", WHOLE),
        Member("Metrics", "metrics", _structs(Metric)),
        _STORED,
        _BLOCKER,
        _WEIGHT,
        _THRESHOLDS,
    ),
    ThresholdProfile: (
        *_HEAD,
        *_FILTERED,
        Member("MaxHits", "max_hits", WHOLE),
        Member("MinHits", "min_hits", WHOLE),
        Member("MinSleep", "min_sleep_ns", LENGTH),
        _BLOCKER,
        _WEIGHT,
        Member("ActionIDs", "action_ids", WORDS),
        Member("Async", "is_async", FLAG),
        Member("EeIDs", "exporter_ids", WORDS),
    ),
}
