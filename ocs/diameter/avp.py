"""AVPs as bytes (RFC 6733 4): a flat scan without copying, values on demand, encoders with ready headers.

A scanned AVP is a plain tuple `(key, flags, start, end)`: `key` is `vendor << 32 | code`, `start` and `end`
bound the payload inside the whole message `frame`. Offsets are absolute, so the groups around an AVP can be
found again when an error has to be reported, and nothing is carried along while all is well.
"""

from collections.abc import Callable, Container, Iterable
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct
from typing import Final, NamedTuple

from ocs.diameter.avps import MINIMUM_PAYLOADS
from ocs.diameter.codes import AVP_MANDATORY, AVP_VENDOR, HEADER_OCTETS, AddressFamily, ResultCode
from ocs.diameter.limits import DEFAULT_LIMITS

# Always four. Compiled code takes a `tuple[int, int, int, int]` apart and makes it anew wherever it is passed on.
RawAvp = tuple[int, ...]

_HEAD: Final = Struct(">II")
_VENDOR_HEAD: Final = Struct(">III")
_head: Final = _HEAD.unpack_from
_i64: Final = Struct(">q").unpack_from
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")
_CODE_MASK: Final = 0xFFFFFFFF
_LENGTH_MASK: Final = 0xFFFFFF
_FAILED_PAYLOAD_OCTETS: Final = 2_048  # more of an offending AVP is not sent back

_NTP_TO_UNIX_S: Final = 2_208_988_800  # 1900 to 1970
_NTP_ERA_S: Final = 1 << 32
_SECOND_NS: Final = 1_000_000_000


class DecodeError(Exception):
    """A message that cannot be served as it stands.

    `failed_avp` is the content of the Failed-AVP to answer with: the offending AVP inside copies of the group
    headers around it (RFC 6733 7.5), or empty.
    """

    def __init__(self, result_code: int, message: str, failed_avp: bytes = b"") -> None:
        super().__init__(message)
        self.result_code = result_code
        self.message = message
        self.failed_avp = failed_avp


class Address(NamedTuple):
    """An Address AVP: family as on the wire; IP addresses and E.164 digits as text, other families as hex."""

    family: int
    text: str


def name_of(key: int) -> str:
    """`code` or `vendor:code`, for messages where no dictionary is at hand."""
    return f"{key >> 32}:{key & _CODE_MASK}" if key >> 32 else str(key)


# --- scanning


def word(frame: bytes, at: int) -> int:
    """The 32 bits at an offset."""
    return frame[at] << 24 | frame[at + 1] << 16 | frame[at + 2] << 8 | frame[at + 3]


def scan_into(found: list[RawAvp], frame: bytes, start: int, end: int, limit: int) -> None:
    """Append the AVPs of frame[start:end] in order; what was read before a fault stays in `found`.

    Padding is not looked at and may be missing after the last AVP. `start` is a multiple of four.
    """
    position = start
    while position < end:  # octet by octet: compiled, that is four times as fast as struct
        if end - position < 8:
            raise _bad_length(frame, position, end)
        key = word(frame, position)
        flags = frame[position + 4]
        data = position + 8
        stop = position + (frame[position + 5] << 16 | frame[position + 6] << 8 | frame[position + 7])
        if flags & AVP_VENDOR:
            if end - position < 12:
                raise _bad_length(frame, position, end)
            vendor = word(frame, data)
            key |= vendor << 32
            data += 4
            if not vendor and stop >= data:
                raise _zero_vendor(frame, position, end)
        if stop < data or stop > end:
            raise _bad_length(frame, position, end)
        found.append((key, flags, data, stop))
        position = stop + 3 & -4
    if len(found) > limit:
        raise DecodeError(ResultCode.UNABLE_TO_COMPLY, f"more than {limit} AVPs")


def scan(frame: bytes, start: int, end: int, limit: int = DEFAULT_LIMITS.avps) -> list[RawAvp]:
    """The AVPs of frame[start:end]; for the members of a group pass its `start` and `end`."""
    found: list[RawAvp] = []
    scan_into(found, frame, start, end, limit)
    return found


def header_start(avp: RawAvp) -> int:
    """Where the AVP itself begins in its frame."""
    return avp[2] - (12 if avp[1] & AVP_VENDOR else 8)


