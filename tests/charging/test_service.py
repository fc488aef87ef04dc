"""Claims about the door: nothing leaves before it is durable, nothing is charged twice, every event is answered."""

import asyncio

import pytest

from ocs.charging.account import session_key
from ocs.charging.events import (
    Action,
    ChargingAnswer,
    Identity,
    IdentityKind,
    Result,
)
from ocs.charging.service import Limits
from ocs.charging.store import StoreUnavailable, VersionConflict
from tests.support.charging import (
    ACCOUNT,
    ALICE,
    CLIENT,
    SECOND_NS,
    answer_text,
    books_text,
    initial,
    once,
    rg,
    terminate,
    update,
)
from tests.support.door import SMS, Door, door, settle, top_up
from tests.support.stores import Fault
from tests.support.virtual_time import running

VIRTUAL_TIME = True


# --- durability


async def test_an_answer_leaves_only_when_its_change_is_durable() -> None:
    world = await door()
    world.store.is_held = True
    answers = world.submit(initial(rg(10, 100)))
    await settle()
    assert answers == []
    world.store.flush()
    assert [answer.result for answer in answers] == [Result.SUCCESS]


async def test_repeats_attach_to_the_change_under_way() -> None:
    world = await door()
    world.store.is_held = True
    answers = [world.submit(initial(rg(10, 100))) for _ in range(3)]
    await settle()
    assert answers == [[], [], []]
    assert world.store.flush() == 1
    assert [answer_text(each[0]) for each in answers] == ["SUCCESS 10=100"] * 3
    assert world.counts.duplicates == 2


async def test_a_one_time_event_repeated_while_it_is_under_way_is_debited_once() -> None:
    world = await door(latency_s=0.01)
    event = once(Action.DIRECT_DEBITING, SMS)
    answers = await asyncio.gather(*(world.say(event) for _ in range(5)))
    assert set(answers) == {"SUCCESS -=1"}
    assert world.books() == "main 9995"
    assert await world.say(event) == "SUCCESS -=1"
    assert world.books() == "main 9995"
    assert await world.problems() == []


async def test_cancelling_the_wait_does_not_undo_the_turn() -> None:
    world = await door()
    await world.say(initial(rg(10, 100)))
    world.store.is_held = True
    task = asyncio.create_task(world.service.handle(update(1, rg(10, 100, 60))))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    world.store.is_held = False
    world.store.flush()
    assert world.books() == "main 9940-100"
    assert await world.say(update(1, rg(10, 100, 60))) == "SUCCESS 10=100"
    assert world.books() == "main 9940-100"


async def test_an_observer_that_fails_harms_nobody_else() -> None:
    world = await door()

    def broken(answer: ChargingAnswer) -> None:
        raise RuntimeError("the connection is gone")

    world.service.submit(initial(rg(10, 100)), broken)
    assert await world.say(update(1, rg(10, 100, 60))) == "SUCCESS 10=100"
    await world.service.drained()
    assert world.service.in_flight == 0


# --- failures


@pytest.mark.parametrize(
    ("fault", "books"), [(Fault.BEFORE, "main 10000-100"), (Fault.AFTER, "main 9940-100")]
)
async def test_after_a_failed_commit_the_truth_is_read_again(fault: Fault, books: str) -> None:
    world = await door()
    await world.say(initial(rg(10, 100)))
    world.store.is_held = True
    first = world.submit(update(1, rg(10, 100, 60)))
    repeat = world.submit(update(1, rg(10, 100, 60)))
    behind = world.submit(update(2, rg(10, 100, 7)))
    assert world.store.flush(fault) == 2
    told = [answer.result for answers in (first, repeat, behind) for answer in answers]
    assert told == [Result.TOO_BUSY] * 3
    assert world.books() == books if fault is Fault.BEFORE else world.books() == "main 9933-100"
    world.store.is_held = False
    assert await world.say(update(1, rg(10, 100, 60))) == "SUCCESS 10=100"
    assert await world.say(update(2, rg(10, 100, 7))) == "SUCCESS 10=100"
    assert world.books() == "main 9933-100"
    assert await world.problems() == []


