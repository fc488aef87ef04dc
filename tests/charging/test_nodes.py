"""Claims about several nodes on one store: nothing is done twice, and nothing is left undone when one is gone."""

import asyncio
from dataclasses import dataclass, field

import msgspec

from ocs.charging import acts
from ocs.charging.account import Account
from ocs.charging.actions.assign import assign
from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.decision import Change
from ocs.charging.events import Action, ChargingEvent, EventKind, RequestedUnits, Unit, UsageReport
from ocs.charging.metering import Metering
from ocs.charging.scheduler import Scheduler
from ocs.charging.service import ChargingService
from ocs.charging.store import Query, Table
from ocs.charging.tariff.catalogue import Catalogue
from ocs.nodes import Nodes
from tests.charging.test_scheduler import catalogue, rules
from tests.charging.test_terms import TARIFF as METERED_TARIFF
from tests.charging.test_terms import S
from tests.support.charging import (
    ACCOUNT,
    ALICE,
    NOON_NS,
    TARIFF,
    answer_text,
    books_text,
    initial,
    once,
    rg,
    terminate,
    update,
)
from tests.support.door import POLICY, SMS, Counts
from tests.support.shared_store import Database, SharedNode
from tests.support.virtual_time import running

VIRTUAL_TIME = True
TCC_S = 7200


@dataclass
class Agent:
    """An agent that reaches the clients it is connected to."""

    clients: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    async def _said(self, text: str, session: SessionAddress) -> ControlResult:
        await asyncio.sleep(0.01)
        if session.client not in self.clients:
            return ControlResult.NO_ANSWER
        self.asked.append(f"{text} {session.session_id}")
        return ControlResult.ACCEPTED

    async def reauthorize(self, session: SessionAddress) -> ControlResult:
        return await self._said("reauthorize", session)

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        return await self._said("disconnect", session)

    async def warn(self, session: SessionAddress) -> ControlResult:
        return await self._said("warn", session)


class Node:
    """Everything of one node that works by itself."""

    def __init__(self, database: Database, tariff: Catalogue = TARIFF, latency_s: float = 0.001) -> None:
        self.database = database
        self.store = SharedNode(database, lambda: latency_s)
        self.counts = Counts()
        self.service = ChargingService(
            self.store, tariff, POLICY, self.counts, None, self.wall_ns, lambda: running().now_ns()
        )
        self.service.is_shared = True
        self.agent = Agent()
        self.service.session_control["agent"] = self.agent
        self.scheduler = Scheduler(self.service)
        self.nodes = Nodes(self.service, self.store, self.scheduler.plan, self.scheduler.look_again, 1.0)
        self._tasks: list[asyncio.Task[None]] = []

    def wall_ns(self) -> int:
        return NOON_NS + running().now_ns()

    async def start(self) -> "Node":
        """Do all that a server does."""
        await self.nodes.start()
        works = (self.service.run(), self.nodes.run(), self.scheduler.run(), Metering(self.service).run())
        self._tasks = [running().create_task(work) for work in works]
        await asyncio.sleep(0.1)
        return self

    async def die(self) -> None:
        """End, without a word."""
        self.store.die()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def say(self, event: ChargingEvent) -> str:
        return answer_text(await self.service.handle(event))

    async def top_up(self, nanos: int, act: str) -> Account | None:
        def credit(account: Account) -> Change:
            top = acts.Act(act, self.wall_ns(), "test")
            changed, posting = acts.top_up(account, acts.TopUp(nanos), top)
            return Change(changed, () if posting is None else (posting,))

        return await self.service.apply(ACCOUNT, credit)

    async def assign(self, plan: str) -> None:
        def act(account: Account) -> Change:
            changed = assign(account, plan, self.wall_ns())
            return Change(msgspec.structs.replace(changed, version=account.version + 1))

        await self.service.apply(ACCOUNT, act)


