"""Messages as text: names, flags and values, for traces and tests; odd data is shown, never refused."""

from datetime import datetime, timedelta
from struct import unpack_from
from typing import Final

from ocs.diameter.avp import (
    DecodeError,
    RawAvp,
    decode_address,
    decode_i32,
    decode_i64,
    decode_time,
    decode_u32,
    decode_u64,
    decode_utf8,
    name_of,
    scan_into,
)
from ocs.diameter.codes import AVP_MANDATORY, AVP_VENDOR, HEADER_OCTETS
from ocs.diameter.dictionary import AvpType, Definition, Dictionary
from ocs.diameter.message import Message

SHOWN_CHARACTERS: Final = 256
_SECOND_NS: Final = 1_000_000_000
_FLAG_LETTERS: Final = ((0x80, "R"), (0x40, "P"), (0x20, "E"), (0x10, "T"))
_EPOCH: Final = datetime(1970, 1, 1)
_TEXTS: Final = frozenset(
    {
        AvpType.UTF8_STRING,
        AvpType.DIAMETER_IDENTITY,
        AvpType.DIAMETER_URI,
        AvpType.IP_FILTER_RULE,
        AvpType.QOS_FILTER_RULE,
    }
)


def describe(message: Message, dictionary: Dictionary) -> str:
    """One line for the header, one per AVP, members of groups indented; ends with a newline.

    Groups deeper than the message's depth limit and AVPs beyond its number limit are left out, and it says
    so.
    """
    return "\n".join([headline(message, dictionary), *_Writer(message, dictionary).lines(), ""])


def headline(message: Message, dictionary: Dictionary) -> str:
    """Name, flag letters and identifiers of a message."""
    name = dictionary.command_name(message.command_code, message.is_request)
    letters = "".join(letter for bit, letter in _FLAG_LETTERS if message.flags & bit)
    reserved = f"+{message.flags & 0x0F:x}" if message.flags & 0x0F else ""
    return (
        f"{name} flags={letters or '-'}{reserved} application={message.application_id}"
        f" hop-by-hop={message.hop_by_hop:08x} end-to-end={message.end_to_end:08x}"
        f" octets={len(message.frame)}"
    )


class _Writer:
    """Walks a message within its limits."""

    def __init__(self, message: Message, dictionary: Dictionary) -> None:
        self._message = message
        self._dictionary = dictionary
        self._left = message.limits.avps

    def lines(self) -> list[str]:
        return self._members(HEADER_OCTETS, len(self._message.frame), 1)

    def _members(self, start: int, end: int, depth: int) -> list[str]:
        """Lines of the AVPs of a range; a fault becomes the last line."""
        indent = "  " * depth
        found: list[RawAvp] = []
        lines: list[str] = []
        try:
            scan_into(found, self._message.frame, start, end, self._left)
            trailer = ""
        except DecodeError as error:
            trailer = f"{indent}!! {error.result_code} {error.message}"
        found = found[: max(self._left, 0)]
        self._left -= len(found)
        for avp in found:
            lines += self._avp(avp, depth)
        return [*lines, trailer] if trailer else lines

    def _avp(self, avp: RawAvp, depth: int) -> list[str]:
        definition = self._dictionary.lookup(avp[0])
        name = f"{definition.name} ({name_of(avp[0])})" if definition else f"AVP {name_of(avp[0])}"
        letters = ("V" if avp[1] & AVP_VENDOR else "") + ("M" if avp[1] & AVP_MANDATORY else "")
        letters += f"+{avp[1] & 0x3F:x}" if avp[1] & 0x3F else ""
        line = f"{'  ' * depth}{name} {letters or '-'}"
        if definition is None or definition.type is not AvpType.GROUPED:
            return [f"{line} {value_text(self._message.frame, avp, definition)}"]
        if depth >= self._message.limits.depth:
            return [f"{line} (deeper than {self._message.limits.depth})"]
        return [line, *self._members(avp[2], avp[3], depth + 1)]


def value_text(frame: bytes, avp: RawAvp, definition: Definition | None) -> str:
    """The value as its type says, or hex where that does not work out."""
    if definition is None:
        return _hex(frame, avp)
    try:
        return _typed_text(frame, avp, definition)
    except DecodeError as error:
        return f"{_hex(frame, avp)} !! {error.result_code} {error.message}"


def _typed_text(frame: bytes, avp: RawAvp, definition: Definition) -> str:
    kind = definition.type
    if kind in _TEXTS:
        return _quoted(decode_utf8(frame, avp))
    if kind is AvpType.UNSIGNED32:
        return _valued(decode_u32(frame, avp), definition)
    if kind in (AvpType.INTEGER32, AvpType.ENUMERATED):
        return _valued(decode_i32(frame, avp), definition)
    if kind is AvpType.UNSIGNED64:
        return str(decode_u64(frame, avp))
    if kind is AvpType.INTEGER64:
        return str(decode_i64(frame, avp))
    if kind is AvpType.TIME:
        return _utc(decode_time(frame, avp) // _SECOND_NS)
    if kind is AvpType.ADDRESS:
        address = decode_address(frame, avp)
        return _quoted(address.text) if address.family <= 8 else f"family {address.family} {address.text}"
    if kind in (AvpType.FLOAT32, AvpType.FLOAT64) and avp[3] - avp[2] == (
        4 if kind is AvpType.FLOAT32 else 8
    ):
        return repr(unpack_from(">f" if kind is AvpType.FLOAT32 else ">d", frame, avp[2])[0])
    return _hex(frame, avp)


def _valued(value: int, definition: Definition) -> str:
    name = definition.values.get(value)
    return str(value) if name is None else f"{value} {name}"


def _quoted(text: str) -> str:
    """Double quotes, with everything that is not printable escaped, so that a value never breaks its line."""
    shown = text[:SHOWN_CHARACTERS]
    escaped = "".join([character if _is_plain(character) else _escape(character) for character in shown])
    return f'"{escaped}"' if shown == text else f'"{escaped}"... ({len(text)} characters)'


def _is_plain(character: str) -> bool:
    return character.isprintable() and character not in '"\\'


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"  # an octet that was no UTF-8
    return f"\\{character}" if character in '"\\' else f"\\u{{{code:x}}}"


def _utc(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hex(frame: bytes, avp: RawAvp) -> str:
    size = avp[3] - avp[2]
    shown = frame[avp[2] : min(avp[3], avp[2] + SHOWN_CHARACTERS // 2)].hex()
    return f"0x{shown}" if size <= SHOWN_CHARACTERS // 2 else f"0x{shown}... ({size} octets)"
