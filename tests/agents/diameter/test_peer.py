"""Requests and answers over a real loopback socket."""

import asyncio
import socket
from typing import Any

import pytest

from ocs.agents.diameter import peer as peer_module
from ocs.agents.diameter.peer import TURN_EVENTS
from ocs.charging.events import ChargingAnswer, ChargingEvent, Result
from ocs.diameter import avps
from ocs.diameter.avp import encode_octets, encode_utf8
from ocs.diameter.message import Message, encode_message
from tests.agents.diameter.running import asking, limited, run
from tests.support.diameter_peer import (
    Peer,
    cer,
    code_of,
    dwr,
    running,
)
from tests.support.gy import CLIENT, ccr

# --- requests


def test_frames_are_understood_octet_by_octet() -> None:
    async def test() -> None:
        async with running() as (agent, _, _):
            peer = await Peer.connect(agent)
            peer.writer.transport.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )
            for octet in cer() + asking():
                peer.send(bytes([octet]))
                await peer.writer.drain()
            assert code_of(await peer.receive()) == 2001
            assert (await peer.receive()).command_code == 272
            peer.close()

    run(test())


def test_a_batch_is_submitted_in_order_and_answered() -> None:
    async def test() -> None:
        async with running() as (agent, charging, _):
            peer = await Peer.opened(agent)
            peer.send(*[asking(number, 100 + number) for number in range(50)])
            answers = [await peer.receive() for _ in range(50)]
            assert [answer.hop_by_hop for answer in answers] == list(range(100, 150))
            assert [event.event_id for event in charging.events] == list(range(50))
            peer.close()

    run(test())


def test_what_one_read_brought_is_handled_in_turns_with_others_in_between() -> None:
    async def test() -> None:
        async with running() as (agent, charging, _):
            busy, other = await Peer.opened(agent), await Peer.opened(agent, "other.example.net")
            (protocol,) = [each for each in agent._connections if each.name == CLIENT]
            seen: list[int] = []
            asyncio.get_running_loop().call_soon(lambda: seen.append(len(charging.events)))
            protocol.data_received(b"".join(asking(number, 100 + number) for number in range(100)))
            assert len(charging.events) == TURN_EVENTS
            answers = [await busy.receive() for _ in range(100)]
            assert seen == [TURN_EVENTS], "the loop went round before the second turn"
            assert [answer.hop_by_hop for answer in answers] == list(range(100, 200))
            busy.send(asking(100, 200))  # it is read from again
            assert (await busy.receive()).hop_by_hop == 200
            busy.close()
            other.close()

    run(test())


def test_what_came_before_the_connection_was_lost_is_charged_all_the_same() -> None:
    async def test() -> None:
        async with running() as (agent, charging, _):
            peer = await Peer.opened(agent)
            (protocol,) = agent._connections
            protocol.data_received(b"".join(asking(number, 100 + number) for number in range(100)))
            protocol.abort()
            await protocol.gone
            assert [event.event_id for event in charging.events] == list(range(100))
            await asyncio.sleep(0)  # the turn that was due when the connection was lost
            assert protocol._timer is None, "nothing is armed for a connection that is gone"
            peer.close()

    run(test())


def test_a_bad_request_is_answered_and_the_connection_goes_on() -> None:
    async def test() -> None:
        async with running() as (agent, _, metrics):
            peer = await Peer.opened(agent)
            peer.send(ccr(without=[avps.CC_REQUEST_TYPE]), asking(1))
            assert code_of(await peer.receive()) == 5005
            assert code_of(await peer.receive()) == 2001
            assert metrics.counts["refused.5005"] == 1
            assert agent.peers()[0].refused == 1
            peer.close()

    run(test())


def test_an_avp_that_overruns_is_5014_and_the_connection_goes_on() -> None:
    async def test() -> None:
        async with running() as (agent, _, metrics):
            peer = await Peer.opened(agent)
            bad = encode_message(
                0xC0, 272, 4, 9, 9, [encode_utf8(263, "s;1"), b"\0\0\1\x08\x40\0\xff\xff" + bytes(4)]
            )
            peer.send(bad, asking())
            assert code_of(await peer.receive()) == 5014
            assert code_of(await peer.receive()) == 2001
            assert metrics.counts["refused.5014"] == 1
            peer.close()

    run(test())


def test_a_fault_of_this_program_is_5012_for_that_request_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with running() as (agent, _, metrics):
            peer = await Peer.opened(agent)
            original, calls = agent.reader.read, []

            def failing(message: Message, *rest: Any) -> Any:
                calls.append(message)
                if len(calls) == 1:
                    raise RuntimeError("planted")
                return original(message, *rest)

            monkeypatch.setattr(agent.reader, "read", failing)
            peer.send(asking(0, 1), asking(1, 2))
            assert code_of(await peer.receive()) == 5012
            assert code_of(await peer.receive()) == 2001
            assert metrics.counts["refused.5012"] == 1
            peer.close()

    run(test())


