"""Scanning, decoding and encoding of AVPs."""

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import (
    Address,
    DecodeError,
    RawAvp,
    decode_address,
    decode_enumerated,
    decode_i32,
    decode_i64,
    decode_octets,
    decode_time,
    decode_u32,
    decode_u64,
    decode_utf8,
    encode_address,
    encode_e164_address,
    encode_i32,
    encode_i64,
    encode_octets,
    encode_time,
    encode_u32,
    encode_u64,
    encode_utf8,
    fault,
    group,
    header_start,
    invalid_value,
    missing,
    name_of,
    octets_encoder,
    raw,
    scan,
)
from ocs.diameter.codes import ResultCode
from ocs.diameter.message import Message, encode_message

SECOND_NS = 1_000_000_000


def frame_of(*parts: bytes) -> bytes:
    return encode_message(0xC0, 272, 4, 1, 2, parts)


def only(frame: bytes) -> RawAvp:
    (avp,) = scan(frame, 20, len(frame))
    return avp


def refused(frame: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        scan(frame, 20, len(frame))
    return caught.value


def test_scan_gives_key_flags_and_payload_bounds_in_order() -> None:
    frame = frame_of(
        encode_u32(avps.RATING_GROUP, 7), encode_utf8(avps.SIP_METHOD, "INVITE", mandatory=False)
    )
    assert scan(frame, 20, len(frame)) == [(432, 0x40, 28, 32), (10415 << 32 | 824, 0x80, 44, 50)]


def test_raw_returns_header_payload_and_padding() -> None:
    part = encode_utf8(avps.SIP_METHOD, "BYE")
    frame = frame_of(part)
    assert raw(frame, only(frame)) == part
    assert header_start(only(frame)) == 20


def test_a_key_without_vendor_bit_is_another_avp() -> None:
    frame = frame_of(encode_octets(873, b""))
    assert only(frame)[0] == 873
    assert avps.SERVICE_INFORMATION == 10415 << 32 | 873


def test_missing_padding_of_the_last_avp_is_accepted() -> None:
    frame = frame_of(encode_utf8(avps.USER_NAME, "ab"))[:-2]
    assert decode_utf8(frame, only(frame)) == "ab"


def test_padding_that_is_not_zero_is_accepted() -> None:
    frame = frame_of(encode_utf8(avps.USER_NAME, "ab")[:-2] + b"\xff\xff", encode_u32(432, 1))
    assert [avp[0] for avp in scan(frame, 20, len(frame))] == [1, 432]


def test_reserved_avp_bits_are_ignored() -> None:
    part = bytearray(encode_u32(avps.RATING_GROUP, 7))
    part[4] |= 0x1F
    frame = frame_of(bytes(part))
    assert decode_u32(frame, only(frame)) == 7


@pytest.mark.parametrize("length", [0, 7, 13, 0xFFFFFF])
def test_a_bad_avp_length_is_5014_with_a_well_formed_zero_filled_example(length: int) -> None:
    part = encode_u32(avps.RATING_GROUP, 7)
    error = refused(frame_of(part[:5] + length.to_bytes(3, "big") + part[8:]))
    assert error.result_code == ResultCode.INVALID_AVP_LENGTH
    assert error.failed_avp == encode_u32(avps.RATING_GROUP, 0)


@pytest.mark.parametrize("length", [8, 9, 11])
def test_a_vendor_avp_shorter_than_its_header_is_5014(length: int) -> None:
    part = encode_u32(avps.REPORTING_REASON, 0)
    error = refused(frame_of(part[:5] + length.to_bytes(3, "big") + part[8:]))
    assert error.result_code == ResultCode.INVALID_AVP_LENGTH
    assert error.failed_avp == encode_u32(avps.REPORTING_REASON, 0)


@pytest.mark.parametrize("octets", [1, 4, 7])
def test_a_cut_off_avp_header_is_5014_with_the_header_filled_up(octets: int) -> None:
    whole = encode_octets(avps.USER_NAME, b"")
    error = refused(frame_of(whole[:octets]))
    assert error.result_code == ResultCode.INVALID_AVP_LENGTH
    assert len(error.failed_avp) == 8


def test_a_cut_off_vendor_header_is_5014() -> None:
    error = refused(frame_of(encode_octets(avps.SERVICE_INFORMATION, b"")[:8]))
    assert error.result_code == ResultCode.INVALID_AVP_LENGTH


def test_the_vendor_bit_with_vendor_zero_is_5016_and_echoes_the_avp() -> None:
    part = bytes.fromhex("00000001c000000f00000000") + b"abc\0"
    error = refused(frame_of(part))
    assert error.result_code == ResultCode.INVALID_AVP_BIT_COMBO
    assert error.failed_avp == part


def test_a_nested_bad_length_reports_the_groups_around_it() -> None:
    bad = bytes.fromhex("000001b0400000ff") + bytes(4)  # Rating-Group of 255 octets
    frame = frame_of(
        encode_utf8(avps.SESSION_ID, "s"),
        group(avps.SERVICE_INFORMATION, [group(avps.PS_INFORMATION, [encode_u32(avps.CC_TIME, 1), bad])]),
    )
    message = Message.decode(frame)
    (ps,) = message.members(message.require(avps.SERVICE_INFORMATION))
    with pytest.raises(DecodeError) as caught:
        message.members(ps)
    assert caught.value.result_code == ResultCode.INVALID_AVP_LENGTH
    wanted = group(avps.SERVICE_INFORMATION, [group(avps.PS_INFORMATION, [encode_u32(avps.RATING_GROUP, 0)])])
    assert caught.value.failed_avp == wanted


def test_more_avps_than_the_limit_are_refused() -> None:
    frame = frame_of(*[encode_octets(1, b"")] * 5)
    assert len(scan(frame, 20, len(frame), limit=5)) == 5
    with pytest.raises(DecodeError, match="more than 4 AVPs"):
        scan(frame, 20, len(frame), limit=4)


def test_a_missing_avp_is_5005_with_a_zero_filled_example() -> None:
    error = missing(frame_of(), avps.CC_REQUEST_TYPE)
    assert error.result_code == ResultCode.MISSING_AVP
    assert error.failed_avp == encode_u32(avps.CC_REQUEST_TYPE, 0)
    assert missing(frame_of(), avps.CC_TOTAL_OCTETS).failed_avp == encode_u64(avps.CC_TOTAL_OCTETS, 0)
    assert missing(frame_of(), avps.SESSION_ID).failed_avp == encode_octets(avps.SESSION_ID, b"")
    assert missing(frame_of(), avps.SGSN_ADDRESS).failed_avp == encode_octets(avps.SGSN_ADDRESS, bytes(6))


def test_an_avp_missing_from_a_group_is_reported_inside_its_groups() -> None:
    frame = frame_of(group(avps.SERVICE_INFORMATION, [group(avps.SUBSCRIPTION_ID, [])]))
    (outer,) = scan(frame, 20, len(frame))
    (inner,) = scan(frame, outer[2], outer[3])
    error = missing(frame, avps.SUBSCRIPTION_ID_TYPE, inner)
    wanted = group(avps.SUBSCRIPTION_ID, [encode_u32(avps.SUBSCRIPTION_ID_TYPE, 0)])
    assert error.failed_avp == group(avps.SERVICE_INFORMATION, [wanted])


def test_a_fault_echoes_the_avp_inside_its_groups() -> None:
    part = encode_i32(avps.CC_UNIT_TYPE, 99)
    frame = frame_of(encode_u32(432, 1), group(avps.G_S_U_POOL_REFERENCE, [encode_u32(453, 1), part]))
    avp = scan(frame, 32 + 8, len(frame))[1]
    assert invalid_value(frame, avp).failed_avp == group(avps.G_S_U_POOL_REFERENCE, [part])
    assert fault(5001, frame, avp, "text").message == "text"


def test_a_huge_offending_avp_is_echoed_in_part() -> None:
    frame = frame_of(encode_octets(avps.SESSION_ID, b"x" * 60_000))
    error = invalid_value(frame, only(frame))
    assert error.failed_avp == encode_octets(avps.SESSION_ID, b"x" * 2048)


@pytest.mark.parametrize(
    ("decode", "octets"),
    [
        (decode_u32, 2),
        (decode_u32, 8),
        (decode_i32, 2),
        (decode_time, 3),
        (decode_u64, 4),
        (decode_i64, 9),
        (decode_address, 1),
    ],
)
def test_a_payload_of_the_wrong_size_is_5014_with_the_avp_itself(decode, octets: int) -> None:  # type: ignore[no-untyped-def]
    part = encode_octets(avps.CC_REQUEST_TYPE, bytes(octets))
    frame = frame_of(part)
    with pytest.raises(DecodeError) as caught:
        decode(frame, only(frame))
    assert caught.value.result_code == ResultCode.INVALID_AVP_LENGTH
    assert caught.value.failed_avp == part


@pytest.mark.parametrize(("family", "octets"), [(1, 3), (1, 16), (2, 4)])
def test_an_address_of_the_wrong_size_for_its_family_is_5014(family: int, octets: int) -> None:
    frame = frame_of(encode_octets(avps.SGSN_ADDRESS, family.to_bytes(2, "big") + bytes(octets)))
    with pytest.raises(DecodeError) as caught:
        decode_address(frame, only(frame))
    assert caught.value.result_code == ResultCode.INVALID_AVP_LENGTH


def test_enumerated_values_outside_the_allowed_are_5004() -> None:
    part = encode_i32(avps.CC_REQUEST_TYPE, 99)
    frame = frame_of(part)
    with pytest.raises(DecodeError) as caught:
        decode_enumerated(frame, only(frame), (1, 2, 3, 4))
    assert (caught.value.result_code, caught.value.failed_avp) == (ResultCode.INVALID_AVP_VALUE, part)
    assert decode_enumerated(frame, only(frame), range(100)) == 99


def test_octets_that_are_no_utf8_survive_a_round_trip() -> None:
    part = encode_octets(avps.SESSION_ID, b"a\xff\xfe;1")
    frame = frame_of(part)
    text = decode_utf8(frame, only(frame))
    assert encode_utf8(avps.SESSION_ID, text) == part
    assert decode_octets(frame, only(frame)) == b"a\xff\xfe;1"


@pytest.mark.parametrize(
    ("ntp", "unix_s"),
    [
        (2_208_988_800, 0),
        (0xFFFFFFFF, 2_085_978_495),  # 2036-02-07T06:28:15Z
        (0, 2_085_978_496),  # 2036-02-07T06:28:16Z
        (0x7FFFFFFF, 4_233_462_143),
        (0x80000000, -61_505_152),  # 1968
    ],
)
def test_time_wraps_in_2036(ntp: int, unix_s: int) -> None:
    frame = frame_of(encode_u32(avps.EVENT_TIMESTAMP, ntp))
    assert decode_time(frame, only(frame)) == unix_s * SECOND_NS
    assert encode_time(avps.EVENT_TIMESTAMP, unix_s * SECOND_NS) == encode_u32(avps.EVENT_TIMESTAMP, ntp)


@pytest.mark.parametrize(
    ("payload", "address"),
    [
        ("0001c0000203", Address(1, "192.0.2.3")),
        ("000220010db8000000000000000000000001", Address(2, "2001:db8::1")),
        ("00083135353530", Address(8, "15550")),
        ("00030a0b", Address(3, "0a0b")),
        ("0000", Address(0, "")),
    ],
)
def test_addresses_of_every_family_are_decoded(payload: str, address: Address) -> None:
    frame = frame_of(encode_octets(avps.SMSC_ADDRESS, bytes.fromhex(payload)))
    assert decode_address(frame, only(frame)) == address


def test_addresses_are_encoded_with_their_family() -> None:
    assert encode_address(avps.HOST_IP_ADDRESS, "192.0.2.3")[8:14].hex() == "0001c0000203"
    assert (
        encode_address(avps.HOST_IP_ADDRESS, "2001:db8::1")[8:26].hex()
        == "000220010db8000000000000000000000001"
    )
    assert encode_e164_address(avps.SMSC_ADDRESS, "15550")[12:19].hex() == "00083135353530"


def test_fixed_size_encoders_write_the_bytes_of_the_standard() -> None:
    assert encode_u32(avps.RATING_GROUP, 100).hex() == "000001b04000000c00000064"
    assert encode_u32(avps.RATING_GROUP, 100, mandatory=False).hex() == "000001b00000000c00000064"
    assert encode_i32(avps.EXPONENT, -2).hex() == "000001ad4000000cfffffffe"
    assert encode_u64(avps.CC_TOTAL_OCTETS, 1 << 63).hex() == "000001a5400000108000000000000000"
    assert encode_i64(avps.VALUE_DIGITS, -1).hex() == "000001bf40000010ffffffffffffffff"
    assert encode_u32(avps.QUOTA_HOLDING_TIME, 5).hex() == "00000367c0000010000028af00000005"


def test_variable_encoders_pad_to_four_octets_and_do_not_count_padding() -> None:
    assert encode_utf8(avps.USER_NAME, "abcde").hex() == "000000014000000d6162636465000000"
    encode = octets_encoder(avps.SIP_METHOD)
    assert encode(b"BYE") == encode_utf8(avps.SIP_METHOD, "BYE")
    assert octets_encoder(avps.USER_NAME, mandatory=False)(b"ab") == encode_octets(
        avps.USER_NAME, b"ab", False
    )


def test_names_of_keys_show_the_vendor_only_where_there_is_one() -> None:
    assert (name_of(432), name_of(avps.TRIGGER)) == ("432", "10415:1264")
