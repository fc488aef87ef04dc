"""A Diameter client that builds its requests by hand and reads answers with a decoder of its own."""

import asyncio
import ssl
from collections.abc import Iterable
from itertools import count
from struct import pack
from typing import Self

from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_octets, encode_u32, encode_utf8, group
from tests.conformance.decoded import Decoded, checked
from tests.support.waiting import PATIENCE_S

CLIENT = "pgw.example.net"
REALM = "example.net"
SESSION = "pgw.example.net;1;1"
ALICE_IMSI, ALICE_MSISDN = "001010000000001", "15550100001"
INITIAL, UPDATE, TERMINATION, EVENT = range(1, 5)
DATA, VOICE, SMS = "32251@3gpp.org", "ext.01.001.8.32260@3gpp.org", "32274@3gpp.org"

_hop_by_hop, _end_to_end = count(0x1000_0001), count(0x2000_0001)


def message(
    flags: int,
    command: int,
    application: int,
    parts: Iterable[bytes],
    hop_by_hop: int | None = None,
    end_to_end: int | None = None,
    version: int = 1,
    length: int | None = None,
) -> bytes:
    """A message; `length` says something else than the truth."""
    body = b"".join(parts)
    hop_by_hop = next(_hop_by_hop) if hop_by_hop is None else hop_by_hop
    end_to_end = next(_end_to_end) if end_to_end is None else end_to_end
    size = 20 + len(body) if length is None else length
    return (
        pack(">IIIII", version << 24 | size, flags << 24 | command, application, hop_by_hop, end_to_end)
        + body
    )


def imsi(number: str = ALICE_IMSI) -> bytes:
    """A Subscription-Id of type END_USER_IMSI."""
    return subscription(1, number)


def subscription(kind: int, value: str) -> bytes:
    """A Subscription-Id."""
    members = encode_i32(avps.SUBSCRIPTION_ID_TYPE, kind), encode_utf8(avps.SUBSCRIPTION_ID_DATA, value)
    return group(avps.SUBSCRIPTION_ID, members)


def ccr(
    *extra: bytes,
    kind: int = INITIAL,
    number: int = 0,
    session: str = SESSION,
    host: str = CLIENT,
    realm: str = REALM,
    context: str = DATA,
    who: bytes | None = None,
    without: Iterable[int] = (),
    replaced: dict[int, bytes] | None = None,
    flags: int = 0xC0,
    command: int = 272,
    application: int = 4,
    hop_by_hop: int | None = None,
    end_to_end: int | None = None,
    version: int = 1,
    length: int | None = None,
) -> bytes:
    """A Credit-Control-Request of alice; `extra` follows the standard AVPs."""
    parts = {
        avps.SESSION_ID: encode_utf8(avps.SESSION_ID, session),
        avps.ORIGIN_HOST: encode_utf8(avps.ORIGIN_HOST, host),
        avps.ORIGIN_REALM: encode_utf8(avps.ORIGIN_REALM, realm),
        avps.DESTINATION_REALM: encode_utf8(avps.DESTINATION_REALM, "example.net"),
        avps.AUTH_APPLICATION_ID: encode_u32(avps.AUTH_APPLICATION_ID, 4),
        avps.SERVICE_CONTEXT_ID: encode_utf8(avps.SERVICE_CONTEXT_ID, context),
        avps.CC_REQUEST_TYPE: encode_i32(avps.CC_REQUEST_TYPE, kind),
        avps.CC_REQUEST_NUMBER: encode_u32(avps.CC_REQUEST_NUMBER, number),
        avps.SUBSCRIPTION_ID: imsi() if who is None else who,
    } | (replaced or {})
    for key in without:
        del parts[key]
    body = [*parts.values(), *extra]
    return message(flags, command, application, body, hop_by_hop, end_to_end, version, length)


def cer(
    host: str = CLIENT, *extra: bytes, applications: Iterable[int] = (4,), state_id: int | None = None
) -> bytes:
    """A capabilities request."""
    parts = [
        encode_utf8(avps.ORIGIN_HOST, host),
        encode_utf8(avps.ORIGIN_REALM, REALM),
        encode_octets(avps.HOST_IP_ADDRESS, b"\0\1\x7f\0\0\1"),
        encode_u32(avps.VENDOR_ID, 0),
        encode_utf8(avps.PRODUCT_NAME, "conformance", False),
        *(encode_u32(avps.AUTH_APPLICATION_ID, application) for application in applications),
    ]
    if state_id is not None:
        parts.append(encode_u32(avps.ORIGIN_STATE_ID, state_id))
    return message(0x80, 257, 0, [*parts, *extra])


