"""What is wrong in a configuration file, and where. Text only."""

from difflib import get_close_matches
from typing import NamedTuple

_SHOWN_COLUMNS = 120


class Problem(NamedTuple):
    """One mistake; `line` and `column` count from 1, `source` is the line of the file."""

    file: str
    line: int
    column: int
    path: str
    message: str
    suggestion: str = ""
    source: str = ""

    def __str__(self) -> str:
        """`ocs.yaml:31:9: diameter.peers[2].origin_hots: unknown key - did you mean "origin_host"?`."""
        place = f"{self.file}:{self.line}:{self.column}: "
        path = f"{self.path}: " if self.path else ""
        hint = f' - did you mean "{self.suggestion}"?' if self.suggestion else ""
        return f"{place}{path}{self.message}{hint}"

    def with_source(self) -> str:
        """Return the problem, its source line and a caret below the column."""
        if not self.source.strip():
            return str(self)
        start = max(0, self.column - _SHOWN_COLUMNS)
        shown = self.source[start : start + _SHOWN_COLUMNS].replace("\t", " ").rstrip()
        return f"{self}\n    {shown}\n    {' ' * (self.column - 1 - start)}^"


class ConfigError(Exception):
    """A file cannot be used; `problems` holds everything found in it, in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def closest(word: str, known: list[str] | tuple[str, ...]) -> str:
    """Return the known word that was perhaps meant, or nothing."""
    lowered = {name.lower(): name for name in known}
    matches = get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    return lowered[matches[0]] if matches else ""
