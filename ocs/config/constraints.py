"""Markers in the annotations of the settings: what a scalar of the file must look like.

A marker says how the text of a YAML scalar becomes a value. `suffix` is the unit at the end of the field's
name; the key in the file leaves it out (`watchdog: 30s` becomes `watchdog_ns`). Pure: bounds and text only.
"""

import ipaddress
from dataclasses import dataclass

from ocs.charging.money import format_nanos
from ocs.config import scalars
from ocs.config.scalars import InvalidValue

_HOST_LIMIT = 255  # DiameterIdentity is an FQDN (RFC 6733 4.3.1)
_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._")


@dataclass(frozen=True, slots=True)
class Marker:
    """How one kind of scalar is read; `needs_text` refuses plain numbers and booleans."""

    suffix = ""
    needs_text = False

    def read(self, text: str) -> object:
        """Return the value of `text` or raise InvalidValue."""
        raise InvalidValue(f"no reader for {text!r}")


@dataclass(frozen=True, slots=True)
class Integer(Marker):
    """A whole number between two bounds, both included."""

    minimum: int
    maximum: int

    def read(self, text: str) -> int:
        return _bounded(scalars.integer(text), self.minimum, self.maximum, str)


@dataclass(frozen=True, slots=True)
class Duration(Marker):
    """A length of time such as `30s`, in ns; a bare number other than 0 is refused."""

    minimum: int
    maximum: int
    suffix = "_ns"

    def read(self, text: str) -> int:
        return _bounded(scalars.duration(text), self.minimum, self.maximum, scalars.duration_text)


@dataclass(frozen=True, slots=True)
class Size(Marker):
    """An amount of octets such as `100MB` or `64KiB`."""

    minimum: int
    maximum: int
    suffix = "_octets"

    def read(self, text: str) -> int:
        return _bounded(scalars.size(text), self.minimum, self.maximum, scalars.size_text)


@dataclass(frozen=True, slots=True)
class Money(Marker):
    """An exact decimal amount of the currency, in nanos."""

    minimum: int
    maximum: int
    suffix = "_nanos"

    def read(self, text: str) -> int:
        return _bounded(scalars.money(text), self.minimum, self.maximum, format_nanos)


@dataclass(frozen=True, slots=True)
class Text(Marker):
    """Free text of a bounded length."""

    maximum: int = 255
    minimum: int = 1
    needs_text = True

    def read(self, text: str) -> str:
        if not self.minimum <= len(text) <= self.maximum:
            raise InvalidValue(f"must have {self.minimum} to {self.maximum} characters, has {len(text)}")
        return text


@dataclass(frozen=True, slots=True)
class Identity(Marker):
    """A DiameterIdentity: a host or realm name (RFC 6733 4.3.1), kept in lower case."""

    needs_text = True

    def read(self, text: str) -> str:
        name = text.lower()
        if not name or len(name) > _HOST_LIMIT or not set(name) <= _HOST_CHARACTERS:
            raise InvalidValue(f'"{text}" is not a host or realm name')
        return name


@dataclass(frozen=True, slots=True)
class Address(Marker):
    """One IPv4 or IPv6 address, without a name to look up."""

    def read(self, text: str) -> str:
        try:
            return str(ipaddress.ip_address(text))
        except ValueError:
            raise InvalidValue(f'"{text}" is not an IP address') from None


@dataclass(frozen=True, slots=True)
class Network(Marker):
    """An IP address or a network in CIDR form."""

    def read(self, text: str) -> str:
        try:
            return str(ipaddress.ip_network(text))
        except ValueError as error:
            detail = ": host bits are set" if "host bits" in str(error) else ""
            raise InvalidValue(f'"{text}" is not an IP address or network{detail}') from None


@dataclass(frozen=True, slots=True)
class TimeZone(Marker):
    """A name of the IANA time zone database."""

    needs_text = True

    def read(self, text: str) -> str:
        return scalars.time_zone(text)


@dataclass(frozen=True, slots=True)
class Currency(Marker):
    """An ISO 4217 currency in letters."""

    def read(self, text: str) -> str:
        return scalars.currency(text)


@dataclass(frozen=True, slots=True)
class File(Marker):
    """A file that must exist; relative to the folder of the configuration file."""

    needs_text = True


@dataclass(frozen=True, slots=True)
class FileOrFolder(Marker):
    """A file or folder that must exist; relative to the folder of the configuration file."""

    needs_text = True


@dataclass(frozen=True, slots=True)
class Folder(Marker):
    """A folder that must exist; relative to the folder of the configuration file."""

    needs_text = True


@dataclass(frozen=True, slots=True)
class Listen(Marker):
    """`address:port`, or `none` for no listener."""


@dataclass(frozen=True, slots=True)
class OrAny(Marker):
    """A list, or the word `any` for everything; `any` becomes None."""


@dataclass(frozen=True, slots=True)
class NumberRanges(Marker):
    """Numbers and ranges, `[1, 10-19]`, as pairs of first and last; one of them needs no list."""

    minimum: int
    maximum: int

    def read(self, text: str) -> tuple[int, int]:
        first, dash, last = text.partition("-")
        low = scalars.integer(first.strip())
        high = scalars.integer(last.strip()) if dash else low
        _bounded(low, self.minimum, self.maximum, str)
        _bounded(high, self.minimum, self.maximum, str)
        if low > high:
            raise InvalidValue(f'the range "{text}" runs backwards')
        return (low, high)


def _bounded(value: int, minimum: int, maximum: int, shown: scalars.Shown) -> int:
    if not minimum <= value <= maximum:
        raise InvalidValue(f"must be between {shown(minimum)} and {shown(maximum)}, is {shown(value)}")
    return value
