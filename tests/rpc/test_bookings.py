"""A reference is booked once: on a lost race with another node, on disk, after a restart, after a lost answer."""

import asyncio
from pathlib import Path

import pytest

from ocs.charging.decision import Change
from ocs.charging.money import NANOS
from ocs.charging.store import Done, Store, StoreUnavailable, VersionConflict
from ocs.charging.store.memory import MemoryStore
from ocs.charging.store.sqlite import SqliteStore
from tests.rpc.world import World, running
from tests.support.waiting import PATIENCE_S

TOPUP = {"account": "1001", "amount": "5", "id": "pay-1"}


class OtherNode(MemoryStore):
    """Another node makes the same booking, or another change, just before this one."""

    def __init__(self, is_same: bool) -> None:
        super().__init__()
        self.is_same = is_same
        self.races = 1

    def commit(self, change: Change, done: Done) -> None:
        """The change of a booking loses its first race."""
        if not self.races or not any(answer.key.startswith("act|") for answer in change.answered):
            super().commit(change, done)
            return
        self.races -= 1
        if self.is_same:
            super().commit(change, lambda error: done(error or VersionConflict("another node was quicker")))
        else:
            asyncio.get_running_loop().call_soon(done, VersionConflict("another node was quicker"))


class Full(MemoryStore):
    """A disk that is full once."""

    is_full = True

    def commit(self, change: Change, done: Done) -> None:
        """Refuse the first booking."""
        if self.is_full and change.answered:
            self.is_full = False
            asyncio.get_running_loop().call_soon(done, StoreUnavailable("no space left"))
        else:
            super().commit(change, done)


async def available(world: World) -> int:
    """Money of the account, whose books are right."""
    assert (await world.call("AccountVerify", account="1001"))["ok"] is True
    return int((await world.call("AccountShow", account="1001"))["available_nanos"])


@pytest.mark.parametrize("is_same", [True, False])
def test_lost_race_with_another_node_books_once(is_same: bool) -> None:
    async def body() -> None:
        store = OtherNode(is_same)
        async with running(store=store) as world:
            booked = await world.call("AccountTopup", **TOPUP)
            assert store.races == 0
            assert booked["after"] == {"nanos": 15 * NANOS}
            assert await world.call("AccountTopup", **TOPUP) == booked
            assert await available(world) == 15 * NANOS

    asyncio.run(body())


def test_booking_the_store_refused_may_be_sent_again() -> None:
    async def body() -> None:
        async with running(store=Full()) as world:
            assert await world.fail("AccountTopup", **TOPUP) == "the store is not available: no space left"
            assert await available(world) == 10 * NANOS
            assert (await world.call("AccountTopup", **TOPUP))["after"] == {"nanos": 15 * NANOS}
            assert await available(world) == 15 * NANOS

    asyncio.run(body())


def test_reference_is_remembered_on_disk(tmp_path: Path) -> None:
    async def opened(store: Store, is_new: bool) -> dict[str, object]:
        async with running(store=store, is_new=is_new) as world:
            client = await world.connect()
            for number in range(20):
                client.send("AccountTopup", TOPUP, number)
            answers = [(await client.receive())["result"] for _ in range(20)]
            await client.close()
            assert all(answer == answers[0] for answer in answers)
            assert await available(world) == 15 * NANOS
            return dict(answers[0])

    async def body() -> None:
        async with asyncio.timeout(PATIENCE_S):
            results = []
            for is_new in (True, False):
                store = SqliteStore(tmp_path / "ocs.db")
                results.append(await opened(store, is_new))
                await store.close()
            assert results[0] == results[1]

    asyncio.run(body())
