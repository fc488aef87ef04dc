"""HTTP: JSON-RPC by POST and WebSocket, metrics, health, the feed, and what other sites must not do."""

import asyncio
import io
import json
from typing import Any

import aiohttp
import pytest

from ocs.charging.events import Identity
from ocs.charging.store import StoreUnavailable
from ocs.charging.store.memory import MemoryStore
from ocs.rpc.feed import LISTENERS
from tests.rpc.world import MSISDN, World, browser, in_world, running
from tests.support.waiting import PATIENCE_S

PING = {"method": "OcsV1.Ping", "params": [{}], "id": 1}
PONG = {"id": 1, "result": "Pong", "error": None}


class BrokenStore(MemoryStore):
    """A store whose disk goes away when it is told so."""

    is_broken = False

    async def find(self, name: Identity | str) -> str | None:
        """The account, unless broken."""
        if self.is_broken:
            raise StoreUnavailable("disk full")
        return await super().find(name)


@in_world
async def test_post_is_answered(world: World) -> None:
    async with browser(world) as http:
        async with http.post("/jsonrpc", json=PING) as answer:
            assert (answer.status, await answer.json()) == (200, PONG)
        async with http.post("/jsonrpc", json=[PING | {"jsonrpc": "2.0"}]) as answer:
            assert await answer.json() == [{"jsonrpc": "2.0", "id": 1, "result": "Pong"}]
        async with http.post("/jsonrpc", json={"jsonrpc": "2.0", "method": "OcsV1.Ping"}) as answer:
            assert (answer.status, await answer.read()) == (204, b"")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[" * 100_000, 400),
        (b'{"a":', 400),
        (b"{}{}", 400),
        (b"x=1", 400),
        (b'{"a":"' + b"x" * (1 << 20) + b'"}', 413),
        (b"{]", 200),
    ],
)
@in_world
async def test_body_that_is_no_message_is_refused(world: World, body: bytes, status: int) -> None:
    async with browser(world, **{"Content-Type": "application/json"}) as http:
        async with http.post("/jsonrpc", data=io.BytesIO(body)) as answer:
            assert answer.status == status
            if status != 413:
                assert (await answer.json())["error"]
        async with http.post("/jsonrpc", json=PING) as answer:
            assert await answer.json() == PONG


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
@pytest.mark.parametrize(
    "browsers",
    [
        {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/60.0"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Mode": "no-cors"},
        {"Referer": "https://evil.example/"},
    ],
    ids=lambda found: next(iter(found)),
)
@in_world
async def test_form_of_another_site_cannot_call(
    world: World, content_type: str, browsers: dict[str, str]
) -> None:
    topup = {"method": "OcsV1.AccountTopup", "params": [{"account": "1001", "amount": 1}], "id": 1}
    headers = {"Content-Type": content_type, **browsers}
    async with (
        browser(world) as http,
        http.post("/jsonrpc", data=json.dumps(topup), headers=headers) as answer,
    ):
        assert answer.status == 415
    assert (await world.call("AccountShow", account="1001"))["available_nanos"] == 10 * 10**9


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
@in_world
async def test_programs_may_leave_the_content_type_out(world: World, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    async with (
        browser(world) as http,
        http.post(
            "/jsonrpc", data=json.dumps(PING), headers=headers, skip_auto_headers=["Content-Type"]
        ) as answer,
    ):
        assert await answer.json() == PONG


@pytest.mark.parametrize("path", ["/", "/metrics", "/events", "/ws", "/readyz", "/app.js"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "127.0.0.1.evil.example:2080"},
        {"Host": "10.0.0.1"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9"},
    ],
)
@in_world
async def test_other_sites_get_nothing(world: World, path: str, headers: dict[str, str]) -> None:
    async with browser(world, **headers) as http, http.get(path) as answer:
        assert answer.status == 403


@in_world
async def test_names_of_this_machine_are_answered(world: World) -> None:
    async with browser(world) as http:
        for host in ("localhost", "LOCALHOST:2080", "127.0.0.1:1", "[::1]:2080", "[::1]"):
            headers = {"Host": host, "Origin": f"http://{host}"}
            async with http.post("/jsonrpc", json=PING, headers=headers) as answer:
                assert await answer.json() == PONG
                assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html"),
        ("/app.js", "text/javascript"),
        ("/style.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
    ],
)
@in_world
async def test_page_has_no_script_or_style_of_its_own_and_says_so(
    world: World, path: str, content_type: str
) -> None:
    async with browser(world) as http, http.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.content_type == content_type
        text = await answer.text()
    for forbidden in ("style=", " onclick=", "<script>", "<style", "//cdn", "innerHTML", "eval("):
        assert forbidden not in text
    assert text.count("http://") + text.count("https://") <= 2


