"""HTTP and WebSocket of the front door: their connections, counted and swept."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from ocs.rpc.clients import Clients
from ocs.rpc.dispatch import Dispatcher, places
from ocs.rpc.http import HttpService
from ocs.rpc.http_limits import HttpLimits
from ocs.rpc.http_paths import HttpPaths

log = structlog.get_logger()

LINGER_S = 1.0  # for the rest of a body whose request is answered


class HttpFront:
    """The HTTP service with the connections that lead to it."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        clients: Clients,
        monotonic_ns: Callable[[], int],
        routes: Sequence[web.RouteDef],
        paths: HttpPaths | None,
        limits: HttpLimits | None = None,
    ) -> None:
        self.service = HttpService(dispatcher, clients, monotonic_ns, routes, paths, limits)
        self._monotonic_ns = monotonic_ns
        self._runner = web.AppRunner(
            self.service.application(), access_log=None, logger=_quiet_log(), lingering_time=LINGER_S
        )

    async def start(self) -> None:
        """Get ready for connections."""
        await self._runner.setup()

    async def close(self) -> None:
        """Take no more requests."""
        await self.service.close()

    async def end(self) -> None:
        """End the connections that are left."""
        await self._runner.cleanup()

    def connection(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return _Connection(self.service, self._runner, self._monotonic_ns)

    def sweep(self, now_ns: int) -> None:
        """End connections that have had no request for long, or part of one, and forget those that are gone."""
        idle, begun_ns, limits = self.service.idle_since_ns, self.service.begun_ns, self.service.limits
        self.service.shares.sweep(now_ns)
        server = self._runner.server
        if server is None:
            return
        open_now: set[RequestHandler] = set(server.connections)
        for protocol, since_ns in list(idle.items()):
            if protocol not in open_now:
                del idle[protocol]
                begun_ns.pop(protocol, None)
            elif since_ns is not None and (
                now_ns - since_ns > limits.idle_ns or now_ns - begun_ns.get(protocol, now_ns) > limits.head_ns
            ):
                protocol.force_close()


class _WithoutContents(logging.Filter):
    """Leaves what was sent out of lines about it: the library's errors quote headers and pieces of the body."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say of an exception only its kind and where it came from."""
        if record.exc_info:
            error = record.exc_info[1]
            record.msg, record.args = "%s: %s", (record.getMessage(), type(error).__name__)
            if isinstance(error, HttpProcessingError):  # the client's fault
                record.levelno, record.levelname = logging.WARNING, "WARNING"
            else:
                record.msg, record.args = "%s at %s", (record.getMessage(), places(error))
            record.exc_info = None
        return True


def _quiet_log() -> logging.Logger:
    quiet = logging.getLogger("ocs.rpc.http")
    quiet.filters = [_WithoutContents()]
    return quiet


class _Connection(asyncio.Protocol):
    """A connection of the library, counted, and with the time at which a request began; one too many is closed."""

    def __init__(self, service: HttpService, runner: web.AppRunner, monotonic_ns: Callable[[], int]) -> None:
        self._service = service
        self._runner = runner
        self._monotonic_ns = monotonic_ns
        self._host = ""
        self._handler: RequestHandler | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand it on, where there may be one more."""
        server, now_ns = self._runner.server, self._monotonic_ns()
        self._host = str((transport.get_extra_info("peername") or ("",))[0])
        assert server is not None, "the runner is set up"
        is_full = len(server.connections) >= self._service.limits.connections
        if is_full or not self._service.shares.connect(self._host, now_ns):
            log.warning("rpc.connection_refused", peer=self._host, listener="http")
            transport.close()
            return
        self._handler = server()
        self._service.idle_since_ns[self._handler] = now_ns
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Octets of a request; the first of one are noted."""
        if self._handler is None:
            return
        service = self._service
        if service.idle_since_ns.get(self._handler) is not None:
            service.begun_ns.setdefault(self._handler, self._monotonic_ns())
        self._handler.data_received(data)

    def eof_received(self) -> None:
        """The client sends no more."""
        if self._handler is not None:
            self._handler.eof_received()

    def pause_writing(self) -> None:
        """The client does not read as fast as it asks."""
        if self._handler is not None:
            self._handler.pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._handler is not None:
            self._handler.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone."""
        if self._handler is not None:
            self._service.shares.disconnect(self._host)
            self._handler.connection_lost(error)
