"""Parameters of the incumbent's methods: members in any case, unknown ones ignored, missing ones empty. Pure.

A duration is a number of ns, digits, or text such as `1h2m`. A list may be one text with `;` between its items.
A moment is RFC 3339, digits of Unix time (s, ms, us or ns), `*now`, `+1h`, or a word such as `*monthly`.
"""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any

from ocs.cgrates.objects.errors import Wrong, missing, server_error
from ocs.charging.cgrates import values

NANOS = 1_000_000_000
INTEGER_BITS = 63
REMEMBERED = 10_000
_SMALL: dict[str, str] = {}  # names of members in small letters: they are few, and asked for all the time


class Given:
    """The object a method was called with; `bare` is the text that some are called with instead."""

    def __init__(self, value: object, name: str = "") -> None:
        self.bare = value if isinstance(value, str) and not name else ""
        if value is None or (isinstance(value, str) and not name):
            value = {}
        if not isinstance(value, dict):
            raise Wrong(_kind(value), name or "params", "object")
        self._members: dict[str, Any] = {}
        for member, item in value.items():
            self._members.setdefault(_small(str(member)), item)

    def __contains__(self, name: str) -> bool:
        """Whether a member is there and not null."""
        return self._members.get(_small(name)) is not None

    def raw(self, name: str) -> Any:
        """A member as it came, None where it is missing."""
        return self._members.get(_small(name))

    def key(self, without: Collection[str]) -> tuple[object, ...] | None:
        """Members but for some (in small letters) as something to look up; None where one is a list or object."""
        found: list[object] = []
        for name, value in self._members.items():
            if name not in without:
                if isinstance(value, (list, dict)):
                    return None
                found += (name, type(value), value)
        return tuple(found)

    def require(self, *names: str) -> None:
        """Raise where one of the members is missing or empty, naming all of them that are."""
        lacking = [name for name in names if self.raw(name) in (None, "", [], {})]
        if lacking:
            raise missing(*lacking)

    def text(self, name: str, default: str = "") -> str:
        """A text; numbers and flags count as their text."""
        match self.raw(name):
            case None:
                return default
            case str() as value:
                return value
            case bool() as value:
                return "true" if value else "false"
            case int() | Decimal() | float() as value:
                return plain(value)
            case other:
                raise Wrong(_kind(other), name, "string")

    def flag(self, name: str, default: bool = False) -> bool:
        """A flag, also as text."""
        value = self.raw(name)
        if value is None or value == "":
            return default
        if isinstance(value, bool):
            return value
        try:
            return values.flag(value)
        except (ValueError, AttributeError):
            raise Wrong(_kind(value), name, "bool") from None

    def optional_flag(self, name: str) -> bool | None:
        """A flag, None where it is missing."""
        return self.flag(name) if name in self and self.raw(name) != "" else None

    def integer(self, name: str, default: int = 0) -> int:
        """A whole number of at most 63 bits, also as text."""
        value = self.raw(name)
        if value is None or value == "":
            return default
        number = _decimal(value)
        if number is None or number != number.to_integral_value() or abs(number) >= 1 << INTEGER_BITS:
            raise Wrong(_kind(value), name, "int")
        return int(number)

    def optional_integer(self, name: str) -> int | None:
        """A whole number, None where it is missing."""
        return self.integer(name) if name in self else None

    def nanos(self, name: str) -> int:
        """A number as nanos, half up."""
        value = self.raw(name)
        if value is None or value == "":
            return 0
        number = _decimal(value)
        if number is None or abs(number) >= 1 << INTEGER_BITS:
            raise Wrong(_kind(value), name, "float64")
        return nanos_of(number)

    def nanos_list(self, name: str) -> tuple[int, ...]:
        """A list of numbers as nanos."""
        value = self.raw(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise Wrong(_kind(value), name, "[]float64")
        return tuple(Given({name: item}).nanos(name) for item in value)

    def real(self, name: str, default: float = 0.0) -> float:
        """A double."""
        value = self.raw(name)
        if value is None or value == "":
            return default
        number = _decimal(value)
        if number is None:
            raise Wrong(_kind(value), name, "float64")
        return float(number)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; one text holds several between `;`."""
        match self.raw(name):
            case None:
                return ()
            case str() as value:
                return values.words(value)
            case list() as items:
                return tuple(_item_text(item, name) for item in items)
            case dict() as found:  # a set, as the incumbent renders one: {"a": true, "b": false}
                return tuple(str(key) if kept is not False else f"!{key}" for key, kept in found.items())
            case other:
                raise Wrong(_kind(other), name, "[]string")

    def integers(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers, or one text such as `1;2`; `*any` and nothing are the empty list."""
        value = self.raw(name)
        if value is None:
            return ()
        if isinstance(value, str):
            try:
                return values.numbers(value)
            except ValueError:
                raise Wrong("string", name, "[]int") from None
        if not isinstance(value, list) or any(isinstance(i, bool) or not isinstance(i, int) for i in value):
            raise Wrong(_kind(value), name, "[]int")
        return tuple(value)

    def duration(self, name: str, default: int = 0) -> int:
        """A duration in ns; the bare number -1 stays what it is."""
        value = self.raw(name)
        if value is None or value == "":
            return default
        try:
            return values.duration_ns(value) if isinstance(value, str) else self.integer(name)
        except ValueError:
            raise server_error(f'time: invalid duration "{str(value)[:60]}"') from None

    def moment(self, name: str, now_ns: int) -> int | None:
        """A moment in ns since 1970; None where it is missing or has no end."""
        value = self.raw(name)
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            value = plain(value)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise Wrong(_kind(value), name, "string")
        return moment_ns(value, now_ns)

    def inner(self, name: str) -> "Given":
        """A member that is an object."""
        return Given(self.raw(name), name)

    def rows(self, name: str) -> "Iterator[Given]":
        """A member that is a list of objects; nulls are passed over."""
        value = self.raw(name)
        if value is None:
            return
        if not isinstance(value, list):
            raise Wrong(_kind(value), name, "list of objects")
        for item in value:
            if item is not None:
                yield Given(item, name)

    def mapping(self, name: str) -> Mapping[str, Any]:
        """A free-form object, its members as they came."""
        value = self.raw(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise Wrong(_kind(value), name, "map[string]interface {}")
        return value


def _small(name: str) -> str:
    """A name in small letters."""
    found = _SMALL.get(name)
    if found is None:
        found = name.casefold()
        if len(_SMALL) < REMEMBERED and len(name) < INTEGER_BITS:
            _SMALL[name] = found
    return found


class Flat(Given):
    """Parameters that are an event themselves."""

    def __init__(self, value: object) -> None:
        super().__init__(value)
        self.event: dict[str, Any] = dict(value) if isinstance(value, dict) else {}


def moment_ns(text: str, now_ns: int) -> int | None:
    """A moment in ns since 1970, None for one that never comes; raises an error naming the text."""
    text = text.strip()
    try:
        if text.startswith("-"):
            return now_ns + values.duration_ns(text)
        return values.expiry_ns(text, now_ns)
    except ValueError:
        raise server_error(f"Unsupported time format: {text[:60]}") from None


def nanos_of(value: object) -> int:
    """A JSON number as nanos: exact where it has at most nine decimals, else half away from zero."""
    number = _decimal(value)
    assert number is not None, "a number"
    scaled = number * NANOS
    whole = int(abs(scaled) + Decimal("0.5"))
    return -whole if scaled < 0 else whole


def plain(value: int | float | Decimal) -> str:
    """A number without exponent and without zeros at the end."""
    if isinstance(value, int):
        return str(value)
    text = format(Decimal(str(value)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, Decimal)):
        number = Decimal(value)
    elif isinstance(value, float):
        number = Decimal(str(value))
    elif isinstance(value, str):
        try:
            number = Decimal(value.strip())
        except ArithmeticError:
            return None
    else:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 30 else None


def _item_text(item: object, name: str) -> str:
    if isinstance(item, str):
        return item
    if isinstance(item, (int, Decimal)) and not isinstance(item, bool):
        return plain(item)
    raise Wrong(_kind(item), name, "string")


def _kind(value: object) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float() | Decimal():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "null"