def raw(frame: bytes, avp: RawAvp) -> bytes:
    """The AVP unmodified, header included, padded to four octets."""
    start, end = header_start(avp), avp[3]
    return frame[start:end] + _PADDING[end - start & 3]


# --- faults


def fault(result_code: int, frame: bytes, avp: RawAvp, message: str) -> DecodeError:
    """An error about `avp`, which is echoed with its groups."""
    start = header_start(avp)
    if avp[3] - avp[2] > _FAILED_PAYLOAD_OCTETS:
        echoed = _encode(avp[0], avp[1], frame[avp[2] : avp[2] + _FAILED_PAYLOAD_OCTETS])
    else:
        echoed = raw(frame, avp)
    return DecodeError(result_code, message, _within_groups(frame, start, echoed))


def missing(frame: bytes, key: int, group: RawAvp | None = None) -> DecodeError:
    """5005 with an example of the AVP missing from the message or from `group`, payload zero-filled."""
    example = _encode(key, AVP_MANDATORY, bytes(MINIMUM_PAYLOADS.get(key, 0)))
    if group is not None:
        inner = _encode(group[0], group[1], example)
        example = _within_groups(frame, header_start(group), inner)
    return DecodeError(ResultCode.MISSING_AVP, f"AVP {name_of(key)} is missing", example)


def invalid_value(frame: bytes, avp: RawAvp) -> DecodeError:
    """5004 about `avp`."""
    return fault(ResultCode.INVALID_AVP_VALUE, frame, avp, f"AVP {name_of(avp[0])} has an unusable value")


def wrong_size(frame: bytes, avp: RawAvp) -> DecodeError:
    """5014 about an AVP whose payload does not have its type's size."""
    size = avp[3] - avp[2]
    message = f"AVP {name_of(avp[0])} has {size} octets of payload"
    return fault(ResultCode.INVALID_AVP_LENGTH, frame, avp, message)


def _bad_length(frame: bytes, position: int, end: int) -> DecodeError:
    key, flags = _readable_head(frame, position, end)
    echoed = _encode(key, flags, bytes(MINIMUM_PAYLOADS.get(key, 0)))
    message = f"AVP {name_of(key)} does not fit in what contains it"
    return DecodeError(ResultCode.INVALID_AVP_LENGTH, message, _within_groups(frame, position, echoed))


def _zero_vendor(frame: bytes, position: int, end: int) -> DecodeError:
    code, flags = _head(frame, position)
    stop = min(position + max(flags & _LENGTH_MASK, 12), end)
    payload = frame[position + 12 : min(stop, position + 12 + _FAILED_PAYLOAD_OCTETS)]
    head = _VENDOR_HEAD.pack(code, flags & ~_LENGTH_MASK | 12 + len(payload), 0)
    echoed = head + payload + _PADDING[len(payload) & 3]
    message = f"AVP {code} has the V bit and vendor 0"
    return DecodeError(ResultCode.INVALID_AVP_BIT_COMBO, message, _within_groups(frame, position, echoed))


def _readable_head(frame: bytes, position: int, end: int) -> tuple[int, int]:
    """Key and flags of an AVP header that may be cut off; what is missing counts as zero (RFC 6733 7.1.5)."""
    head = frame[position : min(position + 12, end)].ljust(12, b"\0")
    code, flags_length, vendor = _VENDOR_HEAD.unpack(head)
    flags = flags_length >> 24
    if not flags & AVP_VENDOR or not vendor:
        return code, flags & ~AVP_VENDOR
    return vendor << 32 | code, flags


def _within_groups(frame: bytes, position: int, echoed: bytes) -> bytes:
    """Wrap `echoed` in the headers of the groups that contain the AVP at `position`, outermost last."""
    for key, flags in reversed(_groups_around(frame, position)):
        echoed = _encode(key, flags, echoed)
    return echoed


