"""Members of events in every form, and those of no sensible size."""

from decimal import Decimal

import pytest

from ocs.sessions import values
from ocs.sessions.values import SECOND_NS as S

NOW_NS = 1_800_000_000 * S


@pytest.mark.parametrize(
    ("written", "ns"),
    [
        ("10s", 10 * S),
        ("1h2m", 3_720 * S),
        ("5120", 5120),
        (7, 7),
        (Decimal("1e3"), 1000),
        ("1.5", 1),
        ("-1", -1),
    ],
)
def test_durations(written: object, ns: int) -> None:
    assert values.duration(written) == ns


@pytest.mark.parametrize(
    ("written", "at_ns"),
    [
        ("2025-03-05T10:00:00Z", 1_741_168_800 * S),
        ("2025-03-05T11:00:00+01:00", 1_741_168_800 * S),
        ("2025-03-05 10:00:00", 1_741_168_800 * S),
        ("20250305100000", 1_741_168_800 * S),
        ("1741168800", 1_741_168_800 * S),
        (1_741_168_800_000, 1_741_168_800 * S),
        ("1741168800000000", 1_741_168_800 * S),
        ("1741168800000000000", 1_741_168_800 * S),
        ("*now", NOW_NS),
        ("+10s", NOW_NS + 10 * S),
        ("-10s", NOW_NS - 10 * S),
        ("", 0),
        (None, 0),
        ("*unlimited", 0),
    ],
)
def test_moments(written: object, at_ns: int) -> None:
    assert values.moment(written, NOW_NS)[0] == at_ns


def test_a_moment_keeps_the_offset_of_its_clock() -> None:
    found = values.moment("2025-03-05T11:00:00+01:00", NOW_NS)
    assert values.moment_text(found) == "2025-03-05T11:00:00+01:00"


ABSURD: tuple[object, ...] = (10**40, Decimal("1e999999999"), "1e999999999", Decimal("NaN"), True, "soon", {})


@pytest.mark.parametrize("absurd", ABSURD)
def test_absurd_values_are_refused_at_once(absurd: object) -> None:
    for read in (values.duration, values.nanos, lambda value: values.moment(value, NOW_NS)):
        with pytest.raises(ValueError):
            read(absurd)


def test_absurd_numbers_are_shown_as_they_came() -> None:
    assert values.text(Decimal("1e999999999")) == "1E+999999999"
    assert (values.text(Decimal("1.50")), values.text(0.25), values.text(True)) == ("1.5", "0.25", "true")


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0s"), (1, "1ns"), (1_500, "1.5µs"), (10_000_000, "10ms"), (90 * S, "1m30s"), (3_600 * S, "1h0m0s")],
)
def test_durations_are_written_like_go_does(ns: int, text: str) -> None:
    assert values.duration_text(ns) == text
