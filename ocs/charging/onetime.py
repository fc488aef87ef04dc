"""One-time events (RFC 8506 6): direct debiting, refund, balance check, price enquiry. Pure.

An event has no session; its answer is kept under a key of its own, for repeats that come much later from a
client's non-volatile store. All parts of an event are charged or none.
"""

import msgspec

from ocs.charging.account import Account, Standing, session_key
from ocs.charging.authorize import authorize
from ocs.charging.decision import Decision, EventAnswer, encode_answer
from ocs.charging.entry import Cdr, EntryKind, Posting, UsageTotal
from ocs.charging.events import (
    Action,
    ChargingAnswer,
    ChargingEvent,
    Grant,
    RequestedUnits,
    Result,
    Unit,
    UsageReport,
    UsedUnits,
)
from ocs.charging.full_turn import FullTurn, first_turn, one_version_on, with_others
from ocs.charging.ledger import Ledger
from ocs.charging.money import MOST_NANOS
from ocs.charging.quota import ChargingPolicy
from ocs.charging.rating import cost
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Verdict
from ocs.charging.turn import Turn
from ocs.charging.working import MOST_UNITS, TIME_SLACK_NS, longest_ns

CAUSE_EVENT = "event"


def answer_key(event: ChargingEvent) -> str:
    """Where the answer to a one-time event is kept."""
    return f"{session_key(event.client, event.session_id)}|{event.event_id}"


def refund_key(token: bytes) -> str:
    """Where it is kept that a debit has been refunded."""
    return f"refund|{token_text(token)}"


def token_text(token: bytes) -> str:
    """A refund token as text that any store takes; it is the key of the answer it came with."""
    return token.decode("utf-8", "backslashreplace")


def decide(
    account: Account,
    event: ChargingEvent,
    catalogue: Catalogue,
    policy: ChargingPolicy,
    now_ns: int,
    refundable: Posting | None = None,
    others: tuple[Account, ...] = (),
) -> Decision:
    """The outcome of a one-time event; `refundable` is the posting that `event.refund_token` names."""
    if event.action is Action.AUTHORIZE:
        decision = authorize(account, event, catalogue, policy, now_ns, others)
    else:
        decision = _decide(account, event, catalogue, policy, now_ns, refundable, others)
    if not decision.others:
        return decision
    return msgspec.structs.replace(decision, others=one_version_on(decision.others, others))


def _decide(
    account: Account,
    event: ChargingEvent,
    catalogue: Catalogue,
    policy: ChargingPolicy,
    now_ns: int,
    refundable: Posting | None,
    others: tuple[Account, ...],
) -> Decision:
    turn = first_turn(account, event, catalogue, policy, now_ns, others)
    if any(not 0 <= amount <= most for amount, most in _amounts(event)):
        return Decision(account, ChargingAnswer(Result.INVALID_VALUE, failed="requested"))
    match event.action:
        case Action.CHECK_BALANCE:
            return Decision(account, _check_balance(turn))
        case Action.PRICE_ENQUIRY:
            return Decision(account, _price(turn))
        case Action.REFUND_ACCOUNT:
            return _refund(turn, refundable)
        case Action.DIRECT_DEBITING | Action.AUTHORIZE | None:
            return _debit(turn)


def _amounts(event: ChargingEvent) -> list[tuple[int, int]]:
    """Every amount an event names, and the most it may be; money may come signed, and is then no amount."""
    amounts = [] if event.money_nanos is None else [(event.money_nanos, MOST_UNITS[Unit.MONEY])]
    for report in event.reports:
        asked = report.requested
        for used in report.used:
            is_time = used.unit is Unit.TIME
            amounts.append((used.amount, longest_ns(event, used) if is_time else MOST_UNITS[used.unit]))
        if asked is not None and asked.amount is not None:
            unit = asked.unit or Unit.EVENTS
            amounts.append((asked.amount, TIME_SLACK_NS if unit is Unit.TIME else MOST_UNITS[unit]))
    return amounts


