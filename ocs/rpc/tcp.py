"""JSON-RPC over TCP: objects one after the other, answered as they are done, each answer on a line of its own.

On a bidirectional listener the server sends requests too (`ocs.rpc.clients`). What a connection has to say in one
turn of the loop leaves in one write.
"""

import asyncio
import socket
from collections import deque
from typing import cast

import structlog

from ocs.rpc.caller import NOTHING
from ocs.rpc.clients import Client, Clients
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.envelope import Framer, decode_either, encode_error
from ocs.rpc.errors import UNAVAILABLE, RpcError
from ocs.rpc.messages import Reply, Request

log = structlog.get_logger()

SECOND_NS = 1_000_000_000
KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
PER_TURN = 50  # requests of one connection in one turn of the loop
SMALL_OCTETS = 1 << 16  # a connection may always have so much of a message


class TcpLimits:
    """What connections may use up at most."""

    __slots__ = (
        "buffered_octets",
        "connections",
        "first_ns",
        "in_flight",
        "message_ns",
        "requests_per_second",
        "stalled_ns",
        "write_octets",
    )

    def __init__(
        self,
        connections: int = 20_000,
        in_flight: int = 100,
        write_octets: int = 1 << 20,
        message_ns: int = 10 * SECOND_NS,  # from the first octet of a message to its last
        first_ns: int = 60 * SECOND_NS,  # to the key of a caller who needs one
        stalled_ns: int = 30 * SECOND_NS,  # for a client that does not read its answers
        buffered_octets: int = 256 << 20,  # messages under way of all connections
        requests_per_second: int = 0,  # of one connection, more wait; 0: as fast as it goes
    ) -> None:
        self.connections = connections
        self.in_flight = in_flight
        self.write_octets = write_octets
        self.message_ns = message_ns
        self.first_ns = first_ns
        self.stalled_ns = stalled_ns
        self.buffered_octets = buffered_octets
        self.requests_per_second = requests_per_second


