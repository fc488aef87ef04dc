"""Claims about prices, checked against an independent walk in fractions."""

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.money import NANOS, Rounding
from ocs.charging.rating import CapStrategy, Rate, Slot, affordable, cost, is_free, price

MINUTE_NS = 60 * NANOS


def spelled_out(rate: Rate, units: int) -> int:
    """The price by walking increment after increment, each in the slot that its first unit lies in."""
    if units <= 0:
        return 0
    total = Fraction(rate.connect_fee_nanos)
    position = 0
    while position < units:
        slot = next((each for each in reversed(rate.slots) if each.start_units <= position), None)
        if slot is None:
            position += 1
            continue
        total += Fraction(slot.price_nanos * slot.increment_units, slot.per_units)
        position += slot.increment_units
    scaled = total / 10 ** (9 - rate.decimals)
    rounded = {
        Rounding.UP: ceil(scaled),
        Rounding.DOWN: floor(scaled),
        Rounding.MIDDLE: floor(scaled + Fraction(1, 2)),
    }[rate.rounding]
    nanos: int = rounded * 10 ** (9 - rate.decimals)
    if rate.cap_nanos is not None and rate.cap_strategy is CapStrategy.FREE:
        return min(nanos, rate.cap_nanos)
    return nanos


def slots(largest: int) -> st.SearchStrategy[tuple[Slot, ...]]:
    starts = st.lists(st.integers(0, largest), max_size=4, unique=True).map(sorted)
    return starts.flatmap(
        lambda found: st.tuples(
            *(
                st.builds(
                    Slot,
                    st.just(start),
                    st.one_of(st.just(0), st.integers(0, 3 * NANOS)),
                    st.integers(1, largest),
                    st.integers(1, largest),
                )
                for start in found
            )
        )
    )


def rates(largest: int) -> st.SearchStrategy[Rate]:
    return st.builds(
        Rate,
        st.one_of(st.just(0), st.integers(0, NANOS)),
        slots(largest),
        st.sampled_from(Rounding),
        st.integers(0, 9),
        st.one_of(st.none(), st.integers(0, 20 * NANOS)),
        st.sampled_from(CapStrategy),
    )


@given(rates(60), st.integers(0, 400))
def test_the_closed_form_is_the_walk_over_increments(rate: Rate, units: int) -> None:
    assert price(rate, units) == spelled_out(rate, units)


@given(rates(10**15), st.integers(0, 10**18), st.integers(0, 10**18))
def test_a_price_is_the_price_of_a_part_and_the_cost_of_the_rest(rate: Rate, first: int, second: int) -> None:
    assert price(rate, first + second) == price(rate, first) + cost(rate, first, second)
    assert cost(rate, first, second) >= 0


@given(rates(10**6), st.lists(st.integers(0, 10**7), max_size=12))
def test_every_split_of_a_session_costs_the_same(rate: Rate, parts: list[int]) -> None:
    total = before = 0
    for part in parts:
        total += cost(rate, before, part)
        before += part
    assert total == price(rate, sum(parts))


@given(rates(60), st.integers(0, 300), st.integers(0, 30 * NANOS))
def test_affordable_is_the_last_amount_that_can_be_paid(rate: Rate, before: int, nanos: int) -> None:
    check_affordable(rate, before, nanos)


@given(rates(10**15), st.integers(0, 10**18), st.integers(0, 10**12))
def test_affordable_is_the_last_amount_that_can_be_paid_for_large_units(
    rate: Rate, before: int, nanos: int
) -> None:
    check_affordable(rate, before, nanos)


def check_affordable(rate: Rate, before: int, nanos: int) -> None:
    units = affordable(rate, before, nanos)
    is_cut = rate.cap_strategy is CapStrategy.DISCONNECT and rate.cap_nanos is not None
    if units is None:
        assert cost(rate, before, 10**30) <= nanos
        return
    assert units >= 0
    assert cost(rate, before, units) <= nanos
    beyond = cost(rate, before, units + 1) > nanos
    assert beyond or (is_cut and price(rate, before + units + 1) > (rate.cap_nanos or 0))


@given(rates(60))
def test_a_rate_is_free_exactly_when_no_money_buys_without_end(rate: Rate) -> None:
    if is_free(rate):
        assert price(rate, 10**9) == 0
    elif rate.decimals == 9:
        assert price(rate, 10**12) > 0


def per_minute(price_text: str, increment_s: int, fee: str = "0") -> Rate:
    nanos = int(Fraction(price_text) * NANOS)
    return Rate(int(Fraction(fee) * NANOS), (Slot(0, nanos, MINUTE_NS, increment_s * NANOS),))


