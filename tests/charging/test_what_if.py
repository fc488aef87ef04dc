"""Breakdowns add up to the price, exactly; what-if charges nothing and hides nothing."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.events import Unit
from ocs.charging.money import Rounding
from ocs.charging.rating import Rate, Slot, cost
from ocs.charging.tariff.model import Query
from ocs.charging.what_if import break_down, exact_text, what_if
from tests.charging.tariff.rules import HOUR_NS, MONDAY_NOON_NS, PEAK, catalogue, plan, rated, rule

slots = st.lists(
    st.builds(Slot, st.integers(0, 300), st.integers(0, 10**6), st.integers(1, 100), st.integers(1, 120)),
    max_size=4,
    unique_by=lambda slot: slot.start_units,
).map(lambda found: tuple(sorted(found, key=lambda slot: slot.start_units)))
rates = st.builds(
    Rate,
    st.integers(0, 10**6),
    slots,
    st.sampled_from(Rounding),
    st.integers(0, 9),
    st.none() | st.integers(0, 10**8),
)


@given(rate=rates, before=st.integers(0, 500), units=st.integers(0, 500))
def test_a_breakdown_adds_up_to_the_price(rate: Rate, before: int, units: int) -> None:
    found = break_down(rate, before, units)
    assert found.cost_nanos == found.after_nanos - found.before_nanos == cost(rate, before, units)
    parts = [Fraction(found.connect_fee_nanos), *(fraction(slot.cost_nanos) for slot in found.slots)]
    assert fraction(found.exact_nanos) == sum(parts)
    for slot in found.slots:
        price = Fraction(slot.price_nanos * slot.increment_units, slot.per_units)
        assert fraction(slot.cost_nanos) == slot.increments * price
    if rate.cap_nanos is None and rate.decimals == 9 and not before:
        assert abs(fraction(found.exact_nanos) - found.cost_nanos) < 1


@given(rate=rates, before=st.integers(0, 500), units=st.integers(0, 500), more=st.integers(0, 500))
def test_breakdowns_of_parts_add_up_to_that_of_the_whole(
    rate: Rate, before: int, units: int, more: int
) -> None:
    whole = fraction(break_down(rate, before, units + more).exact_nanos)
    first, second = break_down(rate, before, units), break_down(rate, before + units, more)
    assert whole == fraction(first.exact_nanos) + fraction(second.exact_nanos)


def fraction(text: str) -> Fraction:
    return sum((Fraction(part) for part in text.split()), Fraction(0))


def test_a_number_is_told_without_loss() -> None:
    assert [exact_text(Fraction(n, 3)) for n in (0, 1, 3, 5)] == ["0", "1/3", "1", "1 2/3"]


def test_a_call_is_told_piece_by_piece_with_its_windows() -> None:
    tariff = catalogue(plan("p", rule("r", rated("a", PEAK), rated("c"), destinations=("germany",))))
    start_ns = MONDAY_NOON_NS + 5 * HOUR_NS
    found = what_if(tariff, "p", Query("voice", Unit.TIME, called="4912"), 2 * HOUR_NS, start_ns)
    assert [(piece.start_ns, piece.units, piece.rate, piece.window) for piece in found.pieces] == [
        (start_ns, HOUR_NS, "a", "peak"),
        (start_ns + HOUR_NS, HOUR_NS, "c", ""),
    ]
    assert (found.result, found.cost_nanos) == ("RATED", HOUR_NS + 3 * HOUR_NS)
    assert [(tried.prefix, tried.destinations) for tried in found.prefixes] == [
        ("49", ("germany", "same")),
        ("", ("world",)),
    ]
    assert [each.rule for each in found.considered] == ["r"]


def test_what_has_no_price_says_so() -> None:
    tariff = catalogue(plan("p", rule("r", rated("a", PEAK))))
    evening_ns = MONDAY_NOON_NS + 5 * HOUR_NS
    asked = Query("voice", Unit.TIME)
    assert what_if(tariff, "p", asked, 2 * HOUR_NS, evening_ns).result == "PARTLY"
    assert what_if(tariff, "p", asked, HOUR_NS, evening_ns + HOUR_NS).result == "NO_RULE"
    assert what_if(tariff, "nobody", asked, 5, evening_ns).result == "NO_RULE"


def test_a_position_inside_the_session_is_priced_from_there() -> None:
    tariff = catalogue(plan("p", rule("r", rated("b"))))
    found = what_if(tariff, "p", Query("voice", Unit.TIME), 10, MONDAY_NOON_NS, 7)
    breakdown = found.pieces[0].breakdown
    assert breakdown is not None
    assert (breakdown.rated_from, breakdown.before_nanos, breakdown.after_nanos, found.cost_nanos) == (
        7,
        14,
        34,
        20,
    )