async def two(nanos: int = 10_000, tariff: Catalogue = TARIFF) -> tuple[Node, Node]:
    """Two nodes at work, and one account."""
    database = Database()
    here, there = await Node(database, tariff).start(), await Node(database, tariff).start()
    new = acts.NewAccount(ACCOUNT, "standard", (ALICE,), (acts.TopUp(nanos),))
    account, posting = acts.create(new, acts.Act("seed", 0, "test"))
    assert posting is not None
    await here.service.create(Change(account, (posting,), has_new_identities=True))
    return here, there


async def end(*nodes: Node) -> None:
    for node in nodes:
        await node.die()


def books(node: Node) -> str:
    return books_text(node.database.accounts[ACCOUNT])


async def test_a_session_goes_from_node_to_node_and_repeats_get_the_stored_answer() -> None:
    here, there = await two()
    opened = initial(rg(10, 100))
    assert await here.say(opened) == "SUCCESS 10=100"
    assert await there.say(opened) == "SUCCESS 10=100"
    assert await there.say(update(1, rg(10, 100, 60))) == "SUCCESS 10=100"
    assert await here.say(update(2, rg(10, 100, 40))) == "SUCCESS 10=100"
    assert await there.say(update(2, rg(10, 100, 40))) == "SUCCESS 10=100"
    assert books(here) == "main 9900-100"
    ended = terminate(3, rg(10, used=50))
    assert {await there.say(ended), await here.say(ended)} == {"SUCCESS 10=0"}
    assert books(here) == "main 9850"
    assert len(here.database.cdrs) == 1
    await end(here, there)


async def test_a_one_time_debit_and_its_refund_are_made_once_wherever_they_are_repeated() -> None:
    here, there = await two()
    debit = once(Action.DIRECT_DEBITING, SMS)
    both = await asyncio.gather(here.service.handle(debit), there.service.handle(debit))
    assert both[0] == both[1]
    taken = books(here)
    assert taken != "main 10000"
    refunds = [
        once(Action.REFUND_ACCOUNT, session=f"r{n}", refund_token=both[0].refund_token) for n in (1, 2)
    ]
    answers = await asyncio.gather(here.say(refunds[0]), there.say(refunds[1]))
    assert sorted(answers) == ["INVALID_VALUE", "SUCCESS"]
    assert books(here) == "main 10000"
    await end(here, there)


async def test_turns_of_one_account_on_both_nodes_at_once_all_count() -> None:
    here, there = await two(1_000_000)
    sessions = [f"s{number}" for number in range(10)]
    for name in sessions:
        assert await here.say(initial(rg(10, 100), session=name)) == "SUCCESS 10=100"
    for number in range(1, 6):
        reports = [
            (here, there)[(number + index) % 2].say(update(number, rg(10, 100, 7), session=name))
            for index, name in enumerate(sessions)
        ]
        assert set(await asyncio.gather(*reports)) == {"SUCCESS 10=100"}
    assert books(here) == f"main {1_000_000 - 10 * 5 * 7}-1000"
    await end(here, there)


async def test_an_account_changed_elsewhere_is_shown_as_it_is() -> None:
    here, there = await two()
    seen = await there.service.account(ACCOUNT)
    assert seen is not None
    there.database.listeners.clear()  # nothing is heard of it
    await here.top_up(5, "t1")
    shown = await there.service.account(ACCOUNT)
    named = await there.service.find(ALICE)
    assert shown is not None
    assert named is not None
    assert (shown.balances[0].posted, named.balances[0].posted) == (10_005, 10_005)
    page = await there.store.read(Query(Table.ACCOUNTS))
    assert page.rows == (shown,)
    await end(here, there)


async def test_what_is_heard_of_another_nodes_change_leaves_memory() -> None:
    here, there = await two()
    await there.service.account(ACCOUNT)
    await here.top_up(5, "t1")
    assert there.service.known(ACCOUNT) is None
    assert here.service.known(ACCOUNT) is not None
    await end(here, there)


# --- supervision


