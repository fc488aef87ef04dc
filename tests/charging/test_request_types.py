"""Claims about who pays when: request types, pauses, authorizations that hold what they promise."""

import asyncio

import pytest

from ocs.charging.account import Balance, Terms
from ocs.charging.decision import Change
from ocs.charging.events import Action, ChargingEvent, RequestType, Result, Unit
from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import ChargingService
from tests.support.charging import (
    ACCOUNT,
    ALICE,
    SECOND_NS,
    TARIFF,
    World,
    answer_text,
    books_text,
    initial,
    money,
    once,
    rg,
    terminate,
    update,
)
from tests.support.door import Counts
from tests.support.stores import ProcessStore, Truth

POSTPAID, RATED, NONE = RequestType.POSTPAID, RequestType.RATED, RequestType.NONE
PSEUDOPREPAID, DIRECTDEBIT = RequestType.PSEUDOPREPAID, RequestType.DIRECTDEBIT
DIRECT, AUTHORIZE = Action.DIRECT_DEBITING, Action.AUTHORIZE


def session(world: World, request_type: RequestType) -> list[str]:
    """A session that asks for 500 octets, uses 300, and ends with another 100."""
    lines = [world.line(initial(rg(10, 500), request_type=request_type))]
    lines.append(world.line(update(1, rg(10, 500, 300))))
    lines.append(world.line(terminate(2, rg(10, used=100))))
    return lines


@pytest.mark.parametrize(
    ("request_type", "lines", "cost_nanos"),
    [
        (
            RequestType.PREPAID,
            [
                "SUCCESS 10=350!TERMINATE | main 350-350",
                "SUCCESS 10=50!TERMINATE | main 50-50 | main-300",
                "SUCCESS 10=0 | main -50 | main-50 main-50",
            ],
            400,
        ),
        (
            POSTPAID,
            [
                "SUCCESS 10=500 | main 350",
                "SUCCESS 10=500 | main 50 | main-300",
                "SUCCESS 10=0 | main -50 | main-50 main-50",
            ],
            400,
        ),
        (
            PSEUDOPREPAID,
            [
                "SUCCESS 10=350!TERMINATE | main 350",
                "SUCCESS 10=50!TERMINATE | main 50 | main-300",
                "SUCCESS 10=0 | main -50 | main-50 main-50",
            ],
            400,
        ),
        (
            RATED,
            ["SUCCESS 10=500 | main 350", "SUCCESS 10=500 | main 350", "SUCCESS 10=0 | main 350"],
            400,
        ),
        (NONE, ["SUCCESS 10=500 | main 350", "SUCCESS 10=500 | main 350", "SUCCESS 10=0 | main 350"], 0),
    ],
)
def test_a_session_of_every_request_type(
    request_type: RequestType, lines: list[str], cost_nanos: int
) -> None:
    world = World(money(350))
    assert session(world, request_type) == lines
    assert [cdr.cost_nanos for cdr in world.cdrs] == [cost_nanos]


def test_postpaid_knows_no_floor_and_prepaid_does() -> None:
    for request_type, told in ((POSTPAID, "main -400"), (RequestType.PREPAID, "main -100")):
        world = World(money(300), ChargingPolicy(floor_nanos=-100))
        world.take(initial(rg(10, 300), request_type=request_type))
        world.take(terminate(1, rg(10, used=700)))
        assert books_text(world.account) == told


def test_a_postpaid_usage_nothing_rates_is_not_granted() -> None:
    world = World(money(300))
    assert world.line(initial(rg(99, 300), request_type=POSTPAID)).startswith("RATING_FAILED")
    assert world.line(initial(rg(99, 300), request_type=NONE)).startswith("SUCCESS 99=300")


def test_a_client_s_own_price_is_taken_below_zero() -> None:
    world = World(money(10))
    sent = once(DIRECT, money_nanos=25, request_type=DIRECTDEBIT)
    assert world.line(sent) == "SUCCESS -=25 | main -15 | main-10 main-15"
    refused = once(DIRECT, money_nanos=25, session="e2")
    assert world.line(refused).startswith("NO_CREDIT")


