"""Claims about balances that say where, when, for what and how they pay. One line per event, as in test_engine."""

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ocs.charging.account import Account, Balance, Extras, Factor, Terms
from ocs.charging.events import Action, ChargingContext, Result, Unit
from ocs.charging.rating import Rate, Slot
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Rule, Tariff, Verdict
from ocs.charging.tariff.windows import Period, Window
from tests.support.charging import (
    ACCOUNT,
    ALICE,
    SECOND_NS,
    World,
    initial,
    money,
    once,
    rg,
    terminate,
    update,
)

S = SECOND_NS
EVENING = Window("evening", (Period(18 * 3600, 24 * 3600),), "UTC")
DAY = Window("day", (Period(6 * 3600, 18 * 3600),), "UTC")


def per_second(nanos: int, increment_s: int = 1, fee: int = 0) -> Rate:
    return Rate(fee, (Slot(0, nanos, S, increment_s * S),))


def plan(name: str, rate: Rate, service: str = "voice", unit: Unit = Unit.TIME) -> Plan:
    return Plan(name, (PlanVersion((Rule(name, service, unit, (Choice(Verdict.RATED, rate, name),)),)),))


PLANS = (
    plan("standard", per_second(10, fee=100)),
    plan("cheap", per_second(2, fee=30)),
    plan("blocks", per_second(0, 20, fee=10)),
    plan("priced", per_second(3, 10)),
    plan("data", Rate(0, (Slot(0, 1, 1, 1),)), "data", Unit.OCTETS),
)
TARIFF = Catalogue(
    Tariff(
        "EUR",
        PLANS,
        {"germany": ("49",), "mobile": ("4915",), "premium": ("49900",), "world": ("",)},
        windows={"evening": EVENING, "day": DAY},
    )
)
HERE = ChargingContext(called="4915123")


def world(*balances: Balance, nanos: int = 0, **settings: object) -> World:
    made = money(nanos, *balances, **settings)
    return World(made, tariff=TARIFF)


def minutes(name: str, seconds: int, priority: int = 5, **terms: object) -> Balance:
    return Balance(name, Unit.TIME, seconds * S, priority=priority, terms=Terms(**terms))  # type: ignore[arg-type]


def call(world: World, seconds: int, called: str = "4915123", want: int = 600) -> str:
    """A call of some seconds in one report; what the balances hold afterwards, time in seconds."""
    context = ChargingContext(called=called)
    name = f"c{len(world.cdrs)}"
    world.take(initial(rg(None, want * S, unit=Unit.TIME), session=name, service="voice", context=context))
    world.now_ns += seconds * S
    world.take(terminate(1, rg(None, used=seconds * S, unit=Unit.TIME), session=name, service="voice"))
    return books(world.account)


def books(account: Account) -> str:
    told = []
    for balance in account.balances:
        assert balance.reserved == 0
        value = balance.posted // S if balance.unit is Unit.TIME else balance.posted
        told.append(f"{balance.id} {value}")
    return ", ".join(sorted(told))


def granted(world: World, want: int, called: str = "4915123") -> int:
    """The seconds granted to a call."""
    event = initial(
        rg(None, want * S, unit=Unit.TIME),
        session="g",
        service="voice",
        context=ChargingContext(called=called),
    )
    decision = world.take(event)
    amount = decision.answer.grants[0].amount
    world.take(terminate(9, session="g", service="voice"))
    return amount // S


def test_the_longer_prefix_is_used_before_the_higher_priority() -> None:
    near = minutes("near", 30, 1, destinations=("mobile",))
    wide = minutes("wide", 30, 50, destinations=("germany",))
    any_ = minutes("any", 30, 99)
    assert call(world(any_, wide, near), 45) == "any 30, main 0, near 0, wide 15"


def test_a_destination_may_be_taken_out() -> None:
    bundle = minutes("bundle", 30, destinations=("germany", "!premium"))
    assert call(world(bundle, nanos=1000), 10) == "bundle 20, main 1000"
    assert call(world(bundle, nanos=1000), 10, "49900123") == "bundle 30, main 800"
    assert call(world(bundle, nanos=1000), 10, "33123") == "bundle 30, main 800"
    all_but = minutes("bundle", 30, destinations=("!premium",))
    assert call(world(all_but, nanos=1000), 10, "33123") == "bundle 20, main 1000"
    assert call(world(all_but, nanos=1000), 10, "49900123") == "bundle 30, main 800"


