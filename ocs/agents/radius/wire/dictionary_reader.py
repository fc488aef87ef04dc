"""Dictionaries in FreeRADIUS' format (man 5 dictionary), read line by line. Pure.

Whoever reads gives the texts: `include` returns that of a file named in another. Every mistake is found, with its
place.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.dictionary import Definition, Dictionary, Path, Vendor
from ocs.agents.radius.wire.values import OTHER_NAMES, TYPES

DEEPEST: Final = 8  # files that include each other
LONGEST_NAME: Final = 128
HIGHEST_VENDOR: Final = (1 << 24) - 1
FORMATS: Final = {(kind, length) for kind in (1, 2, 4) for length in (0, 1, 2)}
IGNORED_FLAGS: Final = ("concat", "array", "virtual", "secret", "long")

Include = Callable[[str, str], tuple[str, str] | None]  # (named, by whom) to (file, text)


class DictionaryProblem(msgspec.Struct, frozen=True):
    """A mistake in a dictionary."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class _Mistake(Exception):
    """What is wrong with a word of a line, counted from 0."""

    def __init__(self, word: int, message: str) -> None:
        super().__init__(message)
        self.word = word


def nothing_to_include(named: str, file: str) -> None:
    """There are no other files."""


def read(
    dictionary: Dictionary, file: str, text: str, include: Include = nothing_to_include, depth: int = 0
) -> list[DictionaryProblem]:
    """Add what a file says to a dictionary; its mistakes, in order."""
    loose: list[tuple[str, DictionaryProblem]] = []
    problems = _Reader(dictionary, file, include, depth, loose).read(text)
    return problems + [problem for name, problem in loose if name not in dictionary.by_name]


class _Reader:
    """One file; `vendor` and `parents` are what encloses the line.

    `loose` are values of attributes that no line before them has defined.
    """

    def __init__(
        self,
        dictionary: Dictionary,
        file: str,
        include: Include,
        depth: int,
        loose: list[tuple[str, DictionaryProblem]],
    ) -> None:
        self.loose = loose
        self.dictionary = dictionary
        self.file = file
        self.include = include
        self.depth = depth
        self.vendor: Vendor | None = None
        self.vendor_path: Path = ()
        self.parents: list[Definition] = []
        self.problems: list[DictionaryProblem] = []
        self.number, self.text = 0, ""

    def read(self, text: str) -> list[DictionaryProblem]:
        """Every line of the file."""
        lines = text.splitlines()
        for number, line in enumerate(lines, 1):
            self.number, self.text = number, line
            words = line.partition("#")[0].split()
            if not words:
                continue
            try:
                self._line(words)
            except _Mistake as mistake:
                self.problems.append(self._problem(words, mistake.word, str(mistake)))
        if self.vendor is not None or self.parents:
            message = "the file ends inside a BEGIN-VENDOR or BEGIN-TLV"
            self.problems.append(DictionaryProblem(self.file, len(lines), 1, message))
        return self.problems

    def _problem(self, words: list[str], index: int, message: str) -> DictionaryProblem:
        return DictionaryProblem(self.file, self.number, _column(self.text, words, index), message)

    def _line(self, words: list[str]) -> None:
        match words[0].upper():
            case "ATTRIBUTE":
                self._attribute(words)
            case "VALUE":
                self._value(words)
            case "VENDOR":
                self._vendor(words)
            case "BEGIN-VENDOR":
                self._begin_vendor(words)
            case "END-VENDOR":
                self._end_vendor(words)
            case "BEGIN-TLV":
                self._begin_tlv(words)
            case "END-TLV":
                self._end_tlv(words)
            case "$INCLUDE" | "$INCLUDE-":
                self._include(words)
            case _:
                raise _Mistake(0, f'"{words[0]}" is no word of a dictionary')

    def _attribute(self, words: list[str]) -> None:
        if len(words) not in (4, 5):
            raise _Mistake(0, "expected ATTRIBUTE name number type [flags]")
        name = _name(words, 1)
        numbers = _dotted(words, 2)
        kind = words[3].lower().partition("[")[0]
        kind = OTHER_NAMES.get(kind, kind)
        if kind not in TYPES:
            raise _Mistake(3, f'there is no type "{words[3]}"')
        vendor, path, flags = self.vendor, self._path(), words[4] if len(words) == 5 else ""
        if flags.lower() in self.dictionary.vendor_names:  # as radcli and other older readers write it
            vendor, flags = self.dictionary.vendor_names[flags.lower()], ""
            path = (codes.VENDOR_SPECIFIC, vendor.number)
        has_tag, encryption = _flags(flags)
        if kind == "octets" and encryption:
            kind = "string"
        self._check_number(numbers, path, words)
        vendor_name = "" if vendor is None else vendor.name
        self.dictionary.add(Definition(name, (*path, *numbers), kind, vendor_name, has_tag, encryption))

    def _path(self) -> Path:
        return self.parents[-1].path if self.parents else self.vendor_path

    def _check_number(self, numbers: Path, path: Path, words: list[str]) -> None:
        vendor = self.vendor
        wide = vendor is not None and not self.parents and len(path) == 2 and vendor.type_size > 1
        size = vendor.type_size if wide and vendor is not None else 1
        if path and numbers[0] >= 1 << 8 * size:  # those without a path are for inside a program
            raise _Mistake(2, f'"{words[2]}" is no number of an attribute on the wire')

    def _value(self, words: list[str]) -> None:
        if len(words) != 4:
            raise _Mistake(0, "expected VALUE attribute name number")
        attribute = words[1].rpartition(".")[2]
        if attribute.lower() not in self.dictionary.by_name:
            problem = self._problem(words, 1, f'there is no attribute "{words[1]}"')
            self.loose.append((attribute.lower(), problem))
        self.dictionary.add_value(attribute, words[2], _number(words, 3))

    def _vendor(self, words: list[str]) -> None:
        if len(words) not in (3, 4):
            raise _Mistake(0, "expected VENDOR name number [format=t,l]")
        number = _number(words, 2)
        if not 0 < number <= HIGHEST_VENDOR:
            raise _Mistake(2, f'"{words[2]}" is no number of a vendor')
        kind, length = (1, 1) if len(words) == 3 else _format(words[3])
        self.dictionary.add_vendor(Vendor(_name(words, 1), number, kind, length))

    def _begin_vendor(self, words: list[str]) -> None:
        if len(words) not in (2, 3):
            raise _Mistake(0, "expected BEGIN-VENDOR name")
        if self.vendor is not None:
            raise _Mistake(0, f"inside BEGIN-VENDOR {self.vendor.name}")
        vendor = self.dictionary.vendor_names.get(words[1].lower())
        if vendor is None:
            raise _Mistake(1, f'there is no vendor "{words[1]}"')
        place: Path = (codes.VENDOR_SPECIFIC,)
        if len(words) == 3:
            name = words[2].partition("=")[2]
            parent = self.dictionary.find(name)
            if parent is None:
                raise _Mistake(2, f'there is no attribute "{name}"')
            place = parent.path
        self.vendor, self.vendor_path = vendor, (*place, vendor.number)

    def _end_vendor(self, words: list[str]) -> None:
        if self.vendor is None or len(words) != 2 or words[1].lower() != self.vendor.name.lower():
            raise _Mistake(0, "ends no BEGIN-VENDOR")
        self.vendor, self.vendor_path = None, ()

    def _begin_tlv(self, words: list[str]) -> None:
        parent = self.dictionary.find(words[1]) if len(words) == 2 else None
        if parent is None or parent.kind != "tlv":
            raise _Mistake(0, "expected BEGIN-TLV and the name of an attribute of type tlv")
        self.parents.append(parent)

    def _end_tlv(self, words: list[str]) -> None:
        if not self.parents or len(words) != 2 or words[1].lower() != self.parents[-1].name.lower():
            raise _Mistake(0, "ends no BEGIN-TLV")
        self.parents.pop()

    def _include(self, words: list[str]) -> None:
        if len(words) != 2:
            raise _Mistake(0, "expected $INCLUDE file")
        if self.depth >= DEEPEST:
            raise _Mistake(1, f"more than {DEEPEST} files include each other")
        found = self.include(words[1], self.file)
        if found is not None:
            reader = _Reader(self.dictionary, found[0], self.include, self.depth + 1, self.loose)
            self.problems += reader.read(found[1])
        elif words[0] != "$INCLUDE-":
            raise _Mistake(1, f"there is no file {words[1]}")


