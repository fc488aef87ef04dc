"""Nodes to settings, field by field, driven by the annotations of the structs; every problem is collected."""

import functools
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ocs.config import constraints
from ocs.config.checks import CHECKS
from ocs.config.document import Document
from ocs.config.problems import closest
from ocs.config.profiles import BUILT_IN
from ocs.config.scalars import InvalidValue
from ocs.config.settings import CONDITIONS, SHIPPED, Endpoint, Profile, QuotaRule

T = TypeVar("T", bound=msgspec.Struct)

NODE_LIMIT = 50_000  # nodes visited, aliases counted each time
ENTRY_LIMIT = 20_000  # entries of one list or map
_TAGS = {
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:bool": "the word",
    "tag:yaml.org,2002:null": "nothing",
    "tag:yaml.org,2002:str": "text",
    "tag:yaml.org,2002:timestamp": "a date",
}
_OTHER_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_NULL = "tag:yaml.org,2002:null"
_TEXT = "tag:yaml.org,2002:str"


class Missing:
    """No value could be read; the problem is reported already."""


MISSING = Missing()


class Converter:
    """One pass over one document; `places` remembers which node said what, for checks across keys."""

    def __init__(self, document: Document, folder: Path) -> None:
        self.document = document
        self.folder = folder
        self.places: dict[str, Node] = {}
        self.profile_names = set(BUILT_IN)
        self.profiles_used: list[tuple[str, str]] = []  # (path, name), checked when all names are known
        self._first: dict[tuple[str, ...], str] = {}
        self._visited = 0

    def once(self, path: str, *key: str) -> None:
        """Report a problem where the same key was seen before."""
        first = self._first.setdefault(key, path)
        if first != path:
            self.problem_at(path, f"repeats {first}")

    def check_profiles(self) -> None:
        """Report the profiles that are used and exist nowhere; for the end of the file."""
        for path, name in self.profiles_used:
            if name not in self.profile_names:
                known = sorted(self.profile_names)
                self.problem_at(path, f'there is no profile "{name}"', closest(name, known))

    def problem(self, node: Node, path: str, message: str, suggestion: str = "") -> Missing:
        """Report a problem at a node."""
        self.document.report(node.start_mark.line, node.start_mark.column, path, message, suggestion)
        return MISSING

    def problem_at(self, path: str, message: str, suggestion: str = "") -> None:
        """Report a problem at the key of a path, or at the nearest key above it."""
        place = path
        while place not in self.places and place:
            place = place[: max(place.rfind("."), place.rfind("["), 0)]
        self.problem(self.places[place], path, message, suggestion)

    def struct(self, node: Node, cls: type[T], path: str, base: msgspec.Struct | None = None) -> T | Missing:
        """Read a mapping into `cls`; keys not given come from `base`, else from the defaults of `cls`.

        A key that cannot be read keeps its default, so that the rest of the file is looked at too.
        """
        self.places[path] = node
        entries = self._entries(node, path)
        if entries is None:
            return MISSING
        values: dict[str, Any] = {}
        hints = field_hints(cls)
        for key, key_node, value_node in entries:
            here = f"{path}.{key}" if path else key
            if key not in hints:
                self.problem(key_node, here, "unknown key", closest(key, list(hints)))
                continue
            name, hint = hints[key]
            value = self.value(value_node, hint, here)
            if value is not MISSING:
                values[name] = value
        if base is not None:
            return self._checked(cast(T, msgspec.structs.replace(base, **values)), path)
        self._report_missing(node, cls, path, {key for key, _, _ in entries})
        if not required_fields(cls) <= values.keys():
            return MISSING
        return self._checked(cls(**values), path)

    def is_clean(self, *paths: str) -> bool:
        """Say whether nothing at these paths, or below them, is a problem yet."""
        wrong = [problem.path for problem in self.document.problems]
        return not any(
            one == path or one.startswith((f"{path}.", f"{path}[")) for one in wrong for path in paths
        )

    def _checked(self, value: T, path: str) -> T:
        check = CHECKS.get(type(value))
        if check is not None:
            check(self, value, path)
        return value

    def value(self, node: Node, hint: Any, path: str, base: object = None) -> Any:
        """Read one node as what the hint says."""
        self.places[path] = node
        self._visited += 1
        if self._visited > NODE_LIMIT:
            if self._visited == NODE_LIMIT + 1:
                self.problem(node, path, f"more than {NODE_LIMIT} values, aliases counted each time")
            return MISSING
        if get_origin(hint) is Annotated:
            return self._annotated(node, get_args(hint), path)
        if get_origin(hint) in (Union, types.UnionType):
            return self._optional(node, hint, path, base)
        if get_origin(hint) is Literal:
            return self._choice(node, get_args(hint), path)
        if get_origin(hint) is tuple:
            return self._list(node, get_args(hint)[0], path)
        if get_origin(hint) is dict:
            return self._profiles(node, path)
        if hint is bool:
            return self._boolean(node, path)
        return self.struct(node, hint, path, base if isinstance(base, msgspec.Struct) else None)

    def _annotated(self, node: Node, arguments: tuple[Any, ...], path: str) -> Any:
        inner, marker = arguments
        match marker:
            case constraints.OrAny():
                return None if _plain(node) == "any" else self._list(node, _list_item(inner), path)
            case constraints.NumberRanges():
                return self._ranges(node, marker, path)
            case constraints.Listen():
                return self._endpoint(node, path)
            case constraints.File() | constraints.Folder() | constraints.FileOrFolder():
                return self._existing(node, marker, path)
        return self._scalar(node, marker, path)

    def _optional(self, node: Node, hint: Any, path: str, base: object) -> Any:
        if node.tag == _NULL or (_plain(node) == "none" and not _has_choice(hint, "none")):
            return None
        inner = next(argument for argument in get_args(hint) if argument is not types.NoneType)
        return self.value(node, inner, path, base)

    def _scalar(self, node: Node, marker: constraints.Marker, path: str) -> Any:
        text = self._text(node, path, marker.needs_text)
        if isinstance(text, Missing):
            return MISSING
        try:
            return marker.read(text)
        except InvalidValue as error:
            return self.problem(node, path, str(error), error.suggestion)

    def _text(self, node: Node, path: str, quoted: bool) -> str | Missing:
        if not isinstance(node, ScalarNode):
            return self.problem(node, path, f"expected one value, found {_kind(node)}")
        if node.tag == _NULL:
            return self.problem(node, path, "has no value")
        if quoted and node.tag != _TEXT:
            return self.problem(node, path, f"expected text, found {_kind(node)}: put it in quotes")
        return str(node.value)

    def _choice(self, node: Node, choices: tuple[str, ...], path: str) -> Any:
        text = self._text(node, path, quoted=False)
        if isinstance(text, Missing) or text in choices:
            return text
        known = ", ".join(choices)
        return self.problem(node, path, f'"{text}" is none of {known}', closest(text, choices))

    def _boolean(self, node: Node, path: str) -> bool | Missing:
        text = _plain(node)
        if text in ("true", "false"):
            return text == "true"
        suggestion = _OTHER_BOOLEANS.get((text or "").lower(), "")
        return self.problem(node, path, f"expected true or false, found {_kind(node)}", suggestion)

    def _list(self, node: Node, hint: Any, path: str) -> Any:
        if not isinstance(node, SequenceNode):
            return self.problem(node, path, f"expected a list, found {_kind(node)}")
        if len(node.value) > ENTRY_LIMIT:
            return self.problem(node, path, f"more than {ENTRY_LIMIT} entries")
        bases = self._quota_bases(node, path) if hint is QuotaRule else [None] * len(node.value)
        read = [
            self.value(item, hint, f"{path}[{index}]", base)
            for index, (item, base) in enumerate(zip(node.value, bases, strict=True))
        ]
        return tuple(value for value in read if value is not MISSING)

    def _quota_bases(self, node: SequenceNode, path: str) -> list[QuotaRule]:
        """Return what each rule inherits: the values of the rule without conditions."""
        last = len(node.value) - 1
        default = QuotaRule()
        for index, item in enumerate(node.value):
            if not isinstance(item, MappingNode) or any(key.value in CONDITIONS for key, _ in item.value):
                continue
            if index < last:
                self.problem(
                    item, f"{path}[{index}]", "fits every request: the rules after it are never used"
                )
            quiet = Converter(Document(self.document.file, ""), self.folder)
            read = quiet.struct(item, QuotaRule, f"{path}[{index}]")
            default = default if isinstance(read, Missing) else read
        return [default] * len(node.value)

    def _profiles(self, node: Node, path: str) -> Any:
        entries = self._entries(node, path)
        if entries is None:
            return MISSING
        profiles = dict(BUILT_IN)
        for name, _, value in entries:
            self.profile_names.add(name)
            read = self.struct(value, Profile, f"{path}.{name}", profiles.get(name, BUILT_IN["default"]))
            if not isinstance(read, Missing):
                profiles[name] = read
        return profiles

    def _ranges(self, node: Node, marker: constraints.NumberRanges, path: str) -> Any:
        if isinstance(node, SequenceNode):
            read = [self._scalar(item, marker, f"{path}[{index}]") for index, item in enumerate(node.value)]
            return tuple(pair for pair in read if pair is not MISSING)
        one = self._scalar(node, marker, path)
        return one if one is MISSING else (one,)

    def _endpoint(self, node: Node, path: str) -> Any:
        text = self._text(node, path, quoted=False)
        if isinstance(text, Missing):
            return text
        if text == "none":
            return None
        address, _, port = text.rpartition(":")
        try:
            host = constraints.Address().read(address.removeprefix("[").removesuffix("]"))
            return Endpoint(host, constraints.Integer(1, 65_535).read(port))
        except InvalidValue as error:
            return self.problem(node, path, f"expected address:port such as 127.0.0.1:2012: {error}")

    def _existing(self, node: Node, marker: constraints.Marker, path: str) -> Any:
        text = self._text(node, path, marker.needs_text)
        if isinstance(text, Missing):
            return text
        if text == SHIPPED and path in ("charging.tariffs", "charging.accounts"):
            return text
        target = self.folder / text
        is_folder = isinstance(marker, constraints.Folder)
        try:
            either = isinstance(marker, constraints.FileOrFolder) and target.is_dir()
            found = either or (target.is_dir() if is_folder else target.is_file())
        except (OSError, ValueError):  # longer than a path may be, or with a zero octet in it
            found = False
        if not found:
            return self.problem(node, path, f"there is no {'folder' if is_folder else 'file'} {target}")
        return str(target)

    def _entries(self, node: Node, path: str) -> list[tuple[str, Node, Node]] | None:
        if node.tag == _NULL:
            return []
        if not isinstance(node, MappingNode):
            self.problem(node, path, f"expected a map of keys, found {_kind(node)}")
            return None
        return list(self._unique(node, path))

    def _unique(self, node: MappingNode, path: str) -> Iterator[tuple[str, Node, Node]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self.problem(key_node, path, f"a key must be a word, found {_kind(key_node)}")
                continue
            key = str(key_node.value)
            if key in seen:
                here = f"{path}.{key}" if path else key
                self.problem(key_node, here, f"repeats the key of line {seen[key]}")
                continue
            seen[key] = key_node.start_mark.line + 1
            yield key, key_node, value_node

    def _report_missing(self, node: Node, cls: type[msgspec.Struct], path: str, given: set[str]) -> None:
        required = required_fields(cls)
        for key, (name, _) in field_hints(cls).items():
            if name in required and key not in given:
                self.problem(node, f"{path}.{key}" if path else key, "missing")


@functools.cache
def required_fields(cls: type[msgspec.Struct]) -> frozenset[str]:
    """Return the names of the fields without a default."""
    return frozenset(field.name for field in msgspec.structs.fields(cls) if field.required)


@functools.cache
def field_hints(cls: type[msgspec.Struct]) -> dict[str, tuple[str, Any]]:
    """Return for each key of the file the field's name and hint."""
    hints = get_type_hints(cls, include_extras=True)
    return {name.removesuffix(_suffix(hint)): (name, hint) for name, hint in hints.items()}


def _suffix(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        return str(getattr(get_args(hint)[1], "suffix", ""))
    if get_origin(hint) in (Union, types.UnionType):
        return next((found for found in map(_suffix, get_args(hint)) if found), "")
    return ""


def _has_choice(hint: Any, word: str) -> bool:
    return any(get_origin(part) is Literal and word in get_args(part) for part in get_args(hint))


def _list_item(hint: Any) -> Any:
    listed = next(part for part in get_args(hint) if get_origin(part) is tuple)
    return get_args(listed)[0]


def _plain(node: Node) -> str | None:
    return str(node.value) if isinstance(node, ScalarNode) and node.style is None else None


def _kind(node: Node) -> str:
    if isinstance(node, MappingNode):
        return "a map of keys"
    if isinstance(node, SequenceNode):
        return "a list"
    found = _TAGS.get(node.tag, "text")
    return f'{found} "{node.value}"' if node.value and len(node.value) <= 40 else found
