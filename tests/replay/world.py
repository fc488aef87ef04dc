"""A server to replay recordings on: the real agent, service and engine over real sockets, a store in memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from ocs.agents.diameter.agent import DiameterAgent
from ocs.charging import acts
from ocs.charging.account import Account
from ocs.charging.decision import Change
from ocs.charging.events import Identity, IdentityKind
from ocs.charging.service import CAUSE_SILENT, ChargingService
from ocs.charging.store.memory import MemoryStore
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.yaml_reader import read_yaml
from ocs.config.settings import (
    ChargingSettings,
    DiameterSettings,
    FinalUnit,
    IdentitySettings,
    Listener,
    Peer,
    QuotaRule,
    Settings,
)
from ocs.metrics import Metrics
from ocs.policy import charging_policy
from tests.replay.recordings import Recording
from tests.replay.wire import Packet
from tests.support.waiting import PATIENCE_S

SECOND_NS = 1_000_000_000
NANOS_PER_SECOND = 1_000_000  # of a call
NANOS_PER_MESSAGE = 50_000_000
EVENING = 3 * 3_600 * SECOND_NS  # later than any session may be silent

TARIFF = """
currency: EUR
destinations: {anywhere: ["*"]}
rates:
  call: {price: "0.06", per: 1m, increment: 1s}
  data: {price: "0.001", per: 1MB, increment: 1B}
  message: {price: "0.05"}
plans:
  standard:
    data: [{name: data, rate: data}]
    voice: [{name: calls, to: anywhere, rate: call}]
    sms: [{name: messages, rate: message}]
  free:
    data: [{name: data, free: true}]
  no_data:
    sms: [{name: messages, rate: message}]
