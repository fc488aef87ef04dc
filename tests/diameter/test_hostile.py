"""Broken and hostile input: every case ends in an answer, a dropped answer or a close, cheaply."""

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import encode_octets, encode_u32, encode_utf8, group, invalid_value
from ocs.diameter.codes import ERROR, PROXIABLE, REQUEST, RETRANSMITTED, ResultCode
from ocs.diameter.describe import describe
from ocs.diameter.dictionary import standard
from ocs.diameter.events import Closed, CloseReason, RequestReceived, RequestRefused
from ocs.diameter.limits import Limits
from ocs.diameter.message import Message, encode_answer, encode_message
from ocs.diameter.peer import PeerState
from tests.diameter.support import (
    SECOND,
    ccr,
    cer,
    connection,
    dwr,
    kinds,
    open_connection,
    request,
    result_code,
    sent,
    split,
)
from tests.support.effort import at_most


def with_bytes(frame: bytes, at: int, patch: str) -> bytes:
    octets = bytes.fromhex(patch)
    return frame[:at] + octets + frame[at + len(octets) :]


def refusal_of(frame: bytes) -> Message:
    """The one answer to a request refused on an open connection, which stays open."""
    made = open_connection()
    (event,) = made.receive_data(frame, 1)
    assert isinstance(event, RequestRefused)
    assert made.unanswered_requests == 0
    (answer,) = sent(made)
    assert result_code(answer) == event.result_code
    assert made.state is PeerState.OPEN
    assert kinds(made.receive_data(ccr(), 2)) == ["RequestReceived"]
    return answer


# --- before the capabilities exchange


@pytest.mark.parametrize(
    "first",
    [ccr(), dwr(), request(282, [], 0, REQUEST), encode_message(0, 272, 4, 1, 1, []), request(258, [])],
)
def test_anything_before_cer_closes_without_an_answer(first: bytes) -> None:
    made = connection()
    assert made.receive_data(first, 1) == [Closed(CloseReason.CAPABILITIES_EXPECTED)]
    assert made.data_to_send() == b""


def test_another_protocol_closes_at_once() -> None:
    made = connection()
    assert kinds(made.receive_data(b"GET / HTTP/1.1\r\n\r\n", 1)) == ["Closed"]
    assert made.data_to_send() == b""


def test_silence_closes_on_the_capabilities_timer() -> None:
    made = connection()
    assert made.next_timer() == 10 * SECOND
    assert made.handle_timer(10 * SECOND - 1) == []
    assert made.handle_timer(10 * SECOND) == [Closed(CloseReason.CAPABILITIES_TIMEOUT)]


def test_a_slow_first_message_closes_ten_seconds_after_its_first_octet() -> None:
    made = connection()
    frame = cer()
    made.receive_data(frame[:1], 5 * SECOND)
    made.receive_data(frame[1:2], 9 * SECOND)
    assert made.handle_timer(10 * SECOND) == [Closed(CloseReason.CAPABILITIES_TIMEOUT)]


def test_a_slow_message_on_an_open_connection_closes_though_others_went_before() -> None:
    made = open_connection()
    made.receive_data(ccr() + ccr()[:3], 1 * SECOND)
    made.receive_data(ccr()[3:9], 9 * SECOND)
    assert made.next_timer() == 11 * SECOND
    assert made.handle_timer(11 * SECOND) == [Closed(CloseReason.FRAME_TIMEOUT)]


def test_each_message_has_its_own_frame_timer() -> None:
    made = open_connection()
    made.receive_data(ccr()[:9], 1 * SECOND)
    made.receive_data(ccr()[9:] + ccr()[:5], 8 * SECOND)
    assert made.next_timer() == 18 * SECOND
    made.receive_data(ccr()[5:], 9 * SECOND)
    assert made.next_timer() == 39 * SECOND


# --- framing


@pytest.mark.parametrize("length", ["000000", "000010", "000013"])
def test_a_length_below_a_header_closes(length: str) -> None:
    made = open_connection()
    assert made.receive_data(with_bytes(ccr(), 1, length), 1) == [Closed(CloseReason.NOT_DIAMETER)]
    assert made.data_to_send() == b""


def test_a_length_above_the_limit_closes_before_anything_is_kept() -> None:
    made = open_connection()
    assert made.receive_data(bytes.fromhex("01fffffc"), 1) == [Closed(CloseReason.MESSAGE_TOO_LONG)]


