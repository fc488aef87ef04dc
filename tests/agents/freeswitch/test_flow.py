"""Calls of a scripted switch, from the park to the record."""

import asyncio
from typing import Any

import pytest

from ocs.charging.control import ControlResult, SessionAddress
from tests.agents.freeswitch.scripted import Plan
from tests.agents.freeswitch.world import CLIENT, world

ADDRESS = SessionAddress(CLIENT, "call-1", CLIENT, "voice")


async def test_a_call_is_armed_before_it_is_let_through_and_charged_by_the_switch() -> None:
    async with world() as (made, switch):
        switch.call(Plan(talk_s=3.0205))
        await asyncio.sleep(10)
        assert switch.heard[5:] == [
            "api uuid_setvar call-1 cgr_max_usage 1000",
            "api uuid_setvar call-1 execute_on_answer sched_hangup +1000 allotted_timeout",
            "api uuid_setvar call-1 cgr_originhost fs1",
            "api uuid_setvar call-1 cgr_notify AUTH_OK",
            "api uuid_transfer call-1 1002",
        ]
        assert made.left() == (1_000_000 - 3_021, 0)  # every millisecond begun
        assert await made.problems() == []


async def test_the_record_has_the_facts_of_the_call_and_the_extra_fields() -> None:
    plan = Plan(variables={"cgr_category": "call", "cgr_tenant": "t1", "cgr_opts": "a:b", "shop": "7"})
    async with world(extra_fields=("variable_shop", "variable_none")) as (made, switch):
        switch.call(plan)
        await asyncio.sleep(10)
        (record,) = made.records()
        extra = dict(record.context.extra)
        assert (record.client, record.session_id, record.cost_nanos) == (CLIENT, "call-1", 3_000)
        assert (record.context.called, record.context.calling) == ("1002", "1001")
        assert record.context.category == "call"
        assert extra["tenant"] == "t1"
        assert extra["options"] == "a:b"
        assert extra["variable_shop"] == "7"
        assert "variable_none" not in extra
        assert extra["hangup_cause"] == "NORMAL_CLEARING"
        assert extra["billusec"] == "3000000"


async def test_two_ringing_calls_are_not_promised_the_same_credit() -> None:
    async with world(nanos=5_000) as (made, switch):
        first = switch.call(Plan(ring_s=20, talk_s=None))
        second = switch.call(Plan(ring_s=20, talk_s=None))
        await asyncio.sleep(1)
        assert first.variables["cgr_max_usage"] == "5"
        assert second.cause == "OUTGOING_CALL_BARRED"
        assert second.variables["cgr_notify"] == "INSUFFICIENT_CREDIT"
        assert made.left() == (5_000, 5_000)


async def test_a_call_ends_with_its_credit() -> None:
    async with world(nanos=7_000) as (made, switch):
        call = switch.call(Plan(talk_s=None))
        await asyncio.sleep(30)
        talked_s = (call.ended_us - call.answered_us) / 1e6
        assert call.cause == "ALLOTTED_TIMEOUT"
        assert 6 < talked_s <= 7
        assert made.left()[0] == 7_000 - round(talked_s * 1_000)
        assert made.left()[1] == 0


async def test_time_is_extended_slice_by_slice_and_paid_once() -> None:
    async with world(grant_s=30, nanos=100_000) as (made, switch):
        call = switch.call(Plan(talk_s=75.5))
        await asyncio.sleep(100)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == (100_000 - 75_500, 0)
        assert len(switch.commands("sched_del")) == 3
        assert switch.commands("sched_hangup")[0] == "sched_hangup +29 call-1 allotted_timeout"
        assert await made.problems() == []


async def test_the_last_slice_ends_the_call() -> None:
    async with world(grant_s=30, nanos=70_000) as (made, switch):
        call = switch.call(Plan(talk_s=None))
        await asyncio.sleep(100)
        talked_s = (call.ended_us - call.answered_us) / 1e6
        assert call.cause == "ALLOTTED_TIMEOUT"
        assert 69 < talked_s <= 70
        assert made.left() == (70_000 - round(talked_s * 1_000), 0)


@pytest.mark.parametrize(
    ("settings", "command", "is_treated"),
    [
        ({}, "sched_hangup +5 allotted_timeout", False),
        ({"transfer_extension": "topup"}, "sched_transfer +5 topup XML default", True),
        ({"empty_balance_context": "empty"}, "sched_transfer +5 1002 XML empty", True),
        (
            {"empty_balance_announcement": "no_credit.wav"},
            "sched_broadcast +5 playback!manager_request::no_credit.wav aleg",
            True,
        ),
    ],
)
async def test_each_end_of_credit_is_armed_at_the_answer(
    settings: dict[str, Any], command: str, is_treated: bool
) -> None:
    async with world(nanos=5_000, **settings) as (made, switch):
        call = switch.call(Plan(talk_s=None))
        await asyncio.sleep(60)
        assert call.variables["execute_on_answer"] == command
        assert call.is_treated is is_treated
        assert call.ended_us > 0
        talked_s = (call.ended_us - call.answered_us) / 1e6
        assert made.left() == (5_000 - min(5_000, round(talked_s * 1_000)), 0)