def _groups_around(frame: bytes, position: int) -> list[tuple[int, int]]:
    """Key and flags of each AVP that contains the offset, outermost first."""
    around: list[tuple[int, int]] = []
    at, end = HEADER_OCTETS, len(frame)
    while at < position and end - at >= 8 and len(around) <= DEFAULT_LIMITS.depth:
        key, flags = _readable_head(frame, at, end)
        length = _head(frame, at)[1] & _LENGTH_MASK
        if length < 8:
            break
        if position < at + length:
            around.append((key, flags))
            end = min(at + length, end)
            at += 12 if flags & AVP_VENDOR else 8
        else:
            at = at + length + 3 & -4
    return around if at == position else []


# --- decoding of payloads: the caller knows the type


def decode_u32(frame: bytes, avp: RawAvp) -> int:
    """Unsigned32."""
    if avp[3] - avp[2] != 4:
        raise wrong_size(frame, avp)
    return word(frame, avp[2])


def decode_u64(frame: bytes, avp: RawAvp) -> int:
    """Unsigned64."""
    if avp[3] - avp[2] != 8:
        raise wrong_size(frame, avp)
    return word(frame, avp[2]) << 32 | word(frame, avp[2] + 4)


def decode_i32(frame: bytes, avp: RawAvp) -> int:
    """Integer32, and Enumerated where any value may pass."""
    if avp[3] - avp[2] != 4:
        raise wrong_size(frame, avp)
    value = word(frame, avp[2])
    return value - 0x100000000 if value & 0x80000000 else value


def decode_i64(frame: bytes, avp: RawAvp) -> int:
    """Integer64."""
    if avp[3] - avp[2] != 8:
        raise wrong_size(frame, avp)
    value: int = _i64(frame, avp[2])[0]
    return value


def decode_enumerated(frame: bytes, avp: RawAvp, allowed: Container[int]) -> int:
    """Enumerated whose value the server acts on; any other value is 5004."""
    value = decode_i32(frame, avp)
    if value not in allowed:
        raise invalid_value(frame, avp)
    return value


def decode_octets(frame: bytes, avp: RawAvp) -> bytes:
    """OctetString."""
    return frame[avp[2] : avp[3]]


def decode_utf8(frame: bytes, avp: RawAvp) -> str:
    """UTF8String, DiameterIdentity; what is no UTF-8 survives as surrogates and encodes back unchanged."""
    return frame[avp[2] : avp[3]].decode("utf-8", "surrogateescape")


def decode_time(frame: bytes, avp: RawAvp) -> int:
    """Time as ns since the Unix epoch; values below 2^31 lie after February 2036 (RFC 6733 4.3.1)."""
    seconds = decode_u32(frame, avp)
    if seconds < 0x80000000:
        seconds += _NTP_ERA_S
    return (seconds - _NTP_TO_UNIX_S) * _SECOND_NS


def decode_address(frame: bytes, avp: RawAvp) -> Address:
    """Address (RFC 6733 4.3.1): a family in two octets, then the address."""
    start, end = avp[2], avp[3]
    if end - start < 2:
        raise wrong_size(frame, avp)
    family = frame[start] << 8 | frame[start + 1]
    data = frame[start + 2 : end]
    if family == AddressFamily.IPV4:
        if len(data) != 4:
            raise wrong_size(frame, avp)
        return Address(family, str(IPv4Address(data)))
    if family == AddressFamily.IPV6:
        if len(data) != 16:
            raise wrong_size(frame, avp)
        return Address(family, str(IPv6Address(data)))
    if family == AddressFamily.E164:
        return Address(family, data.decode("utf-8", "backslashreplace"))
    return Address(family, data.hex())


# --- encoding


def _encode(key: int, flags: int, payload: bytes) -> bytes:
    """An AVP with the given flags octet; the V bit follows from the key."""
    size = len(payload)
    vendor = key >> 32
    if vendor:
        head = _VENDOR_HEAD.pack(key & _CODE_MASK, (flags | AVP_VENDOR) << 24 | 12 + size, vendor)
    else:
        head = _HEAD.pack(key, (flags & ~AVP_VENDOR) << 24 | 8 + size)
    return head + payload + _PADDING[size & 3]


def encode_octets(key: int, value: bytes, mandatory: bool = True) -> bytes:
    """OctetString, or any type whose payload is ready."""
    return _encode(key, AVP_MANDATORY if mandatory else 0, value)


