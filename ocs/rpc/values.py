"""Values of parameters: exact money, durations, moments, quantities; members may be in any case. Pure.

Money is a decimal, as text or as number: `"10.00"`, `10`, `1e-9`. A duration is text with units or a number of ns.
A moment is RFC 3339 or a number of ns since 1970. No value goes through a float.
"""

import datetime
import difflib
import re
import types
import typing
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, TypeVar

import msgspec

from ocs.charging.money import MAX_AMOUNT_NANOS, NANOS, parse_nanos
from ocs.rpc.errors import InvalidParams

T = TypeVar("T")
LARGEST_EXPONENT = 30
LARGEST_COUNT = 1 << 62
MOST_SPELLINGS = 500  # of the members of one struct that are remembered
LONGEST_SPELLING = 64
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)

_DURATION = re.compile(r"(?:\d{1,12}(?:\.\d{1,9})?(?:ns|us|ms|s|m|h|d))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+)(?:\.(\d+))?(ns|us|ms|s|m|h|d)", re.ASCII)
_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NANOS,
    "m": 60 * NANOS,
    "h": 3_600 * NANOS,
    "d": 86_400 * NANOS,
}
_SIZE = re.compile(r"(\d{1,18})\s*(B|[kKMGT]B|[KMGT]iB)", re.ASCII)
_SIZES = {"B": 1} | {
    f"{prefix}{unit}": base**power
    for base, unit in ((1_000, "B"), (1_024, "iB"))
    for power, prefix in enumerate("KMGT", 1)
}
_DIGITS = re.compile(r"\d{1,18}", re.ASCII)
_MOMENT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the parameters of methods. `aliases` are other names of members, in small letters."""

    aliases: ClassVar[dict[str, str]] = {}


class Money:
    """An amount of money."""

    __slots__ = ("nanos",)

    def __init__(self, nanos: int) -> None:
        self.nanos = nanos


class Moment:
    """A point in time."""

    __slots__ = ("at_ns",)

    def __init__(self, at_ns: int) -> None:
        self.at_ns = at_ns


class Amount:
    """A quantity as it was written; its unit is that of its text, or for a bare number decided by who asked."""

    __slots__ = ("value",)

    def __init__(self, value: "str | int | Decimal") -> None:
        self.value = value


def nanos(value: object) -> int:
    """Money: a decimal text or number with at most nine decimals."""
    match value:
        case bool():
            raise ValueError("is not an amount of money")
        case int():
            amount = value * NANOS
        case Decimal():
            amount = _scaled(value)
        case str():
            amount = parse_nanos(value)
        case _:
            raise ValueError("is not an amount of money")
    if abs(amount) > MAX_AMOUNT_NANOS:
        raise ValueError("is larger than any amount of money")
    return amount


def _scaled(value: Decimal) -> int:
    if not value.is_finite() or value.adjusted() > LARGEST_EXPONENT:
        raise ValueError("is larger than any amount of money")
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int), "finite"
    text = "".join(map(str, digits)).lstrip("0")
    significant = text.rstrip("0")
    shift = exponent + 9 + len(text) - len(significant)
    if not significant:
        return 0
    if shift < 0:
        raise ValueError("has more than 9 decimals")
    amount = int(significant) * int(10**shift)
    return -amount if sign else amount


def duration_ns(value: object) -> int:
    """A duration: `10s`, `1h2m`, `1.5s`, or a whole number of ns."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _counted(value)
    if not isinstance(value, str):
        raise ValueError("is not a duration such as 30s or 1h30m")
    if _DIGITS.fullmatch(value):
        return _counted(int(value))
    if not _DURATION.fullmatch(value):
        raise ValueError(f'"{value[:40]}" is not a duration such as 30s or 1h30m')
    total = 0
    for whole, fraction, unit in _DURATION_PART.findall(value):
        part, rest = divmod(int(fraction or 0) * _UNITS_NS[unit], 10 ** len(fraction))
        if rest:
            raise ValueError(f'"{value[:40]}" is no whole number of ns')
        total += int(whole) * _UNITS_NS[unit] + part
    return _counted(total)


def moment_ns(value: object) -> int:
    """A moment: RFC 3339 with a zone, such as 2027-01-31T23:59:59Z, or ns since 1970."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _counted(value)
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is not a time such as 2027-01-31T23:59:59Z")
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    if second > 60:
        raise ValueError("is not a time such as 2027-01-31T23:59:59Z")
    moment = datetime.datetime(year, month, day, hour, minute, tzinfo=datetime.UTC)
    seconds = (moment - EPOCH) // datetime.timedelta(seconds=1) + second
    if match[8] is None:
        offset_s = int(match[10]) * 3_600 + int(match[11]) * 60
        seconds += -offset_s if match[9] == "+" else offset_s
    return _counted(seconds * NANOS + int((match[7] or "0").ljust(9, "0")))


def octets(text: str) -> int | None:
    """Octets of `100MB` (10^6) or `64KiB`; None where the text has no such unit."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    unit = match[2]
    return _counted(int(match[1]) * _SIZES["KB" if unit == "kB" else unit])


