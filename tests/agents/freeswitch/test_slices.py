"""Calls of which only a slice is held while they last: the rest of the promise is others' to use."""

import asyncio

from ocs.config.settings import SECOND
from tests.agents.freeswitch.scripted import Plan
from tests.agents.freeswitch.world import world

SLICES = {"debit_interval_ns": 10 * SECOND, "grant_s": 3_600}


async def test_ringing_holds_the_promise_and_talking_a_slice_of_it() -> None:
    async with world(nanos=100_000, **SLICES) as (made, switch):
        call = switch.call(Plan(ring_s=5, talk_s=60))
        await asyncio.sleep(2)
        assert made.left() == (100_000, 100_000), "all of it is promised"
        assert call.variables["cgr_max_usage"] == "100"
        await asyncio.sleep(5)
        assert made.left()[1] <= 13_000, "a slice, and a moment for the answer"
        await asyncio.sleep(80)
        assert made.left() == (100_000 - 60_000, 0)
        assert await made.problems() == []


async def test_a_slice_within_the_armed_limit_needs_no_command() -> None:
    async with world(nanos=100_000, **SLICES) as (made, switch):
        switch.call(Plan(talk_s=60))
        await asyncio.sleep(80)
        assert switch.commands("sched_") == []
        assert made.left() == (40_000, 0)


async def test_two_calls_share_what_one_was_promised_and_both_end_with_it() -> None:
    async with world(nanos=60_000, **SLICES) as (made, switch):
        first = switch.call(Plan(talk_s=None))
        await asyncio.sleep(5)
        second = switch.call(Plan(talk_s=None))
        await asyncio.sleep(100)
        talked = [(call.ended_us - call.answered_us) / 1_000 for call in (first, second)]
        assert all(call.cause in ("ALLOTTED_TIMEOUT", "MANAGER_REQUEST") for call in (first, second))
        assert 60_000 - 3_000 <= sum(talked) <= 60_000, "the money is used, and not more"
        assert made.left()[0] == 60_000 - sum(-(-ms // 1) for ms in talked)
        assert made.left()[1] == 0


async def test_the_last_slice_arms_the_switch_with_the_end_of_the_credit() -> None:
    async with world(nanos=25_000, **SLICES) as (_, switch):
        call = switch.call(Plan(talk_s=None))
        await asyncio.sleep(5)
        other = switch.call(Plan(ring_s=100, cancel_s=60))  # takes all that is not held
        await asyncio.sleep(60)
        talked_s = (call.ended_us - call.answered_us) / 1e6
        assert other.variables["cgr_max_usage"] == "13"
        assert 23 < talked_s <= 24, "the one that rings keeps a second"
        assert call.cause == "ALLOTTED_TIMEOUT"


async def test_a_server_that_is_gone_leaves_the_promise_as_the_limit() -> None:
    async with world(nanos=30_000, **SLICES) as (_, switch):
        call = switch.call(Plan(talk_s=None))
        await asyncio.sleep(5)
        switch.is_down = True
        switch.cut()
        await asyncio.sleep(40)
        assert call.cause == "ALLOTTED_TIMEOUT"
        assert 29 < (call.ended_us - call.answered_us) / 1e6 <= 30


async def test_credit_that_another_call_gives_back_is_used_before_the_end() -> None:
    async with world(nanos=40_000, **SLICES) as (made, switch):
        call = switch.call(Plan(talk_s=None))
        await asyncio.sleep(5)
        switch.call(Plan(ring_s=100, cancel_s=5.6))  # holds what is left, and gives it back in time
        await asyncio.sleep(80)
        talked_s = (call.ended_us - call.answered_us) / 1e6
        assert 39 < talked_s <= 40
        assert made.left()[0] == 40_000 - -(-(call.ended_us - call.answered_us) // 1_000)


async def test_a_call_that_runs_comes_before_one_that_rings() -> None:
    async with world(nanos=60_000, **SLICES) as (made, switch):
        running = switch.call(Plan(talk_s=40))
        await asyncio.sleep(5)
        ringing = switch.call(Plan(ring_s=45, talk_s=None))
        await asyncio.sleep(1)
        assert made.left()[1] == 60_000, "all that is left is promised to the one that rings"
        await asyncio.sleep(100)
        assert running.cause == "NORMAL_CLEARING"
        talked_s = (ringing.ended_us - ringing.answered_us) / 1e6
        assert 19 < talked_s <= 20, "it lasts for what the other has left"
        assert made.left()[1] == 0
        assert await made.problems() == []


async def test_a_call_that_never_parked_begins_with_a_slice() -> None:
    async with world(nanos=100_000, **SLICES) as (made, switch):
        switch.call(Plan(is_parked=False, talk_s=45))
        await asyncio.sleep(2)
        assert made.left()[1] <= 13_000
        await asyncio.sleep(60)
        assert made.left() == (55_000, 0)


async def test_credit_that_comes_while_slices_run_is_used_beyond_the_promise() -> None:
    async with world(nanos=30_000, **SLICES) as (made, switch):
        call = switch.call(Plan(talk_s=50))
        await asyncio.sleep(12)
        await made.top_up("1001", 70_000)
        await asyncio.sleep(60)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == (50_000, 0)
