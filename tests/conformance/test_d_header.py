"""D. Header and AVP semantics: cases 54 to 76."""

from collections.abc import Callable

import pytest

from ocs.config.settings import ChargingSettings, DiameterSettings
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_octets, encode_u32, encode_utf8, group
from tests.conformance.client import (
    CLIENT,
    EVENT,
    INITIAL,
    TERMINATION,
    UPDATE,
    ccr,
    message,
    subscription,
)
from tests.conformance.decoded import ERROR
from tests.conformance.world import RULES, World, served
from tests.support.gy import requested, service, total, used

ASKING = service(10, requested(total(1_000)))
STRICT = DiameterSettings(strict=True)
GRANTED = "2001 10=1000"
PROXIES = [
    group(avps.PROXY_INFO, (encode_utf8(avps.PROXY_HOST, host), encode_octets(avps.PROXY_STATE, state)))
    for host, state in (
        ("one.example.net", b"\0\xff1"),
        ("two.example.net", b""),
        ("one.example.net", b"333"),
    )
]


@served()
async def test_054_e_in_a_request_is_3008(world: World) -> None:
    client = await world.open()
    answer = await client.ask(ccr(ASKING, flags=0xE0))
    assert (answer.code, answer.flags) == (3008, 0x60)
    assert (await world.account()).sessions == ()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        pytest.param(0xCF, 0x40, id="055-reserved-bits"),
        pytest.param(0x80, 0x00, id="056-without-p"),
        pytest.param(0xD0, 0x40, id="057-t-first-time"),
        pytest.param(0x9F, 0x00, id="all-of-them"),
    ],
)
@served()
async def test_055_057_header_bits_do_not_hinder_and_are_not_reflected(
    world: World, flags: int, expected: int
) -> None:
    client = await world.open()
    answer = await client.ask(ccr(ASKING, flags=flags))
    assert (answer.said, answer.flags) == (GRANTED, expected)


@pytest.mark.parametrize(
    ("command", "application", "code"),
    [
        pytest.param(272, 16_777_238, 3007, id="058-unknown-application"),
        pytest.param(272, 0, 3001, id="059-gy-in-the-base-application"),
        pytest.param(999, 4, 3001, id="059-unknown-command"),
        pytest.param(275, 4, 3001, id="059-str"),
        pytest.param(258, 4, 3001, id="059-rar-from-a-client"),
        pytest.param(271, 3, 3007, id="060-acr-of-rf"),
        pytest.param(271, 4, 3001, id="060-acr-in-gy"),
    ],
)
@served()
async def test_058_060_what_is_not_served_is_said_so(
    world: World, command: int, application: int, code: int
) -> None:
    client = await world.open()
    answer = await client.ask(ccr(ASKING, *PROXIES, command=command, application=application))
    assert (answer.code, answer.flags & ERROR) == (code, ERROR)
    assert answer.keys[0] == avps.SESSION_ID
    assert [group(avps.PROXY_INFO, (each,)) for each in answer.all(avps.PROXY_INFO)] == PROXIES
    assert await client.alive()


@pytest.mark.parametrize("command", [257, 258, 272, 274, 280, 282, 999])
@served()
async def test_061_an_answer_nobody_asked_for_is_dropped(world: World, command: int) -> None:
    client = await world.open()
    application = 0 if command in (257, 280, 282) else 4
    client.send(
        *[message(0x40, command, application, [encode_u32(avps.RESULT_CODE, 2001)]) for _ in range(50)]
    )
    assert await client.alive(), "the watchdog's answer is the first thing that comes"


