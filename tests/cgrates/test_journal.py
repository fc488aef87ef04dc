"""State and journal: what was answered is there after a restart, a lost disk is never hidden."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ocs.cgrates.config import Duration
from ocs.cgrates.journal import Entry, JournalError, SqliteJournal
from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from ocs.charging.cgrates.account import Account, Balance
from ocs.sessions.model import Session


def account(name: str, nanos: int = 5) -> Account:
    return Account(name, {"*monetary": (Balance("u", "main", nanos),)})


def test_records_are_there_after_a_restart(tmp_path: Path) -> None:
    async def run() -> None:
        state = State(SqliteJournal(tmp_path / "j"))
        state.put_accounts({"t:1": account("t:1"), "t:2": account("t:2")})
        state.put(Kind.MEMBERS, "g", ("t:1", "t:2"))
        await state.durable()
        state.delete(Kind.ACCOUNT, "t:2")
        state.put(Kind.CHARGER, "t:C", {"Tenant": "t", "ID": "C", "RunID": "*default"})
        await state.close()
        again = State(SqliteJournal(tmp_path / "j"))
        assert again.load() == 3
        assert again.accounts == {"t:1": account("t:1")}
        assert again.members == {"g": ("t:1", "t:2")}
        assert again.book.chargers.get("t", "C") is not None
        await again.close()

    asyncio.run(run())


def test_a_kind_of_integer_is_kept_as_integer(tmp_path: Path) -> None:
    async def run() -> None:
        state = State(SqliteJournal(tmp_path / "j"))
        state.put_session(Session("c", "t", {}, {}, (), debit_interval_ns=Duration(5)))
        await state.close()
        again = State(SqliteJournal(tmp_path / "j"))
        again.load()
        assert again.sessions["c"].debit_interval_ns == 5
        await again.close()

    asyncio.run(run())


def test_any_value_that_is_known_is_kept(tmp_path: Path) -> None:
    async def run() -> None:
        state = State(SqliteJournal(tmp_path / "j"))
        voice = Account("t:v", {"*voice": (Balance("u", "main", 10**25, weight=0.5, factors={"f": 1.5}),)})
        state.put_accounts({"t:v": voice})
        state.put(Kind.META, "odd", {"number": 10**40, "text": "a\ud800b", "exact": Decimal("1.5")})
        await state.close()
        again = State(SqliteJournal(tmp_path / "j"))
        again.load()
        assert again.accounts == {"t:v": voice}
        assert again.tables[Kind.META]["odd"] == {"number": 10**40, "text": "a?b", "exact": "1.5"}
        await again.close()

    asyncio.run(run())


class Broken:
    """A journal whose disk is full."""

    def load(self) -> Iterator[tuple[str, str, bytes]]:
        return iter(())

    async def append(self, entries: list[Entry]) -> None:
        await asyncio.sleep(0)
        raise JournalError("disk full")

    async def close(self) -> None:
        return None


def test_a_failed_commit_fails_every_waiter_and_ends_the_server() -> None:
    async def run() -> None:
        ended: list[bool] = []
        state = State(Broken(), lambda: ended.append(True))
        state.put_accounts({"t:1": account("t:1")})
        first = asyncio.ensure_future(state.durable())
        await asyncio.sleep(0)
        state.put_accounts({"t:1": account("t:1", 4)})
        second = asyncio.ensure_future(state.durable())
        found = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(each) for each in found] == [JournalError, JournalError]
        assert ended == [True]
        with pytest.raises(JournalError):
            await state.durable()

    asyncio.run(run())


class Slow:
    """A journal that says what it gets and commits when told to."""

    def __init__(self) -> None:
        self.batches: list[list[Entry]] = []
        self.go = asyncio.Event()

    def load(self) -> Iterator[tuple[str, str, bytes]]:
        return iter(())

    async def append(self, entries: list[Entry]) -> None:
        self.batches.append(entries)
        await self.go.wait()

    async def close(self) -> None:
        return None


def test_an_answer_waits_for_the_commit_of_its_own_change_and_a_batch_keeps_the_last_state() -> None:
    async def run() -> None:
        journal = Slow()
        state = State(journal)
        done: list[Any] = []
        state.put_accounts({"t:1": account("t:1")})
        state.when_durable(done.append)
        await asyncio.sleep(0)
        state.put_accounts({"t:1": account("t:1", 4)})
        state.put_accounts({"t:1": account("t:1", 3)})
        state.when_durable(done.append)
        await asyncio.sleep(0)
        assert (len(journal.batches), done) == (1, [])
        journal.go.set()
        await state.durable()
        for _ in range(3):
            await asyncio.sleep(0)
        assert (len(journal.batches), done) == (2, [None, None])
        assert [key for _, key, _ in journal.batches[1]] == ["t:1"]

    asyncio.run(run())


def test_who_asks_while_answers_leave_is_told_too() -> None:
    async def run() -> None:
        journal = Slow()
        journal.go.set()
        state = State(journal)
        done: list[str] = []

        def first(error: JournalError | None) -> None:
            done.append("first")
            state.when_durable(lambda error: done.append("second"))

        state.put_accounts({"t:1": account("t:1")})
        state.when_durable(first)
        for _ in range(5):
            await asyncio.sleep(0)
        assert done == ["first", "second"]

    asyncio.run(run())


def test_a_second_server_on_the_same_file_is_refused(tmp_path: Path) -> None:
    first = SqliteJournal(tmp_path / "j")
    with pytest.raises(JournalError):
        SqliteJournal(tmp_path / "j")
    asyncio.run(first.close())


def test_a_snapshot_holds_the_account_and_those_it_shares_with() -> None:
    state = State()
    shared = Account("t:1", {"*monetary": (Balance("u", shared_groups={"G": True}),)})
    state.put_accounts({"t:1": shared, "t:2": account("t:2"), "t:3": account("t:3")})
    state.join("G", "t:1")
    state.join("G", "t:2")
    snapshot = state.snapshot("t:1")
    assert (set(snapshot.accounts), snapshot.members) == ({"t:1", "t:2"}, {"G": ("t:1", "t:2")})
