"""Joins the rows of a tariff folder into a `Tariff`; every unusable cell becomes a problem with its place."""

import json
from collections.abc import Callable, Mapping
from typing import TypeVar

from ocs.charging.cgrates import values
from ocs.charging.cgrates.actions_model import (
    AccountAction,
    Action,
    ActionPlanEntry,
    ActionTrigger,
    BalanceFilter,
)
from ocs.charging.cgrates.csv_folder import Problem, Row, Rows
from ocs.charging.cgrates.grid import DECIMALS_MAX, NANOS, Rounding, nanos_from_decimal
from ocs.charging.cgrates.plan import (
    ANY,
    Activation,
    Rate,
    RateInterval,
    RatingPlan,
    SharedGroup,
    Slot,
    Tariff,
    Timing,
)
from ocs.charging.cgrates.timings import predefined_timings

T = TypeVar("T")
_SECOND_NS = NANOS
ANY_NUMBER: tuple[int, ...] = ()


class _Reader:
    """Collects problems while cells are read; an unusable cell gives the fallback value."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def cell(self, row: Row, column: int, parse: Callable[[str], T], fallback: T) -> T:
        try:
            return parse(row.cells[column])
        except ValueError as error:
            self.problems.append(row.problem(column, str(error)))
            return fallback

    def known(self, row: Row, column: int, names: Mapping[str, T]) -> T | None:
        found = names.get(row.cells[column])
        if found is None:
            self.problems.append(row.problem(column, f"unknown: {row.cells[column]!r}"))
        return found


def compile_tariff(
    rows: Rows, known_timings: Mapping[str, Timing] | None = None
) -> tuple[Tariff, tuple[Problem, ...]]:
    """The tariff of all rows, with whatever could not be used told as problems; rows may name known timings."""
    read = _Reader()
    timings = {
        **predefined_timings(),
        **(known_timings or {}),
        **{row.cells[0]: _timing(read, row) for row in rows.get("Timings.csv", ())},
    }
    rates = _rates(read, rows.get("Rates.csv", ()))
    destination_rates = _destination_rates(read, rows.get("DestinationRates.csv", ()), rates)
    tariff = Tariff(
        destinations=_destinations(rows.get("Destinations.csv", ())),
        plans=_plans(read, rows.get("RatingPlans.csv", ()), destination_rates, timings),
        profiles=_profiles(read, rows.get("RatingProfiles.csv", ())),
        timings=timings,
        shared_groups=_shared_groups(rows.get("SharedGroups.csv", ())),
        actions=_grouped(
            [_action(read, row) for row in rows.get("Actions.csv", ())], lambda action: action.tag
        ),
        action_plans=_grouped(
            [_plan_entry(read, row) for row in rows.get("ActionPlans.csv", ())], lambda e: e.tag
        ),
        action_triggers=_grouped(
            [_trigger(read, row) for row in rows.get("ActionTriggers.csv", ())], lambda t: t.tag
        ),
        account_actions=tuple(_account_action(read, row) for row in rows.get("AccountActions.csv", ())),
    )
    return tariff, tuple(read.problems)


def _timing(read: _Reader, row: Row) -> Timing:
    week_days = read.cell(row, 4, values.numbers, ANY_NUMBER)
    schedule = row.cells[5] if row.cells[5][:1] in ("*", "+") else ""
    return Timing(
        tag=row.cells[0],
        years=read.cell(row, 1, values.numbers, ANY_NUMBER),
        months=read.cell(row, 2, values.numbers, ANY_NUMBER),
        month_days=read.cell(row, 3, values.numbers, ANY_NUMBER),
        week_days=tuple(sorted({day % 7 for day in week_days})),
        start_ns=0 if schedule else read.cell(row, 5, values.time_of_day_ns, 0),
        schedule=schedule,
    )


def _destinations(rows: tuple[Row, ...]) -> dict[str, tuple[str, ...]]:
    by_prefix: dict[str, dict[str, None]] = {}
    for row in rows:
        by_prefix.setdefault(row.cells[1], {})[row.cells[0]] = None
    return {prefix: tuple(ids) for prefix, ids in by_prefix.items()}


def _rates(read: _Reader, rows: tuple[Row, ...]) -> dict[str, Rate]:
    slots: dict[str, list[Slot]] = {}
    fees: dict[str, int] = {}
    for row in rows:
        fees.setdefault(row.cells[0], read.cell(row, 1, _nanos, 0))
        slot = Slot(
            start_ns=read.cell(row, 5, values.length_ns, 0),
            price=read.cell(row, 2, values.real, 0.0),
            unit_ns=read.cell(row, 3, values.length_ns, 0) or _SECOND_NS,
            increment_ns=read.cell(row, 4, values.length_ns, 0) or _SECOND_NS,
        )
        slots.setdefault(row.cells[0], []).append(slot)
    return {
        tag: Rate(tag, fees[tag], tuple(sorted(found, key=lambda slot: slot.start_ns)))
        for tag, found in slots.items()
    }


def _destination_rates(
    read: _Reader, rows: tuple[Row, ...], rates: Mapping[str, Rate]
) -> dict[str, list[tuple[str, RateInterval]]]:
    """(destination id, interval without timing and weight) by tag."""
    found: dict[str, list[tuple[str, RateInterval]]] = {}
    for row in rows:
        rate = read.known(row, 2, rates)
        if rate is None:
            continue
        interval = RateInterval(
            timing=Timing(tag=""),
            weight=0.0,
            rate=rate,
            rounding=_rounding(row.cells[3]),
            rounding_decimals=read.cell(row, 4, _decimals, 0),
            max_cost_nanos=read.cell(row, 5, _nanos, 0),
            max_cost_strategy=row.cells[6],
        )
        found.setdefault(row.cells[0], []).append((row.cells[1], interval))
    return found


def _plans(
    read: _Reader,
    rows: tuple[Row, ...],
    destination_rates: Mapping[str, list[tuple[str, RateInterval]]],
    timings: Mapping[str, Timing],
) -> dict[str, RatingPlan]:
    plans: dict[str, dict[str, list[RateInterval]]] = {}
    for row in rows:
        timing = read.known(row, 2, timings)
        priced = read.known(row, 1, destination_rates)
        if timing is None or priced is None:
            continue
        weight = read.cell(row, 3, values.real, 0.0)
        by_destination = plans.setdefault(row.cells[0], {})
        for destination_id, blank in priced:
            interval = RateInterval(
                timing,
                weight,
                blank.rate,
                blank.rounding,
                blank.rounding_decimals,
                blank.max_cost_nanos,
                blank.max_cost_strategy,
            )
            by_destination.setdefault(destination_id, []).append(interval)
    return {
        plan_id: RatingPlan(plan_id, {name: tuple(intervals) for name, intervals in found.items()})
        for plan_id, found in plans.items()
    }


def _profiles(read: _Reader, rows: tuple[Row, ...]) -> dict[tuple[str, str, str], tuple[Activation, ...]]:
    found: dict[tuple[str, str, str], list[Activation]] = {}
    for row in rows:
        activation = Activation(
            read.cell(row, 3, values.instant_ns, 0), row.cells[4], values.words(row.cells[5])
        )
        found.setdefault((row.cells[0], row.cells[1], row.cells[2]), []).append(activation)
    return {key: tuple(sorted(entries, key=lambda entry: entry.active_ns)) for key, entries in found.items()}


def _shared_groups(rows: tuple[Row, ...]) -> dict[str, SharedGroup]:
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row.cells[0], {})[row.cells[1] or ANY] = row.cells[2]
    return {tag: SharedGroup(tag, strategies) for tag, strategies in found.items()}


def _action(read: _Reader, row: Row) -> Action:
    formula = row.cells[12].startswith("{")
    balance = BalanceFilter(
        balance_id=row.cells[4] or None,
        kind=row.cells[5] or None,
        categories=values.words(row.cells[6]) or None,
        destinations=_named(row.cells[7]),
        rating_subject=row.cells[8] or None,
        shared_groups=values.words(row.cells[9]) or None,
        expiry=read.cell(row, 10, _end, "") or None,
        timings=values.words(row.cells[11]) or None,
        units_nanos=None
        if formula
        else read.cell(row, 12, lambda text: units_nanos(text, row.cells[5]), None),
        units_formula=row.cells[12] if formula else "",
        weight=None if row.cells[13].startswith("*") else read.cell(row, 13, _optional_real, None),
        weight_word=row.cells[13] if row.cells[13].startswith("*") else "",
        is_blocker=read.cell(row, 14, _optional_flag, None),
        is_disabled=read.cell(row, 15, _optional_flag, None),
        factors=_factors(row.cells[2]),
    )
    weight = read.cell(row, 16, values.real, 0.0)
    return Action(row.cells[0], row.cells[1], row.cells[2], values.words(row.cells[3]), balance, weight)


def _plan_entry(read: _Reader, row: Row) -> ActionPlanEntry:
    return ActionPlanEntry(row.cells[0], row.cells[1], row.cells[2], read.cell(row, 3, values.real, 0.0))


def _trigger(read: _Reader, row: Row) -> ActionTrigger:
    balance = BalanceFilter(
        balance_id=row.cells[8] or None,
        kind=row.cells[9] or None,
        categories=values.words(row.cells[10]) or None,
        destinations=_named(row.cells[11]),
        rating_subject=row.cells[12] or None,
        shared_groups=values.words(row.cells[13]) or None,
        expiry=read.cell(row, 14, _end, "") or None,
        timings=values.words(row.cells[15]) or None,
        weight=read.cell(row, 16, _optional_real, None),
        is_blocker=read.cell(row, 17, _optional_flag, None),
        is_disabled=read.cell(row, 18, _optional_flag, None),
    )
    return ActionTrigger(
        tag=row.cells[0],
        unique_id=row.cells[1],
        threshold_kind=row.cells[2],
        threshold_nanos=read.cell(row, 3, _nanos, 0),
        is_recurrent=read.cell(row, 4, values.flag, False),
        min_sleep_ns=read.cell(row, 5, values.length_ns, 0),
        expiry=read.cell(row, 6, _end, ""),
        activation=read.cell(row, 7, _end, ""),
        balance=balance,
        actions_tag=row.cells[19],
        weight=read.cell(row, 20, values.real, 0.0),
    )


def _account_action(read: _Reader, row: Row) -> AccountAction:
    tenant, account, plan_tag, triggers_tag = row.cells[:4]
    return AccountAction(
        tenant,
        account,
        plan_tag,
        triggers_tag,
        allow_negative=read.cell(row, 4, values.flag, False),
        is_disabled=read.cell(row, 5, values.flag, False),
    )


def inclusions(text: str) -> tuple[tuple[str, bool], ...]:
    """`DST_A;!DST_B` as (id, included) pairs."""
    return tuple((word.lstrip("!"), not word.startswith("!")) for word in values.words(text))


def _named(text: str) -> tuple[tuple[str, bool], ...] | None:
    """Destination ids of a cell; `*any` names none."""
    return inclusions(text) or None if text != ANY else None


def units_nanos(text: str, kind: str) -> int | None:
    """The Units cell: a duration for voice, else a number; None where it is empty."""
    if not text:
        return None
    if kind == "*voice":
        return values.duration_ns(text) * NANOS
    return nanos_from_decimal(text)


def _factors(parameters: str) -> tuple[tuple[str, float], ...] | None:
    """Factors in the ExtraParameters of a top-up; parameters of another form are none."""
    if not parameters.startswith("{"):
        return None
    try:
        found = json.loads(parameters)
    except ValueError:
        return None
    numbers = {name: value for name, value in found.items() if isinstance(value, int | float)}
    return (
        tuple((name, float(value)) for name, value in numbers.items()) if len(numbers) == len(found) else None
    )


def _grouped(items: list[T], key: Callable[[T], str]) -> dict[str, tuple[T, ...]]:
    found: dict[str, list[T]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return {name: tuple(entries) for name, entries in found.items()}


def _rounding(text: str) -> Rounding:
    return Rounding(text) if text in tuple(Rounding) else Rounding.NONE


def _end(text: str) -> str:
    """A moment that is reckoned when it is used, checked to be one."""
    values.expiry_ns(text, 0)
    return text


def _nanos(text: str) -> int:
    return nanos_from_decimal(text) if text else 0


def _decimals(text: str) -> int:
    decimals = int(text) if text else 0
    if not 0 <= decimals <= DECIMALS_MAX:
        raise ValueError(f"0 to {DECIMALS_MAX} decimals, not {decimals}")
    return decimals


def _optional_real(text: str) -> float | None:
    return values.real(text) if text else None


def _optional_flag(text: str) -> bool | None:
    return values.flag(text) if text else None
