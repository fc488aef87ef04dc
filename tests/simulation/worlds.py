"""A seeded world: clients, charging processes that crash and start again, one truth, and an auditor.

One seed is one history: all chance comes from it, and time is virtual.
"""

import asyncio
from random import Random

from ocs.charging import acts
from ocs.charging.account import Account
from ocs.charging.decision import Change
from ocs.charging.entry import EntryKind
from ocs.charging.events import (
    Action,
    ChargingAnswer,
    ChargingEvent,
    EventKind,
    Identity,
    IdentityKind,
    Result,
)
from ocs.charging.ledger import check
from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import ChargingService, Limits
from ocs.charging.store import StoreError
from ocs.nodes import Nodes
from tests.simulation.clients import Deliver, Network, send_messages, use_data
from tests.support.charging import CLIENT, NOON_NS, SECOND_NS, TARIFF
from tests.support.door import Counts
from tests.support.shared_store import Database, Mishap, SharedNode
from tests.support.stores import Fault, ProcessStore, Truth
from tests.support.virtual_time import running

POLICY = ChargingPolicy(closed_grace_ns=600 * SECOND_NS, closed_retention_ns=900 * SECOND_NS)
MISHAPS = (
    *((Mishap.LOST, 0.03), (Mishap.UNHEARD, 0.03), (Mishap.LATE, 0.03), (Mishap.DOWN, 0.02)),
    *((Mishap.CRASH_BEFORE, 0.015), (Mishap.CRASH_AFTER, 0.015)),
)
FAULTS = ((Fault.BEFORE, 0.03), (Fault.AFTER, 0.03), (Fault.CRASH_BEFORE, 0.02), (Fault.CRASH_AFTER, 0.02))


