"""Deciding: one event on one account, from a snapshot to what it becomes. Pure.

RFC 8506 section 7 as amended by the rules of this server: used units are always debited, also where the answer
refuses; a repeat gets the stored answer and changes nothing; a late report of a session just closed is taken.
"""

from typing import Final

import msgspec

from ocs.charging import onetime
from ocs.charging.account import Account, Session, Standing, session_key
from ocs.charging.cdr import cdr_of, late_cdr
from ocs.charging.correction import give_back
from ocs.charging.decision import Decision, decode_answer, encode_answer
from ocs.charging.endings import ended, kept_closed, without_key, without_promise
from ocs.charging.entry import Cdr, Posting
from ocs.charging.events import (
    ChargingAnswer,
    ChargingContext,
    ChargingEvent,
    EventKind,
    Grant,
    RequestType,
    Result,
)
from ocs.charging.full_turn import first_turn, given_back, one_version_on, turn_of, with_others
from ocs.charging.money import MOST_NANOS
from ocs.charging.offers import extended
from ocs.charging.quota import ChargingPolicy
from ocs.charging.session import (
    Admission,
    admit,
    contradicts,
    find,
    is_somebody_else,
    merged_reports,
    metered,
    overlay,
    place_of,
    refusal,
    remember,
    same_bearer,
    see,
    stored_answer,
    used_sum,
    with_session,
    without_session,
)
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.turn import Turn
from ocs.charging.working import Part

CAUSE_TERMINATED = "terminated"
CAUSE_REPLACED = "replaced"
CAUSE_REFUSED = "refused"

# Members named in every turn; before Python 3.12 looking one up in its class is slow.
UPDATE: Final = EventKind.UPDATE
INITIAL: Final = EventKind.INITIAL
TERMINATION: Final = EventKind.TERMINATION
EVENT: Final = EventKind.EVENT
BARRED: Final = Standing.BARRED
SUCCESS: Final = Result.SUCCESS
UNRATED: Final = Result.RATING_FAILED
PREPAID: Final = RequestType.PREPAID

Others = tuple[Account, ...]


def decide(
    account: Account,
    event: ChargingEvent,
    catalogue: Catalogue,
    policy: ChargingPolicy,
    now_ns: int,
    others: Others = (),
) -> Decision:
    """What an event makes of an account, and the answer to it; `others` are the members of its groups."""
    if event.kind is EVENT:
        return onetime.decide(account, event, catalogue, policy, now_ns, others=others)
    decision = _decide(account, event, catalogue, policy, now_ns, others)
    if not decision.others:
        return decision
    return msgspec.structs.replace(decision, others=one_version_on(decision.others, others))


def _decide(
    account: Account,
    event: ChargingEvent,
    catalogue: Catalogue,
    policy: ChargingPolicy,
    now_ns: int,
    others: Others,
) -> Decision:
    opened = find(account.sessions, event.client, event.session_id)
    closed = find(account.closed, event.client, event.session_id) if opened is None else None
    if opened is not None and opened.is_promise:
        return _redeem(account, opened, event, catalogue, policy, now_ns, others)
    if event.kind is INITIAL and opened is not None and is_somebody_else(account, event):
        return Decision(account, ChargingAnswer(Result.CONTRADICTION, failed="identities"))
    match admit(event, opened, closed, now_ns - policy.closed_grace_ns):
        case Admission.NEXT | Admission.LAST if opened is not None:
            return _continue(account, opened, event, catalogue, policy, now_ns, others)
        case Admission.NEW:
            return _start(account, event, catalogue, policy, now_ns, others)
        case Admission.REPEATED:
            return _repeat(account, opened or closed, event)
        case Admission.REPLACING if opened is not None:
            return _replace(account, opened, event, catalogue, policy, now_ns, others)
        case Admission.LATE if closed is not None:
            return _settle_late(account, closed, event, catalogue, policy, now_ns, others)
        case _:
            return Decision(account, ChargingAnswer(Result.UNKNOWN_SESSION, failed="session_id"))


