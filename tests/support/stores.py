"""A store to experiment with: one durable truth, and handles of processes that may be slow, fail or die."""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

from ocs.charging.account import Account
from ocs.charging.decision import Change, EventAnswer
from ocs.charging.entry import Cdr, Posting
from ocs.charging.events import Identity
from ocs.charging.store import Done, Query, Rows, StoreError, StoreUnavailable, VersionConflict
from ocs.charging.store.memory import MemoryStore


class Fault(Enum):
    """What happens to a batch."""

    NONE = auto()
    BEFORE = auto()  # nothing of it is durable
    AFTER = auto()  # all of it is durable, but nobody is told so
    CRASH_BEFORE = auto()  # the process ends first
    CRASH_AFTER = auto()  # the process ends when it is durable


class Truth(MemoryStore):
    """What is durable; outlives every process."""

    def take(self, change: Change) -> StoreError | None:
        """Make a change durable, or say why not."""
        account = change.account
        before = self._accounts.get(account.key)
        behind = self._behind(change)
        if behind is not None:
            return VersionConflict(f"{behind} is at another version")
        if change.has_new_identities and self._is_taken(account):
            return VersionConflict(f"an identity of {account.key} is taken")
        self._apply(change, before)
        return None

    @property
    def accounts(self) -> dict[str, Account]:
        """Every account as it is."""
        return self._accounts

    @property
    def postings(self) -> list[Posting]:
        """Every posting, oldest first."""
        return self._postings

    @property
    def cdrs(self) -> list[Cdr]:
        """Every record, oldest first."""
        return self._cdrs


class ProcessStore:
    """One process's handle on the truth: batches take `latency_s()`, and `fault()` says how each one ends.

    With `is_held` batches wait until the test calls `flush`.
    """

    def __init__(
        self,
        truth: Truth,
        latency_s: Callable[[], float] = lambda: 0.0,
        fault: Callable[[], Fault] = lambda: Fault.NONE,
        on_crash: Callable[[], None] = lambda: None,
    ) -> None:
        self.truth = truth
        self.queue: list[tuple[Change, Done]] = []
        self.is_held = False
        self.is_dead = False
        self.is_unreadable = False
        self.batches = 0
        self._latency_s = latency_s
        self._fault = fault
        self._on_crash = on_crash
        self._is_flushing = False

    async def _read(self) -> None:
        latency_s = self._latency_s()
        if latency_s:
            await asyncio.sleep(latency_s)
        if self.is_dead:
            await asyncio.get_running_loop().create_future()
        if self.is_unreadable:
            raise StoreUnavailable("cannot be read")

    async def load(self, key: str) -> Account | None:
        """The account as it is durable when the answer comes."""
        await self._read()
        return await self.truth.load(key)

    async def find(self, name: Identity | str) -> str | None:
        """The account of an identity or a session key."""
        await self._read()
        return await self.truth.find(name)

    async def answer_of(self, key: str) -> EventAnswer | None:
        """The answer kept for a one-time event."""
        await self._read()
        return await self.truth.answer_of(key)

    async def read(self, query: Query) -> Rows:
        """A page of rows."""
        await self._read()
        return await self.truth.read(query)

    def commit(self, change: Change, done: Done) -> None:
        """Queue a change."""
        self.queue.append((change, done))
        if not self._is_flushing and not self.is_held:
            self._is_flushing = True
            asyncio.get_running_loop().call_later(self._latency_s(), self._flush_again)

    def _flush_again(self) -> None:
        batch, self.queue = self.queue, []
        self._end(batch, self._fault())
        self._is_flushing = bool(self.queue) and not self.is_dead
        if self._is_flushing:
            asyncio.get_running_loop().call_later(self._latency_s(), self._flush_again)

    def flush(self, fault: Fault = Fault.NONE) -> int:
        """End everything queued, by hand; returns how many changes there were."""
        batch, self.queue = self.queue, []
        self._end(batch, fault)
        return len(batch)

    def _end(self, batch: list[tuple[Change, Done]], fault: Fault) -> None:
        if self.is_dead:
            return
        self.batches += 1
        error: StoreError | None = None
        taken = 0
        if fault in (Fault.NONE, Fault.AFTER, Fault.CRASH_AFTER):
            for change, _ in batch:
                error = self.truth.take(change)
                if error is not None:
                    break
                taken += 1
        if fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER):
            self.is_dead = True
            self._on_crash()
            return
        if fault in (Fault.BEFORE, Fault.AFTER):
            error, taken = StoreUnavailable("the medium failed"), 0
        for _, done in batch[:taken]:
            done(None)
        if error is not None:
            failed, self.queue = batch[taken:] + self.queue, []
            for _, done in failed:
                done(error)

    async def close(self) -> None:
        """Nothing to let go of."""
