"""Real servers killed again and again, with two payers and one place for every session.

At every moment the sessions that are open and the places are the same, and both payers have paid the same.
"""

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.load.server import Server
from tests.longrun.books import debit_nanos
from tests.longrun.visitors import (
    LIMIT,
    VISITORS,
    Found,
    House,
    SurroundedServer,
    Visitor,
    found_in_file,
    found_in_redis,
)
from tests.support.redis_server import RedisServer

START_S, FINISH_S = 120.0, 120.0
MOST_ANSWERS = 60  # between two kills


async def visited(servers: list[Server], look: Callable[[], Found], kills: int, seed: int) -> House:
    """The whole story: traffic to all servers, of which one after the other is killed and comes back."""
    chance, house = random.Random(seed), House(servers, seed)
    for number, server in enumerate(servers):
        await asyncio.to_thread(server.start, START_S)
        await house.join(number)
    visitors = [Visitor(house, number, seed) for number in range(VISITORS)]
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each.run()) for each in visitors]
        for kill in range(kills):
            number = kill % len(servers)
            await house.answers(chance.randint(1, MOST_ANSWERS))
            servers[number].kill()
            assert "Traceback" not in servers[number].log_text()
            await house.leave(number)
            assert look().problems() == []
            await asyncio.to_thread(servers[number].start, START_S)
            await house.join(number)
        for each in visitors:
            each.stopping = True
        async with asyncio.timeout(FINISH_S):
            await asyncio.wait(running)
    for number, server in enumerate(servers):
        await house.leave(number)
        assert "Traceback" not in server.log_text()
        server.kill()
    assert house.most <= LIMIT, "more sessions were let in than there are places"
    found = look()
    assert found.problems() == []
    assert not found.sessions | found.usages, "nobody is there any more"
    for name, octets in house.used.items():
        assert found.debits.get(f"{name.partition(';')[0]}|{name}", 0) == debit_nanos({10: octets}), name
    return house


def on_one_server(folder: Path, kills: int, seed: int) -> House:
    """On SQLite."""
    server = SurroundedServer(folder)
    try:
        return asyncio.run(visited([server], lambda: found_in_file(server.database), kills, seed))
    finally:
        server.kill()


def on_two_servers(folder: Path, kills: int, seed: int) -> House:
    """On one Redis."""
    database = RedisServer(folder / "redis").start()
    store: dict[str, object] = {"kind": "redis", "redis": {"url": database.url}}
    servers: list[Server] = []
    try:
        for name in ("one", "two"):
            (folder / name).mkdir()
            servers.append(SurroundedServer(folder / name, store=store, name=f"{name}.load.test"))
        return asyncio.run(visited(servers, lambda: found_in_redis(database), kills, seed))
    finally:
        for server in servers:
            server.kill()
        database.kill()


def test_a_killed_server_leaks_no_place_and_charges_nobody_alone(tmp_path: Path) -> None:
    house = on_one_server(tmp_path, kills=3, seed=1)
    assert house.begun > LIMIT
    assert house.refused > 0, "there was room for all"
    assert house.repeated > 0, "no request was under way at any kill"


@pytest.mark.peer
def test_nor_do_two_servers_on_one_redis(tmp_path: Path) -> None:
    house = on_two_servers(tmp_path, kills=3, seed=1)
    assert house.begun > LIMIT
    assert house.refused > 0, "there was room for all"


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_the_same_a_hundred_times(tmp_path: Path) -> None:
    assert on_one_server(tmp_path, kills=100, seed=time.time_ns() % 1_000_000).repeated > 100


@pytest.mark.long
@pytest.mark.peer
@pytest.mark.timeout(1_800)
def test_the_same_a_hundred_times_on_two_servers(tmp_path: Path) -> None:
    assert on_two_servers(tmp_path, kills=100, seed=time.time_ns() % 1_000_000).refused > 100
