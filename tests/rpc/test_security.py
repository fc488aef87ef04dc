"""Who gets in: strangers do not, keys open what they are for, and what administrators do is on record."""

import asyncio
import io
import json
import logging
import os
import ssl
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from ocs import log
from ocs.config.settings import LogSettings
from ocs.rpc.audit import Audit, broken_at
from ocs.rpc.caller import NOTHING, Caller, Role
from ocs.rpc.front import Listeners
from ocs.rpc.key_file import KeyFile, change_keys, read_keys
from ocs.rpc.key_gate import KeyGate
from ocs.rpc.keys import ID_OCTETS, SECRET_OCTETS, Key, KeysError, find, make
from ocs.rpc.tcp import TcpLimits
from ocs.rpc.tls import ServerTls
from tests.agents.diameter.test_listening import certificate
from tests.rpc.front import HERE, Door, opened
from tests.support.waiting import PATIENCE_S

SECOND_NS = 10**9
AT_NS = 1_800_000_000 * SECOND_NS
SECURED = Listeners(jsonrpc_tls=HERE, bidirectional_tls=HERE, http_tls=HERE)
Test = Callable[[Door, "Keys"], Awaitable[None]]


class Keys:
    """A file of keys and the texts of some."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keys.jsonl"
        self.audit = folder / "audit.jsonl"
        self.texts = {role.value: self.add(role.value, role) for role in Role}

    def add(self, name: str, *roles: Role) -> str:
        """A new key."""
        key, text = make(name, roles, os.urandom(ID_OCTETS + SECRET_OCTETS), AT_NS)
        change_keys(self.path, lambda keys: keys.update({key.id: key}))
        return text

    def revoke(self, name: str) -> None:
        """Strike a key."""

        def strike(keys: dict[str, Key]) -> None:
            for key in list(keys.values()):
                if key.name == name:
                    keys[key.id] = Key(key.id, key.name, key.roles, key.digest, AT_NS, AT_NS)

        change_keys(self.path, strike)

    def lines(self) -> list[dict[str, Any]]:
        """What is on record."""
        return [json.loads(line) for line in self.audit.read_text(encoding="utf-8").splitlines()]


def secured(folder: Path, test: Test, limits: TcpLimits | None = None) -> Keys:
    """Run a test against listeners that trust nobody without a key."""
    keys = Keys(folder)

    async def body() -> None:
        gate = KeyGate(KeyFile(keys.path), Audit(keys.audit, lambda: AT_NS), trusts_loopback=False)
        tls = ServerTls(*certificate(folder))
        async with opened(SECURED, gate, limits, tls=tls) as door:
            await test(door, keys)

    asyncio.run(body())
    return keys


def trusting() -> ssl.SSLContext:
    """A client that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


METHODS = [("Echo", Role.READ), ("Wait", Role.CHARGE), ("Change", Role.ADMINISTER), ("Ask", Role.READ)]


@pytest.mark.parametrize("listener", ["jsonrpc_tls", "bidirectional_tls"])
def test_stranger_gets_nothing_over_tcp(tmp_path: Path, listener: str) -> None:
    async def test(door: Door, keys: Keys) -> None:
        wire = await door.connect(listener, ssl=trusting())
        for method, _ in METHODS:
            assert (await wire.call(method, {}))["error"] == "UNAUTHORIZED_API"
        wire.send({"jsonrpc": "2.0", "method": "rpc.discover", "id": 1})
        assert (await wire.receive())["error"]["code"] == -32_004
        wire.send({"method": "OcsV1.Login", "params": [{"key": keys.texts["read"] + "x"}], "id": 1})
        assert (await wire.receive())["error"] == "UNKNOWN_API_KEY"
        assert (await wire.call("Change", {}))["error"] == "UNAUTHORIZED_API"
        assert door.state.done == []
        await wire.close()

    secured(tmp_path, test)


