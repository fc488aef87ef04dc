"""Capabilities exchange (RFC 6733 5.3): what a node says of itself, what it understands of the other."""

from enum import Enum, auto
from typing import Final

import msgspec

from ocs.diameter import avps
from ocs.diameter.avp import (
    DecodeError,
    RawAvp,
    decode_address,
    decode_u32,
    encode_address,
    encode_u32,
    encode_utf8,
    fault,
    group,
    invalid_value,
)
from ocs.diameter.codes import (
    AVP_MANDATORY,
    BASE_APPLICATION,
    CREDIT_CONTROL_APPLICATION,
    ERROR,
    NO_INBAND_SECURITY,
    RELAY_APPLICATION,
    VERSION,
    Command,
    ResultCode,
    is_protocol_error,
)
from ocs.diameter.message import Message, encode_answer, failed_avp, identity

ETSI: Final = 13019
LONGEST_IDENTITY: Final = 255  # of a DiameterIdentity: no domain name is longer (RFC 1035 2.3.4)
BASE_COMMANDS: Final = frozenset(
    {Command.CAPABILITIES_EXCHANGE, Command.DEVICE_WATCHDOG, Command.DISCONNECT_PEER}
)

# Grammar of CER (RFC 6733 5.3.1).
_GRAMMAR: Final = frozenset(
    (
        avps.ORIGIN_HOST, avps.ORIGIN_REALM, avps.HOST_IP_ADDRESS, avps.VENDOR_ID, avps.PRODUCT_NAME,
        avps.ORIGIN_STATE_ID, avps.SUPPORTED_VENDOR_ID, avps.AUTH_APPLICATION_ID, avps.INBAND_SECURITY_ID,
        avps.ACCT_APPLICATION_ID, avps.VENDOR_SPECIFIC_APPLICATION_ID, avps.FIRMWARE_REVISION,
    )
)  # fmt: skip


class LocalCapabilities(msgspec.Struct, frozen=True):
    """This node. Two Supported-Vendor-Ids with 3GPP first: Kamailio's cdp forgets the last one it reads.

    `served` are the command codes answered in the advertised applications.
    """

    origin_host: str
    origin_realm: str
    host_addresses: tuple[str, ...]
    origin_state_id: int
    product_name: str = "ocs"
    vendor_id: int = 0
    firmware_revision: int = 1
    auth_applications: tuple[int, ...] = (CREDIT_CONTROL_APPLICATION,)
    accounting_applications: tuple[int, ...] = ()
    vendor_applications: tuple[tuple[int, int], ...] = ((avps.VENDOR_3GPP, CREDIT_CONTROL_APPLICATION),)
    supported_vendors: tuple[int, ...] = (avps.VENDOR_3GPP, ETSI)
    served: frozenset[int] = frozenset({int(Command.CREDIT_CONTROL)})
    strict: bool = False  # insists on the whole grammar of a CER, and on knowing what has the M bit
    is_protected: bool = False  # by TLS: an offer of it alone is no hindrance

    @property
    def applications(self) -> frozenset[int]:
        """Application ids, wherever they are advertised."""
        return frozenset((*self.auth_applications, *self.accounting_applications)) | {
            application for _, application in self.vendor_applications
        }


class PeerCapabilities(msgspec.Struct, frozen=True):
    """What a CER or CEA says. `applications` come from all three AVPs, whatever the vendor (RFC 6733 5.3)."""

    origin_host: str
    origin_realm: str
    host_addresses: tuple[str, ...]
    vendor_id: int | None
    product_name: str
    origin_state_id: int | None
    firmware_revision: int | None
    applications: frozenset[int]
    supported_vendors: frozenset[int]
    inband_security: frozenset[int]

    @property
    def is_relay(self) -> bool:
        """Whether the peer forwards for others."""
        return RELAY_APPLICATION in self.applications

    def is_same_peer(self, other: "PeerCapabilities") -> bool:
        """Identical identity and applications."""
        return (
            self.origin_host.lower() == other.origin_host.lower()
            and self.origin_realm.lower() == other.origin_realm.lower()
            and self.applications == other.applications
        )


