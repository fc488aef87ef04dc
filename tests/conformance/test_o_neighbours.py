"""O. Neighbours of the hostile and of the doubtful cases: limits met exactly, floods, odd orders, odd values."""

import asyncio
from struct import pack

import pytest

from ocs.config.settings import DiameterSettings, Limits
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_octets, encode_u32, encode_utf8, group
from tests.conformance.client import (
    EVENT,
    INITIAL,
    SMS,
    TERMINATION,
    UPDATE,
    VOICE,
    ccr,
    cer,
    dpr,
    dwr,
    imsi,
    message,
    subscription,
)
from tests.conformance.decoded import Decoded
from tests.conformance.test_c_framing import avp
from tests.conformance.test_f_sessions import called
from tests.conformance.test_j_events import DEBIT, ONE, send, to
from tests.conformance.world import EUR, MB, World, served
from tests.support.effort import at_most
from tests.support.gy import events, requested, seconds, service, split, total, used

ASKING = service(10, requested(total(1_000)))
GRANTED = "2001 10=1000"
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(200)


# --- connections


@served()
async def test_a_cer_with_a_hundred_applications_is_served(world: World) -> None:
    client = await world.connect()
    assert (await client.ask(cer(applications=range(100)))).code == 2001


@pytest.mark.parametrize(
    ("name", "code"),
    [(b"", 5004), (b"x" * 300, 5004), (b"x" * 60_000, 5004), (b"pgw\xff\xfe", 2001), (b"a\nb\0c", 2001)],
)
@served()
async def test_an_origin_host_that_is_no_name_is_refused_or_taken_as_octets(
    world: World, name: bytes, code: int
) -> None:
    client = await world.connect()
    parts = [
        encode_octets(avps.ORIGIN_HOST, name),
        encode_utf8(avps.ORIGIN_REALM, "r"),
        encode_u32(avps.AUTH_APPLICATION_ID, 4),
    ]
    assert (await client.ask(message(0x80, 257, 0, parts))).code == code


@pytest.mark.parametrize("key", [avps.ORIGIN_HOST, avps.ORIGIN_REALM])
@served()
async def test_a_request_of_a_client_with_an_endless_name_is_5004(world: World, key: int) -> None:
    client = await world.open("dra.example.net", applications=(0xFFFF_FFFF,))
    answer = await client.initial(
        ASKING, replaced={key: encode_octets(key, b"x" * 40_000)}, host="new.example"
    )
    assert answer.code == 5004
    assert len(answer.frame) < 4_096
    assert (await world.account()).sessions == ()


@served()
async def test_a_flood_of_watchdogs_is_answered_to_the_last(world: World) -> None:
    client = await world.open()
    probes = [dwr() for _ in range(3_000)]
    with at_most(5):
        answers = await client.ask_all(*probes)
        assert {answer.code for answer in answers} == {2001}


@served()
async def test_answers_with_unknown_identifiers_in_masses_are_dropped_cheaply(world: World) -> None:
    client = await world.open()
    body = [encode_u32(avps.RESULT_CODE, 2001)]
    with at_most(5):
        for command, application in ((272, 4), (280, 0), (258, 4)):
            client.send(*[message(0x40, command, application, body) for _ in range(3_000)])
        assert await client.alive()


@served()
async def test_two_cers_between_requests_change_nothing(world: World) -> None:
    client = await world.open()
    frames = [
        ccr(ASKING, session="s;1"),
        cer(),
        ccr(ASKING, session="s;2"),
        cer(),
        ccr(ASKING, session="s;3"),
    ]
    answers = await client.ask_all(*frames)
    assert [answer.code for answer in answers] == [2001] * 5
    assert len((await world.account()).sessions) == 3


@served()
async def test_a_cea_nobody_asked_for_is_dropped(world: World) -> None:
    client = await world.open()
    client.send(message(0, 257, 0, [encode_u32(avps.RESULT_CODE, 5010)]))
    assert await client.alive()


@pytest.mark.parametrize("first", [dpr(), CLIENT_HELLO, b"\0" * 64, b"\1", b"\1\0\0\x14" + bytes(16)])
@served()
async def test_what_is_no_cer_never_opens(world: World, first: bytes) -> None:
    client = await world.connect()
    client.send(first)
    client.writer.write_eof()
    assert await client.closed()
    assert await (await world.open()).alive()


@served()
async def test_dpr_without_a_cause_is_answered(world: World) -> None:
    client = await world.open()
    assert (await client.ask(message(0x80, 282, 0, []))).code == 2001


