"""Claims about sessions behind the door: supervision, restarts, starved and crowded accounts, refunds."""

import asyncio

import msgspec
import pytest

from ocs.charging.account import session_key
from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.events import (
    Action,
    ChargingEvent,
    Result,
)
from tests.support.charging import (
    ACCOUNT,
    CLIENT,
    initial,
    once,
    rg,
    terminate,
    update,
)
from tests.support.door import HOUR_NS, SMS, Door, door, top_up
from tests.support.stores import Fault

VIRTUAL_TIME = True


# --- refunds


async def test_a_refund_by_token_is_made_once() -> None:
    world = await door(latency_s=0.01)
    token = (await world.service.handle(once(Action.DIRECT_DEBITING, SMS))).refund_token
    refunds = [once(Action.REFUND_ACCOUNT, session=f"r{n}", refund_token=token) for n in range(3)]
    answers = await asyncio.gather(*(world.say(each) for each in refunds))
    assert sorted(answers) == ["INVALID_VALUE", "INVALID_VALUE", "SUCCESS"]
    assert world.books() == "main 10000"
    assert await Door(world.truth).say(refunds[0]) == answers[0], "repeated at another process"
    assert world.books() == "main 10000"


# --- supervision


async def test_a_silent_session_is_closed_and_a_late_report_still_taken() -> None:
    world = await door()
    running_service = asyncio.create_task(world.service.run())
    await world.say(initial(rg(10, 100)))
    await asyncio.sleep(2 * 3600 - 10)
    assert world.books() == "main 10000-100"
    await asyncio.sleep(15)
    assert world.books() == "main 10000"
    assert [cdr.cause for cdr in world.truth.cdrs] == ["client silent"]
    assert world.counts.expired == 1
    assert await world.say(update(1, rg(10, 100, 7))) == "SUCCESS 10=0"
    assert world.books() == "main 9993"
    running_service.cancel()


async def test_open_sessions_are_found_when_a_store_that_was_away_at_the_start_is_back() -> None:
    world = await door()
    await world.say(initial(rg(10, 100)))
    again = Door(world.truth)
    again.store.is_unreadable = True
    running_service = asyncio.create_task(again.service.run())
    await asyncio.sleep(60)
    assert not running_service.done(), "a server does not end because its store is away"
    again.store.is_unreadable = False
    await asyncio.sleep(2 * 3600 + 5)
    assert world.books() == "main 10000"
    assert [cdr.cause for cdr in world.truth.cdrs] == ["client silent"]
    running_service.cancel()


async def test_a_session_that_is_heard_of_is_not_closed() -> None:
    world = await door()
    running_service = asyncio.create_task(world.service.run())
    await world.say(initial(rg(10, 100)))
    for number in range(1, 6):
        await asyncio.sleep(6000)
        assert await world.say(update(number, rg(10, 100, 1))) == "SUCCESS 10=100"
    running_service.cancel()


@pytest.mark.parametrize("step_ns", [HOUR_NS, -HOUR_NS, 30 * 24 * HOUR_NS])
async def test_setting_the_wall_clock_closes_no_session(step_ns: int) -> None:
    world = await door()
    running_service = asyncio.create_task(world.service.run())
    await world.say(initial(rg(10, 100)))
    world.wall_step_ns = step_ns
    await asyncio.sleep(3600)
    assert world.books() == "main 10000-100"
    assert await world.say(update(1, rg(10, 100, 5))) == "SUCCESS 10=100"
    running_service.cancel()


async def test_after_a_restart_open_sessions_are_under_supervision_again() -> None:
    world = await door()
    await world.say(initial(rg(10, 100)))
    await asyncio.sleep(3600)
    again = Door(world.truth)
    running_service = asyncio.create_task(again.service.run())
    await asyncio.sleep(3590)
    assert (len(again.service.supervision), again.books()) == (1, "main 10000-100")
    await asyncio.sleep(15)
    assert (len(again.service.supervision), again.books()) == (0, "main 10000")
    running_service.cancel()


async def test_closing_that_fails_is_tried_again() -> None:
    world = await door()
    await world.say(initial(rg(10, 100)))
    running_service = asyncio.create_task(world.service.run())
    world.store.is_held = True
    await asyncio.sleep(2 * 3600 + 5)
    assert world.store.flush(Fault.BEFORE) == 1
    world.store.is_held = False
    assert world.books() == "main 10000-100"
    await asyncio.sleep(5)
    assert world.books() == "main 10000"
    running_service.cancel()


@pytest.mark.parametrize("last", [update(1, rg(10, 100, 5)), terminate(1)])
async def test_sessions_of_an_account_whose_change_failed_are_still_supervised(last: ChargingEvent) -> None:
    world = await door()
    running_service = asyncio.create_task(world.service.run())
    await world.say(initial(rg(10, 100)))
    await world.say(initial(rg(10, 100), session="s2"))
    world.store.is_held = True
    answers = world.submit(last)
    world.store.flush(Fault.BEFORE)
    assert answers[0].result is Result.TOO_BUSY
    world.store.is_held = False
    await asyncio.sleep(2 * 3600 + 100)
    assert (world.books(), world.counts.expired) == ("main 10000", 2)
    running_service.cancel()


