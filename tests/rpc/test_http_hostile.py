"""Hostile clients of HTTP and WebSocket: they get an error, an end, or have to wait; their neighbour is served."""

import asyncio
import contextlib
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from ocs.rpc.front import Listeners
from ocs.rpc.http_limits import SECOND_NS, HttpLimits
from tests.rpc.front import HERE, Door, Wire, opened
from tests.rpc.test_hostile import fuzzed
from tests.rpc.test_tcp import until
from tests.support.waiting import PATIENCE_S

Test = Callable[[Door, aiohttp.ClientSession], Awaitable[None]]
CALL = {"method": "Test.Echo", "params": [{}], "id": 1}
WAIT = {"method": "Test.Wait", "params": [{}], "id": 1}
HEAD = b"POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def beside(test: Test, limits: HttpLimits | None = None) -> None:
    """Run a test; a neighbour is answered before it and after it on the same connections, of HTTP and WebSocket."""

    async def body() -> None:
        async with opened(Listeners(http=HERE), http_limits=limits) as door:
            url = "http://{}:{}".format(*door.front.addresses["http"])
            async with aiohttp.ClientSession(url) as neighbour, neighbour.ws_connect("/ws") as socket:
                for name in ("before", "after"):
                    async with neighbour.post("/jsonrpc", json=CALL | {"id": name}) as answer:
                        assert (await answer.json())["id"] == name
                    await socket.send_json(CALL | {"id": name})
                    assert (await socket.receive_json(timeout=PATIENCE_S))["id"] == name
                    if name == "before":
                        async with aiohttp.ClientSession(url) as client:
                            await test(door, client)

    asyncio.run(body())


def request(body: bytes) -> bytes:
    """A whole request."""
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def answer_of(wire: Wire) -> tuple[int, bytes]:
    """Status and body of the next answer."""
    async with asyncio.timeout(PATIENCE_S):
        head = (await wire.reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.casefold().partition("content-length: ")[2].partition("\r\n")[0])
        return int(head.split()[1]), await wire.reader.readexactly(length)


async def is_ended(wire: Wire) -> bool:
    """Whether the server has closed a connection, whatever it said before."""
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(ConnectionError):  # an end that is no goodbye is an end too
            await wire.reader.read()
    wire.writer.close()
    return True


