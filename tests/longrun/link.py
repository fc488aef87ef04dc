"""Clients of a real server: a Diameter peer and a JSON-RPC caller, both of which survive its death."""

import asyncio
import json
from typing import Any, cast

from bench.load import wire
from tests.support.waiting import PATIENCE_S

REALM = "load.test"
RE_AUTH, ABORT_SESSION = 258, 274


class Lost(Exception):
    """The connection ended before the answer came: nobody knows whether the request was done."""


class Peer(asyncio.Protocol):
    """One Diameter connection; `exchange` matches by Hop-by-Hop and allows one answer for each request."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.strays: list[bytes] = []  # answers that nobody waits for
        self.gone = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._last_hop = 1_000

    @classmethod
    async def open(cls, name: str, port: int) -> "Peer":
        """Connect and exchange capabilities; Lost where the server is not there."""
        loop = asyncio.get_running_loop()
        try:
            _, peer = await loop.create_connection(lambda: cls(name), "127.0.0.1", port)
        except OSError as error:
            raise Lost(str(error)) from error
        answer = wire.answer(await peer.send(bytearray(wire.capabilities(name, REALM))))
        assert answer.result_code == wire.SUCCESS, f"the server refuses {name}: {answer.result_code}"
        return peer

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits is told."""
        waiting, self._waiting = self._waiting, {}
        for answered in waiting.values():
            if not answered.done():
                answered.set_exception(Lost("connection lost"))
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Answers to those who wait for them, answers of this side to the server's requests."""
        self._buffer += data
        for frame in wire.split(self._buffer):
            if frame[4] & wire.REQUEST:
                self._reply(frame)
                continue
            answered = self._waiting.pop(int.from_bytes(frame[12:16], "big"), None)
            if answered is None:
                self.strays.append(frame)
            elif not answered.done():
                answered.set_result(frame)

    def _reply(self, request: bytes) -> None:
        command = int.from_bytes(request[5:8], "big")
        session = next(
            (part for part in wire.members(request[20:]) if part.code == wire.SESSION_ID and not part.vendor),
            None,
        )
        body = wire.avp(wire.SESSION_ID, session.data) if session is not None else b""
        body += wire.u32(wire.RESULT_CODE, wire.SUCCESS)
        body += wire.text(wire.ORIGIN_HOST, self.name) + wire.text(wire.ORIGIN_REALM, REALM)
        application = wire.GY if command in (RE_AUTH, ABORT_SESSION) else 0
        head = wire.message(command, application, body, 0, 0, request[4] & wire.PROXIABLE)
        self.write(head[:12] + request[12:20] + head[20:])

    # --- the test's side

    def write(self, octets: bytes) -> None:
        """Send as it is."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets)

    def post(self, frame: bytearray, hop_by_hop: int | None = None) -> "asyncio.Future[bytes]":
        """Send a request under a Hop-by-Hop of its own; the answer is waited for by whoever likes to."""
        self._last_hop = self._last_hop + 1 if hop_by_hop is None else hop_by_hop
        frame[12:16] = self._last_hop.to_bytes(4, "big")
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        if self.gone.done():
            answered.set_exception(Lost("connection lost"))
        else:
            self._waiting[self._last_hop] = answered
            self.write(bytes(frame))
        return answered

    async def send(self, frame: bytearray) -> bytes:
        """The answer to a request."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.post(frame)

    async def close(self) -> None:
        """End the transport and wait until it is gone."""
        if self._transport is not None:
            self._transport.abort()
        await self.gone


class Caller:
    """One JSON-RPC connection, one call at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._last_id = 0

    @classmethod
    async def open(cls, port: int) -> "Caller":
        """Connect; Lost where the server is not there."""
        try:
            return cls(*await asyncio.open_connection("127.0.0.1", port))
        except OSError as error:
            raise Lost(str(error)) from error

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        """The result; an error of the server is an assertion, a lost connection is Lost."""
        self._last_id += 1
        request = {"method": method, "params": [params], "id": self._last_id}
        try:
            self._writer.write(json.dumps(request).encode())
            await self._writer.drain()
            async with asyncio.timeout(PATIENCE_S):
                reply = await self._reply()
        except OSError as error:
            raise Lost(str(error)) from error
        assert reply["error"] is None, f"{method} {params}: {reply['error']}"
        assert reply["id"] == self._last_id
        result: dict[str, Any] = reply["result"]
        return result

    async def _reply(self) -> dict[str, Any]:
        text = ""
        while True:
            data = await self._reader.read(65_536)
            if not data:
                raise Lost("connection lost")
            text += data.decode()
            try:
                reply: dict[str, Any] = json.loads(text)
            except json.JSONDecodeError:
                continue
            return reply

    async def close(self) -> None:
        """End the connection."""
        self._writer.transport.abort()
        try:
            await self._writer.wait_closed()
        except OSError:
            return  # it was lost already, which is as good as closed
