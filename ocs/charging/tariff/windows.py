"""Time windows: when a price applies, on the wall clock of a time zone, correct over clock changes.

Pure. Every wall time means one instant: the first of two where the clock is set back, and the moment of the
change where it is set forward over it. Windows that meet on the clock therefore meet without gap or overlap.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import msgspec

SECOND_NS = 1_000_000_000
DAY_S = 86_400
HORIZON_DAYS = 8  # how far ahead a change is looked for
REMEMBERED_SPANS = 8
LATEST_NS = 250_000_000_000 * SECOND_NS  # in the year 9892: the calendar ends in 9999

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


class DateSet(msgspec.Struct, frozen=True):
    """Single days, days of every year as (month, day), and inclusive spans of days."""

    days: frozenset[date] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()
    spans: tuple[tuple[date, date], ...] = ()

    def __contains__(self, day: date) -> bool:
        if day in self.days or (day.month, day.day) in self.yearly:
            return True
        return any(first <= day <= last for first, last in self.spans)

    def __or__(self, other: "DateSet") -> "DateSet":
        return DateSet(self.days | other.days, self.yearly | other.yearly, self.spans + other.spans)


class Period(msgspec.Struct, frozen=True):
    """A part of certain days, in seconds of the wall clock; conditions that are None hold on any day.

    Weekdays count from Monday = 0. An end at or before the start is on the next day: the period belongs to
    the day it starts on.
    """

    start_s: int = 0
    end_s: int = DAY_S
    years: frozenset[int] | None = None
    months: frozenset[int] | None = None
    month_days: frozenset[int] | None = None
    weekdays: frozenset[int] | None = None
    only: DateSet | None = None
    exclude: DateSet | None = None

    def covers(self, day: date) -> bool:
        """Whether the period starts on that day."""
        return (
            (self.years is None or day.year in self.years)
            and (self.months is None or day.month in self.months)
            and (self.month_days is None or day.day in self.month_days)
            and (self.weekdays is None or day.weekday() in self.weekdays)
            and (self.only is None or day in self.only)
            and (self.exclude is None or day not in self.exclude)
        )


class Span(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """While the clock is in [start_ns, end_ns) the window stays open, or stays closed."""

    start_ns: int
    end_ns: int
    is_open: bool


class Window:
    """Named periods in a time zone; open while any of them is. Remembers the spans it was asked for last."""

    __slots__ = ("_spans", "_zone", "name", "periods", "zone_name")

    def __init__(self, name: str, periods: tuple[Period, ...], zone_name: str) -> None:
        self.name = name
        self.periods = periods
        self.zone_name = zone_name
        self._zone = ZoneInfo(zone_name)
        self._spans: tuple[Span, ...] = ()

    def span(self, at_ns: int) -> Span:
        """The span around a moment; it may end early, at the horizon, though nothing changes there."""
        for span in self._spans:
            if span.start_ns <= at_ns < span.end_ns:
                return span
        span = self._find(min(max(at_ns, 0), LATEST_NS), at_ns)
        self._spans = (span, *self._spans[: REMEMBERED_SPANS - 1])
        return span

    def is_open(self, at_ns: int) -> bool:
        """Whether the window is open at a moment."""
        return self.span(at_ns).is_open

    def _find(self, clamped_ns: int, at_ns: int) -> Span:
        if clamped_ns != at_ns:
            # Before 1970 and past the calendar nothing is known to change; such times are never real.
            is_open = self._find(clamped_ns, clamped_ns).is_open
            return Span(at_ns, at_ns + DAY_S * SECOND_NS, is_open)
        ordinal = datetime.fromtimestamp(at_ns // SECOND_NS, self._zone).toordinal()
        closed_from_ns = instant_ns(ordinal, 0, self._zone)
        for start_ns, end_ns in _merged(self._openings(ordinal)):
            if at_ns < start_ns:
                return Span(closed_from_ns, start_ns, False)
            if at_ns < end_ns:
                return Span(start_ns, end_ns, True)
            closed_from_ns = max(closed_from_ns, end_ns)
        return Span(closed_from_ns, instant_ns(ordinal + HORIZON_DAYS, 0, self._zone), False)

    def _openings(self, ordinal: int) -> Iterator[tuple[int, int]]:
        """Start and end of every period from the day before on, up to the horizon, by start."""
        for number in range(ordinal - 1, ordinal + HORIZON_DAYS):
            day = date.fromordinal(number)
            yield from sorted(
                (
                    instant_ns(number, period.start_s, self._zone),
                    instant_ns(number + (period.end_s <= period.start_s), period.end_s, self._zone),
                )
                for period in self.periods
                if period.covers(day)
            )


def instant_ns(ordinal: int, second_of_day: int, zone: tzinfo) -> int:
    """The instant at which the wall clock of a zone first reads, or skips, a time of a day."""
    wall = datetime.fromordinal(ordinal) + timedelta(seconds=second_of_day)
    first = wall.replace(tzinfo=zone, fold=0)
    second = wall.replace(tzinfo=zone, fold=1)
    offset = first.utcoffset()
    if offset == second.utcoffset() or (offset or timedelta()) > (second.utcoffset() or timedelta()):
        return _epoch_s(first) * SECOND_NS
    return _change_s(_epoch_s(second), _epoch_s(first), zone) * SECOND_NS


def _epoch_s(moment: datetime) -> int:
    days = moment.toordinal() - _EPOCH_ORDINAL
    offset = moment.utcoffset() or timedelta()
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    return days * DAY_S + seconds - (offset.days * DAY_S + offset.seconds)


def _change_s(before_s: int, after_s: int, zone: tzinfo) -> int:
    """The first second of the new offset between two moments on either side of a clock change."""
    offset = datetime.fromtimestamp(before_s, zone).utcoffset()
    while after_s - before_s > 1:
        middle_s = (before_s + after_s) // 2
        if datetime.fromtimestamp(middle_s, zone).utcoffset() == offset:
            before_s = middle_s
        else:
            after_s = middle_s
    return after_s


def _merged(openings: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Intervals by start, with the ones that touch or overlap joined; empty ones are left out."""
    current: tuple[int, int] | None = None
    for start_ns, end_ns in openings:
        if end_ns <= start_ns:
            continue
        if current is not None and start_ns <= current[1]:
            current = (current[0], max(current[1], end_ns))
            continue
        if current is not None:
            yield current
        current = (start_ns, end_ns)
    if current is not None:
        yield current
