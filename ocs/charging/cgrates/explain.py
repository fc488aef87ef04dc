"""Why a call cost what it did: from the charges that are stored with it, in words and numbers. Pure.

Plan, destination, prefix, rate, hours, increments and payers are told as they were written down with the debit;
nothing of that is computed again. What lost against them is looked up in the tariff, and told only where that gives
the same price still.
"""

from collections.abc import Iterator, Mapping

import msgspec

from ocs.charging.cgrates import event_cost
from ocs.charging.cgrates.call import Call
from ocs.charging.cgrates.grid import NANOS
from ocs.charging.cgrates.matching import match_call
from ocs.charging.cgrates.model import Charge, Charges, Matched, Steps
from ocs.charging.cgrates.plan import ANY, Activation, RateInterval, RatingPlan, Settings, Tariff, Timing
from ocs.charging.cgrates.session import PAUSE
from ocs.charging.cgrates.spans import slot_at
from ocs.charging.cgrates.timings import is_active, left_margin

MOST_CONSIDERED = 100  # of one charge
CHANGED = "the tariff gives another price by now: what lost then cannot be told"
CHANGED_SINCE = "the tariff was changed after this: what lost then cannot be told"
CHOSEN = "chosen"
SHORTER = "a longer prefix has a price"


class Considered(msgspec.Struct, frozen=True):
    """Something that was looked at: a subject, an activation, a prefix or a rate, and what became of it."""

    what: str
    name: str
    reason: str


class Slot(msgspec.Struct, frozen=True):
    """Where a price begins, and what it is for so many units."""

    start_units: int
    price: float
    per_units: int
    increment_units: int


class Increments(msgspec.Struct, frozen=True):
    """`count` equal steps and who paid each: units of a balance, money of a balance, both or nobody."""

    units: int
    cost_nanos: int
    count: int
    slot: Slot | None = None
    account: str = ""
    unit_balance: str = ""
    unit_nanos: int = 0
    money_balance: str = ""


class Explained(msgspec.Struct, frozen=True):
    """Part of a call at one price, `parts` times the same; `note` says why `considered` is missing."""

    from_units: int
    units: int
    parts: int
    cost_nanos: int
    profile: str
    plan: str
    destination: str
    prefix: str
    rate: str
    hours: str
    weight: float
    rounding: str
    rounding_decimals: int
    correction_nanos: int
    increments: tuple[Increments, ...]
    considered: tuple[Considered, ...] = ()
    note: str = ""


def explain(
    charges: Charges, call: Call, tariff: Tariff | None, settings: Settings, names: Mapping[str, str]
) -> tuple[Explained, ...]:
    """The charges of a call in their order; `names` are the ids of balances by their uids.

    The tariff is None where it was changed after the call.
    """
    found: list[Explained] = []
    used = 0
    for charge in charges:
        found.append(_explained(charge, used, call, tariff, settings, names))
        used += event_cost.part_ns(charge) * charge.factor
    return tuple(found)


def _explained(
    charge: Charge,
    used: int,
    call: Call,
    tariff: Tariff | None,
    settings: Settings,
    names: Mapping[str, str],
) -> Explained:
    match, interval = charge.match, charge.interval
    start_ns = call.start_ns + used
    there = msgspec.structs.replace(
        call, start_ns=start_ns, end_ns=start_ns + max(event_cost.part_ns(charge), 1)
    )
    considered, note = _lost(charge, there, tariff, settings)
    return Explained(
        used,
        event_cost.part_ns(charge),
        charge.factor,
        event_cost.cost_nanos((charge,), settings),
        names.get(match.subject, match.subject),
        match.plan_id,
        match.destination_id,
        match.prefix,
        "" if interval is None else interval.rate.tag,
        "" if interval is None else hours(interval.timing),
        0.0 if interval is None else interval.weight,
        "" if interval is None else interval.rounding.value,
        0 if interval is None else interval.rounding_decimals,
        charge.rounding_nanos,
        tuple(_increments(charge, used, names)),
        considered,
        note,
    )


def _increments(charge: Charge, used: int, names: Mapping[str, str]) -> Iterator[Increments]:
    for steps in charge.steps:
        payment = steps.payment
        yield Increments(
            steps.duration_ns,
            steps.cost_nanos,
            steps.count,
            _slot(charge.interval, used, steps),
            payment.account_id,
            names.get(payment.unit_uid, payment.unit_uid),
            round(steps.duration_ns * payment.factor * NANOS) if payment.unit_uid else 0,
            names.get(payment.money_uid, payment.money_uid),
        )
        used += steps.duration_ns * steps.count


def _slot(interval: RateInterval | None, position: int, steps: Steps) -> Slot | None:
    """The slot that steps are priced by; None for a connect fee."""
    slot = None if interval is None or not steps.duration_ns else slot_at(interval.rate, position)
    return None if slot is None else Slot(slot.start_ns, slot.price, slot.unit_ns, slot.increment_ns)


