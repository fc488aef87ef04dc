"""How many requests are under way at once, of all connections: the others are refused, or wait in line. Pure."""

from collections import deque
from collections.abc import Callable

AT_ONCE = 4_000


class Capacity:
    """Counts what runs; `most` is the limit, `queues` says whether what is beyond it waits for its turn."""

    def __init__(self, most: int = AT_ONCE, *, queues: bool = False) -> None:
        self._most = min(most, AT_ONCE)
        self._queues = queues
        self._line: deque[Callable[[], None]] = deque()
        self.running = 0
        self.peak = 0

    @property
    def is_full(self) -> bool:
        """Whether as much runs as may."""
        return self.running >= self._most

    def begun(self) -> None:
        """One more runs."""
        self.running += 1
        self.peak = max(self.peak, self.running)

    def ended(self) -> None:
        """One has ended: whoever waits longest is next."""
        self.running -= 1
        while self._line and not self.is_full:
            self._line.popleft()()

    def waits(self, turn: Callable[[], None]) -> bool:
        """Takes `turn` into the line; False where nobody may wait, or too many do."""
        if not self._queues or len(self._line) >= AT_ONCE:
            return False
        self._line.append(turn)
        return True
