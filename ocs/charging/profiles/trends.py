"""Trends: how the metrics of a queue change from one look at them to the next, in percent. Pure."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from ocs.charging.profiles.values import Number

LAST, AVERAGE = "*last", "*average"
CORRELATIONS = (LAST, AVERAGE)
POSITIVE, NEGATIVE, CONSTANT, NOT_AVAILABLE = "*positive", "*negative", "*constant", "N/A"
NO_VALUE = Decimal(-1)  # of a metric that has none, and of a growth that cannot be told
MOST_RUNS = 100_000  # of one trend without limits


class TrendProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Which queue is looked at, and how long it is remembered; `tolerance` is in percent."""

    tenant: str
    id: str
    stat_id: str
    metric_ids: tuple[str, ...] = ()
    schedule: str = ""
    ttl_ns: int = -1
    queue_length: int = -1
    min_items: int = 0
    correlation: str = LAST
    tolerance: Decimal = Decimal(0)
    is_stored: bool = False
    threshold_ids: tuple[str, ...] = ()


class Reading(msgspec.Struct, frozen=True):
    """A metric at one moment, and how it has changed."""

    metric_id: str
    value: Decimal
    growth: Decimal
    label: str


class Run(msgspec.Struct, frozen=True):
    """One look at a queue."""

    at_ns: int
    readings: tuple[Reading, ...]


class Trend(msgspec.Struct, frozen=True):
    """What was seen, the oldest first."""

    tenant: str
    id: str
    runs: tuple[Run, ...] = ()


def continued(
    trend: Trend, profile: TrendProfile, values: Mapping[str, Number | None], now_ns: int, decimals: int
) -> Trend:
    """A trend with one more run; `values` are the metrics of the queue, None for one without a value."""
    kept = [run for run in trend.runs if profile.ttl_ns <= 0 or now_ns < run.at_ns + profile.ttl_ns]
    before = _values_of(kept)
    readings = tuple(
        _reading(name, values.get(name), before.get(name, ()), profile, decimals)
        for name in (profile.metric_ids or sorted(values))
    )
    most = profile.queue_length if profile.queue_length > 0 else MOST_RUNS
    return Trend(trend.tenant, trend.id, (*kept, Run(now_ns, readings))[-most:])


def selected(
    trend: Trend, first: int = 0, end: int = 0, from_ns: int | None = None, to_ns: int | None = None
) -> tuple[Run, ...]:
    """Runs by their numbers and times, the ends left out; an end of 0 is that of the trend."""
    if first < 0 or end < 0:
        return ()
    runs = trend.runs[first : end or None]
    return tuple(
        run
        for run in runs
        if (from_ns is None or run.at_ns >= from_ns) and (to_ns is None or run.at_ns < to_ns)
    )


def _values_of(runs: Iterable[Run]) -> dict[str, list[Decimal]]:
    found: dict[str, list[Decimal]] = {}
    for run in runs:
        for reading in run.readings:
            if reading.value != NO_VALUE or reading.label != NOT_AVAILABLE:
                found.setdefault(reading.metric_id, []).append(reading.value)
    return found


def _reading(
    name: str, value: Number | None, before: Iterable[Decimal], profile: TrendProfile, decimals: int
) -> Reading:
    if value is None:
        return Reading(name, NO_VALUE, NO_VALUE, NOT_AVAILABLE)
    number = Decimal(value)
    growth = _growth(number, tuple(before), profile.correlation, decimals)
    if growth is None:
        return Reading(name, number, NO_VALUE, NOT_AVAILABLE)
    return Reading(name, number, growth, _label(growth, profile.tolerance))


def _growth(value: Decimal, before: tuple[Decimal, ...], correlation: str, decimals: int) -> Decimal | None:
    """By how many percent a value is more than the last one, or than the mean; None where that cannot be told."""
    if not before or correlation not in CORRELATIONS:
        return None
    base = before[-1] if correlation == LAST else sum(before, Decimal(0)) / len(before)
    if not base:
        return None
    grown = (value - base) * 100 / base
    return grown.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def _label(growth: Decimal, tolerance: Decimal) -> str:
    if abs(growth) <= tolerance:
        return CONSTANT
    return POSITIVE if growth > 0 else NEGATIVE
