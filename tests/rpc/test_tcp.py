"""JSON-RPC over TCP: pipelines, limits, hostile and slow clients, and none of them in the way of another."""

import asyncio
import json
import random
from typing import Any

import pytest

from ocs.charging.account import Account
from ocs.charging.store import StoreUnavailable
from ocs.charging.store.memory import MemoryStore
from ocs.rpc.messages import EnvelopeLimits
from ocs.rpc.tcp import TcpLimits
from tests.rpc.world import MSISDN, Client, World, in_world, running
from tests.support.waiting import PATIENCE_S

PING = b'{"method":"OcsV1.Ping","params":[{}],"id":1}'
SECOND_NS = 1_000_000_000


class HeldStore(MemoryStore):
    """Loads accounts whose key begins with `slow` only when it is let go, and none that begin with `broken`."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = asyncio.Event()
        self.waiting = 0

    async def load(self, key: str) -> Account | None:
        """The account, later."""
        if key.startswith("default:broken"):
            raise StoreUnavailable("the disk is gone")
        if key.startswith("default:slow"):
            self.waiting += 1
            await self.let_go.wait()
        return await super().load(key)


async def pong(world: World) -> None:
    """Another client is served."""
    assert await world.call("Ping") == "Pong"


async def until(condition: Any) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what other tasks do has no event
            await asyncio.sleep(0)


@in_world
async def test_requests_in_single_octets_are_answered(world: World) -> None:
    client = await world.connect()
    for octet in PING * 2:
        client.write(bytes([octet]))
        await client.writer.drain()
    assert [await client.receive() for _ in range(2)] == [{"id": 1, "result": "Pong", "error": None}] * 2
    await client.close()


@in_world
async def test_pipelined_requests_are_all_answered(world: World) -> None:
    client = await world.connect()
    for number in range(1_000):
        client.send("AccountShow", {"account": MSISDN}, number)
    answers = [await client.receive() for _ in range(1_000)]
    assert {answer["id"] for answer in answers} == set(range(1_000))
    assert all(answer["result"]["account"] == "default:1001" for answer in answers)
    await client.close()


def test_answers_overtake_and_requests_in_flight_are_bounded() -> None:
    async def body() -> None:
        store = HeldStore()
        async with running(store=store, tcp_limits=TcpLimits(in_flight=5)) as world:
            client = await world.connect()
            for number in range(4):
                client.send("AccountShow", {"account": f"slow{number}"}, f"slow{number}")
            client.send("Ping", {}, "fast")
            assert (await client.receive())["id"] == "fast"
            for number in range(20):
                client.send("AccountShow", {"account": f"slow{number}"}, f"more{number}")
            await until(lambda: store.waiting == 5)
            await pong(world)
            assert store.waiting == 5
            store.let_go.set()
            names = {(await client.receive())["id"] for _ in range(24)}
            assert names == {f"slow{n}" for n in range(4)} | {f"more{n}" for n in range(20)}
            await client.close()

    asyncio.run(body())


def test_store_that_fails_is_said_and_the_connection_stays() -> None:
    async def body() -> None:
        async with running(store=HeldStore()) as world:
            client = await world.connect()
            answer = await client.call("AccountShow", account="broken")
            assert answer["error"] == "the store is not available: the disk is gone"
            assert (await client.call("Ping"))["result"] == "Pong"
            await client.close()

    asyncio.run(body())


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"[" * 100_000, "brackets nest deeper than 64"),
        (b'{"a":"' + b"x" * (1 << 20), "a message is longer than 1048576 octets"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "a message begins with { or ["),
        (b"\x16\x03\x01\x02\x00", "a message begins with { or ["),
    ],
)
@in_world
async def test_stream_that_cannot_be_cut_ends_its_connection_alone(
    world: World, data: bytes, error: str
) -> None:
    neighbour = await world.connect()
    client = await world.connect()
    client.write(PING + data)
    assert (await client.receive())["result"] == "Pong"
    assert await client.receive() == {"id": None, "result": None, "error": error}
    assert await client.receive() is None
    assert (await neighbour.call("Ping"))["result"] == "Pong"
    await client.close()
    await neighbour.close()


@in_world
async def test_message_that_is_no_request_keeps_its_connection(world: World) -> None:
    client = await world.connect()
    for data in (b"{]", b"[]", b"{}", b'{"method":"OcsV1.Nothing","params":[{}],"id":4}', b"[1]"):
        client.write(data)
        answer = await client.receive()
        assert json.dumps(answer).count("error") == 1
    client.write(b'{"method":"Other.Method","params":[{}],"id":5}')
    assert await client.receive() == {
        "id": 5,
        "result": None,
        "error": "rpc: can't find service Other.Method",
    }
    client.write(b'{"method":"OcsV1.Nothing","params":[{}],"id":6}')
    assert (await client.receive())["error"] == "rpc: can't find method OcsV1.Nothing"
    assert (await client.call("Ping"))["result"] == "Pong"
    await client.close()


@in_world
async def test_batch_of_2_0_is_answered_by_one_array(world: World) -> None:
    client = await world.connect()
    call = {"jsonrpc": "2.0", "method": "OcsV1.Ping"}
    client.write(json.dumps([call | {"id": 1}, call, call | {"id": "two", "method": "No.No"}, 5]).encode())
    first, second, third = await client.receive()
    assert first == {"jsonrpc": "2.0", "id": 1, "result": "Pong"}
    assert (second["id"], second["error"]["code"]) == ("two", -32_601)
    assert (third["id"], third["error"]["code"]) == (None, -32_600)
    client.write(json.dumps([call, call]).encode() + PING)
    assert (await client.receive())["result"] == "Pong"
    await client.close()


@in_world
async def test_client_that_shuts_its_side_gets_its_answers(world: World) -> None:
    client = await world.connect()
    client.write(PING * 3)
    client.writer.write_eof()
    assert [(await client.receive())["result"] for _ in range(3)] == ["Pong"] * 3
    assert await client.receive() is None
    await client.close()


def test_clients_that_hang_are_ended() -> None:
    async def body() -> None:
        async with running(tcp_limits=TcpLimits(stalled_ns=SECOND_NS)) as world:
            tcp = world.server.front.tcp
            now_ns = tcp.now_ns
            silent, slow, fine = [await world.connect() for _ in range(3)]
            slow.write(PING + b'{"method":')
            fine.write(PING)
            assert (await slow.receive())["result"] == "Pong"
            assert (await fine.receive())["result"] == "Pong"
            tcp.sweep(now_ns + 9 * SECOND_NS)
            assert len(tcp.connections) == 3
            tcp.sweep(now_ns + 12 * SECOND_NS)
            assert await _ended(slow)
            tcp.sweep(now_ns + 3_600 * SECOND_NS)
            assert not tcp.unsettled
            for client in (fine, silent):
                assert (await client.call("Ping"))["result"] == "Pong"
            for client in (silent, slow, fine):
                client.writer.close()

    asyncio.run(body())


def test_client_that_does_not_read_is_not_answered_without_end() -> None:
    async def body() -> None:
        limits = TcpLimits(write_octets=1 << 16, stalled_ns=SECOND_NS)
        async with running(tcp_limits=limits) as world:
            tcp = world.server.front.tcp
            client = await world.connect()
            request = b'{"jsonrpc":"2.0","method":"rpc.discover","id":1}'
            client.write(request * 5_000)
            await until(lambda: any(each._stalled_ns is not None for each in tcp.connections))
            [connection] = [each for each in tcp.connections if each._stalled_ns is not None]
            await until(lambda: connection._in_flight == 0)
            assert connection._transport is not None
            assert connection._transport.get_write_buffer_size() < 110 * 40_000
            await pong(world)
            tcp.sweep(tcp.now_ns + 2 * SECOND_NS)
            await until(lambda: connection not in tcp.connections)
            client.writer.close()

    asyncio.run(body())


def test_connections_are_bounded() -> None:
    async def body() -> None:
        async with running(tcp_limits=TcpLimits(connections=2)) as world:
            kept = [await world.connect() for _ in range(2)]
            assert [(await client.call("Ping"))["result"] for client in kept] == ["Pong", "Pong"]
            third = await world.connect()
            assert await _ended(third)
            await kept[0].close()
            await until(lambda: len(world.server.front.tcp.connections) == 1)
            await pong(world)
            third.writer.close()
            await kept[1].close()

    asyncio.run(body())


def test_stop_lets_requests_under_way_be_answered() -> None:
    async def body() -> None:
        store = HeldStore()
        async with running(store=store) as world:
            client = await world.connect()
            client.send("AccountShow", {"account": "slow"})
            await until(lambda: store.waiting == 1)
            stopping = asyncio.create_task(world.server.stop())
            await asyncio.sleep(0)
            store.let_go.set()
            assert (await client.receive())["error"] == "no account slow"
            assert await client.receive() is None
            await stopping
            await client.close()

    asyncio.run(body())


def test_topup_of_a_client_that_went_away_is_booked_once() -> None:
    async def body() -> None:
        async with running(envelope_limits=EnvelopeLimits()) as world:
            client = await world.connect()
            client.send("AccountTopup", {"account": "1001", "amount": 1, "id": "gone"})
            await client.writer.drain()
            client.writer.transport.abort()
            again = await world.call("AccountTopup", account="1001", amount=1, id="gone")
            assert again["available_nanos"] == 11 * SECOND_NS
            assert (await world.call("AccountShow", account="1001"))["available_nanos"] == 11 * SECOND_NS

    asyncio.run(body())


@pytest.mark.parametrize("seed", range(5))
@in_world
async def test_damaged_requests_never_break_a_neighbour(world: World, seed: int) -> None:
    chance = random.Random(seed)
    good = json.dumps(
        {
            "method": "OcsV1.AccountTopup",
            "params": [{"account": "1001", "amount": "0.5", "id": "fuzz"}],
            "id": 1,
        }
    ).encode()
    neighbour = await world.connect()
    for _ in range(60):
        damaged = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            position = chance.randrange(len(damaged))
            match chance.randrange(3):
                case 0:
                    damaged[position] = chance.randrange(256)
                case 1:
                    del damaged[position]
                case 2:
                    damaged[position:position] = chance.choice(
                        [b"{", b"}", b'"', b"[", b"\\", b"1e999", b"null"]
                    )
        client = await world.connect()
        client.write(bytes(damaged))
        client.writer.write_eof()
        while (answer := await client.receive()) is not None:
            assert answer["error"] is not None or isinstance(answer["result"], dict)
        await client.close()
        assert (await neighbour.call("AccountShow", account="1001"))["result"]["plan"] == "standard"
    assert (await neighbour.call("AccountVerify"))["result"]["ok"] is True
    await neighbour.close()


async def _ended(client: Client) -> bool:
    """Whether the server ends the connection."""
    try:
        return await client.receive() is None
    except ConnectionError:
        return True
