"""A Diameter client for tests: real sockets, whole messages, every wait bounded."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ocs.agents.diameter.agent import DiameterAgent
from ocs.config.settings import DiameterSettings, IdentitySettings, Listener, Settings
from ocs.diameter import avps
from ocs.diameter.avp import decode_u32, encode_i32, encode_u32, encode_utf8
from ocs.diameter.codes import REQUEST
from ocs.diameter.message import Message, encode_answer, encode_message
from tests.support.gy import CLIENT, CountingMetrics, FakeService
from tests.support.waiting import PATIENCE_S

ANY_PORT = (Listener(port=0),)


def settings(diameter: DiameterSettings | None = None) -> Settings:
    """A server called ocs.example.net on a port of the system's choice."""
    identity = IdentitySettings("ocs.example.net", "example.net")
    return Settings(identity, diameter or DiameterSettings(listen=ANY_PORT))


@asynccontextmanager
async def running(
    diameter: DiameterSettings | None = None,
) -> AsyncIterator[tuple[DiameterAgent, FakeService, CountingMetrics]]:
    """An agent that listens, its service and its counters; drained at the end."""
    service, metrics = FakeService(), CountingMetrics()
    agent = DiameterAgent(settings(diameter), service, metrics)
    await agent.start()
    try:
        yield agent, service, metrics
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await agent.drain()


def cer(host: str = CLIENT, state_id: int | None = None, application: int = 4) -> bytes:
    """A capabilities request."""
    parts = [encode_utf8(avps.ORIGIN_HOST, host), encode_utf8(avps.ORIGIN_REALM, "client.example")]
    parts += [
        encode_utf8(avps.PRODUCT_NAME, "test peer", False),
        encode_u32(avps.AUTH_APPLICATION_ID, application),
    ]
    if state_id is not None:
        parts.append(encode_u32(avps.ORIGIN_STATE_ID, state_id))
    return encode_message(REQUEST, 257, 0, 1, 1, parts)


def dwr(hop_by_hop: int = 77) -> bytes:
    """A watchdog request."""
    parts = encode_utf8(avps.ORIGIN_HOST, CLIENT), encode_utf8(avps.ORIGIN_REALM, "client.example")
    return encode_message(REQUEST, 280, 0, hop_by_hop, 1, parts)


def answer_to(request: Message, code: int, host: str = CLIENT) -> bytes:
    """An answer of a client to a request of the server."""
    session = request.octets(avps.SESSION_ID)
    parts = [] if session is None else [encode_utf8(avps.SESSION_ID, session.decode())]
    parts += [encode_u32(avps.RESULT_CODE, code), encode_utf8(avps.ORIGIN_HOST, host)]
    return encode_answer(request, [*parts, encode_utf8(avps.ORIGIN_REALM, "client.example")])


def dpr(cause: int = 2) -> bytes:
    """A disconnect request."""
    parts = encode_utf8(avps.ORIGIN_HOST, CLIENT), encode_utf8(avps.ORIGIN_REALM, "client.example")
    return encode_message(REQUEST, 282, 0, 5, 5, [*parts, encode_i32(avps.DISCONNECT_CAUSE, cause)])


def code_of(message: Message) -> int:
    """Its Result-Code."""
    return decode_u32(message.frame, message.require(avps.RESULT_CODE))


class Peer:
    """One connection of a test client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, agent: DiameterAgent, tls: ssl.SSLContext | None = None) -> "Peer":
        """A transport, without capabilities exchange."""
        host, port = agent.addresses()[0]
        async with asyncio.timeout(PATIENCE_S):
            name = "ocs.example.net" if tls is not None else None
            return cls(*await asyncio.open_connection(host, port, ssl=tls, server_hostname=name))

    @classmethod
    async def opened(
        cls, agent: DiameterAgent, host: str = CLIENT, state_id: int | None = None, application: int = 4
    ) -> "Peer":
        """A connection after CER and CEA."""
        peer = await cls.connect(agent)
        peer.send(cer(host, state_id, application))
        assert code_of(await peer.receive()) == 2001
        return peer

    def send(self, *messages: bytes) -> None:
        """Write messages in one piece."""
        self.writer.write(b"".join(messages))

    async def receive(self) -> Message:
        """The next message."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readexactly(4)
            length = int.from_bytes(head[1:], "big")
            return Message.decode(head + await self.reader.readexactly(length - 4))

    async def closed(self) -> bool:
        """Whether the server ends the connection, without another message."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    def close(self) -> None:
        """End the transport."""
        self.writer.close()
