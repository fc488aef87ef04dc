"""FreeSWITCH under the incumbent's configuration: its tutorial's dialplan, its figures, its records."""

import asyncio

from tests.agents.freeswitch.scripted import Plan
from tests.cgrates.agents.world import CALL_NANOS, switched

PREPAID = {"cgr_reqtype": "*prepaid"}


def plan(**more: object) -> Plan:
    made = Plan(**more)  # type: ignore[arg-type]
    made.variables = PREPAID | made.variables
    return made


async def test_a_call_is_authorised_debited_and_recorded() -> None:
    async with switched() as (made, switch):
        call = switch.call(plan(talk_s=33.4))
        await asyncio.sleep(0.2)
        assert call.variables["cgr_max_usage"] == "1000", "all the account can pay for"
        assert made.left() == 1_000 * CALL_NANOS, "nothing is debited before the answer"
        await asyncio.sleep(10)
        assert made.left() > 970 * CALL_NANOS, "a slice is debited, the rest is free for others"
        await asyncio.sleep(60)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == (1_000 - 34) * CALL_NANOS, "begun seconds are paid for"
        (cdr,) = made.cdrs()
        assert (cdr.run_id, cdr.usage, cdr.cost_nanos) == ("*default", 33_400_000_000, 34 * CALL_NANOS)
        assert (cdr.origin_id, cdr.origin_host, cdr.request_type) == ("call-1", "fs1", "*prepaid")
        assert (cdr.account, cdr.destination, cdr.category) == ("1001", "1002", "call")
        assert made.runtime.state.sessions == {}
        assert made.promises() == 0


async def test_the_timer_is_the_incumbents_default_extension() -> None:
    async with switched(600 * CALL_NANOS, sched_transfer_extension="CGRateS") as (_, switch):
        call = switch.call(plan(ring_s=5))
        await asyncio.sleep(1)
        assert call.variables["execute_on_answer"] == "sched_transfer +600 CGRateS XML default"


async def test_an_account_that_can_pay_for_hours_is_promised_three() -> None:
    async with switched(10**18) as (_, switch):
        call = switch.call(plan(ring_s=5))
        await asyncio.sleep(1)
        assert call.variables["cgr_max_usage"] == "10800"


async def test_no_credit_and_no_account_are_told_to_the_dialplan() -> None:
    async with switched(0) as (made, switch):
        poor, unknown = switch.call(plan()), switch.call(plan(account="4711"))
        await asyncio.sleep(5)
        assert poor.variables["cgr_notify"] == "INSUFFICIENT_CREDIT"
        assert unknown.variables["cgr_notify"] == "RALS_ERROR:ACCOUNT_NOT_FOUND"
        assert {cdr.usage for cdr in made.cdrs()} == {0}
        assert made.promises() == 0


async def test_two_ringing_calls_are_not_promised_the_same_credit() -> None:
    async with switched(5 * CALL_NANOS) as (made, switch):
        first = switch.call(plan(ring_s=20))
        second = switch.call(plan(ring_s=20))
        await asyncio.sleep(1)
        assert first.variables["cgr_max_usage"] == "5"
        assert second.variables["cgr_notify"] == "INSUFFICIENT_CREDIT"
        assert made.left() == 5 * CALL_NANOS


async def test_a_call_that_is_given_up_gives_its_promise_back() -> None:
    async with switched() as (made, switch):
        switch.call(plan(ring_s=20, cancel_s=4))
        await asyncio.sleep(2)
        assert made.promises() == 1
        await asyncio.sleep(10)
        assert (made.promises(), made.left()) == (0, 1_000 * CALL_NANOS)
        (cdr,) = made.cdrs()
        assert (cdr.usage, cdr.cost_nanos) == (0, 0)


async def test_a_call_ends_with_its_credit() -> None:
    async with switched(25 * CALL_NANOS) as (made, switch):
        call = switch.call(plan(talk_s=None))
        await asyncio.sleep(60)
        assert call.cause == "ALLOTTED_TIMEOUT"
        assert 24 < (call.ended_us - call.answered_us) / 1e6 <= 25
        assert made.left() == 0


async def test_parallel_calls_share_the_credit_slice_by_slice() -> None:
    async with switched(60 * CALL_NANOS) as (made, switch):
        first = switch.call(plan(talk_s=None))
        await asyncio.sleep(5)
        second = switch.call(plan(talk_s=None))
        await asyncio.sleep(120)
        talked_s = [(call.ended_us - call.answered_us) / 1e6 for call in (first, second)]
        assert 56 < sum(talked_s) <= 60
        assert made.left() >= 0
        assert sum(cdr.cost_nanos for cdr in made.cdrs()) == 60 * CALL_NANOS - made.left()


