"""Switches on `ocs serve` whose calls profiles surround: the exact core charges them, run by run."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ocs.agents.freeswitch.switch import SwitchClient
from ocs.agents.kamailio.messages import decode_message
from ocs.agents.kamailio.proxy import ProxyCalls
from ocs.cgrates.agents.voice import Unmeasured
from ocs.cgrates.kinds import Kind
from ocs.charging import acts
from ocs.charging.decision import Change
from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import ChargingService
from ocs.charging.store.memory import MemoryStore
from ocs.config.settings import (
    SECOND,
    FreeswitchSettings,
    KamailioSettings,
    Proxy,
    SessionSettings,
    Subsystem,
    Switch,
)
from ocs.exact.accounting import CLIENT
from ocs.exact.agents import VoiceAgents
from ocs.exact.sessions import ExactRuntime
from ocs.rpc.methods.cgrates import CGRATES
from ocs.rpc.methods.cgrates.internal import methods_of
from ocs.sessions.clients import NoClients
from tests.agents.freeswitch.scripted import Plan, Scripted, SwitchLoop
from tests.cgrates.engine import NOW_NS
from tests.charging.cgrates.small import Price
from tests.charging.exact.small import catalogue
from tests.support.door import Counts

PRICE = 10**9  # a second
ALL: tuple[Subsystem, ...] = ("attributes", "resources", "routes", "thresholds", "stats")
PARTIES = {"RequestType": "*prepaid", "Tenant": "t", "Account": "1001", "Destination": "33123"}


class World:
    """A server with one switch and one proxy; a second of a call costs 1. What was stored is there for the next."""

    def __init__(self, subsystems: tuple[Subsystem, ...], debit_interval_ns: int | None) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SwitchLoop)
        self.loop = loop
        self.store = MemoryStore()
        self.freeswitch = FreeswitchSettings(
            switches=(Switch("fs1.test", 8021, "fs1", "secret"),),
            subsystems=subsystems,
            debit_interval_ns=debit_interval_ns,
        )
        self.kamailio = KamailioSettings(
            connections=(Proxy("kam.test", 8448, "kam1"),), default_tenant="t", subsystems=subsystems
        )
        self.transactions = 0
        self.begin()

    def begin(self) -> None:
        """A process begins."""
        self.service = ChargingService(
            self.store,
            catalogue(Price("0 1/1s/1s")),
            ChargingPolicy(),
            Counts(),
            None,
            self.wall_ns,
            self.loop.now_ns,
        )
        self.runtime = ExactRuntime(self.service, self.store, SessionSettings(default_tenant="t"))
        self.runtime.methods = methods_of(CGRATES, self.runtime)
        self.service.session_control[CLIENT] = self.runtime
        self.agents = VoiceAgents(
            self.runtime,
            self.service,
            self.freeswitch,
            self.kamailio,
            Unmeasured(),
            self.wall_ns,
            self.loop.now_ns,
        )
        self.runtime.use_clients(self.agents.beside(NoClients()))
        self.said: list[dict[str, Any]] = []
        self.proxy.send = self._send

    def wall_ns(self) -> int:
        return NOW_NS + self.loop.now_ns()

    def _send(self, payload: bytes) -> bool:
        self.said.append(json.loads(payload))
        return True

    @property
    def proxy(self) -> ProxyCalls:
        return self.agents.kamailio.proxies["kam1"]

    @property
    def switch_client(self) -> SwitchClient:
        return self.agents.freeswitch._clients["fs1"]

    async def reborn(self) -> None:
        """The process is killed; the next one has what was stored, and asks for the dialogs."""
        self.proxy.stop()
        self.begin()
        await self.runtime.start()
        await self.agents.take_over()
        assert await self.proxy.adopt()
        self.proxy.connected()

    async def open_account(self, name: str, units: int) -> None:
        new = acts.NewAccount(f"t:{name}", "t:*any", (), (acts.TopUp(units * PRICE),))
        account, posting = acts.create(new, acts.Act(f"seed {name}", 0, "test"))
        await self.service.create(Change(account, () if posting is None else (posting,)))

    async def money(self, name: str = "1001") -> tuple[int, int]:
        """Posted and held, in seconds of a call, as the store has it."""
        found = await self.store.load(f"t:{name}")
        assert found is not None
        return found.balances[0].posted // PRICE, found.balances[0].reserved // PRICE

    async def set(self, kind: str, **profile: Any) -> None:
        assert self.runtime.methods is not None
        own = {"Tenant": "t", "FilterIDs": [], "Weight": 10}
        assert await self.runtime.methods(f"APIerSv1.Set{kind}", own | profile) == "OK"

    async def profiles(self) -> None:
        """One profile of each kind, and a second run of every call that the carrier pays for."""
        alias = [{"Path": "*req.Account", "Type": "*constant", "Value": "1001"}]
        await self.set(
            "AttributeProfile",
            ID="ALIAS",
            Contexts=["*sessions"],
            FilterIDs=["*string:~*req.Account:alice"],
            Attributes=alias,
        )
        pays = [{"Path": "*req.Account", "Type": "*constant", "Value": "carrier"}]
        await self.set(
            "AttributeProfile",
            ID="CARRIER",
            Contexts=["*any"],
            FilterIDs=["*string:~*req.RunID:carrier"],
            Attributes=pays,
        )
        await self.set("ChargerProfile", ID="CUSTOMER", RunID="*default", AttributeIDs=["*none"])
        await self.set("ChargerProfile", ID="CARRIER", RunID="carrier", AttributeIDs=["CARRIER"])
        await self.set(
            "ResourceProfile", ID="RES", Limit=1.0, UsageTTL=-1, AllocationMessage="one call", Stored=True
        )
        routes = [{"ID": "gw1", "Weight": 10}, {"ID": "gw2", "Weight": 20, "RouteParameters": "p"}]
        await self.set("RouteProfile", ID="ROUTE", Sorting="*weight", Routes=routes)
        await self.set("ThresholdProfile", ID="THD", MaxHits=-1)
        await self.set("StatQueueProfile", ID="SQ", QueueLength=10, Metrics=[{"MetricID": "*tcc"}])

    async def tell(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """The proxy says something; what it is told."""
        self.said.clear()
        self.proxy.received(decode_message(json.dumps({"event": event, **fields}).encode()))
        await asyncio.sleep(0.1)
        return list(self.said)

    async def authorise(self, origin_id: str = "c1", **fields: object) -> dict[str, Any]:
        self.transactions += 1
        ids = {"tr_index": str(self.transactions), "tr_label": "77", "SetupTime": self.clock()}
        (reply,) = await self.tell("CGR_AUTH_REQUEST", **ids, OriginID=origin_id, **(PARTIES | fields))
        return reply

    async def start(self, origin_id: str = "c1", **fields: object) -> list[dict[str, Any]]:
        said = {"h_entry": "7", "h_id": "12", "OriginID": origin_id, "AnswerTime": self.clock()}
        return await self.tell("CGR_CALL_START", **(PARTIES | said | fields))

    async def end(self, usage: int, origin_id: str = "c1", **fields: object) -> None:
        said = {"h_entry": "7", "h_id": "12", "OriginID": origin_id, "Usage": str(usage)}
        assert await self.tell("CGR_CALL_END", **(PARTIES | said | fields)) == []

    def clock(self) -> str:
        return str(self.wall_ns() // 10**9)

    def promises(self) -> int:
        return len(self.runtime.state.tables[Kind.PROMISE])

    def in_use(self) -> float:
        return float(self.runtime.surroundings.resources.usage("t", "RES", self.wall_ns()))


async def served(subsystems: tuple[Subsystem, ...] = ALL, debit_interval_ns: int | None = None) -> World:
    made = World(subsystems, debit_interval_ns)
    await made.open_account("1001", 1_000)
    await made.open_account("carrier", 500)
    await made.profiles()
    return made


@asynccontextmanager
async def switched(
    subsystems: tuple[Subsystem, ...] = ALL, debit_interval_ns: int | None = None
) -> AsyncIterator[tuple[World, Scripted]]:
    """The same, connected to a scripted FreeSWITCH."""
    switch = Scripted()
    made = await served(subsystems, debit_interval_ns)
    await made.agents.freeswitch.start()
    async with asyncio.timeout(60):
        while not made.switch_client.is_synchronised:  # noqa: ASYNC110 - as in the agent's own tests
            await asyncio.sleep(0.05)
    try:
        yield made, switch
    finally:
        await made.agents.freeswitch.drain()


async def test_a_script_finds_what_profiles_say_and_every_run_is_charged() -> None:
    made = await served()
    reply = await made.authorise(Account="alice")
    assert reply["Attributes"] == "Account:1001"
    assert (reply["ResourceAllocation"], reply["Routes"]) == ("one call", "gw2:p,gw1")
    assert (reply["Thresholds"], reply["StatQueues"]) == ("THD", "SQ")
    assert (reply["MaxUsage"], reply["Error"]) == (500, ""), "what the carrier's run allows"
    assert (await made.money(), await made.money("carrier")) == ((1_000, 500), (500, 500))
    assert await made.start(Account="alice") == []
    assert made.in_use() == 1
    await asyncio.sleep(45)
    await made.end(45, Account="alice")
    assert (await made.money(), await made.money("carrier")) == ((955, 0), (455, 0))
    assert {
        (cdr.run_id, cdr.account, cdr.cost_nanos) for cdr in made.runtime.state.tables[Kind.CDR].values()
    } == {
        ("*default", "1001", 45 * PRICE),
        ("carrier", "carrier", 45 * PRICE),
    }
    assert made.in_use() == 0
    total = made.runtime.surroundings.stats_book.numbers("t", "SQ", made.wall_ns())
    assert total["*tcc"] == 90, "both records are counted"


async def test_a_dialplan_finds_it_in_its_variables() -> None:
    async with switched() as (made, switch):
        call = switch.call(Plan(account="alice", number="33123", ring_s=5, talk_s=33.4))
        await asyncio.sleep(2)
        assert call.variables["Account"] == "1001"
        assert call.variables["cgr_resource_allocation"] == "one call"
        assert call.variables["cgr_routes"] == "ARRAY::2|:gw2:p|:gw1"
        assert (call.variables["cgr_notify"], call.variables["cgr_max_usage"]) == ("AUTH_OK", "500")
        await asyncio.sleep(60)
        assert call.cause == "NORMAL_CLEARING"
        assert (await made.money(), await made.money("carrier")) == ((966, 0), (466, 0))
        assert made.promises() == 0
        assert not made.runtime.state.sessions


async def test_slices_leave_the_rest_to_others() -> None:
    async with switched(debit_interval_ns=10 * SECOND) as (made, switch):
        switch.call(Plan(account="1001", number="33123", talk_s=40))
        await asyncio.sleep(15)
        assert 0 < (await made.money())[1] < 40
        await asyncio.sleep(60)
        assert await made.money() == (960, 0)


async def test_no_place_in_a_resource_refuses_and_holds_nothing() -> None:
    made = await served()
    await made.authorise("c1")
    await made.start("c1")
    refused = await made.authorise("c2")
    assert refused["Error"] == "RESOURCES_ERROR:RESOURCE_UNAUTHORIZED"
    assert made.promises() == 0
    await made.end(0, "c1")
    assert await made.money() == (1_000, 0)


async def test_two_ringing_calls_are_not_promised_the_same_credit() -> None:
    made = await served()
    assert (await made.authorise("c1"))["MaxUsage"] == 500
    assert (await made.authorise("c2"))["MaxUsage"] == 0, "the carrier has nothing left"
    assert await made.money() == (1_000, 500), "the customer's run of the second holds nothing"


async def test_a_call_given_up_gives_its_promise_back() -> None:
    async with switched() as (made, switch):
        switch.call(Plan(account="1001", number="33123", ring_s=20, cancel_s=4))
        await asyncio.sleep(2)
        assert (made.promises(), await made.money()) == (1, (1_000, 500))
        await asyncio.sleep(10)
        assert (made.promises(), await made.money()) == (0, (1_000, 0))


async def test_a_killed_server_goes_on_with_calls_and_promises() -> None:
    made = await served()
    await made.authorise()
    await made.start()
    await asyncio.sleep(15)
    await made.reborn()
    await made.set("ResourceProfile", ID="RES", Limit=2.0, UsageTTL=-1, Stored=True)
    assert {"Event": "CGR_DLG_LIST"} in made.said
    await made.authorise("c2")
    assert made.promises() == 1
    await made.reborn()
    running = {"h_entry": 7, "h_id": 12, "call-id": "c1", "from_tag": "t"}
    await made.tell("CGR_DLG_LIST_REPLY", jsonrpl_body={"jsonrpc": "2.0", "id": 1, "result": [running]})
    await asyncio.sleep(10)
    made.proxy.ask_for_dialogs()
    await made.tell("CGR_DLG_LIST_REPLY", jsonrpl_body={"jsonrpc": "2.0", "id": 1, "result": [running]})
    assert made.promises() == 0, "its dialog is gone"
    await made.end(45)
    assert (await made.money(), await made.money("carrier")) == ((955, 0), (455, 0))
    assert made.runtime.state.sessions == {}


async def test_a_call_ends_with_its_credit_and_goes_on_after_a_top_up() -> None:
    made = await served()
    await made.open_account("poor", 25)
    await made.authorise(Account="poor")
    await made.start(Account="poor")
    await asyncio.sleep(24)
    assert not any(said["Event"] == "CGR_SESSION_DISCONNECT" for said in made.said)
    account = made.service.known("t:poor")
    assert account is not None

    def credit(present: Any) -> Change:
        changed, posting = acts.top_up(present, acts.TopUp(10 * PRICE), acts.Act("t", 0, "test"))
        assert posting is not None
        return Change(changed, (posting,))

    changed = await made.service.apply("t:poor", credit)
    assert changed is not None
    await made.service.reauthorize_starved(changed)
    await asyncio.sleep(9)
    assert not any(said["Event"] == "CGR_SESSION_DISCONNECT" for said in made.said)
    await asyncio.sleep(5)
    assert any(said["Event"] == "CGR_SESSION_DISCONNECT" for said in made.said)
    await made.end(35, Account="poor")
    assert await made.money("poor") == (0, 0)


async def test_flags_of_a_message_ask_for_less() -> None:
    made = await served()
    reply = await made.authorise(cgr_flags="*accounts;*routes")
    assert (reply["Attributes"], reply["ResourceAllocation"], reply["Routes"]) == ("", "", "gw2:p,gw1")


async def test_a_section_without_subsystems_talks_to_the_core_itself() -> None:
    made = await served(subsystems=())
    reply = await made.authorise()
    assert (reply["MaxUsage"], reply["Routes"]) == (1_000, "")
    assert made.promises() == 0


async def test_a_start_lost_with_the_server_is_charged_with_the_end_to_whom_attributes_name() -> None:
    made = await served()
    await made.authorise(Account="alice")
    await made.reborn()
    await made.end(30, Account="alice")
    assert (await made.money(), await made.money("carrier")) == ((970, 0), (470, 0))
    assert len(made.runtime.state.tables[Kind.CDR]) == 2


async def test_a_call_that_was_missed_is_charged_to_whom_attributes_name() -> None:
    made = await served()
    await made.tell("CGR_PROCESS_CDR", OriginID="c9", Usage="30", **(PARTIES | {"Account": "alice"}))
    assert (await made.money(), await made.money("carrier")) == ((970, 0), (470, 0))
