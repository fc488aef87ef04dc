"""Requests of the server: a session is ended or asked again, a peer is sent away."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from ocs.diameter import avps
from ocs.diameter.avp import decode_i32, decode_u32
from ocs.diameter.codes import PROXIABLE, REQUEST
from ocs.diameter.message import Message
from tests.cgrates.diameter.world import (
    DATA,
    INITIAL,
    TO,
    UPDATE,
    Client,
    S,
    World,
    example,
    run,
    served,
    shown,
)
from tests.support.diameter_peer import answer_to, code_of
from tests.support.gy import requested, seconds, service, used


def settings(**keys: Any) -> dict[str, Any]:
    found = example()
    found["diameter_agent"] |= keys
    return found


async def begun(world: World, host: str = "pgw.example.net", session: str = "s;1") -> Client:
    """A client with a call."""
    client = await world.client(host)
    wish = service(100, requested(seconds(300)))
    assert code_of(await client.ask(client.ccr(INITIAL, 0, TO, wish, session=session))) == 2001
    return client


async def asked(client: Client, doing: Awaitable[Any], code: int = 2001) -> tuple[Message, Any]:
    """What the server asks while it does something, and what came of that."""
    task = asyncio.ensure_future(doing)
    message = await client.peer.receive()
    client.peer.send(answer_to(message, code, client.host))
    return message, await task


def one(world: World) -> str:
    """The id of the only session."""
    (cgrid,) = world.runtime.state.sessions
    return cgrid


@pytest.mark.parametrize(("forced", "command"), [("*asr", 274), ("*rar", 258)])
def test_the_client_of_a_session_is_asked_to_end_it(forced: str, command: int) -> None:
    """Command and application are those of RFC 6733 8.5 and RFC 8506 5.5, not those of the session's request."""

    async def test() -> None:
        async with served(settings(forced_disconnect=forced)) as world:
            client = await begun(world)
            disconnect = world.runtime.timers.disconnect(one(world), "INSUFFICIENT_CREDIT")
            message, is_asked = await asked(client, disconnect)
            assert (message.command_code, message.application_id) == (command, 4)
            assert message.flags == REQUEST | PROXIABLE
            names = ("SESSION_ID", "ORIGIN_HOST", "ORIGIN_REALM", "DESTINATION_REALM", "DESTINATION_HOST")
            said = [(message.octets(getattr(avps, name)) or b"").decode() for name in names]
            assert said == ["s;1", "ocs.test.invalid", "test.invalid", "client.example", "pgw.example.net"]
            assert message.avps[0][0] == avps.SESSION_ID
            assert decode_u32(message.frame, message.require(avps.AUTH_APPLICATION_ID)) == 4
            assert is_asked
            assert len(world.sessions) == 1, "its client ends it"

    run(test())


def test_a_session_whose_client_is_not_to_be_asked_is_ended_here() -> None:
    async def test() -> None:
        async with served(settings(forced_disconnect="*none")) as world:
            await begun(world)
            assert not await world.runtime.timers.disconnect(one(world), "FORCED")
            assert world.sessions == []
            (record,) = world.records()
            assert world.left() == 10 * S - record.cost_nanos

    run(test())


def test_a_client_that_knows_no_such_session_has_it_ended_here() -> None:
    async def test() -> None:
        async with served(
            settings() | {"sessions": example()["sessions"] | {"terminate_attempts": 1}}
        ) as world:
            client = await begun(world)
            disconnect = world.runtime.timers.disconnect(one(world), "FORCED")
            _, is_asked = await asked(client, disconnect, code=5002)
            assert not is_asked
            assert world.sessions == []

    run(test())


def test_a_rating_group_s_session_is_found_by_its_own_name() -> None:
    async def test() -> None:
        async with served(settings()) as world:
            client = await world.client()
            await client.ask(client.ccr(INITIAL, 0, service(20, requested()), context=DATA, session="d;1"))
            assert world.sessions == ["d;1_20"]
            message, _ = await asked(client, world.runtime.timers.disconnect(one(world), "FORCED"))
            assert message.octets(avps.SESSION_ID) == b"d;1"

    run(test())