def _name(words: list[str], index: int) -> str:
    name = words[index]
    if (
        len(name) > LONGEST_NAME
        or not name.replace("-", "").replace("_", "").replace("/", "").replace(".", "").isalnum()
    ):
        raise _Mistake(index, f'"{name}" is no name')
    return name


def _number(words: list[str], index: int) -> int:
    text = words[index].lower()
    try:
        return int(text, 16) if text.startswith("0x") else int(text)
    except ValueError:
        raise _Mistake(index, f'"{words[index]}" is no number') from None


def _dotted(words: list[str], index: int) -> Path:
    parts = words[index].split(".")
    return tuple([_number([part], 0) if _is_number(part) else _bad(words, index) for part in parts])


def _is_number(text: str) -> bool:
    return text.isdigit() or text.lower().startswith("0x")


def _bad(words: list[str], index: int) -> int:
    raise _Mistake(index, f'"{words[index]}" is no number')


def _flags(text: str) -> tuple[bool, int]:
    """Whether values have a tag, and how they are encrypted."""
    has_tag, encryption = False, 0
    for flag in text.split(",") if text else ():
        name, _, value = flag.lower().partition("=")
        if name == "has_tag":
            has_tag = True
        elif name == "encrypt" and value in ("1", "2", "3"):
            encryption = int(value)
        elif name not in IGNORED_FLAGS:
            raise _Mistake(4, f'"{flag}" is neither a flag nor a vendor')
    return has_tag, encryption


def _format(text: str) -> tuple[int, int]:
    sizes = text.lower().removeprefix("format=").split(",")
    if len(sizes) >= 2 and sizes[0].isdigit() and sizes[1].isdigit():
        found = int(sizes[0]), int(sizes[1])
        if found in FORMATS:
            return found
    raise _Mistake(3, f'"{text}" is no format such as format=1,1')


def _column(line: str, words: list[str], index: int) -> int:
    place = 0
    for word in words[: index + 1]:
        place = line.index(word, place) + len(word)
    return place - len(words[index]) + 1
