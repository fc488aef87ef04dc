"""Packets: octets to attributes and back, and the three ways to tell who wrote them. Pure.

RFC 2865 3 and RFC 2866 3 (request and response authenticators), RFC 3579 3.2 (Message-Authenticator), RFC 5080
(what to do with odd ones), RFC 6929 2 (extended attributes, put together on receipt).
"""

import hmac
from collections.abc import Iterable, Sequence
from hashlib import md5
from typing import Final

from ocs.agents.radius.wire.codes import (
    ACCESS_REQUEST,
    FIRST_EXTENDED,
    FIRST_LONG_EXTENDED,
    LAST_EXTENDED,
    MESSAGE_AUTHENTICATOR,
    STATUS_SERVER,
    VENDOR_SPECIFIC,
)

HEADER: Final = 20
LONGEST: Final = 4_096
LONGEST_VALUE: Final = 253
NO_AUTHENTICATOR: Final = bytes(16)
MORE: Final = 0x80  # of the flags of a long extended attribute: a part follows

Attribute = tuple[int, bytes]


class Malformed(Exception):
    """Octets that are no packet; `attribute` is the number of the one at fault, 0 where it is the header."""

    def __init__(self, reason: str, attribute: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.attribute = attribute


class Packet:
    """One packet; `octets` is the datagram without what lies behind its length."""

    __slots__ = ("_first", "attributes", "authenticator", "code", "identifier", "octets")

    def __init__(self, octets: bytes, attributes: list[Attribute]) -> None:
        self.octets = octets
        self.code = octets[0]
        self.identifier = octets[1]
        self.authenticator = octets[4:20]
        self.attributes = attributes
        self._first: dict[int, bytes] | None = None

    def first(self, number: int) -> bytes | None:
        """The value of the first attribute of that number."""
        if self._first is None:
            self._first = dict(reversed(self.attributes))
        return self._first.get(number)

    def all(self, number: int) -> list[bytes]:
        """The values of all attributes of that number, in order."""
        return [value for kind, value in self.attributes if kind == number]

    def text(self, number: int) -> str:
        """A value as text; "" where it is missing, backslashes for what is not UTF-8."""
        value = self.first(number)
        return "" if value is None else value.decode("utf-8", "backslashreplace")

    def number(self, number: int) -> int | None:
        """A value of four octets. Raises Malformed for another length."""
        value = self.first(number)
        if value is None:
            return None
        if len(value) != 4:
            raise Malformed(f"has {len(value)} octets instead of 4", number)
        return int.from_bytes(value, "big")

    def vendor(self, vendor: int, number: int) -> bytes | None:
        """The first value of a vendor's attribute, in the format RFC 2865 5.26 recommends."""
        return next((value for kind, value in self.vendor_attributes(vendor) if kind == number), None)

    def vendor_attributes(self, vendor: int) -> list[Attribute]:
        """The attributes of a vendor; what is not in the recommended format is left out."""
        prefix = vendor.to_bytes(4, "big")
        found: list[Attribute] = []
        for kind, value in self.attributes:
            if kind == VENDOR_SPECIFIC and value[:4] == prefix:
                found += vendor_parts(value)
        return found

    def extended(self) -> list[tuple[int, int, bytes]]:
        """The extended attributes: number, extended type, value; long ones put together. Raises Malformed."""
        found: list[tuple[int, int, bytes]] = []
        is_open = False
        for kind, value in self.attributes:
            if not FIRST_EXTENDED <= kind <= LAST_EXTENDED:
                continue
            is_long = kind >= FIRST_LONG_EXTENDED
            start = 2 if is_long else 1
            if len(value) < start:
                raise Malformed("has no extended type", kind)
            if is_open and found[-1][:2] == (kind, value[0]):
                found[-1] = (kind, value[0], found[-1][2] + value[start:])
            elif is_open:
                raise Malformed("a part is missing", found[-1][0])
            else:
                found.append((kind, value[0], value[start:]))
            is_open = is_long and bool(value[1] & MORE)
        if is_open:
            raise Malformed("a part is missing", found[-1][0])
        return found


def vendor_parts(value: bytes) -> list[Attribute]:
    """The attributes in the value of a Vendor-Specific; none where they do not fill it exactly."""
    parts: list[Attribute] = []
    place, end = 4, len(value)
    while place < end:
        length = value[place + 1] if place + 1 < end else 0
        if length < 2 or place + length > end:
            return []
        parts.append((value[place], value[place + 2 : place + length]))
        place += length
    return parts


def decode(datagram: bytes) -> Packet:
    """The packet in a datagram. Raises Malformed; octets behind the length are padding (RFC 2865 3)."""
    size = len(datagram)
    if size < HEADER:
        raise Malformed(f"{size} octets are no packet")
    length = datagram[2] << 8 | datagram[3]
    if not HEADER <= length <= LONGEST or length > size:
        raise Malformed(f"says it has {length} octets, and has {size}")
    octets = datagram if length == size else datagram[:length]
    attributes: list[Attribute] = []
    place = HEADER
    while place < length:
        end = place + octets[place + 1] if place + 1 < length else place
        if end < place + 2 or end > length:
            raise Malformed(
                "runs over the end" if end > length else "is shorter than its header", octets[place]
            )
        attributes.append((octets[place], octets[place + 2 : end]))
        place = end
    for kind, value in attributes:
        if kind == VENDOR_SPECIFIC and len(value) < 4:
            raise Malformed("names no vendor", kind)
        if kind == MESSAGE_AUTHENTICATOR and len(value) != 16:
            raise Malformed(f"has {len(value)} octets instead of 16", kind)
    return Packet(octets, attributes)


def encode_attributes(attributes: Iterable[Attribute]) -> bytes:
    """Attributes as octets; each value has at most 253 of them."""
    return b"".join([bytes((number, len(value) + 2)) + value for number, value in attributes])


# --- who wrote it


def is_signed_by(packet: Packet, secret: bytes) -> bool:
    """Whether the authenticator of an accounting, Disconnect or CoA request was made with the secret."""
    octets = packet.octets
    expected = md5(b"".join((octets[:4], NO_AUTHENTICATOR, octets[HEADER:], secret))).digest()
    return hmac.compare_digest(expected, packet.authenticator)


def is_answer_to(packet: Packet, request_authenticator: bytes, secret: bytes) -> bool:
    """Whether the authenticator of a response was made with the secret, for that request."""
    octets = packet.octets
    expected = md5(b"".join((octets[:4], request_authenticator, octets[HEADER:], secret))).digest()
    return hmac.compare_digest(expected, packet.authenticator)


def has_valid_message_authenticator(
    packet: Packet, secret: bytes, request_authenticator: bytes | None = None
) -> bool | None:
    """Whether the one Message-Authenticator is right; None where there is none. Two are never right."""
    given = packet.all(MESSAGE_AUTHENTICATOR)
    if not given:
        return None
    if len(given) > 1:
        return False
    authenticator = request_authenticator
    if authenticator is None:
        is_random = packet.code in (ACCESS_REQUEST, STATUS_SERVER)
        authenticator = packet.authenticator if is_random else NO_AUTHENTICATOR
    octets = bytearray(packet.octets)
    octets[4:HEADER] = authenticator
    place = HEADER
    while octets[place] != MESSAGE_AUTHENTICATOR:
        place += octets[place + 1]
    octets[place + 2 : place + 18] = NO_AUTHENTICATOR
    return hmac.compare_digest(hmac.digest(secret, octets, "md5"), given[0])


# --- writing


def encode_response(
    code: int, request: Packet, attributes: Sequence[Attribute], secret: bytes, has_authenticator: bool
) -> bytes:
    """A response to `request`, with a Message-Authenticator before everything else where wanted.

    Raises Malformed where it would have more octets than a packet may.
    """
    return _encode(code, request.identifier, request.authenticator, attributes, secret, has_authenticator)


def encode_request(
    code: int,
    identifier: int,
    attributes: Sequence[Attribute],
    secret: bytes,
    authenticator: bytes = NO_AUTHENTICATOR,
    has_authenticator: bool = True,
) -> bytes:
    """A request; `authenticator` is the random one of an Access-Request or Status-Server."""
    if code in (ACCESS_REQUEST, STATUS_SERVER):
        body, _ = _signed_body(code, identifier, authenticator, attributes, secret, has_authenticator)
        return _header(code, identifier, len(body)) + authenticator + body
    return _encode(code, identifier, NO_AUTHENTICATOR, attributes, secret, has_authenticator)


def _encode(
    code: int,
    identifier: int,
    authenticator: bytes,
    attributes: Sequence[Attribute],
    secret: bytes,
    has_authenticator: bool,
) -> bytes:
    body, header = _signed_body(code, identifier, authenticator, attributes, secret, has_authenticator)
    return b"".join((header, md5(b"".join((header, authenticator, body, secret))).digest(), body))


def _signed_body(
    code: int,
    identifier: int,
    authenticator: bytes,
    attributes: Sequence[Attribute],
    secret: bytes,
    has_authenticator: bool,
) -> tuple[bytes, bytes]:
    body = encode_attributes(attributes)
    if not has_authenticator:
        return body, _header(code, identifier, len(body))
    header = _header(code, identifier, len(body) + 18)
    place = bytes((MESSAGE_AUTHENTICATOR, 18))
    signed = hmac.digest(secret, b"".join((header, authenticator, place, NO_AUTHENTICATOR, body)), "md5")
    return b"".join((place, signed, body)), header


def _header(code: int, identifier: int, length: int) -> bytes:
    if length + HEADER > LONGEST:
        raise Malformed(f"{length + HEADER} octets are too many for a packet")
    return bytes((code, identifier)) + (length + HEADER).to_bytes(2, "big")
