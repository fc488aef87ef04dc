"""HTTP: JSON-RPC by POST and WebSocket, and whatever routes a server adds (`ocs.rpc.live`).

What a browser brings from other sites is turned away: by Host (a name of another site that was made to point here)
where no key is asked for, by Origin, and by the content type, which a form cannot have; a program that is no
browser may leave it out, as many clients of CGRateS do. A caller who needs a key shows it as
`Authorization: Bearer KEY`, or as the password of `Basic`.
"""

import asyncio
import base64
import binascii
import hmac
import re
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiohttp import WSMsgType, web
from aiohttp.web_protocol import RequestHandler

from ocs.rpc.caller import NOTHING, Caller, is_loopback
from ocs.rpc.clients import Client, Clients
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.envelope import Framer, decode_either, encode_error
from ocs.rpc.errors import PARSE_ERROR, RpcError
from ocs.rpc.http_limits import SECOND_NS, HttpLimits, Shares
from ocs.rpc.http_paths import HttpPaths
from ocs.rpc.messages import Message, Reply, Request

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

OWN_NAMES = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE)
BROWSER = "Mozilla/"
BROWSERS_SAY = ("Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OPEN_PATHS = frozenset({"/healthz", "/readyz"})  # say nothing that is worth a key
CALLER = web.RequestKey("caller", Caller)
HOST = web.RequestKey("host", str)
WRITE_S = 10.0
HEARTBEAT_S = 30.0
CLOSE_S = 0.5  # for the goodbye of a WebSocket
WEBSOCKETS = 64
OUTGOING = 1_000  # messages that wait for a WebSocket to read


class HttpService:
    """The handlers of one server.

    `idle_since_ns`: connections without a request, and since when; `begun_ns`: when one of them began to send.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        clients: Clients,
        monotonic_ns: Callable[[], int],
        routes: Sequence[web.RouteDef] = (),
        paths: HttpPaths | None = None,
        limits: HttpLimits | None = None,
    ) -> None:
        self.limits = limits or HttpLimits()
        self.shares = Shares(self.limits)
        self._dispatcher = dispatcher
        self._clients = clients
        self._monotonic_ns = monotonic_ns
        self._routes = routes
        self._paths = paths or HttpPaths()
        self._sockets: dict[web.WebSocketResponse, web.Request] = {}
        self.idle_since_ns: dict[RequestHandler, int | None] = {}
        self.begun_ns: dict[RequestHandler, int] = {}
        self.is_stopping = False

    def application(self) -> web.Application:
        """Every path of the listener."""
        octets = self._dispatcher.limits.message_octets
        application = web.Application(middlewares=[self._guard], client_max_size=octets)
        application.on_response_prepare.append(_add_headers)
        application.router.add_post(self._paths.jsonrpc, self._jsonrpc)
        application.router.add_get(self._paths.websocket, self._websocket)
        application.router.add_routes(self._routes)
        return application

    async def close(self) -> None:
        """Let go of everybody who listens."""
        self.is_stopping = True
        closing = [socket.close(code=1001, message=b"server stops") for socket in self._sockets]
        await asyncio.gather(*closing, return_exceptions=True)

    def let_go(self, holds: Callable[[Caller], bool]) -> None:
        """End the WebSockets of callers who may not stay."""
        for request in list(self._sockets.values()):
            if not holds(request[CALLER]) and request.transport is not None:
                request.transport.abort()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        protocol = request.protocol
        self.idle_since_ns[protocol] = None
        self.begun_ns.pop(protocol, None)
        try:
            request[CALLER] = self._caller(request)
            if request.path not in OPEN_PATHS and not self.shares.ask(request[HOST], self._monotonic_ns()):
                raise _too_many("requests a second")
            return await handler(request)
        finally:
            self.idle_since_ns[protocol] = self._monotonic_ns()

    def _caller(self, request: web.Request) -> Caller:
        """Who asks; an HTTP error where that is nobody who may. A user of the configuration may do everything."""
        transport = request.transport
        host, port = ((transport and transport.get_extra_info("peername")) or ("", 0))[:2]
        request[HOST] = str(host)
        caller = self._dispatcher.gate.arrived(str(host), int(port))
        if transport is not None:
            self._dispatcher.gate.by_certificate(caller, transport.get_extra_info("peercert"))
        if self._paths.users and request.path not in OPEN_PATHS:
            name = _user_of(request, self._paths.users)
            if name is None:
                raise _unauthorized("user and password are needed")
            caller = Caller(caller.peer, name)
        key = None if self._paths.users else _key_of(request)
        if key is not None and not self._dispatcher.gate.by_key(caller, key):
            raise _unauthorized("the key is not known")
        is_trusted = is_loopback(str(host)) and not caller.key and not self._paths.users
        _refuse_strangers(request, is_local=is_trusted and caller.roles is not NOTHING)
        if caller.roles is NOTHING and request.path not in OPEN_PATHS:
            raise _unauthorized("a key is needed")
        return caller

    async def _jsonrpc(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json" and _is_browser(request):
            raise web.HTTPUnsupportedMediaType(text="send application/json\n")
        host, octets = request[HOST], request.content_length
        if octets is None:  # it comes in pieces
            octets = self._dispatcher.limits.message_octets
        if not self.shares.begin(host, octets, self._monotonic_ns()):
            raise _too_many("requests under way")
        try:
            return await self._answered(request)
        finally:
            self.shares.end(host, octets)

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(self.limits.body_ns / SECOND_NS):
                body = await request.read()
        except TimeoutError:
            raise web.HTTPRequestTimeout(text="the request was not complete in time\n") from None
        failure = _framing_failure(body, self._dispatcher)
        if failure is not None:
            text = encode_error(Request("", None), failure)
            return web.Response(body=text + b"\n", status=400, content_type="application/json")
        answer = await self._dispatcher.start(body, request[CALLER])
        if answer is None:
            return web.Response(status=204)
        return web.Response(body=answer + b"\n", content_type="application/json")

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if len(self._sockets) >= WEBSOCKETS or self.is_stopping:
            raise web.HTTPServiceUnavailable(text="too many WebSockets\n")
        octets = self._dispatcher.limits.message_octets
        socket = web.WebSocketResponse(
            timeout=CLOSE_S, heartbeat=HEARTBEAT_S, max_msg_size=octets, compress=False
        )
        await socket.prepare(request)
        self._sockets[socket] = request
        talk = _Talk(self._dispatcher, self._clients, request, self.limits)
        try:
            await talk.run(socket)
        finally:
            self._sockets.pop(socket, None)
        return socket


class _Talk:
    """One WebSocket: requests in, answers and the server's own requests out through one queue."""

    def __init__(
        self, dispatcher: Dispatcher, clients: Clients, request: web.Request, limits: HttpLimits
    ) -> None:
        self._dispatcher = dispatcher
        self._clients = clients
        self._request = request
        self._caller = request[CALLER]
        self._places = asyncio.Semaphore(limits.in_flight)
        self._pause_s = 1.0 / limits.requests_per_second if limits.requests_per_second else 0.0
        self._next_s = 0.0  # when the next message may come, on the clock of the loop
        self._out: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def run(self, socket: web.WebSocketResponse) -> None:
        """Until the client or the server closes."""
        client = self._caller.client = self._clients.opened(self._caller.peer, self._say)
        writer = asyncio.create_task(self._write(socket))
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    await socket.close(code=1003, message=b"send text")
                    break
                await self._places.acquire()
                await self._paced()
                self._take(message.data.encode("utf-8", "surrogatepass"), client)
        finally:
            self._clients.closed(client)
            self._out.put_nowait(None)
            await asyncio.gather(writer, return_exceptions=True)

    async def _paced(self) -> None:
        """Wait where there were as many messages as one second may have."""
        if self._pause_s:
            now_s = asyncio.get_running_loop().time()
            self._next_s = max(self._next_s, now_s - 1.0) + self._pause_s
            if self._next_s > now_s:
                await asyncio.sleep(self._next_s - now_s)

    def _take(self, body: bytes, client: Client) -> None:
        failure = _framing_failure(body, self._dispatcher)
        if failure is not None:
            self._deliver(encode_error(Request("", None), failure))
            return
        message: Message | Reply = decode_either(body, self._dispatcher.limits)
        if isinstance(message, Reply):
            self._places.release()
            client.received(message)
            return
        client.is_v2 = message.requests[0].is_v2
        self._dispatcher.run(message, self._caller, self._deliver)

    def _deliver(self, answer: bytes | None) -> None:
        self._places.release()
        if answer is not None:
            self._say(answer)

    def _say(self, octets: bytes) -> None:
        """Send a message, unless the client has so many to read that it will not read this one."""
        if self._out.qsize() < OUTGOING:
            self._out.put_nowait(octets)

    async def _write(self, socket: web.WebSocketResponse) -> None:
        """Send what is to be sent; who is gone or does not read is let go."""
        try:
            while (octets := await self._out.get()) is not None:
                async with asyncio.timeout(WRITE_S):
                    await socket.send_str(octets.decode())
        except (ConnectionError, TimeoutError) as error:
            log.info("rpc.websocket_lost", error=str(error))
            if self._request.transport is not None:
                self._request.transport.abort()  # a goodbye would not be read either


def _key_of(request: web.Request) -> str | None:
    """The key a request shows, as a token or as a password (RFC 6750, RFC 7617)."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    match scheme.casefold():
        case "bearer":
            return value.strip()
        case "basic":
            return _basic(value)[1]
        case _:
            return None


def _user_of(request: web.Request, users: dict[str, str]) -> str | None:
    """The user whose password a request shows; takes as long whether or not the user is known."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    name, password = _basic(value) if scheme.casefold() == "basic" else ("", "")
    is_right = hmac.compare_digest(users.get(name, "").encode(), password.encode("utf-8", "surrogatepass"))
    return name if is_right and name in users else None


def _basic(value: str) -> tuple[str, str]:
    """User and password."""
    try:
        name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password


def _unauthorized(text: str) -> web.HTTPUnauthorized:
    return web.HTTPUnauthorized(text=f"{text}\n", headers={"WWW-Authenticate": 'Basic realm="ocs"'})


def _too_many(what: str) -> web.HTTPTooManyRequests:
    return web.HTTPTooManyRequests(text=f"too many {what}\n", headers={"Retry-After": "1"})


def _refuse_strangers(request: web.Request, is_local: bool) -> None:
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
    if is_local and not OWN_NAMES.fullmatch(host):
        raise web.HTTPForbidden(text="this server is called localhost\n")
    if origin is not None and origin.casefold() != f"{request.scheme}://{host}".casefold():
        raise web.HTTPForbidden(text="requests of other sites are not answered\n")


def _is_browser(request: web.Request) -> bool:
    """Whether a page of some site may be behind a request: none can take away what browsers say of themselves."""
    headers = request.headers
    return headers.get("User-Agent", "").startswith(BROWSER) or any(name in headers for name in BROWSERS_SAY)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.pop("Server", None)


def _framing_failure(body: bytes, dispatcher: Dispatcher) -> RpcError | None:
    """Why a body is not exactly one message within the limits."""
    framer = Framer(dispatcher.limits)
    frames = framer.receive(body)
    if framer.failure is not None:
        return framer.failure
    if len(frames) != 1 or framer.is_mid_message:
        return RpcError("the body is not one whole message", PARSE_ERROR)
    return None
