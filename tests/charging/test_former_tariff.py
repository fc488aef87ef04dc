"""A tariff changes while sessions are open: they keep plan and position, and pay by the new prices.

What the new tariff has no price for is paid by the one before it, in sessions from before the change.
"""

import pytest

from ocs.charging.engine import decide
from ocs.charging.events import ChargingContext, EventKind, Result, Unit
from ocs.charging.rating import Rate, Slot
from ocs.charging.tariff.catalogue import KEPT_FORMER, Catalogue
from ocs.charging.tariff.model import Choice, Query, Rule, Tariff, Verdict
from ocs.charging.tariff.windows import Period, Window
from tests.support.charging import NOON_NS, SECOND_NS, catalogue, event, money, policy, rg

SWITCHED_NS = NOON_NS + 10 * SECOND_NS
LATER_NS = NOON_NS + 60 * SECOND_NS
DEAR = Rate(0, (Slot(0, 7, 1, 1),))
TIERS = Rate(100, (Slot(0, 4, 1, 1), Slot(1000, 3, 1, 1)))


def data(rating_group: int, *choices: Choice) -> Rule:
    return Rule("new", "data", Unit.OCTETS, choices, rating_groups=((rating_group, rating_group),))


def rated(rate: Rate, window: Window | None = None) -> Choice:
    return Choice(Verdict.RATED, rate, "new", window)


def successor(*rules: Rule, at_ns: int = SWITCHED_NS) -> Catalogue:
    """A catalogue that took the place of the tests' own at a moment."""
    new = catalogue(*rules)
    new.succeed(catalogue(), at_ns)
    return new


def charged(new: Catalogue, rating_group: int, first: int, second: int) -> tuple[Result, int, int]:
    """Result and cost of the second report, made after the switch, and what the session cost."""
    before = catalogue()
    opened = decide(
        money(10**6), event(EventKind.INITIAL, 0, rg(rating_group, 2000)), before, policy(), NOON_NS
    )
    used = event(EventKind.UPDATE, 1, rg(rating_group, 2000, first))
    told = decide(opened.account, used, before, policy(), NOON_NS + SECOND_NS)
    last = event(EventKind.UPDATE, 2, rg(rating_group, 2000, second))
    done = decide(told.account, last, new, policy(), LATER_NS)
    [grant] = done.answer.grants
    assert done.answer.cost_nanos is not None
    return grant.result, grant.cost_nanos, done.answer.cost_nanos


def test_usage_after_the_switch_costs_what_the_new_tariff_says() -> None:
    assert charged(successor(data(10, rated(DEAR))), 10, 100, 10) == (Result.SUCCESS, 70, 170)


def test_a_session_goes_on_from_the_position_it_has_reached() -> None:
    """900 units at 2 with a fee of 100; then 100 at 4 and 50 at 3, and no second fee."""
    assert charged(successor(data(40, rated(TIERS))), 40, 900, 150) == (Result.SUCCESS, 550, 2450)


def test_a_rule_that_is_gone_refuses_and_still_debits_by_the_tariff_before() -> None:
    """RFC 8506 5.1.2: a CCR-U that fails in rating; what was used is paid all the same."""
    assert charged(successor(data(99, rated(DEAR))), 10, 100, 10) == (Result.RATING_FAILED, 10, 110)


def test_a_plan_that_is_gone_debits_by_the_tariff_before() -> None:
    other = Catalogue(Tariff("EUR", ()))
    other.succeed(catalogue(), SWITCHED_NS)
    assert charged(other, 10, 100, 10) == (Result.RATING_FAILED, 10, 110)


def test_a_rule_that_denies_now_debits_what_was_granted_by_the_tariff_before() -> None:
    assert charged(successor(data(10, Choice(Verdict.DENIED))), 10, 100, 10) == (Result.DENIED, 10, 110)


def test_what_has_no_price_at_that_time_costs_what_it_did() -> None:
    night = Window("night", (Period(22 * 3600, 6 * 3600),), "UTC")
    assert charged(successor(data(10, rated(DEAR, night))), 10, 100, 10) == (Result.RATING_FAILED, 10, 110)


def test_a_session_opened_after_the_switch_knows_only_the_new_tariff() -> None:
    new = successor(data(99, rated(DEAR)), at_ns=NOON_NS)
    opening = event(EventKind.INITIAL, 0, rg(10, None, 10), rg(99, 5))
    done = decide(money(10**6), opening, new, policy(), NOON_NS)
    assert [(grant.result, grant.cost_nanos) for grant in done.answer.grants] == [
        (Result.RATING_FAILED, 0),
        (Result.SUCCESS, 0),
    ]


def test_time_is_split_between_the_tariffs_where_the_new_one_has_no_price() -> None:
    """From 12:00 to 12:00:40 by the tariff before, at 1 a ms; from then on at 7 a ms."""
    late = Window("late", (Period(12 * 3600 + 40, 24 * 3600),), "UTC")
    dear = Rate(0, (Slot(0, 7, 1_000_000, 1_000_000),))
    new = successor(Rule("call", "voice", Unit.TIME, (rated(dear, late),)))
    context = ChargingContext(called="1")
    opening = event(
        EventKind.INITIAL, 0, rg(None, 60 * SECOND_NS, unit=Unit.TIME), service="voice", context=context
    )
    opened = decide(money(10**9), opening, catalogue(), policy(), NOON_NS)
    last = event(EventKind.TERMINATION, 1, rg(None, None, 60 * SECOND_NS, unit=Unit.TIME), service="voice")
    done = decide(opened.account, last, new, policy(), LATER_NS)
    assert done.answer.cost_nanos == 40_000 + 20_000 * 7
    assert done.posting is not None
    assert [entry.rule.split("|")[4] for entry in done.posting.entries] == ["", "late"]


def test_only_so_many_tariffs_are_kept() -> None:
    newest = catalogue()
    for at_ns in range(KEPT_FORMER + 2):
        following = catalogue()
        following.succeed(newest, at_ns)
        newest = following
    kept = 0
    while newest.former is not None:
        newest, kept = newest.former.catalogue, kept + 1
    assert kept == KEPT_FORMER


@pytest.mark.parametrize("plan", ["standard", "unknown"])
def test_a_line_without_a_former_one_is_the_same_as_before(plan: str) -> None:
    new = successor(data(99, rated(DEAR)))
    assert new.line(plan, Query("data", Unit.OCTETS, 7)) is None
