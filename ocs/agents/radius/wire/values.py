"""Values of attributes: octets to text and back, by the type a dictionary says. Pure.

Text is what FreeRADIUS' tools show and take: names for known numbers, dotted addresses, `0x..` for octets.
"""

import ipaddress
from collections.abc import Mapping
from typing import Final

NUMBERS: Final = {"byte": 1, "short": 2, "integer": 4, "integer64": 8, "signed": 4, "date": 4}
ADDRESSES: Final = {"ipaddr": 4, "ipv6addr": 16}
TYPES: Final = frozenset(
    (
        *NUMBERS,
        *ADDRESSES,
        *("string", "octets", "ifid", "ether", "ipv4prefix", "ipv6prefix", "combo-ip", "abinary"),
        *("tlv", "vsa", "evs", "extended", "long-extended"),
    )
)
# What other writers of dictionaries call the same.
OTHER_NAMES: Final = {
    "text": "string",
    "uint8": "byte",
    "uint16": "short",
    "uint32": "integer",
    "uint64": "integer64",
    "int32": "signed",
    "time": "date",
    "ipv4addr": "ipaddr",
    "tagged-string": "string",
    "tagged-integer": "integer",
}


class InvalidText(ValueError):
    """Text that is no value of its type."""


def as_text(kind: str, value: bytes, names: Mapping[int, str]) -> str:
    """A value in words; one that does not have the length of its type is shown as octets."""
    size = NUMBERS.get(kind)
    if size is not None and len(value) == size:
        number = int.from_bytes(value, "big", signed=kind == "signed")
        return names.get(number) or str(number)
    if kind == "string":
        return value.decode("utf-8", "backslashreplace")
    if kind in ("ipaddr", "ipv6addr", "combo-ip") and len(value) in (4, 16):
        return str(ipaddress.ip_address(value))
    if kind == "ether" and len(value) == 6:
        return value.hex(":")
    if kind == "ifid" and len(value) == 8:
        return value.hex(":", 2)
    if kind in ("ipv4prefix", "ipv6prefix") and (prefix := _prefix_text(kind, value)):
        return prefix
    return f"0x{value.hex()}"


def as_octets(kind: str, text: str, numbers: Mapping[str, int]) -> bytes:
    """The value a text stands for. Raises InvalidText."""
    try:
        return _octets(kind, text, numbers)
    except (ValueError, OverflowError):
        raise InvalidText(f'"{text}" is no value of type {kind}') from None


def _octets(kind: str, text: str, numbers: Mapping[str, int]) -> bytes:
    size = NUMBERS.get(kind)
    if size is not None:
        named = numbers.get(text.lower())
        number = int(text, 16 if text[:2] in ("0x", "0X") else 10) if named is None else named
        return number.to_bytes(size, "big", signed=kind == "signed")
    if kind == "string":
        return text.encode("utf-8", "surrogateescape")
    if kind in ("ipaddr", "ipv6addr", "combo-ip"):
        value = ipaddress.ip_address(text).packed
        if kind in ADDRESSES and len(value) != ADDRESSES[kind]:
            raise InvalidText(text)
        return value
    if kind in ("ipv4prefix", "ipv6prefix"):
        return _prefix_octets(kind, text)
    if kind in ("ether", "ifid"):
        return bytes.fromhex(text.replace(":", ""))
    return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode("utf-8", "surrogateescape")


def _prefix_text(kind: str, value: bytes) -> str:
    """RFC 3162 2.3 and RFC 6572 1: an octet for nothing, the length, the octets of the address."""
    width = 16 if kind == "ipv6prefix" else 4
    if not 2 <= len(value) <= 2 + width or value[1] > width * 8:
        return ""
    address = ipaddress.ip_address(value[2:] + bytes(2 + width - len(value)))
    return f"{address}/{value[1]}"


def _prefix_octets(kind: str, text: str) -> bytes:
    network = ipaddress.ip_network(text)
    if (network.version == 6) != (kind == "ipv6prefix"):
        raise InvalidText(text)
    return bytes((0, network.prefixlen)) + network.network_address.packed
