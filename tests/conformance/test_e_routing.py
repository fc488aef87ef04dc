"""E. Routing and DRA: cases 77 to 85."""

import asyncio

import pytest

from ocs.charging.store.sqlite import SqliteStore
from ocs.config.settings import DiameterSettings
from ocs.diameter import avps
from ocs.diameter.avp import encode_octets, encode_u32, encode_utf8, group
from tests.conformance.client import CLIENT, UPDATE, ccr, dwr, imsi, reply
from tests.conformance.decoded import ERROR
from tests.conformance.world import EUR, MB, World, served
from tests.support.gy import requested, service, total, used

ASKING = service(10, requested(total(1_000_000)))
GRANTED = "2001 10=1000000"
RELAY = (0xFFFF_FFFF,)
PROXIES = [
    group(avps.PROXY_INFO, (encode_utf8(avps.PROXY_HOST, host), encode_octets(avps.PROXY_STATE, b"\0state")))
    for host in ("b.example.net", "a.example.net")
]


@pytest.mark.parametrize(("rating_group", "code"), [(10, 2001), (31, 4010)])
@served()
async def test_077_proxy_infos_are_echoed_in_order(world: World, rating_group: int, code: int) -> None:
    client = await world.open()
    answer = await client.initial(service(rating_group, requested()), *PROXIES)
    assert answer.code == code
    assert [group(avps.PROXY_INFO, (each,)) for each in answer.all(avps.PROXY_INFO)] == PROXIES


@served()
async def test_078_a_route_record_is_no_hindrance_but_the_own_one_is_a_loop(world: World) -> None:
    client = await world.open()
    assert (await client.initial(ASKING, encode_utf8(avps.ROUTE_RECORD, "dra.example.net"))).said == GRANTED
    looped = [encode_utf8(avps.ROUTE_RECORD, host) for host in ("dra.example.net", "OCS.example.NET")]
    answer = await client.initial(ASKING, *looped, session="s;2")
    assert (answer.code, answer.flags & ERROR) == (3005, ERROR)
    assert len((await world.account()).sessions) == 1


LISTED = DiameterSettings(serve_realms=("served.example",), serve_hosts=("node2.example.net",))


@pytest.mark.parametrize(
    ("host", "realm", "code"),
    [
        pytest.param(None, "elsewhere.example", 3003, id="079-another-realm"),
        pytest.param(None, "SERVED.example", 2001, id="079-a-listed-realm"),
        pytest.param(None, "example.net", 2001, id="079-the-own-realm"),
        pytest.param("other.example.net", "example.net", 3002, id="080-another-host"),
        pytest.param("NODE2.example.net", "example.net", 2001, id="080-a-listed-host"),
        pytest.param("ocs.example.net", "example.net", 2001, id="080-the-own-host"),
        pytest.param("ocs.example.net", None, 3002, id="081-host-without-realm"),
        pytest.param(None, None, 2001, id="neither"),
    ],
)
@served(LISTED)
async def test_079_081_what_is_for_another_node_or_realm_is_refused(
    world: World, host: str | None, realm: str | None, code: int
) -> None:
    client = await world.open()
    extra = () if host is None else (encode_utf8(avps.DESTINATION_HOST, host),)
    if realm is None:
        answer = await client.initial(ASKING, *extra, without=(avps.DESTINATION_REALM,))
    else:
        replaced = {avps.DESTINATION_REALM: encode_utf8(avps.DESTINATION_REALM, realm)}
        answer = await client.initial(ASKING, *extra, replaced=replaced)
    assert answer.code == code
    assert len((await world.account()).sessions) == (code == 2001)


@served()
async def test_079_080_by_default_any_realm_and_host_is_served(world: World) -> None:
    client = await world.open()
    realm = {avps.DESTINATION_REALM: encode_utf8(avps.DESTINATION_REALM, "smf.example")}
    host = encode_utf8(avps.DESTINATION_HOST, "the.dead.node")
    assert (await client.initial(ASKING, host, replaced=realm)).said == GRANTED


@served()
async def test_082_a_session_may_move_from_one_relay_to_another(world: World) -> None:
    first = await world.open("dra1.example.net", applications=RELAY)
    second = await world.open("dra2.example.net", applications=RELAY)
    behind = "pgw.behind.example"
    assert (await first.initial(ASKING, host=behind)).said == GRANTED
    report = service(10, requested(total(2_000_000)), used(total(1_000_000)))
    assert (await second.update(1, report, host=behind)).said == "2001 10=2000000"
    await world.change(credit_limit_nanos=0)
    account = await world.account()
    (session,) = account.sessions
    assert (session.client, session.origin) == (behind, "dra2.example.net")
    asking = asyncio.create_task(world.service.disconnect_all(account, "test"))
    request = await second.receive()  # the relay that was heard last comes first
    assert (request.command, request.text(avps.DESTINATION_HOST)) == (274, behind)
    second.send(reply(request, 3002))
    again = await first.receive()
    assert (again.end_to_end, again.flags & 0x10) == (request.end_to_end, 0x10)
    first.send(reply(again, 2001))
    await asking


