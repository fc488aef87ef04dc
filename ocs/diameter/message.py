"""Whole Diameter messages (RFC 6733 3): header, top-level AVPs, answers derived from requests."""

from collections.abc import Iterable
from struct import Struct
from typing import Final

from ocs.diameter import avps
from ocs.diameter.avp import (
    DecodeError,
    RawAvp,
    decode_i32,
    decode_octets,
    decode_u32,
    encode_octets,
    encode_utf8,
    group,
    missing,
    octets_encoder,
    raw,
    scan_into,
    u32_encoder,
)
from ocs.diameter.codes import (
    ERROR,
    HEADER_OCTETS,
    PROXIABLE,
    REQUEST,
    RETRANSMITTED,
    VERSION,
    DisconnectCause,
    ResultCode,
    is_protocol_error,
)
from ocs.diameter.limits import DEFAULT_LIMITS, Limits

_HEADER: Final = Struct(">IIIII")
_unpack: Final = _HEADER.unpack_from
_pack: Final = _HEADER.pack
_VERSION_BITS: Final = VERSION << 24
MAXIMUM_LENGTH: Final = 0xFFFFFC

_session_id: Final = octets_encoder(avps.SESSION_ID)
_result_code: Final = u32_encoder(avps.RESULT_CODE)


class Message:
    """One message: its bytes, its header fields, and its top-level AVPs as offsets into the bytes.

    `frame` holds exactly one message. Constructing reads the header alone; `decode` scans the AVPs as well.
    """

    __slots__ = (
        "_firsts",
        "application_id",
        "avps",
        "command_code",
        "end_to_end",
        "flags",
        "frame",
        "hop_by_hop",
        "limits",
        "scanned_avps",
        "version",
    )

    def __init__(self, frame: bytes, limits: Limits = DEFAULT_LIMITS) -> None:
        first, flags_code, self.application_id, self.hop_by_hop, self.end_to_end = _unpack(frame)
        self.version: int = first >> 24
        self.flags: int = flags_code >> 24
        self.command_code: int = flags_code & 0xFFFFFF
        self.frame = frame
        self.limits = limits
        self.avps: list[RawAvp] = []
        self.scanned_avps = 0
        self._firsts: dict[int, RawAvp] | None = None

    @classmethod
    def decode(cls, frame: bytes, limits: Limits = DEFAULT_LIMITS) -> "Message":
        """Header and top-level AVPs; raises DecodeError also when the header does not describe the frame."""
        if len(frame) < HEADER_OCTETS:
            raise DecodeError(ResultCode.INVALID_MESSAGE_LENGTH, "shorter than a header")
        message = cls(frame, limits)
        if message.version != VERSION:
            raise DecodeError(ResultCode.UNSUPPORTED_VERSION, f"version {message.version}")
        if int.from_bytes(frame[1:4], "big") != len(frame) or len(frame) & 3:
            raise DecodeError(ResultCode.INVALID_MESSAGE_LENGTH, "length is not that of the message")
        message.scan()
        return message

    def scan(self) -> None:
        """Fill `avps`; on a DecodeError the AVPs before the fault are there."""
        scan_into(self.avps, self.frame, HEADER_OCTETS, len(self.frame), self.limits.avps)
        self.scanned_avps = len(self.avps)

    def scan_what_can_be(self) -> None:
        """Fill `avps` with those before the first fault, for what of them belongs into an error answer."""
        try:
            self.scan()
        except DecodeError:
            return  # another fault is the one that is reported

    @property
    def is_request(self) -> bool:
        """R bit."""
        return self.flags & REQUEST != 0

    @property
    def is_proxiable(self) -> bool:
        """P bit."""
        return self.flags & PROXIABLE != 0

    @property
    def is_error(self) -> bool:
        """E bit."""
        return self.flags & ERROR != 0

    @property
    def is_retransmitted(self) -> bool:
        """T bit: possibly sent before; its absence proves nothing."""
        return self.flags & RETRANSMITTED != 0

    def first(self, key: int) -> RawAvp | None:
        """The first top-level AVP of that key."""
        firsts = self._firsts
        if firsts is None:
            firsts = self._firsts = {avp[0]: avp for avp in reversed(self.avps)}
        return firsts.get(key)

    def require(self, key: int) -> RawAvp:
        """The first top-level AVP of that key, or 5005."""
        found = self.first(key)
        if found is None:
            raise missing(self.frame, key)
        return found

    def all(self, key: int) -> list[RawAvp]:
        """Every top-level AVP of that key, in order."""
        return [avp for avp in self.avps if avp[0] == key]

    def members(self, avp: RawAvp) -> list[RawAvp]:
        """The AVPs inside a group; they count towards the message's limit."""
        found: list[RawAvp] = []
        scan_into(found, self.frame, avp[2], avp[3], self.limits.avps - self.scanned_avps)
        self.scanned_avps += len(found)
        return found

    def octets(self, key: int) -> bytes | None:
        """Payload of the first top-level AVP of that key."""
        avp = self.first(key)
        return None if avp is None else decode_octets(self.frame, avp)