def test_messages_before_a_bad_length_are_served() -> None:
    made = open_connection()
    assert kinds(made.receive_data(ccr() + bytes.fromhex("01000000"), 1)) == ["RequestReceived", "Closed"]


def test_an_unaligned_length_is_answered_5015_then_closed() -> None:
    made = open_connection()
    frame = with_bytes(ccr(), 1, (len(ccr()) + 2).to_bytes(3, "big").hex()) + b"\0\0"
    events = made.receive_data(frame + ccr(), 1)
    assert kinds(events) == ["RequestRefused", "Closed"]
    (answer,) = sent(made)
    assert result_code(answer) == ResultCode.INVALID_MESSAGE_LENGTH


def test_another_version_is_5011_with_e() -> None:
    answer = refusal_of(with_bytes(ccr(), 0, "02"))
    assert (result_code(answer), answer.is_error) == (ResultCode.UNSUPPORTED_VERSION, True)


def test_a_frame_cut_by_the_peers_closing_is_forgotten() -> None:
    made = open_connection()
    assert made.receive_data(ccr()[:25], 1) == []
    assert made.connection_lost(2) == [Closed(CloseReason.LOST)]


def test_delivery_byte_by_byte_and_two_in_one_write_serve_the_same() -> None:
    piecewise = open_connection()
    events = [event for octet in ccr() + ccr() for event in piecewise.receive_data(bytes([octet]), 1)]
    at_once = open_connection().receive_data(ccr() + ccr(), 1)
    frames = [
        [event.message.frame for event in some if isinstance(event, RequestReceived)]
        for some in (events, at_once)
    ]
    assert frames == [[ccr(), ccr()]] * 2


# --- AVPs


@pytest.mark.parametrize(
    "avp",
    [
        "000001b040000000",  # length 0
        "000001b040000007",
        "000001b0400000ff" + "00000001",  # past the message
        "00000368c000000b000028af",  # V and a length below 12
        "000001b04000",  # cut header
    ],
)
def test_a_bad_avp_length_is_5014_and_the_connection_stays(avp: str) -> None:
    raw = bytes.fromhex(avp)
    frame = ccr(raw.ljust(len(raw) + 3 & -4, b"\0"))
    answer = refusal_of(frame)
    assert result_code(answer) == ResultCode.INVALID_AVP_LENGTH
    assert answer.octets(avps.SESSION_ID) == b"pgw;1;1"
    assert answer.octets(avps.FAILED_AVP)


def test_a_session_id_that_is_no_utf8_is_served_and_echoed() -> None:
    made = open_connection()
    (event,) = made.receive_data(ccr(session=b"\xff\xfe;1"), 1)
    assert isinstance(event, RequestReceived)
    made.send(encode_answer(event.message, [encode_octets(avps.SESSION_ID, b"\xff\xfe;1")]))
    assert sent(made)[0].octets(avps.SESSION_ID) == b"\xff\xfe;1"


def nested(depth: int, key: int = avps.FAILED_AVP) -> bytes:
    """Groups inside groups, built from the headers outward."""
    sizes = range(8 * depth, 0, -8)
    return b"".join(key.to_bytes(4, "big") + b"\x40" + size.to_bytes(3, "big") for size in sizes)


@pytest.mark.parametrize("depth", [1_000, 8_000, 20_000])
def test_a_depth_bomb_costs_next_to_nothing(depth: int) -> None:
    dictionary = standard()
    made = open_connection(limits=Limits(message_octets=1 << 20))
    frame = ccr(nested(depth))
    with at_most(0.2):
        (event,) = made.receive_data(frame, 1)
        assert isinstance(event, RequestReceived)
        text = describe(event.message, dictionary)
    assert "deeper than 16" in text
    assert kinds(made.receive_data(ccr(), 2)) == ["RequestReceived"]


def test_a_fault_deep_inside_groups_is_reported_without_the_whole_chain() -> None:
    made = Message.decode(ccr(nested(5_000)), Limits(message_octets=1 << 20))
    group_avp = made.require(avps.FAILED_AVP)
    for _ in range(100):
        (group_avp,) = made.members(group_avp)
    assert len(invalid_value(made.frame, group_avp).failed_avp) < 4_096


