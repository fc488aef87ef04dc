"""YAML with places: every value knows its file, line, column and path, and all problems are collected.

Pure. Scalars are taken as the text they are written in, never as YAML's numbers, so an amount keeps every
digit. Nothing is raised for what a file says; it becomes a `Problem`.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from enum import Enum
from typing import TypeVar

import msgspec
import yaml

Value = TypeVar("Value")

MAX_NESTING = 100  # of lists and mappings; no tariff comes near

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong in a file, where it is, and what was perhaps meant."""

    file: str
    line: int
    column: int
    path: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        hint = f' - did you mean "{self.suggestion}"?' if self.suggestion else ""
        where = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {where}{self.message}{hint}"


class _Kind(Enum):
    NULL = 0
    SCALAR = 1
    SEQUENCE = 2
    MAPPING = 3
    UNKNOWN = 4  # an alias of nothing


class _Node:
    """A value and its place; the children of a mapping are key, value, key, value."""

    __slots__ = ("_children", "column", "kind", "line", "text")

    def __init__(self, kind: _Kind, text: str, line: int, column: int) -> None:
        self.kind = kind
        self.text = text
        self.line = line
        self.column = column
        self._children: list[_Node] | None = None

    @property
    def children(self) -> "list[_Node]":
        if self._children is None:
            self._children = []
        return self._children


class Field:
    """One value of a file at its place; what it is read as is asked of it."""

    __slots__ = ("_file", "_node", "_problems", "path")

    def __init__(self, node: _Node, path: str, file: str, problems: list[Problem]) -> None:
        self._node = node
        self._file = file
        self._problems = problems
        self.path = path

    @property
    def source(self) -> str:
        """The place as file:line."""
        return f"{self._file}:{self._node.line}"

    @property
    def is_mapping(self) -> bool:
        return self._node.kind is _Kind.MAPPING

    def problem(self, message: str, suggestion: str = "") -> None:
        """Records that something is wrong here."""
        node = self._node
        self._problems.append(Problem(self._file, node.line, node.column, self.path, message, suggestion))

    def entries(self) -> "dict[str, Field]":
        """The members of a mapping with any keys; empty where it is none."""
        if self._node.kind is _Kind.NULL:
            return {}
        if self._node.kind is not _Kind.MAPPING:
            self.problem("must be a mapping")
            return {}
        found: dict[str, Field] = {}
        for key, value in _pairs(self._node):
            if key.kind not in (_Kind.SCALAR, _Kind.NULL):
                self._at(key, "?").problem("a key must be a plain word")
            elif key.text in found:
                self._at(key, key.text).problem("is given twice")
            else:
                found[key.text] = self._at(value, key.text)
        return found

    def members(self, known: Iterable[str]) -> "dict[str, Field]":
        """The members of a mapping that may only have known keys."""
        names = tuple(known)
        found = self.entries()
        for name in [name for name in found if name not in names]:
            self._key(name).problem("is not known here", closest(name, names))
            del found[name]
        return found

    def items(self) -> "list[Field]":
        """The items of a list; a single value is a list of one. An empty list is a problem."""
        if self._node.kind is not _Kind.SEQUENCE:
            return [self]
        if not self._node.children:
            self.problem("is empty")
        return [
            Field(node, f"{self.path}[{index}]", self._file, self._problems)
            for index, node in enumerate(self._node.children)
        ]

    def text(self) -> str | None:
        """A scalar as it is written; None with a problem where it is none."""
        if self._node.kind is not _Kind.SCALAR:
            self.problem("must be a single value")
            return None
        return self._node.text

    def value(self, parse: Callable[[str], Value]) -> Value | None:
        """A scalar as `parse` reads it; its ValueError becomes a problem here."""
        text = self.text()
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.problem(str(error))
            return None

    def values(self, parse: Callable[[str], Value]) -> list[Value]:
        """The items of a list, or the one value, as `parse` reads them."""
        return [value for item in self.items() if (value := item.value(parse)) is not None]

    def name_of(self, known: Mapping[str, Value], what: str) -> str | None:
        """A scalar that must name one of the known things."""
        name = self.text()
        if name is not None and name not in known:
            self.problem(f'there is no {what} "{name}"', closest(name, known))
            return None
        return name

    def names_of(self, known: Mapping[str, Value], what: str) -> tuple[str, ...]:
        """Names of known things, one or a list."""
        return tuple(name for item in self.items() if (name := item.name_of(known, what)) is not None)

    def _at(self, node: _Node, name: str) -> "Field":
        return Field(node, f"{self.path}.{name}" if self.path else name, self._file, self._problems)

    def _key(self, name: str) -> "Field":
        return self._at(next(key for key, _ in _pairs(self._node) if key.text == name), name)


