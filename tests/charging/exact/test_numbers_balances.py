"""The published results of the incumbent's own tests, in exact arithmetic: what balances pay.

The expected values come from `brute`: pockets and fractions, one step after the other. Where the incumbent's figure
differs by more than its rounding of increments, the rule of ours stands beside it.
"""

import asyncio
from fractions import Fraction

import pytest

from ocs.charging.account import Strategy
from ocs.charging.actions.model import Action, ActionSet, Do
from ocs.charging.actions.work import Bench
from ocs.charging.acts import Act
from ocs.charging.decision import Change
from ocs.charging.entry import EntryKind
from ocs.charging.events import Action as Requested
from ocs.charging.events import ChargingEvent, EventKind, Result, Unit
from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import ChargingService
from tests.charging.cgrates.small import Price
from tests.charging.exact.brute import Pocket, Purse
from tests.charging.exact.small import (
    KEY,
    NANOS,
    Live,
    S,
    account,
    balance,
    brute_tariff,
    catalogue,
    sharing,
)
from tests.support.charging import initial, rg, terminate
from tests.support.door import Counts
from tests.support.stores import ProcessStore, Truth

BUNDLE = Price("0.01 0/20s/20s", subject="bundle")
CALL = Price("0.01 0.1/1s/1s", prefix="33")
SECOND = Price("0 1/1s/1s", prefix="33")
TENS = Price("0 1/1s/10s")
OWN_TENS = Price("0 1/1s/10s", subject="own")
HALF = Price("0 0.5/1s/1s")
NAT = (
    Price("0.15 0.05/60s/1s", prefix="07", rounding="*up,2"),
    Price("0.15 0.05/60s/1s", prefix="33", rounding="*up,2"),
)


def priced_bundle() -> tuple[Live, Purse]:
    """40 s of a bundle with a price of its own and 1.00, at the program and by brute force."""
    bundle = balance("40s", "bundle", weight=10, subject="bundle", destinations=("D33",))
    live = Live(catalogue(CALL, BUNDLE), (account(balance("1", "cash", weight=10), bundle),))
    own = brute_tariff(BUNDLE)
    pockets = [Pocket("bundle", Fraction(40), tariff=own), Pocket("cash", Fraction(1), is_money=True)]
    return live, Purse(pockets, brute_tariff(CALL))


@pytest.mark.parametrize(
    ("seconds", "covered", "cost"),
    [
        pytest.param(60, 49, "0.91", id="34"),
        pytest.param(40, 40, "0.01", id="35"),
        pytest.param(5, 5, "0.01", id="35b"),  # the incumbent tells the 20 s of the increment
    ],
)
def test_a_priced_bundle_before_money(seconds: int, covered: int, cost: str) -> None:
    live, slow = priced_bundle()
    assert slow.spend(seconds) == covered
    found, nanos = live.max_debit(seconds * S)
    assert (found, Fraction(nanos, NANOS)) == (covered * S, Fraction(cost))
    assert slow.cost() == Fraction(cost)
    assert live.held("bundle", "cash") == [slow.pockets[0].value, slow.pockets[1].value]


def test_a_forced_duration_takes_nothing_where_credit_lacks() -> None:  # 36
    live, _ = priced_bundle()
    assert live.charge(100 * S).result is Result.NO_CREDIT
    assert live.held("bundle", "cash") == [40, 1]


