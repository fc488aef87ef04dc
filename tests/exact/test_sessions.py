"""Claims about the event pipeline on the exact core, where core and pipeline could part."""

import asyncio
from typing import Any

import msgspec
import pytest

from ocs.cgrates.journal import JournalError
from ocs.cgrates.kinds import Kind
from ocs.charging.account import session_key
from ocs.charging.decision import Change
from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import CAUSE_SILENT, ChargingService
from ocs.charging.store.memory import MemoryStore
from ocs.charging.supervision import SessionRef
from ocs.config.settings import SessionSettings
from ocs.exact.accounting import CLIENT
from ocs.exact.sessions import ExactRuntime
from ocs.rpc.methods.cgrates import CGRATES
from ocs.rpc.methods.cgrates.internal import methods_of
from ocs.sessions.model import CgrEvent
from tests.charging.cgrates.small import Price
from tests.charging.exact.small import KEY, NANOS, S, account, balance, catalogue
from tests.support.door import Counts

HOUR_NS = 3600 * S
START_NS = 1_767_600_000 * S


class Live:
    """A service with the account `t:a` of 100, where a second costs 1, and the pipeline on it."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.now_ns = 0  # of the monotonic clock
        self.service = self._service()
        self.runtime = ExactRuntime(self.service, self.store, SessionSettings(default_tenant="t"))

    def _service(self) -> ChargingService:
        return ChargingService(
            self.store,
            catalogue(Price("0 1/1s/1s")),
            ChargingPolicy(),
            Counts(),
            wall_ns=lambda: START_NS + self.now_ns,
            monotonic_ns=lambda: self.now_ns,
        )

    async def ready(self, usage: int, **more: Any) -> CgrEvent:
        event = {
            "OriginID": "o1",
            "ToR": "*voice",
            "RequestType": "*prepaid",
            "Account": "a",
            "Destination": "33123",
            "Category": "call",
            "Usage": usage,
            **more,
        }
        made = CgrEvent("t", event)
        await self.runtime.make_ready((made,))
        return made

    async def money(self) -> tuple[int, int]:
        """Posted and held, in units of the currency, as the store has it."""
        found = await self.store.load(KEY)
        assert found is not None
        return found.balances[0].posted // NANOS, found.balances[0].reserved // NANOS

    def core_session(self) -> str:
        (session,) = self.runtime.state.sessions.values()
        return session_key(CLIENT, session.runs[0].money.session_id)


async def test_a_step_that_is_lost_leaves_neither_session_nor_hold() -> None:
    live = Live()
    await live.service.create(Change(account(balance("100", "cash"))))
    event = await live.ready(10 * S)
    stored = await live.store.load(KEY)
    assert stored is not None
    live.store.commit(Change(msgspec.structs.replace(stored, version=stored.version + 1)), lambda error: None)
    assert live.runtime.sessions.initiate(event) == 10 * S
    assert live.runtime.state.sessions
    with pytest.raises(JournalError):
        await live.runtime.durable()
    assert not live.runtime.state.sessions
    assert await live.money() == (100, 0)
    event = await live.ready(10 * S)
    assert live.runtime.sessions.initiate(event) == 10 * S
    await live.runtime.durable()
    assert await live.money() == (100, 10)


async def test_a_step_that_is_lost_leaves_no_place_taken_and_no_threshold_asleep() -> None:
    live = Live()
    await live.service.create(Change(account(balance("100", "cash"))))
    call = methods_of(CGRATES, live.runtime)
    own = {"Tenant": "t", "FilterIDs": [], "Weight": 10}
    await call("APIerSv1.SetResourceProfile", own | {"ID": "RES", "Limit": 1.0, "UsageTTL": -1})
    await call("APIerSv1.SetThresholdProfile", own | {"ID": "THD", "MaxHits": -1, "MinSleep": "1h"})
    event = await live.ready(10 * S)
    stored = await live.store.load(KEY)
    assert stored is not None
    live.store.commit(Change(msgspec.structs.replace(stored, version=stored.version + 1)), lambda error: None)
    live.runtime.surroundings.allocate_resources(event)
    assert live.runtime.surroundings.thresholds(event, ()) == ["THD"]
    live.runtime.sessions.initiate(event)
    with pytest.raises(JournalError):
        await live.runtime.durable()
    assert not live.runtime.surroundings.resources.usage("t", "RES", START_NS)
    hits = live.runtime.surroundings.thresholds_book.get("t", "THD")
    assert hits is not None
    assert (hits.hits, hits.snooze_ns) == (0, 0)


async def end_in_the_core(live: Live) -> None:
    await live.service.close_session(SessionRef(live.core_session(), KEY, 0), "operator")
    assert await live.money() == (100, 0)


async def begun(live: Live) -> None:
    live.runtime.sessions.initiate(await live.ready(10 * S))
    await live.runtime.durable()
    assert await live.money() == (100, 10)


async def test_a_session_that_the_core_has_ended_is_charged_once_by_its_end() -> None:
    live = Live()
    await live.service.create(Change(account(balance("100", "cash"))))
    await begun(live)
    await end_in_the_core(live)
    live.runtime.sessions.terminate(await live.ready(7 * S))
    await live.runtime.durable()
    assert await live.money() == (93, 0)
    live.runtime.cdrs.process(await live.ready(7 * S))
    await live.runtime.durable()
    assert await live.money() == (93, 0)


async def test_a_session_that_the_core_has_ended_goes_on_with_an_update() -> None:
    live = Live()
    await live.service.create(Change(account(balance("100", "cash"))))
    await begun(live)
    await end_in_the_core(live)
    assert live.runtime.sessions.update(await live.ready(10 * S, Number=2)) == 10 * S
    await live.runtime.durable()
    assert await live.money() == (100, 20)
    live.runtime.sessions.terminate(await live.ready(15 * S))
    await live.runtime.durable()
    assert await live.money() == (85, 0)


async def test_a_session_of_the_pipeline_is_not_ended_by_the_core_because_it_is_silent() -> None:
    live = Live()
    await live.service.create(Change(account(balance("100", "cash"))))
    await begun(live)
    ref = live.service.supervision.get(live.core_session())
    assert ref is not None
    live.now_ns += 30 * HOUR_NS
    await live.runtime.start()
    await asyncio.sleep(0)
    assert not await live.service.close_session(ref, CAUSE_SILENT)
    assert await live.money() == (100, 10)
    await live.runtime.stop()


async def test_a_new_runtime_on_the_same_store_goes_on() -> None:
    live = Live()
    await live.service.create(Change(account(balance("100", "cash"))))
    await begun(live)
    live.service = live._service()
    live.runtime = ExactRuntime(live.service, live.store, SessionSettings(default_tenant="t"))
    await live.runtime.start()
    live.runtime.sessions.terminate(await live.ready(4 * S))
    await live.runtime.durable()
    await live.runtime.stop()
    assert await live.money() == (96, 0)


async def test_the_oldest_records_are_forgotten_where_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ocs.exact.sessions.MOST_RECORDS", 2)
    monkeypatch.setattr("ocs.exact.sessions.KEPT_AT_ONCE", 2)
    live = Live()
    await live.service.create(Change(account(balance("100", "cash"))))
    for name in "abcde":
        live.runtime.cdrs.process(await live.ready(5 * S, OriginID=name))
    await live.runtime.forget_records()
    assert [cdr.origin_id for cdr in live.runtime.state.tables[Kind.CDR].values()] == ["d", "e"]


async def test_records_are_forgotten_when_they_are_old_enough() -> None:
    live = Live()
    await live.service.create(Change(account(balance("100", "cash"))))
    for name in ("old", "young"):
        live.runtime.cdrs.process(await live.ready(5 * S, OriginID=name))
        live.now_ns += 20 * 24 * HOUR_NS
    await live.runtime.forget_records()
    assert [cdr.origin_id for cdr in live.runtime.state.tables[Kind.CDR].values()] == ["young"]
    assert [kind for kind, _, _ in live.store.kept()] == ["cdr"]
    assert await live.money() == (90, 0)
