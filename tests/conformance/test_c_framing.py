"""C. Framing and AVP parsing, all of it hostile: cases 29 to 53."""

import random
import tracemalloc
from struct import pack

import pytest

from ocs.config.settings import DiameterSettings, Limits, Timers
from ocs.diameter import avps
from ocs.diameter.avp import encode_octets, encode_u32, encode_utf8, group
from tests.conformance.client import CLIENT, INITIAL, UPDATE, Client, ccr, cer, dwr, message
from tests.conformance.decoded import Decoded, checked
from tests.conformance.samples import samples
from tests.conformance.world import ALICE, EUR, MB, World, served
from tests.support.effort import at_most
from tests.support.gy import money, requested, service, total, used

MS = 1_000_000
ASKING = service(10, requested(total(1_000)))
PROXY = group(
    avps.PROXY_INFO, [encode_utf8(avps.PROXY_HOST, "dra"), encode_octets(avps.PROXY_STATE, b"state")]
)
QUICK = DiameterSettings(timers=Timers(frame_timeout_ns=200 * MS))


def avp(code: int, flags: int, length: int, body: bytes = b"") -> bytes:
    """An AVP with a length of its own choice."""
    return pack(">II", code, flags << 24 | length) + body


@pytest.mark.parametrize("length", [0, 4, 16, 19])
@served()
async def test_029_030_a_length_below_a_header_closes_at_once(world: World, length: int) -> None:
    client = await world.open()
    with at_most(1):
        client.send(ccr(ASKING, length=length))
        assert await client.closed()


@served()
async def test_031_a_length_that_is_no_multiple_of_four_is_5015_and_the_end(world: World) -> None:
    client = await world.open()
    whole = ccr(ASKING)
    client.send(whole[:1] + (len(whole) + 2).to_bytes(3, "big") + whole[4:] + b"\0\0")
    answer = await client.receive()
    assert (answer.code, answer.command) == (5015, 272)
    assert await client.closed()
    assert (await world.account()).sessions == ()


@served(QUICK)
async def test_032_a_claim_of_16_mib_allocates_nothing_and_closes(world: World) -> None:
    client = await world.open()
    tracemalloc.start()
    client.send(ccr(ASKING, length=0xFFFFFC))
    assert await client.closed()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * MB


@served(QUICK)
async def test_032_a_claim_below_the_limit_closes_on_the_frame_timer(world: World) -> None:
    client = await world.open()
    client.send(ccr(ASKING, length=60_000))
    assert await client.closed()


@pytest.mark.parametrize(
    ("size", "code"), [(65_536, 2001), (65_540, 5015), (1 << 20, 5015), ((1 << 20) + 4, None)]
)
@served()
async def test_033_a_length_above_the_limit_is_5015_and_far_above_it_closes(
    world: World, size: int, code: int | None
) -> None:
    client = await world.open()
    bare = len(ccr(ASKING)) + 8
    request = ccr(ASKING, PROXY, encode_octets(60_001, bytes(size - bare - len(PROXY)), False))
    assert len(request) == size
    client.send(request)
    if code is None:
        assert await client.closed()
        return
    answer = await client.answer(request)
    assert answer.code == code
    assert answer.has(avps.SESSION_ID)
    assert answer.has(avps.PROXY_INFO)
    assert await client.alive()
    assert (await client.initial(ASKING, session="s;2")).code == 2001


@served()
async def test_033_a_claim_above_the_limit_is_answered_at_once_and_read_past_in_any_pieces(
    world: World,
) -> None:
    client = await world.open()
    request = ccr(ASKING, encode_octets(60_001, bytes(100_000), False))
    client.send(request[:23])
    assert (await client.answer(request)).code == 5015, "before the rest of it"
    for at in range(23, len(request), 9_999):
        client.send(request[at : at + 9_999])
    assert await client.alive()
    small = ccr(ASKING)
    client.send(request + small + request + small)
    codes = [Decoded(await client.raw()).code for _ in range(4)]
    assert sorted(codes) == [2001, 2001, 5015, 5015]


@served(QUICK)
async def test_033_what_is_claimed_above_the_limit_has_to_come(world: World) -> None:
    client = await world.open()
    request = ccr(ASKING, length=100_000)
    client.send(request)
    assert (await client.answer(request)).code == 5015
    assert await client.closed()


