"""One contract for every store; what only the embedded store promises follows it."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from ocs.charging.account import Account, Session
from ocs.charging.decision import Change, EventAnswer
from ocs.charging.entry import Cdr, Entry, EntryKind, Posting
from ocs.charging.events import ChargingContext, EventKind, Identity, IdentityKind, Unit
from ocs.charging.store import Query, Rows, Store, StoreError, StoreUnavailable, Table, VersionConflict
from ocs.charging.store import sqlite as sqlite_store
from ocs.charging.store.memory import MemoryStore
from ocs.charging.store.redis import RedisStore
from ocs.charging.store.sqlite import SqliteStore
from tests.support.charging import money
from tests.support.redis_server import RedisServer

Open = Callable[[], Awaitable[Store]]
LATER_NS = 1 << 62


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.kill()


@pytest.fixture(params=["memory", "sqlite", pytest.param("redis", marks=pytest.mark.peer)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the store of the test; what is kept on disk again and again."""
    if request.param == "redis":
        settings = request.getfixturevalue("redis_server").settings(prefix=uuid4().hex)
        return partial(RedisStore.open, settings)
    memory = MemoryStore()

    async def open_local() -> Store:
        return memory if request.param == "memory" else SqliteStore(tmp_path / "ocs.db")

    return open_local


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ocs.db"


@asynccontextmanager
async def using(store: Store) -> AsyncIterator[Store]:
    try:
        yield store
    finally:
        await store.close()


def identity(value: str) -> Identity:
    return Identity(IdentityKind.E164, value)


def state(key: str, version: int, posted: int = 0, sessions: tuple[str, ...] = ()) -> Account:
    opened = tuple(Session(name, "c", name, "data", "p", 0, 0, 0, 0) for name in sessions)
    return msgspec.structs.replace(
        money(posted), key=key, version=version, identities=(identity(key),), sessions=opened
    )


def posting(key: str, number: int) -> Posting:
    entry = Entry(EntryKind.TOPUP, "main", Unit.MONEY, number, number)
    return Posting(key, "", EventKind.UPDATE, number, number, (entry,))


def cdr(key: str, number: int) -> Cdr:
    return Cdr(key, "c", f"s{number}", "data", 0, number, (), number, "terminated", ChargingContext())


def put(store: Store, change: Change) -> "asyncio.Future[StoreError | None]":
    """Commits; the future has what `done` was told."""
    told: asyncio.Future[StoreError | None] = asyncio.get_running_loop().create_future()
    store.commit(change, told.set_result)
    assert not told.done(), "`done` is never called from inside commit"
    return told


def new(key: str, number: int = 1) -> Change:
    return Change(state(key, 1), (posting(key, number),), has_new_identities=True)


async def everything(store: Store, table: Table, account: str | None = None, limit: int = 2) -> list[object]:
    """All rows of a table, page by page."""
    rows: list[object] = []
    after: str | int | None = None
    while True:
        page: Rows = await store.read(Query(table, account, after, limit))
        assert len(page.rows) <= limit
        rows += page.rows
        after = page.next_after
        if after is None:
            return rows


async def test_what_was_committed_is_found_again_also_after_reopening(opened: Open) -> None:
    account = state("a", 1, 100, ("k",))
    answer = EventAnswer("event", "a", LATER_NS, b"answer", posting("a", 1))
    change = Change(account, (posting("a", 1),), (cdr("a", 1),), ("k",), (), (answer,), True)
    async with using(await opened()) as store:
        assert await store.load("a") is None
        assert await store.find("k") is None
        assert await store.find(identity("a")) is None
        assert await store.answer_of("event") is None
        assert await put(store, change) is None
    async with using(await opened()) as store:
        assert await store.load("a") == account
        assert (await store.find("k"), await store.find(identity("a"))) == ("a", "a")
        assert await store.find(Identity(IdentityKind.IMSI, "a")) is None
        assert await store.answer_of("event") == answer
        assert await everything(store, Table.POSTINGS) == [posting("a", 1)]
        assert await everything(store, Table.CDRS) == [cdr("a", 1)]