def _start(
    account: Account,
    event: ChargingEvent,
    catalogue: Catalogue,
    policy: ChargingPolicy,
    now_ns: int,
    others: Others,
    cdrs: tuple[Cdr, ...] = (),
    closed_keys: tuple[str, ...] = (),
) -> Decision:
    """An INITIAL: settle what it reports, reserve what it asks for, open the session."""
    if event.replaces_same_bearer:
        twin = same_bearer(account, event)
        if twin is not None:
            account, cdr = ended(account, twin, policy, now_ns, CAUSE_REPLACED)
            others = given_back(others, twin.key, now_ns)
            cdrs, closed_keys = (*cdrs, cdr), (*closed_keys, twin.key)
    turn = first_turn(account, event, catalogue, policy, now_ns, others)
    parts, total = _settle(turn, turn.context)
    session = _opened(turn)
    key = session.key
    grants, result = _granted_or_not(turn, parts)
    if result is not SUCCESS:
        turn.release_all()
    answer = _answer(turn, result, grants, total)
    session = _after(session, turn, event, grants, total, answer)
    if result is SUCCESS:
        changed = _account(account, turn, with_session(account, session), account.closed)
        posting = _posting(turn, key)
        decision = Decision(
            changed,
            answer,
            posting,
            cdrs,
            opened=session,
            closed_keys=closed_keys,
            deadline_ns=session.deadline_ns,
        )
        return with_others(decision, turn, key, session)
    if turn.has_entries():  # what was used is debited all the same, and a repeat must find that
        tombstone = msgspec.structs.replace(session, closed_at_ns=now_ns)
        changed = _account(account, turn, account.sessions, kept_closed(account, tombstone, policy, now_ns))
        cdrs = (*cdrs, cdr_of(account.key, session, now_ns, CAUSE_REFUSED))
        decision = Decision(changed, answer, _posting(turn, key), cdrs, closed_keys=closed_keys)
        return with_others(decision, turn, key, None)
    if closed_keys:
        changed = msgspec.structs.replace(account, version=account.version + 1)
        return Decision(changed, answer, None, cdrs, closed_keys=closed_keys, others=others)
    return Decision(account, answer)


def _granted_or_not(turn: Turn, parts: list[Part]) -> tuple[tuple[Grant, ...], Result]:
    """What a new session is granted, and whether it may open."""
    account, policy = turn.account, turn.policy
    if account.standing is BARRED:
        return (), Result.DENIED
    if len(account.sessions) >= policy.sessions_per_account:
        return (), Result.LIMIT_EXCEEDED
    grants = _granted(turn, parts)
    result = refusal(turn.event, grants) or SUCCESS
    if (
        result is UNRATED
        and policy.refuses_unplanned
        and not turn.catalogue.serves(turn.plan, turn.event.service)
    ):
        result = Result.NOT_AUTHORIZED
    return grants, result


def _opened(turn: Turn) -> Session:
    event, now_ns = turn.event, turn.now_ns
    return Session(
        session_key(event.client, event.session_id),
        event.client,
        event.session_id,
        event.service,
        turn.plan,
        now_ns,
        now_ns,
        now_ns,
        event.event_id,
        event.origin,
        turn.context,
        request_type=event.request_type or PREPAID,
        meter_ns=event.meter_ns or 0,
    )


def _continue(
    account: Account,
    session: Session,
    event: ChargingEvent,
    catalogue: Catalogue,
    policy: ChargingPolicy,
    now_ns: int,
    others: Others,
) -> Decision:
    """An UPDATE or a TERMINATION of an open session."""
    is_last = event.kind is TERMINATION
    if session.meter_ns:
        event = metered(event, session, now_ns)
    known = session.context
    context = known if event.context is None else overlay(known, event.context)
    turn = turn_of(
        account,
        event,
        catalogue,
        policy,
        now_ns,
        session.service,
        session.plan,
        context,
        session.quotas,
        session.opened_at_ns,
        session.request_type,
        others,
    )
    parts, total = _settle(turn, known)
    if is_last:
        total += give_back(turn, session, parts, known)
    is_barred = account.standing is BARRED
    if is_last or is_barred:
        turn.release_all()
        grants = _settled(parts)
    else:
        grants = _granted(turn, parts)
    result = Result.DENIED if is_barred and not is_last else SUCCESS
    answer = _answer(turn, result, grants, session.cost_nanos + total)
    after = _after(session, turn, event, grants, total, answer)
    posting = _posting(turn, session.key)
    if is_last or is_barred:
        cause = CAUSE_TERMINATED if is_last else "account barred"
        return _closed(account, turn, after, posting, answer, policy, cause)
    changed = _account(account, turn, with_session(account, after), account.closed)
    decision = Decision(changed, answer, posting, deadline_ns=after.deadline_ns)
    return with_others(decision, turn, session.key, after) if turn.others else decision


