"""One switch over time: broken connections, servers and switches that go away, calls that end meanwhile."""

import asyncio
import itertools

import pytest

from ocs.agents.freeswitch.agent import FreeswitchAgent
from ocs.config.settings import FreeswitchSettings, Switch
from tests.agents.freeswitch.scripted import Plan, Scripted
from tests.agents.freeswitch.world import SWITCH, World, connected, world


async def test_the_agent_logs_in_and_subscribes_as_dialplans_expect() -> None:
    async with world(event_format="plain") as (_, switch):
        assert switch.heard[:4] == [
            "auth secret",
            "filter Call-Direction inbound",
            "filter Event-Name BACKGROUND_JOB",
            "event plain CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE CHANNEL_PARK BACKGROUND_JOB",
        ]


async def test_plain_events_charge_the_same() -> None:
    async with world(event_format="plain") as (made, switch):
        switch.call(Plan(talk_s=4.0))
        await asyncio.sleep(10)
        assert made.left() == (1_000_000 - 4_000, 0)


async def test_without_park_events_the_answer_counts() -> None:
    async with world(subscribe_park=False) as (made, switch):
        switch.call(Plan(is_parked=False, talk_s=4.0))
        await asyncio.sleep(10)
        assert "CHANNEL_PARK" not in switch.heard[3]
        assert made.left() == (1_000_000 - 4_000, 0)


async def test_attempts_to_connect_become_rarer_and_go_on() -> None:
    async with world() as (made, switch):
        switch.is_down = True
        begun = len(made.loop.attempts)
        switch.cut()
        await asyncio.sleep(300)
        times = made.loop.attempts[begun:]
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert gaps[0] < 2
        assert max(gaps) <= 36
        assert 10 <= len(times) <= 25
        switch.is_down = False
        await connected(made)
        assert made.agent.switches() == {"fs1": (True, 0)}


async def test_a_wrong_password_is_not_hammered() -> None:
    switch = Scripted(password="other")
    made = World()
    await made.agent.start()
    await asyncio.sleep(100)
    assert 2 <= sum(said.startswith("auth") for said in switch.heard) <= 6
    assert made.agent.switches() == {"fs1": (False, 0)}
    await made.agent.drain()


async def test_a_silent_switch_is_left_and_found_again() -> None:
    async with world() as (made, switch):
        switch.is_mute = True
        await asyncio.sleep(20)
        assert not made.client.is_synchronised
        switch.is_mute = False
        await connected(made)
        assert len(switch.connections) == 1


async def test_a_call_outlives_the_connection_and_is_charged_in_full() -> None:
    async with world(grant_s=60) as (made, switch):
        call = switch.call(Plan(talk_s=90.0))
        await asyncio.sleep(10)
        switch.is_down = True
        switch.cut()
        await asyncio.sleep(20)
        switch.is_down = False
        await connected(made)
        await asyncio.sleep(120)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == (1_000_000 - 90_000, 0)


async def test_a_call_that_ended_while_we_were_away_is_charged_to_its_last_known_moment() -> None:
    async with world() as (made, switch):
        switch.call(Plan(talk_s=15.0))
        await asyncio.sleep(10.3)
        switch.is_down = True
        switch.cut()
        await asyncio.sleep(600)
        assert made.left()[1] > 0
        switch.is_down = False
        await connected(made)
        await asyncio.sleep(1)
        left, held = made.left()
        assert held == 0
        assert 1_000_000 - 10_001 <= left < 1_000_000 - 9_900
        (record,) = made.records()
        assert dict(record.context.extra)["closed"] == "at the last time it was known to be there"


async def test_while_we_are_away_the_switch_keeps_the_limit() -> None:
    async with world(grant_s=30, nanos=1_000_000) as (_, switch):
        call = switch.call(Plan(talk_s=None))
        await asyncio.sleep(5)
        switch.is_down = True
        switch.cut()
        await asyncio.sleep(600)
        assert call.cause == "ALLOTTED_TIMEOUT"
        assert (call.ended_us - call.answered_us) / 1e6 <= 30


@pytest.mark.parametrize(
    "answer", ["-ERR no reply", "", '{"row_count": 3, "rows": []}', "[]", '{"rows": []}', "x"]
)
async def test_a_list_that_is_none_ends_no_call(answer: str) -> None:
    async with world(sync_interval_ns=10**9) as (made, switch):
        switch.call(Plan(talk_s=40.0))
        await asyncio.sleep(5)
        switch.answers["show channels"] = answer
        await asyncio.sleep(10)
        switch.cut()
        await asyncio.sleep(10)
        assert made.left()[1] > 0
        switch.answers.clear()
        await asyncio.sleep(60)
        assert made.left() == (1_000_000 - 40_000, 0)