def test_a_category_and_a_disabled_balance() -> None:
    bundle = minutes("bundle", 30, categories=("roaming",))
    assert call(world(bundle, nanos=1000), 10) == "bundle 30, main 800"
    roaming = world(bundle, nanos=1000, extras=Extras("roaming"))
    assert call(roaming, 10) == "bundle 20, main 1000"
    assert call(world(minutes("bundle", 30, is_disabled=True), nanos=1000), 10) == "bundle 30, main 800"


def test_a_started_increment_is_used_up_by_later_reports_before_another_is_begun() -> None:
    bundle = minutes("bundle", 180, subject="*zero60s")
    at_once = world(bundle)
    assert call(at_once, 70) == "bundle 60, main 0"
    apart = world(bundle)
    context = {"service": "voice", "context": HERE}
    apart.take(initial(rg(None, 10 * S, unit=Unit.TIME), **context))
    for number in range(1, 8):
        apart.now_ns += 10 * S
        apart.take(update(number, rg(None, 10 * S, 10 * S, unit=Unit.TIME), service="voice"))
    assert apart.account.balances[0].posted == 60 * S
    apart.take(terminate(9, service="voice"))
    assert books(apart.account) == "bundle 60, main 0"


def test_the_last_increment_must_fit() -> None:
    bundle = minutes("bundle", 70, subject="*zero60s")
    assert granted(world(bundle), 100) == 60
    assert granted(world(bundle, nanos=0), 60) == 60
    assert call(world(bundle, nanos=1000), 100) == "bundle 10, main 500"  # 60 s, then 40 s at 10 with the fee


def test_two_bundles_of_different_increments() -> None:
    coarse = minutes("coarse", 70, 5, subject="*zero60s")
    fine = minutes("fine", 10, 10, subject="*zero1s")
    assert call(world(fine, coarse), 20) == "coarse 10, fine 0, main 0"


def test_a_priced_bundle_takes_units_and_money_and_the_fee_is_due_once() -> None:
    bundle = minutes("bundle", 40, subject="blocks")
    assert granted(world(bundle, nanos=100), 60) == 49  # 40 s for a fee of 10, then 9 s at 10
    assert call(world(bundle, nanos=100), 49) == "bundle 0, main 0"
    assert call(world(bundle, nanos=100), 5) == "bundle 20, main 90"
    assert call(world(bundle, nanos=5), 5) == "bundle 40, main 5"  # the fee cannot be paid: refused


def test_a_priced_bundle_is_limited_by_units_and_by_money() -> None:
    bundle = minutes("bundle", 250, subject="priced")
    assert call(world(bundle, nanos=350), 70) == "bundle 180, main 140"
    assert granted(world(bundle, nanos=65), 70) == 20
    assert granted(world(minutes("bundle", 35, subject="priced"), nanos=90), 70) == 30


def test_money_may_have_prices_of_its_own() -> None:
    promo = Balance("promo", Unit.MONEY, 70, priority=9, terms=Terms(subject="cheap"))
    assert granted(world(promo, nanos=205), 60) == 40  # fee 30 and 20 s at 2, then 20 s at 10 without a fee
    assert call(world(promo, nanos=205), 25) == "main 155, promo 0"


def test_an_increment_may_be_paid_by_several_balances_of_one_rate() -> None:
    first = Balance("first", Unit.MONEY, 105, priority=9, terms=Terms(categories=("*any",)))
    second = Balance("second", Unit.MONEY, 5, priority=8)
    assert granted(world(first, second), 60) == 1
    assert call(world(first, second, nanos=25), 3) == "first 0, main 5, second 0"


def test_behind_a_blocker_nothing_pays() -> None:
    blocker = Balance(
        "card", Unit.MONEY, 150, priority=9, terms=Terms(destinations=("mobile",), is_blocker=True)
    )
    assert granted(world(blocker, nanos=9000), 60) == 5
    assert granted(world(blocker, nanos=9000), 60, "33123") == 60
    bundle = minutes("bundle", 10, is_blocker=True)
    assert granted(world(bundle, nanos=9000), 60) == 10
    empty = minutes("bundle", 0, is_blocker=True)
    used = world(empty, nanos=9000)
    assert granted(used, 60) == 0
    assert call(used, 3) == "bundle 0, main 9000"
    assert [entry.kind.name for posting in used.postings for entry in posting.entries] == []


def test_what_was_used_behind_a_blocker_is_written_off() -> None:
    bundle = minutes("bundle", 10, is_blocker=True)
    used = world(bundle, nanos=9000)
    assert call(used, 12) == "bundle 0, main 9000"
    told = [(entry.kind.name, entry.amount) for posting in used.postings for entry in posting.entries]
    assert told == [("DEBIT", -10 * S), ("WRITE_OFF", -120)]