def test_head_that_does_not_end_is_ended_and_an_idle_connection_is_not() -> None:
    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        front = door.front.http
        assert front is not None
        idle, slow = await door.connect("http"), await door.connect("http")
        slow.send(HEAD)
        await until(lambda: len(front.service.begun_ns) == 1)
        [(handler, began_ns)] = front.service.begun_ns.items()
        front.sweep(began_ns + 9 * SECOND_NS)
        assert handler in front.service.idle_since_ns
        front.sweep(began_ns + 11 * SECOND_NS)
        assert await is_ended(slow)
        idle.send(request(json.dumps(CALL).encode()))
        assert (await answer_of(idle))[0] == 200
        front.sweep(began_ns + 11 * SECOND_NS)
        idle.send(request(json.dumps(CALL).encode()))
        assert (await answer_of(idle))[0] == 200
        await idle.close()

    beside(test)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 500\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"]
)
def test_body_that_does_not_end_is_ended(framing: bytes) -> None:
    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        wire = await door.connect("http")
        wire.send(HEAD + framing)
        assert (await answer_of(wire))[0] == 408
        assert await is_ended(wire)

    beside(test, HttpLimits(body_ns=SECOND_NS // 20))


def test_bodies_under_way_have_a_limit_together() -> None:
    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        greedy = await door.connect("http")
        greedy.send(HEAD + b"Content-Length: 900\r\n\r\n{")
        front = door.front.http
        assert front is not None
        await until(lambda: front.service.shares._body_octets == 900)
        async with client.post(
            "/jsonrpc", data=b" " * 200, headers={"Content-Type": "application/json"}
        ) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        greedy.writer.close()
        await until(lambda: front.service.shares._body_octets == 0)

    beside(test, HttpLimits(body_octets=1_000))


@pytest.mark.parametrize("is_chunked", [False, True])
def test_body_too_long_is_refused(is_chunked: bool) -> None:
    chunk = b" " * 65_536
    pieces = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"10000\r\n" + chunk + b"\r\n") * 32

    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        wire = await door.connect("http")
        wire.send(pieces if is_chunked else request(chunk * 32))
        assert (await answer_of(wire))[0] == 413
        wire.writer.close()

    beside(test)


def test_connections_of_one_address_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocs.rpc.http_limits.is_loopback", lambda host: False)

    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        front = door.front.http
        assert front is not None
        wires = [await door.connect("http") for _ in range(4)]  # the neighbour has two
        await until(lambda: len(front.service.idle_since_ns) == 6)
        assert await is_ended(await door.connect("http"))
        wires.pop().writer.close()
        await until(lambda: front.service.shares._shares["127.0.0.1"].connections == 5)
        wires.append(await door.connect("http"))
        wires[-1].send(request(json.dumps(CALL).encode()))
        assert (await answer_of(wires[-1]))[0] == 200
        for wire in wires:
            wire.writer.close()

    beside(test, HttpLimits(address_connections=6))


def test_connections_of_all_are_bounded() -> None:
    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        wire = await door.connect("http")
        wire.send(request(json.dumps(CALL).encode()))
        assert (await answer_of(wire))[0] == 200
        assert await is_ended(await door.connect("http"))
        await wire.close()

    beside(test, HttpLimits(connections=3))


def test_calls_of_one_address_under_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocs.rpc.http_limits.is_loopback", lambda host: False)

    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        waiting = [asyncio.create_task(_status(client, WAIT)) for _ in range(3)]
        await until(lambda: len(door.state.waiting) == 3)
        assert await _status(client, CALL) == 429
        door.state.waiting[0].set("done")
        await until(lambda: any(each.done() for each in waiting))
        assert await _status(client, CALL) == 200
        for later in door.state.waiting:
            later.set("done")
        assert await asyncio.gather(*waiting) == [200] * 3

    beside(test, HttpLimits(in_flight=3))


def test_client_that_leaves_before_its_answer_holds_nothing() -> None:
    async def body() -> None:
        async with opened(Listeners(http=HERE)) as door:
            wire = await door.connect("http")
            wire.send(request(json.dumps(WAIT).encode()))
            await until(lambda: len(door.state.waiting) == 1)
            front = door.front.http
            assert front is not None
            wire.writer.transport.abort()
            await until(lambda: not front.service.shares._shares["127.0.0.1"].connections)
            door.state.waiting[0].set("done")
            await until(lambda: not front.service.shares._shares)
            assert front.service.shares._body_octets == 0

    asyncio.run(body())


async def _status(client: aiohttp.ClientSession, call: dict[str, Any]) -> int:
    async with client.post("/jsonrpc", json=call) as answer:
        await answer.read()
        return answer.status


def test_requests_a_second_of_one_address_are_bounded() -> None:
    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        statuses = [await _status(client, CALL) for _ in range(40)]
        assert statuses.count(429) > 5
        assert statuses[0] == 200
        async with client.get("/healthz") as answer:  # which says nothing worth a limit
            assert answer.status == 404
        front = door.front.http
        assert front is not None
        front.service.shares._shares["127.0.0.1"].allowance = 20.0

    beside(test, HttpLimits(requests_per_second=20))


def test_messages_of_a_websocket_wait_for_their_second() -> None:
    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        front = door.front.http
        assert front is not None
        async with client.ws_connect("/ws") as socket:
            began_s = asyncio.get_running_loop().time()
            for number in range(120):
                await socket.send_json(CALL | {"id": number})
            assert [(await socket.receive_json(timeout=PATIENCE_S))["id"] for _ in range(120)] == list(
                range(120)
            )
            assert asyncio.get_running_loop().time() - began_s > 0.15  # 100 at once, then one every 10 ms

    beside(test, HttpLimits(requests_per_second=100))


def test_pipelined_requests_are_answered_in_order() -> None:
    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        wire = await door.connect("http")
        wire.send(b"".join(request(json.dumps(CALL | {"id": number}).encode()) for number in range(50)))
        for number in range(50):
            status, body = await answer_of(wire)
            assert (status, json.loads(body)["id"]) == (200, number)
        await wire.close()

    beside(test)


def test_interleaved_pieces_are_put_together_each_for_itself() -> None:
    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        posts = [await door.connect("http") for _ in range(8)]
        sockets = [await door.connect("http") for _ in range(8)]
        for socket in sockets:
            socket.send(UPGRADE)
            assert b"101" in await socket.reader.readuntil(b"\r\n\r\n")
        bodies = [json.dumps(CALL | {"id": number}).encode() for number in range(8)]
        pieces = [request(body) for body in bodies] + [frame(body) for body in bodies]
        wires = posts + sockets
        for start in range(0, max(map(len, pieces)), 9):
            for wire, piece in zip(wires, pieces, strict=True):
                wire.send(piece[start : start + 9])
                await wire.writer.drain()
        for number, wire in enumerate(posts):
            assert json.loads((await answer_of(wire))[1])["id"] == number
        for number, wire in enumerate(sockets):
            async with asyncio.timeout(PATIENCE_S):
                kind, length = await wire.reader.readexactly(2)
                assert (kind, json.loads(await wire.reader.readexactly(length))["id"]) == (0x81, number)
        for wire in wires:
            wire.writer.close()

    beside(test)


def frame(body: bytes) -> bytes:
    """A text of a client to a WebSocket (RFC 6455 5.2), masked with zeros."""
    assert len(body) < 126
    return bytes((0x81, 0x80 | len(body), 0, 0, 0, 0)) + body


@pytest.mark.parametrize(
    "said", [request(json.dumps(WAIT).encode()), HEAD, UPGRADE, UPGRADE + frame(b"{}")[:3]]
)
def test_half_open_client_holds_nothing(said: bytes) -> None:
    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        front = door.front.http
        assert front is not None
        others = front.service.shares._shares["127.0.0.1"].connections
        wire = await door.connect("http")
        wire.send(said)
        await wire.writer.drain()
        wire.writer.write_eof()
        assert await is_ended(wire)
        for later in door.state.waiting:
            later.set("done")
        share = front.service.shares._shares["127.0.0.1"]
        await until(lambda: (share.connections, share.calls) == (others, 0))

    beside(test)


def test_websocket_that_stalls_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        monkeypatch.setattr(
            "ocs.rpc.http.HEARTBEAT_S", 0.2
        )  # after the neighbour, who answers only when it reads
        wire = await door.connect("http")
        wire.send(UPGRADE + frame(b"{}")[:3])  # a piece of a message; the server's pings are not answered
        assert await is_ended(wire)

    beside(test)


def test_websocket_that_does_not_read_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocs.rpc.http.WRITE_S", 0.2)

    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        front = door.front.http
        assert front is not None
        greedy = await door.connect("http")
        greedy.send(UPGRADE)
        assert b"101" in await greedy.reader.readuntil(b"\r\n\r\n")
        greedy.writer.transport.pause_reading()  # type: ignore[attr-defined]
        text = json.dumps(CALL | {"params": [{"a": "x" * 60_000}]}).encode()
        long = bytes((0x81, 0xFE, *len(text).to_bytes(2, "big"), 0, 0, 0, 0)) + text
        sockets = len(front.service._sockets)
        greedy.send(long * 400)
        await until(lambda: len(front.service._sockets) < sockets)
        greedy.writer.transport.abort()

    beside(test)


@pytest.mark.parametrize("seed", range(3))
def test_fuzzed_envelopes_are_answered(seed: int) -> None:
    chance = random.Random(seed)

    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        headers = {"Content-Type": "application/json"}
        for _ in range(40):
            async with client.post("/jsonrpc", data=fuzzed(chance), headers=headers) as answer:
                assert answer.status in (200, 204, 400)
                if answer.status != 204:
                    told = json.loads(await answer.read())
                    assert isinstance(told, list) or {"id", "jsonrpc"} & set(told)
        async with client.ws_connect("/ws") as socket:
            for _ in range(40):
                await socket.send_str(fuzzed(chance).decode("utf-8", "replace"))
            await socket.send_json(CALL | {"id": "last"})
            while (told := await socket.receive_json(timeout=PATIENCE_S)) != {
                "id": "last",
                "result": {},
                "error": None,
            }:
                assert isinstance(told, list) or {"id", "jsonrpc", "method"} & set(told)

    beside(test)


@pytest.mark.parametrize("seed", range(3))
def test_fuzzed_http_is_answered_or_ended(seed: int) -> None:
    chance = random.Random(seed)

    async def test(door: Door, client: aiohttp.ClientSession) -> None:
        for _ in range(30):
            octets = bytearray(
                request(json.dumps(CALL).encode()) if chance.random() < 0.5 else UPGRADE + frame(b"{}")
            )
            for _ in range(chance.choice([1, 1, 3, 9])):
                place = chance.randrange(len(octets))
                octets[place : place + chance.choice([0, 1])] = bytes(
                    chance.choices(range(256), k=chance.choice([0, 1, 2]))
                )
            wire = await door.connect("http")
            wire.send(bytes(octets))
            await wire.writer.drain()
            wire.writer.write_eof()
            assert await is_ended(wire)

    beside(test)