@pytest.mark.parametrize("replaced", [None, encode_u32(avps.AUTH_APPLICATION_ID, 5)])
@served()
async def test_062_the_header_says_which_application_it_is(world: World, replaced: bytes | None) -> None:
    client = await world.open()
    if replaced is None:
        answer = await client.initial(ASKING, without=(avps.AUTH_APPLICATION_ID,))
    else:
        answer = await client.initial(ASKING, replaced={avps.AUTH_APPLICATION_ID: replaced})
    assert answer.said == GRANTED


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(avps.SESSION_ID, id="063-session-id"),
        pytest.param(avps.CC_REQUEST_TYPE, id="065-request-type"),
        pytest.param(avps.CC_REQUEST_NUMBER, id="066-request-number"),
        pytest.param(avps.SERVICE_CONTEXT_ID, id="067-service-context"),
        pytest.param(avps.ORIGIN_HOST, id="origin-host"),
        pytest.param(avps.ORIGIN_REALM, id="origin-realm"),
    ],
)
@served()
async def test_063_067_what_is_missing_is_5005_with_an_example(world: World, key: int) -> None:
    client = await world.open()
    answer = await client.initial(ASKING, *PROXIES, without=(key,))
    assert answer.code == 5005
    assert answer.failed.keys == [key]
    assert len(answer.all(avps.PROXY_INFO)) == 3
    is_cca = key not in (avps.SESSION_ID, avps.CC_REQUEST_TYPE, avps.CC_REQUEST_NUMBER)
    assert answer.flags & ERROR == (0 if is_cca else ERROR)


@served()
async def test_064_session_id_may_stand_anywhere_and_is_first_in_the_answer(world: World) -> None:
    client = await world.open()
    session = encode_utf8(avps.SESSION_ID, "late;1")
    answer = await client.initial(ASKING, session, without=(avps.SESSION_ID,))
    assert (answer.keys[0], answer.text(avps.SESSION_ID), answer.said) == (avps.SESSION_ID, "late;1", GRANTED)


@pytest.mark.parametrize("kind", [99, 0, 5, -1])
@served()
async def test_065_an_unknown_request_type_is_5004_with_the_avp(world: World, kind: int) -> None:
    client = await world.open()
    answer = await client.ask(ccr(ASKING, kind=kind))
    assert answer.code == 5004
    assert answer.failed.one(avps.CC_REQUEST_TYPE) == kind.to_bytes(4, "big", signed=True)


@served()
async def test_067_an_unknown_service_context_is_5031_with_the_avp(world: World) -> None:
    client = await world.open()
    answer = await client.initial(ASKING, context="gprs")
    assert answer.code == 5031
    assert answer.failed.text(avps.SERVICE_CONTEXT_ID) == "gprs"


@served(charging=ChargingSettings(quotas=RULES, unknown_context="data"))
async def test_067_a_default_service_may_take_unknown_contexts(world: World) -> None:
    client = await world.open()
    assert (await client.initial(ASKING, context="gprs")).said == GRANTED


@pytest.mark.parametrize(
    "second",
    [
        encode_i32(avps.CC_REQUEST_TYPE, UPDATE),
        encode_u32(avps.CC_REQUEST_NUMBER, 7),
        encode_utf8(avps.SESSION_ID, "another"),
    ],
)
@served()
async def test_068_two_different_values_are_5009(world: World, second: bytes) -> None:
    client = await world.open()
    answer = await client.initial(ASKING, second)
    assert answer.code == 5009
    assert answer.has(avps.FAILED_AVP)


@served()
async def test_069_equal_repeats_are_served(world: World) -> None:
    client = await world.open()
    again = [encode_utf8(avps.ORIGIN_HOST, CLIENT), encode_i32(avps.CC_REQUEST_TYPE, INITIAL)]
    assert (await client.initial(ASKING, *again)).said == GRANTED


