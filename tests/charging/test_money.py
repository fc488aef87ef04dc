"""Claims about exact money."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.money import (
    Rounding,
    charge_nanos,
    format_nanos,
    grant_units,
    largest_numerator,
    parse_nanos,
    round_quotient,
)

numerators = st.integers(-(10**30), 10**30)
divisors = st.integers(1, 10**20)


@given(numerators, divisors)
def test_rounding_differs_from_the_exact_quotient_by_less_than_one(numerator: int, divisor: int) -> None:
    exact = Fraction(numerator, divisor)
    assert 0 <= round_quotient(numerator, divisor, Rounding.UP) - exact < 1
    assert 0 <= exact - round_quotient(numerator, divisor, Rounding.DOWN) < 1
    assert -Fraction(1, 2) < round_quotient(numerator, divisor, Rounding.MIDDLE) - exact <= Fraction(1, 2)


@given(st.integers(-(10**20), 10**20), divisors, st.sampled_from(Rounding))
def test_largest_numerator_is_the_last_one_that_rounds_to_the_quotient(
    quotient: int, divisor: int, rounding: Rounding
) -> None:
    numerator = largest_numerator(quotient, divisor, rounding)
    assert round_quotient(numerator, divisor, rounding) <= quotient
    assert round_quotient(numerator + 1, divisor, rounding) > quotient


def test_charges_are_rounded_up_and_grants_down() -> None:
    assert (charge_nanos(10, 3), grant_units(10, 3)) == (4, 3)


@given(st.integers(-(10**26), 10**26), st.integers(0, 9))
def test_an_amount_survives_being_written_and_read(nanos: int, decimals: int) -> None:
    assert parse_nanos(format_nanos(nanos, decimals)) == nanos


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("0", 0),
        ("12", 12_000_000_000),
        ("0.1", 100_000_000),
        ("-0.05", -50_000_000),
        ("+1.000000001", 1_000_000_001),
        ("1.5000000000000", 1_500_000_000),
        (" 7.00 ", 7_000_000_000),
        ("999999999999999999.999999999", 999_999_999_999_999_999_999_999_999),
    ],
)
def test_decimals_are_read_digit_by_digit(text: str, nanos: int) -> None:
    assert parse_nanos(text) == nanos


@pytest.mark.parametrize(
    "text",
    ["", "1e3", "1,5", ".5", "5.", "nan", "0x10", "1 0", "--1", "1.0000000001", "1" + "0" * 18, "\u0661"],
)
def test_what_is_no_exact_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"decimal|larger"):
        parse_nanos(text)


@pytest.mark.parametrize(
    ("nanos", "decimals", "text"),
    [(0, 2, "0.00"), (1, 2, "0.000000001"), (-1_500_000_000, 2, "-1.50"), (2_000_000_000, 0, "2")],
)
def test_amounts_are_written_with_the_digits_they_need(nanos: int, decimals: int, text: str) -> None:
    assert format_nanos(nanos, decimals) == text
