"""What an answer of the core means for a call, and the words switches are told it in. Pure.

The words are those of CGRateS' agents: dialplans and scripts compare with them.
"""

from typing import Final

from ocs.charging.events import ChargingAnswer, Grant, Result

GRANTED: Final = (Result.SUCCESS, Result.FREE_OF_CHARGE)
BUSY: Final = (Result.TOO_BUSY, Result.FAILED)  # nothing was charged: ask again
NO_CREDIT: Final = "INSUFFICIENT_CREDIT"
SERVER_ERROR: Final = "SERVER_ERROR"
ACCOUNT_DISABLED: Final = "RALS_ERROR:ACCOUNT_DISABLED"
REASONS: Final = {
    Result.DENIED: "RALS_ERROR:UNAUTHORIZED_DESTINATION",
    Result.NOT_AUTHORIZED: "RALS_ERROR:UNAUTHORIZED_DESTINATION",
    Result.NO_CREDIT: NO_CREDIT,
    Result.UNKNOWN_SUBSCRIBER: "RALS_ERROR:ACCOUNT_NOT_FOUND",
    Result.UNKNOWN_SESSION: "SESSION_NOT_FOUND",
    Result.RATING_FAILED: "RALS_ERROR:RATING_PLAN_NOT_FOUND",
    Result.INVALID_VALUE: "INVALID_VALUE",
    Result.CONTRADICTION: "CONTRADICTION",
    Result.LIMIT_EXCEEDED: "LIMIT_EXCEEDED",
    Result.TOO_BUSY: SERVER_ERROR,
    Result.FAILED: SERVER_ERROR,
}


def outcome(answer: ChargingAnswer) -> Result:
    """The result of an answer, or of the one service in it."""
    if answer.result is Result.SUCCESS and answer.grants:
        return answer.grants[0].result
    return answer.result


def grant_of(answer: ChargingAnswer) -> Grant | None:
    """The grant of an answer; None where it grants nothing."""
    if answer.result not in GRANTED or not answer.grants:
        return None
    grant = answer.grants[0]
    return grant if grant.result in GRANTED and grant.unit is not None and grant.amount > 0 else None


def granted(answer: ChargingAnswer) -> int:
    """Units that an answer grants; 0 where it refuses."""
    grant = grant_of(answer)
    return 0 if grant is None else grant.amount


def is_last_credit(answer: ChargingAnswer) -> bool:
    """Whether nothing more is to be had than what the answer grants."""
    return any(grant.final_unit is not None or grant.result is Result.NO_CREDIT for grant in answer.grants)


def error_text(answer: ChargingAnswer) -> str:
    """Why an answer refuses, in the core's own words where it has some; "" where it does not refuse."""
    result = outcome(answer)
    if result in GRANTED:
        return ""
    if answer.message:
        return answer.message
    if result is Result.DENIED and not any(grant.result is Result.DENIED for grant in answer.grants):
        return ACCOUNT_DISABLED
    return REASONS[result]


def reason(answer: ChargingAnswer) -> str:
    """Why a call may not go on; an answer that grants nothing has no credit."""
    return error_text(answer) or NO_CREDIT
