"""A YAML file to a tree of nodes with marks; what stops it from being read is a problem with a place.

PyYAML builds no values here: scalars stay text, so that money and sizes are read exactly. Events are counted
before the tree is built, because aliases and nesting can make a small file huge.
"""

import re
from pathlib import Path

import yaml
from yaml.nodes import Node

from ocs.config.problems import Problem

FILE_LIMIT = 1 << 20  # octets
DEPTH_LIMIT = 24
EVENT_LIMIT = 200_000
ALIAS_LIMIT = 100
_SECRET = re.compile(r"""(\b(?:password|secret)\s*:\s*)("[^"]*"|'[^']*'|[^,}#]+)""")
_QUOTED = re.compile(r'"[^"]*"')


class Document:
    """One file: its text, its root node (None where it cannot be read) and the problems so far."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.lines = text.splitlines()
        self.problems: list[Problem] = []
        self.root: Node | None = None
        if self._within_limits(text):
            self._compose(text)

    def report(self, line: int, column: int, path: str, message: str, suggestion: str = "") -> None:
        """Add a problem at a line and column counted from 0."""
        source = _SECRET.sub(r"\1***", self.lines[line]) if line < len(self.lines) else ""
        if path.endswith((".password", ".secret")):
            message = _QUOTED.sub("***", message)
        self.problems.append(Problem(self.file, line + 1, column + 1, path, message, suggestion, source))

    def _within_limits(self, text: str) -> bool:
        depth = events = aliases = 0
        try:
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                events += 1
                depth += isinstance(event, yaml.CollectionStartEvent)
                depth -= isinstance(event, yaml.CollectionEndEvent)
                aliases += isinstance(event, yaml.AliasEvent)
                excess, mark = _excess(depth, events, aliases), event.start_mark
                if excess:
                    self.report(mark.line if mark else 0, mark.column if mark else 0, "", excess)
                    return False
        except yaml.YAMLError as error:
            self._report_syntax(error)
            return False
        return True

    def _compose(self, text: str) -> None:
        try:
            self.root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            self._report_syntax(error)
            return
        if self.root is None:
            self.report(0, 0, "", "the file is empty")

    def _report_syntax(self, error: yaml.YAMLError) -> None:
        if isinstance(error, yaml.reader.ReaderError):
            line, column = self._place(error.position)
            self.report(line, column, "", f"YAML does not allow the character U+{_code(error.character):04X}")
            return
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        text = getattr(error, "problem", None) or getattr(error, "context", None) or "not YAML"
        self.report(mark.line if mark else 0, mark.column if mark else 0, "", f"YAML: {text}")

    def _place(self, position: int) -> tuple[int, int]:
        line = 0
        for line, content in enumerate(self.lines):  # noqa: B007 - the last line is the answer past the end
            if position <= len(content):
                break
            position -= len(content) + 1
        return line, position


def _code(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character)[:1])


def _excess(depth: int, events: int, aliases: int) -> str:
    if depth > DEPTH_LIMIT:
        return f"nested more than {DEPTH_LIMIT} levels deep"
    if aliases > ALIAS_LIMIT:
        return f"more than {ALIAS_LIMIT} aliases"
    if events > EVENT_LIMIT:
        return f"more than {EVENT_LIMIT} YAML events"
    return ""


def read_document(path: Path) -> Document | Problem:
    """Read a file; what keeps it from being text at all comes back as a problem."""
    name = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except OSError as error:
        return Problem(name, 1, 1, "", f"cannot be read: {error.strerror or error}")
    if len(data) > FILE_LIMIT:
        return Problem(name, 1, 1, "", f"larger than {FILE_LIMIT} octets")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n"), error.start - (before.rfind(b"\n") + 1)
        return Problem(name, line + 1, column + 1, "", f"not UTF-8: octet 0x{data[error.start]:02x}")
    return Document(name, text)
