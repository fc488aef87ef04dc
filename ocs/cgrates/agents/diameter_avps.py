"""Diameter messages as field templates see them: AVPs read and written by path, types by the dictionary. Pure.

`A.B.C` goes into groups, everywhere where there are several; `[1]` is the second one found so far, and
`[~Rating-Group(1)|~X.Y(z)]` those with such AVPs beside them, or beside a group around them. The first of what is
left is the value.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from struct import unpack_from
from typing import Final

import msgspec

from ocs.cgrates.agents.template_values import whole
from ocs.cgrates.agents.templates import Field
from ocs.charging.profiles.values import SECOND_NS, moment_of, rfc3339
from ocs.charging.profiles.view import ABSENT, Walked
from ocs.diameter.avp import (
    RawAvp,
    decode_address,
    decode_i32,
    decode_i64,
    decode_octets,
    decode_time,
    decode_u32,
    decode_u64,
    wrong_size,
)
from ocs.diameter.dictionary import AvpType, Definition, Dictionary
from ocs.diameter.message import Message
from ocs.diameter.named import NamedValue, encode_named

WHOLE: Final = frozenset(
    (AvpType.UNSIGNED32, AvpType.UNSIGNED64, AvpType.INTEGER32, AvpType.INTEGER64, AvpType.ENUMERATED)
)
FIRST: Final = "Session-Id"  # goes before all others (RFC 6733 8.8)


class Condition(msgspec.Struct, frozen=True):
    """An AVP that has to have a value beside the one that is read."""

    path: tuple[str, ...]
    value: str


class Step(msgspec.Struct, frozen=True):
    """One name of a path, and which of those found are meant."""

    name: str
    index: int | None = None
    conditions: tuple[Condition, ...] = ()


@lru_cache(maxsize=4_096)
def steps_of(parts: tuple[str, ...]) -> tuple[Step, ...]:
    """The names of a path with what stands in brackets behind them. Raises ValueError."""
    steps: list[Step] = []
    for part in parts:
        if part.isascii() and part.isdigit():
            steps[-1:] = [msgspec.structs.replace(_last(steps, part), index=int(part))]
        elif part.startswith("~"):
            conditions = tuple(map(_condition, part.split("|")))
            steps[-1:] = [msgspec.structs.replace(_last(steps, part), conditions=conditions)]
        else:
            steps.append(Step(part))
    return tuple(steps)


def _last(steps: list[Step], part: str) -> Step:
    if not steps:
        raise ValueError(f"[{part[:40]}] stands behind no name")
    return steps[-1]


def _condition(text: str) -> Condition:
    path, parenthesis, value = text.partition("(")
    if not path.startswith("~") or len(path) == 1 or not parenthesis or not value.endswith(")"):
        raise ValueError(f"[{text[:40]}] is no condition such as [~Rating-Group(1)]")
    return Condition(tuple(path[1:].split(".")), value[:-1])


def check_read(dictionary: Dictionary, parts: Sequence[str]) -> None:
    """Raises ValueError for a path that no message can have."""
    steps = steps_of(tuple(parts))
    _check_names(dictionary, [step.name for step in steps], "")
    for step in steps:
        for condition in step.conditions:
            _check_names(dictionary, condition.path, "")


def check_written(dictionary: Dictionary, parts: Sequence[str]) -> None:
    """Raises ValueError for a path that cannot be written."""
    if any(part.startswith("~") or part.isdigit() for part in parts):
        raise ValueError(
            f"{'.'.join(parts)}: what is written takes no brackets; new_branch begins another group"
        )
    _check_names(dictionary, parts, parts[-1])


def _check_names(dictionary: Dictionary, names: Sequence[str], leaf: str) -> None:
    for place, name in enumerate(names):
        definition = dictionary.named(name)
        if definition is None:
            raise ValueError(f"no dictionary has an AVP named {name[:60]}")
        is_group, is_last = definition.type is AvpType.GROUPED, place == len(names) - 1
        if not is_group and not is_last:
            raise ValueError(f"AVP {name} is no group, and has no {names[place + 1][:60]}")
        if is_group and is_last and leaf:
            raise ValueError(f"AVP {name} is a group and needs members")


class AvpTree(Walked, Mapping[str, object]):
    """The AVPs of a message by name. Reading raises DecodeError for one that its type cannot be."""

    def __init__(self, message: Message, dictionary: Dictionary) -> None:
        self.message = message
        self._dictionary = dictionary
        self._members: dict[int, list[RawAvp]] = {}  # of groups, by where they begin

    def walk(self, parts: Sequence[str]) -> object:
        """The value at the end of a path; ABSENT where there is none."""
        found = self._found(self.message.avps, steps_of(tuple(parts)))
        return self._value(found[0]) if found else ABSENT

    def __getitem__(self, name: str) -> object:
        found = self.walk((name,))
        if found is ABSENT:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._shown(self.message.avps))

    def __len__(self) -> int:
        return len(self._shown(self.message.avps))

    # --- finding

    def _found(self, avps: list[RawAvp], steps: Sequence[Step]) -> list[RawAvp]:
        """The AVPs at the end of a path; those around each are kept for its conditions."""
        here: list[tuple[RawAvp, tuple[list[RawAvp], ...]]] = []
        levels: list[tuple[list[RawAvp], ...]] = [(avps,)]
        for step in steps:
            keys = self._dictionary.keys_named(step.name)
            here = [(avp, level) for level in levels for avp in level[-1] if avp[0] in keys]
            if step.conditions:
                here = [
                    (avp, level)
                    for avp, level in here
                    if all(self._holds(condition, level) for condition in step.conditions)
                ]
            if step.index is not None:
                here = here[step.index : step.index + 1]
            levels = [(*level, self._inside(avp)) for avp, level in here if self._is_group(avp)]
        return [avp for avp, _ in here]

    def _is_group(self, avp: RawAvp) -> bool:
        definition = self._dictionary.lookup(avp[0])
        return definition is not None and definition.type is AvpType.GROUPED

    def _inside(self, group: RawAvp) -> list[RawAvp]:
        start = group[2]
        members = self._members.get(start)
        if members is None:
            members = self._members[start] = self.message.members(group)
        return members

    def _holds(self, condition: Condition, level: tuple[list[RawAvp], ...]) -> bool:
        """Whether the nearest AVP of that path, beside or around, has the value."""
        for members in reversed(level):
            found = self._found(members, steps_of(condition.path))
            if found:
                return any(condition.value in self._texts(avp) for avp in found)
        return False

    # --- values

    def _value(self, avp: RawAvp) -> object:
        definition = self._dictionary.lookup(avp[0])
        assert definition is not None  # it was found by its name
        if definition.type is AvpType.GROUPED:
            return self._shown(self._inside(avp))
        return value_of(self.message.frame, avp, definition.type)

    def _texts(self, avp: RawAvp) -> tuple[str, ...]:
        """A value as a condition may name it: an enumeration by number or name."""
        value, definition = self._value(avp), self._dictionary.lookup(avp[0])
        names = definition.values if definition is not None else {}
        return str(value), names.get(value, "") if isinstance(value, int) else ""

    def _shown(self, avps: list[RawAvp], depth: int = 0) -> dict[str, object]:
        """A group as a mapping: the first of each name that is known."""
        shown: dict[str, object] = {}
        for avp in avps:
            definition = self._dictionary.lookup(avp[0])
            if definition is None or definition.name in shown:
                continue
            if definition.type is not AvpType.GROUPED:
                shown[definition.name] = value_of(self.message.frame, avp, definition.type)
            elif depth < self.message.limits.depth:
                shown[definition.name] = self._shown(self._inside(avp), depth + 1)
        return shown


def value_of(frame: bytes, avp: RawAvp, kind: AvpType) -> object:
    """A value by its type: a number, text, a time in RFC 3339, 0x... for other octets. Raises DecodeError."""
    match kind:
        case AvpType.UNSIGNED32:
            return decode_u32(frame, avp)
        case AvpType.UNSIGNED64:
            return decode_u64(frame, avp)
        case AvpType.INTEGER32 | AvpType.ENUMERATED:
            return decode_i32(frame, avp)
        case AvpType.INTEGER64:
            return decode_i64(frame, avp)
        case AvpType.TIME:
            return rfc3339(decode_time(frame, avp))
        case AvpType.ADDRESS:
            return decode_address(frame, avp).text
        case AvpType.FLOAT32 | AvpType.FLOAT64:
            octets, letter = (4, ">f") if kind is AvpType.FLOAT32 else (8, ">d")
            if avp[3] - avp[2] != octets:
                raise wrong_size(frame, avp)
            return repr(unpack_from(letter, frame, avp[2])[0])
        case AvpType.OCTET_STRING:
            return _text_or_hex(decode_octets(frame, avp))
    return decode_octets(frame, avp).decode("utf-8", "backslashreplace")


def _text_or_hex(octets: bytes) -> str:
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return f"0x{octets.hex()}"
    return text if text.isprintable() else f"0x{octets.hex()}"


class _Branch:
    """A group that is being written: its members in order, texts or groups."""

    __slots__ = ("members",)

    def __init__(self) -> None:
        self.members: list[tuple[str, _Branch | str]] = []

    def last(self, name: str) -> int | None:
        """Where the last member of that name is."""
        places = range(len(self.members) - 1, -1, -1)
        return next((place for place in places if self.members[place][0] == name), None)


class AvpsSaid:
    """AVPs that templates write: a path goes into the last group of its name, `new_branch` begins another."""

    def __init__(self, dictionary: Dictionary) -> None:
        self._dictionary = dictionary
        self._root = _Branch()

    def put(self, field: Field, text: str) -> None:
        """Write one value. Raises ValueError where its type cannot hold it."""
        *groups, name = field.path
        begins, branch = field.new_branch, self._root
        for group in groups:
            place = None if begins else branch.last(group)
            member = branch.members[place][1] if place is not None else None
            if not isinstance(member, _Branch):
                member = _Branch()
                branch.members.append((group, member))
            branch, begins = member, False
        place = None if begins or field.kind == "*group" else branch.last(name)
        if place is not None and field.kind == "*composed":
            text = f"{branch.members[place][1]}{text}"
        encode_named(self._dictionary, name, self._typed(name, text))
        if place is None:
            branch.members.append((name, text))
        else:
            branch.members[place] = (name, text)

    def value(self, path: Sequence[str]) -> object | None:
        """The first text of a path."""
        *groups, name = path
        branches = [self._root]
        for group in groups:
            branches = [
                member
                for branch in branches
                for known, member in branch.members
                if known == group and isinstance(member, _Branch)
            ]
        texts = [text for branch in branches for known, text in branch.members if known == name]
        return next((text for text in texts if isinstance(text, str)), None)

    def remove(self, path: Sequence[str]) -> None:
        """Take all of a path away; of everything where the path is empty."""
        _without(self._root, path)

    def encoded(self) -> list[tuple[str, bytes]]:
        """The AVPs by their names, Session-Id first. Raises ValueError."""
        members = sorted(self._root.members, key=lambda member: member[0] != FIRST)
        return [
            (name, encode_named(self._dictionary, name, self._named(name, value))) for name, value in members
        ]

    def _named(self, name: str, value: "_Branch | str") -> NamedValue:
        if isinstance(value, str):
            return self._typed(name, value)
        return [(member, self._named(member, inner)) for member, inner in value.members]

    def _typed(self, name: str, text: str) -> str | int:
        definition = self._dictionary.named(name)
        return text if definition is None else written(definition, text)


def _without(branch: _Branch, path: Sequence[str]) -> None:
    if len(path) < 2:
        branch.members = [each for each in branch.members if path and each[0] != path[0]]
        return
    for name, member in branch.members:
        if name == path[0] and isinstance(member, _Branch):
            _without(member, path[1:])


def written(definition: Definition, text: str) -> str | int:
    """A text as the type takes it: numbers without fraction, times in any spelling. Raises ValueError."""
    if definition.type in WHOLE and text not in definition.values.values():
        return whole(text)
    if definition.type is AvpType.TIME:
        at_ns = moment_of(text, 0)
        if at_ns is None:
            raise ValueError(f"not a time: {text[:40]}")
        return at_ns // SECOND_NS
    return text
