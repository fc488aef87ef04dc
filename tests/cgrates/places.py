"""Where a published session is played: on virtual time, or on server processes over their ports."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec

from tests.cgrates.calls import CHARGERS, Call, Session
from tests.cgrates.engine import NOW_NS, write_folder
from tests.cgrates.test_process import engine
from tests.charging.cgrates.small import Price, S, texts_of
from tests.support.ports import free_port
from tests.support.virtual_time import run, running
from tests.support.waiting import PATIENCE_S

Document = dict[str, Any]
Play = Callable[[], Awaitable[None]]


class Place(Protocol):
    """Somewhere sessions are charged; `soon` is so much later that what is under way is done by then."""

    soon: str

    async def call(
        self, *prices: Price, settings: Document | None = None, chargers: str = CHARGERS, **event: Any
    ) -> Session:
        """A session of an account that has nothing yet, with its tariff."""
        ...

    def play(self, play: Play) -> None:
        """Runs a test, and closes what it has opened."""
        ...

    async def until(self, instant_ns: int) -> None:
        """Waits until an instant is over."""
        ...


class VirtualTime:
    """A runtime per call; timers are due when nothing else is left to do."""

    soon = "50ms"

    def __init__(self) -> None:
        self._calls: list[Call] = []

    async def call(
        self, *prices: Price, settings: Document | None = None, chargers: str = CHARGERS, **event: Any
    ) -> Session:
        """A session on a runtime of its own."""
        call = Call(*prices, settings=settings, chargers=chargers, **event)
        await call.engine.runtime.start()
        self._calls.append(call)
        return call

    async def until(self, instant_ns: int) -> None:
        """Waits until an instant is over."""
        await asyncio.sleep((instant_ns - NOW_NS + 1) / S - running().time())

    def play(self, play: Play) -> None:
        """Runs a test on virtual time, with its timers."""

        async def whole() -> None:
            await play()
            for call in self._calls:
                await call.engine.runtime.stop()

        run(whole())


class Wire:
    """A connection that tells answers by their ids, and answers what the server asks over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._unsent = b""
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Document]] = {}
        self.asked: asyncio.Queue[Document] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read(reader))

    async def call(self, method: str, params: object) -> Document:
        """The whole answer to a request."""
        number = next(self._ids)
        found: asyncio.Future[Document] = asyncio.get_running_loop().create_future()
        self._waiting[number] = found
        if not self._unsent:  # requests made at once arrive at once: no timer of the server comes between
            asyncio.get_running_loop().call_soon(self._send)
        self._unsent += msgspec.json.encode({"method": method, "params": [params], "id": number})
        async with asyncio.timeout(PATIENCE_S):
            return await found

    def _send(self) -> None:
        self._writer.write(self._unsent)
        self._unsent = b""

    async def result(self, method: str, params: object) -> Any:
        """The result of a request that must have one."""
        answer = await self.call(method, params)
        assert answer["error"] is None, answer["error"]
        return answer["result"]

    async def error(self, method: str, params: object) -> str:
        """The error of a request that must have one."""
        answer = await self.call(method, params)
        assert isinstance(answer["error"], str), answer
        return answer["error"]

    async def next_asked(self) -> Document:
        """What the server asks next; it is answered with OK."""
        async with asyncio.timeout(PATIENCE_S):
            asked = await self.asked.get()
        self._writer.write(msgspec.json.encode({"id": asked["id"], "result": "OK", "error": None}))
        return asked

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            found = json.loads(line)
            if found.get("method"):
                self.asked.put_nowait(found)
            else:
                self._waiting.pop(found["id"]).set_result(found)

    async def close(self) -> None:
        """Closes it."""
        self._writer.close()
        await self._reading


@asynccontextmanager
async def wired(port: int) -> AsyncIterator[Wire]:
    """A connection to a port of this machine."""
    wire = Wire(*await asyncio.open_connection("127.0.0.1", port))
    yield wire
    await wire.close()


class Server:
    """A process: its two ports, and how many calls it has seen."""

    def __init__(self, folder: Path, port: int, both_ways: int) -> None:
        self.folder = folder
        self.port = port
        self.both_ways = both_ways
        self.calls = 0


class Processes:
    """A server process per configuration; every call has a tenant and a host of its own there."""

    soon = "5s"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = ExitStack()
        self._servers: dict[str, Server] = {}
        self._wires = AsyncExitStack()

    async def call(
        self, *prices: Price, settings: Document | None = None, chargers: str = CHARGERS, **event: Any
    ) -> Session:
        """A session over the JSON port."""
        server = self._server(settings or {})
        return await self._session(server, prices, chargers, event)

    async def call_both_ways(self, *prices: Price, settings: Document, **event: Any) -> tuple[Session, Wire]:
        """A session over the port on which the server asks, and its connection."""
        server = self._server(settings)
        session = await self._session(server, prices, CHARGERS, event)
        wire = await self._connect(server.both_ways)
        session.over = wire
        return session, wire

    def play(self, play: Play) -> None:
        """Runs a test with real clocks."""

        async def whole() -> None:
            async with self._wires:
                await play()

        asyncio.run(whole())

    async def until(self, instant_ns: int) -> None:
        """Waits until an instant is over."""
        while time.time_ns() <= instant_ns:  # noqa: ASYNC110 - the clock of balances has no event
            await asyncio.sleep(0.001)

    def close(self) -> None:
        """Ends the servers."""
        self._open.close()

    def _server(self, settings: Document) -> Server:
        key = json.dumps(settings, sort_keys=True)
        if key not in self._servers:
            folder = self._folder / f"server{len(self._servers)}"
            folder.mkdir()
            server = Server(folder, free_port(), free_port())
            more = {"sessions": settings, "listen": {"birpc_json": f"127.0.0.1:{server.both_ways}"}}
            self._open.enter_context(engine(folder, server.port, more=more))
            self._servers[key] = server
        return self._servers[key]

    async def _session(
        self, server: Server, prices: tuple[Price, ...], chargers: str, event: Document
    ) -> Session:
        server.calls += 1
        tenant = f"t{server.calls}"
        texts = {**dict(texts_of(*prices)), "Chargers.csv": chargers}
        owned = ("RatingProfiles.csv", "Chargers.csv")
        for name in owned:
            texts[name] = "".join(tenant + line[1:] for line in texts[name].splitlines(keepends=True))
        folder = server.folder / tenant
        folder.mkdir()
        write_folder(folder, texts)
        wire = await self._connect(server.port)
        loaded = {"FolderPath": str(folder)}
        assert await wire.result("APIerSv1.LoadTariffPlanFromFolder", loaded) == "OK"
        return Session(wire, tenant, **{"OriginHost": tenant, **event})

    async def _connect(self, port: int) -> Wire:
        return await self._wires.enter_async_context(wired(port))