async def test_a_call_that_runs_comes_before_one_that_rings() -> None:
    async with switched(60 * CALL_NANOS) as (made, switch):
        running = switch.call(plan(talk_s=40))
        await asyncio.sleep(5)
        ringing = switch.call(plan(ring_s=30, talk_s=None))
        await asyncio.sleep(1)
        assert int(ringing.variables["cgr_max_usage"]) in (47, 48), "what the other has not debited yet"
        await asyncio.sleep(80)
        assert running.cause == "NORMAL_CLEARING"
        talked_s = (ringing.ended_us - ringing.answered_us) / 1e6
        assert 18 < talked_s <= 20, "it lasts for what the other has left"
        assert made.left() in (0, CALL_NANOS)


async def test_other_request_types_are_charged_as_the_incumbent_does() -> None:
    async with switched(5 * CALL_NANOS) as (made, switch):
        call = switch.call(plan(talk_s=12, variables={"cgr_reqtype": "*postpaid"}))
        await asyncio.sleep(5)
        assert made.left() == 5 * CALL_NANOS
        await asyncio.sleep(30)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == (5 - 12) * CALL_NANOS, "debited with the record, also below zero"


async def test_a_call_without_accounts_is_let_through_unlimited() -> None:
    async with switched() as (made, switch):
        call = switch.call(plan(talk_s=4, variables={"cgr_flags": "*attributes"}))
        await asyncio.sleep(2)
        assert made.left() == 1_000 * CALL_NANOS
        assert "cgr_max_usage" not in call.variables
        await asyncio.sleep(10)
        assert call.cause == "NORMAL_CLEARING"


async def test_a_restarted_server_goes_on_with_its_calls() -> None:
    async with switched() as (made, switch):
        talking = switch.call(plan(talk_s=50.0))
        await asyncio.sleep(14)
        ringing = switch.call(plan(ring_s=15, talk_s=5.0))
        await asyncio.sleep(2)
        await made.restart()
        await asyncio.sleep(80)
        assert [call.cause for call in (talking, ringing)] == ["NORMAL_CLEARING"] * 2
        assert made.left() == (1_000 - 55) * CALL_NANOS
        assert sorted(cdr.usage for cdr in made.cdrs()) == [5_000_000_000, 50_000_000_000]
        assert made.promises() == 0


async def test_a_call_that_ended_while_the_server_was_away_is_not_billed_on() -> None:
    async with switched() as (made, switch):
        call = switch.call(plan(talk_s=30.0))
        await asyncio.sleep(24)
        await made.agents.stop()
        await asyncio.sleep(60)
        made.begin(made.runtime.state)
        await made.runtime.start()
        await made.agents.start()
        await asyncio.sleep(5)
        assert call.cause == "NORMAL_CLEARING"
        assert (1_000 - 30) * CALL_NANOS <= made.left() < 1_000 * CALL_NANOS
        assert made.runtime.state.sessions == {}


async def test_the_pipeline_ends_a_call_through_its_client() -> None:
    async with switched() as (made, switch):
        call = switch.call(plan(talk_s=None))
        await asyncio.sleep(5)
        (session,) = made.runtime.state.sessions.values()
        client = made.runtime.clients.of_session(session.client, session.peer)
        assert client is not None
        told = {"Event": {**session.event, "DisconnectCause": "FORCED_DISCONNECT"}}
        listed = await client.call("SessionSv1.GetActiveSessionIDs", [""], 10**9)
        assert await client.call("AgentV1.DisconnectSession", [told], 10**9) == "OK"
        await asyncio.sleep(5)
        assert call.cause == "MANAGER_REQUEST"
        assert call.variables["cgr_notify"] == "FORCED_DISCONNECT"
        assert listed == [{"OriginHost": "fs1", "OriginID": "call-1"}]
        assert made.left() == (1_000 - 5) * CALL_NANOS


async def test_low_balance_is_announced() -> None:
    async with switched(30 * CALL_NANOS, low_balance_ann_file="low.wav") as (_, switch):
        call = switch.call(plan(talk_s=None))
        await asyncio.sleep(60)
        assert call.heard == ["playback::low.wav"]


async def test_credit_that_comes_in_the_call_is_used() -> None:
    async with switched(30 * CALL_NANOS) as (made, switch):
        call = switch.call(plan(talk_s=50))
        await asyncio.sleep(15)
        made.open_account("1001", made.left() + 100 * CALL_NANOS)
        await asyncio.sleep(60)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == 80 * CALL_NANOS
