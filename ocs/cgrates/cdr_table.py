"""Call detail records on disk: read beside the journal, which writes them.

What is asked for by session comes through a connection of the event loop, which waits for no commit; what filters
find through another one, in a thread.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec

from ocs.cgrates import cdr_rows
from ocs.cgrates.cdr_filter import CdrFilter
from ocs.cgrates.cdr_rows import Id, Row
from ocs.sessions.model import Cdr

PRAGMAS = ("query_only=on", "busy_timeout=5000", "cache_size=-16384", "temp_store=memory")
AT_ONCE = 500  # of the ids that are looked for

T = TypeVar("T")


class TableError(Exception):
    """The table cannot be read."""


class CdrTable:
    """The records of one file. Its methods raise TableError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._near = _opened(path)
        self._far = _opened(path)
        self._reader = ThreadPoolExecutor(1, "cdrs")

    def get(self, name: Id) -> Cdr | None:
        """The record of a run."""
        row = self._one(cdr_rows.GET, name)
        return None if row is None else cdr_rows.cdr_of(row)

    def has(self, name: Id) -> bool:
        """Whether a run has its record."""
        return self._one(cdr_rows.HAS, name) is not None

    def which(self, names: Iterable[Id]) -> Iterator[Id]:
        """Those of some runs that have their record."""
        waiting = iter(names)
        while some := tuple(islice(waiting, AT_ONCE)):
            try:
                yield from self._near.execute(*cdr_rows.which(some))
            except sqlite3.Error as error:
                raise TableError(f"{self._path}: {error}") from error

    def last_order(self) -> int:
        """The largest order id."""
        row = self._one(cdr_rows.LAST, ())
        return 0 if row is None else int(row[0])

    async def select(self, wanted: CdrFilter) -> list[Cdr]:
        """The records that a filter finds, in its order, cut to its page."""
        return await self._beside(self._select, wanted)

    async def count(self, wanted: CdrFilter) -> int:
        """How many records `select` would find."""
        return await self._beside(self._count, wanted)

    def close(self) -> None:
        """No more is read; who waits for a filter gets an error."""
        self._far.interrupt()
        self._reader.shutdown()
        self._near.close()
        self._far.close()

    def _one(self, statement: str, name: tuple[str, ...]) -> Row | None:
        try:
            found: Row | None = self._near.execute(statement, name).fetchone()
            return found
        except sqlite3.Error as error:
            raise TableError(f"{self._path}: {error}") from error

    async def _beside(self, work: Callable[[CdrFilter], T], wanted: CdrFilter) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, work, wanted)
        except (sqlite3.Error, msgspec.MsgspecError) as error:
            raise TableError(f"{self._path}: {error}") from error

    # --- in the thread

    def _select(self, wanted: CdrFilter) -> list[Cdr]:
        if not wanted.looks_at_extra:
            return [cdr_rows.cdr_of(row) for row in self._rows(wanted, "limit ? offset ?", _page(wanted))]
        return list(_cut(self._passing(wanted), wanted))

    def _count(self, wanted: CdrFilter) -> int:
        if wanted.looks_at_extra:
            return sum(1 for _ in _cut(self._passing(wanted), wanted))
        where = cdr_rows.condition(wanted)
        found = self._far.execute(f"select count(*) from cdr where {where.text}", where.parameters)
        left = max(int(found.fetchone()[0]) - wanted.offset, 0)
        return left if wanted.limit is None else min(left, wanted.limit)

    def _rows(self, wanted: CdrFilter, rest: str = "", more: tuple[int, ...] = ()) -> Iterator[Row]:
        where = cdr_rows.condition(wanted)
        statement = f"select * from cdr where {where.text} order by {cdr_rows.order(wanted)} {rest}"
        return self._far.execute(statement, (*where.parameters, *more))

    def _passing(self, wanted: CdrFilter) -> Iterator[Cdr]:
        return (cdr for cdr in map(cdr_rows.cdr_of, self._rows(wanted)) if wanted.passes_extra(cdr))


def _page(wanted: CdrFilter) -> tuple[int, int]:
    return (-1 if wanted.limit is None else wanted.limit, wanted.offset)


def _cut(cdrs: Iterator[Cdr], wanted: CdrFilter) -> Iterator[Cdr]:
    return islice(cdrs, wanted.offset, None if wanted.limit is None else wanted.offset + wanted.limit)


def _opened(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in PRAGMAS:
            connection.execute(f"pragma {pragma}")
    except sqlite3.Error as error:
        raise TableError(f"{path}: {error}") from error
    return connection