@served()
async def test_033_an_answer_above_the_limit_and_a_cer_above_it_close(world: World) -> None:
    client = await world.open()
    client.send(ccr(encode_octets(60_001, bytes(100_000), False), flags=0x40))
    assert await client.closed()
    client = await world.connect()
    client.send(cer(CLIENT, encode_octets(60_001, bytes(100_000), False)))
    assert await client.closed()


@served()
async def test_034_another_version_is_5011_with_e(world: World) -> None:
    client = await world.open()
    answer = await client.ask(ccr(ASKING, version=2))
    assert (answer.code, answer.flags & 0x20) == (5011, 0x20)
    assert await client.alive()


@pytest.mark.parametrize("octets", [1, 3, 19, 20, 22, 27, 100])
@served()
async def test_035_a_frame_cut_off_by_the_peer_is_forgotten(world: World, octets: int) -> None:
    client = await world.open()
    client.send(ccr(ASKING)[:octets])
    client.writer.write_eof()
    assert await client.closed()
    assert (await world.account()).sessions == ()
    assert await (await world.open("next.example.net")).alive()


@served()
async def test_036_octet_by_octet_and_two_in_one_write_are_the_same(world: World) -> None:
    client = await world.open()
    request = ccr(ASKING)
    for octet in request:
        client.send(bytes([octet]))
        await client.writer.drain()
    slow = await client.answer(request)
    first, second = ccr(ASKING, session="s;2"), ccr(ASKING, session="s;3")
    answers = await client.ask_all(first, second)
    assert {slow.said, *(answer.said for answer in answers)} == {"2001 10=1000"}


@pytest.mark.parametrize(
    ("broken", "failed"),
    [
        pytest.param(avp(461, 0x40, 0, b"data"), 461, id="037-zero"),
        pytest.param(avp(461, 0x40, 7, b"data"), 461, id="038-seven"),
        pytest.param(avp(873, 0xC0, 8, pack(">I", 10_415)), avps.SERVICE_INFORMATION, id="039-eight"),
        pytest.param(avp(873, 0xC0, 11, pack(">I", 10_415)), avps.SERVICE_INFORMATION, id="039-eleven"),
        pytest.param(avp(461, 0x40, 400, b"data"), 461, id="040-past-the-message"),
        pytest.param(avp(461, 0x40, 0xFFFFFF, b"data"), 461, id="040-huge"),
    ],
)
@served()
async def test_037_040_a_bad_avp_length_is_5014_and_the_connection_stays(
    world: World, broken: bytes, failed: int
) -> None:
    client = await world.open()
    answer = await client.ask(ccr(ASKING, broken))
    assert answer.code == 5014
    assert answer.failed.keys == [failed]
    assert not answer.flags & 0x20, "kind and number can be read, so it is a CCA"
    assert (answer.number(avps.CC_REQUEST_TYPE), answer.number(avps.CC_REQUEST_NUMBER)) == (1, 0)
    assert await client.alive()
    assert (await world.account()).sessions == ()


@served()
async def test_037_a_bad_avp_length_before_the_kind_is_an_answer_message(world: World) -> None:
    client = await world.open()
    answer = await client.ask(ccr(replaced={avps.SERVICE_CONTEXT_ID: avp(461, 0x40, 7, b"data")}))
    assert answer.code == 5014
    assert answer.flags & 0x20
    assert not answer.has(avps.CC_REQUEST_TYPE)
    assert await client.alive()


@pytest.mark.parametrize("length", [0, 7, 100])
@served()
async def test_041_a_bad_length_inside_a_group_is_5014_with_the_group(world: World, length: int) -> None:
    client = await world.open()
    body = avp(432, 0x40, length, pack(">I", 10))
    answer = await client.ask(ccr(encode_octets(avps.MULTIPLE_SERVICES_CREDIT_CONTROL, body)))
    assert answer.code == 5014
    assert answer.failed.keys == [avps.MULTIPLE_SERVICES_CREDIT_CONTROL]
    assert answer.failed.group(avps.MULTIPLE_SERVICES_CREDIT_CONTROL).keys == [avps.RATING_GROUP]
    assert answer.number(avps.CC_REQUEST_TYPE) == 1
    assert await client.alive()


@served()
async def test_042_a_last_member_without_padding_is_accepted(world: World) -> None:
    client = await world.open()
    user = encode_utf8(avps.USER_NAME, "alice")[:-3]
    inner = encode_octets(avps.SERVICE_INFORMATION, encode_octets(60_001, b"12345", False)[:-3])[:-3]
    request = ccr(ASKING, inner)
    padded = request + bytes(-len(request) % 4)
    assert len(user) == 13
    frame = padded[:1] + len(padded).to_bytes(3, "big") + padded[4:]
    assert (await client.ask(frame)).said == "2001 10=1000"