def count(value: object) -> int:
    """A whole number that is not negative, as number or as digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _counted(value)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return _counted(int(value))
    raise ValueError("is not a whole number")


def _counted(value: int) -> int:
    if not 0 <= value <= LARGEST_COUNT:
        raise ValueError("is out of range")
    return value


# --- objects to structs


def read(kind: type[T], value: object) -> T:
    """The parameters of a method; InvalidParams names the member at fault."""
    try:
        named = _named(kind, {} if value is None else value, "")
        return msgspec.convert(named, kind, strict=True, dec_hook=_decode_value)
    except msgspec.ValidationError as error:
        raise InvalidParams(_readable(str(error))) from None


def _decode_value(kind: type, value: Any) -> Any:
    if kind is Money:
        return Money(nanos(value))
    if kind is Moment:
        return Moment(moment_ns(value))
    assert kind is Amount, "every type of a parameter has a reader"
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise ValueError("is not an amount such as 100MB, 60s or 1")
    return Amount(value)


def schema_of(kind: type) -> dict[str, object]:
    """JSON Schema of the types above, for the description of methods."""
    if kind is Moment:
        return {"type": ["string", "integer"], "description": "RFC 3339, or ns since 1970"}
    if kind is Money:
        return {"type": ["string", "number"], "description": "decimal with at most nine decimals"}
    return {"type": ["string", "number"], "description": "100MB, 60s, or a number"}


def folded(name: str) -> str:
    """A member's name without case and underscores: `RatingGroup` and `rating_group` are one."""
    return name.replace("_", "").casefold()


class _Field(typing.NamedTuple):
    """A member of a struct: the field's name, and its type where there are members inside."""

    name: str
    inside: Any


def _named(kind: Any, value: object, path: str) -> object:
    """The value with its members called as the struct's fields."""
    if isinstance(value, list):
        item = _item_type(kind)
        return value if item is None else [_named(item, each, f"{path}[{i}]") for i, each in enumerate(value)]
    struct = _struct_type(kind)
    if struct is None or not isinstance(value, dict):
        return value
    written, fields = _written(struct), _fields(struct)
    named: dict[str, object] = {}
    for name, item in value.items():
        field = written.get(name) or fields.get(folded(name))
        if field is None:
            where = f"{path}.{name}" if path else name
            raise InvalidParams(f"{where}: is not a parameter{_suggestion(name, struct)}")
        if field.name in named:
            where = f"{path}.{name}" if path else name
            raise InvalidParams(f"{where}: is given twice")
        if len(written) < MOST_SPELLINGS and len(name) < LONGEST_SPELLING:
            written[name] = field
        if field.inside is None:
            named[field.name] = item
        else:
            named[field.name] = _named(field.inside, item, f"{path}.{field.name}" if path else field.name)
    return named


@cache
def _written(struct: type[msgspec.Struct]) -> dict[str, _Field]:
    """Fields by the names that came, as they were spelled."""
    return {}


@cache
def _fields(struct: type[msgspec.Struct]) -> dict[str, _Field]:
    """Fields by folded name, aliases included."""
    hints = typing.get_type_hints(struct)
    found = {folded(name): _Field(name, _inside(hints[name])) for name in struct.__struct_fields__}
    aliases: dict[str, str] = getattr(struct, "aliases", {})
    return found | {alias: _Field(name, _inside(hints[name])) for alias, name in aliases.items()}


def _inside(kind: Any) -> Any:
    """The type, where it is or holds a struct."""
    item = _item_type(kind)
    holds = _struct_type(kind) is not None or (item is not None and _inside(item) is not None)
    return kind if holds else None


def _alternatives(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        return typing.get_args(kind)
    return (kind,)


@cache
def _struct_type(kind: Any) -> type[msgspec.Struct] | None:
    for each in _alternatives(kind):
        if isinstance(each, type) and issubclass(each, msgspec.Struct):
            return each
    return None


@cache
def _item_type(kind: Any) -> Any:
    for each in _alternatives(kind):
        if typing.get_origin(each) in (tuple, list):
            return typing.get_args(each)[0]
    return None


def _suggestion(name: str, struct: type[msgspec.Struct]) -> str:
    close = difflib.get_close_matches(folded(name), list(_fields(struct)), 1)
    return f'; did you mean "{_fields(struct)[close[0]].name}"?' if close else ""


_AT = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")


def _readable(text: str) -> str:
    """What msgspec says, with the member's name first: `limit: expected int, got str`."""
    match = _AT.fullmatch(text)
    reason, path = (match[1], match[2]) if match else (text, "")
    missing = _MISSING.fullmatch(reason)
    if missing:
        name = f"{path}.{missing[1]}" if path else missing[1]
        return f"{name}: is missing"
    reason = reason.replace("`", "")
    return f"{path or 'params'}: {reason[0].lower()}{reason[1:]}"