@served(durable=True)
async def test_083_an_answer_lost_with_its_connection_is_given_again(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    report = service(10, requested(total(1_000_000)), used(total(700_000)))
    client.send(ccr(report, kind=UPDATE, number=1, end_to_end=77))
    client.writer.write_eof()

    async def charged() -> bool:
        return await world.spent() == (700 * MB, EUR)

    await world.until(charged)
    client.abort()
    other = await world.open("dra.example.net", applications=RELAY)
    answer = await other.ask(ccr(report, kind=UPDATE, number=1, flags=0xD0, end_to_end=77))
    assert answer.said == GRANTED
    assert await world.spent() == (700 * MB, EUR)
    assert await world.debits() == [700 * MB]


@served()
async def test_084_a_restart_behind_a_relay_ends_the_sessions_of_that_client_alone(world: World) -> None:
    await world.add("bob", imsi="001010000000002")
    relay = await world.open("dra.example.net", applications=RELAY)
    state, later = encode_u32(avps.ORIGIN_STATE_ID, 100), encode_u32(avps.ORIGIN_STATE_ID, 101)
    assert (await relay.initial(ASKING, state, host="one.example")).said == GRANTED
    assert (await relay.initial(ASKING, state, host="two.example", session="s;2")).said == GRANTED
    assert (await relay.initial(ASKING, host="one.example", session="s;3", who=imsi("001010000000002"))).said
    answer = await relay.initial(ASKING, later, host="one.example", session="s;4")
    assert answer.said == GRANTED
    assert sorted((each.client, each.session_id) for each in (await world.account()).sessions) == [
        ("one.example", "s;4"), ("two.example", "s;2"),
    ]  # fmt: skip
    assert (await world.account("default:bob")).sessions == ()
    assert await world.spent() == (0, 2 * EUR)
    assert (await relay.update(1, ASKING, state, host="two.example", session="s;2")).code == 2001


@pytest.mark.parametrize(("said", "left"), [(101, 0), (100, 1), (99, 1)])
@served()
async def test_084_a_state_raised_in_a_watchdog_ends_the_sessions_of_that_peer(
    world: World, said: int, left: int
) -> None:
    client = await world.open(state_id=100)
    other = await world.open("other.example.net")
    assert (await client.initial(ASKING)).said == GRANTED
    assert (await other.initial(ASKING)).said == GRANTED
    for _ in range(2):
        assert (await client.ask(dwr(CLIENT, encode_u32(avps.ORIGIN_STATE_ID, said)))).code == 2001
    assert (await client.update(1, ASKING)).code == (2001 if left else 5002)
    assert len((await world.account()).sessions) == 1 + left
    assert (await other.update(1, ASKING)).code == 2001


@served()
async def test_084_a_watchdog_with_a_state_that_cannot_be_read_is_answered(world: World) -> None:
    client = await world.open(state_id=100)
    await client.initial(ASKING)
    assert (await client.ask(dwr(CLIENT, encode_octets(avps.ORIGIN_STATE_ID, b"\xff")))).code == 2001
    assert (await client.update(1, ASKING)).said == GRANTED


@pytest.mark.parametrize("number", [99, 100])
@served()
async def test_084_a_state_that_did_not_rise_ends_nothing(world: World, number: int) -> None:
    client = await world.open()
    await client.initial(ASKING, encode_u32(avps.ORIGIN_STATE_ID, 100))
    answer = await client.update(1, ASKING, encode_u32(avps.ORIGIN_STATE_ID, number))
    assert answer.said == GRANTED


@served()
async def test_085_one_session_id_of_two_hosts_is_two_sessions(world: World) -> None:
    relay = await world.open("dra.example.net", applications=RELAY)
    for host in ("one.example", "two.example"):
        assert (await relay.initial(ASKING, host=host)).said == GRANTED
    assert await world.spent() == (0, 2 * EUR)
    report = service(10, used(total(1_000_000)))
    assert (await relay.terminate(1, report, host="one.example")).said == "2001 10=ok"
    assert await world.spent() == (EUR, EUR)
    assert (await relay.update(1, ASKING, host="one.example")).code == 5002
    assert (await relay.update(1, ASKING, host="two.example")).said == GRANTED


@pytest.mark.parametrize("is_crash", [True, False])
@served(durable=True)
async def test_084_a_client_that_restarted_while_the_server_was_down_is_found_out(
    world: World, is_crash: bool
) -> None:
    direct, relay = await world.open(state_id=7), await world.open("dra.example.net", applications=RELAY)
    assert (await direct.initial(ASKING, session="d;1")).code == 2001
    behind = encode_u32(avps.ORIGIN_STATE_ID, 70)
    assert (await relay.initial(ASKING, behind, session="r;1", host="far.example.net")).code == 2001
    assert (await world.spent())[1] == 2 * EUR
    if is_crash:
        await world.crash()
        await world.start()
    else:
        await world.restart()
    await world.open(state_id=8)
    relay = await world.open("dra.example.net", applications=RELAY)
    await world.until(lambda: _sessions(world, 1))
    answer = await relay.initial(
        ASKING, encode_u32(avps.ORIGIN_STATE_ID, 71), session="r;2", host="far.example.net"
    )
    assert answer.code == 2001
    (session,) = (await world.account()).sessions
    assert session.session_id == "r;2"


async def _sessions(world: World, number: int) -> bool:
    return len((await world.account()).sessions) == number


@served(durable=True)
async def test_084_lost_sessions_are_closed_together_and_the_disk_is_waited_for_once(world: World) -> None:
    client = await world.open(state_id=1)
    for number in range(50):
        await client.initial(ASKING, session=f"s;{number}")
    store = world.service.store
    assert isinstance(store, SqliteStore)
    before = store.batches
    assert (await client.initial(ASKING, encode_u32(avps.ORIGIN_STATE_ID, 2), session="n;1")).code == 2001
    assert store.batches - before < 10  # one by one they are fifty
    (session,) = (await world.account()).sessions
    assert session.session_id == "n;1"
