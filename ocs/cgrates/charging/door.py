"""What network elements charge by: the event pipeline, one session of it for every rating group of theirs.

Every event is decided at once and in one step: what it debits, its answer and what is known of its session become
durable together, and only then does the answer leave. A repeat gets the answer that is kept.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable

import msgspec
import structlog

from ocs.cgrates.charging import outcomes
from ocs.cgrates.charging.charges import Charges
from ocs.cgrates.charging.onetime import OneTime, key_of
from ocs.cgrates.charging.record import KeptEvent, NetworkSession
from ocs.cgrates.charging.turn import Turn
from ocs.cgrates.charging.views import address_of, repeated, session_of, stems, with_quotas
from ocs.cgrates.charging.waiting import Waiting
from ocs.cgrates.journal import JournalError
from ocs.cgrates.kinds import Kind
from ocs.charging.account import Session, session_key
from ocs.charging.control import SessionAddress
from ocs.charging.decision import decode_answer, encode_answer
from ocs.charging.events import ChargingAnswer, ChargingContext, ChargingEvent, EventKind, Grant, Result
from ocs.charging.quota import ChargingPolicy
from ocs.charging.session import (
    Admission,
    admit,
    metered,
    overlay,
    refusal,
    remember,
    see,
    used_sum,
)
from ocs.charging.supervision import SessionRef, Supervision
from ocs.sessions.errors import ServiceError
from ocs.sessions.model import CgrEvent

log = structlog.get_logger()

CAUSE_SILENT = "client silent"
CAUSE_RESTARTED = "client restarted"
CAUSE_REPLACED = "replaced"
CLOSED_AT_ONCE = 1_000
MOST_EVENTS = 100_000  # whose answers are kept
SWEPT_AT_ONCE = 10_000  # kept answers forgotten in one second

Deliver = Callable[[ChargingAnswer], None]


class NetworkDoor:
    """Takes events and answers each once, supervises sessions, and says which accounts are waited for."""

    def __init__(
        self,
        charges: Charges,
        policy: ChargingPolicy,
        most_in_flight: int,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.supervision = Supervision()
        self.abort: Callable[[SessionAddress, str], None] = _not_aborted  # of a session that was closed here
        self.in_flight = 0
        self.policy = policy
        self._charges = charges
        self._runtime = charges.runtime
        self._state = charges.runtime.state
        self._sessions: dict[str, NetworkSession] = self._state.tables[Kind.NETWORK_SESSION]
        self._events: dict[str, KeptEvent] = self._state.tables[Kind.NETWORK_EVENT]
        self._most_in_flight = most_in_flight
        self._monotonic_ns = monotonic_ns
        self._by_account: dict[str, dict[str, None]] = {}  # keys of open sessions
        self.metered: dict[str, str] = {}  # open sessions whose time the server counts, with their accounts
        self._expiring: deque[tuple[int, Kind, str]] = deque()  # what is kept for repeats alone, by time
        self.waiting = Waiting(self._state, self._address_of)

    # --- events

    def submit(self, event: ChargingEvent, deliver: Deliver) -> None:
        """Charges an event; `deliver` gets the answer once, when it is durable. Never raises."""
        if self.in_flight >= self._most_in_flight:
            deliver(ChargingAnswer(Result.TOO_BUSY))
            return
        self.in_flight += 1
        answer = self._answer(event)

        def durable(error: JournalError | None) -> None:
            self.in_flight -= 1
            deliver(answer if error is None else ChargingAnswer(Result.TOO_BUSY))

        self._state.when_durable(durable)

    async def handle(self, event: ChargingEvent) -> ChargingAnswer:
        """Charges an event and waits for the answer."""
        answered: asyncio.Future[ChargingAnswer] = asyncio.get_running_loop().create_future()

        def deliver(answer: ChargingAnswer) -> None:
            if not answered.done():
                answered.set_result(answer)

        self.submit(event, deliver)
        return await answered

    def _answer(self, event: ChargingEvent) -> ChargingAnswer:
        key = session_key(event.client, event.session_id)
        try:
            with self.waiting.deciding(key):
                if event.kind is EventKind.EVENT:
                    return self._once(event)
                return self._decided(key, event)
        except ServiceError as error:
            return self._refusal(str(error))
        except Exception:
            log.exception("gy.event_failed", client=event.client, session=event.session_id)
            return ChargingAnswer(Result.FAILED)

    def _refusal(self, text: str) -> ChargingAnswer:
        result = outcomes.result_of(text, self.policy.refuses_unplanned)
        return ChargingAnswer(result, failed=outcomes.FAILED_FIELDS.get(result, ""), message=text)

    def _decided(self, key: str, event: ChargingEvent) -> ChargingAnswer:
        known = self._sessions.get(key)
        is_open = known is not None and known.session.closed_at_ns is None
        opened = known.session if known is not None and is_open else None
        closed = known.session if known is not None and not is_open else None
        match admit(event, opened, closed, self._runtime.wall_ns() - self.policy.closed_grace_ns):
            case Admission.NEXT | Admission.LAST if known is not None:
                return self._continue(key, known, event)
            case Admission.NEW:
                return self._start(key, event)
            case Admission.REPEATED if known is not None:
                return repeated(known, event)
            case Admission.REPLACING if known is not None:
                self._close(key, known, CAUSE_REPLACED)
                return self._start(key, event)
            case Admission.LATE if known is not None:
                return self._settle_late(key, known, event)
            case _:
                return ChargingAnswer(Result.UNKNOWN_SESSION, failed="session_id")

    # --- sessions

    def _start(self, key: str, event: ChargingEvent) -> ChargingAnswer:
        """An INITIAL: charges what it reports, grants what it asks for, opens the session."""
        charges, now_ns = self._charges, self._runtime.wall_ns()
        fields = charges.fields(event)
        base = charges.altered(charges.event(fields, key))
        account = charges.account_id(base)
        refused = self._may_not_open(base, account)
        if refused is not None:
            return refused
        if event.replaces_same_bearer:
            self._end_twin(account, event)
        wishes = charges.wishes_of(event.client)
        place = charges.steps.allocated(base, wishes)
        session = NetworkSession(session_of(key, event, now_ns), account, fields, (), bool(place))
        turn = Turn(charges, self.policy, session, event, now_ns)
        grants = turn.serve()
        result = Result.DENIED if turn.is_barred else refusal(event, grants) or Result.SUCCESS
        if result is Result.SUCCESS:
            charges.steps.told(base, wishes, (), place)
            return self._kept(key, session, turn, event, self._answered(event, session, turn, result, grants))
        charges.steps.released(base, wishes)
        has_used = turn.has_used
        turn.abandon()
        answer = self._answered(event, session, turn, result, grants)
        if has_used:  # it was debited all the same, and a repeat must find that
            self._kept(key, session, turn, event, answer, is_closed=True)
        return answer

    def _may_not_open(self, base: CgrEvent, account: str) -> ChargingAnswer | None:
        """Why a session is not opened, whatever it asks for."""
        known = self._state.accounts.get(account)
        if self._charges.unknown(base):
            return self._refusal("RALS_ERROR:ACCOUNT_NOT_FOUND")
        if known is not None and known.is_disabled:
            return self._refusal("RALS_ERROR:ACCOUNT_DISABLED")
        if len(self._by_account.get(account, ())) >= self.policy.sessions_per_account:
            return ChargingAnswer(Result.LIMIT_EXCEEDED)
        return None

    def _end_twin(self, account: str, event: ChargingEvent) -> None:
        """Ends the session of the same bearer, which its client has replaced."""
        context = event.context or ChargingContext()
        for key in list(self._by_account.get(account, ())):
            known = self._sessions[key]
            told = known.session
            if (told.client, told.service) == (event.client, event.service) and (
                (told.context.apn, told.context.rat) == (context.apn, context.rat)
            ):
                self._close(key, known, CAUSE_REPLACED)

    def _continue(self, key: str, known: NetworkSession, event: ChargingEvent) -> ChargingAnswer:
        """An UPDATE or a TERMINATION of an open session."""
        is_last = event.kind is EventKind.TERMINATION
        if not is_last and self._was_ended(known):
            self._close(key, known, "ended by an operator")
            return ChargingAnswer(Result.UNKNOWN_SESSION, failed="session_id")
        known = msgspec.structs.replace(
            known,
            session=msgspec.structs.replace(
                known.session, context=overlay(known.session.context, event.context)
            ),
        )
        if known.session.meter_ns:
            event = metered(event, with_quotas(known), self._runtime.wall_ns())
        turn = Turn(self._charges, self.policy, known, event, self._runtime.wall_ns())
        grants = turn.serve()
        if is_last or turn.is_barred:
            turn.end()
            self._leave(key, known)
        result = Result.DENIED if turn.is_barred and not is_last else Result.SUCCESS
        answer = self._answered(event, known, turn, result, grants)
        return self._kept(key, known, turn, event, answer, is_closed=is_last or turn.is_barred)

    def _was_ended(self, known: NetworkSession) -> bool:
        """Whether somebody else has ended a session of the pipeline that its client still has."""
        active = self._state.sessions
        return any(bucket.is_open and bucket.cgrid not in active for bucket in known.buckets)

    def _settle_late(self, key: str, known: NetworkSession, event: ChargingEvent) -> ChargingAnswer:
        """A report that arrives after its session was closed: debited once, nothing granted, not opened again."""
        silenced = [msgspec.structs.replace(report, requested=None) for report in event.reports]
        quiet = msgspec.structs.replace(event, reports=tuple(silenced), kind=EventKind.TERMINATION)
        turn = Turn(self._charges, self.policy, known, quiet, self._runtime.wall_ns())
        grants = turn.serve()
        turn.end()
        answer = self._answered(event, known, turn, Result.SUCCESS, grants)
        answer = msgspec.structs.replace(answer, has_ended=True)
        return self._kept(key, known, turn, event, answer, is_closed=True)

    def _answered(
        self,
        event: ChargingEvent,
        known: NetworkSession,
        turn: Turn,
        result: Result,
        grants: tuple[Grant, ...],
    ) -> ChargingAnswer:
        is_last = event.kind is EventKind.TERMINATION
        return ChargingAnswer(
            result,
            grants,
            known.session.cost_nanos + turn.cost_nanos if is_last else None,
            None if event.service == "data" else self._charges.money_nanos(known.account),
            failed=outcomes.FAILED_FIELDS.get(result, ""),
            message="" if result is Result.SUCCESS else turn.message,
        )

    def _kept(
        self,
        key: str,
        known: NetworkSession,
        turn: Turn,
        event: ChargingEvent,
        answer: ChargingAnswer,
        *,
        is_closed: bool = False,
    ) -> ChargingAnswer:
        """Remembers a turn with its answer; until when the session may stay silent."""
        session, now_ns = known.session, self._runtime.wall_ns()
        is_numbered = event.kind is EventKind.UPDATE and isinstance(event.event_id, int)
        after = msgspec.structs.replace(
            session,
            touched_at_ns=now_ns,
            deadline_ns=self._deadline_ns(session, event, answer, turn, now_ns),
            origin=event.origin or session.origin,
            answers=remember(
                session.answers, event.kind, event.event_id, encode_answer(answer), used_sum(event)
            ),
            seen=see(session.seen, int(event.event_id)) if is_numbered else session.seen,
            cost_nanos=session.cost_nanos + turn.cost_nanos,
            closed_at_ns=(session.closed_at_ns or now_ns) if is_closed else None,
        )
        buckets = tuple(turn.buckets.values())
        self._put(key, msgspec.structs.replace(known, session=after, buckets=buckets))
        return answer

    def _deadline_ns(
        self, session: Session, event: ChargingEvent, answer: ChargingAnswer, turn: Turn, now_ns: int
    ) -> int:
        validity_ns = max((grant.validity_ns or 0 for grant in answer.grants), default=0)
        holding_ns = max((grant.holding_time_ns or 0 for grant in answer.grants), default=0)
        if not validity_ns:
            rule = self.policy.rule(session.service, None, session.context.apn, event.profile)
            validity_ns = rule.validity_ns
        deadline_ns = self.policy.deadline_ns(now_ns, validity_ns, holding_ns)
        has_out = any(bucket.granted for bucket in turn.buckets.values())
        return max(deadline_ns, session.deadline_ns) if has_out else deadline_ns

    def _put(self, key: str, record: NetworkSession) -> None:
        self._state.put(Kind.NETWORK_SESSION, key, record)
        self._index(key, record)

    def _index(self, key: str, record: NetworkSession) -> None:
        """Follows a session in memory: who watches over it, and who waits for its account."""
        session = record.session
        if session.closed_at_ns is None:
            self._by_account.setdefault(record.account, {})[key] = None
            left_ns = session.deadline_ns - self._runtime.wall_ns()
            self.supervision.touch(key, record.account, self._monotonic_ns() + max(left_ns, 0))
            self.waiting.note(key, record)
            if session.meter_ns:
                self.metered[key] = record.account
            return
        keys = self._by_account.get(record.account, {})
        keys.pop(key, None)
        if not keys:
            self._by_account.pop(record.account, None)
        self.supervision.forget(key)
        self.metered.pop(key, None)
        self.waiting.forget(key, record.account)
        self._expiring.append((session.closed_at_ns + self._kept_ns, Kind.NETWORK_SESSION, key))

    @property
    def _kept_ns(self) -> int:
        return max(self.policy.closed_retention_ns, self.policy.closed_grace_ns)

    def _leave(self, key: str, known: NetworkSession) -> None:
        """The session has ended: its place in a resource is free, and its end is counted."""
        wishes = self._charges.wishes_of(known.session.client)
        self._charges.steps.ended(self._charges.event(known.fields, key), wishes)

    def _close(self, key: str, known: NetworkSession, cause: str) -> None:
        """Ends a session without its client, at what was reported; what was granted is given back."""
        session = known.session
        event = ChargingEvent(
            EventKind.TERMINATION, session.client, session.session_id, cause, session.service
        )
        turn = Turn(self._charges, self.policy, known, event, self._runtime.wall_ns())
        turn.end()
        self._leave(key, known)
        closed = msgspec.structs.replace(
            session,
            closed_at_ns=self._runtime.wall_ns(),
            cost_nanos=session.cost_nanos + turn.cost_nanos,
        )
        buckets = tuple(turn.buckets.values())
        self._put(key, msgspec.structs.replace(known, session=closed, buckets=buckets))
        log.info("gy.session_closed", session=key, cause=cause)

    # --- one-time events

    def _once(self, event: ChargingEvent) -> ChargingAnswer:
        key, charges = key_of(event), self._charges
        kept = self._events.get(key)
        if kept is not None:
            return decode_answer(kept.answer)
        base = charges.altered(charges.event(charges.fields(event), key))
        if charges.unknown(base):
            return self._refusal("RALS_ERROR:ACCOUNT_NOT_FOUND")
        token = None if event.refund_token is None else event.refund_token.decode("utf-8", "backslashreplace")
        refundable = None if token is None else self._events.get(token)
        now_ns = self._runtime.wall_ns()
        work = OneTime(charges, event, base, now_ns, self.policy.event_retention_ns)
        answer, kept = work.answer(refundable)
        if kept is not None:
            self._state.put(Kind.NETWORK_EVENT, key, kept)
            self._expiring.append((kept.expires_at_ns, Kind.NETWORK_EVENT, key))
            if len(self._events) > MOST_EVENTS:  # repeats of the oldest are known by their records
                self._state.delete(Kind.NETWORK_EVENT, next(iter(self._events)))
            if token is not None and refundable is not None:
                done = msgspec.structs.replace(refundable, is_refunded=True)
                self._state.put(Kind.NETWORK_EVENT, token, done)
        return answer

    # --- supervision

    def take_over(self) -> int:
        """Goes on with the sessions that were open when the server ended; how many there were."""
        for key, record in self._sessions.items():
            self._index(key, record)
        for key, kept in self._events.items():
            self._expiring.append((kept.expires_at_ns, Kind.NETWORK_EVENT, key))
        self._expiring = deque(sorted(self._expiring))
        return len(self.supervision)

    async def run(self) -> None:
        """Watches over silent sessions, and forgets what is kept for repeats alone, until cancelled."""
        while True:
            await asyncio.sleep(1)
            try:
                self.look_after()
            except Exception:
                log.exception("gy.supervision_failed")

    def look_after(self) -> None:
        """Closes what has been silent for too long, and forgets what nobody repeats any more."""
        for ref in self.supervision.due(self._monotonic_ns(), CLOSED_AT_ONCE):
            self._close_silent(ref)
        self._forget()

    def _close_silent(self, ref: SessionRef) -> None:
        known = self._sessions.get(ref.key)
        if known is None or known.session.closed_at_ns is not None:
            self.supervision.forget(ref.key)
            return
        self._close(ref.key, known, CAUSE_SILENT)
        if self.policy.supervision.aborts:
            self.abort(address_of(known), CAUSE_SILENT)

    def _forget(self) -> None:
        """Forgets what nobody repeats any more; a session that was opened again meanwhile stays."""
        now_ns = self._runtime.wall_ns()
        for _ in range(SWEPT_AT_ONCE):
            if not self._expiring or self._expiring[0][0] > now_ns:
                return
            _, kind, key = self._expiring.popleft()
            if kind is Kind.NETWORK_SESSION:
                known = self._sessions.get(key)
                closed_at_ns = None if known is None else known.session.closed_at_ns
                if closed_at_ns is None or closed_at_ns + self._kept_ns > now_ns:
                    continue
            self._state.delete(kind, key)

    async def close_session(self, ref: SessionRef, cause: str) -> bool:
        """Ends a session without its client; False where it has ended already."""
        known = self._sessions.get(ref.key)
        if known is None or known.session.closed_at_ns is not None:
            return False
        self._close(ref.key, known, cause)
        await self._state.durable()
        return True

    async def client_restarted(self, client: str) -> int:
        """A client has lost its sessions (RFC 6733 8.16): closes them, and says how many there were."""
        keys = self.supervision.keys_of(client)
        for number, key in enumerate(keys, 1):
            self._close(key, self._sessions[key], CAUSE_RESTARTED)
            if number % CLOSED_AT_ONCE == 0:
                await self._state.durable()
        await self._state.durable()
        return len(keys)

    # --- who has a session

    def _address_of(self, key: str) -> SessionAddress | None:
        known = self._sessions.get(key)
        return None if known is None or known.session.closed_at_ns is not None else address_of(known)

    def keep_open(self, key: str, lifetime_ns: int) -> None:
        """Lets a session be silent for so long from now: others watch over it."""
        known = self._sessions.get(key)
        if known is not None and known.session.closed_at_ns is None:
            self.supervision.touch(key, known.account, self._monotonic_ns() + lifetime_ns)

    def open_sessions(self, account: str = "") -> list[NetworkSession]:
        """The open sessions, of an account (`tenant:name`) or of all."""
        keys = self._by_account.get(account, ()) if account else self.supervision.keys()
        return [self._sessions[key] for key in keys]

    def find(self, client: str, name: str) -> SessionAddress | None:
        """The session that a session of the pipeline belongs to, by its OriginHost and OriginID."""
        for stem in stems(name):
            found = self._address_of(session_key(client, stem))
            if found is not None:
                return found
        return None


def _not_aborted(session: SessionAddress, cause: str) -> None:
    """Nobody is told."""
