"""Two real servers on one Redis, any request to any of them, killed in turn: no debit is lost, none taken twice."""

import asyncio
import random
import time
from pathlib import Path

import pytest
import redis

from bench.load import wire
from bench.load.generator import REALM
from bench.load.server import Server
from bench.load.wire import Service, Subscriber
from tests.longrun.books import Audit
from tests.longrun.link import Caller, Lost, Peer
from tests.longrun.test_kill import ACCOUNTS, LANES, check_at_the_end, progress
from tests.longrun.traffic import FIRST_IMSI, FIRST_MSISDN, Books, Line, Subscription, Topups
from tests.support.redis_server import RedisServer
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.peer
CLIENTS = 2
LONGEST_LIFE_S = 0.8


class Nodes(Line):
    """The way to several servers: every request goes to one that chance picks."""

    may_be_busy = True

    def __init__(self, servers: list[Server], chance: random.Random) -> None:
        super().__init__(servers[0], CLIENTS)
        self._servers = servers
        self._chance = chance
        self._open: dict[int, list[Peer]] = {}  # by number of the server
        self.is_up.set()

    @property
    def rpc_port(self) -> int:
        """Of any server."""
        return self._chance.choice(self._servers).rpc_port

    async def join(self, number: int) -> None:
        """A server is there."""
        port = self._servers[number].diameter_port
        self._open[number] = [await Peer.open(name, port) for name in self.names]

    async def leave(self, number: int) -> None:
        """A server is gone."""
        for peer in self._open.pop(number, []):
            await peer.close()
            self.strays += len(peer.strays)

    async def send(self, client: int, frame: bytearray) -> bytes:
        """One attempt, at any server."""
        if not self._open:
            raise Lost("no server is there")
        peers = self._open[self._chance.choice(tuple(self._open))]
        return await peers[client].send(frame)


def audit_of(server: RedisServer) -> Audit:
    """Of a store in Redis at one moment, read without the program that wrote it."""
    with redis.Redis(port=server.port) as client, client.pipeline(transaction=True) as moment:
        keys = [key.decode() for key in client.zrange("ocs:accounts", 0, -1)]
        for key in keys:
            moment.hget(f"ocs:{{{key}}}:account", "record")
            moment.lrange(f"ocs:{{{key}}}:postings", 0, -1)
        moment.xlen("ocs:postings")
        moment.zcard("ocs:open")
        *found, rows, opened = moment.execute()
    postings = [one for history in found[1::2] for one in history]
    audit = Audit(found[::2], postings)
    assert rows == len(postings), "the listing of all postings is complete"
    assert opened == sum(found.open_sessions > 0 for found in audit.accounts.values())
    return audit


async def verified(server: Server) -> None:
    """A server agrees: every account's books are right."""
    caller = await Caller.open(server.rpc_port)
    for account in range(ACCOUNTS):
        verdict = await caller.call("OcsV1.AccountVerify", account=str(FIRST_MSISDN + account))
        assert verdict["ok"], verdict
    await caller.close()


async def check_one_is_asked_over_the_other(one: Server, two: Server) -> None:
    """A session of a client of the first server is seen by the second, which has its client asked."""
    name, someone = "only-one.load.test", Subscriber(f"{FIRST_IMSI + 50:015d}", str(FIRST_MSISDN + 50))
    peer = await Peer.open(name, one.diameter_port)
    services = (Service(10, 1_000_000),)
    opened = wire.credit_control(name, REALM, f"{name};1", wire.INITIAL, 0, someone, services, 0, 1)
    assert wire.answer(await peer.send(bytearray(opened))).result_code == wire.SUCCESS
    caller = await Caller.open(two.rpc_port)
    listed = await caller.call("OcsV1.SessionList", search="only-one")
    assert [row["session"] for row in listed["sessions"]] == [f"{name};1"]
    asked = await caller.call("OcsV1.SessionReauthorize", session=f"{name};1")
    assert asked["answer"] == "UNDER_WAY", asked
    await caller.close()
    ended = wire.credit_control(
        name, REALM, f"{name};1", wire.TERMINATION, 1, someone, (Service(10, None, 0),), 0, 2
    )
    assert wire.answer(await peer.send(bytearray(ended))).result_code == wire.SUCCESS
    await peer.close()


async def killed_in_turn(redis_server: RedisServer, servers: list[Server], kills: int, seed: int) -> Books:
    """The whole story: traffic to both, one after the other is killed and comes back."""
    chance = random.Random(seed)
    line, books = Nodes(servers, chance), Books()
    for number, server in enumerate(servers):
        await asyncio.to_thread(server.start)
        await line.join(number)
    await check_one_is_asked_over_the_other(*servers)
    traffic: list[Subscription | Topups] = [
        Subscription(line, books, account, lane, seed * 1_000 + account * LANES + lane)
        for account in range(ACCOUNTS)
        for lane in range(LANES)
    ]
    traffic.append(Topups(line, books, ACCOUNTS, seed))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each.run()) for each in traffic]
        for kill in range(kills):
            number = kill % len(servers)
            await progress(books, chance.randrange(40, 60))
            await asyncio.wait(running, timeout=chance.uniform(0.02, LONGEST_LIFE_S))
            servers[number].kill()
            assert "Traceback" not in servers[number].log_text()
            await line.leave(number)
            assert audit_of(redis_server).problems() == []
            await asyncio.to_thread(servers[number].start)
            await line.join(number)
        for each in traffic:
            each.stopping = True
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.wait(running)
    for number, server in enumerate(servers):
        await verified(server)
        await line.leave(number)
        assert "Traceback" not in server.log_text()
        server.kill()
    check_at_the_end(audit_of(redis_server), books)
    return books


def run(folder: Path, kills: int, seed: int) -> Books:
    """Run the story and end everything whatever comes of it."""
    redis_server = RedisServer(folder / "redis").start()
    store: dict[str, object] = {"kind": "redis", "redis": {"url": redis_server.url}}
    servers = []
    try:
        for name in ("one", "two"):
            (folder / name).mkdir()
            servers.append(Server(folder / name, store=store))
        return asyncio.run(killed_in_turn(redis_server, servers, kills, seed))
    finally:
        for server in servers:
            server.kill()
        redis_server.kill()


def test_two_nodes_lose_and_repeat_nothing_when_one_is_killed(tmp_path: Path) -> None:
    books = run(tmp_path, kills=3, seed=1)
    assert books.acknowledged > 100
    assert books.topups > 3
    assert books.repeated > 0, "no request was under way at any kill"


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_two_nodes_killed_a_hundred_times(tmp_path: Path) -> None:
    books = run(tmp_path, kills=100, seed=time.time_ns() % 1_000_000)
    assert books.acknowledged > 10_000
    assert books.compared > 100
