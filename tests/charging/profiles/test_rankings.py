"""Rankings: the order of queues."""

import pytest

from ocs.charging.profiles.rankings import RankingProfile, ranked
from ocs.charging.profiles.values import Number

METRICS: dict[str, dict[str, Number | None]] = {
    "A": {"*acd": 10, "*tcc": 5},
    "B": {"*acd": 30, "*tcc": 5},
    "C": {"*acd": 20, "*tcc": 7},
    "D": {"*acd": None, "*tcc": 5},
}


def order(sorting: str, *parameters: str, metric_ids: tuple[str, ...] = ()) -> str:
    """The queues in their order."""
    profile = RankingProfile(
        tenant="t",
        id="R",
        stat_ids=tuple(METRICS),
        metric_ids=metric_ids,
        sorting=sorting,
        sorting_parameters=parameters,
    )
    return "".join(ranked(profile, METRICS, 0).sorted_stat_ids)


@pytest.mark.parametrize(
    ("sorting", "parameters", "expected"),
    [
        ("*desc", ("*acd",), "BCAD"),
        ("*asc", ("*acd",), "ACBD"),
        ("*desc", ("*tcc", "*acd"), "CBAD"),
        ("*desc", ("*tcc:true", "*acd:false"), "CABD"),
        ("*asc", ("*tcc", "*acd:false"), "BADC"),
        ("*desc", (), "ABCD"),
        ("*desc", ("*pdd",), "ABCD"),
    ],
)
def test_queues_come_in_the_order_of_their_metrics(
    sorting: str, parameters: tuple[str, ...], expected: str
) -> None:
    assert order(sorting, *parameters) == expected


def test_only_named_metrics_count() -> None:
    assert order("*desc", "*acd", "*tcc", metric_ids=("*tcc",)) == "CABD"


def test_another_sorting_is_told() -> None:
    with pytest.raises(ValueError, match=r"NOT_IMPLEMENTED:\*random"):
        order("*random", "*acd")
