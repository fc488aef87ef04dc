"""What this agent counts; the server's metrics have these methods. Pure."""

from typing import Protocol

from ocs.charging.events import EventKind, Result


class RadiusMetrics(Protocol):
    """Facts of the RADIUS side."""

    def request_answered(self, kind: EventKind, result: Result, took_ns: int, command: str = "ccr") -> None:
        """A request was answered."""

    def radius_dropped(self, reason: str) -> None:
        """A packet got no answer."""

    def radius_repeated(self) -> None:
        """A packet that came again got the answer it had got before."""

    def radius_access(self, is_accepted: bool) -> None:
        """An Access-Request was answered."""

    def radius_disconnected(self, outcome: str) -> None:
        """A Disconnect-Request had an outcome."""
