"""Claims about accounts that share balances: who pays, in which order, and that all change together or none."""

import asyncio

import msgspec
import pytest

from ocs.charging import acts
from ocs.charging.account import Account, Balance, Extras, SharedGroup, Standing, Strategy, Terms
from ocs.charging.decision import Change
from ocs.charging.events import Action, ChargingEvent, Result, Unit
from ocs.charging.pending import Limits
from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import ChargingService
from tests.support.charging import TARIFF, initial, once, rg, terminate, update
from tests.support.door import Counts
from tests.support.family import Family
from tests.support.stores import Fault, ProcessStore, Truth

A, B, C = "default:a", "default:b", "default:c"
OCTETS = Unit.OCTETS


def shared(name: str, posted: int, unit: Unit = Unit.MONEY, priority: int = 5) -> Balance:
    return Balance(name, unit, posted, priority=priority, terms=Terms(shared_groups=("family",)))


def member(
    key: str, *balances: Balance, strategy: Strategy = Strategy.LOWEST, members: tuple[str, ...] = (A, B, C)
) -> Account:
    extras = Extras(groups=(SharedGroup("family", strategy, members),))
    return Account(key, "standard", balances, version=1, extras=extras)


def family(*accounts: Account) -> Family:
    return Family({account.key: account for account in accounts}, TARIFF)


def data(kind: object, *arguments: object, session: str = "s1", key: str = A) -> ChargingEvent:
    made: ChargingEvent = kind(*arguments, session=session, identities=(), account=key)  # type: ignore[operator]
    return made


def test_another_member_pays_and_what_is_held_there_is_lent() -> None:
    world = family(member(A, shared("mine", 0)), member(B, shared("theirs", 100)))
    answer = world.take(A, data(initial, rg(10, 60))).answer
    assert answer.grants[0].amount == 60
    assert world.books() == "b.theirs 100-60"
    assert world.problems() == []
    answer = world.take(B, data(initial, rg(10, 60), key=B)).answer
    assert answer.grants[0].amount == 40, "what is lent is promised once"
    world.take(A, data(terminate, 1, rg(10, used=25)))
    assert world.books() == "b.theirs 75-40"
    world.take(B, data(terminate, 1, rg(10, used=40), key=B))
    assert world.books() == "b.theirs 35"
    assert world.problems() == []
    assert world.moved() == {(B, "theirs"): -65}
    assert [(each.account, each.reason) for each in world.postings] == [(B, f"for {A}"), (B, "")]


def test_what_a_member_was_promised_of_another_is_paid_there_though_it_shares_nothing_any_more() -> None:
    world = family(
        member(A, shared("mine", 0), Balance("main", Unit.MONEY, 5)), member(B, shared("theirs", 100))
    )
    world.take(A, data(initial, rg(10, 60)))
    assert world.books() == "a.main 5, b.theirs 100-60"
    account, _ = acts.remove_balance(world.accounts[A], "mine", acts.Act("r", world.now_ns, "ops"))
    world.accounts[A] = account
    world.take(A, data(update, 1, rg(10, used=50)))
    assert world.books() == "a.main 5, b.theirs 50"
    world.take(A, data(terminate, 2, rg(10, used=4)))
    assert world.books() == "a.main 1, b.theirs 50", "nothing more than was promised"
    assert world.problems() == []


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        (Strategy.LOWEST, "a.mine 0, b.theirs 30, c.last 90"),
        (Strategy.HIGHEST, "a.mine 20, b.theirs 50, c.last 50"),
        (Strategy.MINE_LOWEST, "a.mine 0, b.theirs 30, c.last 90"),
        (Strategy.MINE_HIGHEST, "a.mine 0, b.theirs 50, c.last 70"),
    ],
)
def test_the_strategy_decides_who_pays_first(strategy: Strategy, told: str) -> None:
    world = family(
        member(A, shared("mine", 20), strategy=strategy),
        member(B, shared("theirs", 50)),
        member(C, shared("last", 90)),
    )
    world.take(A, data(initial, rg(10, 40)))
    world.take(A, data(terminate, 1, rg(10, used=40)))
    values = [
        f"{key[-1]}.{each.id} {each.posted}" for key, one in world.accounts.items() for each in one.balances
    ]
    assert ", ".join(value for value in values if "main" not in value) == told


def test_chance_is_drawn_once_for_a_session() -> None:
    paid = set()
    for number in range(20):
        for _ in range(2):
            world = family(
                member(A, shared("mine", 0), strategy=Strategy.RANDOM),
                member(B, shared("theirs", 50)),
                member(C, shared("last", 50)),
            )
            world.take(A, data(initial, rg(10, 5), session=f"s{number}"))
            world.take(A, data(terminate, 1, rg(10, used=5), session=f"s{number}"))
            paid.add((number, world.books()))
    assert len(paid) == 20, "the same session always draws the same"
    assert len({books for _, books in paid}) == 2, "and different ones do not"


def test_own_balances_keep_their_place_beside_the_shared_ones() -> None:
    own = Balance("own", Unit.MONEY, 30, priority=10)
    world = family(member(A, own, shared("mine", 10, priority=5)), member(B, shared("theirs", 50)))
    world.take(A, data(initial, rg(10, 45)))
    world.take(A, data(terminate, 1, rg(10, used=45)))
    assert world.books() == "b.theirs 45"