UNKNOWN, UNKNOWN_M = encode_u32(60_001, 1, False), encode_u32(60_001, 1)
PLACES: dict[str, Callable[[bytes], list[bytes]]] = {
    "root": lambda avp: [ASKING, avp],
    "service": lambda avp: [service(10, requested(total(1_000)), avp)],
    "units": lambda avp: [service(10, requested(total(1_000), avp))],
    "information": lambda avp: [
        ASKING,
        group(avps.SERVICE_INFORMATION, [group(avps.PS_INFORMATION, [avp])]),
    ],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("strict", [False, True])
def test_070_an_unknown_avp_without_m_is_ignored(place: str, strict: bool) -> None:
    @served(STRICT if strict else None)
    async def check(world: World) -> None:
        client = await world.open()
        assert (await client.initial(*PLACES[place](UNKNOWN))).said == GRANTED

    check()


@pytest.mark.parametrize("place", PLACES)
@served()
async def test_071_an_unknown_mandatory_avp_is_ignored_and_counted_by_default(
    world: World, place: str
) -> None:
    client = await world.open()
    assert (await client.initial(*PLACES[place](UNKNOWN_M))).said == GRANTED
    if place in ("root", "service"):
        assert world.counter("ocs_ignored_avps_total", reason="unknown_mandatory") == 1


@pytest.mark.parametrize(
    ("place", "chain"),
    [
        ("root", []),
        ("service", [avps.MULTIPLE_SERVICES_CREDIT_CONTROL]),
        ("units", [avps.MULTIPLE_SERVICES_CREDIT_CONTROL, avps.REQUESTED_SERVICE_UNIT]),
        ("information", [avps.SERVICE_INFORMATION, avps.PS_INFORMATION]),
    ],
)
@served(STRICT)
async def test_071_strictly_it_is_5001_with_the_groups_around_it(
    world: World, place: str, chain: list[int]
) -> None:
    client = await world.open()
    answer = await client.initial(*PLACES[place](UNKNOWN_M))
    assert answer.code == 5001
    inner = answer.failed
    for key in chain:
        inner = inner.group(key)
    assert inner.avps == [(60_001, 0x40, b"\0\0\0\1")]
    assert (await world.account()).sessions == ()


@served()
async def test_072_known_avps_outside_the_grammar_are_served(world: World) -> None:
    client = await world.open()
    odd = encode_octets(8, b"\x0a\x2d\0\2"), encode_u32(480, 2), encode_u32(485, 0)
    assert (await client.initial(*odd, ASKING)).said == GRANTED


@pytest.mark.parametrize(("settings", "code"), [(None, 2001), (STRICT, 5001)])
def test_073_service_information_without_vendor_is_an_unknown_avp(
    settings: DiameterSettings | None, code: int
) -> None:
    @served(settings)
    async def check(world: World) -> None:
        client = await world.open()
        plmn = group(avps.PS_INFORMATION, [encode_utf8(avps.TGPP_SGSN_MCC_MNC, "26201")])
        answer = await client.initial(ASKING, encode_octets(873, plmn))
        assert answer.code == code
        if code == 2001:  # the price is that of home: nothing in the group was believed
            assert await world.spent() == (0, 1_000_000)

    check()


@served()
async def test_074_granted_units_in_a_request_are_never_granted(world: World) -> None:
    client = await world.open()
    granted = group(avps.GRANTED_SERVICE_UNIT, [total(5_000_000)])
    assert (await client.initial(service(10, granted), granted)).said == "2001 10=ok"
    assert await world.spent() == (0, 0)


@pytest.mark.parametrize(
    "members",
    [
        b"",
        encode_i32(avps.SUBSCRIPTION_ID_TYPE, 1),
        encode_utf8(avps.SUBSCRIPTION_ID_DATA, "001010000000001"),
    ],
)
@served()
async def test_075_an_incomplete_subscription_id_is_5005(world: World, members: bytes) -> None:
    client = await world.open()
    answer = await client.initial(ASKING, who=encode_octets(avps.SUBSCRIPTION_ID, members))
    assert answer.code == 5005
    assert answer.failed.keys == [avps.SUBSCRIPTION_ID]
    inner = answer.failed.group(avps.SUBSCRIPTION_ID).keys
    assert inner in ([avps.SUBSCRIPTION_ID_TYPE], [avps.SUBSCRIPTION_ID_DATA])


ERRORS = {
    "5004 in a service": (INITIAL, [service(10, requested(encode_octets(avps.CC_TIME, b"12")))], 5014),
    "5002": (UPDATE, [service(10, used(total(1)))], 5002),
    "5002 of a termination": (TERMINATION, [], 5002),
    "4010 of a barred rating group": (INITIAL, [service(31, requested(total(1)))], 4010),
    "5031 of a rating group without price": (INITIAL, [service(5_555, requested(total(1)))], 5031),
    "5005 of an event": (EVENT, [service(10, requested(total(1)))], 5005),
    "3002": (INITIAL, [encode_utf8(avps.DESTINATION_HOST, "ocs.example.net")], 3002),
}


@pytest.mark.parametrize("name", ERRORS)
@served()
async def test_076_every_error_answer_has_its_identity_proxies_bits_and_number(
    world: World, name: str
) -> None:
    kind, body, code = ERRORS[name]
    client = await world.open()
    without = (avps.DESTINATION_REALM,) if code == 3002 else ()
    answer = await client.ask(ccr(*body, *PROXIES, kind=kind, number=7, without=without))
    assert answer.code == code
    assert answer.text(avps.SESSION_ID) == "pgw.example.net;1;1"
    assert [group(avps.PROXY_INFO, (each,)) for each in answer.all(avps.PROXY_INFO)] == PROXIES
    if code // 1000 != 3:
        assert (answer.number(avps.CC_REQUEST_TYPE), answer.number(avps.CC_REQUEST_NUMBER)) == (kind, 7)


@pytest.mark.parametrize("kind", [INITIAL, EVENT])
@pytest.mark.parametrize("known", [True, False])
@served(durable=True)
async def test_068_two_subscribers_with_accounts_of_their_own_are_5007(
    world: World, known: bool, kind: int
) -> None:
    await world.add("bob", imsi="001010000000002", msisdn="15550100002")
    if not known:
        await world.restart()
    client = await world.open()
    action = encode_u32(avps.REQUESTED_ACTION, 0)
    answer = await client.ask(ccr(ASKING, action, subscription(0, "15550100002"), kind=kind))
    assert (answer.code, answer.failed.keys) == (5007, [avps.SUBSCRIPTION_ID])
    assert await world.spent() == (0, 0)
    answer = await client.ask(ccr(ASKING, action, subscription(0, "15550109999"), kind=kind, session="s;2"))
    assert answer.code == 2001, "a number that nobody has is no contradiction"


@pytest.mark.parametrize("kind", [INITIAL, UPDATE, TERMINATION])
@served(DiameterSettings(strict=True))
async def test_151_strictly_an_action_in_a_session_is_5007(world: World, kind: int) -> None:
    client = await world.open()
    answer = await client.ask(ccr(ASKING, encode_u32(avps.REQUESTED_ACTION, 0), kind=kind))
    assert (answer.code, answer.failed.keys) == (5007, [avps.REQUESTED_ACTION])


@served()
async def test_069_of_repeated_members_the_first_counts(world: World) -> None:
    client = await world.open()
    first = encode_u32(avps.RATING_GROUP, 10), requested(total(1_000), total(9_000))
    other = encode_u32(avps.RATING_GROUP, 31), requested(total(5_000))
    answer = await client.initial(group(avps.MULTIPLE_SERVICES_CREDIT_CONTROL, (*first, *other)))
    assert answer.said == "2001 10=1000"
    answer = await client.update(1, service(10, used(total(700), total(900))))
    assert answer.said == "2001 10=ok"
    assert await world.spent() == (700_000, 0)


@served()
async def test_047_auth_application_id_of_another_size_is_5014(world: World) -> None:
    client = await world.open()
    short = {avps.AUTH_APPLICATION_ID: encode_octets(avps.AUTH_APPLICATION_ID, b"\0\4")}
    answer = await client.initial(ASKING, replaced=short)
    assert (answer.code, answer.failed.keys) == (5014, [avps.AUTH_APPLICATION_ID])


@served(charging=ChargingSettings(quotas=RULES, sessions_per_account=2))
async def test_076_a_session_beyond_those_of_an_account_is_5006(world: World) -> None:
    client = await world.open()
    said = [(await client.initial(ASKING, session=f"s;{number}")).code for number in range(3)]
    assert said == [2001, 2001, 5006]
    assert (await client.terminate(1, session="s;0")).code == 2001
    assert (await client.initial(ASKING, session="s;4")).code == 2001
