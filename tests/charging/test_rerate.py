"""Claims about giving a session back and charging it anew."""

import asyncio

from ocs.charging import acts
from ocs.charging.account import Balance, Terms
from ocs.charging.acts import Act
from ocs.charging.decision import Change
from ocs.charging.entry import EntryKind
from ocs.charging.events import Result, Unit
from ocs.charging.quota import ChargingPolicy
from ocs.charging.rerate import Books, rerate
from ocs.charging.service import ChargingService
from ocs.charging.store import Query, Table
from ocs.charging.store.memory import MemoryStore
from ocs.charging.tariff.model import Choice, Verdict
from tests.support.charging import (
    ACCOUNT,
    ALICE,
    CLIENT,
    RATES,
    SECOND_NS,
    TARIFF,
    World,
    _data,
    books_text,
    catalogue,
    entries_text,
    initial,
    money,
    policy,
    rg,
    terminate,
    update,
)
from tests.support.door import Counts

DEARER = catalogue(_data("dear", 10, Choice(Verdict.RATED, RATES["three"], "three")))


def ended(world: World, session: str = "s1") -> World:
    """A session of 300 octets in two reports."""
    world.take(initial(rg(10, 500), session=session))
    world.take(update(1, rg(10, 500, 200), session=session))
    world.take(terminate(2, rg(10, used=100), session=session))
    return world


def again(world: World, number: int = 1, is_refund: bool = False) -> int | None:
    """Charge all the world's records anew by its tariff; what they cost now."""
    books = Books(tuple(world.cdrs), tuple(world.postings))
    act = Act(f"r{number}", world.now_ns, "ops", "wrong price")
    decision = rerate(world.account, books, world.tariff, world.policy, act, is_refund=is_refund)
    world.account = decision.account
    world.postings += [] if decision.posting is None else [decision.posting]
    world.cdrs += decision.cdrs
    assert sum(cdr.cost_nanos for cdr in world.cdrs) == decision.answer.cost_nanos
    return decision.answer.cost_nanos


def test_a_session_is_charged_anew_by_another_tariff() -> None:
    world = ended(World(money(1000)))
    assert books_text(world.account) == "main 700"
    world.tariff = DEARER
    assert again(world) == 900
    assert books_text(world.account) == "main 100"
    assert entries_text(world.postings[-1]) == "main+300 refund main-900"
    assert (world.postings[-1].by, world.postings[-1].reason) == ("ops", "wrong price")
    assert [cdr.cause for cdr in world.cdrs] == ["terminated", "rerated"]
    assert again(world, 2) == 900
    assert books_text(world.account) == "main 100", "once more changes nothing"


def test_a_session_is_given_back_once() -> None:
    world = ended(World(money(1000)))
    assert again(world, is_refund=True) == 0
    assert books_text(world.account) == "main 1000"
    version = world.account.version
    assert again(world, 2, is_refund=True) == 0
    assert world.account.version == version
    assert again(world, 3) == 300, "and can be charged again"
    assert books_text(world.account) == "main 700"


def test_what_expired_gets_it_back_and_does_not_pay_again() -> None:
    short = Balance("short", Unit.OCTETS, 100, priority=9, expires_at_ns=World(money(0)).now_ns + SECOND_NS)
    world = World(money(0, short, Balance("long", Unit.OCTETS, 1000, priority=5)))
    ended(world)
    assert books_text(world.account) == "short 0, long 800, main 0"
    world.now_ns += 2 * SECOND_NS
    again(world)
    assert books_text(world.account) == "short 100, long 700, main 0"


def test_what_was_removed_is_made_again() -> None:
    promo = Balance("promo", Unit.MONEY, 300, priority=9, terms=Terms(categories=("*any",)))
    world = ended(World(money(1000, promo)))
    world.account, posting = acts.remove_balance(world.account, "promo", Act("a", world.now_ns, "ops"))
    assert posting is None
    assert again(world, is_refund=True) == 0
    assert books_text(world.account) == "main 1000, promo 300"


def test_what_was_written_off_is_no_loss_any_more() -> None:
    world = ended(World(money(100), policy(floor_nanos=-50)))
    written = [entries_text(posting) for posting in world.postings]
    assert (written[-1], books_text(world.account)) == ("main-100 write_off", "main -50")
    assert again(world, is_refund=True) == 0
    assert entries_text(world.postings[-1]) == "main+150 refund main+150 write_off"
    assert again(world, 2, is_refund=True) == 0
    assert (books_text(world.account), len(world.postings)) == ("main 100", len(written) + 1)
    assert again(world, 3) == 300
    assert entries_text(world.postings[-1]) == "main-100 main-50 main-150 write_off"


def test_what_no_longer_has_a_price_is_left_as_it_was() -> None:
    world = ended(World(money(1000)))
    books = Books(tuple(world.cdrs), tuple(world.postings))
    nothing = catalogue(_data("other", 99, Choice(Verdict.FREE)))
    decision = rerate(world.account, books, nothing, world.policy, Act("r", world.now_ns, "ops"))
    assert decision.answer.result is Result.RATING_FAILED
    assert decision.account is world.account
    unknown = rerate(world.account, Books((), ()), nothing, world.policy, Act("r", world.now_ns, "ops"))
    assert unknown.answer.result is Result.UNKNOWN_SESSION


async def test_through_the_service_refunds_at_once_give_back_once() -> None:
    store = MemoryStore()
    door = ChargingService(store, TARIFF, ChargingPolicy(), Counts())
    await door.create(Change(money(1000), has_new_identities=True))
    for event in (initial(rg(10, 500)), terminate(1, rg(10, used=300))):
        await door.handle(event)
    refunds = [
        door.rerate(ACCOUNT, CLIENT, "s1", Act(f"r{number}", door.now_ns(), "ops"), is_refund=True)
        for number in range(5)
    ]
    decisions = await asyncio.gather(*refunds)
    assert all(decision is not None and decision.answer.cost_nanos == 0 for decision in decisions)
    account = await door.account(ACCOUNT)
    assert account is not None
    assert books_text(account) == "main 1000"
    page = await store.read(Query(Table.POSTINGS, ACCOUNT))
    kinds = [entry.kind for row in page.rows for entry in row.entries]  # type: ignore[union-attr]
    assert kinds.count(EntryKind.REFUND) == 1
    assert await door.rerate("default:nobody", CLIENT, "s1", Act("r", 0, "ops")) is None
    assert ALICE in account.identities