def test_a_hundred_thousand_empty_avps_are_refused_cheaply() -> None:
    frame = ccr(encode_octets(99_999, b"", mandatory=False) * 100_000)
    made = open_connection(limits=Limits(message_octets=1 << 20))
    with at_most(0.5):
        (event,) = made.receive_data(frame, 1)
    assert isinstance(event, RequestRefused)
    assert event.reason == "more than 4096 AVPs"
    assert result_code(sent(made)[0]) == ResultCode.UNABLE_TO_COMPLY


def test_a_huge_session_id_is_not_reflected_into_error_answers() -> None:
    answer = refusal_of(ccr(bytes.fromhex("000001b040000000"), session=b"x" * 60_000))
    assert answer.octets(avps.SESSION_ID) is None
    assert len(answer.frame) < 512


# --- header


def test_e_in_a_request_is_3008() -> None:
    answer = refusal_of(request(272, [], flags=REQUEST | PROXIABLE | ERROR))
    assert (result_code(answer), answer.flags) == (ResultCode.INVALID_HDR_BITS, PROXIABLE | ERROR)


@pytest.mark.parametrize("flags", [REQUEST | 0x0F, REQUEST | PROXIABLE | RETRANSMITTED, REQUEST])
def test_reserved_bits_t_and_a_missing_p_do_not_hinder_a_request(flags: int) -> None:
    made = open_connection()
    (event,) = made.receive_data(request(272, [], flags=flags), 1)
    assert isinstance(event, RequestReceived)
    answer = Message.decode(encode_answer(event.message, []))
    assert answer.flags == flags & PROXIABLE


@pytest.mark.parametrize(
    ("command", "application", "code"),
    [
        (272, 16_777_238, ResultCode.APPLICATION_UNSUPPORTED),
        (271, 3, ResultCode.APPLICATION_UNSUPPORTED),
        (271, 4, ResultCode.COMMAND_UNSUPPORTED),
        (999, 4, ResultCode.COMMAND_UNSUPPORTED),
        (258, 4, ResultCode.COMMAND_UNSUPPORTED),
        (272, 0, ResultCode.COMMAND_UNSUPPORTED),
    ],
)
def test_what_is_not_served_is_3007_or_3001_with_e_session_id_and_proxy_info(
    command: int, application: int, code: int
) -> None:
    info = group(avps.PROXY_INFO, [encode_utf8(avps.PROXY_HOST, "dra")])
    answer = refusal_of(request(command, [encode_utf8(avps.SESSION_ID, "s;1"), info], application))
    assert (result_code(answer), answer.is_error) == (code, True)
    assert (answer.command_code, answer.application_id) == (command, application)
    assert answer.octets(avps.SESSION_ID) == b"s;1"
    assert answer.octets(avps.PROXY_INFO) == encode_utf8(avps.PROXY_HOST, "dra")


def test_an_unserved_request_with_broken_avps_still_gets_the_header_fault() -> None:
    answer = refusal_of(request(999, [encode_utf8(avps.SESSION_ID, "s"), bytes(8)]))
    assert result_code(answer) == ResultCode.COMMAND_UNSUPPORTED
    assert answer.octets(avps.SESSION_ID) == b"s"


@pytest.mark.parametrize("command", [257, 258, 272, 280, 282, 999])
def test_an_answer_nobody_asked_for_is_dropped_and_never_answered(command: int) -> None:
    made = open_connection()
    unasked = encode_message(0, command, 4, 0xDEAD, 1, [encode_u32(avps.RESULT_CODE, 2001)])
    assert made.receive_data(unasked, 1) == []
    assert made.data_to_send() == b""
    assert made.state is PeerState.OPEN


@pytest.mark.parametrize("patch", ["02", "01000000"])
def test_an_answer_with_a_bad_header_is_never_answered(patch: str) -> None:
    made = open_connection()
    made.receive_data(with_bytes(encode_message(0, 272, 4, 1, 1, []), 0, patch), 1)
    assert made.data_to_send() == b""


def test_a_watchdog_is_answered_within_the_read_that_brought_ten_thousand_requests() -> None:
    made = open_connection()
    events = made.receive_data(ccr() * 10_000 + dwr(), 1)
    assert len(events) == 10_000
    (dwa,) = split(made.data_to_send())
    assert dwa.command_code == 280
