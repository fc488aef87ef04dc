"""Requests that are answered at once, later, or by a task; and what a failure tells and does not tell."""

import asyncio
import json

import pytest
import structlog

from ocs.charging.store import StoreUnavailable
from ocs.rpc.tcp import PER_TURN, TcpLimits
from tests.rpc.front import Door, opened
from tests.support.waiting import PATIENCE_S


async def waiting(door: Door, count: int) -> None:
    """So many requests wait for their answers."""
    async with asyncio.timeout(PATIENCE_S):
        while len(door.state.waiting) < count:  # noqa: ASYNC110 - what other tasks do has no event
            await asyncio.sleep(0)


def test_answer_that_comes_later_is_overtaken() -> None:
    async def body() -> None:
        async with opened() as door:
            wire = await door.connect()
            wire.send({"method": "Test.Wait", "params": [{}], "id": "late"})
            await waiting(door, 1)
            assert (await wire.call("Echo", {"a": 1}, "early"))["id"] == "early"
            door.state.waiting[0].set("at last")
            door.state.waiting[0].set("twice")
            assert await wire.receive() == {"id": "late", "result": "at last", "error": None}
            assert (await wire.call("Echo", {}, 2))["id"] == 2
            await wire.close()

    asyncio.run(body())


def test_later_that_fails_is_an_error() -> None:
    async def body() -> None:
        async with opened() as door:
            wire = await door.connect()
            wire.send({"method": "Test.Wait", "params": [{}], "id": 1})
            await waiting(door, 1)
            door.state.waiting[0].fail(StoreUnavailable("disk full"))
            assert (await wire.receive())["error"] == "the store is not available: disk full"
            await wire.close()

    asyncio.run(body())


def test_answers_of_one_turn_leave_in_one_write() -> None:
    async def body() -> None:
        async with opened() as door:
            wire = await door.connect("bidirectional")
            for number in range(10):
                wire.send({"method": "Test.Wait", "params": [{}], "id": number})
            await waiting(door, 10)
            [connection] = door.front.bidirectional.connections
            written: list[bytes] = []
            transport = connection._transport
            assert transport is not None
            write = transport.write

            def noted(octets: bytes) -> None:
                written.append(octets)
                write(octets)

            transport.write = noted  # type: ignore[method-assign, assignment]
            for later in door.state.waiting:
                later.set("x")
            names = {(await wire.receive())["id"] for _ in range(10)}
            assert (names, len(written)) == (set(range(10)), 1)
            await wire.close()

    asyncio.run(body())


def test_long_pipeline_lets_a_neighbour_in_between() -> None:
    async def body() -> None:
        async with opened() as door:
            greedy, neighbour = [await door.connect() for _ in range(2)]
            request = json.dumps({"method": "Test.Echo", "params": [{}], "id": 1}).encode()
            greedy.send(request * 20 * PER_TURN)
            neighbour.send(request)
            assert (await neighbour.receive())["id"] == 1
            [behind] = [
                each for each in door.front.tcp.connections if each._waiting or each._framer.is_mid_message
            ]
            assert len(behind._waiting) > PER_TURN
            for _ in range(20 * PER_TURN):
                assert (await greedy.receive())["id"] == 1
            for wire in (greedy, neighbour):
                await wire.close()

    asyncio.run(body())


def test_rate_of_a_connection_is_bounded_and_its_neighbour_free() -> None:
    async def body() -> None:
        async with opened(limits=TcpLimits(requests_per_second=20)) as door:
            greedy, neighbour = [await door.connect() for _ in range(2)]
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            for number in range(30):
                greedy.send({"method": "Test.Echo", "params": [{}], "id": number})
            for number in range(20):
                assert (await greedy.receive())["id"] == number
            assert (await neighbour.call("Echo", {}))["id"] == 1
            for number in range(20, 30):
                assert (await greedy.receive())["id"] == number
            assert loop.time() - began_s >= 0.4
            for wire in (greedy, neighbour):
                await wire.close()

    asyncio.run(body())


def test_long_messages_under_way_have_a_limit_together() -> None:
    async def body() -> None:
        async with opened(limits=TcpLimits(buffered_octets=500_000)) as door:
            first, second, third = [await door.connect() for _ in range(3)]
            start = b'{"method":"Test.Echo","params":[{"a":"' + b"x" * 300_000
            first.send(start)
            async with asyncio.timeout(PATIENCE_S):
                while door.front.tcp.buffered_octets < 300_000:  # noqa: ASYNC110 - the transport has no event
                    await asyncio.sleep(0)
            second.send(
                start[:199_990]
            )  # too much by its last octets alone: what is not read resets a connection
            assert (await second.receive())["error"] == "too many long messages are under way"
            assert await second.receive() is None
            assert (await third.call("Echo", {}))["error"] is None
            first.send(b'"}],"id":1}')
            assert (await first.receive())["error"] is None
            assert door.front.tcp.buffered_octets == 0
            for wire in (first, second, third):
                await wire.close()

    asyncio.run(body())


def test_failure_logs_where_but_nothing_of_the_request() -> None:
    async def body() -> None:
        async with opened() as door:
            wire = await door.connect()
            answer = await wire.call("Fail", {"Secret": "hunter2", "Account": "15550100001"})
            assert answer == {"id": 1, "result": None, "error": "internal error"}
            await wire.close()

    with structlog.testing.capture_logs() as lines:
        asyncio.run(body())
    [line] = lines
    assert (line["event"], line["kind"]) == ("rpc.failed", "KeyError")
    assert "front.py" in line["at"][-1]
    assert "hunter2" not in repr(line)
    assert "15550100001" not in repr(line)


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b'{"Method":"Test.Echo","PARAMS":[{"a":1}],"Id":7}', {"id": 7, "result": {"a": 1}, "error": None}),
        (b'{"method":"Test.Echo","params":[{},5],"id":12345678901234567890}', None),
        (b'{"method":"Test.Echo","params":[{}],"id":1.50}', None),
        (b'{"method":"Test.Echo","params":[{}]}', {"id": None, "result": {}, "error": None}),
    ],
)
def test_envelope_is_read_as_go_does(message: bytes, answer: object) -> None:
    async def body() -> None:
        async with opened() as door:
            wire = await door.connect()
            wire.send(message)
            async with asyncio.timeout(PATIENCE_S):
                line = await wire.reader.readline()
            if answer is None:  # the id comes back as it was written
                assert line.startswith(b'{"id":' + message.rpartition(b'"id":')[2].rstrip(b"}") + b",")
            else:
                assert json.loads(line) == answer
            await wire.close()

    asyncio.run(body())
