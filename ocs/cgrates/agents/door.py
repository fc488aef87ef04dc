"""The event pipeline as the charging core of the switch agents.

A call that rings has a promise: no other call of its account is promised the same. Its answer gives the promise
back and opens a session, which is debited slice by slice as the agent reports: a call that runs comes before one
that rings. Its end closes the session at what was used in all, and makes the record where one is wanted.

Every event is decided without waiting, once the accounts it is about are in memory; its answer leaves when what it
changed is on disk.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping

import msgspec
import structlog

from ocs.agents.voice.outcomes import granted
from ocs.agents.voice.recent import Recent
from ocs.cgrates.agents import events
from ocs.cgrates.agents.events import STARTED_AT, Defaults, Wishes
from ocs.cgrates.agents.peers import PEER
from ocs.cgrates.agents.promises import NOTES, PROMISED, Promises
from ocs.cgrates.agents.results import Attributes, ProfileSteps
from ocs.cgrates.journal import JournalError
from ocs.cgrates.runtime import Runtime
from ocs.charging.control import OpenSession
from ocs.charging.events import (
    Action,
    ChargingAnswer,
    ChargingContext,
    ChargingEvent,
    EventKind,
    FinalUnit,
    FinalUnitAction,
    Grant,
    Result,
    Unit,
)
from ocs.sessions.clients import Client
from ocs.sessions.errors import EXISTS, PARTIALLY_EXECUTED, ServiceError
from ocs.sessions.identity import cgrid_of
from ocs.sessions.model import CgrEvent, Run, Session
from ocs.sessions.service import checked

log = structlog.get_logger()

UNLIMITED = -1
REPORTED = "reported"  # what an agent has said that was used, in the notes of a session
RELEASE = "release"  # the end of a call that does not take place, of which there is no record
RECORDED = (EXISTS, PARTIALLY_EXECUTED)
SESSION_CLOSED = "SESSION_CLOSED"
UNRECORDED_KEPT = 10_000
READY_S = 5.0  # how long an event waits for its accounts
TERMINATE = FinalUnit(FinalUnitAction.TERMINATE)

Deliver = Callable[[ChargingAnswer], None]


class PipelineDoor:
    """What an agent charges its calls by. `creates_cdrs` makes a record of every call that has ended."""

    def __init__(
        self,
        runtime: Runtime,
        profiles: ProfileSteps,
        promises: Promises,
        creates_cdrs: bool,
        default_flags: Mapping[str, str] = events.DEFAULT_FLAGS,
        request_type: str = "",
    ) -> None:
        """`default_flags` and `request_type` are of calls that name none."""
        general = runtime.settings.general
        self.clients: dict[str, Client] = {}  # the agent's switches, by name
        self._runtime = runtime
        self._profiles = profiles
        self._promises = promises
        self._creates_cdrs = creates_cdrs
        self._default_flags = default_flags
        request_type = request_type or general.default_request_type
        self._defaults = Defaults(runtime.tenant, general.default_category, request_type)
        self._low_ns = int(runtime.settings.sessions.min_dur_low_balance)
        self._cgrids: dict[str, str] = {}  # active sessions by key
        self._free_calls: set[str] = set()  # keys of answered calls that are not about money
        self._unrecorded: Recent[Session] = Recent(UNRECORDED_KEPT)  # ended, and nobody wanted a record yet
        self._waiting: dict[str, deque[tuple[ChargingEvent, Deliver]]] = {}  # by key: until accounts are here

    def start(self) -> None:
        """Takes over the sessions that were open when the server ended."""
        state = self._runtime.state
        for session in state.sessions.values():
            client = session.peer.removeprefix(PEER)
            if session.peer.startswith(PEER) and client in self.clients:
                self._cgrids[_key(client, str(session.event.get("OriginID")))] = session.cgrid

    # --- the door

    def submit(self, event: ChargingEvent, deliver: Deliver) -> None:
        """Charges an event; `deliver` gets the answer once, when it is durable."""
        line = self._waiting.get(_key_of(event))
        if line is not None:
            line.append((event, deliver))
        elif self._runtime.is_ready(*self._needs(event)):
            self._take(event, deliver)
        else:
            self._waiting[_key_of(event)] = deque([(event, deliver)])
            self._runtime.spawn(self._serve_waiting(_key_of(event)))

    def _needs(self, event: ChargingEvent) -> tuple[tuple[CgrEvent, ...], tuple[Run, ...]]:
        """Events and runs whose accounts have to be in memory."""
        if not self._runtime.has_cold_accounts:
            return (), ()
        session = self._session(event) or self._promises.get(_key_of(event))
        if session is None:
            return (events.cgr_event(event, self._defaults),), ()
        return (events.cgr_event(event, self._defaults, session.event),), session.runs

    async def _serve_waiting(self, key: str) -> None:
        """Events of a call one by one, each when its accounts are here."""
        line = self._waiting[key]
        try:
            while line:
                event, deliver = line[0]
                try:
                    async with asyncio.timeout(READY_S):
                        await self._runtime.make_ready(*self._needs(event))
                except Exception as error:  # whatever the store has: nothing was charged
                    log.warning("agents.accounts_not_read", peer=event.client, error=repr(error))
                    deliver(ChargingAnswer(Result.TOO_BUSY))
                else:
                    self._take(event, deliver)
                line.popleft()
        finally:
            del self._waiting[key]
            for _, deliver in line:
                deliver(ChargingAnswer(Result.TOO_BUSY))

    def _take(self, event: ChargingEvent, deliver: Deliver) -> None:
        answer = self._answer(event)

        def durable(error: JournalError | None) -> None:
            deliver(answer if error is None else ChargingAnswer(Result.FAILED))

        self._runtime.state.when_durable(durable)

    async def handle(self, event: ChargingEvent) -> ChargingAnswer:
        """Charges an event and waits for the answer."""
        answered: asyncio.Future[ChargingAnswer] = asyncio.get_running_loop().create_future()

        def deliver(answer: ChargingAnswer) -> None:
            if not answered.done():
                answered.set_result(answer)

        self.submit(event, deliver)
        return await answered

    async def sessions_of(self, client: str) -> list[OpenSession]:
        """The promises and open sessions of a switch."""
        mine = [promise for promise in self._promises.all() if promise.peer == f"{PEER}{client}"]
        granted = self._runtime.sessions.accounting.last_granted
        return [_shown(session, granted) for session in (*mine, *self._active(client))]

    def ids_of(self, client: str) -> list[dict[str, str]]:
        """The active sessions of a switch, as the incumbent's agents name them."""
        return [
            {name: str(session.event.get(name) or "") for name in ("OriginHost", "OriginID")}
            for session in self._active(client)
        ]

    def _active(self, client: str) -> Iterable[Session]:
        return [each for each in self._runtime.state.sessions.values() if each.peer == f"{PEER}{client}"]

    # --- what is decided

    def _answer(self, event: ChargingEvent) -> ChargingAnswer:
        try:
            return self._decided(event)
        except ServiceError as error:
            return ChargingAnswer(Result.DENIED, message=str(error))
        except Exception:
            log.exception("agents.event_failed", peer=event.client, session=event.session_id)
            return ChargingAnswer(Result.FAILED)

    def _decided(self, event: ChargingEvent) -> ChargingAnswer:
        wishes = events.wishes_of(event, self._default_flags)
        match event.kind:
            case EventKind.INITIAL:
                return self._initial(event, wishes)
            case EventKind.UPDATE:
                return self._update(event, wishes)
            case EventKind.TERMINATION:
                return self._end(event, wishes)
            case EventKind.EVENT:
                return self._once(event, wishes)

    def _initial(self, event: ChargingEvent, wishes: Wishes) -> ChargingAnswer:
        cgr = checked(events.cgr_event(event, self._defaults))
        if events.is_answered(event):
            return self._begun(event, cgr, wishes)
        self._release(event)
        cgr, attributes = self._profiles.altered(cgr, wishes)
        answer = self._promised(event, cgr) if wishes.accounts else _free(event)
        return self._surrounded(event, answer, cgr, wishes, attributes)

    def _surrounded(
        self,
        event: ChargingEvent,
        answer: ChargingAnswer,
        cgr: CgrEvent,
        wishes: Wishes,
        attributes: Attributes,
    ) -> ChargingAnswer:
        """The answer to an authorisation with what profiles say; where they refuse the call nothing is promised."""
        if not granted(answer):
            return answer
        try:
            told = self._profiles.authorized(cgr, wishes, attributes)
        except ServiceError:
            self._release(event)
            raise
        return msgspec.structs.replace(answer, profiles=told)

    def _promised(self, event: ChargingEvent, cgr: CgrEvent) -> ChargingAnswer:
        """Promises all that the call may use, until it is answered or given up."""
        wanted = events.wanted(event) or 0
        allowed = self._promises.give(_key_of(event), cgr, wanted, f"{PEER}{event.client}")
        return self._granted(event, allowed, wanted)

    def _release(self, event: ChargingEvent) -> Session | None:
        """Gives a promise back."""
        return self._promises.take(_key_of(event))

    def _session(self, event: ChargingEvent) -> Session | None:
        return self._runtime.state.sessions.get(self._cgrids.get(_key_of(event), ""))

    def _begun(self, event: ChargingEvent, cgr: CgrEvent, wishes: Wishes) -> ChargingAnswer:
        """Opens the session of a call that was answered; what it has used already is debited with it."""
        if self._session(event) is not None:
            return self._sliced(event, wishes)
        promise = self._release(event)
        promised = 0 if promise is None else int(_notes(promise).get(PROMISED, 0))
        if _key_of(event) in self._free_calls:
            return _free(event)
        cgr, attributes = self._profiles.altered(cgr, wishes)
        resource = self._profiles.allocated(cgr, wishes)
        if wishes.accounts:
            try:
                answer = self._opened(event, cgr, promised)
            except ServiceError as error:
                if str(error) != EXISTS:
                    self._drop(cgr)
                self._profiles.released(cgr, wishes)
                raise
            self._cgrids[_key_of(event)] = cgrid_of(cgr.event)
        else:
            self._free_calls.add(_key_of(event))
            answer = _free(event)
        told = self._profiles.told(cgr, wishes, attributes, resource)
        return msgspec.structs.replace(answer, profiles=told)

    def _opened(self, event: ChargingEvent, cgr: CgrEvent, promised: int) -> ChargingAnswer:
        """The session of a call: what was used is debited; a first slice is granted, or all that was promised."""
        sessions, wanted = self._runtime.sessions, events.wanted(event)
        wanted = promised if wanted is None else wanted
        if cgrid_of(cgr.event) in self._runtime.state.sessions:
            raise ServiceError(EXISTS)
        total = events.used(event, 0) or 0
        noted = _noted(cgr, event, total)
        client = self.clients.get(event.client)
        usage = sessions.initiate(events.with_usage(noted, total or wanted), client=client)
        if total:
            usage = sessions.update(events.with_usage(noted, wanted, total))
        return self._granted(event, usage, wanted)

    def _drop(self, cgr: CgrEvent) -> None:
        """Leaves nothing of a session that was refused."""
        state = self._runtime.state
        session = state.sessions.get(cgrid_of(cgr.event))
        if session is not None:
            self._runtime.sessions.accounting.terminate(session.runs, 0, None)
            state.drop_session(session.cgrid)

    def _update(self, event: ChargingEvent, wishes: Wishes) -> ChargingAnswer:
        if self._session(event) is not None:
            return self._sliced(event, wishes)
        promise = self._promises.get(_key_of(event))
        known = None if promise is None else promise.event
        if promise is not None or (event.free is not None and not wishes.accounts):
            return self._begun(event, checked(events.cgr_event(event, self._defaults, known)), wishes)
        if _key_of(event) in self._cgrids:  # the server has ended it: its call must end too
            raise ServiceError(SESSION_CLOSED)
        return ChargingAnswer(Result.UNKNOWN_SESSION, failed="session_id")

    def _sliced(self, event: ChargingEvent, wishes: Wishes) -> ChargingAnswer:
        """Debits what was used since the last report, and the next slice."""
        session = self._session(event)
        assert session is not None
        before, wanted = _reported(session), events.wanted(event) or 0
        total = max(events.used(event, before) or before, before)
        cgr = _noted(events.cgr_event(event, self._defaults, session.event), event, total)
        cgr = _named_as(cgr, session)
        usage = self._runtime.sessions.update(events.with_usage(cgr, wanted, total - before))
        return self._granted(event, usage, wanted)

    # --- the end

    def _end(self, event: ChargingEvent, wishes: Wishes) -> ChargingAnswer:
        promise, session = self._release(event), self._session(event)
        if session is not None:
            return self._ended(event, session, wishes)
        key = _key_of(event)
        if self._cgrids.pop(key, None) is not None:  # the server has ended, charged and recorded it
            return ChargingAnswer(Result.SUCCESS)
        is_free = key in self._free_calls or not wishes.accounts
        self._free_calls.discard(key)
        total = events.used(event, 0) or 0
        if event.event_id == RELEASE or event.free is None:
            return ChargingAnswer(Result.SUCCESS if not total else Result.UNKNOWN_SESSION)
        cgr = events.cgr_event(event, self._defaults, None if promise is None else promise.event)
        if total and promise is None and not is_free:
            return ChargingAnswer(Result.UNKNOWN_SESSION, failed="session_id")
        cgr, _ = self._profiles.altered(cgr, wishes)
        if total and not is_free:  # its begin was lost: it is charged in one
            self._runtime.sessions.terminate(events.with_usage(cgr, total))
        self._profiles.ended(cgr, wishes)
        self._record(events.with_usage(cgr, total), wishes)
        return ChargingAnswer(Result.SUCCESS)

    def _ended(self, event: ChargingEvent, session: Session, wishes: Wishes) -> ChargingAnswer:
        before = _reported(session)
        total = max(events.used(event, before) or before, 0)
        cgr = _named_as(events.cgr_event(event, self._defaults, session.event), session)
        ended = events.with_usage(cgr, total)
        self._cgrids.pop(_key_of(event), None)
        try:
            self._runtime.sessions.terminate(ended)
        except ServiceError as error:  # the session is gone all the same, with what could be charged
            log.warning("agents.end_refused", peer=event.client, session=event.session_id, reason=str(error))
        self._profiles.ended(cgr, wishes)
        closed = self._runtime.state.closed.get(session.cgrid)
        if not self._record(ended, wishes) and closed is not None:
            self._unrecorded.add(_key_of(event), closed)
        return ChargingAnswer(Result.SUCCESS)

    def _record(self, cgr: CgrEvent, wishes: Wishes) -> bool:
        """Makes the record of a call, once; False where none is wanted."""
        if not self._creates_cdrs and not wishes.cdrs:
            return False
        try:
            self._runtime.cdrs.process(cgr)
        except ServiceError as error:
            if str(error) not in RECORDED:
                log.warning("agents.record_refused", session=cgr.event.get("OriginID"), reason=str(error))
        return True

    # --- what is no session

    def _once(self, event: ChargingEvent, wishes: Wishes) -> ChargingAnswer:
        cgr = checked(events.cgr_event(event, self._defaults))
        total = events.used(event, 0)
        if total is not None:
            cgr, _ = self._profiles.altered(cgr, wishes)
            return self._afterwards(_key_of(event), events.with_usage(cgr, total))
        amount = events.wanted(event) or 0
        asked = events.with_usage(cgr, amount)
        asked, attributes = self._profiles.altered(asked, wishes)
        if event.action is Action.CHECK_BALANCE:
            allowed = self._runtime.sessions.authorize(asked) if wishes.accounts else UNLIMITED
            has_credit = allowed == UNLIMITED or allowed >= amount
            told = self._profiles.authorized(asked, wishes, attributes) if has_credit else None
            return ChargingAnswer(Result.SUCCESS, has_credit=has_credit, profiles=told)
        resource = self._profiles.allocated(asked, wishes)
        answer = _free(event)
        if wishes.accounts:
            answer = self._granted(event, self._runtime.sessions.message(asked), amount)
            self._record(asked, wishes)
        told = self._profiles.told(asked, wishes, attributes, resource)
        return msgspec.structs.replace(answer, profiles=told)

    def _afterwards(self, key: str, cgr: CgrEvent) -> ChargingAnswer:
        """Charges a call that has ended and that no session is there for; the same record again costs nothing.

        A call that was charged by its session gets the record of that, however late it is asked for.
        """
        ended = self._unrecorded.get(key)
        if ended is not None:
            self._unrecorded.forget(key)
            self._runtime.cdrs.of_session(ended)
        elif self._runtime.sessions.settings.has_cdrs:
            try:
                self._runtime.cdrs.process(cgr)
            except ServiceError as error:
                if str(error) not in RECORDED:
                    raise
        elif cgrid_of(cgr.event) not in self._runtime.state.closed:
            self._runtime.sessions.terminate(cgr)
        return ChargingAnswer(Result.SUCCESS)

    # --- answers

    def _granted(self, event: ChargingEvent, usage: int, wanted: int) -> ChargingAnswer:
        unit = _unit(event)
        if usage == UNLIMITED:
            usage = wanted
        if usage <= 0:
            refused = Grant(None, (), Result.NO_CREDIT)
            return ChargingAnswer(Result.SUCCESS, (refused,))
        is_last = usage < wanted
        grant = Grant(None, (), Result.SUCCESS, unit, usage, final_unit=TERMINATE if is_last else None)
        is_low = is_last and usage <= self._low_ns
        return ChargingAnswer(Result.SUCCESS, (grant,), is_low_balance=is_low)


