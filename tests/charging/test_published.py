"""Every published result of the incumbent's own tests has a test in both modes, or a reason why it has none."""

import pytest

from tests.charging.published import COMPAT, EXACT, NOT_COMPAT, NOT_EXACT, NUMBERS, proven


@pytest.mark.parametrize(
    ("files", "excused"), [(COMPAT, NOT_COMPAT), (EXACT, NOT_EXACT)], ids=["compat", "exact"]
)
def test_every_number_is_proven_or_excused(files: tuple[str, ...], excused: dict[int, str]) -> None:
    found = proven(files)
    assert [number for number in NUMBERS if number not in found and number not in excused] == []
    assert sorted(number for number in excused if number in found) == [], "excused, and proven"
    assert sorted(number for number in found if number not in NUMBERS) == [], "not in the list"
