"""Every recorded stream played to the agent: what it tells the switch, and what the calls come to."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest

from tests.agents.freeswitch import recorded
from tests.agents.freeswitch.replay import EVENTS, Replayed
from tests.agents.freeswitch.world import World, connected
from tests.support.charging import NOON_NS

PLENTY = 1_000_000_000_000
ACCOUNTS = ("1001", "1005")
CALLS = [
    name for name in recorded.NAMES if any(event["Event-Name"] in EVENTS for event in recorded.events(name))
]
OURS = ("uuid_setvar", "uuid_transfer")
MADE_BY_THE_AGENT = (  # recordings in which the client said what the agent says, and nothing else about calls
    "01-answered-plain",
    "01-answered-json",
    "05-two-legs-sip-agent-plain",
    "04-callee-hangs-up-plain",
    "04-callee-busy-plain",
    "09-reconnect-mid-call-plain-1",
)


def expected_nanos(name: str) -> int:
    """The price of a recording's calls by its own words: three nanos for each millisecond begun, after six."""
    total = 0
    for event in recorded.events(name):
        if event["Event-Name"] != "CHANNEL_HANGUP_COMPLETE" or event["Call-Direction"] != "inbound":
            continue
        is_leg = "variable_other_loopback_from_uuid" in event
        has_account = "Caller-Username" in event or "variable_cgr_account" in event
        if event.get("variable_process_cdr") == "false" or is_leg or not has_account:
            continue
        total += -(-int(event["variable_billusec"]) // 1_000) * 3
    return total


def expected_commands(name: str) -> dict[str, list[str]]:
    """What the switch is told of each of a recording's calls, by what its events say.

    A call of somebody is armed with what is granted, an hour, and let on; one that was answered before is armed
    at once; one of nobody is sent back with the reason; legs of a loopback and outbound ones are left alone.
    """
    expected: dict[str, list[str]] = {}
    for event in recorded.events(name):
        uuid, number = event.get("Unique-ID", ""), event.get("Caller-Destination-Number", "")
        is_ours = (
            event.get("Call-Direction") == "inbound" and "variable_other_loopback_from_uuid" not in event
        )
        is_known = uuid in expected
        if not is_ours or event["Event-Name"] not in EVENTS[:2]:
            continue
        said = expected.setdefault(uuid, [])
        limit = "sched_hangup +3600"
        if event["Event-Name"] == "CHANNEL_ANSWER":
            said += [] if is_known else [f"sched_del {uuid}", f"{limit} {uuid} allotted_timeout"]
            continue
        setvar = f"uuid_setvar {uuid}"
        if not event.get("Caller-Username") and not event.get("variable_cgr_account"):
            said.append(f"{setvar} cgr_notify MANDATORY_IE_MISSING: [Account]")
        else:
            said.append(f"{setvar} cgr_max_usage 3600")
            said += [] if is_known else [f"{setvar} execute_on_answer {limit} allotted_timeout"]
            said += [f"{setvar} cgr_originhost fs1", f"{setvar} cgr_notify AUTH_OK"]
        said.append(f"uuid_transfer {uuid} {number}")
    return expected


def without_spelling(commands: list[str]) -> list[str]:
    """Commands as the agent writes them: its own spelling of the cause, no surplus spaces."""
    return [command.replace("alloted", "allotted").strip() for command in commands]


async def play(name: str, **settings: Any) -> tuple[World, Replayed]:
    """A recording from its first event to its last, and what comes after."""
    switch = Replayed(name)
    made = World(offset_ns=switch.begins_us * 1_000 - NOON_NS, **settings)
    for number in ACCOUNTS:
        await made.open_account(number, PLENTY)
    await made.agent.start()
    await connected(made)
    await asyncio.sleep(switch.play() + 2)
    return made, switch


@pytest.mark.parametrize("form", ["json", "plain"])
@pytest.mark.parametrize("name", CALLS)
async def test_a_recording_comes_to_what_its_calls_took(name: str, form: str) -> None:
    made, _ = await play(name, event_format=form)
    taken = sum(PLENTY - made.left(number)[0] for number in ACCOUNTS)
    assert taken == expected_nanos(name)
    for number in ACCOUNTS:
        assert await made.problems(number) == []
    await made.agent.drain()


@pytest.mark.parametrize("form", ["json", "plain"])
@pytest.mark.parametrize("name", CALLS)
async def test_the_switch_is_told_what_the_calls_of_a_recording_need(name: str, form: str) -> None:
    made, switch = await play(name, event_format=form)
    said: dict[str, list[str]] = {uuid: [] for uuid in expected_commands(name)}
    for command in switch.said:
        uuid = command.split(" ")[2 if command.startswith("sched_hangup") else 1]
        said[uuid].append(command)
    assert said == expected_commands(name)
    await made.agent.drain()


@pytest.mark.parametrize("name", CALLS)
def test_what_is_played_are_octets_of_the_recording(name: str) -> None:
    assert all(raw in recorded.sent(name) for raw in Replayed.raw_of(name))


def test_recordings_without_calls_are_those_about_the_protocol() -> None:
    assert all(
        name.startswith(("06-", "10-xml", "11-reload")) for name in recorded.NAMES if name not in CALLS
    )


@pytest.mark.parametrize("name", MADE_BY_THE_AGENT)
async def test_the_switch_is_told_what_it_was_told_in_the_recording(name: str) -> None:
    made, switch = await play(name)
    said = [command.removeprefix("api ") for command in recorded.said(name)]
    before = [command for command in said if command.startswith(OURS) and "origin" not in command]
    ours = [command for command in switch.said if command.startswith(OURS) and "origin" not in command]
    assert ours == without_spelling(before)
    await made.agent.drain()


async def test_the_agents_login_is_the_recorded_one() -> None:
    made, switch = await play("01-answered-plain", event_format="plain")
    assert switch.heard[1:4] == recorded.said("01-answered-plain")[1:4]
    await made.agent.drain()


async def test_a_refusal_is_said_as_in_the_recording() -> None:
    switch = Replayed("02-rejected-notify-plain")
    made = World(offset_ns=switch.begins_us * 1_000 - NOON_NS)
    await made.open_account("1001", 0)
    await made.agent.start()
    await connected(made)
    await asyncio.sleep(switch.play() + 2)
    said = [command.removeprefix("api ") for command in recorded.said("02-rejected-notify-plain")]
    assert switch.said == [command for command in said if command.startswith(OURS)]
    await made.agent.drain()


@pytest.mark.parametrize("name", ["03-limit-reached-plain", "03-limit-reached-json"])
async def test_a_recorded_limit_costs_no_more_than_was_granted(name: str) -> None:
    switch = Replayed(name)
    made = World(offset_ns=switch.begins_us * 1_000 - NOON_NS)
    await made.open_account("1001", 9_000)  # three seconds
    await made.agent.start()
    await connected(made)
    await asyncio.sleep(switch.play() + 2)
    billed_us = int(switch.events[-1]["variable_billusec"])
    assert any("sched_hangup +3 allotted_timeout" in command for command in switch.said)
    assert made.left() == (9_000 - min(-(-billed_us // 1_000), 3_000) * 3, 0)
    await made.agent.drain()


async def test_an_originated_call_without_an_account_is_refused() -> None:
    made, switch = await play("05-originate-loopback-plain")
    leg = switch.events[0]["Unique-ID"]
    assert switch.said == [
        f"uuid_setvar {leg} cgr_notify MANDATORY_IE_MISSING: [Account]",
        f"uuid_transfer {leg} 1002",
    ]
    await made.agent.drain()


async def test_every_call_of_a_recording_has_one_record() -> None:
    for name in CALLS:
        made, switch = await play(name)
        found: defaultdict[str, int] = defaultdict(int)
        for record in made.records():
            found[record.session_id] += 1
        assert set(found.values()) <= {1}, name
        answered = {
            event["Unique-ID"]
            for event in switch.events
            if event["Event-Name"] == "CHANNEL_HANGUP_COMPLETE" and int(event["variable_billusec"])
        }
        assert set(found) <= answered | {event["Unique-ID"] for event in switch.events}
        await made.agent.drain()
