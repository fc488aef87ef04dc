"""Requests in the style of clients of which there are no recordings, and what they read in the answer.

The styles are those of the sources of magma and ergw and of the AVP tables of Nokia's SR OS and Cisco's StarOS.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from ocs.config.settings import Peer
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_time, encode_utf8, group
from tests.replay.recordings import from_files
from tests.replay.rules import faults
from tests.replay.wire import Avps, Packet
from tests.replay.world import TARIFF, Player, Subscriber, World, imsi, running
from tests.support.gy import ccr, requested, service, split, total, used

SERVICE = "Multiple-Services-Credit-Control"
WHO = "001010000000001"
MONEY = 1_000_000_000
DAY_S = 86_400
CAPABILITIES = from_files("kamailio_ro").bursts[0].packets[0]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# Twice the price abroad, three times at the corporate access point, four times on one day of the week.
MORE_RATES = """
zones: {abroad: ["262"]}
windows: {dear_day: {weekdays: DAY}}
rates:
  double: {price: "0.002", per: 1MB, increment: 1B}
  triple: {price: "0.003", per: 1MB, increment: 1B}
  quadruple: {price: "0.004", per: 1MB, increment: 1B}
"""
RULES = """data:
      - {name: data, rate: data}
      - {name: abroad, zone: abroad, rate: double}
      - {name: corporate, apn: corporate, rate: triple}
      - {name: dear, rating_group: 77, rate: data, windows: [{during: dear_day, rate: quadruple}]}
"""


def tariff(day: str = "mon") -> str:
    """The tariff with more prices."""
    text = TARIFF.replace("rates:\n", MORE_RATES.replace("DAY", day).lstrip("\n"))
    return text.replace("data: [{name: data, rate: data}]\n", RULES, 1)


def run(test: Callable[[World, Player], Coroutine[Any, Any, None]], profile: str, day: str = "mon") -> None:
    """Run a test as a client of a profile."""

    async def connect() -> None:
        peers = (Peer("pgw.example.net", profile=profile),)
        async with running(peers, "example.net", {imsi(WHO): Subscriber(MONEY)}, tariff=tariff(day)) as world:
            player = Player(world)
            await player.send((CAPABILITIES,))
            await test(world, player)
            await player.close()

    asyncio.run(connect())


async def ask(player: Player, frame: bytes) -> Packet:
    """The answer to a request, faultless."""
    (exchange,) = await player.send((Packet(frame),))
    assert faults(exchange.request, exchange.answer) == []
    assert exchange.answer.result == 2001
    return exchange.answer


def services(answer: Packet) -> dict[int | None, Avps]:
    """Its services by rating group."""
    return {each.members.number("Rating-Group"): each.members for each in answer.avps.all(SERVICE)}


def octets_of(answered: Avps) -> int | None:
    """The octets granted to a service."""
    return answered.one("Granted-Service-Unit").members.number("CC-Total-Octets")


def test_magma_reports_groups_one_by_one_and_finds_its_numbers_in_the_answer() -> None:
    async def test(world: World, player: Player) -> None:
        wish = requested(split(100, 100), total(200))
        where = group(avps.SERVICE_INFORMATION, [group(avps.PS_INFORMATION, [visited("00101", False)])])
        both = service(1, wish, identifiers=(5,)), service(2, wish, identifiers=(6,))
        begun = await ask(player, ccr(*both, where, kind=1, number=0))
        assert {octets_of(each) for each in services(begun).values()} == {200}
        frames = [
            ccr(
                service(rating_group, wish, used(total(150))),
                where,
                kind=2,
                number=rating_group,
                hop_by_hop=rating_group,
            )
            for rating_group in (1, 2)
        ]
        for exchange in await player.send(tuple(map(Packet, frames))):
            assert faults(exchange.request, exchange.answer) == []
            assert set(services(exchange.answer)) == {exchange.request.avps.number("CC-Request-Number")}
        found = services(begun)
        assert [found[1].number("Service-Identifier"), found[2].number("Service-Identifier")] == [5, 6]
        assert not any("Threshold" in avp.name for each in found.values() for avp in each)
        assert (await world.money(WHO))[0] == MONEY - 300

    run(test, "magma")


def test_ergw_asks_for_no_amount_and_gets_one_for_every_group() -> None:
    async def test(world: World, player: Player) -> None:
        answer = await ask(player, ccr(service(10, requested()), service(20, requested()), service(30)))
        found = services(answer)
        assert set(found) == {10, 20, 30}, "one that is missing would count as denied"
        assert [octets_of(found[number]) for number in (10, 20)] == [1_000_000, 1_000_000]
        assert found[30].number("Result-Code") == 2001

    run(test, "ergw")


def visited(plmn: str, is_mandatory: bool = True) -> bytes:
    """3GPP-SGSN-MCC-MNC."""
    return encode_utf8(avps.TGPP_SGSN_MCC_MNC, plmn, is_mandatory)


def test_nokia_puts_the_facts_of_the_bearer_at_the_root_and_pays_the_same() -> None:
    async def paid(world: World, player: Player, session: int, *parts: bytes) -> int:
        before = (await world.money(WHO))[0]
        own = {avps.SESSION_ID: encode_utf8(avps.SESSION_ID, f"nokia;{session}")}
        start = ccr(service(10, requested(total(1_000))), *parts, replaced=own, hop_by_hop=1)
        await ask(player, start)
        end = ccr(service(10, used(total(1_000))), kind=3, number=1, replaced=own, hop_by_hop=2)
        await ask(player, end)
        return before - (await world.money(WHO))[0]

    async def test(world: World, player: Player) -> None:
        for price, facts in (
            (1_000, [encode_utf8(avps.CALLED_STATION_ID, "internet")]),
            (3_000, [encode_utf8(avps.CALLED_STATION_ID, "corporate.mnc001.mcc001.gprs")]),
            (2_000, [visited("26201")]),
        ):
            inside = group(avps.SERVICE_INFORMATION, [group(avps.PS_INFORMATION, facts)])
            assert await paid(world, player, price, inside) == price
            assert await paid(world, player, price + 1, *facts) == price

    run(test, "default")


def test_usage_of_an_outage_is_paid_as_a_whole_at_the_price_of_its_time() -> None:
    then = time.time_ns() - DAY_S * 1_000_000_000
    day = DAYS[time.gmtime(then // 1_000_000_000).tm_wday]

    async def test(world: World, player: Player) -> None:
        await ask(player, ccr(service(77, requested(total(1_000_000)))))
        stamp = {avps.EVENT_TIMESTAMP: encode_time(avps.EVENT_TIMESTAMP, then)}
        late = used(total(10_000_000))
        frame = ccr(service(77, requested(total(1)), late), kind=2, number=1, replaced=stamp, hop_by_hop=2)
        await ask(player, frame)
        assert (await world.money(WHO))[0] == MONEY - 40_000_000

    run(test, "staros", day)


def test_a_private_copy_of_the_reporting_reason_is_read_too() -> None:
    private = encode_i32(12645 << 32 | 261, 2)

    async def test(world: World, player: Player) -> None:
        await ask(player, ccr(service(10, requested(total(500)))))
        assert await world.money(WHO) == (MONEY, 500)
        answer = await ask(player, ccr(service(10, used(total(5)), private), kind=2, number=1, hop_by_hop=2))
        assert not services(answer)[10].all("Granted-Service-Unit")
        assert await world.money(WHO) == (MONEY - 5, 0)

    run(test, "default")
