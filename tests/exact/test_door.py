"""Profiles in front of the core for an agent without pipeline: who pays, what has a place, what is counted."""

import asyncio
from typing import Any

import msgspec

from ocs.charging.account import Account, Balance
from ocs.charging.decision import Change
from ocs.charging.events import ChargingAnswer, ChargingEvent, Result, Unit
from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import ChargingService
from ocs.charging.store import Done, Record
from ocs.charging.store.memory import MemoryStore
from ocs.charging.supervision import SessionRef
from ocs.config.settings import DiameterSubsystem, SessionSettings
from ocs.exact.door import SurroundedDoor
from ocs.exact.sessions import ExactRuntime
from ocs.rpc.methods.cgrates import CGRATES
from ocs.rpc.methods.cgrates.internal import methods_of
from tests.support.charging import ALICE, CLIENT, NOON_NS, TARIFF, initial, rg, terminate, update
from tests.support.door import Counts
from tests.support.waiting import PATIENCE_S

ALL: tuple[DiameterSubsystem, ...] = ("attributes", "resources", "thresholds", "stats")
BOSS = "default:boss"


class Live:
    """A service with the accounts of alice, whom the network names, and of her boss."""

    def __init__(self, subsystems: tuple[DiameterSubsystem, ...] = ALL) -> None:
        self.store: MemoryStore = MemoryStore()
        self.subsystems = subsystems
        self.begin()

    def begin(self) -> None:
        """A process begins."""
        self.service = ChargingService(
            self.store, TARIFF, ChargingPolicy(), Counts(), None, lambda: NOON_NS, lambda: 0
        )
        self.runtime = ExactRuntime(self.service, self.store, SessionSettings())
        self.methods = methods_of(CGRATES, self.runtime)
        self.door = SurroundedDoor(self.service, self.runtime, self.subsystems)

    async def open(self) -> None:
        for key, identities in (("default:alice", (ALICE,)), (BOSS, ())):
            new = Account(
                key, "standard", (Balance("main", Unit.MONEY, 1_000),), identities=identities, version=1
            )
            await self.service.create(Change(new, has_new_identities=bool(identities)))

    async def set(self, kind: str, **profile: Any) -> None:
        own = {"Tenant": "cgrates.org", "FilterIDs": [], "Weight": 10}
        assert await self.methods(f"APIerSv1.Set{kind}", own | profile) == "OK"

    async def ask(self, event: ChargingEvent) -> ChargingAnswer:
        answered: asyncio.Future[ChargingAnswer] = asyncio.get_running_loop().create_future()
        self.door.submit(event, answered.set_result)
        async with asyncio.timeout(PATIENCE_S):
            return await answered

    async def left(self, key: str) -> int:
        found = await self.store.load(key)
        assert found is not None
        return found.balances[0].posted

    def used(self) -> float:
        return float(self.runtime.surroundings.resources.usage("cgrates.org", "RES", NOON_NS))


async def aliased() -> Live:
    live = Live()
    await live.open()
    pays = [{"Path": "*req.Account", "Type": "*constant", "Value": "boss"}]
    await live.set(
        "AttributeProfile",
        ID="BOSS",
        Contexts=["*sessions"],
        FilterIDs=[f"*string:~*req.IMSI:{ALICE.value}"],
        Attributes=pays,
    )
    return live


async def limited() -> Live:
    live = Live()
    await live.open()
    await live.set("ResourceProfile", ID="RES", Limit=1.0, UsageTTL=-1, Stored=True)
    return live


async def test_attributes_say_who_pays_for_a_session() -> None:
    live = await aliased()
    assert (await live.ask(initial(rg(10, 500)))).result is Result.SUCCESS
    assert (await live.ask(update(1, rg(10, 100, 200)))).result is Result.SUCCESS
    assert (await live.ask(terminate(2, rg(10, None, 50)))).result is Result.SUCCESS
    assert (await live.left("default:alice"), await live.left(BOSS)) == (1_000, 750)


