"""N. Load and operations: cases 181 to 188, in small form."""

import asyncio
import gc
import sys
from pathlib import Path

import pytest

from ocs.charging.account import Account
from ocs.charging.decision import Change
from ocs.charging.store import Done, StoreUnavailable
from ocs.config.settings import DiameterSettings, Limits, Peer
from ocs.diameter import avps
from tests.conformance.client import UPDATE, Client, ccr, cer, dwr, imsi
from tests.conformance.decoded import ERROR, Decoded, checked
from tests.conformance.process import spawn
from tests.conformance.world import EUR, MB, World, served, tariff
from tests.support.effort import at_most
from tests.support.gy import requested, service, total, used

ASKING = service(10, requested(total(1_000)))
MS = 1_000_000


@served(DiameterSettings(limits=Limits(window=50)), durable=True)
async def test_181_a_full_window_is_3004_at_once_and_the_watchdog_is_answered(world: World) -> None:
    client = await world.open()
    requests = [ccr(ASKING, session=f"s;{number}") for number in range(200)]
    client.send(*requests, dwr())
    frames = [await client.raw() for _ in range(201)]
    assert Decoded(frames[0]).command == 280, "the watchdog overtakes"
    codes = [Decoded(frame).code for frame in frames[1:]]
    assert codes.count(3004) >= 100
    assert codes.count(2001) >= 50
    assert set(codes) == {2001, 3004}
    refused = next(Decoded(frame) for frame in frames[1:] if Decoded(frame).code == 3004)
    assert refused.flags & ERROR
    assert world.counter("ocs_shed_requests_total") == codes.count(3004)


class SlowStore:
    """The world's store, which takes its time or fails."""

    def __init__(self, world: World) -> None:
        self._load, self._commit = world.store.load, world.store.commit
        self.hold: asyncio.Event | None = None
        self.is_down = False
        world.store.load = self.load  # type: ignore[method-assign]
        world.store.commit = self.commit  # type: ignore[method-assign]

    async def load(self, key: str) -> Account | None:
        """Wait, or fail."""
        if self.hold is not None:
            await self.hold.wait()
        if self.is_down:
            raise StoreUnavailable("down")
        return await self._load(key)

    def commit(self, change: Change, done: Done) -> None:
        """Fail, or go on."""
        if self.is_down:
            asyncio.get_running_loop().call_soon(done, StoreUnavailable("down"))
        else:
            self._commit(change, done)


@served()
async def test_182_a_request_that_waited_too_long_is_not_debited(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    store = SlowStore(world)
    store.hold = asyncio.Event()
    world.service._accounts.clear()
    patience_ns, world.service.limits.wait_ns = world.service.limits.wait_ns, 100 * MS
    answer = await client.update(1, service(10, used(total(700)), requested(total(1_000))))
    assert (answer.code, answer.flags & ERROR) == (3004, ERROR)
    world.service.limits.wait_ns = patience_ns
    store.hold.set()
    assert (await world.spent())[0] == 0
    again = await client.update(1, service(10, used(total(700)), requested(total(1_000))), flags=0xD0)
    assert again.said == "2001 10=1000"
    assert await world.spent() == (700_000, MB)


@served(DiameterSettings(peers=(Peer(origin_host="smf.example.net", profile="open5gs"),)), limits_wait_ns=-1)
async def test_182_a_client_that_takes_busy_for_the_end_is_answered_late(world: World) -> None:
    """Every request has waited too long here: what this client reports is charged all the same."""
    other, smf = await world.open(), await world.open("smf.example.net")
    assert (await other.initial(ASKING)).code == 3004
    assert (await smf.initial(ASKING)).said == "2001 10=1000"
    answer = await smf.update(1, service(10, used(total(700)), requested(total(1_000))))
    assert answer.said == "2001 10=1000"
    assert await world.spent() == (700_000, MB)


@served(DiameterSettings(limits=Limits(window=20)), durable=True)
async def test_183_a_flooding_peer_does_not_slow_others(world: World) -> None:
    await world.add("bob", imsi="001010000000002")
    flood, quiet = await world.open("flood.example.net"), await world.open()
    frames = [ccr(ASKING, session=f"f;{number}", host=flood.host) for number in range(1_000)]
    flood.send(*frames)
    answer = await quiet.initial(ASKING, who=imsi("001010000000002"))
    assert answer.said == "2001 10=1000"
    codes = [Decoded(await flood.raw()).code for _ in frames]
    assert codes.count(3004) > 500


@served()
async def test_184_a_session_costs_little_memory_and_its_supervision_none_in_time(world: World) -> None:
    """Small form: 2,000 sessions of 200 accounts."""
    for number in range(200):
        await world.add(f"n{number}", imsi=f"0010190{number:08}")
    client = await world.open()
    before = _held(world)
    for number in range(2_000):
        who = imsi(f"0010190{number % 200:08}")
        assert (await client.initial(ASKING, session=f"s;{number}", who=who)).code == 2001
    assert (_held(world) - before) / 2_000 < 4_096
    assert len(world.service.supervision) == 2_000
    with at_most(0.8):
        for step in range(1_000):
            world.service.supervision.due(world.clock.monotonic_ns() + step * EUR, 1_000)


def _held(world: World) -> int:
    """Octets of every object reachable from the accounts and the supervision."""
    seen: set[int] = set()
    waiting: list[object] = [world.service._accounts, world.service.supervision]
    held = 0
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, type):
            continue
        seen.add(id(each))
        held += sys.getsizeof(each)
        waiting += gc.get_referents(each)
        if hasattr(each, "__struct_fields__"):
            waiting += [getattr(each, name) for name in each.__struct_fields__]
    return held


