"""Texts of a tariff file as exact numbers: quantities, ranges, clock times, days.

Pure. Every function reads one text and raises ValueError with a sentence for what it cannot read.
"""

import re
from datetime import UTC, date, datetime, tzinfo

from ocs.charging.events import Unit
from ocs.charging.money import parse_nanos

DURATIONS_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
VOLUMES_OCTETS = {
    "B": 1,
    **{f"{letter}B": 1000**power for power, letter in enumerate("kMGTP", 1)},
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGTP", 1)},
}
MAX_UNITS = 2**63 - 1
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_DURATION = re.compile(r"(?:\d+(?:ns|us|ms|s|m|h|d))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+)(ns|us|ms|s|m|h|d)", re.ASCII)
_VOLUME = re.compile(r"(\d+) ?([kMGTP]?B|[KMGTP]iB)", re.ASCII)
_COUNT = re.compile(r"\d+", re.ASCII)
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)
_PREFIX = re.compile(r"\+?([0-9*#]{1,40})", re.ASCII)
_NETWORK = re.compile(r"(\d{1,3})(?:-?(\d{1,3}))?", re.ASCII)


def quantity(text: str) -> tuple[int, Unit | None]:
    """Units of `1m30s`, `100MB`, `1GiB` or `5`, and what they count; a bare number leaves that open."""
    if _COUNT.fullmatch(text):
        return _bounded(int(text), text), None
    if _DURATION.fullmatch(text):
        parts = _DURATION_PART.findall(text)
        return _bounded(sum(int(count) * DURATIONS_NS[unit] for count, unit in parts), text), Unit.TIME
    if match := _VOLUME.fullmatch(text):
        return _bounded(int(match[1]) * VOLUMES_OCTETS[match[2]], text), Unit.OCTETS
    raise ValueError(f'"{text}" is not a quantity such as 30s, 1m30s, 100MB, 1GiB or 1')


def amount_nanos(text: str) -> int:
    """Nanos of an amount that is not negative."""
    nanos = parse_nanos(text)
    if nanos < 0:
        raise ValueError(f'"{text}" is negative')
    return nanos


def whole(text: str, least: int, most: int) -> int:
    """A whole number between two bounds."""
    if not re.fullmatch(r"[+-]?\d{1,20}", text, re.ASCII) or not least <= int(text) <= most:
        raise ValueError(f'"{text}" is not a whole number from {least} to {most}')
    return int(text)


def number_range(text: str, least: int, most: int) -> tuple[int, int]:
    """First and last of `7` or `1-5`."""
    first, dash, last = text.partition("-")
    start = whole(first.strip(), least, most)
    end = whole(last.strip(), least, most) if dash else start
    if end < start:
        raise ValueError(f'"{text}" ends before it begins')
    return start, end


def days_of_week(text: str) -> frozenset[int]:
    """Weekdays of `mon`, `mon-fri` or `sat-mon`, from Monday = 0."""
    return _named_range(text, WEEKDAYS, "weekday")


def months(text: str) -> frozenset[int]:
    """Months of `jan`, `nov-feb`, `3` or `6-8`, from January = 1."""
    if text[:1].isdigit():
        first, last = number_range(text, 1, 12)
        return frozenset(range(first, last + 1))
    return frozenset(index + 1 for index in _named_range(text, MONTHS, "month"))


def clock_seconds(text: str) -> int:
    """Seconds since midnight of `08:00`, `23:59:59` or `24:00`."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not a time of day such as 08:00')
    hours, minutes, seconds = int(match[1]), int(match[2]), int(match[3] or 0)
    total = hours * 3600 + minutes * 60 + seconds
    if minutes > 59 or seconds > 59 or total > 86_400:
        raise ValueError(f'"{text}" is not a time of day such as 08:00')
    return total


def day(text: str) -> date:
    """A date written as 2026-12-25."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f'"{text}" is not a date such as 2026-12-25') from None


def moment_ns(text: str, zone: tzinfo) -> int:
    """ns since the epoch of `2026-01-01` or `2026-01-01T08:00:00`, in `zone` unless it names its offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f'"{text}" is not a moment such as 2026-01-01 or 2026-01-01T08:00:00Z') from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def number_prefix(text: str) -> str:
    """Digits a called number begins with; `*` is any number."""
    if text == "*":
        return ""
    match = _PREFIX.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not the beginning of a number')
    return match[1]


def network_prefix(text: str) -> str:
    """Digits an MCC and MNC begin with, such as `262`, `26201` or `262-01`; `*` is any network."""
    if text == "*":
        return ""
    match = _NETWORK.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not an MCC and MNC such as 26201')
    return match[1] + (match[2] or "")


def _named_range(text: str, names: tuple[str, ...], what: str) -> frozenset[int]:
    first, dash, last = (part.strip().lower()[:3] for part in text.partition("-"))
    if first not in names or (dash and last not in names):
        raise ValueError(f'"{text}" is not a {what} such as {names[0]} or {names[0]}-{names[4]}')
    start = names.index(first)
    count = (names.index(last) - start) % len(names) + 1 if dash else 1
    return frozenset((start + step) % len(names) for step in range(count))


def _bounded(units: int, text: str) -> int:
    if units > MAX_UNITS:
        raise ValueError(f'"{text}" is larger than any quantity')
    return units
