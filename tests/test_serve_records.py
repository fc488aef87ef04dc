"""Records out and in, and fraud, on `ocs serve`: the examples of docs/profiles.md, from outside."""

import csv
import json
import socket
import urllib.request
from pathlib import Path

from tests.cgrates.test_profiles_page import blocks as page_blocks
from tests.cgrates.test_profiles_page import shown
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S, until
from tests.test_serve_agents import blocks
from tests.test_serve_sessions import (
    CREDIT,
    OTHER,
    RICH,
    SECOND_COST,
    Server,
    call_of,
)

ROWS = f"""\
r-1,{RICH},{OTHER},2026-01-05T10:00:00Z,60s
r-2,{RICH},{OTHER},2026-01-05T11:00:00Z,broken
r-3,{RICH},{OTHER},2026-01-05T12:00:00Z,30s
"""


def exported(server: Server, folder: Path, count: int) -> list[list[str]]:
    """What the exporter has written, once it counts so many records; both are behind the answers by a moment."""
    wanted = f'ocs_exported_total{{exporter="billing",outcome="sent"}} {float(count)}'
    until(lambda: wanted in page_of_metrics(server).splitlines(), wanted)
    with (folder / "data" / "out" / "billing.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def page_of_metrics(server: Server) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http}/metrics", timeout=PATIENCE_S) as page:
        return str(page.read().decode())


def test_records_are_read_charged_once_and_exported(tmp_path: Path) -> None:
    server = Server(tmp_path, more=blocks()["records.yaml"])
    try:
        incoming = tmp_path / "data" / "in"
        incoming.mkdir()
        (incoming / "monday.csv").write_text(ROWS, encoding="utf-8")
        assert server.call("ErSv1.RunReader", {"ID": "switch"}) == "OK"
        assert server.money(RICH) == (CREDIT - 90 * SECOND_COST, 0)
        assert [path.name for path in (tmp_path / "data" / "done").iterdir()] == ["monday.csv"]
        server.call("SessionSv1.InitiateSession", call_of("InitSession", "10s"))
        server.call("SessionSv1.TerminateSession", call_of("TerminateSession", "10s"))
        server.call("SessionSv1.ProcessCDR", call_of("", "10s"))
        assert exported(server, tmp_path, 3) == [
            ["account", "called", "seconds", "cost"],
            [RICH, OTHER, "60", "0.03"],
            [RICH, OTHER, "30", "0.015"],
            [RICH, OTHER, "10", "0.005"],
        ]
        (incoming / "monday.csv").write_text(ROWS, encoding="utf-8")
        server.killed()
        assert server.call("ErSv1.RunReader", {"ID": "switch"}) == "OK"
        assert server.money(RICH) == (CREDIT - 100 * SECOND_COST, 0), "a record that is there is charged once"
    finally:
        server.stop()


SETTINGS = """
identity: {{origin_host: ocs.example.org, origin_realm: example.org}}
diameter: {{listen: []}}
charging: {{tariffs: tariff}}
sessions: {{default_tenant: acme.org, profiles: tariff}}
rpc: {{jsonrpc: "127.0.0.1:{jsonrpc}", bidirectional: none, http: none}}
log: {{format: json}}
"""


ELSEWHERE = ("APIerSv2.GetAccount", "TrendSv1")  # accounts have methods of their own here


class Example(Server):
    """A server on the folder of the page; files of the same name are instead of its own."""

    def __init__(self, folder: Path, more: str = "", **files: str) -> None:
        self._folder, self.jsonrpc = folder, free_port()
        text = SETTINGS.format(jsonrpc=self.jsonrpc)
        (folder / "ocs.yaml").write_text(text + more, encoding="utf-8")
        (folder / "tariff").mkdir()
        for name, content in (
            page_blocks()[0] | {f"{name}.csv": text for name, text in files.items()}
        ).items():
            (folder / "tariff" / name).write_text(content, encoding="utf-8")
        self.process = self._started()


def test_the_examples_hold_here_too_and_that_of_fraud_disables_the_account(tmp_path: Path) -> None:
    server = Example(tmp_path)
    try:
        assert server.call("OcsV1.AccountShow", {"account": "acme.org:1001"})["standing"] == "ACTIVE"
        asked = [pair for pair in page_blocks()[1] if not pair[0]["method"].startswith(ELSEWHERE)]
        assert len(asked) > 10
        for request, expected in asked:
            answer = server.answer(request["method"], *request["params"])
            told = {name: answer[name] for name in ("result", "error")}
            if told["result"] is not None:
                told["result"] = shown(told["result"], expected["result"])
            assert told == {name: expected[name] for name in told}, request
        server.killed()
        barred = server.call("OcsV1.AccountShow", {"account": "acme.org:1001"})
        assert barred["standing"] == "BARRED"
        history = server.call("OcsV1.AccountHistory", {"account": "acme.org:1001"})
        assert "threshold FRAUD" in str(history), "who did it stays in its history"
    finally:
        server.stop()


FEE = 'FEE,*debit,,,main,*monetary,,,,,,,0.01,,,,20\nFEE,*cdrlog,"{""Category"":""fee""}",,,,,,,,,,,,,,10\n'
EVERY_HIT = "acme.org,FEES,*string:~*req.EventName:FEE,,-1,1,0,false,10,FEE,false,\n"
EXPORTER = """
records:
  exporters:
    - id: billing
      type: csv
      path: out
      header: false
      fields: [{name: cost, value: "~*req.Cost"}, {name: category, value: "~*req.Category"}]
"""
HITS, HEARD = 600, 60


def test_a_server_killed_under_load_has_a_record_of_every_debit_that_a_threshold_made(tmp_path: Path) -> None:
    server = Example(tmp_path, EXPORTER, Actions=FEE, Thresholds=EVERY_HIT)
    try:
        params = [{"Tenant": "acme.org", "Event": {"EventName": "FEE", "Account": "1001"}}]
        line = json.dumps({"method": "ThresholdSv1.ProcessEvent", "id": 1, "params": params}).encode() + b"\n"
        with socket.create_connection(("127.0.0.1", server.jsonrpc), timeout=PATIENCE_S) as connection:
            connection.sendall(line * HITS)
            answers = connection.makefile()
            assert all('"result":["FEES"]' in answers.readline().replace(" ", "") for _ in range(HEARD))
            server.killed()
        records = server.call("CDRsV1.GetCDRs", {"Accounts": ["1001"]})
        assert HEARD <= len(records) <= HITS
        posted, _ = server.money("acme.org:1001")
        assert posted == -len(records) * 10_000_000
        first = records[0]
        assert [first[name] for name in ("RunID", "Source", "RequestType", "Cost", "Category")] == [
            "*debit",
            "*cdrlog",
            "*none",
            0.01,
            "fee",
        ]
        path = tmp_path / "data" / "out" / "billing.csv"

        def rows() -> list[str]:
            """Those written so far, to the end of their line."""
            return path.read_text("utf-8").split("\n")[:-1] if path.exists() else []

        until(lambda: len(rows()) >= len(records), "every record is exported, at least once")
        assert set(rows()) == {"0.01,fee"}
    finally:
        server.stop()
