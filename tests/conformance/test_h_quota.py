"""H. Quota management: cases 117 to 129."""

from datetime import UTC, datetime

import pytest

from ocs.charging.events import Unit
from ocs.charging.quota import ChargingPolicy, QuotaMatch
from ocs.charging.quota import QuotaRule as CompiledRule
from ocs.config.settings import ChargingSettings, DiameterSettings, Peer, QuotaRule
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_time, encode_u32, group
from tests.conformance.client import CLIENT, VOICE
from tests.conformance.test_f_sessions import called, packet
from tests.conformance.world import EUR, MB, World, served
from tests.support.gy import requested, seconds, service, total, used

BEFORE, AFTER, EITHER = (encode_i32(avps.TARIFF_CHANGE_USAGE, number) for number in range(3))
VODAFONE_REASON = 12_645 << 32 | 261


def reason(number: int) -> bytes:
    """Reporting-Reason."""
    return encode_i32(avps.REPORTING_REASON, number)


def asking(octets: int = MB, *more: bytes, rating_group: int = 10) -> bytes:
    """A service that wants a volume."""
    return service(rating_group, requested(total(octets)), *more)


def at(hour: int, minute: int = 0) -> int:
    """A moment of an ordinary day."""
    return int(datetime(2026, 6, 1, hour, minute, tzinfo=UTC).timestamp()) * EUR


@served()
async def test_117_an_expired_validity_is_debited_and_reserved_anew(world: World) -> None:
    client = await world.open()
    await client.initial(asking())
    assert (await client.update(1, asking(MB, used(total(1_000)), reason(4)))).said == "2001 10=1000000"
    assert await world.spent() == (MB, EUR)
    assert (await client.update(2, asking(MB, reason(4)))).said == "2001 10=1000000"
    assert await world.spent() == (MB, EUR)


@pytest.mark.parametrize(("again", "said", "held"), [(False, "10=ok", 0), (True, "10=1000000", EUR)])
@served()
async def test_118_an_idle_quota_is_released_unless_more_is_wanted(
    world: World, again: bool, said: str, held: int
) -> None:
    client = await world.open()
    await client.initial(asking())
    body = [used(total(1_000)), reason(1), *([requested(total(MB))] if again else [])]
    assert (await client.update(1, service(10, *body))).said == f"2001 {said}"
    assert await world.spent() == (MB, held)


@served()
async def test_119_a_threshold_report_replaces_the_grant(world: World) -> None:
    client = await world.open()
    await client.initial(asking())
    for number in range(1, 6):
        report = asking(MB, used(total(800_000), reason(0)))
        assert (await client.update(number, report)).said == "2001 10=1000000"
        assert await world.spent() == (number * 800 * MB, EUR)


THRESHOLD = ChargingSettings(quotas=(QuotaRule(volume_octets=10 * MB, volume_threshold_octets=200_000),))


@pytest.mark.parametrize(
    ("asked", "threshold"), [(MB, 200_000), (200_001, 200_000), (200_000, None), (100, None)]
)
@served(charging=THRESHOLD)
async def test_120_a_threshold_is_sent_only_below_the_grant(
    world: World, asked: int, threshold: int | None
) -> None:
    client = await world.open()
    (granted,) = (await client.initial(asking(asked))).services
    assert granted.has(avps.VOLUME_QUOTA_THRESHOLD) == (threshold is not None)
    if threshold is not None:
        assert granted.number(avps.VOLUME_QUOTA_THRESHOLD) == threshold


@served()
async def test_121_a_change_of_access_is_taken_and_kept_for_the_record(world: World) -> None:
    """A tariff that has no condition on the radio access keeps its price; the record has the last one."""
    client = await world.open()
    await client.initial(asking(), packet(rat=1))
    trigger = group(avps.TRIGGER, [encode_u32(avps.TRIGGER_TYPE, 4)])
    report = asking(MB, used(total(500_000)), reason(6), trigger)
    assert (await client.update(1, report, packet(rat=6))).said == "2001 10=1000000"
    assert await world.spent() == (500 * MB, EUR)
    await client.terminate(2)
    assert (await world.cdrs())[0].context.rat == "EUTRAN"


@served()
async def test_122_usage_before_a_move_has_the_old_price_and_the_grant_the_new_one(world: World) -> None:
    client = await world.open()
    await client.initial(asking(), packet(plmn="00101"))
    assert await world.spent() == (0, EUR)
    report = asking(MB, used(total(MB)), reason(6))
    assert (await client.update(1, report, packet(plmn="26201"))).said == "2001 10=1000000"
    assert await world.spent() == (EUR, 3 * EUR)
    await client.terminate(2, service(10, used(total(MB))))
    assert await world.spent() == (4 * EUR, 0)


KNOWS = DiameterSettings(peers=(Peer(CLIENT, profile="staros"),))


@served(KNOWS)
async def test_123_usage_around_a_change_of_price_is_priced_where_it_lies(world: World) -> None:
    client = await world.open()
    world.clock.set_wall(at(19, 30))
    (granted,) = (await client.initial(asking(rating_group=40))).services
    change = granted.group(avps.GRANTED_SERVICE_UNIT).number(avps.TARIFF_TIME_CHANGE)
    assert change == at(20) // EUR + 2_208_988_800
    assert await world.spent() == (0, 2 * EUR), "held at the dearer price"
    world.clock.set_wall(at(20, 10))
    report = asking(MB, used(total(300_000), BEFORE), used(total(200_000), AFTER), rating_group=40)
    assert (await client.update(1, report)).code == 2001
    assert await world.spent() == (300 * MB + 400 * MB, 2 * EUR)


