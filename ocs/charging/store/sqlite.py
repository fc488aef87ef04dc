"""The embedded store: SQLite in WAL mode, `synchronous=FULL`, group commit.

Changes gather while the disk is busy with the ones before. A batch is written by the event loop, which is quick
because nothing is forced, and made durable by `COMMIT` in a thread, which waits for the disk without the
interpreter lock; the answers of a batch leave when its commit has returned. The log is moved into the database
by a second connection in the background, so that no commit has to wait for it.

A posting points back at the one before it of the same account: a history is walked, no index has to be kept.
"""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
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

log = structlog.get_logger()

SCHEMA_VERSION = 1
SCHEMA = """
create table if not exists meta (name text primary key, value integer not null) without rowid;
create table if not exists account (
    key text primary key, version integer not null, sessions integer not null,
    last_posting integer not null, record blob not null) without rowid;
create index if not exists account_with_sessions on account (key) where sessions > 0;
create table if not exists identity (
    kind integer, value text, account text not null, primary key (kind, value)) without rowid;
create table if not exists session (key text primary key, account text not null) without rowid;
create table if not exists answer (
    key text primary key, expires_at_ns integer not null, record blob not null) without rowid;
create table if not exists posting (
    seq integer primary key, account text not null, previous integer not null, record blob not null);
create table if not exists cdr (seq integer primary key, account text not null, record blob not null);
create index if not exists cdr_by_account on cdr (account, seq);
create table if not exists record (
    number integer primary key, kind text not null, key text not null, value blob not null, unique (kind, key));
"""
INSERT_ACCOUNT = "insert into account (version, sessions, last_posting, record, key) values (?, ?, ?, ?, ?)"
# Setting `sessions` moves the account in its index too, which a turn of an open session has no need of.
UPDATE_ACCOUNT = "update account set version = ?, last_posting = ?, record = ? where key = ? and version = ?"
RECOUNT_ACCOUNT = (
    "update account set version = ?, sessions = ?, last_posting = ?, record = ? where key = ? and version = ?"
)
PRAGMAS = (
    "journal_mode=wal",
    "synchronous=full",
    "wal_autocheckpoint=0",
    "temp_store=memory",
    "busy_timeout=5000",
)

PAGE_CACHE_OCTETS = (
    64 << 20
)  # of each connection: that which writes, that which reads, that which moves the log
KNOWN_ACCOUNTS = 1_000_000  # whose last posting is kept in memory

Pending = tuple[Change | tuple[Record, ...], Done]


