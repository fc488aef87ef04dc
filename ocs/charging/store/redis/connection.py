"""One connection to Redis on which everything is pipelined, and the link that keeps there being one.

Commands of one turn of the event loop leave in one write; replies come in the order of the commands. A connection
that is silent for longer than a reply may take is given up: what was under way on it has an unknown outcome.
"""

import asyncio
import random
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast

import structlog

from ocs.charging.store import StoreUnavailable
from ocs.charging.store.redis.resp import Decoder, ProtocolError, Reply, ReplyError, encode

log = structlog.get_logger()

BACKOFF_S = (0.02, 2.0)  # between attempts to connect, doubled from the first to the second
MOVED_AWAY = (
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "NOAUTH",
    "UNBLOCKED",
)  # codes after which to look for the primary


class ConnectionLost(StoreUnavailable):
    """The connection ended: whether what was sent on it has been done is not known."""


class Connection(asyncio.Protocol):
    """Sends commands and hands out their replies, first come first served."""

    def __init__(
        self, on_lost: Callable[["Connection"], None], on_message: Callable[[Reply], None] | None = None
    ) -> None:
        self._on_lost = on_lost
        self._on_message = on_message  # told what comes unasked, on a connection that subscribes
        self._decoder = Decoder()
        self._waiting: deque[asyncio.Future[Reply]] = deque()
        self._unsent: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._heard_at_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether commands may be sent."""
        return self._transport is not None

    def call(self, *parts: bytes | str | int) -> "asyncio.Future[Reply]":
        """Send a command with the others of this turn of the loop; its reply, or ReplyError, or ConnectionLost."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Reply] = loop.create_future()
        if self._transport is None:
            reply.set_exception(ConnectionLost("the connection to Redis is closed"))
            return reply
        if not self._waiting:
            self._heard_at_s = loop.time()
        self._waiting.append(reply)
        if not self._unsent:
            loop.call_soon(self._send)
        self._unsent.append(encode(parts))
        return reply

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if self._transport is not None:
            self._transport.write(b"".join(unsent))

    def silent_s(self) -> float:
        """For how long nothing has come that is waited for."""
        return asyncio.get_running_loop().time() - self._heard_at_s if self._waiting else 0.0

    def abort(self) -> None:
        """Give the connection up."""
        if self._transport is not None:
            self._transport.abort()
            self.connection_lost(None)

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand out the replies that are complete."""
        self._heard_at_s = asyncio.get_running_loop().time()
        try:
            replies = self._decoder.feed(data)
        except ProtocolError as error:
            log.error("store.protocol_error", error=str(error))
            self.abort()
            return
        for reply in replies:
            if not self._waiting and self._on_message is not None:
                self._on_message(reply)
                continue
            if not self._waiting:
                log.error("store.protocol_error", error="a reply that nobody waits for")
                self.abort()
                return
            waiting = self._waiting.popleft()
            if waiting.done():
                continue
            if isinstance(reply, ReplyError):
                waiting.set_exception(reply)
            else:
                waiting.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """Everybody who waits is told that the outcome is not known."""
        if self._transport is None:
            return
        self._transport = None
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            if not each.done():
                each.set_exception(ConnectionLost(f"the connection to Redis was lost: {exc or 'closed'}"))
        self._on_lost(self)


class Target:
    """Where the primary is and how to greet it: found anew for every attempt, for it may move."""

    def __init__(
        self,
        address: str | tuple[str, int],
        greeting: tuple[tuple[str, ...], ...] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address  # path of a Unix socket, or host and port
        self.greeting = greeting  # AUTH, SELECT
        self.tls = tls

    def __str__(self) -> str:
        return self.address if isinstance(self.address, str) else "{}:{}".format(*self.address)


class Link:
    """Keeps one connection to the primary open until closed.

    `find` says where the primary is, `welcome` makes sure of a new connection; what they raise is a failed attempt.
    """

    def __init__(
        self,
        find: Callable[[], Awaitable[Target]],
        welcome: Callable[[Connection], Awaitable[None]],
        timeout_s: float,
        on_message: Callable[[Reply], None] | None = None,
    ) -> None:
        self.timeout_s = timeout_s
        self._on_message = on_message
        self._find = find
        self._welcome = welcome
        self._connection: Connection | None = None
        self._there = asyncio.Event()
        self._lost_at_s = time.monotonic() - timeout_s
        self._keeping: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()

    async def start(self) -> None:
        """Connect, or raise what is in the way."""
        await self._connect()
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Let go of the connection for good."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        if self._connection is not None:
            self._connection.abort()

    async def call(self, *parts: bytes | str | int) -> Reply:
        """The reply to a command. Raises StoreUnavailable, ReplyError; ConnectionLost where it may be done."""
        return (await self.calls(parts))[0]

    async def calls(self, *commands: tuple[bytes | str | int, ...]) -> list[Reply]:
        """The replies to commands that leave one behind the other on one connection."""
        connection = await self.connection()
        try:
            async with asyncio.timeout(self.timeout_s):
                return await asyncio.gather(*[connection.call(*command) for command in commands])
        except TimeoutError:
            if connection.silent_s() >= self.timeout_s / 2:
                connection.abort()
            raise ConnectionLost("Redis does not answer in time") from None
        except ReplyError as error:
            if error.code in MOVED_AWAY:
                connection.abort()
            raise

    async def connection(self) -> Connection:
        """The open connection; waits for one until there has been none for `timeout_s`."""
        if self._connection is None:
            left_s = self._lost_at_s + self.timeout_s - time.monotonic()
            try:
                async with asyncio.timeout(max(left_s, 0)):
                    await self._there.wait()
            except TimeoutError:
                raise StoreUnavailable("no connection to Redis") from None
        if self._connection is None:
            raise StoreUnavailable("no connection to Redis")
        return self._connection

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self.timeout_s):
            target = await self._find()

            def protocol() -> Connection:
                return Connection(self._on_lost, self._on_message)

            if isinstance(target.address, str):
                _, connection = await loop.create_unix_connection(protocol, target.address)
            else:
                host, port = target.address
                _, connection = await loop.create_connection(protocol, host, port, ssl=target.tls)
            try:
                for command in target.greeting:
                    await connection.call(*command)
                await self._welcome(connection)
            except BaseException:  # also where the time is over: a connection nobody knows would stay open
                connection.abort()
                raise
        if connection.is_open:
            self._connection = connection
            self._there.set()
            log.info("store.connected", redis=str(target))

    def _on_lost(self, connection: Connection) -> None:
        if connection is self._connection:
            self._connection = None
            self._there.clear()
            self._lost_at_s = time.monotonic()
            self._lost.set()

    async def _keep(self) -> None:
        while True:
            await self._lost.wait()
            self._lost.clear()
            log.error("store.connection_lost")
            pause_s, longest_s = BACKOFF_S
            while self._connection is None:
                try:
                    await self._connect()
                except (OSError, TimeoutError, ReplyError, StoreUnavailable) as error:
                    log.warning("store.not_connected", error=str(error) or "time-out", retry_s=pause_s)
                    await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))
                    pause_s = min(pause_s * 2, longest_s)
