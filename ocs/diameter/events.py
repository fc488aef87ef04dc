"""What a `Connection` tells its owner."""

from enum import Enum

import msgspec

from ocs.diameter.capabilities import PeerCapabilities
from ocs.diameter.message import Message


class CloseReason(Enum):
    """Why a connection ended."""

    LOST = "the transport ended"
    NOT_DIAMETER = "bytes that are no Diameter message"
    MESSAGE_TOO_LONG = "a message longer than allowed"
    FRAME_TIMEOUT = "a message was not complete in time"
    CAPABILITIES_TIMEOUT = "no capabilities exchange in time"
    CAPABILITIES_EXPECTED = "something else before the capabilities exchange"
    CAPABILITIES_CHANGED = "a second CER with other capabilities"
    REFUSED = "the peer was refused"
    REFUSED_BY_PEER = "the peer refused this node"
    WATCHDOG = "no answer to the watchdog"
    PROBE = "no answer to a probe"
    DISCONNECTED = "DPR and DPA were exchanged"
    DISCONNECT_TIMEOUT = "no DPA, or no closing after DPA, in time"
    FLOOD = "more data than allowed while waiting"
    OWNER = "closed by this node"


class StateReported(msgspec.Struct, frozen=True):
    """The Origin-State-Id of a watchdog request, where it differs from the last one the peer said."""

    state_id: int


class RequestReceived(msgspec.Struct, frozen=True):
    """A request of an application this node serves; the owner answers it with `Connection.send`."""

    message: Message


class RequestRefused(msgspec.Struct, frozen=True):
    """A request the connection has answered with an error itself; for metrics and traces."""

    message: Message
    result_code: int
    reason: str


class AnswerReceived(msgspec.Struct, frozen=True):
    """The answer to the request `Connection.send_request` returned `request_id` for."""

    request_id: int
    message: Message


class RequestUnanswered(msgspec.Struct, frozen=True):
    """No answer came in time, or the connection ended before it."""

    request_id: int


class CapabilitiesReceived(msgspec.Struct, frozen=True):
    """A CER whose admission `admit` postponed; `Connection.resolve` decides."""

    capabilities: PeerCapabilities


class Opened(msgspec.Struct, frozen=True):
    """Capabilities were exchanged; requests may flow."""

    capabilities: PeerCapabilities


class PeerRefused(msgspec.Struct, frozen=True):
    """A CER was answered with an error; `Closed` follows."""

    origin_host: str
    result_code: int
    reason: str


class Suspected(msgspec.Struct, frozen=True):
    """The watchdog was not answered (RFC 3539 SUSPECT): prefer another connection for new requests."""


class Recovered(msgspec.Struct, frozen=True):
    """The peer is heard again after `Suspected`, or has passed REOPEN."""


class ProbeAnswered(msgspec.Struct, frozen=True):
    """Something was received since `Connection.probe`; when nothing is, `Closed(PROBE)` comes instead."""


class Disconnecting(msgspec.Struct, frozen=True):
    """The peer sent DPR with this cause; no further requests are taken."""

    cause: int


class Closed(msgspec.Struct, frozen=True):
    """The connection is over: send what `data_to_send` still has, then close the transport."""

    reason: CloseReason
    detail: str = ""


Event = (
    StateReported
    | RequestReceived
    | RequestRefused
    | AnswerReceived
    | RequestUnanswered
    | CapabilitiesReceived
    | Opened
    | PeerRefused
    | Suspected
    | Recovered
    | ProbeAnswered
    | Disconnecting
    | Closed
)
