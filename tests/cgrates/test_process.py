"""`ocs cgrates` as a process: its name, that it leaves its port, and that a kill loses nothing acknowledged."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ocs.cli.main import main
from tests.cgrates.engine import ON, write_folder
from tests.charging.cgrates.small import Price, texts_of
from tests.interop.programs import is_listening
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S, until

ROOT = Path(__file__).resolve().parents[2]
RECORDS = 300
KILL_AFTER = 120
IN_FLIGHT = 40
VAIN: dict[str, Any] = {"suretax": {}, "ees": {"cache": {}}}  # without effect
SCRIPT = (
    "#!{python}\nimport sys\nsys.path.insert(0, {root!r})\nfrom ocs.cli.main import main\nsys.exit(main())\n"
)


class Connection:
    """A JSON connection that may have several requests under way."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
        self._lines = self._socket.makefile("rb")

    def send(self, number: int, method: str, params: dict[str, Any]) -> None:
        """Sends a request without waiting."""
        self._socket.sendall(json.dumps({"method": method, "params": [params], "id": number}).encode())

    def receive(self) -> dict[str, Any] | None:
        """The next answer; None where the server is gone."""
        try:
            line = self._lines.readline()
        except OSError:
            return None
        return json.loads(line) if line.endswith(b"\n") else None

    def close(self) -> None:
        """Closes it."""
        self._lines.close()
        self._socket.close()

    def call(self, method: str, params: dict[str, Any]) -> Any:
        """The result of a request."""
        self.send(0, method, params)
        answer = self.receive()
        assert answer is not None
        assert answer["error"] is None
        return answer["result"]