async def test_without_a_list_calls_are_charged_and_old_sessions_taken_up_as_they_are_heard_of() -> None:
    async with world(grant_s=60) as (made, switch):
        old = switch.call(Plan(talk_s=40.0))
        await asyncio.sleep(5)
        await made.agent.drain()
        switch.answers["show channels"] = "-ERR no such command"
        made.begin()
        await made.agent.start()
        await connected(made)
        switch.call(Plan(talk_s=10.0))
        await asyncio.sleep(60)
        assert old.cause == "NORMAL_CLEARING"
        assert made.left() == (1_000_000 - 50_000, 0)
        assert sorted(record.session_id for record in made.records()) == ["call-1", "call-2"]


async def test_a_list_that_comes_late_closes_what_has_ended_meanwhile() -> None:
    async with world() as (made, switch):
        gone = switch.call(Plan(talk_s=12.0))
        await asyncio.sleep(5)
        await made.agent.drain()
        await asyncio.sleep(20)
        switch.answers["show channels"] = "-ERR busy"
        made.begin()
        await made.agent.start()
        await connected(made)
        await asyncio.sleep(5)
        assert made.left()[1] > 0, "nothing is concluded"
        switch.answers.clear()
        await asyncio.sleep(15)
        assert gone.cause == "NORMAL_CLEARING"
        assert made.left()[1] == 0


async def test_a_list_the_switch_is_slow_with_does_not_cost_the_connection() -> None:
    async with world(sync_interval_ns=10**9) as (made, switch):
        switch.slow_jobs_s = 30.0
        before = made.client.connections
        switch.call(Plan(talk_s=20.0))
        await asyncio.sleep(60)
        assert made.client.connections == before
        assert made.left() == (1_000_000 - 20_000, 0)


async def test_a_call_whose_end_was_never_said_is_closed_after_two_lists() -> None:
    async with world(sync_interval_ns=10 * 10**9) as (made, switch):
        call = switch.call(Plan(talk_s=None))
        await asyncio.sleep(25)
        call.unschedule()
        del switch.calls[call.uuid]
        await asyncio.sleep(30)
        left, held = made.left()
        assert held == 0
        assert 1_000_000 - 26_000 < left < 1_000_000 - 15_000


async def test_a_restarted_server_goes_on_where_it_was() -> None:
    async with world(grant_s=60, latency_s=0.001) as (made, switch):
        long = switch.call(Plan(talk_s=100.0))
        short = switch.call(Plan(talk_s=20.0))
        waiting = None
        await asyncio.sleep(10)
        await made.agent.drain()
        await asyncio.sleep(5)
        waiting = switch.call(Plan(ring_s=2.0, talk_s=7.0))
        await asyncio.sleep(15)
        made.begin()
        await made.agent.start()
        await connected(made)
        await asyncio.sleep(150)
        assert [call.cause for call in (long, short, waiting)] == ["NORMAL_CLEARING"] * 3
        records = {record.session_id: record for record in made.records()}
        assert records[long.uuid].cost_nanos == 100_000
        assert records[waiting.uuid].cost_nanos == 7_000
        assert records[short.uuid].cost_nanos == 0  # nothing of it had been reported before the server went
        assert made.left() == (1_000_000 - 107_000, 0)
        assert await made.problems() == []


async def test_a_killed_server_that_had_reported_bills_only_the_rest() -> None:
    async with world(grant_s=20) as (made, switch):
        switch.call(Plan(talk_s=40.0))
        await asyncio.sleep(25)
        for task in made.agent._tasks:
            task.cancel()  # no good-bye
        await asyncio.sleep(2)
        made.begin()
        await made.agent.start()
        await connected(made)
        await asyncio.sleep(60)
        assert made.left() == (1_000_000 - 40_000, 0)
        assert len(made.records()) == 1


async def test_a_call_parked_while_nobody_listened_is_authorised_at_last() -> None:
    async with world() as (made, switch):
        switch.is_down = True
        switch.cut()
        call = switch.call(Plan(talk_s=3.0))
        await asyncio.sleep(5)
        assert call.answered_us == 0
        switch.is_down = False
        await connected(made)
        await asyncio.sleep(10)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == (1_000_000 - 3_000, 0)


