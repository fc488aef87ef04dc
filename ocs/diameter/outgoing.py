"""What a connection has queued, and the requests of this node that wait for an answer."""

from ocs.diameter.codes import BASE_APPLICATION, PROXIABLE, REQUEST, RETRANSMITTED, Command
from ocs.diameter.identifiers import Identifiers
from ocs.diameter.message import encode_message


class TooManyRequests(Exception):
    """The connection already has `Limits.own_requests` unanswered requests of this node."""


class Outgoing:
    """Two queues - watchdog answers overtake everything else - and the identifiers outstanding."""

    def __init__(self, identifiers: Identifiers, maximum_requests: int) -> None:
        self._identifiers = identifiers
        self._maximum_requests = maximum_requests
        self._urgent: list[bytes] = []
        self._queue: list[bytes] = []
        self._base: dict[int, int] = {}  # Hop-by-Hop to command
        self._deadlines: dict[int, int] = {}  # Hop-by-Hop to deadline, earliest first
        self._commands: dict[int, int] = {}  # of the same requests

    def put(self, message: bytes) -> None:
        """Queue behind the others."""
        self._queue.append(message)

    def put_first(self, message: bytes) -> None:
        """Queue before the others."""
        self._urgent.append(message)

    def take(self) -> bytes:
        """Everything queued, once."""
        if self._urgent:
            data = b"".join(self._urgent + self._queue)
            self._urgent.clear()
        else:
            data = b"".join(self._queue)
        self._queue.clear()
        return data

    def put_base_request(self, command: Command, body: bytes) -> None:
        """Queue a CER, DWR or DPR."""
        hop_by_hop = self._identifiers.next_hop_by_hop()
        self._base[hop_by_hop] = command
        end_to_end = self._identifiers.next_end_to_end()
        self.put(encode_message(REQUEST, command, BASE_APPLICATION, hop_by_hop, end_to_end, (body,)))

    def put_request(
        self,
        command_code: int,
        application_id: int,
        parts: list[bytes],
        deadline_ns: int,
        end_to_end: int | None,
    ) -> int:
        """Queue a request of an application; returns its Hop-by-Hop Identifier."""
        if len(self._deadlines) >= self._maximum_requests:
            raise TooManyRequests
        flags = REQUEST | PROXIABLE
        if end_to_end is None:
            end_to_end = self._identifiers.next_end_to_end()
        else:
            flags |= RETRANSMITTED
        hop_by_hop = self._identifiers.next_hop_by_hop()
        self._deadlines[hop_by_hop] = deadline_ns
        self._commands[hop_by_hop] = command_code
        self.put(encode_message(flags, command_code, application_id, hop_by_hop, end_to_end, parts))
        return hop_by_hop

    def answered_base_request(self, hop_by_hop: int) -> int | None:
        """The command of an outstanding CER, DWR or DPR, which is outstanding no more."""
        return self._base.pop(hop_by_hop, None)

    def answered_request(self, hop_by_hop: int, command_code: int) -> bool:
        """Whether identifier and command are those of an outstanding request, which is outstanding no more."""
        if self._commands.get(hop_by_hop) != command_code:
            return False
        del self._commands[hop_by_hop], self._deadlines[hop_by_hop]
        return True

    def first_deadline(self) -> int | None:
        """When the oldest request of this node has waited long enough."""
        return next(iter(self._deadlines.values()), None)

    def expire(self, now_ns: int) -> list[int]:
        """Take out the requests whose time is over."""
        expired: list[int] = []
        for hop_by_hop, deadline in self._deadlines.items():
            if deadline > now_ns:
                break
            expired.append(hop_by_hop)
        for hop_by_hop in expired:
            del self._deadlines[hop_by_hop], self._commands[hop_by_hop]
        return expired

    def forget(self) -> list[int]:
        """Take out every request: the connection is over. What is queued stays."""
        unanswered = list(self._deadlines)
        self._deadlines.clear()
        self._commands.clear()
        self._base.clear()
        return unanswered
