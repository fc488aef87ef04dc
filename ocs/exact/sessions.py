"""The event pipeline of `ocs serve`: sessions and records of the incumbent's API, charged by the exact core.

What the pipeline keeps (sessions, records, profiles with their states) is in the store of the accounts. A step
queues what it changed there right behind what the core changed, so that both are durable in one commit, or neither.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import msgspec
import structlog

from ocs.cgrates import config
from ocs.cgrates.cdr_rows import NONE, Changes
from ocs.cgrates.journal import Entry, JournalError
from ocs.cgrates.kinds import TYPES, Kind, Wanted
from ocs.cgrates.runtime import Runtime
from ocs.cgrates.state import Done, State, entries_of
from ocs.cgrates.surroundings import ProfileSurroundings
from ocs.charging.actions.model import Do, Notice
from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.entry import Cdr
from ocs.charging.profiles import thresholds
from ocs.charging.service import ChargingService
from ocs.charging.store import Keeper, Store, StoreError
from ocs.config.exchange import ActionSettings, RecordSettings
from ocs.config.settings import SessionSettings
from ocs.exact.accounting import CLIENT, ExactAccounting
from ocs.exact.acting import ThresholdActions
from ocs.exact.action_records import cdrs_of
from ocs.exact.exchange import of_all_records, sections
from ocs.exact.outside import Outside
from ocs.exact.records import event_of
from ocs.exact.sources import ExactSources
from ocs.sessions.clients import ClientError
from ocs.sessions.errors import NOT_FOUND, Outrun, ServiceError
from ocs.sessions.model import CgrEvent, Run, Session
from ocs.sessions.surroundings import Forked
from ocs.sessions.values import Event

log = structlog.get_logger()

DEFAULT_RUN = "*default"
SWITCH = "agent:"  # how the peers of sessions begin that are calls of a switch or proxy
INTERNAL = ["*internal"]
NO_RECORDS = RecordSettings()
PARTS = ("attributes", "resources", "routes", "thresholds", "stats", "chargers", "rals", "cdrs")
ROLLED_BACK = (
    *(Kind.SESSION, Kind.PASSIVE_SESSION, Kind.CLOSED_SESSION, Kind.PROMISE, Kind.CDR),
    *(Kind.EXPORT, Kind.READ, Kind.RESOURCE_USAGE, Kind.THRESHOLD_HITS, Kind.STAT_QUEUE, Kind.WANTED),
)
KEPT_OPEN_NS = 600 * 1_000_000_000  # how long the core waits for a session that the pipeline has
KEEPING_S = 60.0
KEPT_AT_ONCE, MOST_RECORDS = 1_000, 1_000_000
ATTEMPTS = 8  # to have all accounts of a step in memory at once


class KeepingStore(Store, Keeper, Protocol):
    """The store of the accounts, which keeps records beside them."""


class StoreJournal:
    """The records of a store; `KeptState` writes them itself."""

    def __init__(self, store: KeepingStore) -> None:
        self._store = store

    def load(self) -> Iterator[tuple[str, str, bytes]]:
        """Every record, in the order in which they came."""
        try:
            yield from self._store.kept()
        except StoreError as error:
            raise JournalError(str(error)) from error

    async def append(self, entries: list[Entry], cdrs: Changes = NONE) -> None:
        """Makes entries durable, all or nothing; call detail records are among them. Raises JournalError."""
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: StoreError | None) -> None:
            if durable.done():
                return
            if error is None:
                durable.set_result(None)
            else:
                durable.set_exception(JournalError(str(error)))

        self._store.keep(tuple(entries), done)
        await durable

    async def close(self) -> None:
        """The store is closed by whoever opened it."""


class KeptState(State):
    """A state whose changes go into the store together with those of the accounts.

    `opened` brings a session that was read into the form in which it is used.
    """

    def __init__(self, store: KeepingStore) -> None:
        super().__init__(StoreJournal(store))
        self._store = store
        self._lives = 0  # how often memory was thrown away
        self.opened: Callable[[Session], Session] = _as_it_is
        self.keep_open: Callable[[Session], None] = _unwatched
        self.rolled_back: Callable[[], None] = _nobody_else

    def put_session(self, session: Session) -> None:
        """Adds or replaces an active session; the core is told that it is not silent."""
        super().put_session(session)
        self.keep_open(session)

    def note(self) -> None:
        """The core has changed something that an answer has to wait for."""
        self.changes += 1

    def when_durable(self, done: Done) -> None:
        """Queues what was changed, at once; calls `done` when it and all before it is on disk, or lost."""
        if self.failure is not None:
            done(self.failure)
            return
        pending, self._pending = self._pending, {}
        try:
            records = tuple(entries_of(pending))
        except Exception as error:  # a record that cannot be written: what it belongs to was charged
            self._fail(JournalError(repr(error)))
            done(JournalError(repr(error)))
            return
        self._store.keep(records, partial(self._settled, done, self._lives))

    def _settled(self, done: Done, life: int, error: StoreError | None) -> None:
        if error is None:
            done(None)
            return
        if life == self._lives:
            self._lives += 1
            self._roll_back()
        done(self._told(error))

    def _told(self, error: StoreError) -> JournalError:
        return JournalError(str(error))

    def _roll_back(self) -> None:
        """Nothing that is under way became durable: sessions and records are again as the store has them."""
        self._pending.clear()
        for kind in ROLLED_BACK:
            self.tables[kind].clear()
        try:
            for name, key, value in self._store.kept():
                kind = Kind(name)
                if kind in ROLLED_BACK:
                    record = msgspec.json.decode(value, type=TYPES[kind])
                    self.tables[kind][key] = self.opened(record) if isinstance(record, Session) else record
        except (StoreError, ValueError) as error:
            self._fail(JournalError(str(error)))
        self.rolled_back()
        log.warning("sessions.rolled_back", sessions=len(self.sessions), records=len(self.tables[Kind.CDR]))


class ExactSurroundings(ProfileSurroundings):
    """Profiles; without a charger profile every event has one run, without others nothing is looked at."""

    def fork(self, event: CgrEvent) -> tuple[Forked, ...]:
        """The event once per matching charger, heaviest first; where there are none at all, as `*default`."""
        if self._state.tables[Kind.CHARGER]:
            return super().fork(event)
        return (Forked(DEFAULT_RUN, {**event.event, "RunID": DEFAULT_RUN}),)

    def thresholds(self, event: CgrEvent, ids: tuple[str, ...]) -> list[str]:
        """Counts an event; the thresholds it hit."""
        if not self._state.tables[Kind.THRESHOLD]:
            raise ServiceError(NOT_FOUND)
        return super().thresholds(event, ids)

    def stats(self, event: CgrEvent, ids: tuple[str, ...]) -> list[str]:
        """Counts an event; the queues it went into."""
        if not self._state.tables[Kind.STAT]:
            raise ServiceError(NOT_FOUND)
        return super().stats(event, ids)


class ExactRuntime(Runtime):
    """Sessions and records of one `ocs serve`."""

    surroundings_type: type[ExactSurroundings] = ExactSurroundings
    state_type: Callable[[KeepingStore], KeptState] = KeptState
    has_cold_accounts = True

    def __init__(
        self,
        service: ChargingService,
        store: KeepingStore,
        settings: SessionSettings,
        records: RecordSettings | None = None,
        actions: ActionSettings | None = None,
        folder: Path = Path(),
    ) -> None:
        """`folder` is where exports go, and what could not be told. Raises JournalError, ConfigError."""
        told = records or RecordSettings()
        state = self.state_type(store)
        count = state.load()
        usage = settings.default_usage
        self.exact = ExactAccounting(
            service,
            settings.default_tenant,
            state.note,
            {
                "": usage.time_ns,
                "*voice": usage.time_ns,
                "*data": usage.volume_octets,
                "*sms": usage.messages,
                "*mms": usage.messages,
            },
        )
        super().__init__(engine_settings(settings, told, folder), state, service.now_ns, charging=self.exact)
        self.surroundings.sources = ExactSources(service, self.exact, self.surroundings)
        self._threshold_actions = ThresholdActions(service, self.exact, self.spawn)
        acting = actions or ActionSettings()
        outbox = self.exchange.exports.outbox
        self.outside = Outside(acting, state, outbox, self.spawn, folder / acting.failed)
        state.rolled_back = self._rolled_back
        service.on_notices = self._noticed
        service.on_queued = self.settle
        if of_all_records(told):
            service.on_records.append(self._export_records)
        self.sessions.settings = msgspec.structs.replace(
            self.sessions.settings, ends_once=True, repeat_window_ns=settings.repeat_window_ns
        )
        state.opened = self.restored
        state.keep_open = self._keep_open
        self._keeping: asyncio.Task[None] | None = None
        self._record_retention_ns = settings.record_retention_ns
        log.info("sessions.loaded", records=count, sessions=len(state.sessions))

    # --- what a step needs

    async def prepare(self, session: Session) -> None:
        """Brings the accounts of a session's runs into memory."""
        await self.exact.prepare_runs(session.runs)

    def is_ready(self, events: tuple[CgrEvent, ...], runs: tuple[Run, ...] = ()) -> bool:
        """Whether steps of these events and runs can be taken at once."""
        if not self.exact.are_prepared(runs):
            return False
        for event in events:
            session = self._session_of(event)
            if session is not None and not self.exact.are_prepared(session.runs):
                return False
            if not all(self.exact.is_prepared(event.tenant, each) for each in self._charged(event)):
                return False
        return True

    async def make_ready(self, events: tuple[CgrEvent, ...], runs: tuple[Run, ...] = ()) -> None:
        """Brings the accounts of runs, of events, and of the sessions these are about, into memory.

        An account that is not there after that does not exist.
        """
        for _ in range(ATTEMPTS):
            await self.exact.prepare_runs(runs)
            for event in events:
                session = self._session_of(event)
                if session is not None:
                    await self.prepare(session)
                for each in self._charged(event):
                    await self.exact.prepare(event.tenant, each)
            if self.is_ready(events, runs):
                return

    # --- what others ask of it

    def _fire(self, event: CgrEvent, fired: thresholds.Fired) -> None:
        """Runs the action sets of a threshold on the account of the event, and exports the event."""
        log.info("threshold.fired", threshold=fired.threshold_id, actions=fired.action_ids)
        if fired.exporter_ids:
            self.exchange.put(event, fired.exporter_ids)
        if fired.is_async and fired.action_ids:
            self.wanted.add(event, fired, self.surroundings.depth)
        elif fired.action_ids:
            left = self._threshold_actions.run(event, fired)
            if left:
                later = msgspec.structs.replace(fired, action_ids=left)
                self.wanted.add(event, later, self.surroundings.depth)

    async def _perform(self, key: str, wanted: Wanted) -> None:
        """Runs what an asynchronous threshold wants; it is done in the transaction of what it changes."""
        for _ in range(ATTEMPTS):
            await self._threshold_actions.prepare(wanted)
            if key not in self.state.tables[Kind.WANTED]:
                return  # another server has done it
            with self.surroundings.at_depth(wanted.depth):
                self._threshold_actions.run_wanted(key, wanted)
            self.wanted.done(key)
            try:
                await self.durable()
            except Outrun:
                await self.catch_up()
                continue
            await self._threshold_actions.ask_again(wanted.tenant, wanted.account)
            return
        log.warning("threshold.put_off", threshold=wanted.threshold_id, account=wanted.account)

    def _noticed(self, notices: tuple[Notice, ...]) -> None:
        """Makes the records that actions ask for, in the step of their change, and tells the rest outside."""
        for notice in notices:
            if notice.do is Do.RECORD:
                for cdr in cdrs_of(notice, self.tenant, self.cdrs.next_order):
                    self.state.put_cdr(cdr)
                    self.cdrs.exported(cdr)
        self.outside.put(notices)

    def _rolled_back(self) -> None:
        """What waits, what is in use and what was hit is as the store has it."""
        self.exchange.exports.outbox.restore()
        self.surroundings.restore_uses()
        if not self.is_shared:  # else every queue has followed its records
            self.surroundings.restore_queues()

    def _export_records(self, cdrs: tuple[Cdr, ...]) -> None:
        """Lets records of the core wait for the exporters; those of the pipeline go out from there."""
        for cdr in cdrs:
            if cdr.client != CLIENT:
                event = event_of(cdr, self.tenant)
                self.exchange.put(event, self.settings.cdrs.online_cdr_exports)

    def settle(self, *, always: bool = False) -> None:
        """Queues what records, notices and companions have changed, in one unit with what they belong to.

        `always`: also where they have changed nothing; what was queued before is one unit all the same.
        """
        if always or self.state.has_pending:
            self.state.when_durable(_told)

    def exported(self) -> dict[str, dict[str, int]]:
        """By exporter, and for all posts and mails together: how many were sent and how many kept aside."""
        told = self.outside.counts().values()
        actions = {outcome: sum(each[outcome] for each in told) for outcome in ("sent", "failed")}
        return {**self.exchange.exports.counts(), "actions": actions}

    async def replay_failed(self, folder: Path | None) -> int:
        """Delivers what was kept aside once more, exports and what actions tell; how many files stay."""
        staying = await super().replay_failed(folder)
        return staying if folder is not None else staying + (await self.outside.replay())[1]

    async def reauthorize(self, session: SessionAddress) -> ControlResult:
        """Has the switch of a session ask again; a client of this API cannot be told to."""
        if session.client != CLIENT:
            return ControlResult.UNSUPPORTED
        found = self._controlled(session)
        if found is None:
            return ControlResult.UNKNOWN_SESSION
        client = self.clients.of_session(found.client, found.peer)
        if client is None or not found.peer.startswith(SWITCH):
            return ControlResult.REFUSED
        try:
            await client.call("SessionSv1.AlterSession", found.event, self.sessions.settings.reply_timeout_ns)
        except ClientError:
            return ControlResult.NO_ANSWER
        return ControlResult.ACCEPTED

    async def warn(self, session: SessionAddress) -> ControlResult:
        """Tells the client of a session that its credit ends soon."""
        if session.client != CLIENT:
            return ControlResult.UNSUPPORTED
        found = self._controlled(session)
        if found is None:
            return ControlResult.UNKNOWN_SESSION
        is_told = await self.timers.warn(found, self.sessions.settings.reply_timeout_ns)
        return ControlResult.ACCEPTED if is_told else ControlResult.NO_ANSWER

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        """Has its client end a session; one that cannot be asked is ended here."""
        if session.client != CLIENT:
            return ControlResult.UNSUPPORTED
        found = self._controlled(session)
        if found is None:
            return ControlResult.UNKNOWN_SESSION
        await self.timers.disconnect(found.cgrid, cause)
        return ControlResult.ACCEPTED

    def _controlled(self, session: SessionAddress) -> Session | None:
        return self.state.sessions.get(session.session_id.rsplit(":", 2)[0])

    def _session_of(self, event: CgrEvent) -> Session | None:
        return self.sessions.session_named(event)

    def _charged(self, event: CgrEvent) -> tuple[Event, ...]:
        """The event as it came and, where profiles may change who pays, as it is charged."""
        found = [event.event]
        if self.state.tables[Kind.ATTRIBUTE] or self.state.tables[Kind.CHARGER]:
            found += [forked.event for forked in self._forked(event)]
        return tuple(found)

    def _forked(self, event: CgrEvent) -> tuple[Forked, ...]:
        with suppress(ServiceError):  # no profile matches
            event = self.surroundings.attributes(event, (), "*sessions").event
        try:
            return self.surroundings.fork(event)
        except ServiceError:
            return ()

    # --- life

    async def start(self) -> None:
        """Goes on with the sessions there were, and keeps the core from ending them."""
        await super().start()
        self.outside.start()
        self._keeping = self.spawn(self._from_time_to_time())

    async def stop(self, longest_s: float = 5.0) -> None:
        """Ends timers, lets requests under way finish, makes everything durable."""
        if self._keeping is not None:
            self._keeping.cancel()
        await self.outside.stop()
        await super().stop(longest_s)

    def _keep_open(self, session: Session) -> None:
        self.exact.keep_open(session.runs, KEPT_OPEN_NS)

    async def _from_time_to_time(self) -> None:
        while True:
            try:
                self._begin_wanted()
                await self._keep_all_open()
                await self.forget_records()
            except Exception:
                log.exception("sessions.periodic_work_failed")
            await asyncio.sleep(KEEPING_S)

    async def _keep_all_open(self) -> None:
        for number, session in enumerate(list(self.state.sessions.values())):
            if session.cgrid in self.state.sessions:
                self._keep_open(session)
            if number % KEPT_AT_ONCE == KEPT_AT_ONCE - 1:
                await asyncio.sleep(0)

    async def forget_records(self) -> None:
        """Forgets records that are too old or too many, the first ones first; those of the core stay."""
        before_ns = self.wall_ns() - self._record_retention_ns
        while True:
            oldest = list(islice(self.state.tables[Kind.CDR].values(), KEPT_AT_ONCE))
            many = max(len(self.state.tables[Kind.CDR]) - MOST_RECORDS, 0)
            old = [*oldest[:many], *(cdr for cdr in oldest[many:] if cdr.created_ns < before_ns)]
            for cdr in old:
                self.state.remove_cdr(cdr)
            if not old:
                return
            await self.durable()


