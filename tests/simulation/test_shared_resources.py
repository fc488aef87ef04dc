"""Seeded nodes that allocate and release places of one resource: its limit holds at every moment, nothing leaks."""

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from ocs.cgrates.journal import JournalError
from ocs.cgrates.kinds import Kind
from ocs.charging.service import ChargingService
from ocs.charging.store import StoreError
from ocs.config.settings import SessionSettings
from ocs.exact.shared import SharedRuntime
from ocs.nodes import Nodes
from ocs.sessions.errors import Outrun, ServiceError
from ocs.sessions.model import CgrEvent
from tests.support.charging import NOON_NS, TARIFF
from tests.support.door import POLICY, Counts
from tests.support.shared_store import Database, Mishap, SharedNode
from tests.support.virtual_time import run, running

TENANT, LIMIT, CLIENTS, ROUNDS = "cgrates.org", 3, 7, 6
PROFILE = {"Tenant": TENANT, "ID": "LINES", "Limit": LIMIT, "UsageTTL": "24h", "Weight": 10}
MISHAPS = (Mishap.LOST, Mishap.UNHEARD, Mishap.LATE, Mishap.DOWN)


class Node:
    """One server, as far as resources go."""

    def __init__(self, database: Database, chance: Random, name: str) -> None:
        self.chance = chance
        self.is_faulty = False
        self.store = SharedNode(database, lambda: chance.choice((0.0, 0.001, 0.02)), self._mishap)
        self.service = ChargingService(
            self.store, TARIFF, POLICY, Counts(), None, lambda: NOON_NS + running().now_ns()
        )
        self.service.is_shared = True
        self.runtime = SharedRuntime(self.service, self.store, name, SessionSettings())
        self.nodes = Nodes(self.service, self.store, lambda account: None, lambda: None)
        self.nodes.on_recorded, self.nodes.catch_up = self.runtime.hear, self.runtime.catch_up

    def _mishap(self) -> Mishap:
        happens = self.is_faulty and self.chance.random() < 0.1
        return self.chance.choice(MISHAPS) if happens else Mishap.NONE

    async def step(self, work: Callable[[CgrEvent], object], usage_id: str) -> bool | None:
        """One durable step, taken again when it was outrun; None where its outcome is not known."""
        event = CgrEvent(TENANT, {"Account": "1001"}, {"*rsUsageID": usage_id, "*rsUnits": 1})
        for _ in range(30):
            try:
                work(event)
            except ServiceError:
                return False
            try:
                await self.runtime.durable()
            except Outrun:
                await self.runtime.catch_up()
            except JournalError:
                return None
            else:
                return True
        return None


class World:
    """Three nodes, and clients that use places for a while."""

    def __init__(self, seed: int, checks_domains: bool = True) -> None:
        self.chance = Random(seed)
        self.database = Database()
        self.database.checks_domains = checks_domains
        self.database.on_records = self._look
        self.most = self.made = 0
        self.nodes: list[Node] = []

    def _used(self) -> int:
        return sum(kind == Kind.RESOURCE_USAGE for kind, _ in self.database.records)

    def _look(self) -> None:
        self.most = max(self.most, self._used())

    async def play(self) -> "World":
        self.nodes = [Node(self.database, self.chance, f"node{number}") for number in range(3)]
        for node in self.nodes:
            await node.nodes.start()
        first = self.nodes[0].runtime
        first.state.put_profile(Kind.RESOURCE, f"{TENANT}:LINES", dict(PROFILE))
        await first.durable()
        await asyncio.sleep(1)
        for node in self.nodes:
            node.is_faulty = True
        async with asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                clients.create_task(self._use(number))
        await asyncio.sleep(1)
        for node in self.nodes:
            await node.runtime.catch_up()
        return self

    async def _use(self, number: int) -> None:
        for turn in range(ROUNDS):
            usage_id = f"call-{number}-{turn}"
            node = self.chance.choice(self.nodes)
            outcome = await node.step(node.runtime.surroundings.allocate_resources, usage_id)
            if outcome is False:
                await asyncio.sleep(self.chance.uniform(0, 0.05))
                continue
            self.made += outcome is True
            await asyncio.sleep(self.chance.uniform(0, 0.1))
            await self._release(usage_id)

    async def _release(self, usage_id: str) -> None:
        """Until some node says that it is done, or that there is nothing, and the store says so too."""
        while True:
            node = self.chance.choice(self.nodes)
            try:
                await node.runtime.catch_up()
            except StoreError:
                continue
            outcome = await node.step(node.runtime.surroundings.release_resources, usage_id)
            await asyncio.sleep(2)  # what was late has arrived
            if outcome is not None and not any(usage_id in key for _, key in self.database.records):
                return

    def problems(self) -> list[str]:
        """What is wrong in the end."""
        found = [f"{self.most} places in use"] if self.most > LIMIT else []
        found += [f"{self._used()} places leaked"] if self._used() else []
        for node in self.nodes:
            known = node.runtime.surroundings.resources.usage(TENANT, "LINES", NOON_NS)
            found += [f"a node knows of {known}"] if known else []
        return found


def world(seed: int, checks_domains: bool = True) -> World:
    played: World = run(World(seed, checks_domains).play())
    return played


def test_a_limit_is_never_exceeded_and_every_place_comes_back() -> None:
    made = refused = 0
    for seed in range(25):
        played = world(seed)
        assert played.problems() == [], seed
        made += played.made
        refused += played.database.refused
    assert made > 25 * LIMIT
    assert refused > 25, "nodes were in each other's way"


def test_without_the_look_at_what_others_keep_the_limit_does_not_hold() -> None:
    assert any(world(seed, checks_domains=False).most > LIMIT for seed in range(25))


@pytest.mark.long
def test_many_more_histories_of_a_limit() -> None:
    assert [seed for seed in range(1000, 2000) if world(seed).problems()] == []
