"""Every listener of `ocs cgrates` as other machines meet it: kept back, closed without a key, or open as told."""

import asyncio
import socket
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import structlog

from ocs.cgrates import config, listening
from ocs.cgrates.listening import Access
from ocs.rpc.caller import Role, is_loopback
from ocs.rpc.key_file import change_keys
from ocs.rpc.keys import ID_OCTETS, SECRET_OCTETS, make
from tests.agents.diameter.test_listening import certificate
from tests.rpc.front import Door, opened
from tests.rpc.test_security import trusting

OFF = {"rpc_json": "", "birpc_json": "", "http": "", "rpc_json_tls": "", "http_tls": ""}
NAMES = {
    "rpc_json": "jsonrpc",
    "birpc_json": "bidirectional",
    "http": "http",
    "rpc_json_tls": "jsonrpc_tls",
    "birpc_json_tls": "bidirectional_tls",
    "http_tls": "http_tls",
}
PLAIN = ("rpc_json", "birpc_json", "http")
SECURED = ("rpc_json_tls", "birpc_json_tls", "http_tls")
FOREIGN = (":0", "0.0.0.0:0", "[::]:0", "192.0.2.7:0", "ocs.example.org:0", "[2001:db8::1]:0")
LOCAL = ("127.0.0.1:0", "localhost:0", "[::1]:0", "127.8.8.8:0")
REQUEST = {"method": "Test.Echo", "params": [{}], "id": 1}


def settings(listener: str, address: str, tls: tuple[Path, Path], **http: Any) -> config.Settings:
    """One listener, with a certificate."""
    named = {"server_certificate": str(tls[0]), "server_key": str(tls[1]), "server_policy": 0}
    return config.read({"listen": {**OFF, listener: address}, "tls": named, "http": http})


def address_of(listener: str, found: config.Settings, access: Access) -> str:
    """Where a listener would be opened."""
    endpoint = getattr(listening.listeners(found, access), NAMES[listener])
    assert endpoint is not None
    return str(endpoint.address)


