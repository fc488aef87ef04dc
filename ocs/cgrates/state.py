"""Everything the server knows, in memory, and what of it is not on disk yet.

`put` and `delete` change memory at once. What a step changes without an await in between becomes durable in one
transaction; `durable` returns when all of it is. Records are never changed in place: a new one is put.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import structlog

from ocs.cgrates.cdr_book import CdrBook, DiskCdrs, MemoryCdrs
from ocs.cgrates.cdr_rows import NONE
from ocs.cgrates.journal import Entry, Journal, JournalError, NoJournal, SqliteJournal
from ocs.cgrates.kinds import PROFILE_KINDS, TARIFF_KINDS, TYPES, Kind, stamp_of
from ocs.cgrates.live_tariff import LiveTariff
from ocs.cgrates.profile_records import put_record, remove_record
from ocs.charging.cgrates.account import Account, Snapshot
from ocs.charging.cgrates.call import Call
from ocs.charging.cgrates.plan import Tariff
from ocs.charging.cgrates.triggers import Watch
from ocs.charging.profiles.book import ProfileBook
from ocs.sessions.model import Cdr, Session, SessionCost
from ocs.subclassing import mypyc_attr

log = structlog.get_logger()

Done = Callable[[JournalError | None], None]
AccountsChanged = Callable[[Mapping[str, Account | None], Mapping[str, Call]], None]
NO_CALLS: Mapping[str, Call] = {}
PRICES_CHANGED = "prices changed"
PRICE_KINDS = (Kind.DESTINATION, Kind.TIMING, Kind.RATING_PLAN, Kind.RATING_PROFILE)
LAST_ORDER = "last order id of a removed record"
MOST_COSTS = 100_000  # that wait for their record
MOST_CDRS = 100_000  # that are kept where there is no disk


@mypyc_attr(allow_interpreted_subclasses=True)
class State:
    """Records by kind and key. `accounts`, `sessions`, `members` are the tables of those kinds: read them, change
    them by `put` alone. Call detail records are in `cdrs`, which has them on disk where there is one."""

    def __init__(self, journal: Journal | None = None, on_failure: Callable[[], None] | None = None) -> None:
        self.tables: dict[Kind, dict[str, Any]] = {kind: {} for kind in Kind}
        self.accounts: dict[str, Account] = self.tables[Kind.ACCOUNT]
        self.members: dict[str, tuple[str, ...]] = self.tables[Kind.MEMBERS]
        self.sessions: dict[str, Session] = self.tables[Kind.SESSION]
        self.passive: dict[str, Session] = self.tables[Kind.PASSIVE_SESSION]
        self.closed: dict[str, Session] = self.tables[Kind.CLOSED_SESSION]
        self.costs: dict[str, SessionCost] = self.tables[Kind.SESSION_COST]
        self.watches: dict[str, Watch] = self.tables[Kind.WATCH]
        self.on_accounts: AccountsChanged | None = (
            None  # told the accounts before a change, and why it was made
        )
        self.tells_all_accounts = False  # also of accounts without triggers and counters
        self.awaited: Collection[str] = ()  # accounts whose changes `on_awaited` is told of: before, after
        self.on_awaited: Callable[[Account, Account], None] | None = None
        self.now_ns: Callable[[], int] = time.time_ns
        self.updated: dict[str, int] = {}  # when accounts were put last
        self.failure: JournalError | None = None
        self.book = ProfileBook()
        self._journal = journal or NoJournal()
        self.keeps = not isinstance(self._journal, NoJournal)
        self._on_failure = on_failure
        self._on_disk: DiskCdrs | None = None
        self.cdrs: CdrBook = self._cdr_book()
        self._pending: dict[tuple[Kind, str], Any] = {}
        self._waiters: list[Done] = []
        self._under_way: list[Done] = []  # who waits for the batch that is being written
        self._is_committing = False
        self.changes = 0  # how many there were, to see whether a step made any
        self._writing: asyncio.Task[None] | None = None
        self._live = LiveTariff()

    def _cdr_book(self) -> CdrBook:
        if isinstance(self._journal, SqliteJournal):
            self._on_disk = DiskCdrs(self._journal.cdrs, encode_record, self._noted, self.durable)
            return self._on_disk
        return MemoryCdrs(
            self.tables[Kind.CDR],
            partial(self.put, Kind.CDR),
            partial(self.delete, Kind.CDR),
            None if self.keeps else MOST_CDRS,
        )

    # --- reading

    @property
    def tariff(self) -> Tariff:
        """The tariff as it is now; its maps change with the records, so keep none of them over an await."""
        return self._live.tariff

    @property
    def watches_accounts(self) -> bool:
        """Whether somebody is told of accounts that change."""
        return bool(self.watches) or self.tells_all_accounts

    def snapshot(self, *account_ids: str) -> Snapshot:
        """What requests on some accounts may touch: they, and the members of the groups their balances are in."""
        accounts: dict[str, Account] = {}
        members: dict[str, tuple[str, ...]] = {}
        for account_id in account_ids:
            account = self.accounts.get(account_id)
            if account is None:
                continue
            accounts[account_id] = account
            for balances in account.balances.values():
                for balance in balances:
                    for group in balance.shared_groups:
                        members[group] = self.members.get(group, ())
        for names in members.values():
            accounts |= {name: self.accounts[name] for name in names if name in self.accounts}
        return Snapshot(accounts, members)

    # --- changing

    def put(self, kind: Kind, key: str, record: Any) -> None:
        """Adds or replaces a record."""
        table = self.tables[kind]
        old = table.get(key)
        if kind in TARIFF_KINDS:
            self._live.change(kind, key, old, record)
            self._reprices(kind)
        table[key] = record
        if kind is Kind.ACCOUNT:
            self.updated[key] = self.now_ns()
            if old is not None and key in self.awaited and self.on_awaited is not None:
                self.on_awaited(old, record)
        self._changed(kind, key, record)

    def delete(self, kind: Kind, key: str) -> bool:
        """Removes a record; False where there is none."""
        old = self.tables[kind].pop(key, None)
        if old is None:
            return False
        if kind in TARIFF_KINDS:
            self._live.change(kind, key, old, None)
            self._reprices(kind)
        elif kind is Kind.ACCOUNT:
            self.updated.pop(key, None)
        self._changed(kind, key, None)
        return True

    def put_profile(self, kind: Kind, key: str, record: dict[str, Any]) -> None:
        """Adds or replaces a profile or filter, also in `book`, which finds them by event. Raises ValueError."""
        put_record(self.book, kind, record)
        self.put(kind, key, record)

    def delete_profile(self, kind: Kind, key: str) -> bool:
        """Removes a profile or filter; False where there is none. Raises ValueError for a filter in use."""
        remove_record(self.book, kind, key)
        return self.delete(kind, key)

    def put_accounts(
        self, accounts: Mapping[str, Account | None], calls: Mapping[str, Call] = NO_CALLS
    ) -> None:
        """Adds, replaces and (None) removes accounts; `calls` are what they were debited for.

        Triggers and counters of the accounts follow at once, as part of the same step.
        """
        before = {key: self.accounts.get(key) for key in accounts} if self.watches_accounts else {}
        for key, account in accounts.items():
            if account is None:
                self.delete(Kind.ACCOUNT, key)
            else:
                self.put(Kind.ACCOUNT, key, account)
        if before and self.on_accounts is not None:
            self.on_accounts(before, calls)

    def join(self, group: str, account_id: str) -> None:
        """Makes an account member of a shared group."""
        members = self.members.get(group, ())
        if account_id not in members:
            self.put(Kind.MEMBERS, group, (*members, account_id))

    # --- what the event pipeline keeps (`ocs.sessions.records.Records`)

    def put_session(self, session: Session) -> None:
        """Adds or replaces an active session."""
        self.sessions[session.cgrid] = session
        self._changed(Kind.SESSION, session.cgrid, session)
        if self.passive:
            self.delete(Kind.PASSIVE_SESSION, session.cgrid)

    def set_passive(self, session: Session) -> None:
        """A session that is kept and not charged."""
        self.delete(Kind.SESSION, session.cgrid)
        self.put(Kind.PASSIVE_SESSION, session.cgrid, session)

    def close_session(self, session: Session) -> None:
        """A session that has ended: no longer active, remembered for its record."""
        self.delete(Kind.SESSION, session.cgrid)
        self.put(Kind.CLOSED_SESSION, session.cgrid, session)

    def drop_session(self, cgrid: str) -> None:
        """Forgets an active session."""
        self.delete(Kind.SESSION, cgrid)

    def forget_closed(self, cgrid: str) -> None:
        """Forgets a session that has ended."""
        self.delete(Kind.CLOSED_SESSION, cgrid)

    def recorded(self, sessions: Sequence[Session]) -> set[str]:
        """The cgrids of those sessions that have ended with a record of every run."""
        made = self.cdrs.which((each.cgrid, run.run_id) for each in sessions for run in each.runs)
        return {each.cgrid for each in sessions if all((each.cgrid, run.run_id) in made for run in each.runs)}

    def put_cdr(self, cdr: Cdr) -> None:
        """Adds or replaces a record."""
        self.cdrs.put(cdr)

    def remove_cdr(self, cdr: Cdr) -> None:
        """Removes a record; its order id is not given again."""
        self.cdrs.remove(cdr)
        if self._on_disk is not None and cdr.order_id > self.tables[Kind.META].get(LAST_ORDER, 0):
            self.put(Kind.META, LAST_ORDER, cdr.order_id)

    def last_order(self) -> int:
        """The largest order id that a record has, or had."""
        gone: int = self.tables[Kind.META].get(LAST_ORDER, 0)
        return max(self.cdrs.last_order(), gone)

    def put_cost(self, cost: SessionCost) -> None:
        """Adds or replaces the cost of a run; the oldest goes where there are too many."""
        self.put(Kind.SESSION_COST, f"{cost.cgrid}:{cost.run_id}", cost)
        if len(self.costs) > MOST_COSTS:
            oldest = next(iter(self.costs))
            log.warning(
                "session_cost.forgotten", run=oldest, reason=f"more than {MOST_COSTS} wait for a record"
            )
            self.delete(Kind.SESSION_COST, oldest)

    def forget_cost(self, cost: SessionCost) -> None:
        """Forgets the cost of a run, for its record has it."""
        self.delete(Kind.SESSION_COST, f"{cost.cgrid}:{cost.run_id}")

    def _changed(self, kind: Kind, key: str, record: Any) -> None:
        if self.keeps:
            self._pending[kind, key] = record
            self.changes += 1

    def _reprices(self, kind: Kind) -> None:
        """Remembers when prices were changed last."""
        if kind in PRICE_KINDS:
            self.tables[Kind.META][PRICES_CHANGED] = now_ns = self.now_ns()
            self._changed(Kind.META, PRICES_CHANGED, now_ns)

    @property
    def prices_changed_ns(self) -> int:
        """When destinations, timings, plans or profiles were changed last, as far as is known."""
        changed_ns: int = self.tables[Kind.META].get(PRICES_CHANGED, 0)
        return changed_ns

    def _noted(self) -> None:
        """A record has changed that is not among those by kind and key."""
        self.changes += 1

    # --- the disk

    def load(self) -> int:
        """Reads everything from the journal; the number of records. Raises JournalError."""
        decoders = {kind: msgspec.json.Decoder(TYPES.get(kind, Any)).decode for kind in Kind}
        count = 0
        for kind_name, key, value in self._journal.load():
            try:
                kind = Kind(kind_name)
                record = self.tables[kind][key] = decoders[kind](value)
                if kind is Kind.ACCOUNT:
                    self.updated[key] = stamp_of(value).updated_ns
                if kind in TARIFF_KINDS:
                    self._live.change(kind, key, None, record)
            except (ValueError, msgspec.MsgspecError) as error:
                raise JournalError(f"{kind_name} {key}: cannot be read: {error}") from error
            count += 1
        for kind in PROFILE_KINDS:
            for key, record in self.tables[kind].items():
                self._restore_profile(kind, key, record)
        return count

    def _restore_profile(self, kind: Kind, key: str, record: dict[str, Any]) -> None:
        try:
            put_record(self.book, kind, record)
        except ValueError as error:
            log.error("profile.not_restored", kind=kind.value, key=key, error=str(error))

    @property
    def has_pending(self) -> bool:
        """Whether something has been changed that is not on its way to the disk."""
        return bool(self._pending)

    def when_durable(self, done: Done) -> None:
        """Calls `done(None)` when everything changed so far is on disk, or `done(error)` when it never will be."""
        if self.failure is not None:
            done(self.failure)
            return
        if not self._pending and not self._on_disk:
            if self._is_committing:
                self._under_way.append(done)
            else:
                done(None)
            return
        self._waiters.append(done)
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def durable(self) -> None:
        """Returns when everything changed so far is on disk. Raises JournalError."""
        if not self.keeps:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: JournalError | None) -> None:
            if waiter.done():
                return
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

        self.when_durable(done)
        await waiter

    async def _write(self) -> None:
        """Writes until nothing is left; a failed commit is the end."""
        try:
            while (self._pending or self._on_disk) and self.failure is None:
                pending, self._pending = self._pending, {}
                self._under_way, self._waiters = self._waiters, []
                self._is_committing = True
                try:
                    cdrs = self._on_disk.take() if self._on_disk else NONE
                    await self._journal.append(entries_of(pending, self.updated), cdrs)
                except (
                    Exception
                ) as error:  # also a record that cannot be written: waiting for it would never end
                    self._fail(error if isinstance(error, JournalError) else JournalError(repr(error)))
                    return
                finally:
                    self._is_committing = False
                if self._on_disk is not None:
                    self._on_disk.settled()
                waiters, self._under_way = self._under_way, []
                for done in waiters:
                    done(None)
        finally:
            self._writing = None

    def _fail(self, error: JournalError) -> None:
        self.failure = error
        waiters = [*self._under_way, *self._waiters]
        self._under_way, self._waiters = [], []
        for done in waiters:
            done(error)
        log.error("state.lost_its_journal", error=str(error))
        if self._on_failure is not None:
            self._on_failure()

    async def close(self) -> None:
        """Makes what was changed durable and closes the journal."""
        try:
            await self.durable()
        except JournalError:
            log.error("state.closed_with_loss", records=len(self._pending))
        while self._writing is not None:
            await asyncio.wait({self._writing})
        await self._journal.close()


def _builtin(value: object) -> object:
    """A value the encoding has no form for, as one it has: a kind of integer as integer, all else as text."""
    return int(value) if isinstance(value, int) else str(value)


# JSON, for values of voice balances are nanos of ns: larger than the integers of other encodings.
_encode = msgspec.json.Encoder(enc_hook=_builtin).encode


def encode_record(record: Any) -> bytes:
    """A record for the journal; texts that are no Unicode, which a client may send, have their faults replaced."""
    try:
        return _encode(record)
    except UnicodeEncodeError:
        return _encode(_unicode(msgspec.to_builtins(record, enc_hook=_builtin)))


def entries_of(pending: Mapping[tuple[Kind, str], Any], updated: Mapping[str, int] = {}) -> list[Entry]:
    """Records as the journal takes them; those of accounts with the time of their last change."""
    entries = []
    for (kind, key), record in pending.items():
        value = None if record is None else encode_record(record)
        if value is not None and kind is Kind.ACCOUNT and key in updated:
            value = b'%b,"updated_ns":%d}' % (value[:-1], updated[key])
        entries.append((kind._value_, key, value))  # `value` is a function
    return entries


def _unicode(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_unicode(name): _unicode(member) for name, member in value.items()}
        case list() | tuple():
            return [_unicode(each) for each in value]
        case _:
            return value


def profile_key(tenant: str, category: str, subject: str) -> str:
    """Key of a rating profile's record."""
    return f"{tenant}:{category}:{subject}"