def _pairs(node: _Node) -> "zip[tuple[_Node, _Node]]":
    return zip(node.children[::2], node.children[1::2], strict=True)


def closest(name: str, known: Iterable[str]) -> str:
    """The known word a wrong one is nearest to; empty where none is near."""
    return next(iter(get_close_matches(name, list(known), 1, 0.6)), "")


def read_fields(text: str, file: str, problems: list[Problem]) -> Field | None:
    """The root of a YAML text; None with a problem where it is no YAML or empty."""
    try:
        root = _compose(text)
    except yaml.MarkedYAMLError as error:
        line, column = _place(error.problem_mark or error.context_mark)
        problems.append(Problem(file, line, column, "", f"is not YAML: {error.problem or error.context}"))
        return None
    except yaml.YAMLError as error:
        problems.append(Problem(file, 1, 1, "", f"is not YAML: {error}"))
        return None
    if isinstance(root, Problem):
        problems.append(Problem(file, root.line, root.column, "", root.message))
        return None
    return Field(root, "", file, problems)


def _compose(text: str) -> "_Node | Problem":
    """The tree of the events, or what is wrong with it.

    Not yaml.compose: that recurses in C for every bracket, and a node of it is ten times as large.
    """
    root: _Node | None = None
    open_nodes: list[_Node] = []
    anchors: dict[str, _Node] = {}
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
            continue
        node = _node(event, anchors)
        if node is None:
            continue
        if node.kind is _Kind.UNKNOWN:
            return Problem("", node.line, node.column, "", f'there is no anchor "{node.text}"')
        if root is None:
            root = node
        elif open_nodes:
            open_nodes[-1].children.append(node)
        else:
            return Problem("", node.line, node.column, "", "is a second document; a file has one")
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append(node)
            if len(open_nodes) > MAX_NESTING:
                return Problem("", node.line, node.column, "", f"is nested more than {MAX_NESTING} deep")
    return Problem("", 1, 1, "", "is empty") if root is None else root


def _node(event: yaml.Event, anchors: dict[str, _Node]) -> _Node | None:
    """The node an event begins; an alias is the node of its anchor."""
    if not isinstance(event, yaml.NodeEvent):
        return None
    line, column = _place(event.start_mark)
    if isinstance(event, yaml.ScalarEvent):
        is_null = event.implicit[0] and event.value in _NULLS
        node = _Node(_Kind.NULL if is_null else _Kind.SCALAR, event.value, line, column)
    elif isinstance(event, yaml.AliasEvent):
        name = event.anchor or ""
        return anchors.get(name) or _Node(_Kind.UNKNOWN, name, line, column)
    else:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        node = _Node(_Kind.MAPPING if is_mapping else _Kind.SEQUENCE, "", line, column)
    if event.anchor is not None:
        anchors[event.anchor] = node
    return node


def _place(mark: object) -> tuple[int, int]:
    """Line and column from 1 of a mark of either loader; the beginning where there is none."""
    return getattr(mark, "line", 0) + 1, getattr(mark, "column", 0) + 1
