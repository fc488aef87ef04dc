"""Longest prefix match over named sets of prefixes.

Pure. One dictionary of all prefixes and the lengths that occur: a match is at most one look-up per length,
however many prefixes there are. Equal sets of names share one tuple. A prefix written with `!` takes what
begins with it out of its set again.
"""

from collections.abc import Iterable, Mapping

NOT = "!"


class PrefixTable:
    """Names by prefix; the empty prefix matches anything."""

    __slots__ = ("_has_exclusions", "_lengths", "_names")

    def __init__(self, sets: Mapping[str, Iterable[str]]) -> None:
        self._names: dict[str, tuple[str, ...]] = {}
        singles: dict[str, tuple[str, ...]] = {}
        joined: dict[tuple[str, ...], tuple[str, ...]] = {}
        for name, prefixes in sets.items():
            for written in prefixes:
                prefix = written.removeprefix(NOT)
                label = name if prefix == written else NOT + name
                single = singles.setdefault(label, (label,))
                known = self._names.setdefault(prefix, single)
                if label not in known:
                    names = (*known, label)
                    self._names[prefix] = joined.setdefault(names, names)
        self._lengths = tuple(sorted({len(prefix) for prefix in self._names}, reverse=True))
        self._has_exclusions = any(label.startswith(NOT) for label in singles)

    def __len__(self) -> int:
        return len(self._names)

    def longest(self, number: str) -> str | None:
        """The longest prefix of a number that any set mentions."""
        names, most = self._names, len(number)
        for length in self._lengths:
            if length <= most and (prefix := number[:length]) in names:
                return prefix
        return None

    def matches(self, number: str) -> list[tuple[str, tuple[str, ...]]]:
        """Every prefix of a number with the sets it is in, the longest first."""
        found = []
        for length in self._lengths:
            if length <= len(number) and (names := self._names.get(number[:length])) is not None:
                found.append((number[:length], names))
        return _without_excluded(found) if self._has_exclusions else found


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
