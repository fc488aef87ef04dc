"""The search with all threads of a regular expression at once: linear in text and pattern. Pure.

A thread is a place in the program with the edges of groups it has seen; the order of threads is their priority.
"""

import re
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, NamedTuple

MOST_INSTRUCTIONS = 4_000

_DIGITS = frozenset("0123456789")
_SPACES = frozenset(" \t\n\r\f\v")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")

Test = Callable[[str], bool]
Edges = tuple[int, ...]


class Op(IntEnum):
    """What an instruction does."""

    CHAR = 0
    SPLIT = 1
    SAVE = 2
    AT = 3
    MATCH = 4


def _never(char: str) -> bool:
    return False


class Instruction(NamedTuple):
    """One instruction; of two ways on, `first` is preferred; SAVE puts the place into edge `second`."""

    op: Op
    first: int = 0
    second: int = 0
    test: Test = _never
    place: str = ""


class Program:
    """Instructions, and how many groups they save."""

    __slots__ = ("_code", "_groups")

    def __init__(self, code: list[Instruction], groups: int) -> None:
        self._code = code
        self._groups = groups

    def search(self, text: str) -> Edges | None:
        """Edges of the leftmost match and its groups."""
        found: Edges | None = None
        threads: list[tuple[int, Edges]] = []
        nothing = (-1,) * (2 * self._groups)
        for at in range(len(text) + 1):
            seen: set[int] = set()
            reached: list[tuple[int, Edges]] = []
            for place, edges in threads:
                self._follow(place, edges, at, text, seen, reached)
            if found is None:
                self._follow(0, nothing, at, text, seen, reached)
            threads = []
            for place, edges in reached:
                instruction = self._code[place]
                if instruction.op is Op.MATCH:
                    found = edges
                    break  # what comes after has less priority
                if at < len(text) and instruction.test(text[at]):
                    threads.append((instruction.first, edges))
            if not threads and found is not None:
                break
        return found

    def _follow(
        self, start: int, edges: Edges, at: int, text: str, seen: set[int], reached: list[tuple[int, Edges]]
    ) -> None:
        """Add what can be reached without a character, in order of priority."""
        stack = [(start, edges)]
        while stack:
            place, edges = stack.pop()
            if place in seen:
                continue
            seen.add(place)
            instruction = self._code[place]
            match instruction.op:
                case Op.CHAR | Op.MATCH:
                    reached.append((place, edges))
                case Op.SPLIT:
                    stack.append((instruction.second, edges))
                    stack.append((instruction.first, edges))
                case Op.SAVE:
                    edge = instruction.second
                    stack.append((instruction.first, (*edges[:edge], at, *edges[edge + 1 :])))
                case Op.AT:
                    if _holds(instruction.place, text, at):
                        stack.append((instruction.first, edges))


def _holds(place: str, text: str, at: int) -> bool:
    match place:
        case "start":
            return at == 0
        case "end":
            return at == len(text)
        case "end_or_newline":
            return at == len(text) or (at == len(text) - 1 and text[at] == "\n")
        case "line_start":
            return at == 0 or text[at - 1] == "\n"
        case "line_end":
            return at == len(text) or text[at] == "\n"
    before = at > 0 and text[at - 1] in _WORD
    after = at < len(text) and text[at] in _WORD
    return (before != after) == (place == "boundary")


def compile_program(parsed: Any, flags: int, groups: int) -> Program:
    """The program of a parsed pattern; ValueError where its counted repeats make it too long."""
    builder = _Builder()
    builder.save(0)
    builder.sequence(parsed, flags)
    builder.save(1)
    builder.add(Instruction(Op.MATCH))
    return Program(builder.code, groups)


