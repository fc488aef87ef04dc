"""H and G continued: what a grant may say beyond its units - pools, two quotas, triggers - and what prices it."""

from time import monotonic_ns

import pytest

from ocs.charging import acts
from ocs.charging.events import Unit
from ocs.config.settings import ChargingSettings, DiameterSettings, Peer, Profile, QuotaRule
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_octets, encode_u32, encode_utf8, group
from tests.conformance.client import CLIENT, VOICE
from tests.conformance.decoded import Group
from tests.conformance.test_f_sessions import called
from tests.conformance.test_h_quota import AFTER, BEFORE, asking, at, reason
from tests.conformance.world import EUR, MB, World, served
from tests.support.gy import requested, seconds, service, split, total, used

POOLED = ChargingSettings(quotas=(QuotaRule(volume_octets=10 * MB, pool=7),))
CHANGE = at(20) // EUR + 2_208_988_800  # as a Time
DUAL = DiameterSettings(
    peers=(Peer(CLIENT, profile="both"),),
    profiles={"both": Profile(tariff_time_change=True, dual_quota=True)},
)


def pool(granted: Group) -> tuple[int, int, tuple[int, int]]:
    """Identifier, unit type, and digits and exponent of the multiplier."""
    reference = granted.group(avps.G_S_U_POOL_REFERENCE)
    value = reference.group(avps.UNIT_VALUE)
    multiplier = value.number(avps.VALUE_DIGITS), value.number(avps.EXPONENT) - (1 << 32)
    return reference.number(avps.G_S_U_POOL_IDENTIFIER), reference.number(avps.CC_UNIT_TYPE), multiplier


def unit_takes(granted: Group) -> float:
    """What a unit takes from its pool."""
    digits, exponent = pool(granted)[2]
    return digits * 10.0**exponent


@served(charging=POOLED)
async def test_114_members_of_a_pool_have_the_multipliers_of_their_prices(world: World) -> None:
    client = await world.open()
    answer = await client.initial(asking(MB), asking(MB, rating_group=20))
    assert answer.said == "2001 10=1000000 20=1000000"
    plain, dear = answer.services
    assert pool(plain)[:2] == pool(dear)[:2] == (7, 2)
    assert unit_takes(dear) == 2 * unit_takes(plain)
    held = MB * unit_takes(plain) + MB * unit_takes(dear)
    assert await world.spent() == (0, 3 * EUR) == (0, held)


@served(charging=POOLED)
async def test_114_the_sum_over_the_pool_decides_and_not_the_share_of_one(world: World) -> None:
    client = await world.open()
    await client.initial(asking(MB), asking(MB, rating_group=20))
    reports = (
        asking(MB, used(total(2_600_000)), reason(8)),
        asking(MB, used(total(200_000)), reason(8), rating_group=20),
    )
    answer = await client.update(1, *reports)
    assert answer.said == "2001 10=1000000 20=1000000"
    assert await world.spent() == (2_600 * MB + 400 * MB, 3 * EUR)
    await client.terminate(2)
    assert await world.spent() == (3 * EUR, 0)


@served(charging=POOLED)
async def test_114_a_member_that_leaves_takes_what_it_used_and_leaves_the_rest_to_the_pool(
    world: World,
) -> None:
    client = await world.open()
    await client.initial(asking(MB), asking(MB, rating_group=20))
    answer = await client.update(1, service(10, used(total(400_000)), reason(2)))
    assert answer.said == "2001 10=ok"
    assert not answer.services[0].has(avps.G_S_U_POOL_REFERENCE)
    assert await world.spent() == (400 * MB, 3 * EUR - 400 * MB)
    assert (await client.update(2, service(20, used(total(1_300_000)), reason(8)))).said == "2001 20=ok"
    assert await world.spent() == (400 * MB + 2_600 * MB, 0)


