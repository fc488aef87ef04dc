"""What Kamailio's ims_charging and a client behind freeDiameter have sent, replayed."""

import asyncio
from collections.abc import Callable

import pytest

from ocs.config.settings import Peer
from tests.interop.freediameter_rules import judged
from tests.replay.recordings import from_files
from tests.replay.rules import faults, kamailio_faults
from tests.replay.wire import Packet, used_octets, used_seconds
from tests.replay.world import (
    NANOS_PER_SECOND,
    Exchange,
    Player,
    Subscriber,
    World,
    msisdn,
    running,
)

REALM = "test.invalid"
KAMAILIO = (Peer("scscf.test.invalid", profile="kamailio"),)
SERVICE = "Multiple-Services-Credit-Control"
CALLERS = {
    msisdn("1001"): Subscriber(10_000_000_000),
    msisdn("1002"): Subscriber(0),
    msisdn("1006"): Subscriber(4 * NANOS_PER_SECOND),
}
Rules = Callable[[Packet, Packet], list[str]]


def replayed(
    name: str, peers: tuple[Peer, ...], rules: Rules
) -> tuple[list[Exchange], dict[str, tuple[int, int]]]:
    """The exchanges of a recording, and what each account has and holds in the end."""

    async def run() -> tuple[list[Exchange], dict[str, tuple[int, int]]]:
        async with running(peers, REALM, CALLERS) as world:
            exchanges = await Player(world).play(from_files(name))
            for each in exchanges:
                assert len(each.answers) == 1
                assert rules(each.request, each.answer) == [], f"{each.request}"
            return exchanges, await books(world)

    return asyncio.run(run())


async def books(world: World) -> dict[str, tuple[int, int]]:
    """What each account has and holds, once the clients have been silent for long."""
    await world.let_sessions_expire()
    assert len(world.service.supervision) == 0
    return {identity.value: await world.money(identity.value) for identity in CALLERS}


def told(exchanges: list[Exchange]) -> list[str]:
    """The credit control in short: what was asked, the code, seconds granted, and `!` on the last ones."""
    found = []
    for request, (answer,) in exchanges:
        if request.command != 272:
            continue
        line = f"{request.kind} {answer.result}"
        for service in (each.members for each in answer.avps.all(SERVICE)):
            for unit in service.all("Granted-Service-Unit"):
                line += f" {unit.members.number('CC-Time')}"
            line += "!" if service.all("Final-Unit-Indication") else ""
        found.append(line)
    return found


def test_the_calls_of_kamailio_are_granted_refused_and_cut() -> None:
    exchanges, after = replayed("kamailio_ro", KAMAILIO, kamailio_faults)
    assert told(exchanges) == [
        "I 2001 6",
        "U 2001 6",
        "U 2001 6",
        "T 2001",
        "I 4012",
        "T 5002",
        "I 2001 4!",
        "T 2001",
    ]
    used = [used_seconds(each.request) for each in exchanges if each.request.command == 272]
    assert after == {
        "1001": (10_000_000_000 - sum(used[:4]) * NANOS_PER_SECOND, 0),
        "1002": (0, 0),
        "1006": ((4 - used[7]) * NANOS_PER_SECOND, 0),
    }
    assert sum(used[:4]) > 0
    assert used[7] > 0


def test_kamailio_finds_its_application_under_the_vendor_in_the_capabilities() -> None:
    exchanges, _ = replayed("kamailio_ro", KAMAILIO, kamailio_faults)
    capabilities = exchanges[0].answer
    vendors = [each.members for each in capabilities.avps.all("Vendor-Specific-Application-Id")]
    assert [(each.number("Vendor-Id"), each.number("Auth-Application-Id")) for each in vendors] == [
        (10415, 4)
    ]


def test_a_client_behind_freediameter_pays_what_it_reports() -> None:
    exchanges, after = replayed("freediameter_to_ocs", (), faults)
    assert [each.answer.result for each in exchanges] == [2001] * len(exchanges)
    used = sum(used_octets(each.request) for each in exchanges if each.request.command == 272)
    assert used == 600
    assert after["1001"] == (10_000_000_000 - used, 0)


def test_the_relay_is_taken_for_one() -> None:
    exchanges, _ = replayed("freediameter_to_ocs", (), faults)
    assert exchanges[0].request.avps.number("Auth-Application-Id") == 0xFFFFFFFF
    assert exchanges[0].answer.result == 2001


@pytest.mark.peer
def test_freediameter_accepts_these_answers_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    exchanges = replayed("kamailio_ro", KAMAILIO, kamailio_faults)[0]
    exchanges += replayed("freediameter_to_ocs", (), faults)[0]
    frames = [each.answer.frame for each in exchanges]
    assert len(frames) == 17
    assert judged(frames, tmp_path_factory.mktemp("judge")) == []