class CrashingProcess:
    """A charging process that ends at any commit and comes back from the truth."""

    def __init__(self, random: Random, truth: Truth) -> None:
        self.random = random
        self.truth = truth
        self.skew_ns = random.randint(-2, 2) * SECOND_NS
        self.crashes = 0
        self.service: ChargingService | None = None
        self._supervising: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin with what is durable."""
        store = ProcessStore(self.truth, self._latency_s, self._fault, self._crash)
        limits = Limits(accounts=self.random.choice((1, 2, 100)))
        self.service = ChargingService(
            store, TARIFF, POLICY, Counts(), limits, self._wall_ns, lambda: running().now_ns()
        )
        self._supervising = running().create_task(self.service.run())

    def _wall_ns(self) -> int:
        return NOON_NS + running().now_ns() + self.skew_ns

    def _latency_s(self) -> float:
        return self.random.choice((0.0, 0.001, 0.02))

    def _fault(self) -> Fault:
        drawn = self.random.random()
        for fault, share in FAULTS:
            drawn -= share
            if drawn < 0:
                return fault
        return Fault.NONE

    def _crash(self) -> None:
        self.crashes += 1
        self.service = None
        if self._supervising is not None:
            self._supervising.cancel()
        running().call_later(self.random.uniform(0.1, 3), self.start)

    def receive(self, event: ChargingEvent, deliver: Deliver) -> None:
        """Take an event in, where there is a process; what a process answers after its end is not heard."""
        service = self.service
        if service is None:
            return

        def alive(answer: ChargingAnswer) -> None:
            if self.service is service:
                deliver(answer)

        if self.random.random() < 0.2:
            self._wait_a_little(service, event, alive)
        else:
            service.submit(event, alive)

    def _wait_a_little(self, service: ChargingService, event: ChargingEvent, deliver: Deliver) -> None:
        """A caller that gives up soon."""

        async def wait() -> None:
            deliver(await service.handle(event))

        task = running().create_task(wait())
        running().call_later(self.random.choice((0.0, 0.001, 0.02, 0.5)), task.cancel)


class CrashingNode(CrashingProcess):
    """One of several nodes on a shared store, to which anything may happen on the way there."""

    def __init__(self, random: Random, database: Database) -> None:
        super().__init__(random, database)
        self.database = database

    def start(self) -> None:
        """Begin with what is durable, and with the others."""
        self.store = SharedNode(self.database, self._latency_s, self._mishap, self._crash)
        limits = Limits(accounts=self.random.choice((1, 2, 100)))
        self.service = ChargingService(
            self.store, TARIFF, POLICY, Counts(), limits, self._wall_ns, lambda: running().now_ns()
        )
        self.service.is_shared = True
        nodes = Nodes(self.service, self.store, lambda account: None, lambda: None)
        self._supervising = running().create_task(self._run(self.service, nodes))

    async def _run(self, service: ChargingService, nodes: Nodes) -> None:
        await nodes.start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(service.run())
            tasks.create_task(nodes.run())

    def _mishap(self) -> Mishap:
        drawn = self.random.random()
        for mishap, share in MISHAPS:
            drawn -= share
            if drawn < 0:
                return mishap
        return Mishap.NONE


class World:
    """Everything of one seed: two processes on one truth, or `nodes` on a shared store."""

    def __init__(self, seed: int, nodes: int = 0) -> None:
        self.random = Random(seed)
        self.truth: Truth = Database() if nodes else Truth()
        self.processes: list[CrashingProcess] = [
            CrashingNode(self.random, self.truth)
            if isinstance(self.truth, Database)
            else CrashingProcess(self.random, self.truth)
            for _ in range(nodes or 2)
        ]
        self.network = Network(self.random, list(self.processes))
        self.acknowledged_topups: list[str] = []

    async def play(self) -> None:
        """Let the clients do what they do, until all are done."""
        people = [self._open_account(number, nanos) for number, nanos in enumerate((10**9, 1500, 300))]
        for process in self.processes:
            process.start()
        async with asyncio.TaskGroup() as clients:
            for number, identity in enumerate(people):
                more: dict[str, object] = {"identities": (identity,)}
                for name in ("a", "b"):
                    clients.create_task(use_data(self.network, f"{number}{name}", more))
                clients.create_task(send_messages(self.network, f"{number}m", more))
                clients.create_task(self._top_up(number))

    def _open_account(self, number: int, nanos: int) -> Identity:
        identity = Identity(IdentityKind.IMSI, f"{number:015}")
        new = acts.NewAccount(f"default:{number}", "standard", (identity,), (acts.TopUp(nanos),))
        account, posting = acts.create(new, acts.Act(f"seed {number}", 0, "test"))
        assert posting is not None
        assert self.truth.take(Change(account, (posting,), has_new_identities=True)) is None
        return identity

    async def _top_up(self, number: int) -> None:
        """An operator who does not try again: what failed may have happened or not."""
        await asyncio.sleep(self.random.uniform(0, 3))
        service = self.random.choice(self.processes).service
        act = acts.Act(f"top-up {number}", NOON_NS, "operator")

        def credit(account: Account) -> Change:
            changed, posting = acts.top_up(account, acts.TopUp(1000), act)
            assert posting is not None
            return Change(changed, (posting,))

        try:
            async with asyncio.timeout(30):
                if service is not None and await service.apply(f"default:{number}", credit) is not None:
                    self.acknowledged_topups.append(act.id)
        except (StoreError, TimeoutError):
            return

    # --- the audit

    def audit(self) -> list[str]:
        """What is wrong, by what the clients were told and what the truth says, and nothing else."""
        return [*self._balances(), *self._debits(), *self._sessions(), *self._answers()]

    def _balances(self) -> list[str]:
        problems: list[str] = []
        for key, account in self.truth.accounts.items():
            problems += check(account)
            entries = [
                e for posting in self.truth.postings if posting.account == key for e in posting.entries
            ]
            total = sum(entry.amount for entry in entries)
            posted = sum(balance.posted for balance in account.balances)
            if total != posted:
                problems.append(f"{key}: {posted} posted, entries sum to {total}")
        topups = [
            posting.event_id for posting in self.truth.postings if str(posting.event_id).startswith("top-up")
        ]
        if len(set(topups)) < len(topups) or not set(self.acknowledged_topups) <= set(topups):
            problems.append(f"top-ups {topups}, acknowledged {self.acknowledged_topups}")
        return problems

    def _debits(self) -> list[str]:
        """No acknowledged debit is lost, none is there twice, none is there that nobody asked for."""
        written: dict[tuple[str, EventKind, int | str], int] = {}
        problems: list[str] = []
        for posting in self.truth.postings:
            if posting.kind is None:
                continue
            key = (posting.session_key.removeprefix(f"{CLIENT}|"), posting.kind, posting.event_id)
            if key in written:
                problems.append(f"{key} is written twice")
            paid = (EntryKind.DEBIT, EntryKind.REFUND)
            written[key] = -sum(entry.amount for entry in posting.entries if entry.kind in paid)
        for key, exchange in self.network.exchanges.items():
            is_charged = exchange.answer is not None and exchange.answer.result is Result.SUCCESS
            found = written.pop(key, 0)
            if found != exchange.cost_nanos and (is_charged or found):
                problems.append(f"{key}: {found} written, {exchange.cost_nanos} due")
        problems += [f"{key}: {nanos} written, never asked" for key, nanos in written.items()]
        return problems + self._records()

    def _records(self) -> list[str]:
        """The records of ended sessions and events add up to what was taken for them."""
        open_keys = {s.session_id for account in self.truth.accounts.values() for s in account.sessions}
        recorded = sum(cdr.cost_nanos for cdr in self.truth.cdrs)
        paid = -sum(
            entry.amount
            for posting in self.truth.postings
            if posting.kind is not None and posting.session_key.removeprefix(f"{CLIENT}|") not in open_keys
            for entry in posting.entries
        )
        return [] if recorded == paid else [f"records of {recorded}, paid {paid}"]

    def _sessions(self) -> list[str]:
        """A session whose end was acknowledged holds nothing any more."""
        ended = {
            session_id
            for (session_id, kind, _), exchange in self.network.exchanges.items()
            if kind is EventKind.TERMINATION and exchange.answer is not None
        }
        return [
            f"{session.session_id} has ended and is open"
            for account in self.truth.accounts.values()
            for session in account.sessions
            if session.session_id in ended
        ]

    def _answers(self) -> list[str]:
        """Every exchange ended; copies of an event were told the same; nothing failed inside."""
        problems: list[str] = []
        for key, exchange in self.network.exchanges.items():
            if exchange.answer is None:
                problems.append(f"{key} was never answered")
        refunds: dict[bytes, int] = {}
        for key, results in self.network.heard.items():
            event = self.network.exchanges[key].event
            if event.kind in (EventKind.UPDATE, EventKind.TERMINATION) and results != {Result.SUCCESS}:
                problems.append(f"{key} was told {results}")
            if Result.FAILED in results or (Result.SUCCESS in results and Result.INVALID_VALUE in results):
                problems.append(f"{key} was told {results}")
            if event.action is Action.REFUND_ACCOUNT and event.refund_token is not None:
                refunds[event.refund_token] = refunds.get(event.refund_token, 0) + (Result.SUCCESS in results)
        return problems + [
            f"{token!r} was refunded {count} times" for token, count in refunds.items() if count > 1
        ]
