"""Servers with profiles in front of Gy, subscribers who want more places than there are, and what the store says.

The store is read without the program that wrote it: the sessions of its accounts, the usages of its resources.
"""

import asyncio
import json
import random
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import redis

from bench.load import wire
from bench.load.generator import REALM
from bench.load.server import Server
from bench.load.wire import INITIAL, TERMINATION, UPDATE, Service, Subscriber
from tests.longrun.link import Lost, Peer
from tests.longrun.traffic import FIRST_IMSI, FIRST_MSISDN, RETRY_S
from tests.support.redis_server import RedisServer
from tests.support.waiting import PATIENCE_S

RESOURCES_EXCEEDED = 5006
USAGE, MARK = "resource_usage", "session|"
LIMIT, VISITORS, CLIENTS = 5, 12, 2
RESELLER = 800  # of the demo accounts, of the plan of all others
RUN = "#run=reseller"
PROFILES = {
    "resources": [{"id": "PLACES", "limit": LIMIT, "usage_ttl": "-1ns", "stored": True}],
    "chargers": [
        {"id": "CUSTOMER", "run_id": "*default", "attribute_ids": ["*none"]},
        {
            "id": "RESELLER",
            "run_id": "reseller",
            "attribute_ids": [f"*constant:*req.Account:{FIRST_MSISDN + RESELLER}"],
        },
    ],
}


class SurroundedServer(Server):
    """A server whose Gy has profiles in front of it."""

    def _settings(self, tariffs: str, accounts: str) -> dict[str, object]:
        folder = self.folder / "profiles"
        folder.mkdir()
        (folder / "profiles.yaml").write_text(json.dumps(PROFILES), encoding="utf-8")
        settings: dict[str, Any] = super()._settings(tariffs, accounts)
        settings["diameter"]["subsystems"] = ["chargers", "resources"]
        return settings | {"sessions": {"profiles": str(folder)}}


class Found(NamedTuple):
    """What a store says at one moment: keys of sessions that are open, usages, debits by session."""

    sessions: frozenset[str]
    usages: frozenset[str]
    debits: dict[str, int]

    def problems(self) -> list[str]:
        """Places without a session, sessions without a place; runs without the other one, or charged otherwise."""
        first = {key for key in self.sessions if not key.endswith(RUN)}
        names = {MARK + key for key in first}
        found = [f"leaked: {each}" for each in sorted(self.usages - names)]
        found += [f"lost: {each}" for each in sorted(names - self.usages)]
        found += [f"{len(self.usages)} places"] if len(self.usages) > LIMIT else []
        others = self.sessions - first
        found += [f"one run alone: {each}" for each in {key + RUN for key in first} ^ others]
        keys = {key.removesuffix(RUN) for key in self.debits}
        halves = [key for key in keys if self.debits.get(key) != self.debits.get(key + RUN)]
        return found + [f"charged half: {key}" for key in halves]


def _found(accounts: list[bytes], usages: list[str], postings: list[bytes]) -> Found:
    sessions = [session[0] for record in accounts for session in msgspec.msgpack.decode(record)[3]]
    debits: Counter[str] = Counter()
    for record in postings:
        _, key, _, _, _, entries = msgspec.msgpack.decode(record)[:6]
        if key:
            debits[key] -= sum(entry[3] for entry in entries)
    return Found(frozenset(sessions), frozenset(usages), dict(debits))


def found_in_file(database: Path) -> Found:
    """Of a store in SQLite."""
    connection = sqlite3.connect(database)
    try:
        accounts = [record for (record,) in connection.execute("select record from account")]
        postings = [record for (record,) in connection.execute("select record from posting")]
        keys = connection.execute("select key from record where kind = ?", (USAGE,)).fetchall()
    finally:
        connection.close()
    return _found(accounts, [key.split(":", 2)[2] for (key,) in keys], postings)


