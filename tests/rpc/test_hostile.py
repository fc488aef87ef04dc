"""Hostile clients of every kind on every listener: they get an error or an end, and their neighbour is served."""

import asyncio
import json
import random
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ocs.rpc.front import Listeners
from ocs.rpc.tcp import SECOND_NS, TcpLimits
from ocs.rpc.tls import ServerTls
from tests.agents.diameter.test_listening import certificate
from tests.rpc.front import HERE, Door, Wire, opened
from tests.rpc.test_security import trusting
from tests.rpc.test_tcp import until
from tests.support.waiting import PATIENCE_S

LISTENERS = ("jsonrpc", "bidirectional", "jsonrpc_tls")
ECHO = json.dumps({"method": "Test.Echo", "params": [{"a": '}{\\"'}], "id": 1}).encode()
Test = Callable[[Door, Callable[[], Awaitable[Wire]]], Awaitable[None]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    return certificate(tmp_path_factory.mktemp("certificate"))


def beside(listener: str, files: tuple[Path, Path], test: Test, limits: TcpLimits | None = None) -> None:
    """Run a test; a neighbour is answered before it and after it on the same connection."""
    context: ssl.SSLContext | None = trusting() if listener.endswith("_tls") else None

    async def body() -> None:
        listeners = Listeners(jsonrpc=HERE, bidirectional=HERE, jsonrpc_tls=HERE)
        async with opened(listeners, limits=limits, tls=ServerTls(*files)) as door:

            async def connect() -> Wire:
                return await door.connect(listener, ssl=context)

            neighbour = await connect()
            for name in ("before", "after"):
                assert await neighbour.call("Echo", {"x": name}, name) == {
                    "id": name,
                    "result": {"x": name},
                    "error": None,
                }
                if name == "before":
                    await test(door, connect)
            neighbour.writer.close()

    asyncio.run(body())


async def ended(wire: Wire) -> list[Any]:
    """What a client still gets until the server ends its connection."""
    got: list[Any] = []
    try:
        while (message := await wire.receive()) is not None:
            got.append(message)
    except (ConnectionError, ssl.SSLError):
        pass  # an end that is no goodbye is an end too
    wire.writer.close()
    return got


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize(
    ("octets", "error"),
    [
        (b"[" * 200_000, "brackets nest deeper than 64"),
        (b'{"method":"Test.Echo","params":[' + b'{"a":' * 70, "brackets nest deeper than 64"),
        (b'{"method":"' + b"x" * (1 << 20), "a message is longer than 1048576 octets"),
        (b"[" + b"{}," * 10_001, "a message has more than 10000 objects and arrays"),
        (b"\x00\xff\xfe", "a message begins with { or ["),
        (b"POST /jsonrpc HTTP/1.1\r\n\r\n{}", "a message begins with { or ["),
    ],
    ids=["nested", "nested params", "oversized", "many objects", "binary", "http"],
)
def test_stream_that_is_too_much_ends_alone(
    files: tuple[Path, Path], listener: str, octets: bytes, error: str
) -> None:
    async def test(door: Door, connect: Callable[[], Awaitable[Wire]]) -> None:
        wire = await connect()
        wire.send(ECHO + octets)
        first, last = await ended(wire)
        assert first["result"] == {"a": '}{\\"'}
        assert last == {"id": None, "result": None, "error": error}

    beside(listener, files, test)


@pytest.mark.parametrize("listener", LISTENERS)
def test_interleaved_pieces_of_many_clients_are_put_together_each_for_itself(
    files: tuple[Path, Path], listener: str
) -> None:
    async def test(door: Door, connect: Callable[[], Awaitable[Wire]]) -> None:
        wires = [await connect() for _ in range(20)]
        messages = [ECHO.replace(b'"id": 1', b'"id": %d' % number) for number in range(20)]
        for start in range(0, max(map(len, messages)), 7):
            for wire, message in zip(wires, messages, strict=True):
                wire.send(message[start : start + 7])
                await wire.writer.drain()
        for number, wire in enumerate(wires):
            assert await wire.receive() == {"id": number, "result": {"a": '}{\\"'}, "error": None}
            wire.writer.close()

    beside(listener, files, test)


@pytest.mark.parametrize("listener", LISTENERS)
def test_slow_client_is_ended_and_an_idle_one_is_not(files: tuple[Path, Path], listener: str) -> None:
    async def test(door: Door, connect: Callable[[], Awaitable[Wire]]) -> None:
        slow, idle = await connect(), await connect()
        slow.send(ECHO[:-1])
        service = door.front.bidirectional if listener == "bidirectional" else door.front.tcp
        await until(lambda: any(each._framer.is_mid_message for each in service.connections))
        service.sweep(service.now_ns + 9 * SECOND_NS)
        assert (await idle.call("Echo", {}))["error"] is None
        service.sweep(service.now_ns + 3_600 * SECOND_NS)
        assert await ended(slow) == []
        assert (await idle.call("Echo", {}))["error"] is None
        idle.writer.close()

    beside(listener, files, test)


@pytest.mark.parametrize("listener", ["jsonrpc", "bidirectional"])
def test_half_open_client_gets_what_it_asked_and_holds_nothing(
    files: tuple[Path, Path], listener: str
) -> None:
    async def test(door: Door, connect: Callable[[], Awaitable[Wire]]) -> None:
        service = door.front.bidirectional if listener == "bidirectional" else door.front.tcp
        others = len(service.connections)
        wire = await connect()
        wire.send(ECHO * 3 + ECHO[:20])
        wire.writer.write_eof()
        assert [each["id"] for each in await ended(wire)] == [1, 1, 1]
        await until(lambda: len(service.connections) == others)
        assert service.buffered_octets == 0

    beside(listener, files, test)


@pytest.mark.parametrize("listener", LISTENERS)
def test_client_that_pipelines_and_does_not_read_stops_being_answered(
    files: tuple[Path, Path], listener: str
) -> None:
    async def test(door: Door, connect: Callable[[], Awaitable[Wire]]) -> None:
        service = door.front.bidirectional if listener == "bidirectional" else door.front.tcp
        greedy = await connect()
        request = json.dumps({"method": "Test.Echo", "params": [{"a": "x" * 50_000}], "id": 1}).encode()
        greedy.writer.transport.pause_reading()  # type: ignore[attr-defined]
        greedy.send(request * 400)
        await until(lambda: any(each._stalled_ns is not None for each in service.connections))
        [stalled] = [each for each in service.connections if each._stalled_ns is not None]
        assert stalled._transport is not None
        assert stalled._transport.get_write_buffer_size() < 60 * len(request)
        service.sweep(service.now_ns + 31 * SECOND_NS)
        await until(lambda: stalled not in service.connections)
        greedy.writer.transport.abort()

    beside(listener, files, test, TcpLimits(write_octets=1 << 16))


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("seed", range(3))
def test_fuzzed_envelopes_are_answered_or_ended(files: tuple[Path, Path], listener: str, seed: int) -> None:
    chance = random.Random(f"{listener} {seed}")

    async def test(door: Door, connect: Callable[[], Awaitable[Wire]]) -> None:
        for _ in range(40):
            wire = await connect()
            wire.send(b"".join(fuzzed(chance) for _ in range(chance.randint(1, 4))))
            if listener.endswith("_tls"):  # which has no half-open connections
                await wire.writer.drain()
                wire.writer.close()
                continue
            wire.writer.write_eof()
            for answer in await ended(wire):
                assert isinstance(answer, list) or {"id", "jsonrpc", "method"} & set(answer)

    beside(listener, files, test)


def fuzzed(chance: random.Random) -> bytes:
    """An envelope with members of any type, or with octets of it changed."""
    values: list[Any] = [
        None,
        True,
        -1,
        1.5,
        10**30,
        "",
        "Test.Echo",
        "Test.Wait.",
        [],
        [{}],
        {},
        [[]],
        [None, 1],
    ]
    members = ("method", "params", "id", "jsonrpc", "result", "error", "METHOD", "\ud83d\ude00")
    envelope = {name: chance.choice([*values, "2.0"]) for name in members if chance.random() < 0.6}
    octets = bytearray(json.dumps(chance.choice([envelope, [envelope] * chance.randint(0, 3)])).encode())
    for _ in range(chance.choice([0, 0, 1, 3])):
        place = chance.randrange(len(octets) + 1)
        octets[place:place] = chance.choice([b"{", b"}", b'"', b"\\", b"\x80", b"]", b"1e9999", b",", b":"])
    return bytes(octets)


@pytest.mark.parametrize(
    "text", ["[" * 1_000, '{"method":', "{}{}", "null", '{"id":1,"result":2}', "\u0000", "[]"]
)
def test_websocket_with_nonsense_is_told_and_goes_on(text: str) -> None:
    async def body() -> None:
        async with opened() as door, aiohttp.ClientSession() as http:
            url = "http://{}:{}/ws".format(*door.front.addresses["http"])
            async with http.ws_connect(url) as socket, http.ws_connect(url) as neighbour:
                await socket.send_str(text)
                for each in (socket, neighbour):
                    await each.send_json({"method": "Test.Echo", "params": [{}], "id": 9})
                    while (answer := await each.receive_json(timeout=PATIENCE_S)).get("id") != 9:
                        assert answer["error"]
                    assert answer == {"id": 9, "result": {}, "error": None}

    asyncio.run(body())


def test_websockets_that_say_no_goodbye_do_not_hold_up_the_stop() -> None:
    async def body() -> None:
        wires: list[Wire] = []
        async with opened() as door:
            for _ in range(20):
                wire = await door.connect("http")
                wire.send(
                    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
                )
                assert (await wire.reader.readline()).startswith(b"HTTP/1.1 101")
                wires.append(wire)
            began_s = asyncio.get_running_loop().time()
            await door.front.close()
            assert asyncio.get_running_loop().time() - began_s < 5
        for wire in wires:
            wire.writer.close()

    asyncio.run(body())
