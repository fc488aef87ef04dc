"""Outcomes of the core as Result-Codes, one table per level (RFC 8506 9, TS 32.299 6.4). Pure."""

from typing import Final

from ocs.charging.events import Result
from ocs.diameter import avps
from ocs.diameter.avp import RawAvp, fault
from ocs.diameter.codes import ResultCode
from ocs.diameter.message import Message

COMMAND_CODES: Final[dict[Result, ResultCode]] = {
    Result.SUCCESS: ResultCode.SUCCESS,
    Result.DENIED: ResultCode.END_USER_SERVICE_DENIED,
    Result.FREE_OF_CHARGE: ResultCode.CREDIT_CONTROL_NOT_APPLICABLE,
    Result.NO_CREDIT: ResultCode.CREDIT_LIMIT_REACHED,
    Result.NOT_AUTHORIZED: ResultCode.AUTHORIZATION_REJECTED,
    Result.UNKNOWN_SESSION: ResultCode.UNKNOWN_SESSION_ID,
    Result.UNKNOWN_SUBSCRIBER: ResultCode.USER_UNKNOWN,
    Result.RATING_FAILED: ResultCode.RATING_FAILED,
    Result.INVALID_VALUE: ResultCode.INVALID_AVP_VALUE,
    Result.CONTRADICTION: ResultCode.CONTRADICTING_AVPS,
    Result.LIMIT_EXCEEDED: ResultCode.RESOURCES_EXCEEDED,
    Result.TOO_BUSY: ResultCode.TOO_BUSY,
    Result.FAILED: ResultCode.UNABLE_TO_COMPLY,
}

# A 3xxx code speaks of a whole message, so an overload inside one group is a failure there.
SERVICE_CODES: Final[dict[Result, ResultCode]] = COMMAND_CODES | {
    Result.TOO_BUSY: ResultCode.UNABLE_TO_COMPLY
}

# Codes whose Failed-AVP is of use to the client; 5031 must have one (RFC 8506 9.1).
_EXPLAINED: Final = frozenset(
    (
        ResultCode.RATING_FAILED,
        ResultCode.INVALID_AVP_VALUE,
        ResultCode.MISSING_AVP,
        ResultCode.CONTRADICTING_AVPS,
    )
)

# `ChargingAnswer.failed` names a field of the event; the AVPs it may have come from, the likeliest first.
_FIELDS: Final[dict[str, tuple[int, ...]]] = {
    "session_id": (avps.SESSION_ID,),
    "event_id": (avps.CC_REQUEST_NUMBER,),
    "kind": (avps.CC_REQUEST_TYPE,),
    "action": (avps.REQUESTED_ACTION,),
    "service": (avps.SERVICE_CONTEXT_ID,),
    "identities": (avps.SUBSCRIPTION_ID, avps.SUBSCRIPTION_ID_EXTENSION, avps.USER_NAME),
    "rating_group": (avps.RATING_GROUP, avps.SERVICE_IDENTIFIER),
    "service_identifiers": (avps.SERVICE_IDENTIFIER, avps.RATING_GROUP),
    "requested": (avps.REQUESTED_SERVICE_UNIT,),
    "used": (avps.USED_SERVICE_UNIT,),
    "money_nanos": (avps.CC_MONEY, avps.REQUESTED_SERVICE_UNIT),
    "refund_token": (avps.REFUND_INFORMATION,),
    "occurred_at_ns": (avps.EVENT_TIMESTAMP,),
    "called": (avps.CALLED_PARTY_ADDRESS, avps.SERVICE_INFORMATION),
    "context": (avps.SERVICE_INFORMATION,),
}


def failed_avp_of(message: Message, code: ResultCode, field: str) -> bytes:
    """Content of Failed-AVP for a refusal: the AVP behind the field in its group, else Service-Context-Id."""
    if code not in _EXPLAINED or not (field or code == ResultCode.RATING_FAILED):
        return b""
    for key in (*_FIELDS.get(field, ()), avps.SERVICE_CONTEXT_ID):
        found = _find(message, key)
        if found is not None:
            return fault(code, message.frame, found, "").failed_avp
    return b""


def _find(message: Message, key: int) -> RawAvp | None:
    """The first AVP of that key at the root, in a service group or in the units there."""
    found = message.first(key)
    if found is not None:
        return found
    groups = message.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL) or message.all(avps.REQUESTED_SERVICE_UNIT)
    for group in groups:
        members = message.members(group)
        for member in members:
            if member[0] == key:
                return member
    return None
