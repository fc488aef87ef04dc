"""The agent over TCP: several proxies, lost and found again, whole netstrings, nothing said that hurts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from ocs.agents.kamailio.agent import KamailioAgent
from ocs.charging import acts
from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.decision import Change
from ocs.charging.events import Identity, IdentityKind
from ocs.charging.service import ChargingService
from ocs.charging.store.memory import MemoryStore
from ocs.config.settings import MS, KamailioSettings, Proxy
from tests.agents.kamailio.evapi_server import EvapiServer, netstring
from tests.agents.kamailio.world import PARTIES, Answered
from tests.support.charging import NOON_NS, TARIFF
from tests.support.door import POLICY, Counts

AUTH = {"tr_index": "1", "tr_label": "2", "OriginID": "c1"} | PARTIES


async def service_with(nanos: int) -> ChargingService:
    service = ChargingService(MemoryStore(), TARIFF, POLICY, Counts(), wall_ns=lambda: NOON_NS)
    identities = (Identity(IdentityKind.E164, "1001"),)
    new = acts.NewAccount("default:1001", "standard", identities, (acts.TopUp(nanos),))
    account, posting = acts.create(new, acts.Act("seed", 0, "test"))
    assert posting is not None
    await service.create(Change(account, (posting,), has_new_identities=True))
    return service


@asynccontextmanager
async def running(*names: str, nanos: int = 10**7) -> AsyncIterator[tuple[KamailioAgent, list[EvapiServer]]]:
    """An agent connected to so many proxies."""
    proxies = [EvapiServer() for _ in names]
    for proxy in proxies:
        await proxy.start()
    connections = tuple(
        Proxy("127.0.0.1", proxy.port, name) for proxy, name in zip(proxies, names, strict=True)
    )
    settings = KamailioSettings(connections, reconnect_ns=10 * MS, reconnect_maximum_ns=100 * MS)
    agent = KamailioAgent(settings, await service_with(nanos), Answered())
    await agent.start()
    try:
        for proxy in proxies:
            await proxy.until_connected()
        yield agent, proxies
    finally:
        await agent.drain()
        for proxy in proxies:
            await proxy.stop()


async def test_every_proxy_gets_the_answers_to_its_own_questions() -> None:
    async with running("kam1", "kam2", nanos=10**9) as (agent, (first, second)):
        first.say("CGR_AUTH_REQUEST", **AUTH)
        second.say("CGR_AUTH_REQUEST", **(AUTH | {"tr_index": "9"}))
        assert (await first.hear())["TransactionIndex"] == "1"
        assert (await second.hear())["TransactionIndex"] == "9"
        assert set(agent.proxies["kam1"].calls) == set(agent.proxies["kam2"].calls) == {"c1"}
        address = SessionAddress("kam1", "c1", "kam1", "voice")
        assert await agent.disconnect(address, "x") is ControlResult.ACCEPTED
        assert await agent.reauthorize(address) is ControlResult.REFUSED, "it is not answered yet"
        other = SessionAddress("smf.example", "c1", "smf.example", "data")
        assert await agent.disconnect(other, "x") is ControlResult.UNSUPPORTED
        assert await agent.reauthorize(other) is ControlResult.UNSUPPORTED


async def test_a_lost_proxy_is_connected_to_again_and_asked_for_its_dialogs() -> None:
    async with running("kam1") as (_, (proxy,)):
        proxy.say("CGR_AUTH_REQUEST", **AUTH)
        assert (await proxy.hear())["MaxUsage"] == 10_000
        await proxy.stop()
        await asyncio.sleep(0.05)
        await proxy.start()
        await proxy.until_connected()
        assert await proxy.hear() == {"Event": "CGR_DLG_LIST"}
        proxy.say("CGR_CALL_START", h_entry="1", h_id="2", AnswerTime="1763805604", **AUTH)
        proxy.say("CGR_CALL_END", h_entry="1", h_id="2", Usage="5", **AUTH)
        proxy.say("CGR_AUTH_REQUEST", **(AUTH | {"OriginID": "c2"}))
        assert (await proxy.hear())["MaxUsage"] == 9_995


async def test_a_proxy_that_is_there_later_is_found() -> None:
    proxy = EvapiServer()
    await proxy.start()
    await proxy.stop()
    connections = (Proxy("127.0.0.1", proxy.port),)
    settings = KamailioSettings(connections, reconnect_ns=10 * MS, reconnect_maximum_ns=20 * MS)
    agent = KamailioAgent(settings, await service_with(5_000), Answered())
    await agent.start()
    assert list(agent.links) == [f"127.0.0.1:{proxy.port}"]
    await asyncio.sleep(0.05)
    await proxy.start()
    await proxy.until_connected()
    await agent.drain()
    await proxy.stop()
    assert proxy.connections == 1


@pytest.mark.parametrize("step", [1, 7, 1_000_000])
async def test_messages_may_come_in_any_pieces(step: int) -> None:
    async with running("kam1") as (_, (proxy,)):
        asked = [AUTH | {"tr_index": str(number), "RequestType": "*none"} for number in range(3)]
        octets = b"".join(netstring("CGR_AUTH_REQUEST", **fields) for fields in asked)
        for start in range(0, len(octets), step):
            proxy.write(octets[start : start + step])
            await asyncio.sleep(0)
        heard = [(await proxy.hear())["TransactionIndex"] for _ in range(3)]
        assert heard == ["0", "1", "2"]


async def test_broken_framing_ends_the_connection_and_a_new_one_is_made() -> None:
    async with running("kam1") as (_, (proxy,)):
        proxy.write(b"GET / HTTP/1.1\r\n\r\n")
        await proxy.until_gone()
        await proxy.until_connected()
        proxy.say("CGR_AUTH_REQUEST", **AUTH)
        assert (await proxy.hear())["MaxUsage"] == 10_000


async def test_a_message_that_says_nothing_leaves_the_connection_alone() -> None:
    async with running("kam1") as (agent, (proxy,)):
        proxy.write(b"5:hello,2:[],28:" + b'{"event":"CGR_UNHEARD_OF"}  ,')
        proxy.say("CGR_AUTH_REQUEST", **AUTH)
        assert (await proxy.hear())["MaxUsage"] == 10_000
        assert (agent.links["kam1"].malformed, proxy.connections) == (3, 1)
