"""Converters of a value: `{*duration_seconds&*round:2}`. Pure.

A converter is made once from its parameters (ValueError for wrong ones) and raises ValueError for a value it cannot
convert.
"""

import ipaddress
import json
import re
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from urllib.parse import quote_plus, unquote_plus

from ocs.charging.profiles.golayout import format_moment
from ocs.charging.profiles.location import FIELDS, location_of, octets_of
from ocs.charging.profiles.values import (
    SECOND_NS,
    Number,
    duration_of,
    duration_text,
    moment_of,
    number_of,
    text_of,
)

Converter = Callable[[object], object]
Factory = Callable[[tuple[str, ...]], Converter]

MOST_DECIMALS = 18
_SIP = re.compile(
    r"^(?:(?:\"[^\"]*\"|[^<]*)<)?(?:sips?|tel):(?:([^@>;?]+)@)?([^@>;?:]+|\[[^\]]*\])", re.IGNORECASE
)
_ROUNDINGS = {"*up": ROUND_CEILING, "*down": ROUND_FLOOR, "*middle": ROUND_HALF_UP}
_OUTSIDE = {
    "*libphonenumber": "needs a table of the world's numbering plans",
    "*random": "draws a number; a decision here is a function of its event",
}


def converter(text: str) -> Converter:
    """The converter of a text such as `*round:2:*up`."""
    name, *parameters = text.split(":")
    if name in _OUTSIDE:
        raise ValueError(f"converter {name} is not offered: it {_OUTSIDE[name]}")
    factory = _FACTORIES.get(name)
    if factory is None:
        raise ValueError(f"no converter is called {name[:40]!r}")
    return factory(tuple(parameters))


def decimal_of(value: object) -> Decimal:
    """A value as an exact number; a duration counts in ns. Raises ValueError."""
    number: Number | None = number_of(value)
    if number is None:
        number = duration_of(value)
    if number is None:
        raise ValueError(f"not a number: {text_of(value)[:80]!r}")
    return Decimal(number)


def _length_ns(value: object) -> int:
    length = duration_of(value)
    if length is None:
        raise ValueError(f"not a duration: {text_of(value)[:80]!r}")
    return length


def _moment_ns(value: object) -> int:
    moment = moment_of(value, 0)
    if moment is None:
        raise ValueError(f"not a point in time: {text_of(value)[:80]!r}")
    return moment


def _plain(convert: Converter) -> Factory:
    def make(parameters: tuple[str, ...]) -> Converter:
        if any(parameters):
            raise ValueError(f"takes no parameter: {parameters[0][:40]!r}")
        return convert

    return make


def _round(parameters: tuple[str, ...]) -> Converter:
    decimals = parameters[0] if parameters else "0"
    method = parameters[1] if len(parameters) > 1 else "*middle"
    if (
        not (decimals.isascii() and decimals.isdigit() and int(decimals) <= MOST_DECIMALS)
        or method not in _ROUNDINGS
    ):
        raise ValueError(
            f"*round takes decimals and *up, *down or *middle, not {':'.join(parameters)[:40]!r}"
        )
    grid = Decimal(1).scaleb(-int(decimals))
    return lambda value: decimal_of(value).quantize(grid, rounding=_ROUNDINGS[method])


def _factor(parameters: tuple[str, ...]) -> Decimal:
    number = number_of(parameters[0]) if len(parameters) == 1 else None
    if number is None:
        raise ValueError(f"takes one number, not {':'.join(parameters)[:40]!r}")
    return Decimal(number)


def _multiply(parameters: tuple[str, ...]) -> Converter:
    factor = _factor(parameters)
    return lambda value: decimal_of(value) * factor


def _divide(parameters: tuple[str, ...]) -> Converter:
    divisor = _factor(parameters)
    if not divisor:
        raise ValueError("*divide by 0")
    return lambda value: decimal_of(value) / divisor


def _layout(parameters: tuple[str, ...]) -> str:
    return ":".join(parameters)


def _durfmt(parameters: tuple[str, ...]) -> Converter:
    layout = _layout(parameters) or "15:04:05"
    return lambda value: format_moment(_length_ns(value), layout)


def _timestring(parameters: tuple[str, ...]) -> Converter:
    layout = _layout(parameters) or "2006-01-02T15:04:05Z07:00"
    return lambda value: format_moment(_moment_ns(value), layout)


def _strip(parameters: tuple[str, ...]) -> Converter:
    """`*prefix`, `*suffix` or `*both`; then a count, `*char:TEXT:TIMES`, or nothing for blanks."""
    side = parameters[0] if parameters else "*both"
    if side not in ("*prefix", "*suffix", "*both"):
        raise ValueError(f"*strip takes *prefix, *suffix or *both, not {side[:40]!r}")
    rest = parameters[1:]
    if rest and rest[0].isascii() and rest[0].isdigit():
        return lambda value: _cut(text_of(value), side, int(rest[0]))
    text = rest[1] if len(rest) > 1 and rest[0] == "*char" else " "
    most = int(rest[2]) if len(rest) > 2 and rest[2].isascii() and rest[2].isdigit() else -1
    if (rest and rest[0] not in ("*char", "")) or not text:
        raise ValueError(f"*strip cannot strip {':'.join(rest)[:40]!r}")
    return lambda value: _peel(text_of(value), side, text, most)


