"""How much of a running call is certain."""

import pytest

from ocs.agents.voice.ticks import SECOND_NS, certain_ns


@pytest.mark.parametrize(
    ("elapsed_s", "said_s", "expected_s"),
    [(0, 0, 0), (0.9, 0, 0), (1.9, 0, 0), (2.0, 0, 1), (9.7, 0, 8), (9.7, 9, 9)],
)
def test_what_is_certain_stays_a_second_behind_and_never_goes_back(
    elapsed_s: float, said_s: int, expected_s: int
) -> None:
    assert certain_ns(round(elapsed_s * SECOND_NS), said_s * SECOND_NS) == expected_s * SECOND_NS