def test_an_event_that_is_only_rated_tells_its_cost() -> None:
    world = World(money(0))
    rated = once(DIRECT, rg(None, 3, unit=Unit.EVENTS, called="15551"), request_type=RATED)
    assert world.take(rated).answer.cost_nanos == 15
    assert books_text(world.account) == "main 0"
    assert world.cdrs[-1].cost_nanos == 15


def test_usage_of_a_pause_costs_nothing_and_moves_no_position() -> None:
    world = World(money(10_000))
    world.take(initial(rg(40, 500), is_chargeable=False))
    world.take(update(1, rg(40, 500, 400), is_chargeable=False))
    assert books_text(world.account) == "main 10000"
    world.take(update(2, rg(40, 500, 60)))
    assert books_text(world.account) == "main 9780-1000", "the fee is due with the first unit that is charged"
    world.take(update(3, rg(40, 500, 100), is_chargeable=False))
    assert books_text(world.account) == "main 9780"
    world.take(terminate(4))
    assert world.cdrs[-1].usage[0].used == 560
    assert world.cdrs[-1].cost_nanos == 220


# --- authorizations


def authorize(
    *reports: object, session: str = "s1", reserve_s: int | None = None, **more: object
) -> ChargingEvent:
    reserve_ns = None if reserve_s is None else reserve_s * SECOND_NS
    return once(AUTHORIZE, *reports, session=session, service="data", reserve_ns=reserve_ns, **more)  # type: ignore[arg-type]


def test_an_authorization_tells_the_most_and_changes_nothing() -> None:
    world = World(money(350))
    assert world.line(authorize(rg(10, 500))) == "SUCCESS 10=350 | main 350"
    assert world.line(authorize(rg(10, 100))) == "SUCCESS 10=100 | main 350"
    assert world.account.version == 1


def test_an_authorization_of_two_groups_promises_each_nano_once() -> None:
    world = World(money(350))
    assert world.line(authorize(rg(10, 200), rg(11, 200))) == "SUCCESS 10=200 11=150 | main 350"


def test_two_ringing_calls_are_never_promised_the_same_credit() -> None:
    world = World(money(350))
    assert world.line(authorize(rg(10, 300), reserve_s=60)) == "SUCCESS 10=300 | main 350-300"
    assert world.line(authorize(rg(10, 300), session="s2", reserve_s=60)) == "SUCCESS 10=50 | main 350-350"
    assert world.line(authorize(rg(10, 300), session="s3", reserve_s=60)).startswith("NO_CREDIT")
    assert world.line(initial(rg(10, 300))) == "SUCCESS 10=300 | main 350-350", "what was promised is there"
    assert world.line(terminate(1, session="s2")) == "SUCCESS | main 350-300"
    assert world.line(terminate(1, rg(10, used=120))) == "SUCCESS 10=0 | main 230 | main-120"
    assert len(world.cdrs) == 1, "a call that was never answered leaves no record"


def test_asking_again_takes_the_place_of_the_promise() -> None:
    world = World(money(350))
    world.take(authorize(rg(10, 300), reserve_s=60))
    assert world.line(authorize(rg(10, 200), reserve_s=60)) == "SUCCESS 10=200 | main 350-200"
    assert world.line(update(1, rg(10, 100))).startswith("UNKNOWN_SESSION")
    assert books_text(world.account) == "main 350"


def test_a_running_session_may_ask_what_more_it_could_have() -> None:
    world = World(money(350))
    world.take(initial(rg(10, 300)))
    assert world.line(authorize(rg(10, 300), reserve_s=60)) == "SUCCESS 10=50 | main 350-300"


def test_a_refused_authorization_holds_nothing() -> None:
    world = World(money(350))
    assert world.line(authorize(rg(51, 1), reserve_s=60)).startswith("DENIED")
    assert world.line(authorize(rg(99, 1), reserve_s=60)).startswith("RATING_FAILED")
    assert books_text(world.account) == "main 350"
    some = world.line(authorize(rg(10, 300), rg(51, 1), session="s2", reserve_s=60))
    assert some == "SUCCESS 10=300 51=DENIED | main 350-300", (
        "as with a session, one group that is granted is enough"
    )
    world.bar()
    assert world.line(authorize(rg(10, 300), reserve_s=60)) == "DENIED | main 350-300"