class Verdict(Enum):
    """An owner's answer to a peer's capabilities."""

    ADMIT = auto()
    REFUSE = auto()
    WAIT = auto()  # `Connection.resolve` will follow


class Admission(msgspec.Struct, frozen=True):
    """A verdict; `result_code` and `reason` are sent and reported when it is REFUSE."""

    verdict: Verdict
    result_code: int = ResultCode.UNKNOWN_PEER
    reason: str = ""


ADMIT: Final = Admission(Verdict.ADMIT)
WAIT: Final = Admission(Verdict.WAIT)


def refuse(result_code: int, reason: str) -> Admission:
    """A refusal."""
    return Admission(Verdict.REFUSE, result_code, reason)


def header_fault(local: LocalCapabilities, message: Message) -> DecodeError | None:
    """What is wrong with a request before its AVPs are looked at (RFC 6733 7.1.3, 7.1.5)."""
    if message.version != VERSION:
        return DecodeError(ResultCode.UNSUPPORTED_VERSION, f"version {message.version}")
    if len(message.frame) & 3:
        return DecodeError(ResultCode.INVALID_MESSAGE_LENGTH, "length is no multiple of four")
    if message.flags & ERROR:
        return DecodeError(ResultCode.INVALID_HDR_BITS, "E bit in a request")
    if message.command_code in BASE_COMMANDS:
        return None
    if message.application_id == BASE_APPLICATION:
        return DecodeError(ResultCode.COMMAND_UNSUPPORTED, f"command {message.command_code}")
    if message.application_id not in local.applications:
        return DecodeError(ResultCode.APPLICATION_UNSUPPORTED, f"application {message.application_id}")
    if message.command_code not in local.served:
        return DecodeError(ResultCode.COMMAND_UNSUPPORTED, f"command {message.command_code}")
    return None


def decode_capabilities(message: Message) -> PeerCapabilities:
    """Read a CER or CEA; raises DecodeError, 5005 when Origin-Host or Origin-Realm is missing.

    The other AVPs the grammar demands are insisted on by `require_grammar` only: nothing is decided by them.
    """
    frame = message.frame
    host, realm = _name(message, avps.ORIGIN_HOST), _name(message, avps.ORIGIN_REALM)
    product = message.octets(avps.PRODUCT_NAME) or b""
    return PeerCapabilities(
        origin_host=host,
        origin_realm=realm,
        host_addresses=tuple(decode_address(frame, avp).text for avp in message.all(avps.HOST_IP_ADDRESS)),
        vendor_id=_first_number(message, avps.VENDOR_ID),
        product_name=product.decode("utf-8", "replace"),
        origin_state_id=_first_number(message, avps.ORIGIN_STATE_ID),
        firmware_revision=_first_number(message, avps.FIRMWARE_REVISION),
        applications=frozenset(_applications(message)),
        supported_vendors=frozenset(_numbers(message, message.all(avps.SUPPORTED_VENDOR_ID))),
        inband_security=frozenset(_numbers(message, message.all(avps.INBAND_SECURITY_ID))),
    )


def require_grammar(message: Message) -> None:
    """Refuse a CER that lacks what the grammar demands (5005) or has unknown AVPs with the M bit (5001)."""
    for key in (avps.HOST_IP_ADDRESS, avps.VENDOR_ID, avps.PRODUCT_NAME):
        message.require(key)
    for avp in message.avps:
        if avp[1] & AVP_MANDATORY and avp[0] not in _GRAMMAR:
            raise fault(ResultCode.AVP_UNSUPPORTED, message.frame, avp, "unknown AVP with the M bit")


def _name(message: Message, key: int) -> str:
    """A DiameterIdentity as text for logs, sessions and stores: octets that are no UTF-8 are written out."""
    avp = message.require(key)
    octets = message.frame[avp[2] : avp[3]]
    if not 0 < len(octets) <= LONGEST_IDENTITY:
        raise invalid_value(message.frame, avp)
    return octets.decode("utf-8", "backslashreplace")


