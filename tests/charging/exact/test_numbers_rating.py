"""The published results of the incumbent's own tests, in exact arithmetic: the price of a call.

Numbers are those of the list of results; where the incumbent's figure differs, it is beside ours in a comment.
The expected values come from `brute`: fractions, one second after the other.
"""

from fractions import Fraction

import pytest

from ocs.charging.events import Unit
from ocs.charging.tariff.model import Query, Verdict
from ocs.charging.what_if import what_if
from tests.charging.cgrates.small import Price
from tests.charging.exact.small import KINDS, NANOS, Live, S, account, balance, brute_tariff, catalogue

RT_20CNT = Price("0.4 0.2/60s/60s@0s 0.1/60s/1s@60s")
RT_40CNT = Price("0.8 0.4/60s/30s@0s 0.2/60s/10s@60s")
RT_10CNT = Price("0.2 0.1/60s/60s@0s 0.05/60s/1s@60s")
STEPPED = Price("0 1/1s/60s@0s 1/1s/1s@60s")
DAY = Price("1 1/1s/1s", timing="DAY", rounding="*middle,4")
EVENING = Price("0 0.5/1s/1s", timing="EVENING", rounding="*middle,4")
HOURS = "DAY,*any,*any,*any,1;2;3;4;5,00:00:00\nEVENING,*any,*any,*any,1;2;3;4;5,18:00:00\n"
PEAK = (
    Price("0.2 1.2/1m/1m", timing="PEAK"),
    Price("0.1 0.01/1s/1s", timing="NIGHT"),
    Price("0.1 0.01/1s/1s", timing="NEW_YEAR", weight=20),
)
CLOCKS = (
    "PEAK,*any,*any,*any,1;2;3;4;5,08:00:00\n"
    "NIGHT,*any,*any,*any,*any,19:00:00\nNEW_YEAR,*any,1,1,*any,00:00:00\n"
)


def capped(strategy: str, cap: str = "0.62", rate: str = "0.01") -> Price:
    return Price(f"0 {rate}/1s/1s", cap=f"{cap},{strategy}")


@pytest.mark.parametrize(
    ("price", "seconds", "expected"),
    [
        pytest.param(RT_20CNT, 20, "0.6", id="1"),
        pytest.param(RT_20CNT, 85, "0.6417", id="2"),  # 0.6418
        pytest.param(RT_20CNT, 120, "0.7", id="3"),  # 0.7002
        pytest.param(RT_20CNT, 130, "0.7167", id="4"),  # 0.7169
        pytest.param(RT_40CNT, 20, "1", id="5"),
        pytest.param(RT_40CNT, 85, "1.3", id="6"),
        pytest.param(RT_40CNT, 90, "1.3", id="6b"),
        pytest.param(RT_10CNT, 90, "0.325", id="7"),  # 0.3249
        pytest.param(RT_10CNT, 120, "0.35", id="8"),  # 0.3498
        pytest.param(capped("*free"), 50, "0.5", id="9"),
        pytest.param(capped("*free"), 70, "0.62", id="9b"),
        pytest.param(capped("*disconnect"), 70, "0.7", id="10"),
        pytest.param(Price("0.1 0.01/1s/1s"), 45, "0.55", id="12"),
        pytest.param(Price("0.1 0/60s/60s"), 300, "0.1", id="19"),
        pytest.param(Price("0.1 0/60s/60s"), 645, "0.1", id="19b"),
        pytest.param(STEPPED, 132, "132", id="24"),
        pytest.param(STEPPED, 85, "85", id="24b"),
        pytest.param(Price("0 0.1/60s/1s", rounding="*middle,4"), 180, "0.3", id="25"),  # 0.3001
        pytest.param(Price("0.15 0.05/60s/1s", rounding="*up,2"), 24, "0.17", id="26"),
        pytest.param(Price("0.15 0.05/60s/1s", rounding="*up,2"), 180, "0.3", id="26b"),
        pytest.param(capped("*free", "10", "1"), 1800, "10", id="27"),
        pytest.param(capped("*disconnect", "10", "1"), 1800, "1800", id="28"),
        pytest.param(Price("0.8 0.4/60s/30s@0s 0.2/60s/10s@60s"), 150, "1.5", id="76a"),
        pytest.param(Price("0 0.033/1s/1s", rounding="*up,1"), 10, "0.4", id="83"),
        pytest.param(Price("0 0.033/1s/1s", rounding="*down,1"), 10, "0.3", id="83b"),
    ],
)
def test_a_call_costs_what_fractions_say(price: Price, seconds: int, expected: str) -> None:
    slow = brute_tariff(price)
    for _ in range(seconds):
        slow.step(slow.next_cost(owes_fee=slow.position == 0))
    assert slow.rounded() == Fraction(expected)
    assert cost(price, seconds * S) == Fraction(expected)


