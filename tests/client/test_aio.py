"""`AsyncClient`: calls that overtake each other, requests of the server, connections made again, keys."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ocs.client import CallFailed, Forbidden, NoAnswer, Unreachable
from ocs.client.aio import AsyncClient
from tests.rpc.front import Door, opened
from tests.rpc.test_security import Keys, secured, trusting
from tests.rpc.test_tcp import until
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S


def at(door: Door, listener: str = "jsonrpc") -> str:
    """Where a listener is."""
    return "{}:{}".format(*door.front.addresses[listener])


def test_calls_overtake_each_other() -> None:
    async def body() -> None:
        async with opened() as door, AsyncClient(at(door)) as client:
            late = asyncio.create_task(client.call("Test.Wait"))
            many = await asyncio.gather(
                *[client.call("Test.Echo", {"n": n}, dict[str, int]) for n in range(200)]
            )
            assert [each["n"] for each in many] == list(range(200))
            door.state.waiting[0].set("done")
            assert await late == "done"
            assert len(door.front.tcp.connections) == 1

    asyncio.run(body())


def test_server_asks_its_client() -> None:
    async def answer(method: str, params: Any) -> object:
        if params == {"x": 2}:
            raise LookupError("no such dialog")
        return [method, params]

    async def body() -> None:
        async with opened() as door, AsyncClient(at(door, "bidirectional"), handler=answer) as client:
            [known] = door.front.clients
            assert await client.call("Test.Ask", {"x": 1}) == ["Test.Back", {"x": 1}]
            assert await known.call("Test.Back", {"x": 3}, PATIENCE_S) == ["Test.Back", {"x": 3}]
            with pytest.raises(CallFailed, match="internal error"):
                await client.call("Test.Ask", {"x": 2})

    asyncio.run(body())


def test_lost_connection_fails_its_calls_and_is_made_again() -> None:
    async def body() -> None:
        async with opened() as door, AsyncClient(at(door)) as client:
            waiting = asyncio.create_task(client.call("Test.Wait"))
            repeated = asyncio.create_task(client.call("Test.Wait", repeatable=True))
            await until(lambda: len(door.state.waiting) == 2)
            door.front.tcp.abort()
            with pytest.raises(Unreachable):
                await waiting
            await until(lambda: len(door.state.waiting) == 3)
            door.state.waiting[2].set("again")
            assert await repeated == "again"
            assert await client.call("Test.Echo", {}) == {}

    asyncio.run(body())


def test_time_out_leaves_other_calls_alone() -> None:
    async def body() -> None:
        async with opened() as door, AsyncClient(at(door)) as client:
            with pytest.raises(NoAnswer):
                await client.call("Test.Wait", timeout_s=0.05)
            await until(lambda: len(door.state.waiting) == 1)
            door.state.waiting[0].set("too late")
            assert await client.call("Test.Echo", {"a": 1}) == {"a": 1}

    asyncio.run(body())


def test_key_is_shown_inside_tls(tmp_path: Path) -> None:
    async def test(door: Door, keys: Keys) -> None:
        where = at(door, "jsonrpc_tls")
        async with AsyncClient(where, tls=trusting(), key=keys.texts["read"]) as client:
            assert await client.call("Test.Echo", {}) == {}
            with pytest.raises(Forbidden, match="UNAUTHORIZED_API"):
                await client.call("Test.Change", {})
        async with AsyncClient(where, tls=trusting(), key="no") as client:
            with pytest.raises(Forbidden, match="UNKNOWN_API_KEY"):
                await client.call("Test.Echo", {})

    secured(tmp_path, test)


def test_server_that_is_not_there_is_said_at_once() -> None:
    async def body() -> None:
        with pytest.raises(Unreachable, match="no server at"):
            await AsyncClient(f"127.0.0.1:{free_port()}").call("Test.Echo")

    asyncio.run(body())