async def test_what_follows_the_credit_is_limited_and_free() -> None:
    async with world(nanos=5_000, transfer_extension="topup", treatment_ns=3 * 10**9) as (made, switch):
        call = switch.call(Plan(talk_s=None, treatment_s=100))
        await asyncio.sleep(60)
        assert call.cause == "ALLOTTED_TIMEOUT"
        assert 7 < (call.ended_us - call.answered_us) / 1e6 <= 8
        assert made.left() == (0, 0)


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (Plan(account="4711"), "RALS_ERROR:ACCOUNT_NOT_FOUND"),
        (Plan(account=""), "MANDATORY_IE_MISSING: [Account]"),
    ],
)
async def test_a_refusal_is_told_to_the_dialplan(plan: Plan, reason: str) -> None:
    async with world() as (made, switch):
        call = switch.call(plan)
        await asyncio.sleep(1)
        assert call.variables["cgr_notify"] == reason
        assert switch.commands("uuid_transfer") == ["uuid_transfer call-1 1002"]
        assert call.cause == "OUTGOING_CALL_BARRED"
        assert made.left() == (1_000_000, 0)


async def test_a_refusal_may_end_the_call() -> None:
    async with world(refusal="hangup") as (_, switch):
        call = switch.call(Plan(account="4711"))
        await asyncio.sleep(1)
        assert call.cause == "CALL_REJECTED"


@pytest.mark.parametrize("number", ["1002 inline", "1002\nauth x", "-both", "${system(reboot)}", "1'2", ""])
async def test_a_number_that_is_no_word_becomes_no_command(number: str) -> None:
    async with world(transfer_extension="topup") as (made, switch):
        call = switch.call(Plan(number=number, headers={"variable_sip_req_user": ""}))
        await asyncio.sleep(1)
        assert call.cause == "CALL_REJECTED"
        assert not any(number in said for said in switch.heard[5:] if number)
        assert made.left() == (1_000_000, 0)


async def test_a_call_whose_id_is_no_word_is_not_spoken_of() -> None:
    async with world() as (_, switch):
        switch.call(Plan(), uuid="x y")
        await asyncio.sleep(1)
        assert switch.heard[5:] == []


async def test_an_answer_before_the_park_is_armed_at_once() -> None:
    async with world(nanos=5_000) as (made, switch):
        call = switch.call(Plan(answers_first=True, talk_s=None))
        await asyncio.sleep(20)
        assert switch.commands("sched_hangup") == ["sched_hangup +5 call-1 allotted_timeout"]
        assert call.cause == "ALLOTTED_TIMEOUT"
        assert made.left()[1] == 0
        assert made.left()[0] <= 1_000


async def test_a_dialplan_that_never_parks_is_charged_from_the_answer() -> None:
    async with world() as (made, switch):
        switch.call(Plan(is_parked=False, talk_s=4.0))
        refused = switch.call(Plan(is_parked=False, account="4711", talk_s=None))
        await asyncio.sleep(10)
        assert made.left() == (1_000_000 - 4_000, 0)
        assert refused.cause == "MANAGER_REQUEST"


async def test_a_caller_who_gives_up_pays_nothing() -> None:
    async with world() as (made, switch):
        switch.call(Plan(ring_s=20, cancel_s=4))
        switch.call(Plan(cancel_s=0))
        await asyncio.sleep(10)
        assert [call.cause for call in switch.ended] == ["ORIGINATOR_CANCEL"] * 2
        assert made.left() == (1_000_000, 0)


@pytest.mark.parametrize(
    "plan",
    [
        Plan(variables={"process_cdr": "false"}, is_parked=False),
        Plan(variables={"cgr_reqtype": "*none"}, is_parked=False),
        Plan(headers={"Caller-Dialplan": "inline"}, is_parked=False),
        Plan(headers={"Call-Direction": "outbound"}, is_parked=False),
        Plan(variables={"cgr_flags": "*attributes;*routes"}),
    ],
)
async def test_calls_that_are_nobodys_are_not_charged(plan: Plan) -> None:
    async with world(event_filters=()) as (made, switch):
        switch.call(plan)
        await asyncio.sleep(10)
        assert switch.ended[0].cause == "NORMAL_CLEARING"
        assert made.left() == (1_000_000, 0)


