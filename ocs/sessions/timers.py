"""What happens to sessions by itself: debit loops, lifetimes, the comparison with what clients say is active.

A session that ends here gets its record at once, its resources back, and its client is asked to end the call.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
import structlog

from ocs.sessions.accounting import Outcome, Report
from ocs.sessions.cdrs import CdrService
from ocs.sessions.clients import Client, ClientError
from ocs.sessions.errors import Outrun, ServiceError
from ocs.sessions.identity import cgrid_of
from ocs.sessions.model import CgrEvent, Run, Session
from ocs.sessions.service import SessionService, duration_in

log = structlog.get_logger()

SECOND_NS = 1_000_000_000
MILLISECOND_S = 0.001
SWEEP_S = 10.0
ATTEMPTS = 8  # to end a session that other servers change
INSUFFICIENT_CREDIT = "INSUFFICIENT_CREDIT"
UNAUTHORIZED_DESTINATION = "UNAUTHORIZED_DESTINATION"
SERVER_ERROR = "SERVER_ERROR"
NO_ACTIVE_SESSION = "NO_ACTIVE_SESSION"
EVENT_START = "EventStart"  # what a client of the older protocol misses
OLD_PROTOCOL, NEW_PROTOCOL = 1.0, 2.0
DEBITING = frozenset(("*prepaid", "*dynaprepaid"))

Spawn = Callable[[Coroutine[Any, Any, Any]], "asyncio.Task[Any]"]


class SessionTimers:
    """The timers of all sessions; they run on the loop's clock."""

    def __init__(
        self,
        sessions: SessionService,
        cdrs: CdrService,
        spawn: Spawn,
        durable: Callable[[], Awaitable[None]],
        prepare: Callable[[Session], Awaitable[None]],
    ) -> None:
        self._sessions = sessions
        self._cdrs = cdrs
        self._spawn = spawn
        self._durable = durable
        self._prepare = prepare  # what a step of a session needs is in memory afterwards
        self._loops: dict[str, asyncio.Task[Any]] = {}
        self._lifetimes: dict[str, asyncio.TimerHandle] = {}
        self._periodic: list[asyncio.Task[Any]] = []
        self.is_elsewhere: Callable[[str], bool] = (
            _never  # whether another server has the timers of a session
        )
        self.catch_up: Callable[[], Awaitable[None]] = _at_once  # with what other servers have changed

    async def start(self) -> None:
        """Goes on with the sessions that were active, and begins what is done from time to time."""
        self._sessions.watch = self
        for session in list(self._sessions.records.sessions.values()):
            if not self.is_elsewhere(session.cgrid):
                self.opened(session)
        interval_ns = self._sessions.settings.channel_sync_interval_ns
        if interval_ns > 0:
            self._periodic.append(asyncio.create_task(self._every(interval_ns / SECOND_NS, self.sync)))
        self._periodic.append(asyncio.create_task(self._every(SWEEP_S, self.forget_closed)))

    async def stop(self) -> None:
        """Ends the timers; sessions stay active."""
        tasks = [*self._periodic, *self._loops.values()]
        for handle in self._lifetimes.values():
            handle.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._periodic.clear()
        self._loops.clear()
        self._lifetimes.clear()

    # --- what the session service tells

    def opened(self, session: Session) -> None:
        """A session has begun, or is there again after a restart."""
        if self._is_debited(session):
            self._loops[session.cgrid] = self._spawn(self._debit_loop(session.cgrid))
        self.touched(session)

    def touched(self, session: Session) -> None:
        """A session was updated: its lifetime begins anew."""
        lifetime_ns = self._lifetime(session)
        old = self._lifetimes.pop(session.cgrid, None)
        if old is not None:
            old.cancel()
        if lifetime_ns > 0:
            self._arm(session.cgrid, lifetime_ns)

    def due_ns(self, session: Session) -> int | None:
        """When the timers of a session have something to do; None where it has none."""
        if self._is_debited(session):
            return session.updated_ns + session.debit_interval_ns
        lifetime_ns = self._lifetime(session)
        return session.updated_ns + lifetime_ns if lifetime_ns > 0 else None

    def take_over(self, session: Session) -> None:
        """Go on with a session whose timers another server had, and where they stood."""
        self.opened(session)
        handle, lifetime_ns = self._lifetimes.pop(session.cgrid, None), self._lifetime(session)
        if handle is not None:
            handle.cancel()
            left_ns = max(session.updated_ns + lifetime_ns - self._sessions.wall_ns(), 0)
            self._arm(session.cgrid, left_ns)

    def _is_debited(self, session: Session) -> bool:
        return session.debit_interval_ns > 0 and any(run.request_type in DEBITING for run in session.runs)

    def _arm(self, cgrid: str, left_ns: int) -> None:
        loop = asyncio.get_running_loop()
        self._lifetimes[cgrid] = loop.call_later(
            left_ns / SECOND_NS, lambda: self._spawn(self._expired(cgrid))
        )

    def ended(self, cgrid: str) -> None:
        """A session is no longer active."""
        handle = self._lifetimes.pop(cgrid, None)
        if handle is not None:
            handle.cancel()
        task = self._loops.pop(cgrid, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def deactivate(self, session: Session) -> None:
        """Keeps a session without charging it."""
        self.ended(session.cgrid)
        self._sessions.records.set_passive(session)

    def activate(self, session: Session) -> None:
        """Charges a passive session again."""
        self._sessions.records.put_session(session)
        self.opened(session)

    # --- debit loop

    async def _debit_loop(self, cgrid: str) -> None:
        """Takes the credit of each interval at its start; ends when there is none, or with the session."""
        loop = asyncio.get_running_loop()
        due_s, is_warned = loop.time(), False
        while True:
            session = await self._prepared(cgrid)
            if session is None:
                return
            outcome = self._debit(session)
            try:
                await self._durable()
            except Outrun:
                await self.catch_up()
                continue
            if outcome.refusal:
                known = outcome.refusal == UNAUTHORIZED_DESTINATION
                await self.disconnect(cgrid, UNAUTHORIZED_DESTINATION if known else SERVER_ERROR)
                return
            if outcome.is_low and outcome.usage and not is_warned:
                is_warned = True
                await self.warn(session, session.debit_interval_ns)
            if 0 <= outcome.usage < session.debit_interval_ns:
                await self._last_seconds(session, due_s, outcome.usage, is_warned)
                await self.disconnect(cgrid, INSUFFICIENT_CREDIT)
                return
            due_s += session.debit_interval_ns / SECOND_NS
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def _last_seconds(self, session: Session, since_s: float, usage_ns: int, is_warned: bool) -> None:
        """Waits until the last granted usage has passed; its client is warned before, if it was not."""
        loop = asyncio.get_running_loop()
        ends_s = since_s + usage_ns / SECOND_NS
        before_ns = min(self._sessions.settings.min_dur_low_balance_ns, usage_ns)
        if before_ns and not is_warned:
            await asyncio.sleep(max(0.0, ends_s - before_ns / SECOND_NS - loop.time()))
            await self.warn(session, before_ns)
        await asyncio.sleep(max(0.0, ends_s - loop.time()))

    async def _prepared(self, cgrid: str) -> Session | None:
        """An active session that can be charged at once; None where it has ended."""
        session = self._sessions.records.sessions.get(cgrid)
        if session is None:
            return None
        await self._prepare(session)
        return self._sessions.records.sessions.get(cgrid)

    def _debit(self, session: Session) -> Outcome:
        """One interval of the runs that take credit."""
        service = self._sessions
        debiting = tuple([run for run in session.runs if run.request_type in DEBITING])
        step = service.accounting.update(
            debiting, Report(session.debit_interval_ns), is_paused=not session.is_chargeable
        )
        after = {run.run_id: run for run in step.runs}
        runs: tuple[Run, ...] = tuple([after.get(run.run_id, run) for run in session.runs])
        service.records.put_session(msgspec.structs.replace(session, runs=runs, updated_ns=service.wall_ns()))
        return step.outcome

    async def warn(self, session: Session, longest_ns: int) -> bool:
        """Tells the client that the credit of a session ends soon; False where nobody was told or answered."""
        settings = self._sessions.settings
        client = self._sessions.clients.of_session(session.client, session.peer)
        if client is None:
            return False
        patience_ns = min(longest_ns, settings.reply_timeout_ns)
        try:
            await client.call("SessionSv1.WarnDisconnect", session.event, patience_ns)
        except ClientError as error:
            log.info("session.not_warned", cgrid=session.cgrid, error=str(error))
            return False
        return True

    # --- ending what its client should end

    async def disconnect(self, cgrid: str, reason: str) -> bool:
        """Asks the client to end a session; one that cannot be asked is ended here. False where it was."""
        session = self._sessions.records.sessions.get(cgrid)
        if session is None:
            return True
        if await self._asked(session, reason):
            return True
        await self._end(cgrid, None, None)
        return False

    async def _end(self, cgrid: str, usage: int | None, last_used: int | None, further: int = 0) -> None:
        """Ends a session without its client, durably."""
        for _ in range(ATTEMPTS):
            session = await self._prepared(cgrid)
            if session is None:
                return
            self.force_end(session, usage, last_used, further)
            try:
                await self._durable()
                return
            except Outrun:
                await self.catch_up()
        log.warning("session.not_ended", cgrid=cgrid, reason="other servers change it all the time")

    async def _asked(self, session: Session, reason: str) -> bool:
        settings, pauses = self._sessions.settings, (1, 1)
        for attempt in range(max(1, settings.terminate_attempts)):
            client = self._sessions.clients.of_session(session.client, session.peer)
            if client is None:
                return False
            try:
                await self._told_to_end(client, session, reason)
                return True
            except ClientError as error:
                log.info("session.not_disconnected", cgrid=session.cgrid, attempt=attempt, error=str(error))
            await asyncio.sleep(pauses[0] * MILLISECOND_S)
            pauses = (pauses[1], sum(pauses))
        return False

    async def _told_to_end(self, client: Client, session: Session, reason: str) -> None:
        """Asks in the form of the protocol that is set; in that of 1.0 whoever says that it knows that alone."""
        settings = self._sessions.settings
        method, timeout_ns = "SessionSv1.DisconnectSession", settings.reply_timeout_ns
        try:
            params = disconnect_params(session, reason, settings.client_protocol)
            await client.call(method, params, timeout_ns)
        except ClientError as error:
            if settings.client_protocol < NEW_PROTOCOL or EVENT_START not in str(error):
                raise
            await client.call(method, disconnect_params(session, reason, OLD_PROTOCOL), timeout_ns)

    def force_end(self, session: Session, usage: int | None, last_used: int | None, further: int = 0) -> None:
        """Ends a session without its client: debits what is missing, records it, gives resources back."""
        service = self._sessions
        service.end(session, usage, last_used, further)
        ended = service.records.closed[session.cgrid]
        if service.settings.has_cdrs:
            try:
                self._cdrs.of_session(ended)
            except ServiceError as error:
                log.warning("session.not_recorded", cgrid=session.cgrid, error=str(error))
        self._released(session)
        log.info("session.ended_by_server", cgrid=session.cgrid)

    def _released(self, session: Session) -> None:
        """Takes back the places and the address that a session held, if it held any."""
        event = CgrEvent(session.tenant, session.event, session.options)
        surroundings = self._sessions.surroundings
        for release in (surroundings.release_resources, surroundings.release_ip):
            with contextlib.suppress(ServiceError):
                release(event)

    def _used(self, session: Session) -> int:
        """Usage of the run that has used most: runs that take no credit do not count theirs."""
        return max((self._sessions.accounting.used(run) for run in session.runs), default=0)

    # --- lifetimes

    def _lifetime(self, session: Session) -> int:
        settings = self._sessions.settings
        if not session.options and not settings.session_ttl_ns:
            return 0
        given = duration_in(session.options, "*sessionsTTL")
        lifetime_ns = settings.session_ttl_ns if given is None else given
        most = duration_in(session.options, "*sessionsTTLMaxDelay")
        most_ns = settings.session_ttl_max_delay_ns if most is None else most
        return lifetime_ns + (random.randrange(most_ns) if lifetime_ns > 0 and most_ns > 0 else 0)

    async def _expired(self, cgrid: str) -> None:
        """A session was silent for too long."""
        lifetime = self._lifetimes.pop(cgrid, None)
        session = await self._prepared(cgrid)
        if lifetime is None or cgrid in self._lifetimes:
            return  # it was heard of again
        if session is None:
            return
        settings = self._sessions.settings
        usage = _first(duration_in(session.options, "*sessionsTTLUsage"), settings.session_ttl_usage)
        more = _first(duration_in(session.options, "*sessionsTTLLastUsage"), settings.session_ttl_last_usage)
        last = _first(duration_in(session.options, "*sessionsTTLLastUsed"), settings.session_ttl_last_used)
        further = 0
        if usage is None and more is not None:
            usage, further = self._used(session), more
        await self._end(cgrid, usage, last, further)
        await self._asked(session, "SESSION_TIMEOUT")

    # --- what is active

    async def sync(self) -> None:
        """Asks every client what is active, and ends sessions that their own client no longer has.

        Sessions that nobody can be asked about (they came over the one-way ports) are left alone, and so are those
        of a client that does not answer or answers with an error.
        """
        before_ns = self._sessions.wall_ns()
        clients = list(self._sessions.clients)
        answers = await asyncio.gather(*(self._active(client) for client in clients))
        active: set[str] = set()
        silent: set[str] = set()
        for client, found in zip(clients, answers, strict=True):
            if found is None:
                silent.add(client.peer)
            else:
                active |= found
        extra = self._sessions.settings.stale_max_extra_usage
        for each in list(self._sessions.records.sessions.values()):
            if not each.peer or each.peer in silent or each.cgrid in active or self.is_elsewhere(each.cgrid):
                continue
            session = await self._prepared(each.cgrid)
            if session is None or session.updated_ns >= before_ns:
                continue
            self.force_end(session, self._used(session) + extra if extra else None, None)
        await self._durable()

    async def _active(self, client: Client) -> set[str] | None:
        """Ids of a client's sessions; None where it does not tell."""
        timeout_ns = self._sessions.settings.channel_sync_timeout_ns
        try:
            found = await client.call("SessionSv1.GetActiveSessionIDs", "", timeout_ns)
        except ClientError as error:
            if str(error) == NO_ACTIVE_SESSION:
                return set()
            log.info("session.sync_unanswered", peer=client.peer, error=str(error))
            return None
        if not isinstance(found, list):
            return None
        return {cgrid_of(each) for each in found if isinstance(each, dict)}

    # --- from time to time

    async def forget_closed(self) -> None:
        """Forgets ended sessions that have their record, or wait for it too long, or are too many."""
        records, settings, now_ns = self._sessions.records, self._sessions.settings, self._sessions.wall_ns()
        beyond = len(records.closed) - settings.closed_sessions
        aged: list[Session] = []
        for number, session in enumerate(list(records.closed.values())):
            age_ns = now_ns - session.updated_ns
            if age_ns > settings.closed_sessions_ns or number < beyond:
                records.forget_closed(session.cgrid)
            elif age_ns < settings.recorded_sessions_ns:
                break  # they are in the order in which they ended
            else:
                aged.append(session)
        for cgrid in records.recorded(aged):
            records.forget_closed(cgrid)
        await self._durable()

    async def _every(self, seconds: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except Outrun:
                await self.catch_up()  # the next round does what is left to do
            except Exception:
                log.exception("session.periodic_work_failed")


def disconnect_params(session: Session, reason: str, protocol: float) -> dict[str, Any]:
    """What a client is told to end: the event of the session, in the form of its protocol."""
    if protocol < NEW_PROTOCOL:
        return {EVENT_START: session.event, "Reason": reason}
    return {
        "Tenant": session.tenant,
        "ID": session.cgrid,
        "Time": None,
        "Event": {**session.event, "DisconnectCause": reason},
        "APIOpts": session.options,
    }


def _never(cgrid: str) -> bool:
    return False


async def _at_once() -> None:
    """There are no other servers."""


def _first(*found: int | None) -> int | None:
    return next((each for each in found if each is not None), None)
