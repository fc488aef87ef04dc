"""The connection to one proxy's evapi: made, kept, made again; netstrings in and out."""

import asyncio
import socket
from typing import Final, Protocol, cast

import structlog

from ocs.agents.kamailio.messages import DialogList, Message, MessageError, decode_message
from ocs.agents.kamailio.netstring import NetstringDecoder, NetstringError, encode_netstring
from ocs.agents.voice.pauses import Pauses
from ocs.config.settings import SECOND, KamailioSettings, Proxy

log = structlog.get_logger()

LONGEST_OUT: Final = 30_000  # evapi ends the connection over a message of 32 KiB
STABLE_S: Final = 10.0  # a connection that lasted this long was a good one: the next attempt comes soon
KEEP_ALIVE: Final = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


class Listener(Protocol):
    """Who is told what happens on a link."""

    def connected(self) -> None:
        """The link is up."""

    def lost(self) -> None:
        """The link is down."""

    def received(self, message: Message | DialogList) -> None:
        """The proxy says something."""


class Link:
    """One proxy, connected or on the way to it."""

    def __init__(self, name: str, proxy: Proxy, settings: KamailioSettings, listener: Listener) -> None:
        self.name = name
        self.received = 0
        self.sent = 0
        self.malformed = 0
        self._proxy = proxy
        self._settings = settings
        self._listener = listener
        self._protocol: _Protocol | None = None

    @property
    def is_up(self) -> bool:
        """Whether something sent now has a chance to arrive."""
        return self._protocol is not None and self._protocol.is_open

    async def run(self) -> None:
        """Connect, stay connected, and try again with growing pauses, until cancelled."""
        pauses = Pauses(self._settings.reconnect_ns, self._settings.reconnect_maximum_ns)
        while True:
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            try:
                protocol = await self._connect()
            except (OSError, TimeoutError) as error:
                log.warning("kamailio.unreachable", peer=self.name, error=str(error) or type(error).__name__)
            else:
                await self._stay(protocol)
            if loop.time() - began_s > STABLE_S:
                pauses.reset()
            await asyncio.sleep(pauses.next_s())

    async def _connect(self) -> "_Protocol":
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._settings.connect_timeout_ns / SECOND):
            _, protocol = await loop.create_connection(
                lambda: _Protocol(self, self._settings.write_buffer_octets),
                self._proxy.host,
                self._proxy.port,
            )
        return protocol

    async def _stay(self, protocol: "_Protocol") -> None:
        self._protocol = protocol
        log.info("kamailio.connected", peer=self.name)
        try:
            self._listener.connected()
            await protocol.gone
        finally:
            self._protocol = None
            protocol.abort()
            self._listener.lost()
        log.warning("kamailio.disconnected", peer=self.name)

    def send(self, payload: bytes) -> bool:
        """Write one message in one piece; False where that is not possible now."""
        if len(payload) > LONGEST_OUT:
            log.warning("kamailio.message_too_long", peer=self.name, octets=len(payload))
            return False
        if self._protocol is None or not self._protocol.send(encode_netstring(payload)):
            return False
        self.sent += 1
        return True

    def take(self, payload: bytes) -> None:
        """One payload of the proxy; what cannot be read is counted and left."""
        self.received += 1
        try:
            message = decode_message(payload)
        except MessageError as error:
            self.malformed += 1
            log.warning("kamailio.message_ignored", peer=self.name, reason=str(error))
            return
        try:
            self._listener.received(message)
        except Exception:
            log.exception("kamailio.message_failed", peer=self.name)


class _Protocol(asyncio.Protocol):
    """The octets of one connection."""

    def __init__(self, link: Link, write_buffer_octets: int) -> None:
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._link = link
        self._write_buffer_octets = write_buffer_octets
        self._decoder = NetstringDecoder()
        self._transport: asyncio.Transport | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can be written to."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A host that vanishes without a word is found out by the system's keep-alive."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._write_buffer_octets, low=0)
        opened = transport.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEP_ALIVE:
            if hasattr(socket, option):
                opened.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)

    def data_received(self, data: bytes) -> None:
        """Everything one read brought."""
        try:
            payloads = self._decoder.feed(data)
        except NetstringError as error:
            log.warning("kamailio.framing_lost", peer=self._link.name, reason=str(error))
            self.abort()
            return
        for payload in payloads:
            self._link.take(payload)

    def pause_writing(self) -> None:
        """The proxy does not read: what it is owed has reached its bound."""
        log.warning("kamailio.stalled", peer=self._link.name)
        self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._transport = None
        if not self.gone.done():
            self.gone.set_result(None)

    def send(self, netstring: bytes) -> bool:
        """One write for one netstring."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(netstring)
        return True

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()