async def test_a_loopback_leg_is_the_same_call_and_not_charged_twice() -> None:
    async with world() as (made, switch):
        first = switch.call(Plan(ring_s=1, talk_s=5))
        await asyncio.sleep(0.1)
        for is_parked in (True, False):
            leg = {"other_loopback_from_uuid": first.uuid, "is_loopback": "1"}
            switch.call(Plan(variables=dict(leg), is_parked=is_parked, talk_s=8))
        await asyncio.sleep(20)
        assert [call.cause for call in switch.ended] == ["NORMAL_CLEARING"] * 3
        assert made.left() == (1_000_000 - 5_000, 0)
        assert len(made.records()) == 1


@pytest.mark.parametrize("kind", ["*postpaid", "*rated"])
async def test_a_postpaid_call_is_not_limited_and_charged_when_it_has_ended(kind: str) -> None:
    async with world(nanos=1_000) as (made, switch):
        call = switch.call(Plan(variables={"cgr_reqtype": kind}, talk_s=6.0))
        await asyncio.sleep(10)
        assert "execute_on_answer" not in call.variables
        assert made.left() == (1_000 - 6_000, 0)


async def test_low_balance_is_said_once() -> None:
    async with world(grant_s=30, low_balance_announcement="low.wav") as (made, switch):
        await made.open_account("1003", 100_000, 90_000)
        call = switch.call(Plan(account="1003", talk_s=80))
        await asyncio.sleep(100)
        assert call.heard == ["playback::low.wav"]


async def test_the_core_has_the_caller_warned() -> None:
    async with world(low_balance_announcement="low.wav") as (made, switch):
        call = switch.call(Plan(talk_s=60))
        await asyncio.sleep(20)
        account = made.account()
        for _ in range(2):
            await made.service.warn(account, account.sessions[0])
        await asyncio.sleep(60)
        assert call.heard == ["playback::low.wav"]


async def test_a_top_up_lengthens_a_call_that_was_to_end() -> None:
    async with world(nanos=20_000) as (made, switch):
        call = switch.call(Plan(talk_s=45.0))
        await asyncio.sleep(10)
        await made.top_up("1001", 40_000)
        await asyncio.sleep(60)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == (15_000, 0)


async def test_a_top_up_while_it_rings_arms_the_answer_anew() -> None:
    async with world(nanos=20_000) as (made, switch):
        call = switch.call(Plan(ring_s=10, talk_s=45.0))
        await asyncio.sleep(2)
        await made.top_up("1001", 40_000)
        await asyncio.sleep(80)
        assert call.variables["execute_on_answer"] == "sched_hangup +60 allotted_timeout"
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == (15_000, 0)


@pytest.mark.parametrize(
    ("settings", "cause", "end"),
    [
        ({}, "INSUFFICIENT_CREDIT", "MANAGER_REQUEST"),
        ({}, "operator", "MANAGER_REQUEST"),
        ({"empty_balance_context": "empty"}, "INSUFFICIENT_CREDIT", "NORMAL_CLEARING"),
        ({"empty_balance_announcement": "gone.wav"}, "INSUFFICIENT_CREDIT", "NORMAL_CLEARING"),
        ({"empty_balance_context": "empty"}, "operator", "MANAGER_REQUEST"),
    ],
)
async def test_the_server_ends_a_call(settings: dict[str, Any], cause: str, end: str) -> None:
    async with world(**settings) as (made, switch):
        call = switch.call(Plan(talk_s=None))
        await asyncio.sleep(5)
        assert await made.agent.disconnect(ADDRESS, cause) is ControlResult.ACCEPTED
        await asyncio.sleep(10)
        assert call.variables["cgr_notify"] == cause
        assert call.cause == end
        assert made.left()[0] in range(1_000_000 - 4_701, 1_000_000 - 4_600)
        assert made.left()[1] == 0


async def test_the_server_is_told_which_calls_are_not_here() -> None:
    async with world() as (made, switch):
        other = SessionAddress("pcef", "call-1", "pcef", "data")
        assert await made.agent.disconnect(other, "x") is ControlResult.UNSUPPORTED
        assert await made.agent.reauthorize(other) is ControlResult.UNSUPPORTED
        assert await made.agent.disconnect(ADDRESS, "x") is ControlResult.NO_ANSWER
        switch.call(Plan(talk_s=None))
        await asyncio.sleep(1)
        switch.cut()
        await asyncio.sleep(0.1)
        assert await made.agent.disconnect(ADDRESS, "x") is ControlResult.NO_ANSWER