async def test_a_session_of_a_node_that_is_gone_is_closed_once_when_its_time_has_come() -> None:
    here, there = await two()
    third = await Node(here.database).start()
    await here.say(initial(rg(10, 100)))
    await here.die()
    await asyncio.sleep(TCC_S - 10)
    assert books(there) == "main 10000-100"
    await asyncio.sleep(20)
    assert books(there) == "main 10000"
    assert [cdr.cause for cdr in there.database.cdrs] == ["client silent"]
    assert there.counts.expired + third.counts.expired == 1
    await end(there, third)


async def test_a_session_that_is_heard_of_elsewhere_is_not_silent() -> None:
    here, there = await two()
    await here.say(initial(rg(10, 100)))
    for number in range(1, 4):
        await asyncio.sleep(TCC_S * 0.9)
        assert await there.say(update(number, rg(10, 100, 1))) == "SUCCESS 10=100"
    assert books(here) == "main 9997-100"
    await asyncio.sleep(TCC_S + 20)
    assert books(here) == "main 9997"
    assert here.counts.expired + there.counts.expired == 1
    await end(here, there)


async def test_time_the_server_counts_goes_on_to_be_charged_by_another_node() -> None:
    here, there = await two(10_000, METERED_TARIFF)
    report = UsageReport(None, requested=RequestedUnits(Unit.TIME, 10 * S))
    event = ChargingEvent(
        EventKind.INITIAL, "fs", "call", "0", "voice", account=ACCOUNT, reports=(report,), meter_ns=10 * S
    )
    there.agent.clients = ("fs",)
    await here.service.handle(event)
    await asyncio.sleep(12)
    charged = here.database.accounts[ACCOUNT].balances[0].posted
    await here.die()
    await asyncio.sleep(30)
    assert here.database.accounts[ACCOUNT].balances[0].posted <= charged - 20 * 10
    assert await there.service.verify(ACCOUNT) == []
    await end(there)


# --- plans


async def test_a_plan_runs_once_on_two_nodes_and_goes_on_without_the_one_that_knew_of_it_first() -> None:
    here, there = await two(10_000, catalogue(rules()))
    await here.assign("welcome")
    await here.assign("hourly")
    await asyncio.sleep(2)
    assert books(here) == "main 10000, gift 5"
    await asyncio.sleep(3600)
    assert books(here) == "main 9900, gift 5"
    await here.die()
    await asyncio.sleep(3600)
    assert books(there) == "main 9800, gift 5"
    runs = [posting.event_id for posting in there.database.postings if posting.by.startswith("plan")]
    assert len(runs) == len(set(runs)) == 3
    await end(there)


async def test_a_plan_that_was_not_heard_of_is_found_when_the_connection_is_back() -> None:
    here, there = await two(10_000, catalogue(rules()))
    hearing, there.database.listeners = there.database.listeners, []
    await here.assign("hourly")
    await here.die()
    there.database.listeners = [each for each in hearing if each[0] is there.store]
    there.nodes.missed()
    await asyncio.sleep(3600)
    assert books(there) == "main 9900"
    await end(there)


# --- clients


async def test_a_client_is_asked_by_the_node_that_has_its_connection() -> None:
    here, there = await two(150)
    there.agent.clients = ("smf.example",)
    assert await there.say(initial(rg(10, 1000))) == "SUCCESS 10=150!TERMINATE"
    account = await here.top_up(5000, "t1")
    assert account is not None
    await here.service.reauthorize_starved(account)
    assert there.agent.asked == ["reauthorize s1"]
    await here.service.disconnect_all(account, "account barred")
    assert there.agent.asked == ["reauthorize s1", "disconnect s1"]
    await end(here, there)


async def test_nobody_to_ask_is_no_answer_in_time() -> None:
    here, there = await two()
    await here.say(initial(rg(10, 100)))
    account = await here.service.account(ACCOUNT)
    assert account is not None
    began_s = running().time()
    await here.service.disconnect_all(account, "account barred")
    assert running().time() - began_s < 2
    await there.die()
    await here.service.disconnect_all(account, "account barred")
    assert here.agent.asked == there.agent.asked == []
    await end(here)
