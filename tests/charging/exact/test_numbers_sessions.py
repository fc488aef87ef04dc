"""The published results of the incumbent's own tests, in exact arithmetic: sessions.

A client that names what it used of its last grant has it settled when the session ends: until then all of it is
held, and what is available on the account is what the incumbent's clients see as its balance.
"""

from fractions import Fraction

import pytest

from ocs.charging.events import (
    Action,
    ChargingEvent,
    EventKind,
    RequestedUnits,
    RequestType,
    Result,
    Unit,
    UsageReport,
    UsedUnits,
)
from tests.charging.cgrates.small import Price
from tests.charging.exact.small import NANOS, Live, S, account, balance, brute_tariff, catalogue

FS_40CNT = Price("0.8 0.4/60s/30s@0s 0.2/60s/10s@60s")
RT_10CNT = Price("0.2 0.1/60s/60s@0s 0.05/60s/1s@60s")
SECOND = Price("0 1/1s/1s")
FREE = Price("0 0/1s/1s")
FREE_DATA = Price("0 0/1/1")


def slowly(price: Price, seconds: int) -> Fraction:
    """What so many seconds cost, one after the other, in fractions."""
    slow = brute_tariff(price)
    for _ in range(seconds):
        slow.step(slow.next_cost(owes_fee=slow.position == 0))
    return slow.rounded()


def test_the_surplus_of_a_reservation_comes_back() -> None:  # 71: 8.70001, then 8.8
    live = Live(catalogue(FS_40CNT), (account(balance("5", "one"), balance("5", "two")),))
    assert live.grant(90 * S) == 90 * S
    assert live.money() == Fraction("8.7") == 10 - slowly(FS_40CNT, 90)
    assert live.end(60 * S) == Fraction("1.2") * NANOS == slowly(FS_40CNT, 60) * NANOS
    assert live.money() == Fraction("8.8")


def test_free_seconds_come_back() -> None:  # 72
    voice = (balance("120s", "three", destinations=("D33",)), balance("90s", "two", destinations=("D44",)))
    tariff = catalogue(Price("0 0.1/1s/1s", prefix="33"), Price("0 0.1/1s/1s", prefix="44"))
    live = Live(tariff, (account(*voice),))
    live.grant(90 * S)
    assert sum(live.held("three", "two")) == 120
    live.end(60 * S)
    assert sum(live.held("three", "two")) == 150


def test_priced_blocks_then_money() -> None:  # 73: 8.7399, then 8.79
    tariff = catalogue(Price("0 0.1/60s/1s"), Price("0 0.01/60s/60s", subject="block"))
    live = Live(tariff, (account(balance("8.8", "cash"), balance("90s", "bundle", subject="block")),))
    live.grant(90 * S)
    assert live.held("cash", "bundle") == [Fraction("8.74"), 30]
    paid = slowly(Price("0 0.01/60s/60s"), 60) + slowly(Price("0 0.1/60s/1s"), 30)
    assert Fraction("8.8") - paid == Fraction("8.74")
    live.end(60 * S)
    assert live.held("cash", "bundle") == [Fraction("8.79"), 30]


def test_every_grant_is_settled_by_what_was_used_of_it() -> None:  # 74: 7.39002, 7.09005, 6.5901, 7.59
    live = Live(catalogue(FS_40CNT), (account(balance("8.79", "cash")),))
    found = []
    for used in (None, 90 * S, 150 * S):
        live.grant(120 * S, used)
        found.append(live.money())
    live.end(60 * S)
    assert [*found, live.money()] == [Fraction(text) for text in ("7.39", "7.09", "6.59", "7.59")]
    held = (120, 90 + 120, 90 + 150 + 120, 60)  # what was used of every grant before, and the next one
    assert [*found, live.money()] == [Fraction("8.79") - slowly(FS_40CNT, seconds) for seconds in held]


def test_nothing_was_used_of_the_last_grant() -> None:  # 75: 6.19002, 6.09003, 6.59
    live = Live(catalogue(FS_40CNT), (account(balance("7.59", "cash")),))
    found = []
    for used in (None, 30 * S):
        live.grant(120 * S, used)
        found.append(live.money())
    live.end(30 * S)
    assert [*found, live.money()] == [Fraction(text) for text in ("6.19", "6.09", "6.59")]
    assert [*found, live.money()] == [
        Fraction("7.59") - slowly(FS_40CNT, seconds) for seconds in (120, 150, 30)
    ]


