"""AVPs by name: what configuration or the command line writes becomes bytes.

A value is text or a whole number; for a group it is a sequence of (name, value) pairs. Enumerated values may
be given by their name, OctetStrings as `0x...` or text, times as seconds since the Unix epoch, an Address as an
IP address or as the digits of E.164.
"""

from collections.abc import Sequence
from struct import error as StructError  # noqa: N812 - an exception class despite its name
from typing import Any, Final

from ocs.diameter.avp import (
    encode_address,
    encode_e164_address,
    encode_i32,
    encode_i64,
    encode_octets,
    encode_time,
    encode_u32,
    encode_u64,
    encode_utf8,
    group,
)
from ocs.diameter.dictionary import AvpType, Definition, Dictionary

MAXIMUM_DEPTH: Final = 16
_SECOND_NS: Final = 1_000_000_000
_NUMBERS: Final = {
    AvpType.UNSIGNED32: encode_u32,
    AvpType.UNSIGNED64: encode_u64,
    AvpType.INTEGER32: encode_i32,
    AvpType.INTEGER64: encode_i64,
    AvpType.ENUMERATED: encode_i32,
}

NamedValue = str | int | Sequence[tuple[str, Any]]


class NamedAvpError(ValueError):
    """An unknown AVP name, or a value its type cannot hold."""


def encode_named(dictionary: Dictionary, name: str, value: NamedValue, depth: int = 0) -> bytes:
    """The AVP `name` with `value`; raises NamedAvpError."""
    definition = dictionary.named(name)
    if definition is None:
        raise NamedAvpError(f"no dictionary has an AVP named {name}")
    if definition.type is AvpType.GROUPED:
        return _group(dictionary, definition, value, depth)
    if not isinstance(value, str | int):
        raise NamedAvpError(f"AVP {name} is no group")
    try:
        return _leaf(definition, value)
    except (StructError, ValueError) as error:
        raise NamedAvpError(f"AVP {name} of type {definition.type} cannot hold {value!r}") from error


def _group(dictionary: Dictionary, definition: Definition, value: NamedValue, depth: int) -> bytes:
    if isinstance(value, str | int):
        raise NamedAvpError(f"AVP {definition.name} is a group and needs members")
    if depth >= MAXIMUM_DEPTH:
        raise NamedAvpError(f"AVP {definition.name} lies deeper than {MAXIMUM_DEPTH} groups")
    parts = [encode_named(dictionary, name, member, depth + 1) for name, member in value]
    return group(definition.key, parts, definition.mandatory)


def _leaf(definition: Definition, value: str | int) -> bytes:
    key, mandatory = definition.key, definition.mandatory
    encode = _NUMBERS.get(definition.type)
    if encode is not None:
        return encode(key, _number(definition, value), mandatory)
    if definition.type is AvpType.TIME:
        return encode_time(key, int(value) * _SECOND_NS, mandatory)
    text = str(value)
    if definition.type is AvpType.ADDRESS:
        is_number = text.isascii() and text.removeprefix("+").isdigit()
        return (encode_e164_address if is_number else encode_address)(key, text, mandatory)
    if definition.type in (AvpType.FLOAT32, AvpType.FLOAT64):
        raise ValueError("floating point AVPs are not encoded")
    if definition.type is AvpType.OCTET_STRING and text.startswith("0x"):
        return encode_octets(key, bytes.fromhex(text[2:]), mandatory)
    return encode_utf8(key, text, mandatory)


def _number(definition: Definition, value: str | int) -> int:
    """A number as it is, a decimal text, or the name of an enumerated value."""
    if isinstance(value, int):
        return value
    for number, name in definition.values.items():
        if name == value:
            return number
    return int(value)
