"""What makes a Credit-Control-Request unacceptable besides values: routing, repeats, unknown AVPs. Pure."""

from typing import Final, NoReturn

from ocs.agents.diameter.mapping.options import GyOptions
from ocs.diameter import avps
from ocs.diameter.avp import DecodeError, RawAvp, fault
from ocs.diameter.codes import AVP_MANDATORY, ResultCode
from ocs.diameter.message import Message

# A second value of these would change what is charged; of anything else the first instance counts.
_UNIQUE: Final = frozenset((avps.SESSION_ID, avps.CC_REQUEST_TYPE, avps.CC_REQUEST_NUMBER))

KNOWN_AVPS: Final = frozenset(
    value for name, value in vars(avps).items() if name.isupper() and type(value) is int
)

# Members of these are looked at by the strict rule; every other group is not walked.
_WALKED: Final = frozenset(
    (
        avps.MULTIPLE_SERVICES_CREDIT_CONTROL, avps.REQUESTED_SERVICE_UNIT, avps.USED_SERVICE_UNIT,
        avps.CC_MONEY, avps.UNIT_VALUE, avps.SUBSCRIPTION_ID, avps.SUBSCRIPTION_ID_EXTENSION,
        avps.SERVICE_INFORMATION,
        avps.PS_INFORMATION, avps.IMS_INFORMATION, avps.SMS_INFORMATION, avps.MMS_INFORMATION,
        avps.USER_EQUIPMENT_INFO, avps.RECIPIENT_INFO, avps.RECIPIENT_ADDRESS, avps.EVENT_TYPE, avps.TRIGGER,
    )
)  # fmt: skip

_EVENT: Final = b"\0\0\0\4"  # CC-Request-Type
_ANSWERS_ONLY: Final = frozenset(
    (avps.GRANTED_SERVICE_UNIT, avps.COST_INFORMATION, avps.CHECK_BALANCE_RESULT, avps.CC_SESSION_FAILOVER)
)

# Grammar of the CCR (RFC 8506 3.1, TS 32.299 6.4.2); an M bit on anything else is counted.
KNOWN_AT_ROOT: Final = frozenset(
    (
        avps.SESSION_ID, avps.ORIGIN_HOST, avps.ORIGIN_REALM, avps.DESTINATION_REALM,
        avps.AUTH_APPLICATION_ID, avps.SERVICE_CONTEXT_ID, avps.CC_REQUEST_TYPE, avps.CC_REQUEST_NUMBER,
        avps.DESTINATION_HOST,
        avps.USER_NAME, avps.CC_SUB_SESSION_ID, avps.ACCT_MULTI_SESSION_ID, avps.ORIGIN_STATE_ID,
        avps.EVENT_TIMESTAMP, avps.SUBSCRIPTION_ID, avps.SUBSCRIPTION_ID_EXTENSION, avps.SERVICE_IDENTIFIER,
        avps.TERMINATION_CAUSE, avps.REQUESTED_SERVICE_UNIT, avps.REQUESTED_ACTION, avps.USED_SERVICE_UNIT,
        avps.MULTIPLE_SERVICES_INDICATOR, avps.MULTIPLE_SERVICES_CREDIT_CONTROL, avps.SERVICE_PARAMETER_INFO,
        avps.CC_CORRELATION_ID, avps.USER_EQUIPMENT_INFO, avps.USER_EQUIPMENT_INFO_EXTENSION, avps.PROXY_INFO,
        avps.ROUTE_RECORD, avps.SERVICE_INFORMATION, avps.AOC_REQUEST_TYPE, avps.OC_SUPPORTED_FEATURES,
        avps.REFUND_INFORMATION,
    )
)  # fmt: skip
KNOWN_IN_SERVICE: Final = frozenset(
    (
        avps.REQUESTED_SERVICE_UNIT, avps.USED_SERVICE_UNIT, avps.SERVICE_IDENTIFIER, avps.RATING_GROUP,
        avps.G_S_U_POOL_REFERENCE, avps.VALIDITY_TIME, avps.RESULT_CODE, avps.FINAL_UNIT_INDICATION,
        avps.TIME_QUOTA_THRESHOLD, avps.VOLUME_QUOTA_THRESHOLD, avps.UNIT_QUOTA_THRESHOLD,
        avps.QUOTA_HOLDING_TIME, avps.QUOTA_CONSUMPTION_TIME, avps.REPORTING_REASON, avps.TRIGGER,
        avps.PS_FURNISH_CHARGING_INFORMATION, avps.REFUND_INFORMATION, avps.AF_CORRELATION_INFORMATION,
        avps.ENVELOPE, avps.ENVELOPE_REPORTING, avps.TIME_QUOTA_MECHANISM, avps.SERVICE_SPECIFIC_INFO,
        avps.QOS_INFORMATION, avps.ANNOUNCEMENT_INFORMATION, avps.TGPP_RAT_TYPE, avps.RELATED_TRIGGER,
        avps.TARIFF_CHANGE_USAGE, avps.GRANTED_SERVICE_UNIT,
    )
)  # fmt: skip


