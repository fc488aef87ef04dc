"""The scheduler: due runs once whatever happens, triggers durable with their cause, accounts of the tariff."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from ocs.charging import acts
from ocs.charging.account import Account, Extras, Standing, Terms
from ocs.charging.actions.assign import assign
from ocs.charging.actions.model import (
    Accounting,
    Action,
    ActionPlan,
    ActionSet,
    Do,
    Group,
    PlanEntry,
    Provision,
    Trigger,
    Watches,
    When,
)
from ocs.charging.cron import cron
from ocs.charging.decision import Change
from ocs.charging.events import EventKind, Result
from ocs.charging.scheduler import Scheduler
from ocs.charging.tariff.catalogue import Catalogue
from tests.support.charging import ACCOUNT, SECOND_NS, TARIFF, initial, rg, terminate, update
from tests.support.door import Door, settle
from tests.support.stores import Fault, ProcessStore, Truth

VIRTUAL_TIME = True
HOUR_S = 3600
GIFT = ActionSet("gift", (Action(Do.TOP_UP, "gift", amount=5),))
FEE = ActionSet("fee", (Action(Do.DEBIT, amount=100, overdraws=True),))
SHARE = ActionSet("share", (Action(Do.TOP_UP, "pool", amount=9, terms=Terms(shared_groups=("family",))),))
SEND = ActionSet(
    "send", (Action(Do.TRANSFER, amount=3, to_account="default:bob"), Action(Do.NOTIFY, text="sent"))
)
HOURLY = ActionPlan("hourly", (PlanEntry(When(cron("0 * * * *")), "fee"),))
WELCOME = ActionPlan("welcome", (PlanEntry(When(word="*asap"), "gift"),))
SENDING = ActionPlan("sending", (PlanEntry(When(word="*asap"), "send"),))
SHARING = ActionPlan("sharing", (PlanEntry(When(word="*asap"), "share"),))


def rules(**parts: Any) -> Accounting:
    """The accounting of the tests, with other parts."""
    given: dict[str, Any] = {
        "sets": {one.name: one for one in (GIFT, FEE, SEND, SHARE)},
        "plans": {one.name: one for one in (HOURLY, WELCOME, SENDING, SHARING)},
        **parts,
    }
    return Accounting(**given)


def catalogue(accounting: Accounting) -> Catalogue:
    return Catalogue(msgspec.structs.replace(TARIFF.tariff, accounting=accounting))


class World:
    """A door with a scheduler."""

    def __init__(self, truth: Truth | None = None, accounting: Accounting | None = None) -> None:
        self.door = Door(truth)
        self.door.service.catalogue = catalogue(accounting or rules())
        self.scheduler = Scheduler(self.door.service)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """The scheduler runs meanwhile."""
        task = asyncio.create_task(self.scheduler.run())
        await settle()
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.scheduler.stop()

    async def assign(self, plan: str, key: str = ACCOUNT) -> None:
        now_ns = self.door.wall_ns()

        def act(account: Account) -> Change:
            changed = assign(account, plan, now_ns)
            return Change(msgspec.structs.replace(changed, version=account.version + 1))

        await self.door.service.apply(key, act)

    def reasons(self) -> list[tuple[str, str]]:
        """Who and why of what was posted, the opening left out."""
        return [(one.by, one.reason) for one in self.door.truth.postings if one.by != "test"]


async def test_asap_runs_at_once_and_tells_who_and_why() -> None:
    world = World()
    await world.door.open_account(1_000)
    async with world.at_work():
        await world.assign("welcome")
        await asyncio.sleep(0.1)
        assert world.door.books() == "main 1000, gift 5"
    assert world.reasons() == [("plan welcome", "gift, due 2026-06-01T12:00:00+00:00")]
    assert await world.door.problems() == []


async def test_recurring_runs_come_when_they_are_due() -> None:
    world = World()
    await world.door.open_account(1_000)
    async with world.at_work():
        await world.assign("hourly")
        await asyncio.sleep(HOUR_S - 2)
        assert world.door.books() == "main 1000"
        await asyncio.sleep(4)
        assert world.door.books() == "main 900"
        await asyncio.sleep(3 * HOUR_S)
        assert world.door.books() == "main 600"


async def test_what_was_missed_is_caught_up_once_after_a_restart() -> None:
    world = World()
    await world.door.open_account(1_000)
    await world.assign("hourly")
    await asyncio.sleep(5 * HOUR_S + 60)
    later = World(world.door.truth)
    async with later.at_work():
        await asyncio.sleep(1)
        assert later.door.books() == "main 900"
        await asyncio.sleep(HOUR_S)
        assert later.door.books() == "main 800"
    assert [why for _, why in later.reasons()] == [
        "fee, due 2026-06-01T13:00:00+00:00",
        "fee, due 2026-06-01T18:00:00+00:00",
    ]


@pytest.mark.parametrize("fault", [Fault.BEFORE, Fault.AFTER, Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
async def test_a_run_is_made_once_whatever_becomes_of_its_commit(fault: Fault) -> None:
    world = World()
    await world.door.open_account(1_000)
    await world.assign("welcome")
    faults = [fault]
    store = ProcessStore(world.door.truth, fault=lambda: faults.pop() if faults else Fault.NONE)
    world.door.service.store = store
    async with world.at_work():
        await asyncio.sleep(30)
    restarted = World(world.door.truth)
    async with restarted.at_work():
        await asyncio.sleep(30)
    assert not faults
    assert restarted.door.books() == "main 1000, gift 5"
    assert len(restarted.reasons()) == 1


async def test_two_schedulers_on_one_truth_run_it_once() -> None:
    one = World()
    await one.door.open_account(1_000)
    await one.assign("hourly")
    other = World(one.door.truth)
    async with one.at_work(), other.at_work():
        await asyncio.sleep(HOUR_S + 60)
    assert one.door.books() == "main 900"


async def test_a_transfer_changes_both_accounts_in_one_step() -> None:
    world = World()
    await world.door.open_account(1_000)
    bob = acts.NewAccount("default:bob", "standard")
    await world.door.service.create(Change(acts.create(bob, acts.Act("b", 0, "test"))[0]))
    async with world.at_work():
        await world.assign("sending")
        await asyncio.sleep(1)
    assert (world.door.books(), world.door.books("default:bob")) == ("main 997", "main 3")
    assert await world.door.problems() == await world.door.problems("default:bob") == []


async def test_another_tariff_has_its_own_idea_of_a_plan() -> None:
    world = World()
    await world.door.open_account(1_000)
    async with world.at_work():
        await world.assign("hourly")
        daily = ActionPlan("hourly", (PlanEntry(When(cron("0 0 * * *")), "fee"),))
        other = catalogue(rules(plans={"hourly": daily}))
        world.door.service.swap(other, world.door.service.policy)
        await asyncio.sleep(11 * HOUR_S)
        assert world.door.books() == "main 1000"
        await asyncio.sleep(2 * HOUR_S)
        assert world.door.books() == "main 900"


LOW = Trigger("low", Watches.AT_MOST, "gift", amount=950)
SPENT = Trigger("spent", Watches.USED_AT_LEAST, "gift", amount=150, services=("data",))


def watched(*triggers: Trigger) -> tuple[Accounting, acts.NewAccount]:
    """A tariff with triggers, and an account that they watch."""
    new = acts.NewAccount(ACCOUNT, "standard", (), (acts.TopUp(1_000),), trigger_groups=("g",))
    return rules(triggers={"g": triggers}), new


async def opened(world: World, new: acts.NewAccount) -> None:
    account, posting = acts.create(new, acts.Act("seed", 0, "test"))
    assert posting is not None
    await world.door.service.create(Change(account, (posting,)))


def named(event: Any) -> Any:
    """An event that names its account."""
    return msgspec.structs.replace(event, account=ACCOUNT, identities=())


async def test_a_trigger_becomes_durable_with_the_answer_that_set_it_off() -> None:
    accounting, new = watched(LOW)
    world = World(accounting=accounting)
    await opened(world, new)
    world.door.store.is_held = True
    answers = world.door.submit(named(initial(rg(10, 100))))
    await settle()
    assert answers == []
    assert world.door.store.flush() == 1
    assert [answer.result for answer in answers] == [Result.SUCCESS]
    assert world.door.books().endswith("gift 5")
    assert world.reasons() == [("trigger g/low", "gift")]


async def test_a_trigger_counts_what_events_use() -> None:
    accounting, new = watched(SPENT)
    world = World(accounting=accounting)
    await opened(world, new)
    await world.door.say(named(initial(rg(10, 100))))
    await world.door.say(named(update(1, rg(10, 100, 100))))
    assert world.door.books() == "main 900-100"
    await world.door.say(named(terminate(2, rg(10, None, 60))))
    assert world.door.books() == "main 840, gift 5"
    assert await world.door.problems() == []
    [posting] = [one for one in world.door.truth.postings if one.by == "trigger g/spent"]
    assert posting.event_id == f"trigger|g|spent|{EventKind.TERMINATION.name}|smf.example|s1|2"


async def test_an_act_sets_triggers_off_too() -> None:
    accounting, new = watched(LOW)
    world = World(accounting=accounting)
    await opened(world, new)
    now_ns = world.door.wall_ns()

    def act(account: Account) -> Change:
        changed, posting = acts.adjust(account, "main", -100, acts.Act("a1", now_ns, "test"))
        assert posting is not None
        return Change(changed, (posting,))

    await world.door.service.apply(ACCOUNT, act)
    assert world.door.books() == "main 900, gift 5"


async def test_accounts_of_the_tariff_are_opened_once_and_equipped() -> None:
    provisions = (
        Provision("t:1", "standard", ("welcome", "sharing"), ("g",)),
        Provision("t:2", "standard", ("sharing",), is_barred=True),
        Provision(ACCOUNT, "standard", ("welcome",), credit_limit_nanos=None),
    )
    accounting = rules(accounts=provisions, groups={"family": Group("family", "LOWEST")})
    world = World(accounting=accounting)
    await world.door.open_account(1_000)
    async with world.at_work():
        await asyncio.sleep(2)
    again = World(world.door.truth, accounting)
    async with again.at_work():
        await asyncio.sleep(2)
    assert (again.door.books("t:1"), again.door.books("t:2")) == ("pool 9, gift 5", "pool 9")
    assert again.door.books() == "main 1000, gift 5"
    extras = [again.door.truth.accounts[key].extras or Extras() for key in ("t:1", "t:2")]
    assert [[group.members for group in one.groups] for one in extras] == [[("t:1", "t:2")]] * 2
    assert again.door.truth.accounts["t:2"].standing is Standing.BARRED
    assert again.door.truth.accounts[ACCOUNT].credit_limit_nanos == 0, (
        "an account that is there keeps its limit"
    )


async def test_a_clock_set_forward_is_noticed() -> None:
    world = World()
    await world.door.open_account(1_000)
    async with world.at_work():
        await world.assign("hourly")
        await asyncio.sleep(1)
        world.door.wall_step_ns = HOUR_S * SECOND_NS
        await asyncio.sleep(3)
        assert world.door.books() == "main 900"


async def test_the_end_of_a_balance_is_noticed_when_it_ends() -> None:
    accounting, new = watched(Trigger("over", Watches.EXPIRED, "gift"))
    world = World(accounting=accounting)
    ends = world.door.wall_ns() + HOUR_S * SECOND_NS
    topups = (*new.topups, acts.TopUp(7, balance_id="bundle", expires_at_ns=ends))
    async with world.at_work():
        await opened(world, msgspec.structs.replace(new, topups=topups))
        await asyncio.sleep(HOUR_S - 2)
        assert "gift" not in world.door.books()
        await asyncio.sleep(4)
        assert world.door.books().endswith("gift 5")
        await asyncio.sleep(HOUR_S)
    assert world.door.books().endswith("gift 5")
    assert world.reasons() == [("trigger g/over", "gift")]


async def test_an_end_whose_trigger_cannot_run_is_asked_for_again_in_a_while() -> None:
    accounting, new = watched(Trigger("over", Watches.EXPIRED, "send"))
    world = World(accounting=accounting)
    topups = (*new.topups, acts.TopUp(7, balance_id="bundle", expires_at_ns=world.door.wall_ns() + SECOND_NS))
    async with world.at_work():
        await opened(world, msgspec.structs.replace(new, topups=topups))
        await asyncio.sleep(61)
        assert world.door.truth.accounts[ACCOUNT].version < 20, "there is no account to send to"
        bob = acts.NewAccount("default:bob", "standard")
        await world.door.service.create(Change(acts.create(bob, acts.Act("b", 0, "test"))[0]))
        await asyncio.sleep(6)
    assert world.door.books("default:bob") == "main 3"


async def test_plans_run_by_a_clock_far_ahead_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    await world.door.open_account(1_000)
    world.door.wall_step_ns = 10 * 86_400 * SECOND_NS
    async with world.at_work():
        await world.assign("hourly")
        await asyncio.sleep(HOUR_S + 5)
    later = World(world.door.truth)
    async with later.at_work():
        await asyncio.sleep(2 * HOUR_S)
    assert later.door.books() == "main 900"
    assert "scheduler.clock_was_ahead" in capsys.readouterr().out
