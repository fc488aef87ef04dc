"""How long to wait before a peer is tried again."""

import random

from ocs.config.settings import SECOND


class Pauses:
    """Pauses twice as long each time, a little at random, from the first up to the longest."""

    def __init__(self, first_ns: int, longest_ns: int) -> None:
        self._first_s = first_ns / SECOND
        self._longest_s = longest_ns / SECOND
        self._next_s = self._first_s

    def reset(self) -> None:
        """Begin with the shortest again."""
        self._next_s = self._first_s

    def at_least(self, pause_s: float) -> None:
        """Do not try again before so long."""
        self._next_s = max(self._next_s, pause_s)

    def next_s(self) -> float:
        """Seconds to wait now."""
        pause_s = self._next_s
        self._next_s = min(pause_s * 2, self._longest_s)
        return pause_s * random.uniform(0.75, 1.0)
