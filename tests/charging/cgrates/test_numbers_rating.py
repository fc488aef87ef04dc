"""Published results of the incumbent's own tests: the price of a call."""

import pytest

from ocs.charging.cgrates.call import Refusal
from ocs.charging.cgrates.cost import call_cost
from ocs.charging.cgrates.model import CallCost, MaxUsage
from ocs.charging.cgrates.plan import Settings, Tariff
from ocs.charging.cgrates.usage import debit_call, max_debit, max_usage
from tests.charging.cgrates.small import G6, MINUTE, Price, S, balance, call, held, snapshot, tariff_of

RT_20CNT = tariff_of(Price("0.4 0.2/60s/60s@0s 0.1/60s/1s@60s"))
RT_40CNT = tariff_of(Price("0.8 0.4/60s/30s@0s 0.2/60s/10s@60s"))
RT_10CNT = tariff_of(Price("0.2 0.1/60s/60s@0s 0.05/60s/1s@60s"))
PEAK = tariff_of(
    Price("0.2 1.2/1m/1m", timing="PEAK"),
    Price("0.1 0.01/1s/1s", timing="NIGHT"),
    Price("0.1 0.01/1s/1s", timing="NEW_YEAR", weight=20),
    timings=(
        "PEAK,*any,*any,*any,1;2;3;4;5,08:00:00\nNIGHT,*any,*any,*any,*any,19:00:00\n"
        "NEW_YEAR,*any,1,1,*any,00:00:00\n"
    ),
)
WORKDAY = tariff_of(
    Price("1 1/1s/1s", timing="DAY", rounding="*middle,4"),
    Price("0 0.5/1s/1s", timing="EVENING", rounding="*middle,4"),
    timings="DAY,*any,*any,*any,1;2;3;4;5,00:00:00\nEVENING,*any,*any,*any,1;2;3;4;5,18:00:00\n",
)
STEPPED = tariff_of(Price("0 1/1s/60s@0s 1/1s/1s@60s"))


def _capped(strategy: str) -> Tariff:
    return tariff_of(Price("0 0.01/1s/1s", cap=f"0.62,{strategy}"))


@pytest.mark.parametrize(
    ("tariff", "seconds", "cost"),
    [
        pytest.param(RT_20CNT, 20, 0.6, id="1"),
        pytest.param(RT_20CNT, 85, 0.6418, id="2"),
        pytest.param(RT_20CNT, 120, 0.7002, id="3"),
        pytest.param(RT_20CNT, 130, 0.7169, id="4"),
        pytest.param(RT_40CNT, 20, 1.0, id="5"),
        pytest.param(RT_40CNT, 85, 1.3, id="6"),
        pytest.param(RT_40CNT, 90, 1.3, id="6b"),
        pytest.param(RT_10CNT, 90, 0.3249, id="7"),
        pytest.param(RT_10CNT, 120, 0.3498, id="8"),
        pytest.param(_capped("*free"), 50, 0.5, id="9"),
        pytest.param(_capped("*free"), 70, 0.62, id="9b"),
        pytest.param(_capped("*disconnect"), 70, 0.7, id="10"),
        pytest.param(tariff_of(Price("0.1 0.01/1s/1s")), 45, 0.55, id="12"),
        pytest.param(tariff_of(Price("0.1 0/60s/60s")), 300, 0.1, id="19"),
        pytest.param(tariff_of(Price("0.1 0/60s/60s")), 645, 0.1, id="19b"),
        pytest.param(STEPPED, 132, 132, id="24"),
        pytest.param(STEPPED, 85, 85, id="24b"),
        pytest.param(tariff_of(Price("0 1/1s/1s", cap="10,*free")), 1800, 10, id="27"),
        pytest.param(tariff_of(Price("0 1/1s/1s", cap="10,*disconnect")), 1800, 1800, id="28"),
    ],
)
def test_call_costs_what_was_published(tariff: Tariff, seconds: int, cost: float) -> None:
    found = call_cost(tariff, call(seconds * S), Settings())
    assert isinstance(found, CallCost)
    assert found.cost_nanos / 10**9 == cost