def engine_settings(
    settings: SessionSettings, records: RecordSettings = NO_RECORDS, folder: Path = Path()
) -> config.Settings:
    """The section `sessions` in the incumbent's form, with all subsystems switched on."""
    on: dict[str, Any] = {part: {"enabled": True} for part in PARTS}
    on["cdrs"] |= {f"{part}_conns": INTERNAL for part in ("chargers", "rals", "thresholds", "stats")}
    on["cdrs"] |= {"online_cdr_exports": of_all_records(records)}
    on["resources"] |= {"thresholds_conns": INTERNAL}
    on["stats"] |= {"thresholds_conns": INTERNAL}
    return config.read(
        {
            **on,
            **sections(records, folder),
            "sessions": {
                "enabled": True,
                **{f"{part}_conns": INTERNAL for part in PARTS},
                "debit_interval": settings.debit_interval_ns,
                "min_dur_low_balance": settings.warn_before_ns,
                "session_ttl": settings.ttl_ns,
                "channel_sync_interval": settings.sync_interval_ns,
            },
            "general": {
                "node_id": settings.node_id,
                "default_tenant": settings.default_tenant,
                "default_category": settings.default_category,
                "default_request_type": settings.default_request_type,
                "reply_timeout": settings.reply_timeout_ns,
            },
        }
    )


def _told(error: JournalError | None) -> None:
    """What could not be written is told by the store."""


def _as_it_is(session: Session) -> Session:
    return session


def _unwatched(session: Session) -> None:
    """Nobody else ends sessions."""


def _nobody_else() -> None:
    """Nobody else has a view of the records."""
