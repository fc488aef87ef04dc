"""Claims about `ocs backup`: a copy of one moment, taken while the store is written, that can take its place."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from ocs.backup import BackupError, copy
from ocs.charging.account import Account
from ocs.charging.decision import Change
from ocs.charging.entry import Posting
from ocs.charging.store import Query, StoreError, Table
from ocs.charging.store.sqlite import SqliteStore
from ocs.cli.main import main


def posting(number: int) -> Posting:
    return Posting("a", f"s;{number}", None, number, number, ())


async def written(store: SqliteStore, number: int) -> None:
    """One change: the account's version is the number of its postings."""
    done: asyncio.Future[StoreError | None] = asyncio.get_running_loop().create_future()
    store.commit(Change(Account("a", "p", version=number), (posting(number),)), done.set_result)
    assert await done is None


async def content(store: SqliteStore) -> tuple[int, int]:
    account = await store.load("a")
    postings = await store.read(Query(Table.POSTINGS, "a", limit=100_000))
    return (0 if account is None else account.version), len(postings.rows)


def test_a_copy_taken_while_the_store_is_written_is_of_one_moment(tmp_path: Path) -> None:
    asyncio.run(assert_copy_is_of_one_moment(tmp_path))


async def assert_copy_is_of_one_moment(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ocs.db")
    await written(store, 1)
    copying = asyncio.create_task(asyncio.to_thread(copy, tmp_path / "ocs.db", tmp_path / "copy.db"))
    number = 1
    while not copying.done():
        number += 1
        await written(store, number)
    copied = await copying
    await written(store, number + 1)
    assert await content(store) == (number + 1, number + 1)
    await store.close()

    taken = SqliteStore(tmp_path / "copy.db")
    version, postings = await content(taken)
    assert version == postings == copied.postings
    assert 1 <= version <= number
    await written(taken, version + 1)
    assert await content(taken) == (version + 1, version + 1)
    await taken.close()


def test_the_command_says_what_it_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(_filled(tmp_path / "ocs.db"))
    arguments = ("--data-dir", str(tmp_path), "--to", str(tmp_path / "copy.db"), "--json")
    assert main(["backup", *arguments]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["accounts"], shown["postings"]) == (1, 3)
    assert shown["octets"] == (tmp_path / "copy.db").stat().st_size
    assert not (tmp_path / "copy.db-wal").exists()


async def _filled(path: Path) -> None:
    store = SqliteStore(path)
    for number in (1, 2, 3):
        await written(store, number)
    await store.close()


def test_a_broken_store_leaves_the_last_copy_as_it_is(tmp_path: Path) -> None:
    asyncio.run(_filled(tmp_path / "ocs.db"))
    copy(tmp_path / "ocs.db", tmp_path / "copy.db")
    good = (tmp_path / "copy.db").read_bytes()
    broken = bytearray((tmp_path / "ocs.db").read_bytes())
    broken[4096:] = b"\xff" * (len(broken) - 4096)
    (tmp_path / "ocs.db").write_bytes(broken)
    with pytest.raises(BackupError, match=r"ocs\.db"):
        copy(tmp_path / "ocs.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_bytes() == good
    assert not (tmp_path / "copy.db.part").exists()


def test_no_store_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", "--data-dir", str(tmp_path), "--to", str(tmp_path / "copy.db")]) == 1
    assert "there is no store" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    asyncio.run(_filled(tmp_path / "ocs.db"))
    with pytest.raises(BackupError):
        copy(tmp_path / "ocs.db", tmp_path / "nowhere" / "copy.db")


def test_the_copy_is_a_database_of_its_own(tmp_path: Path) -> None:
    asyncio.run(_filled(tmp_path / "ocs.db"))
    copy(tmp_path / "ocs.db", tmp_path / "copy.db")
    connection = sqlite3.connect(tmp_path / "copy.db")
    assert connection.execute("pragma journal_mode").fetchone() == ("delete",)
    connection.close()