async def test_several_accounts_change_together_or_not_at_all(opened: Open) -> None:
    async with using(await opened()) as store:
        for key in ("a", "b", "c"):
            await put(store, new(key))
        both = Change(
            state("a", 2, 5), (posting("a", 2), posting("b", 2)), others=(state("b", 2, 7), state("c", 2, 9))
        )
        assert await put(store, both) is None
        behind = Change(state("a", 3, 50), (posting("a", 3),), others=(state("b", 2, 70),))
        assert isinstance(await put(store, behind), VersionConflict)
        ahead = Change(state("b", 3, 80), others=(state("c", 4, 90),))
        assert isinstance(await put(store, ahead), VersionConflict)
        following = [Change(state("b", 3, 8)), Change(state("a", 3, 6), others=(state("b", 4, 9),))]
        assert await asyncio.gather(*[put(store, change) for change in following]) == [None, None]
    async with using(await opened()) as store:
        found = [await store.load(key) for key in ("a", "b", "c")]
        assert [(each.version, each.balances[0].posted) for each in found if each] == [(3, 6), (4, 9), (2, 9)]
        assert await everything(store, Table.POSTINGS, "b") == [posting("b", 2), posting("b", 1)]


async def test_a_session_key_leads_to_its_account_until_it_is_let_go(opened: Open) -> None:
    async with using(await opened()) as store:
        await put(store, new("a"))
        await put(store, Change(state("a", 2, sessions=("k",)), opened_keys=("k", "l")))
        assert await store.find("k") == "a"
        await put(store, Change(state("a", 3, sessions=("k",)), opened_keys=("k",), closed_keys=("k", "l")))
        assert (await store.find("k"), await store.find("l")) == ("a", None), "closing comes before opening"


async def test_identities_are_replaced_and_belong_to_one_account(opened: Open) -> None:
    async with using(await opened()) as store:
        await put(store, new("a"))
        await put(store, new("b"))
        renamed = msgspec.structs.replace(state("a", 2), identities=(identity("c"),))
        assert await put(store, Change(renamed, has_new_identities=True)) is None
        assert (await store.find(identity("a")), await store.find(identity("c"))) == (None, "a")
        thief = msgspec.structs.replace(state("b", 2), identities=(identity("c"),))
        assert isinstance(await put(store, Change(thief, has_new_identities=True)), VersionConflict)
        assert (await store.find(identity("c")), await store.find(identity("b"))) == ("a", "b")


async def test_a_change_of_another_version_fails_and_leaves_nothing(opened: Open) -> None:
    async with using(await opened()) as store:
        await put(store, new("a"))
        for version in (1, 3):
            change = Change(state("a", version), (posting("a", 2),), (cdr("a", 2),))
            assert isinstance(await put(store, change), VersionConflict)
        assert isinstance(await put(store, Change(state("b", 2))), VersionConflict)
        assert await store.load("a") == state("a", 1)
        assert await everything(store, Table.POSTINGS) == [posting("a", 1)]
        assert await everything(store, Table.CDRS) == []
        assert await put(store, Change(state("a", 2))) is None


async def test_what_was_decided_on_a_failed_change_fails_with_it(opened: Open) -> None:
    async with using(await opened()) as store:
        await put(store, new("a"))
        await put(store, Change(state("a", 2, 200)))
        stale = put(store, Change(state("a", 2, -1)))
        on_top = put(store, Change(state("a", 3, -2)))
        assert isinstance(await stale, VersionConflict)
        assert isinstance(await on_top, StoreError)
        assert await store.load("a") == state("a", 2, 200)


async def test_changes_are_told_in_the_order_of_their_commits(opened: Open) -> None:
    async with using(await opened()) as store:
        order: list[int] = []

        def note(number: int, _: object) -> None:
            order.append(number)

        changes = [new("a"), *(Change(state("a", version)) for version in range(2, 30))]
        told = [put(store, change) for change in changes]
        for number, each in enumerate(told):
            each.add_done_callback(partial(note, number))
        assert await asyncio.gather(*told) == [None] * 29
        await asyncio.sleep(0)
        assert order == list(range(29))
        assert await store.load("a") == state("a", 29)


