"""Texts of cells as values."""

import pytest

from ocs.charging.cgrates import values

NOW_NS = values.instant_ns("2025-01-31T10:00:00Z")


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("", 0),
        ("60s", 60 * 10**9),
        ("1m30s", 90 * 10**9),
        ("5ms", 5 * 10**6),
        ("1024", 1024),
        ("1.5h", 5400 * 10**9),
    ],
)
def test_durations(text: str, ns: int) -> None:
    assert values.duration_ns(text) == ns


@pytest.mark.parametrize("text", ["1x", "s", "1s2", "-", "1 s"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError):
        values.duration_ns(text)


def test_instants_keep_the_offset_of_their_text() -> None:
    utc, none = values.instant("2025-03-05T10:00:00Z")
    ahead, offset_ns = values.instant("2025-03-05T12:00:00.5+02:00")
    assert (none, offset_ns) == (0, 7200 * 10**9)
    assert ahead - utc == 5 * 10**8
    with pytest.raises(ValueError):
        values.instant("tomorrow")


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("+24h", "2025-02-01T10:00:00Z"),
        ("*daily", "2025-02-01T10:00:00Z"),
        ("*monthly", "2025-03-03T10:00:00Z"),
        ("*monthly_estimated", "2025-02-28T10:00:00Z"),
        ("*yearly", "2026-01-31T10:00:00Z"),
        ("*month_end", "2025-01-31T23:59:59Z"),
        ("*year_end", "2025-12-31T23:59:59Z"),
        ("2046-01-01T00:00:00Z", "2046-01-01T00:00:00Z"),
    ],
)
def test_expiry_counts_from_now(text: str, ends: str) -> None:
    assert values.expiry_ns(text, NOW_NS) == values.instant_ns(ends)


def test_no_expiry() -> None:
    assert values.expiry_ns("*unlimited", NOW_NS) is None
    assert values.expiry_ns("", NOW_NS) is None


@pytest.mark.parametrize("text", ["25:00:00", "10:60", "noon"])
def test_other_texts_are_no_time_of_day(text: str) -> None:
    with pytest.raises(ValueError):
        values.time_of_day_ns(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20260310083000", "2026-03-10T08:30:00Z"),
        ("1773131400", "2026-03-10T08:30:00Z"),
        ("1773131400000", "2026-03-10T08:30:00Z"),
        ("1773131400000000000", "2026-03-10T08:30:00Z"),
        ("", "1970-01-01T00:00:00Z"),
    ],
)
def test_points_in_time_may_be_digits(text: str, expected: str) -> None:
    assert values.instant_ns(text) == values.instant_ns(expected)


def test_words_may_have_more_time_behind_them() -> None:
    now_ns = values.instant_ns("2026-03-10T08:30:00Z")
    assert values.expiry_ns("*month_end+1s", now_ns) == values.instant_ns("2026-04-01T00:00:00Z")
    assert values.expiry_ns("*mo+1h", now_ns) == values.instant_ns("2026-04-10T09:30:00Z")
