"""Why a session cost what it did: from its stored postings and record, in words and numbers.

Pure. Rules, prefixes, units and balances are told as they were written down with the money; nothing of that is
computed again. The terms of the rates and the rules that lost come from the tariff version that was active then,
and only where they agree with what was written down.
"""

from collections.abc import Callable, Iterable

import msgspec

from ocs.charging.entry import Cdr, Entry, EntryKind, Posting, UsageTotal
from ocs.charging.events import ChargingContext, Unit
from ocs.charging.rating import Rate, without_fee
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Considered, Query, Tariff
from ocs.charging.what_if import Breakdown, Tried, break_down

MEMBERS = {
    Unit.MONEY: "nanos",
    Unit.OCTETS: "octets",
    Unit.TIME: "ns",
    Unit.EVENTS: "events",
    Unit.GENERIC: "points_nanos",
}

CataloguesAt = Callable[[int], list[tuple[int, Catalogue]]]
"""The tariff versions that may have priced something at a moment: the active one, and the one before it."""


class Facts(msgspec.Struct, frozen=True):
    """What is known of a session besides its postings; `plan` is the one it was, or would be, rated by."""

    account: str
    client: str
    session: str
    service: str
    plan: str
    context: ChargingContext
    opened_at_ns: int
    closed_at_ns: int | None = None
    cause: str = ""
    cost_nanos: int = 0
    usage: tuple[UsageTotal, ...] = ()


class BalanceChange(msgspec.Struct, frozen=True):
    """What one balance paid or got, in the order of use; `unit` says what the numbers count."""

    kind: str
    balance: str
    unit: str
    amount: int
    before: int
    after: int


class Decision(msgspec.Struct, frozen=True):
    """Why a usage had its price, as it was written down with the money."""

    text: str
    plan: str = ""
    rule: str = ""
    rate: str = ""
    prefix_or_zone: str = ""
    window: str = ""


class Charge(msgspec.Struct, frozen=True):
    """One usage at one price and the balances that paid it.

    `tariff` is the number of the version active then, None where it is not there any more; `breakdown`, `prefixes`
    and `considered` come from it. `note` says why one of them is missing.
    """

    rating_group: int | None
    unit: str
    units: int
    rated_from: int
    amount_nanos: int
    decision: Decision
    balances: tuple[BalanceChange, ...]
    tariff: int | None = None
    breakdown: Breakdown | None = None
    prefixes: tuple[Tried, ...] = ()
    considered: tuple[Considered, ...] = ()
    left_off: int = 0
    note: str = ""


class Event(msgspec.Struct, frozen=True):
    """What one request of the session, or one act of an operator, changed for good."""

    at_ns: int
    kind: str
    event: int | str
    by: str
    reason: str
    charges: tuple[Charge, ...]


class Usage(msgspec.Struct, frozen=True):
    """All that one rating group used."""

    rating_group: int | None
    unit: str
    units: int
    cost_nanos: int


class Explained(msgspec.Struct, frozen=True):
    """A session with every change it made; `is_complete` where the entries add up to its cost."""

    account: str
    client: str
    session: str
    service: str
    plan: str
    called: str
    apn: str
    opened_at_ns: int
    closed_at_ns: int | None
    cause: str
    cost_nanos: int
    usage: tuple[Usage, ...]
    events: tuple[Event, ...]
    entries_nanos: int
    is_complete: bool


def facts_of(cdrs: Iterable[Cdr], plan: str) -> Facts | None:
    """A closed session from its records, the oldest first; what came late adds to the first."""
    records = list(cdrs)
    if not records:
        return None
    first, last = records[0], records[-1]
    return Facts(
        first.account,
        first.client,
        first.session_id,
        first.service,
        plan,
        last.context,
        first.opened_at_ns,
        last.closed_at_ns,
        first.cause,
        sum(record.cost_nanos for record in records),
        tuple(total for record in records for total in record.usage),
    )


def explain(facts: Facts, postings: Iterable[Posting], catalogues_at: CataloguesAt) -> Explained:
    """A session with its postings, the oldest first."""
    events = tuple(_event(facts, posting, catalogues_at) for posting in postings)
    paid_nanos = sum(charge.amount_nanos for event in events for charge in event.charges)
    context = facts.context
    return Explained(
        facts.account,
        facts.client,
        facts.session,
        facts.service,
        facts.plan,
        context.called,
        context.apn,
        facts.opened_at_ns,
        facts.closed_at_ns,
        facts.cause,
        facts.cost_nanos,
        tuple(
            Usage(total.rating_group, MEMBERS[total.unit], total.used, total.cost_nanos)
            for total in facts.usage
        ),
        events,
        paid_nanos,
        paid_nanos == facts.cost_nanos,
    )


def _event(facts: Facts, posting: Posting, catalogues_at: CataloguesAt) -> Event:
    charges = tuple(_charge(facts, posting, entries, catalogues_at) for entries in _grouped(posting.entries))
    kind = "" if posting.kind is None else posting.kind.name
    return Event(posting.at_ns, kind, posting.event_id, posting.by, posting.reason, charges)


