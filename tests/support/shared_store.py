"""The client of the store for several nodes, on a database that is a dictionary: it may lose, delay and repeat.

`take` does what the function `commit` does, in the words of this language; `tests/charging/test_store_contract.py`
holds the real one to the same oracle.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

import msgspec

from ocs.charging.account import Account
from ocs.charging.decision import EventAnswer
from ocs.charging.events import Identity
from ocs.charging.store import Query, Record, Rows, StoreUnavailable
from ocs.charging.store.redis import Broken, RedisStore
from ocs.charging.store.redis.connection import ConnectionLost
from ocs.charging.store.redis.units import Unit, due_ms
from ocs.charging.store.shared import Listener, Recorded
from ocs.config.settings import RedisSettings
from tests.support.stores import Truth


class Mishap(Enum):
    """What happens to a batch on its way."""

    NONE = auto()
    LOST = auto()  # it never arrives, and the connection is gone
    UNHEARD = auto()  # it is done, but the reply is lost with the connection
    LATE = auto()  # the connection is gone, and it is done a little later
    DOWN = auto()  # the database is not there
    CRASH_BEFORE = auto()  # the process ends first
    CRASH_AFTER = auto()  # the process ends when it is done


class Database(Truth):
    """What all nodes share."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, tuple[int, dict[int, str]]] = {}  # by writer
        self.listeners: list[tuple[RedisStore, Listener]] = []
        self.taken = self.repeated = self.refused = 0
        self.records: dict[tuple[str, str], bytes] = {}
        self.log: list[tuple[str, tuple[Record, ...]]] = []  # writer and records; the first has position 1
        self.domains: dict[str, tuple[int, str]] = {}
        self.on_records: Callable[[], None] = _nobody
        self.checks_domains = True

    def take_batch(self, node: RedisStore, writer: str, number: int, batch: list[Unit]) -> dict[int, str]:
        """What of a batch is refused; one that was done before is not done again."""
        done, refused = self._last.get(writer, (0, {}))
        if done == number:
            self.repeated += 1
            return refused
        if done != number - 1:
            raise StoreUnavailable(f"OUTOFORDER {number} follows {done}")
        broken, refused = Broken([]), {}
        for index, unit in enumerate(batch):
            error = "a change before it was refused" if broken.takes(unit) else self._faulty(unit, writer)
            if error is not None:
                refused[index] = error
                broken.add(unit)
        self._last[writer] = number, refused
        self.taken += 1
        self.refused += len(refused)
        for index, unit in enumerate(batch):
            if index not in refused:
                self._announce(node, unit)
        return refused

    def _faulty(self, unit: Unit, writer: str) -> str | None:
        """All of a unit, or nothing of it."""
        for domain in unit.domains if self.checks_domains else ():
            position, by = self.domains.get(domain, (0, writer))
            if by != writer and position > unit.position:
                return f"records of {domain} have moved on"
        error = self._changed(unit)
        if error is None and unit.records:
            self._record(unit, writer)
        return error

    def _record(self, unit: Unit, writer: str) -> None:
        for kind, key, value in unit.records:
            if value is None:
                self.records.pop((kind, key), None)
            else:
                self.records[kind, key] = value
        self.log.append((writer, unit.records))
        self.domains.update(dict.fromkeys(unit.domains, (len(self.log), writer)))
        self.on_records()
        for node, listener in self.listeners:
            assert isinstance(node, SharedNode), "the nodes of this database"
            asyncio.get_running_loop().call_later(node.latency_s(), node.hear, listener, len(self.log))

    def _changed(self, unit: Unit) -> str | None:
        saved = (dict(self._accounts), dict(self._identities), dict(self._sessions), self._answers.copy())
        rows = len(self._postings), len(self._cdrs)
        for change in unit.changes:
            error = self.take(change)
            if error is not None:
                self._accounts, self._identities, self._sessions, self._answers = saved
                del self._postings[rows[0] :], self._cdrs[rows[1] :]
                return str(error)
        return None

    def _announce(self, node: RedisStore, unit: Unit) -> None:
        for listening, listener in self.listeners:
            for change in unit.changes if listening is not node else ():
                for account in (change.account, *change.others):
                    extras = account.extras
                    is_planned = extras is not None and bool(extras.plans or extras.watched)
                    listener.changed(account.key, account.version, is_planned)


