"""F. Session basics: cases 86 to 105."""

import pytest

from ocs.charging.account import Standing
from ocs.charging.supervision import SessionRef
from ocs.charging.tariff.catalogue import Catalogue
from ocs.config.settings import ChargingSettings, DiameterSettings, Peer, Profile, QuotaRule, Supervision
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_octets, encode_u32, encode_utf8, group
from tests.conformance.client import (
    ALICE_MSISDN,
    CLIENT,
    SESSION,
    UPDATE,
    VOICE,
    Client,
    imsi,
    reply,
    subscription,
)
from tests.conformance.world import EUR, MB, TARIFF, World, served, tariff
from tests.support.gy import requested, seconds, service, split, total, used

ASKING = service(10, requested(total(MB)))
GRANTED = "2001 10=1000000"


@served()
async def test_086_what_is_asked_for_is_granted_and_its_price_reserved(world: World) -> None:
    client = await world.open()
    assert (await client.initial(ASKING)).said == GRANTED
    assert await world.spent() == (0, EUR)


@served()
async def test_087_where_nothing_is_named_the_server_chooses_unit_and_amount(world: World) -> None:
    client = await world.open()
    answer = await client.initial(service(10, requested()))
    assert answer.said == "2001 10=10000000"
    assert answer.services[0].group(avps.GRANTED_SERVICE_UNIT).keys == [avps.CC_TOTAL_OCTETS]
    (service_,) = answer.services
    assert service_.has(avps.VALIDITY_TIME)
    call = await client.initial(service(None, requested()), session="s;2", context=VOICE, who=called())
    (granted,) = call.services
    assert granted.group(avps.GRANTED_SERVICE_UNIT).keys == [avps.CC_TIME]


def called(number: str = "tel:+15550100002") -> bytes:
    """alice, and whom she calls."""
    ims = [encode_u32(avps.ROLE_OF_NODE, 0), encode_utf8(avps.CALLED_PARTY_ADDRESS, number)]
    return imsi() + group(avps.SERVICE_INFORMATION, [group(avps.IMS_INFORMATION, ims)])


@served()
async def test_088_without_requested_units_nothing_is_granted(world: World) -> None:
    client = await world.open()
    assert (await client.initial(service(10))).said == "2001 10=ok"
    assert await world.spent() == (0, 0)


@served()
async def test_089_without_any_service_the_session_opens_and_holds_nothing(world: World) -> None:
    client = await world.open()
    answer = await client.initial()
    assert (answer.said, answer.services) == ("2001", [])
    assert (await client.update(1, ASKING)).said == GRANTED
    assert await world.spent() == (0, EUR)


@served()
async def test_090_without_rating_group_the_default_is_rated(world: World) -> None:
    client = await world.open()
    answer = await client.initial(service(None, requested(total(MB))))
    assert answer.said == "2001 -=1000000"
    assert await world.spent() == (0, EUR)


@pytest.mark.parametrize("indicator", [0, 1])
@served()
async def test_091_the_multiple_services_indicator_is_no_hindrance(world: World, indicator: int) -> None:
    client = await world.open()
    said = encode_i32(avps.MULTIPLE_SERVICES_INDICATOR, indicator)
    assert (await client.initial(said, ASKING)).said == GRANTED


