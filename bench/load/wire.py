"""Diameter as a client writes and reads it, without a line of the server's own codec. Pure.

What a measurement or a long run says about the server must not rest on the server's code, so these few
functions encode requests and take answers apart by themselves (RFC 6733 3 and 4.1, RFC 8506 3).
"""

from collections.abc import Iterator
from struct import Struct, pack, unpack_from
from typing import NamedTuple

HEADER_OCTETS = 20
REQUEST, PROXIABLE, ERROR, RETRANSMITTED = 0x80, 0x40, 0x20, 0x10
MANDATORY, VENDOR = 0x40, 0x80
CER, CCR, DWR, DPR = 257, 272, 280, 282
GY = 4
SUCCESS = 2001
TOO_BUSY = 3004
INITIAL, UPDATE, TERMINATION = 1, 2, 3
E164, IMSI = 0, 1

SESSION_ID, ORIGIN_HOST, ORIGIN_REALM, DESTINATION_REALM = 263, 264, 296, 283
RESULT_CODE, AUTH_APPLICATION, SERVICE_CONTEXT = 268, 258, 461
REQUEST_TYPE, REQUEST_NUMBER, EVENT_TIMESTAMP = 416, 415, 55
SUBSCRIPTION, SUBSCRIPTION_TYPE, SUBSCRIPTION_DATA = 443, 450, 444
SERVICES, RATING_GROUP, REQUESTED, USED, GRANTED, TOTAL_OCTETS = 456, 432, 437, 446, 431, 421
TERMINATION_CAUSE, REPORTING_REASON, SERVICE_INFORMATION, PS_INFORMATION = 295, 872, 873, 874
CALLED_STATION, SGSN_MCC_MNC, RAT_TYPE, MULTIPLE_SERVICES_INDICATOR = 30, 18, 21, 455
HOST_IP_ADDRESS, VENDOR_ID, PRODUCT_NAME, DISCONNECT_CAUSE = 257, 266, 269, 273
TGPP = 10415
NTP_EPOCH_S = 2_208_988_800  # 1900 to 1970

_header = Struct(">IIIII")


class WireError(Exception):
    """Octets that are not a sound Diameter message; the message says where."""


class Avp(NamedTuple):
    """One AVP of a message: where its data lies."""

    code: int
    flags: int
    vendor: int
    data: bytes


class Answer(NamedTuple):
    """What a client looks at in an answer; `services` maps a rating group to (result code, octets granted)."""

    command: int
    flags: int
    hop_by_hop: int
    end_to_end: int
    result_code: int
    session_id: str
    services: dict[int, tuple[int, int]]
    body: bytes


def avp(code: int, data: bytes, vendor: int = 0, flags: int = MANDATORY) -> bytes:
    """One AVP, padded."""
    head = (
        pack(">II", code, ((flags | VENDOR) << 24) | len(data) + 12) + pack(">I", vendor) if vendor else b""
    )
    head = head or pack(">II", code, flags << 24 | len(data) + 8)
    return head + data + bytes(-len(data) % 4)


def u32(code: int, value: int, vendor: int = 0) -> bytes:
    """An Unsigned32 or Enumerated."""
    return avp(code, pack(">I", value), vendor)


def u64(code: int, value: int) -> bytes:
    """An Unsigned64."""
    return avp(code, pack(">Q", value))


def text(code: int, value: str, vendor: int = 0) -> bytes:
    """A UTF8String or DiameterIdentity."""
    return avp(code, value.encode(), vendor)


def message(
    command: int, application: int, body: bytes, hop_by_hop: int, end_to_end: int, flags: int
) -> bytes:
    """A whole message."""
    length = HEADER_OCTETS + len(body)
    return _header.pack(1 << 24 | length, flags << 24 | command, application, hop_by_hop, end_to_end) + body


def capabilities(origin_host: str, origin_realm: str) -> bytes:
    """A Capabilities-Exchange-Request for the credit-control application."""
    body = (
        text(ORIGIN_HOST, origin_host)
        + text(ORIGIN_REALM, origin_realm)
        + avp(HOST_IP_ADDRESS, b"\0\1\x7f\0\0\1")
        + u32(VENDOR_ID, 0)
        + avp(PRODUCT_NAME, b"load", flags=0)
        + u32(AUTH_APPLICATION, GY)
    )
    return message(CER, 0, body, 1, 1, REQUEST)


def watchdog(origin_host: str, origin_realm: str, hop_by_hop: int) -> bytes:
    """A Device-Watchdog-Request."""
    body = text(ORIGIN_HOST, origin_host) + text(ORIGIN_REALM, origin_realm)
    return message(DWR, 0, body, hop_by_hop, hop_by_hop, REQUEST)


class Service(NamedTuple):
    """What a request says of one rating group; None asks for nothing, or reports nothing."""

    rating_group: int
    requested_octets: int | None = None
    used_octets: int | None = None


def service(part: Service, reason: int | None = None) -> bytes:
    """A Multiple-Services-Credit-Control."""
    body = b""
    if part.requested_octets is not None:
        body += avp(REQUESTED, u64(TOTAL_OCTETS, part.requested_octets))
    if part.used_octets is not None:
        body += avp(USED, u64(TOTAL_OCTETS, part.used_octets))
    body += u32(RATING_GROUP, part.rating_group)
    if reason is not None:
        body += u32(REPORTING_REASON, reason, TGPP)
    return avp(SERVICES, body)