@served(KNOWS)
async def test_123_usage_on_either_side_is_priced_at_the_cheaper(world: World) -> None:
    client = await world.open()
    world.clock.set_wall(at(19, 30))
    await client.initial(asking(rating_group=40))
    world.clock.set_wall(at(20, 10))
    await client.update(1, service(40, used(total(100_000), EITHER)))
    assert await world.spent() == (100 * MB, 0)


@served()
async def test_123_the_moment_of_the_event_decides_for_one_amount(world: World) -> None:
    client = await world.open()
    now_ns = world.clock.wall_ns()
    today = datetime.fromtimestamp(now_ns // EUR, UTC)
    cheap_ns = int(today.replace(hour=3, minute=0, second=0).timestamp()) * EUR
    await client.initial(asking(rating_group=40))
    moment = encode_time(avps.EVENT_TIMESTAMP, min(cheap_ns, now_ns))
    await client.update(1, service(40, used(total(100_000))), moment)
    assert (await world.spent())[0] == 100 * MB


@served(KNOWS)
async def test_124_time_is_split_by_the_clock_and_no_change_is_named(world: World) -> None:
    client = await world.open()
    world.clock.set_wall(at(19, 59))
    answer = await client.initial(service(None, requested(seconds(300))), context=VOICE, who=called())
    assert answer.said == "2001 -=300"
    assert answer.services[0].group(avps.GRANTED_SERVICE_UNIT).keys == [avps.CC_TIME]
    assert abs((await world.spent())[1] - 5_400 * MB) <= 20 * MB, "60 s at 0.01 and 240 s at 0.02"
    world.clock.set_wall(at(20, 1))
    await client.terminate(1, service(None, used(seconds(120))), context=VOICE)
    assert abs((await world.spent())[0] - 1_800 * MB) <= 20 * MB, "60 s at each price"


@served()
async def test_125_for_other_clients_the_validity_ends_at_the_change(world: World) -> None:
    client = await world.open()
    world.clock.set_wall(at(19, 30))
    (granted,) = (await client.initial(asking(rating_group=40))).services
    assert not granted.group(avps.GRANTED_SERVICE_UNIT).has(avps.TARIFF_TIME_CHANGE)
    assert 1_790 <= granted.number(avps.VALIDITY_TIME) <= 1_860
    assert await world.spent() == (0, EUR)


FREED = "2001 10=ok"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param((used(total(1_000)), reason(2)), id="final-in-the-service"),
        pytest.param((used(total(1_000), reason(2)),), id="final-in-the-units"),
        pytest.param((used(total(1_000)), encode_i32(VODAFONE_REASON, 2)), id="final-of-another-vendor"),
        pytest.param((used(total(1_000), reason(1)),), id="idle-in-the-units"),
    ],
)
@served()
async def test_126_a_reason_counts_wherever_it_stands(world: World, body: tuple[bytes, ...]) -> None:
    client = await world.open()
    await client.initial(asking())
    assert (await client.update(1, service(10, *body))).said == FREED
    account = await world.account()
    assert account.sessions[0].quotas[0].granted == 0
    assert await world.spent() == (MB, 0)


@pytest.mark.parametrize("number", [9, 42, 0x7FFF_FFFF, -1])
@served()
async def test_127_late_and_unknown_reasons_are_accepted(world: World, number: int) -> None:
    client = await world.open()
    await client.initial(asking())
    assert (await client.update(1, asking(MB, used(total(1_000)), reason(number)))).said == "2001 10=1000000"
    assert await world.spent() == (MB, EUR)


@served()
async def test_128_two_units_of_one_group_are_both_debited(world: World) -> None:
    client = await world.open()
    await client.initial(service(50, requested(seconds(60))))
    await client.update(1, service(50, used(seconds(10)), used(total(100_000), reason(5))))
    assert await world.spent() == (10 * 10 * MB + 100 * MB, 0)
    assert (await client.update(2, service(50, used(seconds(1)), used(total(0), reason(5))))).code == 2001
    assert await world.spent() == (11 * 10 * MB + 100 * MB, 0)


@served()
async def test_129_triggers_are_armed_by_name_and_never_emptied(world: World) -> None:
    client = await world.open()
    (plain,) = (await client.initial(asking())).services
    assert not plain.has(avps.TRIGGER)
    armed = CompiledRule(triggers=(4, 30), default={Unit.OCTETS: MB})
    world.service.swap(world.catalogue, ChargingPolicy((QuotaMatch(armed),)))
    (granted,) = (await client.update(1, asking())).services
    types = granted.group(avps.TRIGGER).all(avps.TRIGGER_TYPE)
    assert types == [b"\0\0\0\4", b"\0\0\0\x1e"]


@served(charging=ChargingSettings(quotas=(QuotaRule(consumption_time_ns=20 * EUR),)))
async def test_118_the_consumption_time_of_time_quotas_is_told(world: World) -> None:
    client = await world.open()
    call = await client.initial(service(None, requested(seconds(60))), context=VOICE, who=called())
    assert call.services[0].number(avps.QUOTA_CONSUMPTION_TIME) == 20
    data = await client.initial(asking(), session="s;2")
    assert not data.services[0].has(avps.QUOTA_CONSUMPTION_TIME)


@served(charging=ChargingSettings(quotas=(QuotaRule(validity_ns=600 * EUR, holding_time_ns=45 * EUR),)))
async def test_117_118_validity_and_holding_time_are_told(world: World) -> None:
    client = await world.open()
    (granted,) = (await client.initial(asking())).services
    assert granted.number(avps.VALIDITY_TIME) == 600
    assert granted.number(avps.QUOTA_HOLDING_TIME) == 45
