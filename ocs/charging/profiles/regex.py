"""Regular expressions whose cost is bounded: the syntax and the answers of RE2, whatever pattern and text. Pure.

A pattern is parsed once and its worst case under Python's backtracking `re` is estimated. Where that is small for
the length of a text, `re` searches; otherwise all threads are simulated at once (R. Cox, "Regular Expression
Matching: the Virtual Machine Approach"), which costs the length of the text times that of the pattern. Both give
the leftmost match and prefer alternatives in the order written.
"""

import importlib
import re
from collections.abc import Iterable
from typing import Any

from ocs.charging.profiles.threads import Program, compile_program

MOST_PATTERN = 1_000  # characters
MOST_TEXT = 8_192  # characters; a longer text does not match
MOST_STEPS = 100_000  # of backtracking, estimated
MANY = 4  # a counted repeat above this is estimated like an endless one

_parser = importlib.import_module("re._parser")  # the parser of `re`; typeshed does not describe it
_GO_SPELLINGS = (
    (re.compile(r"(?<!\\)((?:\\\\)*)\\z"), r"\1\\Z"),
    (re.compile(r"\[:alpha:\]"), "a-zA-Z"),
    (re.compile(r"\[:digit:\]"), "0-9"),
    (re.compile(r"\[:alnum:\]"), "a-zA-Z0-9"),
    (re.compile(r"\[:upper:\]"), "A-Z"),
    (re.compile(r"\[:lower:\]"), "a-z"),
    (re.compile(r"\[:space:\]"), r"\\s"),
    (re.compile(r"\[:xdigit:\]"), "0-9a-fA-F"),
)
_REFUSED = {
    "GROUPREF": "a back reference",
    "GROUPREF_EXISTS": "a condition on a group",
    "ASSERT": "a look-around",
    "ASSERT_NOT": "a look-around",
    "ATOMIC_GROUP": "an atomic group",
    "POSSESSIVE_REPEAT": "a possessive repeat",
}
_PLACE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))", re.ASCII)


class Regex:
    """A compiled pattern."""

    __slots__ = ("_backtracking", "_cost", "_degree", "_names", "_program", "pattern")

    def __init__(self, pattern: str) -> None:
        """Raises ValueError for a pattern that is malformed, too long, or has what RE2 has not."""
        if len(pattern) > MOST_PATTERN:
            raise ValueError(f"regular expression longer than {MOST_PATTERN} characters")
        self.pattern = pattern
        spelled = pattern
        for go, python in _GO_SPELLINGS:
            spelled = go.sub(python, spelled)
        try:
            self._backtracking = re.compile(spelled, re.ASCII)
            parsed = _parser.parse(spelled, re.ASCII)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"not a regular expression: {pattern[:80]!r}: {error}") from None
        self._names: dict[str, int] = dict(self._backtracking.groupindex)
        self._degree, self._cost = _estimate(parsed)
        if not _is_anchored(parsed):
            self._degree += 1
        self._program: Program = compile_program(parsed, parsed.state.flags, parsed.state.groups)

    def search(self, text: str) -> tuple[int, ...] | None:
        """Starts and ends of the leftmost match and its groups, -1 for a group without part; None for no match."""
        if len(text) > MOST_TEXT:
            return None
        if self._cost * (len(text) + 1) ** self._degree > MOST_STEPS:
            return self._program.search(text)
        match = self._backtracking.search(text)
        return None if match is None else tuple(edge for span in match.regs for edge in span)

    def matches(self, text: str) -> bool:
        """Whether the pattern is found anywhere in a text."""
        return self.search(text) is not None

    def expand(self, template: str, text: str, spans: tuple[int, ...]) -> str:
        """The template with `$1`, `${1}` and `${name}` as groups; `$$` is a dollar sign."""

        def part(found: "re.Match[str]") -> str:
            name = found[1] or found[2]
            if name is None:
                return "$"
            group = int(name) if name.isdigit() else self._names.get(name, -1)
            if not 0 <= 2 * group < len(spans) or spans[2 * group] < 0:
                return ""
            return text[spans[2 * group] : spans[2 * group + 1]]

        return _PLACE.sub(part, template)


def _is_anchored(parsed: Any) -> bool:
    if not len(parsed) or parsed[0][0].name != "AT":
        return False
    place = parsed[0][1].name
    return place == "AT_BEGINNING_STRING" or (
        place == "AT_BEGINNING" and not parsed.state.flags & re.MULTILINE
    )


def _estimate(nodes: Iterable[Any]) -> tuple[int, int]:
    """(degree, factor): backtracking takes at most about factor * length^degree steps."""
    degree, factor = 0, 1
    for operation, argument in nodes:
        more, times = _estimate_one(operation.name, argument)
        degree, factor = degree + more, factor * times
        factor = min(factor, MOST_STEPS + 1)
    return degree, factor


def _estimate_one(name: str, argument: Any) -> tuple[int, int]:
    if name in _REFUSED:
        raise ValueError(f"{_REFUSED[name]} is not possible in a filter")
    if name == "SUBPATTERN":
        return _estimate(argument[3])
    if name == "BRANCH":
        ways = [_estimate(branch) for branch in argument[1]]
        return max(degree for degree, _ in ways), sum(factor for _, factor in ways)
    if name in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, inner = argument
        degree, factor = _estimate(inner)
        if least == most and int(most) <= MANY:
            return degree * int(most), factor ** int(most)
        if int(most) == 1:
            return degree, factor + 1
        # A repeat of something that can be taken in several ways is what makes backtracking explode.
        return (1, 1) if (degree, factor) == (0, 1) else (1, MOST_STEPS + 1)
    return 0, 1
