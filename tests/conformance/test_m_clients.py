"""M. What real clients send, replayed over TCP: cases 170 to 180."""

import json

import pytest

from ocs.charging import acts
from ocs.charging.decision import Change
from ocs.charging.events import Identity, IdentityKind
from ocs.config.settings import ChargingSettings, DiameterSettings, Peer, QuotaRule
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_octets, encode_time, encode_u32, encode_utf8, group
from tests.conformance.client import (
    ALICE_MSISDN,
    CLIENT,
    EVENT,
    SMS,
    ccr,
    dwr,
    imsi,
    subscription,
)
from tests.conformance.decoded import CCA_HEAD, Decoded
from tests.conformance.samples import VECTORS, kamailio, open5gs, sample
from tests.conformance.world import EUR, MB, World, served
from tests.support.gy import requested, service, split, total, used

SMF = "smf.localdomain"
AS_OPEN5GS = DiameterSettings(peers=(Peer(SMF, profile="open5gs"),))
ASKING = service(10, requested(total(MB)))


def of(request: bytes) -> str:
    """Origin-Host of a request."""
    return Decoded(request).all(avps.ORIGIN_HOST)[0].decode()


def known_to_open5gs() -> frozenset[int]:
    """AVPs of RFC 6733, RFC 8506 and TS 32.299: a client may know them."""
    rows = json.loads((VECTORS / "gy" / "avps.json").read_text())
    rows = rows if isinstance(rows, list) else rows["avps"]
    return frozenset((row.get("vendor") or 0) << 32 | row["code"] for row in rows)


@served()
async def test_170_172_the_open5gs_samples_are_served_as_expected(world: World) -> None:
    first, second, third = (sample(f"open5gs_ccr_{kind}") for kind in "iut")
    client = await world.open(of(first))
    answer = await client.ask(first)
    (granted,) = answer.services
    assert tuple(answer.keys[: len(CCA_HEAD)]) == CCA_HEAD
    assert granted.group(avps.GRANTED_SERVICE_UNIT).number(avps.CC_TOTAL_OCTETS) == MB
    assert granted.has(avps.VALIDITY_TIME)
    assert not granted.has(avps.FINAL_UNIT_INDICATION)
    assert await world.spent() == (0, EUR)
    answer = await client.ask(second)
    assert answer.said == "2001 -=1000000"
    assert await world.spent() == (1_010 * MB, EUR)
    answer = await client.ask(third)
    assert answer.code == 2001
    assert not any(each.has(avps.GRANTED_SERVICE_UNIT) for each in answer.services)
    assert await world.spent() == (1_016 * MB, 0)
    assert len(await world.cdrs()) == 1


@served()
async def test_173_the_kamailio_sample_is_granted_time(world: World) -> None:
    request = sample("kamailio_ims_charging_ccr_i")
    client = await world.open(of(request))
    answer = await client.ask(request)
    assert answer.said == "2001 100/1000=30"
    assert answer.services[0].group(avps.GRANTED_SERVICE_UNIT).keys == [avps.CC_TIME]