def test_an_answer_that_cannot_be_encoded_is_5012() -> None:
    async def test() -> None:
        async with running() as (agent, charging, _):
            charging.answer = lambda event: ChargingAnswer(None)  # type: ignore[arg-type]
            peer = await Peer.opened(agent)
            peer.send(asking())
            assert code_of(await peer.receive()) == 5012
            assert agent.peers()[0].in_flight == 0
            peer.close()

    run(test())


def test_the_watchdog_is_answered_before_answers_that_wait() -> None:
    async def test() -> None:
        async with running() as (agent, charging, _):
            charging.holding = True
            peer = await Peer.opened(agent)
            peer.send(asking())
            await charging.until(lambda: len(charging.events) == 1)
            peer.send(dwr())
            answer = await peer.receive()
            assert (answer.command_code, answer.hop_by_hop) == (280, 77)
            charging.release()
            assert (await peer.receive()).command_code == 272
            peer.close()

    run(test())


def test_a_full_window_is_answered_3004_at_once() -> None:
    async def test() -> None:
        async with running(limited(window=2)) as (agent, charging, metrics):
            charging.holding = True
            peer = await Peer.opened(agent)
            peer.send(asking(0, 1), asking(1, 2), asking(2, 3))
            busy = await peer.receive()
            assert (code_of(busy), busy.hop_by_hop, busy.is_error) == (3004, 3, True)
            charging.release()
            assert [(await peer.receive()).hop_by_hop for _ in range(2)] == [1, 2]
            assert (metrics.counts["shed"], agent.peers()[0].shed) == (1, 1)
            peer.send(asking(3, 4))
            await charging.until(lambda: len(charging.events) == 3)
            charging.release()
            assert code_of(await peer.receive()) == 2001
            peer.close()

    run(test())


def test_an_overloaded_core_is_3004() -> None:
    async def test() -> None:
        async with running() as (agent, charging, _):
            charging.answer = lambda event: ChargingAnswer(Result.TOO_BUSY)
            peer = await Peer.opened(agent)
            peer.send(asking())
            assert code_of(await peer.receive()) == 3004
            peer.close()

    run(test())


def test_a_late_answer_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_module, "LATEST_ANSWER_NS", -1)

    async def test() -> None:
        async with running() as (agent, _, metrics):
            peer = await Peer.opened(agent)
            peer.send(asking(), dwr())
            assert (await peer.receive()).command_code == 280
            assert (metrics.counts["late"], agent.peers()[0].late, agent.peers()[0].in_flight) == (1, 1, 0)
            peer.close()

    run(test())


def test_an_answer_for_a_lost_connection_is_dropped_and_counted() -> None:
    async def test() -> None:
        async with running() as (agent, charging, metrics):
            charging.holding = True
            peer = await Peer.opened(agent)
            peer.send(asking())
            await charging.until(lambda: len(charging.events) == 1)
            (connection,) = agent._connections
            peer.writer.transport.abort()
            await connection.gone
            charging.release()
            assert metrics.counts["late"] == 1
            assert agent.peers() == []
            assert metrics.open_connections == (0, 0)

    run(test())


def test_a_peer_that_does_not_read_is_closed_at_the_bound() -> None:
    async def test() -> None:
        async with running(limited(write_buffer_octets=64 * 1024)) as (agent, charging, _):
            loop = asyncio.get_running_loop()
            with socket.socket() as slow:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                slow.setblocking(False)
                await loop.sock_connect(slow, agent.addresses()[0])
                await loop.sock_sendall(slow, cer())
                await loop.sock_recv(slow, 4_096)
                (connection,) = agent._connections
                try:
                    for number in range(200_000):
                        await loop.sock_sendall(slow, asking(number))
                        if connection.gone.done():
                            break
                except ConnectionError:
                    pass  # the reset this test waits for
                await connection.gone
            assert len(charging.events) > 100
            assert agent.peers() == []

    run(test())


def test_an_odd_event_is_no_reason_to_forget_a_held_one() -> None:
    async def test() -> None:
        async with running() as (agent, charging, metrics):
            seen: list[ChargingEvent] = charging.events
            peer = await Peer.opened(agent)
            peer.send(ccr(encode_octets(4_242, b"x")), asking(1))
            assert [code_of(await peer.receive()) for _ in range(2)] == [2001, 2001]
            assert [event.event_id for event in seen] == [0, 1]
            assert metrics.counts["ignored.unknown_mandatory"] == 1
            peer.close()

    run(test())
