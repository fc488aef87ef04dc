"""Call detail records of a server: on disk beside the journal, or in memory where there is none."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Protocol

import msgspec

from ocs.cgrates import cdr_rows
from ocs.cgrates.cdr_filter import CdrFilter
from ocs.cgrates.cdr_rows import Changes, Id
from ocs.cgrates.cdr_table import CdrTable
from ocs.sessions.model import Cdr
from ocs.sessions.records import Cdrs

PORTION = 1_000  # records that are worked on at once


class CdrBook(Cdrs, Protocol):
    """Records by their runs, and by filters."""

    def put(self, cdr: Cdr) -> None:
        """Adds or replaces a record."""

    def remove(self, cdr: Cdr) -> None:
        """Removes a record."""

    def last_order(self) -> int:
        """The largest order id."""

    def which(self, names: Iterable[Id]) -> set[Id]:
        """Those of some runs that have their record."""

    async def select(self, wanted: CdrFilter) -> list[Cdr]:
        """The records that a filter finds, in its order, cut to its page."""

    async def count(self, wanted: CdrFilter) -> int:
        """How many records `select` would find."""


async def portions(book: CdrBook, wanted: CdrFilter) -> AsyncIterator[list[Cdr]]:
    """What `select` would find, piece by piece, as it is when a piece is read. A page is one piece, and so is
    everything where all of it is in memory anyway."""
    if wanted.offset or wanted.limit is not None or isinstance(book, MemoryCdrs):
        if found := await book.select(wanted):
            yield found
        return
    first = wanted.order_ids.start
    while True:
        span = msgspec.structs.replace(wanted.order_ids, start=first)
        piece = msgspec.structs.replace(wanted, order_ids=span, order="", is_descending=False, limit=PORTION)
        found = await book.select(piece)
        if found:
            yield found
        if len(found) < PORTION:
            return
        first = found[-1].order_id + 1


class MemoryCdrs:
    """Records in a table of the state, which `put` and `delete` change; the oldest go where there are too many."""

    def __init__(
        self,
        table: dict[str, Cdr],
        put: Callable[[str, Cdr], None],
        delete: Callable[[str], object],
        most: int | None = None,
    ) -> None:
        self._table = table
        self._put = put
        self._delete = delete
        self._most = most

    def has(self, cgrid: str, run_id: str) -> bool:
        """Whether a run has its record."""
        return f"{cgrid}:{run_id}" in self._table

    def get(self, cgrid: str, run_id: str) -> Cdr | None:
        """The record of a run."""
        return self._table.get(f"{cgrid}:{run_id}")

    def last_order(self) -> int:
        """The largest order id."""
        return max((cdr.order_id for cdr in self._table.values()), default=0)

    def put(self, cdr: Cdr) -> None:
        """Adds or replaces a record."""
        self._put(f"{cdr.cgrid}:{cdr.run_id}", cdr)
        if self._most is not None and len(self._table) > self._most:
            self._delete(next(iter(self._table)))

    def remove(self, cdr: Cdr) -> None:
        """Removes a record."""
        self._delete(f"{cdr.cgrid}:{cdr.run_id}")

    def which(self, names: Iterable[Id]) -> set[Id]:
        """Those of some runs that have their record."""
        return {name for name in names if self.has(*name)}

    async def select(self, wanted: CdrFilter) -> list[Cdr]:
        """The records that a filter finds, in its order, cut to its page."""
        return wanted.select(self._table.values())

    async def count(self, wanted: CdrFilter) -> int:
        """How many records `select` would find."""
        return len(wanted.select(self._table.values()))


class DiskCdrs:
    """Records in a table on disk, and those that are not there yet.

    `noted` is told of every change, `durable` returns when all of them can be read.
    """

    def __init__(
        self,
        table: CdrTable,
        encode: Callable[[Any], bytes],
        noted: Callable[[], None],
        durable: Callable[[], Awaitable[None]],
    ) -> None:
        self._table = table
        self._encode = encode
        self._noted = noted
        self._durable = durable
        self._pending: dict[Id, Cdr | None] = {}
        self._under_way: dict[Id, Cdr | None] = {}
        self._absent: set[Id] = set()  # of those that `which` was asked for last

    def has(self, cgrid: str, run_id: str) -> bool:
        """Whether a run has its record."""
        name = _name(cgrid, run_id)
        for changed in (self._pending, self._under_way):
            if name in changed:
                return changed[name] is not None
        return self._table.has(name)

    def get(self, cgrid: str, run_id: str) -> Cdr | None:
        """The record of a run."""
        name = _name(cgrid, run_id)
        for changed in (self._pending, self._under_way):
            if name in changed:
                return changed[name]
        return self._table.get(name)

    def last_order(self) -> int:
        """The largest order id."""
        return self._table.last_order()

    def put(self, cdr: Cdr) -> None:
        """Adds or replaces a record."""
        name = _name(cdr.cgrid, cdr.run_id)
        self._pending[name] = cdr
        self._absent.discard(name)
        self._noted()

    def remove(self, cdr: Cdr) -> None:
        """Removes a record."""
        self._pending[_name(cdr.cgrid, cdr.run_id)] = None
        self._noted()

    def which(self, names: Iterable[Id]) -> set[Id]:
        """Those of some runs that have their record; what was asked for last time too costs nothing."""
        asked = {_name(*name) for name in names}
        changed = self._under_way | self._pending
        found = {name for name in asked if changed.get(name) is not None}
        found |= set(self._table.which(asked.difference(changed, self._absent)))
        self._absent = asked - found
        return found

    async def select(self, wanted: CdrFilter) -> list[Cdr]:
        """The records that a filter finds, in its order, cut to its page."""
        await self._durable()
        return await self._table.select(wanted)

    async def count(self, wanted: CdrFilter) -> int:
        """How many records `select` would find."""
        await self._durable()
        return await self._table.count(wanted)

    # --- to the disk

    def __bool__(self) -> bool:
        """Whether something has changed that is not even on its way to the disk."""
        return bool(self._pending)

    def take(self) -> Changes:
        """What has changed, which is under way from now on."""
        changed, self._pending = self._pending, {}
        self._under_way = changed
        rows = [cdr_rows.row_of(cdr, self._encode) for cdr in changed.values() if cdr is not None]
        return Changes(rows, [name for name, cdr in changed.items() if cdr is None])

    def settled(self) -> None:
        """What was under way is on disk."""
        self._under_way = {}


def _name(cgrid: str, run_id: str) -> Id:
    """Ids as the table has them, or two of them could be one there."""
    return cdr_rows.plain_text(cgrid), cdr_rows.plain_text(run_id)