def hours(timing: Timing) -> str:
    """When a rate holds."""
    parts = [
        f"{name} {','.join(map(str, values))}"
        for name, values in (
            ("years", timing.years),
            ("months", timing.months),
            ("days", timing.month_days),
            ("weekdays", timing.week_days),
        )
        if values
    ]
    seconds = timing.start_ns // NANOS
    if seconds:
        parts.append(f"from {seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}")
    return f"{timing.tag} ({', '.join(parts)})" if parts else timing.tag


# --- what lost


def _lost(
    charge: Charge, call: Call, tariff: Tariff | None, settings: Settings
) -> tuple[tuple[Considered, ...], str]:
    match, interval = charge.match, charge.interval
    if match == PAUSE:
        return (), "the session was paused"
    if not match.subject.startswith("*out:"):
        return (), "units of the balance itself, at its own increment"
    if tariff is None:
        return (), CHANGED_SINCE
    found = match_call(tariff, call, settings)
    plan = tariff.plans.get(match.plan_id)
    if not isinstance(found, Matched) or found.match != match or plan is None:
        return (), CHANGED
    if interval is not None and interval not in found.intervals:
        return (), CHANGED
    considered = [*_subjects(charge, call, tariff), *_prefixes(charge, call, tariff, plan)]
    if interval is not None:
        considered += _rates(interval, call, plan.intervals[match.destination_id])
    return tuple(considered[:MOST_CONSIDERED]), ""


def _subjects(charge: Charge, call: Call, tariff: Tariff) -> Iterator[Considered]:
    """The profile of the subject, what it was left for, and the activations of the one that has the price."""
    profile = charge.match.subject.removeprefix(f"*out:{call.tenant}:{call.category}:")
    if profile != call.subject:
        reason = "it has no profile"
        if (call.tenant, call.category, call.subject) in tariff.profiles:
            reason = "its profile has no price for this, and falls back"
        yield Considered("subject", call.subject, reason)
    activations = tariff.profiles.get((call.tenant, call.category, profile), ())
    begun = [each for each in activations if each.active_ns <= call.start_ns]
    for each in activations:
        yield Considered("plan", _named(each), _of_activation(each, begun, charge.match.plan_id))


def _named(activation: Activation) -> str:
    return activation.plan_id or "none"


def _of_activation(activation: Activation, begun: list[Activation], chosen: str) -> str:
    if activation not in begun:
        return "begins later"
    if activation is begun[-1]:
        return CHOSEN if activation.plan_id == chosen else "has no price for this"
    return f"{_named(begun[-1])} has begun since"


def _prefixes(charge: Charge, call: Call, tariff: Tariff, plan: RatingPlan) -> Iterator[Considered]:
    """Every beginning of the number that is a prefix of some destination, the longest first."""
    match, number = charge.match, call.destination
    is_found = False
    for length in range(len(number), 0, -1) if number != ANY else ():
        prefix = number[:length]
        for name in tariff.destinations.get(prefix, ()):
            is_chosen = (prefix, name) == (match.prefix, match.destination_id)
            reason = CHOSEN if is_chosen else _of_destination(name, call, plan, is_found)
            yield Considered("prefix", f"{prefix} ({name})", reason)
        is_found = is_found or prefix == match.prefix
    if ANY in plan.intervals:
        yield Considered("prefix", ANY, CHOSEN if match.prefix == ANY else SHORTER)


def _of_destination(name: str, call: Call, plan: RatingPlan, is_found: bool) -> str:
    if is_found:
        return SHORTER
    intervals = plan.intervals.get(name)
    if intervals is None:
        return f"plan {plan.plan_id} has no rate for it"
    local_ns = call.start_ns + call.offset_ns
    if not any(is_active(each.timing, local_ns) for each in intervals):
        return "none of its rates holds at this hour"
    return "another destination of this prefix weighs more, or comes first"


def _rates(chosen: RateInterval, call: Call, intervals: tuple[RateInterval, ...]) -> Iterator[Considered]:
    local_ns = call.start_ns + call.offset_ns
    for each in intervals:
        name = f"{each.rate.tag} at {hours(each.timing)}"
        yield Considered("rate", name, CHOSEN if each == chosen else _of_rate(each, chosen, local_ns))


def _of_rate(interval: RateInterval, chosen: RateInterval, local_ns: int) -> str:
    if not is_active(interval.timing, local_ns):
        return "does not hold at this hour"
    if interval.weight < chosen.weight:
        return f"weight {interval.weight:g} against {chosen.weight:g}"
    if left_margin(interval.timing, local_ns) < left_margin(chosen.timing, local_ns):
        return "another one has begun since"
    return "another one is as good and comes first"