def test_stranger_gets_nothing_over_http(tmp_path: Path) -> None:
    async def test(door: Door, keys: Keys) -> None:
        url = "https://{}:{}".format(*door.front.addresses["http_tls"])
        request = {"method": "Test.Echo", "params": [{}], "id": 1}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting())) as http:
            for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Basic bm86bm8="}):
                async with http.post(f"{url}/jsonrpc", json=request, headers=headers) as answer:
                    assert answer.status == 401
                    assert answer.headers["WWW-Authenticate"].startswith("Basic")
                async with http.get(f"{url}/ws", headers=headers) as answer:
                    assert answer.status == 401
            bearer = {"Authorization": f"Bearer {keys.texts['read']}"}
            async with http.post(f"{url}/jsonrpc", json=request, headers=bearer) as answer:
                assert await answer.json() == {"id": 1, "result": {}, "error": None}
            basic = aiohttp.encode_basic_auth("any", keys.texts["read"])
            async with http.post(f"{url}/jsonrpc", json=request, headers={"Authorization": basic}) as answer:
                assert answer.status == 200
            foreign = bearer | {"Origin": "https://evil.example"}
            async with http.post(f"{url}/jsonrpc", json=request, headers=foreign) as answer:
                assert answer.status == 403

    secured(tmp_path, test)


@pytest.mark.parametrize("name", ["read", "charge", "administer"])
def test_key_opens_what_it_is_for(tmp_path: Path, name: str) -> None:
    rights = {Role.READ, Role.CHARGE, Role.ADMINISTER} if name == "administer" else {Role(name)}

    async def test(door: Door, keys: Keys) -> None:
        wire = await door.connect("bidirectional_tls", ssl=trusting())
        wire.send({"method": "OcsV1.Login", "params": [{"key": keys.texts[name]}], "id": 1})
        assert (await wire.receive())["result"]["name"] == name
        for method, role in (("Echo", Role.READ), ("Change", Role.ADMINISTER)):
            answer = await wire.call(method, {})
            assert answer["error"] == (None if role in rights else "UNAUTHORIZED_API")
        wire.send({"method": "Test.Wait", "params": [{}], "id": 9})
        if Role.CHARGE in rights:
            async with asyncio.timeout(PATIENCE_S):
                while not door.state.waiting:  # noqa: ASYNC110 - what other tasks do has no event
                    await asyncio.sleep(0)
            door.state.waiting[0].set("charged")
        assert (await wire.receive())["result"] == ("charged" if Role.CHARGE in rights else None)
        await wire.close()

    secured(tmp_path, test)


def test_key_inside_a_request_counts_for_it_alone(tmp_path: Path) -> None:
    async def test(door: Door, keys: Keys) -> None:
        wire = await door.connect("jsonrpc_tls", ssl=trusting())
        options = {"APIOpts": {"*apiKey": keys.texts["administer"]}, "Account": "15550100001"}
        assert (await wire.call("Change", options))["result"] == "OK"
        assert (await wire.call("Change", {}))["error"] == "UNAUTHORIZED_API"
        wrong = {"APIOpts": {"*apiKey": keys.texts["read"]}}
        assert (await wire.call("Change", wrong))["error"] == "UNAUTHORIZED_API"
        assert (await wire.call("Change", {"APIOpts": {"*apiKey": "x"}}))["error"] == "UNKNOWN_API_KEY"
        await wire.close()

    keys = secured(tmp_path, test)
    lines = keys.lines()  # strangers are not on record: they could fill it
    assert [(line["who"], line["outcome"]) for line in lines] == [("administer", "done")]
    text = keys.audit.read_text(encoding="utf-8")
    assert "15550100001" not in text
    assert not any(key in text for key in keys.texts.values())
    assert lines[0]["params"] == {"APIOpts": {"*apiKey": "***"}, "Account": "********001"}
    assert lines[0]["method"] == "Test.Change"
    assert lines[0]["at_ns"] == AT_NS


