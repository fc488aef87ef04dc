"""I. Final units and requests of the server: cases 130 to 144."""

import asyncio

import pytest

from ocs.charging.account import Standing
from ocs.charging.control import ControlResult, SessionAddress
from ocs.config.settings import ChargingSettings, DiameterSettings, FinalUnit, Limits, Peer, QuotaRule, Timers
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32
from tests.conformance.client import CLIENT, SESSION, UPDATE, ccr, imsi, reply
from tests.conformance.decoded import Decoded, checked
from tests.conformance.world import EUR, MB, World, served
from tests.support.gy import requested, service, total, used

POOR, BOB = "default:poor", imsi("001010000000002")
URL = "https://pay.example.net/top-up?a=1&b=2"


def ending(action: str, **more: object) -> ChargingSettings:
    """Quotas that end in an action."""
    final = FinalUnit(action, **more)  # type: ignore[arg-type]
    return ChargingSettings(quotas=(QuotaRule(volume_octets=10 * MB, final_unit=final),))


REDIRECT = ending("redirect", redirect_address=URL)
RULES = ("permit out ip from any to 10.0.0.1", "permit in ip from 10.0.0.1 to any")


def asking(octets: int = MB, *more: bytes) -> bytes:
    """A service that wants a volume."""
    return service(10, requested(total(octets)), *more)