def test_a_session_that_fell_silent_costs_what_it_used() -> None:  # 76
    live = Live(catalogue(FS_40CNT), (account(balance("5.59", "cash")),))
    live.grant(120 * S)
    live.grant(120 * S, 30 * S)
    assert live.end(150 * S + 50_000_000) == Fraction("1.5334") * NANOS
    assert slowly(FS_40CNT, 151) == Fraction("1.5334"), "an increment of 10 s is begun either way"
    assert live.money() == Fraction("4.0566")


def test_free_steps_of_fifty_milliseconds() -> None:  # 77
    live = Live(catalogue(FREE, SECOND), (account(balance("300s", "voice", subject="*zero50ms")),))
    live = Live(catalogue(SECOND), (account(balance("300s", "voice", subject="*zero50ms")),))
    live.grant(120 * S)
    assert live.held("voice") == [180]
    live.grant(120 * S, 30 * S)
    assert live.held("voice") == [150]
    live.end(150 * S + 50_000_000)
    assert live.held("voice") == [Fraction("149.95")]


def test_grants_of_data_are_settled() -> None:  # 78, 79
    bundle = balance("102400", "data", unit=Unit.OCTETS)
    rate = catalogue(Price("0 1/1/1"))
    live = Live(rate, (account(bundle),), "data")
    live.grant(5120)
    found = live.held("data")
    live.grant(5120, 4096)
    found += live.held("data")
    live.end(4096)
    assert [*found, *live.held("data")] == [97280, 93184, 98304]
    live = Live(rate, (account(bundle),), "data")
    live.grant(6144)
    found = live.held("data")
    live.grant(8192, 7168)
    found += live.held("data")
    live.end(13312)
    assert [*found, *live.held("data")] == [96256, 87040, 89088]
    assert live.world.cdrs[-1].usage[0].used == 13312


@pytest.mark.parametrize(
    ("total", "left"), [pytest.param(2048, 100352, id="80"), pytest.param(3072, 99328, id="81")]
)
def test_an_end_beyond_the_grant_is_debited(total: int, left: int) -> None:
    live = Live(catalogue(Price("0 1/1/1")), (account(balance("102400", "data", unit=Unit.OCTETS)),), "data")
    live.grant(1024)
    assert live.held("data") == [101376]
    live.end(total)
    assert live.held("data") == [left]
    assert live.world.cdrs[-1].usage[0].used == total


def test_a_running_total_is_granted_the_difference() -> None:  # 82
    live = Live(catalogue(SECOND), (account(balance("210s", "voice")),))
    live.grant(15 * S)
    assert live.grant(90 * S, 15 * S) == 90 * S
    assert live.held("voice") == [105]


@pytest.mark.parametrize("request_type", [RequestType.PREPAID, RequestType.POSTPAID])
@pytest.mark.parametrize(("rounding", "cost", "left"), [("*up,1", "0.4", "99.6"), ("*down,1", "0.3", "99.7")])
def test_a_session_is_rounded_once(
    rounding: str, cost: str, left: str, request_type: RequestType
) -> None:  # 83
    tariff = catalogue(Price("0 0.033/1s/1s", rounding=rounding))
    live = Live(tariff, (account(balance("100", "cash")),), request_type=request_type)
    live.grant(10 * S)
    assert live.end(10 * S) == Fraction(cost) * NANOS
    assert slowly(Price("0 0.033/1s/1s", rounding=rounding), 10) == Fraction(cost) == 100 - Fraction(left)
    assert live.money() == Fraction(left)


def test_a_session_without_use_gets_everything_back() -> None:  # 84, 85
    live = Live(catalogue(SECOND), (account(balance("5s", "voice", subject="*zero5ms")),))
    live.grant(2 * S)
    assert live.held("voice") == [3]
    live.end(0)
    assert live.held("voice") == [5]
    live = Live(catalogue(RT_10CNT), (account(balance("10.65", "cash")),))
    live.grant(120 * S)
    assert live.money() == Fraction("10.3") == Fraction("10.65") - slowly(RT_10CNT, 120)  # 10.3002
    live.end(0)
    assert live.money() == Fraction("10.65")


def test_a_balance_that_expires_pays_what_it_promised() -> None:  # 86
    start_ns = Live(catalogue(SECOND), (account(),)).world.now_ns
    short = balance("1s", "short", weight=100, expires_at_ns=start_ns + 50_000_000)
    live = Live(catalogue(SECOND), (account(balance("3600s", "long"), short),))
    live.grant(S)
    live.end(10 * S)
    assert live.held("long", "short") == [3600 - 9, 0]
    paid = [entry.balance_id for posting in live.world.postings for entry in posting.entries]
    assert paid == ["short", "long"]


