"""What answers mean for a call, and the words for it."""

from ocs.agents.voice.outcomes import error_text, granted, is_last_credit, reason
from ocs.charging.events import ChargingAnswer, FinalUnit, FinalUnitAction, Grant, Result, Unit


def answer(result: Result, *grants: Grant, message: str = "") -> ChargingAnswer:
    return ChargingAnswer(result, grants, message=message)


def test_answers_grant_or_say_why_not() -> None:
    last = FinalUnit(FinalUnitAction.TERMINATE)
    some = answer(Result.SUCCESS, Grant(None, (), Result.SUCCESS, Unit.TIME, 5, final_unit=last))
    none = answer(Result.NO_CREDIT, Grant(None, (), Result.NO_CREDIT))
    assert (granted(some), is_last_credit(some), error_text(some)) == (5, True, "")
    assert (granted(none), is_last_credit(none)) == (0, True)
    assert error_text(none) == "INSUFFICIENT_CREDIT"
    assert error_text(answer(Result.DENIED)) == "RALS_ERROR:ACCOUNT_DISABLED"
    denied = answer(Result.DENIED, Grant(None, (), Result.DENIED))
    assert error_text(denied) == "RALS_ERROR:UNAUTHORIZED_DESTINATION"


def test_every_refusal_has_a_word_and_nothing_else_has() -> None:
    for result in Result:
        text = error_text(answer(result))
        assert bool(text) == (result not in (Result.SUCCESS, Result.FREE_OF_CHARGE))


def test_the_reason_of_a_grant_comes_before_that_of_its_answer() -> None:
    refused = answer(Result.SUCCESS, Grant(None, (), Result.RATING_FAILED))
    assert error_text(refused) == "RALS_ERROR:RATING_PLAN_NOT_FOUND"
    assert granted(refused) == 0


def test_the_words_of_the_core_come_first_but_only_for_a_refusal() -> None:
    assert error_text(answer(Result.DENIED, message="RESOURCES_ERROR:UNAUTHORIZED")).startswith("RESOURCES")
    assert error_text(answer(Result.SUCCESS, message="x")) == ""


def test_an_answer_that_grants_nothing_has_no_credit() -> None:
    assert reason(answer(Result.SUCCESS)) == "INSUFFICIENT_CREDIT"
    assert reason(answer(Result.TOO_BUSY)) == "SERVER_ERROR"
