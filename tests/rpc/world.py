"""A whole server on ephemeral ports: charging on the memory store with a small tariff, and its clients."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from ocs.charging import acts
from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.decision import Change
from ocs.charging.events import Identity, IdentityKind, Unit
from ocs.charging.money import NANOS
from ocs.charging.quota import ChargingPolicy
from ocs.charging.rating import Rate, Slot
from ocs.charging.service import ChargingService
from ocs.charging.store import Store
from ocs.charging.store.memory import MemoryStore
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Rule, Tariff, Verdict
from ocs.config.settings import Endpoint, IdentitySettings, LogSettings, RpcSettings, Settings
from ocs.metrics import Metrics
from ocs.rpc.activity import Activity
from ocs.rpc.messages import EnvelopeLimits
from ocs.rpc.server import RpcServer
from ocs.rpc.tcp import TcpLimits
from tests.support.waiting import PATIENCE_S

MSISDN = "15550100001"
IMSI = "001010000000001"
KIB_NANOS = 1_000_000  # 0.001 per KiB


class PeerInfo(msgspec.Struct, frozen=True):
    """A connected peer as the Diameter agent tells it."""

    origin_host: str = "smf.example.org"
    realm: str = "example.org"
    address: str = "127.0.0.1"
    state: str = "open"
    product: str = "smf"
    profile: str = "open5gs"
    since_ns: int = 1_700_000_000_000_000_000
    requests: int = 3
    answers: int = 3
    in_flight: int = 0
    is_suspected: bool = False


class RefusedPeer(msgspec.Struct, frozen=True):
    """A peer that knocked."""

    origin_host: str = "pgw.example.net"
    address: str = "10.0.0.9"
    result_code: int = 3010
    reason: str = "peer is not configured"
    attempts: int = 7
    last_ns: int = 1_700_000_000_000_000_000
    remedy: str = '- {origin_host: "pgw.example.net", addresses: ["10.0.0.9"]}'


class Control:
    """A client that says `result` to whatever the server asks of it."""

    def __init__(self, result: ControlResult = ControlResult.ACCEPTED) -> None:
        self.result = result
        self.asked: asyncio.Queue[tuple[str, SessionAddress]] = asyncio.Queue()

    async def reauthorize(self, session: SessionAddress) -> ControlResult:
        """Note it."""
        self.asked.put_nowait(("reauthorize", session))
        return self.result

    async def warn(self, session: SessionAddress) -> ControlResult:
        """Note it."""
        self.asked.put_nowait(("warn", session))
        return self.result

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        """Note it."""
        self.asked.put_nowait((cause, session))
        return self.result


def catalogue() -> Catalogue:
    """Data at 0.001 per KiB, a minute at 0.10, a message at 0.05."""
    rates = {
        "kib": Rate(0, (Slot(0, KIB_NANOS, 1024, 1024),)),
        "minute": Rate(0, (Slot(0, NANOS // 10, 60 * NANOS, NANOS),)),
        "message": Rate(0, (Slot(0, NANOS // 20, 1, 1),)),
    }
    units = {"data": (Unit.OCTETS, "kib"), "voice": (Unit.TIME, "minute"), "sms": (Unit.EVENTS, "message")}
    rules = tuple(
        Rule(service, service, unit, (Choice(Verdict.RATED, rates[name], name),))
        for service, (unit, name) in units.items()
    )
    return Catalogue(Tariff("EUR", (Plan("standard", (PlanVersion(rules),)),), rates=rates))


class World:
    """A running server and its parts."""

    def __init__(
        self, server: RpcServer, service: ChargingService, activity: Activity, control: Control
    ) -> None:
        self.server = server
        self.service = service
        self.activity = activity
        self.control = control

    @property
    def url(self) -> str:
        """Where HTTP is."""
        assert "http" in self.server.addresses
        return f"http://127.0.0.1:{self.server.addresses['http'][1]}"

    async def connect(self) -> "Client":
        """A new TCP connection."""
        assert "jsonrpc" in self.server.addresses
        return Client(*await asyncio.open_connection(*self.server.addresses["jsonrpc"]))

    async def call(self, method: str, **params: Any) -> Any:
        """The result of a method over a connection of its own."""
        client = await self.connect()
        answer = await client.call(method, **params)
        await client.close()
        assert answer["error"] is None, answer["error"]
        return answer["result"]

    async def fail(self, method: str, **params: Any) -> str:
        """The error of a method."""
        client = await self.connect()
        answer = await client.call(method, **params)
        await client.close()
        assert answer["result"] is None, answer["result"]
        return str(answer["error"])

    async def add(self, key: str, nanos: int = 10 * NANOS, identities: tuple[Identity, ...] = ()) -> None:
        """A new account of the default tenant with money."""
        topups = (acts.TopUp(nanos),) if nanos else ()
        new = acts.NewAccount(f"default:{key}", "standard", identities, topups)
        account, posting = acts.create(new, acts.Act("seed", 0, "test"))
        postings = () if posting is None else (posting,)
        await self.service.create(Change(account, postings, has_new_identities=True))


class Client:
    """A JSON-RPC client over TCP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, method: str, params: dict[str, Any] | None = None, name: Any = 1) -> None:
        """Send a request of JSON-RPC 1.0."""
        self.write(json.dumps({"method": f"OcsV1.{method}", "params": [params or {}], "id": name}).encode())

    def write(self, data: bytes) -> None:
        """Send octets."""
        self.writer.write(data)

    async def receive(self) -> Any:
        """The next answer; None at the end."""
        async with asyncio.timeout(PATIENCE_S):
            line = await self.reader.readline()
        return json.loads(line) if line else None

    async def call(self, method: str, **params: Any) -> Any:
        """Send a request and wait for its answer."""
        self.send(method, params)
        return await self.receive()

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        await self.writer.wait_closed()