class TcpService:
    """All connections of a listener; `sweep` is called from time to time and ends those that hang.

    Only connections that are in the middle of something are looked at: idle ones cost nothing.
    """

    def __init__(self, dispatcher: Dispatcher, limits: TcpLimits, clients: Clients | None = None) -> None:
        self.dispatcher = dispatcher
        self.limits = limits
        self.clients = clients  # of a bidirectional listener
        self.connections: set[TcpConnection] = set()
        self.unsettled: set[TcpConnection] = set()
        self.buffered_octets = 0
        self.now_ns = 0

    def sweep(self, now_ns: int) -> None:
        """Take the time, and end connections that are late with something."""
        self.now_ns = now_ns
        for connection in list(self.unsettled):
            late = connection.late(now_ns)
            if late:
                log.warning("rpc.connection_ended", peer=connection.peer, reason=late)
                connection.abort()
            elif connection.is_settled:
                self.unsettled.discard(connection)

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

    __slots__ = (
        "_allowance",
        "_began_ns",
        "_buffered",
        "_ending",
        "_failure",
        "_framer",
        "_in_flight",
        "_is_pumping",
        "_limits",
        "_loop",
        "_opened_ns",
        "_out",
        "_pump_due",
        "_refilled_s",
        "_service",
        "_stalled_ns",
        "_transport",
        "_waiting",
        "_write_due",
        "caller",
        "client",
        "peer",
    )

    def __init__(self, service: TcpService) -> None:
        self.peer = ""
        self.caller = service.dispatcher.gate.arrived("", 0)
        self.client: Client | None = None
        self._service = service
        self._limits = service.limits
        self._loop = asyncio.get_running_loop()
        self._framer = Framer(service.dispatcher.limits)
        self._waiting: deque[bytes | Request] = deque()
        self._out: list[bytes] = []
        self._in_flight = 0
        self._is_pumping = self._pump_due = self._write_due = False
        self._ending = False  # no more requests are taken
        self._failure: RpcError | None = None  # is told behind the last answer
        self._transport: asyncio.Transport | None = None
        self._opened_ns = service.now_ns
        self._began_ns: int | None = None  # the message under way
        self._stalled_ns: int | None = None
        self._buffered = 0  # octets of it
        self._allowance = float(service.limits.requests_per_second)
        self._refilled_s = 0.0

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there; one too many is closed at once."""
        transport = cast(asyncio.Transport, transport)
        service = self._service
        host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
        self.peer = f"{host}:{port}"
        gate = service.dispatcher.gate
        self.caller = gate.arrived(str(host), int(port))
        gate.by_certificate(self.caller, transport.get_extra_info("peercert"))
        self._transport = transport
        if len(service.connections) >= self._limits.connections:
            log.warning("rpc.connection_refused", peer=str(host), connections=self._limits.connections)
            transport.abort()
            return
        service.connections.add(self)
        if not self.is_settled:
            service.unsettled.add(self)
        transport.set_write_buffer_limits(high=self._limits.write_octets)
        _set_options(transport.get_extra_info("socket"))
        if service.clients is not None:
            self.caller.client = self.client = service.clients.opened(self.peer, self._ask)

    def data_received(self, data: bytes) -> None:
        """Requests, or pieces of them."""
        if self._ending:
            return
        framer = self._framer
        frames = framer.read(data)
        if frames:
            self._waiting.extend(frames)
            self._began_ns = None
        if framer.failure is not None:
            self._fail(framer.failure)
        elif framer.is_mid_message:
            self._is_mid_message(framer.buffered_octets)
        elif self._began_ns is not None or self._buffered:
            self._began_ns = None
            self._count(0)
        self._pump()

    def eof_received(self) -> bool:
        """The client sends no more, but may still read, except inside TLS: what it asked is answered."""
        self._ending = True
        if self.client is not None and self._service.clients is not None:
            self._service.clients.closed(self.client)
        self._pump()
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is None

    def pause_writing(self) -> None:
        """The client does not read as fast as it asks."""
        self._stalled_ns = self._service.now_ns
        self._service.unsettled.add(self)
        self._pump()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._stalled_ns = None
        self._pump()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone; what it asked is done all the same."""
        service = self._service
        self._transport = None
        self._waiting.clear()
        self._out.clear()
        self._count(0)
        service.connections.discard(self)
        service.unsettled.discard(self)
        if self.client is not None and service.clients is not None:
            service.clients.closed(self.client)

    # --- the rest

    @property
    def is_settled(self) -> bool:
        """Whether nothing of this client is awaited."""
        return self._began_ns is None and self._stalled_ns is None and self.caller.roles is not NOTHING

    def late(self, now_ns: int) -> str:
        """What the client takes too long for; empty where nothing."""
        limits = self._limits
        if self._began_ns is not None and now_ns - self._began_ns > limits.message_ns:
            return "message not complete in time"
        if self._stalled_ns is not None and now_ns - self._stalled_ns > limits.stalled_ns:
            return "answers not read in time"
        if self.caller.roles is NOTHING and now_ns - self._opened_ns > limits.first_ns:
            return "no key in time"
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

    def _is_mid_message(self, octets: int) -> None:
        """A message has begun and is not complete; all of them together have a limit."""
        if self._began_ns is None:
            self._began_ns = self._service.now_ns
            self._service.unsettled.add(self)
        self._count(octets)
        if self._service.buffered_octets > self._limits.buffered_octets and octets > SMALL_OCTETS:
            self._fail(RpcError("too many long messages are under way", UNAVAILABLE))

    def _count(self, octets: int) -> None:
        self._service.buffered_octets += octets - self._buffered
        self._buffered = octets

    def _fail(self, failure: RpcError) -> None:
        """The stream cannot be read any further: say so behind the last answer, and close."""
        self._ending = True
        self._failure = failure
        self._began_ns = None
        self._count(0)

    def _pump(self) -> None:
        """Start what may be started, read or do not read, close when all is said."""
        transport = self._transport
        if transport is None or self._is_pumping or transport.is_closing():
            return
        waiting = self._waiting
        if waiting:
            self._is_pumping = True
            self._start(waiting)
            self._is_pumping = False
        self._write()
        if waiting or self._stalled_ns is not None:
            transport.pause_reading()
        elif not self._ending:
            transport.resume_reading()
        if self._ending and not waiting and not self._in_flight:
            if self._failure is not None:
                transport.write(encode_error(Request("", None), self._failure) + b"\n")
            transport.close()

    def _start(self, waiting: deque[bytes | Request]) -> None:
        """Run requests, as many as this turn and the limits let."""
        dispatcher, limits = self._service.dispatcher, self._limits
        left = PER_TURN
        while waiting and self._in_flight < limits.in_flight and self._stalled_ns is None:
            if not left:
                self._pump_later(0.0)
                return
            if limits.requests_per_second and not self._is_allowed(limits.requests_per_second):
                return
            left -= 1
            self._in_flight += 1
            if self.client is None:
                dispatcher.submit(waiting.popleft(), self.caller, self._deliver)
            else:
                self._take(waiting.popleft(), self.client)

    def _take(self, frame: bytes | Request, client: Client) -> None:
        """A request, or the answer to one of ours."""
        if not isinstance(frame, bytes):
            client.is_v2 = frame.is_v2
            self._service.dispatcher.submit(frame, self.caller, self._deliver)
            return
        message = decode_either(frame, self._service.dispatcher.limits)
        if isinstance(message, Reply):
            self._in_flight -= 1
            client.received(message)
            return
        client.is_v2 = message.requests[0].is_v2
        self._service.dispatcher.run(message, self.caller, self._deliver)

    def _deliver(self, answer: bytes | None) -> None:
        """An answer, now or later."""
        self._in_flight -= 1
        if answer is not None:
            self._out.append(answer)
        if not self._is_pumping and not self._write_due:
            self._write_due = True
            self._loop.call_soon(self._write_now)

    def _write_now(self) -> None:
        self._write_due = False
        self._pump()

    def _write(self) -> None:
        """Send what has gathered."""
        out = self._out
        if not out or self._transport is None:
            return
        out.append(b"")  # the last line ends too
        octets = b"\n".join(out)
        out.clear()
        if self.client is not None:
            self.client.replied_s = self._loop.time()
        self._transport.write(octets)

    def _ask(self, octets: bytes) -> None:
        """Send a request of the server."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets + b"\n")

    def _is_allowed(self, rate: int) -> bool:
        """Take one of the requests a second; where there is none, go on when there is."""
        now_s = self._loop.time()
        self._allowance = min(float(rate), self._allowance + (now_s - self._refilled_s) * rate)
        self._refilled_s = now_s
        if self._allowance < 1.0:
            self._pump_later((1.0 - self._allowance) / rate)
            return False
        self._allowance -= 1.0
        return True

    def _pump_later(self, delay_s: float) -> None:
        if not self._pump_due:
            self._pump_due = True
            self._loop.call_later(delay_s, self._pump_now)

    def _pump_now(self) -> None:
        self._pump_due = False
        self._pump()


def _set_options(opened: socket.socket) -> None:
    """Answers leave at once, and a peer that vanished is noticed."""
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        opened.setsockopt(socket.IPPROTO_TCP, option, value)
