"""Sessions: which turn an event is in the life of its session, and how a session remembers what was answered.

RFC 8506 section 7 (server state machine) with the duplicate rules of 6.5: a repeat is known by its kind and id,
with or without the T flag, and on whatever connection it comes.
"""

from enum import Enum, auto
from typing import Final

import msgspec

from ocs.charging.account import Account, Quota, Session, StoredAnswer, session_key
from ocs.charging.enums import plain_members
from ocs.charging.events import (
    ChargingContext,
    ChargingEvent,
    EventKind,
    Grant,
    ReportingReason,
    Result,
    Unit,
    UsageReport,
    UsedUnits,
)

KEPT_ANSWERS = 4
KEPT_CLOSED = 8
KEPT_RANGES = 32
_USED_BITS: Final = (1 << 62) - 1

# Members named in every turn; before Python 3.12 looking one up in its class is slow.
INITIAL: Final = EventKind.INITIAL
UPDATE: Final = EventKind.UPDATE
TERMINATION: Final = EventKind.TERMINATION


@plain_members
class Admission(Enum):
    """What an event is to its session."""

    NEW = auto()
    REPLACING = auto()  # an INITIAL for a session that is open: the client lost its state
    NEXT = auto()
    LAST = auto()
    REPEATED = auto()
    LATE = auto()  # for a session that has just been closed
    UNKNOWN = auto()


def admit(
    event: ChargingEvent, opened: Session | None, closed: Session | None, grace_from_ns: int
) -> Admission:
    """Where the event stands; `grace_from_ns` is the earliest closing after which usage is still taken.

    | kind        | open, known id | open, new id | closed, known id | closed, in grace | else    |
    |-------------|----------------|--------------|------------------|------------------|---------|
    | INITIAL     | REPEATED       | REPLACING    | REPEATED         | NEW              | NEW     |
    | UPDATE      | REPEATED       | NEXT         | REPEATED         | LATE             | UNKNOWN |
    | TERMINATION | -              | LAST         | REPEATED         | LATE             | UNKNOWN |
    """
    kind = event.kind
    if opened is not None:
        if kind is TERMINATION:
            return Admission.LAST
        if is_answered(opened, kind, event.event_id):
            return Admission.REPEATED
        return Admission.REPLACING if kind is INITIAL else Admission.NEXT
    if closed is not None and is_answered(closed, kind, event.event_id):
        return Admission.REPEATED
    if kind is INITIAL:
        return Admission.NEW
    if closed is not None and (closed.closed_at_ns or 0) >= grace_from_ns:
        return Admission.LATE
    return Admission.UNKNOWN


def is_answered(session: Session, kind: EventKind, event_id: int | str) -> bool:
    """Whether this event has been charged, also where its answer is no longer kept."""
    if kind is INITIAL:
        return event_id == session.opened_by
    if kind is UPDATE and isinstance(event_id, int) and is_seen(session.seen, event_id):
        return True
    return any(stored.kind is kind and stored.event_id == event_id for stored in session.answers)


def stored_answer(session: Session, kind: EventKind, event_id: int | str) -> bytes | None:
    """The encoded answer kept for an event, or None when it has been let go."""
    for stored in session.answers:
        if stored.kind is kind and stored.event_id == event_id:
            return stored.answer
    return None


def remember(
    answers: tuple[StoredAnswer, ...], kind: EventKind, event_id: int | str, answer: bytes, used: int = -1
) -> tuple[StoredAnswer, ...]:
    """The kept answers with one more, the oldest let go."""
    return (*answers[1 - KEPT_ANSWERS :], StoredAnswer(kind, event_id, answer, used))


def used_sum(event: ChargingEvent) -> int:
    """What an event reports, of all units together, in 62 bits: enough to tell a repeat from another report."""
    total = 0
    for report in event.reports:
        for used in report.used:
            total += used.amount
    return total & _USED_BITS


def contradicts(session: Session, event: ChargingEvent) -> bool:
    """Whether an event has the number of one that reported something else, as far as that is remembered."""
    for stored in session.answers:
        if stored.kind is event.kind and stored.event_id == event.event_id:
            return stored.used >= 0 and stored.used != used_sum(event)
    return False


def is_seen(seen: tuple[tuple[int, int], ...], number: int) -> bool:
    """Whether a numbered update lies in the ranges already charged."""
    return any(first <= number <= last for first, last in seen)


def see(seen: tuple[tuple[int, int], ...], number: int) -> tuple[tuple[int, int], ...]:
    """The ranges with `number` added. More than `KEPT_RANGES` holes are closed from below: never charged twice."""
    if seen and number == seen[-1][1] + 1:
        return (*seen[:-1], (seen[-1][0], number))
    merged: list[tuple[int, int]] = []
    for first, last in sorted((*seen, (number, number))):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    if len(merged) > KEPT_RANGES:
        merged[:2] = [(merged[0][0], merged[1][1])]
    return tuple(merged)


