"""Claims about one-time events (RFC 8506 6): `answer | balances | entries`."""

import pytest

from ocs.charging.account import Account, Balance, Standing
from ocs.charging.events import Action, ChargingEvent, RequestedUnits, Result, Unit, UsageReport
from ocs.charging.onetime import answer_key
from tests.support.charging import NOON_NS, SECOND_NS, World, account, money, once, rg

DEBIT, REFUND = Action.DIRECT_DEBITING, Action.REFUND_ACCOUNT
CHECK, PRICE = Action.CHECK_BALANCE, Action.PRICE_ENQUIRY
BUNDLE = Balance("messages", Unit.EVENTS, 2, priority=5)


def sms(called: str = "15551", count: int | None = 1) -> UsageReport:
    return UsageReport(requested=RequestedUnits(Unit.EVENTS, count), called=called)


EVENTS: dict[str, tuple[Account, ChargingEvent, str]] = {
    "a message": (money(10), once(DEBIT, sms()), "SUCCESS -=1 | main 5 | main-5"),
    "no action is a debit": (money(10), once(None, sms()), "SUCCESS -=1 | main 5 | main-5"),
    "no report is one event": (
        money(10),
        once(DEBIT, context=None, service="sms"),
        "RATING_FAILED -=RATING_FAILED | main 10",
    ),
    "no amount is one": (money(10), once(DEBIT, sms(count=None)), "SUCCESS -=1 | main 5 | main-5"),
    "too little money takes nothing": (money(4), once(DEBIT, sms()), "NO_CREDIT -=NO_CREDIT | main 4"),
    "every recipient has a price": (
        money(20),
        once(DEBIT, sms("15551"), sms("4930"), sms("15552")),
        "SUCCESS -=1 -=1 -=1 | main 1 | main-5 main-9 main-5",
    ),
    "all recipients or none": (
        money(18),
        once(DEBIT, sms("15551"), sms("4930"), sms("15552")),
        "NO_CREDIT -=NO_CREDIT -=NO_CREDIT -=NO_CREDIT | main 18",
    ),
    "one barred recipient bars all": (
        money(20),
        once(DEBIT, sms("15551"), sms("1900555")),
        "DENIED -=DENIED -=DENIED | main 20",
    ),
    "no rule": (money(20), once(DEBIT, sms("777")), "RATING_FAILED -=RATING_FAILED | main 20"),
    "messages of a bundle come first": (
        money(10, BUNDLE),
        once(DEBIT, sms(count=3)),
        "SUCCESS -=3 | messages 0, main 5 | messages-2 main-5",
    ),
    "a bundle is not used up by what is refused": (
        money(4, BUNDLE),
        once(DEBIT, sms(count=3)),
        "NO_CREDIT -=NO_CREDIT | messages 2, main 4",
    ),
    "money alone": (money(10), once(DEBIT, money_nanos=7), "SUCCESS -=7 | main 3 | main-7"),
    "more money than there is": (money(10), once(DEBIT, money_nanos=11), "NO_CREDIT -=NO_CREDIT | main 10"),
    "a credit limit lends": (
        money(10, credit_limit_nanos=5),
        once(DEBIT, money_nanos=15),
        "SUCCESS -=15 | main -5 | main-10 main-5",
    ),
    "negative money is no money": (money(10), once(DEBIT, money_nanos=-5), "INVALID_VALUE | main 10"),
    "nor is a negative refund": (money(10), once(REFUND, money_nanos=-5), "INVALID_VALUE | main 10"),
    "nor is more than anybody has": (money(10), once(REFUND, money_nanos=1 << 61), "INVALID_VALUE | main 10"),
    "what was used is charged": (
        money(10),
        once(DEBIT, rg(None, used=1, unit=Unit.EVENTS, called="15551")),
        "SUCCESS -=1 | main 5 | main-5",
    ),
    "a call of one minute": (
        money(100_000),
        once(DEBIT, rg(None, 60 * SECOND_NS, unit=Unit.TIME), service="voice"),
        "SUCCESS -=60000000000 | main 40000 | main-60000",
    ),
    "a call of a week is no event": (
        money(100_000),
        once(DEBIT, rg(None, 7 * 86_400 * SECOND_NS, unit=Unit.TIME), service="voice"),
        "INVALID_VALUE | main 100000",
    ),
    "a refund of money": (money(10), once(REFUND, money_nanos=7), "SUCCESS | main 17 | main+7 refund"),
    "a refund of units": (money(10), once(REFUND, sms(count=2)), "SUCCESS -=2 | main 20 | main+10 refund"),
    "a refund into nothing": (account(), once(REFUND, money_nanos=7), "SUCCESS | main 7 | main+7 refund"),
    "an unknown token": (money(10), once(REFUND, refund_token=b"x"), "INVALID_VALUE | main 10"),
}


