"""Listeners of `ocs cgrates` as the configuration names them: TLS, users of HTTP, paths."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from ocs.cgrates import config, listening
from ocs.cgrates.listening import Access
from ocs.config.settings import Endpoint
from ocs.rpc.caller import NOTHING, Role
from ocs.rpc.front import Listeners
from ocs.rpc.gate import OpenGate
from ocs.rpc.key_file import change_keys
from ocs.rpc.keys import ID_OCTETS, SECRET_OCTETS, make
from tests.agents.diameter.test_listening import certificate
from tests.rpc.front import HERE, opened
from tests.rpc.test_security import trusting

SECRET = base64.b64encode(b"p:\xc3\xa4ss").decode()


def settings(**sections: Any) -> config.Settings:
    """A configuration of these sections."""
    return config.read(sections)


def test_without_a_certificate_nothing_listens_inside_tls() -> None:
    listen = {"rpc_json_tls": "127.0.0.1:4022", "birpc_json_tls": ":4024"}
    found = listening.listeners(settings(listen=listen), Access())
    assert (found.jsonrpc_tls, found.bidirectional_tls, found.http_tls) == (None, None, None)
    assert listening.server_tls(settings()) is None


def test_certificate_opens_the_twins(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    tls = {"server_certificate": str(chain), "server_key": str(key), "server_policy": 0}
    listen = {
        "rpc_json": "",
        "birpc_json": "",
        "http": "",
        "rpc_json_tls": ":4022",
        "http_tls": "127.0.0.1:4280",
    }
    found = settings(tls=tls, listen={**listen, "birpc_json_tls": ":4024"})
    expected = Listeners(
        jsonrpc_tls=Endpoint("127.0.0.1", 4022),
        bidirectional_tls=Endpoint("127.0.0.1", 4024),
        http_tls=Endpoint("127.0.0.1", 4280),
    )
    assert listening.listeners(found, Access()) == expected

    async def body() -> None:
        twins = Listeners(jsonrpc_tls=HERE, bidirectional_tls=HERE)
        async with opened(twins, tls=listening.server_tls(found)) as door:
            for listener in ("jsonrpc_tls", "bidirectional_tls"):
                wire = await door.connect(listener, ssl=trusting())
                assert (await wire.call("Echo", {"x": 1}))["result"] == {"x": 1}
                wire.writer.close()

    asyncio.run(body())


def test_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    tls = {"server_certificate": str(tmp_path / "none.pem"), "server_key": str(tmp_path / "none.key")}
    with pytest.raises(listening.StartError, match=r"tls\.server_certificate: .*none\.pem cannot be used"):
        listening.server_tls(settings(tls=tls))


def test_users_of_http_need_their_password() -> None:
    http = {
        "use_basic_auth": True,
        "auth_users": {"portal": SECRET},
        "json_rpc_url": "/rpc",
        "ws_url": "/socket",
    }
    paths = listening.http_paths(settings(http=http))

    async def body() -> None:
        async with opened(Listeners(http=HERE), paths=paths) as door, aiohttp.ClientSession() as client:
            url = "http://{}:{}".format(*door.front.addresses["http"])
            request = {"method": "Test.Echo", "params": [{}], "id": 1}
            right = aiohttp.encode_basic_auth("portal", "p:äss")
            wrong = [
                aiohttp.encode_basic_auth(*each) for each in (("portal", "x"), ("other", "p:äss"), ("", ""))
            ]
            for shown, status in [
                (right, 200),
                *[(each, 401) for each in wrong],
                ("Bearer p:ass", 401),
                ("", 401),
            ]:
                headers = {"Authorization": shown} if shown else {}
                async with client.post(f"{url}/rpc", json=request, headers=headers) as answer:
                    assert answer.status == status, shown
            async with client.ws_connect(f"{url}/socket", headers={"Authorization": right}) as socket:
                await socket.send_json(request)
                assert (await socket.receive_json())["result"] == {}
            async with client.get(f"{url}/socket") as answer:
                assert answer.status == 401

    asyncio.run(body())


@pytest.mark.parametrize(
    ("http", "said"),
    [
        ({"use_basic_auth": True}, r"http\.auth_users: is empty"),
        ({"use_basic_auth": True, "auth_users": {"a": "no base64!"}}, r"http\.auth_users\.a: is not base64"),
    ],
)
def test_users_that_cannot_be_used_are_named(http: dict[str, Any], said: str) -> None:
    with pytest.raises(listening.StartError, match=said):
        listening.http_paths(settings(http=http))


def test_others_who_are_let_in_need_a_key_once_there_is_one(tmp_path: Path) -> None:
    gate = listening.key_gate(tmp_path, listening.key_file(tmp_path), unencrypted=True)
    assert Role.ADMINISTER in gate.arrived("10.0.0.1", 1).roles
    key, text = make("portal", (Role.READ,), bytes(ID_OCTETS + SECRET_OCTETS), 1)
    change_keys(tmp_path / listening.KEYS, lambda keys: keys.update({key.id: key}))
    assert gate.refresh()
    other = gate.arrived("10.0.0.1", 1)
    assert other.roles is NOTHING
    assert gate.by_key(other, text)
    assert other.roles == frozenset({Role.READ})
    assert Role.ADMINISTER in gate.arrived("127.0.0.1", 1).roles


def test_administrative_calls_are_on_record_where_there_is_a_data_folder(tmp_path: Path) -> None:
    async def body() -> None:
        gate = listening.key_gate(tmp_path, listening.key_file(tmp_path))
        params, done = {"Account": "15550100001", "Value": 10}, asyncio.Event()
        gate.audit(gate.arrived("127.0.0.1", 1), "APIerSv1.SetBalance", params, None, done.set)
        await done.wait()

    asyncio.run(body())
    [line] = (tmp_path / listening.AUDIT).read_text(encoding="utf-8").splitlines()
    assert '"Account":"********001","Value":"10"' in line
    assert type(listening.key_gate(None, None)) is OpenGate


def test_damaged_keys_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / listening.KEYS).write_text("nonsense", encoding="utf-8")
    with pytest.raises(listening.StartError, match=r"keys\.jsonl:1:1: is not a key"):
        listening.key_file(tmp_path)