def cost(price: Price, units: int, service: str = "voice", at: str = "2025-03-05T10:00:00+00:00") -> Fraction:
    """The cost of a usage as the what-if tells it; a usage nothing rates fails."""
    tariff = catalogue(price)
    query = Query(service, KINDS[service], called="33", category="call")
    found = what_if(tariff, "t:*any", query, units, 1_741_168_800 * S)
    assert found.result in ("RATED", "FREE"), at
    return Fraction(found.cost_nanos, NANOS)


@pytest.mark.parametrize(
    ("price", "service", "units", "expected"),
    [
        pytest.param(Price("0 1/1024/1024"), "data", 2048, 2, id="17"),
        pytest.param(Price("0 0.1/1/1"), "sms", 1, "0.1", id="18"),
        pytest.param(Price("0 0.2/1/1"), "sms", 1, "0.2", id="18b"),
        pytest.param(Price("0 0.1/1/1"), "mms", 3, "0.3", id="18c"),
        pytest.param(Price("0 1/1/60@0 1/1/1@60"), "data", 65, 65, id="24c"),
        pytest.param(Price("0 1/1/60@0 1/1/1@60"), "data", 1, 60, id="24d"),
        pytest.param(Price("0 1/10000/10000"), "data", 256_000_000, 25600, id="30"),
        pytest.param(Price("0 1/10000/10000"), "data", 10**9, 100_000, id="30b"),
        pytest.param(Price("0 1/1048576/1024", rounding="*up,9"), "data", 10**9, "953.674804688", id="1 GB"),
        pytest.param(
            Price("0 0.001/1048576/1024", rounding="*up,9"), "data", 10**9, "0.953674805", id="cheap GB"
        ),
    ],
)
def test_units_cost_what_fractions_say(price: Price, service: str, units: int, expected: str) -> None:
    assert cost(price, units, service) == Fraction(expected)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        pytest.param("2025-03-05T10:00:00+00:00", "1.4", id="13"),
        pytest.param("2025-03-05T21:00:00+00:00", "0.55", id="14"),
        pytest.param("2025-01-01T21:00:00+00:00", "0.55", id="15"),
        pytest.param("2025-01-01T10:00:00+00:00", "0.55", id="15b"),
        pytest.param("2025-01-02T10:00:00+00:00", "1.4", id="15c"),
    ],
)
def test_the_price_follows_the_clock(at: str, expected: str) -> None:
    live = Live(catalogue(*PEAK, timings=CLOCKS), (account(balance("100", "main")),), at=at)
    assert Fraction(live.debit(45 * S), NANOS) == Fraction(expected)


@pytest.mark.parametrize(
    ("at", "seconds", "expected"),
    [
        # The fee is that of the price the call began at; the incumbent's 20 says the same.
        pytest.param("2012-02-02T17:30:00+00:00", 3600, 1 + 1800 + 900, id="20"),
        pytest.param("2012-02-02T22:50:00+00:00", 3600 + 21, "1810.5", id="22a"),
        pytest.param("2012-02-02T23:50:00+00:00", 30, 15, id="23"),
    ],
)
def test_a_call_over_two_prices_is_cut(at: str, seconds: int, expected: str) -> None:
    live = Live(catalogue(DAY, EVENING, timings=HOURS), (account(balance("100000", "main")),), at=at)
    found = Fraction(live.debit(seconds * S), NANOS)
    assert found == Fraction(expected)


def test_a_call_over_midnight_costs_what_every_second_costs() -> None:  # 21
    live = Live(
        catalogue(DAY, EVENING, timings=HOURS),
        (account(balance("100000", "main")),),
        at="2012-02-01T23:50:00+00:00",
    )
    evening, day = 600 * Fraction(1, 2), 1800 * Fraction(1)
    assert (
        Fraction(live.debit(2400 * S), NANOS) == evening + day
    )  # a fee of the second price is not due: 2100


