"""The evapi of a Kamailio, scripted: takes connections of the agent, says and hears netstrings."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from ocs.agents.kamailio.netstring import NetstringDecoder, encode_netstring
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S


def netstring(event: str, **fields: str) -> bytes:
    """One message as Kamailio sends it."""
    return encode_netstring(json.dumps({"event": event, **fields}).encode())


class EvapiServer:
    """Listens on a port of the loopback address; every message heard goes to `heard`."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.reads: list[bytes] = []
        self.connections = 0
        self.port = free_port()  # its own over restarts
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._connected = asyncio.Event()
        self._gone = asyncio.Event()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        self._connected.set()
        self._gone.clear()
        decoder = NetstringDecoder()
        with suppress(ConnectionError):  # where the agent cuts it short
            while data := await reader.read(65_536):
                self.reads.append(data)
                for payload in decoder.feed(data):
                    self.heard.put_nowait(json.loads(payload))
        if writer is self._writers[-1]:  # it may be told of the end of one only after the next has begun
            self._connected.clear()
            self._gone.set()
        writer.close()

    async def until_gone(self) -> None:
        """Wait until the agent has ended its connection."""
        async with asyncio.timeout(PATIENCE_S):
            await self._gone.wait()

    async def until_connected(self) -> None:
        """Wait for a connection of the agent."""
        async with asyncio.timeout(PATIENCE_S):
            await self._connected.wait()

    def say(self, event: str, **fields: str) -> None:
        """Send one message over the latest connection."""
        self.write(netstring(event, **fields))

    def write(self, octets: bytes) -> None:
        """Send octets over the latest connection."""
        self._writers[-1].write(octets)

    def hang_up(self) -> None:
        """End the latest connection."""
        self._writers[-1].transport.abort()

    async def hear(self) -> dict[str, Any]:
        """The next message of the agent."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.heard.get()

    async def stop(self) -> None:
        """Die: every connection, and the listener."""
        self._connected.clear()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
