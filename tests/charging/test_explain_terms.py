"""Explanations of sessions that several kinds of balances, or several accounts, have paid for."""

from ocs.charging.explain import explain, facts_of
from tests.charging.test_groups import A, B, data, family, member, shared
from tests.charging.test_terms import TARIFF, S, call, minutes, world
from tests.support.charging import TARIFF as DATA
from tests.support.charging import initial, rg, terminate


def test_units_and_money_of_a_priced_bundle_are_told_together_with_their_price() -> None:
    used = world(minutes("bundle", 35, subject="priced"), nanos=1000)
    assert call(used, 50) == "bundle 5, main 710"
    facts = facts_of(used.cdrs, "standard")
    assert facts is not None
    found = explain(facts, used.postings, lambda at_ns: [(1, TARIFF)])
    bundle, rest = [charge for event in found.events for charge in event.charges]
    assert [(each.balance, each.before, each.amount) for each in bundle.balances] == [
        ("bundle", 35 * S, -30 * S),
        ("main", 1000, -90),
    ]
    assert (bundle.decision.plan, bundle.units, bundle.amount_nanos, bundle.note) == (
        "priced",
        30 * S,
        90,
        "",
    )
    assert bundle.breakdown is not None
    assert bundle.breakdown.slots[0].increments == 3
    assert [each.rule for each in bundle.considered if each.rank] == ["priced"]
    assert rest.decision.plan == "standard"
    assert rest.breakdown is not None
    assert rest.breakdown.connect_fee_nanos == 0, "the fee was due with the first price, which has none"
    assert (rest.amount_nanos, rest.note) == (200, "")
    assert found.is_complete


def test_what_a_member_paid_is_told_with_its_account() -> None:
    home = family(member(A, shared("mine", 10)), member(B, shared("theirs", 100)))
    home.take(A, data(initial, rg(10, 60)))
    home.take(A, data(terminate, 1, rg(10, used=25)))
    facts = facts_of(home.cdrs, "standard")
    assert facts is not None
    found = explain(facts, home.postings, lambda at_ns: [(1, DATA)])
    paid = [each for event in found.events for charge in event.charges for each in charge.balances]
    assert [(each.balance, each.before, each.after) for each in paid] == [
        ("mine", 10, 0),
        (f"{B}/theirs", 100, 85),
    ]
    assert (found.cost_nanos, found.entries_nanos, found.is_complete) == (25, 25, True)