class SqliteStore:
    """One file, one writer. `batch_limit` bounds a commit, `checkpoint_octets` the log before it is moved."""

    def __init__(
        self,
        path: Path,
        batch_limit: int = 512,
        checkpoint_octets: int = 64_000_000,
        answers_swept_at_once: int = 500,
        on_commit: Callable[[int, int], None] | None = None,
        page_cache_octets: int = PAGE_CACHE_OCTETS,
    ) -> None:
        self._path = path
        self._page_cache_octets = page_cache_octets
        self._batch_limit = batch_limit
        self._checkpoint_octets = checkpoint_octets
        self._answers_swept_at_once = answers_swept_at_once
        self._on_commit = on_commit
        self._pending: list[Pending] = []
        self._flushing: asyncio.Task[None] | None = None
        self._checkpointing: asyncio.Future[None] | None = None
        self._restart_due = False
        self._committer = ThreadPoolExecutor(1, "commit")
        self._mover = ThreadPoolExecutor(1, "checkpoint")
        self._encoder = msgspec.msgpack.Encoder()
        self._decode_account = msgspec.msgpack.Decoder(Account).decode
        self._decode_posting = msgspec.msgpack.Decoder(Posting).decode
        self._decode_cdr = msgspec.msgpack.Decoder(Cdr).decode
        self._decode_answer = msgspec.msgpack.Decoder(EventAnswer).decode
        self._last_posting: dict[str, int] = {}
        self.batches = 0
        self.committed = 0
        try:
            self._writer = _connect(path, page_cache_octets)
            self._reader = _connect(path, page_cache_octets)
            self._moving = _connect(path, page_cache_octets)
            self._writer.executescript(SCHEMA)
            _check_schema(self._writer, path)
            row = self._writer.execute("select coalesce(max(seq), 0) from posting").fetchone()
            self.born_s = _born_s(self._writer)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{path}: {error}") from error
        self._next_posting: int = row[0] + 1

    # --- reading

    async def load(self, key: str) -> Account | None:
        """The account as last committed."""
        row = self._one("select record, last_posting from account where key = ?", (key,))
        if row is None:
            return None
        self._last_posting.setdefault(key, row[1])  # what is known already may be ahead of the file
        return self._decode_account(row[0])

    async def find(self, name: Identity | str) -> str | None:
        """The account of an identity or of a session key."""
        if isinstance(name, str):
            row = self._one("select account from session where key = ?", (name,))
        else:
            row = self._one(
                "select account from identity where kind = ? and value = ?", (int(name.kind), name.value)
            )
        return None if row is None else str(row[0])

    async def answer_of(self, key: str) -> EventAnswer | None:
        """The answer kept for a one-time event."""
        row = self._one("select record from answer where key = ?", (key,))
        return None if row is None else self._decode_answer(row[0])

    async def read(self, query: Query) -> Rows:
        """A page of rows as last committed."""
        match query.table:
            case Table.ACCOUNTS:
                return self._accounts(query, "account")
            case Table.SESSIONS:
                return self._accounts(query, "account indexed by account_with_sessions", "sessions > 0 and")
            case Table.POSTINGS:
                return self._postings(query)
            case Table.CDRS:
                return self._cdrs(query)

    def _accounts(self, query: Query, source: str, condition: str = "") -> Rows:
        where = f"{condition} key > ?" + (" and key = ?" if query.account is not None else "")
        arguments = [str(query.after or "")] + ([query.account] if query.account is not None else [])
        rows = self._all(
            f"select key, record from {source} where {where} order by key limit ?",
            (*arguments, query.limit + 1),
        )
        page = tuple(self._decode_account(record) for _, record in rows[: query.limit])
        return Rows(page, rows[query.limit - 1][0] if len(rows) > query.limit else None)

    def _postings(self, query: Query) -> Rows:
        if query.account is None:
            before = (1 << 62) if query.after is None else int(query.after)
            rows = self._all(
                "select seq, record from posting where seq < ? order by seq desc limit ?",
                (before, query.limit + 1),
            )
            page = tuple(self._decode_posting(record) for _, record in rows[: query.limit])
            return Rows(page, rows[query.limit - 1][0] if len(rows) > query.limit else None)
        seq = query.after
        if seq is None:
            row = self._one("select last_posting from account where key = ?", (query.account,))
            seq = 0 if row is None else int(row[0])
        walked: list[Posting] = []
        while int(seq) and len(walked) < query.limit:
            row = self._one("select previous, record from posting where seq = ?", (int(seq),))
            if row is None:
                break
            walked.append(self._decode_posting(row[1]))
            seq = int(row[0])
        return Rows(tuple(walked), int(seq) or None)

    def _cdrs(self, query: Query) -> Rows:
        before = (1 << 62) if query.after is None else int(query.after)
        where, arguments = "seq < ?", list[str | int]([before])
        if query.account is not None:
            where, arguments = "account = ? and seq < ?", [query.account, before]
        rows = self._all(
            f"select seq, record from cdr where {where} order by seq desc limit ?",
            (*arguments, query.limit + 1),
        )
        page = tuple(self._decode_cdr(record) for _, record in rows[: query.limit])
        return Rows(page, rows[query.limit - 1][0] if len(rows) > query.limit else None)

    def _one(self, statement: str, arguments: tuple[object, ...]) -> tuple[Any, ...] | None:
        rows = self._all(statement, arguments)
        return rows[0] if rows else None

    def _all(self, statement: str, arguments: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._reader.execute(statement, arguments).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self._path}: {error}") from error

    # --- writing

    def _encode(self, record: Account | Posting | Cdr | EventAnswer) -> bytearray:
        """A record's stored form; sqlite3 asks an adapter about every `bytes`, and none about a `bytearray`."""
        return bytearray(self._encoder.encode(record))

    def commit(self, change: Change, done: Done) -> None:
        """Queue a change for the next batch."""
        self._pending.append((change, done))
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush())

    def keep(self, records: tuple[Record, ...], done: Done) -> None:
        """Queue records of others; with every change queued before them that is not durable yet, or not at all."""
        self._pending.append((records, done))
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush())

    def kept(self) -> list[tuple[str, str, bytes]]:
        """Every record of others: kind, key, value, in the order in which they came."""
        return self._all("select kind, key, value from record order by number", ())

    def _batch_length(self) -> int:
        """How many changes go together: beyond the limit as many as the next records belong to."""
        limit = self._batch_limit
        for length in range(limit, len(self._pending)):
            if isinstance(self._pending[length][0], tuple):
                return length + 1
        return limit

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            await self._restart_log(loop)
            if len(self._last_posting) > KNOWN_ACCOUNTS:
                self._last_posting.clear()
            length = self._batch_length()
            batch = self._pending[:length]
            del self._pending[:length]
            started_ns = time.monotonic_ns()
            try:
                self._write(batch)
                await loop.run_in_executor(self._committer, self._writer.execute, "commit")
            except Exception as error:
                self._give_up(batch, error)
                continue
            self.batches += 1
            self.committed += len(batch)
            if self._on_commit is not None:
                self._on_commit(len(batch), time.monotonic_ns() - started_ns)
            for _, done in batch:
                done(None)
            self._move_log_when_long(loop)
        self._flushing = None

    def _give_up(self, batch: list[Pending], error: Exception) -> None:
        """Nothing of the batch is durable; what was decided on top of it must not become so either."""
        log.error("store.commit_failed", path=str(self._path), error=repr(error), changes=len(batch))
        self._roll_back()
        self._last_posting.clear()
        failed = batch + self._pending
        self._pending = []
        reason: StoreError
        if isinstance(error, StoreError):
            reason = error
        elif isinstance(
            error, sqlite3.IntegrityError
        ):  # one change claims what is taken: the others may try again
            reason = VersionConflict(f"{self._path}: {error}")
        else:
            reason = StoreUnavailable(f"{self._path}: {error}")
        for _, done in failed:
            done(reason)

    def _roll_back(self) -> None:
        """Undo what the writer began, with a new connection where that fails too."""
        try:
            if self._writer.in_transaction:
                self._writer.execute("rollback")
            return
        except sqlite3.Error as error:
            log.error("store.rollback_failed", path=str(self._path), error=str(error))
        try:
            self._writer.close()
            self._writer = _connect(self._path, self._page_cache_octets)
        except sqlite3.Error as error:
            log.error("store.reconnection_failed", path=str(self._path), error=str(error))

    def _write(self, batch: list[Pending]) -> None:
        writer = self._writer
        writer.execute("begin immediate")
        postings: list[tuple[int, str, int, bytearray]] = []
        changes = [change for change, _ in batch if isinstance(change, Change)]
        for change in changes:
            for posting in change.postings:
                previous = self._previous_posting(posting.account)
                postings.append((self._next_posting, posting.account, previous, self._encode(posting)))
                self._last_posting[posting.account] = self._next_posting
                self._next_posting += 1
        if postings:
            writer.executemany("insert into posting values (?, ?, ?, ?)", postings)
        self._write_accounts(changes)
        self._write_rest(changes)
        self._write_records([change for change, _ in batch if isinstance(change, tuple)])

    def _previous_posting(self, account: str) -> int:
        known = self._last_posting.get(account)
        if known is not None:
            return known
        row = self._one("select last_posting from account where key = ?", (account,))
        return 0 if row is None else int(row[0])

    def _write_accounts(self, changes: list[Change]) -> None:
        """The last state of each account; its version must follow the one in the file."""
        first: dict[str, int] = {}
        last: dict[str, Account] = {}
        recounted: set[str] = set()
        for change in changes:
            _follow(change.account, first, last)
            if not change.keeps_count:
                recounted.add(change.account.key)
            for other in change.others:
                _follow(other, first, last)
                recounted.add(other.key)
        updates: list[tuple[int, int, bytearray, str, int]] = []
        recounts: list[tuple[int, int, int, bytearray, str, int]] = []
        inserts: list[tuple[int, int, int, bytearray, str]] = []
        for key, account in last.items():
            seq = self._last_posting.get(key)
            if seq is None:
                seq = self._last_posting[key] = self._previous_posting(key)
            version, before, record = account.version, first[key], self._encode(account)
            if not before:
                inserts.append((version, len(account.sessions), seq, record, key))
            elif key in recounted:
                recounts.append((version, len(account.sessions), seq, record, key, before))
            else:
                updates.append((version, seq, record, key, before))
        if inserts:
            self._writer.executemany(INSERT_ACCOUNT, inserts)
        self._update(UPDATE_ACCOUNT, updates)
        self._update(RECOUNT_ACCOUNT, recounts)

    def _update(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows and self._writer.executemany(statement, rows).rowcount != len(rows):
            raise VersionConflict("an account is at another version")

    def _write_rest(self, changes: list[Change]) -> None:
        """What only some changes have: sessions that come and go, CDRs, identities, kept answers."""
        writer = self._writer
        for change in changes:
            account = change.account
            if change.closed_keys:
                writer.executemany(
                    "delete from session where key = ?", [(key,) for key in change.closed_keys]
                )
            if change.opened_keys:
                writer.executemany(
                    "insert or replace into session values (?, ?)",
                    [(key, account.key) for key in change.opened_keys],
                )
            for cdr in change.cdrs:
                writer.execute(
                    "insert into cdr (account, record) values (?, ?)", (account.key, self._encode(cdr))
                )
            for answered in change.answered:
                writer.execute(
                    "insert or replace into answer values (?, ?, ?)",
                    (answered.key, answered.expires_at_ns, self._encode(answered)),
                )
            if change.has_new_identities:
                self._write_identities(account)

    def _write_records(self, kept: list[tuple[Record, ...]]) -> None:
        last = {(kind, key): value for records in kept for kind, key, value in records}
        gone = [name for name, value in last.items() if value is None]
        if gone:
            self._writer.executemany("delete from record where kind = ? and key = ?", gone)
        if len(gone) < len(last):
            self._writer.executemany(
                "insert into record (kind, key, value) values (?, ?, ?)"
                " on conflict (kind, key) do update set value = excluded.value",
                [(*name, value) for name, value in last.items() if value is not None],
            )

    def _write_identities(self, account: Account) -> None:
        if account.version > 1:  # a new account has none yet, and they are not indexed by account
            self._writer.execute("delete from identity where account = ?", (account.key,))
        self._writer.executemany(
            "insert into identity values (?, ?, ?)",
            [(int(each.kind), each.value, account.key) for each in account.identities],
        )

    # --- keeping the files small

    def sweep_answers(self, now_ns: int) -> None:
        """Let go of some of the answers that have expired; called from time to time, between batches."""
        if self._flushing is None:
            self._writer.execute(
                "delete from answer where key in (select key from answer where expires_at_ns < ? limit ?)",
                (now_ns, self._answers_swept_at_once),
            )

    def _move_log_when_long(self, loop: asyncio.AbstractEventLoop) -> None:
        if (
            self._checkpointing is None
            and self.batches % 32 == 0
            and _size(self._path, "-wal") > self._checkpoint_octets
        ):
            self._checkpointing = loop.create_task(self._move_log(loop))

    async def _move_log(self, loop: asyncio.AbstractEventLoop) -> None:
        """Copy the log while commits go on; the little that comes meanwhile is left for `_restart_log`."""
        try:
            await loop.run_in_executor(self._mover, self._moving.execute, "pragma wal_checkpoint(passive)")
            self._restart_due = True
        except sqlite3.Error as error:
            log.warning("store.checkpoint_failed", path=str(self._path), error=str(error))
        finally:
            self._checkpointing = None

    async def _restart_log(self, loop: asyncio.AbstractEventLoop) -> None:
        """Move the rest of the log, so that it starts afresh; between two batches, for it locks out the writer."""
        if not self._restart_due or self._checkpointing is not None:
            return
        self._restart_due = False
        try:
            await loop.run_in_executor(
                self._committer, self._moving.execute, "pragma wal_checkpoint(restart)"
            )
        except sqlite3.Error as error:
            log.warning("store.checkpoint_failed", path=str(self._path), error=str(error))

    async def close(self) -> None:
        """Make everything queued durable and close the file."""
        while self._flushing is not None:
            await asyncio.wait({self._flushing})
        if self._checkpointing is not None:
            await self._checkpointing
        self._committer.shutdown()
        self._mover.shutdown()
        for connection in (self._reader, self._moving, self._writer):
            connection.close()


def _follow(account: Account, first: dict[str, int], last: dict[str, Account]) -> None:
    """Note an account's next state in a batch, and the version the file must be at before the first."""
    key = account.key
    before = last.get(key)
    if before is not None and account.version != before.version + 1:
        raise VersionConflict(f"{key} is at another version")
    first.setdefault(key, account.version - 1)
    last[key] = account


def _connect(path: Path, page_cache_octets: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"pragma cache_size={-(page_cache_octets // 1024)}")
    for pragma in PRAGMAS:
        connection.execute(f"pragma {pragma}")
    return connection


def _born_s(connection: sqlite3.Connection) -> int:
    """When the file was begun: what it does not know, from before, is lost (Origin-State-Id, RFC 6733 8.16)."""
    connection.execute("insert or ignore into meta values ('born_s', ?)", (int(time.time()),))
    return int(connection.execute("select value from meta where name = 'born_s'").fetchone()[0])


def _check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """A file of another layout is refused, never guessed at."""
    version = connection.execute("pragma user_version").fetchone()[0]
    if version == 0:
        connection.execute(f"pragma user_version={SCHEMA_VERSION}")
    elif version != SCHEMA_VERSION:
        raise StoreUnavailable(f"{path} has layout {version}; this program writes layout {SCHEMA_VERSION}")


def _size(path: Path, suffix: str) -> int:
    try:
        return os.stat(f"{path}{suffix}").st_size
    except FileNotFoundError:
        return 0
