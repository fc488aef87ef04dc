"""Longest prefix match over named sets of prefixes.

Pure. One dictionary per length that occurs: a match is at most one look-up per length, however many prefixes
there are. Equal sets of names share one tuple, which the prefixes have by number: dictionaries of strings and
numbers are nothing the garbage collector looks through. A prefix written with `!` takes what begins with it out of
its set again.
"""

from collections.abc import Iterable, Mapping

NOT = "!"


class PrefixTable:
    """Names by prefix; the empty prefix matches anything."""

    __slots__ = ("_has_exclusions", "_lengths", "_sets")

    def __init__(self, sets: Mapping[str, Iterable[str]]) -> None:
        lengths: dict[int, dict[str, int]] = {}
        numbers: dict[tuple[str, ...], int] = {}
        self._sets: list[tuple[str, ...]] = []
        for name, prefixes in sets.items():
            alone: dict[str, int] = {}
            for written in prefixes:
                prefix = written.removeprefix(NOT)
                label = name if prefix == written else NOT + name
                if label not in alone:
                    alone[label] = self._number((label,), numbers)
                known = lengths.setdefault(len(prefix), {})
                number = known.setdefault(prefix, alone[label])
                if label not in (names := self._sets[number]):
                    known[prefix] = self._number((*names, label), numbers)
        self._lengths = tuple(sorted(lengths.items(), reverse=True))
        self._has_exclusions = any(label.startswith(NOT) for names in self._sets for label in names)

    def _number(self, names: tuple[str, ...], numbers: dict[tuple[str, ...], int]) -> int:
        number = numbers.setdefault(names, len(self._sets))
        if number == len(self._sets):
            self._sets.append(names)
        return number

    def __len__(self) -> int:
        return sum(len(names) for _, names in self._lengths)

    def longest(self, number: str) -> str | None:
        """The longest prefix of a number that any set mentions."""
        most = len(number)
        for length, names in self._lengths:
            if length <= most and (prefix := number[:length]) in names:
                return prefix
        return None

    def matches(self, number: str) -> list[tuple[str, tuple[str, ...]]]:
        """Every prefix of a number with the sets it is in, the longest first."""
        found = []
        for length, known in self._lengths:
            if length <= len(number) and (names := known.get(number[:length])) is not None:
                found.append((number[:length], self._sets[names]))
        return _without_excluded(found) if self._has_exclusions else found

    def pieces(self) -> list[object]:
        """What it is made of."""
        return [names for _, names in self._lengths]


def _without_excluded(found: list[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    """Leaves out every set that a longer or equal prefix excludes."""
    excluded: set[str] = set()
    left = []
    for prefix, names in found:
        excluded.update(name[len(NOT) :] for name in names if name.startswith(NOT))
        kept = tuple(name for name in names if not name.startswith(NOT) and name not in excluded)
        if kept:
            left.append((prefix, kept))
    return left