def test_nothing_dearer_than_the_limit_is_promised() -> None:  # 37
    live, _ = priced_bundle()
    assert live.max_usage(60 * S, highest_price=(1 * NANOS, 60 * S)) == 40 * S
    assert live.max_usage(60 * S, highest_price=(6 * NANOS, 60 * S)) == 49 * S
    plain = Live(catalogue(Price("0 0.1/1s/1s@0s 0.3/1s/1s@20s")), (account(balance("9", "main")),))
    found = [plain.max_usage(60 * S, highest_price=(tenths * NANOS // 10, S)) for tenths in (0, 1, 2, 3)]
    assert found == [0, 20 * S, 20 * S, 20 * S + 23 * S]


@pytest.mark.parametrize(
    ("value", "destination", "minutes"),
    [
        pytest.param("1", "0723", 17, id="38"),
        pytest.param("1", "3312", 30, id="38b"),
        pytest.param("0", "0723", 0, id="38c"),
    ],
)
def test_a_blocker_keeps_the_balances_behind_it(value: str, destination: str, minutes: int) -> None:
    blocker = balance(value, "nat", weight=20, destinations=("D07",), is_blocker=True)
    live = Live(
        catalogue(*NAT), (account(blocker, balance("20", "rest", weight=10)),), destination=destination
    )
    assert live.max_usage(1800 * S) == minutes * 60 * S
    pockets = [Pocket("nat", Fraction(value), is_money=True, is_blocker=True)] if destination < "1" else []
    slow = Purse([*pockets, Pocket("rest", Fraction(20), is_money=True)], brute_tariff(NAT[0]))
    assert slow.spend(1800) == minutes * 60


def test_usage_is_what_money_and_fee_allow() -> None:  # 39, 40, 64
    def usage(price: str, money: str, units: int, service: str = "voice") -> int:
        return Live(catalogue(Price(price)), (account(balance(money, "main")),), service).max_usage(units)

    assert usage("1 1/1s/1s", "10000", 3 * 3600 * S) == 9999 * S
    assert usage("1.12 1/1s/1s", "0.2", 60 * S) == 0
    assert usage("1 1/1/1", "10", 30, "generic") == 9


def test_a_shared_balance_of_a_friend_pays() -> None:  # 41
    mine = account(balance("0", "mine", shared_groups=("SG",)), extras=sharing(Strategy.LOWEST, KEY, "t:b"))
    friend = account(
        balance("10", "theirs", shared_groups=("SG",)),
        key="t:b",
        extras=sharing(Strategy.LOWEST, KEY, "t:b"),
    )
    live = Live(catalogue(HALF), (mine, friend))
    assert live.max_debit(5 * S) == (5 * S, 2_500_000_000)
    assert live.held("mine") == [0]
    assert live.held("theirs", key="t:b") == [Fraction("7.5")]


def test_a_heavier_own_balance_pays_before_a_shared_one() -> None:  # 42
    mine = account(
        balance("10", "shared", weight=5, shared_groups=("SG",)),
        balance("30", "own", weight=10),
        extras=sharing(Strategy.LOWEST, KEY),
    )
    live = Live(catalogue(HALF), (mine,))
    live.max_debit(5 * S)
    assert live.held("shared", "own") == [10, Fraction("27.5")]


def test_an_account_without_a_limit_goes_down_with_every_debit() -> None:  # 43
    live = Live(catalogue(HALF), (account(credit_limit_nanos=None),))
    live.debit(5 * S)
    assert live.held("main") == [Fraction("-2.5")]
    live.debit(5 * S)
    assert live.held("main") == [-5]


def test_free_minutes_come_in_whole_steps() -> None:  # 44, 45
    coarse = balance("70s", "coarse", weight=5, subject="*zero1m")
    live = Live(catalogue(SECOND), (account(balance("21", "main"), coarse),))
    assert live.debit(10 * S) == 0
    assert live.held("coarse", "main") == [10, 21]
    fine = balance("10s", "fine", weight=10, subject="*zero1s")
    live = Live(catalogue(SECOND), (account(coarse, fine),))
    live.debit(20 * S)
    slow = Purse(
        [Pocket("fine", Fraction(10), increment=1), Pocket("coarse", Fraction(70), increment=60)],
        brute_tariff(SECOND),
    )
    assert slow.spend(20) == 20
    assert live.held("coarse", "fine") == [slow.pockets[1].value, slow.pockets[0].value] == [10, 0]


def test_money_pays_while_it_lasts() -> None:  # 46
    live = Live(catalogue(TENS), (account(balance("50", "main")),))
    assert live.max_debit(80 * S) == (50 * S, 50 * NANOS)
    assert live.held("main") == [0]


def test_the_subject_of_a_balance_sets_the_price() -> None:  # 49, 50
    units = account(balance("350", "cash"), balance("250s", "bundle", weight=1, subject="own"))
    live = Live(catalogue(TENS, OWN_TENS), (units,))
    live.debit(70 * S)
    assert live.held("bundle", "cash") == [180, 280]
    live = Live(catalogue(TENS, OWN_TENS), (account(balance("75", "cash", subject="own")),))
    live.debit(70 * S)
    assert live.held("cash") == [5]


def test_shared_money_pays_in_steps_of_ten_seconds() -> None:  # 51
    group = sharing(Strategy.MINE_RANDOM, KEY, "t:b")
    mine = account(balance("0", "mine", shared_groups=("SG",)), extras=group)
    friend = account(balance("130", "theirs", shared_groups=("SG",)), key="t:b", extras=group)
    live = Live(catalogue(Price("0 2/1s/10s")), (mine, friend))
    live.debit(60 * S)
    assert live.held("theirs", key="t:b") == [10]


def test_units_pay_for_their_own_kind() -> None:  # 52, 54, 55
    message = account(balance("5", "cash"), balance("100", "sms", unit=Unit.EVENTS))
    live = Live(catalogue(Price("0 100/1/1")), (message,), "sms")
    live.debit(1)
    assert live.held("sms", "cash") == [99, 5]
    data = account(balance("5", "cash"), balance("100", "data", unit=Unit.OCTETS))
    live = Live(catalogue(Price("0 2/1/1")), (data,), "data")
    live.debit(80)
    assert live.held("data", "cash") == [20, 5]
    empty = account(balance("160", "cash"), balance("0", "data", unit=Unit.OCTETS))
    live = Live(catalogue(Price("0 2/1/60")), (empty,), "data")
    assert live.max_debit(80) == (60, 120 * NANOS)  # whole increments of 60: 120 of 160
    assert live.held("cash") == [40]


def test_a_factor_turns_points_into_seconds() -> None:  # 53; the incumbent keeps 99.49999
    points = balance("100", "points", unit=Unit.GENERIC, factor="1/60000000000")
    live = Live(catalogue(SECOND), (account(points),))
    live.debit(30 * S)
    assert live.held("points") == [100 - Fraction(30, 60)]


def test_a_refund_gives_everything_back_to_its_payer() -> None:  # 56, 58
    units = balance("10", "sms", unit=Unit.EVENTS, weight=5, factor="4")
    live = Live(catalogue(Price("0 1/1/1")), (account(balance("5", "cash"), units),), "sms")
    answer = live.charge(4)
    assert live.held("sms", "cash") == [2, 3]
    answered = live.world.decisions[-1].answered
    assert answered is not None
    back = ChargingEvent(
        EventKind.EVENT,
        "test",
        "refund",
        1,
        "sms",
        action=Requested.REFUND_ACCOUNT,
        refund_token=answer.refund_token,
        account=KEY,
    )
    assert live.world.take(KEY, back, answered.posting).answer.result is Result.SUCCESS
    assert live.held("sms", "cash") == [10, 5]


def test_blocking_units_pay_whole_messages_only() -> None:  # 57
    units = balance("10", "sms", unit=Unit.EVENTS, is_blocker=True)
    live = Live(catalogue(Price("0 1/1/1")), (account(units, balance("9", "cash")),), "sms")
    assert live.charge(8).result is Result.SUCCESS
    assert live.held("sms") == [2]
    assert live.charge(3).result is Result.NO_CREDIT
    assert live.held("sms", "cash") == [2, 9]


@pytest.mark.parametrize(
    ("factor", "count", "units", "money"),
    [pytest.param("4", 4, 2, 3, id="58"), pytest.param("3", 6, 1, 2, id="59")],
)
def test_factored_messages_then_money(factor: str, count: int, units: int, money: int) -> None:
    messages = balance("10", "sms", unit=Unit.EVENTS, weight=5, factor=factor)
    live = Live(catalogue(Price("0 1/1/1")), (account(balance("5", "cash"), messages),), "sms")
    live.debit(count)
    slow = Purse(
        [
            Pocket("sms", Fraction(10), increment=1, factor=Fraction(factor)),
            Pocket("cash", Fraction(5), is_money=True),
        ],
        brute_tariff(Price("0 1/1/1"), 1),
    )
    assert slow.spend(count) == count
    assert live.held("sms", "cash") == [pocket.value for pocket in slow.pockets] == [units, money]


def test_a_blocker_refuses_a_call_it_does_not_cover() -> None:  # 62
    live = Live(
        catalogue(SECOND), (account(balance("10s", "bundle", is_blocker=True), balance("9", "cash")),)
    )
    assert live.charge(30 * S).result is Result.NO_CREDIT
    assert live.held("bundle", "cash") == [10, 9]


def test_transfers_move_units_between_accounts() -> None:  # 69
    accounts = {key: account(balance("10", "b", unit=Unit.EVENTS), key=key) for key in (KEY, "t:b")}
    held = []
    for amount in (4, 2):
        work = Bench(accounts, "UTC")
        move = Action(Do.TRANSFER, "b", Unit.EVENTS, amount, to_account="t:b", to_balance="b")
        work.run(KEY, ActionSet("move", (move,)), Act(f"run-{amount}", 0, "ops", "gift"))
        accounts = dict(work.accounts)
        held.append([accounts[key].balances[0].posted for key in (KEY, "t:b")])
    assert held == [[6, 14], [4, 16]]


def test_debt_goes_to_the_main_balance() -> None:  # 63, 65, 67
    live = Live(catalogue(SECOND), (account(balance("10s", "bundle")),))
    assert live.debit(30 * S) == 20 * NANOS
    assert live.held("bundle", "main") == [0, -20]
    live = Live(catalogue(Price("1 1/1/1")), (account(balance("10", "cash")),), "generic")
    assert live.debit(30) == 31 * NANOS
    assert live.money() == -21
    live = Live(
        catalogue(Price("0 1/1/1")),
        (account(balance("5", "one", weight=10), balance("5", "two")),),
        "generic",
    )
    live.debit(8)
    assert live.held("one", "two") == [0, 2]
    live = Live(catalogue(Price("0 1/1/1")), (account(balance("5", "cash")),), "generic")
    live.debit(8)
    assert live.money() == -3


def test_two_priced_bundles_and_a_look_before() -> None:  # 68
    own = Price("0 0.6/60s/1s", subject="own")
    bundles = (balance("180s", "one", subject="own"), balance("240s", "two", subject="own"))
    live = Live(catalogue(SECOND, own), (account(*bundles, balance("10", "cash")),))
    assert live.max_usage(240 * S) == 240 * S
    assert live.held("one", "two", "cash") == [180, 240, 10]
    assert live.debit(240 * S) == Fraction("2.4") * NANOS
    assert live.held("one", "two", "cash") == [0, 180, Fraction("7.6")]


async def test_fifty_debits_at_once_lose_nothing() -> None:  # 70
    tariff = catalogue(Price("1 1/1s/1s"))
    truth = Truth()
    assert truth.take(Change(account(balance("10000", "main")))) is None
    door = ChargingService(ProcessStore(truth, lambda: 0.001), tariff, ChargingPolicy(), Counts())
    more = {"service": "voice", "identities": (), "account": KEY, "slices_itself": True}
    opened = [initial(rg(None, 59 * S, unit=Unit.TIME), session=f"s{number}", **more) for number in range(50)]
    await asyncio.gather(*map(door.handle, opened))
    ended = [
        terminate(1, rg(None, used=59 * S, unit=Unit.TIME), session=f"s{number}", **more)
        for number in range(50)
    ]
    answers = await asyncio.gather(*map(door.handle, ended))
    assert {answer.cost_nanos for answer in answers} == {60 * NANOS}
    assert truth.accounts[KEY].balances[0].posted == 7000 * NANOS


def test_what_lies_behind_a_blocker_is_written_off() -> None:
    units = balance("10", "sms", unit=Unit.EVENTS, is_blocker=True)
    live = Live(catalogue(Price("0 1/1/1")), (account(units, balance("9", "cash")),), "sms")
    live.debit(13)
    assert live.held("sms", "cash") == [0, 9]
    told = [entry for posting in live.world.postings for entry in posting.entries]
    assert [(entry.kind, entry.amount) for entry in told] == [
        (EntryKind.DEBIT, -10),
        (EntryKind.WRITE_OFF, -3 * NANOS),
    ]
