"""The cost of a session as it grows: charges merged from debits, trimmed to a usage, refunded, rounded.

A charge stands for `factor` equal parts of the session; each part is a list of steps with who paid them.
"""

import msgspec

from ocs.charging.cgrates.account import Snapshot
from ocs.charging.cgrates.call import DATA, MONETARY, VOICE
from ocs.charging.cgrates.cost import correction_nanos
from ocs.charging.cgrates.grid import NANOS, snap_nanos
from ocs.charging.cgrates.model import CallCost, Charge, Charges, PaidCall, RatedSpan, Steps
from ocs.charging.cgrates.plan import Settings
from ocs.charging.cgrates.purse import Books
from ocs.charging.cgrates.usable import kinds_for


def charges_of(paid: PaidCall, *, is_late: bool = False) -> Charges:
    """The charges of one debit."""
    return tuple(
        Charge(span.match, span.interval, span.steps, span.factor, span.rounding_nanos, is_late)
        for span in paid.spans
    )


def unpaid_charges(cost: CallCost) -> Charges:
    """The charges of a call that nobody pays."""
    return tuple(Charge(span.match, span.interval, _priced_steps(span), span.factor) for span in cost.spans)


def _priced_steps(span: RatedSpan) -> tuple[Steps, ...]:
    return tuple(
        Steps(part.duration_ns, part.cost_nanos, part.count)
        for part in (span.fee, span.increments)
        if part is not None
    )


def usage_ns(charges: Charges) -> int:
    """Usage that all charges cover."""
    return sum(part_ns(charge) * charge.factor for charge in charges)


def part_ns(charge: Charge) -> int:
    """Usage of one part of a charge."""
    return sum(steps.duration_ns * steps.count for steps in charge.steps)


def cost_nanos(charges: Charges, settings: Settings) -> int:
    """Cost of all charges; a correction counts in each of a charge's parts."""
    return sum(_charge_nanos(charge, settings.rounding_decimals) for charge in charges)


def merge(charges: Charges, added: Charges) -> Charges:
    """Appends the charges of a later debit.

    One equal to the last only raises its factor by one, whatever its own factor. Else steps that go on like the
    last step join it where the rating is the same and the last charge stands for one part.
    """
    merged = list(charges)
    for charge in added:
        last = merged[-1] if merged else None
        if last is not None and _same_rating(last, charge) and last.steps == charge.steps:
            merged[-1] = msgspec.structs.replace(last, factor=last.factor + 1)
            continue
        steps = list(charge.steps)
        if last is not None and last.factor == 1 and _same_rating(last, charge):
            grown = list(last.steps)
            while steps and grown and _goes_on(grown[-1], steps[0]):
                grown[-1] = msgspec.structs.replace(grown[-1], count=grown[-1].count + steps.pop(0).count)
            merged[-1] = msgspec.structs.replace(last, steps=tuple(grown))
        if steps:
            merged.append(msgspec.structs.replace(charge, steps=tuple(steps)))
    return tuple(merged)


def trim(charges: Charges, wanted_ns: int) -> tuple[Charges, Charges]:
    """(kept, surplus): whole steps up to a usage stay, the others go; nothing stays where nothing was used."""
    if wanted_ns <= 0:
        return (), charges
    kept: list[Charge] = []
    surplus: list[Charge] = []
    for charge in charges:
        if wanted_ns <= 0:
            surplus.append(charge)
            continue
        charge_ns = part_ns(charge) * charge.factor
        if charge_ns <= wanted_ns:
            kept.append(charge)
        else:
            _cut(charge, wanted_ns, kept, surplus)
        wanted_ns -= charge_ns
    return tuple(kept), tuple(surplus)


def refund(snapshot: Snapshot, charges: Charges, kind: str, settings: Settings, *, is_partial: bool) -> Books:
    """Gives the steps of charges back to those who paid them, as far as their balances still exist.

    Units go back to balances of the session's own kind alone. Free units other than of voice and data are lost on a
    partial refund, and wherever a later debit took them. A rounding correction comes back twice.
    """
    books = Books(snapshot, settings)
    for charge in charges:
        forgets = kind not in (VOICE, DATA) and (is_partial or charge.is_late)
        for steps in charge.steps:
            _refund_steps(books, steps, charge.factor, kind, forgets=forgets)
        if charge.rounding_nanos:
            payment = charge.steps[0].payment
            purse = books.find(payment.account_id, (MONETARY,), payment.money_uid)
            if purse is not None:
                purse.give(charge.rounding_nanos, 2)
    return books


