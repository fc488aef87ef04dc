"""The codec against python-diameter: each reads what the other wrote, and both see the same values."""

import datetime
from typing import Any

import pytest
from diameter.message import Avp
from diameter.message import Message as LibraryMessage
from diameter.message.avp.avp import (
    AvpAddress,
    AvpGrouped,
    AvpInteger32,
    AvpInteger64,
    AvpOctetString,
    AvpTime,
    AvpUnsigned32,
    AvpUnsigned64,
    AvpUtf8String,
)
from diameter.message.commands import CreditControlRequest

from ocs.diameter import avps
from ocs.diameter.avp import (
    RawAvp,
    decode_address,
    decode_i32,
    decode_i64,
    decode_octets,
    decode_time,
    decode_u32,
    decode_u64,
    decode_utf8,
    encode_address,
    encode_i32,
    encode_i64,
    encode_octets,
    encode_time,
    encode_u32,
    encode_u64,
    encode_utf8,
    group,
    scan,
)
from ocs.diameter.message import Message, encode_message, identity
from tests.diameter.support import open5gs_frames, recordings, samples

EPOCH = datetime.datetime(1970, 1, 1)


def compare(frame: bytes, avp: RawAvp, other: Avp) -> None:
    """Same key, same M, same value read by the type the library knows."""
    assert (avp[0] & 0xFFFFFFFF, avp[0] >> 32) == (other.code, other.vendor_id)
    assert bool(avp[1] & 0x40) is other.is_mandatory
    if isinstance(other, AvpGrouped):
        members = scan(frame, avp[2], avp[3])
        assert len(members) == len(other.value)
        for member, its in zip(members, other.value, strict=True):
            compare(frame, member, its)
        return
    assert decode_octets(frame, avp) == other.payload[: avp[3] - avp[2]]
    value = value_like(frame, avp, other)
    if value is not None:
        assert value == other.value


def value_like(frame: bytes, avp: RawAvp, other: Avp) -> Any:
    """Our value in the library's form; None where the forms cannot be compared."""
    match other:
        case AvpUnsigned32():
            return decode_u32(frame, avp)
        case AvpUnsigned64():
            return decode_u64(frame, avp)
        case AvpInteger32():
            return decode_i32(frame, avp)
        case AvpInteger64():
            return decode_i64(frame, avp)
        case AvpUtf8String():
            return decode_utf8(frame, avp)
        case AvpAddress():
            address = decode_address(frame, avp)
            return (address.family, address.text)
        case _:
            return None


def messages() -> list[bytes]:
    """The recordings, the samples and a part of the Open5GS messages."""
    recorded = [path.read_bytes() for path in recordings()]
    constructed = [bytes.fromhex(entry["hex"]) for entry in samples()]
    return recorded + constructed + [frame for _, frame in open5gs_frames()][::5]


def test_both_decoders_see_the_same_avps_and_values() -> None:
    compared = 0
    for frame in messages():
        ours, theirs = Message.decode(frame), LibraryMessage.from_bytes(frame, plain_msg=True)
        assert (ours.command_code, ours.application_id) == (
            theirs.header.command_code,
            theirs.header.application_id,
        )
        assert (ours.hop_by_hop, ours.end_to_end) == (
            theirs.header.hop_by_hop_identifier,
            theirs.header.end_to_end_identifier,
        )
        assert ours.is_request is theirs.header.is_request
        assert len(ours.avps) == len(theirs.avps)
        for avp, other in zip(ours.avps, theirs.avps, strict=True):
            compare(frame, avp, other)
            compared += 1
    assert compared > 2_000


