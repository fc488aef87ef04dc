"""Messages: header, lookups, answers."""

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import DecodeError, encode_octets, encode_u32, encode_utf8, group
from ocs.diameter.codes import ERROR, PROXIABLE, REQUEST, RETRANSMITTED, ResultCode, is_protocol_error
from ocs.diameter.limits import Limits
from ocs.diameter.message import (
    Message,
    answer_message,
    disconnect_cause,
    encode_answer,
    encode_message,
    identity,
    proxy_infos,
    refusal,
    session_id,
)
from tests.diameter.support import ccr, request, result_code

IDENTITY = identity("ocs.example.net", "example.net")


def test_header_fields_are_read() -> None:
    message = Message.decode(encode_message(0xF0, 272, 4, 0x11111111, 0xA0000001, []))
    assert (message.version, message.command_code, message.application_id) == (1, 272, 4)
    assert (message.hop_by_hop, message.end_to_end) == (0x11111111, 0xA0000001)
    assert message.is_request
    assert message.is_proxiable
    assert message.is_error
    assert message.is_retransmitted


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"", ResultCode.INVALID_MESSAGE_LENGTH),
        (bytes.fromhex("01000014"), ResultCode.INVALID_MESSAGE_LENGTH),
        (bytes([2]) + ccr()[1:], ResultCode.UNSUPPORTED_VERSION),
        (ccr() + bytes(4), ResultCode.INVALID_MESSAGE_LENGTH),
        (ccr()[:-4], ResultCode.INVALID_MESSAGE_LENGTH),
        (bytes.fromhex("01000016") + bytes(18), ResultCode.INVALID_MESSAGE_LENGTH),
    ],
)
def test_a_header_that_does_not_fit_its_frame_is_refused(frame: bytes, code: int) -> None:
    with pytest.raises(DecodeError) as caught:
        Message.decode(frame)
    assert caught.value.result_code == code


def test_first_all_and_require_find_top_level_avps() -> None:
    first, second = encode_utf8(avps.ORIGIN_HOST, "a"), encode_utf8(avps.ORIGIN_HOST, "b")
    message = Message.decode(ccr(first, second))
    assert message.octets(avps.ORIGIN_HOST) == b"a"
    assert len(message.all(avps.ORIGIN_HOST)) == 2
    assert message.first(avps.ORIGIN_REALM) is None
    assert message.octets(avps.ORIGIN_REALM) is None
    with pytest.raises(DecodeError) as caught:
        message.require(avps.CC_REQUEST_TYPE)
    assert caught.value.result_code == ResultCode.MISSING_AVP


def test_members_of_groups_count_towards_the_limit_of_the_message() -> None:
    mscc = group(avps.MULTIPLE_SERVICES_CREDIT_CONTROL, [encode_u32(avps.RATING_GROUP, 1)] * 3)
    message = Message.decode(ccr(mscc, mscc), Limits(avps=7))
    groups = message.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
    assert len(message.members(groups[0])) == 3
    with pytest.raises(DecodeError, match="more than"):
        message.members(groups[1])


def test_an_answer_copies_identifiers_and_p_and_clears_t_and_reserved_bits() -> None:
    asked = Message.decode(request(272, [], flags=REQUEST | PROXIABLE | RETRANSMITTED | 0x0F))
    answer = Message.decode(encode_answer(asked, [encode_u32(avps.RESULT_CODE, 2001)]))
    assert answer.flags == PROXIABLE
    assert (answer.command_code, answer.application_id) == (272, 4)
    assert (answer.hop_by_hop, answer.end_to_end) == (asked.hop_by_hop, asked.end_to_end)
    unproxiable = Message.decode(request(272, [], flags=REQUEST))
    assert Message.decode(encode_answer(unproxiable, [])).flags == 0


def test_an_error_answer_has_session_id_first_and_every_proxy_info_in_order() -> None:
    infos = [
        group(avps.PROXY_INFO, [encode_utf8(avps.PROXY_HOST, host), encode_octets(33, b"\0s")])
        for host in "ab"
    ]
    asked = Message.decode(ccr(infos[0], encode_u32(432, 1), infos[1]))
    answer = Message.decode(answer_message(asked, ResultCode.TOO_BUSY, IDENTITY, "busy", encode_u32(432, 1)))
    assert answer.flags == PROXIABLE | ERROR
    keys = [avp[0] for avp in answer.avps]
    assert keys == [263, 268, 264, 296, 281, 279, 284, 284]
    assert proxy_infos(answer) == infos[0] + infos[1] == proxy_infos(asked)
    assert answer.octets(avps.FAILED_AVP) == encode_u32(432, 1)
    assert result_code(answer) == 3004


def test_only_protocol_errors_carry_the_e_bit_by_themselves() -> None:
    asked = Message.decode(ccr())
    assert not Message.decode(answer_message(asked, 5012, IDENTITY)).is_error
    assert Message.decode(answer_message(asked, 5012, IDENTITY, error=True)).is_error
    assert [is_protocol_error(code) for code in (2001, 3000, 3999, 4000)] == [False, True, True, False]


def test_the_padding_a_proxy_info_lacked_is_filled_in() -> None:
    info = encode_octets(avps.PROXY_INFO, encode_octets(33, b"abc")[:-1])[:-1]
    frame = bytearray(ccr(info))
    assert len(frame) % 4 == 3
    asked = Message(bytes(frame))
    asked.scan()
    assert proxy_infos(asked) == info + b"\0"


def test_a_refusal_carries_the_fault_with_the_e_bit() -> None:
    bad = bytes.fromhex("000001b040000000")
    asked = Message(ccr(bad))
    with pytest.raises(DecodeError) as caught:
        asked.scan()
    answer = Message.decode(refusal(asked, caught.value, IDENTITY))
    assert answer.is_error
    assert answer.octets(avps.SESSION_ID) == b"pgw;1;1"
    assert result_code(answer) == ResultCode.INVALID_AVP_LENGTH
    assert answer.octets(avps.FAILED_AVP) == encode_u32(avps.RATING_GROUP, 0)


def test_a_session_id_longer_than_allowed_is_not_echoed() -> None:
    assert session_id(Message.decode(ccr(session=b"x" * 1025))) == b""
    assert session_id(Message.decode(ccr(session=b"x" * 1024)))[8:] == b"x" * 1024
    assert session_id(Message.decode(request(272, []))) == b""


def test_an_unreadable_disconnect_cause_counts_as_rebooting() -> None:
    assert disconnect_cause(Message(request(282, [encode_u32(avps.DISCONNECT_CAUSE, 2)]))) == 2
    assert disconnect_cause(Message(request(282, []))) == 0
    assert disconnect_cause(Message(request(282, [encode_octets(avps.DISCONNECT_CAUSE, b"x")]))) == 0