@served(charging=POOLED, empty=True)
async def test_114_a_group_for_which_nothing_is_left_shares_what_the_others_have(world: World) -> None:
    await world.add("alice", EUR, imsi="001010000000001")
    client = await world.open()
    assert (await client.initial(asking(MB))).said == "2001 10=1000000"
    answer = await client.update(1, asking(MB, rating_group=20))
    assert answer.said == "2001 20=0!0", "no units of its own: it draws on those of the other group"
    assert pool(answer.services[0])[:2] == (7, 2)
    report = service(10, used(total(600_000)), reason(2)), service(20, used(total(200_000)), reason(2))
    assert (await client.update(2, *report)).said == "2001 10=ok 20=ok"
    assert await world.spent(credit=EUR) == (EUR, 0)


@served(charging=POOLED)
async def test_114_time_takes_its_price_of_a_second_and_a_group_alone_is_a_pool_too(world: World) -> None:
    client = await world.open()
    call = (await client.initial(service(None, requested(seconds(60))), context=VOICE, who=called())).services
    assert pool(call[0])[:2] == (7, 0)
    assert unit_takes(call[0]) == 10_000_000, "0.01 a second, in nanos"


@served(charging=POOLED, empty=True)
async def test_114_a_bundle_and_money_are_no_pool_together(world: World) -> None:
    bundle = acts.TopUp(MB, balance_id="bundle", unit=Unit.OCTETS)
    await world.add("alice", 10 * EUR, imsi="001010000000001", topups=(bundle,))
    client = await world.open()
    first, second = (await client.initial(asking(MB), asking(MB, rating_group=20))).services
    assert pool(first)[2] == (1_000_000, -6), "of a bundle every unit takes one"
    assert not second.has(avps.G_S_U_POOL_REFERENCE)


# --- two quotas around a change of price (RFC 8506 8.27)


@served(DUAL)
async def test_123_a_client_that_takes_two_quotas_gets_one_for_either_side_of_the_change(
    world: World,
) -> None:
    client = await world.open()
    world.clock.set_wall(at(19, 30))
    answer = await client.initial(asking(rating_group=40))
    assert answer.said == f"2001 40={CHANGE}+1000000 40={CHANGE}+1000000"
    sides = [each.number(avps.TARIFF_CHANGE_USAGE) for each in answer.services]
    assert sides == [0, 1]
    assert await world.spent() == (0, 2 * EUR + 2 * EUR), "each at the dearer price"
    world.clock.set_wall(at(20, 10))
    before = service(40, used(total(900_000)), BEFORE)
    after = service(40, used(total(800_000)), AFTER)
    assert (await client.update(1, before, after)).code == 2001
    assert await world.spent() == (900 * MB + 1_600 * MB, 0)


@served(DUAL, empty=True)
async def test_123_the_second_quota_is_what_money_is_left_for(world: World) -> None:
    await world.add("alice", 3 * EUR, imsi="001010000000001")
    client = await world.open()
    world.clock.set_wall(at(19, 30))
    answer = await client.initial(asking(rating_group=40))
    assert answer.said == f"2001 40={CHANGE}+1000000 40={CHANGE}+500000"
    assert await world.spent(credit=3 * EUR) == (0, 3 * EUR)


# --- triggers


@pytest.mark.parametrize(
    ("names", "types"), [(("rat", "location_mcc"), [4, 30]), (("none",), []), ((), None)], ids=str
)
def test_129_the_configured_triggers_are_armed(names: tuple[str, ...], types: list[int] | None) -> None:
    rule = QuotaRule(triggers=names)  # type: ignore[arg-type]

    @served(charging=ChargingSettings(quotas=(rule,)))
    async def test(world: World) -> None:
        client = await world.open()
        (granted,) = (await client.initial(asking())).services
        assert granted.has(avps.TRIGGER) == (types is not None)
        if types is not None:
            said = [
                int.from_bytes(each, "big") for each in granted.group(avps.TRIGGER).all(avps.TRIGGER_TYPE)
            ]
            assert said == types

    test()


# --- conditions of a price


def radio(rat: int) -> bytes:
    """Service-Information that says a radio access."""
    members = [encode_octets(avps.TGPP_RAT_TYPE, bytes([rat]))]
    return group(avps.SERVICE_INFORMATION, [group(avps.PS_INFORMATION, members)])


