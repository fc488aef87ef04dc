"""Timings.csv and RatingPlans.csv: rules with their windows. Pure.

A timing has no end: it holds from its time of day until midnight, and where several hold the heaviest counts, of
equally heavy ones that which began last. So the choices of a rule are ordered by weight, then by their start.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from ocs.charging.cgrates import values
from ocs.charging.cgrates.csv_folder import Row
from ocs.charging.cgrates.timings import SECOND_NS, predefined_timings
from ocs.charging.events import Unit
from ocs.charging.tariff.import_cgrates.cells import Cells
from ocs.charging.tariff.import_cgrates.rates import ANY, Destination
from ocs.charging.tariff.model import Choice, Rule, Verdict
from ocs.charging.tariff.windows import DAY_S, Period, Window

T = TypeVar("T")
NONE: tuple[int, ...] = ()

TAG, YEARS, MONTHS, MONTH_DAYS, WEEK_DAYS, TIME = range(6)
DESTINATION_RATES, TIMING, WEIGHT = 1, 2, 3
UNITS = {  # of the services a rule may be for
    "voice": Unit.TIME,
    "data": Unit.OCTETS,
    "sms": Unit.EVENTS,
    "mms": Unit.EVENTS,
    "generic": Unit.EVENTS,
}


class Opening(NamedTuple):
    """When a timing holds; no window is always."""

    window: Window | None
    start_s: int


class Priced(NamedTuple):
    """One price of a destination in a plan."""

    destination: Destination
    opening: Opening
    weight: float


class RatingPlan(NamedTuple):
    """What a rating plan asks for every destination, in the order of the destinations."""

    tag: str
    prices: tuple[tuple[str, tuple[Priced, ...]], ...]
    weights: Mapping[float, int]


def read_timings(cells: Cells, rows: tuple[Row, ...], zone: str) -> dict[str, Opening]:
    """Openings by tag, with those that need no row."""
    found = {tag: Opening(None, 0) for tag in predefined_timings()}
    for row in rows:
        found[row.cells[TAG]] = _opening(cells, row, zone)
    return found


def _opening(cells: Cells, row: Row, zone: str) -> Opening:
    start_s = 0
    if row.cells[TIME][:1] not in ("*", "+"):  # else it is a schedule of an action plan
        start_s = cells.read(row, TIME, values.time_of_day_ns, 0) // SECOND_NS
    years, months, month_days, week_days = (
        cells.read(row, column, values.numbers, NONE) for column in (YEARS, MONTHS, MONTH_DAYS, WEEK_DAYS)
    )
    for column, numbers, least, most in (
        (YEARS, years, 1970, 9990),
        (MONTHS, months, 1, 12),
        (MONTH_DAYS, month_days, 1, 31),
        (WEEK_DAYS, week_days, 0, 7),
    ):
        if any(not least <= number <= most for number in numbers):
            cells.error(row, column, f'"{row.cells[column]}" has numbers that are not {least} to {most}')
    if not (start_s or years or months or month_days or week_days):
        return Opening(None, 0)
    period = Period(
        start_s,
        DAY_S,
        frozenset(years) or None,
        frozenset(months) or None,
        frozenset(month_days) or None,
        frozenset((day - 1) % 7 for day in week_days) or None,
    )
    return Opening(Window(row.cells[TAG], (period,), zone), start_s)


def read_rating_plans(
    cells: Cells,
    rows: tuple[Row, ...],
    priced: Mapping[str, list[Destination]],
    timings: Mapping[str, Opening],
    order: Mapping[str, int],
) -> dict[str, RatingPlan]:
    """Rating plans by tag; `order` is the place of a destination in its file, which decides between equals."""
    plans: dict[str, dict[str, list[Priced]]] = {}
    weights: set[float] = {0.0}
    for row in rows:
        by_destination = plans.setdefault(row.cells[TAG], {})
        destinations = _known(cells, row, DESTINATION_RATES, priced, "destination rate")
        opening = _known(cells, row, TIMING, timings, "timing")
        weight = cells.read(row, WEIGHT, values.real, 0.0)
        weights.add(weight)
        if destinations is None or opening is None:
            continue
        for destination in destinations:
            by_destination.setdefault(destination.name, []).append(Priced(destination, opening, weight))
    ranks = _ranks(weights)
    return {tag: _rating_plan(tag, found, ranks, order) for tag, found in plans.items()}


def _known(cells: Cells, row: Row, column: int, known: Mapping[str, T], what: str) -> T | None:
    name = row.cells[column]
    if name not in known:
        cells.unknown(row, column, what, known)
    return known.get(name)


def _ranks(weights: Iterable[float]) -> dict[float, int]:
    """Weights as whole numbers: as they are where all are whole, else their order."""
    ordered = sorted(weights)
    if all(weight.is_integer() for weight in ordered):
        return {weight: int(weight) for weight in ordered}
    return {weight: place for place, weight in enumerate(ordered)}


def _rating_plan(
    tag: str, found: Mapping[str, list[Priced]], ranks: Mapping[float, int], order: Mapping[str, int]
) -> RatingPlan:
    names = sorted(found, key=lambda name: order.get(name, len(order)))
    return RatingPlan(tag, tuple((name, tuple(found[name])) for name in names), ranks)


def rules(plan: RatingPlan, services: tuple[str, ...]) -> tuple[Rule, ...]:
    """The rules of a plan for some services; a rate counts ns, octets or events, as the service does."""
    found: list[Rule] = []
    for name, prices in plan.prices:
        choices = _choices(prices, plan.weights)
        row = prices[0].destination.row
        for service in services:
            rule = Rule(
                f"{plan.tag}:{name}",
                service,
                UNITS[service],
                choices,
                destinations=None if name == ANY else (name,),
                weight=max(choice.weight for choice in choices),
                source=f"{row.file}:{row.line}",
            )
            found.append(rule)
    return tuple(found)


def _choices(prices: tuple[Priced, ...], weights: Mapping[float, int]) -> tuple[Choice, ...]:
    ordered = sorted(prices, key=lambda price: (-price.weight, -price.opening.start_s))
    return tuple(
        Choice(
            Verdict.RATED,
            price.destination.rate,
            price.destination.rate_id,
            price.opening.window,
            weights[price.weight],
        )
        for price in ordered
    )
