"""The incumbent's configuration with its switch agents on virtual time; a second of a call costs 0.001."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ocs.agents.freeswitch.switch import SwitchClient
from ocs.cgrates.agents.voice import VoiceAgents
from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from ocs.charging.cgrates.account import Account, Balance
from ocs.sessions.clients import NoClients
from ocs.sessions.model import Cdr
from tests.agents.freeswitch.scripted import Scripted, SwitchLoop
from tests.cgrates.engine import NOW_NS, Engine

CALL_NANOS = 1_000_000  # a second
FREESWITCH = {
    "enabled": True,
    "create_cdr": True,
    "sched_transfer_extension": "",
    "event_socket_conns": [{"address": "fs1.test:8021", "password": "secret", "alias": "fs1"}],
}
KAMAILIO = {
    "enabled": True,
    "create_cdr": True,
    "evapi_conns": [{"address": "kam.test:8448", "alias": "kam1"}],
}
TARIFF = {
    "Destinations.csv": "#Id,Prefix\nDST_ALL,1\nDST_ALL,2\nDST_ALL,+\n",
    "Rates.csv": "#Id,ConnectFee,Rate,RateUnit,RateIncrement,GroupIntervalStart\nRT,0,0.001,1s,1s,0s\n",
    "DestinationRates.csv": "#Id,DestinationId,RatesTag,RoundingMethod,RoundingDecimals,MaxCost,MaxCostStrategy\n"
    "DR,DST_ALL,RT,*up,9,0,\n",
    "RatingPlans.csv": "#Id,DestinationRatesId,TimingTag,Weight\nRP,DR,*any,10\n",
    "RatingProfiles.csv": "#Tenant,Category,Subject,ActivationTime,RatingPlanId,RatesFallbackSubject\n"
    "cgrates.org,call,*any,2014-01-14T00:00:00Z,RP,\n",
    "Chargers.csv": "#Tenant,ID,FilterIDs,ActivationInterval,RunID,AttributeIDs,Weight\n"
    "cgrates.org,DEFAULT,,,*default,*none,0\n",
}


ALL = {
    f"{name}_conns": ["*internal"] for name in ("attributes", "resources", "routes", "thresholds", "stats")
}


class SwitchWorld:
    """A server; what was durable is there for the next."""

    def __init__(self, settings: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SwitchLoop)
        self.loop = loop
        self.settings = {**settings, "sessions": ALL | settings.get("sessions", {})}
        self.begin()
        self.engine.load(TARIFF)

    def begin(self, state: State | None = None) -> None:
        """A process begins."""
        self.engine = Engine(self.settings, state, self.wall_ns)
        self.runtime = self.engine.runtime
        self.agents = VoiceAgents(self.runtime, self.loop.now_ns)
        self.runtime.use_clients(self.agents.beside(NoClients()))

    async def restart(self) -> None:
        """The process is killed; the next one has what was kept."""
        await self.agents.stop()
        self.begin(self.runtime.state)
        await self.runtime.start()
        await self.agents.start()

    def wall_ns(self) -> int:
        return NOW_NS + self.loop.now_ns()

    def open_account(self, name: str, nanos: int) -> None:
        account_id = f"cgrates.org:{name}"
        balances = {"*monetary": (Balance(f"uid-{name}", "main", nanos),)}
        self.runtime.state.put_accounts({account_id: Account(account_id, balances)})

    def left(self, name: str = "1001") -> int:
        """Money of an account in nanos."""
        account = self.runtime.state.accounts[f"cgrates.org:{name}"]
        return sum(balance.value_nanos for balance in account.balances["*monetary"])

    def cdrs(self) -> list[Cdr]:
        return list(self.runtime.state.tables[Kind.CDR].values())

    def promises(self) -> int:
        return len(self.runtime.state.tables[Kind.PROMISE])

    @property
    def switch_client(self) -> SwitchClient:
        return self.agents.freeswitch._clients["fs1"]


@asynccontextmanager
async def switched(
    nanos: int = 1_000 * CALL_NANOS, sessions: dict[str, Any] | None = None, **section: Any
) -> AsyncIterator[tuple[SwitchWorld, Scripted]]:
    """A server connected to one scripted FreeSWITCH, and account 1001."""
    switch = Scripted()
    made = SwitchWorld({"freeswitch_agent": FREESWITCH | section, "sessions": sessions or {}})
    made.open_account("1001", nanos)
    await made.agents.start()
    async with asyncio.timeout(60):
        while not made.switch_client.is_synchronised:  # noqa: ASYNC110 - as in the agent's own tests
            await asyncio.sleep(0.05)
    try:
        yield made, switch
    finally:
        await made.agents.stop()