def _debit(turn: Turn) -> Decision:
    account, event = turn.account, turn.event
    if account.standing is Standing.BARRED:
        return Decision(account, ChargingAnswer(Result.DENIED))
    grants: list[Grant] = []
    for report in _wanted(event):
        grant = _debit_one(turn, report)
        if grant.result is not Result.SUCCESS:
            refused = tuple(
                Grant(each.rating_group, each.service_identifiers, grant.result) for each in _wanted(event)
            )
            return Decision(account, ChargingAnswer(grant.result, refused, failed="rating_group"))
        grants.append(grant)
    nanos = min(sum(grant.cost_nanos for grant in grants), MOST_NANOS)
    key = answer_key(event)
    answer = ChargingAnswer(
        Result.SUCCESS,
        tuple(grants),
        nanos,
        turn.ledger.money_free_nanos(),
        refund_token=key.encode("utf-8", "backslashreplace"),
    )
    return _done(turn, answer, nanos, tuple(grants), CAUSE_EVENT)


def _wanted(event: ChargingEvent) -> tuple[UsageReport, ...]:
    """The reports of an event; money alone is a report of money, nothing at all is one event."""
    if event.reports:
        return event.reports
    if event.money_nanos is not None:
        return (UsageReport(requested=RequestedUnits(Unit.MONEY, event.money_nanos)),)
    return (UsageReport(requested=RequestedUnits(None, 1)),)


def _debit_one(turn: Turn, report: UsageReport) -> Grant:
    """Charge one report in full, or say why not; every report is priced from the start of its rate."""
    turn.forget_quotas()
    rating_group, services = report.rating_group, report.service_identifiers
    if report.used and report.requested is None:
        part = turn.part(report)
        turn.settle(part, turn.context)
        first = report.used[0]
        return Grant(
            rating_group,
            services,
            Result.RATING_FAILED if part.is_unrated else Result.SUCCESS,
            first.unit,
            first.amount,
            cost_nanos=part.nanos,
        )
    asked = report if report.requested is not None else _asking_one(report)
    part = turn.part(asked)
    unit, line = turn.unit_and_line(part)
    if line is not None and line.at(turn.now_ns).verdict is Verdict.DENIED:
        return Grant(rating_group, services, Result.DENIED)
    amount = asked.requested.amount if asked.requested is not None else None
    wanted = 1 if amount is None else amount
    covered, holds, is_rated = turn.reserve(part, unit, wanted, line, turn.quota(part, unit))
    turn.release(holds)
    if not is_rated:
        return Grant(rating_group, services, Result.RATING_FAILED)
    if covered < wanted:
        return Grant(rating_group, services, Result.NO_CREDIT)
    used = UsageReport(rating_group, services, used=(UsedUnits(unit, wanted),), called=report.called)
    debited = turn.part(used)
    turn.settle(debited, turn.context)
    return Grant(rating_group, services, Result.SUCCESS, unit, wanted, cost_nanos=debited.nanos)


def _asking_one(report: UsageReport) -> UsageReport:
    return msgspec.structs.replace(report, requested=RequestedUnits(None, 1))


def _check_balance(turn: Turn) -> ChargingAnswer:
    """Whether all that the event names could be paid now; nothing is held or debited."""
    if turn.account.standing is Standing.BARRED:
        return ChargingAnswer(Result.SUCCESS, has_credit=False)
    remaining = turn.ledger.money_free_nanos()
    results = [_debit_one(turn, report).result for report in _wanted(turn.event)]
    unrated = [result for result in results if result is Result.RATING_FAILED]
    if unrated:
        return ChargingAnswer(Result.RATING_FAILED, failed="rating_group")
    enough = all(result is Result.SUCCESS for result in results)
    return ChargingAnswer(Result.SUCCESS, remaining_nanos=remaining, has_credit=enough)


def _price(turn: Turn) -> ChargingAnswer:
    """What the event would cost, whoever had to pay; balances are not looked at."""
    nanos = 0
    for report in _wanted(turn.event):
        asked = report if report.requested is not None else _asking_one(report)
        unit, line = turn.unit_and_line(turn.part(asked))
        amount = asked.requested.amount if asked.requested is not None else None
        wanted = 1 if amount is None else amount
        if unit is Unit.MONEY:
            nanos += wanted
            continue
        if line is None:
            return ChargingAnswer(Result.RATING_FAILED, failed="rating_group")
        pieces = line.split(turn.now_ns, wanted) if unit is Unit.TIME else [(line.at(turn.now_ns), wanted)]
        before = 0
        for priced, piece in pieces:
            if priced.verdict is Verdict.DENIED:
                return ChargingAnswer(Result.DENIED)
            if priced.rate is None:
                return ChargingAnswer(Result.RATING_FAILED, failed="rating_group")
            nanos += cost(priced.rate, before, piece)
            before += piece
    return ChargingAnswer(Result.SUCCESS, cost_nanos=min(nanos, MOST_NANOS))


