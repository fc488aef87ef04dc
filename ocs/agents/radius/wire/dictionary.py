"""What attributes are called and what their values mean: names to octets and back. Pure.

`dictionary_reader` reads one. An attribute has a path of numbers: `(1,)` User-Name, `(26, 9, 1)` the first of
vendor 9, `(241, 1)` an extended one.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import LONGEST_VALUE, Attribute, Malformed, Packet, vendor_parts
from ocs.agents.radius.wire.values import InvalidText, as_octets, as_text

Path = tuple[int, ...]
Hide = Callable[[bytes], bytes]

MOST_TAG: Final = 0x1F  # RFC 2868 3.1: a first octet of more is not a tag
MORE: Final = 0x80
TLV: Final = "tlv"
CONTAINERS: Final = frozenset(("vsa", "evs", "extended", "long-extended", "tlv"))
ENCRYPTS_SALTED: Final = 2


class Definition(msgspec.Struct, frozen=True):
    """One attribute of a dictionary; `encryption` is FreeRADIUS' number of it, 0 for none."""

    name: str
    path: Path
    kind: str
    vendor: str = ""
    has_tag: bool = False
    encryption: int = 0


class Vendor(msgspec.Struct, frozen=True):
    """A vendor, and how many octets its attributes have for type and length."""

    name: str
    number: int
    type_size: int = 1
    length_size: int = 1


class Dictionary:
    """Definitions by name and by path; a later one takes the place of an earlier of that name or path."""

    def __init__(self, base: "Dictionary | None" = None) -> None:
        self.by_path: dict[Path, Definition] = {} if base is None else dict(base.by_path)
        self.by_name: dict[str, Definition] = {} if base is None else dict(base.by_name)
        self.vendors: dict[int, Vendor] = {} if base is None else dict(base.vendors)
        self.vendor_names: dict[str, Vendor] = {} if base is None else dict(base.vendor_names)
        self.numbers: dict[str, dict[str, int]] = {} if base is None else _copied(base.numbers)
        self.names: dict[str, dict[int, str]] = {} if base is None else _copied(base.names)

    # --- writing

    def add(self, definition: Definition) -> None:
        """Define an attribute; one with the same path is shown by this name now, and keeps its own for writing."""
        self.by_path[definition.path] = definition
        self.by_name[definition.name.lower()] = definition

    def add_vendor(self, vendor: Vendor) -> None:
        """Define a vendor."""
        self.vendors[vendor.number] = vendor
        self.vendor_names[vendor.name.lower()] = vendor

    def add_value(self, attribute: str, name: str, number: int) -> None:
        """Name a number of an attribute."""
        self.numbers.setdefault(attribute.lower(), {})[name.lower()] = number
        self.names.setdefault(attribute.lower(), {}).setdefault(number, name)

    # --- reading packets

    def named(self, packet: Packet) -> list[tuple[Definition, str]]:
        """Every attribute of a packet that the dictionary knows, as text, in order. Raises Malformed."""
        found: list[tuple[Definition, str]] = []
        for number, value in packet.attributes:
            if number == codes.VENDOR_SPECIFIC:
                vendor = int.from_bytes(value[:4], "big")
                for kind, part in self._vendor_parts(vendor, value):
                    found += self._shown((codes.VENDOR_SPECIFIC, vendor, kind), part)
            elif not codes.FIRST_EXTENDED <= number <= codes.LAST_EXTENDED:
                found += self._shown((number,), value)
        for number, kind, value in packet.extended():
            if kind == codes.VENDOR_SPECIFIC and len(value) >= 5:
                vendor = int.from_bytes(value[:4], "big")
                found += self._shown((number, kind, vendor, value[4]), value[5:])
            else:
                found += self._shown((number, kind), value)
        return found

    def value_text(self, definition: Definition, value: bytes) -> str:
        """A value in words, its tag left out."""
        if definition.has_tag and value and value[0] <= MOST_TAG and definition.kind != "octets":
            value = b"\0" + value[1:] if definition.kind == "integer" else value[1:]
        return as_text(definition.kind, value, self.names.get(definition.name.lower(), {}))

    def _shown(self, path: Path, value: bytes) -> Iterator[tuple[Definition, str]]:
        definition = self.by_path.get(path)
        if definition is None:
            return
        if definition.kind != TLV:
            yield definition, self.value_text(definition, value)
            return
        for kind, part in vendor_parts(bytes(4) + value):
            yield from self._shown((*path, kind), part)

    def _vendor_parts(self, number: int, value: bytes) -> list[Attribute]:
        vendor = self.vendors.get(number)
        if vendor is None or (vendor.type_size, vendor.length_size) == (1, 1):
            return vendor_parts(value)
        parts: list[Attribute] = []
        place, head = 4, vendor.type_size + vendor.length_size
        while place + head <= len(value):
            kind = int.from_bytes(value[place : place + vendor.type_size], "big")
            size = int.from_bytes(value[place + vendor.type_size : place + head], "big")
            end = place + size if vendor.length_size else len(value)
            if end < place + head or end > len(value):
                break
            parts.append((kind, value[place + head : end]))
            place = end
        return parts

    # --- writing packets

    def find(self, name: str) -> Definition | None:
        """The definition of a name, `Vendor.Name` and any case included."""
        found = self.by_name.get(name.lower())
        if found is None and "." in name:
            vendor, _, rest = name.partition(".")
            found = self.by_name.get(rest.lower())
            if found is not None and found.vendor.lower() != vendor.lower():
                return None
        return found

    def encode(self, name: str, text: str, hide: Hide | None = None) -> list[Attribute]:
        """An attribute of an answer, in several pieces where it is long. Raises InvalidText.

        `hide` is for values that are encrypted with a salt.
        """
        plain, _, tag = name.partition(":")
        definition = self.find(plain)
        if definition is None:
            raise InvalidText(f'there is no attribute "{plain}"')
        if definition.kind in CONTAINERS:
            raise InvalidText(f"{plain} is a container of others")
        value = as_octets(definition.kind, text, self.numbers.get(definition.name.lower(), {}))
        if definition.encryption:
            if definition.encryption != ENCRYPTS_SALTED or hide is None:
                raise InvalidText(f"{plain} is encrypted, and not of the kind that answers may carry")
            value = hide(value)
        if definition.has_tag:
            value = _tagged(definition, value, tag)
        return self.wrapped(definition, value)

    def wrapped(self, definition: Definition, value: bytes) -> list[Attribute]:
        """A value as attributes of a packet. Raises InvalidText where it is too long for its place."""
        number, *rest = definition.path
        if number > 0xFF:
            raise InvalidText(f"{definition.name} has no number on the wire")
        if not rest:
            return _pieces(definition, number, value)
        if number == codes.VENDOR_SPECIFIC:
            return [(number, self._vendor_value(definition, rest[0], rest[1:], value))]
        if number >= codes.FIRST_LONG_EXTENDED:
            return _fragments(number, rest[0], _inside(definition, rest[1:], value))
        return [(number, _fitting(definition, bytes((rest[0],)) + _inside(definition, rest[1:], value)))]

    def _vendor_value(self, definition: Definition, number: int, path: list[int], value: bytes) -> bytes:
        vendor = self.vendors.get(number) or Vendor("", number)
        inner = _nested(definition, path[1:], value)
        size = len(inner) + vendor.type_size + vendor.length_size
        head = path[0].to_bytes(vendor.type_size, "big")
        if vendor.length_size:
            if size > LONGEST_VALUE - 4:
                raise InvalidText(f"{definition.name} has {len(value)} octets, which are too many")
            head += size.to_bytes(vendor.length_size, "big")
        return _fitting(definition, number.to_bytes(4, "big") + head + inner)


