"""The table of docs/gy-conformance.md names tests that exist, and every case of the checklist has a test."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
PAGE = TESTS.parent / "docs" / "gy-conformance.md"
CASES = range(1, 189)
REFERENCE = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
NUMBERS = re.compile(r"test_((?:\d{3}a?_)+)")
ELSEWHERE = re.compile(r"^\| (\d+) ", re.MULTILINE)


def references() -> list[tuple[str, str]]:
    """Every test the page names, with its file."""
    return sorted(set(REFERENCE.findall(PAGE.read_text(encoding="utf-8"))))


def names_in(path: Path) -> set[str]:
    """Names of the test functions of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def numbers_of(name: str) -> set[int]:
    """The cases a test shows: `test_037_040_...` is for 37 to 40."""
    found = NUMBERS.match(name)
    if found is None:
        return set()
    numbers = [int(part.rstrip("a")) for part in found[1].strip("_").split("_")]
    return set(range(min(numbers), max(numbers) + 1))


@pytest.mark.parametrize(("file", "name"), references())
def test_every_test_the_page_names_exists(file: str, name: str) -> None:
    path = TESTS / "conformance" / file
    path = path if path.is_file() else TESTS / file
    assert path.is_file()
    assert name in names_in(path)


def test_the_page_has_many_rows_and_every_one_of_them_is_shown_or_says_otherwise() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith(("| what ", "| case "))]
    assert len(rows) > 150
    unshown = [row for row in rows if "::test_" not in row and "**Otherwise**" not in row]
    assert unshown == []


def test_every_case_has_a_test() -> None:
    shown = {
        number
        for path in (TESTS / "conformance").glob("test_*.py")
        for name in names_in(path)
        for number in numbers_of(name)
    }
    elsewhere = {int(number) for number in ELSEWHERE.findall(PAGE.read_text(encoding="utf-8"))}
    assert set(CASES) - shown - elsewhere == set()
    assert {2, 15} <= elsewhere - shown