def _closed(
    account: Account,
    turn: Turn,
    session: Session,
    posting: Posting | None,
    answer: ChargingAnswer,
    policy: ChargingPolicy,
    cause: str,
) -> Decision:
    tombstone = msgspec.structs.replace(session, closed_at_ns=turn.now_ns)
    changed = _account(
        account,
        turn,
        without_session(account, session.key),
        kept_closed(account, tombstone, policy, turn.now_ns),
    )
    cdr = cdr_of(account.key, session, turn.now_ns, cause)
    decision = Decision(changed, answer, posting, (cdr,), closed_keys=(session.key,))
    return with_others(decision, turn, session.key, None)


def _repeat(account: Account, session: Session | None, event: ChargingEvent) -> Decision:
    """The stored answer again; where it has been let go, what the session still has out."""
    assert session is not None, "only an event of a known session is a repeat"
    stored = stored_answer(session, event.kind, event.event_id)
    if stored is not None:
        is_other = contradicts(session, event)
        return Decision(account, decode_answer(stored), is_repeat=True, is_contradicting=is_other)
    grants = tuple(
        Grant(
            quota.rating_group,
            quota.service_identifiers,
            SUCCESS,
            quota.unit if quota.granted else None,
            quota.granted,
        )
        for quota in session.quotas
    )
    return Decision(account, ChargingAnswer(SUCCESS, grants), is_repeat=True)


def _replace(
    account: Account,
    session: Session,
    event: ChargingEvent,
    catalogue: Catalogue,
    policy: ChargingPolicy,
    now_ns: int,
    others: Others,
) -> Decision:
    """An INITIAL under the id of an open session: the client has forgotten it."""
    account, cdr = ended(account, session, policy, now_ns, CAUSE_REPLACED)
    account = msgspec.structs.replace(account, closed=without_key(account.closed, session.key))
    others = given_back(others, session.key, now_ns)
    return _start(account, event, catalogue, policy, now_ns, others, (cdr,), (session.key,))


def _redeem(
    account: Account,
    promise: Session,
    event: ChargingEvent,
    catalogue: Catalogue,
    policy: ChargingPolicy,
    now_ns: int,
    others: Others,
) -> Decision:
    """The first event after an authorization: what was promised is free for it, and for nobody else before."""
    account = without_promise(account, promise, now_ns)
    others = given_back(others, promise.key, now_ns)
    if event.kind is INITIAL:
        return _start(account, event, catalogue, policy, now_ns, others, (), (promise.key,))
    result = SUCCESS if event.kind is TERMINATION else Result.UNKNOWN_SESSION
    changed = msgspec.structs.replace(account, version=account.version + 1)
    answer = ChargingAnswer(result, failed="" if result is SUCCESS else "session_id")
    return Decision(changed, answer, closed_keys=(promise.key,), others=others)


def _settle_late(
    account: Account,
    session: Session,
    event: ChargingEvent,
    catalogue: Catalogue,
    policy: ChargingPolicy,
    now_ns: int,
    others: Others,
) -> Decision:
    """A report that arrives after its session was closed: debited once, nothing granted, not reopened."""
    turn = turn_of(
        account,
        event,
        catalogue,
        policy,
        now_ns,
        session.service,
        session.plan,
        session.context,
        session.quotas,
        session.opened_at_ns,
        session.request_type,
        others,
    )
    parts, total = _settle(turn, session.context)
    if event.kind is TERMINATION:
        total += give_back(turn, session, parts, session.context)
    grants = _settled(parts)
    answer = _answer(turn, SUCCESS, grants, session.cost_nanos + total)
    answer = msgspec.structs.replace(answer, has_ended=True)
    after = _after(session, turn, event, grants, total, answer)
    changed = _account(account, turn, account.sessions, (*without_key(account.closed, session.key), after))
    cdrs = (late_cdr(account.key, session, after, now_ns),) if turn.has_entries() else ()
    decision = Decision(changed, answer, _posting(turn, session.key), cdrs)
    return with_others(decision, turn, session.key, None)


# --- parts


