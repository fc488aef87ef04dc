"""Debits: cost that does not depend on the number of increments, and what is refused instead of crashing."""

import sys
from types import FrameType

import pytest

from ocs.charging.cgrates.account import Balance, Snapshot
from ocs.charging.cgrates.call import Refusal
from ocs.charging.cgrates.cost import call_cost, event_cost
from ocs.charging.cgrates.model import Debited, MaxUsage
from ocs.charging.cgrates.plan import Settings, Tariff, Timing
from ocs.charging.cgrates.usable import destination_precision, is_timed
from ocs.charging.cgrates.usage import debit_call, max_debit, max_usage
from tests.charging.cgrates.small import Price, S, balance, call, held, snapshot, tariff_of

EACH_SECOND = tariff_of(Price("0.05 0.6/60s/1s@0s 0.6/60s/1s@60s"))
EACH_UNIT = tariff_of(Price("0.05 0.01/1/1"), Price("0 0.02/1/1", subject="own"))
WEEKDAYS = tariff_of(Price("0 1/1s/1s", timing="WORK"), timings="WORK,*any,*any,*any,1;2;3;4;5,08:00:00\n")


def _calls(before: Snapshot, units: int) -> int:
    """How many Python functions a debit calls."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    wanted = call(units, kind="*data")
    sys.setprofile(note)
    try:
        found = debit_call(before, EACH_UNIT, wanted, Settings())
    finally:
        sys.setprofile(None)
    assert isinstance(found, Debited)
    assert found.paid.usage_ns == units
    return count


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(snapshot(balance("1000000")), id="money"),
        pytest.param(snapshot(), id="debt"),
        pytest.param(snapshot(other={"*data": (balance("2000000"),)}), id="free units"),
        pytest.param(
            snapshot(balance("100000"), other={"*data": (balance("2000000", subject="own"),)}),
            id="priced units",
        ),
    ],
)
def test_work_of_a_debit_is_the_same_for_a_hundred_and_a_million_increments(before: Snapshot) -> None:
    _calls(before, 100)  # what is looked up once only is looked up here
    assert _calls(before, 1_000_000) == _calls(before, 100)


def test_three_balances_share_a_long_call() -> None:
    money = tuple(
        balance(value, name=value, weight=weight) for value, weight in (("100", 3), ("50", 2), ("900", 1))
    )
    found = debit_call(snapshot(*money), tariff_of(Price("0 0.01/1s/1s")), call(36_000 * S), Settings())
    assert isinstance(found, Debited)
    assert held(found.accounts["t:a"]) == [0, 0, 690]
    assert [(span.steps[0].count, span.steps[0].payment.money_uid) for span in found.paid.spans] == [
        (10_000, "100"),
        (5_000, "50"),
        (21_000, "900"),
    ]


@pytest.mark.parametrize("at", ["2025-03-07T23:59:30Z", "2025-03-06T07:00:00Z"])
def test_a_price_missing_in_a_call_is_refused(at: str) -> None:
    wanted = call(60 * S, at=at) if at.startswith("2025-03-07") else call(7200 * S, at=at)
    found = call_cost(WEEKDAYS, wanted, Settings())
    assert found is Refusal.UNAUTHORIZED_DESTINATION
    assert (
        debit_call(snapshot(balance("5")), WEEKDAYS, wanted, Settings()) is Refusal.UNAUTHORIZED_DESTINATION
    )


def test_a_plan_without_prices_is_refused() -> None:
    empty = Tariff({}, {}, tariff_of(Price("0 1/1s/1s")).profiles)
    assert call_cost(empty, call(S), Settings()) is Refusal.UNAUTHORIZED_DESTINATION


def test_usage_above_the_limit_is_refused_everywhere() -> None:
    long = call(190 * 3600 * S)
    assert event_cost(EACH_SECOND, long, Settings()) is Refusal.MAX_USAGE_EXCEEDED
    assert call_cost(EACH_SECOND, long, Settings()) is Refusal.MAX_USAGE_EXCEEDED
    assert debit_call(snapshot(), EACH_SECOND, long, Settings()) is Refusal.MAX_USAGE_EXCEEDED
    assert max_usage(snapshot(), EACH_SECOND, long, Settings()) is Refusal.MAX_USAGE_EXCEEDED


def test_too_many_increments_take_nothing() -> None:
    before, settings = snapshot(balance("10")), Settings(max_increments=50)
    found = debit_call(before, EACH_SECOND, call(120 * S), settings)
    asked = max_usage(before, EACH_SECOND, call(120 * S), settings)
    assert isinstance(found, Debited)
    assert isinstance(asked, MaxUsage)
    assert held(found.accounts["t:a"]) == [9.95], "the fee alone is taken"
    assert asked.usage_ns == 0


def test_free_rest_where_the_cost_rounds_to_zero() -> None:
    tariff = tariff_of(Price("0 0.02/60s/1s", rounding="*down,1"))
    found = max_debit(snapshot(balance("0.00001")), tariff, call(100 * S), Settings())
    assert isinstance(found, Debited)
    assert (found.paid.usage_ns, found.paid.cost_nanos, found.accounts) == (100 * S, 33_000_000, {})


@pytest.mark.parametrize(
    ("flags", "number", "precision"),
    [
        ({}, "447", 0),
        ({"*any": True}, "447", 0),
        ({"D44": True}, "447", 2),
        ({"D44": False}, "447", 3),
        ({"D44": False}, "445", None),
        ({"D44": True, "D447": False}, "4479", None),
        ({"D33": False}, "4479", 3),
        ({"D33": False}, "99", None),
        ({"D33": True}, "4479", None),
    ],
)
def test_destinations_of_a_balance(flags: dict[str, bool], number: str, precision: int | None) -> None:
    tariff = Tariff(destinations={"44": ("D44",), "447": ("D447",), "33": ("D33",)})
    assert destination_precision(Balance("b", destinations=flags), number, tariff) == precision


def test_timings_of_a_balance() -> None:
    timings = {"DAY": Timing("DAY", start_ns=8 * 3600 * S), "SUNDAY": Timing("SUNDAY", week_days=(0,))}
    tariff = Tariff(timings=timings)
    sunday_noon, monday_noon, monday_night = (
        (3 * 24 + 12) * 3600 * S,
        (4 * 24 + 12) * 3600 * S,
        4 * 86400 * S,
    )
    both = Balance("b", timings={"DAY": True, "SUNDAY": False})
    assert [is_timed(both, at, tariff) for at in (sunday_noon, monday_noon, monday_night)] == [
        False,
        True,
        False,
    ]
    assert is_timed(Balance("b"), monday_night, tariff)
