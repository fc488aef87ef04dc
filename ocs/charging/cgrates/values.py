"""Texts of cells and parameters as values: durations, instants, lists, flags.

Every function raises ValueError with a message that names the text.
"""

import re
from datetime import UTC, datetime

_UNITS_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"(\d+)(?:\.(\d*))?(ns|us|µs|ms|s|m|h)")
_INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE
)


def duration_ns(text: str) -> int:
    """`1m30s`, `500ms`, or a bare number, which counts nanoseconds (or units of data and messages)."""
    text = text.strip()
    if not text:
        return 0
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text)
    total, at = 0, 0
    for part in _PART.finditer(rest):
        if part.start() != at:
            break
        whole, fraction, unit = part.group(1), part.group(2) or "", part.group(3)
        total += int(whole + fraction) * _UNITS_NS[unit] // 10 ** len(fraction)
        at = part.end()
    if at != len(rest) or not rest:
        raise ValueError(f"not a duration: {text!r}")
    return sign * total


def instant(text: str) -> tuple[int, int]:
    """RFC 3339 text as (ns since the Unix epoch, UTC offset in ns)."""
    found = _INSTANT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a point in time: {text!r}")
    numbers = [int(found.group(i)) for i in range(1, 7)]
    moment = datetime(*numbers, tzinfo=UTC)  # type: ignore[arg-type,misc]
    zone = found.group(8)
    offset_s = 0
    if zone and zone not in "Zz":
        offset_s = (int(zone[1:3]) * 60 + int(zone[-2:])) * (-60 if zone[0] == "-" else 60)
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _ONE_SECOND
    fraction_ns = int((found.group(7) or "0").ljust(9, "0"))
    return (seconds - offset_s) * 10**9 + fraction_ns, offset_s * 10**9


def instant_ns(text: str) -> int:
    """A point in time as ns since the Unix epoch; zero for an empty text.

    RFC 3339, `20060102150405`, or seconds, ms, us or ns since the epoch.
    """
    text = text.strip()
    if not text.isascii() or not text.isdigit():
        return instant(text)[0] if text else 0
    if len(text) == len("20060102150405"):
        return instant(f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:]}Z")[0]
    for most, scale in ((11, 10**9), (14, 10**6), (17, 10**3), (20, 1)):
        if len(text) < most:
            return int(text) * scale
    raise ValueError(f"not a point in time: {text!r}")


def length_ns(text: str) -> int:
    """A duration that is not negative."""
    value = duration_ns(text)
    if value < 0:
        raise ValueError(f"negative duration: {text!r}")
    return value


def expiry_ns(text: str, now_ns: int) -> int | None:
    """End of a balance: a point in time, `+24h` or a word like `*monthly` from now on; None for no end.

    A word may have more time behind it: `*month_end+1h`; `*mo` is short for `*monthly` there.
    """
    text = text.strip()
    word, plus, more = text.partition("+")
    if word.startswith("*") and plus:
        return (expiry_ns("*monthly" if word == "*mo" else word, now_ns) or 0) + duration_ns(more)
    match text:
        case "" | "*unlimited" | "*never":
            return None
        case "*now" | "*asap":
            return now_ns
        case "*hourly":
            return now_ns + _UNITS_NS["h"]
        case "*daily":
            return now_ns + 24 * _UNITS_NS["h"]
        case "*weekly":
            return now_ns + 7 * 24 * _UNITS_NS["h"]
        case "*monthly":
            return _months_later(now_ns, 1, clips=False)
        case "*monthly_estimated":
            return _months_later(now_ns, 1, clips=True)
        case "*yearly":
            return _months_later(now_ns, 12, clips=False)
        case "*month_end":
            return _month_start(now_ns, 1) - _UNITS_NS["s"]
        case "*year_end":
            return _month_start(now_ns, 13 - _moment(now_ns).month) - _UNITS_NS["s"]
    return now_ns + duration_ns(text[1:]) if text.startswith("+") else instant_ns(text)


def _moment(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // 10**9, UTC)


def _month_start(now_ns: int, months: int) -> int:
    now = _moment(now_ns)
    years, month = divmod(now.month - 1 + months, 12)
    return int(datetime(now.year + years, month + 1, 1, tzinfo=UTC).timestamp()) * 10**9


def _months_later(now_ns: int, months: int, *, clips: bool) -> int:
    """The same day some months on; a day that month lacks is its last one, or runs over into the next."""
    now = _moment(now_ns)
    start_ns = _month_start(now_ns, months)
    length = (_month_start(now_ns, months + 1) - start_ns) // (24 * _UNITS_NS["h"])
    day = min(now.day, length) if clips else now.day
    return start_ns + (day - 1) * 24 * _UNITS_NS["h"] + now_ns % (24 * _UNITS_NS["h"])


def time_of_day_ns(text: str) -> int:
    """`HH:MM:SS` as ns since midnight."""
    found = re.fullmatch(r"(\d\d?):(\d\d)(?::(\d\d))?", text.strip())
    if found is None or int(found.group(1)) > 23 or int(found.group(2)) > 59 or int(found.group(3) or 0) > 59:
        raise ValueError(f"not a time of day: {text!r}")
    return (int(found.group(1)) * 3600 + int(found.group(2)) * 60 + int(found.group(3) or 0)) * 10**9


def numbers(text: str) -> tuple[int, ...]:
    """`1;2;3`; nothing and `*any` mean any and give an empty tuple."""
    if text.strip() in ("", "*any"):
        return ()
    return tuple(int(part) for part in words(text))


def words(text: str) -> tuple[str, ...]:
    """`a;b;c` as a tuple without empty words."""
    return tuple(part.strip() for part in text.split(";") if part.strip())


def flag(text: str) -> bool:
    """`true`/`false` in the incumbent's spellings; nothing is false."""
    match text.strip().lower():
        case "" | "0" | "f" | "false":
            return False
        case "1" | "t" | "true":
            return True
    raise ValueError(f"not true or false: {text!r}")


def real(text: str) -> float:
    """A double of at most 10^15; nothing is zero."""
    try:
        value = float(text) if text.strip() else 0.0
    except ValueError:
        raise ValueError(f"not a number: {text!r}") from None
    if not abs(value) <= 1e15:
        raise ValueError(f"number out of range: {text!r}")
    return value


_ONE_SECOND = datetime(1970, 1, 1, 0, 0, 1) - datetime(1970, 1, 1)
