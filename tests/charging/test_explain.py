"""Explanations say what was stored; what the tariff adds to it is there only where it agrees."""

import msgspec

from ocs.charging.account import Account, Balance
from ocs.charging.events import ChargingContext, RequestType, Unit
from ocs.charging.explain import Explained, Facts, explain, facts_of, read_decision
from ocs.charging.money import NANOS
from ocs.charging.rating import Rate, Slot
from ocs.charging.tariff.catalogue import Catalogue
from tests.support.charging import (
    RULES,
    TARIFF,
    World,
    account,
    catalogue,
    initial,
    money,
    policy,
    rg,
    terminate,
    update,
)


def told(world: World, *catalogues: tuple[int, Catalogue]) -> Explained:
    facts = facts_of(world.cdrs, "standard")
    assert facts is not None
    return explain(facts, world.postings, lambda at_ns: list(catalogues))


def used(of: Account, *reports: int, rating_group: int = 40) -> World:
    """A session that reports these octets one by one."""
    world = World(of, policy(floor_nanos=-500))
    world.take(initial(rg(rating_group, 100)))
    for number, octets in enumerate(reports[:-1], 1):
        world.take(update(number, rg(rating_group, 100, octets)))
    world.take(terminate(9, rg(rating_group, None, reports[-1])))
    return world


def test_every_entry_has_its_rule_increments_and_balances() -> None:
    world = used(money(10_000), 900, 200)
    found = told(world, (3, TARIFF))
    first, last = (event.charges[0] for event in found.events)
    assert (first.decision.plan, first.decision.rule, first.decision.rate) == ("standard", "tiers", "tiers")
    assert (first.units, first.rated_from, first.amount_nanos, first.tariff) == (900, 0, 1900, 3)
    assert [(c.balance, c.before, c.amount, c.after) for c in first.balances] == [
        ("main", 10_000, -1900, 8_100)
    ]
    assert first.breakdown is not None
    assert (first.breakdown.connect_fee_nanos, first.breakdown.slots[0].increments) == (100, 900)
    assert last.breakdown is not None
    assert [(slot.start_units, slot.increments) for slot in last.breakdown.slots] == [(0, 100), (1000, 100)]
    assert (found.cost_nanos, found.entries_nanos, found.is_complete) == (2_200, 2_200, True)
    assert [each.rule for each in first.considered if each.rank] == ["tiers"]
    assert first.note == ""


def test_balances_that_pay_together_are_told_in_the_order_of_use() -> None:
    world = used(
        account(Balance("bonus", Unit.MONEY, 300, priority=1), Balance("main", Unit.MONEY, 200)),
        300,
        rating_group=10,
    )
    [charge] = told(world, (0, TARIFF)).events[0].charges
    changes = [(c.kind, c.balance, c.before, c.after) for c in charge.balances]
    assert changes == [("DEBIT", "bonus", 300, 0)]
    world = used(
        account(Balance("bonus", Unit.MONEY, 300, priority=1), Balance("main", Unit.MONEY, 200)),
        1_500,
        rating_group=10,
    )
    [charge] = told(world, (0, TARIFF)).events[0].charges
    changes = [(c.kind, c.balance, c.before, c.after) for c in charge.balances]
    assert changes == [
        ("DEBIT", "bonus", 300, 0),
        ("DEBIT", "main", 200, 0),
        ("DEBIT", "main", 0, -500),
        ("WRITE_OFF", "main", -500, -500),
    ]
    assert (charge.units, charge.amount_nanos) == (1_500, 1_500)


def test_units_of_a_bundle_are_told_without_a_price() -> None:
    world = used(
        account(Balance("pack", Unit.OCTETS, 50), Balance("main", Unit.MONEY, 500)), 80, rating_group=10
    )
    bundle, paid = told(world, (0, TARIFF)).events[0].charges
    assert (bundle.decision.text, bundle.balances[0].unit, bundle.balances[0].amount) == (
        "bundle",
        "octets",
        -50,
    )
    assert (bundle.amount_nanos, paid.units, paid.amount_nanos) == (0, 30, 30)


