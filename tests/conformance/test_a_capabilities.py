"""A. Transport and capabilities exchange: cases 1 to 21."""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path

import pytest

from ocs.agents.diameter.agent import DiameterAgent
from ocs.config.settings import DiameterSettings, IdentitySettings, Limits, Listener, Peer, Settings, Timers
from ocs.diameter import avps
from ocs.diameter.avp import encode_octets, encode_u32, encode_utf8, group
from tests.conformance.authority import Authority
from tests.conformance.client import CLIENT, Client, ccr, cer, dwr, message
from tests.conformance.decoded import checked
from tests.conformance.world import World, served
from tests.support.gy import CountingMetrics, FakeService, requested, service
from tests.support.waiting import PATIENCE_S

MS = 1_000_000
GX = 16_777_238
RELAY = 0xFFFF_FFFF


@served()
async def test_001_a_valid_cer_gets_a_cea_with_everything_a_client_looks_for(world: World) -> None:
    answer = await (await world.connect()).ask(cer())
    assert answer.code == 2001
    assert answer.text(avps.ORIGIN_HOST) == "ocs.example.net"
    assert answer.text(avps.ORIGIN_REALM) == "example.net"
    assert answer.one(avps.HOST_IP_ADDRESS) == b"\0\1\x7f\0\0\1"
    assert answer.has(avps.VENDOR_ID)
    assert answer.text(avps.PRODUCT_NAME) == "ocs"
    assert answer.number(avps.AUTH_APPLICATION_ID) == 4
    assert (10_415).to_bytes(4, "big") in answer.all(avps.SUPPORTED_VENDOR_ID)
    specific = answer.group(avps.VENDOR_SPECIFIC_APPLICATION_ID)
    assert (specific.number(avps.VENDOR_ID), specific.number(avps.AUTH_APPLICATION_ID)) == (10_415, 4)
    assert not {key: flags & 0x40 for key, flags, _ in answer.avps}[avps.PRODUCT_NAME]


@served()
async def test_001_small_answers_are_not_held_back(world: World) -> None:
    await world.open()
    (peer,) = world.agent._connections
    assert peer._transport is not None
    opened = peer._transport.get_extra_info("socket")
    assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def _tls_agent(
    folder: Path, verify: bool, peers: tuple[Peer, ...] = ()
) -> tuple[DiameterAgent, Authority]:
    authority = Authority(folder)
    certificate, key = authority.issue("ocs.example.net")
    listener = Listener(
        port=0, transport="tls", certificate=certificate, key=key, ca=str(authority.ca), verify_peer=verify
    )
    diameter = DiameterSettings(
        listen=(listener,), peers=peers, timers=Timers(capabilities_timeout_ns=30_000 * MS, drain_ns=0)
    )
    settings = Settings(IdentitySettings("ocs.example.net", "example.net"), diameter)
    agent = DiameterAgent(settings, FakeService(), CountingMetrics())
    await agent.start()
    return agent, authority


def test_003_cer_is_served_after_the_handshake_and_clear_octets_close(tmp_path: Path) -> None:
    async def test() -> None:
        agent, authority = await _tls_agent(tmp_path, verify=False)
        client = await Client.connect(agent.addresses()[0], authority.client_context())
        assert (await client.ask(cer())).code == 2001
        clear = await Client.connect(agent.addresses()[0])
        clear.send(cer("clear.example.net"))
        async with asyncio.timeout(PATIENCE_S):
            said = await clear.reader.read()
        assert said[:1] != b"\1", "an alert of TLS perhaps, but no Diameter"
        clear.abort()
        assert await client.alive()
        client.abort()
        await agent.drain()

    asyncio.run(test())


@pytest.mark.parametrize(("shown", "code"), [("pgw.example.net", 2001), ("other.example.net", 3010)])
def test_004_a_certificate_of_another_name_is_refused(tmp_path: Path, shown: str, code: int) -> None:
    async def test() -> None:
        peers = (Peer(CLIENT, tls_name=CLIENT),)
        agent, authority = await _tls_agent(tmp_path, verify=True, peers=peers)
        client = await Client.connect(agent.addresses()[0], authority.client_context(shown))
        assert (await client.ask(cer())).code == code
        client.abort()
        await agent.drain()

    asyncio.run(test())


def test_004_without_a_certificate_no_peer_gets_in_where_one_is_demanded(tmp_path: Path) -> None:
    async def test() -> None:
        agent, authority = await _tls_agent(tmp_path, verify=True)
        client = await Client.connect(agent.addresses()[0], authority.client_context())
        client.send(cer())
        with pytest.raises((ssl.SSLError, OSError, asyncio.IncompleteReadError)):
            await client.raw()
        client.abort()
        await agent.drain()

    asyncio.run(test())


