"""What `ocs serve` starts and stops: the front door with the methods, the live page, and the beat of its feed."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from ocs.charging.service import ChargingService
from ocs.config.settings import RpcSettings, Settings
from ocs.log import masked
from ocs.metrics import Metrics
from ocs.rpc import reference
from ocs.rpc.activity import Activity
from ocs.rpc.audit import Audit
from ocs.rpc.clients import Clients
from ocs.rpc.context import Context, Peers, RefusedPeers, nobody
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.feed import Feed
from ocs.rpc.front import FrontDoor, Listeners
from ocs.rpc.http_limits import HttpLimits
from ocs.rpc.key_file import KeyFile
from ocs.rpc.key_gate import KeyGate
from ocs.rpc.live import LivePages
from ocs.rpc.messages import EnvelopeLimits
from ocs.rpc.methods import REGISTRY
from ocs.rpc.registry import Registry
from ocs.rpc.tcp import TcpLimits
from ocs.rpc.tls import ServerTls

log = structlog.get_logger()

BEATS = 10  # a second
FINISH_S = 5.0


class RpcServer:
    """Everything programs and people talk to; listeners that the settings leave out are not there."""

    def __init__(
        self,
        service: ChargingService,
        settings: Settings,
        metrics: Metrics,
        activity: Activity,
        peers: Peers = nobody,
        refused: RefusedPeers = nobody,
        envelope_limits: EnvelopeLimits | None = None,
        tcp_limits: TcpLimits | None = None,
        data_dir: Path | None = None,
        registry: Registry | None = None,
    ) -> None:
        if settings.log.mask_subscribers:
            activity.mask = masked
        self.context = Context(service, settings, metrics, activity, peers, refused)
        rpc = settings.rpc
        envelope = envelope_limits or EnvelopeLimits(message_octets=rpc.message_size_octets)
        gate = None if data_dir is None else key_gate(rpc, data_dir, self.context.wall_ns)
        methods = REGISTRY if registry is None else registry
        dispatcher = Dispatcher(methods, self.context, envelope, gate)
        self._feed = Feed(self.context)
        self._pages = LivePages(self.context, self._feed)
        self.front = FrontDoor(
            dispatcher,
            listeners(rpc),
            lambda: [*self._pages.routes(), *reference.routes(methods)],
            tcp_limits
            or TcpLimits(
                connections=rpc.connections,
                in_flight=rpc.requests_in_flight,
                requests_per_second=rpc.requests_per_second,
            ),
            server_tls(rpc),
            monotonic_ns=self.context.monotonic_ns,
            http_limits=HttpLimits(
                in_flight=rpc.requests_in_flight, requests_per_second=rpc.requests_per_second
            ),
        )
        self._beat: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> dict[str, tuple[str, int]]:
        """Where it listens, by the names of the settings."""
        return self.front.addresses

    @property
    def clients(self) -> Clients:
        """The connections the server can call."""
        return self.front.clients

    async def start(self) -> None:
        """Open the listeners, or none: OSError where an address is taken."""
        await self.front.start()
        self._beat = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Close the listeners, answer what was asked, close the connections."""
        self._pages.close()
        await self.front.close()
        await self.context.finish(FINISH_S)
        await self.front.end()
        if self._beat is not None:
            self._beat.cancel()
            await asyncio.gather(self._beat, return_exceptions=True)

    async def _run(self) -> None:
        """The beat: count the traffic, publish every second."""
        while True:
            for _ in range(BEATS):
                await asyncio.sleep(1 / BEATS)
                self.context.activity.collect(self.context.wall_ns())
            try:
                self._feed.publish(self.context.activity.tick(self.context.wall_ns()))
            except Exception:
                log.exception("rpc.beat_failed")


def listeners(rpc: RpcSettings) -> Listeners:
    """Where the settings want to be listened."""
    plain = rpc.jsonrpc, rpc.bidirectional, rpc.http
    return Listeners(*plain, rpc.jsonrpc_tls, rpc.bidirectional_tls, rpc.http_tls)


def server_tls(rpc: RpcSettings) -> ServerTls | None:
    """The certificate of the settings; OSError (also ssl.SSLError) where its files cannot be used."""
    if rpc.certificate is None or rpc.key is None:
        return None
    return ServerTls(
        Path(rpc.certificate), Path(rpc.key), None if rpc.client_ca is None else Path(rpc.client_ca)
    )


def key_gate(rpc: RpcSettings, data_dir: Path, wall_ns: Callable[[], int]) -> KeyGate:
    """The gate of the settings; KeysError where the file of keys cannot be used."""
    audit = Audit(data_dir / rpc.audit, wall_ns)
    keys = KeyFile(data_dir / rpc.keys)
    if not len(keys) and (rpc.jsonrpc_tls or rpc.bidirectional_tls or rpc.http_tls):
        log.warning("rpc.no_keys", file=str(keys.path), remedy="ocs key create")
    return KeyGate(keys, audit, rpc.trust_loopback)