def test_revoked_key_ends_its_connections_and_opens_nothing(tmp_path: Path) -> None:
    async def test(door: Door, keys: Keys) -> None:
        revoked, other = [await door.connect("jsonrpc_tls", ssl=trusting()) for _ in range(2)]
        for wire, name in ((revoked, "charge"), (other, "read")):
            wire.send({"method": "OcsV1.Login", "params": [{"key": keys.texts[name]}], "id": 1})
            assert (await wire.receive())["error"] is None
        keys.revoke("charge")
        door.front._sweep()
        assert await _ended(revoked)
        assert (await other.call("Echo", {}))["error"] is None
        other.send({"method": "OcsV1.Login", "params": [{"key": keys.texts["charge"]}], "id": 1})
        assert (await other.receive())["error"] == "UNKNOWN_API_KEY"
        for wire in (revoked, other):
            wire.writer.close()

    secured(tmp_path, test)


async def _ended(wire: Any) -> bool:
    try:
        return await wire.receive() is None
    except ConnectionError:
        return True


def test_stranger_who_shows_no_key_is_ended(tmp_path: Path) -> None:
    async def test(door: Door, keys: Keys) -> None:
        silent, known = [await door.connect("jsonrpc_tls", ssl=trusting()) for _ in range(2)]
        known.send({"method": "OcsV1.Login", "params": [{"key": keys.texts["read"]}], "id": 1})
        assert (await known.receive())["error"] is None
        tcp = door.front.tcp
        tcp.sweep(tcp.now_ns + 61 * SECOND_NS)
        assert await _ended(silent)
        assert (await known.call("Echo", {}))["error"] is None
        for wire in (silent, known):
            wire.writer.close()

    secured(tmp_path, test)


def test_plain_text_on_a_secured_port_is_closed_alone(tmp_path: Path) -> None:
    async def test(door: Door, keys: Keys) -> None:
        plain = await door.connect("jsonrpc_tls")
        plain.send({"method": "Test.Echo", "params": [{}], "id": 1})
        async with asyncio.timeout(PATIENCE_S):
            assert b"result" not in await plain.reader.read()
        wire = await door.connect("jsonrpc_tls", ssl=trusting())
        wire.send({"method": "OcsV1.Login", "params": [{"key": keys.texts["read"]}], "id": 1})
        assert (await wire.receive())["error"] is None
        for each in (plain, wire):
            each.writer.close()

    secured(tmp_path, test)


def test_old_versions_of_tls_are_refused(tmp_path: Path) -> None:
    assert ServerTls(*certificate(tmp_path)).context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_new_certificate_is_taken_without_a_restart_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    tls = ServerTls(chain, key)
    right = chain.read_bytes()
    chain.write_bytes(b"nothing")
    os.utime(chain, ns=(1, 1))
    with structlog.testing.capture_logs() as lines:
        tls.refresh()
        tls.refresh()
        chain.write_bytes(right)
        os.utime(chain, ns=(2, 2))
        tls.refresh()
    assert [line["event"] for line in lines] == ["rpc.certificate_unreadable", "rpc.certificate_read"]


# --- keys and their file