@served()
async def test_043_padding_that_is_not_zero_is_accepted(world: World) -> None:
    client = await world.open()
    user = encode_utf8(avps.USER_NAME, "alice")[:-3] + b"\xff\xff\xff"
    assert (await client.initial(user, ASKING)).said == "2001 10=1000"


def nested(code: int, depth: int) -> bytes:
    """A group inside itself, `depth` times."""
    body = b""
    for _ in range(depth):
        body = pack(">II", code, 0x40 << 24 | 8 + len(body)) + body
    return body


@pytest.mark.parametrize("code", [279, 456, 443, 60_001])
@pytest.mark.parametrize("depth", [20, 1_000, 8_000])
@served()
async def test_044_045_a_depth_bomb_is_answered_quickly(world: World, code: int, depth: int) -> None:
    client = await world.open()
    with at_most(1):
        answer = await client.ask(ccr(ASKING, nested(code, depth)))
    assert answer.code in (2001, 5005, 5012)
    assert await client.alive()


@served()
async def test_045_046_depth_and_number_above_the_size_are_answered_and_leave_the_connection_usable(
    world: World,
) -> None:
    client = await world.open()
    with at_most(2):  # the client's own work included
        assert (await client.ask(ccr(ASKING, nested(279, 20_000)))).code == 5015
        assert (await client.ask(ccr(avp(60_001, 0, 8) * 100_000))).code == 5015
    assert await client.alive()


@served(DiameterSettings(limits=Limits(message_size_octets=MB)))
async def test_045_twenty_thousand_nested_groups_leave_the_connection_usable(world: World) -> None:
    client = await world.open()
    with at_most(1):
        assert (await client.ask(ccr(ASKING, nested(279, 20_000)))).code == 2001
    assert await client.alive()


@served(DiameterSettings(limits=Limits(message_size_octets=MB)))
async def test_046_a_hundred_thousand_empty_avps_are_refused_cheaply(world: World) -> None:
    client = await world.open()
    flood = ccr(avp(60_001, 0, 8) * 100_000)
    with at_most(2):  # the client's own work included
        answer = await client.ask(flood)
    assert answer.code == 5012
    assert await client.alive()


@pytest.mark.parametrize(
    ("key", "octets"),
    [
        (avps.CC_REQUEST_TYPE, 2),
        (avps.CC_REQUEST_TYPE, 8),
        (avps.CC_REQUEST_NUMBER, 3),
        (avps.CC_REQUEST_NUMBER, 0),
    ],
)
@served()
async def test_047_a_fixed_size_avp_of_another_size_is_5014(world: World, key: int, octets: int) -> None:
    client = await world.open()
    answer = await client.ask(ccr(ASKING, replaced={key: encode_octets(key, bytes(octets))}))
    assert answer.code == 5014
    assert answer.failed.keys == [key]
    assert await client.alive()


@served()
async def test_048_a_session_id_that_is_no_utf8_is_served_as_octets(world: World) -> None:
    client = await world.open()
    odd = {avps.SESSION_ID: encode_octets(avps.SESSION_ID, b"pgw;\xff\xfe;\x001")}
    answer = await client.initial(ASKING, replaced=odd)
    assert answer.one(avps.SESSION_ID) == b"pgw;\xff\xfe;\x001"
    assert (await client.update(1, service(10, used(total(500))), replaced=odd)).said == "2001 10=ok"
    assert await world.spent() == (500_000, 0)


@pytest.mark.parametrize("value", [b"", bytes(60_000), b"s" * 1_025])
@served()
async def test_049_an_empty_or_huge_session_id_is_5004(world: World, value: bytes) -> None:
    client = await world.open()
    answer = await client.initial(ASKING, replaced={avps.SESSION_ID: encode_octets(avps.SESSION_ID, value)})
    assert answer.code == 5004
    assert len(answer.frame) < 4_096
    assert await client.alive()


@pytest.mark.parametrize("exponent", [2_147_483_647, -2_147_483_648, 19, -19])
@pytest.mark.parametrize("where", ["asked", "used"])
@served()
async def test_050_an_absurd_exponent_is_5004(world: World, exponent: int, where: str) -> None:
    client = await world.open()
    await client.initial(service(10, requested(total(1_000))))
    units = money(5, exponent)
    body = requested(units) if where == "asked" else used(units)
    with at_most(0.5):
        assert (await client.update(1, service(10, body))).code == 5004
    assert await world.spent() == (0, MB)


