"""Numbers of the Diameter header and of Result-Code (RFC 6733 3, 7.1; RFC 8506 9), by name."""

from enum import IntEnum
from typing import Final

VERSION: Final = 1
HEADER_OCTETS: Final = 20

REQUEST: Final = 0x80
PROXIABLE: Final = 0x40
ERROR: Final = 0x20
RETRANSMITTED: Final = 0x10

AVP_VENDOR: Final = 0x80
AVP_MANDATORY: Final = 0x40

BASE_APPLICATION: Final = 0
CREDIT_CONTROL_APPLICATION: Final = 4
RELAY_APPLICATION: Final = 0xFFFFFFFF

# Inband-Security-Id (RFC 6733 6.10)
NO_INBAND_SECURITY: Final = 0


class Command(IntEnum):
    """Command codes a credit-control node sends or receives."""

    CAPABILITIES_EXCHANGE = 257
    RE_AUTH = 258
    ACCOUNTING = 271
    CREDIT_CONTROL = 272
    ABORT_SESSION = 274
    SESSION_TERMINATION = 275
    DEVICE_WATCHDOG = 280
    DISCONNECT_PEER = 282


class DisconnectCause(IntEnum):
    """Disconnect-Cause (RFC 6733 5.4.3); after 1 and 2 the peer must not reconnect by itself."""

    REBOOTING = 0
    BUSY = 1
    DO_NOT_WANT_TO_TALK_TO_YOU = 2


class AddressFamily(IntEnum):
    """IANA address family numbers used in Address AVPs (RFC 6733 4.3.1)."""

    IPV4 = 1
    IPV6 = 2
    E164 = 8


class ResultCode(IntEnum):
    """Result-Code values (RFC 6733 7.1, RFC 8506 9.1)."""

    SUCCESS = 2001
    LIMITED_SUCCESS = 2002
    COMMAND_UNSUPPORTED = 3001
    UNABLE_TO_DELIVER = 3002
    REALM_NOT_SERVED = 3003
    TOO_BUSY = 3004
    LOOP_DETECTED = 3005
    REDIRECT_INDICATION = 3006
    APPLICATION_UNSUPPORTED = 3007
    INVALID_HDR_BITS = 3008
    INVALID_AVP_BITS = 3009
    UNKNOWN_PEER = 3010
    AUTHENTICATION_REJECTED = 4001
    OUT_OF_SPACE = 4002
    ELECTION_LOST = 4003
    END_USER_SERVICE_DENIED = 4010
    CREDIT_CONTROL_NOT_APPLICABLE = 4011
    CREDIT_LIMIT_REACHED = 4012
    AVP_UNSUPPORTED = 5001
    UNKNOWN_SESSION_ID = 5002
    AUTHORIZATION_REJECTED = 5003
    INVALID_AVP_VALUE = 5004
    MISSING_AVP = 5005
    RESOURCES_EXCEEDED = 5006
    CONTRADICTING_AVPS = 5007
    AVP_NOT_ALLOWED = 5008
    AVP_OCCURS_TOO_MANY_TIMES = 5009
    NO_COMMON_APPLICATION = 5010
    UNSUPPORTED_VERSION = 5011
    UNABLE_TO_COMPLY = 5012
    INVALID_BIT_IN_HEADER = 5013
    INVALID_AVP_LENGTH = 5014
    INVALID_MESSAGE_LENGTH = 5015
    INVALID_AVP_BIT_COMBO = 5016
    NO_COMMON_SECURITY = 5017
    USER_UNKNOWN = 5030
    RATING_FAILED = 5031


def is_protocol_error(result_code: int) -> bool:
    """3xxx: the answer carries the E bit and the answer-message grammar (RFC 6733 7.1.3)."""
    return 3000 <= result_code < 4000
