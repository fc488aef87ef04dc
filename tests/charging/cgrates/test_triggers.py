"""Triggers and counters: thresholds, recurrence, sleep, resets, and what failing actions leave."""

from typing import Any

import pytest

from ocs.charging.cgrates.account import Account, Balance
from ocs.charging.cgrates.actions import Moment
from ocs.charging.cgrates.actions_model import Action, ActionTrigger, BalanceFilter
from ocs.charging.cgrates.call import Call
from ocs.charging.cgrates.model import PaidCall, PaidSpan, Payment, Steps
from ocs.charging.cgrates.plan import Settings, Tariff
from ocs.charging.cgrates.triggers import (
    Charge,
    Fired,
    Watch,
    assign,
    charges_of,
    count,
    execute_watched,
    fire,
    remove,
)
from tests.charging.cgrates.small import balance, held

NANOS = 10**9
NOW_NS = 1_780_000_000 * NANOS


def moment(after_s: int = 0) -> Moment:
    """Some seconds later."""
    return Moment(Settings(), NOW_NS + after_s * NANOS, f"e{after_s}")


def action(kind: str = "*topup", weight: float = 10, **columns: Any) -> Action:
    """An action of the set GIFT: a top-up of the balance `gift` by 1 unless told otherwise."""
    parameters = columns.pop("parameters", "")
    columns = {"balance_id": "gift", "kind": "*monetary", "units_nanos": NANOS, **columns}
    return Action("GIFT", kind, parameters, (), BalanceFilter(**columns), weight)


def trigger(kind: str = "*min_balance", threshold: int = 2, **fields: Any) -> ActionTrigger:
    """A trigger on money that runs GIFT."""
    given: dict[str, Any] = {
        "tag": "TR",
        "unique_id": "low",
        "is_recurrent": False,
        "min_sleep_ns": 0,
        "expiry": "",
        "activation": "",
        "balance": BalanceFilter(kind="*monetary"),
        "actions_tag": "GIFT",
        "weight": 10.0,
        **fields,
    }
    return ActionTrigger(threshold_kind=kind, threshold_nanos=threshold * NANOS, **given)


def tariff(*actions: Action) -> Tariff:
    """A tariff whose set GIFT has some actions."""
    return Tariff(actions={"GIFT": actions or (action(),)}, destinations={"49": ("DE",)})


def account(*values: str) -> Account:
    """Money balances `m0`, `m1`, … of some values."""
    return Account(
        "t:a", {"*monetary": tuple(balance(value, name=f"m{at}") for at, value in enumerate(values))}
    )


def change(
    watch: Watch, before: Account, after: Account, seconds: int = 0, found: Tariff | None = None
) -> Fired:
    """What fires when an account changes."""
    return fire(
        watch, before, {"t:a": after, "t:b": Account("t:b")}, "t:a", found or tariff(), moment(seconds)
    )


def values(fired: Fired) -> list[float]:
    """Money left."""
    after = fired.accounts["t:a"]
    assert after is not None
    return held(after)


def test_a_low_balance_fires_once_until_it_is_reset() -> None:
    watch = assign(Watch(), [trigger()], NOW_NS)
    first = change(watch, account("5"), account("2"))
    assert (values(first), [run.actions_tag for run in first.runs]) == ([2, 1], ["GIFT"])
    second = change(first.watch, account("2"), account("1"))
    assert (values(second), second.runs) == ([1], ())
    reset = tariff(action("*reset_triggers", balance_id=None, units_nanos=None))
    outcome = execute_watched({"t:a": account("5")}, second.watch, "t:a", "GIFT", reset, moment())
    assert not outcome.watch.triggers[0].executed
    assert change(outcome.watch, account("5"), account("1")).runs


