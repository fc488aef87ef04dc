"""Connections that go both ways: the server asks its clients, over TCP and over WebSocket."""

import asyncio
import json

import aiohttp
import pytest

from ocs.rpc.clients import QUIET_S, Client, ClientError, ClientGone, ClientRefused
from tests.rpc.front import Door, Wire, opened
from tests.support.waiting import PATIENCE_S


async def only_client(door: Door) -> Client:
    """The one connection that can be asked, once it is there."""
    async with asyncio.timeout(PATIENCE_S):
        while not len(door.front.clients):  # noqa: ASYNC110 - what other tasks do has no event
            await asyncio.sleep(0)
    [client] = door.front.clients
    return client


def test_server_asks_with_ids_of_its_own_and_hears_the_answer() -> None:
    async def body() -> None:
        async with opened() as door:
            wire = await door.connect("bidirectional")
            client = await only_client(door)
            for number in (1, 2):
                asked = asyncio.create_task(client.call("SessionSv1.GetActiveSessionIDs", "", PATIENCE_S))
                request = await wire.receive()
                assert request == {"method": "SessionSv1.GetActiveSessionIDs", "params": [""], "id": number}
                wire.send(b'{ "error": null, "result": [ ], "id": %d }' % number)
                assert await asked == []
            await wire.close()

    asyncio.run(body())


def test_client_that_says_no_goes_or_keeps_silent_is_told_apart() -> None:
    async def body() -> None:
        async with opened() as door:
            wire = await door.connect("bidirectional")
            client = await only_client(door)
            asked = asyncio.create_task(client.call("A.B", {}, PATIENCE_S))
            name = (await wire.receive())["id"]
            wire.send({"id": name, "error": "Unknown Method", "result": None})
            with pytest.raises(ClientRefused, match="Unknown Method"):
                await asked
            with pytest.raises(TimeoutError):
                await client.call("A.B", {}, 0.01)
            assert client.waiting == 0
            asked = asyncio.create_task(client.call("A.B", {}, PATIENCE_S))
            await wire.receive()
            await wire.receive()
            await wire.close()
            with pytest.raises(ClientGone):
                await asked
            with pytest.raises(ClientGone):
                await client.call("A.B", {}, PATIENCE_S)
            assert len(door.front.clients) == 0
            assert door.front.clients.get(client.number) is None

    asyncio.run(body())


def test_requests_of_both_ends_share_a_connection() -> None:
    async def body() -> None:
        async with opened() as door:
            wire = await door.connect("bidirectional")
            wire.send({"method": "Test.Ask", "params": [{"x": 1}], "id": 1})
            wire.send({"method": "Test.Echo", "params": [{"y": 2}], "id": 77})
            assert await wire.receive() == {"id": 77, "result": {"y": 2}, "error": None}
            assert await wire.receive() == {"method": "Test.Back", "params": [{"x": 1}], "id": 1}
            wire.send({"id": 1, "result": "back", "error": None})
            assert await wire.receive() == {"id": 1, "result": "back", "error": None}
            await wire.close()

    asyncio.run(body())


def test_request_keeps_a_distance_from_the_reply_before_it() -> None:
    async def body() -> None:
        async with opened() as door:
            wire = await door.connect("bidirectional")
            client = await only_client(door)
            loop = asyncio.get_running_loop()
            assert (await wire.call("Echo", {}))["error"] is None
            replied_s = client.replied_s
            asked = asyncio.create_task(client.call("A.B", {}, PATIENCE_S))
            assert (await wire.receive())["method"] == "A.B"
            assert loop.time() - replied_s >= QUIET_S
            wire.send({"id": 1, "result": "OK"})
            assert await asked == "OK"
            await wire.close()

    asyncio.run(body())


@pytest.mark.parametrize(
    "reply", [{"id": 5, "result": 1}, {"id": "1", "result": 1}, {"result": 1}, {"id": None, "error": "x"}]
)
def test_reply_that_nobody_waits_for_is_not_answered(reply: object) -> None:
    async def body() -> None:
        async with opened() as door:
            wire = await door.connect("bidirectional")
            wire.send(reply)
            assert await wire.call("Echo", {"z": 3}) == {"id": 1, "result": {"z": 3}, "error": None}
            await wire.close()

    asyncio.run(body())


def test_reply_on_a_connection_that_goes_one_way_is_an_error() -> None:
    async def body() -> None:
        async with opened() as door:
            wire = await door.connect()
            wire.send({"id": 5, "result": 1})
            assert "method" in (await wire.receive())["error"]
            await wire.close()

    asyncio.run(body())


def test_client_of_2_0_is_asked_in_2_0() -> None:
    async def body() -> None:
        async with opened() as door:
            wire = await door.connect("bidirectional")
            wire.send({"jsonrpc": "2.0", "method": "Test.Ask", "params": {"x": 1}, "id": "a"})
            asked = await wire.receive()
            assert asked == {"jsonrpc": "2.0", "method": "Test.Back", "params": [{"x": 1}], "id": 1}
            wire.send({"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "not now"}})
            assert (await wire.receive())["error"]["code"] == -32_603
            await wire.close()

    asyncio.run(body())


def test_client_that_sends_no_more_cannot_be_asked_but_is_answered() -> None:
    async def body() -> None:
        async with opened() as door:
            wire = await door.connect("bidirectional")
            client = await only_client(door)
            wire.send({"method": "Test.Wait", "params": [{}], "id": 1})
            wire.writer.write_eof()
            async with asyncio.timeout(PATIENCE_S):
                while client.is_open or not door.state.waiting:  # noqa: ASYNC110 - the transport has no event
                    await asyncio.sleep(0)
            with pytest.raises(ClientError):
                await client.call("A.B", {}, PATIENCE_S)
            door.state.waiting[0].set("done")
            assert (await wire.receive())["result"] == "done"
            assert await wire.receive() is None
            await wire.close()

    asyncio.run(body())


def test_websocket_goes_both_ways() -> None:
    async def body() -> None:
        async with opened() as door, aiohttp.ClientSession() as http:
            host, port = door.front.addresses["http"]
            async with http.ws_connect(f"http://{host}:{port}/ws") as socket:
                await socket.send_json({"method": "Test.Ask", "params": [{"x": 1}], "id": 9})
                asked = await socket.receive_json(timeout=PATIENCE_S)
                assert asked == {"method": "Test.Back", "params": [{"x": 1}], "id": 1}
                await socket.send_json({"id": 1, "result": {"ok": True}, "error": None})
                answer = await socket.receive_json(timeout=PATIENCE_S)
                assert answer == {"id": 9, "result": {"ok": True}, "error": None}
                assert len(door.front.clients) == 1

    asyncio.run(body())


def test_quietest_client_is_the_one_whose_reply_is_longest_ago() -> None:
    async def body() -> None:
        async with opened() as door:
            first, second = [await door.connect("bidirectional") for _ in range(2)]
            for wire in (second, first):
                assert (await wire.call("Echo", {}))["error"] is None
            peers = [client.peer.rpartition(":")[2] for client in door.front.clients.quietest()]
            assert peers == [_port(second), _port(first)]
            for wire in (first, second):
                await wire.close()

    asyncio.run(body())


def _port(wire: Wire) -> str:
    return str(json.dumps(wire.writer.get_extra_info("sockname")[1]))
