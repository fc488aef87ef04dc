"""What the server knows, on disk: keyed records in one SQLite file with group commit.

`append` takes what one or more steps changed; the loop writes it, which is quick because nothing is forced, and a
thread waits for `COMMIT`. A failed commit cannot be mended here, for memory is ahead of the disk: the program ends,
to start again from the disk.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import structlog

log = structlog.get_logger()

LAYOUT = 1
SCHEMA = """
create table if not exists record (
    number integer primary key, kind text not null, key text not null, value blob not null, unique (kind, key))
"""
# Records are large: a table by number and an index beside it take a third of the time of a table by key.
UPSERT = """
insert into record (kind, key, value) values (?, ?, ?)
on conflict (kind, key) do update set value = excluded.value
"""
PRAGMAS = (
    "journal_mode=wal",
    "synchronous=full",
    "locking_mode=exclusive",
    "wal_autocheckpoint=4000",
    "cache_size=-65536",
    "temp_store=memory",
)

Entry = tuple[str, str, bytes | None]  # kind, key, the record or None where it goes


class JournalError(Exception):
    """The file cannot be read or written."""


class Journal(Protocol):
    """Keeps records by kind and key."""

    def load(self) -> Iterator[tuple[str, str, bytes]]:
        """Every record, in the order in which they came."""

    async def append(self, entries: list[Entry]) -> None:
        """Makes entries durable, all or nothing. Raises JournalError."""

    async def close(self) -> None:
        """Closes the file; what was appended is durable."""


class NoJournal:
    """Keeps nothing: the server forgets everything when it ends."""

    def load(self) -> Iterator[tuple[str, str, bytes]]:
        """Nothing."""
        return iter(())

    async def append(self, entries: list[Entry]) -> None:
        """Done at once."""

    async def close(self) -> None:
        """Nothing to do."""


class SqliteJournal:
    """One file, one writer, one batch under way at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._committer = ThreadPoolExecutor(1, "journal")
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in PRAGMAS:
                self._connection.execute(f"pragma {pragma}")
            self._connection.execute(SCHEMA)
            self._check_layout()
        except sqlite3.Error as error:
            raise JournalError(f"{path}: {error}") from error

    def load(self) -> Iterator[tuple[str, str, bytes]]:
        """Every record, in the order in which they came."""
        try:
            yield from self._connection.execute("select kind, key, value from record order by number")
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: {error}") from error

    async def append(self, entries: list[Entry]) -> None:
        """Makes entries durable, all or nothing. Raises JournalError."""
        kept = [entry for entry in entries if entry[2] is not None]
        gone = [(kind, key) for kind, key, value in entries if value is None]
        try:
            self._connection.execute("begin immediate")
            if gone:
                self._connection.executemany("delete from record where kind = ? and key = ?", gone)
            if kept:
                self._connection.executemany(UPSERT, kept)
            await asyncio.get_running_loop().run_in_executor(
                self._committer, self._connection.execute, "commit"
            )
        except sqlite3.Error as error:
            log.error("journal.commit_failed", path=str(self._path), error=str(error), records=len(entries))
            raise JournalError(f"{self._path}: {error}") from error

    async def close(self) -> None:
        """Closes the file; what was appended is durable."""
        self._committer.shutdown()
        self._connection.close()

    def _check_layout(self) -> None:
        version = self._connection.execute("pragma user_version").fetchone()[0]
        if version == 0:
            self._connection.execute(f"pragma user_version={LAYOUT}")
        elif version != LAYOUT:
            raise JournalError(f"{self._path}: has layout {version}; this program writes layout {LAYOUT}")