"""


class Subscriber(NamedTuple):
    """An account to be: money in nanos, the plan, and its identities besides the one it is named for."""

    money_nanos: int
    plan: str = "standard"
    also: tuple[Identity, ...] = ()


class Exchange(NamedTuple):
    """A request of a recording and every answer it got."""

    request: Packet
    answers: tuple[Packet, ...]

    @property
    def answer(self) -> Packet:
        """The one answer it got."""
        (answer,) = self.answers
        return answer


def settings(node: str, realm: str, peers: tuple[Peer, ...], final_unit: FinalUnit) -> Settings:
    """The settings of a node."""
    rule = QuotaRule(
        volume_octets=1_000_000,
        time_ns=6 * SECOND_NS,
        volume_threshold_octets=100_000,
        validity_ns=600 * SECOND_NS,
        final_unit=final_unit,
    )
    return Settings(
        IdentitySettings(node, realm),
        DiameterSettings(listen=(Listener(port=0),), peers=peers),
        ChargingSettings(quotas=(rule,)),
    )


class World:
    """Nodes that share one service; the clock of supervision can be set forward."""

    def __init__(
        self, peers: tuple[Peer, ...], realm: str, final_unit: FinalUnit | None = None, tariff: str = TARIFF
    ) -> None:
        prices, problems = read_yaml(tariff, "tariff")
        assert prices is not None, problems
        self.passed_ns = 0
        metrics = Metrics()
        nodes = [
            settings(f"{name}.{realm}", realm, peers, final_unit or FinalUnit()) for name in ("ocs", "ocs2")
        ]
        self.service = ChargingService(
            MemoryStore(),
            Catalogue(prices),
            charging_policy(nodes[0]),
            metrics,
            monotonic_ns=lambda: time.monotonic_ns() + self.passed_ns,
        )
        self.agents = [DiameterAgent(each, self.service, metrics) for each in nodes]

    async def open_account(self, identity: Identity, subscriber: Subscriber) -> None:
        """An account of that identity, named for it."""
        topups = (acts.TopUp(subscriber.money_nanos),) if subscriber.money_nanos else ()
        new = acts.NewAccount(identity.value, subscriber.plan, (identity, *subscriber.also), topups)
        account, posting = acts.create(new, acts.Act("new", self.service.now_ns(), "test"))
        postings = () if posting is None else (posting,)
        await self.service.create(Change(account, postings, has_new_identities=True))

    async def account(self, name: str) -> Account:
        """An account as it is now, after its books were checked."""
        account = await self.service.account(name)
        assert account is not None
        assert await self.service.verify(name) == []
        return account

    async def money(self, name: str) -> tuple[int, int]:
        """What an account has and what of it is held."""
        balances = (await self.account(name)).balances
        return sum(each.posted for each in balances), sum(each.reserved for each in balances)

    async def let_sessions_expire(self) -> None:
        """Hours pass in which no client says anything."""
        self.passed_ns += EVENING
        now_ns = time.monotonic_ns() + self.passed_ns
        for ref in self.service.supervision.due(now_ns, 1_000):
            await self.service.close_session(ref, CAUSE_SILENT)


@asynccontextmanager
async def running(
    peers: tuple[Peer, ...],
    realm: str,
    subscribers: Mapping[Identity, Subscriber],
    final_unit: FinalUnit | None = None,
    tariff: str = TARIFF,
) -> AsyncIterator[World]:
    """A world with accounts, its nodes listening."""
    world = World(peers, realm, final_unit, tariff)
    for identity, subscriber in subscribers.items():
        await world.open_account(identity, subscriber)
    for agent in world.agents:
        await agent.start()
    try:
        yield world
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*[agent.drain() for agent in world.agents])


class Player:
    """Sends what a client has sent, burst by burst, and waits for the answers of each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.exchanges: list[Exchange] = []
        self._streams: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def play(self, recording: Recording) -> list[Exchange]:
        """Every request of a recording with what it got; the connections are closed at the end."""
        async with asyncio.timeout(PATIENCE_S):
            for node, packets in recording.bursts:
                await self.send(packets, node)
            await self.close()
        return self.exchanges

    async def close(self) -> None:
        """End every connection."""
        for node in tuple(self._streams):
            await self._hang_up(node)

    async def send(self, packets: tuple[Packet, ...], node: int = 1) -> list[Exchange]:
        """Send packets at once; a CER begins a connection. Answers of the client get no answer."""
        if packets[0].command == 257:
            await self._hang_up(node)
            host, port = self.world.agents[node - 1].addresses()[0]
            self._streams[node] = await asyncio.open_connection(host, port)
        reader, writer = self._streams[node]
        writer.write(b"".join(packet.frame for packet in packets))
        requests = [packet for packet in packets if packet.is_request]
        answers: dict[int, list[Packet]] = {request.hop_by_hop: [] for request in requests}
        for _ in requests:
            answer = await _receive(reader)
            answers[answer.hop_by_hop].append(answer)
        done = [Exchange(request, tuple(answers[request.hop_by_hop])) for request in requests]
        self.exchanges += done
        return done

    async def _hang_up(self, node: int) -> None:
        """End a connection; nothing more may come over it, and the server forgets the peer."""
        if node not in self._streams:
            return
        reader, writer = self._streams.pop(node)
        if writer.can_write_eof():
            writer.write_eof()
        rest = await reader.read()
        assert rest == b"", f"something nobody asked for: {rest.hex()}"
        writer.close()
        for connection in tuple(self.world.agents[node - 1]._connections):
            await connection.gone


async def _receive(reader: asyncio.StreamReader) -> Packet:
    async with asyncio.timeout(PATIENCE_S):
        head = await reader.readexactly(4)
        return Packet(head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4))


def imsi(value: str) -> Identity:
    """An IMSI."""
    return Identity(IdentityKind.IMSI, value)


def msisdn(value: str) -> Identity:
    """A telephone number."""
    return Identity(IdentityKind.E164, value)


def flagged(packet: Packet, flag: int) -> Packet:
    """The same message with one more flag."""
    frame = packet.frame
    return Packet(frame[:4] + bytes((frame[4] | flag,)) + frame[5:])
