"""G. Multiple services: cases 106 to 116."""

import pytest

from ocs.config.settings import DiameterSettings, Limits
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_i64, encode_u32, group
from tests.conformance.client import UPDATE, ccr, imsi
from tests.conformance.world import EUR, MB, World, served
from tests.support.gy import requested, seconds, service, total, used

FINAL = encode_i32(avps.REPORTING_REASON, 2)
POOR = imsi("001010000000002")


def asking(
    rating_group: int | None, octets: int = MB, *more: bytes, identifiers: tuple[int, ...] = ()
) -> bytes:
    """One service that wants a volume."""
    return service(rating_group, requested(total(octets)), *more, identifiers=identifiers)


@served()
async def test_106_one_group_without_credit_leaves_the_other_alone(world: World) -> None:
    await world.add("poor", EUR, imsi="001010000000002")
    client = await world.open()
    body = asking(20, MB, identifiers=(7,)), asking(10, MB, identifiers=(3, 2))
    answer = await client.initial(*body, who=POOR)
    assert answer.said == "2001 20/7=4012 10/3+2=1000000"
    assert await world.money("default:poor") == (EUR, EUR)


@served()
async def test_106_the_order_of_the_groups_does_not_decide_who_gets_the_last_credit(world: World) -> None:
    await world.add("poor", EUR, imsi="001010000000002")
    client = await world.open()
    one = await client.initial(asking(20), asking(10), who=POOR)
    await client.terminate(1)
    other = await client.initial(asking(10), asking(20), who=POOR, session="s;2")
    assert one.said.split()[1:] == other.said.split()[:0:-1]


@served(durable=True)
async def test_107_pipelined_updates_of_three_groups_are_all_served(world: World) -> None:
    client = await world.open()
    await client.initial(asking(10), asking(11), asking(12))
    requests = [
        ccr(asking(group, 2 * MB, used(total(500_000))), kind=UPDATE, number=number)
        for number, group in ((1, 10), (2, 11), (3, 12))
    ]
    answers = await client.ask_all(*requests)
    assert [answer.said for answer in answers] == [f"2001 {group}=2000000" for group in (10, 11, 12)]
    assert await world.spent() == (1_500 * MB, 6 * EUR)


@served()
async def test_108_numbers_may_come_out_of_order_and_with_gaps(world: World) -> None:
    client = await world.open()
    await client.initial(asking(10))
    for number in (3, 2, 1_000, 7, 0xFFFF_FFFF, 1):
        assert (await client.update(number, asking(10, MB, used(total(100_000))))).said == "2001 10=1000000"
    assert await world.spent() == (600 * MB, EUR)


@served()
async def test_109_a_group_nothing_prices_is_5031_and_the_others_live(world: World) -> None:
    client = await world.open()
    answer = await client.initial(asking(5_555), asking(10), asking(31))
    assert answer.said == "2001 5555=5031 10=1000000 31=4010"


@served()
async def test_110_several_services_of_one_group_are_one_grant(world: World) -> None:
    client = await world.open()
    assert (await client.initial(asking(10, MB, identifiers=(1, 2)))).said == "2001 10/1+2=1000000"
    assert await world.spent() == (0, EUR)
    report = service(10, requested(total(MB)), used(total(MB)), identifiers=(1, 2))
    assert (await client.update(1, report)).said == "2001 10/1+2=1000000"
    assert await world.spent() == (EUR, EUR)


@served()
async def test_111_one_group_twice_is_granted_once_and_debited_twice(world: World) -> None:
    client = await world.open()
    assert (await client.initial(asking(10), asking(10, 3 * MB))).said == "2001 10=1000000"
    assert await world.spent() == (0, EUR)
    twice = service(10, used(total(100_000)), requested(total(MB))), service(10, used(total(200_000)))
    assert (await client.update(1, *twice)).said == "2001 10=1000000"
    assert await world.spent() == (300 * MB, EUR)


@served()
async def test_111_one_group_in_two_units_is_charged_by_the_one_that_has_a_price(world: World) -> None:
    client = await world.open()
    twice = asking(10), service(10, requested(seconds(60)))
    assert (await client.initial(*twice)).said == "2001 10=1000000"
    await client.update(1, service(10, used(total(1_000))), service(10, used(seconds(9))))
    assert await world.spent() == (MB, 0)


