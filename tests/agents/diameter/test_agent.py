"""What concerns the whole agent: restarts of clients, requests to them, the end."""

import asyncio

import pytest

from ocs.charging.control import ControlResult, SessionAddress
from ocs.config import settings as config
from ocs.config.settings import DiameterSettings
from ocs.diameter import avps
from ocs.diameter.avp import decode_u32, encode_u32
from ocs.diameter.codes import RELAY_APPLICATION
from tests.agents.diameter.running import MS, asking, run, timed
from tests.support.diameter_peer import (
    ANY_PORT,
    Peer,
    answer_to,
    code_of,
    dpr,
    dwr,
    running,
)
from tests.support.gy import CLIENT, SESSION, ccr

# --- restarts


def test_requests_of_a_restarted_client_wait_until_its_sessions_are_closed() -> None:
    async def test() -> None:
        async with running() as (agent, charging, _):
            peer = await Peer.opened(agent)
            state = [encode_u32(avps.ORIGIN_STATE_ID, number) for number in (1, 2, 2)]
            peer.send(ccr(state[0], number=0))
            assert code_of(await peer.receive()) == 2001
            charging.closing = asyncio.Event()
            peer.send(ccr(state[1], number=1), ccr(state[2], number=2), dwr())
            assert (await peer.receive()).command_code == 280
            await charging.until(lambda: charging.restarted == [CLIENT])
            assert [event.event_id for event in charging.events] == [0]
            charging.closing.set()
            assert [code_of(await peer.receive()) for _ in range(2)] == [2001, 2001]
            assert [event.event_id for event in charging.events] == [0, 1, 2]
            assert charging.restarted == [CLIENT]
            peer.close()

    run(test())


def test_a_rising_state_in_the_capabilities_closes_the_sessions_of_that_client() -> None:
    async def test() -> None:
        async with running() as (agent, charging, _):
            for state_id, restarted in ((5, []), (5, []), (6, [CLIENT])):
                peer = await Peer.opened(agent, state_id=state_id)
                (connection,) = agent._connections
                peer.send(asking())
                assert code_of(await peer.receive()) == 2001
                assert charging.restarted == restarted
                peer.close()
                await connection.gone

    run(test())


# --- requests of the server


def address(client: str = CLIENT, origin: str = CLIENT, rating_group: int | None = None) -> SessionAddress:
    return SessionAddress(client, SESSION, origin, "data", rating_group)


@pytest.mark.parametrize(
    ("code", "reauthorized", "disconnected"),
    [
        (2001, ControlResult.UNDER_WAY, ControlResult.ACCEPTED),
        (2002, ControlResult.ACCEPTED, ControlResult.ACCEPTED),
        (5002, ControlResult.UNKNOWN_SESSION, ControlResult.UNKNOWN_SESSION),
        (3001, ControlResult.UNSUPPORTED, ControlResult.UNSUPPORTED),
        (5005, ControlResult.REFUSED, ControlResult.REFUSED),
        (3002, ControlResult.NO_ANSWER, ControlResult.NO_ANSWER),
    ],
)
def test_the_clients_answer_decides(
    code: int, reauthorized: ControlResult, disconnected: ControlResult
) -> None:
    async def test() -> None:
        async with running() as (agent, _, _):
            peer = await Peer.opened(agent)
            asked = asyncio.create_task(agent.reauthorize(address(rating_group=10)))
            request = await peer.receive()
            assert (request.command_code, request.flags, request.application_id) == (258, 0xC0, 4)
            assert request.avps[0][0] == avps.SESSION_ID
            assert request.octets(avps.SESSION_ID) == SESSION.encode()
            assert request.octets(avps.DESTINATION_HOST) == CLIENT.encode()
            assert request.octets(avps.DESTINATION_REALM) == b"client.example"
            assert request.octets(avps.RE_AUTH_REQUEST_TYPE) == bytes(4)
            assert decode_u32(request.frame, request.require(avps.RATING_GROUP)) == 10
            peer.send(answer_to(request, code))
            assert await asked is reauthorized
            ending = asyncio.create_task(agent.disconnect(address(), "blocked"))
            request = await peer.receive()
            assert (request.command_code, request.first(avps.RE_AUTH_REQUEST_TYPE)) == (274, None)
            peer.send(answer_to(request, code))
            assert await ending is disconnected
            peer.close()

    run(test())


