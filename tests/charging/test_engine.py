"""The table of the engine: one line per event, `answer | balances posted-reserved | entries`."""

import pytest

from ocs.charging.account import Account, Balance
from ocs.charging.engine import decide
from ocs.charging.events import (
    ChargingEvent,
    FinalUnit,
    FinalUnitAction,
    ReportingReason,
    Result,
    Unit,
)
from ocs.charging.quota import ChargingPolicy, QuotaRule
from tests.support.charging import (
    NOON_NS,
    TARIFF,
    World,
    initial,
    money,
    policy,
    rg,
    terminate,
    update,
)

BUNDLE = Balance("bundle", Unit.OCTETS, 1000, priority=10)
REDIRECT = QuotaRule(final_unit=FinalUnit(FinalUnitAction.REDIRECT, "https://pay.example/top-up"))
NO_ACTION = QuotaRule(final_unit=None)
SLICE = QuotaRule(default={Unit.OCTETS: 500}, maximum={Unit.OCTETS: 800}, minimum={Unit.OCTETS: 100})
Steps = list[tuple[ChargingEvent, str]]

SESSIONS: dict[str, tuple[Account, Steps]] = {
    "reserve, debit, reserve anew, release": (
        money(10_000),
        [
            (initial(rg(10, 1000)), "SUCCESS 10=1000 | main 10000-1000"),
            (update(1, rg(10, 1000, 700)), "SUCCESS 10=1000 | main 9300-1000 | main-700"),
            (terminate(2, rg(10, used=300)), "SUCCESS 10=0 | main 9000 | main-300"),
        ],
    ),
    "a termination without usage frees what is held": (
        money(10_000),
        [
            (initial(rg(10, 1000)), "SUCCESS 10=1000 | main 10000-1000"),
            (terminate(1), "SUCCESS | main 10000"),
        ],
    ),
    "an open session without reports holds nothing": (
        money(10_000),
        [(initial(), "SUCCESS | main 10000"), (update(1, rg(10, 5)), "SUCCESS 10=5 | main 10000-5")],
    ),
    "no request for units is no grant": (money(10_000), [(initial(rg(10)), "SUCCESS 10=0 | main 10000")]),
    "usage without a rating group is rated": (
        money(10_000),
        [(initial(rg(None, 100)), "SUCCESS -=100 | main 10000-100")],
    ),
    "several services of one rating group are one quota": (
        money(10_000),
        [
            (initial(rg(10, 100, services=(1, 2))), "SUCCESS 10/1+2=100 | main 10000-100"),
            (update(1, rg(10, 50, 100, services=(1, 2))), "SUCCESS 10/1+2=50 | main 9900-50 | main-100"),
        ],
    ),
    "every unit used is debited, also past the grant": (
        money(1000),
        [
            (initial(rg(10, 1000)), "SUCCESS 10=1000 | main 1000-1000"),
            (update(1, rg(10, 10, 1500)), "SUCCESS 10=NO_CREDIT | main -500 | main-1000 main-500"),
            (terminate(2), "SUCCESS | main -500"),
        ],
    ),
    "all reports are settled before any is granted": (
        money(1000),
        [
            (initial(rg(10, 500), rg(11, 500)), "SUCCESS 10=500 11=500 | main 1000-1000"),
            (
                update(1, rg(10, 900, 100), rg(11, 100, 0)),
                "SUCCESS 10=900 11=NO_CREDIT | main 900-900 | main-100",
            ),
        ],
    ),
    "who gets the last credit does not depend on the order of the reports": (
        money(1000),
        [(initial(rg(11, 800), rg(10, 800)), "SUCCESS 11=200!TERMINATE 10=800 | main 1000-1000")],
    ),
    "one rating group without credit does not end the others": (
        money(100),
        [(initial(rg(10, 100), rg(20, 100)), "SUCCESS 10=100 20=NO_CREDIT | main 100-100")],
    ),
    "the last slice is partial and says so": (
        money(600),
        [(initial(rg(10, 1000)), "SUCCESS 10=600!TERMINATE | main 600-600")],
    ),
    "the money is held exactly and increments are whole": (
        money(2500),
        [
            (initial(rg(30, 2500)), "SUCCESS 30=2000!TERMINATE | main 2500-2000"),
            (update(1, rg(30, 1, 1)), "SUCCESS 30=1 | main 1500 | main-1000"),
            (update(2, rg(30, 1000, 999)), "SUCCESS 30=1000 | main 1500-1000"),
        ],
    ),
    "a price is that of the session, never a sum of rounded reports": (
        money(1000),
        [
            (initial(rg(80, 10)), "SUCCESS 80=10 | main 1000-4"),
            (update(1, rg(80, 10, 1)), "SUCCESS 80=10 | main 999-3 | main-1"),
            (update(2, rg(80, 10, 1)), "SUCCESS 80=10 | main 999-3"),
            (update(3, rg(80, 10, 1)), "SUCCESS 80=10 | main 999-4"),
            (terminate(4, rg(80, used=1)), "SUCCESS 80=0 | main 998 | main-1"),
        ],
    ),
    "fee and tiers go on over reports": (
        money(10_000),
        [
            (initial(rg(40, 800)), "SUCCESS 40=800 | main 10000-1700"),
            (update(1, rg(40, 800, 800)), "SUCCESS 40=800 | main 8300-1000 | main-1700"),
            (terminate(2, rg(40, used=800)), "SUCCESS 40=0 | main 7300 | main-1000"),
        ],
    ),
    "units before money": (
        money(500, BUNDLE),
        [
            (initial(rg(10, 1200)), "SUCCESS 10=1200 | bundle 1000-1000, main 500-200"),
            (
                update(1, rg(10, 1200, 1100)),
                "SUCCESS 10=400!TERMINATE | bundle 0, main 400-400 | bundle-1000 main-100",
            ),
        ],
    ),
    "a bundle pays where no rule prices": (
        money(500, BUNDLE),
        [
            (initial(rg(99, 1200)), "SUCCESS 99=1000!TERMINATE | bundle 1000-1000, main 500"),
            (terminate(1, rg(99, used=600)), "SUCCESS 99=0 | bundle 400, main 500 | bundle-600"),
        ],
    ),
    "what is free leaves the bundle alone": (
        money(0, BUNDLE),
        [
            (initial(rg(50, 100)), "SUCCESS 50=free 1000000000 | bundle 1000, main 0"),
            (terminate(1, rg(50, used=100)), "SUCCESS 50=0 | bundle 1000, main 0"),
        ],
    ),
    "what is free is free for who owes money": (
        money(-100),
        [(initial(rg(50, 100)), "SUCCESS 50=free 1000000000 | main -100")],
    ),
    "debts do not take away the rest of a paid increment, nor give more than was asked": (
        money(1000),
        [
            (initial(rg(30, 10)), "SUCCESS 30=10 | main 1000-1000"),
            (
                update(1, rg(30, 10, 1), rg(10, used=50)),
                "SUCCESS 30=10 10=0 | main -50 | main-50 main-950 main-50",
            ),
        ],
    ),
    "a denied rating group": (money(100), [(initial(rg(51, 10)), "DENIED 51=DENIED | main 100")]),
    "nothing rates it": (money(100), [(initial(rg(99, 10)), "RATING_FAILED 99=RATING_FAILED | main 100")]),
    "an unrated rating group lets the others live": (
        money(100),
        [(initial(rg(99, 10), rg(10, 10)), "SUCCESS 99=RATING_FAILED 10=10 | main 100-10")],
    ),
    "no credit at all": (money(0), [(initial(rg(10, 10)), "NO_CREDIT 10=NO_CREDIT | main 0")]),
    "an account without balances": (
        Account("default:alice", "standard", version=1),
        [(initial(rg(10, 10)), "NO_CREDIT 10=NO_CREDIT")],
    ),
    "the result of a refusal does not depend on the order": (
        money(0),
        [
            (initial(rg(99, 10), rg(10, 10)), "NO_CREDIT 99=RATING_FAILED 10=NO_CREDIT | main 0"),
            (initial(rg(10, 10), rg(99, 10)), "NO_CREDIT 10=NO_CREDIT 99=RATING_FAILED | main 0"),
        ],
    ),
    "refusals stay with their services where the client wants it so": (
        money(0),
        [(initial(rg(10, 10), denies_per_service=True), "SUCCESS 10=NO_CREDIT | main 0")],
    ),
    "usage of a refused INITIAL is debited, once": (
        money(100),
        [
            (initial(rg(10, 10, 150)), "NO_CREDIT 10=NO_CREDIT | main -50 | main-100 main-50"),
            (initial(rg(10, 10, 150)), "NO_CREDIT 10=NO_CREDIT | main -50"),
        ],
    ),
    "a credit limit lends": (
        money(100, credit_limit_nanos=500),
        [
            (initial(rg(10, 1000)), "SUCCESS 10=600!TERMINATE | main 100-600"),
            (update(1, rg(10, 10, 600)), "SUCCESS 10=NO_CREDIT | main -500 | main-100 main-500"),
        ],
    ),
    "no limit lends without end": (
        money(0, credit_limit_nanos=None),
        [(initial(rg(10, 1000)), "SUCCESS 10=1000 | main 0-1000")],
    ),
    "a debt makes its balance where there is none": (
        Account("default:alice", "standard", credit_limit_nanos=None, version=1),
        [(initial(rg(10, 100)), "SUCCESS 10=100 | main 0-100")],
    ),
    "more than the most that a session may cost is not granted": (
        money(10_000),
        [
            (initial(rg(70, 300)), "SUCCESS 70=300 | main 10000-300"),
            (update(1, rg(70, 300, 300)), "SUCCESS 70=200!TERMINATE | main 9700-200 | main-300"),
            (update(2, rg(70, 300, 200)), "SUCCESS 70=NO_CREDIT | main 9500 | main-200"),
        ],
    ),
    "repeats get the answer they had": (
        money(10_000),
        [
            (initial(rg(10, 1000)), "SUCCESS 10=1000 | main 10000-1000"),
            (initial(rg(10, 1000)), "SUCCESS 10=1000 | main 10000-1000"),
            (update(1, rg(10, 1000, 700)), "SUCCESS 10=1000 | main 9300-1000 | main-700"),
            (update(1, rg(10, 1000, 999)), "SUCCESS 10=1000 | main 9300-1000"),
            (terminate(2, rg(10, used=300)), "SUCCESS 10=0 | main 9000 | main-300"),
            (terminate(2, rg(10, used=300)), "SUCCESS 10=0 | main 9000"),
            (update(1, rg(10, 1000, 700)), "SUCCESS 10=1000 | main 9000"),
        ],
    ),
    "a repeat whose answer was let go says what is out": (
        money(10_000),
        [
            (initial(rg(10, 100)), "SUCCESS 10=100 | main 10000-100"),
            *(
                (update(n, rg(10, 100, 10)), f"SUCCESS 10=100 | main {10_000 - 10 * n}-100 | main-10")
                for n in range(1, 6)
            ),
            (update(1, rg(10, 100, 10)), "SUCCESS 10=100 | main 9950-100"),
        ],
    ),
    "numbers out of order and with gaps are served": (
        money(10_000),
        [
            (initial(rg(10, 100)), "SUCCESS 10=100 | main 10000-100"),
            (update(3, rg(10, 100, 30)), "SUCCESS 10=100 | main 9970-100 | main-30"),
            (update(2, rg(10, 100, 20)), "SUCCESS 10=100 | main 9950-100 | main-20"),
            (update(9, rg(10, 100, 90)), "SUCCESS 10=100 | main 9860-100 | main-90"),
            (update(3, rg(10, 100, 30)), "SUCCESS 10=100 | main 9860-100"),
        ],
    ),
    "events may be named by text": (
        money(10_000),
        [
            (initial(rg(10, 100), number="a"), "SUCCESS 10=100 | main 10000-100"),
            (update("b", rg(10, 100, 30)), "SUCCESS 10=100 | main 9970-100 | main-30"),
            (update("b", rg(10, 100, 30)), "SUCCESS 10=100 | main 9970-100"),
        ],
    ),
    "unknown sessions": (
        money(100),
        [
            (update(1, rg(10, 10, 10)), "UNKNOWN_SESSION | main 100"),
            (terminate(1, rg(10, used=10)), "UNKNOWN_SESSION | main 100"),
        ],
    ),
    "a late report is debited once and opens nothing": (
        money(1000),
        [
            (initial(rg(10, 100)), "SUCCESS 10=100 | main 1000-100"),
            (terminate(3, rg(10, used=10)), "SUCCESS 10=0 | main 990 | main-10"),
            (update(2, rg(10, 100, 20)), "SUCCESS 10=0 | main 970 | main-20"),
            (update(2, rg(10, 100, 20)), "SUCCESS 10=0 | main 970"),
        ],
    ),
    "a new INITIAL on an open session starts anew": (
        money(1000),
        [
            (initial(rg(10, 100)), "SUCCESS 10=100 | main 1000-100"),
            (initial(rg(10, 50), number=7), "SUCCESS 10=50 | main 1000-50"),
            (update(8, rg(10, 50, 50)), "SUCCESS 10=50 | main 950-50 | main-50"),
        ],
    ),
    "a second session of the same bearer ends the first": (
        money(1000),
        [
            (initial(rg(10, 100), session="s1"), "SUCCESS 10=100 | main 1000-100"),
            (initial(rg(10, 50), session="s2", replaces_same_bearer=True), "SUCCESS 10=50 | main 1000-50"),
            (terminate(9, rg(10, used=60), session="s1"), "SUCCESS 10=0 | main 940-50 | main-60"),
        ],
    ),
    "a refused INITIAL still ends what it replaces": (
        money(100),
        [
            (initial(rg(10, 100)), "SUCCESS 10=100 | main 100-100"),
            (initial(rg(51, 50), number=7), "DENIED 51=DENIED | main 100"),
        ],
    ),
    "sessions do not take from what others hold": (
        money(1000),
        [
            (initial(rg(10, 800), session="a"), "SUCCESS 10=800 | main 1000-800"),
            (initial(rg(10, 800), session="b"), "SUCCESS 10=200!TERMINATE | main 1000-1000"),
            (initial(rg(10, 800), session="c"), "NO_CREDIT 10=NO_CREDIT | main 1000-1000"),
        ],
    ),
    "a FINAL report frees one rating group only": (
        money(1000),
        [
            (initial(rg(10, 100), rg(11, 100)), "SUCCESS 10=100 11=100 | main 1000-200"),
            (
                update(1, rg(10, used=40, reason=ReportingReason.FINAL)),
                "SUCCESS 10=0 | main 960-100 | main-40",
            ),
        ],
    ),
    "an idle quota is given back": (
        money(1000),
        [
            (initial(rg(10, 100)), "SUCCESS 10=100 | main 1000-100"),
            (update(1, rg(10, reason=ReportingReason.QUOTA_HOLDING_TIME)), "SUCCESS 10=0 | main 1000"),
        ],
    ),
    "a threshold report replaces the grant": (
        money(1000),
        [
            (initial(rg(10, 100)), "SUCCESS 10=100 | main 1000-100"),
            (
                update(1, rg(10, 100, 80, reason=ReportingReason.THRESHOLD)),
                "SUCCESS 10=100 | main 920-100 | main-80",
            ),
        ],
    ),
    "one rating group twice is one grant": (
        money(1000),
        [
            (initial(rg(10, 100), rg(10, 200)), "SUCCESS 10=100 | main 1000-100"),
            (update(1, rg(10, 100, 30), rg(10, 100, 40)), "SUCCESS 10=100 | main 930-100 | main-30 main-40"),
        ],
    ),
    "several recipients share a rating group and no hold is lost": (
        money(1000),
        [
            (
                initial(
                    rg(None, 1, unit=Unit.EVENTS, called="15551"),
                    rg(None, 1, unit=Unit.EVENTS, called="4930"),
                    service="sms",
                ),
                "SUCCESS -=1 -=1 | main 1000-14",
            ),
            (terminate(1, service="sms"), "SUCCESS | main 1000"),
        ],
    ),
    "usage in a unit that the tariff does not know is left alone": (
        money(1000),
        [
            (initial(rg(10, 100)), "SUCCESS 10=100 | main 1000-100"),
            (
                update(1, rg(10, used=5_000_000_000, unit=Unit.TIME)),
                "SUCCESS 10=0 | main 1000",
            ),
        ],
    ),
}