def subscription(kind: int, number: str) -> bytes:
    """A Subscription-Id."""
    return avp(SUBSCRIPTION, u32(SUBSCRIPTION_TYPE, kind) + text(SUBSCRIPTION_DATA, number))


class Subscriber(NamedTuple):
    """Both numbers of a subscriber."""

    imsi: str
    msisdn: str


def credit_control(
    client: str,
    realm: str,
    session_id: str,
    kind: int,
    number: int,
    subscriber: Subscriber,
    services: tuple[Service, ...],
    hop_by_hop: int = 0,
    end_to_end: int = 0,
    retransmitted: bool = False,
    at_s: int | None = None,
) -> bytes:
    """A Credit-Control-Request as a packet gateway sends it (TS 32.251, TS 32.299 6.4.2)."""
    reason = {UPDATE: 3, TERMINATION: 2}.get(kind)
    packet = (
        text(CALLED_STATION, "internet") + text(SGSN_MCC_MNC, "00101", TGPP) + avp(RAT_TYPE, b"\x06", TGPP)
    )
    body = (
        text(SESSION_ID, session_id)
        + text(ORIGIN_HOST, client)
        + text(ORIGIN_REALM, realm)
        + text(DESTINATION_REALM, realm)
        + u32(AUTH_APPLICATION, GY)
        + text(SERVICE_CONTEXT, "32251@3gpp.org")
        + u32(REQUEST_TYPE, kind)
        + u32(REQUEST_NUMBER, number)
        + (b"" if at_s is None else u32(EVENT_TIMESTAMP, (at_s + NTP_EPOCH_S) & 0xFFFFFFFF))
        + subscription(E164, subscriber.msisdn)
        + subscription(IMSI, subscriber.imsi)
        + u32(MULTIPLE_SERVICES_INDICATOR, 1)
        + b"".join([service(part, reason) for part in services])
        + (u32(TERMINATION_CAUSE, 1) if kind == TERMINATION else b"")
        + avp(SERVICE_INFORMATION, avp(PS_INFORMATION, packet, TGPP), TGPP)
    )
    flags = REQUEST | PROXIABLE | (RETRANSMITTED if retransmitted else 0)
    return message(CCR, GY, body, hop_by_hop, end_to_end, flags)


# --- reading


def split(buffer: bytearray) -> list[bytes]:
    """The whole messages of a stream, taken off the buffer."""
    frames, place, end = [], 0, len(buffer)
    while end - place >= 4:
        length = int.from_bytes(buffer[place + 1 : place + 4], "big")
        if length < HEADER_OCTETS:
            raise WireError(f"a message of {length} octets")
        if end - place < length:
            break
        frames.append(bytes(buffer[place : place + length]))
        place += length
    del buffer[:place]
    return frames


def members(data: bytes) -> Iterator[Avp]:
    """The AVPs of a message's body or of a group, checked to the last octet of padding."""
    place, end = 0, len(data)
    while place < end:
        if end - place < 8:
            raise WireError(f"{end - place} octets where an AVP should be")
        code, word = unpack_from(">II", data, place)
        flags, length = word >> 24, word & 0xFFFFFF
        head = 12 if flags & VENDOR else 8
        if length < head or place + length > end or place + length + (-length % 4) > end:
            raise WireError(f"AVP {code} of {length} octets with {end - place} left")
        if any(data[place + length : place + length + (-length % 4)]):
            raise WireError(f"AVP {code} is not padded with zeros")
        vendor = unpack_from(">I", data, place + 8)[0] if flags & VENDOR else 0
        yield Avp(code, flags, vendor, data[place + head : place + length])
        place += length + (-length % 4)


def answer(frame: bytes) -> Answer:
    """An answer taken apart; WireError where it is not sound."""
    first, second, _, hop_by_hop, end_to_end = _header.unpack_from(frame)
    if first >> 24 != 1 or first & 0xFFFFFF != len(frame) or len(frame) % 4:
        raise WireError(f"header {frame[:8].hex()} of a message of {len(frame)} octets")
    results: list[int] = []
    session_id, services = "", {}
    for code, _, vendor, data in members(frame[HEADER_OCTETS:]):
        if vendor:
            continue
        if code == RESULT_CODE:
            results.append(int.from_bytes(data, "big"))
        elif code == SESSION_ID:
            session_id = data.decode("utf-8", "surrogateescape")
        elif code == SERVICES:
            group, result, octets = _service(data)
            services[group] = result, octets
    if len(results) != 1:
        raise WireError(f"{len(results)} Result-Codes")
    body = frame[HEADER_OCTETS:]
    flags, command = second >> 24, second & 0xFFFFFF
    return Answer(command, flags, hop_by_hop, end_to_end, results[0], session_id, services, body)


def _service(data: bytes) -> tuple[int, int, int]:
    """Rating group (-1 for none), result code and octets granted of a Multiple-Services-Credit-Control."""
    group, result, octets = -1, 0, 0
    for code, _, vendor, value in members(data):
        if vendor:
            continue
        if code == RATING_GROUP:
            group = int.from_bytes(value, "big")
        elif code == RESULT_CODE:
            result = int.from_bytes(value, "big")
        elif code == GRANTED:
            for inner in members(value):
                if inner.code == TOTAL_OCTETS and not inner.vendor:
                    octets = int.from_bytes(inner.data, "big")
    return group, result, octets
