"""Rounding onto the grid, the closed form of repeated debits, and decimals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.cgrates.account import Balance
from ocs.charging.cgrates.grid import (
    Rounding,
    drift_nanos,
    nanos_from_decimal,
    round_double,
    round_to_nanos,
    snap_nanos,
)
from ocs.charging.cgrates.plan import Settings
from ocs.charging.cgrates.purse import Purse


@pytest.mark.parametrize(
    ("value", "decimals", "method", "rounded"),
    [
        (1.2345, 2, Rounding.UP, 1.24),
        (1.2345, 2, Rounding.DOWN, 1.23),
        (1.235, 2, Rounding.MIDDLE, 1.24),
        (1.2345, 2, Rounding.NONE, 1.2345),
        (1.2300000000001, 2, Rounding.UP, 1.23),
        (1.15, 2, Rounding.DOWN, 1.14),
        (-1.231, 2, Rounding.UP, -1.24),
        (-1.231, 2, Rounding.MIDDLE, -1.24),
    ],
)
def test_doubles_are_rounded_the_incumbents_way(
    value: float, decimals: int, method: Rounding, rounded: float
) -> None:
    assert round_double(value, decimals, method) == rounded


@given(st.integers(-(10**15), 10**15), st.integers(0, 9))
def test_snapping_agrees_with_rounding_doubles_on_the_grid(steps: int, decimals: int) -> None:
    nanos = steps * 10 ** (9 - decimals)
    assert snap_nanos(nanos, decimals) == nanos


@given(st.integers(0, 10**13), st.integers(1, 10**12), st.integers(0, 60))
def test_paying_at_once_is_paying_one_by_one(value: int, price: int, count: int) -> None:
    price = snap_nanos(price, 5) or 10**4
    at_once = Purse(Balance("b", value_nanos=value), "t:a", "*monetary", Settings())
    covered = at_once.affordable(price, count)
    at_once.pay(price, covered)
    left, paid = value, 0
    while paid < count and left >= price:
        left, paid = snap_nanos(left - price, 5), paid + 1
    assert (covered, at_once.value_nanos) == (paid, left)


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**9), st.integers(0, 50))
def test_a_debt_is_exact(value: int, price: int, count: int) -> None:
    value, price = snap_nanos(value, 5), snap_nanos(price, 5)
    purse = Purse(Balance("b", value_nanos=value), "t:a", "*monetary", Settings())
    purse.pay(price, count)
    assert purse.value_nanos == value - price * count


def test_a_drifting_debt_loses_residues() -> None:
    settings = Settings(drifts_below_zero=True)
    purse = Purse(Balance("b"), "t:a", "*monetary", settings)
    purse.pay(10_000_000, 995)
    assert purse.value_nanos == -9_950_210_000
    assert drift_nanos(0, 10_000_000, 995, 5) == -9_950_210_000


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("1", 10**9),
        ("-0.5", -(5 * 10**8)),
        ("1e-05", 10**4),
        ("0.1234567891", 123_456_789),
        ("2.5E1", 25 * 10**9),
    ],
)
def test_decimals_become_nanos(text: str, nanos: int) -> None:
    assert nanos_from_decimal(text) == nanos


@pytest.mark.parametrize("text", ["", "x", "1,5", "0x10", "1e999", "nan"])
def test_other_texts_are_no_decimals(text: str) -> None:
    with pytest.raises(ValueError):
        nanos_from_decimal(text)


def test_half_a_step_goes_up() -> None:
    assert round_to_nanos(0.000005, 5) == 10**4
    assert snap_nanos(5000, 5) == 10**4
    assert snap_nanos(-1, 5) == -(10**4)
