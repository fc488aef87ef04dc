"""State and journal: what was answered is there after a restart, a lost disk is never hidden."""

import asyncio
import contextlib
import os
import random
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ocs.cgrates.cdr_rows import NONE, Changes
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

    async def append(self, entries: list[Entry], cdrs: Changes = NONE) -> None:
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

    async def append(self, entries: list[Entry], cdrs: Changes = NONE) -> None:
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


def rows_of(path: Path, table: str) -> int:
    """How many rows a table of the file has."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"select count(*) from {table}").fetchone()[0])


def written(path: Path, *batches: list[Entry]) -> list[tuple[str, str, bytes]]:
    """What a new journal finds after another has written batches and was not closed."""

    async def run() -> None:
        journal = SqliteJournal(path)
        for batch in batches:
            await journal.append(batch)
        journal._connection.close()  # as a killed process leaves it
        journal.cdrs.close()
        os.close(journal._lock)

    asyncio.run(run())
    again = SqliteJournal(path)
    found = list(again.load())
    asyncio.run(again.close())
    return found


def entries(*names: str, value: bytes | None = b"1") -> list[Entry]:
    """A batch of records that hold the same."""
    return [("k", name, value) for name in names]


def test_what_the_log_alone_holds_is_found_in_its_order(tmp_path: Path) -> None:
    batches = (entries("a", "b", "c"), entries("b", value=None), entries("a", value=b"2"), entries("d"))
    assert written(tmp_path / "j", *batches) == [("k", "a", b"2"), ("k", "c", b"1"), ("k", "d", b"1")]
    assert (rows_of(tmp_path / "j", "record"), rows_of(tmp_path / "j", "log")) == (0, 4)
    assert [key for _, key, _ in written(tmp_path / "j", entries("e", "c"))] == ["a", "c", "d", "e"]


def test_a_log_is_bounded_and_what_leaves_it_keeps_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocs.cgrates.journal.RECENT_RECORDS", 3)
    names = ["hot", *(f"n{number}" for number in range(20))]
    batches = [entries("hot", name, value=name.encode()) for name in names[1:]]
    gone = [entries("hot", "n4", "n19", value=None)]
    found = written(tmp_path / "j", entries("hot"), *batches)
    assert [key for _, key, _ in found] == names
    assert found[0] == ("k", "hot", b"n19")
    assert (rows_of(tmp_path / "j", "record"), rows_of(tmp_path / "j", "log")) == (18, 2)
    left = [name for name in names if name not in ("hot", "n4", "n19")]
    assert [key for _, key, _ in written(tmp_path / "j", *gone)] == left
    assert [key for _, key, _ in written(tmp_path / "j", entries("x", "y", "n0"))] == [*left, "x", "y"]


def test_a_record_that_stays_as_it_is_does_not_keep_a_log_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocs.cgrates.journal.LOG_OCTETS", 2_000)
    batches = [entries("hot", value=bytes([number]) * 100) for number in range(100)]
    found = written(tmp_path / "j", entries("cold"), *batches)
    assert found == [("k", "cold", b"1"), ("k", "hot", bytes([99]) * 100)]
    assert rows_of(tmp_path / "j", "log") == 1


def test_a_batch_too_large_for_the_log_goes_past_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocs.cgrates.journal.RECENT_RECORDS", 3)
    large = entries("b", "a", "d", "e", value=b"2")
    found = written(tmp_path / "j", entries("a", "b", "c"), large)
    assert [(key, value) for _, key, value in found] == [
        ("a", b"2"),
        ("b", b"2"),
        ("c", b"1"),
        ("d", b"2"),
        ("e", b"2"),
    ]
    assert (rows_of(tmp_path / "j", "record"), rows_of(tmp_path / "j", "log")) == (5, 0)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_written_is_found_in_the_order_in_which_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("ocs.cgrates.journal.RECENT_RECORDS", 5)
    monkeypatch.setattr("ocs.cgrates.journal.LOG_OCTETS", 300)
    chance = random.Random(seed)
    expected: dict[str, bytes] = {}
    for life in range(10):
        batches: list[list[Entry]] = []
        for number in range(chance.randint(0, 12)):
            value = f"{life} {number}".encode()
            names = chance.sample([f"n{each}" for each in range(30)], chance.randint(1, 8))
            gone = [name for name in names if name in expected and chance.random() < 0.3]
            batches.append([("k", name, None if name in gone else value) for name in names])
            for name in names:
                if name in gone:
                    del expected[name]
                else:
                    expected[name] = value
        found = {key: value for _, key, value in written(tmp_path / "j", *batches)}
        assert found == expected


def test_a_file_of_the_layout_before_is_taken_over_and_one_of_a_later_is_not(tmp_path: Path) -> None:
    old = "create table record (number integer primary key, kind text not null, key text not null,"
    old += " value blob not null, unique (kind, key)); pragma user_version=1;"
    with contextlib.closing(sqlite3.connect(tmp_path / "j")) as connection:
        connection.executescript(old + "insert into record values (7, 'k', 'a', x'31')")
    assert written(tmp_path / "j", entries("b")) == [("k", "a", b"1"), ("k", "b", b"1")]
    with contextlib.closing(sqlite3.connect(tmp_path / "j")) as connection:
        connection.execute("pragma user_version=4")
    with pytest.raises(JournalError, match="has layout 4; this program writes layout 3"):
        SqliteJournal(tmp_path / "j")


def test_a_snapshot_holds_the_account_and_those_it_shares_with() -> None:
    state = State()
    shared = Account("t:1", {"*monetary": (Balance("u", shared_groups={"G": True}),)})
    state.put_accounts({"t:1": shared, "t:2": account("t:2"), "t:3": account("t:3")})
    state.join("G", "t:1")
    state.join("G", "t:2")
    snapshot = state.snapshot("t:1")
    assert (set(snapshot.accounts), snapshot.members) == ({"t:1", "t:2"}, {"G": ("t:1", "t:2")})
