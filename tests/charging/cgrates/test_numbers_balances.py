"""Published results of the incumbent's own tests: what balances pay."""

import pytest

from ocs.charging.cgrates import actions, event_cost
from ocs.charging.cgrates.account import Account, Snapshot
from ocs.charging.cgrates.call import Call, Refusal
from ocs.charging.cgrates.model import Charge, Debited, Match, MaxUsage, Payment, Steps
from ocs.charging.cgrates.plan import Settings, Tariff
from ocs.charging.cgrates.usage import debit_call, max_debit, max_usage
from tests.charging.cgrates.small import G6, MINUTE, Price, S, balance, call, held, snapshot, tariff_of

BUNDLE = tariff_of(
    Price("0.01 0.1/1s/1s"),
    Price("0.01 0/20s/20s", subject="bundle"),
)
BUNDLE_ACCOUNT = snapshot(
    balance("1", weight=10), voice=(balance("40s", weight=10, subject="bundle", destinations=("D33",)),)
)
NAT = tariff_of(
    Price("0.15 0.05/60s/1s", prefix="07", rounding="*up,2"),
    Price("0.15 0.05/60s/1s", prefix="33", rounding="*up,2"),
)
SECOND = tariff_of(Price("0 1/1s/1s"))
HALF = tariff_of(Price("0 0.5/1s/1s"), groups="SG,*any,*lowest,\n")
TENS = tariff_of(Price("0 1/1s/10s"), Price("0 1/1s/10s", subject="own"))


def _debit(before: Snapshot, tariff: Tariff, wanted: Call, settings: Settings = Settings()) -> Debited:  # noqa: B008
    found = debit_call(before, tariff, wanted, settings)
    assert isinstance(found, Debited)
    return found


def _max_debit(before: Snapshot, tariff: Tariff, wanted: Call, settings: Settings = Settings()) -> Debited:  # noqa: B008
    found = max_debit(before, tariff, wanted, settings)
    assert isinstance(found, Debited)
    return found


def _max_usage(before: Snapshot, tariff: Tariff, wanted: Call, settings: Settings = Settings()) -> int:  # noqa: B008
    found = max_usage(before, tariff, wanted, settings)
    assert isinstance(found, MaxUsage)
    return found.usage_ns


@pytest.mark.parametrize(
    ("seconds", "covered", "cost_nanos"),
    [
        pytest.param(60, 49, 910_000_000, id="34"),
        pytest.param(40, 40, 10_000_000, id="35"),
        pytest.param(5, 20, 10_000_000, id="35b"),
    ],
)
def test_priced_bundle_before_money(seconds: int, covered: int, cost_nanos: int) -> None:
    found = _max_debit(BUNDLE_ACCOUNT, _with_destination(BUNDLE), call(seconds * S))
    assert (found.paid.usage_ns, found.paid.cost_nanos) == (covered * S, cost_nanos)


def _with_destination(tariff: Tariff) -> Tariff:
    known = tariff_of(Price("0 1/1s/1s", prefix="33"))
    return Tariff(known.destinations, tariff.plans, tariff.profiles, tariff.timings)


def test_five_seconds_leave_half_of_the_bundle() -> None:  # 35
    found = _max_debit(BUNDLE_ACCOUNT, _with_destination(BUNDLE), call(5 * S))
    assert held(found.accounts["t:a"], "*voice") == [20]


def test_forced_duration_takes_nothing_where_credit_lacks() -> None:  # 36
    wanted = call(100 * S, forces_duration=True)
    found = max_debit(BUNDLE_ACCOUNT, _with_destination(BUNDLE), wanted, Settings())
    assert found is Refusal.INSUFFICIENT_CREDIT


def test_dearer_spans_than_the_limit_end_the_usage() -> None:  # 37
    wanted = call(60 * S, max_rate=(1.0, MINUTE))
    assert _max_usage(BUNDLE_ACCOUNT, _with_destination(BUNDLE), wanted) == 40 * S


@pytest.mark.parametrize(
    ("value", "destination", "minutes"),
    [
        pytest.param("1", "0723", 17, id="38"),
        pytest.param("1", "3312", 30, id="38b"),
        pytest.param("0", "0723", 0, id="38c"),
    ],
)
def test_blocker_keeps_the_balances_behind_it(value: str, destination: str, minutes: int) -> None:
    blocker = balance(value, name="nat", weight=20, destinations=("D07",), is_blocker=True)
    before = snapshot(blocker, balance("20", weight=10))
    wanted = call(30 * MINUTE, destination=destination)
    assert _max_usage(before, NAT, wanted, G6) == minutes * MINUTE