@pytest.mark.parametrize(
    ("at", "cost"),
    [
        pytest.param("2025-03-05T10:00:00Z", 1.4, id="13"),
        pytest.param("2025-03-05T21:00:00Z", 0.55, id="14"),
        pytest.param("2025-01-01T21:00:00Z", 0.55, id="15"),
        pytest.param("2025-01-01T10:00:00Z", 0.55, id="15b"),
        pytest.param("2025-01-02T10:00:00Z", 1.4, id="15c"),
    ],
)
def test_price_follows_the_clock(at: str, cost: float) -> None:
    found = call_cost(PEAK, call(45 * S, at=at), Settings())
    assert isinstance(found, CallCost)
    assert found.cost_nanos / 10**9 == cost


@pytest.mark.parametrize(
    ("at", "usage_ns", "loop", "cost"),
    [
        pytest.param("2012-02-02T17:30:00Z", 3600 * S, 0, 2701, id="20"),
        pytest.param("2012-02-02T17:30:00Z", 3600 * S, 1, 2700, id="20b"),
        pytest.param("2012-02-01T23:50:00Z", 2400 * S, 0, 2100, id="21"),
        pytest.param("2012-02-02T22:50:00Z", 3621 * S, 0, 1810.5, id="22"),
        pytest.param("2012-02-02T23:50:00Z", 30 * S, 0, 15, id="23"),
    ],
)
def test_call_over_two_prices_is_cut(at: str, usage_ns: int, loop: int, cost: float) -> None:
    found = call_cost(WORKDAY, call(usage_ns, at=at, loop=loop), Settings())
    assert isinstance(found, CallCost)
    assert found.cost_nanos / 10**9 == cost


@pytest.mark.parametrize(
    ("tariff", "kind", "units", "cost"),
    [
        pytest.param(tariff_of(Price("0 1/1024/1024")), "*data", 2048, 2, id="17"),
        pytest.param(tariff_of(Price("0 0.1/1/1")), "*sms", 1, 0.1, id="18"),
        pytest.param(tariff_of(Price("0 0.2/1/1")), "*sms", 1, 0.2, id="18b"),
        pytest.param(STEPPED, "*data", 65 * S, 65, id="24c"),
        pytest.param(STEPPED, "*data", S, 60, id="24d"),
        pytest.param(tariff_of(Price("0 1/10000/10000")), "*data", 256_000_000, 25600, id="30"),
        pytest.param(tariff_of(Price("0 1/10000/10000")), "*data", 10**9, 100000, id="30b"),
    ],
)
def test_units_cost_what_was_published(tariff: Tariff, kind: str, units: int, cost: float) -> None:
    found = call_cost(tariff, call(units, kind=kind), Settings())
    assert isinstance(found, CallCost)
    assert found.cost_nanos / 10**9 == cost


def test_data_is_not_cut_by_the_clock() -> None:  # 29
    tariff = tariff_of(
        Price("0 0.002/10/10", timing="NIGHT"),
        Price("0 0.001/10/10", timing="ONE"),
        timings="NIGHT,*any,*any,*any,*any,00:00:00\nONE,*any,*any,*any,*any,01:00:00\n",
    )
    found = call_cost(tariff, call(20 * S, kind="*data", at="2025-03-05T00:59:50Z"), Settings())
    units = call_cost(tariff, call(20, kind="*data", at="2025-03-05T00:59:50Z"), Settings())
    assert isinstance(found, CallCost)
    assert isinstance(units, CallCost)
    assert units.cost_nanos == 4_000_000
    assert len(found.spans) == 1


def test_unknown_destination_and_subject_are_refused() -> None:  # 16, 32
    tariff = tariff_of(Price("0 1/1s/1s", prefix="44", subject="b"))
    assert call_cost(tariff, call(S, subject="b"), Settings()) is Refusal.UNAUTHORIZED_DESTINATION
    assert call_cost(tariff, call(S, subject="x"), Settings()) is Refusal.RATING_PLAN_NOT_FOUND


