"""What the program starts and stops: JSON-RPC over TCP, HTTP with the live page, and the beat of the live feed."""

import asyncio
from collections.abc import Callable

import structlog
from aiohttp import web

from ocs.charging.service import ChargingService
from ocs.config.settings import Endpoint, Settings
from ocs.log import masked
from ocs.metrics import Metrics
from ocs.rpc.activity import Activity
from ocs.rpc.context import Context, Peers, RefusedPeers, nobody
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.envelope import EnvelopeLimits
from ocs.rpc.feed import Feed
from ocs.rpc.http import HttpService
from ocs.rpc.methods import REGISTRY
from ocs.rpc.tcp import TcpConnection, TcpLimits, TcpService

log = structlog.get_logger()

BEATS = 10  # a second
FINISH_S = 5.0
IDLE_HTTP_NS = 60_000_000_000
HTTP_CONNECTIONS = 256


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
    ) -> None:
        if settings.log.mask_subscribers:
            activity.mask = masked
        self.context = Context(service, settings, metrics, activity, peers, refused)
        self._settings = settings.rpc
        dispatcher = Dispatcher(REGISTRY, self.context, envelope_limits or EnvelopeLimits())
        self._feed = Feed(self.context)
        self._tcp = TcpService(dispatcher, tcp_limits or TcpLimits())
        self._http = HttpService(self.context, dispatcher, self._feed)
        self._runner: web.AppRunner | None = None
        self._listeners: list[asyncio.Server] = []
        self._beat: asyncio.Task[None] | None = None
        self.jsonrpc_address: tuple[str, int] | None = None
        self.http_address: tuple[str, int] | None = None

    async def start(self) -> None:
        """Open the listeners, or none: OSError where an address is taken."""
        self._tcp.sweep(self.context.monotonic_ns())
        try:
            if self._settings.jsonrpc is not None:
                self.jsonrpc_address = await self._listen(
                    lambda: TcpConnection(self._tcp), self._settings.jsonrpc
                )
            if self._settings.http is not None:
                self._runner = web.AppRunner(self._http.application(), access_log=None)
                await self._runner.setup()
                self.http_address = await self._listen(self._http_connection, self._settings.http)
        except BaseException:
            await self.stop()
            raise
        self._beat = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Close the listeners, answer what was asked, close the connections."""
        for listener in self._listeners:
            listener.close()
        self._tcp.close()
        await self._http.close()
        await self.context.finish(FINISH_S)
        self._tcp.abort()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._beat is not None:
            self._beat.cancel()
            await asyncio.gather(self._beat, return_exceptions=True)
        self._listeners.clear()

    async def _listen(self, factory: Callable[[], asyncio.Protocol], endpoint: Endpoint) -> tuple[str, int]:
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(factory, endpoint.address, endpoint.port)
        self._listeners.append(listener)
        address, port = listener.sockets[0].getsockname()[:2]
        return str(address), int(port)

    def _http_connection(self) -> asyncio.Protocol:
        """The protocol of a new HTTP connection; one too many is closed at once."""
        assert self._runner is not None, "it listens only while the runner is there"
        server = self._runner.server
        assert server is not None, "the runner is set up"
        if len(server.connections) >= HTTP_CONNECTIONS:
            return _Closed()
        protocol = server()
        self._http.idle_since_ns[protocol] = self.context.monotonic_ns()
        return protocol

    async def _run(self) -> None:
        """The beat: count the traffic, publish every second, end what hangs."""
        while True:
            for _ in range(BEATS):
                await asyncio.sleep(1 / BEATS)
                self.context.activity.collect(self.context.wall_ns())
            try:
                self._feed.publish(self.context.activity.tick(self.context.wall_ns()))
                now_ns = self.context.monotonic_ns()
                self._tcp.sweep(now_ns)
                self._sweep_http(now_ns)
            except Exception:
                log.exception("rpc.beat_failed")

    def _sweep_http(self, now_ns: int) -> None:
        """End HTTP connections that have had no request for long, and forget those that are gone."""
        assert self._runner is not None or not self._http.idle_since_ns, "connections come from the runner"
        if self._runner is None or self._runner.server is None:
            return
        open_now = set(self._runner.server.connections)
        for protocol, since_ns in list(self._http.idle_since_ns.items()):
            if protocol not in open_now:
                del self._http.idle_since_ns[protocol]
            elif since_ns is not None and now_ns - since_ns > IDLE_HTTP_NS:
                protocol.force_close()


class _Closed(asyncio.Protocol):
    """A connection that is not wanted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close at once."""
        transport.close()
