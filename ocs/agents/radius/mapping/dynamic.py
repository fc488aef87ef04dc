"""Disconnect-Requests and CoA-Requests: which session is meant, and what the answer means (RFC 5176). Pure."""

import ipaddress
from typing import Final

from ocs.agents.radius.mapping.session import NasSession
from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import Attribute, Packet
from ocs.charging.control import ControlResult

TEXTS: Final = (
    ("User-Name", codes.USER_NAME),
    ("NAS-Identifier", codes.NAS_IDENTIFIER),
    ("Calling-Station-Id", codes.CALLING_STATION_ID),
)
ADDRESSES: Final = (("NAS-IP-Address", codes.NAS_IP_ADDRESS), ("Framed-IP-Address", codes.FRAMED_IP_ADDRESS))
GONE: Final = (codes.RESIDUAL_CONTEXT_REMOVED, codes.SESSION_CONTEXT_NOT_FOUND)
ACKNOWLEDGED: Final = (codes.DISCONNECT_ACK, codes.COA_ACK)


def identifying(session: NasSession, now_s: int) -> list[Attribute]:
    """The attributes that name a session at its access server (RFC 5176 3), and when that was asked."""
    facts = dict(session.facts)
    found: list[Attribute] = [
        (number, facts[name].encode("utf-8", "surrogateescape")) for name, number in TEXTS if facts.get(name)
    ]
    found += [
        (number, ipaddress.IPv4Address(facts[name]).packed) for name, number in ADDRESSES if name in facts
    ]
    if "NAS-Port" in facts:
        found.append((codes.NAS_PORT, int(facts["NAS-Port"]).to_bytes(4, "big")))
    session_id = facts.get("Acct-Session-Id", session.session_id)
    found.append((codes.ACCT_SESSION_ID, session_id.encode("utf-8", "surrogateescape")))
    found.append((codes.EVENT_TIMESTAMP, (now_s & 0xFFFFFFFF).to_bytes(4, "big")))
    return found


def outcome(answer: Packet) -> tuple[ControlResult, int]:
    """What an answer says, and its Error-Cause; 0 where there is none."""
    value = answer.first(codes.ERROR_CAUSE) or b""
    cause = int.from_bytes(value, "big") if len(value) == 4 else 0
    if answer.code in ACKNOWLEDGED:
        return ControlResult.ACCEPTED, cause
    return (ControlResult.UNKNOWN_SESSION if cause in GONE else ControlResult.REFUSED), cause