def _settle(turn: Turn, context: ChargingContext) -> tuple[list[Part], int]:
    """Every report settled before any is granted, at the conditions that held while it was used."""
    parts = [turn.part(report) for report in merged_reports(turn.event.reports)]
    total = 0
    for part in _in_order(parts):
        turn.settle(part, context)
        total = min(total + part.nanos, MOST_NANOS)
    return parts, total


def _granted(turn: Turn, parts: list[Part]) -> tuple[Grant, ...]:
    """The grants in the order of the reports; who gets the last credit does not depend on that order."""
    ordered = _in_order(parts)
    grants = [turn.grant(part) for part in ordered]
    if turn.policy.has_pools or turn.event.knows_dual_quota or turn.event.wants_tariff:
        grants = extended(turn, ordered, grants)
    if ordered is parts:
        return tuple(grants)
    return tuple([grants[ordered.index(part)] for part in parts])


def _in_order(parts: list[Part]) -> list[Part]:
    """The parts by rating group and services; the same list where that is their order already."""
    before = -1
    for part in parts:
        rating_group = part.report.rating_group
        if rating_group is None or rating_group <= before:
            return parts if len(parts) < 2 else sorted(parts, key=lambda part: place_of(part.report))
        before = rating_group
    return parts


def _settled(parts: list[Part]) -> tuple[Grant, ...]:
    """The answers to reports that are not granted anything any more."""
    return tuple(
        [
            Grant(
                part.report.rating_group,
                part.report.service_identifiers,
                Result.RATING_FAILED if part.is_unrated else SUCCESS,
                cost_nanos=part.nanos,
            )
            for part in parts
        ]
    )


def _answer(turn: Turn, result: Result, grants: tuple[Grant, ...], cost_nanos: int) -> ChargingAnswer:
    account = turn.account
    remaining = turn.ledger.money_free_nanos()
    return ChargingAnswer(
        result,
        grants,
        cost_nanos,
        remaining,
        account.low_balance_nanos > 0 and remaining <= account.low_balance_nanos,
        failed="rating_group" if result is Result.RATING_FAILED else "",
    )


def _after(
    session: Session,
    turn: Turn,
    event: ChargingEvent,
    grants: tuple[Grant, ...],
    cost_nanos: int,
    answer: ChargingAnswer,
) -> Session:
    """The session with a turn done: what it remembers and until when it may stay silent."""
    validity_ns = holding_ns = 0
    for grant in grants:
        validity_ns = max(validity_ns, grant.validity_ns or 0)
        holding_ns = max(holding_ns, grant.holding_time_ns or 0)
    if not validity_ns:
        rule = turn.policy.rule(session.service, None, turn.context.apn, event.profile)
        validity_ns = rule.validity_ns
    deadline_ns = turn.policy.deadline_ns(turn.now_ns, validity_ns, holding_ns)
    if deadline_ns < session.deadline_ns and turn.has_others_out():
        deadline_ns = session.deadline_ns
    event_id = event.event_id
    is_numbered = event.kind is UPDATE and isinstance(event_id, int)
    return Session(
        session.key,
        session.client,
        session.session_id,
        session.service,
        session.plan,
        session.opened_at_ns,
        turn.now_ns,
        deadline_ns,
        session.opened_by,
        event.origin or session.origin,
        turn.context,
        turn.quotas(),
        remember(session.answers, event.kind, event_id, encode_answer(answer), used_sum(event)),
        see(session.seen, event_id) if is_numbered and isinstance(event_id, int) else session.seen,
        min(session.cost_nanos + cost_nanos, MOST_NANOS),
        session.closed_at_ns,
        session.request_type,
        session.is_promise,
        session.meter_ns,
        session.runs,
    )


def _account(
    account: Account, turn: Turn, sessions: tuple[Session, ...], closed: tuple[Session, ...]
) -> Account:
    return Account(
        account.key,
        account.plan,
        turn.ledger.balances(),
        sessions,
        closed,
        account.identities,
        account.standing,
        account.credit_limit_nanos,
        account.low_balance_nanos,
        account.version + 1,
        account.extras,
    )


def _posting(turn: Turn, key: str) -> Posting | None:
    entries = turn.ledger.entries
    if not entries:
        return None
    event = turn.event
    return Posting(turn.account.key, key, event.kind, event.event_id, turn.now_ns, tuple(entries))