def test_key_is_kept_as_a_digest_and_found_by_its_text(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    kept = keys.path.read_text(encoding="utf-8")
    assert not any(
        text.split("_", 2)[2] in kept for text in keys.texts.values()
    )  # the secret has "_" in it too
    assert keys.path.stat().st_mode & 0o777 == 0o600
    found = find(read_keys(keys.path), keys.texts["charge"])
    assert found is not None
    assert found.name == "charge"
    assert found.rights == frozenset({Role.CHARGE})


@pytest.mark.parametrize("wrong", ["", "_", "ocs", "ocs_x_y", "ocs__", "x" * 10_000, "\udcff_\udcff_\udcff"])
def test_text_that_is_no_key_is_none(tmp_path: Path, wrong: str) -> None:
    assert find(read_keys(Keys(tmp_path).path), wrong) is None


def test_secret_of_another_key_does_not_fit(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    name = keys.texts["administer"].split("_", 2)[1]
    secret = keys.texts["read"].split("_", 2)[2]
    assert find(read_keys(keys.path), f"ocs_{name}_{secret}") is None


def test_file_of_keys_that_is_damaged_is_named_and_changes_nothing_while_running(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    file = KeyFile(keys.path)
    lines = keys.path.read_text(encoding="utf-8").splitlines()
    keys.path.write_text("\n".join([lines[0], '{"id":5}']), encoding="utf-8")
    assert file.refresh() is False
    assert file.find(keys.texts["administer"]) is not None
    with pytest.raises(KeysError, match=r"keys\.jsonl:2:1: is not a key"):
        KeyFile(keys.path)
    keys.path.write_text(lines[0].replace('"read"', '"owner"', 2), encoding="utf-8")
    with pytest.raises(KeysError, match=r":1:1: is not a key: roles are"):
        KeyFile(keys.path)


def test_caller_from_elsewhere_may_do_nothing_and_one_of_this_machine_everything(tmp_path: Path) -> None:
    gate = KeyGate(KeyFile(tmp_path / "none"))
    for host in ("127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"):
        assert gate.arrived(host, 1).roles == frozenset(Role)
    for host in ("10.0.0.1", "::", "2001:db8::1", "::ffff:10.0.0.1", "", "localhost"):
        assert gate.arrived(host, 1).roles is NOTHING


# --- the record


def test_call_that_a_key_is_not_for_is_on_record(tmp_path: Path) -> None:
    async def test(door: Door, keys: Keys) -> None:
        wire = await door.connect("jsonrpc_tls", ssl=trusting())
        wire.send({"method": "OcsV1.Login", "params": [{"key": keys.texts["read"]}], "id": 1})
        assert (await wire.receive())["error"] is None
        assert (await wire.call("Change", {}))["error"] == "UNAUTHORIZED_API"
        await wire.close()

    lines = secured(tmp_path, test).lines()
    assert [(line["who"], line["outcome"]) for line in lines] == [("read", "refused -32004")]


def test_record_goes_on_after_a_restart_and_shows_what_was_changed(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    gate = KeyGate(KeyFile(tmp_path / "none"))
    caller = gate.arrived("127.0.0.1", 1)

    async def body(start: int) -> None:
        audit = Audit(path, lambda: AT_NS)
        for number in range(3):
            await recorded(audit, caller, f"A.B{start}{number}", {"amount": number})

    for start in range(2):
        asyncio.run(body(start))
    lines = path.read_bytes().splitlines()
    assert len(lines) == 6
    assert broken_at(lines) is None
    for number in range(1, 6):
        changed = [*lines]
        changed[number] = lines[number].replace(b'"amount":', b'"amount":1')
        assert broken_at(changed) == number + 1
    for number in range(1, 5):
        assert broken_at(lines[:number] + lines[number + 1 :]) == number + 1


def test_record_that_cannot_be_written_is_logged_and_the_call_is_answered(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "no" / "audit.jsonl", lambda: AT_NS)
    gate = KeyGate(KeyFile(tmp_path / "none"), audit)
    answered: list[bool] = []
    with structlog.testing.capture_logs() as lines:
        gate.audit(gate.arrived("127.0.0.1", 1), "A.B", {}, None, lambda: answered.append(True))
    assert ([line["event"] for line in lines], answered) == (["rpc.audit_failed"], [True])


def test_record_is_on_the_disk_before_the_call_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, forced = threading.Event(), []

    def force(path: Path) -> None:
        assert go.wait(PATIENCE_S)
        forced.append(path.read_bytes().count(b"\n"))
        if len(forced) == 2:
            raise OSError("disk full")

    monkeypatch.setattr("ocs.rpc.audit._force", force)

    async def test(door: Door, keys: Keys) -> None:
        wire = await door.connect("jsonrpc_tls", ssl=trusting())
        key = {"APIOpts": {"*apiKey": keys.texts["administer"]}}
        for number in range(3):
            wire.send({"method": "Test.Change", "params": [key], "id": number})
        wire.send({"method": "Test.Echo", "params": [key], "id": "echo"})
        assert (await wire.receive())["id"] == "echo"
        assert len(door.state.done) == 3
        assert forced == []
        go.set()
        assert [(await wire.receive())["id"] for _ in range(3)] == [0, 1, 2]
        assert forced == [3, 3]  # the first may have been read with the others; a disk that fails is logged
        await wire.close()

    with structlog.testing.capture_logs() as lines:
        secured(tmp_path, test)
    assert "rpc.audit_failed" in [line["event"] for line in lines]


@pytest.mark.parametrize("name", ["ocs.example.net", "another"])
def test_certificate_stands_for_the_key_it_names(tmp_path: Path, name: str) -> None:
    chain, file = certificate(tmp_path)
    keys = Keys(tmp_path)
    keys.add(name, Role.READ)
    context = trusting()
    context.load_cert_chain(chain, file)
    known = name == "ocs.example.net"

    async def body() -> None:
        gate = KeyGate(KeyFile(keys.path), Audit(keys.audit, lambda: AT_NS))
        async with opened(SECURED, gate, tls=ServerTls(chain, file, chain)) as door:
            for listener in ("jsonrpc_tls", "bidirectional_tls"):
                wire = await door.connect(listener, ssl=context)
                assert (await wire.call("Echo", {}))["error"] is None
                said = (await wire.call("Change", {}))["error"]
                assert said == (
                    "UNAUTHORIZED_API" if known else None
                )  # others of this machine may do everything
                await wire.close()
            url = "https://{}:{}/jsonrpc".format(*door.front.addresses["http_tls"])
            call = {"method": "Test.Change", "params": [{}], "id": 1}
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as client,
                client.post(url, json=call) as answer,
            ):
                assert (await answer.json())["error"] == ("UNAUTHORIZED_API" if known else None)
            wire = await door.connect("jsonrpc_tls", ssl=context)
            assert (await wire.call("Echo", {}))["error"] is None
            keys.revoke(name)
            assert gate.refresh()
            door.front.let_go()
            assert (await wire.receive() is None) if known else (await wire.call("Echo", {}))["error"] is None
            wire.writer.close()

    asyncio.run(body())
    assert {line["who"] for line in keys.lines()} == {name if known else "local"}


async def recorded(audit: Audit, caller: Caller, method: str, params: object) -> None:
    """Returns when a call is on record."""
    done = asyncio.get_running_loop().create_future()
    audit.write(caller, method, params, None, lambda: done.set_result(None))
    await done


# --- what must not be in a log

SECRET = "hunter2"
HEAD = b"POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "octets",
    [
        b'{"method":"X","params":[{"Password":"hunter2"}],"id":1}\r\n\r\n',
        HEAD + b"Authorization: Bearer hunter2\x00\r\n\r\n",
        HEAD + b"Content-Length: hunter2\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nhunter2\r\n",
        HEAD + b'Content-Length: 13\r\n\r\n{"a":hunter2}{"method":"hunter2"}\r\n\r\n',
        HEAD + b'Content-Length: 60\r\n\r\n{"method":"Test.Fail","params":[{"Secret":"hunter2"}],"id":1}',
    ],
)
def test_nothing_of_a_request_is_logged(octets: bytes) -> None:
    written = io.StringIO()
    log.configure(LogSettings(level="debug"), written)

    async def body() -> None:
        async with opened() as door:
            for listener in ("http", "jsonrpc", "bidirectional"):
                wire = await door.connect(listener)
                wire.send(octets)
                wire.writer.write_eof()
                async with asyncio.timeout(PATIENCE_S):
                    await wire.reader.read()
                wire.writer.close()

    try:
        asyncio.run(body())
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers.clear()
    assert SECRET not in written.getvalue()
