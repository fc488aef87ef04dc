"""A whole Gy server for one test: agent, charging and store behind real TCP, a clock to set, books to look into.

Prices are round: an octet costs 1000 nanos (1.00 per MB), rating group 20 twice that, a second of a call 0.01.
"""

import asyncio
import inspect
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from ocs.agents.diameter.agent import DiameterAgent
from ocs.agents.diameter.states import ClientStates
from ocs.charging import acts
from ocs.charging.account import Account
from ocs.charging.decision import Change
from ocs.charging.entry import Cdr, EntryKind, Posting
from ocs.charging.events import Identity, IdentityKind
from ocs.charging.service import ChargingService
from ocs.charging.store import Query, Table
from ocs.charging.store.memory import MemoryStore
from ocs.charging.store.sqlite import SqliteStore
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.yaml_reader import read_yaml
from ocs.config.settings import (
    ChargingSettings,
    DiameterSettings,
    IdentitySettings,
    Listener,
    QuotaRule,
    Settings,
)
from ocs.metrics import Metrics
from ocs.policy import charging_policy, service_limits
from tests.conformance.client import ALICE_IMSI, ALICE_MSISDN, CLIENT, Client, cer
from tests.support.waiting import PATIENCE_S

EUR = 1_000_000_000
MB = 1_000_000
ALICE = "default:alice"
TARIFF = """
currency: EUR
destinations: {near: ["1"], far: ["49"], premium: ["1900"], any: ["*"]}
zones: {abroad: ["262"]}
windows: {evening: {from: "20:00", to: "24:00"}}
rates:
  data: {price: "1.00", per: 1MB, increment: 1B}
  dear: {price: "2.00", per: 1MB, increment: 1B}
  data_abroad: {price: "3.00", per: 1MB, increment: 1B}
  call: {price: "0.60", per: 1m, increment: 1s}
  call_evening: {price: "1.20", per: 1m, increment: 1s}
  message: {price: "0.05"}
  far_message: {price: "0.09"}
plans:
  standard:
    data:
      - {rating_group: [none, 1-99], rate: data}
      - {rating_group: [none, 1-99], zone: abroad, rate: data_abroad}
      - {rating_group: 20, rate: dear}
      - {rating_group: 30, free: true}
      - {rating_group: 31, denied: true}
      - {rating_group: 40, rate: data, windows: [{during: evening, rate: dear}]}
      - {rating_group: 50, rate: call, unit: time}
      - {rating_group: 70, rate: {price: "1.00", per: 1MB, increment: 1kB}}
      - {rating_group: 60-69, rat: [NR, eutran], rate: dear}
      - {rating_group: 60-69, facts: {rule_base: gold, qci: [5, 6]}, rate: data_abroad}
      - {rating_group: [none, 1-99], apn: corporate, rate: dear}
    voice:
      - {to: any, rate: call, windows: [{during: evening, rate: call_evening}]}
    sms:
      - {to: near, rate: message}
      - {to: far, rate: far_message}
      - {to: premium, denied: true}
  bare:
    sms: [{to: near, rate: message}]
"""
RULES = (QuotaRule(volume_octets=10 * MB),)


def tariff(text: str = TARIFF) -> Catalogue:
    """The compiled tariff."""
    found, problems = read_yaml(text, "tariff")
    assert found is not None, problems
    return Catalogue(found)


class Clock:
    """Both clocks of the charging service; each can be set on its own."""

    def __init__(self) -> None:
        self.wall_offset_ns = self.monotonic_offset_ns = 0

    def wall_ns(self) -> int:
        """The wall clock."""
        return time.time_ns() + self.wall_offset_ns

    def monotonic_ns(self) -> int:
        """The monotonic clock."""
        return time.monotonic_ns() + self.monotonic_offset_ns

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.wall_offset_ns += int(seconds * EUR)
        self.monotonic_offset_ns += int(seconds * EUR)

    def set_wall(self, at_ns: int) -> None:
        """Put the wall clock to a moment."""
        self.wall_offset_ns = at_ns - time.time_ns()


