"""Connections that are open and idle cost next to nothing, ten thousand of them."""

import asyncio
import resource
import time
from pathlib import Path

import pytest

from bench.load.server import Server
from ocs.client import Client
from ocs.rpc.tcp import SECOND_NS
from tests.rpc.front import Wire, opened
from tests.support.effort import at_most

SHARE = 0.01  # of one core
SHORT, LONG = 500, 10_000
WATCHED_S = 10
BATCH = 500  # connections that wait to be accepted, less than the queue of a listener may have
PING = b'{"method":"OcsV1.Ping","params":[{}],"id":1}'


def may_open(count: int) -> None:
    """Raise the limit of open files of this process, and of those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count + 500:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 500), hard))


def test_sweeps_do_not_look_at_idle_connections() -> None:
    async def body() -> None:
        may_open(2 * SHORT)
        async with opened() as door:
            wires = [await door.connect("bidirectional" if n % 2 else "jsonrpc") for n in range(SHORT)]
            for wire in wires[: SHORT // 2]:
                assert (await wire.call("Echo", {}))["error"] is None
            seconds = 600
            front = door.front
            assert len(front.tcp.connections) + len(front.bidirectional.connections) == SHORT
            with at_most(SHARE * seconds):
                for second in range(seconds):
                    front.tcp.sweep(front.tcp.now_ns + second * SECOND_NS)
                    front.bidirectional.sweep(front.bidirectional.now_ns + second * SECOND_NS)
            assert not front.tcp.unsettled
            assert not front.bidirectional.unsettled
            await _close(wires)

    asyncio.run(body())


@pytest.mark.long
def test_ten_thousand_idle_connections_take_less_than_a_hundredth_of_a_core(tmp_path: Path) -> None:
    may_open(LONG)
    server = Server(tmp_path)
    server.start()
    try:
        asyncio.run(_idle(server))
    finally:
        assert server.stop() == 0


async def _idle(server: Server) -> None:
    before = server.usage()
    wires: list[Wire] = []
    while len(wires) < LONG:
        new = [Wire(*await asyncio.open_connection("127.0.0.1", server.rpc_port)) for _ in range(BATCH)]
        for wire in new:
            wire.send(PING)
        for wire in new:
            assert (await wire.receive())["result"] == "Pong"
        wires += new
    opened_usage = server.usage()
    assert (opened_usage.resident_octets - before.resident_octets) / LONG < 15_000
    await asyncio.sleep(WATCHED_S)
    used_s = server.usage().cpu_s - opened_usage.cpu_s
    assert used_s < SHARE * WATCHED_S, f"{used_s / WATCHED_S:.1%} of a core"
    with Client(f"127.0.0.1:{server.rpc_port}") as client:
        began_s = time.monotonic()
        assert await asyncio.to_thread(client.call, "OcsV1.Ping") == "Pong"
        assert time.monotonic() - began_s < 1
    await _close(wires)


async def _close(wires: list[Wire]) -> None:
    for wire in wires:
        wire.writer.close()
    for wire in wires:
        await wire.writer.wait_closed()
