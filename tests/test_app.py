"""Claims about the program as a whole: starting, refusing to start, stopping."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S, until

ROOT = Path(__file__).resolve().parent.parent

SETTINGS = """
identity: {{origin_host: ocs.example.org, origin_realm: example.org}}
diameter: {{listen: [{{address: 127.0.0.1, port: {port}}}]}}
charging: {{accounts: {accounts}}}
rpc: {{jsonrpc: none, bidirectional: none, http: none}}
log: {{format: json}}
"""


def start(folder: Path, port: int, accounts: str = "none") -> subprocess.Popen[str]:
    """The server in a folder of its own."""
    config = folder / "ocs.yaml"
    config.write_text(SETTINGS.format(port=port, accounts=accounts), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "ocs",
        "serve",
        "--config",
        str(config),
        "--data-dir",
        str(folder / "data"),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def read_until(server: subprocess.Popen[str], event: str) -> str:
    """The log up to and with the line of an event."""
    assert server.stderr is not None
    lines = []
    for line in server.stderr:
        lines.append(line)
        if event in line:
            return "".join(lines)
    raise AssertionError(f"no {event} in:\n{''.join(lines)}")


def test_it_is_ready_when_it_listens_and_ends_with_0_after_a_drain(tmp_path: Path) -> None:
    port = free_port()
    server = start(tmp_path, port)
    read_until(server, "server.ready")
    socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S).close()
    server.send_signal(signal.SIGTERM)
    _, rest = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 0
    assert "server.stopped" in rest


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = start(tmp_path, int(taken.getsockname()[1]))
        _, log = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 2
    assert "cannot listen" in log
    assert "Traceback" not in log


def test_a_second_server_on_the_same_data_folder_is_refused(tmp_path: Path) -> None:
    first = start(tmp_path, free_port())
    read_until(first, "server.ready")
    second = start(tmp_path, free_port())
    _, log = second.communicate(timeout=PATIENCE_S)
    first.terminate()
    first.communicate(timeout=PATIENCE_S)
    assert second.returncode == 2
    assert "another server uses this data folder" in log


def test_it_stops_while_it_opens_the_accounts_of_a_new_store(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text('accounts:\n  - {count: 5000000, key: "{n}", plan: standard}\n', encoding="utf-8")
    server = start(tmp_path, free_port(), str(accounts))
    database = tmp_path / "data" / "ocs.db"
    until(lambda: database.exists() or server.poll() is not None, "the store is being filled")
    server.send_signal(signal.SIGTERM)
    _, log = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 0, log


def test_a_mistake_in_the_accounts_file_is_shown_with_its_place(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text("accounts:\n  - {kee: a}\n", encoding="utf-8")
    server = start(tmp_path, free_port(), str(accounts))
    _, log = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 2
    assert re.search(r'accounts\.yaml:2:\d+: .*did you mean "key"', log)
