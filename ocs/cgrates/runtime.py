"""The server behind the incumbent's API: its state, settings, clock and tasks.

A method reads `runtime.state` and changes it by `state.put` without an await in between; its answer leaves when
what it changed is durable (`ocs.rpc.methods.cgrates.method` sees to that).
"""

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec
import structlog

from ocs.cgrates import account_updates, config, plans, tariff, watching
from ocs.cgrates.accounting import CgratesAccounting
from ocs.cgrates.effects import Effects
from ocs.cgrates.exchange import Exchange
from ocs.cgrates.kinds import Kind, Wanted
from ocs.cgrates.locks import Locks
from ocs.cgrates.queries import Queries
from ocs.cgrates.scheduler import Scheduler
from ocs.cgrates.state import State
from ocs.cgrates.stir import Stir
from ocs.cgrates.surroundings import ProfileSurroundings
from ocs.cgrates.wanted import WantedActions, fired_of
from ocs.charging.cgrates import triggers
from ocs.charging.cgrates.account import Account
from ocs.charging.cgrates.actions import NOT_FOUND, PARTIALLY_EXECUTED, Changed, Moment, run_actions
from ocs.charging.cgrates.csv_folder import Problem
from ocs.charging.cgrates.triggers import Fired
from ocs.charging.profiles import thresholds
from ocs.rpc.errors import RpcError
from ocs.rpc.tasks import Tasks
from ocs.sessions import values
from ocs.sessions.accounting import Accounting
from ocs.sessions.cdr_steps import CdrSteps
from ocs.sessions.cdrs import CdrService
from ocs.sessions.clients import Clients, NoClients
from ocs.sessions.errors import ServiceError
from ocs.sessions.events import EventProcessor
from ocs.sessions.model import CgrEvent, Run, Session
from ocs.sessions.pipeline import EventPipeline
from ocs.sessions.service import SessionService
from ocs.sessions.settings import SessionSettings
from ocs.sessions.timers import SessionTimers

log = structlog.get_logger()