@served()
async def test_121_usage_before_a_change_of_access_has_the_old_price_and_the_grant_the_new_one(
    world: World,
) -> None:
    client = await world.open()
    assert (await client.initial(asking(rating_group=60), radio(1))).said == "2001 60=1000000"
    assert await world.spent() == (0, EUR)
    report = asking(MB, used(total(500_000)), reason(6), rating_group=60)
    assert (await client.update(1, report, radio(10))).said == "2001 60=1000000"
    assert await world.spent() == (500 * MB, 2 * EUR)
    assert (await client.update(2, asking(MB, used(total(500_000)), rating_group=60), radio(6))).code == 2001
    assert await world.spent() == (1_500 * MB, 2 * EUR)


@pytest.mark.parametrize(("base", "qci", "price"), [("gold", 5, 3), ("gold", 7, 1), ("base", 5, 1)])
@served()
async def test_122_facts_of_the_bearer_may_decide_the_price(
    world: World, base: str, qci: int, price: int
) -> None:
    client = await world.open()
    quality = group(avps.QOS_INFORMATION, [encode_i32(avps.QOS_CLASS_IDENTIFIER, qci)])
    members = [encode_utf8(avps.CHARGING_RULE_BASE_NAME, base), quality]
    context = group(avps.SERVICE_INFORMATION, [group(avps.PS_INFORMATION, members)])
    assert (await client.initial(asking(rating_group=60), context)).said == "2001 60=1000000"
    assert await world.spent() == (0, price * EUR)


# --- advice of charge


def advice(number: int) -> bytes:
    """AoC-Request-Type."""
    return encode_i32(avps.AOC_REQUEST_TYPE, number)


def number_of(value: Group) -> int:
    """Nanos of Value-Digits and Exponent."""
    exponent = int.from_bytes(value.one(avps.EXPONENT), "big", signed=True)
    scale: int = 10**-exponent
    return value.number(avps.VALUE_DIGITS) * EUR // scale


@pytest.mark.parametrize(("kind", "costs", "tariff"), [(0, 0, 0), (1, 1, 1), (2, 1, 0), (3, 0, 1), (9, 0, 0)])
@served()
async def test_150_advice_of_charge_is_given_where_it_is_asked_for(
    world: World, kind: int, costs: int, tariff: int
) -> None:
    client = await world.open()
    world.clock.set_wall(at(19, 59))
    call = {"context": VOICE, "who": called()}
    await client.initial(service(None, requested(seconds(60))), **call)
    world.clock.pass_s(20)
    report = service(None, used(seconds(20)), requested(seconds(60)))
    answer = await client.update(1, report, advice(kind), **call)
    assert answer.code == 2001
    assert answer.has(avps.SERVICE_INFORMATION) == bool(costs or tariff)
    if not costs and not tariff:
        return
    told = answer.group(avps.SERVICE_INFORMATION).group(avps.AOC_INFORMATION)
    assert (told.has(avps.AOC_COST_INFORMATION), told.has(avps.TARIFF_INFORMATION)) == (costs, tariff)
    if costs:
        cost = told.group(avps.AOC_COST_INFORMATION)
        assert number_of(cost.group(avps.ACCUMULATED_COST)) == EUR // 5
        assert number_of(cost.group(avps.INCREMENTAL_COST)) == EUR // 5
        assert cost.number(avps.CURRENCY_CODE) == 978
    if tariff:
        prices = told.group(avps.TARIFF_INFORMATION)
        element = prices.group(avps.CURRENT_TARIFF).group(avps.RATE_ELEMENT)
        assert element.number(avps.CC_UNIT_TYPE) == 0
        assert number_of(element.group(avps.UNIT_VALUE)) == 60 * EUR, "60 seconds"
        assert number_of(element.group(avps.UNIT_COST)) == EUR * 6 // 10
        assert prices.number(avps.TARIFF_TIME_CHANGE) == CHANGE
        later = prices.group(avps.NEXT_TARIFF).group(avps.RATE_ELEMENT)
        assert number_of(later.group(avps.UNIT_COST)) == EUR * 12 // 10


@served(DiameterSettings(peers=(Peer(CLIENT, profile="open5gs"),)))
async def test_150_a_client_that_asks_in_every_request_and_reads_nothing_gets_no_advice(world: World) -> None:
    client = await world.open()
    assert not (await client.initial(asking(), advice(1))).has(avps.SERVICE_INFORMATION)


