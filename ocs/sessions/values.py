"""Members of events in every form clients write them: texts, durations, moments, flags. Pure.

A duration is an integer of ns (units for data and messages) or a text: `10s`, `1h2m`, `5120`. A moment is RFC 3339,
`2006-01-02 15:04:05`, `20060102150405`, a number of s, ms, us or ns since 1970, or a word such as `*now` or `+1h`.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from operator import truediv
from typing import Any

from ocs.charging.cgrates import values as cells

Event = dict[str, Any]
Moment = tuple[int, int]  # ns since 1970, UTC offset in ns
NO_MOMENT: Moment = (0, 0)
SECOND_NS = 1_000_000_000
LARGEST_COUNT = 1 << 62
LARGEST_EXPONENT = 30
FIRST_NS = -30_610_224_000 * SECOND_NS  # the first day of year 1000
LAST_NS = 253_402_000_000 * SECOND_NS  # the last days of year 9999
REMEMBERED = 4_096  # texts whose value is known: clients repeat them

_BARE = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
_COMPACT = re.compile(r"\d{14}", re.ASCII)
_SPACED = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,9})?)Z?", re.ASCII)


def text(value: object) -> str:
    """A member as text; absent is empty."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal() | float():
            return number_text(value)
        case _:
            return str(value)


def number_text(value: Decimal | float) -> str:
    """A number without needless zeros, one of absurd size as it came."""
    exact = Decimal(str(value))
    if not exact.is_finite() or abs(exact.adjusted()) > LARGEST_EXPONENT:
        return str(value)
    shown = format(exact, "f")
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def flag(value: object) -> bool:
    """A member as a condition. Raises ValueError."""
    match value:
        case bool():
            return value
        case None:
            return False
        case int() | float() | Decimal():
            return value > 0
        case str():
            return cells.flag(value)
    raise ValueError(f"not true or false: {value!r}")


def duration(value: object) -> int:
    """A member as ns, or units. Raises ValueError."""
    match value:
        case bool() | None:
            raise ValueError(f"not a duration: {value!r}")
        case int():
            return _counted(value)
        case float() | Decimal():
            return _counted(int(_bounded(Decimal(str(value)))))
        case str():
            return _duration_of(value)
    raise ValueError(f"not a duration: {value!r}")


@lru_cache(REMEMBERED)
def _duration_of(written: str) -> int:
    if _BARE.fullmatch(written):
        return _counted(int(_bounded(Decimal(written))))
    return _counted(cells.duration_ns(written))


def _counted(value: int) -> int:
    if abs(value) > LARGEST_COUNT:
        raise ValueError("a number out of range")
    return value


def _bounded(value: Decimal) -> Decimal:
    """A number whose digits can be written out."""
    if not value.is_finite() or abs(value.adjusted()) > LARGEST_EXPONENT:
        raise ValueError("a number out of range")
    return value


@lru_cache(REMEMBERED)
def _instant_of(written: str) -> Moment:
    return cells.instant(written)


def optional_duration(event: Mapping[str, Any], name: str) -> int | None:
    """A member as ns, None where it is absent or empty. Raises ValueError."""
    value = event.get(name)
    return None if value is None or value == "" else duration(value)


def nanos(value: object) -> int:
    """A member as nanos of money or units. Raises ValueError."""
    match value:
        case bool() | None:
            raise ValueError(f"not a number: {value!r}")
        case int():
            return _counted(value) * SECOND_NS
        case float() | Decimal():
            return round(_bounded(Decimal(str(value))) * SECOND_NS)
        case str():
            exact = Decimal(value) if _BARE.fullmatch(value) else Decimal(cells.real(value))
            return round(_bounded(exact) * SECOND_NS)
    raise ValueError(f"not a number: {value!r}")


