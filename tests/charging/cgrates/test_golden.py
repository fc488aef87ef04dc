"""Every recorded answer of the incumbent is ours, and what differs is listed."""

import json
from typing import Any

import pytest

from tests.charging.cgrates.golden import EXCEPTIONS, compare
from tests.charging.cgrates.golden_page import PAGE, page
from tests.charging.cgrates.worlds import same

STEPS = {"rating": 3682, "debit": 4069, "session": 3380, "action": 1055}
GROUPS = {"rating": 3682, "debit": 490, "session": 405, "action": 107}


@pytest.mark.parametrize("level", [1, 2])
def test_every_recorded_call_has_our_cost_usage_and_increments(level: int) -> None:
    found = compare("rating", level, drifts=False)
    assert found.differences == []
    assert (found.steps, found.equal_steps) == (STEPS["rating"], STEPS["rating"])


@pytest.mark.parametrize(("kind", "level"), [("debit", 1), ("debit", 2), ("session", 1), ("action", 1)])
def test_every_recorded_step_is_ours_when_debts_drift(kind: str, level: int) -> None:
    found = compare(kind, level, drifts=True)
    assert found.differences == []
    assert (found.steps, found.equal_steps, found.groups) == (STEPS[kind], STEPS[kind], GROUPS[kind])


def test_exact_debts_differ_in_the_listed_groups_alone() -> None:
    listed: dict[tuple[str, int], dict[str, Any]] = {
        (entry["file"], entry["group"]): entry for entry in json.loads(EXCEPTIONS.read_text("utf-8"))
    }
    found = {
        (difference.file, difference.group): difference
        for kind in ("debit", "session", "action")
        for difference in compare(kind, 1, drifts=False).differences
    }
    assert found.keys() == listed.keys()
    for key, difference in found.items():
        entry = listed[key]
        assert difference.step == entry["step"]
        assert same(entry["ours"], difference.ours, 1e-9)
        assert list(entry["ours"]) == ["balances"], "only a debt may differ first"


def test_the_page_tells_every_count_and_every_difference() -> None:
    assert PAGE.read_text("utf-8") == page(), "python -m tests.charging.cgrates.golden_page writes it anew"


def test_listed_differences_are_debts_that_are_smaller_with_us() -> None:
    for entry in json.loads(EXCEPTIONS.read_text("utf-8")):
        theirs, ours = _values(entry["incumbent"]["balances"]), _values(entry["ours"]["balances"])
        assert theirs.keys() == ours.keys()
        changed = {name for name in ours if abs(theirs[name] - ours[name]) > 1e-9}
        assert changed
        assert all(theirs[name] < ours[name] <= 1e-9 or ours[name] < 0 for name in changed), entry


def _values(balances: dict[str, Any]) -> dict[tuple[str, str, int], float]:
    return {
        (account, kind, place): float(value)
        for account, held in balances.items()
        for kind, rows in (held or {}).items()
        for place, (_, value) in enumerate(rows)
    }
