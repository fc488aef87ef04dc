"""The front door: every listener of JSON-RPC around one dispatcher, started and stopped together.

TCP one way (2012), TCP both ways (2014), HTTP with WebSocket (2080), and the twins of all three inside TLS.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import structlog

from ocs.config.settings import Endpoint
from ocs.rpc.clients import Clients
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.http_limits import HttpLimits
from ocs.rpc.http_paths import HttpPaths
from ocs.rpc.tcp import TcpConnection, TcpLimits, TcpService
from ocs.rpc.tls import ServerTls

if TYPE_CHECKING:
    from aiohttp.web import RouteDef

    from ocs.rpc.http_front import HttpFront

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
        routes: "Callable[[], Sequence[RouteDef]] | None" = None,
        limits: TcpLimits | None = None,
        tls: ServerTls | None = None,
        paths: HttpPaths | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        http_limits: HttpLimits | None = None,
        both_ways: Dispatcher | None = None,  # of the bidirectional listeners, where they offer other methods
    ) -> None:
        self.clients = Clients()
        self.addresses: dict[str, tuple[str, int]] = {}
        self.tcp = TcpService(dispatcher, limits or TcpLimits())
        self.bidirectional = TcpService(both_ways or dispatcher, limits or TcpLimits(), self.clients)
        self.http: HttpFront | None = None  # once it listens
        self._gate = dispatcher.gate
        self._listeners = listeners
        self._tls = tls
        self._monotonic_ns = monotonic_ns
        self._dispatcher = dispatcher
        self._routes = routes
        self._paths = paths
        self._http_limits = http_limits
        self._open: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the listeners, or none: OSError where an address is taken."""
        self._sweep()
        wanted = self._listeners
        try:
            await self._listen("jsonrpc", self._tcp, wanted.jsonrpc)
            await self._listen("bidirectional", self._both_ways, wanted.bidirectional)
            if wanted.http is not None or wanted.http_tls is not None:
                self.http = await asyncio.to_thread(self._http_front)
                await self.http.start()
                await self._listen("http", self.http.connection, wanted.http)
            if self._tls is not None:
                tls = self._tls.context
                await self._listen("jsonrpc_tls", self._tcp, wanted.jsonrpc_tls, tls)
                await self._listen("bidirectional_tls", self._both_ways, wanted.bidirectional_tls, tls)
                if self.http is not None:
                    await self._listen("http_tls", self.http.connection, wanted.http_tls, tls)
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
        if self.http is not None:
            await self.http.close()

    async def end(self) -> None:
        """End the connections that are left."""
        self.tcp.abort()
        self.bidirectional.abort()
        if self.http is not None:
            await self.http.end()
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

    def _http_front(self) -> "HttpFront":
        """HTTP takes long to import: the other ports are open before it."""
        from ocs.rpc.http_front import HttpFront

        routes = self._routes() if self._routes is not None else ()
        return HttpFront(
            self._dispatcher, self.clients, self._monotonic_ns, routes, self._paths, self._http_limits
        )

    def _tcp(self) -> asyncio.Protocol:
        return TcpConnection(self.tcp)

    def _both_ways(self) -> asyncio.Protocol:
        return TcpConnection(self.bidirectional)

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
        if self.http is not None:
            self.http.sweep(now_ns)
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
        if self.http is not None:
            self.http.service.let_go(holds)
