"""What the server knows, on disk: keyed records in one SQLite file with group commit.

`append` takes what one or more steps changed; the loop writes it, which is quick because nothing is forced, and a
thread waits for `COMMIT`. A failed commit cannot be mended here, for memory is ahead of the disk: the program ends,
to start again from the disk.

A batch is one row of the table `log`. What has not changed for a while moves from there to a row of its own in the
table `record`: what changes often, or does not live long, is seldom written there. Call detail records, which are
written once and are many, go into a table of their own at once, with indexes for what is asked about them.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections import OrderedDict, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from heapq import merge
from itertools import takewhile
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import structlog

from ocs.cgrates import cdr_migration, cdr_rows
from ocs.cgrates.cdr_rows import Changes
from ocs.cgrates.cdr_table import CdrTable, TableError

log = structlog.get_logger()

LAYOUT = 3
SCHEMA = """
create table if not exists record (
    number integer primary key, kind text not null, key text not null, value blob not null, unique (kind, key));
create table if not exists log (row integer primary key, batch blob not null);
"""
# Records are large: a table by number and an index beside it take a third of the time of a table by key.
UPSERT = """
insert into record (number, kind, key, value) values (?, ?, ?, ?)
on conflict (kind, key) do update set value = excluded.value
"""
DELETE = "delete from record where kind = ? and key = ?"
PRAGMAS = (
    "journal_mode=wal",
    "synchronous=full",
    "busy_timeout=5000",
    "wal_autocheckpoint=4000",
    "cache_size=-65536",
    "temp_store=memory",
)
# What the log holds at most before what is oldest there moves.
RECENT_RECORDS = 8_192
LOG_OCTETS = 32 << 20

Entry = tuple[str, str, bytes | None]  # kind, key, the record or None where it goes
Numbered = tuple[int, str, str, bytes | None]  # in a batch of the log: with its place among all records


class JournalError(Exception):
    """The file cannot be read or written."""


class Journal(Protocol):
    """Keeps records by kind and key."""

    def load(self) -> Iterator[tuple[str, str, bytes]]:
        """Every record, in the order in which they came."""

    async def append(self, entries: list[Entry], cdrs: Changes = cdr_rows.NONE) -> None:
        """Makes entries durable, all or nothing. Raises JournalError."""

    async def close(self) -> None:
        """Closes the file; what was appended is durable."""


class NoJournal:
    """Keeps nothing: the server forgets everything when it ends."""

    def load(self) -> Iterator[tuple[str, str, bytes]]:
        """Nothing."""
        return iter(())

    async def append(self, entries: list[Entry], cdrs: Changes = cdr_rows.NONE) -> None:
        """Done at once."""

    async def close(self) -> None:
        """Nothing to do."""


class _Recent(NamedTuple):
    """A change that is in the log alone: its place among all records, its row of the log, the record."""

    number: int
    row: int
    value: bytes | None


class SqliteJournal:
    """One file, one writer, one batch under way at a time. `cdrs` is where call detail records are read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._committer = ThreadPoolExecutor(1, "journal")
        self._recent: OrderedDict[tuple[str, str], _Recent] = OrderedDict()  # what changed last is last
        self._rows: deque[tuple[int, int]] = deque()  # rows of the log with their octets
        self._log_octets = 0
        self._lock = _only_one(path)
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in PRAGMAS:
                self._connection.execute(f"pragma {pragma}")
            layout = self._layout()
            self._has_table = layout == LAYOUT
            self._connection.executescript(SCHEMA)
            self._number = self._connection.execute("select max(number) from record").fetchone()[0] or 0
            self._row = 0
            self._read_log()
            if layout < LAYOUT:
                self._take_over_cdrs()
            self._connection.executescript(cdr_rows.TABLE + cdr_rows.INDEXES)
            cdr_migration.clear(self._connection)
            self.cdrs = CdrTable(path)
        except (sqlite3.Error, msgspec.MsgspecError, TableError) as error:
            os.close(self._lock)
            raise JournalError(f"{path}: {error}") from error
        except JournalError:
            os.close(self._lock)
            raise

    def load(self) -> Iterator[tuple[str, str, bytes]]:
        """Every record, in the order in which they came."""
        recent = self._recent
        waiting = sorted((each.number, *name, each.value) for name, each in recent.items())
        seen: set[tuple[str, str]] = set()
        try:
            rows = self._connection.execute("select number, kind, key, value from record order by number")
            for _, kind, key, value in merge(rows, waiting, key=itemgetter(0)):
                name = kind, key
                if name in recent:
                    if name in seen:
                        continue
                    seen.add(name)
                    value = recent[name].value
                if value is not None:
                    yield kind, key, value
        except sqlite3.Error as error:
            raise JournalError(f"{self._path}: {error}") from error

    async def append(self, entries: list[Entry], cdrs: Changes = cdr_rows.NONE) -> None:
        """Makes entries durable, all or nothing. Raises JournalError."""
        try:
            self._connection.execute("begin immediate")
            if cdrs.gone:
                self._connection.executemany(cdr_rows.REMOVE, cdrs.gone)
            if cdrs.rows:
                self._connection.executemany(cdr_rows.PUT, cdrs.rows)
            if entries:
                self._write(entries)
            await asyncio.get_running_loop().run_in_executor(
                self._committer, self._connection.execute, "commit"
            )
        except sqlite3.Error as error:
            log.error("journal.commit_failed", path=str(self._path), error=str(error), records=len(entries))
            raise JournalError(f"{self._path}: {error}") from error

    async def close(self) -> None:
        """Closes the file; what was appended is durable."""
        self._committer.shutdown()
        self.cdrs.close()
        self._connection.close()
        os.close(self._lock)

    # --- writing

    def _write(self, entries: list[Entry]) -> None:
        """Put a batch into the log, and move what has been there for longest; a large one goes past it."""
        self._row += 1
        batch = self._noted(entries)
        if len(entries) > RECENT_RECORDS:
            self._move(len(self._recent))
        else:
            octets = msgspec.msgpack.encode(batch)
            self._connection.execute("insert into log values (?, ?)", (self._row, octets))
            self._rows.append((self._row, len(octets)))
            self._log_octets += len(octets)
            self._move(len(self._recent) - RECENT_RECORDS)
        self._shorten()

    def _noted(self, entries: list[Entry]) -> list[Numbered]:
        """Entries with their places, a new one for what is not in the log."""
        recent, row = self._recent, self._row
        batch: list[Numbered] = []
        for kind, key, value in entries:
            name = kind, key
            old = recent.pop(name, None)
            if old is None:
                self._number = number = self._number + 1
            else:
                number = old.number
            recent[name] = _Recent(number, row, value)
            batch.append((number, kind, key, value))
        return batch

    def _move(self, count: int) -> None:
        """Bring the oldest changes of the log into rows of their own."""
        recent = self._recent
        gone: list[tuple[str, str]] = []
        kept: list[Numbered] = []
        for _ in range(count):
            name, (number, _, value) = recent.popitem(last=False)
            if value is None:
                gone.append(name)
            else:
                kept.append((number, *name, value))
        if gone:
            self._connection.executemany(DELETE, gone)
        if kept:
            self._connection.executemany(UPSERT, kept)

    def _shorten(self) -> None:
        """Take rows out of the log of which nothing counts any more, and make them so where it is too long."""
        self._forget_before(self._oldest())
        while self._log_octets > LOG_OCTETS:
            self._move(self._left_of_oldest())
            self._forget_before(self._oldest())

    def _left_of_oldest(self) -> int:
        """How many changes of the oldest row there are that nothing has replaced."""
        oldest = self._oldest()
        return sum(1 for _ in takewhile(lambda each: each.row == oldest, self._recent.values()))

    def _oldest(self) -> int:
        """The first row of the log that something is in that has not changed since."""
        return next(iter(self._recent.values())).row if self._recent else self._row + 1

    def _forget_before(self, oldest: int) -> None:
        rows = self._rows
        if not rows or rows[0][0] >= oldest:
            return
        self._connection.execute("delete from log where row < ?", (oldest,))
        while rows and rows[0][0] < oldest:
            self._log_octets -= rows.popleft()[1]

    # --- opening

    def _layout(self) -> int:
        """The layout of the file: the first lacks the log, the second has call detail records among the others."""
        version: int = self._connection.execute("pragma user_version").fetchone()[0]
        if version > LAYOUT:
            raise JournalError(f"{self._path}: has layout {version}; this program writes layout {LAYOUT}")
        return version

    def _take_over_cdrs(self) -> None:
        """Bring the call detail records of an older layout into their table, all or nothing."""
        recent = {key: each.value for (kind, key), each in self._recent.items() if kind == cdr_migration.KIND}
        cdr_migration.move(self._connection, recent, SCHEMA, LAYOUT)
        for key in recent:
            del self._recent[cdr_migration.KIND, key]
        self._forget_before(self._oldest())

    def _read_log(self) -> None:
        """Know again what is in the log alone."""
        decode = msgspec.msgpack.Decoder(list[Numbered]).decode
        for row, octets in self._connection.execute("select row, batch from log order by row"):
            for number, kind, key, value in decode(octets):
                if kind == cdr_migration.KIND and self._has_table:
                    continue  # the row is older than the layout
                self._recent.pop((kind, key), None)
                self._recent[kind, key] = _Recent(number, row, value)
                self._number = max(self._number, number)
            self._rows.append((row, len(octets)))
            self._log_octets += len(octets)
            self._row = row


def _only_one(path: Path) -> int:
    """A lock beside the file: two servers on it would not see each other's changes. Raises JournalError."""
    try:
        lock = os.open(path.with_name(f"{path.name}-lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(f"{path}: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise JournalError(f"{path}: another server uses this file") from error
    return lock
