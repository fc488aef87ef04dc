"""What a client that tells totals was charged, stretch by stretch, kept so that its last total can give back. Pure.

Such a client counts for itself, and the server may have charged a moment more than it says in the end. Every
report adds a stretch to the quota: the state before it and what paid for it. Stretches that one balance paid at
one price, one after the other, become one; most sessions have no more than that.
"""

from collections.abc import Sequence

from ocs.charging.account import Paid, Stretch
from ocs.charging.entry import Entry, EntryKind
from ocs.charging.events import Unit, UsedUnits
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.working import WorkingQuota

MOST_STRETCHES = 32  # of one quota; the oldest become one

Payments = Sequence[tuple[str, Entry]]
"""Debits and write-offs in order, each with the account that paid, empty for the session's own."""


def begun(quota: WorkingQuota, used: UsedUnits, units: int, used_at_ns: int, now_ns: int) -> Stretch:
    """The stretch that `units` more are charged in, before anything is."""
    began_ns = used.at_ns or used_at_ns
    if used.unit is Unit.TIME:
        began_ns = max(began_ns - units, quota.rated_at_ns or 0)
    return Stretch(
        began_ns,
        now_ns,
        quota.used,
        quota.rated,
        quota.cost_nanos,
        quota.rated_at_ns,
        quota.drawn,
        (),
        (),
    )


def note(quota: WorkingQuota, stretch: Stretch, payments: Payments, since_ns: int) -> None:
    """Add a stretch that was paid for to its quota; `since_ns` is when the tariff came that priced it."""
    rules = tuple(dict.fromkeys(entry.rule for _, entry in payments))
    paid = _together(
        [
            Paid(
                account,
                "" if entry.kind is EntryKind.WRITE_OFF else entry.balance_id,
                entry.balance_unit,
                -entry.amount,
            )
            for account, entry in payments
        ]
    )
    stretch = _with(stretch, rules, paid)
    before = quota.stretches
    if before and _continues(before[-1], stretch, quota.unit, since_ns):
        last = before[-1]
        joined = _with(last, last.rules or rules, _together([*last.paid, *paid]))
        quota.stretches = (*before[:-1], joined)
        return
    if len(before) >= MOST_STRETCHES:
        first, second = before[:2]
        rules = tuple(dict.fromkeys((*first.rules, *second.rules)))
        before = (_with(first, rules, _together([*first.paid, *second.paid])), *before[2:])
    quota.stretches = (*before, stretch)


def catalogue_of(stretch: Stretch, catalogue: Catalogue) -> Catalogue:
    """The tariff that a stretch was charged by, as far back as they are kept."""
    while catalogue.former is not None and stretch.charged_at_ns < catalogue.former.until_ns:
        catalogue = catalogue.former.catalogue
    return catalogue


def since_ns(catalogue: Catalogue) -> int:
    """When a tariff took the place of the one before it."""
    return 0 if catalogue.former is None else catalogue.former.until_ns


def _continues(last: Stretch, stretch: Stretch, unit: Unit, since_ns: int) -> bool:
    """Whether both can be told as one: no gap, one price, one payer, or nothing paid for the second."""
    if last.charged_at_ns < since_ns:
        return False
    if unit is Unit.TIME and last.began_ns + stretch.used - last.used != stretch.began_ns:
        return False
    if not stretch.paid:
        return True
    return (
        len(stretch.rules) == len(stretch.paid) == len(last.paid) == 1
        and stretch.rules == last.rules
        and (stretch.paid[0].account, stretch.paid[0].balance_id)
        == (last.paid[0].account, last.paid[0].balance_id)
    )


def _with(stretch: Stretch, rules: tuple[str, ...], paid: tuple[Paid, ...]) -> Stretch:
    return Stretch(
        stretch.began_ns,
        stretch.charged_at_ns,
        stretch.used,
        stretch.rated,
        stretch.cost_nanos,
        stretch.rated_at_ns,
        stretch.drawn,
        rules,
        paid,
    )


def _together(paid: list[Paid]) -> tuple[Paid, ...]:
    """Payments of one balance, one after the other, as one."""
    found: list[Paid] = []
    for each in paid:
        last = found[-1] if found else None
        if last is not None and (last.account, last.balance_id) == (each.account, each.balance_id):
            found[-1] = Paid(each.account, each.balance_id, each.unit, last.amount + each.amount)
        else:
            found.append(each)
    return tuple(found)
