"""The parts of a tariff file about prices: rates and their slots.

Pure. Works on `Field`s; what is wrong is recorded there.
"""

from functools import partial

import msgspec

from ocs.charging.events import Unit
from ocs.charging.money import DECIMALS, Rounding
from ocs.charging.rating import CapStrategy, Rate, Slot
from ocs.charging.tariff.quantities import amount_nanos, quantity, whole
from ocs.charging.tariff.yaml_marks import Field, closest

SLOT_KEYS = ("from", "price", "per", "increment")
RATE_KEYS = ("unit", "connect_fee", "slots", "rounding", "max_cost", *SLOT_KEYS[1:])
UNITS = {"octets": Unit.OCTETS, "time": Unit.TIME, "events": Unit.EVENTS}
ROUNDINGS = {"up": Rounding.UP, "middle": Rounding.MIDDLE, "down": Rounding.DOWN}
STRATEGIES = {"free": CapStrategy.FREE, "disconnect": CapStrategy.DISCONNECT}


class ReadRate(msgspec.Struct, frozen=True):
    """A rate with the units it can count; one that is wrong in the file is free and counts anything."""

    rate: Rate
    units: frozenset[Unit] = frozenset(UNITS.values())


class _Quantities:
    """The quantities of one rate, which must all count the same."""

    def __init__(self, field: Field | None) -> None:
        name = None if field is None else field.name_of(UNITS, "unit")
        self.unit = None if name is None else UNITS[name]
        self.has_bare = False

    def read(self, field: Field) -> int | None:
        found = field.value(quantity)
        if found is None:
            return None
        units, unit = found
        if unit is None:
            self._read_bare(field, units)
        elif self.unit is None:
            self.unit = unit
        elif unit != self.unit:
            field.problem(f"counts {unit.name.lower()}, the rest of the rate {self.unit.name.lower()}")
        if self.unit is Unit.TIME and self.has_bare:
            field.problem("time needs a unit such as 60s")
            self.has_bare = False
        return units

    def _read_bare(self, field: Field, units: int) -> None:
        if units and self.unit is Unit.TIME:
            field.problem(f'"{units}" has no unit', f"{units}s")
        elif units and self.unit is None:
            self.has_bare = True

    @property
    def units(self) -> frozenset[Unit]:
        if self.unit is not None:
            return frozenset({self.unit})
        return frozenset({Unit.OCTETS, Unit.EVENTS} if self.has_bare else UNITS.values())


def read_rates(field: Field | None) -> dict[str, ReadRate]:
    """Named rates."""
    return {name: read_rate(item) for name, item in ({} if field is None else field.entries()).items()}


def read_rate(field: Field) -> ReadRate:
    """One rate, with slots or, where there is one slot, without."""
    members = field.members(RATE_KEYS)
    quantities = _Quantities(members.get("unit"))
    slots = _slots(field, members, quantities)
    fee = _amount(members.get("connect_fee"))
    rounding, decimals = _rounding(members.get("rounding"))
    cap_nanos, strategy = _max_cost(members.get("max_cost"))
    try:
        rate = Rate(fee, slots, rounding, decimals, cap_nanos, strategy)
    except ValueError as error:
        field.problem(str(error))
        return ReadRate(Rate())
    return ReadRate(rate, quantities.units)


def _slots(field: Field, members: dict[str, Field], quantities: _Quantities) -> tuple[Slot, ...]:
    alone = [name for name in SLOT_KEYS if name in members]
    if "slots" not in members:
        if not alone and "connect_fee" not in members:
            field.problem("has neither a price nor slots nor a connect_fee")
        slot = _slot(field, members, quantities, 0) if alone else None
        return () if slot is None else (slot,)
    for name in alone:
        members[name].problem("belongs into the slots where there are slots")
    found: list[Slot] = []
    for item in members["slots"].items():
        parts = item.members(SLOT_KEYS)
        start = quantities.read(parts["from"]) if "from" in parts else 0
        if not found and start:
            parts["from"].problem("the first slot begins at 0")
        elif found and start is not None and start <= found[-1].start_units:
            parts.get("from", item).problem("a slot begins after the one before it")
        elif (slot := _slot(item, parts, quantities, start or 0)) is not None:
            found.append(slot)
    return tuple(found)


def _slot(field: Field, members: dict[str, Field], quantities: _Quantities, start: int) -> Slot | None:
    """One slot; only what is counted one by one may leave out what it is counted by."""
    if "price" not in members:
        field.problem("price is missing")
        return None
    price_nanos = members["price"].value(amount_nanos)
    per_units = _step(field, members, "per", quantities)
    increment_units = _step(field, members, "increment", quantities)
    if price_nanos is None or not per_units or not increment_units:
        return None
    return Slot(start, price_nanos, per_units, increment_units)


def _step(field: Field, members: dict[str, Field], name: str, quantities: _Quantities) -> int | None:
    if name in members:
        units = quantities.read(members[name])
        if units == 0:
            members[name].problem("must be more than 0")
        return units
    if quantities.unit in (Unit.TIME, Unit.OCTETS):
        field.problem(f"{name} is missing")
        return None
    quantities.unit = Unit.EVENTS
    return 1


def _amount(field: Field | None) -> int:
    return 0 if field is None else field.value(amount_nanos) or 0


def _rounding(field: Field | None) -> tuple[Rounding, int]:
    """`{method: up, decimals: 4}`; up to the nano unless the file says otherwise."""
    members = {} if field is None else field.members(("method", "decimals"))
    method, decimals = Rounding.UP, None
    if "method" in members and (name := members["method"].name_of(ROUNDINGS, "rounding method")):
        method = ROUNDINGS[name]
    if "decimals" in members:
        decimals = members["decimals"].value(partial(whole, least=0, most=DECIMALS))
    return method, DECIMALS if decimals is None else decimals


def _max_cost(field: Field | None) -> tuple[int | None, CapStrategy]:
    """`{amount: "3", strategy: free}`."""
    if field is None:
        return None, CapStrategy.FREE
    members = field.members(("amount", "strategy"))
    strategy = "free"
    if "strategy" in members:
        strategy = members["strategy"].text() or strategy
    if strategy not in STRATEGIES:
        members["strategy"].problem(f'there is no strategy "{strategy}"', closest(strategy, STRATEGIES))
    if "amount" not in members:
        field.problem("amount is missing")
        return None, CapStrategy.FREE
    return members["amount"].value(amount_nanos), STRATEGIES.get(strategy, CapStrategy.FREE)
