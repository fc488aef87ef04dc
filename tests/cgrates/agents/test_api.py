"""What operators do with calls of switches over the API of CGRateS."""

import asyncio

from tests.agents.freeswitch.scripted import Plan
from tests.cgrates.agents.test_kamailio import ProxyWorld
from tests.cgrates.agents.world import CALL_NANOS, switched

OWN = {"Tenant": "cgrates.org", "Filters": ["*string:~*req.Account:1001"]}


async def test_a_forced_end_hangs_up_at_the_switch_and_is_charged_to_then() -> None:
    async with switched() as (made, switch):
        call = switch.call(Plan(variables={"cgr_reqtype": "*prepaid"}, talk_s=None))
        await asyncio.sleep(7)
        (session,) = await made.engine.result("SessionSv1.GetActiveSessions", OWN)
        assert (session["OriginID"], session["OriginHost"], session["RunID"]) == ("call-1", "fs1", "*default")
        assert await made.engine.result("SessionSv1.ForceDisconnect", OWN) == "OK"
        await asyncio.sleep(2)
        assert (call.cause, call.variables["cgr_notify"]) == ("MANAGER_REQUEST", "FORCED_DISCONNECT")
        (cdr,) = made.cdrs()
        assert made.left() == 1_000 * CALL_NANOS - cdr.cost_nanos == 993 * CALL_NANOS
        assert await made.engine.error("SessionSv1.GetActiveSessions", OWN) == "NOT_FOUND"


async def test_a_forced_end_is_told_to_kamailio_with_its_reason() -> None:
    made = ProxyWorld()
    await made.authorise()
    await made.start()
    made.said.clear()
    forced = OWN | {"Event": {"DisconnectCause": "FRAUD"}}
    assert await made.engine.result("SessionSv1.ForceDisconnect", forced) == "OK"
    await asyncio.sleep(0.1)
    assert made.said[0]["Reason"] == "FRAUD"


async def test_a_call_whose_switch_cannot_be_asked_to_end_it_ends_when_it_can() -> None:
    async with switched() as (made, switch):
        call = switch.call(Plan(variables={"cgr_reqtype": "*prepaid"}, talk_s=None))
        await asyncio.sleep(7)
        switch.is_down = True
        switch.cut()
        await asyncio.sleep(1)
        assert await made.engine.result("SessionSv1.ForceDisconnect", OWN) == "OK"
        assert made.runtime.state.sessions == {}, "the server has ended it by itself"
        switch.is_down = False
        await asyncio.sleep(30)
        assert (call.cause, call.variables["cgr_notify"]) == ("MANAGER_REQUEST", "SESSION_CLOSED")
        (cdr,) = made.cdrs()
        assert made.left() == 1_000 * CALL_NANOS - cdr.cost_nanos, "the record says what was taken"


async def test_a_comparison_with_the_switches_ends_no_call_that_lasts() -> None:
    async with switched() as (made, switch):
        call = switch.call(Plan(variables={"cgr_reqtype": "*prepaid"}, talk_s=30))
        await asyncio.sleep(7)
        assert await made.engine.result("SessionSv1.SyncSessions", {}) == "OK"
        assert len(made.runtime.state.sessions) == 1
        switch.cut()
        assert await made.engine.result("SessionSv1.SyncSessions", {}) == "OK"
        assert len(made.runtime.state.sessions) == 1, "silence is not the end of a call"
        await asyncio.sleep(60)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == 970 * CALL_NANOS


async def test_a_short_session_ttl_does_not_end_calls_that_their_agent_watches() -> None:
    async with switched(sessions={"session_ttl": "2s"}) as (made, switch):
        await made.runtime.start()
        call = switch.call(Plan(variables={"cgr_reqtype": "*prepaid"}, talk_s=30))
        await asyncio.sleep(60)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == 970 * CALL_NANOS
        await made.runtime.timers.stop()


async def test_money_that_is_added_is_used_by_the_call_that_runs() -> None:
    async with switched(20 * CALL_NANOS) as (made, switch):
        call = switch.call(Plan(variables={"cgr_reqtype": "*prepaid"}, talk_s=60))
        await asyncio.sleep(8)
        added = {"Tenant": "cgrates.org", "Account": "1001", "BalanceType": "*monetary", "Value": 0.1}
        assert await made.engine.result("APIerSv1.AddBalance", added) == "OK"
        await asyncio.sleep(80)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == 60 * CALL_NANOS