@pytest.mark.parametrize(
    ("kind", "before", "after", "fires"),
    [
        ("*min_balance", "5", "2", True),
        ("*min_balance", "5", "2.1", False),
        ("*min_balance", "1", "1", False),  # only what has changed is looked at
        ("*max_balance", "1", "2", True),
        ("*max_balance", "1", "1.9", False),
        ("*some_other", "5", "1", False),
    ],
)
def test_thresholds_of_balances(kind: str, before: str, after: str, fires: bool) -> None:
    watch = assign(Watch(), [trigger(kind)], NOW_NS)
    assert bool(change(watch, account(before), account(after)).runs) == fires


def test_a_filter_names_the_balance() -> None:
    watch = assign(Watch(), [trigger(balance=BalanceFilter("m1", "*monetary"))], NOW_NS)
    assert not change(watch, account("5", "5"), account("1", "5")).runs
    assert change(watch, account("5", "5"), account("5", "1")).runs


def test_a_recurrent_trigger_sleeps_between_its_runs() -> None:
    watch = assign(Watch(), [trigger(is_recurrent=True, min_sleep_ns=60 * NANOS)], NOW_NS)
    first = change(watch, account("5"), account("2"))
    assert first.runs
    assert not change(first.watch, account("2"), account("1"), 59).runs
    assert change(first.watch, account("2"), account("1"), 60).runs


def test_triggers_have_a_time_in_which_they_hold() -> None:
    watch = assign(Watch(), [trigger(expiry="+60s", activation="+10s")], NOW_NS)
    fires = [bool(change(watch, account("5"), account("1"), at).runs) for at in (9, 10, 59, 60)]
    assert fires == [False, True, True, False]


def test_an_ended_balance_fires_though_it_is_gone_already() -> None:
    watch = assign(Watch(), [trigger("*balance_expired")], NOW_NS)
    ended = Account("t:a", {"*monetary": (Balance("m0", "m0", 7, NOW_NS),)})
    assert change(watch, ended, Account("t:a")).runs
    assert not change(watch, account("5"), Account("t:a")).runs


def test_a_failing_action_keeps_the_ones_before_and_the_trigger_executed() -> None:
    failing = tariff(action(weight=30), action("*remove_balance", 20, balance_id="none"), action(weight=10))
    fired = change(assign(Watch(), [trigger()], NOW_NS), account("5"), account("1"), found=failing)
    assert (values(fired), fired.runs[0].error) == ([1, 1], "PARTIALLY_EXECUTED")
    assert fired.watch.triggers[0].executed


def test_a_disabled_account_runs_nothing() -> None:
    barred = Account("t:a", account("1").balances, is_disabled=True)
    fired = change(assign(Watch(), [trigger()], NOW_NS), account("5"), barred)
    assert (fired.runs, fired.watch.triggers[0].executed) == ((), False)


def test_the_heavier_trigger_comes_first_and_the_lighter_one_sees_its_work() -> None:
    refill = trigger(unique_id="refill", weight=20.0)
    full = trigger("*max_balance", 1, unique_id="full", balance=BalanceFilter("gift", "*monetary"))
    fired = change(assign(Watch(), [full, refill], NOW_NS), account("5"), account("1"))
    assert [run.unique_id for run in fired.runs] == ["refill", "full"]
    assert values(fired) == [1, 2]


def test_outside_actions_of_a_trigger_come_back() -> None:
    post = tariff(action("*http_post", parameters="http://localhost/low"))
    fired = change(assign(Watch(), [trigger()], NOW_NS), account("5"), account("1"), found=post)
    assert [effect.kind for effect in fired.effects] == ["*http_post"]


def test_a_trigger_may_remove_the_account() -> None:
    gone = tariff(action("*remove_account"))
    watch = assign(Watch(), [trigger(weight=20.0), trigger(unique_id="second")], NOW_NS)
    fired = change(watch, account("5"), account("1"), found=gone)
    assert (fired.accounts["t:a"], len(fired.runs)) == (None, 1)


