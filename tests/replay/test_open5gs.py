"""Every conversation recorded from an Open5GS SMF, replayed: what it would think of the answers, and the money.

The recordings show the SMF with a scripted server that often answers wrongly on purpose. Here the same requests
go to this server, so one that was refused there is served here: its session has no end and must be released.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest

from ocs.charging.events import Identity
from ocs.config.settings import FinalUnit, Peer
from tests.interop.freediameter_rules import judged
from tests.replay.recordings import Recording, open5gs
from tests.replay.rules import open5gs_faults
from tests.replay.wire import Packet, used_octets
from tests.replay.world import Exchange, Player, Subscriber, World, imsi, running

SMF = (Peer("smf.localdomain", profile="open5gs"),)
REALM = "localdomain"
RICH = Subscriber(1_000_000_000_000)
POOR = Subscriber(300_000)  # nanos, and so octets
EMPTY = Subscriber(0)
FREE = Subscriber(0, "free")
UNRATED = Subscriber(1_000_000_000_000, "no_data")
RECORDINGS = open5gs()

Then = Callable[[World, list[Exchange]], Coroutine[Any, Any, None]]


def subscriber_of(request: Packet) -> str:
    """The IMSI in a request; a device without one is not among the recorded."""
    (found,) = [
        each.members.one("Subscription-Id-Data").text
        for each in request.avps.all("Subscription-Id")
        if each.members.number("Subscription-Id-Type") == 1
    ]
    return found


def accounts(recording: Recording, each: Subscriber | None) -> Mapping[Identity, Subscriber]:
    """An account for everybody in a recording; none for strangers."""
    if each is None:
        return {}
    return {imsi(subscriber_of(request)): each for request in recording.requests()}


def replay(
    recording: Recording, each: Subscriber | None, then: Then, final_unit: FinalUnit | None = None
) -> None:
    """Replay a recording for subscribers of one kind, check what holds for all, and then something more."""

    async def run() -> None:
        async with running(SMF, REALM, accounts(recording, each), final_unit) as world:
            exchanges = await Player(world).play(recording)
            asked = [packet for packet in recording.packets() if packet.is_request]
            assert len(exchanges) == len(asked)
            for exchange in exchanges:
                assert len(exchange.answers) == 1, f"{exchange.request}"
                found = open5gs_faults(exchange.request, exchange.answer)
                assert found == [], f"{recording.name}: {exchange.request}: {found}"
            await then(world, exchanges)

    asyncio.run(run())


def credit_control(exchanges: list[Exchange]) -> list[Exchange]:
    """The credit control among them."""
    return [exchange for exchange in exchanges if exchange.request.command == 272]


def codes(exchanges: list[Exchange], kinds: str = "IUT") -> set[int]:
    """The results of requests of some kinds."""
    return {each.answer.result for each in credit_control(exchanges) if each.request.kind in kinds}


def still_open(recording: Recording) -> set[str]:
    """The sessions a client left open: no end, no other session on their bearer, no restart of the client."""
    found: dict[str, tuple[str, ...]] = {}
    state = 0
    for packet in recording.packets():
        if packet.command == 257:
            restarted = packet.avps.number("Origin-State-Id") or 0
            found = {} if restarted > state else found
            state = restarted
        elif packet.command == 272 and packet.kind == "I":
            bearer = subscriber_of(packet), *_bearer(packet)
            found = {session: each for session, each in found.items() if each != bearer}
            found[packet.session] = bearer
        elif packet.command == 272 and packet.kind == "T":
            found.pop(packet.session, None)
    return set(found)


def _bearer(request: Packet) -> tuple[str, str]:
    names = "Called-Station-Id", "3GPP-RAT-Type"
    found = {avp.name: avp.octets.hex() for avp in request.avps.deep() if avp.name in names}
    return found.get(names[0], ""), found.get(names[1], "")


def used_by(recording: Recording, name: str) -> int:
    """Octets all sessions of a subscriber report, repeats left out."""
    return sum(used_octets(request) for request in recording.requests() if subscriber_of(request) == name)


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)
def test_every_octet_is_paid_and_nothing_stays_reserved(recording: Recording) -> None:
    async def then(world: World, exchanges: list[Exchange]) -> None:
        assert codes(exchanges) <= {2001}
        service = world.service
        left = {ref.key.partition("|")[2] for ref in map(service.supervision.get, keys(world)) if ref}
        assert left == still_open(recording)
        for identity in accounts(recording, RICH):
            posted, reserved = await world.money(identity.value)
            assert posted == RICH.money_nanos - used_by(recording, identity.value)
            assert (reserved > 0) == any(
                session in left for session in sessions_of(recording, identity.value)
            )
        await world.let_sessions_expire()
        assert len(service.supervision) == 0
        for identity in accounts(recording, RICH):
            posted, reserved = await world.money(identity.value)
            assert (posted, reserved) == (RICH.money_nanos - used_by(recording, identity.value), 0)

    replay(recording, RICH, then)


def keys(world: World) -> list[str]:
    """The keys of the open sessions."""
    return world.service.supervision.keys_of("smf.localdomain")


def sessions_of(recording: Recording, name: str) -> set[str]:
    """The sessions of a subscriber."""
    return {request.session for request in recording.requests() if subscriber_of(request) == name}


def test_usage_beyond_the_credit_is_paid_all_the_same() -> None:
    async def then(world: World, exchanges: list[Exchange]) -> None:
        for identity in accounts(recording, POOR):
            served = {
                each.request.session
                for each in credit_control(exchanges)
                if each.request.kind == "I" and each.answer.result == 2001
            }
            used = sum(
                used_octets(request)
                for request in recording.requests()
                if subscriber_of(request) == identity.value and request.session in served
            )
            await world.let_sessions_expire()
            assert await world.money(identity.value) == (POOR.money_nanos - used, 0)

    for recording in RECORDINGS:
        replay(recording, POOR, then)


def test_the_last_octets_say_so_and_then_it_is_refused() -> None:
    async def then(world: World, exchanges: list[Exchange]) -> None:
        first, second = credit_control(exchanges)[:2]
        (service,) = first.answer.avps.all("Multiple-Services-Credit-Control")
        assert service.members.one("Granted-Service-Unit").members.number("CC-Total-Octets") == 300_000
        assert service.members.one("Final-Unit-Indication").members.number("Final-Unit-Action") == 0
        (service,) = second.answer.avps.all("Multiple-Services-Credit-Control")
        assert service.members.number("Result-Code") == 4012

    replay(next(each for each in RECORDINGS if each.name == "001-normal"), POOR, then)


@pytest.mark.parametrize(
    ("each", "code"), [(EMPTY, 4012), (None, 5030), (UNRATED, 5031)], ids=["empty", "stranger", "unrated"]
)
def test_who_cannot_be_served_is_refused_as_a_whole_and_holds_nothing(
    each: Subscriber | None, code: int
) -> None:
    async def then(world: World, exchanges: list[Exchange]) -> None:
        assert codes(exchanges, "I") <= {code}
        assert codes(exchanges, "UT") <= {5002, 5030}
        assert len(world.service.supervision) == 0
        for identity in accounts(recording, each):
            assert await world.money(identity.value) == (each.money_nanos if each else 0, 0)

    for recording in RECORDINGS:
        replay(recording, each, then)


def test_free_traffic_is_granted_not_refused() -> None:
    async def then(world: World, exchanges: list[Exchange]) -> None:
        assert codes(exchanges) <= {2001}
        for identity in accounts(recording, FREE):
            assert await world.money(identity.value) == (0, 0)

    for recording in RECORDINGS:
        replay(recording, FREE, then)


@pytest.mark.parametrize("action", ["redirect", "restrict"])
def test_without_credit_there_is_no_unmetered_access_to_a_portal(action: str) -> None:
    """A final unit without units is unmetered traffic until detach, whatever the action (012)."""
    final_unit = FinalUnit(
        "redirect" if action == "redirect" else "restrict",
        redirect_address="https://topup.example.net/",
        filter_ids=("portal",),
    )

    async def then(world: World, exchanges: list[Exchange]) -> None:
        assert codes(exchanges, "I") == {4012}
        await last_octets_only(world, exchanges)

    recording = next(each for each in RECORDINGS if each.name == "001-normal")
    replay(recording, EMPTY, then, final_unit)
    replay(recording, POOR, last_octets_only, final_unit)


async def last_octets_only(world: World, exchanges: list[Exchange]) -> None:
    """A final unit comes with units."""
    for each in credit_control(exchanges):
        for service in each.answer.avps.all("Multiple-Services-Credit-Control"):
            if service.members.all("Final-Unit-Indication"):
                assert service.members.all("Granted-Service-Unit")


def test_the_second_node_repeats_the_answer_of_the_first() -> None:
    recording = next(each for each in RECORDINGS if each.name == "103-failover")

    async def then(world: World, exchanges: list[Exchange]) -> None:
        first, second = [
            each for each in credit_control(exchanges) if each.request.avps.number("CC-Request-Number") == 1
        ]
        assert first.request.end_to_end == second.request.end_to_end
        same = ("Result-Code", "Multiple-Services-Credit-Control", "CC-Request-Number")
        for name in same:
            assert [avp.octets for avp in first.answer.avps.all(name)] == [
                avp.octets for avp in second.answer.avps.all(name)
            ]
        assert first.answer.avps.one("Origin-Host").text == "ocs.localdomain"
        assert second.answer.avps.one("Origin-Host").text == "ocs2.localdomain"

    replay(recording, RICH, then)


def test_the_capabilities_are_those_the_smf_wants() -> None:
    async def then(world: World, exchanges: list[Exchange]) -> None:
        answer = exchanges[0].answer
        assert (answer.command, answer.result) == (257, 2001)
        assert answer.avps.one("Origin-Host").text == "ocs.localdomain"
        assert answer.avps.one("Origin-Realm").text == REALM
        assert answer.avps.number("Auth-Application-Id") == 4

    replay(next(each for each in RECORDINGS if each.name == "001-normal"), RICH, then)


@pytest.mark.peer
def test_freediameter_on_which_open5gs_is_built_accepts_every_answer(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    frames: list[bytes] = []

    async def then(world: World, exchanges: list[Exchange]) -> None:
        frames.extend(each.answer.frame for each in exchanges)

    for each in (RICH, POOR, EMPTY, FREE, UNRATED, None):
        for recording in RECORDINGS:
            replay(recording, each, then)
    assert len(frames) > 3_000
    assert judged(frames, tmp_path_factory.mktemp("judge")) == []
