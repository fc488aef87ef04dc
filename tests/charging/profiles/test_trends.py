"""Trends: growth, labels, limits, selection."""

from decimal import Decimal

import msgspec
import pytest

from ocs.charging.profiles.trends import AVERAGE, Trend, TrendProfile, continued, selected

PROFILE = TrendProfile(tenant="cgrates.org", id="T", stat_id="S", tolerance=Decimal("2.5"))
NOTHING = Trend("cgrates.org", "T")


def told(trend: Trend) -> list[tuple[str, str]]:
    """Growths and labels of the first metric."""
    return [(str(run.readings[0].growth), run.readings[0].label) for run in trend.runs]


def of(profile: TrendProfile, *values: int | None) -> Trend:
    """A trend over values a second apart."""
    trend = NOTHING
    for second, value in enumerate(values):
        trend = continued(trend, profile, {"*acd": value}, second * 10**9, 2)
    return trend


def test_growth_is_in_percent_of_the_last_value() -> None:
    assert told(of(PROFILE, 100, 110, 99)) == [
        ("-1", "N/A"),
        ("10.00", "*positive"),
        ("-10.00", "*negative"),
    ]


def test_growth_is_in_percent_of_the_mean_of_all_before() -> None:
    profile = msgspec.structs.replace(PROFILE, correlation=AVERAGE)
    assert told(of(profile, 100, 200, 180))[-1] == ("20.00", "*positive")


def test_what_grows_within_the_tolerance_is_constant() -> None:
    assert [label for _, label in told(of(PROFILE, 1000, 1025, 1000))] == ["N/A", "*constant", "*constant"]
    assert told(of(PROFILE, 1000, 1026))[-1] == ("2.60", "*positive")


@pytest.mark.parametrize("values", [(None, 5), (0, 5), (5, None)])
def test_growth_is_not_told_without_something_to_compare(values: tuple[int | None, ...]) -> None:
    assert told(of(PROFILE, *values))[-1] == ("-1", "N/A")


def test_a_metric_without_value_is_passed_over_by_the_next() -> None:
    assert told(of(PROFILE, 100, None, 150))[-1] == ("50.00", "*positive")


def test_old_runs_leave_by_number_and_by_age() -> None:
    short = msgspec.structs.replace(PROFILE, queue_length=2)
    assert [run.at_ns for run in of(short, 1, 2, 3, 4).runs] == [2 * 10**9, 3 * 10**9]
    single = msgspec.structs.replace(PROFILE, queue_length=1)
    assert told(of(single, 100, 150)) == [("50.00", "*positive")]
    young = msgspec.structs.replace(PROFILE, ttl_ns=2 * 10**9)
    assert [run.at_ns for run in of(young, 1, 2, 3, 4).runs] == [2 * 10**9, 3 * 10**9]


def test_metrics_may_be_named() -> None:
    profile = msgspec.structs.replace(PROFILE, metric_ids=("*tcc", "*pdd"))
    run = continued(NOTHING, profile, {"*acd": 1, "*tcc": 7}, 0, 2).runs[0]
    assert [(each.metric_id, int(each.value)) for each in run.readings] == [("*tcc", 7), ("*pdd", -1)]


def test_runs_are_selected_by_number_and_time() -> None:
    trend = of(PROFILE, 1, 2, 3, 4)

    def seconds(*wanted: int | None) -> list[int]:
        return [run.at_ns // 10**9 for run in selected(trend, *wanted)]  # type: ignore[arg-type]

    assert seconds() == [0, 1, 2, 3]
    assert seconds(1, 3) == [1, 2]
    assert seconds(0, 9) == [0, 1, 2, 3]
    assert seconds(5, 3) == seconds(-1) == []
    assert seconds(0, 0, 10**9, 3 * 10**9) == [1, 2]