def test_a_message_that_a_blocker_does_not_cover_is_refused() -> None:
    bundle = Balance("sms", Unit.EVENTS, 2, priority=9, terms=Terms(is_blocker=True))
    message = Catalogue(Tariff("EUR", (plan("standard", Rate(0, (Slot(0, 5, 1, 1),)), "sms", Unit.EVENTS),)))
    used = World(money(9000, bundle), tariff=message)
    assert used.line(once(Action.DIRECT_DEBITING, rg(None, 3, unit=Unit.EVENTS))).startswith("NO_CREDIT")
    assert used.line(once(Action.DIRECT_DEBITING, rg(None, 2, unit=Unit.EVENTS), session="e2")).startswith(
        "SUCCESS"
    )


def test_a_balance_pays_at_its_times_to_the_nanosecond() -> None:
    bundle = minutes("bundle", 100, timings=("day",))
    used = world(bundle, nanos=10_000)
    used.now_ns = at(17, 59, 50)
    assert call(used, 30) == "bundle 90, main 9700"  # 10 s of the bundle, then the fee and 20 s
    night = world(minutes("bundle", 100, timings=("!day",)), nanos=10_000)
    night.now_ns = at(17, 59, 50)
    assert call(night, 30) == "bundle 80, main 9800"
    nowhen = world(minutes("bundle", 100, timings=("never heard of",)), nanos=10_000)
    assert call(nowhen, 10) == "bundle 100, main 9800"


def at(hour: int, minute: int, second: int) -> int:
    return int(datetime(2026, 6, 1, hour, minute, second, tzinfo=ZoneInfo("UTC")).timestamp()) * S


def test_factors_say_how_much_of_a_balance_a_unit_takes() -> None:
    double = minutes("bundle", 100, factors=(Factor("voice", 2),))
    assert call(world(double), 17) == "bundle 66, main 0"
    third = Balance(
        "points", Unit.GENERIC, 10, priority=5, terms=Terms(factors=(Factor("voice", 1, 3 * 10**18),))
    )
    used = world(third)
    context = {"service": "voice", "context": HERE}
    used.take(initial(rg(None, 7 * S, unit=Unit.TIME), **context))
    for number in range(1, 8):
        used.now_ns += S
        used.take(update(number, rg(None, S, S, unit=Unit.TIME), service="voice"))
    used.take(terminate(9, service="voice"))
    assert books(used.account) == "main 0, points 7"  # 7/3 nanos of a point, rounded up once: 3


def test_points_pay_for_anything() -> None:
    points = Balance("points", Unit.GENERIC, 100 * S, terms=Terms(factors=(Factor("voice", 1, 60 * S),)))
    assert call(world(points), 30) == f"main 0, points {99 * S + S // 2}"


def test_money_by_the_second() -> None:
    seconds = Balance("card", Unit.MONEY, 3595 * S, terms=Terms(subject="*zero1s"))
    bundle = Balance("bundle", Unit.TIME, 5 * S, priority=10)
    assert call(world(bundle, seconds), 10) == f"bundle 0, card {3590 * S}, main 0"


def test_credit_below_zero_is_lent_on_the_main_balance() -> None:
    promo = Balance("promo", Unit.MONEY, 35, priority=9, terms=Terms(subject="cheap"))
    used = world(promo, nanos=0, credit_limit_nanos=50)
    assert granted(used, 60) == 7  # the fee of 30 and 2 s of the promo, 5 s of the credit
    assert call(used, 7) == "main -50, promo 1"
    assert granted(world(promo, credit_limit_nanos=None), 60) == 60


@pytest.mark.parametrize("balances", [1, 3, 50])
def test_many_balances_are_used_one_after_the_other(balances: int) -> None:
    bundles = [minutes(f"b{number:02}", 10, 100 - number, categories=("*any",)) for number in range(balances)]
    used = world(*bundles, nanos=1000)
    told = call(used, balances * 10 + 5)
    assert told == ", ".join([*(f"{bundle.id} 0" for bundle in bundles), "main 850"])


def test_a_plain_account_is_not_touched_by_any_of_this() -> None:
    account = Account(ACCOUNT, "standard", (Balance("b", Unit.TIME, 10 * S),), identities=(ALICE,), version=1)
    plain = World(account, tariff=TARIFF)
    decision = plain.take(initial(rg(None, 5 * S, unit=Unit.TIME), service="voice", context=HERE))
    assert decision.answer.result is Result.SUCCESS
    assert [balance.id for balance in decision.account.balances] == ["b"]
    assert msgspec.to_builtins(decision.account.balances[0])[-1] is None
