"""JSON-RPC over TCP: objects one after the other, answered as they are done, each answer on a line of its own."""

import asyncio
import socket
from collections import deque
from typing import cast

import structlog

from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.envelope import Framer, Request, encode_error

log = structlog.get_logger()

SECOND_NS = 1_000_000_000
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))


class TcpLimits:
    """What connections may use up at most."""

    __slots__ = ("connections", "first_ns", "in_flight", "message_ns", "stalled_ns", "write_octets")

    def __init__(
        self,
        connections: int = 256,
        in_flight: int = 100,
        write_octets: int = 1 << 20,
        message_ns: int = 10 * SECOND_NS,  # from the first octet of a message to its last
        first_ns: int = 60 * SECOND_NS,  # to the first message of a connection
        stalled_ns: int = 30 * SECOND_NS,  # for a client that does not read its answers
    ) -> None:
        self.connections = connections
        self.in_flight = in_flight
        self.write_octets = write_octets
        self.message_ns = message_ns
        self.first_ns = first_ns
        self.stalled_ns = stalled_ns


class TcpService:
    """All connections of the listener; `sweep` is called from time to time and ends those that hang."""

    def __init__(self, dispatcher: Dispatcher, limits: TcpLimits) -> None:
        self.dispatcher = dispatcher
        self.limits = limits
        self.connections: set[TcpConnection] = set()
        self.now_ns = 0

    def sweep(self, now_ns: int) -> None:
        """Take the time, and end connections that are late with something."""
        self.now_ns = now_ns
        for connection in list(self.connections):
            late = connection.late(now_ns)
            if late:
                log.warning("rpc.connection_ended", peer=connection.peer, reason=late)
                connection.abort()

    def close(self) -> None:
        """Take no more requests; connections close when they have their answers."""
        for connection in list(self.connections):
            connection.finish()

    def abort(self) -> None:
        """End what is still there."""
        for connection in list(self.connections):
            connection.abort()


class TcpConnection(asyncio.Protocol):
    """One client. Reading stops while too many of its requests are under way or it does not read."""

    def __init__(self, service: TcpService) -> None:
        self.peer = ""
        self._service = service
        self._limits = service.limits
        self._framer = Framer(service.dispatcher.limits)
        self._waiting: deque[bytes] = deque()
        self._in_flight = 0
        self._ending = False  # no more requests are taken
        self._failure_told = False
        self._transport: asyncio.Transport | None = None
        self._opened_ns = service.now_ns
        self._began_ns: int | None = None  # the message under way
        self._stalled_ns: int | None = None
        self._has_spoken = False

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there; one too many is sent away."""
        transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only
        self._transport = transport
        self.peer = str(transport.get_extra_info("peername"))
        if len(self._service.connections) >= self._limits.connections:
            log.warning("rpc.connection_refused", peer=self.peer, connections=self._limits.connections)
            transport.abort()
            return
        self._service.connections.add(self)
        transport.set_write_buffer_limits(high=self._limits.write_octets)
        opened = transport.get_extra_info("socket")
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            opened.setsockopt(socket.IPPROTO_TCP, option, value)

    def data_received(self, data: bytes) -> None:
        """Requests, or pieces of them."""
        if self._ending:
            return
        frames = self._framer.receive(data)
        if frames:
            self._has_spoken = True
            self._waiting.extend(frames)
            self._began_ns = None
        if self._framer.failure is not None:
            self._ending = True
        elif not self._framer.is_mid_message:
            self._began_ns = None
        elif self._began_ns is None:
            self._began_ns = self._service.now_ns
        self._pump()

    def eof_received(self) -> bool:
        """The client sends no more, but may still read: what it asked is answered."""
        self._ending = True
        self._pump()
        return True

    def pause_writing(self) -> None:
        """The client does not read as fast as it asks."""
        self._stalled_ns = self._service.now_ns
        self._pump()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._stalled_ns = None
        self._pump()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone; what it asked is done all the same."""
        self._transport = None
        self._waiting.clear()
        self._service.connections.discard(self)

    # --- the rest

    def late(self, now_ns: int) -> str:
        """What the client takes too long for; empty where nothing."""
        limits = self._limits
        if self._began_ns is not None and now_ns - self._began_ns > limits.message_ns:
            return "message not complete in time"
        if self._stalled_ns is not None and now_ns - self._stalled_ns > limits.stalled_ns:
            return "answers not read in time"
        if not self._has_spoken and now_ns - self._opened_ns > limits.first_ns:
            return "no request in time"
        return ""

    def finish(self) -> None:
        """Take no more requests and close when all are answered."""
        self._ending = True
        self._waiting.clear()
        self._pump()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    def _pump(self) -> None:
        """Start what may be started, read or do not read, close when all is said."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        waiting = self._waiting
        while waiting and self._in_flight < self._limits.in_flight and self._stalled_ns is None:
            self._in_flight += 1
            self._service.dispatcher.start(waiting.popleft()).add_done_callback(self._answered)
        if waiting or self._stalled_ns is not None:
            transport.pause_reading()
        elif not self._ending:
            transport.resume_reading()
        if self._ending and not waiting and not self._in_flight:
            self._tell_failure(transport)
            transport.close()

    def _answered(self, task: "asyncio.Task[bytes | None]") -> None:
        self._in_flight -= 1
        transport = self._transport
        if transport is None or transport.is_closing() or task.cancelled():
            return
        answer = task.result()
        if answer is not None:
            transport.write(answer + b"\n")
        self._pump()

    def _tell_failure(self, transport: asyncio.Transport) -> None:
        failure = self._framer.failure
        if failure is not None and not self._failure_told:
            self._failure_told = True
            transport.write(encode_error(Request("", None), failure) + b"\n")