@served()
async def test_112_a_final_report_releases_its_own_group_only(world: World) -> None:
    client = await world.open()
    await client.initial(asking(10), asking(11))
    assert (await client.update(1, service(10, used(total(200_000)), FINAL))).said == "2001 10=ok"
    assert await world.spent() == (200 * MB, EUR)


@served()
async def test_113_a_group_may_join_with_an_update(world: World) -> None:
    client = await world.open()
    await client.initial(asking(10))
    assert (await client.update(1, asking(11))).said == "2001 11=1000000"
    assert await world.spent() == (0, 2 * EUR)
    assert (await client.terminate(2)).code == 2001
    assert await world.spent() == (0, 0)


@served()
async def test_114_a_pool_reference_of_the_client_is_no_hindrance(world: World) -> None:
    """Pools are not formed: every group keeps a reservation of its own, and the answer names no pool."""
    client = await world.open()
    value = group(avps.UNIT_VALUE, [encode_i64(avps.VALUE_DIGITS, 1)])
    members = [encode_u32(avps.G_S_U_POOL_IDENTIFIER, 1), encode_u32(avps.CC_UNIT_TYPE, 2), value]
    pool = group(avps.G_S_U_POOL_REFERENCE, members)
    answer = await client.initial(asking(10, MB, pool), asking(11, MB, pool))
    assert answer.said == "2001 10=1000000 11=1000000"
    assert not any(each.has(avps.G_S_U_POOL_REFERENCE) for each in answer.services)
    assert await world.spent() == (0, 2 * EUR)


@pytest.mark.parametrize(("count", "code"), [(64, 2001), (65, 5004)])
@served()
async def test_115_sixty_four_services_are_answered_and_one_more_is_refused(
    world: World, count: int, code: int
) -> None:
    client = await world.open()
    answer = await client.initial(*[asking(10, 1_000, identifiers=(number,)) for number in range(count)])
    assert answer.code == code
    named = [each.number(avps.SERVICE_IDENTIFIER) for each in answer.services]
    assert named == (list(range(64)) if code == 2001 else [])
    assert await world.spent() == (0, 64 * MB if code == 2001 else 0)


@served(DiameterSettings(limits=Limits(services_per_request=3)))
async def test_115_the_limit_is_a_setting(world: World) -> None:
    client = await world.open()
    assert (await client.initial(*[asking(number) for number in (1, 2, 3)])).code == 2001
    assert (await client.initial(*[asking(number) for number in (1, 2, 3, 4)], session="s;2")).code == 5004


@served()
async def test_116_every_group_that_was_asked_for_is_answered_in_its_place(world: World) -> None:
    client = await world.open()
    body = [
        asking(90),
        service(31, requested()),
        service(12),
        asking(5_555),
        service(1, requested()),
        asking(None),
    ]
    answer = await client.initial(*body)
    names = [
        each.number(avps.RATING_GROUP) if each.has(avps.RATING_GROUP) else None for each in answer.services
    ]
    assert names == [90, 31, 12, 5_555, 1, None]
    assert all(each.has(avps.RESULT_CODE) for each in answer.services)


@pytest.mark.parametrize(("count", "code"), [(64, 2001), (65, 5004)])
@served()
async def test_115_a_service_has_at_most_sixty_four_identifiers(world: World, count: int, code: int) -> None:
    client = await world.open()
    assert (await client.initial(asking(10, 1_000, identifiers=tuple(range(count))))).code == code


@served()
async def test_115_a_session_has_at_most_a_thousand_quotas_and_pays_for_all(world: World) -> None:
    client = await world.open()
    await client.initial()
    for number in range(1, 17):
        some = [asking(10, 1_000, identifiers=(64 * number + each,)) for each in range(64)]
        answer = await client.update(number, *some)
    said = [each.number(avps.RESULT_CODE) for each in answer.services]
    assert said == [2001] * (1_000 - 15 * 64) + [5006] * 24
    assert await world.spent() == (0, 1_000 * 1_000_000)
    beyond = service(10, requested(total(1_000)), used(total(500)), identifiers=(9_999,))
    assert (await client.update(17, beyond)).services[0].number(avps.RESULT_CODE) == 5006
    assert (await client.update(18, beyond)).services[0].number(avps.RESULT_CODE) == 5006
    assert await world.spent() == (1_000_000, 1_000 * 1_000_000)
    await client.terminate(19)
    assert await world.spent() == (1_000_000, 0)
