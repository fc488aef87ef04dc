"""The peer state machine of RFC 6733 5.6 for one connection, as a table, and the election between two.

RFC 6733 keeps both connections of a peer (I- and R-) in one machine. Here each connection runs its own, and
what the RFC decides across them - the election, a second CER while open - is asked of whoever sees both
(WAIT_VERDICT).
"""

from enum import Enum, auto
from typing import Final


class Role(Enum):
    """Who opened the transport: RESPONDER rows are the RFC's R-, INITIATOR rows its I-."""

    RESPONDER = auto()
    INITIATOR = auto()


class PeerState(Enum):
    """RFC names: Closed (before CER), Wait-Returns, Wait-I-CEA, R-Open/I-Open, Closing, Closed."""

    WAIT_CER = auto()
    WAIT_VERDICT = auto()
    WAIT_CEA = auto()
    OPEN = auto()
    CLOSING = auto()  # we sent DPR
    LEAVING = auto()  # the peer sent DPR; it closes after our DPA
    CLOSED = auto()


class PeerInput(Enum):
    """What happens to a connection."""

    CER = auto()
    CER_REPEATED = auto()  # the same identity and applications once more
    ADMITTED = auto()
    REFUSED = auto()
    CEA_SUCCESS = auto()
    CEA_FAILURE = auto()
    DWR = auto()
    DPR = auto()
    DPA = auto()
    REQUEST = auto()
    ANSWER = auto()
    STOP = auto()
    TIMEOUT = auto()
    FAULT = auto()  # bytes that are no Diameter
    LOST = auto()


class PeerAction(Enum):
    """What the connection does; each is one method."""

    ASK_OWNER = auto()
    SEND_CEA = auto()
    SEND_CEA_AGAIN = auto()
    PROCESS_CEA = auto()
    ANSWER_DWR = auto()
    ANSWER_DPR = auto()
    DELIVER = auto()
    MATCH = auto()
    DROP = auto()
    CLOSE = auto()


_S = PeerState
_I = PeerInput
_A = PeerAction