@in_world
async def test_metrics_are_those_of_prometheus(world: World) -> None:
    message = {"kind": "EVENT", "session": "m", "event": 1, "service": "sms", "subscriber": MSISDN}
    await world.call("Charge", **message)
    async with browser(world) as http:
        async with http.get("/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            text = await answer.text()
        async with http.get("/metrics") as answer:
            assert await answer.text() == text
    assert 'ocs_requests_total{command="jsonrpc",kind="event",result="success"} 1.0' in text


def test_server_is_ready_while_its_store_answers() -> None:
    async def body() -> None:
        store = BrokenStore()
        async with running(store=store) as world, browser(world) as http:
            async with http.get("/healthz") as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
            async with http.get("/readyz") as answer:
                assert (answer.status, await answer.text()) == (200, "ready\n")
            store.is_broken = True
            async with http.get("/readyz") as answer:
                assert (answer.status, await answer.text()) == (503, "store: disk full\n")
            async with http.get("/healthz") as answer:
                assert answer.status == 200

    asyncio.run(body())


@in_world
async def test_websocket_is_answered(world: World) -> None:
    async with browser(world) as http, http.ws_connect("/ws") as socket:
        for number in range(200):
            await socket.send_json(PING | {"id": number})
        names = {(await socket.receive_json(timeout=PATIENCE_S))["id"] for _ in range(200)}
        assert names == set(range(200))
        for broken in ("[" * 1_000, "", "{]", "{}{}"):
            await socket.send_str(broken)
            assert (await socket.receive_json(timeout=PATIENCE_S))["error"]
        await socket.send_json(PING)
        assert await socket.receive_json(timeout=PATIENCE_S) == PONG


@pytest.mark.parametrize("message", [b"\x00\x01", "x" * (2 << 20)])
@in_world
async def test_websocket_with_what_it_may_not_send_is_closed_alone(
    world: World, message: bytes | str
) -> None:
    async with browser(world) as http, http.ws_connect("/ws") as neighbour:
        async with http.ws_connect("/ws") as socket:
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_str(message)
            closing = await socket.receive(timeout=PATIENCE_S)
            assert closing.type is aiohttp.WSMsgType.CLOSE
        await neighbour.send_json(PING)
        assert await neighbour.receive_json(timeout=PATIENCE_S) == PONG


async def event(answer: aiohttp.ClientResponse) -> tuple[str, Any]:
    """The next event of the feed."""
    async with asyncio.timeout(PATIENCE_S):
        name = (await answer.content.readline()).decode().removeprefix("event: ").strip()
        data = json.loads((await answer.content.readline()).decode().removeprefix("data: "))
        assert await answer.content.readline() == b"\n"
    return name, data


@in_world
async def test_feed_tells_each_second_what_changed(world: World) -> None:
    initial = {"kind": "INITIAL", "service": "data", "rating_group": 10, "requested": "1KiB"}
    async with browser(world) as http, http.get("/events") as answer:
        assert answer.content_type == "text/event-stream"
        name, snapshot = await event(answer)
        assert (name, snapshot["answers"], snapshot["results"]) == ("snapshot", [], {})
        assert snapshot["peers"]["refused"][0]["attempts"] == 7
        await world.call("Charge", **initial, session="s;1", subscriber=MSISDN)
        await world.call("Charge", **initial, session="s;2", subscriber="15550199999")
        seen: list[Any] = []
        while len(seen) < 2:
            name, delta = await event(answer)
            assert name == "delta"
            seen += delta["answers"]
        assert [(each["session"], each["result"]) for each in seen] == [
            ("s;1", "SUCCESS"),
            ("s;2", "UNKNOWN_SUBSCRIBER"),
        ]
        assert seen[1]["subscriber"] == "********999"
        assert delta["results"] == {"SUCCESS": 1, "UNKNOWN_SUBSCRIBER": 1}
        assert delta["status"]["open_sessions"] == 1
        async with http.get("/events") as second:
            _, snapshot = await event(second)
            assert [each["session"] for each in snapshot["rejections"]] == ["s;2"]
            assert [row["rejected"] for row in snapshot["seconds"]].count(1) == 1


def test_numbers_are_shown_where_the_settings_do_not_mask_them() -> None:
    async def body() -> None:
        async with running(mask=False) as world:
            params = {"kind": "INITIAL", "session": "s", "service": "data", "subscriber": "15550199999"}
            await world.call("Charge", **params)
            world.activity.collect(0)
            assert world.activity.rejections[0].subscriber == "15550199999"

    asyncio.run(body())


@in_world
async def test_pages_that_listen_are_bounded_and_let_go(world: World) -> None:
    async with browser(world) as http:
        answers = [await http.get("/events") for _ in range(LISTENERS)]
        async with http.get("/events") as refused:
            assert refused.status == 503
        for answer in answers:
            answer.close()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                async with http.get("/events") as again:
                    if again.status == 200:
                        assert (await event(again))[0] == "snapshot"
                        return
                    assert again.status == 503
                await asyncio.sleep(0.05)


@in_world
async def test_connection_that_asks_for_nothing_is_ended(world: World) -> None:
    assert "http" in world.server.addresses
    reader, writer = await asyncio.open_connection(*world.server.addresses["http"])
    writer.write(b"GET / HTTP/1.1\r\nHost: loc")
    await writer.drain()
    async with browser(world) as http, http.get("/healthz") as answer:
        assert answer.status == 200
    now_ns = world.server.context.monotonic_ns()
    front = world.server.front.http
    assert front is not None
    front.sweep(now_ns + front.service.limits.head_ns // 2)
    assert not reader.at_eof()
    front.sweep(now_ns + 2 * front.service.limits.head_ns)
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()


def test_stop_ends_pages_and_sockets() -> None:
    async def body() -> None:
        async with running() as world, browser(world) as http, http.ws_connect("/ws") as socket:
            answer = await http.get("/events")
            assert (await event(answer))[0] == "snapshot"
            await world.server.stop()
            closing = await socket.receive(timeout=PATIENCE_S)
            assert (closing.type, closing.data) == (aiohttp.WSMsgType.CLOSE, 1001)
            async with asyncio.timeout(PATIENCE_S):
                assert b"snapshot" not in await answer.content.read()
            answer.close()

    asyncio.run(body())
