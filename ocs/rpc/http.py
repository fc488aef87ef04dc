"""HTTP: JSON-RPC by POST and WebSocket, metrics, health, the live page and its feed.

There is no log-in, so the listener is for this machine alone, and what a browser brings from other sites is
turned away: by Host (a name of another site that was made to point here), by Origin, and by the content type,
which a form cannot have.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from aiohttp import WSMsgType, web
from aiohttp.web_protocol import RequestHandler

from ocs.charging.store import StoreError
from ocs.metrics import CONTENT_TYPE
from ocs.rpc.context import Context
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.envelope import Framer, Request, encode_error
from ocs.rpc.errors import PARSE_ERROR, RpcError
from ocs.rpc.feed import Feed

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OWN_NAMES = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE)
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
WEB = Path(__file__).parent / "web"
PAGES = {
    "/": ("index.html", "text/html"),
    "/app.js": ("app.js", "text/javascript"),
    "/style.css": ("style.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
BODY_S = 10.0
WRITE_S = 10.0
STORE_S = 1.0
HEARTBEAT_S = 30.0
WEBSOCKETS = 64
IN_FLIGHT = 100  # of one WebSocket
METRICS_FRESH_NS = 1_000_000_000


class HttpService:
    """The handlers of one server; `idle_since_ns` says which connections have no request, and since when."""

    def __init__(self, context: Context, dispatcher: Dispatcher, feed: Feed) -> None:
        self._context = context
        self._dispatcher = dispatcher
        self._feed = feed
        self._sockets: set[web.WebSocketResponse] = set()
        self._metrics = b""
        self._metrics_ns: int | None = None
        self.idle_since_ns: dict[RequestHandler, int | None] = {}
        self.is_stopping = False

    def application(self) -> web.Application:
        """Every path of the listener."""
        octets = self._dispatcher.limits.message_octets
        application = web.Application(middlewares=[self._guard], client_max_size=octets)
        application.on_response_prepare.append(_add_headers)
        router = application.router
        router.add_post("/jsonrpc", self._jsonrpc)
        router.add_get("/ws", self._websocket)
        router.add_get(self._context.settings.metrics.path, self._show_metrics)
        router.add_get("/healthz", self._healthz)
        router.add_get("/readyz", self._readyz)
        router.add_get("/events", self._events)
        for path, (file, content_type) in PAGES.items():
            router.add_get(path, _static((WEB / file).read_bytes(), content_type))
        return application

    async def close(self) -> None:
        """Let go of everybody who listens."""
        self.is_stopping = True
        self._feed.close()
        for socket in list(self._sockets):
            await socket.close(code=1001, message=b"server stops")

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        protocol = request.protocol
        self.idle_since_ns[protocol] = None
        try:
            _refuse_strangers(request)
            return await handler(request)
        finally:
            self.idle_since_ns[protocol] = self._context.monotonic_ns()

    async def _jsonrpc(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="send application/json\n")
        try:
            async with asyncio.timeout(BODY_S):
                body = await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout(text="the request was not complete in time\n") from None
        failure = _framing_failure(body, self._dispatcher)
        if failure is not None:
            text = encode_error(Request("", None), failure)
            return web.Response(body=text + b"\n", status=400, content_type="application/json")
        answer = await asyncio.shield(self._dispatcher.start(body))
        if answer is None:
            return web.Response(status=204)
        return web.Response(body=answer + b"\n", content_type="application/json")

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if len(self._sockets) >= WEBSOCKETS or self.is_stopping:
            raise web.HTTPServiceUnavailable(text="too many WebSockets\n")
        octets = self._dispatcher.limits.message_octets
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=octets, compress=False)
        await socket.prepare(request)
        self._sockets.add(socket)
        places = asyncio.Semaphore(IN_FLIGHT)
        try:
            async with asyncio.TaskGroup() as tasks:
                async for message in socket:
                    if message.type is not WSMsgType.TEXT:
                        await socket.close(code=1003, message=b"send text")
                        break
                    await places.acquire()
                    tasks.create_task(self._answer(socket, message.data.encode(), places))
        finally:
            self._sockets.discard(socket)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, body: bytes, places: asyncio.Semaphore) -> None:
        """Answer one message; who is gone or does not read gets nothing."""
        try:
            failure = _framing_failure(body, self._dispatcher)
            if failure is not None:
                answer: bytes | None = encode_error(Request("", None), failure)
            else:
                answer = await asyncio.shield(self._dispatcher.start(body))
            if answer is not None:
                async with asyncio.timeout(WRITE_S):
                    await socket.send_str(answer.decode())
        except (ConnectionError, TimeoutError) as error:
            log.info("rpc.websocket_lost", error=str(error))
            await socket.close()
        finally:
            places.release()

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


def _refuse_strangers(request: web.Request) -> None:
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
    if not OWN_NAMES.fullmatch(host):
        raise web.HTTPForbidden(text="this server is called localhost\n")
    if origin is not None and origin.casefold() != f"http://{host}".casefold():
        raise web.HTTPForbidden(text="requests of other sites are not answered\n")


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.pop("Server", None)


def _static(body: bytes, content_type: str) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    return show


def _framing_failure(body: bytes, dispatcher: Dispatcher) -> RpcError | None:
    """Why a body is not exactly one message within the limits."""
    framer = Framer(dispatcher.limits)
    frames = framer.receive(body)
    if framer.failure is not None:
        return framer.failure
    if len(frames) != 1 or framer.is_mid_message:
        return RpcError("the body is not one whole message", PARSE_ERROR)
    return None