@contextmanager
def engine(
    folder: Path, port: int, *flags: str, more: dict[str, Any] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server started as supervisors of the incumbent start it; it is killed in the end.

    `more` is a second file of its configuration.
    """
    (folder / "conf").mkdir(exist_ok=True)
    listen = {"rpc_json": f"127.0.0.1:{port}", "birpc_json": "", "http": ""}
    for name, content in (("cgrates.json", {**ON, "listen": listen, **VAIN}), ("more.json", more or {})):
        (folder / "conf" / name).write_text(json.dumps(content), encoding="utf-8")
    program = folder / "cgr-engine"
    program.write_text(SCRIPT.format(python=sys.executable, root=str(ROOT)), encoding="utf-8")
    program.chmod(0o755)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [program, f"-config_path={folder / 'conf'}", "-logger=*stdout", *flags],
            stdout=log,
            stderr=log,
            cwd=folder,
        )
    try:
        until(lambda: _listens(process, port, folder / "log"), "the server listens")
        yield process
    finally:
        process.kill()
        process.wait()


def _listens(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    return is_listening(port)


def test_a_command_asks_it_why_a_call_cost_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    tariff = tmp_path / "tariff"
    tariff.mkdir()
    write_folder(tariff, {**dict(texts_of(Price("0 1/1/1"))), "Chargers.csv": "t,D,,,*default,*none,0\n"})
    event = {"OriginID": "c1", "ToR": "*voice", "RequestType": "*rated", "Category": "call"}
    event |= {"Account": "1001", "Destination": "49", "AnswerTime": "2026-06-15T12:00:00Z", "Usage": "60s"}
    with engine(tmp_path, port, f"-data_dir={tmp_path / 'data'}"), closing(Connection(port)) as client:
        assert client.call("APIerSv1.LoadTariffPlanFromFolder", {"FolderPath": str(tariff)}) == "OK"
        client.call("CDRsV1.ProcessEvent", {"Flags": ["*rals"], "Tenant": "t", "Event": event})
        server = ["--server", f"127.0.0.1:{port}"]
        assert main(["explain", "c1", *server]) == 0
        assert main(["explain", "--account", "t:1001", "--last", *server]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert shown[: len(shown) // 2] == shown[len(shown) // 2 :]
        assert shown[0].startswith("call c1 of nobody named")
        assert main(["explain", "c2", *server]) == 1
        assert "no record of c2" in capsys.readouterr().err


def test_it_has_the_name_and_the_manners_of_the_engine(tmp_path: Path) -> None:
    port = free_port()
    with engine(tmp_path, port, "-node_id", "n1", "-singlecpu") as process:
        assert Path(f"/proc/{process.pid}/comm").read_text() == "cgr-engine\n"
        with closing(Connection(port)) as client:
            assert client.call("APIerSv1.Ping", {}) == "Pong"
            process.send_signal(signal.SIGTERM)  # a client that stays connected holds nothing up
            assert process.wait(PATIENCE_S) == 0
        with socket.socket() as successor:
            successor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            successor.bind(("127.0.0.1", port))
        (told,) = [
            line
            for line in (tmp_path / "log").read_text().splitlines()
            if "config.keys_without_effect" in line
        ]
        assert "no connection to SureTax" in told
        assert "exporters are kept open while the server runs" in told


def record(number: int) -> dict[str, Any]:
    """A record that costs 1."""
    event: dict[str, Any] = {
        "OriginID": f"o{number}",
        "ToR": "*sms",
        "RequestType": "*prepaid",
        "Category": "call",
    }
    event |= {"Account": "a", "Destination": "33", "AnswerTime": "2025-03-05T10:00:00Z", "Usage": 1}
    return {"Flags": ["*rals"], "Tenant": "t", "Event": event}


def test_a_kill_loses_no_acknowledged_debit_and_repeats_none(tmp_path: Path) -> None:
    port = free_port()
    tariff = tmp_path / "tariff"
    tariff.mkdir()
    write_folder(tariff, {**dict(texts_of(Price("0 1/1/1"))), "Chargers.csv": "t,D,,,*default,*none,0\n"})
    data = ("-data_dir", str(tmp_path / "data"))
    acknowledged: set[int] = set()
    with engine(tmp_path, port, *data) as process, closing(Connection(port)) as client:
        client.call("APIerSv1.LoadTariffPlanFromFolder", {"FolderPath": str(tariff)})
        balance = {"Tenant": "t", "Account": "a", "BalanceType": "*monetary", "Value": 1000}
        client.call("APIerSv2.SetBalance", {**balance, "Balance": {"ID": "main"}})
        for number in range(1, IN_FLIGHT):
            client.send(number, "CDRsV1.ProcessEvent", record(number))
        for number in range(IN_FLIGHT, RECORDS + 1):
            client.send(number, "CDRsV1.ProcessEvent", record(number))
            answer = client.receive()
            assert answer is not None
            assert answer["result"] == "OK"
            acknowledged.add(answer["id"])
            if len(acknowledged) == KILL_AFTER:
                process.kill()
                break
        while (answer := client.receive()) is not None:
            acknowledged.add(answer["id"])
    with engine(tmp_path, port, *data), closing(Connection(port)) as client:
        kept = {int(cdr["OriginID"][1:]) for cdr in client.call("CDRsV1.GetCDRs", {"Accounts": ["a"]})}
        assert acknowledged <= kept
        assert held(client) == 1000 - len(kept)
        repeated = [again(client, number) for number in range(1, RECORDS + 1)]
        assert [number for number, is_new in enumerate(repeated, 1) if not is_new] == sorted(kept)
        assert held(client) == 1000 - RECORDS


def held(client: Connection) -> float:
    """What is left of the account."""
    account = client.call("APIerSv2.GetAccount", {"Tenant": "t", "Account": "a"})
    return float(account["BalanceMap"]["*monetary"][0]["Value"])


def again(client: Connection, number: int) -> bool:
    """Sends a record once more; whether it was new."""
    client.send(number, "CDRsV1.ProcessEvent", record(number))
    answer = client.receive()
    assert answer is not None
    assert answer["error"] in (None, "EXISTS")
    return answer["error"] is None