def _copied(tables: dict[str, dict[str, int]] | dict[str, dict[int, str]]) -> dict[str, dict]:  # type: ignore[type-arg]
    return {name: dict(table) for name, table in tables.items()}


def _tagged(definition: Definition, value: bytes, tag: str) -> bytes:
    number = int(tag) if tag.isdigit() and len(tag) < 3 else 0
    if number > MOST_TAG:
        raise InvalidText(f"{definition.name}: a tag is a number up to {MOST_TAG}")
    if definition.kind == "integer":
        return bytes((number,)) + value[1:]
    is_needed = number or definition.encryption == ENCRYPTS_SALTED
    return bytes((number,)) + value if is_needed else value


def _nested(definition: Definition, path: list[int], value: bytes) -> bytes:
    """A value inside the TLVs that a path goes through."""
    for number in reversed(path):
        if len(value) > LONGEST_VALUE:
            raise InvalidText(f"{definition.name} has {len(value)} octets, which are too many")
        value = bytes((number, len(value) + 2)) + value
    return value


def _inside(definition: Definition, path: list[int], value: bytes) -> bytes:
    """A value inside an extended attribute: of a vendor, or of TLVs."""
    if len(path) == 2 and path[0] > 0xFF:
        return path[0].to_bytes(4, "big") + bytes((path[1],)) + value
    return _nested(definition, path, value)


def _fitting(definition: Definition, value: bytes) -> bytes:
    if len(value) > LONGEST_VALUE:
        raise InvalidText(f"{definition.name} has {len(value)} octets, which are too many")
    return value


def _pieces(definition: Definition, number: int, value: bytes) -> list[Attribute]:
    """Text for people goes on in the next attribute (RFC 2865 5.18), as EAP does; nothing else may be long."""
    if len(value) <= LONGEST_VALUE:
        return [(number, value)]
    if number not in (codes.REPLY_MESSAGE, codes.EAP_MESSAGE):
        raise InvalidText(f"{definition.name} has {len(value)} octets, which are too many")
    return [(number, value[start : start + LONGEST_VALUE]) for start in range(0, len(value), LONGEST_VALUE)]


def _fragments(number: int, kind: int, value: bytes) -> list[Attribute]:
    """RFC 6929 2.2: parts of a long extended attribute, all but the last with the flag that says so."""
    size = LONGEST_VALUE - 2
    parts = [value[start : start + size] for start in range(0, len(value), size)] or [b""]
    return [
        (number, bytes((kind, MORE if index < len(parts) - 1 else 0)) + part)
        for index, part in enumerate(parts)
    ]


__all__ = ["Definition", "Dictionary", "InvalidText", "Malformed", "Path", "Vendor"]