async def test_an_answer_while_we_were_away_is_found() -> None:
    async with world() as (made, switch):
        call = switch.call(Plan(ring_s=5.0, talk_s=30.0))
        await asyncio.sleep(2)
        switch.is_down = True
        switch.cut()
        await asyncio.sleep(10)
        switch.is_down = False
        await connected(made)
        await asyncio.sleep(60)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == (1_000_000 - 30_000, 0)


async def test_a_switch_that_began_anew_has_no_old_calls() -> None:
    async with world() as (made, switch):
        switch.call(Plan(talk_s=None))
        await asyncio.sleep(10)
        for call in tuple(switch.calls.values()):
            call.unschedule()
        switch.calls.clear()
        switch.cut()
        await asyncio.sleep(10)
        left, held = made.left()
        assert held == 0
        assert left > 1_000_000 - 11_000


async def test_several_switches_have_calls_of_their_own() -> None:
    first, second = Scripted(), Scripted("fs2.test")
    other = Switch("fs2.test", 8021, None, "secret")
    made = World(switches=(SWITCH, other))
    await made.open_account("1001", 10_000_000)
    await made.agent.start()
    await asyncio.sleep(1)
    first.call(Plan(talk_s=3.0), uuid="same")
    second.call(Plan(talk_s=4.0), uuid="same")
    second.is_down = True
    await asyncio.sleep(1)
    second.cut()
    await asyncio.sleep(10)
    assert made.agent.switches() == {"fs1": (True, 0), "fs2.test:8021": (False, 1)}
    second.is_down = False
    await asyncio.sleep(60)
    assert made.left()[1] == 0
    assert {record.client for record in made.records()} == {"fs1", "fs2.test:8021"}
    await made.agent.drain()


def test_a_password_may_be_in_a_file_and_is_never_shown(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "password"
    path.write_text("geheim\n")
    switch = Switch("fs1.test", password_file=str(path))
    agent = FreeswitchAgent(FreeswitchSettings(switches=(switch,)), None)  # type: ignore[arg-type]
    assert agent._clients["fs1.test:8021"]._password == "geheim"
    assert "secret" not in repr(FreeswitchSettings(switches=(SWITCH,)))


async def test_frames_that_are_none_break_only_the_connection() -> None:
    async with world() as (made, switch):
        call = switch.call(Plan(talk_s=30.0))
        await asyncio.sleep(5)
        for garbage in (
            b"\xff\xfe no header\n\n",
            b"Content-Length: x\n\n",
            b"Content-Type: api/response\n\n",
        ):
            for pipe in tuple(switch.connections):
                pipe.give(garbage)
            await asyncio.sleep(3)
            assert made.client.is_synchronised
        for pipe in tuple(switch.connections):
            pipe.give(b"Content-Type: text/event-json\nContent-Length: 3\n\n{]}")
            pipe.give(b"Content-Type: log/data\nContent-Length: 3\n\nabc")
        await asyncio.sleep(40)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left() == (1_000_000 - 30_000, 0)


async def test_a_call_that_one_list_misses_goes_on() -> None:
    async with world(sync_interval_ns=10 * 10**9) as (made, switch):
        switch.call(Plan(talk_s=60.0))
        await asyncio.sleep(15)
        switch.answers["show channels"] = '{"row_count": 0}'
        await asyncio.sleep(10)
        switch.answers.clear()
        assert len(made.client.flow.calls) == 1
        await asyncio.sleep(60)
        assert made.left() == (1_000_000 - 60_000, 0)
        assert "closed" not in dict(made.records()[0].context.extra)


@pytest.mark.parametrize("is_new_process", [False, True])
async def test_a_call_that_ends_while_the_list_is_asked_for_is_charged_in_full(is_new_process: bool) -> None:
    async with world(grant_s=20) as (made, switch):
        call = switch.call(Plan(talk_s=None))
        await asyncio.sleep(15)
        switch.before_list = lambda: call.hang_up("NORMAL_CLEARING")
        if is_new_process:
            await made.agent.drain()
            made.begin()
            await made.agent.start()
        else:
            switch.cut()
        await asyncio.sleep(1)
        await connected(made)
        await asyncio.sleep(1)
        talked_ms = -(-(call.ended_us - call.answered_us) // 1_000)
        assert made.left() == (1_000_000 - talked_ms, 0)
        assert len(made.records()) == 1