async def test_a_failed_one_time_event_may_be_asked_again() -> None:
    world = await door()
    world.store.is_held = True
    answers = world.submit(once(Action.DIRECT_DEBITING, SMS))
    await settle()
    world.store.flush(Fault.BEFORE)
    assert [answer.result for answer in answers] == [Result.TOO_BUSY]
    world.store.is_held = False
    assert await world.say(once(Action.DIRECT_DEBITING, SMS)) == "SUCCESS -=1"
    assert world.books() == "main 9995"


async def test_a_store_that_cannot_be_read_makes_the_answer_too_busy() -> None:
    world = await door()
    cold = Door(world.truth)
    cold.store.is_unreadable = True
    assert await cold.say(initial(rg(10, 100))) == "TOO_BUSY"
    cold.store.is_unreadable = False
    assert await cold.say(initial(rg(10, 100))) == "SUCCESS 10=100"


async def test_a_store_that_does_not_answer_is_waited_for_only_so_long() -> None:
    world = await door()
    slow = Door(world.truth, Limits(wait_ns=2 * SECOND_NS), latency_s=5.0)
    assert await slow.say(initial(rg(10, 100))) == "TOO_BUSY"
    assert running().now_ns() == 2 * SECOND_NS


async def test_a_lost_race_is_decided_again_on_the_truth() -> None:
    one = await door()
    two = Door(one.truth)
    assert await one.say(initial(rg(10, 100))) == "SUCCESS 10=100"
    assert await two.say(update(1, rg(10, 100, 60))) == "SUCCESS 10=100"
    assert await one.say(update(2, rg(10, 100, 5))) == "SUCCESS 10=100"
    assert await one.say(update(1, rg(10, 100, 60))) == "SUCCESS 10=100"
    assert one.books() == "main 9935-100"
    assert await one.problems() == []


async def test_a_refusal_from_old_memory_is_decided_again_on_the_truth() -> None:
    one = await door(0)
    two = Door(one.truth)
    assert await two.say(initial(rg(10, 100))) == "NO_CREDIT 10=NO_CREDIT"
    await top_up(one, 500)
    assert await one.say(initial(rg(10, 100))) == "SUCCESS 10=100"
    assert await two.say(update(1, rg(10, 100, 60))) == "SUCCESS 10=100", "a session it never heard of"
    assert await one.say(terminate(2)) == "SUCCESS"
    assert one.books() == "main 440"


async def test_a_race_that_is_always_lost_ends_as_too_busy() -> None:
    world = await door()
    world.store.truth.take = lambda change: VersionConflict("always")  # type: ignore[method-assign]
    assert await world.say(initial(rg(10, 100))) == "TOO_BUSY"


async def test_an_act_that_loses_a_race_is_done_again() -> None:
    one = await door()
    two = Door(one.truth)
    await one.service.account(ACCOUNT)
    await top_up(two, 5)
    await top_up(one, 7, "t2")
    assert one.books() == "main 10012"
    assert await one.problems() == []


async def test_an_act_on_a_broken_store_fails_and_changes_nothing() -> None:
    world = await door()
    world.store.is_held = True
    task = asyncio.create_task(top_up(world, 5))
    await settle()
    world.store.flush(Fault.BEFORE)
    with pytest.raises(StoreUnavailable):
        await task
    world.store.is_held = False
    assert await world.say(initial(rg(10, 100_000))) == "SUCCESS 10=10000!TERMINATE"


async def test_an_account_is_created_once_and_its_identity_is_nobody_elses() -> None:
    world = await door(500)
    bob = Identity(IdentityKind.IMSI, "001010000000002")
    with pytest.raises(VersionConflict, match="already"):
        await world.open_account(0, ACCOUNT, bob)
    with pytest.raises(VersionConflict, match="belongs to"):
        await world.open_account(0, "default:bob", ALICE)
    assert await world.say(initial(rg(10, 100))) == "SUCCESS 10=100"
    assert await world.say(initial(rg(10, 1), session="b", identities=(bob,))) == "UNKNOWN_SUBSCRIBER"


