"""JSON values of an event as text, exact numbers, durations and moments. Pure.

Numbers are `int` or `Decimal`; a duration is ns, a moment ns since 1970. Nothing passes through a float.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from ocs.charging.cgrates import values as cells

Event = Mapping[str, object]
Number = int | Decimal

SECOND_NS = 1_000_000_000
MOST_DIGITS = 60
LARGEST = 10**MOST_DIGITS
ZERO_TIME = "0001-01-01T00:00:00Z"

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,2})?", re.ASCII)
_DURATION = re.compile(r"-?(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+", re.ASCII)
_COMPACT = re.compile(r"20\d{12}", re.ASCII)
_UNZONED = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?", re.ASCII)
# Digits of a Unix time by their number: seconds, milliseconds, microseconds, nanoseconds.
_SCALES = {10: SECOND_NS, 13: 1_000_000, 16: 1_000, 19: 1}


def text_of(value: object) -> str:
    """A value as the filter language sees it: `true`, `12`, `0.5`, JSON for lists and maps, nothing for null."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            return plain(value)
        case float():
            return plain(Decimal(repr(value)))
        case Mapping() | Sequence():
            return json.dumps(value, default=text_of, separators=(",", ":"), sort_keys=True)
    return str(value)


def plain(number: Decimal) -> str:
    """A decimal without exponent and without zeros at its end."""
    if not number.is_finite() or abs(number.adjusted()) > MOST_DIGITS:
        return str(number)
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def number_of(value: object) -> Number | None:
    """A value as an exact number; None where it is none."""
    match value:
        case bool() | None:
            return None
        case int():
            return value if abs(value) < LARGEST else None
        case Decimal():
            return value if value.is_finite() and abs(value.adjusted()) < MOST_DIGITS else None
        case float():
            return number_of(repr(value))
        case str():
            return _number_in(value)
    return None


def _number_in(text: str) -> Number | None:
    if len(text) > MOST_DIGITS or not _NUMBER.fullmatch(text):
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return number_of(Decimal(text))
    except InvalidOperation:
        return None


def duration_of(value: object) -> int | None:
    """A duration in ns: `1m30s`, or a number of ns (of units for data and messages); None where it is none."""
    number = number_of(value)
    if number is not None:
        return int(number)
    if isinstance(value, str) and len(value) <= MOST_DIGITS and _DURATION.fullmatch(value):
        return cells.duration_ns(value)
    return None


def moment_of(value: object, now_ns: int) -> int | None:
    """A moment in ns since 1970 in any of the incumbent's spellings; None where it is none, 0 for no time."""
    number = number_of(value) if not isinstance(value, str) else None
    text = text_of(value if number is None else int(number)).strip()
    if len(text) > MOST_DIGITS:
        return None
    if text in ("", ZERO_TIME, "0"):
        return 0
    try:
        return _moment(text, now_ns)
    except (ValueError, OverflowError):
        return None


def _moment(text: str, now_ns: int) -> int | None:
    if text.startswith("*"):
        return _named_moment(text, now_ns)
    if text[0] in "+-" and _DURATION.fullmatch(text[1:]):
        length = cells.duration_ns(text[1:])
        return now_ns + length if text[0] == "+" else now_ns - length
    if _COMPACT.fullmatch(text):
        moment = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return int(moment.timestamp()) * SECOND_NS
    if text.isascii() and text.isdigit():
        scale = _SCALES.get(len(text))
        return None if scale is None else int(text) * scale
    if _UNZONED.fullmatch(text):
        text += "Z"
    return cells.instant_ns(text)


def _named_moment(text: str, now_ns: int) -> int | None:
    if text.startswith("*month_end+"):
        end = cells.expiry_ns("*month_end", now_ns)
        return None if end is None else end + cells.duration_ns(text[11:])
    if text.startswith("*mo+"):
        month = cells.expiry_ns("*monthly", now_ns)
        return None if month is None else month + cells.duration_ns(text[4:])
    if text in ("*unlimited", "*never"):
        return 0
    return cells.expiry_ns(text, now_ns)


def rfc3339(at_ns: int) -> str:
    """A moment as RFC 3339 text in UTC, with as many decimals as it has."""
    if at_ns == 0:
        return ZERO_TIME
    seconds, rest = divmod(at_ns, SECOND_NS)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{text}{fraction}Z"


def duration_text(length_ns: int) -> str:
    """A duration as Go writes it: `1m30s`, `500ms`, `0s`."""
    sign, rest = ("-", -length_ns) if length_ns < 0 else ("", length_ns)
    if rest < SECOND_NS:
        for unit, size in (("ms", 1_000_000), ("µs", 1_000)):
            if rest >= size:
                return f"{sign}{plain(Decimal(rest) / size)}{unit}"
        return f"{sign}{rest}ns" if rest else "0s"
    minutes, below = divmod(rest, 60 * SECOND_NS)
    hours, minutes = divmod(minutes, 60)
    text = f"{plain(Decimal(below) / SECOND_NS)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else f"{sign}{text}"
