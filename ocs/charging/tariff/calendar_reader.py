"""The parts of a tariff file about time: holidays and windows.

Pure. Works on `Field`s; what is wrong is recorded there.
"""

from collections.abc import Mapping
from datetime import date
from functools import partial
from zoneinfo import ZoneInfo

from ocs.charging.tariff.quantities import clock_seconds, day, days_of_week, months, number_range
from ocs.charging.tariff.windows import DAY_S, DateSet, Period, Window
from ocs.charging.tariff.yaml_marks import Field, closest

WINDOW_KEYS = ("weekdays", "from", "to", "years", "months", "month_days", "on", "except", "time_zone")
LAST_YEAR = 9990


def read_time_zone(field: Field | None, default: str) -> str:
    """The name of a time zone the system knows."""
    if field is None:
        return default
    return field.value(_time_zone) or default


def read_holidays(field: Field | None) -> dict[str, DateSet]:
    """Named sets of days."""
    lists = {} if field is None else field.entries()
    return {name: _date_set(item, {}) for name, item in lists.items()}


def read_windows(field: Field | None, holidays: Mapping[str, DateSet], zone: str) -> dict[str, Window]:
    """Named windows; one that is a list is open while any of its parts is."""
    windows: dict[str, Window] = {}
    for name, item in ({} if field is None else field.entries()).items():
        zones: list[str] = []
        periods = [_period(part, holidays, zone, zones) for part in item.items()]
        if len(set(zones)) > 1:
            item.problem("all parts of a window are in one time zone")
        windows[name] = Window(name, tuple(periods), zones[0] if zones else zone)
    return windows


def _period(field: Field, holidays: Mapping[str, DateSet], zone: str, zones: list[str]) -> Period:
    members = field.members(WINDOW_KEYS)
    zones.append(read_time_zone(members.get("time_zone"), zone))
    start_s = _clock(members.get("from"), 0)
    end_s = _clock(members.get("to"), DAY_S)
    if start_s == DAY_S:
        members["from"].problem("a window begins before midnight: 00:00 begins a day")
    return Period(
        start_s,
        end_s,
        _numbers(members.get("years"), 1970, LAST_YEAR),
        _union(members.get("months"), "months"),
        _numbers(members.get("month_days"), 1, 31),
        _union(members.get("weekdays"), "weekdays"),
        None if "on" not in members else _date_set(members["on"], holidays),
        None if "except" not in members else _date_set(members["except"], holidays),
    )


def _clock(field: Field | None, default: int) -> int:
    seconds = default if field is None else field.value(clock_seconds)
    return default if seconds is None else seconds


def _numbers(field: Field | None, least: int, most: int) -> frozenset[int] | None:
    if field is None:
        return None
    ranges = field.values(partial(number_range, least=least, most=most))
    return frozenset(number for first, last in ranges for number in range(first, last + 1))


def _union(field: Field | None, what: str) -> frozenset[int] | None:
    if field is None:
        return None
    return frozenset().union(*field.values(months if what == "months" else days_of_week))


def _date_set(field: Field, holidays: Mapping[str, DateSet]) -> DateSet:
    """Days, days of every year, spans of days, and names of holiday lists, one or a list of them."""
    found = DateSet()
    for item in field.items():
        text = item.text()
        if text is None:
            continue
        if text in holidays:
            found |= holidays[text]
        elif text[:1].isdigit():
            found |= item.value(_days) or DateSet()
        else:
            item.problem(f'"{text}" is neither a date nor a list of holidays', closest(text, holidays))
    return found


def _days(text: str) -> DateSet:
    first, dots, last = text.partition("..")
    if dots:
        start, end = day(first.strip()), day(last.strip())
        if end < start:
            raise ValueError(f'"{text}" ends before it begins')
        return DateSet(spans=((start, end),))
    if len(text) == 5 and text[2] == "-":
        return DateSet(yearly=frozenset({_of_every_year(text)}))
    return DateSet(days=frozenset({day(text)}))


def _of_every_year(text: str) -> tuple[int, int]:
    """Month and day of `12-25`; 02-29 is a day of some years."""
    try:
        found = date.fromisoformat(f"2000-{text}")
    except ValueError:
        raise ValueError(f'"{text}" is no day of the year') from None
    return found.month, found.day


def _time_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError(f'"{text}" is not a time zone such as UTC or Europe/Berlin') from None
    return text