def is_this_machine_alone(address: str) -> bool:
    """Whether nobody else reaches an address."""
    return address == "localhost" or is_loopback(address)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate and its key."""
    return certificate(tmp_path_factory.mktemp("certificate"))


@pytest.mark.parametrize("address", FOREIGN)
@pytest.mark.parametrize("listener", [*PLAIN, *SECURED])
def test_address_of_the_network_is_kept_back_without_tls_and_keys(
    files: tuple[Path, Path], listener: str, address: str
) -> None:
    found = settings(listener, address, files)
    with structlog.testing.capture_logs() as lines:
        assert is_this_machine_alone(address_of(listener, found, Access()))
        assert [(line["event"], line["wanted"]) for line in lines] == [
            ("listener.on_loopback_alone", {f"listen.{listener}": address})
        ]
        assert "ocs key create" in lines[0]["remedy"]
        assert "-unencrypted_network_access" in lines[0]["remedy"]
        with_keys = address_of(listener, found, Access(has_keys=True))
        assert is_this_machine_alone(with_keys) is (listener in PLAIN)


@pytest.mark.parametrize("address", LOCAL)
@pytest.mark.parametrize("listener", [*PLAIN, *SECURED])
def test_address_of_this_machine_is_opened_as_it_is(
    files: tuple[Path, Path], listener: str, address: str
) -> None:
    with structlog.testing.capture_logs() as lines:
        opened_at = address_of(listener, settings(listener, address, files), Access())
    assert (opened_at, lines) == (address.rpartition(":")[0].strip("[]"), [])


def test_all_addresses_that_are_kept_back_are_told_in_one_line(files: tuple[Path, Path]) -> None:
    asked = {"rpc_json": ":0", "birpc_json": "0.0.0.0:0", "http": "127.0.0.1:0", "rpc_json_tls": ":0"}
    named = {"server_certificate": str(files[0]), "server_key": str(files[1])}
    with structlog.testing.capture_logs() as lines:
        listening.listeners(config.read({"listen": {**OFF, **asked}, "tls": named}), Access())
    [line] = lines
    assert set(line["wanted"]) == {"listen.rpc_json", "listen.birpc_json", "listen.rpc_json_tls"}


class Met(NamedTuple):
    """What a stranger meets without a key: the error of a call, None where it is done."""

    listener: str
    unencrypted: bool = False
    has_keys: bool = False
    users: bool = False
    error: str | None = None


@pytest.mark.parametrize(
    "met",
    [
        *(Met(listener, unencrypted=True) for listener in PLAIN),
        *(Met(listener, unencrypted=True, has_keys=True, error="UNAUTHORIZED_API") for listener in PLAIN),
        *(Met(listener, has_keys=True, error="UNAUTHORIZED_API") for listener in SECURED),
        *(Met(listener, True, has_keys=True, error="UNAUTHORIZED_API") for listener in SECURED),
        Met("http_tls", users=True, error="UNAUTHORIZED_API"),
        Met("http", unencrypted=True, users=True, error="UNAUTHORIZED_API"),
    ],
)
def test_stranger_meets_what_the_listener_was_told(
    tmp_path: Path, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, met: Met
) -> None:
    for module in ("ocs.rpc.key_gate", "ocs.rpc.http"):  # who connects here comes from elsewhere
        monkeypatch.setattr(f"{module}.is_loopback", lambda host: False)
    text = ""
    if met.has_keys:
        key, text = make("portal", (Role.READ,), bytes(ID_OCTETS + SECRET_OCTETS), 1)
        change_keys(tmp_path / listening.KEYS, lambda keys: keys.update({key.id: key}))
    http = {"use_basic_auth": True, "auth_users": {"portal": "c2VjcmV0"}} if met.users else {}
    found = settings(met.listener, "0.0.0.0:0", files, **http)
    keys = listening.key_file(tmp_path)
    gate = listening.key_gate(tmp_path, keys, unencrypted=met.unencrypted)
    wanted = listening.listeners(found, Access(bool(keys), met.unencrypted))

    async def body() -> None:
        paths, tls = listening.http_paths(found), listening.server_tls(found)
        async with opened(wanted, gate, paths=paths, tls=tls) as door:
            assert door.front.addresses[NAMES[met.listener]][0] == "0.0.0.0"
            assert await called(door, met.listener) == met.error
            if met.has_keys:
                assert await called(door, met.listener, text) is None
            if met.users:
                assert await called(door, met.listener, "secret") is None

    asyncio.run(body())


async def called(door: Door, listener: str, key: str = "") -> str | None:
    """The error of one call, shown a key or password."""
    port = door.front.addresses[NAMES[listener]][1]
    tls = trusting() if listener.endswith("_tls") else None
    if not listener.startswith("http"):
        door.front.addresses[NAMES[listener]] = ("127.0.0.1", port)
        wire = await door.connect(NAMES[listener], ssl=tls)
        request = {**REQUEST, "params": [{"APIOpts": {"*apiKey": key}}]} if key else REQUEST
        wire.send(request)
        answer = await wire.receive()
        wire.writer.close()
        return None if answer["error"] is None else str(answer["error"])
    url = f"http{'s' if tls else ''}://127.0.0.1:{port}/jsonrpc"
    headers = {"Authorization": aiohttp.encode_basic_auth("portal", key)} if key else {}
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls or True)) as client,
        client.post(url, json=REQUEST, headers=headers) as answer,
    ):
        if answer.status == 401:
            return "UNAUTHORIZED_API"
        error = (await answer.json())["error"]
    return None if error is None else str(error)


def own_address() -> str | None:
    """An address of this machine that others reach; None where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if is_this_machine_alone(address) else address


@pytest.mark.parametrize("listener", PLAIN)
def test_nobody_reaches_a_listener_that_is_kept_back(files: tuple[Path, Path], listener: str) -> None:
    wanted = listening.listeners(settings(listener, "0.0.0.0:0", files), Access(has_keys=True))
    outside = own_address()

    async def body() -> None:
        async with opened(wanted) as door:
            address, port = door.front.addresses[NAMES[listener]]
            assert address == "127.0.0.1"
            if outside is not None:
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection(outside, port)

    asyncio.run(body())