def dwr(host: str = CLIENT, *extra: bytes) -> bytes:
    """A watchdog request."""
    parts = [encode_utf8(avps.ORIGIN_HOST, host), encode_utf8(avps.ORIGIN_REALM, REALM)]
    return message(0x80, 280, 0, [*parts, *extra])


def dpr(cause: int = 0, host: str = CLIENT) -> bytes:
    """A disconnect request."""
    parts = [encode_utf8(avps.ORIGIN_HOST, host), encode_utf8(avps.ORIGIN_REALM, REALM)]
    return message(0x80, 282, 0, [*parts, encode_i32(avps.DISCONNECT_CAUSE, cause)])


def reply(request: Decoded, code: int, host: str = CLIENT) -> bytes:
    """An answer of a client to a request of the server."""
    parts = [encode_u32(avps.RESULT_CODE, code), encode_utf8(avps.ORIGIN_HOST, host)]
    parts.append(encode_utf8(avps.ORIGIN_REALM, REALM))
    if request.has(avps.SESSION_ID):
        parts.insert(0, encode_octets(avps.SESSION_ID, request.one(avps.SESSION_ID)))
    return message(
        request.flags & 0x40,
        request.command,
        request.application,
        parts,
        request.hop_by_hop,
        request.end_to_end,
    )


class Client:
    """One connection of a Diameter client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.host = CLIENT

    @classmethod
    async def connect(cls, address: tuple[str, int], tls: ssl.SSLContext | None = None) -> Self:
        """A transport."""
        async with asyncio.timeout(PATIENCE_S):
            name = None if tls is None else "ocs.example.net"
            return cls(*await asyncio.open_connection(*address, ssl=tls, server_hostname=name))

    def send(self, *frames: bytes) -> None:
        """Write in one piece."""
        self.writer.write(b"".join(frames))

    async def raw(self) -> bytes:
        """The next message."""
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readexactly(4)
            return head + await self.reader.readexactly(int.from_bytes(head[1:], "big") - 4)

    async def receive(self) -> Decoded:
        """The next message, whatever it is."""
        return Decoded(await self.raw())

    async def ask(self, request: bytes) -> Decoded:
        """Send a request; the next message must be its answer."""
        self.send(request)
        return await self.answer(request)

    async def answer(self, request: bytes) -> Decoded:
        """The next message, which must be the answer to a request sent before."""
        return checked(request, await self.raw())

    async def answers(self, *requests: bytes) -> list[Decoded]:
        """The answers to these requests in their order, in whatever order they come."""
        frames = [await self.raw() for _ in requests]
        found = {frame[12:16]: frame for frame in frames}
        assert len(found) == len(frames), "one answer each"
        return [checked(request, found[request[12:16]]) for request in requests]

    async def ask_all(self, *requests: bytes) -> list[Decoded]:
        """Send requests in one write; their answers in the order of the requests."""
        self.send(*requests)
        return await self.answers(*requests)

    async def credit(self, kind: int, number: int, *extra: bytes, **more: object) -> Decoded:
        """A credit-control request and its answer."""
        more.setdefault("host", self.host)
        return await self.ask(ccr(*extra, kind=kind, number=number, **more))  # type: ignore[arg-type]

    async def initial(self, *extra: bytes, **more: object) -> Decoded:
        """CCR-I."""
        return await self.credit(INITIAL, 0, *extra, **more)

    async def update(self, number: int, *extra: bytes, **more: object) -> Decoded:
        """CCR-U."""
        return await self.credit(UPDATE, number, *extra, **more)

    async def terminate(self, number: int, *extra: bytes, **more: object) -> Decoded:
        """CCR-T."""
        return await self.credit(TERMINATION, number, *extra, **more)

    async def closed(self) -> bool:
        """Whether the server ends the connection without another message."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    async def ask_state(self) -> Decoded:
        """A watchdog's answer, which has the server's Origin-State-Id."""
        return await self.ask(dwr(self.host))

    async def alive(self) -> bool:
        """Whether the connection still serves: a watchdog is answered next."""
        return (await self.ask(dwr(self.host))).code == 2001

    def abort(self) -> None:
        """End the transport at once."""
        self.writer.transport.abort()
