"""Giving back what a session was charged beyond the total that its client ends it with. Pure.

The client's last word counts. What was charged beyond it goes back to the balances that paid, the last one first:
also to one that has expired since, and one that was removed is made again without conditions. What was written off
is taken off the books in its place in that order. How much is kept of the stretch that the total lies in
is found by charging it once more, up to the total, from nothing but what paid for it, by the tariff it was charged
by; where that tariff is not there any more, or the call has been moved since, the stretch is divided by its units.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from ocs.charging.account import Account, Balance, Paid, Quota, Session, Stretch
from ocs.charging.entry import EntryKind
from ocs.charging.events import ChargingContext, Unit, UsageReport, UsedUnits
from ocs.charging.full_turn import turn_of
from ocs.charging.totals import catalogue_of
from ocs.charging.turn import Turn
from ocs.charging.working import Part, WorkingQuota

CORRECTED = "beyond the total"

Kept = dict[Unit, int]


class _Replayed(NamedTuple):
    """What a part of a stretch takes, by the unit of the balances, and the quota after it."""

    kept: Kept
    quota: WorkingQuota


def give_back(turn: Turn, session: Session, parts: list[Part], context: ChargingContext) -> int:
    """Correct every quota whose total is below what it was charged for; the nanos given back, below zero."""
    nanos = 0
    for part in parts:
        for used in part.report.used:
            if used.is_total:
                quota = next((quota for quota in part.quotas if quota.unit is used.unit), None)
                if quota is not None and used.amount < quota.used and quota.stretches:
                    nanos += _correct(turn, session, part, quota, used.amount, context)
    return nanos


def _correct(
    turn: Turn, session: Session, part: Part, quota: WorkingQuota, total: int, context: ChargingContext
) -> int:
    before_nanos = quota.cost_nanos
    while quota.stretches and total < quota.used:
        stretch = quota.stretches[-1]
        end = quota.used
        if total <= stretch.used:
            kept, quota.stretches = Kept(), quota.stretches[:-1]
            _set(quota, stretch)
        else:
            kept = _shorten(turn, session, part, quota, total, context)
        _refund(turn, part, stretch.paid, kept, quota.unit, end - quota.used)
    nanos = quota.cost_nanos - before_nanos
    part.nanos += nanos
    return nanos


def _set(quota: WorkingQuota, stretch: Stretch) -> None:
    """Put the quota back to where it was before a stretch."""
    quota.used, quota.rated, quota.cost_nanos = stretch.used, stretch.rated, stretch.cost_nanos
    quota.rated_at_ns, quota.drawn = stretch.rated_at_ns, stretch.drawn


def _shorten(
    turn: Turn, session: Session, part: Part, quota: WorkingQuota, total: int, context: ChargingContext
) -> Kept:
    """End the last stretch at the total; what is kept of its payments."""
    stretch = quota.stretches[-1]
    paid = _by_unit(stretch.paid)
    units, whole = total - stretch.used, quota.used - stretch.used
    again = _replay(turn, session, part, quota, whole, context)
    if again.kept == paid and again.quota.cost_nanos == quota.cost_nanos:
        kept, after = _replay(turn, session, part, quota, units, context)
        quota.rated, quota.cost_nanos, quota.drawn = after.rated, after.cost_nanos, after.drawn
    else:
        kept = {unit: _share(amount, units, whole) for unit, amount in paid.items()}
        quota.rated = min(quota.rated, stretch.rated + units)
        quota.cost_nanos = stretch.cost_nanos + _share(quota.cost_nanos - stretch.cost_nanos, units, whole)
    quota.used = total
    quota.rated_at_ns = stretch.began_ns + units if quota.unit is Unit.TIME else quota.rated_at_ns
    left = _first(stretch.paid, kept)
    quota.stretches = (*quota.stretches[:-1], msgspec.structs.replace(stretch, paid=left))
    return kept


def _share(amount: int, units: int, whole: int) -> int:
    """The part of an amount that so many of all units make, rounded up."""
    return -(-amount * units // whole)


# --- charging a stretch once more


def _replay(
    turn: Turn, session: Session, part: Part, quota: WorkingQuota, units: int, context: ChargingContext
) -> _Replayed:
    """The first `units` of the last stretch, charged to nothing but what paid for it."""
    stretch = quota.stretches[-1]
    at_ns = stretch.began_ns + (units if quota.unit is Unit.TIME else 0)
    report = UsageReport(
        part.report.rating_group,
        part.report.service_identifiers,
        used=(UsedUnits(quota.unit, units, at_ns=at_ns),),
        called=part.report.called,
    )
    record = Quota(
        report.rating_group,
        report.service_identifiers,
        quota.unit,
        used=stretch.used,
        rated=stretch.rated,
        cost_nanos=stretch.cost_nanos,
        rated_at_ns=stretch.rated_at_ns,
        drawn=stretch.drawn,
    )
    others = tuple(_payer(owner.account, key, stretch.paid) for key, owner in turn.others.items())
    again = turn_of(
        _payer(turn.account, "", stretch.paid),
        turn.event,
        catalogue_of(stretch, turn.catalogue),
        turn.policy,
        turn.now_ns,
        turn.service,
        turn.plan,
        context,
        (record,),
        turn.opened_at_ns,
        session.request_type,
        others,
    )
    charged = again.part(report)
    again.settle(charged, context)
    entries = [
        *again.ledger.entries,
        *(each for owner in again.others.values() for each in owner.ledger.entries),
    ]
    kept = _by_unit([Paid("", "", entry.balance_unit, -entry.amount) for entry in entries])
    return _Replayed(kept, charged.quotas[0])


def _payer(account: Account, key: str, paid: tuple[Paid, ...]) -> Account:
    """An account with nothing on it but what it paid.

    The other balances stay, empty: an increment begun before still covers what is left of it, a blocker blocks.
    """
    amounts: dict[str, int] = {}
    units: dict[str, Unit] = {}
    for each in paid:
        if each.account == key and each.balance_id:
            amounts[each.balance_id] = amounts.get(each.balance_id, 0) + each.amount
            units[each.balance_id] = each.unit
    balances = [_bare(balance, amounts.pop(balance.id, None)) for balance in account.balances]
    balances += [Balance(name, units[name], amount) for name, amount in amounts.items()]
    return msgspec.structs.replace(account, balances=tuple(balances))


def _bare(balance: Balance, amount: int | None) -> Balance:
    """A balance as it rates; one that paid is asked for no conditions again."""
    terms = balance.terms
    if terms is not None and amount is not None:
        terms = msgspec.structs.replace(terms, destinations=(), categories=(), is_disabled=False)
    return Balance(balance.id, balance.unit, amount or 0, 0, balance.priority, terms=terms)


# --- payments


def _by_unit(paid: tuple[Paid, ...] | list[Paid]) -> Kept:
    found: Kept = {}
    for each in paid:
        found[each.unit] = found.get(each.unit, 0) + each.amount
    return {unit: amount for unit, amount in found.items() if amount}


def _first(paid: tuple[Paid, ...], kept: Mapping[Unit, int]) -> tuple[Paid, ...]:
    """The payments that come first, up to what is kept of every unit."""
    left = dict(kept)
    found = []
    for each in paid:
        amount = min(each.amount, left.get(each.unit, 0))
        if amount:
            left[each.unit] -= amount
            found.append(Paid(each.account, each.balance_id, each.unit, amount))
    return tuple(found)


def _refund(
    turn: Turn, part: Part, paid: tuple[Paid, ...], kept: Mapping[Unit, int], unit: Unit, units: int
) -> None:
    """Give back what is not kept of payments, the last one first; `units` were not used after all."""
    group = part.report.rating_group
    left = dict(kept)
    backs: list[tuple[Paid, int]] = []
    for each in paid:
        stays = min(each.amount, left.get(each.unit, 0))
        left[each.unit] = left.get(each.unit, 0) - stays
        if each.amount > stays:
            backs.append((each, each.amount - stays))
    for each, amount in reversed(backs):
        member = turn.others.get(each.account)
        ledger = turn.ledger if member is None else member.ledger
        if each.balance_id:
            ledger.ensure(each.balance_id, each.unit)
            ledger.credit(each.balance_id, EntryKind.REFUND, amount, unit, units, CORRECTED, group)
        else:
            ledger.write_off(-amount, group, unit, units, CORRECTED, 0)
        units = 0
