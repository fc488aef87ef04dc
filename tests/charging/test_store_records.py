"""Claims about records of others in the store: with the changes before them, or not at all."""

import asyncio
from pathlib import Path

import pytest

from ocs.charging.account import Account
from ocs.charging.decision import Change
from ocs.charging.store import StoreError
from ocs.charging.store.memory import MemoryStore
from ocs.charging.store.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryStore | SqliteStore:
    return MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "ocs.db", batch_limit=2)


def outcome() -> "asyncio.Future[StoreError | None]":
    return asyncio.get_running_loop().create_future()


async def test_records_are_replaced_and_taken_away(store: MemoryStore | SqliteStore) -> None:
    for value in (b"1", b"2"):
        done = outcome()
        store.keep((("session", "a", value), ("cdr", "a", value)), done.set_result)
        assert await done is None
    done = outcome()
    store.keep((("cdr", "a", None),), done.set_result)
    assert await done is None
    assert store.kept() == [("session", "a", b"2")]
    await store.close()


async def test_records_fail_with_the_change_before_them(store: MemoryStore | SqliteStore) -> None:
    change, record = outcome(), outcome()
    store.commit(Change(Account("a", "p", version=7)), change.set_result)
    store.keep((("session", "a", b"1"),), record.set_result)
    assert await change is not None
    assert await record is not None
    assert store.kept() == []
    assert await store.load("a") is None
    await store.close()


async def test_a_batch_is_not_cut_between_changes_and_their_records(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ocs.db", batch_limit=2)
    waiting = [outcome() for _ in range(6)]
    for number, done in enumerate(waiting[:5]):
        store.commit(Change(Account(f"a{number}", "p", version=1)), done.set_result)
    store.keep((("session", "a", b"1"),), waiting[5].set_result)
    assert await asyncio.gather(*waiting) == [None] * 6
    assert store.batches == 1
    await store.close()
