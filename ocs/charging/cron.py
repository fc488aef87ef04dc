"""Cron expressions as schedules. Pure.

Five fields `minute hour day-of-month month weekday`; with six, seconds come first; with seven, years come last.
Fields take `*`, `?`, numbers, names (`jan`, `mon`), lists, ranges and steps; `L` is the last day of the month.
`@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly` and `@every 1h30m` stand alone. Every function raises
ValueError with a message that names the text.
"""

import re

from ocs.charging.schedule import LAST, SECOND_NS, Calendar, Interval, Schedule

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
LONGEST = 256  # characters of an expression

_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_UNITS_S = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_LENGTH = re.compile(r"(\d+)([dhms])")


def cron(text: str) -> Schedule:
    """The schedule of an expression."""
    if len(text) > LONGEST:
        raise ValueError(f"a cron expression has {LONGEST} characters at most")
    words = _WORDS.get(text.strip().lower(), text).lower().split()
    if words[:1] == ["@every"] and len(words) == 2:
        return _every(words[1])
    if not 5 <= len(words) <= 7:
        raise ValueError(f'"{text}" is not a cron expression of 5 to 7 fields')
    seconds = words.pop(0) if len(words) > 5 else "0"
    years = words.pop() if len(words) > 5 else "*"
    minutes, hours, month_days, months, week_days = words
    return Calendar(
        years=_numbers("year", years, 1970, 9990),
        months=_numbers("month", months, 1, 12, MONTHS),
        month_days=_numbers("day of month", month_days, 1, 31),
        week_days=_week_days(week_days),
        hours=_numbers("hour", hours, 0, 23),
        minutes=_numbers("minute", minutes, 0, 59),
        seconds=_numbers("second", seconds, 0, 59),
    )


def _every(text: str) -> Interval:
    parts = _LENGTH.findall(text)
    seconds = sum(int(count) * _UNITS_S[unit] for count, unit in parts)
    if "".join(count + unit for count, unit in parts) != text or not seconds:
        raise ValueError(f'"{text}" is not a length such as 1h30m')
    return Interval(seconds * SECOND_NS)


def _week_days(text: str) -> tuple[int, ...]:
    """Weekdays 0 (Sunday) to 6; 7 is Sunday too."""
    found = {day % 7 for day in _numbers("weekday", text, 0, 7, WEEKDAYS)}
    return tuple(sorted(found)) if len(found) < 7 else ()


def _numbers(field: str, text: str, least: int, most: int, names: tuple[str, ...] = ()) -> tuple[int, ...]:
    """The numbers of a field, ascending; empty for any."""
    if text in ("*", "?"):
        return ()
    found: set[int] = set()
    for part in text.split(","):
        if part == "l" and field == "day of month":
            found.add(LAST)
        else:
            found.update(_range(field, part, least, most, names))
    if LAST not in found and len(found) == most - least + 1:
        return ()
    return tuple(sorted(found))


def _range(field: str, part: str, least: int, most: int, names: tuple[str, ...]) -> range:
    span, slash, step = part.partition("/")
    first, dash, last = span.partition("-")
    if span in ("*", "?"):
        low, high = least, most
    else:
        low = _number(field, first, least, most, names)
        high = _number(field, last, least, most, names) if dash else most if slash else low
    every = _number(field, step, 1, most) if slash else 1
    if high < low:
        raise ValueError(f'{field} "{part}" ends before it begins')
    return range(low, high + 1, every)


def _number(field: str, text: str, least: int, most: int, names: tuple[str, ...] = ()) -> int:
    if text in names:
        return names.index(text) + least
    if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
        raise ValueError(f'{field} "{text}" is not a number from {least} to {most}')
    return int(text)
