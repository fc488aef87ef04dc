"""The event pipeline on several servers that share a store: sessions, records, profiles and what resources hold.

Every server has all of it in memory and hears what the others keep. A step is decided on memory at once, as
everywhere; what it changed fits only where no other server has changed the same session, the same resource or the
same profile meanwhile. Otherwise neither its records nor its balances have changed: memory goes back to what is
durable, learns what it did not know, and the step is taken again.

Timers of a session run on the server that changed it last. When a session is overdue another server takes it over.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, cast

import msgspec
import structlog

from ocs.cgrates.journal import JournalError
from ocs.cgrates.kinds import PROFILE_KINDS, TYPES, Kind
from ocs.cgrates.profile_records import put_record, remove_record
from ocs.cgrates.stat_records import change_of
from ocs.cgrates.state import Done, entries_of
from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.profiles import resources
from ocs.charging.profiles.stats import Item
from ocs.charging.service import ChargingService
from ocs.charging.store import Record, StoreError, VersionConflict
from ocs.charging.store.shared import Recorded, SharedStore
from ocs.exact.accounting import CLIENT
from ocs.exact.sessions import ExactRuntime, ExactSurroundings, KeepingStore, KeptState
from ocs.sessions.errors import Outrun
from ocs.sessions.model import Session

log = structlog.get_logger()

Name = tuple[Kind, str]
OWN_KINDS = (Kind.EXPORT, Kind.READ)  # seen to by the server that kept them
OVERDUE_NS = 5_000_000_000
LOOKED_EVERY_S = 2.0
_decoders: dict[Kind, Callable[[bytes], Any]] = {
    kind: msgspec.json.Decoder(TYPES.get(kind, Any)).decode for kind in Kind
}


class OutrunJournal(JournalError, Outrun):
    """What a step changed was refused, for another server was quicker."""


class Store(KeepingStore, SharedStore, Protocol):
    """A store of accounts and records that several servers share."""


def domain_of(kind: str, key: str) -> str:
    """What a record is about: a session, a resource with all its usages, a queue with all its items, a profile."""
    return ":".join((kind, *key.split(":", 2)[:2]))


class SharedState(KeptState):
    """A state that knows what of it is durable, and what other servers keep."""

    def __init__(self, store: KeepingStore, node: str) -> None:
        super().__init__(store)
        self._shared = cast(Store, store)
        self._own = f"{node}|"
        self._before: dict[Name, Any] = {}  # what is durable of records whose change is not, yet
        self._touching: Counter[Name] = Counter()  # units under way, by record
        self.position = 0
        self.foreign: set[str] = set()  # sessions that another server changed last
        self.on_record: Callable[[Kind, str, Any, Any], None] = (
            _unheard  # before and after, changed from outside
        )
        self.on_all: Callable[[], None] = _unmoved  # all records of one step have been told
        self.on_mine: Callable[[Session], None] = _not_told  # a session that was another server's

    def load(self) -> int:
        """Reads everything; sessions are somebody else's until they are overdue."""
        count = super().load()
        for kind in OWN_KINDS:
            found = {key: record for key, record in self.tables[kind].items() if key.startswith(self._own)}
            self.tables[kind].clear()
            self.tables[kind].update({key.removeprefix(self._own): each for key, each in found.items()})
        self.position = self._shared.position
        self.foreign = set(self.sessions)
        return count

    # --- changing

    def put(self, kind: Kind, key: str, record: Any) -> None:
        """Adds or replaces a record."""
        self._before.setdefault((kind, key), self.tables[kind].get(key))
        super().put(kind, key, record)

    def delete(self, kind: Kind, key: str) -> bool:
        """Removes a record; False where there is none."""
        if key in self.tables[kind]:
            self._before.setdefault((kind, key), self.tables[kind][key])
        return super().delete(kind, key)

    def put_session(self, session: Session) -> None:
        """Adds or replaces an active session, which is this server's now."""
        self._before.setdefault((Kind.SESSION, session.cgrid), self.sessions.get(session.cgrid))
        super().put_session(session)
        if session.cgrid in self.foreign:
            self.foreign.discard(session.cgrid)
            self.on_mine(session)

    def when_durable(self, done: Done) -> None:
        """Queues what was changed; it fits where nobody else has changed the same."""
        if self.failure is not None:
            done(self.failure)
            return
        pending, self._pending = self._pending, {}
        try:
            records = tuple([self._named(entry) for entry in entries_of(pending)])
        except Exception as error:  # a record that cannot be written: what it belongs to was charged
            self._fail(JournalError(repr(error)))
            done(JournalError(repr(error)))
            return
        domains = tuple(dict.fromkeys(domain_of(kind, key) for kind, key, _ in records))
        self._touching.update(pending.keys())
        settled = partial(self._kept, pending, done, self._lives)
        self._shared.keep_at(records, domains, self.position, settled)

    def _named(self, entry: Record) -> Record:
        """What only this server sees to is kept under its name."""
        kind, key, value = entry
        return (kind, self._own + key, value) if kind in OWN_KINDS else entry

    def _kept(self, pending: dict[Name, Any], done: Done, life: int, error: StoreError | None) -> None:
        if error is None and life == self._lives:
            for name, record in pending.items():
                self._touching[name] -= 1
                if self._touching[name] or name in self._pending:
                    self._before[name] = record
                else:
                    del self._touching[name]
                    self._before.pop(name, None)
        self._settled(done, life, error)

    def _told(self, error: StoreError) -> JournalError:
        return OutrunJournal(str(error)) if isinstance(error, VersionConflict) else JournalError(str(error))

    def _roll_back(self) -> None:
        """Nothing that is under way became durable: memory is again as the store has it."""
        before, self._before = self._before, {}
        self._pending.clear()
        self._touching.clear()
        for (kind, key), record in before.items():
            self._take(kind, key, record)
        self.on_all()
        self.rolled_back()
        log.debug("sessions.rolled_back", records=len(before))

    # --- what is heard of others

    def hear(self, entry: Recorded) -> None:
        """Take over what was kept, where nothing before it is missing."""
        if entry.position != self.position + 1:
            return
        self.position = entry.position
        if entry.is_mine:
            self._confirm(entry.records)
            return
        for record in entry.records:
            self._take_over(record)
        self.on_all()

    async def catch_up(self) -> None:
        """Learn everything that has been kept. Raises StoreError."""
        entries = await self._shared.recorded_since(self.position)
        if entries is None:
            self._begin_anew()
            return
        for entry in entries:
            self.hear(entry)

    def _begin_anew(self) -> None:
        """The log does not reach back to what is known here: read everything once more."""
        known = {(kind, key) for kind in Kind if kind not in OWN_KINDS for key in self.tables[kind]}
        for kind, key, value in self._shared.kept():
            known.discard((Kind(kind), key))
            self._take_over((kind, key, value))
        for kind, key in known - self._before.keys():
            self._take_over((kind.value, key, None))
        self.on_all()
        self.position = self._shared.position
        log.warning("sessions.read_again", sessions=len(self.sessions), records=len(self.tables[Kind.CDR]))

    def _confirm(self, records: tuple[Record, ...]) -> None:
        """What this server kept is durable, also where the answer that says so never comes."""
        for name, key, value in records:
            kind = Kind(name)
            known = kind, key.removeprefix(self._own) if kind in OWN_KINDS else key
            if known in self._before:
                record = None if value is None else _decoders[kind](value)
                self._before[known] = self.opened(record) if isinstance(record, Session) else record

    def _take_over(self, entry: Record) -> None:
        """A record of another server; where this one is changing it, that will be refused, and go back to it."""
        name, key, value = entry
        kind = Kind(name)
        if kind in OWN_KINDS:
            return
        record = None if value is None else _decoders[kind](value)
        if isinstance(record, Session):
            record = self.opened(record)
        if kind is Kind.SESSION:
            (self.foreign.discard if record is None else self.foreign.add)(key)
        if (kind, key) in self._before:
            self._before[kind, key] = record
        else:
            self._take(kind, key, record)

    def _take(self, kind: Kind, key: str, record: Any) -> None:
        table = self.tables[kind]
        before = table.pop(key, None) if record is None else table.get(key)
        if record is not None:
            table[key] = record
        if before is record:
            return
        try:
            if kind in PROFILE_KINDS and record is not None:
                put_record(self.book, kind, record)
            elif kind in PROFILE_KINDS:
                remove_record(self.book, kind, key)
        except ValueError as error:
            log.error("profile.not_taken_over", kind=kind.value, key=key, error=str(error))
        self.on_record(kind, key, before, record)