def test_usage_is_what_money_and_fee_allow() -> None:  # 39, 40, 64
    long = _max_usage(snapshot(balance("10000")), tariff_of(Price("1 1/1s/1s")), call(3 * 3600 * S))
    none = _max_usage(snapshot(balance("0.2")), tariff_of(Price("1.12 1/1s/1s")), call(60 * S))
    units = _max_usage(snapshot(balance("10")), tariff_of(Price("1 1/1/1")), call(30, kind="*generic"))
    assert (long, none, units) == (9999 * S, 0, 9)


def test_shared_balance_of_a_friend_pays() -> None:  # 41
    friend = Account("t:b", {"*monetary": (balance("10", group="SG"),)})
    before = snapshot(balance("0", group="SG"), friends=(friend,), members={"SG": ("t:a", "t:b")})
    found = _max_debit(before, HALF, call(5 * S))
    assert found.paid.cost_nanos == 2_500_000_000
    assert held(found.accounts["t:b"]) == [7.5]


def test_heavier_own_balance_pays_before_a_shared_one() -> None:  # 42
    before = snapshot(balance("10", weight=5, group="SG"), balance("30", weight=10), members={"SG": ("t:a",)})
    assert held(_max_debit(before, HALF, call(5 * S)).accounts["t:a"]) == [10, 27.5]


def test_negative_account_goes_further_down_with_every_debit() -> None:  # 43
    before = snapshot(allows_negative=True)
    first = _max_debit(before, HALF, call(5 * S)).accounts["t:a"]
    second = _max_debit(Snapshot({"t:a": first}), HALF, call(5 * S)).accounts["t:a"]
    assert (held(first), held(second)) == ([-2.5], [-5])


def test_free_minutes_come_in_whole_steps() -> None:  # 44, 45
    voice = (balance("70s", weight=5, subject="*zero1m"),)
    one = _debit(snapshot(balance("21"), voice=voice), SECOND, call(10 * S))
    assert [steps.count for span in one.paid.spans for steps in span.steps] == [1]
    assert (held(one.accounts["t:a"], "*voice"), held(one.accounts["t:a"])) == ([10], [21])
    mixed = snapshot(voice=(*voice, balance("10s", weight=10, subject="*zero1s")))
    assert held(_debit(mixed, SECOND, call(20 * S)).accounts["t:a"], "*voice") == [10, 0]


def test_money_pays_while_it_lasts() -> None:  # 46
    found = _max_debit(snapshot(balance("50")), TENS, call(80 * S))
    assert (found.paid.usage_ns, held(found.accounts["t:a"])) == (50 * S, [0])


def test_balance_subjects_set_the_price() -> None:  # 49, 50
    voice = (balance("250s", subject="own"),)
    units = _debit(snapshot(balance("350"), voice=voice), TENS, call(70 * S)).accounts["t:a"]
    assert (held(units, "*voice"), held(units)) == ([180], [280])
    money = _debit(snapshot(balance("75", subject="own")), TENS, call(70 * S)).accounts["t:a"]
    assert held(money) == [5]


def test_shared_money_pays_in_steps_of_ten_seconds() -> None:  # 51
    friend = Account("t:b", {"*monetary": (balance("130", group="SG"),)})
    before = snapshot(balance("0", group="SG"), friends=(friend,), members={"SG": ("t:a", "t:b")})
    tariff = tariff_of(Price("0 2/1s/10s"), groups="SG,*any,*mine_random,\n")
    found = _debit(before, tariff, call(60 * S))
    assert held(found.accounts["t:b"]) == [10]
    assert [steps.count for span in found.paid.spans for steps in span.steps] == [6]


def test_units_pay_for_their_own_kind() -> None:  # 52, 54
    tariff = tariff_of(Price("0 100/1/1", category="sms"), Price("0 2/1/1", category="data"))
    message = snapshot(balance("5"), other={"*sms": (balance("100"),)})
    found = _debit(message, tariff, call(1, kind="*sms", category="sms")).accounts["t:a"]
    assert (held(found, "*sms"), held(found)) == ([99], [5])
    data = snapshot(balance("5"), other={"*data": (balance("100"),)})
    assert held(_debit(data, tariff, call(80, kind="*data", category="data")).accounts["t:a"], "*data") == [
        20
    ]


def test_a_bundle_without_units_leaves_it_to_money() -> None:  # 55; published is 0, see docs/golden.md
    empty = snapshot(balance("160"), other={"*data": (balance("0"),)})
    tariff = tariff_of(Price("0 2/1/60", category="data"))
    found = _max_debit(empty, tariff, call(80, kind="*data", category="data"))
    assert (found.paid.usage_ns, held(found.accounts["t:a"])) == (60, [40])


def test_factor_turns_generic_units_into_seconds() -> None:  # 53
    generic = balance("100", factors={"call": 1 / 60e9})
    found = _debit(
        snapshot(other={"*generic": (generic,)}), SECOND, call(30 * S, factor_id="call"), G6
    ).accounts["t:a"]
    assert held(found, "*generic") == [99.49999]