@pytest.mark.parametrize(("account", "steps"), SESSIONS.values(), ids=SESSIONS.keys())
def test_session(account: Account, steps: Steps) -> None:
    world = World(account)
    assert [world.line(event) for event, _ in steps] == [line for _, line in steps]


QUOTAS: dict[str, tuple[QuotaRule, Account, Steps]] = {
    "the server chooses where the client does not": (
        SLICE,
        money(10_000),
        [(initial(rg(10, 0)), "SUCCESS 10=500 | main 10000-500")],
    ),
    "no more than the maximum": (
        SLICE,
        money(9000),
        [(initial(rg(10, 5000)), "SUCCESS 10=800 | main 9000-800")],
    ),
    "no less than the minimum": (
        SLICE,
        money(9000),
        [(initial(rg(10, 1)), "SUCCESS 10=100 | main 9000-100")],
    ),
    "a redirect is offered without any money": (
        REDIRECT,
        money(0),
        [
            (initial(rg(10, 10)), "SUCCESS 10=0!REDIRECT | main 0"),
            (update(1, rg(10)), "SUCCESS 10=0 | main 0"),
            (update(2, rg(10, 10)), "SUCCESS 10=0!REDIRECT | main 0"),
        ],
    ),
    "no final unit action": (
        NO_ACTION,
        money(5),
        [
            (initial(rg(10, 10)), "SUCCESS 10=5 | main 5-5"),
            (update(1, rg(10, 10, 5)), "SUCCESS 10=NO_CREDIT | main 0 | main-5"),
        ],
    ),
}


@pytest.mark.parametrize(("rule", "account", "steps"), QUOTAS.values(), ids=QUOTAS.keys())
def test_session_by_quota_rule(rule: QuotaRule, account: Account, steps: Steps) -> None:
    world = World(account, policy(rule))
    assert [world.line(event) for event, _ in steps] == [line for _, line in steps]


def test_an_account_with_all_its_sessions_open_is_refused_a_further_one() -> None:
    limited = ChargingPolicy(sessions_per_account=1)
    first = decide(money(10_000), initial(rg(10, 100)), TARIFF, limited, NOON_NS)
    second = decide(first.account, initial(rg(10, 100), session="s2"), TARIFF, limited, NOON_NS)
    assert second.answer.result is Result.LIMIT_EXCEEDED
    assert second.account is first.account
