"""Authorizing: how much a client may use, up to what it asks for. Pure.

Nothing is debited. Where the event says for how long, what is promised is held that long under the name of the
session to come, so that two calls ringing at once are never promised the same credit; the session's INITIAL takes
the place of the promise, its TERMINATION or the end of that time lets it go. Without that nothing is held.
"""

import msgspec

from ocs.charging.account import Account, Session, Standing, session_key
from ocs.charging.decision import Decision
from ocs.charging.endings import without_promise
from ocs.charging.events import ChargingAnswer, ChargingEvent, Grant, RequestType, Result, UsageReport
from ocs.charging.full_turn import first_turn, given_back, with_others
from ocs.charging.quota import ChargingPolicy, wanted_amount
from ocs.charging.session import find, merged_reports, refusal, with_session
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Verdict
from ocs.charging.turn import Turn

LONGEST_RESERVE_NS = 600 * 1_000_000_000  # a promise nobody redeems is forgotten by then


def authorize(
    account: Account,
    event: ChargingEvent,
    catalogue: Catalogue,
    policy: ChargingPolicy,
    now_ns: int,
    others: tuple[Account, ...] = (),
) -> Decision:
    """The most that may be used of every report's wish; the answer's grants say how much."""
    former = find(account.sessions, event.client, event.session_id)
    before = account
    if former is not None and former.is_promise:
        account = without_promise(account, former, now_ns)
        others = given_back(others, former.key, now_ns)
        former = None
    if account.standing is Standing.BARRED:
        return Decision(before, ChargingAnswer(Result.DENIED))
    if event.reserve_ns and former is None and len(account.sessions) >= policy.sessions_per_account:
        return Decision(before, ChargingAnswer(Result.LIMIT_EXCEEDED))
    turn = first_turn(account, event, catalogue, policy, now_ns, others)
    grants = tuple([_promised(turn, report) for report in merged_reports(event.reports)])
    result = refusal(event, grants) or Result.SUCCESS
    answer = ChargingAnswer(
        result,
        grants,
        remaining_nanos=turn.ledger.money_free_nanos(),
        failed="" if result is Result.SUCCESS else "rating_group",
    )
    if not event.reserve_ns or former is not None or result is not Result.SUCCESS:
        return Decision(before, answer)
    promise = _promise(turn, now_ns + min(event.reserve_ns, LONGEST_RESERVE_NS))
    changed = msgspec.structs.replace(
        account,
        balances=turn.ledger.balances(),
        sessions=with_session(account, promise),
        version=before.version + 1,
    )
    decision = Decision(changed, answer, opened=promise, deadline_ns=promise.deadline_ns)
    return with_others(decision, turn, promise.key, promise)


def _promise(turn: Turn, deadline_ns: int) -> Session:
    """What was promised, under the name of the session to come."""
    event, now_ns = turn.event, turn.now_ns
    return Session(
        session_key(event.client, event.session_id),
        event.client,
        event.session_id,
        event.service,
        turn.plan,
        now_ns,
        now_ns,
        deadline_ns,
        event.event_id,
        event.origin,
        turn.context,
        turn.quotas(),
        request_type=event.request_type or RequestType.PREPAID,
        is_promise=True,
    )


def _promised(turn: Turn, report: UsageReport) -> Grant:
    """What is set aside for one report, in the working copy."""
    rating_group, services = report.rating_group, report.service_identifiers
    if report.requested is None:
        return Grant(rating_group, services, Result.SUCCESS)
    part = turn.part(report)
    unit, line = turn.unit_and_line(part)
    if line is not None and line.at(turn.now_ns).verdict is Verdict.DENIED:
        return Grant(rating_group, services, Result.DENIED)
    asked = report.requested.amount
    if asked is None:
        rule = turn.policy.rule(turn.service, rating_group, turn.context.apn, turn.event.profile)
        asked = wanted_amount(rule, unit, None)
    quota = turn.quota(part, unit)
    amount, holds, is_rated = turn.reserve(part, unit, asked, line, quota)
    if not is_rated and not amount:
        return Grant(rating_group, services, Result.RATING_FAILED)
    if not amount and asked:
        return Grant(rating_group, services, Result.NO_CREDIT)
    quota.granted += amount
    quota.holds += holds
    return Grant(rating_group, services, Result.SUCCESS, unit, amount)
