"""What a usage would cost, piece by piece, slot by slot, and why: nothing is charged.

Pure. A breakdown is made of the same steps that `rating.price` adds up, so it always sums up to the price.
"""

from fractions import Fraction

import msgspec

from ocs.charging.events import Unit
from ocs.charging.rating import CapStrategy, Rate, price
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Considered, Priced, Query, Verdict


class SlotUse(msgspec.Struct, frozen=True):
    """Started increments of one slot: `increments` of `increment_units` each, at `price_nanos` per `per_units`.

    `cost_nanos` is exact: a whole number, or whole, numerator and denominator as in `1 2/3`.
    """

    start_units: int
    increments: int
    increment_units: int
    price_nanos: int
    per_units: int
    cost_nanos: str


class Breakdown(msgspec.Struct, frozen=True):
    """What units from a position of a rate on cost: fee and slots exactly, then rounding and cap of the session.

    `cost_nanos` is `after_nanos - before_nanos`: the rounded price of the session with these units less without.
    """

    rated_from: int
    units: int
    connect_fee_nanos: int
    slots: tuple[SlotUse, ...]
    exact_nanos: str
    rounding: str
    decimals: int
    cap_nanos: int | None
    cap_strategy: str
    before_nanos: int
    after_nanos: int
    cost_nanos: int


class Piece(msgspec.Struct, frozen=True):
    """A part of a usage at one price."""

    start_ns: int
    units: int
    verdict: str
    plan: str
    rule: str
    rate: str
    destination: str
    prefix: str
    zone: str
    window: str
    breakdown: Breakdown | None


class Tried(msgspec.Struct, frozen=True):
    """A prefix of the called number that the tariff knows, with the destinations it is in."""

    prefix: str
    destinations: tuple[str, ...]


class WhatIf(msgspec.Struct, frozen=True):
    """The price of a usage; `result` is RATED, FREE, DENIED, NO_RULE, or PARTLY where only a part has a price."""

    plan: str
    service: str
    called: str
    rating_group: int | None
    at_ns: int
    unit: str
    units: int
    currency: str
    result: str
    cost_nanos: int
    pieces: tuple[Piece, ...]
    prefixes: tuple[Tried, ...]
    considered: tuple[Considered, ...]
    left_off: int


def what_if(
    catalogue: Catalogue, plan: str, query: Query, units: int, at_ns: int, rated_from: int = 0
) -> WhatIf:
    """What `units` from a moment on cost where `rated_from` units of the session were paid for before."""
    line = catalogue.line(plan, query)
    if line is None:
        priced = [(Priced(Verdict.NO_RULE, None, query.unit), units)]
    elif query.unit is Unit.TIME and units:
        priced = line.split(at_ns, units)
    else:
        priced = [(line.at(at_ns), units)]
    pieces: list[Piece] = []
    position, start_ns = rated_from, at_ns
    for each, part in priced:
        pieces.append(_piece(each, start_ns, position, part))
        position += part if each.rate is not None else 0
        start_ns += part if query.unit is Unit.TIME else 0
    explanation = catalogue.explain(plan, query, at_ns)
    return WhatIf(
        plan,
        query.service,
        query.called,
        query.rating_group,
        at_ns,
        "" if query.unit is None else query.unit.name.lower(),
        units,
        catalogue.currency,
        _result(pieces),
        sum(piece.breakdown.cost_nanos for piece in pieces if piece.breakdown is not None),
        tuple(pieces),
        tuple(Tried(prefix, names) for prefix, names in catalogue.prefixes(query.called)),
        explanation.considered,
        explanation.left_off,
    )


def _result(pieces: list[Piece]) -> str:
    verdicts = {piece.verdict for piece in pieces}
    unpriced = verdicts - {Verdict.RATED.name, Verdict.FREE.name}
    if not unpriced:
        return Verdict.RATED.name if Verdict.RATED.name in verdicts else Verdict.FREE.name
    return unpriced.pop() if len(verdicts) == 1 else "PARTLY"


def _piece(priced: Priced, start_ns: int, position: int, units: int) -> Piece:
    return Piece(
        start_ns,
        units,
        priced.verdict.name,
        priced.plan,
        priced.rule,
        priced.rate_id,
        priced.destination,
        priced.prefix,
        priced.zone,
        priced.window,
        None if priced.rate is None else break_down(priced.rate, position, units),
    )


def break_down(rate: Rate, rated_from: int, units: int) -> Breakdown:
    """The increments behind `price(rate, rated_from + units) - price(rate, rated_from)`."""
    until = rated_from + units
    fee_nanos = rate.connect_fee_nanos if units and not rated_from else 0
    slots: list[SlotUse] = []
    exact = Fraction(fee_nanos)
    for start, end, increment, per_increment, _ in reversed(rate.steps):
        last = until if end is None else min(until, end)
        first = max(rated_from, start)
        if last <= start or (end is not None and first >= end):
            continue
        count = -((start - last) // increment) + (start - first) // increment
        if count:
            amount = Fraction(count * per_increment * rate.quantum, rate.divisor)
            exact += amount
            slots.append(_slot_use(rate, start, count, increment, amount))
    before_nanos, after_nanos = price(rate, rated_from), price(rate, until)
    return Breakdown(
        rated_from,
        units,
        fee_nanos,
        tuple(slots),
        exact_text(exact),
        rate.rounding.name,
        rate.decimals,
        rate.cap_nanos,
        "" if rate.cap_nanos is None else CapStrategy(rate.cap_strategy).name,
        before_nanos,
        after_nanos,
        after_nanos - before_nanos,
    )


def _slot_use(rate: Rate, start: int, count: int, increment: int, amount: Fraction) -> SlotUse:
    """Increments with the terms of their slot: the last one that begins no later, as empty ones are passed over."""
    slot = next((slot for slot in reversed(rate.slots) if slot.start_units <= start), None)
    price_nanos, per_units = (0, 1) if slot is None else (slot.price_nanos, slot.per_units)
    return SlotUse(start, count, increment, price_nanos, per_units, exact_text(amount))


def exact_text(number: Fraction) -> str:
    """A number without loss: `5`, `2/3` or `1 2/3`."""
    whole, rest = divmod(number.numerator, number.denominator)
    if not rest:
        return str(whole)
    return f"{whole} {rest}/{number.denominator}" if whole else f"{rest}/{number.denominator}"
