"""The connection as its owner sees it: opening, requests, leaving, timers."""

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_octets, encode_u32, encode_utf8
from ocs.diameter.capabilities import ADMIT, WAIT, capabilities_answer_avps, refuse
from ocs.diameter.codes import PROXIABLE, REQUEST, DisconnectCause
from ocs.diameter.events import (
    AnswerReceived,
    CapabilitiesReceived,
    Closed,
    CloseReason,
    Disconnecting,
    Opened,
    PeerRefused,
    ProbeAnswered,
    Recovered,
    RequestReceived,
    RequestUnanswered,
    Suspected,
)
from ocs.diameter.limits import Limits
from ocs.diameter.message import encode_answer, encode_message
from ocs.diameter.outgoing import TooManyRequests
from ocs.diameter.peer import PeerState, Role
from tests.diameter.support import (
    LOCAL,
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

SUCCESS = [encode_u32(avps.RESULT_CODE, 2001)]


def dpr(cause: int = 0) -> bytes:
    return request(282, [encode_i32(avps.DISCONNECT_CAUSE, cause)], 0, REQUEST)


def test_an_admitted_peer_gets_a_cea_and_the_connection_opens() -> None:
    made = connection()
    (opened,) = made.receive_data(cer(), 1)
    assert isinstance(opened, Opened)
    assert opened.capabilities.origin_host == "pgw.example.net"
    assert made.peer == opened.capabilities
    (cea,) = sent(made)
    assert (cea.command_code, cea.flags, result_code(cea)) == (257, 0, 2001)
    assert made.data_to_send() == b""


def test_a_refused_peer_gets_the_owners_code_and_is_closed() -> None:
    made = connection(lambda peer: refuse(3010, "not listed"))
    events = made.receive_data(cer() + ccr(), 1)
    assert events == [
        PeerRefused("pgw.example.net", 3010, "not listed"),
        Closed(CloseReason.REFUSED, "not listed"),
    ]
    (cea,) = sent(made)
    assert (result_code(cea), cea.is_error) == (3010, True)
    assert made.next_timer() is None


def test_the_owner_is_not_asked_about_what_the_protocol_refuses() -> None:
    asked: list[str] = []
    made = connection(lambda peer: asked.append(peer.origin_host) or ADMIT)  # type: ignore[func-returns-value]
    made.receive_data(cer(application=16_777_238), 1)
    assert asked == []
    assert result_code(sent(made)[0]) == 5010


def test_what_follows_a_postponed_cer_waits_for_the_verdict() -> None:
    made = connection(lambda peer: WAIT)
    (asked,) = made.receive_data(cer() + ccr(hop_by_hop=1), 1)
    assert isinstance(asked, CapabilitiesReceived)
    assert made.receive_data(ccr(hop_by_hop=2) + dwr(), 2) == []
    assert made.data_to_send() == b""
    assert made.resolve(WAIT, 3) == []
    events = made.resolve(ADMIT, 3)
    assert kinds(events) == ["Opened", "RequestReceived", "RequestReceived"]
    assert [answer.command_code for answer in sent(made)] == [280, 257]
    assert made.resolve(refuse(3010, ""), 4) == []


def test_a_postponed_cer_may_be_refused() -> None:
    made = connection(lambda peer: WAIT)
    made.receive_data(cer() + ccr(), 1)
    assert kinds(made.resolve(refuse(4003, "another connection"), 2)) == ["PeerRefused", "Closed"]
    (cea,) = sent(made)
    assert (result_code(cea), cea.is_error) == (4003, False)


def test_a_peer_that_floods_while_its_verdict_is_awaited_is_closed() -> None:
    made = connection(lambda peer: WAIT, limits=Limits(message_octets=1_000))
    made.receive_data(cer(), 1)
    assert made.receive_data(ccr() * 50, 2) == [Closed(CloseReason.FLOOD)]


def test_a_verdict_that_never_comes_closes_on_the_capabilities_timer() -> None:
    made = connection(lambda peer: WAIT)
    made.receive_data(cer(), 1)
    assert made.next_timer() == 10 * SECOND
    assert made.handle_timer(10 * SECOND) == [Closed(CloseReason.CAPABILITIES_TIMEOUT)]


def test_a_repeated_cer_is_answered_again_and_a_changed_one_closes() -> None:
    made = open_connection()
    assert made.receive_data(cer(state_id=9), 1) == []
    assert result_code(sent(made)[0]) == 2001
    assert made.state is PeerState.OPEN
    changed = made.receive_data(cer(host="other.example.net"), 2)
    assert changed == [Closed(CloseReason.CAPABILITIES_CHANGED)]


def test_requests_are_handed_up_in_order_and_counted_until_answered() -> None:
    made = open_connection()
    events = made.receive_data(ccr(hop_by_hop=1) + ccr(hop_by_hop=2), 1)
    requests = [event.message for event in events if isinstance(event, RequestReceived)]
    assert [message.hop_by_hop for message in requests] == [1, 2]
    assert made.unanswered_requests == 2
    assert made.send(encode_answer(requests[0], SUCCESS))
    assert made.unanswered_requests == 1
    made.abandon_request()
    assert made.unanswered_requests == 0


def test_a_watchdog_is_answered_before_everything_queued() -> None:
    made = open_connection()
    (received,) = made.receive_data(ccr(), 1)
    assert isinstance(received, RequestReceived)
    made.send(encode_answer(received.message, SUCCESS))
    made.receive_data(dwr(hop_by_hop=77), 2)
    dwa, cca = sent(made)
    assert (dwa.command_code, dwa.hop_by_hop, result_code(dwa)) == (280, 77, 2001)
    assert [avp[0] for avp in dwa.avps] == [268, 264, 296, 278]
    assert cca.command_code == 272


def test_a_watchdog_without_origin_host_is_answered_2001() -> None:
    made = open_connection()
    assert made.receive_data(request(280, [], 0, REQUEST), 1) == []
    assert result_code(sent(made)[0]) == 2001


def test_answers_reach_the_request_they_belong_to() -> None:
    made = open_connection()
    request_id = made.send_request(258, 4, [encode_utf8(avps.SESSION_ID, "s")], 1)
    (rar,) = sent(made)
    assert (rar.command_code, rar.flags, rar.hop_by_hop) == (258, REQUEST | PROXIABLE, request_id)
    (answered,) = made.receive_data(encode_answer(rar, SUCCESS), 2)
    assert isinstance(answered, AnswerReceived)
    assert (answered.request_id, result_code(answered.message)) == (request_id, 2001)
    assert made.receive_data(encode_answer(rar, SUCCESS), 3) == []


def test_a_repeated_request_keeps_its_end_to_end_identifier_and_has_t() -> None:
    made = open_connection()
    made.send_request(274, 4, [], 1, end_to_end=0xABC)
    (asr,) = sent(made)
    assert (asr.end_to_end, asr.is_retransmitted) == (0xABC, True)


def test_requests_without_an_answer_are_reported_in_time_and_at_the_end() -> None:
    made = open_connection()
    first = made.send_request(258, 4, [], 1 * SECOND)
    second = made.send_request(258, 4, [], 2 * SECOND)
    assert made.next_timer() == 6 * SECOND
    assert made.handle_timer(6 * SECOND) == [RequestUnanswered(first or 0)]
    lost = made.connection_lost(7 * SECOND)
    assert lost == [RequestUnanswered(second or 0), Closed(CloseReason.LOST)]
    assert made.send_request(258, 4, [], 8 * SECOND) is None


def test_an_answer_that_cannot_be_decoded_counts_as_none() -> None:
    made = open_connection()
    request_id = made.send_request(258, 4, [], 1)
    (rar,) = sent(made)
    (event,) = made.receive_data(encode_answer(rar, [bytes(8)]), 2)
    assert event == RequestUnanswered(request_id or 0)


def test_own_requests_are_limited() -> None:
    made = open_connection(limits=Limits(own_requests=1))
    made.send_request(258, 4, [], 1)
    with pytest.raises(TooManyRequests):
        made.send_request(258, 4, [], 1)


def test_a_dpr_with_nothing_owed_is_answered_at_once() -> None:
    made = open_connection()
    assert made.receive_data(dpr(1), 1) == [Disconnecting(1)]
    (dpa,) = sent(made)
    assert (dpa.command_code, result_code(dpa)) == (282, 2001)
    assert made.connection_lost(2) == [Closed(CloseReason.DISCONNECTED)]


def test_answers_owed_to_a_leaving_peer_go_out_before_the_dpa() -> None:
    made = open_connection()
    (received,) = made.receive_data(ccr(), 1)
    assert isinstance(received, RequestReceived)
    made.receive_data(dpr(), 2)
    assert made.data_to_send() == b""
    made.send(encode_answer(received.message, SUCCESS))
    assert [message.command_code for message in sent(made)] == [272, 282]


def test_a_dpa_waits_no_longer_than_its_timer() -> None:
    made = open_connection()
    made.receive_data(ccr() + dpr(), 0)
    assert made.next_timer() == SECOND
    assert made.handle_timer(SECOND) == []
    assert [message.command_code for message in sent(made)] == [282]
    assert made.next_timer() == 2 * SECOND
    assert made.handle_timer(2 * SECOND) == [Closed(CloseReason.DISCONNECT_TIMEOUT)]


def test_a_leaving_peers_further_requests_are_not_taken() -> None:
    made = open_connection()
    assert kinds(made.receive_data(dpr() + ccr(), 1)) == ["Disconnecting"]
    assert made.unanswered_requests == 0


def test_leaving_sends_dpr_and_closes_on_dpa() -> None:
    made = open_connection()
    assert made.disconnect(1, DisconnectCause.BUSY) == []
    (asked,) = sent(made)
    assert asked.command_code == 282
    assert asked.octets(avps.DISCONNECT_CAUSE) == bytes([0, 0, 0, 1])
    assert made.receive_data(ccr(), 2) == []
    assert made.receive_data(encode_answer(asked, SUCCESS), 3) == [Closed(CloseReason.DISCONNECTED)]


def test_leaving_without_dpa_closes_after_its_time() -> None:
    made = open_connection()
    made.disconnect(1 * SECOND)
    assert made.handle_timer(3 * SECOND) == [Closed(CloseReason.DISCONNECT_TIMEOUT)]


def test_leaving_before_the_exchange_just_closes() -> None:
    made = connection()
    assert made.disconnect(1) == [Closed(CloseReason.OWNER)]
    assert made.data_to_send() == b""
    assert made.disconnect(2) == []


def test_both_sides_may_leave_at_once() -> None:
    made = open_connection()
    made.disconnect(1)
    (asked,) = sent(made)
    assert made.receive_data(dpr(), 2) == [Disconnecting(0)]
    assert [message.flags & REQUEST for message in sent(made)] == [0]
    assert made.receive_data(encode_answer(asked, SUCCESS), 3) == [Closed(CloseReason.DISCONNECTED)]


def test_silence_brings_a_watchdog_then_suspicion_then_the_end() -> None:
    made = open_connection()
    assert made.next_timer() == 30 * SECOND
    assert made.handle_timer(30 * SECOND) == []
    assert [message.command_code for message in sent(made)] == [280]
    assert made.handle_timer(60 * SECOND) == [Suspected()]
    assert made.handle_timer(90 * SECOND) == [Closed(CloseReason.WATCHDOG)]


def test_traffic_keeps_the_watchdog_quiet_and_lifts_suspicion() -> None:
    made = open_connection()
    made.receive_data(ccr(), 29 * SECOND)
    assert made.next_timer() == 59 * SECOND
    assert made.handle_timer(30 * SECOND) == []
    assert made.data_to_send() == b""
    made.handle_timer(59 * SECOND)
    made.handle_timer(89 * SECOND)
    assert kinds(made.receive_data(ccr(), 90 * SECOND)) == ["Recovered", "RequestReceived"]


def test_an_answered_watchdog_starts_the_next_interval() -> None:
    made = open_connection()
    made.handle_timer(30 * SECOND)
    (asked,) = sent(made)
    assert made.receive_data(encode_answer(asked, SUCCESS), 31 * SECOND) == []
    assert made.handle_timer(61 * SECOND) == []
    assert [message.command_code for message in sent(made)] == [280]


def test_a_reopened_connection_proves_itself_with_three_answers_while_serving_requests() -> None:
    made = connection(reopening=True)
    made.receive_data(cer(), 0)
    events = []
    for at in range(3):
        (asked,) = [message for message in sent(made) if message.command_code == 280]
        assert not made.watchdog.usable
        events += made.receive_data(encode_answer(asked, SUCCESS) + ccr(), at * 30 * SECOND)
        made.handle_timer((at + 1) * 30 * SECOND)
    assert made.watchdog.usable
    assert kinds(events) == ["RequestReceived", "RequestReceived", "Recovered", "RequestReceived"]


def test_a_probe_is_answered_by_anything_the_peer_sends() -> None:
    made = open_connection()
    made.probe(1 * SECOND)
    made.probe(2 * SECOND)
    (asked,) = sent(made)
    assert asked.command_code == 280
    assert made.receive_data(encode_answer(asked, SUCCESS), 3 * SECOND) == [ProbeAnswered()]
    assert made.handle_timer(4 * SECOND) == []


def test_an_unanswered_probe_closes() -> None:
    made = open_connection()
    made.probe(1 * SECOND)
    assert made.next_timer() == 3_500_000_000
    assert made.handle_timer(3_500_000_000) == [Closed(CloseReason.PROBE)]


def test_an_initiator_sends_cer_and_opens_on_cea() -> None:
    made = connection(role=Role.INITIATOR)
    (asked,) = sent(made)
    assert (asked.command_code, asked.flags, asked.application_id) == (257, REQUEST, 0)
    (opened,) = made.receive_data(encode_answer(asked, [capabilities_answer_avps(LOCAL, 2001)]), 1)
    assert isinstance(opened, Opened)
    assert kinds(made.receive_data(ccr(), 2)) == ["RequestReceived"]


@pytest.mark.parametrize(
    "body",
    [
        capabilities_answer_avps(LOCAL, 3010),
        capabilities_answer_avps(LOCAL, 2001).replace(encode_u32(258, 4), b""),  # no application left
        encode_u32(avps.RESULT_CODE, 2001),
        encode_octets(avps.RESULT_CODE, b"x"),
        bytes(8),
    ],
)
def test_an_initiator_closes_on_a_cea_that_does_not_let_it_in(body: bytes) -> None:
    made = connection(role=Role.INITIATOR)
    (asked,) = sent(made)
    if b"ocs.example.net" in body and body.startswith(encode_u32(avps.RESULT_CODE, 2001)):
        body = body[: body.index(encode_u32(265, 10415))]  # neither the plain nor the vendor-specific form
    (closed,) = made.receive_data(encode_answer(asked, [body]), 1)
    assert isinstance(closed, Closed)
    assert closed.reason is CloseReason.REFUSED_BY_PEER


@pytest.mark.parametrize("other", [ccr(), dwr(), cer(), encode_message(0, 257, 0, 9, 9, [])])
def test_an_initiator_closes_on_anything_but_its_cea(other: bytes) -> None:
    made = connection(role=Role.INITIATOR)
    made.data_to_send()
    (closed,) = made.receive_data(other, 1)
    assert isinstance(closed, Closed)
    assert made.data_to_send() == b""


def test_nothing_is_taken_or_sent_once_closed() -> None:
    made = open_connection()
    made.connection_lost(1)
    assert made.receive_data(ccr(), 2) == []
    assert not made.send(ccr())
    assert made.connection_lost(3) == []
    assert made.handle_timer(99 * SECOND) == []
    assert made.next_timer() is None
    made.probe(4)
    assert made.data_to_send() == b""


def test_a_recovered_event_follows_a_suspected_one() -> None:
    made = open_connection()
    made.handle_timer(30 * SECOND)
    (asked,) = split(made.data_to_send())
    made.handle_timer(60 * SECOND)
    assert made.receive_data(encode_answer(asked, SUCCESS), 61 * SECOND) == [Recovered()]