class SharedNode(RedisStore):
    """One node's store; `mishap` says how each batch fares, a reading or sending takes `latency_s`."""

    def __init__(
        self,
        database: Database,
        latency_s: Callable[[], float] = lambda: 0.0,
        mishap: Callable[[], Mishap] = lambda: Mishap.NONE,
        on_crash: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(RedisSettings())
        self.database = database
        self.is_dead = False
        self.latency_s = latency_s
        self._mishap = mishap
        self._on_crash = on_crash

    async def _sent(self, writer: str, number: int, batch: list[Unit]) -> dict[int, str]:
        await self._wait()
        mishap = self._mishap()
        if mishap is Mishap.LATE:
            loop = asyncio.get_running_loop()
            loop.call_later(self.latency_s() + 0.5, self._arrive_late, writer, number, batch)
        if mishap in (Mishap.LOST, Mishap.LATE):
            await asyncio.sleep(0.3)
            raise ConnectionLost("lost")
        if mishap is Mishap.DOWN:
            raise StoreUnavailable("down")
        if mishap is not Mishap.CRASH_BEFORE:
            refused = self.database.take_batch(self, writer, number, batch)
        if mishap is Mishap.UNHEARD:
            raise ConnectionLost("lost")
        if mishap in (Mishap.CRASH_BEFORE, Mishap.CRASH_AFTER):
            self.die()
            self._on_crash()
            await self._wait()
        return refused

    def _arrive_late(self, writer: str, number: int, batch: list[Unit]) -> None:
        try:
            self.database.take_batch(self, writer, number, batch)
        except StoreUnavailable:
            return  # it was sent again, and others after it

    def die(self) -> None:
        """End: nothing is heard of it any more, and it hears nothing."""
        self.is_dead = True
        self.database.listeners = [each for each in self.database.listeners if each[0] is not self]

    async def _wait(self) -> None:
        latency_s = self.latency_s()
        if latency_s:
            await asyncio.sleep(latency_s)
        if self.is_dead:
            await asyncio.get_running_loop().create_future()

    async def load(self, key: str) -> Account | None:
        """The account as it is when the answer comes."""
        await self._wait()
        return await self.database.load(key)

    async def find(self, name: Identity | str) -> str | None:
        """The account of an identity or a session key."""
        await self._wait()
        return await self.database.find(name)

    async def answer_of(self, key: str) -> EventAnswer | None:
        """The answer kept for a one-time event."""
        await self._wait()
        return await self.database.answer_of(key)

    async def read(self, query: Query) -> Rows:
        """A page of rows."""
        await self._wait()
        return await self.database.read(query)

    async def overdue(self, after_ms: int, before_ms: int, limit: int) -> list[tuple[str, int]]:
        """Accounts that somebody should have seen to."""
        await self._wait()
        due = sorted((due_ms(account), key) for key, account in self.database.accounts.items())
        return [(key, at_ms) for at_ms, key in due if 0 < at_ms <= before_ms and at_ms > after_ms][:limit]

    async def subscribe(self, listener: Listener) -> None:
        """Tell a listener what other nodes change and say."""
        self.database.listeners.append((self, listener))
        listener.missed()

    # --- records

    def hear(self, listener: Listener, position: int) -> None:
        """What was kept at a position, some time after it was."""
        if not self.is_dead:
            listener.recorded(self._entry(position))

    def _entry(self, position: int) -> Recorded:
        writer, records = self.database.log[position - 1]
        return Recorded(position, writer == self._writer, records)

    async def recorded_since(self, position: int) -> list[Recorded] | None:
        """What was kept behind a position."""
        await self._wait()
        return [self._entry(number) for number in range(position + 1, len(self.database.log) + 1)]

    def kept(self) -> list[tuple[str, str, bytes]]:
        """Every record."""
        self.position = len(self.database.log)
        return [(*name, value) for name, value in self.database.records.items()]

    async def say(self, channel: str, message: bytes) -> int:
        """Say something to all that listen to a channel."""
        await self._wait()
        heard = [listener for _, listener in self.database.listeners if channel in listener.channels]
        for listener in heard:
            listener.said(channel, msgspec.msgpack.decode(msgspec.msgpack.encode(message)))
        return len(heard)


def _nobody() -> None:
    """Nobody looks."""