def _grouped(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Entries of one usage together: where several balances pay, the units stand with the first."""
    groups: list[list[Entry]] = []
    for entry in entries:
        if groups and not entry.units and _name(groups[-1][0]) == _name(entry) and _is_charge(entry):
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return groups


def _is_charge(entry: Entry) -> bool:
    return entry.kind in (EntryKind.DEBIT, EntryKind.WRITE_OFF)


def _name(entry: Entry) -> tuple[object, ...]:
    return _is_charge(entry), entry.rating_group, entry.unit, entry.rule, entry.rated_from


def _charge(facts: Facts, posting: Posting, entries: list[Entry], catalogues_at: CataloguesAt) -> Charge:
    first = entries[0]
    decision = read_decision(first.rule)
    amount_nanos = -sum(entry.amount for entry in entries if entry.balance_unit is Unit.MONEY)
    charge = Charge(
        first.rating_group,
        "" if first.unit is None else MEMBERS[first.unit],
        first.units,
        first.rated_from,
        amount_nanos,
        decision,
        tuple(
            _change(entry, "" if posting.account == facts.account else posting.account) for entry in entries
        ),
    )
    if not decision.plan or not _is_charge(first):
        return charge
    told: list[Charge] = []
    for number, catalogue in catalogues_at(posting.at_ns):
        told.append(_with_tariff(facts, posting.at_ns, first, charge, number, catalogue))
        if not told[-1].note:
            return told[-1]
    if not told:
        return msgspec.structs.replace(charge, note="the tariff of that time is not there any more")
    return told[0]


def _change(entry: Entry, owner: str) -> BalanceChange:
    """A write-off changes no balance; one of another account is named with it."""
    before = entry.after if entry.kind is EntryKind.WRITE_OFF else entry.after - entry.amount
    unit = MEMBERS[entry.balance_unit]
    name = f"{owner}/{entry.balance_id}" if owner else entry.balance_id
    return BalanceChange(entry.kind.name, name, unit, entry.amount, before, entry.after)


def read_decision(text: str) -> Decision:
    """The parts of an entry's rule; a text that is no price (`bundle`, `topup`) stands alone."""
    if text.count("|") < 4:
        return Decision(text)
    plan, rest = text.split("|", 1)
    rule, rate, place, window = rest.rsplit("|", 3)
    return Decision(text, plan, rule, rate, place, window)


def _with_tariff(
    facts: Facts, at_ns: int, entry: Entry, charge: Charge, number: int, catalogue: Catalogue
) -> Charge:
    """The charge with what the tariff of its time adds to it."""
    notes: list[str] = []
    rate = find_rate(catalogue.tariff, charge.decision)
    breakdown = None if rate is None else break_down(rate, charge.rated_from, charge.units)
    if rate is not None and breakdown is not None and breakdown.cost_nanos != charge.amount_nanos:
        breakdown = break_down(without_fee(rate), charge.rated_from, charge.units)  # due to another price
    if breakdown is None or breakdown.cost_nanos != charge.amount_nanos:
        notes.append(f'tariff version {number} has other terms for rate "{charge.decision.rate}"')
        breakdown = None
    context = facts.context
    query = Query(
        facts.service,
        entry.unit,
        entry.rating_group,
        None,
        context.called,
        context.apn,
        context.plmn,
        context.category,
        context.rat,
        catalogue.facts(context.extra),
    )
    began_ns = at_ns - entry.units if entry.unit is Unit.TIME else at_ns
    plans = dict.fromkeys((facts.plan, charge.decision.plan))  # the second one is that of a balance's subject
    for plan, moment_ns in [(plan, moment_ns) for plan in plans for moment_ns in (at_ns, began_ns)]:
        explanation = catalogue.explain(plan, query, moment_ns)
        priced = explanation.priced
        told = (priced.plan, priced.rule, priced.rate_id, priced.prefix or priced.zone, priced.window)
        if "|".join(told) == charge.decision.text:
            break
    else:
        notes.append("which other rules were looked at cannot be told from what is kept")
        return msgspec.structs.replace(charge, tariff=number, breakdown=breakdown, note="; ".join(notes))
    return msgspec.structs.replace(
        charge,
        tariff=number,
        breakdown=breakdown,
        prefixes=tuple(Tried(prefix, names) for prefix, names in catalogue.prefixes(context.called)),
        considered=explanation.considered,
        left_off=explanation.left_off,
        note="; ".join(notes),
    )


def find_rate(tariff: Tariff, decision: Decision) -> Rate | None:
    """The rate a decision names; one written in place is found at its rule."""
    named = tariff.rates.get(decision.rate)
    if named is not None:
        return named
    plan = next((plan for plan in tariff.plans if plan.name == decision.plan), None)
    for version in () if plan is None else plan.versions:
        for rule in version.rules:
            if rule.name == decision.rule:
                for choice in rule.choices:
                    if choice.rate_id == decision.rate:
                        return choice.rate
    return None
