"""A charging service, the agent and a scripted switch on virtual time; processes may end and begin again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from ocs.agents.freeswitch.agent import FreeswitchAgent
from ocs.agents.freeswitch.switch import SwitchClient
from ocs.charging import acts
from ocs.charging.account import Account
from ocs.charging.decision import Change
from ocs.charging.entry import Cdr
from ocs.charging.events import Identity, IdentityKind, Unit
from ocs.charging.quota import ChargingPolicy, QuotaMatch, QuotaRule
from ocs.charging.service import ChargingService
from ocs.config.settings import SECOND, FreeswitchSettings, Switch
from tests.agents.freeswitch.scripted import Scripted, SwitchLoop
from tests.support.charging import NOON_NS, TARIFF
from tests.support.door import Counts
from tests.support.stores import ProcessStore, Truth

CLIENT = "fs1"
SWITCH = Switch("fs1.test", 8021, CLIENT, "secret")
MS = 1_000_000  # ns


def policy(seconds: int = 3_600) -> ChargingPolicy:
    """One quota for every call."""
    rule = QuotaRule(default={Unit.TIME: seconds * SECOND}, maximum={Unit.TIME: seconds * SECOND})
    return ChargingPolicy((QuotaMatch(rule),))


class World:
    """Everything; a call costs one nano a millisecond."""

    def __init__(
        self, grant_s: int = 3_600, offset_ns: int = 0, latency_s: float = 0.0, **settings: Any
    ) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SwitchLoop)
        self.loop = loop
        self.offset_ns = offset_ns
        self.truth = Truth()
        self.settings = msgspec.structs.replace(FreeswitchSettings(switches=(SWITCH,)), **settings)
        self.grant_s = grant_s
        self.latency_s = latency_s
        self.begin()

    def begin(self) -> None:
        """A process begins: nothing but the store is remembered."""
        self.counts = Counts()
        self.store = ProcessStore(self.truth, lambda: self.latency_s)
        self.service = ChargingService(
            self.store, TARIFF, policy(self.grant_s), self.counts, None, self.wall_ns, self.loop.now_ns
        )
        self.agent = FreeswitchAgent(self.settings, self.service)
        self.service.session_control["freeswitch"] = self.agent

    def wall_ns(self) -> int:
        return NOON_NS + self.offset_ns + self.loop.now_ns()

    @property
    def client(self) -> SwitchClient:
        return self.agent._clients[CLIENT]

    async def open_account(self, number: str, nanos: int, low_balance_nanos: int = 0) -> None:
        identity = Identity(IdentityKind.E164, number)
        new = acts.NewAccount(
            number, "standard", (identity,), (acts.TopUp(nanos),), low_balance_nanos=low_balance_nanos
        )
        account, posting = acts.create(new, acts.Act(f"seed {number}", 0, "test"))
        postings = () if posting is None else (posting,)
        await self.service.create(Change(account, postings, has_new_identities=True))

    async def top_up(self, number: str, nanos: int) -> None:
        def credit(account: Account) -> Change:
            act = acts.Act("top-up", self.wall_ns(), "test")
            changed, posting = acts.top_up(account, acts.TopUp(nanos), act)
            assert posting is not None
            return Change(changed, (posting,))

        account = await self.service.apply(number, credit)
        assert account is not None
        await self.service.reauthorize_starved(account)

    def account(self, number: str = "1001") -> Account:
        return self.truth.accounts[number]

    def left(self, number: str = "1001") -> tuple[int, int]:
        """Money of an account in nanos, and how much of it is held."""
        return (
            sum(each.posted for each in self.account(number).balances),
            sum(each.reserved for each in self.account(number).balances),
        )

    def records(self) -> list[Cdr]:
        return self.truth.cdrs

    async def problems(self, number: str = "1001") -> list[str]:
        return await self.service.verify(number)


@asynccontextmanager
async def world(nanos: int = 1_000_000, **settings: Any) -> AsyncIterator[tuple[World, Scripted]]:
    """A running agent, a switch it is connected to, and account 1001."""
    switch = Scripted()
    made = World(**settings)
    await made.open_account("1001", nanos)
    await made.agent.start()
    await connected(made)
    try:
        yield made, switch
    finally:
        await made.agent.drain()


async def connected(made: World) -> None:
    """Wait until the switch's calls are known."""
    async with asyncio.timeout(120):
        while not made.client.is_synchronised:  # noqa: ASYNC110 - the product has no use for an event here
            await asyncio.sleep(0.05)