@pytest.mark.parametrize("digits", [-1, -(1 << 63)])
@served()
async def test_051_negative_money_creates_no_credit(world: World, digits: int) -> None:
    client = await world.open()
    assert (await client.initial(service(10, requested(money(digits))))).code == 5004
    await client.initial(ASKING, session="s;2")
    assert (await client.update(1, service(10, used(money(digits))), session="s;2")).code == 5004
    assert await world.spent() == (0, MB)


@pytest.mark.parametrize("octets", [(1 << 64) - 1, 1 << 63, (1 << 53) + 1])
@served(durable=True)
async def test_052_octets_that_no_session_can_have_never_wrap(world: World, octets: int) -> None:
    client = await world.open()
    await client.initial(ASKING)
    answer = await client.update(
        1, service(10, requested(), used(total(octets))), service(11, used(total(7)))
    )
    assert answer.said == "5004 10=5031 11=ok"
    failed = answer.failed.group(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
    assert failed.group(avps.USED_SERVICE_UNIT).one(avps.CC_TOTAL_OCTETS) == octets.to_bytes(8, "big")
    assert await world.spent() == (7_000, 0)  # what the other group used is taken, nothing is given
    assert (await client.terminate(2, service(10, used(total(400))))).code == 2001
    assert await world.spent() == (407_000, 0)


@served(durable=True)
async def test_052_in_and_out_that_overflow_together_are_refused(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    most = (1 << 64) - 1
    split = group(
        avps.USED_SERVICE_UNIT,
        [
            encode_octets(key, most.to_bytes(8, "big"))
            for key in (avps.CC_INPUT_OCTETS, avps.CC_OUTPUT_OCTETS)
        ],
    )
    assert (await client.update(1, service(10, split))).code == 5004
    assert await world.spent() == (0, MB)


def mutated(frame: bytes, chance: random.Random) -> bytes:
    """A frame with some octets changed; header length stays right, so that the stream goes on."""
    octets = bytearray(frame)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        octets[chance.randrange(20, len(octets))] = chance.choice(
            (0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256))
        )
    octets[12:20] = chance.randbytes(8)
    return bytes(octets)


@pytest.mark.parametrize("seed", range(5))
@served(DiameterSettings(limits=Limits(window=100_000)))
async def test_053_every_mutated_sample_gets_one_answer(world: World, seed: int) -> None:
    """Small form: the long one is in tests/diameter/test_fuzz.py."""
    client, chance = await world.open(), random.Random(seed)
    frames = [bytes.fromhex(sample["hex"]) for sample in samples()]
    for _ in range(20):
        requests = [mutated(chance.choice(frames), chance) for _ in range(40)]
        client.send(*requests)
        await _one_answer_each(client, requests)
    assert await client.alive()
    assert await world.service.verify(ALICE) == []
    assert (await world.money())[0] <= 100 * EUR


async def _one_answer_each(client: Client, requests: list[bytes]) -> None:
    waiting = {request[12:20]: request for request in requests}
    for _ in requests:
        frame = await client.raw()
        checked(waiting.pop(frame[12:20]), frame)
    assert not waiting


@served()
async def test_053_what_was_sent_before_a_bad_length_counts_and_can_be_asked_for_again(world: World) -> None:
    client = await world.open()
    request = ccr(ASKING, kind=INITIAL)
    client.send(dwr(), request, ccr(ASKING, kind=UPDATE, length=8))
    assert (await client.receive()).command == 280
    assert await client.closed()  # the answer is lost with the connection, its change is not
    again = await world.open()
    assert (await again.ask(request)).said == "2001 10=1000"
    assert world.counter("ocs_duplicates_total") == 1


@served()
async def test_053_a_mutated_header_never_kills_the_server(world: World) -> None:
    chance = random.Random(7)
    frame = ccr(ASKING)
    for _ in range(60):
        client = await world.open("mutant.example.net")
        octets = bytearray(frame)
        octets[chance.randrange(20)] = chance.randrange(256)
        client.send(bytes(octets), message(0x80, 280, 0, [encode_u32(avps.ORIGIN_STATE_ID, 1)]))
        client.writer.write_eof()
        await client.reader.read()
        client.abort()
        known = world.agent.open_peer("mutant.example.net")
        if known is not None:
            known.abort()

        async def gone() -> bool:
            return world.agent.open_peer("mutant.example.net") is None

        await world.until(gone)
    assert await (await world.open()).alive()
