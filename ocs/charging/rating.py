"""Rating: units to nanos and back, exact and in closed form.

Pure. A `Rate` keeps its own terms (price per so many units, increment); prices are exact rationals over one
common denominator and rounded once, by `money`. Nothing here loops over increments, only over slots, so a
terabyte costs as much time as a kilobyte. Units are octets, ns of time, or events.

A price is always that of the *first* `units` of a session; what a part costs is a difference of two prices.
Rounding therefore never adds up over reports.
"""

import math
from enum import IntEnum
from typing import NamedTuple

import msgspec
from msgspec.structs import force_setattr

from ocs.charging.money import DECIMALS, Rounding, largest_numerator, round_quotient


class CapStrategy(IntEnum):
    """What happens when a session has cost the most it may cost."""

    FREE = 1  # it goes on for nothing
    DISCONNECT = 2  # nothing more can be afforded


class Slot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a session costs from `start_units` on: every started increment, at a price per so many units."""

    start_units: int
    price_nanos: int
    per_units: int
    increment_units: int


class Step(NamedTuple):
    """A slot ready to compute with: numerators over the rate's common denominator.

    `base` is the exact price of all before `start` with the connect fee; `end` is None in the last one.
    """

    start: int
    end: int | None
    increment: int
    per_increment: int
    base: int


class Rate(msgspec.Struct, frozen=True):
    """A connect fee and slots; the last three fields are derived.

    Before the first slot units are free. The last increment of a slot may reach beyond the start of the next
    one, which then begins where that increment ends: no unit is paid twice. `decimals` and `rounding` apply
    to the total price, then `cap_nanos` does.
    """

    connect_fee_nanos: int = 0
    slots: tuple[Slot, ...] = ()
    rounding: Rounding = Rounding.UP
    decimals: int = DECIMALS
    cap_nanos: int | None = None
    cap_strategy: CapStrategy = CapStrategy.FREE
    quantum: int = 1  # nanos the total is rounded to
    divisor: int = 1  # common denominator x quantum, in lowest terms with what it divides
    steps: tuple[Step, ...] = ()  # last slot first

    def __post_init__(self) -> None:
        _check(self)
        denominator = math.lcm(*(slot.per_units for slot in self.slots))
        quantum = 10 ** (DECIMALS - self.decimals)
        divisor, steps = _lowest_terms(
            denominator * quantum, _steps(self.connect_fee_nanos, self.slots, denominator)
        )
        force_setattr(self, "quantum", quantum)
        force_setattr(self, "divisor", divisor)
        force_setattr(self, "steps", steps)


def price(rate: Rate, units: int) -> int:
    """Nanos for the first `units` of a session; nothing used costs nothing, not even the connect fee."""
    for start, _, increment, per_increment, base in rate.steps:
        if units > start:
            numerator = base - (start - units) // increment * per_increment
            nanos = round_quotient(numerator, rate.divisor, rate.rounding) * rate.quantum
            cap = rate.cap_nanos
            if cap is not None and nanos > cap and rate.cap_strategy is CapStrategy.FREE:
                return cap
            return nanos
    return 0


def cost(rate: Rate, before: int, units: int) -> int:
    """Nanos for `units` more after `before`; the rest of an increment already paid for is free."""
    return price(rate, before + units) - price(rate, before)


def affordable(rate: Rate, before: int, nanos: int) -> int | None:
    """The most units after `before` that cost at most `nanos`; None where there is no end to them.

    What is left of an increment already paid for counts, also when `nanos` is zero or less.
    """
    limit = price(rate, before) + max(nanos, 0)
    cap = rate.cap_nanos
    if cap is not None and limit >= cap:
        if rate.cap_strategy is CapStrategy.FREE:
            return None
        limit = cap
    total = _affordable_total(rate, limit)
    return None if total is None else max(total - before, 0)


def not_dearer(rate: Rate, before: int, units: int, limit: tuple[int, int]) -> int:
    """How many of `units` after `before` lie ahead of the first slot dearer than `limit`: nanos, for so many."""
    nanos, per_units = limit
    for index, slot in enumerate(rate.slots):
        is_over = index + 1 < len(rate.slots) and rate.slots[index + 1].start_units <= before
        if not is_over and slot.price_nanos * per_units > nanos * slot.per_units:
            return min(units, max(slot.start_units - before, 0))
    return units


def started(rate: Rate, units: int) -> int:
    """`units` with the rest of the increment begun last: what the first units take from a balance of units."""
    for start, _, increment, _, _ in rate.steps:
        if units > start:
            return start - (start - units) // increment * increment
    return 0


def fitting(rate: Rate, units: int) -> int:
    """The most first units whose started increments are no more than `units`: the inverse of `started`."""
    for start, end, increment, _, _ in rate.steps:
        if units >= start + increment:
            total = start + (units - start) // increment * increment
            return total if end is None else min(total, end)
    return 0


def without_fee(rate: Rate) -> Rate:
    """The same rate for a session that has paid a connect fee already."""
    return msgspec.structs.replace(rate, connect_fee_nanos=0) if rate.connect_fee_nanos else rate


def without_cap(rate: Rate) -> Rate:
    """The same rate for what is charged whatever it comes to."""
    return rate if rate.cap_nanos is None else msgspec.structs.replace(rate, cap_nanos=None)


def is_free(rate: Rate) -> bool:
    """Whether no amount of units costs anything."""
    last = rate.steps[0]
    is_capped = rate.cap_nanos == 0 and rate.cap_strategy is CapStrategy.FREE
    return is_capped or (last.base == 0 and last.per_increment == 0)


def _affordable_total(rate: Rate, limit: int) -> int | None:
    """The largest number of first units whose price is at most `limit`, caps aside."""
    most = largest_numerator(limit // rate.quantum, rate.divisor, rate.rounding)
    for start, end, increment, per_increment, base in rate.steps:
        room = most - base
        if room < per_increment or room < 0:
            continue
        if per_increment == 0:
            return end
        total = start + room // per_increment * increment
        return total if end is None else min(total, end)
    return 0


def _steps(connect_fee_nanos: int, slots: tuple[Slot, ...], denominator: int) -> tuple[Step, ...]:
    """The slots with their starts moved to where the increments before them end, last one first."""
    if not slots or slots[0].start_units > 0:
        slots = (Slot(0, 0, 1, 1), *slots)
    steps: list[Step] = []
    start, base = 0, connect_fee_nanos * denominator
    for index, slot in enumerate(slots):
        per_increment = slot.price_nanos * slot.increment_units * (denominator // slot.per_units)
        if index + 1 == len(slots):
            steps.append(Step(start, None, slot.increment_units, per_increment, base))
            break
        count = max(-(-(slots[index + 1].start_units - start) // slot.increment_units), 0)
        if count:
            end = start + count * slot.increment_units
            steps.append(Step(start, end, slot.increment_units, per_increment, base))
            start, base = end, base + count * per_increment
    return tuple(reversed(steps))


def _lowest_terms(divisor: int, steps: tuple[Step, ...]) -> tuple[int, tuple[Step, ...]]:
    """The same prices with the smallest numbers: what fits a machine word is computed several times faster."""
    common = math.gcd(divisor, *(step.per_increment for step in steps), *(step.base for step in steps))
    return divisor // common, tuple(
        step._replace(per_increment=step.per_increment // common, base=step.base // common) for step in steps
    )


def _check(rate: Rate) -> None:
    """ValueError for terms that cannot be rated; readers report them with their place in the file."""
    if rate.connect_fee_nanos < 0 or (rate.cap_nanos is not None and rate.cap_nanos < 0):
        raise ValueError("a connect fee or a maximum cost is never negative")
    if not 0 <= rate.decimals <= DECIMALS:
        raise ValueError(f"a price is rounded to 0 to {DECIMALS} decimals")
    last = -1
    for slot in rate.slots:
        if slot.start_units <= last:
            raise ValueError("slots start one after the other, the first at 0 or later")
        if slot.price_nanos < 0 or slot.per_units <= 0 or slot.increment_units <= 0:
            raise ValueError("a slot has a price of 0 or more, for and in increments of at least one unit")
        last = slot.start_units
