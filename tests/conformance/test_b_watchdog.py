"""B. Watchdog and disconnect: cases 22 to 28. Tw is too long for a test: its timing is shown in tests/diameter."""

import asyncio

import pytest

from ocs.agents.diameter.agent import JITTER_NS
from ocs.config.settings import DiameterSettings, Limits, Timers
from ocs.diameter import avps
from ocs.diameter.avp import encode_u32
from tests.conformance.client import UPDATE, ccr, dpr, dwr, message
from tests.conformance.decoded import Decoded, checked
from tests.conformance.world import MB, World, served
from tests.support.gy import requested, service, total, used
from tests.support.waiting import PATIENCE_S

MS = 1_000_000
ASKING = service(10, requested(total(1_000)))


@served(DiameterSettings(limits=Limits(window=20_000)))
async def test_022_a_watchdog_overtakes_ten_thousand_requests(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    requests = [ccr(ASKING, kind=UPDATE, number=number) for number in range(1, 10_001)]
    probe = dwr()
    client.send(*requests)
    await asyncio.sleep(0)
    client.send(probe)
    before = 0
    while True:
        frame = await client.raw()
        if Decoded(frame).command == 280:
            break
        before += 1
    assert checked(probe, frame).code == 2001
    assert before < 10_000, "it did not wait for all of them"
    for _ in range(10_000 - before):
        await client.raw()


@served()
async def test_022_a_watchdog_without_origin_host_is_answered(world: World) -> None:
    client = await world.open()
    answer = await client.ask(message(0x80, 280, 0, []))
    assert answer.code == 2001
    assert answer.has(avps.ORIGIN_STATE_ID)


def _make_silent(world: World) -> None:
    """Let Tw of every connection run out now."""
    for peer in world.agent._connections:
        assert peer.connection is not None
        deadline_ns = peer.connection.watchdog.deadline_ns
        assert deadline_ns is not None
        peer._after(peer.connection.handle_timer(deadline_ns))


@served()
async def test_023_silence_brings_a_watchdog_and_then_the_end(world: World) -> None:
    client = await world.open()
    _make_silent(world)
    probe = await client.receive()
    assert (probe.command, probe.flags, probe.text(avps.ORIGIN_HOST)) == (280, 0x80, "ocs.example.net")
    client.send(message(0, 280, 0, [encode_u32(avps.RESULT_CODE, 2001)], probe.hop_by_hop, probe.end_to_end))
    assert await client.alive()
    _make_silent(world)
    assert (await client.receive()).command == 280
    _make_silent(world)  # nothing came: the peer is suspected
    assert world.agent.peers()[0].is_suspected
    _make_silent(world)
    assert await client.closed()


@served()
async def test_024_requests_keep_the_watchdog_quiet(world: World) -> None:
    client = await world.open()
    (peer,) = world.agent._connections
    assert peer.connection is not None
    before_ns = peer.connection.watchdog.deadline_ns or 0
    for number in range(3):
        assert (await client.initial(ASKING, session=f"s;{number}")).code == 2001
    after_ns = peer.connection.watchdog.deadline_ns or 0
    assert after_ns - before_ns > -2 * JITTER_NS
    assert not peer.connection.watchdog.pending


@pytest.mark.parametrize("cause", [0, 1, 2])
@served()
async def test_025_a_leaving_peer_gets_its_answers_then_dpa_and_its_sessions_live(
    world: World, cause: int
) -> None:
    client = await world.open()
    request, leaving = ccr(ASKING), dpr(cause)
    client.send(request, leaving)
    assert (await client.answer(request)).code == 2001
    assert (await client.answer(leaving)).code == 2001
    client.writer.write_eof()
    assert await client.closed()
    again = await world.open()
    assert (await again.update(1, service(10, used(total(400)), requested(total(1_000))))).code == 2001
    assert await world.spent() == (400_000, MB)


@served()
async def test_025_a_request_after_dpr_is_not_taken(world: World) -> None:
    client = await world.open()
    leaving = dpr()
    client.send(leaving, ccr(ASKING))
    assert (await client.answer(leaving)).code == 2001
    client.writer.write_eof()
    assert await client.closed()
    assert (await world.account()).sessions == ()


@served(durable=True)
async def test_026_a_stopping_server_answers_then_sends_dpr_with_rebooting(world: World) -> None:
    client, idle = await world.open(), await world.open("idle.example.net")
    request = ccr(ASKING)
    client.send(request)

    async def under_way() -> bool:
        return bool(world.agent.peers()[1].requests)

    await world.until(under_way)
    stopping = asyncio.create_task(world.agent.drain())
    assert (await client.answer(request)).code == 2001
    for each in (client, idle):
        leaving = await each.receive()
        assert (leaving.command, leaving.number(avps.DISCONNECT_CAUSE)) == (282, 0)
        parts = [encode_u32(avps.RESULT_CODE, 2001)]
        each.send(message(0, 282, 0, parts, leaving.hop_by_hop, leaving.end_to_end))
        assert await each.closed()
    await stopping


@served(DiameterSettings(timers=Timers(disconnect_answer_ns=100 * MS)))
async def test_026_a_peer_that_does_not_answer_dpr_does_not_hold_the_stop(world: World) -> None:
    client = await world.open()
    async with asyncio.timeout(PATIENCE_S):
        await world.agent.drain()
    assert (await client.receive()).command == 282


@served()
async def test_027_a_dead_peer_leaves_nothing_behind(world: World) -> None:
    await world.open()
    for _ in range(3):
        _make_silent(world)

    async def forgotten() -> bool:
        return not world.agent._connections and world.agent.open_peer("pgw.example.net") is None

    await world.until(forgotten)
    assert world.counter("ocs_connections_open") == 0


@served(DiameterSettings(limits=Limits(write_buffer_octets=64 * 1024, window=100_000)))
async def test_028_a_peer_that_never_reads_is_closed_at_the_bound(world: World) -> None:
    client = await world.open()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    frame = b"".join(dwr() for _ in range(500))

    async def closed() -> bool:
        client.writer.write(frame)
        return not world.agent._connections

    await world.until(closed)
    other = await world.open("other.example.net")
    assert await other.alive()


@served()
async def test_022_three_watchdogs_at_once_after_a_reconnection_are_answered(world: World) -> None:
    """Open5GS sends them before it uses a connection again that it lost."""
    (await world.open()).abort()
    client = await world.open()
    assert [answer.code for answer in await client.ask_all(dwr(), dwr(), dwr())] == [2001] * 3
    assert await client.alive()