def _first_number(message: Message, key: int) -> int | None:
    avp = message.first(key)
    return None if avp is None else decode_u32(message.frame, avp)


def _numbers(message: Message, found: list[RawAvp]) -> list[int]:
    return [decode_u32(message.frame, avp) for avp in found]


def _applications(message: Message) -> list[int]:
    found = message.all(avps.AUTH_APPLICATION_ID) + message.all(avps.ACCT_APPLICATION_ID)
    for vendor_specific in message.all(avps.VENDOR_SPECIFIC_APPLICATION_ID):
        for member in message.members(vendor_specific):
            if member[0] in (avps.AUTH_APPLICATION_ID, avps.ACCT_APPLICATION_ID):
                found.append(member)
    return _numbers(message, found)


def common_applications(local: LocalCapabilities, peer: PeerCapabilities) -> frozenset[int]:
    """Shared application ids; a relay on either side shares everything (RFC 6733 2.4, 5.3)."""
    if peer.is_relay:
        return local.applications
    if RELAY_APPLICATION in local.applications:
        return peer.applications
    return local.applications & peer.applications


def judge(local: LocalCapabilities, peer: PeerCapabilities) -> Admission | None:
    """What the protocol itself refuses, before the owner is asked."""
    if peer.origin_host.lower() == local.origin_host.lower():
        return refuse(ResultCode.UNKNOWN_PEER, "own Origin-Host")
    offered = peer.inband_security
    if offered and NO_INBAND_SECURITY not in offered and not local.is_protected:
        return refuse(ResultCode.NO_COMMON_SECURITY, "no common security")
    if not common_applications(local, peer):
        return refuse(ResultCode.NO_COMMON_APPLICATION, "no common application")
    return None


def capabilities_avps(local: LocalCapabilities) -> bytes:
    """The AVPs of CER and CEA but Result-Code; Product-Name and Firmware-Revision go without M."""
    parts = [identity(local.origin_host, local.origin_realm)]
    parts += [encode_address(avps.HOST_IP_ADDRESS, address) for address in local.host_addresses]
    parts.append(encode_u32(avps.VENDOR_ID, local.vendor_id))
    parts.append(encode_utf8(avps.PRODUCT_NAME, local.product_name, mandatory=False))
    parts.append(encode_u32(avps.ORIGIN_STATE_ID, local.origin_state_id))
    parts += [encode_u32(avps.SUPPORTED_VENDOR_ID, vendor) for vendor in local.supported_vendors]
    parts += [encode_u32(avps.AUTH_APPLICATION_ID, application) for application in local.auth_applications]
    parts += [encode_u32(avps.ACCT_APPLICATION_ID, each) for each in local.accounting_applications]
    for vendor, application in local.vendor_applications:
        members = encode_u32(avps.VENDOR_ID, vendor), encode_u32(avps.AUTH_APPLICATION_ID, application)
        parts.append(group(avps.VENDOR_SPECIFIC_APPLICATION_ID, members))
    parts.append(encode_u32(avps.FIRMWARE_REVISION, local.firmware_revision, mandatory=False))
    return b"".join(parts)


def capabilities_answer_avps(
    local: LocalCapabilities, result_code: int, error_message: str = "", failed: bytes = b""
) -> bytes:
    """The AVPs of a CEA; a refusal names its reason."""
    parts = [encode_u32(avps.RESULT_CODE, result_code), capabilities_avps(local)]
    if error_message:
        parts.append(encode_utf8(avps.ERROR_MESSAGE, error_message, mandatory=False))
    parts.append(failed_avp(failed))
    return b"".join(parts)


def refused_capabilities(local: LocalCapabilities, cer: Message, error: DecodeError) -> bytes:
    """The CEA that refuses; E is set for 3xxx, and where the version of the CER is not known."""
    code = error.result_code
    body = capabilities_answer_avps(local, code, error.message, error.failed_avp)
    return encode_answer(cer, (body,), is_protocol_error(code) or cer.version != VERSION)