async def test_pages_of_every_table(opened: Open) -> None:
    async with using(await opened()) as store:
        for number, key in enumerate(("c", "a", "b"), 1):
            await put(store, new(key, number))
        for number, key in enumerate(("a", "b", "a", "c", "a"), 4):
            before = await store.load(key)
            assert before is not None
            after = state(key, before.version + 1, sessions=("k" + key,) if key != "b" else ())
            await put(store, Change(after, (posting(key, number),), (cdr(key, number),)))
        accounts = [await store.load(key) for key in "abc"]
        assert await everything(store, Table.ACCOUNTS) == accounts
        assert await everything(store, Table.ACCOUNTS, "b") == [accounts[1]]
        assert await everything(store, Table.SESSIONS) == [accounts[0], accounts[2]]
        newest = [posting(key, number) for number, key in enumerate(("c", "a", "b", *"abaca"), 1)][::-1]
        assert await everything(store, Table.POSTINGS) == newest
        assert await everything(store, Table.CDRS) == [cdr(key, n) for n, key in enumerate("abaca", 4)][::-1]
        for key in "abc":
            assert await everything(store, Table.POSTINGS, key) == [p for p in newest if p.account == key]
            assert (
                await everything(store, Table.CDRS, key)
                == [cdr(key, n) for n, each in enumerate("abaca", 4) if each == key][::-1]
            )
        assert await everything(store, Table.POSTINGS, "nobody") == []


async def test_a_history_has_no_holes_whatever_is_read_between(opened: Open) -> None:
    async with using(await opened()) as store:
        await put(store, new("a", 1))
        told = []
        for number in range(2, 40):
            told.append(put(store, Change(state("a", number), (posting("a", number),))))
            if number % 3 == 0:
                await asyncio.sleep(0)
                await store.load("a")
        await asyncio.gather(*told)
        assert await everything(store, Table.POSTINGS, "a", 7) == [posting("a", n) for n in range(39, 0, -1)]


# --- the embedded store