@pytest.mark.parametrize(("account", "event", "line"), EVENTS.values(), ids=EVENTS.keys())
def test_event(account: Account, event: ChargingEvent, line: str) -> None:
    assert World(account).line(event) == line


@pytest.mark.parametrize(
    ("nanos", "event", "has_credit"),
    [
        (10, once(CHECK, sms()), True),
        (4, once(CHECK, sms()), False),
        (10, once(CHECK, sms("15551"), sms("4930")), False),
        (14, once(CHECK, sms("15551"), sms("4930")), True),
        (10, once(CHECK, money_nanos=10), True),
        (10, once(CHECK, money_nanos=11), False),
        (10, once(CHECK, sms("1900555")), False),
    ],
)
def test_a_balance_check_changes_nothing(nanos: int, event: ChargingEvent, has_credit: bool) -> None:
    world = World(money(nanos))
    before = world.account
    decision = world.take(event)
    assert (decision.answer.result, decision.answer.has_credit) == (Result.SUCCESS, has_credit)
    assert decision.account is before
    assert (decision.posting, decision.answered) == (None, None)


def test_an_unrated_balance_check_says_so() -> None:
    assert World(money(5)).take(once(CHECK, sms("777"))).answer.result is Result.RATING_FAILED


def test_who_is_barred_has_no_credit_and_pays_nothing_but_gets_refunds() -> None:
    world = World(money(10, standing=Standing.BARRED))
    assert world.take(once(CHECK, sms())).answer.has_credit is False
    assert world.line(once(DEBIT, sms())) == "DENIED | main 10"
    assert world.line(once(REFUND, money_nanos=1, session="r")) == "SUCCESS | main 11 | main+1 refund"


@pytest.mark.parametrize(
    ("event", "result", "nanos"),
    [
        (once(PRICE, sms()), Result.SUCCESS, 5),
        (once(PRICE, sms("15551"), sms("4930", 2)), Result.SUCCESS, 23),
        (once(PRICE, money_nanos=8), Result.SUCCESS, 8),
        (once(PRICE, rg(40, 1500), service="data"), Result.SUCCESS, 2600),
        (once(PRICE, sms("777")), Result.RATING_FAILED, None),
        (once(PRICE, sms("1900555")), Result.DENIED, None),
    ],
)
def test_a_price_is_told_without_a_look_at_balances(
    event: ChargingEvent, result: Result, nanos: int | None
) -> None:
    world = World(money(0))
    before = world.account
    decision = world.take(event)
    assert (decision.answer.result, decision.answer.cost_nanos) == (result, nanos)
    assert decision.account is before


def test_a_refund_by_token_gives_every_balance_its_own_back() -> None:
    world = World(money(10, BUNDLE))
    debit = world.take(once(DEBIT, sms(count=3)))
    assert debit.answer.refund_token == answer_key(once(DEBIT)).encode()
    assert debit.answered is not None
    refund = world.take(
        once(REFUND, session="r", refund_token=debit.answer.refund_token), debit.answered.posting
    )
    assert (refund.answer.result, refund.answer.cost_nanos) == (Result.SUCCESS, 5)
    assert [(each.id, each.posted) for each in world.account.balances] == [("messages", 2), ("main", 10)]


def test_the_token_of_another_account_is_worth_nothing() -> None:
    world = World(money(10))
    posting = world.take(once(DEBIT, sms())).posting
    stranger = World(Account("default:bob", "standard", (Balance("main", Unit.MONEY, 1),), version=1))
    event = once(REFUND, session="r", refund_token=b"t")
    assert stranger.take(event, posting).answer.result is Result.INVALID_VALUE


def test_an_event_leaves_a_record_and_an_answer_for_its_repeats_and_no_session() -> None:
    world = World(money(10))
    decision = world.take(once(DEBIT, sms()))
    assert [(cdr.cause, cdr.cost_nanos, cdr.usage[0].used) for cdr in decision.cdrs] == [("event", 5, 1)]
    assert decision.answered is not None
    assert decision.answered.expires_at_ns == NOON_NS + world.policy.event_retention_ns
    assert world.account.sessions == ()
    assert world.take(once(DEBIT, sms())) is decision
