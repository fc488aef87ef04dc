"""P. Oddities: peers that shut one side, names that are no text or change their case, members that come twice."""

import asyncio

import msgspec
import pytest

from ocs.charging.money import MOST_NANOS
from ocs.config.settings import DiameterSettings, Peer
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_octets, encode_u32, encode_utf8, group
from tests.conformance.client import ALICE_MSISDN, CLIENT, EVENT, VOICE, ccr, message
from tests.conformance.test_j_events import REFUND
from tests.conformance.world import EUR, MB, World, served
from tests.support.gy import money, requested, seconds, service, total, used

OPEN5GS = DiameterSettings(peers=(Peer(origin_host="smf.example.net", profile="open5gs"),))
ASKING = service(10, requested(total(1_000)))


# --- connections


@served(durable=True)
async def test_what_a_peer_asked_before_it_shut_its_side_is_answered(world: World) -> None:
    client = await world.open()
    requests = [ccr(ASKING, session=f"s;{number}") for number in range(100)]
    client.send(*requests)
    client.writer.write_eof()
    answers = await client.answers(*requests)
    assert {answer.said for answer in answers} == {"2001 10=1000"}
    assert await client.closed()
    assert await world.spent() == (0, 100 * MB)


@pytest.mark.parametrize("is_open", [True, False])
@served()
async def test_a_peer_that_shuts_its_side_and_is_owed_nothing_is_let_go(world: World, is_open: bool) -> None:
    client = await (world.open() if is_open else world.connect())
    client.writer.write_eof()
    assert await client.closed()
    await world.until(lambda: _none_left(world))


@served()
async def test_a_fault_in_the_end_of_a_connection_does_not_keep_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(peer: object) -> None:
        raise UnicodeError("a name no log can show")

    client = await world.open()
    (peer,) = world.agent._connections
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    monkeypatch.setattr(peer, "_closed", fail)
    client.abort()
    await world.until(lambda: _none_left(world))
    assert not world.agent._per_address


async def _none_left(world: World) -> bool:
    return not world.agent._connections


# --- names


@served(durable=True)
async def test_a_peer_whose_name_is_no_text_is_served_and_shown(world: World) -> None:
    client = await world.connect()
    name = encode_octets(avps.ORIGIN_HOST, b"pgw\xff\xfe.example")
    parts = [name, encode_utf8(avps.ORIGIN_REALM, "r"), encode_u32(avps.AUTH_APPLICATION_ID, 4)]
    assert (await client.ask(message(0x80, 257, 0, parts))).code == 2001
    answer = await client.initial(ASKING, replaced={avps.ORIGIN_HOST: name})
    assert answer.said == "2001 10=1000"
    (session,) = (await world.account()).sessions
    assert session.origin == "pgw\\xff\\xfe.example"
    assert b"pgw" in msgspec.json.encode(world.agent.peers())


@served()
async def test_a_realm_without_a_name_is_refused(world: World) -> None:
    client = await world.connect()
    parts = [encode_utf8(avps.ORIGIN_HOST, CLIENT), encode_utf8(avps.ORIGIN_REALM, "")]
    answer = await client.ask(message(0x80, 257, 0, [*parts, encode_u32(avps.AUTH_APPLICATION_ID, 4)]))
    assert answer.code == 5004
    assert await client.closed()


