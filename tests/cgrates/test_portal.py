"""`ocs cgrates` from outside, as a portal uses it: tariff, accounts, plans and costs over TCP, and over a kill."""

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

import pytest

from tests.cgrates.methods.test_costs import TARIFF
from tests.interop.programs import is_listening
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S, until
from tests.test_app import ROOT

ON = ["*internal"]


class Portal:
    """One connection to a server."""

    def __init__(self, port: int) -> None:
        until(lambda: is_listening(port), "the server listens")
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self._file = self._socket.makefile("rb")

    def __call__(self, method: str, **params: Any) -> Any:
        """The result of a call, or its error."""
        self._socket.sendall(json.dumps({"method": method, "params": [params], "id": 1}).encode())
        answer = json.loads(self._file.readline())
        return answer["result"] if answer["error"] is None else answer["error"]

    def close(self) -> None:
        """Hangs up."""
        self._file.close()
        self._socket.close()


@contextmanager
def server(folder: Path, port: int) -> Iterator[tuple[subprocess.Popen[bytes], Portal]]:
    """A server with its data in a folder, and a connection to it."""
    words = ["cgrates", "-config_path", str(folder / "conf"), "-data_dir", str(folder / "data")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", "ocs", *words], stderr=log, env=environment)
    portal: Portal | None = None
    try:
        portal = Portal(port)
        yield process, portal
    finally:
        if portal is not None:
            portal.close()
        process.kill()
        process.wait(PATIENCE_S)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration and a tariff."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "tp").mkdir()
    for name, text in TARIFF.items():
        (tmp_path / "tp" / name).write_text(text)
    return tmp_path


def configure(folder: Path) -> int:
    """Writes the configuration; its port."""
    port = free_port()
    sections = {
        "listen": {"rpc_json": f"127.0.0.1:{port}", "http": "", "birpc_json": ""},
        "rals": {"enabled": True},
        "schedulers": {"enabled": True},
        "apiers": {"enabled": True, "scheduler_conns": ON},
        "chargers": {"enabled": True},
        "cdrs": {"enabled": True, "rals_conns": ON, "chargers_conns": ON},
    }
    (folder / "conf" / "cgrates.json").write_text(json.dumps(sections))
    return port


def test_what_a_portal_has_set_survives_a_kill(folder: Path) -> None:
    port = configure(folder)
    cost = {"Subject": "1001", "Destination": "4912", "AnswerTime": "2026-06-15T12:00:00Z", "Usage": "60s"}
    topup = {"Identifier": "*topup", "BalanceId": "main", "BalanceType": "*monetary", "Units": 5, "Weight": 1}
    with server(folder, port) as (process, portal):
        assert portal("APIerSv1.Ping") == "Pong"
        assert portal("APIerSv1.LoadTariffPlanFromFolder", FolderPath=str(folder / "tp")) == "OK"
        assert portal("APIerSv1.GetCost", **cost)["Cost"] == 0.6
        assert portal("APIerSv2.SetActions", ActionsId="TOP", Actions=[topup]) == "OK"
        plan = [{"ActionsId": "TOP", "Time": "*asap", "Weight": 10}]
        assert portal("APIerSv1.SetActionPlan", Id="AP", ActionPlan=plan) == "OK"
        assert portal("APIerSv2.SetAccount", Account="1001", ActionPlanIDs=["AP"]) == "OK"
        usage = {
            "Account": "1001",
            "Destination": "4912",
            "Usage": "60s",
            "SetupTime": "2026-06-15T12:00:00Z",
        }
        assert portal("APIerSv1.DebitUsage", **usage) == "OK"
        account = portal("APIerSv2.GetAccount", Account="1001")
        assert account["BalanceMap"]["*monetary"][0]["Value"] == 4.4
        assert portal("APIerSv1.SetChargerProfile", ID="SECOND", RunID="second") == "OK"
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
    with server(folder, port) as (process, portal):
        assert portal("APIerSv2.GetAccount", Account="1001") == account
        assert portal("APIerSv1.GetCost", **cost)["Cost"] == 0.6
        assert portal("APIerSv1.GetActionPlan", ID="AP")[0]["AccountIDs"] == {"cgrates.org:1001": True}
        assert portal("APIerSv1.GetChargerProfileIDs") == ["DEFAULT", "SECOND"]
        assert portal("APIerSv1.Nonsense") == "rpc: can't find method APIerSv1.Nonsense"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