@pytest.mark.parametrize("cut", [20, 24, 27, 28, 30])
@served()
async def test_an_avp_header_split_across_reads_is_put_together(world: World, cut: int) -> None:
    client = await world.open()
    request = ccr(ASKING)
    client.send(request[:cut])
    await client.writer.drain()
    await asyncio.sleep(0)
    client.send(request[cut:])
    assert (await client.answer(request)).said == GRANTED


@served()
async def test_two_requests_interleaved_octet_by_octet_close_the_connection(world: World) -> None:
    client = await world.open()
    one, two = ccr(ASKING, session="s;1"), ccr(ASKING, session="s;2")
    client.send(bytes([octet for pair in zip(one, two, strict=True) for octet in pair]))
    client.writer.write_eof()
    await client.reader.read()
    assert (await world.account()).sessions == ()
    client.abort()

    async def gone() -> bool:
        return not world.agent._connections

    await world.until(gone)
    assert await (await world.open()).alive()


@served(durable=True)
async def test_a_half_closed_peer_costs_no_money_and_its_copy_is_answered(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    report = ccr(service(10, used(total(700)), requested(total(1_000))), kind=UPDATE, number=1)
    client.send(report)
    client.writer.write_eof()
    await client.reader.read()
    client.abort()
    again = await world.open()
    assert (await again.ask(report)).said == GRANTED
    assert await world.spent() == (700_000, MB)


@served()
async def test_a_peer_that_comes_and_goes_leaves_nothing(world: World) -> None:
    for number in range(100):
        client = await world.connect()
        if number % 3:
            client.send(cer(f"h{number}.example.net"))
        client.abort()

    async def gone() -> bool:
        return not world.agent._connections and not world.agent._per_address

    await world.until(gone)
    assert await (await world.open()).alive()


# --- shapes of requests


@pytest.mark.parametrize("size", [0, 1_000, 50_000])
@served()
async def test_a_huge_user_name_is_no_hindrance(world: World, size: int) -> None:
    client = await world.open()
    assert (await client.initial(ASKING, encode_utf8(avps.USER_NAME, "u" * size))).said == GRANTED


@pytest.mark.parametrize(("count", "code"), [(8, 2001), (9, 5004)])
@served()
async def test_eight_subscription_ids_are_served_and_nine_refused(
    world: World, count: int, code: int
) -> None:
    client = await world.open()
    who = b"".join(subscription(4, f"private{number}") for number in range(count - 1)) + imsi()
    assert (await client.initial(ASKING, who=who)).code == code


@pytest.mark.parametrize(
    "members",
    [
        encode_i32(avps.SUBSCRIPTION_ID_TYPE, 5) + encode_utf8(avps.SUBSCRIPTION_ID_DATA, "1"),
        encode_i32(avps.SUBSCRIPTION_ID_TYPE, 1) + encode_utf8(avps.SUBSCRIPTION_ID_DATA, ""),
        encode_i32(avps.SUBSCRIPTION_ID_TYPE, 1) + encode_utf8(avps.SUBSCRIPTION_ID_DATA, "1" * 10_000),
    ],
)
@served()
async def test_a_subscriber_that_cannot_be_is_5004(world: World, members: bytes) -> None:
    client = await world.open()
    answer = await client.initial(ASKING, who=encode_octets(avps.SUBSCRIPTION_ID, members))
    assert answer.code == 5004
    assert answer.failed.keys == [avps.SUBSCRIPTION_ID]


@pytest.mark.parametrize("depth", [5, 20, 200])
@served()
async def test_service_information_nested_deeply_is_served(world: World, depth: int) -> None:
    client = await world.open()
    body = encode_utf8(avps.TGPP_SGSN_MCC_MNC, "26201")
    for _ in range(depth):
        body = group(avps.SERVICE_INFORMATION, [body])
    assert (await client.initial(ASKING, body)).said == GRANTED


@served(DiameterSettings(strict=True))
async def test_strictness_survives_a_depth_bomb(world: World) -> None:
    client = await world.open()
    body = encode_u32(60_001, 1)
    for _ in range(500):
        body = group(avps.SERVICE_INFORMATION, [body])
    assert (await client.initial(ASKING, body)).code in (2001, 5001, 5012)
    assert await client.alive()


@pytest.mark.parametrize("what", ["identifiers", "used", "proxies", "routes", "contexts"])
@served()
async def test_thousands_of_one_avp_are_answered_in_time(world: World, what: str) -> None:
    client = await world.open()
    bodies = {
        "identifiers": [service(10, requested(total(1_000)), identifiers=range(3_000))],
        "used": [service(10, *[used(total(1)) for _ in range(1_500)])],
        "proxies": [ASKING, *[group(avps.PROXY_INFO, [encode_utf8(avps.PROXY_HOST, "a.b")])] * 2_500],
        "routes": [ASKING, *[encode_utf8(avps.ROUTE_RECORD, "a.b.c")] * 3_000],
        "contexts": [ASKING, *[group(avps.SERVICE_INFORMATION, [])] * 3_000],
    }
    with at_most(1):
        answer = await client.initial(*bodies[what])
    assert answer.code == (5004 if what == "identifiers" else 2001)
    if what == "used":
        assert await world.spent() == (1_500 * 1_000, 0)


@pytest.mark.parametrize(("count", "code"), [(64, 2001), (65, 5004)])
@served()
async def test_no_recipient_of_a_message_goes_uncharged(world: World, count: int, code: int) -> None:
    client = await world.open()
    answer = await send(client, DEBIT, ONE, to(*[f"1555{number:07}" for number in range(count)]))
    assert answer.code == code
    assert await world.spent() == (count * EUR // 20 if code == 2001 else 0, 0)


@pytest.mark.parametrize("parts", [[], [encode_utf8(avps.SESSION_ID, "s;1")], [b"\0\0\0\0\0\0\0\x08"]])
@served()
async def test_a_request_with_almost_nothing_in_it_is_5005(world: World, parts: list[bytes]) -> None:
    client = await world.open()
    answer = await client.ask(message(0xC0, 272, 4, parts))
    assert (answer.code, answer.flags) == (5005, 0x60)


@pytest.mark.parametrize("broken", [avp(284, 0x40, 300, b"cut"), avp(284, 0x40, 8), avp(284, 0x40, 9, b"x")])
@served()
async def test_a_broken_or_empty_proxy_info_gets_an_answer(world: World, broken: bytes) -> None:
    client = await world.open()
    frame = ccr(ASKING, broken)
    padded = frame + bytes(-len(frame) % 4)
    request = padded[:1] + len(padded).to_bytes(3, "big") + padded[4:]
    client.send(request)
    assert Decoded(await client.raw()).code in (2001, 5014)
    assert await client.alive()


@served()
async def test_the_vendor_bit_with_vendor_zero_is_5016(world: World) -> None:
    client = await world.open()
    answer = await client.initial(ASKING, avp(999, 0xC0, 16, pack(">II", 0, 7)))
    assert answer.code == 5016
    assert await client.alive()


# --- amounts


@pytest.mark.parametrize(
    ("units", "code"),
    [
        pytest.param(total((1 << 64) - 1), 5004, id="octets"),
        pytest.param(split(1 << 63, (1 << 63) - 1), 5004, id="octets-in-two"),
        pytest.param(seconds((1 << 32) - 1), 2001, id="seconds"),
        pytest.param(events((1 << 64) - 1), 5004, id="events"),
        pytest.param(total(0), 2001, id="nothing"),
    ],
)
@served(durable=True)
async def test_the_largest_amounts_are_not_charged_and_not_lost_in_the_store(
    world: World, units: bytes, code: int
) -> None:
    client = await world.open()
    await client.initial(ASKING)
    assert (await client.update(1, service(10, used(units)))).code == code
    assert (await client.terminate(2, service(10, used(units)))).code == code
    assert await world.spent() == (0, 0)
    assert len(await world.cdrs()) == 1


@pytest.mark.parametrize("units", [total((1 << 64) - 1), split((1 << 63) - 1, (1 << 63) - 1)])
@served(durable=True)
async def test_asking_for_everything_gets_the_largest_slice(world: World, units: bytes) -> None:
    client = await world.open()
    answer = await client.initial(service(10, requested(units)))
    assert answer.said in ("2001 10=10000000", "2001 10=5000000+5000000")


@pytest.mark.parametrize("units", [total(0), split(0, 0)])
@served()
async def test_asking_for_nothing_is_no_lack_of_credit(world: World, units: bytes) -> None:
    client = await world.open()
    answer = await client.initial(service(10, requested(units)))
    assert answer.code == 2001
    assert answer.services[0].number(avps.RESULT_CODE) == 2001
    granted = answer.services[0].group(avps.GRANTED_SERVICE_UNIT)
    assert sum(int.from_bytes(payload, "big") for _, _, payload in granted.avps) == 10 * MB


@served()
async def test_a_call_asking_for_no_seconds_is_no_lack_of_credit(world: World) -> None:
    client = await world.open()
    answer = await client.initial(service(None, requested(seconds(0))), context=VOICE, who=called())
    assert answer.said == "2001 -=300"


@pytest.mark.parametrize("number", [0, (1 << 32) - 1])
@served()
async def test_the_extremes_of_a_rating_group_are_numbers_like_others(world: World, number: int) -> None:
    client = await world.open()
    assert (
        await client.initial(service(number, requested(total(1))), ASKING)
    ).said == f"2001 {number}=5031 10=1000"


# --- orders of events


@served()
async def test_an_initial_again_with_other_groups_is_a_copy_of_the_first(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    again = await client.initial(service(11, requested(total(5_000))))
    assert again.said == GRANTED
    assert await world.spent() == (0, MB)


@served()
async def test_an_initial_again_after_the_end_is_a_copy_and_opens_nothing(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    await client.terminate(1)
    assert (await client.initial(ASKING, flags=0xD0)).said == GRANTED
    assert (await world.account()).sessions == ()
    assert await world.spent() == (0, 0)


@served()
async def test_a_termination_again_with_another_number_is_debited_as_a_late_report(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    await client.terminate(1, service(10, used(total(100))))
    assert (await client.terminate(2, service(10, used(total(50))))).code == 2001
    assert await world.spent() == (150_000, 0)
    assert (await client.terminate(2, service(10, used(total(50))))).code == 2001
    assert await world.spent() == (150_000, 0)


@served()
async def test_one_session_id_for_a_session_and_an_event_are_two_things(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING, session="e;1")
    assert (await send(client, DEBIT, ONE, to("15550100002"))).code == 2001
    assert (await client.update(1, service(10, used(total(100))), session="e;1")).said == "2001 10=ok"
    assert await world.spent() == (EUR // 20 + 100_000, 0)


@served()
async def test_a_session_of_one_subscriber_is_not_taken_over_by_another(world: World) -> None:
    await world.add("bob", imsi="001010000000002")
    client = await world.open()
    await client.initial(ASKING)
    answer = await client.credit(INITIAL, 1, ASKING, who=imsi("001010000000002"))
    assert answer.code == 5007
    assert await world.spent() == (0, MB)
    assert await world.money("default:bob") == (100 * EUR, 0)
    other = await client.update(1, service(10, used(total(100))), who=imsi("001010000000002"))
    assert other.code == 2001
    assert await world.spent() == (100_000, 0), "the session decides who pays"


@pytest.mark.parametrize("order", [(UPDATE, TERMINATION), (TERMINATION, UPDATE)])
@served(durable=True)
async def test_an_end_and_a_report_in_one_write_are_both_debited(
    world: World, order: tuple[int, int]
) -> None:
    client = await world.open()
    await client.initial(ASKING)
    frames = [
        ccr(service(10, used(total(100 * kind))), kind=kind, number=kind, session="pgw.example.net;1;1")
        for kind in order
    ]
    assert {answer.said for answer in await client.ask_all(*frames)} == {"2001 10=ok"}
    assert await world.spent() == (500_000, 0)
    assert (await world.account()).sessions == ()


@served(DiameterSettings(limits=Limits(window=5_000)), durable=True)
async def test_a_thousand_sessions_opened_and_ended_at_once_leave_nothing(world: World) -> None:
    client = await world.open()
    opening = [ccr(ASKING, session=f"s;{number}") for number in range(300)]
    ending = [
        ccr(service(10, used(total(1))), kind=TERMINATION, number=1, session=f"s;{number}")
        for number in range(300)
    ]
    answers = await client.ask_all(*[frame for pair in zip(opening, ending, strict=True) for frame in pair])
    assert {answer.code for answer in answers} == {2001}
    assert await world.spent() == (300_000, 0)
    assert len(await world.cdrs()) == 300
    assert len(world.service.supervision) == 0


@served()
async def test_events_of_all_actions_at_once_add_up(world: World) -> None:
    client = await world.open()
    frames = [
        ccr(encode_i32(avps.REQUESTED_ACTION, number % 4), ONE, to("15550100002"), kind=EVENT, context=SMS,
            session=f"e;{number}")
        for number in range(40)
    ]  # fmt: skip
    assert {answer.code for answer in await client.ask_all(*frames)} == {2001}
    assert await world.spent() == (0, 0), "ten debits and ten credits of the same price"
