"""Why a session cost what it did: from its stored postings and record, in words and numbers.

Pure. Rules, prefixes, units and balances are told as they were written down with the money; nothing of that is
computed again. The terms of the rates and the rules that lost come from the tariff version that was active then,
and only where they agree with what was written down.
"""

from collections.abc import Callable, Iterable

import msgspec

from ocs.charging.cdr import CAUSE_LATE, ORIGIN_ID, SESSION_API
from ocs.charging.entry import Cdr, Entry, EntryKind, Posting, UsageTotal
from ocs.charging.events import ChargingContext, Unit
from ocs.charging.rating import Rate, price, without_fee
from ocs.charging.rerate import CAUSE_REFUNDED, CAUSE_RERATED
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Considered, Query, Tariff, Verdict
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
    """A session with every change it made; `is_complete` where the entries add up to its cost.

    `free` is what was used and made no entry, with what the tariff says of it.
    """

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
    free: tuple[Charge, ...] = ()


def is_called(cdr: Cdr, name: str) -> bool:
    """Whether a record is that of a session of this name, which in the session API is its OriginID or its CGRID."""
    if cdr.session_id == name:
        return True
    if cdr.client != SESSION_API:
        return False
    return cdr.session_id.startswith(f"{name}:") or (ORIGIN_ID, name) in cdr.context.extra


def adds(cdr: Cdr) -> bool:
    """Whether a record adds to another one, that its session ended with."""
    return cdr.cause in (CAUSE_LATE, CAUSE_RERATED, CAUSE_REFUNDED)


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
    events = tuple(_event(facts, together, catalogues_at) for together in _by_event(facts, postings))
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
        tuple(_unpaid(facts, total, catalogues_at) for total in facts.usage if _is_unpaid(total, events)),
    )


def used_at_ns(facts: Facts) -> int:
    """The moment at which usage that made no entry is looked up in the tariff: when the session began."""
    return facts.opened_at_ns


def _is_unpaid(total: UsageTotal, events: tuple[Event, ...]) -> bool:
    """Whether a rating group used units that no entry is about: free ones, and those that are only rated."""
    told = {(charge.rating_group, charge.unit) for event in events for charge in event.charges}
    return bool(total.used) and (total.rating_group, MEMBERS[total.unit]) not in told


def _unpaid(facts: Facts, total: UsageTotal, catalogues_at: CataloguesAt) -> Charge:
    """What the tariff says of a usage that made no entry."""
    cost_nanos = total.cost_nanos
    nothing = Charge(total.rating_group, MEMBERS[total.unit], total.used, 0, cost_nanos, Decision(""), ())
    moment_ns = used_at_ns(facts)
    for number, catalogue in catalogues_at(moment_ns):
        query = _query(facts, total.unit, total.rating_group, catalogue)
        explanation = catalogue.explain(facts.plan, query, moment_ns)
        priced = explanation.priced
        rule = (priced.plan, priced.rule, priced.rate_id, priced.prefix or priced.zone, priced.window)
        told = read_decision("|".join(rule)) if priced.rule else Decision(priced.verdict.name.lower())
        found = msgspec.structs.replace(
            nothing,
            decision=told,
            tariff=number,
            prefixes=tuple(
                Tried(prefix, names) for prefix, names in catalogue.prefixes(facts.context.called)
            ),
            considered=explanation.considered,
            left_off=explanation.left_off,
        )
        if priced.rate is None:
            is_so = priced.verdict is Verdict.FREE and not cost_nanos
        else:
            is_so = price(priced.rate, total.used) == cost_nanos
            breakdown = break_down(priced.rate, 0, total.used) if is_so and cost_nanos else None
            found = msgspec.structs.replace(found, breakdown=breakdown)
        note = "" if is_so else "what it cost does not follow from this price alone"
        return msgspec.structs.replace(found, note=note)
    return msgspec.structs.replace(nothing, note="the tariff of that time is not there any more")


def _query(facts: Facts, unit: Unit | None, rating_group: int | None, catalogue: Catalogue) -> Query:
    context = facts.context
    return Query(
        facts.service,
        unit,
        rating_group,
        None,
        context.called,
        context.apn,
        context.plmn,
        context.category,
        context.rat,
        catalogue.facts(context.extra),
    )


Paid = tuple[str, Entry]
"""An entry with the account it is on; empty where that is the session's own."""


def _by_event(facts: Facts, postings: Iterable[Posting]) -> list[list[Posting]]:
    """Postings of one event or act on several accounts together, that of the session's own account first."""
    found: dict[tuple[object, ...], list[Posting]] = {}
    for posting in postings:
        found.setdefault((posting.kind, posting.event_id, posting.at_ns), []).append(posting)
    return [sorted(together, key=lambda each: each.account != facts.account) for together in found.values()]


def _event(facts: Facts, postings: list[Posting], catalogues_at: CataloguesAt) -> Event:
    first = postings[0]
    paid = [
        ("" if posting.account == facts.account else posting.account, entry)
        for posting in postings
        for entry in posting.entries
    ]
    charges = tuple(_charge(facts, first.at_ns, each, catalogues_at) for each in _grouped(paid))
    kind = "" if first.kind is None else first.kind.name
    reason = first.reason if first.account == facts.account else ""
    return Event(first.at_ns, kind, first.event_id, first.by, reason, charges)


def _grouped(paid: Iterable[Paid]) -> list[list[Paid]]:
    """Entries of one usage together: where several balances pay, the units stand with the first."""
    groups: list[list[Paid]] = []
    rest: list[Paid] = []  # of what a member of a group paid first
    for account, entry in paid:
        if entry.units or not _is_charge(entry):
            groups.append([(account, entry)])
        elif not _joins(groups, account, entry):
            rest.append((account, entry))
    for account, entry in rest:
        if not _joins(groups, account, entry):
            groups.append([(account, entry)])
    return groups


def _joins(groups: list[list[Paid]], account: str, entry: Entry) -> bool:
    """Puts an entry with those of its usage, where they are there already."""
    for group in reversed(groups):
        if _name(group[0][1]) == _name(entry):
            group.append((account, entry))
            return True
    return False


def _is_charge(entry: Entry) -> bool:
    return entry.kind in (EntryKind.DEBIT, EntryKind.WRITE_OFF)


def _name(entry: Entry) -> tuple[object, ...]:
    return _is_charge(entry), entry.rating_group, entry.unit, entry.rule, entry.rated_from


def _charge(facts: Facts, at_ns: int, paid: list[Paid], catalogues_at: CataloguesAt) -> Charge:
    first = paid[0][1]
    decision = read_decision(first.rule)
    amount_nanos = -sum(entry.amount for _, entry in paid if entry.balance_unit is Unit.MONEY)
    charge = Charge(
        first.rating_group,
        "" if first.unit is None else MEMBERS[first.unit],
        first.units,
        first.rated_from,
        amount_nanos,
        decision,
        tuple(_change(entry, account) for account, entry in paid),
    )
    if not decision.plan or not _is_charge(first):
        return charge
    told: list[Charge] = []
    for number, catalogue in catalogues_at(at_ns):
        told.append(_with_tariff(facts, at_ns, first, charge, number, catalogue))
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
    query = _query(facts, entry.unit, entry.rating_group, catalogue)
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
        prefixes=tuple(Tried(prefix, names) for prefix, names in catalogue.prefixes(facts.context.called)),
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