def test_money_by_the_second_behind_free_seconds() -> None:  # 87
    money = balance("3595", "card", subject="*zero1s")
    live = Live(catalogue(SECOND), (account(money, balance("5s", "voice", weight=10)),))
    live.grant(10 * S)
    live.end(10 * S)
    assert live.held("voice", "card") == [0, 3590]


def test_factored_seconds_of_a_session() -> None:  # 60
    live = Live(catalogue(SECOND), (account(balance("100s", "voice", factor="2")),))
    for used, wanted in ((None, 10), (10, 5), (5, 2)):
        live.grant(wanted * S, None if used is None else used * S)
    assert live.held("voice") == [66]
    live.end(0)
    assert live.held("voice") == [100]


@pytest.mark.parametrize("is_blocker", [False, True])
def test_updates_grant_what_is_left(is_blocker: bool) -> None:  # 61
    live = Live(catalogue(SECOND), (account(balance("10s", "voice", is_blocker=is_blocker)),))
    assert live.max_usage(30 * S) == 10 * S
    grants = [live.grant(S)]
    grants += [live.grant(S, grants[-1]) for _ in range(28)]
    assert grants == [S] * 10 + [0] * 19


def test_a_pause_costs_nothing() -> (
    None
):  # 90; the incumbent never charges the fee of a call that began paused
    live = Live(catalogue(Price("0.4 0.2/60s/60s")), (account(balance("10", "cash")),))
    wish = UsageReport(requested=RequestedUnits(Unit.TIME, 60 * S))
    paused = UsageReport(requested=RequestedUnits(Unit.TIME, 60 * S), used=(UsedUnits(Unit.TIME, S),))
    live.take(EventKind.INITIAL, "s", wish, is_chargeable=False)
    live.take(EventKind.UPDATE, "s", paused, is_chargeable=False)
    assert live.money() == 10
    live.take(EventKind.UPDATE, "s", wish)
    assert live.money() == Fraction("9.4")
    assert live.end(60 * S) == Fraction("0.6") * NANOS == slowly(Price("0.4 0.2/60s/60s"), 60) * NANOS


@pytest.mark.parametrize(
    ("request_type", "credit", "grant", "left"),
    [
        (RequestType.PREPAID, "0", 0, 0),
        (RequestType.PREPAID, "3", 3, 0),
        (RequestType.PREPAID, "8", 5, 3),
        (RequestType.PSEUDOPREPAID, "0", 0, 0),
        (RequestType.PSEUDOPREPAID, "3", 3, 3),
        (RequestType.PSEUDOPREPAID, "8", 5, 8),
        (RequestType.NONE, "3", 5, 3),
        (RequestType.POSTPAID, "3", 5, 3),
        (RequestType.RATED, "3", 5, 3),
    ],
)
def test_a_message_is_granted_by_its_request_type(
    request_type: RequestType, credit: str, grant: int, left: int
) -> None:  # 66
    bundle = balance(credit, "sms", unit=Unit.EVENTS)
    live = Live(catalogue(Price("0 1/1/1")), (account(bundle),), "sms", request_type=request_type)
    assert live.grant(5) == grant
    assert live.held("sms") == [left]


def test_money_is_debited_as_money() -> None:  # 91: the client's own amounts, behind a blocker nothing pays
    live = Live(catalogue(FREE), (account(balance("10", "card", is_blocker=True)),))

    def ask(action: Action, units: int, session: str) -> tuple[Result, int]:
        wish = UsageReport(requested=RequestedUnits(Unit.MONEY, units * NANOS))
        event = ChargingEvent(
            EventKind.EVENT, "test", session, 0, "generic", reports=(wish,), action=action, account="t:a"
        )
        answer = live.world.take("t:a", event).answer
        return answer.result, answer.grants[0].amount // NANOS if answer.grants else 0

    assert ask(Action.AUTHORIZE, 12, "a") == (Result.SUCCESS, 10)
    assert [ask(Action.DIRECT_DEBITING, 3, f"d{number}") for number in range(3)] == [(Result.SUCCESS, 3)] * 3
    assert live.held("card") == [1]
    assert ask(Action.DIRECT_DEBITING, 3, "d4")[0] is Result.NO_CREDIT
    assert live.held("card") == [1]
