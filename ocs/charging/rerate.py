"""Giving back what a session cost, or charging it anew by the tariff of today. Pure.

What was debited is known from the postings of the session, on whatever accounts; it goes back to the balances that
paid (those that have expired too; one that was removed is made again without conditions). The usage of its records
is then debited again in the same change, so that nobody can spend the credit in between. Done twice, the second
time finds what the first one left: a refund of a refunded session gives back nothing.
"""

from collections.abc import Iterable

import msgspec

from ocs.charging.account import Account, Session, session_key
from ocs.charging.acts import Act
from ocs.charging.decision import Decision
from ocs.charging.entry import Cdr, EntryKind, Posting
from ocs.charging.events import (
    Action,
    ChargingAnswer,
    ChargingEvent,
    EventKind,
    Result,
    Unit,
    UsageReport,
    UsedUnits,
)
from ocs.charging.full_turn import FullTurn, one_version_on, turn_of
from ocs.charging.ledger import Ledger
from ocs.charging.quota import ChargingPolicy
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.turn import Turn

CAUSE_RERATED = "rerated"
CAUSE_REFUNDED = "refunded"


class Books(msgspec.Struct, frozen=True):
    """What is stored of a session: its records, the oldest first, and its postings on all accounts."""

    cdrs: tuple[Cdr, ...]
    postings: tuple[Posting, ...]


def rerate(
    account: Account,
    books: Books,
    catalogue: Catalogue,
    policy: ChargingPolicy,
    act: Act,
    others: tuple[Account, ...] = (),
    is_refund: bool = False,
) -> Decision:
    """The account after the session was given back and, unless `is_refund`, charged anew: the answer's cost."""
    if not books.cdrs:
        return Decision(account, ChargingAnswer(Result.UNKNOWN_SESSION, failed="session_id"))
    first, last = books.cdrs[0], books.cdrs[-1]
    event = _event(books.cdrs, act)
    turn = turn_of(
        account,
        event,
        catalogue,
        policy,
        act.at_ns,
        first.service,
        account.plan,
        last.context,
        opened_at_ns=first.opened_at_ns,
        others=others,
    )
    _give_back(turn, books.postings)
    cost_nanos = 0
    for report in () if is_refund else event.reports:
        part = turn.part(report)
        turn.settle(part, last.context)
        if part.is_unrated:
            return Decision(account, ChargingAnswer(Result.RATING_FAILED, failed="rating_group"))
        cost_nanos += part.nanos
    before_nanos = sum(cdr.cost_nanos for cdr in books.cdrs)
    return _decided(
        turn, first, act, cost_nanos, before_nanos, CAUSE_REFUNDED if is_refund else CAUSE_RERATED
    )


def _event(cdrs: tuple[Cdr, ...], act: Act) -> ChargingEvent:
    """All that was used, as one event at the end of the session."""
    first, last = cdrs[0], cdrs[-1]
    reports = tuple(
        UsageReport(
            total.rating_group,
            total.service_identifiers,
            used=(UsedUnits(total.unit, total.used, at_ns=last.closed_at_ns),),
        )
        for cdr in cdrs
        for total in cdr.usage
    )
    return ChargingEvent(
        EventKind.EVENT,
        first.client,
        first.session_id,
        act.id,
        first.service,
        reports=reports,
        context=last.context,
        action=Action.DIRECT_DEBITING,
    )


def _give_back(turn: Turn, postings: tuple[Posting, ...]) -> None:
    """Every balance gets what the session has taken from it, less what it was given back before.

    What was written off is no loss any more.
    """
    for account_key, amounts in paid(postings).items():
        member = turn.others.get(account_key)
        ledger = turn.ledger if member is None else member.ledger
        for (balance_id, _), (posting, amount) in amounts.items():
            if amount > 0:
                _refund(ledger, posting, balance_id, amount)
    for account_key, nanos in written_off(postings).items():
        member = turn.others.get(account_key)
        if nanos:
            ledger = turn.ledger if member is None else member.ledger
            ledger.write_off(-nanos, None, Unit.MONEY, 0, "refund", 0)


Paid = dict[str, dict[tuple[str, int], tuple[Posting, int]]]


def paid(postings: Iterable[Posting]) -> Paid:
    """By account and balance: what was debited and not given back, with the posting that began it."""
    found: Paid = {}
    for posting in postings:
        amounts = found.setdefault(posting.account, {})
        for entry in posting.entries:
            if entry.kind in (EntryKind.DEBIT, EntryKind.REFUND):
                key = (entry.balance_id, int(entry.balance_unit))
                begun, amount = amounts.get(key, (posting, 0))
                amounts[key] = (begun, amount - entry.amount)
    return found


def written_off(postings: Iterable[Posting]) -> dict[str, int]:
    """By account: what was written off and not taken back; nobody paid it, and nobody gets it."""
    found: dict[str, int] = {}
    for posting in postings:
        for entry in posting.entries:
            if entry.kind is EntryKind.WRITE_OFF:
                found[posting.account] = found.get(posting.account, 0) - entry.amount
    return found


def _refund(ledger: Ledger, posting: Posting, balance_id: str, amount: int) -> None:
    unit = next(entry.balance_unit for entry in posting.entries if entry.balance_id == balance_id)
    ledger.ensure(balance_id, unit)
    ledger.credit(balance_id, EntryKind.REFUND, amount, rule="refund")


def _decided(turn: Turn, first: Cdr, act: Act, cost_nanos: int, before_nanos: int, cause: str) -> Decision:
    account, key = turn.account, session_key(first.client, first.session_id)
    answer = ChargingAnswer(
        Result.SUCCESS, cost_nanos=cost_nanos, remaining_nanos=turn.ledger.money_free_nanos()
    )
    others: tuple[Account, ...] = ()
    postings: tuple[Posting, ...] = ()
    if isinstance(turn, FullTurn) and turn.others:
        before = tuple(owner.account for owner in turn.others.values())
        others = one_version_on(turn.others_after(key, None), before)
        postings = tuple(_named(posting, act) for posting in turn.other_postings(key))
    if not turn.ledger.entries and not postings and cost_nanos == before_nanos:
        return Decision(account, answer)
    changed = msgspec.structs.replace(
        account,
        balances=turn.ledger.balances(),
        closed=tuple(_settled(session) if session.key == key else session for session in account.closed),
        version=account.version + 1,
    )
    posting = _named(Posting(account.key, key, None, act.id, act.at_ns, tuple(turn.ledger.entries)), act)
    cdr = Cdr(
        account.key,
        first.client,
        first.session_id,
        first.service,
        act.at_ns,
        act.at_ns,
        (),
        cost_nanos - before_nanos,
        cause,
        first.context,
    )
    return Decision(
        changed,
        answer,
        posting if posting.entries else None,
        (cdr,),
        others=others,
        other_postings=postings,
    )


def _settled(session: Session) -> Session:
    """A closed session whose client can correct nothing any more: what it paid is not what it was then."""
    quotas = tuple(msgspec.structs.replace(quota, stretches=()) for quota in session.quotas)
    return msgspec.structs.replace(session, quotas=quotas)


def _named(posting: Posting, act: Act) -> Posting:
    return msgspec.structs.replace(posting, kind=None, by=act.by, reason=act.reason or posting.reason)