def overlay(known: ChargingContext, news: ChargingContext | None) -> ChargingContext:
    """The session's context with the fields a later request carried."""
    if news is None or news == known:
        return known
    return ChargingContext(
        news.called or known.called,
        news.calling or known.calling,
        news.apn or known.apn,
        news.plmn or known.plmn,
        news.rat or known.rat,
        news.category or known.category,
        news.extra or known.extra,
    )


def context_of(account: Account, event: ChargingEvent) -> ChargingContext:
    """What a client says of a new session, with the account's category where it names none."""
    context = event.context or ChargingContext()
    extras = account.extras
    if extras is None or not extras.category or context.category:
        return context
    return msgspec.structs.replace(context, category=extras.category)


def is_somebody_else(account: Account, event: ChargingEvent) -> bool:
    """Whether an event names identities, and none of this account, which its session was opened on."""
    identities = account.identities
    if event.account == account.key:
        return False
    return bool(event.identities and identities) and not any(each in identities for each in event.identities)


def same_bearer(account: Account, event: ChargingEvent) -> Session | None:
    """The session of the event's client, service, access point and access technology."""
    context = event.context or ChargingContext()
    for session in account.sessions:
        if (
            session.client == event.client
            and session.service == event.service
            and session.context.apn == context.apn
            and session.context.rat == context.rat
        ):
            return session
    return None


def refusal(event: ChargingEvent, grants: tuple[Grant, ...]) -> Result | None:
    """The result of an INITIAL all of whose rating groups were refused, else None; the lowest of several."""
    if not grants or event.denies_per_service:
        return None
    if any(grant.result in (Result.SUCCESS, Result.FREE_OF_CHARGE) for grant in grants):
        return None
    return min(grant.result for grant in grants)


def place_of(report: UsageReport) -> tuple[int, tuple[int, ...], str]:
    """Where a report stands among others: by rating group, services and destination."""
    return (
        -1 if report.rating_group is None else report.rating_group,
        report.service_identifiers,
        report.called or "",
    )


def metered(event: ChargingEvent, session: Session, now_ns: int) -> ChargingEvent:
    """The end of a session whose time the server counts, at the time it has lasted where its client tells none."""
    if event.kind is not TERMINATION or any(report.used for report in event.reports):
        return event
    lasted_ns = max((event.occurred_at_ns or now_ns) - session.opened_at_ns, 0)
    used = (UsedUnits(Unit.TIME, lasted_ns, is_total=True),)
    groups = [quota.rating_group for quota in session.quotas] or [None]
    return msgspec.structs.replace(event, reports=(UsageReport(groups[0], used=used),))


def merged_reports(reports: tuple[UsageReport, ...]) -> tuple[UsageReport, ...]:
    """Reports of one rating group made one: it is never granted twice in an answer.

    Reports that name a destination of their own (the recipients of a message) stay apart.
    """
    if len(reports) < 2:
        return reports
    merged: dict[tuple[int | None, tuple[int, ...], str | None], UsageReport] = {}
    for report in reports:
        key = (report.rating_group, report.service_identifiers, report.called)
        first = merged.get(key)
        if first is None or report.called is not None:
            merged[key if first is None else (*key[:2], f"{key[2]}#{len(merged)}")] = report
        else:
            merged[key] = msgspec.structs.replace(
                first,
                requested=first.requested or report.requested,
                used=first.used + report.used,
                reason=first.reason if first.reason is not None else report.reason,
            )
    return tuple(merged.values()) if len(merged) < len(reports) else reports


def ends_quota(report: UsageReport) -> bool:
    """Whether the report gives back what was granted before: any report but an empty one does."""
    return bool(report.used) or report.requested is not None or gives_up(report)


def gives_up(report: UsageReport) -> bool:
    """Whether the client wants no more of this quota for now."""
    return report.reason in (ReportingReason.FINAL, ReportingReason.QUOTA_HOLDING_TIME)


def find(sessions: tuple[Session, ...], client: str, session_id: str) -> Session | None:
    """The session of that client and id."""
    for session in sessions:
        if session.session_id == session_id and session.client == client:
            return session
    return None


def with_session(account: Account, session: Session) -> tuple[Session, ...]:
    """The open sessions with this one added or put in the place of its former state."""
    sessions = account.sessions
    for index, other in enumerate(sessions):
        if other.key == session.key:
            return (*sessions[:index], session, *sessions[index + 1 :])
    return (*sessions, session)


def without_session(account: Account, key: str) -> tuple[Session, ...]:
    """The open sessions less one."""
    return tuple(session for session in account.sessions if session.key != key)


def quota_of(quotas: tuple[Quota, ...], report: UsageReport) -> list[Quota]:
    """The quotas of a report's rating group and services, one per unit."""
    return [
        quota
        for quota in quotas
        if quota.rating_group == report.rating_group
        and quota.service_identifiers == report.service_identifiers
    ]


def key_of(event: ChargingEvent) -> str:
    """The name of the event's session."""
    return session_key(event.client, event.session_id)