def test_data_is_priced_at_the_moment_of_its_use() -> None:  # 29
    tariff = catalogue(
        Price("0 0.002/10/10", timing="NIGHT"),
        Price("0 0.001/10/10", timing="ONE"),
        timings="NIGHT,*any,*any,*any,*any,00:00:00\nONE,*any,*any,*any,*any,01:00:00\n",
    )
    live = Live(tariff, (account(balance("100", "main")),), "data", at="2025-03-05T00:59:50+00:00")
    assert live.debit(20) == 4_000_000


def test_what_no_profile_or_plan_is_about_is_refused() -> None:  # 16, 32
    tariff = catalogue(Price("0 1/1s/1s", prefix="44", subject="b"))
    line = tariff.line("t:b", Query("voice", Unit.TIME, called="33"))
    assert line is None
    assert tariff.line("t:x", Query("voice", Unit.TIME, called="44")) is None
    known = tariff.line("t:b", Query("voice", Unit.TIME, called="44"))
    assert known is not None
    assert known.at(1_741_168_800 * S).verdict is Verdict.RATED


def test_subjects_fall_back_depth_first() -> (
    None
):  # 31; the importer follows two steps, as the incumbent's default
    tariff = catalogue(
        Price("0 1/1s/1s", prefix="1", subject="main", fallback="f2;f1"),
        Price("0 2/1s/1s", prefix="2", subject="f2"),
        Price("0 3/1s/1s", prefix="3", subject="f1", fallback="f3"),
        Price("0 4/1s/1s", prefix="4", subject="f3", fallback="f4"),
        Price("0 5/1s/1s", prefix="5", subject="f4", fallback="last"),
        Price("0 6/1s/1s", prefix="6", subject="last"),
    )
    found = []
    for number in "123456":
        line = tariff.line("t:main", Query("voice", Unit.TIME, called=number, category="call"))
        priced = None if line is None else line.at(1_741_168_800 * S)
        rate = None if priced is None else priced.rate
        found.append(0 if rate is None else rate.slots[0].price_nanos // NANOS)
    assert found == [1, 2, 3, 4, 0, 0]


@pytest.mark.parametrize(
    ("at", "hours", "expected"),
    [
        pytest.param("2012-02-27T23:50:00+00:00", Fraction(110, 6), 3, id="33"),
        pytest.param("2012-02-27T09:50:00+00:00", Fraction(194, 6), 4, id="33b"),
        pytest.param("2012-02-27T09:50:00+00:00", Fraction(482, 6), 8, id="33c"),
    ],
)
def test_hours_cut_a_long_call(at: str, hours: Fraction, expected: int) -> None:
    """The incumbent counts a cut at midnight too; here only a change of the price is one."""
    live = Live(catalogue(DAY, EVENING, timings=HOURS), (account(balance("1000000", "main")),), at=at)
    seconds = int(hours * 3600)
    start_ns = live.world.now_ns
    slow = sum(_second_of(start_ns // S + second) for second in range(seconds))
    first_is_day = (start_ns // S) % 86_400 < 18 * 3600
    assert Fraction(live.debit(seconds * S), NANOS) == slow + (1 if first_is_day else 0)
    line = live.tariff.line("t:*any", Query("voice", Unit.TIME, called="33", category="call"))
    assert line is not None
    assert len(line.split(start_ns, seconds * S)) == expected


def _second_of(second: int) -> Fraction:
    return Fraction(1) if second % 86_400 < 18 * 3600 else Fraction(1, 2)


def test_caps_end_or_free_a_call() -> None:  # 11, 27, 28
    def covered(price: Price, seconds: int) -> tuple[int, int]:
        live = Live(catalogue(price), (account(balance("1000", "main")),))
        slow = brute_tariff(price)
        found, nanos = live.max_debit(seconds * S)
        for _ in range(found // S):
            slow.step(slow.next_cost(owes_fee=slow.position == 0))
        assert slow.rounded() == Fraction(nanos, NANOS)
        return found // S, nanos

    assert covered(capped("*disconnect"), 120) == (62, 620_000_000)
    assert covered(capped("*free", "10", "1"), 1800) == (1800, 10 * NANOS)
    assert covered(capped("*disconnect", "10", "1"), 1800) == (10, 10 * NANOS)
