"""Rates.csv and DestinationRates.csv: what is paid, and how it is rounded and capped. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from ocs.charging.cgrates import values
from ocs.charging.cgrates.csv_folder import Row
from ocs.charging.events import Unit
from ocs.charging.money import DECIMALS, Rounding, format_nanos
from ocs.charging.rating import CapStrategy, Rate, Slot
from ocs.charging.tariff.difference import units_text
from ocs.charging.tariff.import_cgrates.cells import Cells, Exact, decimals, length, price

TAG, FEE, PRICE, UNIT, INCREMENT, START = range(6)
DESTINATION, RATE, METHOD, PLACES, CAP, STRATEGY = range(1, 7)
ANY = "*any"
METHODS = {"*up": Rounding.UP, "*middle": Rounding.MIDDLE, "*down": Rounding.DOWN}
STRATEGIES = {"*free": CapStrategy.FREE, "*disconnect": CapStrategy.DISCONNECT}
FREE = Exact(0, 1)


class Terms(NamedTuple):
    """All rows of one tag of Rates.csv."""

    fee_nanos: int
    slots: tuple[Slot, ...]


class Destination(NamedTuple):
    """One row of DestinationRates.csv: the price of a destination, `*any` is every number."""

    name: str
    rate_id: str
    rate: Rate
    row: Row


def read_terms(cells: Cells, rows: tuple[Row, ...]) -> dict[str, Terms]:
    """Prices by tag; the fee is that of the first row."""
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.cells[TAG], []).append(row)
    return {tag: _terms(cells, same) for tag, same in grouped.items()}


def _terms(cells: Cells, rows: list[Row]) -> Terms:
    fee = cells.read(rows[0], FEE, price, FREE)
    if fee.scale > 1:
        cells.lose(rows[0], FEE, f"has more than {DECIMALS} decimals; it is rounded up")
    slots: dict[int, Slot] = {}
    for row in rows:
        start = cells.read(row, START, values.length_ns, 0)
        if start in slots:
            cells.warn(row, START, "another row of this tag begins here; the last one counts")
        amount = cells.read(row, PRICE, price, FREE)
        per = cells.read(row, UNIT, length, 1)
        slots[start] = Slot(start, amount.nanos, per * amount.scale, cells.read(row, INCREMENT, length, 1))
    if min(slots) > 0:
        first = units_text(min(slots), Unit.TIME)
        cells.warn(rows[0], START, f"no row of this tag begins at 0; the first {first} cost nothing")
    for row in rows[1:]:
        if cells.read(row, FEE, price, fee) not in (fee, FREE):
            cells.warn(row, FEE, "only the fee in the first row of a tag counts")
    return Terms(-(-fee.nanos // fee.scale), tuple(slots[start] for start in sorted(slots)))


def read_destinations(
    cells: Cells, rows: tuple[Row, ...], terms: Mapping[str, Terms], known: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, list[Destination]], dict[str, Rate]]:
    """Priced destinations by tag, and every rate by its name; equal rates are one."""
    found: dict[str, list[Destination]] = {}
    rates: dict[str, Rate] = {}
    for row in rows:
        found.setdefault(row.cells[TAG], [])
        name, tag = row.cells[DESTINATION], row.cells[RATE]
        if name != ANY and name not in known:
            cells.unknown(row, DESTINATION, "destination", known)
            continue
        if tag not in terms:
            cells.unknown(row, RATE, "rate", terms)
            continue
        rounding, places = _rounding(cells, row)
        cap_nanos, strategy = _cap(cells, row)
        rate_id = _rate_id(tag, rounding, places, cap_nanos, strategy)
        if rate_id not in rates:
            rates[rate_id] = Rate(*terms[tag], rounding, places, cap_nanos, strategy)
        found[row.cells[TAG]].append(Destination(name, rate_id, rates[rate_id], row))
    return found, rates


def _rounding(cells: Cells, row: Row) -> tuple[Rounding, int]:
    """Without a method or with 0 decimals the incumbent does not round a price; here it is rounded to the nano."""
    places = cells.read(row, PLACES, decimals, 0)
    text = row.cells[METHOD]
    if text and text not in METHODS:
        cells.warn(row, METHOD, f'"{text}" is none of {", ".join(METHODS)}; prices are not rounded')
    if not places or text not in METHODS:
        return Rounding.UP, DECIMALS
    return METHODS[text], places


def _cap(cells: Cells, row: Row) -> tuple[int | None, CapStrategy]:
    most = cells.read(row, CAP, price, FREE)
    if not most.nanos:
        return None, CapStrategy.FREE
    if row.cells[STRATEGY] not in STRATEGIES:
        cells.warn(row, STRATEGY, f"is none of {', '.join(STRATEGIES)}; the maximum cost has no effect")
        return None, CapStrategy.FREE
    if most.scale > 1:
        cells.lose(row, CAP, f"has more than {DECIMALS} decimals; it is rounded up")
    return -(-most.nanos // most.scale), STRATEGIES[row.cells[STRATEGY]]


def _rate_id(tag: str, rounding: Rounding, places: int, cap_nanos: int | None, strategy: CapStrategy) -> str:
    """The tag, with what DestinationRates.csv adds to it."""
    name = tag if places == DECIMALS else f"{tag} {rounding.name.lower()} {places}"
    return name if cap_nanos is None else f"{name} max {format_nanos(cap_nanos)} {strategy.name.lower()}"