def test_request_types_authorize_as_they_grant() -> None:
    world = World(money(350))
    told = {
        request_type: answer_text(world.take(authorize(rg(10, 500), request_type=request_type)).answer)
        for request_type in RequestType
    }
    assert told == {
        request_type: f"SUCCESS 10={350 if request_type in (0, 2, 6) else 500}"
        for request_type in RequestType
    }


def test_blocker_and_unlimited_credit_in_an_authorization() -> None:
    bundle = Balance("bundle", Unit.OCTETS, 100, priority=5, terms=Terms(is_blocker=True))
    assert World(money(350, bundle)).line(authorize(rg(10, 500))).startswith("SUCCESS 10=100 ")
    assert World(money(0, credit_limit_nanos=None)).line(authorize(rg(10, 500))).startswith("SUCCESS 10=500 ")


async def test_fifty_ringing_calls_and_fifty_sessions_spend_every_nano_once() -> None:
    truth = Truth()
    assert truth.take(Change(money(1000), has_new_identities=True)) is None
    door = ChargingService(ProcessStore(truth, lambda: 0.001), TARIFF, ChargingPolicy(), Counts())
    ringing = [authorize(rg(10, 30), session=f"s{number}", reserve_s=60) for number in range(50)]
    promised = [answer.grants[0].amount for answer in await asyncio.gather(*map(door.handle, ringing))]
    assert sum(promised) == 1000
    answered = [
        initial(rg(10, amount), session=f"s{number}") for number, amount in enumerate(promised) if amount
    ]
    granted = [answer.grants[0].amount for answer in await asyncio.gather(*map(door.handle, answered))]
    assert granted == [amount for amount in promised if amount], "a promise is kept"
    ended = [
        terminate(1, rg(10, used=amount), session=f"s{number}")
        for number, amount in enumerate(promised)
        if amount
    ]
    answers = await asyncio.gather(*map(door.handle, ended))
    assert {answer.result for answer in answers} == {Result.SUCCESS}
    assert books_text(truth.accounts[ACCOUNT]) == "main 0"


async def test_a_promise_nobody_redeems_is_let_go() -> None:
    truth = Truth()
    assert truth.take(Change(money(1000), has_new_identities=True)) is None
    now = [0]
    door = ChargingService(
        ProcessStore(truth), TARIFF, ChargingPolicy(), Counts(), monotonic_ns=lambda: now[0]
    )
    await door.handle(authorize(rg(10, 300), reserve_s=60))
    assert books_text(truth.accounts[ACCOUNT]) == "main 1000-300"
    now[0] = 62 * SECOND_NS
    for ref in door.supervision.due(now[0], 10):
        assert await door.close_session(ref, "client silent")
    assert books_text(truth.accounts[ACCOUNT]) == "main 1000"
    assert truth.cdrs == []


async def test_a_dynaprepaid_event_opens_an_account_once() -> None:
    truth = Truth()
    for plan, result in ((None, Result.UNKNOWN_SUBSCRIBER), ("standard", Result.NO_CREDIT)):
        policy_ = ChargingPolicy(dynaprepaid_plan=plan)
        door = ChargingService(ProcessStore(truth, lambda: 0.001), TARIFF, policy_, Counts())
        events = [
            initial(rg(10, 5), session=f"d{number}", request_type=RequestType.DYNAPREPAID)
            for number in range(5)
        ]
        answers = await asyncio.gather(*map(door.handle, events))
        assert {answer.result for answer in answers} == {result}
    assert [(one.plan, one.identities) for one in truth.accounts.values()] == [("standard", (ALICE,))]
    plain = await door.handle(initial(rg(10, 5), session="p", identities=(), account="default:bob"))
    assert plain.result is Result.UNKNOWN_SUBSCRIBER, "a prepaid event opens nothing"


def test_promises_count_among_the_sessions_of_an_account() -> None:
    world = World(money(350), ChargingPolicy(sessions_per_account=1))
    assert world.line(authorize(rg(10, 100), reserve_s=60)).startswith("SUCCESS")
    assert world.line(authorize(rg(10, 100), session="s2", reserve_s=60)).startswith("LIMIT_EXCEEDED")
    assert world.line(authorize(rg(10, 100), session="s2")).startswith("SUCCESS"), (
        "one that holds nothing is free"
    )
    assert world.line(authorize(rg(10, 200), reserve_s=60)).startswith("SUCCESS 10=200"), (
        "its own place is its own"
    )
