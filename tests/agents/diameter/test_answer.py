"""Charging answer to Credit-Control-Answer, read back by this codec and by python-diameter."""

import pytest
from diameter.message import Message as OtherMessage

from ocs.agents.diameter.mapping.answer import merged
from ocs.agents.diameter.mapping.profiles import ClientProfile
from ocs.charging.events import (
    ChargingAnswer,
    FinalUnit,
    FinalUnitAction,
    Grant,
    Result,
    Unit,
)
from ocs.diameter import avps
from ocs.diameter.avp import (
    DecodeError,
    decode_i32,
    decode_i64,
    decode_u32,
    decode_u64,
    decode_utf8,
    encode_i32,
    encode_octets,
    encode_u32,
    encode_utf8,
    group,
    raw,
    scan,
)
from ocs.diameter.codes import REQUEST, RETRANSMITTED
from ocs.diameter.message import Message, failed_avp
from tests.agents.diameter.answers import (
    ASKING,
    HOUR,
    WRITER,
    answered,
    code_of,
    data,
    granted_units,
    inner,
    services,
    success,
)
from tests.support.gy import (
    NOW_NS,
    SECOND,
    SESSION,
    ccr,
    events,
    read,
    requested,
    seconds,
    service,
    total,
)


def test_the_answer_begins_with_session_id_and_has_what_every_client_insists_on() -> None:
    message = answered(ASKING, success(data()))
    assert [avp[0] for avp in message.avps[:7]] == [
        avps.SESSION_ID,
        avps.RESULT_CODE,
        avps.ORIGIN_HOST,
        avps.ORIGIN_REALM,
        avps.AUTH_APPLICATION_ID,
        avps.CC_REQUEST_TYPE,
        avps.CC_REQUEST_NUMBER,
    ]
    assert decode_utf8(message.frame, message.avps[0]) == SESSION
    assert (code_of(message), message.hop_by_hop, message.end_to_end) == (2001, 1, 0xE2E)


def test_a_golden_answer_to_an_update() -> None:
    frame = ccr(service(10, requested(total(1_000_000))), kind=2, number=3)
    request = read(frame)
    encoded = WRITER.credit_control_answer(Message.decode(frame), request, success(data(validity_ns=HOUR)))
    assert encoded.hex() == (
        "010000d040000110000000040000000100000e2e"
        "000001074000001b7067772e6578616d706c652e6e65743b313b3100"
        "0000010c4000000c000007d1"
        "00000108400000176f63732e6578616d706c652e6e657400"
        "00000128400000136578616d706c652e6e657400"
        "000001024000000c00000004"
        "000001a04000000c00000002"
        "0000019f4000000c00000003"
        "000001c840000044"
        "000001af40000018000001a54000001000000000000f4240"
        "000001c04000000c00000e10"
        "000001b04000000c0000000a"
        "0000010c4000000c000007d1"
    )


def test_python_diameter_reads_the_same_values() -> None:
    frame = ccr(service(10, requested()), service(20, requested(), identifiers=(7,)), kind=2, number=3)
    grants = data(5, threshold=2), Grant(20, (7,), Result.NO_CREDIT)
    encoded = WRITER.credit_control_answer(Message.decode(frame), read(frame), success(*grants))
    other = OtherMessage.from_bytes(encoded)
    first, second = other.multiple_services_credit_control
    assert (other.session_id, other.result_code, other.cc_request_number) == (SESSION, 2001, 3)
    assert (first.rating_group, first.granted_service_unit.cc_total_octets, first.result_code) == (
        10,
        5,
        2001,
    )
    assert first.volume_quota_threshold == 2
    assert (second.rating_group, second.service_identifier, second.result_code) == (20, [7], 4012)


@pytest.mark.parametrize(("flags", "expected"), [(0xC0, 0x40), (0x80, 0), (0xD0, 0x40), (0xCF, 0x40)])
def test_p_is_copied_t_and_reserved_bits_are_cleared(flags: int, expected: int) -> None:
    assert answered(ccr(service(10, requested()), flags=flags), success(data())).flags == expected


