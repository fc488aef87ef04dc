"""The session methods: authorize, initiate, update, terminate, message.

Nothing here waits: a method changes memory and returns, and whoever called it answers when that is durable.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from ocs.sessions import values
from ocs.sessions.accounting import Accounting, Outcome, Report
from ocs.sessions.clients import Client, Clients
from ocs.sessions.errors import EXISTS, NOT_FOUND, ServiceError, missing, wrapped
from ocs.sessions.identity import cgrid_of, digest_of
from ocs.sessions.model import CgrEvent, Run, Session, Told
from ocs.sessions.records import Records
from ocs.sessions.settings import SessionSettings
from ocs.sessions.surroundings import Surroundings
from ocs.sessions.values import Event

MILLISECOND_S = 0.001
# Members of a later event that never replace those of the session.
FIXED = frozenset(("CGRID", "OriginHost", "OriginID", "Usage"))
TIMES = ("SetupTime", "AnswerTime")
FREE_TYPES = frozenset(("*postpaid", "*rated"))  # whose messages end at the event's own usage


class Watch(Protocol):
    """Who keeps the timers of sessions."""

    def opened(self, session: Session) -> None:
        """A session has begun."""

    def touched(self, session: Session) -> None:
        """A session was updated."""

    def ended(self, cgrid: str) -> None:
        """A session is no longer active."""


class Unwatched:
    """No timers."""

    def opened(self, session: Session) -> None:
        """Nothing to do."""

    def touched(self, session: Session) -> None:
        """Nothing to do."""

    def ended(self, cgrid: str) -> None:
        """Nothing to do."""


class SessionService:
    """Sessions of one server."""

    def __init__(
        self,
        settings: SessionSettings,
        accounting: Accounting,
        records: Records,
        surroundings: Surroundings,
        clients: Clients,
        wall_ns: Callable[[], int],
    ) -> None:
        self.settings = settings
        self.accounting = accounting
        self.records = records
        self.surroundings = surroundings
        self.clients = clients
        self.wall_ns = wall_ns
        self.watch: Watch = Unwatched()

    # --- the methods

    def authorize(self, event: CgrEvent, *, forces: bool = False) -> int:
        """How much of its usage an event may have: the least of its runs, -1 for no limit."""
        self._need_chargers()
        wanted = self.usage_of(event.event)
        grants = []
        for run in self.open_runs(event, wanted, forces=forces):
            outcome = self.accounting.authorize(run)
            if outcome.refusal:
                raise wrapped("RALS", outcome.refusal)
            grants.append(outcome.usage)
        return min(grants, default=wanted)

    def initiate(self, event: CgrEvent, *, forces: bool = False, client: Client | None = None) -> int:
        """Opens a session and debits its first period; -1 where a debit loop takes over."""
        before = self._answered(self.records.sessions.get(cgrid_of(event.event)), event)
        if before is not None:
            return self._granted(before)
        session = self._opened(event, forces=forces, client=client)
        if session.debit_interval_ns:
            return -1
        outcome = self._step(session, event)
        is_refused = outcome.usage == 0 and self.usage_of(event.event) != 0  # who asks for nothing gets it
        if client is not None and (outcome.refusal or is_refused):
            # Such a client ends the call and sends nothing more: nobody would ever close the session.
            self.end(self.records.sessions[session.cgrid], 0, None)
        return self._granted(outcome)

    def update(self, event: CgrEvent, *, forces: bool = False, client: Client | None = None) -> int:
        """Settles the last grant of a session and grants more; an unknown one is opened first."""
        session = self._session_of(event)
        before = self._answered(session, event)
        if before is not None:
            return self._granted(before)
        if session is None:
            session = self._opened(event, forces=forces, client=client)
        else:
            session = self._merged(session, event)
            self.watch.touched(session)
        if session.debit_interval_ns:
            self.records.put_session(session)
            return self.usage_of(event.event)
        return self._granted(self._step(session, event))

    def terminate(self, event: CgrEvent, *, forces: bool = False) -> None:
        """Ends a session; an unknown one is charged as a message."""
        session = self._session_of(event)
        if session is None and self._told_before(event) is not None:
            return
        if session is None:
            self._whole(event, duration_in(event.event, "Usage"), forces=forces)
            return
        merged = self._merged(session, event)
        outcome = self.end(merged, duration_in(event.event, "Usage"), duration_in(event.event, "LastUsed"))
        if outcome.refusal:
            raise wrapped("RALS", outcome.refusal)

    def message(self, event: CgrEvent, *, forces: bool = False) -> int:
        """A session of one call; what it was granted."""
        told = self._told_before(event)
        if told is not None:
            return told
        usage = None
        if values.text(event.event.get("RequestType")) in FREE_TYPES:
            usage = self.usage_of(event.event)
        try:
            return self._whole(event, usage, forces=forces)
        except Refused as refusal:
            raise wrapped("RALS", str(refusal)) from None

    # --- what they are made of

    def _told_before(self, event: CgrEvent) -> int | None:
        """The usage of a session that has ended already, where an end that is told again is not charged again."""
        if not self.settings.ends_once:
            return None
        cgrid = cgrid_of(event.event)
        session = self.records.closed.get(cgrid)
        if session is not None:
            return min((self.accounting.used(run) for run in session.runs), default=0)
        records = (self.records.cdrs.get(cgrid, each.run_id) for each in self.surroundings.fork(event))
        return min((record.usage for record in records if record is not None), default=None)

    def end(self, session: Session, usage: int | None, last_used: int | None, further: int = 0) -> Outcome:
        """Ends a session at a usage, or at what was used of its last grant, and `further` units beyond."""
        step = self.accounting.terminate(session.runs, usage, last_used, further)
        ended = msgspec.structs.replace(session, runs=step.runs, updated_ns=self.wall_ns())
        self.records.close_session(ended)
        self.watch.ended(session.cgrid)
        return step.outcome

    def _step(self, session: Session, event: CgrEvent) -> Outcome:
        """One update of all runs."""
        step = self.accounting.update(
            session.runs, self._report(event.event), is_paused=not session.is_chargeable
        )
        now_ns = self.wall_ns()
        told = None
        if self.settings.repeat_window_ns:
            told = Told(digest_of(event), step.outcome.usage, step.outcome.refusal, now_ns)
        self.records.put_session(
            msgspec.structs.replace(session, runs=step.runs, updated_ns=now_ns, told=told)
        )
        return step.outcome

    def _answered(self, session: Session | None, event: CgrEvent) -> Outcome | None:
        """What a request was answered that comes again; None for one that is new."""
        told = session.told if session is not None else None
        if told is None or self.wall_ns() - told.at_ns > self.settings.repeat_window_ns:
            return None
        return Outcome(told.usage, told.refusal) if told.digest == digest_of(event) else None

    def _whole(self, event: CgrEvent, usage: int | None, *, forces: bool) -> int:
        """Opens, updates and ends a session at once. Raises Refused."""
        session = self._new_session(event, forces=forces)
        step = self.accounting.message(session.runs, self._report(event.event), usage)
        if not step.outcome.refusal:
            self.records.close_session(msgspec.structs.replace(session, runs=step.runs))
        if step.outcome.refusal:
            raise Refused(step.outcome.refusal)
        return step.outcome.usage

    def _granted(self, outcome: Outcome) -> int:
        if outcome.refusal:
            raise wrapped("RALS", outcome.refusal)
        return outcome.usage

    # --- sessions

    def _opened(self, event: CgrEvent, *, forces: bool, client: Client | None) -> Session:
        """A new active session. Raises ServiceError where there is one of that id."""
        if cgrid_of(event.event) in self.records.sessions:
            raise ServiceError(EXISTS)
        session = self._new_session(event, forces=forces, client=client)
        self.records.forget_closed(session.cgrid)
        self.records.put_session(session)
        self.watch.opened(session)
        return session

    def _new_session(self, event: CgrEvent, *, forces: bool, client: Client | None = None) -> Session:
        self._need_chargers()
        return Session(
            cgrid=cgrid_of(event.event),
            tenant=event.tenant,
            event=event.event,
            options=event.options,
            runs=self.open_runs(event, 0, forces=forces),
            debit_interval_ns=self._debit_interval(event.options),
            client=client.number if client is not None else 0,
            peer=client.peer if client is not None else "",
            is_chargeable=_chargeable(event.options, True),
            updated_ns=self.wall_ns(),
        )

    def _need_chargers(self) -> None:
        if not self.settings.has_chargers:
            raise ServiceError("NOT_CONNECTED: ChargerS")

    def _session_of(self, event: CgrEvent) -> Session | None:
        """The active session of an event, under its new name where the event moves it."""
        found = self.records.sessions.get(cgrid_of(event.event))
        if found is not None or not event.event.get("InitialOriginID"):
            return found
        old = self.session_named(event)
        return None if old is None else self._relocated(old, event.event)

    def session_named(self, event: CgrEvent) -> Session | None:
        """The active session of an event, as it is."""
        sessions = self.records.sessions
        found = sessions.get(cgrid_of(event.event))
        initial = values.text(event.event.get("InitialOriginID"))
        if found is not None or not initial:
            return found
        old = sessions.get(cgrid_of({**event.event, "OriginID": initial, "CGRID": None}))
        if old is None:
            old = next((each for each in sessions.values() if _origin(each).startswith(initial)), None)
        return old

    def _relocated(self, old: Session, event: Event) -> Session:
        named = {"OriginID": event.get("OriginID"), "CGRID": cgrid_of(event)}
        self.records.drop_session(old.cgrid)
        self.watch.ended(old.cgrid)
        runs = tuple([msgspec.structs.replace(run, event={**run.event, **named}) for run in old.runs])
        return msgspec.structs.replace(old, cgrid=cgrid_of(event), event={**old.event, **named}, runs=runs)

    async def opened(self, event: CgrEvent) -> None:
        """Waits a little for a session whose end came before its begin."""
        pauses = (1, 1)
        for _ in range(self.settings.terminate_attempts - 1):
            if self.knows(event):
                return
            await asyncio.sleep(pauses[0] * MILLISECOND_S)
            pauses = (pauses[1], sum(pauses))

    def knows(self, event: CgrEvent) -> bool:
        """Whether the session of an event is active."""
        return cgrid_of(event.event) in self.records.sessions or "InitialOriginID" in event.event

    def _merged(self, session: Session, event: CgrEvent) -> Session:
        """The session with the members of a later event; its runs take over alterable fields alone."""
        told = {name: value for name, value in event.event.items() if name not in FIXED}
        chargeable = _chargeable(event.options, session.is_chargeable)
        runs, alterable = session.runs, self.settings.alterable_fields
        if alterable:
            altered = {name: value for name, value in told.items() if name in alterable}
            runs = tuple([msgspec.structs.replace(run, event={**run.event, **altered}) for run in runs])
        return msgspec.structs.replace(
            session,
            event={**session.event, **told},
            options={**session.options, **event.options} if event.options else session.options,
            runs=runs,
            is_chargeable=chargeable,
        )

    # --- runs

    def open_runs(self, event: CgrEvent, missing_usage: int, *, forces: bool = False) -> tuple[Run, ...]:
        """One run per charger; their period is that of the event's usage, or of what stands for it."""
        forked = self.surroundings.fork(event)
        if not forked:
            raise wrapped("CHARGERS", NOT_FOUND)
        return tuple(
            [
                self.open_run(event.tenant, each.run_id, each.event, missing_usage, forces=forces)
                for each in forked
            ]
        )

    def open_run(
        self, tenant: str, run_id: str, event: Event, missing_usage: int, *, forces: bool = False
    ) -> Run:
        """One run of an event."""
        usage = duration_in(event, "Usage")
        kind = values.text(event.get("RequestType")) or self.settings.default_request_type
        try:
            for name in TIMES:  # what a record needs is looked at before anything is charged
                values.moment(event.get(name), 0)
            money = self.accounting.open(
                tenant,
                event if event.get("Category") else {**event, "Category": self.settings.default_category},
                missing_usage if usage is None else usage,
                forces=forces,
                request_type=kind,
            )
        except ValueError as error:
            raise ServiceError(f"SERVER_ERROR: {error}") from None
        return Run(run_id, event, kind, money)

    def _report(self, event: Event) -> Report:
        return Report(self.usage_of(event), duration_in(event, "LastUsed"), duration_in(event, "TotalUsage"))

    def usage_of(self, event: Event) -> int:
        """The usage an event asks for, or the default of its kind of service."""
        found = duration_in(event, "Usage")
        return self.accounting.default_usage(values.text(event.get("ToR"))) if found is None else found

    def _debit_interval(self, options: Event) -> int:
        given = duration_in(options, "*sessionsDebitInterval")
        return self.settings.debit_interval_ns if given is None else given


class Refused(ServiceError):
    """The charging core refused; the text is its word."""


def checked(event: CgrEvent) -> CgrEvent:
    """The event, if it has what every session needs. Raises ServiceError."""
    if not event.event:
        raise missing("CGREvent")
    if not values.text(event.event.get("OriginID")) and not event.event.get("CGRID"):
        raise missing("OriginID")
    return event


def _origin(session: Session) -> str:
    return values.text(session.event.get("OriginID"))


def duration_in(event: Event, name: str) -> int | None:
    """A member as ns or units, None where it is missing. Raises ServiceError."""
    try:
        return values.optional_duration(event, name)
    except ValueError as error:
        raise ServiceError(f"SERVER_ERROR: {error}") from None


def _chargeable(options: Event, otherwise: bool) -> bool:
    given = options.get("*sessionsChargeable")
    return otherwise if given is None else values.flag(given)
