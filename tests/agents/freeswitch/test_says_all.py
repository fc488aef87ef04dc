"""An agent that leaves it to the core what is charged: it hears of every call in the switch's words."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from ocs.agents.freeswitch.agent import FreeswitchAgent
from ocs.charging.events import ChargingAnswer, ChargingEvent, EventKind, ProfileResults, Result
from ocs.config.settings import FreeswitchSettings
from tests.agents.freeswitch.scripted import Plan, Scripted
from tests.agents.freeswitch.world import SWITCH
from tests.agents.voice.answering import AnsweringDoor, granting

INITIAL, UPDATE, TERMINATION = EventKind.INITIAL, EventKind.UPDATE, EventKind.TERMINATION
RESULTS = ProfileResults(
    (("Account", "1007"), ("no word", "x")), "ResGroup1", ("route2", "route1:p=1"), ("THD",), ()
)


@asynccontextmanager
async def told(
    answer: Callable[[ChargingEvent], ChargingAnswer],
) -> AsyncIterator[tuple[AnsweringDoor, Scripted]]:
    switch, door = Scripted(), AnsweringDoor(answer)
    agent = FreeswitchAgent(FreeswitchSettings(switches=(SWITCH,)), door, says_all=True)
    await agent.start()
    await asyncio.sleep(1)
    try:
        yield door, switch
    finally:
        await agent.drain()


async def test_results_become_variables_around_the_limit_in_the_incumbents_order() -> None:
    answer = msgspec.structs.replace(granting(600), profiles=RESULTS)
    async with told(lambda _: answer) as (_, switch):
        switch.call(Plan())
        await asyncio.sleep(10)
        assert switch.commands("uuid_") == [
            "uuid_setvar call-1 Account 1007",
            "uuid_setvar call-1 cgr_max_usage 600",
            "uuid_setvar call-1 execute_on_answer sched_hangup +600 allotted_timeout",
            "uuid_setvar call-1 cgr_originhost fs1",
            "uuid_setvar call-1 cgr_resource_allocation ResGroup1",
            "uuid_setvar call-1 cgr_routes ARRAY::2|:route2|:route1:p=1",
            "uuid_setvar call-1 cgr_notify AUTH_OK",
            "uuid_transfer call-1 1002",
        ]


@pytest.mark.parametrize("variables", [{"cgr_reqtype": "*postpaid"}, {"cgr_flags": "*routes"}, {}])
async def test_every_call_is_told_from_its_park_to_its_end(variables: dict[str, str]) -> None:
    async with told(lambda _: granting(600)) as (door, switch):
        switch.call(Plan(variables=dict(variables), talk_s=4))
        await asyncio.sleep(10)
        assert door.kinds() == [INITIAL, UPDATE, TERMINATION]
        words = [event.free for event in door.heard]
        assert all(said is not None for said in words)
        names = [dict(said.fields)["EventName"] for said in words if said is not None]
        assert names == ["CHANNEL_PARK", "CHANNEL_ANSWER", "CHANNEL_HANGUP_COMPLETE"]


async def test_a_call_free_of_charge_is_let_through_without_a_limit() -> None:
    async with told(lambda _: granting(600, Result.FREE_OF_CHARGE)) as (door, switch):
        call = switch.call(Plan(talk_s=4))
        await asyncio.sleep(10)
        assert call.cause == "NORMAL_CLEARING"
        assert "execute_on_answer" not in call.variables
        assert "cgr_max_usage" not in call.variables
        assert door.kinds() == [INITIAL, UPDATE, TERMINATION]


async def test_the_dialplan_is_told_the_words_of_the_core_and_the_core_of_the_end() -> None:
    refusal = ChargingAnswer(Result.DENIED, message="RESOURCES_ERROR:RESOURCE_UNAUTHORIZED")
    async with told(lambda _: refusal) as (door, switch):
        call = switch.call(Plan())
        await asyncio.sleep(5)
        assert call.variables["cgr_notify"] == "RESOURCES_ERROR:RESOURCE_UNAUTHORIZED"
        assert door.kinds() == [INITIAL, TERMINATION]


async def test_calls_that_are_nobodys_are_not_told() -> None:
    async with told(lambda _: granting(600)) as (door, switch):
        switch.call(Plan(variables={"process_cdr": "false"}, is_parked=False))
        switch.call(Plan(variables={"cgr_reqtype": "*none"}, is_parked=False))
        await asyncio.sleep(10)
        assert door.heard == []
