"""Claims about the texts of a tariff file."""

from collections.abc import Callable
from datetime import UTC, date
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from ocs.charging.events import Unit
from ocs.charging.tariff import quantities as q

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", (30 * 10**9, Unit.TIME)),
        ("1m30s", (90 * 10**9, Unit.TIME)),
        ("2h", (7200 * 10**9, Unit.TIME)),
        ("5ms", (5 * 10**6, Unit.TIME)),
        ("100MB", (10**8, Unit.OCTETS)),
        ("1MiB", (2**20, Unit.OCTETS)),
        ("1 kB", (1000, Unit.OCTETS)),
        ("7", (7, None)),
    ],
)
def test_quantities_say_what_they_count(text: str, expected: tuple[int, Unit | None]) -> None:
    assert q.quantity(text) == expected


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (q.amount_nanos, "0.000000001", 1),
        (partial(q.number_range, least=0, most=9), "3", (3, 3)),
        (partial(q.number_range, least=0, most=9), "3-5", (3, 5)),
        (q.days_of_week, "Monday", {0}),
        (q.days_of_week, "mon-fri", {0, 1, 2, 3, 4}),
        (q.days_of_week, "sat-mon", {5, 6, 0}),
        (q.months, "nov-feb", {11, 12, 1, 2}),
        (q.months, "6-8", {6, 7, 8}),
        (q.clock_seconds, "08:00", 28_800),
        (q.clock_seconds, "24:00", 86_400),
        (q.clock_seconds, "23:59:59", 86_399),
        (q.day, "2026-12-25", date(2026, 12, 25)),
        (partial(q.moment_ns, zone=UTC), "1970-01-02", 86_400 * 10**9),
        (partial(q.moment_ns, zone=BERLIN), "1970-01-01T01:00:01.000001", 1_000_001_000),
        (partial(q.moment_ns, zone=BERLIN), "1970-01-01T00:00:00Z", 0),
        (q.number_prefix, "+49", "49"),
        (q.number_prefix, "*", ""),
        (q.network_prefix, "262-01", "26201"),
        (q.network_prefix, "*", ""),
    ],
)
def test_texts_are_read_exactly(parse: Callable[[str], object], text: str, expected: object) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("parse", "texts"),
    [
        (q.quantity, ["", "1x", "1.5MB", "-1", "1mb", "1s30", "99999999999999999999", "9" * 5000]),
        (q.amount_nanos, ["-1", "1e3", ""]),
        (partial(q.whole, least=1, most=5), ["0", "6", "a", "", "1.0"]),
        (partial(q.number_range, least=0, most=9), ["5-3", "1-", "-1", "10"]),
        (q.days_of_week, ["someday", "mon-", "1"]),
        (q.months, ["13", "0", "smarch"]),
        (q.clock_seconds, ["8", "24:01", "12:60", "12:00:60", "8:0"]),
        (q.day, ["2026-13-01", "2026-02-30", "christmas"]),
        (partial(q.moment_ns, zone=UTC), ["tomorrow", "2026-1-1"]),
        (q.number_prefix, ["", "49a", "+", "4 9"]),
        (q.network_prefix, ["", "1234-1", "x", "262-0123"]),
    ],
)
def test_what_cannot_be_read_is_a_value_error_with_a_sentence(
    parse: Callable[[str], object], texts: list[str]
) -> None:
    for text in texts:
        with pytest.raises(ValueError, match=r"\w"):
            parse(text)