def _cut(text: str, side: str, count: int) -> str:
    if side != "*suffix":
        text = text[count:]
    return text if side == "*prefix" else text[: max(len(text) - count, 0)]


def _peel(text: str, side: str, piece: str, most: int) -> str:
    count = 0
    while side != "*suffix" and text.startswith(piece) and count != most:
        text, count = text[len(piece) :], count + 1
    count = 0
    while side != "*prefix" and text.endswith(piece) and count != most:
        text, count = text[: -len(piece)], count + 1
    return text


def _sip(group: int) -> Converter:
    def convert(value: object) -> object:
        found = _SIP.match(text_of(value)[:1024])
        return (found[group] or "") if found else ""

    return convert


def _sip_method(value: object) -> object:
    return text_of(value)[:1024].partition(" ")[0]


def _ip2hex(value: object) -> object:
    text = text_of(value)
    try:
        return f"0x{ipaddress.ip_address(text).packed.hex()}"
    except ValueError:
        return text


def _json(value: object) -> object:
    return json.dumps(value, default=text_of, separators=(",", ":"), sort_keys=True)


def _list(value: object) -> object:
    if isinstance(value, str) and value.startswith("["):
        try:
            return json.loads(value, parse_float=Decimal)
        except json.JSONDecodeError:
            raise ValueError(f"not a JSON list: {value[:80]!r}") from None
    return value


def _length(value: object) -> object:
    return len(value) if isinstance(value, (list, tuple, dict)) else len(text_of(value))


def _e164(value: object) -> object:
    labels = text_of(value).lower().split(".e164")[0].split(".")
    if not all(len(label) == 1 and label.isdigit() for label in labels):
        raise ValueError(f"not an ENUM name: {text_of(value)[:80]!r}")
    return "".join(reversed(labels))


def _e164_domain(value: object) -> object:
    text = text_of(value).lower()
    at = text.find("e164.")
    if at < 0:
        raise ValueError(f"not an ENUM name: {text[:80]!r}")
    return text[at:].rstrip(".")


def _connection(value: object) -> object:
    status = {"UP": 1, "DOWN": -1, "DUPLICATE": 0}.get(text_of(value))
    if status is None:
        raise ValueError(f"not UP, DOWN or DUPLICATE: {text_of(value)[:40]!r}")
    return status


def _uli(parameters: tuple[str, ...]) -> Converter:
    """A member of a location, `TAI.MCC`, a part of it, or all."""
    path = parameters[0] if parameters else ""
    if path not in ("", *FIELDS):
        raise ValueError(f"a location has no {path[:40]!r}")
    part, _, name = path.partition(".")

    def convert(value: object) -> object:
        found = location_of(octets_of(value))
        if not path:
            return found
        if part not in found:
            raise ValueError(f"the location has no {part}")
        return found[part][name] if name else found[part]

    return convert


def _seconds(value: object) -> object:
    return Decimal(_length_ns(value)) / SECOND_NS


def _minutes(value: object) -> object:
    return Decimal(_length_ns(value)) / (60 * SECOND_NS)


_FACTORIES: dict[str, Factory] = {
    "*duration_seconds": _plain(_seconds),
    "*duration_minutes": _plain(_minutes),
    "*duration_nanoseconds": _plain(_length_ns),
    "*duration": _plain(lambda value: duration_text(_length_ns(value))),
    "*durfmt": _durfmt,
    "*round": _round,
    "*multiply": _multiply,
    "*divide": _divide,
    "*json": _plain(_json),
    "*ip2hex": _plain(_ip2hex),
    "*string2hex": _plain(lambda value: f"0x{text_of(value).encode().hex()}"),
    "*sipuri_host": _plain(_sip(2)),
    "*sipuri_user": _plain(_sip(1)),
    "*sipuri_method": _plain(_sip_method),
    "*unixtime": _plain(lambda value: _moment_ns(value) // SECOND_NS),
    "*len": _plain(_length),
    "*slice": _plain(_list),
    "*float64": _plain(decimal_of),
    "*e164": _plain(_e164),
    "*e164Domain": _plain(_e164_domain),
    "*urldecode": _plain(lambda value: unquote_plus(text_of(value))),
    "*urlencode": _plain(lambda value: quote_plus(text_of(value))),
    "*timestring": _timestring,
    "*datetime": _timestring,
    "*strip": _strip,
    "*3gpp_uli": _uli,
    "*conn_status": _plain(_connection),
    "*gigawords": _plain(lambda value: decimal_of(value) * (1 << 32)),
}
