"""`Client` against a real server: typed results and errors, time-outs, connections made again."""

import asyncio
import socket
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ocs.client import (
    CallFailed,
    Client,
    ClientError,
    Forbidden,
    Garbled,
    InvalidParams,
    NoAnswer,
    NotFound,
    UnknownMethod,
    Unreachable,
)
from ocs.rpc.methods.ocs_v1.server import Status
from tests.cli.conftest import FakeServer
from tests.cli.conftest import server as server
from tests.rpc.test_tcp import until
from tests.rpc.world import World, in_world
from tests.support.ports import free_port


def beside(world: World, work: Callable[[Client], Any], **options: Any) -> Any:
    """Run something with a client in a thread, while the server runs in this one."""

    def run() -> Any:
        with Client("{}:{}".format(*world.server.addresses["jsonrpc"]), **options) as client:
            return work(client)

    return asyncio.to_thread(run)


@in_world
async def test_result_is_of_the_type_that_is_asked_for(world: World) -> None:
    status = await beside(world, lambda client: client.call("OcsV1.Status", {}, Status))
    assert isinstance(status, Status)
    assert status.origin_host == "ocs.example.org"
    assert await beside(world, lambda client: client.call("OcsV1.Ping", {}, str)) == "Pong"
    with pytest.raises(Garbled, match="not what was expected"):
        await beside(world, lambda client: client.call("OcsV1.Ping", {}, int))


@pytest.mark.parametrize(
    ("method", "params", "kind", "text"),
    [
        ("OcsV1.AccountShow", {"account": "nobody"}, NotFound, "no account nobody"),
        ("OcsV1.AccountShow", {"acount": "1"}, InvalidParams, "acount: is not a parameter"),
        ("OcsV1.Nothing", {}, UnknownMethod, "can't find method OcsV1.Nothing"),
    ],
)
@in_world
async def test_error_has_a_type(
    world: World, method: str, params: dict[str, Any], kind: type[CallFailed], text: str
) -> None:
    with pytest.raises(kind, match=text) as raised:
        await beside(world, lambda client: client.call(method, params))
    assert raised.value.code < 0


@in_world
async def test_connection_that_the_server_has_closed_is_made_again(world: World) -> None:
    with Client("{}:{}".format(*world.server.addresses["jsonrpc"])) as client:
        assert await asyncio.to_thread(client.call, "OcsV1.Ping") == "Pong"
        first = client._socket
        assert await asyncio.to_thread(client.call, "OcsV1.Ping") == "Pong"
        assert client._socket is first
        world.server.front.tcp.close()
        await until(lambda: not world.server.front.tcp.connections)
        assert await asyncio.to_thread(client.call, "OcsV1.Ping") == "Pong"
        assert client._socket is not first


@in_world
async def test_rows_of_all_pages_come_one_after_the_other(world: World) -> None:
    for number in range(7):
        await world.add(f"{2000 + number}")
    listed = await beside(
        world, lambda client: list(client.rows("OcsV1.AccountList", {"limit": 3}, "accounts"))
    )
    assert len(listed) == 8


@in_world
async def test_threads_share_a_client(world: World) -> None:
    def work(client: Client) -> list[str]:
        found: list[str] = []
        threads = [
            threading.Thread(target=lambda: found.append(client.call("OcsV1.Ping"))) for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    assert await beside(world, work) == ["Pong"] * 20


def test_server_that_says_nothing_is_not_waited_for() -> None:
    port = free_port()
    with (
        socket.create_server(("127.0.0.1", port)),
        Client(f"127.0.0.1:{port}", timeout_s=0.05) as client,
        pytest.raises(NoAnswer),
    ):
        client.call("A.B")
    with Client(f"127.0.0.1:{port}") as client, pytest.raises(Unreachable, match="is `ocs serve` running"):
        client.call("A.B")


def test_lost_call_is_repeated_only_where_that_is_asked_for(server: FakeServer) -> None:
    answers = [b"", b'{"id":2,"result":1.10,"error":null}\n']
    server.reply = lambda request: answers[(len(server.requests) - 1) % 2]
    with Client(server.address) as client:
        with pytest.raises(Unreachable):
            client.call("A.B", {"x": Decimal("0.10")})
        assert len(server.requests) == 1
        server.requests.clear()
        answers[1] = b'{"id":3,"result":1.10,"error":null}\n'
        assert client.call("A.B", repeatable=True) == Decimal("1.10")
        assert len(server.requests) == 2


def test_error_of_a_server_of_1_0_is_a_text(server: FakeServer) -> None:
    server.answers(None, "RALS_ERROR:ACCOUNT_NOT_FOUND")
    with Client(server.address) as client, pytest.raises(CallFailed) as raised:
        client.call("SessionSv1.AuthorizeEvent", {})
    assert (type(raised.value), raised.value.text, raised.value.code) == (
        CallFailed,
        "RALS_ERROR:ACCOUNT_NOT_FOUND",
        0,
    )


@pytest.mark.parametrize("server_name", ["", "host", ":1", "host:", "host:x", "host:0", "host:65536"])
def test_address_that_is_none_is_said_at_once(server_name: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        Client(server_name)


def test_every_error_is_one_of_the_client() -> None:
    for kind in (Forbidden, Garbled, NoAnswer, NotFound, Unreachable):
        assert issubclass(kind, ClientError)