def test_altering_a_session_asks_its_client_again_by_the_template() -> None:
    template = [
        {"type": "*template", "value": "*rar"},
        {
            "path": "*diamreq.Rating-Group",
            "type": "*variable",
            "value": "~*req.Multiple-Services-Credit-Control.Rating-Group",
        },
        {"path": "*diamreq.User-Name", "type": "*variable", "value": "~*cgreq.Extra"},
    ]

    async def test() -> None:
        found = settings(rar_template="mine")
        found["templates"]["mine"] = template
        async with served(found) as world:
            client = await begun(world)
            alter = world.engine.result(
                "SessionSv1.AlterSessions",
                {"Filters": ["*string:~*req.Account:1001"], "Event": {"Extra": "more"}, "APIOpts": {}},
            )
            message, said = await asked(client, alter, code=2002)
            assert said == "OK"
            assert message.command_code == 258
            assert "Re-Auth-Request-Type (285) M 0 AUTHORIZE_ONLY" in shown(message)
            assert "Rating-Group (432) M 100" in shown(message)
            assert message.octets(avps.USER_NAME) == b"more"

    run(test())


def test_a_peer_is_sent_away_with_a_cause() -> None:
    async def test() -> None:
        async with served(settings()) as world:
            client, other = await begun(world), await begun(world, "other.example", "s;2")
            leave = world.engine.result(
                "SessionSv1.DisconnectPeer",
                {"OriginHost": client.host, "OriginRealm": "client.example", "DisconnectCause": 2},
            )
            message, said = await asked(client, leave)
            assert said == "OK"
            assert message.command_code == 282
            assert decode_i32(message.frame, message.require(avps.DISCONNECT_CAUSE)) == 2
            assert await client.peer.closed()
            more = service(100, requested(seconds(1)), used(seconds(1)))
            assert code_of(await other.ask(other.ccr(UPDATE, 1, TO, more, session="s;2"))) == 2001

    run(test())


@pytest.mark.parametrize(
    "told",
    [
        {"OriginHost": "nobody.example", "DisconnectCause": 0},
        {"RemoteAddr": "192.0.2.1:3868", "DisconnectCause": 0},
        {"OriginHost": "pgw.example.net", "DisconnectCause": 7},
    ],
)
def test_a_peer_that_is_not_there_and_a_cause_that_is_none_are_errors(told: dict[str, Any]) -> None:
    async def test() -> None:
        async with served(settings()) as world:
            await begun(world)
            assert await world.engine.error("SessionSv1.DisconnectPeer", told) == "PARTIALLY_EXECUTED"

    run(test())


def test_the_request_of_a_session_is_remembered_for_a_time() -> None:
    async def test() -> None:
        async with served(settings()) as world:
            await begun(world)
            world.now_ns += 4 * 3_600 * S
            assert not await world.runtime.timers.disconnect(one(world), "FORCED")
            assert world.sessions == []

    run(test())


def test_a_debit_loop_that_finds_no_credit_ends_the_session_at_its_client() -> None:
    async def test() -> None:
        found = settings()
        found["sessions"] = found["sessions"] | {"debit_interval": "10ms", "min_dur_low_balance": "0s"}
        async with served(found, nanos=20_000) as world:  # 20 ms
            client = await world.client()
            wish = service(100, requested(seconds(300)))
            client.peer.send(client.ccr(INITIAL, 0, TO, wish))
            messages = [await client.peer.receive(), await client.peer.receive()]
            commands = sorted(message.command_code for message in messages)
            assert commands == [272, 274]

    run(test())


def test_the_port_is_free_as_soon_as_the_server_is_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where other network elements keep the server waiting."""

    async def test() -> None:
        async with served(settings()) as world:
            client, gate = await begun(world), asyncio.Event()

            async def drain() -> None:
                await gate.wait()

            monkeypatch.setattr(world.agents.freeswitch, "drain", drain)
            ((_, port),) = world.front.node.addresses()
            stopping = asyncio.ensure_future(world.agents.stop())
            await asyncio.sleep(0)
            successor = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port)
            successor.close()
            gate.set()
            message = await client.peer.receive()
            assert message.command_code == 282
            client.peer.send(answer_to(message, 2001, client.host))
            await stopping

    run(test())