def test_services_are_echoed_in_order_with_all_their_names() -> None:
    frame = ccr(service(20, requested(), identifiers=(3, 1)), service(10, requested()))
    grants = Grant(20, (3, 1), Result.SUCCESS, Unit.OCTETS, 1), Grant(10, (), Result.NO_CREDIT)
    message = answered(frame, success(*grants))
    first, second = services(message)
    assert decode_u32(message.frame, first[avps.RATING_GROUP][0]) == 20
    assert [decode_u32(message.frame, avp) for avp in first[avps.SERVICE_IDENTIFIER]] == [3, 1]
    assert decode_u32(message.frame, second[avps.RESULT_CODE][0]) == 4012
    assert avps.GRANTED_SERVICE_UNIT not in second


@pytest.mark.parametrize(
    ("result", "command", "inside"),
    [
        (Result.SUCCESS, 2001, 2001),
        (Result.DENIED, 4010, 4010),
        (Result.FREE_OF_CHARGE, 4011, 4011),
        (Result.NO_CREDIT, 4012, 4012),
        (Result.NOT_AUTHORIZED, 5003, 5003),
        (Result.UNKNOWN_SESSION, 5002, 5002),
        (Result.UNKNOWN_SUBSCRIBER, 5030, 5030),
        (Result.RATING_FAILED, 5031, 5031),
        (Result.INVALID_VALUE, 5004, 5004),
        (Result.CONTRADICTION, 5007, 5007),
        (Result.LIMIT_EXCEEDED, 5006, 5006),
        (Result.TOO_BUSY, 3004, 5012),
        (Result.FAILED, 5012, 5012),
    ],
)
def test_every_result_has_its_code_at_both_levels(result: Result, command: int, inside: int) -> None:
    refused = answered(ASKING, ChargingAnswer(result))
    assert code_of(refused) == command
    assert refused.is_error == (command // 1_000 == 3)
    assert (refused.first(avps.CC_REQUEST_NUMBER) is not None) == (command // 1_000 != 3)
    message = answered(ASKING, success(Grant(10, (), result)))
    (members,) = services(message)
    assert decode_u32(message.frame, members[avps.RESULT_CODE][0]) == inside


def test_free_service_is_4011_or_a_grant_for_a_client_that_takes_4011_for_a_refusal() -> None:
    free = Grant(10, (), Result.FREE_OF_CHARGE, Unit.OCTETS, 1 << 40)
    message = answered(ASKING, success(free))
    (plain,) = services(message)
    assert decode_u32(message.frame, plain[avps.RESULT_CODE][0]) == 4011
    assert avps.GRANTED_SERVICE_UNIT not in plain
    message = answered(ASKING, ChargingAnswer(Result.FREE_OF_CHARGE, (free,)), "open5gs")
    (open5gs,) = services(message)
    assert (code_of(message), decode_u32(message.frame, open5gs[avps.RESULT_CODE][0])) == (2001, 2001)
    octets = granted_units(message, open5gs)[avps.CC_TOTAL_OCTETS]
    assert decode_u64(message.frame, octets) == 1 << 40


# --- levels, sums, events


def test_units_at_command_level_are_answered_there() -> None:
    frame = ccr(requested(seconds(60)), context="32260@3gpp.org")
    final = FinalUnit(FinalUnitAction.TERMINATE)
    grant = Grant(None, (), Result.SUCCESS, Unit.TIME, 60 * SECOND, HOUR, final)
    message = answered(frame, success(grant))
    keys = [avp[0] for avp in message.avps]
    assert avps.MULTIPLE_SERVICES_CREDIT_CONTROL not in keys
    assert {avps.GRANTED_SERVICE_UNIT, avps.VALIDITY_TIME, avps.FINAL_UNIT_INDICATION} <= set(keys)


def test_recipients_of_one_message_are_one_service() -> None:
    each = Grant(None, (5,), Result.SUCCESS, Unit.EVENTS, 1)
    assert merged((each, each, each)) == (Grant(None, (5,), Result.SUCCESS, Unit.EVENTS, 3),)
    refused = Grant(None, (5,), Result.NO_CREDIT, Unit.EVENTS, 0)
    assert merged((each, refused))[0].result is Result.NO_CREDIT
    message = answered(ccr(service(None, requested(events(3)), identifiers=(5,))), success(each, each, each))
    units = granted_units(message, services(message)[0])[avps.CC_SERVICE_SPECIFIC_UNITS]
    assert (len(services(message)), decode_u64(message.frame, units)) == (1, 3)


def test_failure_handling_goes_out_with_the_first_answer_only() -> None:
    keys = {
        avps.CC_SESSION_FAILOVER,
        avps.CREDIT_CONTROL_FAILURE_HANDLING,
        avps.DIRECT_DEBITING_FAILURE_HANDLING,
    }
    initial = answered(ASKING, success(data()), "staros")
    assert decode_i32(initial.frame, initial.require(avps.CC_SESSION_FAILOVER)) == 1
    assert decode_i32(initial.frame, initial.require(avps.CREDIT_CONTROL_FAILURE_HANDLING)) == 1
    update = answered(ccr(service(10, requested()), kind=2), success(data()), "staros")
    assert not keys & {avp[0] for avp in update.avps}


def test_an_anonymous_service_with_nothing_to_say_is_echoed_by_profile() -> None:
    frame = ccr(service(None), kind=3)
    nothing = success(Grant(None, (), Result.SUCCESS))
    assert len(services(answered(frame, nothing, "open5gs"))) == 1
    assert services(answered(frame, nothing)) == []


def test_a_client_may_do_without_result_codes_of_successful_services() -> None:
    silent = ClientProfile(result_in_services=False)
    good = answered(ASKING, success(data()), other=silent)
    bad = answered(ASKING, success(Grant(10, (), Result.NO_CREDIT)), other=silent)
    assert avps.RESULT_CODE not in services(good)[0]
    assert avps.RESULT_CODE in services(bad)[0]


def test_a_termination_names_its_cost_and_a_call_the_balance() -> None:
    amounts = ChargingAnswer(
        Result.SUCCESS, (), cost_nanos=1_230_000_000, remaining_nanos=5, is_low_balance=True
    )
    ended = answered(ccr(kind=3), amounts)
    assert ended.first(avps.COST_INFORMATION) is not None
    assert ended.first(avps.REMAINING_BALANCE) is None
    call = answered(ccr(kind=2, context="32260@3gpp.org"), amounts)
    balance = call.require(avps.REMAINING_BALANCE)
    assert not balance[1] & 0x40
    assert decode_i32(call.frame, call.require(avps.LOW_BALANCE_INDICATION)) == 1


@pytest.mark.parametrize(("has_credit", "value"), [(True, 0), (False, 1)])
def test_a_balance_check_answers_with_its_result(has_credit: bool, value: int) -> None:
    frame = ccr(encode_i32(avps.REQUESTED_ACTION, 2), requested(events(1)), kind=4)
    message = answered(frame, ChargingAnswer(Result.SUCCESS, has_credit=has_credit))
    assert decode_i32(message.frame, message.require(avps.CHECK_BALANCE_RESULT)) == value


def test_a_price_enquiry_answers_with_the_cost() -> None:
    frame = ccr(encode_i32(avps.REQUESTED_ACTION, 3), requested(events(1)), kind=4)
    message = answered(frame, ChargingAnswer(Result.SUCCESS, cost_nanos=90_000_000))
    cost = inner(message, message.require(avps.COST_INFORMATION))
    value = inner(message, cost[avps.UNIT_VALUE])
    assert decode_i64(message.frame, value[avps.VALUE_DIGITS]) == 9


def test_the_refund_token_is_in_the_service_or_at_the_root() -> None:
    action = encode_i32(avps.REQUESTED_ACTION, 0)
    paid = ChargingAnswer(
        Result.SUCCESS, (Grant(1, (), Result.SUCCESS, Unit.EVENTS, 1),), refund_token=b"token"
    )
    nested = answered(ccr(action, service(1, requested(events(1))), kind=4), paid)
    (members,) = services(nested)
    assert raw(nested.frame, members[avps.REFUND_INFORMATION][0]).endswith(b"token\0\0\0")
    assert nested.first(avps.REFUND_INFORMATION) is None
    root = answered(ccr(action, requested(events(1)), kind=4), paid)
    assert root.octets(avps.REFUND_INFORMATION) == b"token"


# --- refusals

PROXIES = [
    group(
        avps.PROXY_INFO,
        [encode_utf8(avps.PROXY_HOST, f"dra{number}"), encode_octets(avps.PROXY_STATE, b"s" * number)],
    )
    for number in (1, 2)
]


@pytest.mark.parametrize(
    "answer", [success(), ChargingAnswer(Result.TOO_BUSY), ChargingAnswer(Result.NO_CREDIT)]
)
def test_proxy_infos_are_echoed_unchanged_and_in_order(answer: ChargingAnswer) -> None:
    message = answered(ccr(*PROXIES), answer)
    assert [raw(message.frame, avp) for avp in message.all(avps.PROXY_INFO)] == PROXIES


@pytest.mark.parametrize(
    ("field", "key"),
    [
        ("rating_group", avps.RATING_GROUP),
        ("service", avps.SERVICE_CONTEXT_ID),
        ("", avps.SERVICE_CONTEXT_ID),
    ],
)
def test_a_failed_rating_names_the_avp_at_fault(field: str, key: int) -> None:
    message = answered(ASKING, ChargingAnswer(Result.RATING_FAILED, failed=field))
    content = message.members(message.require(avps.FAILED_AVP))
    while content[0][0] == avps.MULTIPLE_SERVICES_CREDIT_CONTROL:
        content = message.members(content[0])
    assert [avp[0] for avp in content] == [key]


def test_an_unknown_session_needs_no_failed_avp() -> None:
    assert answered(ASKING, ChargingAnswer(Result.UNKNOWN_SESSION, failed="session_id")).first(279) is None


def refusal(frame: bytes) -> Message:
    message = Message.decode(frame)
    with pytest.raises(DecodeError) as raised:
        read(frame)
    return Message.decode(WRITER.refusal(message, raised.value))


def test_a_refusal_is_shaped_as_the_command_where_it_can_be() -> None:
    message = refusal(ccr(*PROXIES, without=[avps.SERVICE_CONTEXT_ID], number=4))
    assert (code_of(message), message.is_error) == (5005, False)
    assert decode_u32(message.frame, message.require(avps.CC_REQUEST_NUMBER)) == 4
    assert message.avps[0][0] == avps.SESSION_ID
    assert raw(message.frame, message.require(avps.FAILED_AVP)) == failed_avp(encode_octets(461, b""))
    assert [raw(message.frame, avp) for avp in message.all(avps.PROXY_INFO)] == PROXIES


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (ccr(kind=99), 5004),
        (ccr(without=[avps.CC_REQUEST_NUMBER]), 5005),
        (ccr(without=[avps.SESSION_ID]), 5005),
        (ccr(encode_utf8(avps.ROUTE_RECORD, "ocs.example.net")), 3005),
    ],
)
def test_a_refusal_that_cannot_have_the_commands_shape_has_the_error_bit(frame: bytes, code: int) -> None:
    message = refusal(frame)
    assert (code_of(message), message.is_error, message.is_proxiable) == (code, True, True)
    assert message.first(avps.ORIGIN_HOST) is not None