@served()
async def test_005_no_common_application_is_5010_and_the_end(world: World) -> None:
    client = await world.connect()
    assert (await client.ask(cer(applications=(GX,)))).code == 5010
    assert await client.closed()


@served()
async def test_006_a_relay_shares_every_application(world: World) -> None:
    assert (await (await world.connect()).ask(cer(applications=(RELAY,)))).code == 2001


@pytest.mark.parametrize("vendor", [10_415, 0])
@served()
async def test_007_an_application_in_a_vendor_specific_group_counts(world: World, vendor: int) -> None:
    members = encode_u32(avps.VENDOR_ID, vendor), encode_u32(avps.AUTH_APPLICATION_ID, 4)
    request = cer(CLIENT, group(avps.VENDOR_SPECIFIC_APPLICATION_ID, members), applications=())
    assert (await (await world.connect()).ask(request)).code == 2001


@pytest.mark.parametrize(("offered", "code"), [((1,), 5017), ((0, 1), 2001), ((0,), 2001)])
@served()
async def test_008_an_offer_of_tls_alone_is_5017(world: World, offered: Iterable[int], code: int) -> None:
    offers = [encode_u32(avps.INBAND_SECURITY_ID, each) for each in offered]
    assert (await (await world.connect()).ask(cer(CLIENT, *offers))).code == code


@served(DiameterSettings(admit_unlisted="none", peers=(Peer("known.example.net"),)))
async def test_009_unknown_peers_are_3010_where_they_are_not_let_in(world: World) -> None:
    client = await world.connect()
    assert (await client.ask(cer("unknown.example.net"))).code == 3010
    assert await client.closed()
    assert (await (await world.connect()).ask(cer("KNOWN.example.net"))).code == 2001


@served(DiameterSettings(admit_unlisted="any"))
async def test_009_unknown_peers_are_served_where_they_are_let_in(world: World) -> None:
    assert (await (await world.connect()).ask(cer("unknown.example.net"))).code == 2001


@served()
async def test_010_cer_without_origin_host_is_5005_with_an_example(world: World) -> None:
    client = await world.connect()
    answer = await client.ask(message(0x80, 257, 0, [encode_u32(avps.AUTH_APPLICATION_ID, 4)]))
    assert answer.code == 5005
    assert answer.failed.keys == [avps.ORIGIN_HOST]
    assert await client.closed()


@served()
async def test_011_an_unknown_mandatory_avp_in_cer_is_ignored(world: World) -> None:
    answer = await (await world.connect()).ask(cer(CLIENT, encode_u32(60_000, 7)))
    assert answer.code == 2001


@pytest.mark.parametrize("name", ["ocs.example.net", "OCS.Example.Net"])
@served()
async def test_012_the_servers_own_name_is_refused(world: World, name: str) -> None:
    client = await world.connect()
    assert (await client.ask(cer(name))).code == 3010
    assert await client.closed()


@served()
async def test_013_a_second_identical_cer_is_answered_and_sessions_go_on(world: World) -> None:
    client = await world.open()
    assert (await client.initial(service(10, requested()))).said == "2001 10=10000000"
    assert (await client.ask(cer())).code == 2001
    assert (await client.update(1, service(10, requested()))).said == "2001 10=10000000"


@served()
async def test_013_a_cer_of_somebody_else_on_an_open_connection_closes_it(world: World) -> None:
    client = await world.open()
    client.send(cer("other.example.net"))
    assert await client.closed()


@served(DiameterSettings(timers=Timers(probe_ns=30_000 * MS)))
async def test_014_the_old_connection_is_probed_and_keeps_its_place_while_it_lives(world: World) -> None:
    old = await world.open()
    new, request = await world.connect(), cer()
    new.send(request)
    probe = await old.receive()
    assert (probe.command, probe.flags) == (280, 0x80)
    old.send(message(0, 280, 0, [encode_u32(avps.RESULT_CODE, 2001)], probe.hop_by_hop, probe.end_to_end))
    assert (await new.answer(request)).code == 4003
    assert await new.closed()
    assert await old.alive()


@served(DiameterSettings(timers=Timers(probe_ns=200 * MS)))
async def test_014_the_new_connection_wins_when_the_old_one_is_dead(world: World) -> None:
    old = await world.open()
    new, request = await world.connect(), cer()
    new.send(request)
    assert (await old.receive()).command == 280
    assert (await new.answer(request)).code == 2001  # nothing came from the old one
    assert await old.closed()
    assert await new.alive()


