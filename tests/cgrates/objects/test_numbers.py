"""Numbers, lengths and moments as the incumbent writes them."""

import pytest

from ocs.cgrates.objects.numbers import decimal, duration, moment, number


@pytest.mark.parametrize(
    ("nanos", "expected"),
    [(10 * 10**9, "10"), (700200000, "0.7002"), (-1500000000, "-1.5"), (0, "0"), (1, "1e-09")],
)
def test_whole_values_stay_whole(nanos: int, expected: str) -> None:
    assert repr(number(nanos)) == expected


@pytest.mark.parametrize(
    ("length_ns", "text"),
    [
        (0, "0s"),
        (90 * 10**9, "1m30s"),
        (3_600 * 10**9, "1h0m0s"),
        (1_500_000_000, "1.5s"),
        (20_000_000, "20ms"),
        (1_500, "1.5µs"),
        (7, "7ns"),
        (-(10**9), "-1s"),
    ],
)
def test_lengths_read_as_go_writes_them(length_ns: int, text: str) -> None:
    assert duration(length_ns) == text


def test_decimals_are_exact() -> None:
    assert (decimal(1_500_000_000), decimal(-1), decimal(5 * 10**9)) == ("1.5", "-0.000000001", "5")


def test_moments_keep_fraction_and_offset() -> None:
    assert moment(1_500_000_000) == "1970-01-01T00:00:01.5Z"
    assert moment(0, 2 * 3_600 * 10**9) == "1970-01-01T02:00:00+02:00"
    assert moment(None) == "0001-01-01T00:00:00Z"