class _Builder:
    def __init__(self) -> None:
        self.code: list[Instruction] = []

    def add(self, instruction: Instruction) -> int:
        if len(self.code) >= MOST_INSTRUCTIONS:
            raise ValueError("regular expression repeats too much")
        self.code.append(instruction)
        return len(self.code) - 1

    def save(self, edge: int) -> None:
        self.add(Instruction(Op.SAVE, len(self.code) + 1, edge))

    def char(self, test: Test) -> None:
        self.add(Instruction(Op.CHAR, len(self.code) + 1, test=test))

    def sequence(self, nodes: Iterable[Any], flags: int) -> None:
        for operation, argument in nodes:
            self.one(operation.name, argument, flags)

    def one(self, name: str, argument: Any, flags: int) -> None:
        match name:
            case "SUBPATTERN":
                group, added, removed, inner = argument
                if group is not None:
                    self.save(2 * group)
                self.sequence(inner, (flags | added) & ~removed)
                if group is not None:
                    self.save(2 * group + 1)
            case "BRANCH":
                self.branch(argument[1], flags)
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, inner = argument
                self.repeat(int(least), most, inner, flags, is_greedy=name == "MAX_REPEAT")
            case "AT":
                self.add(Instruction(Op.AT, len(self.code) + 1, place=_place(argument.name, flags)))
            case _:
                self.char(_test(name, argument, flags))

    def branch(self, branches: list[Any], flags: int) -> None:
        ends = []
        for branch in branches[:-1]:
            split = self.add(Instruction(Op.SPLIT))
            self.sequence(branch, flags)
            ends.append(self.add(Instruction(Op.SPLIT)))
            self.code[split] = Instruction(Op.SPLIT, split + 1, len(self.code))
        self.sequence(branches[-1], flags)
        for end in ends:
            self.code[end] = Instruction(Op.SPLIT, len(self.code), len(self.code))

    def repeat(self, least: int, most: Any, inner: Any, flags: int, *, is_greedy: bool) -> None:
        for _ in range(least):
            self.sequence(inner, flags)
        if getattr(most, "name", "") == "MAXREPEAT":
            split = self.add(Instruction(Op.SPLIT))
            self.sequence(inner, flags)
            self.add(Instruction(Op.SPLIT, split, split))
            self.code[split] = _ways(split + 1, len(self.code), is_greedy)
            return
        splits = []
        for _ in range(int(most) - least):
            splits.append(self.add(Instruction(Op.SPLIT)))
            self.sequence(inner, flags)
        for split in splits:
            self.code[split] = _ways(split + 1, len(self.code), is_greedy)


def _ways(on: int, out: int, is_greedy: bool) -> Instruction:
    return Instruction(Op.SPLIT, on, out) if is_greedy else Instruction(Op.SPLIT, out, on)


def _place(name: str, flags: int) -> str:
    match name:
        case "AT_BEGINNING":
            return "line_start" if flags & re.MULTILINE else "start"
        case "AT_BEGINNING_STRING":
            return "start"
        case "AT_END":
            return "line_end" if flags & re.MULTILINE else "end_or_newline"
        case "AT_END_STRING":
            return "end"
        case "AT_BOUNDARY":
            return "boundary"
    return "no_boundary"


def _test(name: str, argument: Any, flags: int) -> Test:
    """Whether one character is what a node wants."""
    if name == "ANY":
        return (lambda char: True) if flags & re.DOTALL else (lambda char: char != "\n")
    if name == "LITERAL":
        test = _is(chr(argument))
    elif name == "NOT_LITERAL":
        literal = _any_case(_is(chr(argument)), flags)
        return lambda char: not literal(char)
    else:
        assert name == "IN", "every node that takes a character is known"
        return _of_class(argument, flags)
    return _any_case(test, flags)


def _is(wanted: str) -> Test:
    return lambda char: char == wanted


def _any_case(test: Test, flags: int) -> Test:
    if not flags & re.IGNORECASE:
        return test
    return lambda char: test(char) or (char.isascii() and (test(char.lower()) or test(char.upper())))


def _of_class(items: list[Any], flags: int) -> Test:
    tests = [_item(operation.name, argument) for operation, argument in items if operation.name != "NEGATE"]
    positive = _any_case(lambda char: any(test(char) for test in tests), flags)
    if items[0][0].name == "NEGATE":
        return lambda char: not positive(char)
    return positive


def _item(name: str, argument: Any) -> Test:
    match name:
        case "LITERAL":
            return _is(chr(argument))
        case "RANGE":
            low, high = argument
            return lambda char: low <= ord(char) <= high
    category = argument.name.removeprefix("CATEGORY_")
    chars = {"DIGIT": _DIGITS, "SPACE": _SPACES, "WORD": _WORD}[category.removeprefix("NOT_")]
    if category.startswith("NOT_"):
        return lambda char: char not in chars
    return lambda char: char in chars