def encode_message(
    flags: int,
    command_code: int,
    application_id: int,
    hop_by_hop: int,
    end_to_end: int,
    parts: Iterable[bytes],
) -> bytes:
    """A message from encoded AVPs."""
    body = b"".join(parts)
    return (
        _pack(
            _VERSION_BITS | HEADER_OCTETS + len(body),
            flags << 24 | command_code,
            application_id,
            hop_by_hop,
            end_to_end,
        )
        + body
    )


def encode_answer(request: Message, parts: Iterable[bytes], error: bool = False) -> bytes:
    """The answer to `request` from encoded AVPs: P copied, T and reserved bits cleared (RFC 6733 6.2)."""
    flags = request.flags & PROXIABLE | (ERROR if error else 0)
    body = b"".join(parts)
    return (
        _pack(
            _VERSION_BITS | HEADER_OCTETS + len(body),
            flags << 24 | request.command_code,
            request.application_id,
            request.hop_by_hop,
            request.end_to_end,
        )
        + body
    )


def session_id(request: Message) -> bytes:
    """Session-Id of the request ready for an answer, or nothing; it goes first (RFC 6733 8.8)."""
    value = request.octets(avps.SESSION_ID)
    if value is None or len(value) > request.limits.session_id_octets:
        return b""
    return _session_id(value)


def proxy_infos(request: Message) -> bytes:
    """Every Proxy-Info of the request, unmodified and in order (RFC 6733 6.2)."""
    return b"".join([raw(request.frame, avp) for avp in request.avps if avp[0] == avps.PROXY_INFO])


def identity(origin_host: str, origin_realm: str) -> bytes:
    """Origin-Host and Origin-Realm encoded once, for every message a node sends."""
    return encode_utf8(avps.ORIGIN_HOST, origin_host) + encode_utf8(avps.ORIGIN_REALM, origin_realm)


def failed_avp(content: bytes) -> bytes:
    """Failed-AVP around what a DecodeError carries; nothing when that is empty."""
    return group(avps.FAILED_AVP, (content,)) if content else b""


def answer_message(
    request: Message,
    result_code: int,
    identity: bytes,
    error_message: str = "",
    failed: bytes = b"",
    error: bool | None = None,
) -> bytes:
    """An answer in the answer-message grammar (RFC 6733 7.2); the E bit is set for 3xxx unless `error` says.

    `identity` is what `identity()` returns, `failed` the content of Failed-AVP; `error_message` names no
    subscriber.
    """
    parts = [session_id(request), _result_code(result_code), identity]
    if error_message:
        parts.append(encode_octets(avps.ERROR_MESSAGE, error_message.encode(), False))
    parts.append(failed_avp(failed))
    parts.append(proxy_infos(request))
    return encode_answer(request, parts, is_protocol_error(result_code) if error is None else error)


def refusal(request: Message, fault: DecodeError, identity: bytes) -> bytes:
    """The answer to a request that could not be decoded: answer-message grammar with E, also for 5xxx.

    The command's own grammar cannot be filled then (RFC 6733 7.2); clients that insist on it accept E alone.
    """
    return answer_message(request, fault.result_code, identity, fault.message, fault.failed_avp, error=True)


def origin_state_id(dwr: Message) -> int | None:
    """Origin-State-Id, or None when it is not there or cannot be read: a watchdog is answered all the same."""
    try:
        dwr.scan()
        found = dwr.first(avps.ORIGIN_STATE_ID)
        return None if found is None else decode_u32(dwr.frame, found)
    except DecodeError:
        return None


def disconnect_cause(dpr: Message) -> int:
    """Disconnect-Cause, or REBOOTING when it cannot be read: the peer leaves all the same."""
    try:
        dpr.scan()
        return decode_i32(dpr.frame, dpr.require(avps.DISCONNECT_CAUSE))
    except DecodeError:
        return DisconnectCause.REBOOTING