class SharedSurroundings(ExactSurroundings):
    """Profiles whose states follow what other servers keep: all of them, for they count together."""

    stores_all_queues = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._outdated: set[tuple[str, str]] = set()  # queues of statistics

    def follow(self, kind: Kind, before: Any, record: Any) -> None:
        """The state of a profile has changed from outside."""
        either = before if record is None else record
        match kind:
            case Kind.RESOURCE_USAGE:
                gone = resources.Change(either.tenant, either.resource_id, either.usage_id)
                self.resources.restore((gone if record is None else record,))
            case Kind.THRESHOLD_HITS if record is None:
                self.thresholds_book.drop(either.tenant, either.id)
            case Kind.THRESHOLD_HITS:
                self.thresholds_book.restore(record)
            case Kind.STAT_QUEUE:
                self._outdated.add((either["tenant"], either["queue"]))
            case _:
                return

    def followed(self) -> None:
        """Fill the queues anew whose items have changed."""
        outdated, self._outdated = self._outdated, set()
        for tenant, queue_id in outdated:
            queue = self.stats_book.queue(tenant, queue_id)
            if queue is not None:
                queue.clear()
                self._fill(tenant, queue_id)

    def _fill(self, tenant: str, queue_id: str) -> None:
        items: list[Item] = []
        for record in self._state.tables[Kind.STAT_QUEUE].values():
            if (record["tenant"], record["queue"]) == (tenant, queue_id):
                change = change_of(record)
                if change.totals is not None:
                    self.stats_book.restore_totals(tenant, queue_id, change.totals)
                elif change.item is not None:
                    items.append(change.item)
        self.stats_book.restore(tenant, queue_id, items)