# RFC 6733 5.6 rows are named after "#"; a pair that is absent closes the connection (5.3: CER/CEA come
# first).
TRANSITIONS: Final[dict[tuple[PeerState, PeerInput], tuple[tuple[PeerAction, ...], PeerState]]] = {
    (_S.WAIT_CER, _I.CER): ((_A.ASK_OWNER,), _S.WAIT_VERDICT),  # Closed: R-Conn-CER
    (_S.WAIT_VERDICT, _I.ADMITTED): ((_A.SEND_CEA,), _S.OPEN),  # R-Accept, R-Snd-CEA; Win-Election
    (_S.WAIT_VERDICT, _I.REFUSED): ((_A.CLOSE,), _S.CLOSED),  # R-Reject, after a CEA that says why
    (_S.WAIT_CEA, _I.CEA_SUCCESS): ((_A.PROCESS_CEA,), _S.OPEN),  # Wait-I-CEA: I-Rcv-CEA
    (_S.WAIT_CEA, _I.CEA_FAILURE): ((_A.CLOSE,), _S.CLOSED),
    (_S.OPEN, _I.CER_REPEATED): ((_A.SEND_CEA_AGAIN,), _S.OPEN),  # not in the RFC: harmless refresh
    (_S.OPEN, _I.CEA_SUCCESS): ((_A.DROP,), _S.OPEN),  # Rcv-CEA nobody waits for
    (_S.OPEN, _I.CEA_FAILURE): ((_A.DROP,), _S.OPEN),
    (_S.OPEN, _I.DWR): ((_A.ANSWER_DWR,), _S.OPEN),  # Rcv-DWR: Process-DWR, Snd-DWA
    (_S.OPEN, _I.DPR): ((_A.ANSWER_DPR,), _S.LEAVING),  # Rcv-DPR: Snd-DPA
    (_S.OPEN, _I.DPA): ((_A.DROP,), _S.OPEN),
    (_S.OPEN, _I.REQUEST): ((_A.DELIVER,), _S.OPEN),  # Rcv-Message: Process
    (_S.OPEN, _I.ANSWER): ((_A.MATCH,), _S.OPEN),
    (_S.OPEN, _I.STOP): ((_A.DROP,), _S.CLOSING),  # Stop: after Snd-DPR
    (_S.CLOSING, _I.DPA): ((_A.CLOSE,), _S.CLOSED),  # Closing: Rcv-DPA, Disc
    # In neither of the next two is a request taken: unanswered it goes to the peer's alternate at once.
    (_S.CLOSING, _I.REQUEST): ((_A.DROP,), _S.CLOSING),
    (_S.CLOSING, _I.ANSWER): ((_A.MATCH,), _S.CLOSING),
    (_S.CLOSING, _I.CEA_SUCCESS): ((_A.DROP,), _S.CLOSING),
    (_S.CLOSING, _I.CEA_FAILURE): ((_A.DROP,), _S.CLOSING),
    (_S.CLOSING, _I.DWR): ((_A.ANSWER_DWR,), _S.CLOSING),
    (_S.CLOSING, _I.DPR): ((_A.ANSWER_DPR,), _S.CLOSING),  # both sides leave
    (_S.CLOSING, _I.STOP): ((_A.DROP,), _S.CLOSING),
    (_S.LEAVING, _I.REQUEST): ((_A.DROP,), _S.LEAVING),
    (_S.LEAVING, _I.ANSWER): ((_A.MATCH,), _S.LEAVING),
    (_S.LEAVING, _I.CEA_SUCCESS): ((_A.DROP,), _S.LEAVING),
    (_S.LEAVING, _I.CEA_FAILURE): ((_A.DROP,), _S.LEAVING),
    (_S.LEAVING, _I.DPA): ((_A.DROP,), _S.LEAVING),
    (_S.LEAVING, _I.DWR): ((_A.ANSWER_DWR,), _S.LEAVING),
    (_S.LEAVING, _I.DPR): ((_A.ANSWER_DPR,), _S.LEAVING),
    (_S.LEAVING, _I.STOP): ((_A.DROP,), _S.LEAVING),
}

_CLOSE: Final = ((PeerAction.CLOSE,), PeerState.CLOSED)


def transition(state: PeerState, event: PeerInput) -> tuple[tuple[PeerAction, ...], PeerState]:
    """Actions and next state; in CLOSED nothing happens any more."""
    if state is PeerState.CLOSED:
        return ((), PeerState.CLOSED)
    return TRANSITIONS.get((state, event), _CLOSE)


def keeps_accepted(local_host: str, peer_host: str) -> bool:
    """Whether this node wins the election and keeps the connection it accepted (RFC 6733 5.6.4).

    Identities are compared octet by octet without regard to case; the longer of two with a common start is
    higher.
    """
    return local_host.lower().encode() > peer_host.lower().encode()


class Rival(Enum):
    """What to do about a CER when the same Origin-Host already has a connection here."""

    PROBE = auto()  # see whether the old one lives, then refuse this one or drop the old one
    ADMIT_AND_CLOSE_OLD = auto()
    REFUSE = auto()  # 4003


def rival(local_host: str, peer_host: str, old_role: Role, old_state: PeerState) -> Rival:
    """Decide about a second connection: the election while the old one is being opened, else a probe.

    RFC 6733 5.6 rejects the new connection when one is open; a peer that crashed would then be locked out
    until the watchdog notices, hence the probe.
    """
    match old_state:
        case PeerState.OPEN:
            return Rival.PROBE
        case PeerState.WAIT_CEA if old_role is Role.INITIATOR:
            return Rival.ADMIT_AND_CLOSE_OLD if keeps_accepted(local_host, peer_host) else Rival.REFUSE
        case PeerState.WAIT_CER | PeerState.WAIT_VERDICT | PeerState.WAIT_CEA:
            return Rival.REFUSE
        case PeerState.CLOSING | PeerState.LEAVING | PeerState.CLOSED:
            return Rival.ADMIT_AND_CLOSE_OLD