class Runtime(Tasks):
    """One per server. `wall_ns` is its clock for charging; timers of sessions run on the loop's.

    `charging` is the core that sessions and records are charged by, where it is not that of `accounting`.
    """

    surroundings_type = ProfileSurroundings
    is_shared = False  # with other servers, which may be quicker: a step that was outrun is taken again
    has_cold_accounts = False  # whether a step may have to wait for the accounts it is about

    def __init__(
        self,
        settings: config.Settings,
        state: State | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        clients: Clients | None = None,
        charging: Accounting | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.state = state or State()
        self.state.now_ns = wall_ns
        self.wall_ns = wall_ns
        self.new_id = new_id
        self.arithmetic = config.arithmetic(settings)
        self.started_at_ns = wall_ns()
        self.clients = clients or NoClients()
        self.accounting = CgratesAccounting(self.state, self.arithmetic, wall_ns)
        self.accounting.open_account = partial(plans.open_account, self)
        core: Accounting = self.accounting if charging is None else charging
        self.surroundings = self.surroundings_type(self.state, self.arithmetic, wall_ns)
        self.surroundings.restore()
        self.surroundings.fire = self._fire
        self.surroundings.attribute_runs = settings.attributes.process_runs
        self.surroundings.telling = telling(settings)
        self.sessions = SessionService(
            session_settings(settings),
            core,
            self.state,
            self.surroundings,
            self.clients,
            wall_ns,
        )
        self.cdrs = CdrService(self.sessions, core, self.state, wall_ns, cdr_steps(settings))
        prepare = self._ready_for if self.has_cold_accounts else None
        self.exchange = Exchange(settings, self.state, self.cdrs, self.surroundings, prepare)
        self.state.on_accounts = partial(account_updates.changed, self)
        self.state.tells_all_accounts = bool(settings.rals.thresholds_conns or settings.rals.stats_conns)
        self.scheduler = Scheduler(self, settings.general.default_timezone)
        self.queries = Queries(self, settings.general.default_timezone)
        self.effects = Effects(self)
        self.wanted = WantedActions(self.state, new_id, wall_ns, self.in_background, self._perform)
        self.locks = Locks()
        self.under_way: Callable[[], tuple[int, int]] = lambda: (0, 0)  # requests now, and at most so far
        self.stir = Stir(self)
        self.methods: Callable[[str, object], Awaitable[object]] | None = None
        self._scheduling: list[asyncio.Task[None]] = []
        self.timers = SessionTimers(self.sessions, self.cdrs, self.spawn, self.state.durable, self.prepare)
        self.pipeline = EventPipeline(self.sessions, self.cdrs, self.surroundings, connected(settings))
        self.events = EventProcessor(self.pipeline)

    def use_clients(self, clients: Clients) -> None:
        """The connections that can be asked about their sessions."""
        self.clients = self.sessions.clients = clients

    def short_id(self) -> str:
        """Seven hexadecimal digits for an event that has no id."""
        return f"{random.getrandbits(28):07x}"

    @property
    def tenant(self) -> str:
        """The tenant of requests that name none."""
        return self.settings.general.default_tenant

    async def prepare(self, session: Session) -> None:
        """Brings what a step of a session needs into memory; here it is there."""

    def is_ready(self, events: tuple[CgrEvent, ...], runs: tuple[Run, ...] = ()) -> bool:
        """Whether steps of these events and runs can be taken at once."""
        return True

    async def make_ready(self, events: tuple[CgrEvent, ...], runs: tuple[Run, ...] = ()) -> None:
        """Brings the accounts of events and runs into memory; here they are there."""

    async def _ready_for(self, event: CgrEvent) -> None:
        await self.make_ready((event,))

    async def catch_up(self) -> None:
        """Learns what other servers have changed; here there are none."""

    async def durable(self) -> None:
        """Returns when everything changed so far is on disk. Raises JournalError."""
        await self.state.durable()

    def moment(self) -> Moment:
        """Settings and time for a change of balances; new balances get uids of their own."""
        return Moment(self.arithmetic, self.wall_ns(), self.new_id())

    def reconfigure(self, settings: config.Settings) -> None:
        """Goes on with other settings: rating, accounting and sessions at once, listeners at the next start."""
        self.settings = settings
        self.arithmetic = config.arithmetic(settings)
        self.accounting.use(self.arithmetic)
        self.sessions.settings = session_settings(settings)
        self.surroundings.attribute_runs = settings.attributes.process_runs
        self.surroundings.telling = telling(settings)
        self.state.tells_all_accounts = bool(settings.rals.thresholds_conns or settings.rals.stats_conns)
        self.cdrs.steps = cdr_steps(settings)
        self.pipeline.connect(connected(settings))
        log.info("config.changed")

    # --- accounts

    def account(self, account_id: str) -> Account:
        """The account of an id (`tenant:account`), a new one where there is none."""
        return self.state.accounts.get(account_id) or Account(account_id)

    def keep(self, changed: Changed) -> str:
        """Takes over the outcome of a balance call or an action set; its error, empty where there is none."""
        if changed.error:
            return changed.error
        for group, account_id in changed.joined:
            self.state.join(group, account_id)
        self.state.put_accounts(changed.accounts)
        return ""

    def execute(self, account_id: str, actions_id: str) -> str:
        """Runs an action set on an account at once, and the triggers it makes due; its error, empty for none."""
        state = self.state
        if account_id.endswith(":"):
            return self._execute_alone(account_id, actions_id)
        watch = watching.watch_of(state, account_id)
        done = triggers.execute_watched(
            state.accounts, watch, account_id, actions_id, state.tariff, self.moment(), self.effects.passes
        )
        changed = done.changed
        if changed.error:
            return changed.error
        fired = Fired(changed.accounts, done.watch, done.runs, changed.joined, changed.effects)
        before = {key: state.accounts.get(key) for key in changed.accounts}
        watching.take_over(self, account_id, fired)
        account_updates.tell(self, before)
        return ""

    def _execute_alone(self, account_id: str, actions_id: str) -> str:
        """Runs an action set without an account: what reaches outside is done, anything else fails the set."""
        actions = self.state.tariff.actions.get(actions_id)
        if actions is None:
            return NOT_FOUND
        nobody = Account(account_id)
        done = run_actions({account_id: nobody}, account_id, actions, self.moment(), self.effects.passes)
        if done.error or done.accounts != {account_id: nobody}:
            return PARTIALLY_EXECUTED
        self.effects.carry_out(account_id, nobody, done.effects)
        return ""

    async def call(self, method: str, params: object) -> object:
        """Calls a method of this server by itself. Raises RpcError."""
        if self.methods is None:
            raise RpcError("NOT_IMPLEMENTED")
        return await self.methods(method, params)

    def _fire(self, event: CgrEvent, fired: thresholds.Fired) -> None:
        """Runs the action sets of a threshold on the account of the event; those of an asynchronous one beside."""
        if fired.exporter_ids:
            self.exchange.put(event, fired.exporter_ids)
        if fired.is_async and fired.action_ids:
            self.wanted.add(event, fired, self.surroundings.depth)
        elif not self._acted(event, fired):
            raise ServiceError(PARTIALLY_EXECUTED)

    async def _perform(self, key: str, wanted: Wanted) -> None:
        """Runs what an asynchronous threshold wants; it is done in the transaction of what it changes."""
        with self.surroundings.at_depth(wanted.depth):
            self._acted(*fired_of(wanted))
        self.wanted.done(key)
        await self.durable()

    def _acted(self, event: CgrEvent, fired: thresholds.Fired) -> bool:
        """Whether all action sets of a threshold could be done; what could not is in the log."""
        account_id = f"{event.tenant}:{values.text(event.event.get('Account'))}"
        errors = [self.execute(account_id, actions_id) for actions_id in fired.action_ids]
        for error in filter(None, errors):
            log.warning("threshold.action_failed", threshold=fired.threshold_id, error=error)
        return not any(errors)

    async def replay_failed(self, folder: Path | None) -> int:
        """Delivers batches that were kept aside once more; how many stay."""
        return (await self.exchange.exports.replay(folder))[1]

    # --- tariff folders

    async def load_folder(self, folder: Path) -> tuple[Problem, ...]:
        """Loads a tariff folder and runs what is to run at once. Raises OSError, tariff.TariffError."""
        return await self.load_files(await asyncio.to_thread(tariff.read_folder, folder))

    async def load_files(
        self, files: list[tuple[str, str]], *, validates: bool = False, is_dry: bool = False
    ) -> tuple[Problem, ...]:
        """Loads the texts of tariff files and runs what is to run at once. Raises tariff.TariffError.

        They are read in a thread, while calls go on; what they say is in force from one moment to the next.
        """
        timings = self.state.tariff.timings
        compiled = await asyncio.to_thread(tariff.compile_files, files, timings, validates=validates)
        if is_dry:
            return ()
        loaded = tariff.put(self.state, compiled, self.wall_ns())
        for account_id, actions_id in loaded.asap:
            error = self.execute(account_id, actions_id)
            if error:
                log.warning("actions.failed", account=account_id, actions=actions_id, error=error)
        for problem in loaded.problems[:20]:
            log.warning("tariff.row_not_used", problem=str(problem))
        log.info("tariff.loaded", files=len(files), accounts=len(self.state.tables[Kind.ACCOUNT]))
        self.scheduler.wake()
        await self.durable()
        return loaded.problems

    # --- life

    async def start(self) -> None:
        """Goes on with what was there when the server ended."""
        self._restore_sessions()
        if self.settings.schedulers.enabled:
            self._scheduling.append(self.spawn(self.scheduler.run()))
        if self.settings.trends.enabled or self.settings.rankings.enabled:
            self.queries.plan_all()
            self._scheduling.append(self.spawn(self.queries.run()))
        await self.timers.start()
        self.exchange.start(self.spawn)
        self._begin_wanted()

    def _begin_wanted(self) -> None:
        """Runs what asynchronous thresholds wanted when the server ended."""
        self.wanted.begin_all(self.wall_ns())

    def _restore_sessions(self) -> None:
        for session in list(self.state.sessions.values()):
            self.state.put_session(self.restored(session))
        for kind in (Kind.PASSIVE_SESSION, Kind.CLOSED_SESSION):
            for session in list(self.state.tables[kind].values()):
                self.state.put(kind, session.cgrid, self.restored(session))

    def restored(self, session: Session) -> Session:
        """A session of the journal with the money of its runs in the core's own form."""
        runs = tuple(
            msgspec.structs.replace(run, money=self.sessions.accounting.restore(run.money))
            for run in session.runs
        )
        return msgspec.structs.replace(session, runs=runs, client=0)

    async def stop(self, longest_s: float = 5.0) -> None:
        """Ends timers, lets requests under way finish, makes everything durable."""
        for task in self._scheduling:
            task.cancel()
        await self.timers.stop()
        await self.exchange.stop()
        await self.finish(longest_s)
        await self.state.close()


def connected(settings: config.Settings) -> frozenset[str]:
    """Subsystems that sessions may use."""
    told = settings.sessions
    wired = {
        "AttributeS": told.attributes_conns,
        "ResourceS": told.resources_conns,
        "IPs": told.ips_conns,
        "RouteS": told.routes_conns,
        "ThresholdS": told.thresholds_conns,
        "StatS": told.stats_conns,
    }
    return frozenset(name for name, connections in wired.items() if connections)


def cdr_steps(settings: config.Settings) -> CdrSteps:
    """What is done to a record without flags."""
    told = settings.cdrs
    return CdrSteps(
        attributes=bool(told.attributes_conns),
        chargers=bool(told.chargers_conns),
        stores=told.store_cdrs,
        exports=bool(told.online_cdr_exports or told.ees_conns),
        thresholds=bool(told.thresholds_conns),
        stats=bool(told.stats_conns),
    )


def telling(settings: config.Settings) -> frozenset[Kind]:
    """Kinds of profiles whose changes thresholds are told of."""
    wired = {Kind.RESOURCE: settings.resources, Kind.STAT: settings.stats}
    return frozenset(kind for kind, section in wired.items() if section.thresholds_conns)


def session_settings(settings: config.Settings) -> SessionSettings:
    """What the configuration says to the event pipeline."""
    told = settings.sessions
    return SessionSettings(
        default_tenant=settings.general.default_tenant,
        default_category=settings.general.default_category,
        default_request_type=settings.general.default_request_type,
        node_id=settings.general.node_id,
        debit_interval_ns=int(told.debit_interval),
        session_ttl_ns=int(told.session_ttl),
        session_ttl_max_delay_ns=int(told.session_ttl_max_delay),
        session_ttl_last_used=_plain(told.session_ttl_last_used),
        session_ttl_usage=_plain(told.session_ttl_usage),
        session_ttl_last_usage=_plain(told.session_ttl_last_usage),
        channel_sync_interval_ns=int(told.channel_sync_interval),
        channel_sync_timeout_ns=int(told.channel_sync_timeout),
        stale_max_extra_usage=int(told.stale_chan_max_extra_usage),
        terminate_attempts=told.terminate_attempts,
        client_protocol=told.client_protocol,
        alterable_fields=frozenset(told.alterable_fields),
        min_dur_low_balance_ns=int(told.min_dur_low_balance),
        reply_timeout_ns=int(settings.general.reply_timeout),
        store_cdrs=settings.cdrs.store_cdrs,
        has_cdrs=bool(told.cdrs_conns) and settings.cdrs.enabled,
        has_chargers=bool(told.chargers_conns) and settings.chargers.enabled,
    )


def _plain(length: int | None) -> int | None:
    """A length as a plain number, which records can hold."""
    return None if length is None else int(length)
