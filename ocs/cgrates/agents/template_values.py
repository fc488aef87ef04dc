"""What the types of template fields make: texts joined, reckoned, dated and fitted into a width. Pure."""

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

import msgspec

from ocs.charging.profiles.golayout import format_moment
from ocs.charging.profiles.rsr import Value
from ocs.charging.profiles.values import SECOND_NS, duration_of, duration_text, moment_of
from ocs.charging.profiles.view import View

TYPES = frozenset(
    (
        *("*none", "*filler", "*constant", "*variable", "*composed", "*group", "*template"),
        *("*usage_difference", "*cc_usage", "*sum", "*difference", "*multiply", "*divide", "*value_exponent"),
        *("*unix_timestamp", "*datetime", "*sipcid", "*prefix", "*suffix", "*remove", "*removeall"),
    )
)
RFC3339 = "2006-01-02T15:04:05Z07:00"
STRIPS = ("", "*left", "*xleft", "*right", "*xright")
PADDINGS = ("", "*left", "*right", "*zeroleft")
WIDEST = 4_096
FURTHEST = 30  # of a value's exponent, either way


class Fit(msgspec.Struct, frozen=True):
    """How a value comes to a width: cut off at a side, an x in the place of the cut, or filled up."""

    width: int = 0
    strip: str = ""
    padding: str = ""


class Making(msgspec.Struct, frozen=True):
    """How the value of a field comes about; `parts` are those between semicolons."""

    kind: str
    value: Value
    parts: tuple[Value, ...]
    layout: str = ""
    zone: ZoneInfo | None = None
    fit: Fit = Fit()


def fit_of(given: Mapping[str, object]) -> Fit:
    """The keys `width`, `strip` and `padding` of a field. Raises ValueError."""
    width = given.get("width") or 0
    if not isinstance(width, int) or not 0 <= width <= WIDEST:
        raise ValueError(f"width: 0 to {WIDEST}, not {str(width)[:20]}")
    sides = []
    for key, known in (("strip", STRIPS), ("padding", PADDINGS)):
        text = str(given.get(key) or "")
        side = text if not text or text.startswith("*") else f"*{text}"
        if side not in known:
            raise ValueError(f"{key}: {text[:20]} is none of {', '.join(known[1:])}")
        sides.append(side)
    return Fit(width, *sides)


def zone_of(name: str) -> ZoneInfo | None:
    """The zone of times that name none; None for UTC. Raises ValueError."""
    if name in ("", "UTC", "Local"):
        return None
    try:
        return ZoneInfo(name)
    except (OSError, KeyError, ValueError):
        raise ValueError(f"timezone: there is no zone {name[:40]}") from None


def made(making: Making, view: View) -> str:
    """The value of a field as text. Raises ValueError."""
    return fitted(_made(making, view), making.fit)


def _made(making: Making, view: View) -> str:
    match making.kind:
        case "*constant" | "*none" | "*filler":
            return making.value.constant
        case "*usage_difference":
            later, earlier = _texts(making, view, 2)
            if not later or not earlier:
                return ""
            return f"{_plain(_moment_s(later, making.zone) - _moment_s(earlier, making.zone))}s"
        case "*cc_usage":
            return _used_so_far(*_texts(making, view, 3))
        case "*sum" | "*difference" | "*multiply" | "*divide":
            return _reckoned(making, view)
        case "*value_exponent":
            return _shifted(*_texts(making, view, 2))
        case "*unix_timestamp":
            text = making.value.text(view)
            return _plain(_moment_s(text, making.zone)) if text else ""
        case "*datetime":
            text = making.value.text(view)
            if not text:
                return ""
            return format_moment(int(_moment_s(text, making.zone) * SECOND_NS), making.layout or RFC3339)
        case "*sipcid":
            first, *rest = [part.text(view) for part in making.parts]
            return ";".join((first, *sorted(filter(None, rest))))
        case "*prefix" | "*suffix":
            affix, text = making.parts[0].text(view), "".join(part.text(view) for part in making.parts[1:])
            return affix + text if making.kind == "*prefix" else text + affix
    return making.value.text(view)


def fitted(text: str, fit: Fit) -> str:
    """The text in the width of its field. Raises ValueError where nothing says how it should fit."""
    width, length = fit.width, len(text)
    if not width or length == width or not text:
        return text
    if length > width:
        match fit.strip:
            case "*right":
                return text[:width]
            case "*xright":
                return f"{text[: width - 1]}x"
            case "*left":
                return text[length - width :]
            case "*xleft":
                return f"x{text[length - width + 1 :]}"
        raise ValueError(f"is longer than {width} characters")
    match fit.padding:
        case "*right":
            return text.ljust(width)
        case "*left":
            return text.rjust(width)
        case "*zeroleft":
            return text.rjust(width, "0")
    raise ValueError(f"is shorter than {width} characters")


def _texts(making: Making, view: View, count: int) -> list[str]:
    texts = [part.text(view) for part in making.parts]
    if len(texts) != count:
        raise ValueError(f"{count} values are needed, there are {len(texts)}")
    return texts


def _used_so_far(number: str, used: str, interval: str) -> str:
    """What a session has used: the last report, and an interval for each request but the first and this one."""
    if not number or not used or not interval:
        return ""
    lengths = duration_of(used), duration_of(interval)
    if not number.isascii() or not number.isdigit() or lengths[0] is None or lengths[1] is None:
        raise ValueError(f"not a number, a usage and an interval: {number[:20]};{used[:20]};{interval[:20]}")
    return duration_text(lengths[0] + lengths[1] * max(int(number) - 1, 0))


def _shifted(digits: str, exponent: str) -> str:
    if not digits:
        return ""
    power = Decimal(exponent or 0)
    if abs(power) > FURTHEST:
        raise ValueError(f"the exponent {exponent[:20]} is too far")
    return _plain(Decimal(digits).scaleb(int(power)))


def _reckoned(making: Making, view: View) -> str:
    """A sum leaves out what is not there; anything else needs all its values."""
    texts = [part.text(view) for part in making.parts]
    if making.kind == "*sum":
        texts = list(filter(None, texts))
    if not texts or not all(texts):
        return ""
    total, *rest = map(Decimal, texts)
    for number in rest:
        match making.kind:
            case "*sum":
                total += number
            case "*difference":
                total -= number
            case "*multiply":
                total *= number
            case _:
                total /= number
    return _plain(total)


def _moment_s(text: str, zone: ZoneInfo | None) -> Decimal:
    """A moment in seconds since 1970, as a number or in any spelling of a time."""
    try:
        return Decimal(text)
    except InvalidOperation:
        pass
    if zone is not None:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is not None and moment.tzinfo is None:
            return Decimal(str(moment.replace(tzinfo=zone).timestamp()))
    at_ns = moment_of(text, 0)
    if at_ns is None:
        raise ValueError(f"not a time: {text[:40]}")
    return Decimal(at_ns) / SECOND_NS


def whole(text: str) -> int:
    """A number without its fraction: what is granted never grows. Raises ValueError."""
    try:
        return int(Decimal(text).to_integral_value(ROUND_FLOOR))
    except (InvalidOperation, OverflowError, ValueError):
        raise ValueError(f"not a number: {text[:40]}") from None


def _plain(number: Decimal) -> str:
    nearest = number.to_integral_value()
    return str(int(nearest)) if nearest == number else format(number.normalize(), "f")