async def test_many_sessions_that_fall_silent_together_are_closed_in_few_batches() -> None:
    world = await door(1_000_000, latency_s=0.01)
    running_service = asyncio.create_task(world.service.run())
    await asyncio.gather(*(world.say(initial(rg(10, 100), session=f"s{n}")) for n in range(300)))
    await asyncio.sleep(2 * 3600 - 10)
    before = world.store.batches
    await asyncio.sleep(20)
    assert world.books() == "main 1000000"
    assert world.store.batches - before <= 5
    running_service.cancel()


async def test_a_restarted_client_has_no_sessions_left() -> None:
    world = await door()
    for number in range(3):
        await world.say(initial(rg(10, 100), session=f"s{number}"))
    await world.say(initial(rg(10, 100), client="other"))
    assert await world.service.client_restarted(CLIENT) == 3
    assert world.books() == "main 10000-100"
    assert await world.service.client_restarted(CLIENT) == 0


async def test_a_session_that_has_ended_already_is_not_closed_again() -> None:
    world = await door()
    await world.say(initial(rg(10, 100)))
    ref = world.service.supervision.get(session_key(CLIENT, "s1"))
    assert ref is not None
    await world.say(terminate(1))
    assert not await world.service.close_session(ref, "test")
    assert len(world.truth.cdrs) == 1


# --- credit that comes while sessions run


class Control:
    """Remembers what the server asked of clients."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def reauthorize(self, session: SessionAddress) -> ControlResult:
        self.asked.append(f"reauthorize {session.session_id}")
        return ControlResult.ACCEPTED

    async def warn(self, session: SessionAddress) -> ControlResult:
        self.asked.append(f"warn {session.session_id}")
        return ControlResult.ACCEPTED

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        self.asked.append(f"disconnect {session.session_id} {cause}")
        return ControlResult.ACCEPTED


async def test_a_top_up_asks_starved_sessions_again() -> None:
    world = await door(150)
    control = Control()
    world.service.session_control["test"] = control
    await world.say(initial(rg(10, 100), session="rich"))
    await world.say(initial(rg(10, 100), session="poor"))
    account = await top_up(world, 500)
    assert account is not None
    await world.service.reauthorize_starved(account)
    assert control.asked == ["reauthorize poor"]
    assert await world.say(update(1, rg(10, 100, 50), session="poor")) == "SUCCESS 10=100"
    await world.service.disconnect_all(account, "blocked")
    assert control.asked[1:] == ["disconnect rich blocked", "disconnect poor blocked"]


@pytest.mark.parametrize("latency_s", [0.0, 0.01])
async def test_fifty_sessions_of_one_account_never_hold_more_than_it_has(latency_s: float) -> None:
    world = await door(1000, latency_s)
    events = [initial(rg(10, 100), session=f"s{number}") for number in range(50)]
    answers = await asyncio.gather(*(world.service.handle(event) for event in events))
    granted = [answer.grants[0].amount for answer in answers if answer.result is Result.SUCCESS]
    assert granted == [100] * 10
    assert world.books() == "main 1000-1000"
    more = [update(1, rg(10, 100, 100), session=f"s{number}") for number in range(10)]
    answers = await asyncio.gather(*(world.service.handle(event) for event in more))
    assert {grant.result for answer in answers for grant in answer.grants} == {Result.NO_CREDIT}
    assert world.books() == "main 0"
    assert await world.problems() == []


async def test_two_processes_never_hold_more_than_there_is() -> None:
    one = await door(1000, 0.01)
    two = Door(one.truth, latency_s=0.007)
    events = [initial(rg(10, 100), session=f"s{number}") for number in range(24)]
    doors = [one if number % 2 else two for number in range(24)]
    answers = await asyncio.gather(
        *(each.service.handle(event) for each, event in zip(doors, events, strict=True))
    )
    granted = sum(answer.grants[0].amount for answer in answers if answer.result is Result.SUCCESS)
    assert granted <= 1000
    assert one.books() == f"main 1000-{granted}"
    assert {answer.result for answer in answers} <= {Result.SUCCESS, Result.NO_CREDIT, Result.TOO_BUSY}


async def test_the_books_are_found_wrong_where_they_are() -> None:
    world = await door()
    await world.say(initial(rg(10, 100)))
    account = world.truth.accounts[ACCOUNT]
    wrong = tuple(
        msgspec.structs.replace(each, posted=each.posted + 1, reserved=1) for each in account.balances
    )
    world.truth.accounts[ACCOUNT] = msgspec.structs.replace(account, balances=wrong)
    assert await Door(world.truth).problems() == [
        "balance main: 1 reserved, but holds sum to 100",
        "balance main: posted 10001, entries sum to 10000",
    ]
    assert await world.problems() == []
    assert await world.service.verify("default:nobody") == ["no account default:nobody"]