def test_a_tariff_that_does_not_agree_adds_nothing_but_a_note() -> None:
    world = used(money(10_000), 100, rating_group=20)
    other = catalogue(*(rule for rule in RULES if rule.name != "dear"))
    [charge] = told(world, (5, other)).events[0].charges
    assert (charge.amount_nanos, charge.decision.rule, charge.considered) == (300, "dear", ())
    assert charge.note == "which other rules were looked at cannot be told from what is kept"


def test_a_rate_with_other_terms_is_not_broken_down() -> None:
    world = used(money(10_000), 100, rating_group=20)
    tariff = msgspec.structs.replace(TARIFF.tariff, rates={"three": Rate(0, (Slot(0, 4, 1, 1),))})
    [charge] = told(world, (5, Catalogue(tariff))).events[0].charges
    assert (charge.amount_nanos, charge.breakdown) == (300, None)
    assert charge.note == 'tariff version 5 has other terms for rate "three"'


def test_the_tariff_before_explains_what_it_charged() -> None:
    world = used(money(10_000), 100, rating_group=20)
    other = catalogue(*(rule for rule in RULES if rule.name != "dear"))
    [charge] = told(world, (5, other), (4, TARIFF)).events[0].charges
    assert (charge.tariff, charge.note) == (4, "")


def test_without_a_tariff_the_stored_decision_stands() -> None:
    world = used(money(10_000), 100, rating_group=20)
    [charge] = told(world).events[0].charges
    assert (charge.decision.rule, charge.amount_nanos, charge.tariff) == ("dear", 300, None)
    assert charge.note == "the tariff of that time is not there any more"


def test_entries_that_do_not_add_up_are_not_called_complete() -> None:
    facts = Facts("a", "c", "s", "data", "standard", ChargingContext(), 0, cost_nanos=NANOS)
    found = explain(facts, [], lambda at_ns: [])
    assert (found.is_complete, found.entries_nanos) == (False, 0)


def test_a_session_without_records_is_not_there() -> None:
    assert facts_of([], "standard") is None


def test_a_decision_is_read_back_whole() -> None:
    decision = read_decision("t:call:*any|RP:D|R up 4|4915|PEAK")
    assert (decision.plan, decision.rule, decision.rate, decision.prefix_or_zone, decision.window) == (
        "t:call:*any",
        "RP:D",
        "R up 4",
        "4915",
        "PEAK",
    )
    assert read_decision("p|a|b|r|49|").rule == "a|b"
    assert read_decision("topup").plan == ""


def test_usage_that_is_only_rated_is_priced_by_the_tariff_of_its_time() -> None:
    world = World(money(1000))
    world.take(initial(rg(40, 100), request_type=RequestType.RATED))
    world.take(terminate(9, rg(40, None, 700), request_type=RequestType.RATED))
    found = told(world, (3, TARIFF))
    assert (found.events, found.entries_nanos, found.cost_nanos) == ((), 0, 1500)
    [rated] = found.free
    assert (rated.units, rated.amount_nanos, rated.decision.rate, rated.note) == (700, 1500, "tiers", "")
    assert rated.breakdown is not None
    assert (rated.breakdown.connect_fee_nanos, rated.breakdown.cost_nanos) == (100, 1500)
    cheaper = told(world, (4, catalogue(RULES[0]))).free[0]
    assert (cheaper.breakdown, cheaper.note) == (None, "what it cost does not follow from this price alone")


def test_usage_that_made_no_entry_is_looked_up() -> None:
    world = used(money(1000), 700, rating_group=50)
    found = told(world, (3, TARIFF))
    assert (found.events, found.cost_nanos, found.is_complete) == ((), 0, True)
    [free] = found.free
    assert (free.units, free.decision.rule, free.tariff, free.note) == (700, "free", 3, "")
    assert [each.rule for each in free.considered if each.rank] == ["free"]
    [lost] = told(world).free
    assert lost.note == "the tariff of that time is not there any more"
    [dear] = told(world, (4, catalogue(RULES[0]))).free
    assert dear.decision.rule == ""
    assert dear.note == "what it cost does not follow from this price alone"
    assert told(used(money(1000), 700, rating_group=10), (3, TARIFF)).free == ()