@served()
async def test_092_usage_is_debited_to_the_unit_and_a_new_grant_reserved(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    report = service(10, requested(total(2 * MB)), used(total(700_001)))
    assert (await client.update(1, report)).said == "2001 10=2000000"
    assert await world.spent() == (700_001_000, 2 * EUR)


@served()
async def test_092_several_used_units_in_one_service_are_all_debited(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    await client.update(1, service(10, used(total(100_000)), used(total(200_000)), used(total(1))))
    assert await world.spent() == (300_001_000, 0)


@served()
async def test_093_input_and_output_without_total_are_added(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    await client.update(1, service(10, used(split(600_000, 410_000))))
    assert await world.spent() == (1_010_000_000, 0)


@served()
async def test_093_a_total_wins_over_its_parts(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    await client.update(1, service(10, used(split(600_000, 410_000), total(500_000))))
    assert await world.spent() == (500 * MB, 0)


@served()
async def test_094_more_than_granted_is_debited_in_full(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    await client.update(1, service(10, used(total(5 * MB))))
    assert await world.spent() == (5 * EUR, 0)


@served()
async def test_095_a_termination_debits_releases_and_leaves_one_record(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    report = service(10, used(total(300_000)), requested(total(MB)))
    answer = await client.terminate(1, report, encode_i32(avps.TERMINATION_CAUSE, 1))
    assert answer.said == "2001 10=ok"
    assert answer.money(avps.COST_INFORMATION) == (30, -2)
    assert await world.spent() == (300 * MB, 0)
    assert (await client.terminate(1, report)).said == "2001 10=ok"
    (record,) = await world.cdrs()
    assert (record.cost_nanos, record.cause, record.usage[0].used) == (300 * MB, "terminated", 300_000)
    assert (await world.account()).sessions == ()


@served()
async def test_096_a_termination_without_usage_frees_the_reservation(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    assert (await client.terminate(1)).said == "2001"
    assert await world.spent() == (0, 0)


def _without_data() -> Catalogue:
    """A tariff that has lost its data rules."""
    return tariff(
        TARIFF.replace("  standard:\n    data:", "  other:\n    data:") + "  standard:\n    fallback: bare\n"
    )


@served()
async def test_097_usage_is_priced_as_before_when_the_tariff_has_lost_its_rule(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    await client.update(1, service(10, requested(total(MB)), used(total(100_000))))
    world.service.swap(_without_data(), world.service.policy)
    answer = await client.update(2, service(10, requested(total(MB)), used(total(200_000))))
    assert answer.said == "2001 10=5031"
    assert await world.spent() == (300 * MB, 0), "debited at the old price, and nothing is held"


@pytest.mark.parametrize("kind", [2, 3])
@served()
async def test_098_an_unknown_session_is_5002_and_nothing_is_charged(world: World, kind: int) -> None:
    client = await world.open()
    answer = await client.credit(kind, 4, service(10, requested(total(MB)), used(total(MB))))
    assert answer.code == 5002
    assert await world.spent() == (0, 0)
    assert (await world.account()).sessions == ()


@served()
async def test_098_an_unknown_session_of_an_unknown_user_is_5002_too(world: World) -> None:
    client = await world.open()
    assert (await client.update(1, ASKING, who=imsi("999"))).code == 5002


@served()
async def test_099_a_new_initial_on_an_open_session_starts_anew(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    answer = await client.credit(1, 5, service(10, requested(total(2 * MB))))
    assert answer.said == "2001 10=2000000"
    assert await world.spent() == (0, 2 * EUR)
    assert [record.cause for record in await world.cdrs()] == ["replaced"]


@served()
async def test_100_every_refusal_has_its_code(world: World) -> None:
    client = await world.open()
    assert (await client.initial(ASKING, who=imsi("001019999999999"))).code == 5030
    assert (await client.initial(service(31, requested()))).said == "4010 31=4010"
    unrated = await client.initial(service(5_555, requested()))
    assert unrated.said == "5031 5555=5031"
    failed = unrated.failed.group(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
    assert failed.number(avps.RATING_GROUP) == 5_555
    free = await client.initial(service(30, requested()))
    assert free.services[0].number(avps.RESULT_CODE) == 4011
    assert free.code == 2001
    await world.add("poor", 0, imsi="001010000000003")
    assert (await client.initial(ASKING, session="s;2", who=imsi("001010000000003"))).said == "4012 10=4012"
    await world.change(standing=Standing.BARRED)
    assert (await client.initial(ASKING, session="s;3")).code == 4010
    assert await world.spent() == (0, 0)


@pytest.mark.parametrize(("answered", "code"), [("rating_failed", 5031), ("not_authorized", 5003)])
def test_100_a_service_outside_the_plan_is_5031_or_5003(answered: str, code: int) -> None:
    @served(charging=ChargingSettings(unplanned_service=answered))  # type: ignore[arg-type]
    async def test(world: World) -> None:
        await world.add("bare", imsi="001010000000003", plan="bare")
        client = await world.open()
        refused = await client.initial(ASKING, who=imsi("001010000000003"))
        assert refused.said == f"{code} 10=5031"
        assert refused.has(avps.FAILED_AVP) == (code == 5031)
        planned = await client.initial(service(5_555, requested()), session="s;2")
        assert planned.code == 5031, "the plan has the service, and no rule for the rating group"

    test()


NUMBER, IMSI = subscription(0, ALICE_MSISDN), imsi()


@pytest.mark.parametrize(
    "who",
    [
        pytest.param(NUMBER + IMSI, id="101-number-first"),
        pytest.param(IMSI + NUMBER, id="101-imsi-first"),
        pytest.param(IMSI + subscription(0, "49000"), id="101-an-unknown-number-behind"),
        pytest.param(subscription(0, "+15550100001"), id="102-plus"),
        pytest.param(subscription(2, "tel:+1-555-010-0001"), id="102-tel"),
        pytest.param(subscription(2, "sip:+15550100001@ims.example;user=phone"), id="102-sip"),
        pytest.param(subscription(2, "sip:15550100001@ims.example:5060"), id="102-sip-with-port"),
    ],
)
@served()
async def test_101_102_every_form_of_a_subscriber_is_one_account(world: World, who: bytes) -> None:
    client = await world.open()
    assert (await client.initial(ASKING, who=who)).said == GRANTED
    assert await world.spent() == (0, EUR)


HOME = DiameterSettings(
    peers=(Peer(CLIENT, profile="home"),), profiles={"home": Profile(country_code=1, trunk_prefix="0")}
)


@pytest.mark.parametrize("number", ["05550100001", "0015550100001", "+15550100001", "15550100001"])
@served(HOME)
async def test_102_national_numbers_are_completed_by_the_profile(world: World, number: str) -> None:
    client = await world.open()
    inside = group(avps.SERVICE_INFORMATION, [subscription(0, number)])
    assert (await client.initial(ASKING, inside, who=subscription(0, number))).said == GRANTED
    assert await world.spent() == (0, EUR)


def packet(apn: str | None = None, plmn: str | None = None, rat: int | None = None) -> bytes:
    """Service-Information of packet data."""
    members = []
    if apn is not None:
        members.append(encode_utf8(avps.CALLED_STATION_ID, apn))
    if plmn is not None:
        members.append(encode_utf8(avps.TGPP_SGSN_MCC_MNC, plmn))
    if rat is not None:
        members.append(encode_octets(avps.TGPP_RAT_TYPE, bytes([rat])))
    return group(avps.SERVICE_INFORMATION, [group(avps.PS_INFORMATION, members)])


@served()
async def test_103_what_a_later_request_leaves_out_is_known_from_the_session(world: World) -> None:
    client = await world.open()
    assert (await client.initial(ASKING, packet("corporate.mnc001.mcc001.gprs"))).said == GRANTED
    assert await world.spent() == (0, 2 * EUR)
    report = service(10, requested(total(MB)), used(total(MB)))
    assert (await client.update(1, report, without=(avps.SUBSCRIPTION_ID,))).said == GRANTED
    assert await world.spent() == (2 * EUR, 2 * EUR)


async def _silent(world: World, client: Client) -> None:
    assert (await client.initial(ASKING)).said == GRANTED
    world.clock.pass_s(2 * 3_600 + 5)

    async def closed() -> bool:
        return (await world.account()).sessions == ()

    await world.until(closed)


@served()
async def test_104_a_silent_session_is_closed_and_its_reservation_released(world: World) -> None:
    client = await world.open()
    await _silent(world, client)
    assert await world.spent() == (0, 0)
    assert [record.cause for record in await world.cdrs()] == ["client silent"]

    async def is_counted() -> bool:
        return world.counter("ocs_expired_sessions_total") == 1

    await world.until(is_counted)
    answer = await client.update(1, service(10, requested(total(MB)), used(total(400_000))))
    assert answer.said == "5002"
    assert await world.spent() == (400 * MB, 0), "what was used before is charged within the grace"
    world.clock.pass_s(61)
    assert (await client.update(2, service(10, requested(total(MB)), used(total(MB))))).said == "5002"
    assert await world.spent() == (400 * MB, 0)


@served(charging=ChargingSettings(supervision=Supervision(abort=True)))
async def test_104_the_client_of_a_silent_session_may_be_told_to_end_it(world: World) -> None:
    client = await world.open()
    await _silent(world, client)
    asked = await client.receive()
    assert (asked.command, asked.text(avps.SESSION_ID)) == (274, SESSION)
    client.send(reply(asked, 2001))
    answer = await client.terminate(1, service(10, used(total(400_000))))
    assert answer.said == "2001 10=ok"
    assert await world.spent() == (400 * MB, 0)


@served(
    charging=ChargingSettings(quotas=(QuotaRule(validity_ns=10 * EUR),), supervision=Supervision(factor=2))
)
async def test_104_the_supervision_follows_the_validity_and_every_request_starts_it_anew(
    world: World,
) -> None:
    client = await world.open()
    await client.initial(ASKING)
    ref = _ref(world)
    first_ns = ref.deadline_ns - world.clock.monotonic_ns()
    assert 20 * EUR < first_ns <= 30 * EUR, "the larger of twice the validity and the grace"
    world.clock.pass_s(20)
    await client.credit(UPDATE, 1, ASKING)
    assert _ref(world).deadline_ns - ref.deadline_ns >= 0
    assert _ref(world).deadline_ns - world.clock.monotonic_ns() > 20 * EUR


def _ref(world: World) -> SessionRef:
    ref = world.service.supervision.get("pgw.example.net|pgw.example.net;1;1")
    assert ref is not None
    return ref


@served(durable=True)
async def test_105_a_session_goes_on_after_a_restart(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    before = (await client.ask_state()).number(avps.ORIGIN_STATE_ID)
    await world.crash()
    await world.start()
    again = await world.open()
    report = service(10, requested(total(MB)), used(total(600_000)))
    assert (await again.update(1, report, without=(avps.SUBSCRIPTION_ID,))).said == GRANTED
    assert await world.spent() == (600 * MB, EUR)
    assert (await again.ask_state()).number(avps.ORIGIN_STATE_ID) == before
    assert (await again.terminate(2, service(10, used(total(1))))).code == 2001
    assert await world.spent() == (600_001_000, 0)


@served(durable=True)
async def test_105_after_a_restart_silence_still_ends_a_session(world: World) -> None:
    client = await world.open()
    await client.initial(ASKING)
    await world.restart()
    world.clock.pass_s(2 * 3_600 + 5)

    async def closed() -> bool:
        return (await world.account()).sessions == ()

    await world.until(closed)
    assert await world.spent() == (0, 0)


@served()
async def test_105_time_of_another_unit_does_not_disturb(world: World) -> None:
    """A report of seconds in a volume session is left alone, as no tariff prices it there."""
    client = await world.open()
    await client.initial(ASKING)
    await client.update(1, service(10, used(total(1_000), seconds(1_795_454_240))))
    assert await world.spent() == (MB, 0)


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        pytest.param(0, b"3549090698738199", "3549090698738199", id="digits"),
        pytest.param(0, bytes.fromhex("5394096089371899"), "3549900698738199", id="bcd"),
        pytest.param(1, b"00-00-00-00-00-00", "00-00-00-00-00-00", id="mac-as-text"),
    ],
)
@served()
async def test_103_the_equipment_is_kept_for_the_record_in_every_form(
    world: World, kind: int, value: bytes, kept: str
) -> None:
    client = await world.open()
    members = (
        encode_i32(avps.USER_EQUIPMENT_INFO_TYPE, kind),
        encode_octets(avps.USER_EQUIPMENT_INFO_VALUE, value),
    )
    assert (await client.initial(ASKING, group(avps.USER_EQUIPMENT_INFO, members))).said == GRANTED
    await client.terminate(1)
    assert dict((await world.cdrs())[0].context.extra)["equipment"] == kept
