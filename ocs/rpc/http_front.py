"""HTTP and WebSocket of the front door: their connections, counted and swept."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from ocs.rpc.clients import Clients
from ocs.rpc.dispatch import Dispatcher, places
from ocs.rpc.http import CONNECTIONS, IDLE_NS, HttpService
from ocs.rpc.http_paths import HttpPaths


class HttpFront:
    """The HTTP service with the connections that lead to it."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        clients: Clients,
        monotonic_ns: Callable[[], int],
        routes: Sequence[web.RouteDef],
        paths: HttpPaths | None,
    ) -> None:
        self.service = HttpService(dispatcher, clients, monotonic_ns, routes, paths)
        self._monotonic_ns = monotonic_ns
        self._runner = web.AppRunner(self.service.application(), access_log=None, logger=_quiet_log())

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
        """The protocol of a new connection; one too many is closed at once."""
        server = self._runner.server
        assert server is not None, "the runner is set up"
        if len(server.connections) >= CONNECTIONS:
            return _Closed()
        protocol = server()
        self.service.idle_since_ns[protocol] = self._monotonic_ns()
        return protocol

    def sweep(self, now_ns: int) -> None:
        """End connections that have had no request for long, and forget those that are gone."""
        idle = self.service.idle_since_ns
        server = self._runner.server
        if server is None:
            return
        open_now: set[RequestHandler] = set(server.connections)
        for protocol, since_ns in list(idle.items()):
            if protocol not in open_now:
                del idle[protocol]
            elif since_ns is not None and now_ns - since_ns > IDLE_NS:
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
    log = logging.getLogger("ocs.rpc.http")
    log.filters = [_WithoutContents()]
    return log


class _Closed(asyncio.Protocol):
    """A connection that is not wanted."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close at once."""
        transport.close()