def found_in_redis(server: RedisServer) -> Found:
    """Of a store in Redis, at one moment."""
    with redis.Redis(port=server.port) as client, client.pipeline(transaction=True) as moment:
        names = [key.decode() for key in client.zrange("ocs:accounts", 0, -1)]
        moment.hkeys("ocs:records")
        for name in names:
            moment.hget(f"ocs:{{{name}}}:account", "record")
            moment.lrange(f"ocs:{{{name}}}:postings", 0, -1)
        fields, *rows = moment.execute()
    named = [field.decode().split("\0") for field in fields]
    usages = [key.split(":", 2)[2] for kind, key in named if kind == USAGE]
    return _found(rows[::2], usages, [posting for history in rows[1::2] for posting in history])


class House:
    """The way to one or several servers, and what visitors have been told."""

    def __init__(self, servers: list[Server], seed: int) -> None:
        self.servers = servers
        self.names = [f"visit{number}.load.test" for number in range(CLIENTS)]
        self.held: set[str] = set()
        self.used: Counter[str] = Counter()  # octets acknowledged, by session
        self.begun = self.refused = self.most = self.repeated = self.answered = 0
        self._goal, self._reached = 0, asyncio.Event()
        self._chance = random.Random(seed)
        self._open: dict[int, list[Peer]] = {}

    async def join(self, number: int) -> None:
        """A server is there."""
        port = self.servers[number].diameter_port
        self._open[number] = [await Peer.open(name, port) for name in self.names]

    async def leave(self, number: int) -> None:
        """A server is gone."""
        for peer in self._open.pop(number, []):
            await peer.close()

    def count(self) -> None:
        """A request has been answered."""
        self.answered += 1
        if self.answered >= self._goal:
            self._reached.set()

    async def answers(self, more: int) -> None:
        """Wait until so many more requests have been answered."""
        self._goal = self.answered + more
        self._reached.clear()
        async with asyncio.timeout(PATIENCE_S):
            await self._reached.wait()

    async def send(self, client: int, frame: bytearray) -> bytes:
        """One attempt, at any server."""
        if not self._open:
            raise Lost("no server is there")
        return await self._open[self._chance.choice(tuple(self._open))][client].send(frame)


class Visitor:
    """One subscriber's sessions, one after the other, each request repeated until it is answered."""

    def __init__(self, house: House, number: int, seed: int) -> None:
        self._house = house
        self._number = number
        self._chance = random.Random(seed * 1_000 + number)
        self._count = 0
        self.stopping = False

    async def run(self) -> None:
        """Session after session."""
        while not self.stopping:
            await self._session()

    async def _session(self) -> None:
        house, client = self._house, self._number % CLIENTS
        self._count += 1
        name = f"{house.names[client]};{self._number};{self._count}"
        if await self._answered(name, INITIAL, 0, Service(10, 1_000_000)) == RESOURCES_EXCEEDED:
            house.refused += 1
            await asyncio.sleep(RETRY_S)
            return
        house.begun += 1
        house.held.add(name)
        house.most = max(house.most, len(house.held))
        for number in range(1, self._chance.randint(1, 4)):
            await self._used(name, UPDATE, number, 1_000_000)
        house.held.remove(name)
        await self._used(name, TERMINATION, 9, None)

    async def _used(self, name: str, kind: int, number: int, wanted: int | None) -> None:
        octets = self._chance.randint(0, 1_000_000)
        assert await self._answered(name, kind, number, Service(10, wanted, octets)) == wire.SUCCESS
        self._house.used[name] += octets

    async def _answered(self, name: str, kind: int, number: int, part: Service) -> int:
        client = self._number % CLIENTS
        someone = Subscriber(f"{FIRST_IMSI + self._number:015d}", str(FIRST_MSISDN + self._number))
        attempts = 0
        while True:
            attempts += 1
            frame = wire.credit_control(
                *(self._house.names[client], REALM, name, kind, number, someone, (part,), 0),
                self._chance.getrandbits(32),
                retransmitted=attempts > 1 and self._chance.random() < 0.5,
            )
            try:
                code = wire.answer(await self._house.send(client, bytearray(frame))).result_code
            except Lost:
                code = wire.TOO_BUSY
            if code != wire.TOO_BUSY:
                self._house.repeated += attempts - 1
                self._house.count()
                assert code in (wire.SUCCESS, RESOURCES_EXCEEDED), f"{name} {kind} {number}: {code}"
                return code
            await asyncio.sleep(RETRY_S)
