"""When recurring work is due: once, every so often, or by the calendar of a time zone. Pure.

Calendars read the wall clock. A fixed time of day comes once a day: where the clock is set forward over it, at the
moment of the change; where it comes twice, at its first occurrence. A calendar without hours (every hour, every
minute) follows elapsed time instead: it runs in both of two equal hours, and not in one that is left out.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo

import msgspec

from ocs.charging.tariff.windows import instant_ns

SECOND_NS = 1_000_000_000
DAY_S = 86_400
LAST = -1  # among month days: the last one
MONTHS_AHEAD = 12 * 28 + 1  # after which a calendar of dates repeats itself
LAST_YEAR = 9_990

REMEMBERED = 10_000  # calendars with what was found last
_EPOCH = date(1970, 1, 1).toordinal()


class Once(msgspec.Struct, frozen=True, tag="once"):
    """One moment."""

    at_ns: int


class Interval(msgspec.Struct, frozen=True, tag="interval"):
    """Every `every_ns`, counted from `from_ns`, whatever the clock does meanwhile."""

    every_ns: int
    from_ns: int = 0


class Calendar(msgspec.Struct, frozen=True, tag="calendar"):
    """Times of the wall clock; an empty tuple means any. Ascending numbers; weekdays count 0 (Sunday) to 6.

    With days of the month and weekdays both, either is enough, as in cron. `clips` moves a day that the month lacks
    to its last one.
    """

    years: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    week_days: tuple[int, ...] = ()
    hours: tuple[int, ...] = (0,)
    minutes: tuple[int, ...] = (0,)
    seconds: tuple[int, ...] = (0,)
    clips: bool = False


Schedule = Once | Interval | Calendar

_found: dict[tuple[Calendar, str], tuple[int, int]] = {}


def next_run(schedule: Schedule, after_ns: int, zone: tzinfo) -> int | None:
    """The first moment later than `after_ns`; None where nothing comes any more."""
    match schedule:
        case Once():
            return schedule.at_ns if schedule.at_ns > after_ns else None
        case Interval():
            return after_ns + schedule.every_ns - (after_ns - schedule.from_ns) % schedule.every_ns
        case Calendar():
            found = _next_second(schedule, after_ns // SECOND_NS, zone)
            return None if found is None else found * SECOND_NS


def named(word: str, set_at_ns: int, zone: tzinfo) -> Schedule | None:
    """The schedule of a word such as `*monthly`, which counts from the moment it was set; None: no such word.

    `*monthly` and `*yearly` leave out months without that day; `*monthly_estimated` runs on their last day.
    """
    at = datetime.fromtimestamp(set_at_ns // SECOND_NS, zone)
    daily = Calendar(hours=(at.hour,), minutes=(at.minute,), seconds=(at.second,))
    replaced = msgspec.structs.replace
    match word:
        case "*asap":
            return Once(set_at_ns)
        case "*every_minute":
            return replaced(daily, hours=(), minutes=())
        case "*hourly":
            return replaced(daily, hours=())
        case "*daily":
            return daily
        case "*weekly":
            return replaced(daily, week_days=(at.isoweekday() % 7,))
        case "*monthly" | "*monthly_estimated":
            return replaced(daily, month_days=(at.day,), clips=word == "*monthly_estimated")
        case "*month_end":
            return replaced(daily, month_days=(LAST,))
        case "*yearly":
            return replaced(daily, months=(at.month,), month_days=(at.day,))
    return None


def local_day(at_ns: int, zone: tzinfo) -> date:
    """The day of a moment on a zone's calendar."""
    return datetime.fromtimestamp(at_ns // SECOND_NS, zone).date()


def _next_second(calendar: Calendar, after_s: int, zone: tzinfo) -> int | None:
    """The first second of a calendar later than `after_s`; what was found last for it is remembered.

    Between the moment asked for and the one found there is no other, so that it answers for all of that time.
    """
    known = _found.get((calendar, str(zone)))
    if known is not None and known[0] <= after_s < known[1]:
        return known[1]
    found = _searched(calendar, after_s, zone)
    if found is not None:
        if len(_found) >= REMEMBERED:
            _found.clear()
        _found[calendar, str(zone)] = (after_s, found)
    return found


def _searched(calendar: Calendar, after_s: int, zone: tzinfo) -> int | None:
    for ordinal in _days(calendar, local_day(after_s * SECOND_NS, zone)):
        find = _fixed if calendar.hours else _elapsed
        found = find(calendar, ordinal, after_s, zone)
        if found is not None:
            return found
    return None


def _days(calendar: Calendar, first: date) -> Iterator[int]:
    """Ordinals of the calendar's days from `first` on."""
    for number in range(MONTHS_AHEAD if not calendar.years else 12 * (LAST_YEAR - first.year)):
        years, month = divmod(first.month - 1 + number, 12)
        year, month = first.year + years, month + 1
        if year > min(LAST_YEAR, max(calendar.years, default=LAST_YEAR)):
            return
        if (calendar.years and year not in calendar.years) or (
            calendar.months and month not in calendar.months
        ):
            continue
        start = date(year, month, 1).toordinal()
        for day in _month_days(calendar, start, days_in(year, month)):
            if start + day - 1 >= first.toordinal():
                yield start + day - 1


def days_in(year: int, month: int) -> int:
    """How many days a month has."""
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - date(year, month, 1)).days


