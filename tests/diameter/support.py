"""Recorded messages and ready-made connections for the tests of this folder."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ocs.diameter import avps
from ocs.diameter.avp import encode_octets, encode_u32, encode_utf8
from ocs.diameter.capabilities import ADMIT, Admission, LocalCapabilities, PeerCapabilities
from ocs.diameter.codes import PROXIABLE, REQUEST
from ocs.diameter.connection import Connection
from ocs.diameter.events import Event
from ocs.diameter.identifiers import Identifiers
from ocs.diameter.limits import DEFAULT_LIMITS, DEFAULT_TIMERS, Limits, Timers
from ocs.diameter.message import Message, encode_message
from ocs.diameter.peer import Role

VECTORS = Path(__file__).parents[1] / "vectors"
SECOND = 1_000_000_000
LOCAL = LocalCapabilities("ocs.example.net", "example.net", ("127.0.0.1",), origin_state_id=7)


def recorded(name: str) -> bytes:
    """One recorded message of tests/vectors/diameter."""
    return (VECTORS / "diameter" / f"{name}.bin").read_bytes()


def recordings() -> list[Path]:
    """The messages recorded from Kamailio and freeDiameter."""
    return sorted((VECTORS / "diameter").glob("*.bin"))


def samples() -> list[dict[str, Any]]:
    """Constructed requests with a tree decoded by another program."""
    messages: list[dict[str, Any]] = json.loads((VECTORS / "gy" / "samples.json").read_text())["messages"]
    return messages


def sample(name: str) -> bytes:
    """One constructed request."""
    return next(bytes.fromhex(entry["hex"]) for entry in samples() if entry["name"] == name)


def open5gs_frames() -> Iterator[tuple[str, bytes]]:
    """Every message of every recording of the Open5GS SMF, with its place."""
    for path in sorted((VECTORS / "open5gs").glob("*.json")):
        for index, entry in enumerate(json.loads(path.read_text())):
            yield f"{path.stem}[{index}] {entry['name']}", bytes.fromhex(entry["hex"])


def request(
    command_code: int,
    parts: list[bytes],
    application_id: int = 4,
    flags: int = REQUEST | PROXIABLE,
    hop_by_hop: int = 1,
) -> bytes:
    """A request with fixed identifiers."""
    return encode_message(flags, command_code, application_id, hop_by_hop, 0xE2E, parts)


def cer(
    *extra: bytes, host: str = "pgw.example.net", application: int | None = 4, state_id: int = 1
) -> bytes:
    """A capabilities request; Origin-Host is left out when empty."""
    parts = [encode_utf8(avps.ORIGIN_HOST, host)] if host else []
    parts.append(encode_utf8(avps.ORIGIN_REALM, "example.net"))
    parts.append(encode_u32(avps.ORIGIN_STATE_ID, state_id))
    if application is not None:
        parts.append(encode_u32(avps.AUTH_APPLICATION_ID, application))
    return request(257, [*parts, *extra], application_id=0, flags=REQUEST)


def dwr(hop_by_hop: int = 1) -> bytes:
    """A watchdog request."""
    return request(280, [encode_utf8(avps.ORIGIN_HOST, "pgw.example.net")], 0, REQUEST, hop_by_hop)


def ccr(*extra: bytes, session: bytes = b"pgw;1;1", hop_by_hop: int = 1) -> bytes:
    """A small credit-control request."""
    parts = [encode_octets(avps.SESSION_ID, session), encode_u32(avps.CC_REQUEST_NUMBER, 0), *extra]
    return request(272, parts, hop_by_hop=hop_by_hop)


def admit_all(_: PeerCapabilities) -> Admission:
    """Every peer is welcome."""
    return ADMIT


def connection(
    admit: Callable[[PeerCapabilities], Admission] = admit_all,
    *,
    role: Role = Role.RESPONDER,
    limits: Limits = DEFAULT_LIMITS,
    timers: Timers = DEFAULT_TIMERS,
    reopening: bool = False,
) -> Connection:
    """A connection whose transport came up at time 0."""
    made = Connection(LOCAL, admit, Identifiers(1, 100), role, limits, timers, reopening=reopening)
    made.connected(0)
    return made


def open_connection(*, limits: Limits = DEFAULT_LIMITS, reopening: bool = False) -> Connection:
    """A connection after CER and CEA at time 0, with nothing left to send."""
    made = connection(limits=limits, reopening=reopening)
    made.receive_data(cer(), 0)
    made.data_to_send()
    return made


def sent(made: Connection) -> list[Message]:
    """What the connection wants to send, decoded."""
    return split(made.data_to_send())


def split(data: bytes) -> list[Message]:
    """The messages in a stream of whole messages."""
    found: list[Message] = []
    position = 0
    while position < len(data):
        length = int.from_bytes(data[position + 1 : position + 4], "big")
        found.append(Message.decode(data[position : position + length]))
        position += length
    return found


def result_code(message: Message) -> int:
    """Result-Code of an answer."""
    return int.from_bytes(message.octets(avps.RESULT_CODE) or b"", "big")


def kinds(events: list[Event]) -> list[str]:
    """Names of the events."""
    return [type(event).__name__ for event in events]
