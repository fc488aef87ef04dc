"""What `ocs serve` shows over HTTP beside JSON-RPC: metrics, health, the live page and its feed."""

import asyncio

import structlog
from aiohttp import web

from ocs.charging.store import StoreError
from ocs.metrics import CONTENT_TYPE
from ocs.rpc.context import Context
from ocs.rpc.feed import Feed
from ocs.rpc.pages import PAGES, files

log = structlog.get_logger()

STORE_S = 1.0
WRITE_S = 10.0
METRICS_FRESH_NS = 1_000_000_000


class LivePages:
    """The handlers; `routes` are for the HTTP service of the server."""

    def __init__(self, context: Context, feed: Feed) -> None:
        self._context = context
        self._feed = feed
        self._metrics = b""
        self._metrics_ns: int | None = None
        self.is_stopping = False

    def routes(self) -> list[web.RouteDef]:
        """Every path."""
        return [
            web.get(self._context.settings.metrics.path, self._show_metrics),
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
            web.get("/events", self._events),
            *files(PAGES),
        ]

    def close(self) -> None:
        """Let go of everybody who listens."""
        self.is_stopping = True
        self._feed.close()

    async def _show_metrics(self, request: web.Request) -> web.StreamResponse:
        """The page of metrics, at most one second old: it counts in this thread."""
        now_ns = self._context.monotonic_ns()
        if self._metrics_ns is None or now_ns - self._metrics_ns > METRICS_FRESH_NS:
            self._metrics, self._metrics_ns = self._context.metrics.render(), now_ns
        return web.Response(body=self._metrics, headers={"Content-Type": CONTENT_TYPE})

    async def _healthz(self, request: web.Request) -> web.StreamResponse:
        """Whether the program runs at all."""
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.StreamResponse:
        """Whether requests may be sent here: not stopping, and the store answers."""
        problems = ["stopping"] if self.is_stopping else []
        try:
            async with asyncio.timeout(STORE_S):
                await self._context.service.store.find("")
        except (StoreError, TimeoutError) as error:
            problems.append(f"store: {error or 'does not answer'}")
        return web.Response(text="\n".join(problems or ["ready"]) + "\n", status=503 if problems else 200)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """The live feed as server-sent events."""
        queue = self._feed.listen()
        if queue is None or self.is_stopping:
            raise web.HTTPServiceUnavailable(text="too many pages listen\n")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await response.prepare(request)
            while (event := await queue.get()) is not None:
                async with asyncio.timeout(WRITE_S):
                    await response.write(event)
        except (ConnectionError, TimeoutError) as error:
            log.debug("rpc.page_lost", error=str(error))
        finally:
            self._feed.leave(queue)
        return response