def number(nanos_: int) -> int | float:
    """Nanos as the number of their unit, whole ones without a point."""
    whole, rest = divmod(nanos_, SECOND_NS)
    if not rest:
        return whole
    exact: float = truediv(nanos_, SECOND_NS)  # compiled, `/` rounds twice from 2^53 nanos on
    return exact


def moment(value: object, now_ns: int) -> Moment:
    """A member as moment and UTC offset; absent is the zero moment. Raises ValueError."""
    found = _moment(value, now_ns)
    if not FIRST_NS <= found[0] <= LAST_NS:
        raise ValueError("a point in time out of range")
    return found


def _moment(value: object, now_ns: int) -> Moment:
    match value:
        case None | "" | "*unlimited" | "*zero":
            return NO_MOMENT
        case bool():
            raise ValueError(f"not a point in time: {value!r}")
        case int():
            return _epoch(value), 0
        case float() | Decimal():
            return _epoch(int(_bounded(Decimal(str(value))))), 0
        case str():
            return _written(value.strip(), now_ns)
    raise ValueError(f"not a point in time: {value!r}")


def _written(written: str, now_ns: int) -> Moment:
    if len(written) > 18 and written[10:11] in "Tt":
        return _instant_of(written)
    if _COMPACT.fullmatch(written):
        return int(datetime.strptime(written, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()) * SECOND_NS, 0
    if written.isascii() and written.isdigit():
        return _epoch(int(written)), 0
    spaced = _SPACED.fullmatch(written)
    if spaced:
        return cells.instant(f"{spaced[1]}T{spaced[2]}Z")
    if written[:1] in "*+":
        return _relative(written, now_ns), 0
    if written.startswith("-"):
        return now_ns + cells.duration_ns(written), 0
    return cells.instant(written)


def _relative(word: str, now_ns: int) -> int:
    """`*now`, `+1h`, `*month_end+1h`, `*mo+1h`."""
    base, plus, rest = word.partition("+")
    if base == "*mo":
        base = "*monthly"
    start_ns = cells.expiry_ns(base, now_ns) if base else now_ns
    return (start_ns or 0) + (cells.duration_ns(rest) if plus else 0)


def _epoch(number: int) -> int:
    """s, ms, us or ns since 1970, told apart by how many digits there are."""
    digits = len(str(abs(number)))
    for most, factor in ((11, SECOND_NS), (14, 1_000_000), (17, 1_000)):
        if digits <= most:
            return number * factor
    return number


def moment_text(at: Moment) -> str:
    """RFC 3339 of a moment on its own clock; the zero moment as Go prints it."""
    at_ns, offset_ns = at
    if at_ns == 0:
        return "0001-01-01T00:00:00Z"
    local_s, fraction_ns = divmod(at_ns + offset_ns, SECOND_NS)
    shown = datetime.fromtimestamp(local_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if fraction_ns:
        shown += f".{fraction_ns:09d}".rstrip("0")
    if not offset_ns:
        return f"{shown}Z"
    minutes = abs(offset_ns) // (60 * SECOND_NS)
    return f"{shown}{'-' if offset_ns < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def duration_text(ns: int) -> str:
    """A duration as Go writes it: `1h2m3.5s`, `10ms`, `0s`."""
    if ns == 0:
        return "0s"
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    if ns < SECOND_NS:
        for unit, size in (("ms", 1_000_000), ("µs", 1_000), ("ns", 1)):
            if ns >= size:
                return f"{sign}{_shortest(ns, size)}{unit}"
    minutes, rest_ns = divmod(ns, 60 * SECOND_NS)
    hours, minutes = divmod(minutes, 60)
    shown = f"{_shortest(rest_ns, SECOND_NS)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{shown}"
    return f"{sign}{minutes}m{shown}" if minutes else f"{sign}{shown}"


def _shortest(ns: int, size: int) -> str:
    whole, rest = divmod(ns, size)
    if not rest:
        return str(whole)
    return f"{whole}.{rest * (SECOND_NS // size):09d}".rstrip("0")
