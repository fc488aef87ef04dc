"""One Diameter connection without input/output: bytes and times in, events, bytes and one timer out.

The owner feeds `receive_data`, sends what `data_to_send` returns, calls `handle_timer` at `next_timer` and
`connection_lost` at the end. Times are monotonic ns. After `Closed` it flushes and closes the transport.
"""

from collections.abc import Callable
from typing import Final

from ocs.diameter import avps
from ocs.diameter.avp import DecodeError, decode_u32, encode_i32, encode_u32
from ocs.diameter.capabilities import (
    Admission,
    LocalCapabilities,
    PeerCapabilities,
    Verdict,
    capabilities_answer_avps,
    capabilities_avps,
    common_applications,
    decode_capabilities,
    header_fault,
    judge,
    refused_capabilities,
    require_grammar,
)
from ocs.diameter.codes import ERROR, REQUEST, VERSION, Command, DisconnectCause, ResultCode
from ocs.diameter.deadlines import Deadlines
from ocs.diameter.events import (
    AnswerReceived,
    CapabilitiesReceived,
    Closed,
    CloseReason,
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
from ocs.diameter.framing import Framer, FramingFault
from ocs.diameter.identifiers import Identifiers
from ocs.diameter.limits import DEFAULT_LIMITS, DEFAULT_TIMERS, Limits, Timers
from ocs.diameter.message import (
    Message,
    disconnect_cause,
    encode_answer,
    identity,
    origin_state_id,
    refusal,
)
from ocs.diameter.outgoing import Outgoing
from ocs.diameter.peer import PeerAction, PeerInput, PeerState, Role, transition
from ocs.diameter.watchdog import Watchdog, WatchdogAction

_REQUEST_INPUTS: Final[dict[int, PeerInput]] = {
    Command.DEVICE_WATCHDOG: PeerInput.DWR,
    Command.DISCONNECT_PEER: PeerInput.DPR,
}

Refuse = Callable[[Message, DecodeError], bytes]


def _no_jitter() -> int:
    return 0


class Connection:
    """A peer connection from transport to close (RFC 6733 5.6, RFC 3539).

    `admit` is asked once per CER for what the protocol leaves to policy: whether this peer is known, whether
    it may open a second connection. `reopening` says that its last connection was lost to the watchdog.
    `refuse` encodes the answer to a served request whose AVPs cannot be read, in the grammar of its command.
    """

    def __init__(
        self,
        local: LocalCapabilities,
        admit: Callable[[PeerCapabilities], Admission],
        identifiers: Identifiers,
        role: Role = Role.RESPONDER,
        limits: Limits = DEFAULT_LIMITS,
        timers: Timers = DEFAULT_TIMERS,
        jitter_ns: Callable[[], int] = _no_jitter,
        reopening: bool = False,
        refuse: Refuse | None = None,
    ) -> None:
        self.role = role
        self.state = PeerState.WAIT_CER if role is Role.RESPONDER else PeerState.WAIT_CEA
        self.peer: PeerCapabilities | None = None
        self.unanswered_requests = 0
        self.watchdog = Watchdog(timers.watchdog_ns, jitter_ns, reopening)
        self._local = local
        self._identity = identity(local.origin_host, local.origin_realm)
        self._own_state = encode_u32(avps.ORIGIN_STATE_ID, local.origin_state_id)
        self._refuse = refuse
        self._state_id: int | None = None  # the last Origin-State-Id the peer said
        self._applications = local.applications
        self._served = local.served
        self._admit = admit
        self._limits = limits
        self._timers = timers
        self._framer = Framer(limits.message_octets, limits.skipped_octets)
        self._out = Outgoing(identifiers, limits.own_requests)
        self._held, self._held_octets = list[bytes](), 0  # frames behind a CER that waits for its verdict
        self._cer: Message | None = None
        self._dpr: Message | None = None  # its DPA is still owed
        self._until = Deadlines()

    # --- the owner's side

    def connected(self, now_ns: int) -> None:
        """The transport is there: start the capabilities timer; an initiator sends its CER."""
        self._until.capabilities = now_ns + self._timers.capabilities_ns
        if self.role is Role.INITIATOR:
            self._out.put_base_request(Command.CAPABILITIES_EXCHANGE, capabilities_avps(self._local))

    def receive_data(self, data: bytes, now_ns: int) -> list[Event]:
        """Take octets from the transport; the events are in the order of the messages."""
        events: list[Event] = []
        if self.state is PeerState.CLOSED:
            return events
        frames = self._framer.take(data)
        if frames:
            self._heard(now_ns, events)
            self._receive_frames(frames, now_ns, events)
        while (head := self._framer.oversized) is not None:
            self._refuse_oversized(Message(head, self._limits), now_ns, events)
            self._receive_frames(self._framer.resume(), now_ns, events)
        self._judge_stream(bool(frames), now_ns, events)
        return events

    def send(self, message: bytes) -> bool:
        """Queue an encoded message of the application; False when the connection no longer takes any."""
        if self.state not in (PeerState.OPEN, PeerState.CLOSING, PeerState.LEAVING):
            return False
        self._out.put(message)
        if not message[4] & REQUEST:
            self.abandon_request()
        return True

    def abandon_request(self) -> None:
        """Account for a request that is deliberately never answered."""
        self.unanswered_requests = max(self.unanswered_requests - 1, 0)
        if not self.unanswered_requests and self._dpr is not None:
            self._send_dpa()

    def send_request(
        self,
        command_code: int,
        application_id: int,
        parts: list[bytes],
        now_ns: int,
        end_to_end: int | None = None,
    ) -> int | None:
        """Send a request of this node (RAR, ASR); its id comes back in AnswerReceived or RequestUnanswered.

        `parts` are encoded AVPs, Session-Id first. Passing `end_to_end` repeats an earlier request: T is set.
        None when the connection is not open; raises TooManyRequests at the limit.
        """
        if self.state is not PeerState.OPEN:
            return None
        deadline_ns = now_ns + self._timers.answer_ns
        return self._out.put_request(command_code, application_id, parts, deadline_ns, end_to_end)

    def data_to_send(self) -> bytes:
        """Everything queued, watchdog answers first; also after `Closed`."""
        return self._out.take()

    def resolve(self, admission: Admission, now_ns: int) -> list[Event]:
        """Decide about a CER that `CapabilitiesReceived` reported; what came behind it is read now."""
        events: list[Event] = []
        if self.state is PeerState.WAIT_VERDICT and admission.verdict is not Verdict.WAIT:
            held, self._held, self._held_octets = self._held, [], 0
            self._decide(admission, now_ns, events)
            self._receive_frames(held, now_ns, events)
        return events

    def probe(self, now_ns: int) -> None:
        """Find out by a DWR whether the peer is still there: `ProbeAnswered` or `Closed` will follow."""
        if self.state is PeerState.OPEN and self._until.probe is None:
            self._until.probe = now_ns + self._timers.probe_ns
            self._send_dwr()

    def disconnect(self, now_ns: int, cause: DisconnectCause = DisconnectCause.REBOOTING) -> list[Event]:
        """Leave in order: DPR, then `Closed` when DPA came or its time is over."""
        events: list[Event] = []
        if self.state is PeerState.OPEN:
            self._until.closing = now_ns + self._timers.disconnect_ns
            body = self._identity + encode_i32(avps.DISCONNECT_CAUSE, cause)
            self._out.put_base_request(Command.DISCONNECT_PEER, body)
        self._step(PeerInput.STOP, None, now_ns, events, CloseReason.OWNER)
        return events

    def connection_lost(self, now_ns: int) -> list[Event]:
        """The transport ended, by whichever side."""
        events: list[Event] = []
        over = self.state is PeerState.LEAVING and self._dpr is None
        reason = CloseReason.DISCONNECTED if over else CloseReason.LOST
        self._step(PeerInput.LOST, None, now_ns, events, reason)
        return events

    def next_timer(self) -> int | None:
        """When `handle_timer` wants to be called."""
        return self._until.first(self.watchdog.deadline_ns, self._out.first_deadline())

    def handle_timer(self, now_ns: int) -> list[Event]:
        """Do what is due by now."""
        events: list[Event] = [RequestUnanswered(request_id) for request_id in self._out.expire(now_ns)]
        reason = self._until.passed(now_ns)
        if reason is not None:
            self._step(PeerInput.TIMEOUT, None, now_ns, events, reason)
            return events
        if self._until.flush is not None and now_ns >= self._until.flush:
            self._send_dpa()
        if self.watchdog.deadline_ns is not None and now_ns >= self.watchdog.deadline_ns:
            self._watch(self.watchdog.expire(now_ns), now_ns, events)
        return events

    # --- frames

    def _receive_frames(self, frames: list[bytes], now_ns: int, events: list[Event]) -> None:
        """Requests this node serves go up at once, everything else takes the table."""
        for index, frame in enumerate(frames):
            message = Message(frame, self._limits)
            if (
                self.state is PeerState.OPEN
                and message.flags & (REQUEST | ERROR) == REQUEST
                and message.command_code in self._served
                and message.application_id in self._applications
                and message.version == VERSION
                and not len(frame) & 3
            ):
                self._deliver(message, events)
            elif self.state is PeerState.WAIT_VERDICT:
                self._hold(frames[index:], now_ns, events)
                return
            elif self.state is PeerState.CLOSED:
                return
            elif message.flags & REQUEST:
                self._receive_request(message, now_ns, events)
            else:
                self._receive_answer(message, now_ns, events)

    def _judge_stream(self, progressed: bool, now_ns: int, events: list[Event]) -> None:
        """Close on a stream that cannot be followed; time the message that has begun."""
        fault = self._framer.fault
        if self.state is PeerState.CLOSED:
            return
        if fault is not None:
            too_long = fault is FramingFault.TOO_LONG
            reason = CloseReason.MESSAGE_TOO_LONG if too_long else CloseReason.NOT_DIAMETER
            self._step(PeerInput.FAULT, None, now_ns, events, reason)
        elif not self._framer.incomplete:
            self._until.frame = None
        elif progressed or self._until.frame is None:
            self._until.frame = now_ns + self._timers.frame_ns

    def _hold(self, frames: list[bytes], now_ns: int, events: list[Event]) -> None:
        self._held += frames
        self._held_octets += sum(len(frame) for frame in frames)
        if self._held_octets > self._limits.message_octets:
            self._step(PeerInput.FAULT, None, now_ns, events, CloseReason.FLOOD)

    def _deliver(self, message: Message, events: list[Event]) -> None:
        try:
            message.scan()
        except DecodeError as fault:
            self._refuse_request(message, fault, events, self._refuse)
            return
        self.unanswered_requests += 1
        events.append(RequestReceived(message))

    def _receive_request(self, message: Message, now_ns: int, events: list[Event]) -> None:
        if message.command_code == Command.CAPABILITIES_EXCHANGE:
            self._receive_cer(message, now_ns, events)
            return
        fault = header_fault(self._local, message)
        if fault is not None and self.state is PeerState.OPEN:
            message.scan_what_can_be()
            self._refuse_request(message, fault, events)
            return
        event = PeerInput.REQUEST if fault else _REQUEST_INPUTS.get(message.command_code, PeerInput.REQUEST)
        self._step(event, message, now_ns, events, CloseReason.CAPABILITIES_EXPECTED)

    def _refuse_oversized(self, message: Message, now_ns: int, events: list[Event]) -> None:
        """5015 for a request that is longer than allowed; whoever sends something else so long is left."""
        if self.state is PeerState.OPEN and message.flags & REQUEST and message.version == VERSION:
            self._heard(now_ns, events)
            message.scan_what_can_be()
            code = ResultCode.INVALID_MESSAGE_LENGTH
            self._refuse_request(message, DecodeError(code, "longer than allowed"), events)
        else:
            self._step(PeerInput.FAULT, None, now_ns, events, CloseReason.MESSAGE_TOO_LONG)

    def _refuse_request(
        self, message: Message, fault: DecodeError, events: list[Event], refuse: Refuse | None = None
    ) -> None:
        refused = refusal(message, fault, self._identity) if refuse is None else refuse(message, fault)
        self._out.put(refused)
        events.append(RequestRefused(message, fault.result_code, fault.message))

    def _receive_answer(self, message: Message, now_ns: int, events: list[Event]) -> None:
        """Match by Hop-by-Hop; an answer nobody waits for is dropped and never answered (RFC 6733 6.2.1)."""
        sound = message.version == VERSION and not len(message.frame) & 3
        command = self._out.answered_base_request(message.hop_by_hop) if sound else None
        if command == Command.DEVICE_WATCHDOG:
            self._watch(self.watchdog.answered(now_ns), now_ns, events)
        elif command == Command.DISCONNECT_PEER:
            self._step(PeerInput.DPA, message, now_ns, events, CloseReason.DISCONNECTED)
        elif command == Command.CAPABILITIES_EXCHANGE and message.command_code == command:
            self._receive_cea(message, now_ns, events)
        else:
            self._step(PeerInput.ANSWER, message, now_ns, events, CloseReason.CAPABILITIES_EXPECTED)

    # --- capabilities

    def _receive_cer(self, message: Message, now_ns: int, events: list[Event]) -> None:
        try:
            fault = header_fault(self._local, message)
            if fault is not None:
                raise fault
            message.scan()
            peer = decode_capabilities(message)
            if self._local.strict:
                require_grammar(message)
        except DecodeError as error:
            self._reject_cer(message, error, now_ns, events)
            return
        if self.peer is not None and self.state is not PeerState.WAIT_CER:
            same = peer.is_same_peer(self.peer)
            event = PeerInput.CER_REPEATED if same else PeerInput.CER
            self._step(event, message, now_ns, events, CloseReason.CAPABILITIES_CHANGED)
            return
        self.peer, self._cer = peer, message
        self._step(PeerInput.CER, message, now_ns, events, CloseReason.CAPABILITIES_EXPECTED)

    def _reject_cer(self, message: Message, error: DecodeError, now_ns: int, events: list[Event]) -> None:
        self._out.put(refused_capabilities(self._local, message, error))
        events.append(PeerRefused("", error.result_code, error.message))
        self._close(CloseReason.REFUSED, error.message, now_ns, events)

    def _decide(self, admission: Admission, now_ns: int, events: list[Event]) -> None:
        assert self.peer is not None
        assert self._cer is not None
        match admission.verdict:
            case Verdict.ADMIT:
                self._step(PeerInput.ADMITTED, self._cer, now_ns, events)
            case Verdict.REFUSE:
                code, reason = admission.result_code, admission.reason
                self._out.put(refused_capabilities(self._local, self._cer, DecodeError(code, reason)))
                events.append(PeerRefused(self.peer.origin_host, code, reason))
                self._step(PeerInput.REFUSED, self._cer, now_ns, events, CloseReason.REFUSED, reason)
            case Verdict.WAIT:
                events.append(CapabilitiesReceived(self.peer))

    def _receive_cea(self, message: Message, now_ns: int, events: list[Event]) -> None:
        try:
            message.scan()
            result_code = decode_u32(message.frame, message.require(avps.RESULT_CODE))
            peer = decode_capabilities(message)
        except DecodeError as error:
            self._step(
                PeerInput.CEA_FAILURE, message, now_ns, events, CloseReason.REFUSED_BY_PEER, error.message
            )
            return
        if result_code // 1000 == 2 and common_applications(self._local, peer):
            self.peer = peer
            self._step(PeerInput.CEA_SUCCESS, message, now_ns, events)
        else:
            detail = f"result code {result_code}, applications {sorted(peer.applications)}"
            self._step(PeerInput.CEA_FAILURE, message, now_ns, events, CloseReason.REFUSED_BY_PEER, detail)

    def _open(self, now_ns: int, events: list[Event]) -> None:
        assert self.peer is not None
        self._until.capabilities = None
        self._state_id = self.peer.origin_state_id
        events.append(Opened(self.peer))
        self._watch(self.watchdog.connected(now_ns), now_ns, events)

    # --- the table at work

    def _step(
        self,
        event: PeerInput,
        message: Message | None,
        now_ns: int,
        events: list[Event],
        reason: CloseReason = CloseReason.NOT_DIAMETER,
        detail: str = "",
    ) -> None:
        actions, state = transition(self.state, event)
        if state is not PeerState.CLOSED:
            self.state = state
        for action in actions:
            if action is PeerAction.CLOSE:
                self._close(reason, detail, now_ns, events)
            elif message is not None:
                self._perform(action, message, now_ns, events)

    def _perform(self, action: PeerAction, message: Message, now_ns: int, events: list[Event]) -> None:
        match action:
            case PeerAction.ASK_OWNER:
                assert self.peer is not None
                admission = judge(self._local, self.peer)
                self._decide(admission or self._admit(self.peer), now_ns, events)
            case PeerAction.SEND_CEA:
                self._send_cea(message)
                self._open(now_ns, events)
            case PeerAction.SEND_CEA_AGAIN:
                self._send_cea(message)
            case PeerAction.PROCESS_CEA:
                self._open(now_ns, events)
            case PeerAction.ANSWER_DWR:
                self._out.put_first(encode_answer(message, (self._success(),)))
                self._note_state(message, events)
            case PeerAction.ANSWER_DPR:
                self._receive_dpr(message, now_ns, events)
            case PeerAction.DELIVER:
                self._deliver(message, events)
            case PeerAction.MATCH:
                self._match(message, events)
            case PeerAction.DROP | PeerAction.CLOSE:
                return

    def _send_cea(self, cer: Message) -> None:
        self._out.put(encode_answer(cer, (capabilities_answer_avps(self._local, ResultCode.SUCCESS),)))

    def _note_state(self, dwr: Message, events: list[Event]) -> None:
        """Tell the owner of another Origin-State-Id (RFC 6733 8.16)."""
        state_id = origin_state_id(dwr)
        if state_id is not None and state_id != self._state_id:
            self._state_id = state_id
            events.append(StateReported(state_id))

    def _success(self) -> bytes:
        return encode_u32(avps.RESULT_CODE, ResultCode.SUCCESS) + self._identity + self._own_state

    def _send_dwr(self) -> None:
        self._out.put_base_request(Command.DEVICE_WATCHDOG, self._identity + self._own_state)

    def _receive_dpr(self, dpr: Message, now_ns: int, events: list[Event]) -> None:
        """Answer when nothing is owed to the peer any more: it closes as soon as it has the DPA."""
        events.append(Disconnecting(disconnect_cause(dpr)))
        self._dpr = dpr
        self._until.closing = self._until.closing or now_ns + self._timers.leave_ns
        self._until.flush = now_ns + self._timers.flush_ns
        if not self.unanswered_requests:
            self._send_dpa()

    def _send_dpa(self) -> None:
        self._until.flush = None
        if self._dpr is not None:
            parts = encode_u32(avps.RESULT_CODE, ResultCode.SUCCESS), self._identity
            self._out.put(encode_answer(self._dpr, parts))
            self._dpr = None

    def _match(self, message: Message, events: list[Event]) -> None:
        if not self._out.answered_request(message.hop_by_hop, message.command_code):
            return
        try:
            message.scan()
        except DecodeError:
            events.append(RequestUnanswered(message.hop_by_hop))  # as good as none
            return
        events.append(AnswerReceived(message.hop_by_hop, message))

    # --- watchdog and end

    def _heard(self, now_ns: int, events: list[Event]) -> None:
        if self._until.probe is not None:
            self._until.probe = None
            events.append(ProbeAnswered())
        self._watch(self.watchdog.heard(now_ns), now_ns, events)

    def _watch(self, action: WatchdogAction, now_ns: int, events: list[Event]) -> None:
        match action:
            case WatchdogAction.SEND | WatchdogAction.SEND_AND_COUNT:
                self._send_dwr()
            case WatchdogAction.FAIL_OVER:
                events.append(Suspected())
            case WatchdogAction.FAIL_BACK:
                events.append(Recovered())
            case WatchdogAction.CLOSE:
                self._step(PeerInput.TIMEOUT, None, now_ns, events, CloseReason.WATCHDOG)
            case _:
                return  # NONE, RESTART, COUNT, WAIT_ONCE_MORE: the watchdog's own affair

    def _close(self, reason: CloseReason, detail: str, now_ns: int, events: list[Event]) -> None:
        self.state = PeerState.CLOSED
        self.watchdog.disconnected(now_ns)
        self._until = Deadlines()
        self._held.clear()
        self._dpr = None
        events += [RequestUnanswered(request_id) for request_id in self._out.forget()]
        events.append(Closed(reason, detail))
