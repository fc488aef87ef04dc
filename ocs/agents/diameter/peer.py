"""One connection of a peer: an asyncio protocol around the sans-IO `Connection`.

The hot path starts no task: every request of a read is mapped and submitted at once, the answers of one turn
of the loop leave in one write.
"""

import asyncio
import time
from collections.abc import Callable
from ssl import SSLObject
from typing import TYPE_CHECKING, Final, cast

import structlog

from ocs.agents.diameter.admission import certificate_names
from ocs.agents.diameter.mapping.credit_control import CreditControlRequest
from ocs.agents.diameter.mapping.profiles import ClientProfile
from ocs.agents.diameter.metrics import Counters
from ocs.charging.events import ChargingAnswer, Result
from ocs.diameter.avp import DecodeError
from ocs.diameter.capabilities import ADMIT, WAIT, Admission, PeerCapabilities, refuse
from ocs.diameter.codes import DisconnectCause, ResultCode
from ocs.diameter.connection import Connection
from ocs.diameter.events import (
    AnswerReceived,
    CapabilitiesReceived,
    Closed,
    Disconnecting,
    Event,
    Opened,
    PeerRefused,
    ProbeAnswered,
    Recovered,
    RequestReceived,
    RequestRefused,
    RequestUnanswered,
    StateReported,
    Suspected,
)
from ocs.diameter.message import Message
from ocs.diameter.outgoing import TooManyRequests
from ocs.diameter.peer import PeerState, Rival, rival

if TYPE_CHECKING:
    from ocs.agents.diameter.agent import DiameterAgent

log = structlog.get_logger()

LATEST_ANSWER_NS: Final = 6_500_000_000  # Open5GS aborts on an answer after 7.5 s
ENDING_S: Final = 5.0  # after the end of what a peer sends, for the answers it is owed
CLOSING_S: Final = 2.0  # what is written has so long to leave
TURN_EVENTS: Final = 32  # of one peer in one turn of the loop: the disk begins while the rest is decided
_TOO_BUSY: Final = Result.TOO_BUSY
_monotonic_ns = time.monotonic_ns


class PendingAnswer:
    """A request on its way through the core; called with the answer."""

    __slots__ = ("message", "peer", "received_ns", "request")

    def __init__(
        self, peer: "PeerProtocol", message: Message, request: CreditControlRequest, received_ns: int
    ) -> None:
        self.peer = peer
        self.message = message
        self.request = request
        self.received_ns = received_ns

    def __call__(self, answer: ChargingAnswer) -> None:
        self.peer.deliver(self, answer)


