"""Where the published results of the incumbent's own tests are proven, by number, as the tests themselves say it.

A test names its numbers in a comment at its `def` (`# 84, 85`) or in ids of its cases (`id="9b"` is a part of 9).
"""

import ast
import re
from pathlib import Path

NUMBERS = tuple(number for number in range(1, 96) if number not in (47, 48))  # those two are not in the list
COMPAT = (
    "tests/charging/cgrates/test_numbers_balances.py",
    "tests/charging/cgrates/test_numbers_rating.py",
    "tests/charging/cgrates/test_numbers_sessions.py",
    "tests/cgrates/diameter/test_agent.py",
    "tests/cgrates/diameter/test_example.py",
    "tests/cgrates/test_session_numbers.py",
    "tests/interop/test_radius_cgrates.py",
)
EXACT = (
    "tests/charging/exact/test_numbers_balances.py",
    "tests/charging/exact/test_numbers_rating.py",
    "tests/charging/exact/test_numbers_served.py",
    "tests/charging/exact/test_numbers_sessions.py",
    "tests/agents/radius/test_access.py",
)
NO_TEMPLATE = "`ForceDuration` comes from a request template; in Gy 3 000 000 000 s are cut to a quota"
NOT_COMPAT: dict[int, str] = {}
NOT_EXACT = {93: NO_TEMPLATE}
ROOT = Path(__file__).parents[2]

_AT_DEF = re.compile(r"#\s*((?:\d+[a-z]?(?:,\s*)?)+)(?:$|[;:\s])")
_CASE = re.compile(r"(\d+)[a-z]?$")


def proven(files: tuple[str, ...]) -> dict[int, list[str]]:
    """The tests of files by the numbers they say they are about."""
    found: dict[int, list[str]] = {}
    for file in files:
        text = (ROOT / file).read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for number in sorted(_of_def(lines, node) | _of_cases(node)):
                    found.setdefault(number, []).append(f"{file}::{node.name}")
    return found


def _of_def(lines: list[str], node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    """Numbers of the comments between the name of a function and its first statement."""
    head = lines[node.lineno - 1 : node.body[0].lineno - 1]
    told = [match[1] for line in head if (match := _AT_DEF.search(line))]
    return {int(number) for text in told for number in re.findall(r"\d+", text)}


def _of_cases(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    """Numbers that are ids of cases: `pytest.param(…, id="9b")` and `ids=["80", "81"]`."""
    found: set[int] = set()
    for decorator in node.decorator_list:
        for each in ast.walk(decorator):
            if isinstance(each, ast.keyword) and each.arg in ("id", "ids"):
                for text in ast.walk(each.value):
                    if isinstance(text, ast.Constant) and isinstance(text.value, str):
                        case = _CASE.match(text.value)
                        found |= {int(case[1])} if case else set()
    return found
