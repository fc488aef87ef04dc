"""The front door: every listener of JSON-RPC around one dispatcher, started and stopped together.

TCP one way (2012), TCP both ways (2014), HTTP with WebSocket (2080), and the twins of all three inside TLS.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence

import msgspec
import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from ocs.config.settings import Endpoint
from ocs.rpc.clients import Clients
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.http import CONNECTIONS, IDLE_NS, HttpService
from ocs.rpc.tcp import TcpConnection, TcpLimits, TcpService
from ocs.rpc.tls import ServerTls

log = structlog.get_logger()

SWEEP_S = 1.0
HANDSHAKE_S = 10.0
BACKLOG = 4_096


class Listeners(msgspec.Struct, frozen=True):
    """Where to listen; what is None is not there. `tls` is for the last three."""

    jsonrpc: Endpoint | None = None
    bidirectional: Endpoint | None = None
    http: Endpoint | None = None
    jsonrpc_tls: Endpoint | None = None
    bidirectional_tls: Endpoint | None = None
    http_tls: Endpoint | None = None


class FrontDoor:
    """Opens the listeners, sweeps connections that hang, closes in order; `clients` can be called back."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        listeners: Listeners,
        routes: Sequence[web.RouteDef] = (),
        limits: TcpLimits | None = None,
        tls: ServerTls | None = None,
        path: str = "/jsonrpc",
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        both_ways: Dispatcher | None = None,  # of the bidirectional listeners, where they offer other methods
    ) -> None:
        self.clients = Clients()
        self.addresses: dict[str, tuple[str, int]] = {}
        self.tcp = TcpService(dispatcher, limits or TcpLimits())
        self.bidirectional = TcpService(both_ways or dispatcher, limits or TcpLimits(), self.clients)
        self.http = HttpService(dispatcher, self.clients, monotonic_ns, routes, path)
        self._gate = dispatcher.gate
        self._listeners = listeners
        self._tls = tls
        self._monotonic_ns = monotonic_ns
        self._runner: web.AppRunner | None = None
        self._open: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the listeners, or none: OSError where an address is taken."""
        self._sweep()
        wanted = self._listeners
        try:
            if wanted.http is not None or wanted.http_tls is not None:
                self._runner = web.AppRunner(self.http.application(), access_log=None)
                await self._runner.setup()
            await self._listen("jsonrpc", self._tcp, wanted.jsonrpc)
            await self._listen("bidirectional", self._both_ways, wanted.bidirectional)
            await self._listen("http", self._http_connection, wanted.http)
            if self._tls is not None:
                tls = self._tls.context
                await self._listen("jsonrpc_tls", self._tcp, wanted.jsonrpc_tls, tls)
                await self._listen("bidirectional_tls", self._both_ways, wanted.bidirectional_tls, tls)
                await self._listen("http_tls", self._http_connection, wanted.http_tls, tls)
        except BaseException:
            await self.close()
            await self.end()
            raise
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep_for_ever())

    async def close(self) -> None:
        """Free the ports at once and take no more requests; those under way may still be answered."""
        for listener in self._open:
            listener.close()
        self._open.clear()
        self.tcp.close()
        self.bidirectional.close()
        await self.http.close()

    async def end(self) -> None:
        """End the connections that are left."""
        self.tcp.abort()
        self.bidirectional.abort()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    async def _listen(
        self,
        name: str,
        factory: Callable[[], asyncio.Protocol],
        endpoint: Endpoint | None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if endpoint is None:
            return
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(
            factory,
            endpoint.address,
            endpoint.port,
            backlog=BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else HANDSHAKE_S,
        )
        self._open.append(listener)
        address, port = listener.sockets[0].getsockname()[:2]
        self.addresses[name] = (str(address), int(port))

    def _tcp(self) -> asyncio.Protocol:
        return TcpConnection(self.tcp)

    def _both_ways(self) -> asyncio.Protocol:
        return TcpConnection(self.bidirectional)

    def _http_connection(self) -> asyncio.Protocol:
        """The protocol of a new HTTP connection; one too many is closed at once."""
        assert self._runner is not None, "it listens only while the runner is there"
        server = self._runner.server
        assert server is not None, "the runner is set up"
        if len(server.connections) >= CONNECTIONS:
            return _Closed()
        protocol = server()
        self.http.idle_since_ns[protocol] = self._monotonic_ns()
        return protocol

    # --- the sweep

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                self._sweep()
            except Exception:
                log.exception("rpc.sweep_failed")

    def _sweep(self) -> None:
        now_ns = self._monotonic_ns()
        self.tcp.sweep(now_ns)
        self.bidirectional.sweep(now_ns)
        self.sweep_http(now_ns)
        if self._tls is not None:
            self._tls.refresh()
        if self._gate.refresh():
            self.let_go()

    def let_go(self) -> None:
        """End the connections of those whose key does not count any more."""
        holds = self._gate.holds
        for connection in (*self.tcp.connections, *self.bidirectional.connections):
            if not holds(connection.caller):
                log.warning("rpc.connection_ended", peer=connection.peer, reason="key revoked")
                connection.abort()
        self.http.let_go(holds)

    def sweep_http(self, now_ns: int) -> None:
        """End HTTP connections that have had no request for long, and forget those that are gone."""
        idle = self.http.idle_since_ns
        server = None if self._runner is None else self._runner.server
        if server is None:
            return
        open_now: set[RequestHandler] = set(server.connections)
        for protocol, since_ns in list(idle.items()):
            if protocol not in open_now:
                del idle[protocol]
            elif since_ns is not None and now_ns - since_ns > IDLE_NS:
                protocol.force_close()


class _Closed(asyncio.Protocol):
    """A connection that is not wanted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close at once."""
        transport.close()
