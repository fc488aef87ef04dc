"""The program as it is installed: the compiled wheel, not the sources, with both cores and their session calls."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cgrates.engine import ON
from tests.support.ports import free_ports
from tests.support.waiting import PATIENCE_S

EVENT = {
    "OriginID": "installed-1",
    "ToR": "*voice",
    "RequestType": "*prepaid",
    "Account": "15550100001",
    "Destination": "4915112345678",
    "SetupTime": "2026-06-15T12:00:00Z",
    "AnswerTime": "2026-06-15T12:00:00Z",
    "Usage": "60s",
}


@contextmanager
def started(folder: Path, ready: str, *arguments: str) -> Iterator[None]:
    """The installed `ocs`, away from the sources, until SIGTERM, which it must answer with status 0."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "ocs", *arguments]
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
    try:
        with log.open() as lines:
            text = ""
            while ready not in text:
                text += lines.read()
                assert process.poll() is None, text
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def call(port: int, method: str, parameters: dict[str, Any]) -> Any:
    """The result of one call."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.sendall(json.dumps({"method": method, "id": 1, "params": [parameters]}).encode())
        answer = json.loads(connection.makefile("rb").readline())
    assert answer["error"] is None
    return answer["result"]


def program(folder: Path, name: str) -> Path:
    """Where the installed program has a module."""
    found = subprocess.run(
        [sys.executable, "-c", f"import {name} as found; print(found.__file__)"],
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(found.stdout.strip())


def test_hot_path_is_compiled(tmp_path: Path) -> None:
    for name in ("ocs.charging.engine", "ocs.charging.cgrates.debit", "ocs.diameter.avp"):
        assert program(tmp_path, name).suffix == ".so"


def test_installed_server_charges_a_call_of_the_session_api(tmp_path: Path) -> None:
    diameter, jsonrpc, both_ways, http = free_ports(4)
    settings = {
        "identity": {"origin_host": "ocs.example.net", "origin_realm": "example.net"},
        "diameter": {"listen": [{"address": "127.0.0.1", "port": diameter}]},
        "charging": {"currency": "EUR", "tariffs": "demo", "accounts": "demo"},
        "rpc": {
            "jsonrpc": f"127.0.0.1:{jsonrpc}",
            "bidirectional": f"127.0.0.1:{both_ways}",
            "http": f"127.0.0.1:{http}",
        },
    }
    (tmp_path / "ocs.yaml").write_text(json.dumps(settings), encoding="utf-8")
    arguments = ("serve", "--config", "ocs.yaml", "--data-dir", "data")
    with started(tmp_path, "server.ready", *arguments):
        granted = call(jsonrpc, "SessionSv1.AuthorizeEvent", {"GetMaxUsage": True, "Event": EVENT})
        assert granted["MaxUsage"] == 60_000_000_000
        reply = call(jsonrpc, "SessionSv1.InitiateSession", {"InitSession": True, "Event": EVENT})
        assert reply["MaxUsage"] == 60_000_000_000
        ended = call(jsonrpc, "SessionSv1.TerminateSession", {"TerminateSession": True, "Event": EVENT})
        assert ended == "OK"


def test_installed_server_answers_like_the_incumbent(tmp_path: Path) -> None:
    jsonrpc, both_ways, http = free_ports(3)
    listen = {
        "rpc_json": f"127.0.0.1:{jsonrpc}",
        "birpc_json": f"127.0.0.1:{both_ways}",
        "http": f"127.0.0.1:{http}",
    }
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "cgrates.json").write_text(json.dumps({**ON, "listen": listen}), encoding="utf-8")
    arguments = ("cgrates", "-config_path", "conf", "-data_dir", "kept", "-logger", "*stdout")
    with started(tmp_path, "server.ready", *arguments):
        assert call(jsonrpc, "SessionSv1.Ping", {}) == "Pong"
