"""SCTP associations in one-to-one style as asyncio transports: each Diameter message is one message of theirs.

The transports of asyncio and uvloop are for byte streams: they set options of TCP, which SCTP refuses, and they
join messages, which peers that read one at a time do not take apart.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import structlog

log = structlog.get_logger()

READ_OCTETS: Final = 1 << 18
READS_AT_ONCE: Final = 64  # of one association, before others have their turn


class Association(asyncio.Transport):
    """One accepted socket that keeps messages apart; `protocol` sees a transport like any other."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, accepted: socket.socket, protocol: asyncio.Protocol
    ) -> None:
        super().__init__({"peername": _name(accepted.getpeername), "sockname": _name(accepted.getsockname)})
        self._loop = loop
        self._socket = accepted
        self._protocol = protocol
        self._queue: deque[bytes] = deque()
        self._queued_octets = 0
        self._most_octets = 1 << 16
        self._is_reading = self._is_writing = self._is_closing = self._is_over = False
        loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._protocol.connection_made(self)
        self.resume_reading()

    # --- reading

    def is_reading(self) -> bool:
        """Whether messages are taken in."""
        return self._is_reading

    def pause_reading(self) -> None:
        """Take nothing in until further notice."""
        if self._is_reading:
            self._is_reading = False
            self._loop.remove_reader(self._socket)

    def resume_reading(self) -> None:
        """Take messages in."""
        if not self._is_reading and not self._is_closing:
            self._is_reading = True
            self._loop.add_reader(self._socket, self._read)

    def _read(self) -> None:
        for _ in range(READS_AT_ONCE):
            if not self._is_reading:
                return
            try:
                data = self._socket.recv(READ_OCTETS)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._end(error)
                return
            if not data:
                self._end(None)
                return
            try:
                self._protocol.data_received(data)
            except Exception as error:  # as the transports of asyncio do: the end of this one alone
                log.exception("association.failed")
                self._end(error)
                return

    # --- writing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """How much may wait for a peer before the protocol hears of it."""
        self._most_octets = self._most_octets if high is None else high

    def get_write_buffer_size(self) -> int:
        """Octets that wait."""
        return self._queued_octets

    def write(self, data: Any) -> None:
        """Send Diameter messages, each as one of the association."""
        if self._is_over or self._is_closing:
            return
        octets, at = bytes(data), 0
        self._queued_octets += len(octets)
        while at < len(octets):
            end = at + (int.from_bytes(octets[at + 1 : at + 4], "big") or len(octets))
            self._queue.append(octets[at:end])
            at = end
        self._send()
        if self._queued_octets > self._most_octets and not self._is_over:
            self._protocol.pause_writing()

    def _send(self) -> None:
        while self._queue:
            try:
                self._socket.send(self._queue[0])
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                self._end(error)
                return
            self._queued_octets -= len(self._queue.popleft())
        if bool(self._queue) is not self._is_writing:
            self._is_writing = not self._is_writing
            if self._is_writing:
                self._loop.add_writer(self._socket, self._send)
            else:
                self._loop.remove_writer(self._socket)
        if self._is_closing and not self._queue:
            self._end(None)

    # --- the end

    def is_closing(self) -> bool:
        """Whether it takes nothing more."""
        return self._is_closing or self._is_over

    def close(self) -> None:
        """End when what waits has been sent."""
        if self._is_closing or self._is_over:
            return
        self.pause_reading()
        self._is_closing = True
        if not self._queue:
            self._end(None)

    def abort(self) -> None:
        """End at once."""
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if self._is_over:
            return
        self.pause_reading()
        self._is_over = True
        if self._is_writing:
            self._loop.remove_writer(self._socket)
        self._queue.clear()
        self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._socket.close()


class AssociationServer:
    """Accepts on a listening socket until it is closed; `sockets` as of an asyncio server."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        factory: Callable[[], asyncio.Protocol],
    ) -> None:
        self.sockets = (listening,)
        self._loop = loop
        self._factory = factory
        loop.add_reader(listening, self._accept)

    def _accept(self) -> None:
        try:
            accepted, _ = self.sockets[0].accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            log.warning("diameter.accept_failed", error=str(error))
            return
        accepted.setblocking(False)
        Association(self._loop, accepted, self._factory())

    def close(self) -> None:
        """Accept no more; the associations go on."""
        self._loop.remove_reader(self.sockets[0])
        self.sockets[0].close()


def _name(ask: Callable[[], object]) -> tuple[Any, ...] | None:
    """An address of a socket; None where the peer has left already."""
    try:
        found = ask()
    except OSError:
        return None
    return found if isinstance(found, tuple) else None