@pytest.mark.parametrize("told", [True, False])
def test_095_the_cost_so_far_is_in_updates_of_data_where_the_profile_wants_it(told: bool) -> None:
    profiles = {"costs": Profile(cost_in_updates=told)}

    @served(DiameterSettings(peers=(Peer(CLIENT, profile="costs"),), profiles=profiles))
    async def test(world: World) -> None:
        client = await world.open()
        await client.initial(asking())
        for number in (1, 2):
            answer = await client.update(number, asking(MB, used(total(500_000))))
            assert answer.has(avps.COST_INFORMATION) == told
        if told:
            assert answer.money(avps.COST_INFORMATION) == (100, -2)

    test()


# --- what is counted or, strictly, refused


@served()
async def test_093_a_total_that_is_not_the_sum_of_its_parts_is_counted(world: World) -> None:
    client = await world.open()
    await client.initial(asking())
    await client.update(1, service(10, used(total(900), split(400, 500))))
    assert world.counter("ocs_ignored_avps_total", reason="contradicting_total") == 0
    await client.update(2, service(10, used(total(900), split(400, 400))))
    assert world.counter("ocs_ignored_avps_total", reason="contradicting_total") == 1
    assert (await world.spent())[0] == 1_800 * 1_000


@served()
async def test_062_another_application_in_the_avp_is_counted(world: World) -> None:
    client = await world.open()
    other = {avps.AUTH_APPLICATION_ID: encode_u32(avps.AUTH_APPLICATION_ID, 5)}
    assert (await client.initial(asking(), replaced=other)).said == "2001 10=1000000"
    assert world.counter("ocs_ignored_avps_total", reason="other_application") == 1


@served(DiameterSettings(strict=True))
async def test_074_strictly_granted_units_in_a_request_are_5008(world: World) -> None:
    client = await world.open()
    granted = group(avps.GRANTED_SERVICE_UNIT, [total(MB)])
    answer = await client.initial(granted)
    assert (answer.code, answer.failed.keys) == (5008, [avps.GRANTED_SERVICE_UNIT])
    answer = await client.initial(service(10, granted))
    assert answer.code == 5008
    inside = answer.failed.group(avps.MULTIPLE_SERVICES_CREDIT_CONTROL)
    assert inside.keys == [avps.GRANTED_SERVICE_UNIT]


# --- overload control (RFC 7683)

KNOWS_OVERLOAD = group(
    avps.OC_SUPPORTED_FEATURES, [encode_octets(avps.OC_FEATURE_VECTOR, bytes(7) + b"\1", False)], False
)


@served()
async def test_181_overload_control_is_answered_to_those_who_announce_it(world: World) -> None:
    client = await world.open()
    assert not (await client.initial(asking())).has(avps.OC_SUPPORTED_FEATURES)
    answer = await client.update(1, asking(), KNOWS_OVERLOAD)
    assert answer.group(avps.OC_SUPPORTED_FEATURES).number(avps.OC_FEATURE_VECTOR) == 1
    assert not answer.has(avps.OC_OLR), "there is none"


@served(DiameterSettings(overload_reduction=25))
async def test_181_clients_are_told_to_send_less_while_requests_are_turned_away(world: World) -> None:
    client = await world.open()
    world.agent.overload.shed(1)
    await client.initial(asking())
    answer = await client.update(1, asking(), KNOWS_OVERLOAD)
    assert not answer.has(avps.OC_OLR), "that was long ago"
    world.agent.overload.shed(monotonic_ns())
    said = (await client.update(2, asking(), KNOWS_OVERLOAD)).group(avps.OC_OLR)
    assert said.number(avps.OC_REDUCTION_PERCENTAGE) == 25
    assert (said.number(avps.OC_REPORT_TYPE), said.number(avps.OC_VALIDITY_DURATION)) == (0, 30)
    again = (await client.update(3, asking(), KNOWS_OVERLOAD)).group(avps.OC_OLR)
    assert again.one(avps.OC_SEQUENCE_NUMBER) == said.one(avps.OC_SEQUENCE_NUMBER), "the same report"
