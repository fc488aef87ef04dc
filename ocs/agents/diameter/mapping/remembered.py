"""Tables of what was decoded before, by its octets: what comes again and again is decoded once. Pure."""

from typing import Final, Generic, TypeVar

LONGEST: Final = 1_024  # octets of a group worth remembering
MOST_OCTETS: Final = 2_000_000  # of all keys of a table: peers choose them, so this bounds what they can fill

V = TypeVar("V")


class Remembered(Generic[V]):
    """A table that starts afresh when it is full, by number or by octets."""

    __slots__ = ("_most", "_octets", "known")

    def __init__(self, most: int) -> None:
        self.known: dict[bytes, V] = {}
        self._most = most
        self._octets = 0

    def keep(self, key: bytes, value: V) -> V:
        """Remember a value; a key that is too long is not worth it."""
        if len(key) > LONGEST:
            return value
        self._octets += len(key)
        if len(self.known) >= self._most or self._octets > MOST_OCTETS:
            self.known.clear()
            self._octets = len(key)
        self.known[key] = value
        return value
