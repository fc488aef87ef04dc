"""Counting what happens with every request, in as few steps as possible. Pure; compiled, as `metrics` cannot be."""

from bisect import bisect_left
from typing import Final

from ocs.charging.events import EventKind, Result

COMMANDS = ("ccr", "rar", "asr", "radius", "freeswitch", "kamailio", "jsonrpc", "other")
LATENCY_BOUNDS_NS = tuple(
    milliseconds_x10 * 100_000
    for milliseconds_x10 in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
)
_RESULTS: Final = max(Result) + 1
_CELLS: Final = (max(EventKind) + 1) * _RESULTS


class Histogram:
    """Observations of an int, counted by bucket; `bounds` are upper bounds, each included."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[int, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0

    def observe(self, value: int) -> None:
        """Count one value."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def buckets(self, scale: int) -> list[tuple[str, float]]:
        """Return cumulative counts by upper bound, the bounds divided by `scale`."""
        cumulative, rows = 0, []
        bounds = [*(str(bound / scale) for bound in self._bounds), "+Inf"]
        for bound, count in zip(bounds, self.counts, strict=True):
            cumulative += count
            rows.append((bound, float(cumulative)))
        return rows


class AnswerCounts:
    """Answers by command, kind and result, and how long they took by kind."""

    __slots__ = ("_counts", "latency")

    def __init__(self) -> None:
        self._counts = {command: [0] * _CELLS for command in COMMANDS}
        self.latency = {kind: Histogram(LATENCY_BOUNDS_NS) for kind in EventKind}

    def note(self, kind: EventKind, result: Result, took_ns: int, command: str = "ccr") -> None:
        """A charging request was answered `took_ns` after it came."""
        counts = self._counts.get(command)
        if counts is None:
            counts = self._counts["other"]
        row: int = kind  # plain numbers: arithmetic on members of enumerations is slow
        cell: int = result
        counts[row * _RESULTS + cell] += 1
        self.latency[kind].observe(took_ns)

    def of(self, command: str, kind: EventKind, result: Result) -> int:
        """How many there were."""
        return self._counts[command][kind * _RESULTS + result]