# --- overload


async def test_more_events_than_the_limit_are_turned_away_at_once() -> None:
    world = await door(limits=Limits(in_flight=2))
    world.store.is_held = True
    answers = [world.submit(initial(rg(10, 100), session=f"s{number}")) for number in range(3)]
    assert [answer.result for answer in answers[2]] == [Result.TOO_BUSY]
    world.store.flush()
    assert [len(each) for each in answers] == [1, 1, 1]
    assert (world.counts.shed, world.service.in_flight) == (1, 0)


async def test_an_event_that_waited_too_long_for_its_turn_is_not_charged() -> None:
    world = await door(latency_s=1.5)
    cold = Door(world.truth, Limits(wait_ns=2 * SECOND_NS), latency_s=1.5)
    first = asyncio.create_task(cold.say(update(1, rg(10, 100, 60))))
    second = asyncio.create_task(cold.say(update(2, rg(10, 100, 60))))
    assert [await first, await second] == ["TOO_BUSY", "TOO_BUSY"]
    assert cold.books() == "main 10000"


# --- finding the account


async def test_a_closed_session_is_found_by_its_key_alone_also_by_another_process() -> None:
    world = await door()
    await world.say(initial(rg(10, 100)))
    await world.say(terminate(5, rg(10, used=60)))
    for process in (world, Door(world.truth)):
        assert await process.say(terminate(5, rg(10, used=60), identities=())) == "SUCCESS 10=0"
    assert await world.say(update(4, rg(10, used=7), identities=())) == "SUCCESS 10=0"
    assert world.books() == "main 9933"


async def test_keys_of_sessions_long_forgotten_lead_nowhere() -> None:
    world = await door()
    for number in range(20):
        await world.say(initial(rg(10, 1), session=f"s{number}"))
        await world.say(terminate(1, session=f"s{number}"))
    found = [await world.truth.find(session_key(CLIENT, f"s{number}")) for number in range(20)]
    assert found == [*[None] * 12, *[ACCOUNT] * 8]


async def test_unknown_sessions_and_subscribers() -> None:
    world = await door()
    nobody = (Identity(IdentityKind.E164, "999"),)
    assert await world.say(update(1, rg(10, 1, 1))) == "UNKNOWN_SESSION"
    assert await world.say(update(1, rg(10, 1, 1), identities=nobody)) == "UNKNOWN_SESSION"
    assert await world.say(initial(rg(10, 1), identities=nobody)) == "UNKNOWN_SUBSCRIBER"
    assert await world.say(once(Action.DIRECT_DEBITING, SMS, identities=nobody)) == "UNKNOWN_SUBSCRIBER"
    assert await world.say(initial(rg(10, 1), identities=(*nobody, ALICE))) == "SUCCESS 10=1"


async def test_a_small_cache_forgets_accounts_and_loses_nothing() -> None:
    world = Door(limits=Limits(accounts=10))
    everybody = [Identity(IdentityKind.IMSI, f"{number:015}") for number in range(1200)]
    for number, identity in enumerate(everybody):
        await world.open_account(1000, f"default:{number}", identity)
    opening = [initial(rg(10, 100), session=f"s{n}", identities=(each,)) for n, each in enumerate(everybody)]
    ending = [terminate(1, rg(10, used=60), session=f"s{n}") for n in range(1200)]
    for events in (opening, ending):
        answers = await asyncio.gather(*(world.service.handle(event) for event in events))
        assert {answer.result for answer in answers} == {Result.SUCCESS}
    assert {books_text(account) for account in world.truth.accounts.values()} == {"main 940"}
    await world.open_account(0, "default:new", Identity(IdentityKind.IMSI, "new"))
    assert len(world.service._accounts) <= 10
    assert len(world.service.supervision) == 0