@served()
async def test_174_the_message_sample_is_debited_once(world: World) -> None:
    request = sample("sms_event_ccr")
    client = await world.open(of(request))
    answer = await client.ask(request)
    assert answer.said == "2001 -/1=1"
    again = await client.ask(request[:4] + b"\xd0" + request[5:])
    assert again.frame[20:] == answer.frame[20:]
    assert await world.spent() == (EUR // 20, 0)


@pytest.mark.parametrize("number", ["001", "003", "004", "121", "203"])
@served(AS_OPEN5GS)
async def test_174a_recordings_of_open5gs_are_answered_as_it_needs_it(world: World, number: str) -> None:
    """CCR-I, -U and -T as recorded; what is asserted is what makes that client go on (or end) in order."""
    await world.add("roamer", imsi="310410123456789")
    client = await world.open(SMF)
    requests = open5gs(number, "CCR-I", "CCR-U", "CCR-T")
    assert len(requests) >= 2
    known = known_to_open5gs()
    for request in requests:
        answer = await client.ask(request)
        assert tuple(answer.keys[: len(CCA_HEAD)]) == CCA_HEAD
        assert answer.code == 2001
        assert all(key in known for key, flags, _ in answer.avps if flags & 0x40)
        if Decoded(request).number(avps.CC_REQUEST_TYPE) == 3:
            continue
        (granted,) = answer.services
        assert granted.group(avps.GRANTED_SERVICE_UNIT).number(avps.CC_TOTAL_OCTETS) > 0
        assert granted.number(avps.VALIDITY_TIME) <= 600
        assert all(key in known for key, flags, _ in granted.avps if flags & 0x40)
    for key in ("default:alice", "default:roamer"):
        assert (await world.account(key)).sessions == ()
        assert (await world.money(key))[1] == 0


@served(AS_OPEN5GS)
async def test_174a_open5gs_without_credit_is_refused_at_command_level(world: World) -> None:
    world.service.policy.floor_nanos = None
    await world.change(balances=())
    client = await world.open(SMF)
    (request, *_) = open5gs("001", "CCR-I")
    answer = await client.ask(request)
    assert answer.code == 4012
    assert (await world.account()).sessions == ()


@served(AS_OPEN5GS)
async def test_174a_free_service_is_a_grant_and_not_4011_for_open5gs(world: World) -> None:
    client = await world.open(SMF)
    answer = await client.initial(service(30, requested(total(MB))))
    assert answer.said == "2001 30=10000000"
    assert await world.spent() == (0, 0)


@served(AS_OPEN5GS)
async def test_174a_the_same_bearer_again_replaces_the_session_of_open5gs(world: World) -> None:
    client = await world.open(SMF)
    first, second = open5gs("009", "CCR-I")[:2]
    assert (await client.ask(first)).code == 2001
    assert (await client.ask(second)).code == 2001
    assert len((await world.account()).sessions) == 1
    assert await world.spent() == (0, EUR)


@served(AS_OPEN5GS)
async def test_174a_a_time_of_day_in_the_place_of_a_duration_is_not_charged(world: World) -> None:
    client = await world.open(SMF)
    more = {"host": SMF}
    await client.initial(service(None, requested(total(MB))), **more)
    body = split(1_000, 2_000) + encode_u32(avps.CC_TIME, 1_795_454_240)
    assert (await client.update(1, service(None, used(body), requested(total(MB))), **more)).code == 2001
    assert (await world.spent())[0] == 3 * MB


CALLERS = ("1001", "1002", "1006")


@served(DiameterSettings(peers=(Peer("scscf.test.invalid", profile="kamailio"),)))
async def test_175_a_whole_recording_of_kamailio_is_served(world: World) -> None:
    """Every message as it was sent, over one connection: granted calls, watchdogs between them, ends."""
    for number in CALLERS:
        uri = Identity(IdentityKind.SIP_URI, f"sip:{number}@test.invalid")
        account, posting = acts.create(
            acts.NewAccount(f"default:{number}", "standard", (uri,), (acts.TopUp(EUR),)),
            acts.Act("seed", 0, "test"),
        )
        assert posting is not None
        await world.service.create(Change(account, (posting,), has_new_identities=True))
    client = await world.connect()
    calls = []
    for frame in kamailio():
        answer = await client.ask(frame)
        assert answer.code == 2001
        if answer.command == 272 and answer.number(avps.CC_REQUEST_TYPE) < 3:
            (granted,) = answer.services
            calls.append(granted.group(avps.GRANTED_SERVICE_UNIT).number(avps.CC_TIME))
    assert len(calls) == 5
    assert all(calls)
    for number in CALLERS:
        assert (await world.account(f"default:{number}")).sessions == ()
        assert (await world.money(f"default:{number}"))[1] == 0


@served()
async def test_175_a_call_is_cut_at_its_last_seconds(world: World) -> None:
    await world.add("bob", EUR // 10, imsi="001010000000002")
    client = await world.open()
    ims = [
        encode_u32(avps.ROLE_OF_NODE, 0),
        encode_utf8(avps.CALLED_PARTY_ADDRESS, "sip:15550100002@ims.example"),
    ]
    dialled = group(avps.SERVICE_INFORMATION, [group(avps.IMS_INFORMATION, ims)])
    body = service(100, requested(encode_u32(avps.CC_TIME, 30)), identifiers=(1_000,))
    world.clock.set_wall(1_780_315_200 * EUR)
    who = imsi("001010000000002")
    answer = await client.initial(body, dialled, context="ext.01.001.8.32260@3gpp.org", who=who)
    assert answer.said == "2001 100/1000=10!0"


@served()
async def test_176_members_in_any_order_and_without_m_are_served(world: World) -> None:
    client = await world.open()
    plain = encode_octets(avps.TGPP_SGSN_MCC_MNC, b"26201", False)
    information = group(avps.SERVICE_INFORMATION, [group(avps.PS_INFORMATION, [plain], False)], False)
    request = ccr(
        ASKING, information, encode_i32(avps.CC_REQUEST_TYPE, 1), imsi(),
        without=(avps.CC_REQUEST_TYPE, avps.SUBSCRIPTION_ID),
    )  # fmt: skip
    assert (await client.ask(request)).said == "2001 10=1000000"
    assert await world.spent() == (0, 3 * EUR)


@served(DiameterSettings(peers=(Peer(CLIENT, profile="ergw"),)))
async def test_177_empty_requested_units_are_granted_in_octets(world: World) -> None:
    client = await world.open()
    who = imsi() + subscription(0, ALICE_MSISDN)
    answer = await client.initial(service(1, requested()), service(2), context="14.32251@3gpp.org", who=who)
    assert answer.said == "2001 1=10000000 2=ok"


@pytest.mark.parametrize("at_root", [False, True])
@served()
async def test_178_facts_at_the_root_have_the_same_price_as_in_the_group(world: World, at_root: bool) -> None:
    client = await world.open()
    facts = [encode_utf8(avps.TGPP_SGSN_MCC_MNC, "26201"), encode_octets(avps.TGPP_RAT_TYPE, b"\6")]
    inside = group(avps.SERVICE_INFORMATION, [group(avps.PS_INFORMATION, facts)])
    assert (await client.initial(ASKING, *(facts if at_root else [inside]))).said == "2001 10=1000000"
    assert await world.spent() == (0, 3 * EUR)


@served()
async def test_179_the_usage_of_a_whole_outage_is_debited_in_full(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    old = encode_time(avps.EVENT_TIMESTAMP, world.clock.wall_ns() - 20 * 3_600 * EUR)
    answer = await client.update(1, service(10, used(total(10 * MB)), requested(total(MB))), old)
    assert answer.said == "2001 10=1000000"
    assert await world.spent() == (10 * EUR, EUR)


@pytest.mark.parametrize("ntp", [0, 1, 0xFFFF_FFFF, 0x7FFF_FFFF, 0x8000_0000])
@served()
async def test_179_an_absurd_moment_does_not_fail_a_request(world: World, ntp: int) -> None:
    client = await world.open()
    moment = encode_octets(avps.EVENT_TIMESTAMP, ntp.to_bytes(4, "big"))
    assert (await client.initial(ASKING, moment)).said == "2001 10=1000000"
    at = encode_octets(avps.EVENT_CHARGING_TIMESTAMP, ntp.to_bytes(4, "big"))
    assert (await client.update(1, service(10, used(total(1_000), at)), moment)).code == 2001
    assert await world.spent() == (MB, 0)


@pytest.mark.parametrize("kind", [1, 2, 3, EVENT])
@served()
async def test_180_no_answer_lacks_what_a_client_needs(world: World, kind: int) -> None:
    client = await world.open()
    context = SMS if kind == EVENT else "32251@3gpp.org"
    for body in ((), (ASKING,), (service(31, requested()),)):
        answer = await client.credit(kind, 0, *body, context=context)
        for key in CCA_HEAD:
            assert answer.has(key)
        assert answer.number(avps.CC_REQUEST_TYPE) == kind
        assert answer.number(avps.CC_REQUEST_NUMBER) == 0


@served(charging=ChargingSettings(quotas=(QuotaRule(volume_octets=2 * MB),)))
async def test_174a_three_watchdogs_at_once_are_all_answered(world: World) -> None:
    client = await world.open()
    probes = [dwr() for _ in range(3)]
    assert [answer.code for answer in await client.ask_all(*probes)] == [2001] * 3