def test_a_request_goes_by_the_relay_the_session_came_over_and_again_over_another() -> None:
    async def test() -> None:
        async with running() as (agent, _, _):
            first = await Peer.opened(agent, "dra1.example.net", application=RELAY_APPLICATION)
            second = await Peer.opened(agent, "dra2.example.net", application=RELAY_APPLICATION)
            asked = asyncio.create_task(agent.reauthorize(address("pcef.example.net", "dra2.example.net")))
            request = await second.receive()
            second.send(answer_to(request, 3002, "dra2.example.net"))
            again = await first.receive()
            assert again.is_retransmitted
            assert not request.is_retransmitted
            assert again.end_to_end == request.end_to_end
            first.send(answer_to(again, 2002, "dra1.example.net"))
            assert await asked is ControlResult.ACCEPTED
            first.close()
            second.close()

    run(test())


def test_without_a_path_or_an_answer_there_is_no_answer() -> None:
    async def test() -> None:
        async with running() as (agent, _, _):
            assert await agent.reauthorize(address()) is ControlResult.NO_ANSWER
            peer = await Peer.opened(agent)
            asked = asyncio.create_task(agent.disconnect(address(), "blocked"))
            assert (await peer.receive()).command_code == 274
            peer.writer.transport.abort()
            assert await asked is ControlResult.NO_ANSWER

    run(test())


def test_a_client_that_ignores_such_requests_is_not_asked() -> None:
    async def test() -> None:
        entry = config.Peer(CLIENT, profile="open5gs")
        async with running(DiameterSettings(listen=ANY_PORT, peers=(entry,))) as (agent, _, _):
            assert await agent.reauthorize(address()) is ControlResult.UNSUPPORTED
            assert await agent.disconnect(address(), "blocked") is ControlResult.UNSUPPORTED

    run(test())


def test_a_client_behind_a_relay_is_asked_by_the_relays_profile() -> None:
    async def test() -> None:
        entry = config.Peer("dra.example.net", profile="open5gs")
        async with running(DiameterSettings(listen=ANY_PORT, peers=(entry,))) as (agent, _, _):
            relay = await Peer.opened(agent, "dra.example.net", application=RELAY_APPLICATION)
            behind = address("smf.example.net", "dra.example.net")
            assert await agent.reauthorize(behind) is ControlResult.UNSUPPORTED
            relay.close()

    run(test())


# --- the end


def test_draining_answers_what_is_open_then_disconnects() -> None:
    async def test() -> None:
        async with running() as (agent, charging, _):
            charging.holding = True
            peer = await Peer.opened(agent)
            where = agent.addresses()[0]
            peer.send(asking())
            await charging.until(lambda: len(charging.events) == 1)
            draining = asyncio.create_task(agent.drain())
            await asyncio.sleep(0)
            with pytest.raises(OSError, match=r"refused|Connect"):
                await asyncio.open_connection(*where)
            charging.release()
            assert (await peer.receive()).command_code == 272
            farewell = await peer.receive()
            assert farewell.command_code == 282
            assert farewell.octets(avps.DISCONNECT_CAUSE) == bytes(4)
            peer.send(answer_to(farewell, 2001))
            assert await peer.closed()
            await draining
            assert agent.peers() == []
            peer.close()

    run(test())


def test_draining_does_not_wait_for_ever() -> None:
    async def test() -> None:
        diameter = timed(drain_ns=20 * MS, disconnect_answer_ns=20 * MS)
        async with running(diameter) as (agent, charging, _):
            charging.holding = True
            peer = await Peer.opened(agent)
            peer.send(asking())
            await charging.until(lambda: len(charging.events) == 1)
            await agent.drain()
            assert (await peer.receive()).command_code == 282
            assert await peer.closed()
            assert agent.peers() == []
            peer.close()

    run(test())


def test_a_peer_that_leaves_gets_its_answers_first() -> None:
    async def test() -> None:
        async with running() as (agent, charging, _):
            charging.holding = True
            peer = await Peer.opened(agent)
            peer.send(asking(), dpr())
            await charging.until(lambda: len(charging.events) == 1)
            charging.release()
            assert [(await peer.receive()).command_code for _ in range(2)] == [272, 282]
            peer.close()

    run(test())
