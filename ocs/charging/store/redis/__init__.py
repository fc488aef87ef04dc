"""The store for several nodes: accounts in one Redis (or Valkey), changed by compare-and-replace in a function.

One batch is under way at a time; what comes meanwhile gathers for the next one. Every batch has a number: after a
lost connection it is sent again, and a batch that had been done is told by it and not done twice. Changes that
belong together are a unit; a unit that does not fit is refused, with every later one that rests on it, and leaves
the others of its batch alone.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
import redis
import structlog

from ocs.charging.account import Account
from ocs.charging.decision import Change, EventAnswer
from ocs.charging.entry import Cdr, Posting
from ocs.charging.events import Identity
from ocs.charging.store import (
    Done,
    Query,
    Record,
    Rows,
    StoreError,
    StoreUnavailable,
    Table,
    VersionConflict,
)
from ocs.charging.store.redis.connection import Connection, ConnectionLost, Link, Target
from ocs.charging.store.redis.hearing import Hearing, entry_of
from ocs.charging.store.redis.resp import Reply, ReplyError
from ocs.charging.store.redis.server import Servers
from ocs.charging.store.redis.units import Unit, encoded, identity_field
from ocs.charging.store.shared import Listener, Recorded
from ocs.config.settings import RedisSettings

__all__ = ["RedisStore"]

log = structlog.get_logger()

OUT_OF_ORDER = "OUTOFORDER"  # the database does not know the batch before
PLACE_DIGITS = 16  # before the value of a record: where it stands among them
ROW = TypeVar("ROW", Posting, Cdr)
NAMES = {Table.POSTINGS: "postings", Table.CDRS: "cdrs", Table.ACCOUNTS: "accounts", Table.SESSIONS: "open"}


class RedisStore:
    """One node's way to the accounts that all nodes share. `open` makes one."""

    def __init__(
        self,
        settings: RedisSettings,
        batch_limit: int = 512,
        on_commit: Callable[[int, int], None] | None = None,
    ) -> None:
        self.born_s = 0
        self.position = 0
        self.batches = 0
        self.committed = 0
        self._settings = settings
        self._prefix = settings.prefix
        self._batch_limit = batch_limit
        self._on_commit = on_commit
        self._servers = Servers(settings)
        self._link = Link(self._find, self._welcome, settings.timeout_ns / 1e9)
        self._function = ""
        wait_ms = max(settings.timeout_ns // 2_000_000, 1)
        self._waits = (("WAIT", settings.replicas, wait_ms),) if settings.replicas else ()
        self._turn: list[tuple[Change, Done]] = []  # of this turn of the loop
        self._queue: list[Unit] = []
        self._flushing: asyncio.Task[None] | None = None
        self._following: Link | None = None
        self._writer = uuid.uuid4().hex
        self._number = 0
        self._decode_account = msgspec.msgpack.Decoder(Account).decode
        self._decode_posting = msgspec.msgpack.Decoder(Posting).decode
        self._decode_cdr = msgspec.msgpack.Decoder(Cdr).decode
        self._decode_answer = msgspec.msgpack.Decoder(EventAnswer).decode

    @classmethod
    async def open(
        cls,
        settings: RedisSettings,
        batch_limit: int = 512,
        on_commit: Callable[[int, int], None] | None = None,
    ) -> "RedisStore":
        """A store that is connected; StoreUnavailable says what is in the way."""
        store = cls(settings, batch_limit, on_commit)
        await store._started(store._link)
        return store

    async def _started(self, link: Link) -> None:
        try:
            await link.start()
        except (OSError, TimeoutError, ReplyError) as error:
            raise StoreUnavailable(f"{self._settings.url}: {str(error) or 'no answer'}") from error

    async def _find(self) -> Target:
        server = await self._servers.find()
        self._function, self.born_s = f"{server.library}_commit", server.born_s
        return server.target

    async def _welcome(self, connection: Connection) -> None:
        await connection.call("PING")

    # --- reading

    async def load(self, key: str) -> Account | None:
        """The account as last committed."""
        record = await self._ask("HGET", self._account_at(key), "record")
        return self._decode_account(record) if isinstance(record, bytes) else None

    async def find(self, name: Identity | str) -> str | None:
        """The account of an identity or of a session key."""
        table, field = ("sessions", name) if isinstance(name, str) else ("identities", identity_field(name))
        key = await self._ask("HGET", f"{self._prefix}:{table}", field)
        return key.decode() if isinstance(key, bytes) else None

    async def answer_of(self, key: str) -> EventAnswer | None:
        """The answer kept for a one-time event."""
        record = await self._ask("GET", f"{self._prefix}:answer:{key}")
        return self._decode_answer(record) if isinstance(record, bytes) else None

    async def read(self, query: Query) -> Rows:
        """A page of rows."""
        match query.table:
            case Table.ACCOUNTS | Table.SESSIONS:
                return await self._accounts(query)
            case Table.POSTINGS:
                return await self._rows(query, self._decode_posting)
            case Table.CDRS:
                return await self._rows(query, self._decode_cdr)

    async def _ask(self, *parts: bytes | str | int) -> Reply:
        try:
            return await self._link.call(*parts)
        except ReplyError as error:
            raise StoreUnavailable(f"Redis: {error}") from error

    async def _ask_all(self, commands: Iterable[tuple[bytes | str | int, ...]]) -> list[Reply]:
        return await asyncio.gather(*[self._ask(*command) for command in commands])

    def _account_at(self, key: str) -> str:
        return f"{self._prefix}:{{{key}}}:account"

    async def _accounts(self, query: Query) -> Rows:
        if query.account is not None:
            found = await self.load(query.account) if query.account > str(query.after or "") else None
            return Rows(() if found is None else self._fitting(query, [found]), None)
        after = b"(" + str(query.after).encode() if query.after else b"-"
        table = f"{self._prefix}:{NAMES[query.table]}"
        keys = await self._ask("ZRANGEBYLEX", table, after, b"+", b"LIMIT", 0, query.limit + 1)
        assert isinstance(keys, list), "a list of keys"
        names = [key.decode() for key in keys if isinstance(key, bytes)]
        page = names[: query.limit]
        records = await self._ask_all([("HGET", self._account_at(key), "record") for key in page])
        rows = [self._decode_account(record) for record in records if isinstance(record, bytes)]
        return Rows(self._fitting(query, rows), page[-1] if len(names) > query.limit else None)

    def _fitting(self, query: Query, accounts: list[Account]) -> tuple[Account, ...]:
        """Between the two looks of a page an account may have closed its last session."""
        return tuple(one for one in accounts if query.table is Table.ACCOUNTS or one.sessions)

    async def _rows(self, query: Query, decode: Callable[[bytes], ROW]) -> Rows:
        if query.account is not None:
            return await self._rows_of(query.account, query, decode)
        table = NAMES[query.table]
        before = b"+" if query.after is None else b"(%d-0" % int(query.after)
        places = await self._ask(
            "XREVRANGE", f"{self._prefix}:{table}", before, b"-", b"COUNT", query.limit + 1
        )
        assert isinstance(places, list), "a list of entries"
        page = [_place(place) for place in places[: query.limit]]
        commands = [("LINDEX", f"{self._prefix}:{{{key}}}:{table}", index) for _, key, index in page]
        records = await self._ask_all(commands)
        rows = tuple([decode(record) for record in records if isinstance(record, bytes)])
        return Rows(rows, page[-1][0] if len(places) > query.limit else None)

    async def _rows_of(self, key: str, query: Query, decode: Callable[[bytes], ROW]) -> Rows:
        at = f"{self._prefix}:{{{key}}}:{NAMES[query.table]}"
        before = query.after
        if before is None:
            length = await self._ask("LLEN", at)
            before = length if isinstance(length, int) else 0
        first = max(int(before) - query.limit, 0)
        if int(before) <= 0:
            return Rows(())
        records = await self._ask("LRANGE", at, first, int(before) - 1)
        assert isinstance(records, list), "a list of records"
        rows = tuple([decode(record) for record in reversed(records) if isinstance(record, bytes)])
        return Rows(rows, first or None)

    # --- what only a store that several servers share can say

    async def overdue(self, after_ms: int, before_ms: int, limit: int) -> list[tuple[str, int]]:
        """Accounts with sessions that somebody should have seen to by then, and since when, earliest first."""
        found = await self._ask(
            *("ZRANGEBYSCORE", f"{self._prefix}:due", f"({after_ms}", before_ms, "WITHSCORES"),
            *("LIMIT", 0, limit),
        )
        assert isinstance(found, list), "members and scores"
        texts = [each.decode() for each in found if isinstance(each, bytes)]
        return [(key, int(float(score))) for key, score in zip(texts[::2], texts[1::2], strict=True)]

    async def recorded_since(self, position: int) -> list[Recorded] | None:
        """What was kept behind a position, in order; None where that is too long ago to be known."""
        first = f"({position}-0"
        last, log = await self._ask_all(
            [("GET", f"{self._prefix}:position"), ("XRANGE", f"{self._prefix}:log", first, "+")]
        )
        assert isinstance(log, list), "a list of entries"
        entries = [entry_of(_entry_octets(entry), self._writer) for entry in log]
        known = int(last) if isinstance(last, bytes) else 0
        if known > position and (not entries or entries[0].position != position + 1):
            return None
        return entries

    async def subscribe(self, listener: Listener) -> None:
        """Tell a listener what other servers change and say, until closed."""
        self._hearing = Hearing(self._prefix, self._writer_of, listener)
        self._following = Link(self._find, self._hearing.welcome, self._link.timeout_s, self._hearing.hear)
        await self._started(self._following)

    async def say(self, channel: str, message: bytes) -> int:
        """Say something to the servers that listen to a channel; to how many, this one included."""
        heard = await self._ask("PUBLISH", f"{self._prefix}:{channel}", message)
        return heard if isinstance(heard, int) else 0

    def _writer_of(self) -> str:
        return self._writer

    # --- writing

    def commit(self, change: Change, done: Done) -> None:
        """Queue a change for the next batch."""
        if not self._turn:
            asyncio.get_running_loop().call_soon(self._end_turn)
        self._turn.append((change, done))

    def keep(self, records: tuple[Record, ...], done: Done) -> None:
        """Queue records of others, in one unit with the changes queued before them in this turn of the loop."""
        self.keep_at(records, (), 0, done)

    def keep_at(
        self, records: tuple[Record, ...], domains: tuple[str, ...], position: int, done: Done
    ) -> None:
        """`keep`, refused where another server has kept records of one of the domains behind a position."""
        turn, self._turn = self._turn, []
        changes, dones = [change for change, _ in turn], [told for _, told in turn]
        self._queue.append(Unit(changes, [*dones, done], records, domains, position, is_kept=True))
        self._wake()

    def kept(self) -> list[tuple[str, str, bytes]]:
        """Every record of others: kind, key, value, in the order in which they came."""
        try:
            with self._servers.reader() as reader, reader.pipeline(transaction=True) as moment:
                moment.hgetall(f"{self._prefix}:records")
                moment.get(f"{self._prefix}:position")
                found, position = moment.execute()
                self.position = int(position or 0)
        except redis.RedisError as error:
            raise StoreUnavailable(f"{self._settings.url}: {error}") from error
        rows = sorted(found.items(), key=lambda each: each[1][:PLACE_DIGITS])
        return [(*_kind_and_key(field), value[PLACE_DIGITS:]) for field, value in rows]

    def _end_turn(self) -> None:
        turn, self._turn = self._turn, []
        self._queue += [Unit([change], [done]) for change, done in turn]
        self._wake()

    def _wake(self) -> None:
        if self._flushing is None and self._queue:
            self._flushing = asyncio.get_running_loop().create_task(self._flush())

    async def _flush(self) -> None:
        while self._queue:
            batch = self._queue[: self._batch_limit]
            del self._queue[: self._batch_limit]
            started_ns = time.monotonic_ns()
            try:
                refused = await self._executed(batch)
            except Exception as error:
                self._give_up(batch, error)
                continue
            self.batches += 1
            self.committed += len(batch) - len(refused)
            if self._on_commit is not None:
                self._on_commit(len(batch), time.monotonic_ns() - started_ns)
            self._tell(batch, refused)
        self._flushing = None

    async def _executed(self, batch: list[Unit]) -> dict[int, str]:
        """What of a batch was refused, and why. Sent again after a lost connection, under the same number."""
        number = self._number + 1
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + 2 * self._link.timeout_s
        while True:
            try:
                refused = await self._sent(self._writer, number, batch)
                break
            except ConnectionLost as error:
                if loop.time() >= deadline_s:
                    raise
                log.warning("store.batch_sent_again", number=number, error=str(error))
        self._number = number
        return refused

    async def _sent(self, writer: str, number: int, batch: list[Unit]) -> dict[int, str]:
        """Once: what of it was refused, when as many replicas have it as are asked for."""
        command = ("FCALL", self._function, 0, self._prefix, writer, number, encoded(batch))
        reply, *replicated = await self._link.calls(command, *self._waits)
        for have in replicated:
            if not isinstance(have, int) or have < self._settings.replicas:
                raise StoreUnavailable(f"{have!r} of {self._settings.replicas} replicas have the change")
        return _refusals(reply)

    def _give_up(self, batch: list[Unit], error: Exception) -> None:
        """Whether the batch is durable is not known: nobody is told that it is, and memory is thrown away.

        A new name for this writer: should the batch arrive yet, versions decide whether it fits.
        """
        if isinstance(error, ReplyError) and error.code == OUT_OF_ORDER:
            log.critical(
                "store.changes_lost", error=str(error), remedy="the primary has lost what it had confirmed"
            )
        log.error("store.commit_failed", error=repr(error), changes=len(batch))
        self._writer, self._number = uuid.uuid4().hex, 0
        reason = error if isinstance(error, StoreError) else StoreUnavailable(f"Redis: {error}")
        self._end_turn()
        failed, self._queue = batch + self._queue, []
        self._refuse(failed, reason, Broken(failed))

    def _tell(self, batch: list[Unit], refused: dict[int, str]) -> None:
        """Tell everybody, in order. What waits and rests on what was refused is refused with it."""
        if not refused:
            for unit in batch:
                unit.tell(None)
            return
        self._end_turn()
        broken = Broken([batch[index] for index in refused])
        dropped = [unit for unit in self._queue if broken.takes(unit)]
        gone = set(map(id, dropped))
        self._queue = [unit for unit in self._queue if id(unit) not in gone]
        for index, unit in enumerate(batch):
            reason = refused.get(index)
            unit.tell(None if reason is None else VersionConflict(reason))
        self._refuse(dropped, VersionConflict("a change before it was refused"), broken)

    def _refuse(self, units: list[Unit], reason: StoreError, broken: "Broken") -> None:
        """Refuse units, and what was decided on them while their authors were told one after the other."""
        while units:
            for unit in units:
                unit.tell(reason)
            turn, self._turn = self._turn, []
            late = [Unit([change], [done]) for change, done in turn]
            units = [unit for unit in late if broken.takes(unit)]
            gone = set(map(id, units))
            self._turn = [each for each, unit in zip(turn, late, strict=True) if id(unit) not in gone]

    async def close(self) -> None:
        """Make everything queued durable and let go of the connection."""
        self._end_turn()
        while self._flushing is not None:
            await asyncio.wait({self._flushing})
        if self._following is not None:
            await self._following.close()
        await self._link.close()


class Broken:
    """What was refused: changes of these accounts, and records, rest on nothing."""

    def __init__(self, refused: list[Unit]) -> None:
        self._accounts: set[str] = set()
        self._is_kept = False
        for unit in refused:
            self.add(unit)

    def add(self, unit: Unit) -> None:
        """A unit was refused."""
        self._accounts |= unit.accounts
        self._is_kept = self._is_kept or unit.is_kept

    def takes(self, unit: Unit) -> bool:
        """Whether a later unit falls with what was refused; it is refused then as well."""
        falls = (self._is_kept and unit.is_kept) or not self._accounts.isdisjoint(unit.accounts)
        if falls:
            self.add(unit)
        return falls


def _refusals(reply: Reply) -> dict[int, str]:
    assert isinstance(reply, list), "a list of what was refused"
    found: dict[int, str] = {}
    for each in reply:
        assert isinstance(each, list), "an index and a reason"
        index, reason = each
        assert isinstance(index, int), "a number"
        assert isinstance(reason, bytes), "a reason"
        found[index] = reason.decode()
    return found


def _place(entry: Any) -> tuple[int, str, int]:
    """Number, account and index of an entry of a stream."""
    name, fields = entry
    return int(name.partition(b"-")[0]), fields[1].decode(), int(fields[3])


def _entry_octets(entry: Any) -> bytes:
    octets: bytes = entry[1][1]
    return octets


def _kind_and_key(field: bytes) -> tuple[str, str]:
    kind, _, key = field.decode().partition("\0")
    return kind, key