def text_key(octets: bytes) -> str:
    """A name for comparison: lower case, whatever its bytes are."""
    return octets.decode("utf-8", "replace").lower()


def refuse_repeated(frame: bytes, single: dict[int, RawAvp], repeated: list[RawAvp]) -> None:
    """5009 for a second, different Session-Id, CC-Request-Type or CC-Request-Number; equal repeats pass."""
    for avp in repeated:
        first = single[avp[0]]
        if avp[0] in _UNIQUE and frame[avp[2] : avp[3]] != frame[first[2] : first[3]]:
            raise fault(
                ResultCode.AVP_OCCURS_TOO_MANY_TIMES, frame, avp, "occurs twice with different values"
            )


def require_route(message: Message, single: dict[int, RawAvp], options: GyOptions) -> None:
    """Refuse what is not for this node: 3005 loop, 3002 another host, 3003 another realm (RFC 6733 6.1)."""
    frame = message.frame
    if avps.ROUTE_RECORD in single:
        for avp in message.all(avps.ROUTE_RECORD):
            if text_key(frame[avp[2] : avp[3]]) == options.origin_host:
                raise DecodeError(ResultCode.LOOP_DETECTED, "this node is in Route-Record")
    host = single.get(avps.DESTINATION_HOST)
    realm = single.get(avps.DESTINATION_REALM)
    if host is not None:
        if realm is None:
            raise DecodeError(ResultCode.UNABLE_TO_DELIVER, "Destination-Host without Destination-Realm")
        if options.serve_hosts is not None and text_key(frame[host[2] : host[3]]) not in options.serve_hosts:
            raise DecodeError(ResultCode.UNABLE_TO_DELIVER, "Destination-Host is another node")
    if (
        realm is not None
        and options.serve_realms is not None
        and text_key(frame[realm[2] : realm[3]]) not in options.serve_realms
    ):
        raise DecodeError(ResultCode.REALM_NOT_SERVED, "Destination-Realm is not served")


def refuse_unknown(message: Message) -> None:
    """5001 for the first AVP with the M bit that no dictionary of this server has, its groups around it.

    5008 for what only an answer may have, 5007 for a Requested-Action in a session.
    """
    action = message.first(avps.REQUESTED_ACTION)
    if action is not None and message.octets(avps.CC_REQUEST_TYPE) != _EVENT:
        raise fault(ResultCode.CONTRADICTING_AVPS, message.frame, action, "is for one-time events")
    waiting = [(avp, 0) for avp in reversed(message.avps)]
    while waiting:
        avp, depth = waiting.pop()
        if avp[0] in _WALKED and depth < message.limits.depth:
            waiting += [(member, depth + 1) for member in reversed(message.members(avp))]
        elif avp[0] in _ANSWERS_ONLY:
            raise fault(ResultCode.AVP_NOT_ALLOWED, message.frame, avp, "does not belong into a request")
        elif avp[1] & AVP_MANDATORY and avp[0] not in KNOWN_AVPS:
            _refuse(message.frame, avp)


def _refuse(frame: bytes, avp: RawAvp) -> NoReturn:
    raise fault(ResultCode.AVP_UNSUPPORTED, frame, avp, "unknown AVP with the M bit")