def test_no_answer_names_the_subscriber() -> None:
    frame = ccr(encode_u32(avps.CC_REQUEST_NUMBER, 8))
    assert b"001010000000001" not in refusal(frame).frame
    for result in Result:
        request = read(frame := ccr(service(1, requested())))
        answer = WRITER.credit_control_answer(Message.decode(frame), request, ChargingAnswer(result))
        assert b"001010000000001" not in answer


def test_too_busy_and_unable_are_answers_to_any_request() -> None:
    message = Message.decode(ccr(flags=REQUEST | RETRANSMITTED))
    busy, unable = Message.decode(WRITER.too_busy(message)), Message.decode(WRITER.unable(message))
    assert (code_of(busy), busy.flags) == (3004, 0x20)
    assert (code_of(unable), unable.flags) == (5012, 0)


def test_every_avp_of_a_full_answer_is_well_formed() -> None:
    grant = data(
        1_000, validity_ns=HOUR, final_unit=FinalUnit(FinalUnitAction.REDIRECT, "https://x"), threshold=9,
        holding_time_ns=SECOND, tariff_change_at_ns=NOW_NS, triggers=(1,), pool=(1, 1),
    )  # fmt: skip
    message = answered(ASKING, success(grant), "staros")
    waiting = list(message.avps)
    groups = {456, 431, 430, 434, 457, 445, avps.TRIGGER, 669, 665}
    walked = 0
    while waiting:
        avp = waiting.pop()
        walked += 1
        if avp[0] in groups:
            waiting += scan(message.frame, avp[2], avp[3])
    assert walked > 30