@served(durable=True)
async def test_185_a_reload_under_load_fails_no_request(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    requests = [
        ccr(service(10, used(total(10)), requested(total(1_000))), kind=UPDATE, number=number)
        for number in range(1, 301)
    ]
    for start in range(0, 300, 50):
        batch = requests[start : start + 50]
        client.send(*batch)
        world.service.swap(tariff(), world.service.policy)
        assert {answer.said for answer in await client.answers(*batch)} == {"2001 10=1000"}
    assert await world.spent() == (300 * 10_000, MB)


def test_186_the_log_names_no_subscriber(tmp_path: Path) -> None:
    """Everything logged at the chattiest level while sessions open, fail and end."""

    async def test() -> None:
        process, address = await spawn(tmp_path / "ocs.db", tmp_path / "log")
        try:
            client = await Client.connect(address)
            assert (await client.ask(cer())).code == 2001
            await client.initial(ASKING)
            await client.initial(ASKING, who=imsi("001019999999999"), session="s;2")
            usage = service(10, used(total(500)))
            await client.update(4, usage, session="pgw.example.net;IMSI001010000000001-77;3")
            await client.initial(ASKING, without=(avps.CC_REQUEST_NUMBER,))
            assert (await client.terminate(1)).code == 2001
            client.abort()
        finally:
            process.kill()
            await process.wait()

    asyncio.run(test())
    text = (tmp_path / "log").read_text()
    assert "peer.opened" in text
    assert "charging.usage_orphaned" in text
    for secret in ("001010000000001", "001019999999999", "15550100001"):
        assert secret not in text


@served()
async def test_186_the_metrics_name_no_subscriber(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    await client.terminate(1, service(10, used(total(5))))
    page = world.metrics.render().decode()
    assert "ocs_requests_total" in page
    for secret in ("001010000000001", "15550100001", "pgw.example.net"):
        assert secret not in page


@served(durable=True)
async def test_187_a_clean_stop_loses_nothing_and_a_start_goes_on(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    requests = [ccr(service(10, used(total(10))), kind=UPDATE, number=number) for number in range(1, 201)]
    client.send(*requests)

    async def taken() -> bool:
        return world.agent.peers()[0].requests == 201

    await world.until(taken)
    stopping = asyncio.create_task(world.stop())
    answers = await client.answers(*requests)
    assert {answer.code for answer in answers} == {2001}
    assert (await client.receive()).command == 282
    client.abort()
    await stopping
    await world.start()
    assert await world.spent() == (200 * 10_000, 0)

    async def watched() -> bool:
        return len(world.service.supervision) == 1

    await world.until(watched)
    again = await world.open()
    assert (await again.terminate(201)).code == 2001


@pytest.mark.parametrize("known", [True, False])
@served()
async def test_188_a_store_that_is_down_is_3004_at_once_and_recovers(world: World, known: bool) -> None:
    client = await world.open()
    await client.initial(ASKING)
    store = SlowStore(world)
    store.is_down = True
    if not known:
        world.service._accounts.clear()
    world.service.limits.wait_ns = 3_600 * EUR  # no deadline is what it waits for
    report = ccr(service(10, used(total(700)), requested(total(1_000))), kind=UPDATE, number=1)
    answer = await client.ask(report)
    assert (answer.code, answer.flags & ERROR) == (3004, ERROR)
    store.is_down = False
    client.send(report)
    assert checked(report, await client.raw()).said == "2001 10=1000"
    assert await world.spent() == (700_000, MB)
