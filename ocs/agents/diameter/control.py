"""Requests of the server to clients: RAR (RFC 8506 5.5) and ASR (RFC 6733 8.5). Pure."""

from typing import Final

from ocs.charging.control import ControlResult, SessionAddress
from ocs.diameter import avps
from ocs.diameter.avp import DecodeError, decode_u32, encode_u32, encode_utf8
from ocs.diameter.codes import CREDIT_CONTROL_APPLICATION, Command, ResultCode
from ocs.diameter.identifiers import Identifiers
from ocs.diameter.message import Message

_AUTHORIZE_ONLY: Final = 0
_APPLICATION: Final = encode_u32(avps.AUTH_APPLICATION_ID, CREDIT_CONTROL_APPLICATION)
_NOT_UNDERSTOOD: Final = frozenset(
    (ResultCode.COMMAND_UNSUPPORTED, ResultCode.APPLICATION_UNSUPPORTED, ResultCode.AVP_UNSUPPORTED)
)
# Another path to the client may do better (RFC 6733 7.1.3).
_ELSEWHERE: Final = frozenset((ResultCode.UNABLE_TO_DELIVER, ResultCode.TOO_BUSY, ResultCode.LOOP_DETECTED))


class RecordingIdentifiers(Identifiers):
    """Identifiers that know the last End-to-End they gave out: a request sent again keeps its own."""

    def __init__(self, start_s: int, seed: int) -> None:
        super().__init__(start_s, seed)
        self.last_end_to_end = 0

    def next_end_to_end(self) -> int:
        """An End-to-End Identifier."""
        self.last_end_to_end = super().next_end_to_end()
        return self.last_end_to_end


def re_auth_request(session: SessionAddress, identity: bytes, realm: str) -> list[bytes]:
    """AVPs of a RAR for the session, or for one pool, service or rating group of it."""
    parts = [*_head(session, identity, realm), encode_u32(avps.RE_AUTH_REQUEST_TYPE, _AUTHORIZE_ONLY)]
    for key, value in (
        (avps.G_S_U_POOL_IDENTIFIER, session.pool),
        (avps.SERVICE_IDENTIFIER, session.service_identifier),
        (avps.RATING_GROUP, session.rating_group),
    ):
        if value is not None:
            parts.append(encode_u32(key, value))
    return parts


def abort_session_request(session: SessionAddress, identity: bytes, realm: str) -> list[bytes]:
    """AVPs of an ASR."""
    return _head(session, identity, realm)


def _head(session: SessionAddress, identity: bytes, realm: str) -> list[bytes]:
    """Destination-Host and -Realm are mandatory for both: Open5GS refuses a RAR without them."""
    return [
        encode_utf8(avps.SESSION_ID, session.session_id),
        identity,
        encode_utf8(avps.DESTINATION_REALM, realm),
        encode_utf8(avps.DESTINATION_HOST, session.client),
        _APPLICATION,
    ]


def control_result(command: Command, answer: Message) -> ControlResult | None:
    """What the client's RAA or ASA means; None: ask over another connection."""
    try:
        code = decode_u32(answer.frame, answer.require(avps.RESULT_CODE))
    except DecodeError:
        return ControlResult.REFUSED
    if code in _ELSEWHERE:
        return None
    if code == ResultCode.LIMITED_SUCCESS:
        return ControlResult.ACCEPTED
    if code == ResultCode.SUCCESS:
        # A RAA of 2001 says that a report is under way already (RFC 8506 5.5).
        return ControlResult.UNDER_WAY if command is Command.RE_AUTH else ControlResult.ACCEPTED
    if code == ResultCode.UNKNOWN_SESSION_ID:
        return ControlResult.UNKNOWN_SESSION
    return ControlResult.UNSUPPORTED if code in _NOT_UNDERSTOOD else ControlResult.REFUSED