class PeerProtocol(asyncio.Protocol):
    """Bytes to events and back for one transport; the agent keeps all of these."""

    def __init__(
        self, agent: "DiameterAgent", loop: asyncio.AbstractEventLoop, serve: "Serve | None" = None
    ) -> None:
        """`serve` answers requests in the place of mapping and core: what the transport alone costs."""
        self.agent = agent
        self.name = ""
        self.address = ""
        self.profile: ClientProfile | None = None
        self.counters = Counters()
        self.since_ns = 0
        self.suspected = False
        self.challenger: PeerProtocol | None = None
        self.gone: asyncio.Future[None] = loop.create_future()
        self.drained: asyncio.Future[None] | None = None
        self.connection: Connection | None = None
        self._loop = loop
        self._serve = serve
        self._transport: asyncio.Transport | None = None
        self._tls_names: frozenset[str] = frozenset()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0
        self._flush_due = False
        self._is_ending = False  # the peer sends no more; its transport ends with the last answer
        self._later: list[Event] = []  # for the next turns; nothing is read until they are handled
        self._later_ns = 0  # when they came
        self._under_way = 0  # requests in the hands of the core
        self._waiting: dict[int, asyncio.Future[Message | None]] = {}

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A transport was accepted; beyond the limits it is dropped at once."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        transport = self._transport
        self.address = str((transport.get_extra_info("peername") or ("",))[0])
        transport.set_write_buffer_limits(high=self.agent.limits.write_buffer_octets, low=0)
        if not self.agent.take(self):
            transport.abort()
            return
        tls: SSLObject | None = transport.get_extra_info("ssl_object")
        self._tls_names = certificate_names(tls)
        local_address = str((transport.get_extra_info("sockname") or ("127.0.0.1",))[0])
        self.connection = self.agent.new_connection(
            local_address.partition("%")[0], self._admit, tls is not None
        )
        self.connection.connected(_monotonic_ns())
        self._after([])

    def data_received(self, data: bytes) -> None:
        """Everything one read brought; much of it is handled in several turns, so that nobody waits for all."""
        connection, transport = self.connection, self._transport
        if connection is None or transport is None:
            return
        now_ns = _monotonic_ns()
        events = connection.receive_data(data, now_ns)
        if self._later:  # came before the transport paused
            self._later += events
        elif len(events) > TURN_EVENTS:
            self._later, self._later_ns = events, now_ns
            transport.pause_reading()
            self._go_on()
        else:
            self._after(events, now_ns)

    def _go_on(self) -> None:
        """The next of what one read brought; nothing where the connection was lost meanwhile."""
        if not self._later:
            return
        events, self._later = self._later[:TURN_EVENTS], self._later[TURN_EVENTS:]
        self._after(events, self._later_ns)
        transport = self._transport
        if self._later:
            self._loop.call_soon(self._go_on)
        elif transport is not None and not transport.is_closing():
            transport.resume_reading()

    def pause_writing(self) -> None:
        """The peer does not read: what it is owed has reached its bound."""
        log.warning("peer.stalled", peer=self.name, address=self.address)
        self.abort()

    def eof_received(self) -> bool:
        """The peer has shut its side: what it asked before is answered, for a bounded time (not inside TLS)."""
        connection, transport = self.connection, self._transport
        if connection is None or transport is None or transport.get_extra_info("ssl_object") is not None:
            return False
        self._is_ending = True
        self._loop.call_later(ENDING_S, self._end)
        self._loop.call_soon(self._end_if_owed_nothing)  # behind what is decided in this turn
        return True

    def _end_if_owed_nothing(self) -> None:
        if self._is_ending and not self.in_flight and not self._later:
            self._end()

    def _end(self) -> None:
        self._flush()
        if self._transport is not None:
            self._transport.close()
            self._loop.call_later(CLOSING_S, self.abort)

    def connection_lost(self, error: Exception | None) -> None:
        """The transport is gone; what it brought before is charged all the same."""
        try:
            later, self._later = self._later, []
            self._handle_all(later, self._later_ns)
            connection, self._transport = self.connection, None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if connection is not None:
                self._handle_all(connection.connection_lost(_monotonic_ns()))
        finally:  # a connection that is not let go would count for ever
            self._transport = None
            self.agent.drop(self)
            if not self.gone.done():
                self.gone.set_result(None)

    # --- the agent's side

    @property
    def is_open(self) -> bool:
        """Whether capabilities were exchanged and nobody is leaving."""
        return self.connection is not None and self.connection.state is PeerState.OPEN

    @property
    def is_relay(self) -> bool:
        """Whether the peer forwards for others."""
        connection = self.connection
        return connection is not None and connection.peer is not None and connection.peer.is_relay

    @property
    def in_flight(self) -> int:
        """Requests of the peer without an answer yet."""
        return 0 if self.connection is None else self.connection.unanswered_requests

    def abort(self) -> None:
        """End the transport without sending what is left."""
        if self._transport is not None:
            self._transport.abort()

    def disconnect(self, cause: DisconnectCause = DisconnectCause.REBOOTING) -> None:
        """Leave in order, or at once when the connection was never open."""
        if self.connection is not None:
            self._after(self.connection.disconnect(_monotonic_ns(), cause))

    def probe(self, challenger: "PeerProtocol") -> None:
        """Find out whether the peer is still here; the challenger hears of it."""
        self.challenger = challenger
        if self.connection is not None:
            self.connection.probe(_monotonic_ns())
            self._after([])

    def resolve(self, admission: Admission) -> None:
        """The verdict a CER has waited for."""
        if self.connection is not None:
            self._after(self.connection.resolve(admission, _monotonic_ns()))

    def ask(
        self, command: int, parts: list[bytes], end_to_end: int | None, application: int
    ) -> "asyncio.Future[Message | None] | None":
        """Send a request of this node; its answer, or None in the place of one. `end_to_end` repeats it."""
        if self.connection is None:
            return None
        try:
            sent = self.connection.send_request(command, application, parts, _monotonic_ns(), end_to_end)
        except TooManyRequests:
            return None
        if sent is None:
            return None
        answered: asyncio.Future[Message | None] = self._loop.create_future()
        self._waiting[sent] = answered
        self._after([])
        return answered

    def answer_sent(self) -> None:
        """Write it with the others of this turn of the loop; whoever waits for the last one is told."""
        if self.drained is not None:
            self._check_drained()
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)
        if self._is_ending:
            self._loop.call_soon(self._end_if_owed_nothing)

    # --- requests

    def _receive(self, message: Message, now_ns: int) -> None:
        """Map and submit one request; whatever is wrong with it, it gets an answer."""
        agent, connection = self.agent, self.connection
        assert connection is not None
        self.counters.requests += 1
        if self._under_way >= agent.limits.window:
            self.counters.shed += 1
            agent.metrics.request_shed()
            agent.overload.shed(now_ns)
            connection.send(agent.writer.too_busy(message))
            return
        try:
            request = agent.reader.read(message, self.name, self.profile, time.time_ns())
        except DecodeError as error:
            self.counters.refused += 1
            agent.metrics.message_refused(error.result_code)
            log.debug("request.refused", peer=self.name, result=error.result_code, reason=error.message)
            connection.send(agent.writer.refusal(message, error))
            return
        except Exception:
            self._fail(message)
            return
        if request.ignored:
            agent.metrics.avp_ignored("unknown_mandatory")
        if request.contradictions:
            agent.metrics.avp_ignored("contradicting_total")
        if request.is_misnamed:
            agent.metrics.avp_ignored("other_application")
        self._under_way += 1
        agent.submit(PendingAnswer(self, message, request, now_ns))

    def deliver(self, pending: PendingAnswer, answer: ChargingAnswer) -> None:
        """Send an answer of the core, unless it is too late for the client."""
        agent, connection = self.agent, self.connection
        assert connection is not None
        self._under_way -= 1
        took_ns = _monotonic_ns() - pending.received_ns
        if took_ns > LATEST_ANSWER_NS or self._transport is None:
            self.counters.late += 1
            agent.metrics.late_answer_dropped()
            connection.abandon_request()
        else:
            try:
                encoded = self._encoded(pending, answer)
            except Exception:
                self._fail(pending.message)
                return
            if connection.send(encoded):
                self.counters.answers += 1
                agent.metrics.request_answered(pending.request.event.kind, answer.result, took_ns)
            else:
                agent.metrics.late_answer_dropped()
        self.answer_sent()

    def _encoded(self, pending: PendingAnswer, answer: ChargingAnswer) -> bytes:
        """The answer's octets; clients that know of overload hear of it in every one."""
        agent, request, said = self.agent, pending.request, b""
        if answer.result is _TOO_BUSY:
            agent.overload.shed(_monotonic_ns())
        if request.knows_overload:
            said = agent.overload.said(_monotonic_ns())
        return agent.writer.credit_control_answer(pending.message, request, answer, said)

    def _fail(self, message: Message) -> None:
        """A fault of this program: 5012 for the one request, the connection goes on."""
        self.counters.refused += 1
        self.agent.metrics.message_refused(ResultCode.UNABLE_TO_COMPLY)
        log.exception("request.failed", peer=self.name)
        log.debug("request.failed.frame", frame=message.frame.hex())
        assert self.connection is not None
        self.connection.send(self.agent.writer.unable(message))
        self._flush_soon()

    # --- events

    def _after(self, events: list[Event], now_ns: int | None = None) -> None:
        """Act on what the connection says, then write and set the timer."""
        self._handle_all(events, now_ns)
        self._flush_soon()
        self._set_timer()

    def _handle_all(self, events: list[Event], now_ns: int | None = None) -> None:
        serve = self._serve
        for event in events:
            if type(event) is RequestReceived:
                if serve is None:
                    self._receive(event.message, _monotonic_ns() if now_ns is None else now_ns)
                else:
                    serve(self, event.message)
            else:
                self._handle(event)

    def _handle(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._receive(event.message, _monotonic_ns())
            case AnswerReceived():
                self._answered(event.request_id, event.message)
            case RequestUnanswered():
                self._answered(event.request_id, None)
            case RequestRefused():
                self.counters.refused += 1
                self.agent.metrics.message_refused(event.result_code)
            case Opened():
                self._opened(event.capabilities)
            case PeerRefused():
                log.warning("peer.refused", peer=event.origin_host, address=self.address, reason=event.reason)
                self.agent.rules.remember(event.origin_host, self.address, event.result_code, event.reason)
            case ProbeAnswered():
                self._answer_challenger(refuse(ResultCode.ELECTION_LOST, "already connected"))
            case Suspected() | Recovered():
                self.suspected = isinstance(event, Suspected)
                log.warning("peer.suspected" if self.suspected else "peer.recovered", peer=self.name)
            case StateReported():
                self.agent.state_reported(self, event.state_id)
            case Disconnecting():
                log.info("peer.disconnecting", peer=self.name, cause=event.cause)
            case Closed():
                self._closed(event)
            case CapabilitiesReceived():
                log.info("peer.probed", peer=event.capabilities.origin_host, address=self.address)

    def _answered(self, request_id: int, message: Message | None) -> None:
        waiting = self._waiting.pop(request_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _admit(self, capabilities: PeerCapabilities) -> Admission:
        """The owner's part of a CER: is the peer known, and is it here already."""
        refused = self.agent.rules.judge(capabilities, self.address, self._tls_names)
        if refused is not None:
            return refused
        old = self.agent.open_peer(capabilities.origin_host)
        if old is None or old.connection is None:
            return ADMIT
        decision = rival(
            self.agent.origin_host, capabilities.origin_host, old.connection.role, old.connection.state
        )
        match decision:
            case Rival.ADMIT_AND_CLOSE_OLD:
                old.abort()
                return ADMIT
            case Rival.PROBE if old.challenger is None:
                old.probe(self)
                return WAIT
            case Rival.PROBE | Rival.REFUSE:
                return refuse(ResultCode.ELECTION_LOST, "already connected")

    def is_welcome(self) -> bool:
        """Whether the settings as they are now would let it in; it has the profile they name from now on."""
        capabilities = None if self.connection is None else self.connection.peer
        if capabilities is None:
            return True
        self.profile = self.agent.profile_of(capabilities)
        return self.agent.rules.judge(capabilities, self.address, self._tls_names) is None

    def _opened(self, capabilities: PeerCapabilities) -> None:
        self.name = capabilities.origin_host
        self.profile = self.agent.profile_of(capabilities)
        self.since_ns = time.time_ns()
        log.info("peer.opened", peer=self.name, address=self.address, product=capabilities.product_name)
        self.agent.opened(self, capabilities)

    def _closed(self, event: Closed) -> None:
        log.info("peer.closed", peer=self.name, address=self.address, reason=event.reason.value)
        self.agent.closed(self)
        self._answer_challenger(ADMIT)
        self._flush()
        if self._transport is not None:
            self._transport.close()
            self._loop.call_later(CLOSING_S, self.abort)

    def _answer_challenger(self, admission: Admission) -> None:
        challenger, self.challenger = self.challenger, None
        if challenger is not None:
            challenger.resolve(admission)

    def _check_drained(self) -> None:
        if self.drained is not None and not self.in_flight and not self.drained.done():
            self.drained.set_result(None)

    async def drain(self, longest_s: float) -> None:
        """Wait until every request has its answer, for a bounded time."""
        self.drained = self._loop.create_future()
        self._check_drained()
        try:
            async with asyncio.timeout(longest_s):
                await self.drained
        except TimeoutError:
            log.warning("peer.undrained", peer=self.name, requests=self.in_flight)

    # --- writing and time

    def _flush_soon(self) -> None:
        """Write once per turn of the loop, whatever number of answers there are."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        connection, transport = self.connection, self._transport
        if connection is None or transport is None or transport.is_closing():
            return
        data = connection.data_to_send()
        if data:
            transport.write(data)

    def _set_timer(self) -> None:
        """One timer, moved only when something is due earlier than it."""
        connection = self.connection
        if connection is None or self._transport is None:
            return
        due_ns = connection.next_timer()
        if due_ns is None or (self._timer is not None and self._timer_ns <= due_ns):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ns = due_ns
        delay_s = max(due_ns - _monotonic_ns(), 0) / 1_000_000_000
        self._timer = self._loop.call_later(delay_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        connection = self.connection
        if connection is None:
            return
        now_ns = _monotonic_ns()
        due_ns = connection.next_timer()
        if due_ns is not None and due_ns <= now_ns:
            self._after(connection.handle_timer(now_ns), now_ns)
        else:
            self._set_timer()


Factory = Callable[[], PeerProtocol]
Serve = Callable[[PeerProtocol, Message], None]