async def test_a_payer_that_is_not_there_is_refused() -> None:
    live = await aliased()
    pays = [{"Path": "*req.Account", "Type": "*constant", "Value": "nobody"}]
    await live.set("AttributeProfile", ID="BOSS", Contexts=["*sessions"], Attributes=pays)
    assert (await live.ask(initial(rg(10, 500)))).result is Result.UNKNOWN_SUBSCRIBER


async def test_a_session_without_a_place_is_refused_and_charged_nothing() -> None:
    live = await limited()
    assert (await live.ask(initial(rg(10, 500)))).result is Result.SUCCESS
    assert (await live.ask(initial(rg(10, 500)))).result is Result.SUCCESS, "said again, it has its place"
    refused = await live.ask(initial(rg(10, 500), session="s2"))
    assert refused.result is Result.LIMIT_EXCEEDED
    assert len(live.service.supervision) == 1
    assert (await live.ask(terminate(1, rg(10, None, 100)))).result is Result.SUCCESS
    assert live.used() == 0
    assert (await live.ask(initial(rg(10, 500), session="s3"))).result is Result.SUCCESS


class Turns(MemoryStore):
    """Notes what is queued without a turn of the loop in between, which the stores write in one piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[list[str]] = []
        self.keeps = 0
        self._piece: list[str] | None = None

    def commit(self, change: Change, done: Done) -> None:
        self._note(f"commit {change.account.key}")
        super().commit(change, done)

    def keep(self, records: tuple[Record, ...], done: Done) -> None:
        self.keeps += 1
        self._note(*[f"{kind} {'-' if value is None else '+'}" for kind, _, value in records])
        super().keep(records, done)

    def _note(self, *written: str) -> None:
        if self._piece is None:
            self._piece = []
            self.pieces.append(self._piece)
            asyncio.get_running_loop().call_soon(self._end)
        self._piece += written

    def _end(self) -> None:
        self._piece = None


async def test_a_place_is_taken_and_freed_in_the_transactions_of_the_balances() -> None:
    live = Live()
    store = Turns()
    live.store = store
    live.begin()
    await live.open()
    await live.set("ResourceProfile", ID="RES", Limit=1.0, UsageTTL=-1, Stored=True)
    store.pieces.clear()
    await live.ask(initial(rg(10, 500)))
    await live.ask(terminate(1, rg(10, None, 100)))
    await live.ask(initial(rg(10, 500), session="s2"))
    ref = live.service.supervision.get(f"{CLIENT}|s2")
    assert ref is not None
    await live.service.close_session(ref, "operator")
    taken, freed = ["commit default:alice", "resource_usage +"], ["commit default:alice", "resource_usage -"]
    assert store.pieces == [taken, freed, taken, freed]


async def test_a_threshold_that_a_place_sets_off_acts_behind_the_session() -> None:
    live = await limited()
    await live.set("ThresholdProfile", ID="BUSY", MaxHits=-1, FilterIDs=["*string:~*req.ResourceID:RES"])
    assert (await live.ask(initial(rg(10, 500)))).result is Result.SUCCESS
    hits = live.runtime.surroundings.thresholds_book.get("cgrates.org", "BUSY")
    assert hits is not None
    assert hits.hits == 1


async def test_a_session_begun_anew_keeps_its_place() -> None:
    live = await limited()
    await live.ask(initial(rg(10, 500)))
    again = msgspec.structs.replace(initial(rg(10, 500)), event_id=7)
    assert (await live.ask(again)).result is Result.SUCCESS
    assert live.used() == 1


async def test_a_session_that_replaces_another_takes_its_place() -> None:
    live = await limited()
    await live.ask(initial(rg(10, 500)))
    twin = msgspec.structs.replace(initial(rg(10, 500), session="s2"), replaces_same_bearer=True)
    assert (await live.ask(twin)).result is Result.SUCCESS
    assert live.used() == 1
    assert (await live.ask(terminate(1, rg(10, None, 100), session="s2"))).result is Result.SUCCESS
    assert live.used() == 0


async def test_a_session_the_core_refuses_leaves_its_place() -> None:
    live = await limited()
    assert (await live.ask(initial(rg(51, 500)))).result is not Result.SUCCESS
    assert live.used() == 0


async def test_places_are_there_after_a_restart_and_those_of_silent_sessions_are_freed() -> None:
    live = await limited()
    await live.ask(initial(rg(10, 500)))
    live.begin()
    await live.service._adopt_open_sessions()
    await live.door.sweep()
    assert live.used() == 1
    ref = live.service.supervision.get(f"{CLIENT}|s1")
    assert ref is not None
    assert await live.service.close_session(SessionRef(ref.key, ref.account_key, 0), "operator")
    await live.door.sweep()
    assert live.used() == 0


async def test_records_feed_statistics_and_thresholds() -> None:
    live = Live()
    await live.open()
    metrics = [{"MetricID": "*tcc"}, {"MetricID": "*sum#~*req.Usage"}]
    kept = {"FilterIDs": ["*string:~*req.ToR:*data"], "Metrics": metrics, "Stored": True}
    await live.set("StatQueueProfile", ID="SPENT", **kept)
    await live.set(
        "ThresholdProfile", ID="THD", MaxHits=-1, FilterIDs=["*string:~*req.OriginHost:smf.example"]
    )
    await live.ask(initial(rg(10, 500)))
    await live.ask(terminate(1, rg(10, None, 100)))
    numbers = live.runtime.surroundings.stats_book.numbers("cgrates.org", "SPENT", NOON_NS)
    assert numbers["*sum#~*req.Usage"] == 100
    hits = live.runtime.surroundings.thresholds_book.get("cgrates.org", "THD")
    assert hits is not None
    assert hits.hits == 1
    await live.runtime.durable()
    live.begin()
    numbers = live.runtime.surroundings.stats_book.numbers("cgrates.org", "SPENT", NOON_NS)
    assert numbers["*sum#~*req.Usage"] == 100, "counts are there after a restart"


class Refusing(MemoryStore):
    """Refuses the next change, and what is queued behind it, as where another server was quicker."""

    refuses = False

    def commit(self, change: Change, done: Done) -> None:
        if self.refuses:
            self.refuses = False
            self._fail(asyncio.get_running_loop(), done, "somebody was quicker")
            return
        super().commit(change, done)


async def test_what_is_taken_again_is_counted_and_placed_once() -> None:
    live = Live()
    store = Refusing()
    live.store = store
    live.begin()
    await live.open()
    await live.set("ResourceProfile", ID="RES", Limit=1.0, UsageTTL=-1, Stored=True)
    await live.set("StatQueueProfile", ID="SPENT", Metrics=[{"MetricID": "*sum#~*req.Usage"}], Stored=True)
    await live.set("ThresholdProfile", ID="THD", MaxHits=-1, FilterIDs=["*exists:~*req.DisconnectCause:"])
    for refused in (True, False):
        for event in (initial(rg(10, 500)), terminate(1, rg(10, None, 100))):
            event = msgspec.structs.replace(event, session_id=f"s{refused}")
            store.refuses = refused
            assert (await live.ask(event)).result is Result.SUCCESS
            assert not store.refuses
    await live.runtime.durable()
    numbers = live.runtime.surroundings.stats_book.numbers("cgrates.org", "SPENT", NOON_NS)
    hits = live.runtime.surroundings.thresholds_book.get("cgrates.org", "THD")
    assert hits is not None
    assert (numbers["*sum#~*req.Usage"], hits.hits, live.used()) == (200, 2, 0)


async def test_without_subsystems_records_are_not_counted() -> None:
    live = Live(("attributes",))
    await live.open()
    await live.set("StatQueueProfile", ID="SPENT", Metrics=[{"MetricID": "*tcc"}])
    await live.ask(initial(rg(10, 500)))
    await live.ask(terminate(1, rg(10, None, 100)))
    assert live.runtime.surroundings.stats_book.numbers("cgrates.org", "SPENT", NOON_NS)["*tcc"] == -1