class Failing:
    """A connection that fails statements beginning with a word as long as it is told to."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.fails_at = ""

    def execute(self, statement: str, *arguments: object) -> sqlite3.Cursor:
        if self.fails_at and statement.startswith(self.fails_at):
            raise sqlite3.OperationalError("database or disk is full")
        return self.connection.execute(statement, *arguments)  # type: ignore[arg-type]

    def executemany(self, statement: str, rows: object) -> sqlite3.Cursor:
        return self.connection.executemany(statement, rows)  # type: ignore[arg-type]

    @property
    def in_transaction(self) -> bool:
        return self.connection.in_transaction

    def close(self) -> None:
        self.connection.close()


@pytest.fixture
def failing(path: Path) -> Iterator[tuple[SqliteStore, Failing]]:
    store = SqliteStore(path)
    connection = Failing(store._writer)
    store._writer = connection  # type: ignore[assignment]
    yield store, connection
    connection.close()


@pytest.mark.parametrize("fails_at", ["commit", "begin", "insert into cdr"])
async def test_a_failing_commit_fails_all_behind_it_and_the_store_recovers(
    failing: tuple[SqliteStore, Failing], fails_at: str
) -> None:
    store, connection = failing
    await put(store, new("a"))
    connection.fails_at = fails_at
    told = [
        put(store, Change(state("a", version), (posting("a", version),), (cdr("a", version),)))
        for version in (2, 3)
    ]
    assert [type(error) for error in await asyncio.gather(*told)] == [StoreUnavailable] * 2
    connection.fails_at = ""
    assert await store.load("a") == state("a", 1)
    change = Change(state("a", 2), (posting("a", 9),), (cdr("a", 9),))
    assert await put(store, change) is None
    assert await everything(store, Table.POSTINGS, "a") == [posting("a", 9), posting("a", 1)]
    await store.close()


async def test_a_writer_that_cannot_even_roll_back_is_replaced(failing: tuple[SqliteStore, Failing]) -> None:
    store, connection = failing
    await put(store, new("a"))
    connection.fails_at = "commit"
    told = put(store, Change(state("a", 2)))
    original = connection.execute

    def broken(statement: str, *arguments: object) -> sqlite3.Cursor:
        if statement == "rollback":
            raise sqlite3.OperationalError("disk I/O error")
        return original(statement, *arguments)

    connection.execute = broken  # type: ignore[method-assign]
    assert isinstance(await told, StoreUnavailable)
    assert await put(store, Change(state("a", 2))) is None
    await store.close()


async def test_a_record_that_cannot_be_written_does_not_stop_the_store(path: Path) -> None:
    store = SqliteStore(path)
    await put(store, new("a"))
    assert isinstance(await put(store, Change(state("a", 2, 1 << 64))), StoreUnavailable)
    assert await put(store, Change(state("a", 2))) is None
    await store.close()


async def test_a_full_disk_is_an_error_and_not_the_end(path: Path) -> None:
    store = SqliteStore(path)
    await put(store, new("a"))
    pages = store._writer.execute("pragma page_count").fetchone()[0]
    store._writer.execute(f"pragma max_page_count={pages + 2}")
    big = Change(state("a", 2), tuple(posting("a", number) for number in range(2, 2000)))
    assert isinstance(await put(store, big), StoreUnavailable)
    store._writer.execute("pragma max_page_count=1000000")
    assert await put(store, big) is None
    await store.close()


async def test_changes_that_come_together_are_one_batch(path: Path) -> None:
    sizes: list[int] = []
    store = SqliteStore(path, batch_limit=64, on_commit=lambda size, _: sizes.append(size))
    await asyncio.gather(*(put(store, new(f"a{number}", number)) for number in range(200)))
    assert sizes == [64, 64, 64, 8]
    assert (store.batches, store.committed) == (4, 200)
    await store.close()


async def test_nothing_is_told_before_the_commit_has_returned(path: Path) -> None:
    store = SqliteStore(path)
    told = put(store, new("a"))
    reader = sqlite3.connect(path)
    seen: list[int] = []
    told.add_done_callback(
        lambda _: seen.append(reader.execute("select count(*) from account").fetchone()[0])
    )
    assert reader.execute("select count(*) from account").fetchone()[0] == 0
    await told
    await asyncio.sleep(0)
    assert seen == [1]
    reader.close()
    await store.close()


async def test_closing_makes_everything_queued_durable(path: Path) -> None:
    store = SqliteStore(path)
    told = [put(store, new(f"a{number}", number)) for number in range(50)]
    await store.close()
    assert [each.result() for each in told] == [None] * 50
    async with using(SqliteStore(path)) as again:
        assert len(await everything(again, Table.ACCOUNTS, limit=100)) == 50


async def test_the_log_is_moved_under_load_and_nothing_is_lost(path: Path) -> None:
    store = SqliteStore(path, batch_limit=4, checkpoint_octets=50_000)
    await put(store, new("a", 1))
    sizes: list[int] = []
    for version in range(2, 1000, 8):
        changes = [Change(state("a", n), (posting("a", n),)) for n in range(version, version + 8)]
        assert set(await asyncio.gather(*(put(store, each) for each in changes))) == {None}
        sizes.append(os.stat(f"{path}-wal").st_size)
    assert max(sizes) < 2_000_000, "the log starts afresh from time to time"
    assert sizes[-1] == sizes[-20], "and grows no more"
    await store.close()
    async with using(SqliteStore(path)) as again:
        assert len(await everything(again, Table.POSTINGS, "a", 100)) == 1001


async def test_a_file_of_another_layout_is_refused(path: Path) -> None:
    await SqliteStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"pragma user_version={sqlite_store.SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreUnavailable, match="layout"):
        SqliteStore(path)


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(StoreUnavailable):
        SqliteStore(path)


async def test_expired_answers_are_swept(path: Path) -> None:
    store = SqliteStore(path, answers_swept_at_once=2)
    answers = tuple(EventAnswer(f"e{number}", "a", number, b"") for number in range(5))
    await put(store, Change(state("a", 1), answered=answers))
    store.sweep_answers(now_ns=3)
    kept = [await store.answer_of(answer.key) for answer in answers]
    assert [each is None for each in kept] == [True, True, False, False, False]
    await store.close()


async def test_a_copy_of_the_files_at_any_moment_has_everything_that_was_told(
    path: Path, tmp_path: Path
) -> None:
    store = SqliteStore(path, batch_limit=3, checkpoint_octets=20_000)
    told: list[int] = []

    def done(number: int, error: StoreError | None) -> None:
        assert error is None
        told.append(number)

    await put(store, new("a", 1))
    for number in range(2, 200):
        store.commit(Change(state("a", number), (posting("a", number),)), partial(done, number))
        if number % 20 == 0:
            await asyncio.sleep(0.001)
            known, copied = list(told), tmp_path / f"copy{number}.db"
            for suffix in ("", "-wal"):
                shutil.copy(f"{path}{suffix}", f"{copied}{suffix}")
            async with using(SqliteStore(copied)) as after_a_crash:
                found = await after_a_crash.load("a")
                assert found is not None
                assert found.version >= max(known, default=1)
                numbers = [each.at_ns for each in await postings_of(after_a_crash, "a")]
                assert numbers == list(range(found.version, 0, -1)), "whole changes and no holes"
    await store.close()
    assert told == list(range(2, 200))


async def postings_of(store: Store, account: str) -> list[Posting]:
    """The history of an account, newest first."""
    rows = await everything(store, Table.POSTINGS, account, 50)
    return [row for row in rows if isinstance(row, Posting)]