class SharedRuntime(ExactRuntime):
    """Sessions and records of one of several servers."""

    surroundings_type = SharedSurroundings
    is_shared = True
    state: SharedState
    surroundings: SharedSurroundings

    def __init__(self, service: ChargingService, store: Store, node: str, *settings: Any) -> None:
        """`node` is the name that no other server of the store has."""
        self.state_type = partial(SharedState, node=node)
        super().__init__(service, store, *settings)
        self.state.on_record = self._moved
        self.state.on_all = self.surroundings.followed
        self.state.on_mine = self.timers.opened
        self.timers.is_elsewhere = self.state.foreign.__contains__
        self.timers.catch_up = self.catch_up
        self._looking: asyncio.Task[Any] | None = None

    async def start(self) -> None:
        """Goes on with what is there."""
        await super().start()
        self._looking = self.spawn(self._look())

    async def stop(self, longest_s: float = 5.0) -> None:
        """Ends timers, lets requests under way finish, makes everything durable."""
        if self._looking is not None:
            self._looking.cancel()
        await super().stop(longest_s)

    def _begin_wanted(self) -> None:
        """What waits is run when it is overdue: another server may be about to."""

    async def catch_up(self) -> None:
        """Learns what other servers have changed."""
        await self.state.catch_up()

    def hear(self, entry: Recorded) -> None:
        """Records were kept; what came before and was not heard is asked for."""
        if entry.position > self.state.position + 1:
            self.spawn(self._caught_up())
        else:
            self.state.hear(entry)

    async def _caught_up(self) -> None:
        try:
            await self.catch_up()
        except StoreError as error:
            log.warning("sessions.not_caught_up", error=str(error))

    def _restore_sessions(self) -> None:
        """Sessions as they are used; they are somebody else's until they are overdue, and are not written anew."""
        for kind in (Kind.SESSION, Kind.PASSIVE_SESSION, Kind.CLOSED_SESSION):
            table = self.state.tables[kind]
            for key, session in list(table.items()):
                table[key] = self.restored(session)

    def _moved(self, kind: Kind, key: str, before: Any, record: Any) -> None:
        """A record has changed from outside of any step."""
        self.surroundings.follow(kind, before, record)
        if kind is not Kind.SESSION:
            return
        if record is None or key in self.state.foreign:
            self.timers.ended(key)
        elif before is None:  # it had been ended here, which did not become durable
            self.timers.opened(record)
        if record is not None:
            self.state.keep_open(record)

    async def _look(self) -> None:
        """Take over from time to time what other servers should have seen to."""
        while True:
            await asyncio.sleep(LOOKED_EVERY_S)
            now_ns = self.wall_ns()
            self.wanted.begin_all(now_ns - OVERDUE_NS)
            for cgrid in list(self.state.foreign):
                session = self.state.sessions.get(cgrid)
                due_ns = None if session is None else self.timers.due_ns(session)
                if session is None or (due_ns is not None and due_ns + OVERDUE_NS < now_ns):
                    self.state.foreign.discard(cgrid)
                if session is not None and cgrid not in self.state.foreign:
                    log.info("session.taken_over", cgrid=cgrid)
                    self.timers.take_over(session)

    # --- clients of others

    async def reauthorize(self, session: SessionAddress) -> ControlResult:
        """Has the switch of a session ask again; another server asks for its own sessions."""
        return ControlResult.NO_ANSWER if self._is_foreign(session) else await super().reauthorize(session)

    async def warn(self, session: SessionAddress) -> ControlResult:
        """Tells the client of a session that its credit ends soon."""
        return ControlResult.NO_ANSWER if self._is_foreign(session) else await super().warn(session)

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        """Has its client end a session; one that cannot be asked is ended by the server that has it."""
        return (
            ControlResult.NO_ANSWER if self._is_foreign(session) else await super().disconnect(session, cause)
        )

    def _is_foreign(self, session: SessionAddress) -> bool:
        found = self._controlled(session) if session.client == CLIENT else None
        return found is not None and found.cgrid in self.state.foreign


def _unheard(kind: Kind, key: str, before: Any, record: Any) -> None:
    """Nobody follows."""


def _unmoved() -> None:
    """Nobody follows."""


def _not_told(session: Session) -> None:
    """Nobody has timers."""