def test_a_barred_member_does_not_pay_and_one_without_the_group_does_not_share() -> None:
    barred = msgspec.structs.replace(member(B, shared("theirs", 100)), standing=Standing.BARRED)
    world = family(member(A, shared("mine", 10)), barred)
    assert world.take(A, data(initial, rg(10, 60))).answer.grants[0].amount == 10
    plain = Balance("plain", Unit.MONEY, 100)
    world = family(member(A, shared("mine", 10)), member(B, plain, shared("theirs", 5)))
    assert world.take(A, data(initial, rg(10, 60))).answer.grants[0].amount == 15


def test_units_are_shared_like_money() -> None:
    world = family(member(A, shared("mine", 0, OCTETS)), member(B, shared("theirs", 1000, OCTETS)))
    world.take(A, data(initial, rg(10, 600)))
    world.take(A, data(update, 1, rg(10, 600, 500)))
    assert world.books() == "b.theirs 500-500"
    session = world.accounts[A].sessions[0]
    world.close(A, session)
    assert world.books() == "b.theirs 500"
    assert world.problems() == []


def test_a_one_time_event_is_refunded_to_the_member_that_paid() -> None:
    world = family(member(A, shared("mine", 0)), member(B, shared("theirs", 100)))
    sent = once(
        Action.DIRECT_DEBITING, rg(None, 3, unit=Unit.EVENTS, called="15551"), account=A, identities=()
    )
    assert world.take(A, sent).answer.result is Result.SUCCESS
    assert world.books() == "b.theirs 85"
    assert world.problems() == []
    answered = world.decisions[-1].answered
    assert answered is not None
    back = once(
        Action.REFUND_ACCOUNT,
        session="e2",
        refund_token=world.decisions[-1].answer.refund_token,
        account=A,
        identities=(),
    )
    assert world.take(A, back, answered.posting).answer.cost_nanos == 15
    assert world.books() == "b.theirs 100"
    assert world.moved() == {(B, "theirs"): 0}


def test_refused_is_refused_on_all_accounts() -> None:
    world = family(member(A, shared("mine", 0)), member(B, shared("theirs", 0)))
    before = dict(world.accounts)
    assert world.take(A, data(initial, rg(10, 60))).answer.result is Result.NO_CREDIT
    assert world.accounts == before


# --- through the door


def service(store: ProcessStore, limits: Limits | None = None) -> ChargingService:
    return ChargingService(store, TARIFF, ChargingPolicy(), Counts(), limits)


async def opened(truth: Truth, *accounts: Account) -> None:
    for account in accounts:
        assert truth.take(Change(account)) is None


async def test_fifty_sessions_of_a_family_spend_every_nano_once() -> None:
    truth = Truth()
    store = ProcessStore(truth, lambda: 0.001)
    await opened(truth, member(A, shared("mine", 100)), member(B, shared("theirs", 150)), member(C))
    door = service(store)
    events = [data(initial, rg(10, 20), session=f"s{number}", key=(A, B)[number % 2]) for number in range(50)]
    answers = await asyncio.gather(*[door.handle(event) for event in events])
    granted = [answer.grants[0].amount if answer.grants else 0 for answer in answers]
    assert sum(granted) == 250
    used = [
        data(terminate, 1, rg(10, used=amount), session=f"s{number}", key=(A, B)[number % 2])
        for number, amount in enumerate(granted)
        if amount
    ]
    await asyncio.gather(*[door.handle(event) for event in used])
    world = Family(dict(truth.accounts), TARIFF)
    assert world.books() == ""
    assert world.problems() == []


async def test_when_the_change_of_a_group_fails_none_of_its_accounts_moves() -> None:
    truth = Truth()
    faults = [Fault.BEFORE]
    store = ProcessStore(truth, lambda: 0.001, lambda: faults.pop() if faults else Fault.NONE)
    await opened(truth, member(A, shared("mine", 0)), member(B, shared("theirs", 100)))
    door = service(store)
    answer = await door.handle(data(initial, rg(10, 60)))
    assert answer.result is Result.TOO_BUSY
    assert [account.version for account in truth.accounts.values()] == [1, 1]
    answer = await door.handle(data(initial, rg(10, 60), session="s2"))
    assert answer.grants[0].amount == 60
    assert [account.version for account in truth.accounts.values()] == [2, 2]
    assert Family(dict(truth.accounts), TARIFF).problems() == []


async def test_a_member_that_does_not_exist_keeps_nobody_waiting() -> None:
    truth = Truth()
    store = ProcessStore(truth)
    await opened(truth, member(A, shared("mine", 50)))
    door = service(store)
    assert (await door.handle(data(initial, rg(10, 60)))).grants[0].amount == 50
    sent = once(Action.CHECK_BALANCE, rg(None, 1, unit=Unit.EVENTS, called="15551"), account=A, identities=())
    assert (await door.handle(sent)).has_credit is False


async def test_members_are_loaded_also_where_memory_holds_few_accounts() -> None:
    truth = Truth()
    store = ProcessStore(truth)
    await opened(truth, member(A, shared("mine", 0)), member(B, shared("theirs", 100)), member(C))
    door = service(store, Limits(accounts=3))
    for number in range(5):
        answer = await door.handle(data(initial, rg(10, 10), session=f"s{number}"))
        assert answer.grants[0].amount == 10
    assert Family(dict(truth.accounts), TARIFF).problems() == []
