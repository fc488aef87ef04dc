"""A front door around a handful of methods, without charging, and a client that is asked back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ocs.config.settings import Endpoint
from ocs.rpc.caller import Caller
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.front import FrontDoor, Listeners
from ocs.rpc.gate import Gate
from ocs.rpc.later import Later
from ocs.rpc.messages import EnvelopeLimits
from ocs.rpc.registry import Registry, Role
from ocs.rpc.tasks import Tasks
from ocs.rpc.tcp import TcpLimits
from tests.support.waiting import PATIENCE_S

LINE = 1 << 20
HERE = Endpoint("127.0.0.1", 0)
Params = dict[str, Any]


class State(Tasks):
    """What the methods work with."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Later[str]] = []
        self.done: list[Any] = []


def echo(context: State, params: Params) -> Params:
    """Say the same, at once."""
    return params


def wait(context: State, params: Params) -> Later[str]:
    """Be answered when the test says so."""
    later: Later[str] = Later()
    context.waiting.append(later)
    return later


def change(context: State, params: Params, caller: Caller) -> str:
    """Change something."""
    context.done.append(caller.name)
    return "OK"


def fail(context: State, params: Params) -> str:
    """Fail with a piece of the request in the exception."""
    raise KeyError(params["Secret"])


async def ask(context: State, params: Params, caller: Caller) -> object:
    """Ask the caller back on its own connection."""
    assert caller.client is not None, "the connection goes both ways"
    return await caller.client.call("Test.Back", params, PATIENCE_S)


def registry() -> Registry:
    """The methods above."""
    made = Registry()
    made.method("Test.Echo", Role.READ)(echo)
    made.method("Test.Wait", Role.CHARGE)(wait)
    made.method("Test.Change", Role.ADMINISTER)(change)
    made.method("Test.Fail", Role.READ)(fail)
    made.method("Test.Ask", Role.READ)(ask)
    return made


class Door:
    """A running front door."""

    def __init__(self, front: FrontDoor, state: State) -> None:
        self.front = front
        self.state = state

    async def connect(self, listener: str = "jsonrpc", **options: Any) -> "Wire":
        """A new connection to a listener."""
        return Wire(*await asyncio.open_connection(*self.front.addresses[listener], limit=LINE, **options))


class Wire:
    """The client's end: lines of JSON."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, message: Any) -> None:
        """Send an object as JSON, octets as they are."""
        self.writer.write(message if isinstance(message, bytes) else json.dumps(message).encode())

    async def receive(self) -> Any:
        """The next object; None at the end."""
        async with asyncio.timeout(PATIENCE_S):
            line = await self.reader.readline()
        return json.loads(line) if line else None

    async def call(self, method: str, params: Any, name: Any = 1) -> Any:
        """The answer to a request."""
        self.send({"method": f"Test.{method}", "params": [params], "id": name})
        return await self.receive()

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        await self.writer.wait_closed()


@asynccontextmanager
async def opened(
    listeners: Listeners | None = None,
    gate: Gate | None = None,
    limits: TcpLimits | None = None,
    **options: Any,
) -> AsyncIterator[Door]:
    """A front door on free ports, closed at the end."""
    state = State()
    dispatcher = Dispatcher(registry(), state, EnvelopeLimits(), gate)
    front = FrontDoor(dispatcher, listeners or Listeners(HERE, HERE, HERE), limits=limits, **options)
    await front.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield Door(front, state)
    finally:
        async with asyncio.timeout(PATIENCE_S):
            await front.close()
            await state.finish(1.0)
            await front.end()