@pytest.mark.parametrize(
    ("rate", "seconds", "nanos"),
    [
        (per_minute("0.10", 1), 60, 100_000_000),
        (per_minute("0.10", 1), 1, 1_666_667),
        (per_minute("0.05", 1), 600, 500_000_000),
        (per_minute("0.12", 30), 31, 120_000_000),
        (per_minute("0.12", 30, fee="0.05"), 0, 0),
        (per_minute("0.12", 30, fee="0.05"), 1, 110_000_000),
    ],
)
def test_prices_per_minute_come_out_whole(rate: Rate, seconds: int, nanos: int) -> None:
    assert price(rate, seconds * NANOS) == nanos


TWO_SLOTS = Rate(
    400_000_000,
    (
        Slot(0, 200_000_000, MINUTE_NS, MINUTE_NS),
        Slot(MINUTE_NS, 100_000_000, MINUTE_NS, NANOS),
    ),
    Rounding.UP,
    4,
)


@pytest.mark.parametrize(
    ("seconds", "nanos"), [(20, 600_000_000), (85, 641_700_000), (120, 700_000_000), (130, 716_700_000)]
)
def test_the_second_slot_goes_on_where_the_first_ends(seconds: int, nanos: int) -> None:
    assert price(TWO_SLOTS, seconds * NANOS) == nanos


def test_an_increment_that_reaches_into_the_next_slot_is_not_paid_twice() -> None:
    rate = Rate(0, (Slot(0, 10, 1, 40), Slot(60, 1, 1, 1)))
    assert price(rate, 80) == 800
    assert price(rate, 81) == 801


def test_the_rest_of_a_started_increment_can_be_used_without_money() -> None:
    rate = per_minute("0.10", 60)
    assert affordable(rate, 10 * NANOS, 0) == 50 * NANOS
    assert affordable(rate, 10 * NANOS, -5) == 50 * NANOS
    assert affordable(rate, 0, 0) == 0


def test_a_free_rate_can_be_afforded_without_end() -> None:
    assert affordable(Rate(), 0, 0) is None
    assert is_free(Rate())


def test_a_fee_alone_must_be_paid_before_the_first_unit() -> None:
    rate = Rate(connect_fee_nanos=100)
    assert affordable(rate, 0, 99) == 0
    assert affordable(rate, 0, 100) is None
    assert affordable(rate, 1, 0) is None


PER_SECOND = (Slot(0, 10_000_000, NANOS, NANOS),)


def test_a_cap_makes_the_rest_of_a_session_free() -> None:
    rate = Rate(0, PER_SECOND, cap_nanos=620_000_000)
    prices = [price(rate, seconds * NANOS) for seconds in (50, 62, 70)]
    assert prices == [500_000_000, 620_000_000, 620_000_000]
    assert affordable(rate, 0, 620_000_000) is None
    assert affordable(rate, 0, 619_999_999) == 61 * NANOS
    assert affordable(rate, 70 * NANOS, 0) is None


def test_a_disconnecting_cap_ends_what_can_be_afforded_but_not_the_price() -> None:
    rate = Rate(0, PER_SECOND, cap_nanos=620_000_000, cap_strategy=CapStrategy.DISCONNECT)
    assert price(rate, 70 * NANOS) == 700_000_000
    assert affordable(rate, 0, 100 * NANOS) == 62 * NANOS
    assert affordable(rate, 70 * NANOS, 100 * NANOS) == 0


@pytest.mark.parametrize(
    ("rounding", "nanos"),
    [(Rounding.UP, 170_000_000), (Rounding.DOWN, 160_000_000), (Rounding.MIDDLE, 170_000_000)],
)
def test_the_total_is_rounded_as_the_rate_says(rounding: Rounding, nanos: int) -> None:
    slots = (Slot(0, 50_000_000, MINUTE_NS, NANOS),)
    assert price(Rate(150_000_000, slots, rounding, 2), 18 * NANOS) == nanos


@pytest.mark.parametrize(
    "terms",
    [
        {"connect_fee_nanos": -1},
        {"cap_nanos": -1},
        {"decimals": 10},
        {"slots": (Slot(0, -1, 1, 1),)},
        {"slots": (Slot(0, 1, 0, 1),)},
        {"slots": (Slot(0, 1, 1, 0),)},
        {"slots": (Slot(5, 1, 1, 1), Slot(5, 1, 1, 1))},
        {"slots": (Slot(-1, 1, 1, 1),)},
    ],
)
def test_terms_that_make_no_sense_are_refused(terms: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Rate(**terms)  # type: ignore[arg-type]


def test_an_exabyte_by_the_octet_is_priced_without_walking_it() -> None:
    rate = Rate(0, (Slot(0, NANOS, 10**8, 1), Slot(10**7, NANOS, 10**9, 1)))
    assert price(rate, 10**18) == 10**8 + (10**18 - 10**7)
    assert affordable(rate, 0, 10**18) == 10**18 + 10**7 - 10**8
