"""What this agent counts; the server's metrics have these methods. Pure."""

from typing import Protocol

import msgspec

from ocs.charging.events import EventKind, Result


class DiameterMetrics(Protocol):
    """Facts of the Diameter side."""

    def request_answered(self, kind: EventKind, result: Result, took_ns: int, command: str = "ccr") -> None:
        """A request was answered."""

    def late_answer_dropped(self) -> None:
        """An answer was ready too late, or had no connection any more."""

    def request_shed(self) -> None:
        """A request was answered "too busy"."""

    def message_refused(self, result_code: int) -> None:
        """A message could not be used."""

    def avp_ignored(self, reason: str) -> None:
        """An AVP was left out of account."""

    def peer_refused(self, reason: str) -> None:
        """A peer was not let in."""

    def connections_open(self, connections: int, peers: int) -> None:
        """So many connections, so many open peers."""


class Counters(msgspec.Struct, gc=False):
    """Messages of one connection since it opened."""

    requests: int = 0
    answers: int = 0
    refused: int = 0
    shed: int = 0
    late: int = 0