async def test_a_switch_that_will_not_be_armed_gets_no_call_through() -> None:
    async with world() as (made, switch):
        switch.answers["uuid_setvar call-1 execute_on_answer"] = "-ERR something"
        call = switch.call()
        await asyncio.sleep(10)
        assert call.cause == "MANAGER_REQUEST"
        assert call.answered_us == 0
        assert switch.commands("uuid_transfer") == []
        assert made.left() == (1_000_000, 0)


async def test_a_busy_server_refuses_new_calls_and_loses_no_end() -> None:
    async with world(nanos=1_000_000) as (made, switch):
        switch.call(Plan(talk_s=5.0))
        await asyncio.sleep(2)
        made.service.limits.in_flight = 0
        refused = switch.call(Plan(talk_s=5.0))
        await asyncio.sleep(10)
        assert refused.variables["cgr_notify"] == "SERVER_ERROR"
        assert made.left()[0] == 1_000_000
        made.service.limits.in_flight = 20_000
        await asyncio.sleep(20)
        assert made.left() == (1_000_000 - 5_000, 0)


async def test_an_id_that_comes_again_is_another_call() -> None:
    async with world() as (made, switch):
        switch.call(Plan(talk_s=3.0), uuid="same")
        await asyncio.sleep(10)
        switch.call(Plan(talk_s=4.0), uuid="same")
        await asyncio.sleep(10)
        assert made.left() == (1_000_000 - 7_000, 0)


async def test_an_end_said_twice_is_charged_once() -> None:
    async with world() as (made, switch):
        call = switch.call(Plan(talk_s=3.0))
        await asyncio.sleep(10)
        for _ in range(3):
            switch.emit(call.fields({"Event-Name": "CHANNEL_HANGUP_COMPLETE"}))
        await asyncio.sleep(5)
        assert made.left() == (1_000_000 - 3_000, 0)


async def test_a_session_that_was_closed_meanwhile_is_opened_again() -> None:
    async with world(grant_s=60) as (made, switch):
        switch.call(Plan(talk_s=100.0))
        await asyncio.sleep(20)
        assert await made.service.client_restarted(CLIENT) == 1
        await asyncio.sleep(100)
        left, held = made.left()
        assert held == 0
        assert left == 1_000_000 - 100_000


async def test_a_park_said_after_the_end_opens_nothing() -> None:
    async with world() as (made, switch):
        call = switch.call(Plan(talk_s=3.0))
        await asyncio.sleep(10)
        said = len(switch.heard)
        switch.emit(call.fields({"Event-Name": "CHANNEL_PARK"}))
        await asyncio.sleep(1)
        assert switch.heard[said:] == []
        assert made.left() == (1_000_000 - 3_000, 0)


async def test_an_extension_that_a_busy_server_does_not_take_is_asked_for_again() -> None:
    async with world(grant_s=30) as (made, switch):
        call = switch.call(Plan(talk_s=50.0))
        await asyncio.sleep(18)
        made.service.limits.in_flight = 0
        await asyncio.sleep(5)
        assert call.uuid in switch.calls
        made.service.limits.in_flight = 20_000
        await asyncio.sleep(60)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == (1_000_000 - 50_000, 0)


async def test_a_session_closed_while_it_rang_is_opened_again_at_the_answer() -> None:
    async with world() as (made, switch):
        switch.call(Plan(ring_s=10, talk_s=20.0))
        await asyncio.sleep(5)
        assert await made.service.client_restarted(CLIENT) == 1
        await asyncio.sleep(7)
        assert made.left()[1] == 1_000_000
        await asyncio.sleep(60)
        assert made.left() == (1_000_000 - 20_000, 0)


async def test_a_call_whose_session_is_long_gone_is_charged_at_its_end() -> None:
    async with world() as (made, switch):
        switch.call(Plan(talk_s=200.0))
        await asyncio.sleep(10)
        assert await made.service.client_restarted(CLIENT) == 1
        await asyncio.sleep(250)
        assert made.left() == (1_000_000 - 200_000, 0)


async def test_a_call_that_lost_its_session_and_its_credit_is_ended_and_charged_to_its_end() -> None:
    async with world(nanos=60_000, grant_s=30) as (made, switch):
        call = switch.call(Plan(talk_s=None))
        await asyncio.sleep(10)
        assert await made.service.client_restarted(CLIENT) == 1
        for _ in range(2):  # others take all there is
            switch.call(Plan(ring_s=100, cancel_s=60))
        await asyncio.sleep(80)
        assert call.cause == "MANAGER_REQUEST"
        talked_ms = -(-(call.ended_us - call.answered_us) // 1_000)
        assert made.left() == (60_000 - talked_ms, 0)