def _refund(turn: Turn, refundable: Posting | None) -> Decision:
    """Take back a named debit exactly, or credit the money or the price of the units the event names."""
    account, event = turn.account, turn.event
    if event.refund_token is not None:
        if refundable is None or refundable.account != account.key:
            return Decision(account, ChargingAnswer(Result.INVALID_VALUE, failed="refund_token"))
        nanos = _reverse(turn, refundable)
    else:
        priced = _price(turn)
        if priced.result is not Result.SUCCESS:
            return Decision(account, priced)
        nanos = priced.cost_nanos or 0
        if nanos + max(turn.ledger.money_free_nanos(), 0) > MOST_NANOS:
            return Decision(account, ChargingAnswer(Result.INVALID_VALUE, failed="requested"))
        if nanos:
            main = turn.ledger.main_money()
            turn.ledger.credit(main, EntryKind.REFUND, nanos, rule="refund")
    grants = tuple(
        Grant(
            report.rating_group,
            report.service_identifiers,
            Result.SUCCESS,
            report.requested.unit if report.requested else None,
            (report.requested.amount or 0) if report.requested else 0,
        )
        for report in event.reports
    )
    answer = ChargingAnswer(Result.SUCCESS, grants, nanos, turn.ledger.money_free_nanos())
    token = event.refund_token
    reason = "" if token is None else f"refund of {token_text(token)}"
    return _done(turn, answer, -nanos, grants, "refund", reason)


def _reverse(turn: Turn, posting: Posting) -> int:
    """Give back every debit to the balance that paid, on whatever account.

    One that has expired since gets it back all the same; one that was removed is made again without conditions.
    What a member paid that shares no group with the account any more is credited to the account itself.
    """
    nanos = 0
    for each in (posting, *posting.others):
        member = turn.others.get(each.account)
        nanos += reverse(turn.ledger if member is None else member.ledger, each)
    return nanos


def reverse(ledger: Ledger, posting: Posting) -> int:
    """Give back the debits of one account; returns the money among them."""
    nanos = 0
    for entry in posting.entries:
        if entry.kind is not EntryKind.DEBIT:
            continue
        ledger.ensure(entry.balance_id, entry.balance_unit)
        ledger.credit(
            entry.balance_id,
            EntryKind.REFUND,
            -entry.amount,
            entry.unit,
            entry.units,
            entry.rule,
            entry.rating_group,
        )
        nanos += -entry.amount if entry.balance_unit is Unit.MONEY else 0
    return nanos


def _done(
    turn: Turn,
    answer: ChargingAnswer,
    nanos: int,
    grants: tuple[Grant, ...],
    cause: str,
    reason: str = "",
) -> Decision:
    account, event, now_ns = turn.account, turn.event, turn.now_ns
    changed = msgspec.structs.replace(account, balances=turn.ledger.balances(), version=account.version + 1)
    key = answer_key(event)
    posting = Posting(
        account.key,
        session_key(event.client, event.session_id),
        event.kind,
        event.event_id,
        now_ns,
        tuple(turn.ledger.entries),
        reason=reason,
    )
    usage = tuple(
        UsageTotal(grant.rating_group, grant.service_identifiers, grant.unit, grant.amount, grant.cost_nanos)
        for grant in grants
        if grant.unit is not None
    )
    cdr = Cdr(
        account.key,
        event.client,
        event.session_id,
        event.service,
        now_ns,
        now_ns,
        usage,
        nanos,
        cause,
        turn.context,
    )
    kept = posting
    if turn.others and isinstance(turn, FullTurn):
        kept = msgspec.structs.replace(posting, others=turn.other_postings(posting.session_key))
    answered = EventAnswer(
        key, account.key, now_ns + turn.policy.event_retention_ns, encode_answer(answer), kept
    )
    decision = Decision(changed, answer, posting if posting.entries else None, (cdr,), answered=answered)
    return with_others(decision, turn, posting.session_key, None)