def test_event_counters_count_what_events_of_their_filter_cost() -> None:
    germany = BalanceFilter(kind="*monetary", destinations=(("DE", True),), categories=("call",))
    watch = assign(Watch(), [trigger("*max_event_counter", 3, balance=germany)], NOW_NS)
    assert [counter.balance.balance_id for counter in watch.counters] == ["low"]
    charges = [Charge("*monetary", "m0", 2 * NANOS), Charge("*voice", "v", 60 * NANOS)]

    def counted(old: Watch, number: str, category: str = "call") -> Watch:
        call = Call(tenant="t", category=category, destination=number, start_ns=0, end_ns=1)
        return count(old, charges, account("5"), tariff(), moment(), call)

    assert counted(watch, "33155").counters[0].value_nanos == 0
    assert counted(watch, "49155", "sms").counters[0].value_nanos == 0
    once = counted(watch, "49155")
    assert once.counters[0].value_nanos == 2 * NANOS
    assert not change(once, account("5"), account("5")).runs
    assert change(counted(once, "49155"), account("5"), account("5")).runs


def test_balance_counters_count_what_matching_balances_pay() -> None:
    watch = assign(
        Watch(),
        [trigger("*max_balance_counter", 3, balance=BalanceFilter(kind="*monetary", weight=7))],
        NOW_NS,
    )
    heavy = Account("t:a", {"*monetary": (Balance("h", "h", 9, weight=7), Balance("l", "l", 9))})
    charges = [Charge("*monetary", "h", 2 * NANOS), Charge("*monetary", "l", 5 * NANOS)]
    once = count(watch, charges, heavy, tariff(), moment())
    assert once.counters[0].value_nanos == 2 * NANOS
    refunded = count(once, [Charge("*monetary", "h", -NANOS)], heavy, tariff(), moment())
    assert refunded.counters[0].value_nanos == NANOS


def test_counters_keep_their_value_while_a_trigger_needs_them() -> None:
    counting = trigger("*max_event_counter", 9)
    watch = assign(Watch(), [counting], NOW_NS)
    call = Call(tenant="t", category="call", destination="49155", start_ns=0, end_ns=1)
    watch = count(watch, [Charge("*monetary", "m0", NANOS)], account("5"), tariff(), moment(), call)
    more = assign(watch, [trigger(unique_id="other")], NOW_NS)
    assert more.counters == watch.counters
    assert remove(more, unique_id="low") == assign(Watch(), [trigger(unique_id="other")], NOW_NS)
    assert remove(more, tag="TR") == Watch()
    zero = tariff(action("*reset_counters", balance_id=None, units_nanos=None))
    outcome = execute_watched({"t:a": account("5")}, more, "t:a", "GIFT", zero, moment())
    assert outcome.watch.counters[0].value_nanos == 0


def test_triggers_are_named_by_their_parameters() -> None:
    watch = assign(Watch(), [trigger(), trigger(unique_id="other")], NOW_NS)
    recurs = tariff(action("*set_recurrent", parameters='{"UniqueID":"other"}', balance_id=None))
    outcome = execute_watched({"t:a": account("5")}, watch, "t:a", "GIFT", recurs, moment())
    assert [state.is_recurrent for state in outcome.watch.triggers] == [False, True]


def test_an_action_set_runs_the_triggers_it_makes_due() -> None:
    outcome = execute_watched(
        {"t:a": account("5")},
        assign(Watch(), [trigger("*max_balance", 1)], NOW_NS),
        "t:a",
        "GIFT",
        tariff(),
        moment(),
    )
    after = outcome.changed.accounts["t:a"]
    assert after is not None
    assert (held(after), len(outcome.runs)) == ([5, 2], 1)


def test_a_paid_call_tells_what_each_balance_paid() -> None:
    steps = (
        Steps(NANOS, 5, 3, Payment("t:a", "v", 10, 1.0, "m0")),
        Steps(NANOS, 7, 1, Payment("t:a", money_uid="m0")),
    )
    span = PaidSpan(0, 1, 0, None, None, steps, factor=2)  # type: ignore[arg-type]
    owner = Account("t:a", {"*voice": (Balance("v"),), "*monetary": (Balance("m0"),)})
    assert set(charges_of(PaidCall(spans=(span,)), owner)) == {
        Charge("*voice", "v", 60),
        Charge("*monetary", "m0", 44),
    }