def settings(mask: bool = True) -> Settings:
    """Ephemeral ports on loopback."""
    here = Endpoint("127.0.0.1", 0)
    return Settings(
        IdentitySettings("ocs.example.org", "example.org"),
        rpc=RpcSettings(here, here, here),
        log=LogSettings(mask_subscribers=mask),
    )


@asynccontextmanager
async def running(
    mask: bool = True,
    envelope_limits: EnvelopeLimits | None = None,
    tcp_limits: TcpLimits | None = None,
    store: Store | None = None,
    is_new: bool = True,
) -> AsyncIterator[World]:
    """A server with one account of 10.00, stopped at the end; `is_new`: its store does not have the account yet."""
    metrics, activity, control = Metrics(), Activity(), Control()
    service = ChargingService(store or MemoryStore(), catalogue(), ChargingPolicy(), metrics)
    service.session_control["test"] = control
    server = RpcServer(
        service,
        settings(mask),
        metrics,
        activity,
        peers=lambda: [PeerInfo()],
        refused=lambda: [RefusedPeer()],
        envelope_limits=envelope_limits,
        tcp_limits=tcp_limits,
    )
    world = World(server, service, activity, control)
    if is_new:
        identities = (Identity(IdentityKind.E164, MSISDN), Identity(IdentityKind.IMSI, IMSI))
        await world.add("1001", identities=identities)
    await server.start()
    try:
        yield world
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await server.stop()


def in_world(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Decorator: run a coroutine of a test with a `World` as its first argument."""

    def run(**arguments: Any) -> None:
        async def body() -> None:
            async with asyncio.timeout(PATIENCE_S), running() as world:
                await test(world, **arguments)

        asyncio.run(body())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    parameters = list(inspect.signature(test).parameters.values())[1:]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


@asynccontextmanager
async def browser(world: World, **headers: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of this server."""
    timeout = aiohttp.ClientTimeout(PATIENCE_S)
    async with aiohttp.ClientSession(world.url, headers=headers, timeout=timeout) as session:
        yield session