async def poor(world: World, nanos: int = EUR // 2) -> None:
    """Somebody with little credit."""
    await world.add("poor", nanos, imsi="001010000000002")


@served()
async def test_130_131_half_a_slice_comes_with_terminate_and_nothing_else(world: World) -> None:
    await poor(world)
    client = await world.open()
    answer = await client.initial(asking(), who=BOB)
    assert answer.said == "2001 10=500000!0"
    (granted,) = answer.services
    assert granted.group(avps.FINAL_UNIT_INDICATION).keys == [avps.FINAL_UNIT_ACTION]
    assert not granted.has(avps.VOLUME_QUOTA_THRESHOLD)
    assert await world.money(POOR) == (EUR // 2, EUR // 2)


@served(charging=REDIRECT)
async def test_132_redirect_names_the_whole_url_in_both_forms(world: World) -> None:
    await poor(world)
    client = await world.open()
    answer = await client.initial(asking(), who=BOB)
    assert answer.said == "2001 10=500000!1"
    (granted,) = answer.services
    server = granted.group(avps.FINAL_UNIT_INDICATION).group(avps.REDIRECT_SERVER)
    assert (server.number(avps.REDIRECT_ADDRESS_TYPE), server.text(avps.REDIRECT_SERVER_ADDRESS)) == (2, URL)
    extended = granted.group(avps.QOS_FINAL_UNIT_INDICATION).group(avps.REDIRECT_SERVER_EXTENSION)
    assert extended.text(avps.REDIRECT_ADDRESS_URL) == URL


@served(charging=ending("restrict", filter_rules=RULES))
async def test_133_restriction_by_filter_rules(world: World) -> None:
    await poor(world)
    client = await world.open()
    (granted,) = (await client.initial(asking(), who=BOB)).services
    final = granted.group(avps.FINAL_UNIT_INDICATION)
    assert final.number(avps.FINAL_UNIT_ACTION) == 2
    assert [each.decode() for each in final.all(avps.RESTRICTION_FILTER_RULE)] == list(RULES)


@served(charging=ending("restrict", filter_ids=("walled-garden",)))
async def test_133_restriction_by_filter_name(world: World) -> None:
    await poor(world)
    client = await world.open()
    (granted,) = (await client.initial(asking(), who=BOB)).services
    assert granted.group(avps.FINAL_UNIT_INDICATION).text(avps.FILTER_ID) == "walled-garden"
    assert granted.group(avps.QOS_FINAL_UNIT_INDICATION).text(avps.FILTER_ID) == "walled-garden"


@served(charging=REDIRECT)
async def test_134_135_136_the_way_through_the_final_action_and_back(world: World) -> None:
    await poor(world)
    client = await world.open()
    await client.initial(asking(), who=BOB)
    started = await client.update(1, service(10, used(total(500_000))))
    assert started.said == "2001 10=ok"
    assert started.services[0].has(avps.VALIDITY_TIME), "mandatory here (RFC 8506 5.6.2)"
    assert await world.money(POOR) == (0, 0)
    empty = await client.update(2, asking())
    assert empty.said == "2001 10=ok!1"
    assert empty.services[0].has(avps.VALIDITY_TIME)
    topping = asyncio.create_task(world.top_up(2 * EUR, POOR))
    asked = await client.receive()
    assert (asked.command, asked.flags & 0xC0) == (258, 0xC0)
    assert asked.text(avps.SESSION_ID) == SESSION
    assert asked.keys[0] == avps.SESSION_ID
    assert asked.text(avps.DESTINATION_HOST) == CLIENT
    assert asked.text(avps.DESTINATION_REALM) == "example.net"
    assert (asked.number(avps.AUTH_APPLICATION_ID), asked.number(avps.RE_AUTH_REQUEST_TYPE)) == (4, 0)
    client.send(reply(asked, 2002))
    await topping
    assert (await client.update(3, asking())).said == "2001 10=1000000"
    assert await world.money(POOR) == (2 * EUR, EUR)


@served()
async def test_135_without_redirect_an_empty_account_is_4012_for_that_group(world: World) -> None:
    await poor(world)
    client = await world.open()
    await client.initial(asking(), who=BOB)
    answer = await client.update(1, asking(MB, used(total(500_000))))
    assert answer.said == "2001 10=4012"
    assert await world.money(POOR) == (0, 0)


def address() -> SessionAddress:
    """alice's session."""
    return SessionAddress(CLIENT, SESSION, CLIENT, "data")


@pytest.mark.parametrize(
    ("code", "result"),
    [(2002, ControlResult.ACCEPTED), (2001, ControlResult.UNDER_WAY), (5002, ControlResult.UNKNOWN_SESSION)],
)
@served()
async def test_136_138_what_the_client_answers_is_told(
    world: World, code: int, result: ControlResult
) -> None:
    client = await world.open()
    await client.initial(asking())
    asking_ = asyncio.create_task(world.agent.reauthorize(address()))
    client.send(reply(await client.receive(), code))
    assert await asking_ is result


@served(charging=REDIRECT)
async def test_137_a_client_that_says_2001_and_does_nothing_is_not_asked_for_ever(world: World) -> None:
    await poor(world)
    client = await world.open()
    await client.initial(asking(), who=BOB)
    await client.update(1, asking(MB, used(total(500_000))))
    topping = asyncio.create_task(world.top_up(EUR, POOR))
    client.send(reply(await client.receive(), 2001))
    await topping
    assert await client.alive(), "nothing else came before the watchdog's answer"


@pytest.mark.parametrize("reports", [False, True])
@served(charging=REDIRECT)
async def test_137_a_report_that_was_promised_and_does_not_come_is_asked_for_once_more(
    world: World, reports: bool
) -> None:
    await poor(world)
    world.agent.report_wait_s = 5.0 if reports else 0.01
    client = await world.open()
    await client.initial(asking(), who=BOB)
    await client.update(1, asking(MB, used(total(500_000))))
    topping = asyncio.create_task(world.top_up(EUR, POOR))
    client.send(reply(await client.receive(), 2002))
    await topping
    if reports:
        assert (await client.update(2, asking(MB))).said == "2001 10=1000000"
        assert not world.agent._promised, "the promise is kept"
        return
    again = await client.receive()
    assert (again.command, again.text(avps.SESSION_ID)) == (258, SESSION)
    client.send(reply(again, 2002))
    assert await client.alive()
    assert not world.agent._promised, "not a third time"


@served(DiameterSettings(peers=(Peer(CLIENT, profile="open5gs"),)), charging=REDIRECT)
async def test_137_a_client_known_to_ignore_it_is_not_asked_at_all(world: World) -> None:
    await poor(world)
    client = await world.open()
    await client.initial(asking(), who=BOB)
    await client.update(1, asking(MB, used(total(500_000))))
    await world.top_up(EUR, POOR)
    assert await client.alive()


@served(charging=REDIRECT)
async def test_138_a_session_the_client_does_not_know_is_closed(world: World) -> None:
    await poor(world)
    client = await world.open()
    await client.initial(service(11, requested(total(100_000))), who=BOB)
    await client.update(1, asking())
    topping = asyncio.create_task(world.top_up(EUR, POOR))
    client.send(reply(await client.receive(), 5002))
    await topping

    async def closed() -> bool:
        return (await world.account(POOR)).sessions == ()

    await world.until(closed)
    assert (await world.money(POOR))[1] == 0


@served(DiameterSettings(timers=Timers()))
async def test_139_without_an_answer_the_other_path_is_tried_and_then_it_ends(world: World) -> None:
    first = await world.open("dra1.example.net", applications=(0xFFFF_FFFF,))
    second = await world.open("dra2.example.net", applications=(0xFFFF_FFFF,))
    await first.initial(asking(), host="pgw.behind")
    behind = SessionAddress("pgw.behind", SESSION, "dra1.example.net", "data")
    asking_ = asyncio.create_task(world.agent.reauthorize(behind))
    request = await first.receive()
    first.abort()
    again = await second.receive()
    assert (again.end_to_end, again.flags & 0x10, request.flags & 0x10) == (request.end_to_end, 0x10, 0)
    second.abort()
    assert await asking_ is ControlResult.NO_ANSWER
    assert not [peer for peer in world.agent._connections if peer._waiting]


@served()
async def test_140_a_report_that_crosses_the_request_is_served_once(world: World) -> None:
    client = await world.open()
    await client.initial(asking())
    asking_ = asyncio.create_task(world.agent.reauthorize(address()))
    report = ccr(asking(MB, used(total(200_000))), kind=UPDATE, number=1)
    client.send(report)
    frames = [await client.raw(), await client.raw()]
    (asked,) = [frame for frame in frames if frame[4] & 0x80]
    (answered,) = [frame for frame in frames if not frame[4] & 0x80]
    assert checked(report, answered).said == "2001 10=1000000"
    client.send(reply(Decoded(asked), 2001))
    assert await asking_ is ControlResult.UNDER_WAY
    forced = asking(MB, used(total(1)), encode_i32(avps.REPORTING_REASON, 7))
    assert (await client.update(2, forced)).said == "2001 10=1000000"
    assert await world.spent() == (200_001_000, EUR)


@served()
async def test_141_an_abort_is_command_274_and_the_termination_debits(world: World) -> None:
    client = await world.open()
    await client.initial(asking())
    await world.change(standing=Standing.BARRED)
    ending_ = asyncio.create_task(world.service.disconnect_all(await world.account(), "blocked"))
    asked = await client.receive()
    assert (asked.command, asked.flags & 0xC0, asked.text(avps.DESTINATION_HOST)) == (274, 0xC0, CLIENT)
    assert not asked.has(avps.RE_AUTH_REQUEST_TYPE)
    client.send(reply(asked, 2001))
    await ending_
    assert (await client.terminate(1, service(10, used(total(300_000))))).code == 2001
    assert await world.spent() == (300 * MB, 0)


@served()
async def test_142_a_client_that_cannot_be_aborted_keeps_its_session_until_it_reports(world: World) -> None:
    client = await world.open()
    await client.initial(asking())
    ending_ = asyncio.create_task(world.agent.disconnect(address(), "test"))
    client.send(reply(await client.receive(), 3001))
    assert await ending_ is ControlResult.UNSUPPORTED
    assert len((await world.account()).sessions) == 1
    await world.change(standing=Standing.BARRED)
    answer = await client.update(1, asking(MB, used(total(300_000))))
    assert answer.code == 4010
    assert await world.spent() == (300 * MB, 0)


@served(charging=REDIRECT)
async def test_143_an_empty_account_may_be_sent_to_a_payment_page(world: World) -> None:
    await poor(world, 0)
    client = await world.open()
    answer = await client.initial(asking(), who=BOB)
    assert answer.said == "2001 10=ok!1"
    assert answer.services[0].has(avps.VALIDITY_TIME)


@served(DiameterSettings(limits=Limits(window=10_000)))
async def test_144_many_reauthorisations_are_paced_and_requests_go_on(world: World) -> None:
    """Small form: 300 sessions; never more than 64 requests are out at once."""
    client = await world.open()
    for number in range(300):
        await client.initial(service(10, requested(total(1_000))), session=f"s;{number}")
    asked = [
        asyncio.create_task(world.agent.reauthorize(SessionAddress(CLIENT, f"s;{number}", CLIENT, "data")))
        for number in range(300)
    ]
    out = answered = 0
    while answered < 300:
        request = await client.receive()
        out += 1
        (peer,) = world.agent._connections
        assert len(peer._waiting) <= 64
        client.send(reply(request, 2002))
        answered += 1
    assert [await each for each in asked] == [ControlResult.ACCEPTED] * 300
    assert (await client.update(1, service(10, requested(total(1_000))), session="s;7")).code == 2001


@served()
async def test_144_a_change_of_prices_may_ask_every_open_session(world: World) -> None:
    client = await world.open()
    names = [f"s;{number}" for number in range(100)]
    for name in names:
        await client.initial(service(10, requested(total(1_000))), session=name)
    asking = asyncio.create_task(world.service.reauthorize_all())
    asked = []
    for _ in names:
        request = await client.receive()
        assert request.command == 258
        asked.append(request.text(avps.SESSION_ID))
        client.send(reply(request, 5002 if asked[-1] == "s;7" else 2002))
    assert await asking == 100
    assert sorted(asked) == sorted(names)
    assert len((await world.account()).sessions) == 99, "the one its client does not know is closed"