def _free(event: ChargingEvent) -> ChargingAnswer:
    """The answer to an event that is not about money."""
    grant = Grant(None, (), Result.FREE_OF_CHARGE, _unit(event), events.wanted(event) or 0)
    return ChargingAnswer(Result.SUCCESS, (grant,))


def _unit(event: ChargingEvent) -> Unit:
    for report in event.reports:
        if report.requested is not None and report.requested.unit is not None:
            return report.requested.unit
    return Unit.TIME


def _key(client: str, session_id: str) -> str:
    return f"{client}|{session_id}"


def _key_of(event: ChargingEvent) -> str:
    return _key(event.client, event.session_id)


def _noted(cgr: CgrEvent, event: ChargingEvent, total: int) -> CgrEvent:
    """The event with what the agent will want to know of its session."""
    notes = {**events.notes_of(event), REPORTED: total}
    return msgspec.structs.replace(cgr, options={**cgr.options, NOTES: notes})


def _named_as(cgr: CgrEvent, session: Session) -> CgrEvent:
    """The event under the name of its session, whatever the switch calls itself meanwhile."""
    return msgspec.structs.replace(cgr, event={**cgr.event, "CGRID": session.cgrid})


def _reported(session: Session) -> int:
    return int(_notes(session).get(REPORTED, 0))


def _notes(session: Session) -> dict[str, int | str]:
    notes = session.options.get(NOTES)
    return notes if isinstance(notes, dict) else {}


def _shown(session: Session, last_granted: Callable[[Run], int]) -> OpenSession:
    """A session as its agent finds it again."""
    reported = _reported(session)
    granted = max((last_granted(run) for run in session.runs), default=0)
    granted = int(_notes(session).get(PROMISED, granted))
    extra = {name: str(value) for name, value in session.event.items() if name not in ("ToR", "Usage")}
    started_at = _notes(session).get(STARTED_AT)
    if started_at:
        extra[STARTED_AT] = str(started_at)
    account = str(session.event.get("Account") or "")
    context = ChargingContext(
        called=str(session.event.get("Destination") or ""), calling=account, extra=tuple(extra.items())
    )
    origin_id = str(session.event.get("OriginID") or "")
    return OpenSession(origin_id, "voice", f"{session.tenant}:{account}", 0, context, reported, granted)
