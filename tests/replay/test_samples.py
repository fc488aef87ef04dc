"""The five sample requests and what is expected of a server, sentence by sentence (`expect` in samples.json)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from ocs.charging.store import Query, Table
from ocs.config.settings import Peer
from tests.replay.recordings import from_files, sample
from tests.replay.rules import kamailio_faults, open5gs_faults, thresholds
from tests.replay.wire import RETRANSMITTED, Avps, Packet
from tests.replay.world import (
    NANOS_PER_MESSAGE,
    Player,
    Subscriber,
    World,
    flagged,
    imsi,
    msisdn,
    running,
)

SERVICE = "Multiple-Services-Credit-Control"
INITIAL, UPDATE, TERMINATION = sample("open5gs_ccr_i"), sample("open5gs_ccr_u"), sample("open5gs_ccr_t")
CALL = sample("kamailio_ims_charging_ccr_i")
MESSAGE = sample("sms_event_ccr")
MONEY = 10_000_000_000
HEAD = [
    "Session-Id",
    "Result-Code",
    "Origin-Host",
    "Origin-Realm",
    "Auth-Application-Id",
    "CC-Request-Type",
    "CC-Request-Number",
]
CAPABILITIES = from_files("kamailio_ro").bursts[0].packets[0]


def origin(request: Packet) -> str:
    """Origin-Host."""
    return request.avps.all("Origin-Host")[0].text


PEERS = Peer(origin(INITIAL), profile="open5gs"), Peer(origin(CALL), profile="kamailio")
ACCOUNT = "001010000000001"  # of all five: three name it by IMSI, one by number, one by both
SUBSCRIBERS = {imsi(ACCOUNT): Subscriber(MONEY, also=(msisdn("15550100001"),))}


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[World, Player]]:
    """A world and a connection to it; whose it is does not matter, the samples come over it as over a relay."""
    async with running(PEERS, "test.invalid", SUBSCRIBERS) as world:
        player = Player(world)
        await player.send((CAPABILITIES,))
        yield world, player
        await player.close()


async def ask(player: Player, request: Packet) -> Packet:
    """The answer to a request."""
    (exchange,) = await player.send((request,))
    return exchange.answer


def run(test: Callable[[World, Player], Coroutine[Any, Any, None]]) -> None:
    """Run a test on a connection."""

    async def connect() -> None:
        async with connected() as (world, player):
            await test(world, player)

    asyncio.run(connect())


def service_of(answer: Packet) -> Avps:
    """Its only service."""
    return answer.avps.one(SERVICE).members


def is_granted_as_open5gs_wants(request: Packet, answer: Packet) -> bool:
    """CCA 2001 with everything in its place, one service, octets, Validity-Time, 2001, threshold below grant."""
    assert open5gs_faults(request, answer) == []
    assert answer.result == 2001
    assert [avp.name for avp in answer.avps][:7] == HEAD
    service = service_of(answer)
    assert service.number("Validity-Time")
    assert service.one("Granted-Service-Unit").members.number("CC-Total-Octets") == 1_000_000
    assert service.number("Result-Code") == 2001
    assert thresholds(service) == []
    return not service.all("Final-Unit-Indication")


def test_open5gs_initial() -> None:
    async def test(world: World, player: Player) -> None:
        answer = await ask(player, INITIAL)
        assert is_granted_as_open5gs_wants(INITIAL, answer), "a final unit would end the bearer"
        assert await world.money(ACCOUNT) == (MONEY, 1_000_000)

    run(test)


def test_open5gs_update_debits_input_and_output_and_reserves_anew() -> None:
    async def test(world: World, player: Player) -> None:
        await ask(player, INITIAL)
        answer = await ask(player, UPDATE)
        assert is_granted_as_open5gs_wants(UPDATE, answer)
        assert await world.money(ACCOUNT) == (MONEY - 1_010_000, 1_000_000)

    run(test)


def test_open5gs_termination_debits_the_rest_frees_the_reservation_and_leaves_one_record() -> None:
    async def test(world: World, player: Player) -> None:
        await ask(player, INITIAL)
        await ask(player, UPDATE)
        before, _ = await world.money(ACCOUNT)
        answers = [await ask(player, TERMINATION), await ask(player, flagged(TERMINATION, RETRANSMITTED))]
        for answer in answers:
            assert open5gs_faults(TERMINATION, answer) == []
            assert answer.result == 2001
            assert not any(avp.name == "Granted-Service-Unit" for avp in answer.avps.deep())
        assert await world.money(ACCOUNT) == (before - 6_000, 0)
        records = (await world.service.store.read(Query(Table.CDRS, ACCOUNT))).rows
        assert len(records) == 1

    run(test)


def test_kamailio_initial_is_accepted_and_its_service_named_as_asked() -> None:
    async def test(world: World, player: Player) -> None:
        answer = await ask(player, CALL)
        assert kamailio_faults(CALL, answer) == []
        assert answer.result == 2001
        service = service_of(answer)
        assert service.one("Granted-Service-Unit").members.number("CC-Time") == 6
        assert (service.number("Service-Identifier"), service.number("Rating-Group")) == (1000, 100)
        assert answer.avps.number("Auth-Application-Id") == 4

    run(test)


def test_a_message_is_debited_once_however_often_it_is_sent() -> None:
    async def test(world: World, player: Player) -> None:
        first = await ask(player, MESSAGE)
        assert first.result == 2001
        units = service_of(first).one("Granted-Service-Unit").members
        assert units.number("CC-Service-Specific-Units") == 1
        assert await world.money(ACCOUNT) == (MONEY - NANOS_PER_MESSAGE, 0)
        again = await ask(player, flagged(MESSAGE, RETRANSMITTED))
        assert again.frame == first.frame, "the same answer"
        assert await world.money(ACCOUNT) == (MONEY - NANOS_PER_MESSAGE, 0)

    run(test)