def test_rounding_of_a_rated_a_debited_and_a_rounded_call() -> None:  # 25
    tariff = tariff_of(Price("0 0.1/60s/1s", rounding="*middle,4"))
    found = call_cost(tariff, call(180 * S), G6)
    debited = debit_call(snapshot(balance("10")), tariff, call(180 * S), G6)
    rounded = debit_call(snapshot(balance("10")), tariff, call(180 * S, performs_rounding=True), G6)
    assert not isinstance(found, Refusal)
    assert not isinstance(debited, Refusal)
    assert not isinstance(rounded, Refusal)
    costs = (found.cost_nanos, debited.paid.cost_nanos, rounded.paid.cost_nanos)
    assert costs == (300_100_000, 300_060_000, 300_100_000)


def test_rounding_up_to_cents_with_a_fee() -> None:  # 26
    tariff = tariff_of(Price("0.15 0.05/60s/1s", rounding="*up,2"))
    found = call_cost(tariff, call(24 * S), G6)
    rounded = debit_call(snapshot(balance("1")), tariff, call(180 * S, performs_rounding=True), G6)
    assert isinstance(found, CallCost)
    assert not isinstance(rounded, Refusal)
    assert (found.cost_nanos, rounded.paid.cost_nanos) == (170_000_000, 300_000_000)
    assert held(rounded.accounts["t:a"]) == [0.7]


def test_caps_end_or_free_a_call() -> None:  # 11, 27, 28
    money = snapshot(balance("1000"))
    cut = max_debit(money, _capped("*disconnect"), call(120 * S), Settings())
    free = max_debit(money, tariff_of(Price("0 1/1s/1s", cap="10,*free")), call(1800 * S), Settings())
    limit = max_usage(money, tariff_of(Price("0 1/1s/1s", cap="10,*disconnect")), call(1800 * S), Settings())
    assert not isinstance(cut, Refusal)
    assert not isinstance(free, Refusal)
    assert isinstance(limit, MaxUsage)
    assert cut.paid.usage_ns == 62 * S
    assert (free.paid.cost_nanos, free.paid.usage_ns) == (10 * 10**9, 30 * MINUTE)
    assert limit.usage_ns == 10 * S


def test_fallback_subjects_are_tried_four_deep() -> None:  # 31
    tariff = tariff_of(
        Price("0 1/1s/1s", prefix="1", subject="main", fallback="f2;f1"),
        Price("0 2/1s/1s", prefix="2", subject="f2"),
        Price("0 3/1s/1s", prefix="3", subject="f1", fallback="f3"),
        Price("0 4/1s/1s", prefix="4", subject="f3", fallback="f4"),
        Price("0 5/1s/1s", prefix="5", subject="f4", fallback="last"),
        Price("0 6/1s/1s", prefix="6", subject="last"),
    )
    settings = Settings(fallback_depth=4)
    costs = []
    for number in "12345":
        found = call_cost(tariff, call(10 * S, destination=number, subject="main"), settings)
        assert isinstance(found, CallCost)
        costs.append(found.cost_nanos // 10**9)
    assert costs == [10, 20, 30, 40, 50]
    sixth = call_cost(tariff, call(10 * S, destination="6", subject="main"), settings)
    assert sixth is Refusal.UNAUTHORIZED_DESTINATION


@pytest.mark.parametrize(
    ("at", "seconds", "spans"),
    [
        pytest.param("2012-02-27T23:50:00Z", 18 * 3600 + 1200, 3, id="33"),
        pytest.param("2012-02-27T09:50:00Z", 32 * 3600 + 1200, 4, id="33b"),
        pytest.param("2012-02-27T09:50:00Z", 80 * 3600 + 1200, 8, id="33c"),
    ],
)
def test_midnight_and_hours_cut_a_long_call(at: str, seconds: int, spans: int) -> None:
    found = call_cost(WORKDAY, call(seconds * S, at=at), Settings(max_usage={"*any": 100 * 3600 * S}))
    assert isinstance(found, CallCost)
    assert len(found.spans) == spans