def taken_nanos(charges: Charges) -> dict[str, int]:
    """What charges have taken from each balance, by its id; units count nanos of a unit."""
    taken: dict[str, int] = {}
    for charge in charges:
        for steps in charge.steps:
            payment, count = steps.payment, steps.count * charge.factor
            if payment.unit_uid:
                units = round(steps.duration_ns * payment.factor * NANOS)
                taken[payment.unit_uid] = taken.get(payment.unit_uid, 0) + units * count
            if payment.money_uid and steps.cost_nanos:
                taken[payment.money_uid] = taken.get(payment.money_uid, 0) + steps.cost_nanos * count
        if charge.rounding_nanos:
            uid = charge.steps[0].payment.money_uid
            taken[uid] = taken.get(uid, 0) + charge.rounding_nanos
    return taken


def book_rounding(snapshot: Snapshot, charges: Charges, settings: Settings) -> tuple[Charges, Books]:
    """Rounds every charge by its plan and charges the difference once to the balance that paid its first step."""
    books = Books(snapshot, settings)
    rounded = tuple(_with_correction(charge, settings) for charge in charges)
    for charge in rounded:
        if charge.rounding_nanos == 0:
            continue
        payment = charge.steps[0].payment
        purse = books.find(payment.account_id, (MONETARY,), payment.money_uid)
        if purse is None:
            break
        total_nanos = _plain_nanos(charge, settings.rounding_decimals)
        purse.correct(total_nanos, total_nanos + charge.rounding_nanos)
    return rounded, books


def _charge_nanos(charge: Charge, decimals: int) -> int:
    once = sum(steps.cost_nanos * steps.count for steps in charge.steps) + charge.rounding_nanos
    return snap_nanos(snap_nanos(once, decimals) * charge.factor, decimals)


def _plain_nanos(charge: Charge, decimals: int) -> int:
    return _charge_nanos(msgspec.structs.replace(charge, rounding_nanos=0), decimals)


def _with_correction(charge: Charge, settings: Settings) -> Charge:
    if not charge.steps or charge.interval is None or charge.rounding_nanos:
        return charge
    first = charge.steps[0]
    if not first.payment.money_uid or first.cost_nanos == 0:
        return charge
    total_nanos = _plain_nanos(charge, settings.rounding_decimals)
    return msgspec.structs.replace(charge, rounding_nanos=correction_nanos(total_nanos, charge.interval))


def _same_rating(one: Charge, other: Charge) -> bool:
    return one.match == other.match and one.interval == other.interval


def _goes_on(last: Steps, following: Steps) -> bool:
    return msgspec.structs.replace(last, count=following.count) == following


def _cut(charge: Charge, wanted_ns: int, kept: list[Charge], surplus: list[Charge]) -> None:
    """Cuts one charge after the step that reaches a usage: whole parts first, then steps of the last part."""
    length_ns = part_ns(charge)
    parts = -(-wanted_ns // length_ns)
    if parts > 1:
        kept.append(msgspec.structs.replace(charge, factor=parts - 1))
    left, right = _cut_steps(charge.steps, wanted_ns - (parts - 1) * length_ns)
    kept.append(msgspec.structs.replace(charge, factor=1, steps=left))
    if right:
        surplus.append(msgspec.structs.replace(charge, factor=1, steps=right))
    if parts < charge.factor:
        surplus.append(msgspec.structs.replace(charge, factor=charge.factor - parts))


def _cut_steps(steps: tuple[Steps, ...], wanted_ns: int) -> tuple[tuple[Steps, ...], tuple[Steps, ...]]:
    left: list[Steps] = []
    right: list[Steps] = []
    for one in steps:
        count = one.count
        if one.duration_ns:
            count = max(0, min(one.count, -(-wanted_ns // one.duration_ns)))
        elif wanted_ns <= 0:
            count = 0
        wanted_ns -= count * one.duration_ns
        if count:
            left.append(msgspec.structs.replace(one, count=count))
        if count < one.count:
            right.append(msgspec.structs.replace(one, count=one.count - count))
    return tuple(left), tuple(right)


def _refund_steps(books: Books, steps: Steps, factor: int, kind: str, *, forgets: bool) -> None:
    payment, count = steps.payment, steps.count * factor
    if payment.unit_uid and not (forgets and not payment.money_uid):
        purse = books.find(payment.account_id, kinds_for(kind)[:1], payment.unit_uid)
        if purse is not None:
            purse.give(round(steps.duration_ns * payment.factor * NANOS), count)
    if payment.money_uid and steps.cost_nanos:
        purse = books.find(payment.account_id, (MONETARY,), payment.money_uid)
        if purse is not None:
            purse.give(steps.cost_nanos, count)
