"""What people read: amounts, times and sizes by the unit in a field's name."""

from typing import Any

import pytest

from ocs.cli import tables


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("amount_nanos", 1_500_000_000, "1.50"),
        ("amount_nanos", -1, "-0.000000001"),
        ("opened_at_ns", 1_795_376_482_123_456_789, "2026-11-22 19:41:22.123Z"),
        ("at_ns", 10**30, f"{10**30}ns"),
        ("validity_ns", 90_000_000_000, "1m30s"),
        ("drift_ns", -90_000_000_000, "-1m30s"),
        ("used_octets", 1_536, "1.5 KiB"),
        ("octets", 1_023, "1023 B"),
        ("used_octets", 1 << 60, "1024.0 PiB"),
        ("account", None, "-"),
        ("open", True, "yes"),
        ("groups", [1, 2], "1, 2"),
        ("grant", {"amount_nanos": 10**9, "count": 2}, "amount=1.00, count=2"),
        ("used", {"octets": 1_536}, "1.5 KiB"),
        ("used", {"nanos": -50_000_000}, "-0.05"),
        ("used", {"ns": 90_000_000_000}, "1m30s"),
        ("used", {"events": 3}, "3"),
        ("note", "line\nbreak \x1b[31m", "line?break ?[31m"),
    ],
)
def test_value_is_shown_by_its_unit(field: str, value: Any, expected: str) -> None:
    assert tables.shown(field, value) == expected


def test_long_text_stays_in_its_column() -> None:
    assert len(tables.shown("note", "x" * 500)) == 80


def test_table_aligns_numbers_right_and_fills_gaps() -> None:
    shown = tables.table([{"id": "a", "count": 5}, {"id": "long", "count": 12, "note": "n"}])
    assert shown.splitlines() == ["ID    COUNT  NOTE", "a         5  -", "long     12  n"]