def test_a_request_the_library_built_is_decoded() -> None:
    built = CreditControlRequest()
    built.session_id = "lib;1;2"
    built.origin_host = b"pgw.example.net"
    built.origin_realm = b"example.net"
    built.destination_realm = b"example.net"
    built.auth_application_id = 4
    built.service_context_id = "32251@3gpp.org"
    built.cc_request_type = 2
    built.cc_request_number = 9
    built.event_timestamp = EPOCH + datetime.timedelta(seconds=1_800_000_000)
    built.header.hop_by_hop_identifier = 0x1234
    built.header.end_to_end_identifier = 0x5678
    ours = Message.decode(built.as_bytes())
    assert (ours.command_code, ours.is_request, ours.hop_by_hop, ours.end_to_end) == (
        272,
        True,
        0x1234,
        0x5678,
    )
    assert ours.octets(avps.SESSION_ID) == b"lib;1;2"
    assert decode_i32(ours.frame, ours.require(avps.CC_REQUEST_TYPE)) == 2
    assert decode_u32(ours.frame, ours.require(avps.CC_REQUEST_NUMBER)) == 9


@pytest.mark.parametrize(
    ("encoded", "kind", "value"),
    [
        (encode_u32(avps.RATING_GROUP, 1 << 31), AvpUnsigned32, 1 << 31),
        (encode_u64(avps.CC_TOTAL_OCTETS, (1 << 64) - 1), AvpUnsigned64, (1 << 64) - 1),
        (encode_i32(avps.EXPONENT, -2), AvpInteger32, -2),
        (encode_i32(avps.REPORTING_REASON, 3), AvpInteger32, 3),
        (encode_i64(avps.VALUE_DIGITS, -(1 << 63)), AvpInteger64, -(1 << 63)),
        (encode_utf8(avps.SESSION_ID, "grün;1"), AvpUtf8String, "grün;1"),
        (encode_octets(avps.TGPP_RAT_TYPE, b"\x06"), AvpOctetString, b"\x06"),
        (encode_address(avps.SGSN_ADDRESS, "192.0.2.1"), AvpAddress, (1, "192.0.2.1")),
        (encode_address(avps.SGSN_ADDRESS, "2001:db8::1"), AvpAddress, (2, "2001:db8::1")),
    ],
)
def test_an_avp_we_encode_is_read_by_the_library(encoded: bytes, kind: type[Avp], value: object) -> None:
    theirs = Avp.from_bytes(encoded)
    assert isinstance(theirs, kind)
    assert theirs.value == value


def test_a_time_we_encode_is_read_by_the_library() -> None:
    theirs = Avp.from_bytes(encode_time(avps.EVENT_TIMESTAMP, 1_800_000_000 * 1_000_000_000))
    assert isinstance(theirs, AvpTime)
    frame = encode_message(0x80, 272, 4, 1, 1, [theirs.as_bytes()])
    assert decode_time(frame, scan(frame, 20, len(frame))[0]) == 1_800_000_000 * 1_000_000_000


def test_an_answer_we_encode_is_read_by_the_library() -> None:
    units = group(avps.GRANTED_SERVICE_UNIT, [encode_u64(avps.CC_TOTAL_OCTETS, 1_000_000)])
    service = group(
        avps.MULTIPLE_SERVICES_CREDIT_CONTROL,
        [units, encode_u32(avps.RATING_GROUP, 7), encode_u32(avps.VALIDITY_TIME, 600)],
    )
    parts = [
        encode_utf8(avps.SESSION_ID, "s;1"),
        encode_u32(avps.RESULT_CODE, 2001),
        identity("ocs.example.net", "example.net"),
        encode_u32(avps.AUTH_APPLICATION_ID, 4),
        encode_i32(avps.CC_REQUEST_TYPE, 1),
        encode_u32(avps.CC_REQUEST_NUMBER, 0),
        service,
    ]
    theirs = LibraryMessage.from_bytes(encode_message(0x40, 272, 4, 5, 6, parts))
    assert (theirs.session_id, theirs.result_code, theirs.origin_host) == ("s;1", 2001, b"ocs.example.net")
    (read,) = theirs.multiple_services_credit_control
    assert (read.rating_group, read.validity_time) == (7, 600)
    assert read.granted_service_unit.cc_total_octets == 1_000_000