def _month_days(calendar: Calendar, start: int, length: int) -> list[int]:
    """Days of the month that begins at an ordinal, ascending."""
    if not calendar.month_days and not calendar.week_days:
        return list(range(1, length + 1))
    found = set()
    for day in calendar.month_days:
        if day == LAST or (calendar.clips and day > length):
            found.add(length)
        elif day <= length:
            found.add(day)
    if calendar.week_days:
        found.update(
            day for day in range(1, length + 1) if (start + day - 1) % 7 in calendar.week_days
        )  # ordinal 7 was a Sunday
    return sorted(found)


def _fixed(calendar: Calendar, ordinal: int, after_s: int, zone: tzinfo) -> int | None:
    """The first fixed time of a day that is later than a moment."""
    for hour in calendar.hours:
        if instant_ns(ordinal, hour * 3600 + 3599, zone) // SECOND_NS <= after_s:
            continue
        for minute in calendar.minutes or range(60):
            for second in calendar.seconds or range(60):
                at_s = instant_ns(ordinal, hour * 3600 + minute * 60 + second, zone) // SECOND_NS
                if at_s > after_s:
                    return at_s
    return None


def _elapsed(calendar: Calendar, ordinal: int, after_s: int, zone: tzinfo) -> int | None:
    """The first moment of a day whose wall clock shows a minute and second of the calendar."""
    midnight_s = (ordinal - _EPOCH) * DAY_S
    for start_s, end_s, offset_s in _segments(ordinal, zone):
        earliest_s = max(start_s, after_s + 1)
        for wall_s in _walls(calendar, earliest_s + offset_s - midnight_s):
            if wall_s + midnight_s - offset_s < end_s:
                return wall_s + midnight_s - offset_s
            break
    return None


def _segments(ordinal: int, zone: tzinfo) -> Iterator[tuple[int, int, int]]:
    """Parts of a day with one offset from UTC: start, end and offset in seconds."""
    start_s = instant_ns(ordinal, 0, zone) // SECOND_NS
    end_s = instant_ns(ordinal + 1, 0, zone) // SECOND_NS
    while start_s < end_s:
        offset_s = _offset_s(start_s, zone)
        change_s = end_s
        if _offset_s(end_s - 1, zone) != offset_s:
            before_s, change_s = start_s, end_s - 1
            while change_s - before_s > 1:
                middle_s = (before_s + change_s) // 2
                if _offset_s(middle_s, zone) == offset_s:
                    before_s = middle_s
                else:
                    change_s = middle_s
        yield start_s, change_s, offset_s
        start_s = change_s


def _offset_s(at_s: int, zone: tzinfo) -> int:
    offset = datetime.fromtimestamp(at_s, UTC).astimezone(zone).utcoffset() or timedelta()
    return offset.days * DAY_S + offset.seconds


def _walls(calendar: Calendar, from_s: int) -> Iterator[int]:
    """Seconds of a day that the minutes and seconds of a calendar allow, from one on."""
    for hour in range(max(from_s, 0) // 3600, 24):
        for minute in calendar.minutes or range(60):
            for second in calendar.seconds or range(60):
                wall_s = hour * 3600 + minute * 60 + second
                if wall_s >= from_s:
                    yield wall_s