@served()
async def test_a_request_without_a_name_of_its_realm_is_refused_whoever_sends_it(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    empty = {avps.ORIGIN_REALM: encode_utf8(avps.ORIGIN_REALM, "")}
    assert (await client.update(1, ASKING, replaced=empty)).code == 5004
    assert (await client.update(1, ASKING)).code == 2001


@served()
async def test_a_client_that_writes_its_name_in_another_case_is_the_same_client(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    answer = await client.update(1, service(10, used(total(7))), host=CLIENT.upper())
    assert answer.code == 2001
    assert await world.spent() == (7_000, 0)


# --- members that come twice: the first counts


@served()
async def test_of_two_types_or_names_in_a_subscription_id_the_first_counts(world: World) -> None:
    client = await world.open()
    members = [
        encode_i32(avps.SUBSCRIPTION_ID_TYPE, 0),
        encode_i32(avps.SUBSCRIPTION_ID_TYPE, 1),
        encode_utf8(avps.SUBSCRIPTION_ID_DATA, ALICE_MSISDN),
        encode_utf8(avps.SUBSCRIPTION_ID_DATA, "4711"),
    ]
    answer = await client.initial(ASKING, who=group(avps.SUBSCRIPTION_ID, members))
    assert answer.said == "2001 10=1000"


@served()
async def test_of_two_amounts_of_one_kind_the_first_counts(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    members = [
        encode_octets(key, amount.to_bytes(8, "big"))
        for amount in (3, 1_000)
        for key in (avps.CC_INPUT_OCTETS, avps.CC_OUTPUT_OCTETS)
    ]
    assert (await client.update(1, service(10, used(*members)))).code == 2001
    assert await world.spent() == (6_000, 0)


# --- amounts that no store could keep: nobody else may notice


@served(durable=True)
async def test_amounts_beyond_any_store_fail_nobodys_commit(world: World) -> None:
    client = await world.open()
    await client.initial(service(20, requested()))
    most = used(total(1 << 53))  # at 2000 nanos an octet more than 64 bits of money
    for number in range(1, 5):
        services = [service(group, *([used(seconds(0xFFFF_FFFF))] * 9), most) for group in (20, 21, 22)]
        assert (await client.update(number, *services)).code == 2001
    posted, reserved = await world.money()
    assert (posted, reserved) == (-MOST_NANOS, 0)
    assert (await client.terminate(9, service(20, most))).code == 2001
    (cdr,) = await world.cdrs()
    assert cdr.cost_nanos == MOST_NANOS
    assert await world.service.verify("default:alice") == []


@served(durable=True)
async def test_seconds_of_many_reports_add_up_beyond_sixty_four_bits(world: World) -> None:
    client = await world.open()
    await client.initial(service(100, requested(seconds(30))), context=VOICE)
    lasting = used(seconds(0xFFFF_FFFF))
    assert (await client.update(1, service(100, *[lasting] * 20), context=VOICE)).code == 2001
    assert await world.spent() == (0, 0)


@served(durable=True)
async def test_refunds_end_at_what_a_balance_can_hold(world: World) -> None:
    client = await world.open()
    most = requested(money(1_000_000_000))
    codes = [(await client.credit(EVENT, 0, REFUND, most, session=f"s;{number}")).code for number in range(7)]
    assert codes == [2001] * 4 + [5004] * 3
    assert (await world.money())[0] == 4 * 1_000_000_000 * EUR + 100 * EUR


@pytest.mark.parametrize("key", [avps.PDP_ADDRESS, avps.SGSN_ADDRESS, avps.GGSN_ADDRESS])
@served(durable=True)
async def test_an_address_of_digits_that_are_none_fails_nobodys_commit(world: World, key: int) -> None:
    client = await world.open()
    address = encode_octets(key, b"\0\x08\xff\xfe\xfd\xfc")
    facts = group(avps.SERVICE_INFORMATION, [group(avps.PS_INFORMATION, [address])])
    assert (await client.initial(ASKING, facts)).said == "2001 10=1000"


# --- clients


@served(OPEN5GS)
async def test_the_last_slice_of_open5gs_holds_as_long_as_the_rule_says(world: World) -> None:
    """Whatever that client reports next ends its session, so its short validity is not for the last slice."""
    smf = await world.open("smf.example.net")
    first = await smf.initial(service(None, requested(total(MB))))
    assert first.services[0].number(avps.VALIDITY_TIME) == 600
    await smf.update(1, service(None, used(total(99_500_000))))
    last = await smf.update(2, service(None, requested(total(MB))))
    assert last.said == "2001 -=500000!0"
    assert last.services[0].number(avps.VALIDITY_TIME) == 3_600