def encode_utf8(key: int, value: str, mandatory: bool = True) -> bytes:
    """UTF8String, DiameterIdentity, DiameterURI, IPFilterRule."""
    return _encode(key, AVP_MANDATORY if mandatory else 0, value.encode("utf-8", "surrogateescape"))


def group(key: int, parts: Iterable[bytes], mandatory: bool = True) -> bytes:
    """Grouped: `parts` are encoded AVPs."""
    return _encode(key, AVP_MANDATORY if mandatory else 0, b"".join(parts))


def encode_u32(key: int, value: int, mandatory: bool = True) -> bytes:
    """Unsigned32."""
    return u32_encoder(key, mandatory)(value)


def encode_u64(key: int, value: int, mandatory: bool = True) -> bytes:
    """Unsigned64."""
    return u64_encoder(key, mandatory)(value)


def encode_i32(key: int, value: int, mandatory: bool = True) -> bytes:
    """Integer32 and Enumerated."""
    return i32_encoder(key, mandatory)(value)


def encode_i64(key: int, value: int, mandatory: bool = True) -> bytes:
    """Integer64."""
    return i64_encoder(key, mandatory)(value)


def encode_time(key: int, time_ns: int, mandatory: bool = True) -> bytes:
    """Time from ns since the Unix epoch, whole seconds, wrapping in 2036."""
    return encode_u32(key, time_ns // _SECOND_NS + _NTP_TO_UNIX_S & 0xFFFFFFFF, mandatory)


def encode_address(key: int, text: str, mandatory: bool = True) -> bytes:
    """Address from an IPv4 or IPv6 address as text."""
    address = ip_address(text)
    family = AddressFamily.IPV4 if address.version == 4 else AddressFamily.IPV6
    return encode_octets(key, family.to_bytes(2, "big") + address.packed, mandatory)


def encode_e164_address(key: int, digits: str, mandatory: bool = True) -> bytes:
    """Address of family 8: the digits as text (TS 32.299 SMSC-Address and the SCCP addresses)."""
    return encode_octets(key, AddressFamily.E164.to_bytes(2, "big") + digits.encode(), mandatory)


# Encoders with the header computed once: `rating_group = u32_encoder(RATING_GROUP)`, then `rating_group(7)`.


def _fixed_encoder(key: int, mandatory: bool, letter: str, octets: int) -> Callable[[int], bytes]:
    flags = AVP_MANDATORY if mandatory else 0
    vendor = key >> 32
    if vendor:
        pack = Struct(">III" + letter).pack
        return partial(pack, key & _CODE_MASK, (flags | AVP_VENDOR) << 24 | 12 + octets, vendor)
    return partial(Struct(">II" + letter).pack, key, flags << 24 | 8 + octets)


def u32_encoder(key: int, mandatory: bool = True) -> Callable[[int], bytes]:
    """Encoder of one Unsigned32 AVP."""
    return _fixed_encoder(key, mandatory, "I", 4)


def u64_encoder(key: int, mandatory: bool = True) -> Callable[[int], bytes]:
    """Encoder of one Unsigned64 AVP."""
    return _fixed_encoder(key, mandatory, "Q", 8)


def i32_encoder(key: int, mandatory: bool = True) -> Callable[[int], bytes]:
    """Encoder of one Integer32 or Enumerated AVP."""
    return _fixed_encoder(key, mandatory, "i", 4)


def i64_encoder(key: int, mandatory: bool = True) -> Callable[[int], bytes]:
    """Encoder of one Integer64 AVP."""
    return _fixed_encoder(key, mandatory, "q", 8)


def octets_encoder(key: int, mandatory: bool = True) -> Callable[[bytes], bytes]:
    """Encoder of one AVP of variable size; for groups pass the joined members."""
    flags = AVP_MANDATORY if mandatory else 0
    vendor = key >> 32
    head = _VENDOR_HEAD.pack if vendor else _HEAD.pack
    code = key & _CODE_MASK
    first = (flags | AVP_VENDOR) << 24 | 12 if vendor else flags << 24 | 8

    def encode(payload: bytes) -> bytes:
        size = len(payload)
        if vendor:
            return head(code, first + size, vendor) + payload + _PADDING[size & 3]
        return head(code, first + size) + payload + _PADDING[size & 3]

    return encode
