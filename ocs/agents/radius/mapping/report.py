"""An Accounting-Request as a report about a session: what happened, when, and what has been used. Pure.

RFC 2866 5, RFC 2869 2.1 and 5.1 (gigawords), 5.3 (Event-Timestamp). Names of access servers tell their sessions
apart: two of them may use the same Acct-Session-Id, and a proxy sends for many.
"""

import ipaddress
from functools import lru_cache
from typing import Final

from ocs.agents.radius.mapping.model import Counters, Report
from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import Malformed, Packet

KEPT_NAMES: Final = 10_000  # of access servers
GIGAWORD: Final = 1 << 32
PLAUSIBLE_S: Final = (
    7 * 86_400
)  # how old what a server has kept may be; a clock that is off by more is not believed
AHEAD_S: Final = 300
# What is kept of a session for its record and for finding it at its access server again.
TEXTS: Final = (
    (codes.USER_NAME, "User-Name"),
    (codes.NAS_IDENTIFIER, "NAS-Identifier"),
    (codes.CALLING_STATION_ID, "Calling-Station-Id"),
    (codes.CALLED_STATION_ID, "Called-Station-Id"),
    (87, "NAS-Port-Id"),
    (50, "Acct-Multi-Session-Id"),
)
ADDRESSES: Final = ((codes.NAS_IP_ADDRESS, "NAS-IP-Address"), (codes.FRAMED_IP_ADDRESS, "Framed-IP-Address"))


def decode_report(packet: Packet, source: str, now_s: int) -> Report:
    """What a request says. Raises Malformed for one that no server may send."""
    status = packet.number(codes.ACCT_STATUS_TYPE)
    if status is None:
        raise Malformed("is missing", codes.ACCT_STATUS_TYPE)
    session_id = packet.text(codes.ACCT_SESSION_ID)
    if not session_id and status not in (codes.ACCOUNTING_ON, codes.ACCOUNTING_OFF):
        raise Malformed("is missing", codes.ACCT_SESSION_ID)
    happened_s, is_timed = _happened(packet, now_s)
    return Report(
        status,
        nas_name(packet, source),
        session_id.replace("|", "_"),
        packet.text(codes.USER_NAME),
        happened_s,
        is_timed,
        _counters(packet),
        packet.number(codes.ACCT_TERMINATE_CAUSE),
    )


def nas_name(packet: Packet, source: str) -> str:
    """What an access server calls itself, else its address; never with a separator of session keys."""
    name = packet.first(codes.NAS_IDENTIFIER)
    if name:
        return _named(name)
    address = packet.first(codes.NAS_IP_ADDRESS) or packet.first(codes.NAS_IPV6_ADDRESS)
    return source if address is None or len(address) not in (4, 16) else _numbered(address)


@lru_cache(maxsize=KEPT_NAMES)
def _named(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace").replace("|", "_").replace("/", "_")


@lru_cache(maxsize=KEPT_NAMES)
def _numbered(address: bytes) -> str:
    return str(ipaddress.ip_address(address))


def facts_of(packet: Packet) -> tuple[tuple[str, str], ...]:
    """What a record keeps of a request, by the names of dictionaries."""
    found = [(name, packet.text(number)) for number, name in TEXTS if packet.first(number)]
    for number, name in ADDRESSES:
        value = packet.first(number)
        if value is not None and len(value) == 4:
            found.append((name, str(ipaddress.IPv4Address(value))))
    session_id = packet.text(codes.ACCT_SESSION_ID)
    if "|" in session_id:  # its session in the core is called otherwise
        found.append(("Acct-Session-Id", session_id))
    port = packet.number(codes.NAS_PORT)
    if port is not None:
        found.append(("NAS-Port", str(port)))
    return tuple(found)


def _happened(packet: Packet, now_s: int) -> tuple[int, bool]:
    stamp = packet.number(codes.EVENT_TIMESTAMP)
    if stamp is not None and now_s - PLAUSIBLE_S <= stamp <= now_s + AHEAD_S:
        return stamp, True
    delay_s = packet.number(codes.ACCT_DELAY_TIME) or 0
    return now_s - (delay_s if delay_s <= PLAUSIBLE_S else 0), False


def _counters(packet: Packet) -> Counters:
    received, sent = packet.number(codes.ACCT_INPUT_OCTETS), packet.number(codes.ACCT_OUTPUT_OCTETS)
    more_received = packet.number(codes.ACCT_INPUT_GIGAWORDS)
    more_sent = packet.number(codes.ACCT_OUTPUT_GIGAWORDS)
    return Counters(
        packet.number(codes.ACCT_SESSION_TIME),
        None if received is None else received + (more_received or 0) * GIGAWORD,
        None if sent is None else sent + (more_sent or 0) * GIGAWORD,
        more_received is not None or more_sent is not None,
    )
