"""Every listener of `ocs serve` as other machines meet it: none in the clear, inside TLS none without a key."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ocs import config
from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import ChargingService
from ocs.charging.store.memory import MemoryStore
from ocs.config.settings import Endpoint, IdentitySettings, RpcSettings, Settings
from ocs.metrics import Metrics
from ocs.rpc.activity import Activity
from ocs.rpc.methods import REGISTRY
from ocs.rpc.server import RpcServer
from tests.agents.diameter.test_listening import certificate
from tests.rpc.front import Wire
from tests.rpc.test_security import trusting
from tests.rpc.world import catalogue

EVERYWHERE = Endpoint("0.0.0.0", 0)
OPEN = {"/healthz", "/readyz"}  # say nothing that is worth a key


@pytest.mark.parametrize("listener", ["jsonrpc", "bidirectional", "http"])
@pytest.mark.parametrize("address", ["0.0.0.0:2012", "[::]:2012", "192.0.2.7:2012"])
def test_what_is_not_encrypted_is_for_this_machine_alone(tmp_path: Path, listener: str, address: str) -> None:
    text = "identity: {origin_host: ocs.example.org, origin_realm: example.org}\n"
    (tmp_path / "ocs.yaml").write_text(f'{text}rpc: {{{listener}: "{address}"}}\n', encoding="utf-8")
    [problem] = config.check(str(tmp_path / "ocs.yaml"))
    assert problem.path == f"rpc.{listener}"
    assert "is not a loopback address" in problem.message


@asynccontextmanager
async def secured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RpcServer]:
    """A server on every address inside TLS, which takes everybody for a stranger; nobody has a key."""
    for module in ("ocs.rpc.key_gate", "ocs.rpc.http"):
        monkeypatch.setattr(f"{module}.is_loopback", lambda host: False)
    chain, key = certificate(folder)
    rpc = RpcSettings(None, None, None, EVERYWHERE, EVERYWHERE, EVERYWHERE, str(chain), str(key))
    settings = Settings(IdentitySettings("ocs.example.org", "example.org"), rpc=rpc)
    metrics = Metrics()
    service = ChargingService(MemoryStore(), catalogue(), ChargingPolicy(), metrics)
    server = RpcServer(service, settings, metrics, Activity(), data_dir=folder)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.mark.parametrize("listener", ["jsonrpc_tls", "bidirectional_tls"])
def test_no_method_is_done_for_a_stranger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: str
) -> None:
    async def body() -> None:
        async with secured(tmp_path, monkeypatch) as server:
            port = server.addresses[listener][1]
            wire = Wire(*await asyncio.open_connection("127.0.0.1", port, ssl=trusting(), limit=1 << 20))
            names = ["rpc.discover", "OcsV1.Login", *(method.name for method in REGISTRY)]
            assert len(names) > 20
            refused: dict[str, Any] = {}
            for name in names:
                wire.send({"method": name, "params": [{}], "id": 1})
                refused[name] = (await wire.receive())["error"]
            assert set(refused.values()) == {"UNAUTHORIZED_API", "UNKNOWN_API_KEY"}
            assert [name for name in names if refused[name] == "UNKNOWN_API_KEY"] == ["OcsV1.Login"]
            wire.writer.close()

    asyncio.run(body())


def test_no_page_is_shown_to_a_stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body() -> None:
        async with secured(tmp_path, monkeypatch) as server:
            assert server.front.http is not None
            url = f"https://127.0.0.1:{server.addresses['http_tls'][1]}"
            routes = server.front.http.service.application().router.routes()
            paths = {route.resource.canonical for route in routes if route.resource is not None}
            assert paths > {"/", "/ws", "/jsonrpc", "/events", "/metrics", "/openrpc.json", *OPEN}
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting())) as client:
                for path in sorted(paths):
                    request = client.post if path == "/jsonrpc" else client.get
                    async with request(f"{url}{path}") as answer:
                        assert (answer.status == 401) is (path not in OPEN), path

    asyncio.run(body())