class World:
    """A running server, its clients and its books."""

    def __init__(
        self, settings: Settings, path: Path | None = None, limits_wait_ns: int | None = None
    ) -> None:
        self.settings = settings
        self.path = path
        self.clock = Clock()
        self.metrics = Metrics()
        self.catalogue = tariff()
        self.clients: list[Client] = []
        self.memory = MemoryStore()
        self.wait_ns = limits_wait_ns

    # --- life

    async def start(self) -> None:
        """Build everything as `ocs serve` does, on loopback."""
        self.store = self.memory if self.path is None else SqliteStore(self.path)
        limits = service_limits(self.settings)
        limits.wait_ns = round(PATIENCE_S * 1e9) if self.wait_ns is None else self.wait_ns
        self.service = ChargingService(
            self.store,
            self.catalogue,
            charging_policy(self.settings),
            self.metrics,
            limits,
            self.clock.wall_ns,
            self.clock.monotonic_ns,
        )
        self.service.loads_at_once = self.path is not None
        states = ClientStates(None if self.path is None else self.path.with_name("origin_states.jsonl"))
        self.agent = DiameterAgent(self.settings, self.service, self.metrics, self.store.born_s, states)
        self.service.session_control["diameter"] = self.agent
        self.supervision = asyncio.create_task(self.service.run())
        await self.agent.start()

    async def stop(self) -> None:
        """Drain as `ocs serve` does."""
        await self.agent.drain()
        await self.service.drained()
        await self._end()

    async def crash(self) -> None:
        """Lose every connection and all of memory; only what the store has made durable is left."""
        for client in self.clients:
            client.abort()
        self.agent.stop_listening()
        for peer in list(self.agent._connections):
            peer.abort()
        await self._end()

    async def _end(self) -> None:
        self.supervision.cancel()
        await asyncio.gather(self.supervision, return_exceptions=True)
        if self.path is not None:
            await self.store.close()

    async def restart(self) -> None:
        """Stop in order and come up again on the same store."""
        await self.stop()
        await self.start()

    # --- clients

    async def connect(self, listener: int = 0) -> Client:
        """A transport without capabilities exchange."""
        client = await Client.connect(self.agent.addresses()[listener])
        self.clients.append(client)
        return client

    async def open(self, host: str = CLIENT, **more: Any) -> Client:
        """A peer after CER and CEA."""
        client = await self.connect()
        client.host = host
        answer = await client.ask(cer(host, **more))
        assert answer.code == 2001
        return client

    # --- books

    async def add(
        self,
        name: str,
        nanos: int = 100 * EUR,
        imsi: str | None = None,
        msisdn: str | None = None,
        plan: str = "standard",
        topups: Iterable[acts.TopUp] = (),
        **more: Any,
    ) -> str:
        """A new account; its key."""
        key = f"default:{name}"
        identities = tuple(
            Identity(kind, value)
            for kind, value in ((IdentityKind.IMSI, imsi), (IdentityKind.E164, msisdn))
            if value
        )
        credit = (acts.TopUp(nanos),) if nanos else ()
        new = acts.NewAccount(key, plan, identities, (*topups, *credit), **more)
        account, posting = acts.create(new, acts.Act("seed", 0, "test"))
        postings = () if posting is None else (posting,)
        await self.service.create(Change(account, postings, has_new_identities=True))
        return key

    async def account(self, key: str = ALICE) -> Account:
        """The account as the service has it."""
        account = await self.service.account(key)
        assert account is not None
        return account

    async def money(self, key: str = ALICE) -> tuple[int, int]:
        """Posted and reserved nanos of the main balance."""
        for balance in (await self.account(key)).balances:
            if balance.id == "main":
                return balance.posted, balance.reserved
        return 0, 0

    async def spent(self, key: str = ALICE, credit: int = 100 * EUR) -> tuple[int, int]:
        """Nanos taken from the first credit, and nanos reserved."""
        posted, reserved = await self.money(key)
        return credit - posted, reserved

    async def change(self, key: str = ALICE, **fields: object) -> None:
        """Set fields of an account, as an operator's act would."""
        await self.service.apply(
            key,
            lambda account: Change(msgspec.structs.replace(account, version=account.version + 1, **fields)),
        )

    async def top_up(self, nanos: int, key: str = ALICE) -> None:
        """Credit money and tell waiting sessions, as the API does."""

        def act(account: Account) -> Change:
            changed, posting = acts.top_up(account, acts.TopUp(nanos), acts.Act("top-up", 0, "test"))
            return Change(changed, () if posting is None else (posting,))

        account = await self.service.apply(key, act)
        assert account is not None
        await self.service.reauthorize_starved(account)

    async def debits(self, key: str = ALICE) -> list[int]:
        """Every debit of the account's history, the newest first."""
        page = await self.store.read(Query(Table.POSTINGS, key, None, 1_000))
        return [
            -entry.amount
            for row in page.rows
            if isinstance(row, Posting)
            for entry in row.entries
            if entry.kind is EntryKind.DEBIT
        ]

    async def cdrs(self, key: str = ALICE) -> list[Cdr]:
        """Every record, the newest first."""
        page = await self.store.read(Query(Table.CDRS, key, None, 1_000))
        return [row for row in page.rows if isinstance(row, Cdr)]

    def counter(self, name: str, **labels: str) -> float:
        """A value of the metrics page."""
        for family in self.metrics.families():
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        return 0.0

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait until the condition holds, for a bounded time."""
        async with asyncio.timeout(PATIENCE_S):
            while not await condition():  # noqa: ASYNC110 - what it looks at tells nobody
                await asyncio.sleep(0.01)


def served(
    diameter: DiameterSettings | None = None,
    charging: ChargingSettings | None = None,
    durable: bool = False,
    empty: bool = False,
    **more: Any,
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Decorator: run a coroutine of a test with a `World`, in which alice has 100.00 unless `empty`."""
    charging = charging or ChargingSettings(quotas=RULES)
    diameter = diameter or DiameterSettings()
    if diameter.listen == DiameterSettings().listen:
        diameter = msgspec.structs.replace(diameter, listen=(Listener(port=0),))
    settings = Settings(IdentitySettings("ocs.example.net", "example.net"), diameter, charging)

    def decorate(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        async def body(path: Path | None, arguments: dict[str, Any]) -> None:
            world = World(settings, path, **more)
            async with asyncio.timeout(PATIENCE_S):
                await world.start()
                try:
                    if not empty:
                        await world.add("alice", imsi=ALICE_IMSI, msisdn=ALICE_MSISDN)
                    await test(world, **arguments)
                finally:
                    for client in world.clients:
                        client.abort()
                    await world.stop()

        def run(**arguments: Any) -> None:
            if not durable:
                asyncio.run(body(None, arguments))
                return
            with tempfile.TemporaryDirectory() as folder:
                asyncio.run(body(Path(folder) / "ocs.db", arguments))

        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        parameters = list(inspect.signature(test).parameters.values())[1:]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return run

    return decorate