@pytest.mark.parametrize("first", [ccr(service(10, requested())), dwr(), message(0x80, 999, 4, [])])
@served()
async def test_016_017_anything_but_cer_first_closes_without_an_answer(world: World, first: bytes) -> None:
    client = await world.connect()
    client.send(first)
    assert await client.closed()
    assert (await world.account()).sessions == ()


@served(DiameterSettings(timers=Timers(capabilities_timeout_ns=300_000 * MS)))
async def test_018_another_protocol_closes_at_once(world: World) -> None:
    client = await world.connect()
    client.send(b"GET / HTTP/1.1\r\nHost: ocs.example.net\r\n\r\n")
    assert await client.closed()


@served(DiameterSettings(timers=Timers(capabilities_timeout_ns=200 * MS)))
async def test_019_silence_closes_on_the_capabilities_timer(world: World) -> None:
    assert await (await world.connect()).closed()


@served(DiameterSettings(timers=Timers(frame_timeout_ns=200 * MS)))
async def test_020_a_message_that_takes_too_long_closes_though_octets_keep_coming(world: World) -> None:
    slow = await world.open()
    frame = ccr(service(10, requested()))

    async def drip() -> None:
        for octet in frame:
            slow.send(bytes([octet]))
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    assert await slow.closed()
    dripping.cancel()
    assert (await world.account()).sessions == ()


@served(DiameterSettings(limits=Limits(unopened_connections=50, connections_per_address=500)))
async def test_021_idle_sockets_do_not_keep_others_from_being_served(world: World) -> None:
    known = await world.open()
    idle = [await world.connect() for _ in range(120)]
    assert sum([await client.closed() for client in idle[50:]]) == 70, "those beyond the limit are dropped"
    assert (await known.initial(service(10, requested()))).said == "2001 10=10000000"
    for client in idle:
        client.abort()

    async def let_go() -> bool:
        return world.counter("ocs_connections_open") == 1

    await world.until(let_go)
    late = await world.open("late.example.net")
    request = dwr("late.example.net")
    late.send(request)
    assert checked(request, await late.raw()).code == 2001


@pytest.mark.parametrize("missing", [avps.HOST_IP_ADDRESS, avps.VENDOR_ID, avps.PRODUCT_NAME])
@served(DiameterSettings(strict=True))
async def test_010_strictly_every_avp_of_the_grammar_is_demanded(world: World, missing: int) -> None:
    parts = {
        avps.ORIGIN_HOST: encode_utf8(avps.ORIGIN_HOST, CLIENT),
        avps.ORIGIN_REALM: encode_utf8(avps.ORIGIN_REALM, "example.net"),
        avps.HOST_IP_ADDRESS: encode_octets(avps.HOST_IP_ADDRESS, b"\0\1\x7f\0\0\1"),
        avps.VENDOR_ID: encode_u32(avps.VENDOR_ID, 0),
        avps.PRODUCT_NAME: encode_utf8(avps.PRODUCT_NAME, "conformance", False),
        avps.AUTH_APPLICATION_ID: encode_u32(avps.AUTH_APPLICATION_ID, 4),
    }
    assert (await (await world.connect()).ask(message(0x80, 257, 0, parts.values()))).code == 2001
    del parts[missing]
    client = await world.connect()
    answer = await client.ask(message(0x80, 257, 0, parts.values()))
    assert answer.code == 5005
    assert answer.failed.keys == [missing]
    assert await client.closed()


@served(DiameterSettings(strict=True))
async def test_011_strictly_an_unknown_mandatory_avp_in_cer_is_5001(world: World) -> None:
    client = await world.connect()
    answer = await client.ask(cer(CLIENT, encode_u32(99_999, 1)))
    assert answer.code == 5001
    assert answer.failed.keys == [99_999]
    assert await client.closed()
    assert (await (await world.connect()).ask(cer(CLIENT, encode_u32(99_999, 1, False)))).code == 2001


def test_008_inside_tls_an_offer_of_tls_alone_is_served(tmp_path: Path) -> None:
    async def test() -> None:
        agent, authority = await _tls_agent(tmp_path, verify=False)
        client = await Client.connect(agent.addresses()[0], authority.client_context())
        assert (await client.ask(cer(CLIENT, encode_u32(avps.INBAND_SECURITY_ID, 1)))).code == 2001
        client.abort()
        await agent.drain()

    asyncio.run(test())