def test_refund_gives_every_step_back_to_its_payer() -> None:  # 56
    match = Match("*any", "*any", "P", "s")
    first, second = balance("10s", name="one"), balance("10s", name="two")
    before = snapshot(balance("100", name="cash"), voice=(first, second))
    steps = (
        Steps(0, 2 * 10**9, 1, Payment("t:a", money_uid="cash")),
        Steps(3 * S, 2 * 10**9, 1, Payment("t:a", "one", 3 * S * 10**9, 1.0, "cash")),
        Steps(4 * S, 0, 1, Payment("t:a", "two", 4 * S * 10**9)),
    )
    charge = Charge(match, None, steps)
    books = event_cost.refund(before, (charge,), "*voice", Settings(), is_partial=False)
    after = books.changed()["t:a"]
    assert (held(after), held(after, "*voice")) == ([104], [13, 14])


def test_blocking_units_pay_whole_calls_only() -> None:  # 57
    units = balance("10", name="sms", is_blocker=True)
    first = _debit(snapshot(other={"*sms": (units,)}), SECOND, call(8, kind="*sms"))
    assert held(first.accounts["t:a"], "*sms") == [2]
    second = debit_call(Snapshot(first.accounts), SECOND, call(3, kind="*sms"), Settings())
    assert second is Refusal.BALANCE_BLOCKER


@pytest.mark.parametrize(
    ("factor", "count", "units", "money"),
    [pytest.param(4, 4, 2, 3, id="58"), pytest.param(3, 6, 1, 2, id="59")],
)
def test_factored_messages_then_money(factor: float, count: int, units: int, money: int) -> None:
    messages = balance("10", name="sms", factors={"call": factor})
    before = snapshot(balance("5"), other={"*sms": (messages,)})
    tariff = tariff_of(Price("0 1/1/1", category="sms"))
    found = _debit(before, tariff, call(count, kind="*sms", category="sms", factor_id="call")).accounts["t:a"]
    assert (held(found, "*sms"), held(found)) == ([units], [money])


def test_debt_goes_to_the_default_balance() -> None:  # 63, 65, 67
    voice = _debit(snapshot(voice=(balance("10s"),)), SECOND, call(30 * S))
    assert (voice.paid.cost_nanos, held(voice.accounts["t:a"])) == (20 * 10**9, [-20])
    units = tariff_of(Price("1 1/1/1"))
    money = _debit(snapshot(balance("10")), units, call(30, kind="*generic"))
    assert (money.paid.cost_nanos, held(money.accounts["t:a"])) == (31 * 10**9, [0, -21])
    flat = tariff_of(Price("0 1/1/1"))
    two = snapshot(balance("5", name="one", weight=10), balance("5", name="two"))
    assert held(_debit(two, flat, call(8, kind="*generic")).accounts["t:a"]) == [0, 2]
    assert held(_debit(snapshot(balance("5")), flat, call(8, kind="*generic")).accounts["t:a"]) == [0, -3]


def test_two_priced_bundles_and_a_look_before() -> None:  # 68
    tariff = tariff_of(Price("0 1/1s/1s"), Price("0 0.6/60s/1s", subject="own"))
    voice = (balance("180s", name="one", subject="own"), balance("240s", name="two", subject="own"))
    before = snapshot(balance("10"), voice=voice)
    found = _debit(before, tariff, call(240 * S))
    assert (found.paid.usage_ns, found.paid.cost_nanos) == (240 * S, 2_400_000_000)
    assert (held(before.accounts["t:a"]), held(before.accounts["t:a"], "*voice")) == ([10], [180, 240])


def test_transfers_move_units_between_accounts() -> None:  # 69
    accounts = {name: Account(name, {"*sms": (balance("10", name="b"),)}) for name in ("t:a", "t:b")}
    moment = actions.Moment(Settings(), 0, "r1")
    first = actions.transfer_balance(accounts, ("t:a", "b"), ("t:b", "b"), 4 * 10**9, moment)
    accounts |= {key: account for key, account in first.accounts.items() if account is not None}
    assert [held(accounts[name], "*sms") for name in ("t:a", "t:b")] == [[6], [14]]
    second = actions.transfer_balance(accounts, ("t:a", "b"), ("t:b", "b"), 2 * 10**9, moment)
    accounts |= {key: account for key, account in second.accounts.items() if account is not None}
    assert [held(accounts[name], "*sms") for name in ("t:a", "t:b")] == [[4], [16]]


def test_fifty_debits_lose_nothing() -> None:  # 70
    before, tariff = snapshot(balance("10000")), tariff_of(Price("1 1/1s/1s"))
    for _ in range(50):
        before = Snapshot(_max_debit(before, tariff, call(59 * S)).accounts)
    assert held(before.accounts["t:a"]) == [7000]
