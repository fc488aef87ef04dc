"""What real Gy clients have sent, replayed on the pipeline: answers are complete, and every unit is recorded."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from ocs.agents.diameter.agent import DiameterAgent
from ocs.cgrates import served
from ocs.cgrates.charging import door
from ocs.cgrates.charging.agents import NetworkAgents
from ocs.cgrates.kinds import Kind
from ocs.cgrates.runtime import Runtime
from ocs.config.settings import (
    ChargingSettings,
    DiameterSettings,
    IdentitySettings,
    Listener,
    Peer,
    QuotaRule,
    Settings,
)
from tests.replay.recordings import Recording, from_files, open5gs, sample
from tests.replay.rules import faults, kamailio_faults, open5gs_faults
from tests.replay.test_open5gs import SMF, subscriber_of
from tests.replay.test_other_clients import KAMAILIO, Rules
from tests.replay.test_samples import ACCOUNT, CAPABILITIES, PEERS
from tests.replay.wire import Packet, used_octets, used_seconds
from tests.replay.world import SECOND_NS, Exchange, Player
from tests.support.waiting import PATIENCE_S

EVENING_NS = 3 * 3_600 * SECOND_NS
RECORDINGS = open5gs()
TARIFF = {
    "Destinations.csv": "ALL,1\nALL,2\n",
    "Rates.csv": "RV,0,0.06,60s,1s,0s\nRD,0,0.001,1000,1000,0s\nRS,0,0.05,1,1,0s\n",
    "DestinationRates.csv": "DV,ALL,RV,*up,4,0,\nDD,*any,RD,*up,4,0,\nDS,*any,RS,*up,4,0,\n",
    "RatingPlans.csv": "PV,DV,*any,10\nPD,DD,*any,10\nPS,DS,*any,10\n",
    "RatingProfiles.csv": "".join(
        f"cgrates.org,{category},*any,2014-01-14T00:00:00Z,{plan},\n"
        for category, plan in (("call", "PV"), ("data", "PD"), ("sms", "PS"))
    ),
    "Chargers.csv": "cgrates.org,CH,,,*default,*none,0\n",
}


class PipelineWorld:
    """Two nodes of one server on the pipeline; the clock of supervision can be set forward."""

    def __init__(self, folder: Path, peers: tuple[Peer, ...], realm: str) -> None:
        rule = QuotaRule(volume_octets=1_000_000, time_ns=6 * SECOND_NS, validity_ns=600 * SECOND_NS)
        settings = Settings(
            IdentitySettings(f"ocs.{realm}", realm),
            DiameterSettings(listen=(Listener(port=0),), peers=peers),
            ChargingSettings(rounding="cgrates", tariffs=str(folder), quotas=(rule,)),
        )
        self.passed_ns = 0
        self.runtime = Runtime(served.engine_settings(settings))
        self.network = NetworkAgents(
            self.runtime, settings, folder, lambda: time.monotonic_ns() + self.passed_ns
        )
        other = msgspec.structs.replace(settings, identity=IdentitySettings(f"ocs2.{realm}", realm))
        second = DiameterAgent(other, self.network.door, self.network.metrics)
        self.agents = [self.network.diameter, second]

    async def load(self, accounts: Mapping[str, int]) -> None:
        """Accounts with as many units of money."""
        files = dict(TARIFF)
        for number, (name, units) in enumerate(accounts.items()):
            files[f"{number}/Actions.csv"] = (
                f"A{number},*topup,,,main,*monetary,,*any,,,*unlimited,,{units},10,false,false,10\n"
            )
            files[f"{number}/ActionPlans.csv"] = f"P{number},A{number},*asap,10\n"
            files[f"{number}/AccountActions.csv"] = f"cgrates.org,{name},P{number},,,\n"
        await self.runtime.load_files(list(files.items()))

    def money_nanos(self, name: str) -> int:
        """What an account has."""
        return sum(
            balance.value_nanos
            for balance in self.runtime.state.accounts[f"cgrates.org:{name}"].balances["*monetary"]
        )

    def let_sessions_expire(self) -> None:
        """Hours pass in which no client says anything."""
        self.passed_ns += EVENING_NS
        self.network.door.look_after()
        assert not self.runtime.state.sessions
        assert len(self.network.door.supervision) == 0

    def recorded(self, name: str) -> tuple[int, int]:
        """The usage and the nanos of all records of an account."""
        records = [cdr for cdr in self.runtime.state.tables[Kind.CDR].values() if cdr.account == name]
        return sum(cdr.usage for cdr in records), sum(cdr.cost_nanos for cdr in records)


@asynccontextmanager
async def running(
    folder: Path, peers: tuple[Peer, ...], realm: str, accounts: Mapping[str, int]
) -> AsyncIterator[PipelineWorld]:
    """A world with accounts, its nodes listening."""
    world = PipelineWorld(folder, peers, realm)
    await world.load(accounts)
    await world.runtime.start()
    await world.network.start()
    await world.agents[1].start()
    try:
        yield world
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await world.agents[1].drain()
            await world.network.stop()
            await world.runtime.stop()


async def played(world: PipelineWorld, recording: Recording, rules: Rules) -> list[Exchange]:
    """The credit control of a recording, every request answered once and as its client needs it."""
    exchanges = await Player(world).play(recording)  # type: ignore[arg-type]
    for each in exchanges:
        assert len(each.answers) == 1, f"{each.request}"
        found = rules(each.request, each.answer)
        assert found == [], f"{recording.name}: {each.request}: {found}"
    return [each for each in exchanges if each.request.command == 272]


def codes(exchanges: Iterable[Exchange], kinds: str = "IUT") -> set[int]:
    """The results of requests of some kinds."""
    return {each.answer.result for each in exchanges if each.request.kind in kinds}


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)
async def test_every_octet_of_open5gs_is_recorded_and_paid(recording: Recording, tmp_path: Path) -> None:
    names = {subscriber_of(request) for request in recording.requests()}
    async with running(tmp_path, SMF, "localdomain", dict.fromkeys(names, 1_000_000)) as world:
        exchanges = await played(world, recording, open5gs_faults)
        assert codes(exchanges) <= {2001}
        world.let_sessions_expire()
        for name in names:
            told = sum(used_octets(each) for each in recording.requests() if subscriber_of(each) == name)
            usage, nanos = world.recorded(name)
            assert usage == told
            assert world.money_nanos(name) == 1_000_000 * 10**9 - nanos
            assert nanos >= told * 1_000, "a thousandth for a thousand octets"


@pytest.mark.parametrize(("units", "code"), [(0, 4012), (None, 5030)], ids=["empty", "stranger"])
async def test_whom_open5gs_cannot_be_given_service_is_refused_as_a_whole(
    units: int | None, code: int, tmp_path: Path
) -> None:
    for recording in RECORDINGS:
        names = {subscriber_of(request) for request in recording.requests()}
        accounts = {} if units is None else dict.fromkeys(names, units)
        async with running(tmp_path, SMF, "localdomain", accounts) as world:
            exchanges = await played(world, recording, open5gs_faults)
            assert codes(exchanges, "I") <= {code}
            assert codes(exchanges, "UT") <= {5002, 5030}
            assert not world.runtime.state.sessions
            assert not world.runtime.state.tables[Kind.CDR]


async def test_the_calls_of_kamailio_are_granted_refused_and_cut(tmp_path: Path) -> None:
    accounts = {"1001": 10, "1002": 0, "1006": 0}
    async with running(tmp_path, KAMAILIO, "test.invalid", accounts) as world:
        exchanges = await played(world, from_files("kamailio_ro"), kamailio_faults)
        assert [(each.request.kind, each.answer.result) for each in exchanges] == [
            *[("I", 2001), ("U", 2001), ("U", 2001), ("T", 2001)],
            *[("I", 4012), ("T", 5002), ("I", 4012), ("T", 5002)],
        ]
        used = [used_seconds(each.request) for each in exchanges[:4]]
        assert world.recorded("1001") == (sum(used) * SECOND_NS, sum(used) * 1_000_000)
        assert world.money_nanos("1001") == 10 * 10**9 - sum(used) * 1_000_000


async def test_a_client_behind_freediameter_pays_what_it_reports(tmp_path: Path) -> None:
    async with running(tmp_path, (), "test.invalid", {"1001": 10}) as world:
        exchanges = await played(world, from_files("freediameter_to_ocs"), faults)
        assert codes(exchanges) <= {2001}
        assert world.recorded("1001")[0] == 600


async def test_the_samples_of_five_clients_are_served(tmp_path: Path) -> None:
    async with running(tmp_path, PEERS, "test.invalid", {ACCOUNT: 1_000, "15550100001": 1_000}) as world:
        player = Player(world)  # type: ignore[arg-type]
        await player.send((CAPABILITIES,))
        found: list[Packet] = []
        for name in ("open5gs_ccr_i", "open5gs_ccr_u", "open5gs_ccr_t"):
            (exchange,) = await player.send((sample(name),))
            assert open5gs_faults(exchange.request, exchange.answer) == []
            found.append(exchange.answer)
        for name in ("kamailio_ims_charging_ccr_i", "sms_event_ccr"):
            (exchange,) = await player.send((sample(name),))
            found.append(exchange.answer)
        assert [answer.result for answer in found] == [2001] * 5
        await player.close()


async def test_an_event_whose_answer_is_not_kept_any_more_is_known_by_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MOST_EVENTS", 0)
    async with running(tmp_path, PEERS, "test.invalid", {ACCOUNT: 1_000}) as world:
        player = Player(world)  # type: ignore[arg-type]
        await player.send((CAPABILITIES,))
        (first,) = await player.send((sample("sms_event_ccr"),))
        left = world.money_nanos(ACCOUNT)
        (again,) = await player.send((sample("sms_event_ccr"),))
        assert [each.frame[20:] for each in again.answers] == [each.frame[20:] for each in first.answers]
        assert world.money_nanos(ACCOUNT) == left < 1_000 * 10**9
        await player.close()
