"""`ocs cdr export`: every page, exact amounts, and a clear word where Parquet cannot be written."""

import builtins
import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ocs.cli.export import COLUMNS, NO_PYARROW, flat
from ocs.cli.main import main
from tests.cli.conftest import FakeServer

Capture = pytest.CaptureFixture[str]
AT_NS = 1_795_000_000 * 10**9


def record(number: int, **members: Any) -> dict[str, Any]:
    """A record with two rating groups."""
    usage = [
        {"rating_group": 10, "service_identifiers": [], "used": {"octets": 1024}, "cost_nanos": 1},
        {
            "rating_group": None,
            "service_identifiers": [],
            "used": {"ns": 60 * 10**9},
            "cost_nanos": 10**17 + 1,
        },
    ]
    return {
        "account": "default:1",
        "client": "pgw",
        "session": f"s{number}",
        "service": "data",
        "opened_at_ns": AT_NS,
        "closed_at_ns": AT_NS + number * 10**9,
        "cost_nanos": 10**17 + 2,
        "cause": "",
        "called": "",
        "apn": "=cmd()",
        "usage": usage,
        "extra": {"x": "ü"},
    } | members


def pages(server: FakeServer, records: list[dict[str, Any]], size: int = 2) -> None:
    """Answer with a page at a time."""

    def answer(request: Any) -> bytes:
        start = int(request["params"][0].get("after", 0))
        page: dict[str, Any] = {"cdrs": records[start : start + size]}
        if start + size < len(records):
            page["next_after"] = str(start + size)
        return json.dumps({"id": request["id"], "result": page, "error": None}).encode() + b"\n"

    server.reply = answer


def export(server: FakeServer, *words: str) -> int:
    """Run the command."""
    return main(["cdr", "export", *words, "--server", server.address])


@pytest.fixture
def one_connection(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """The fake server answers one request per connection; so does the client then."""
    from ocs.client import Client

    ask = Client._ask

    def closing(self: Client, *arguments: Any) -> Any:
        try:
            return ask(self, *arguments)
        finally:
            self.close()

    monkeypatch.setattr(Client, "_ask", closing)
    return server


def test_csv_has_a_row_for_each_rating_group_of_every_page(
    one_connection: FakeServer, tmp_path: Path, capsys: Capture
) -> None:
    pages(one_connection, [record(number) for number in range(5, 0, -1)])
    file = tmp_path / "records.csv"
    assert export(one_connection, "--output", str(file)) == 0
    assert capsys.readouterr().err == f"5 records in {file}\n"
    with file.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["session"] for row in rows] == [f"s{number}" for number in (5, 5, 4, 4, 3, 3, 2, 2, 1, 1)]
    assert (rows[1]["session_cost"], rows[1]["cost"]) == ("100000000.000000002", "100000000.000000001")
    assert (rows[1]["used"], rows[1]["unit"], rows[1]["rating_group"]) == ("60000000000", "ns", "")
    assert rows[0]["apn"] == "'=cmd()"
    assert rows[0]["closed_at"] == "2026-11-18T11:06:45.000Z"


def test_json_lines_are_the_records_as_they_are(one_connection: FakeServer, capsys: Capture) -> None:
    records = [record(number) for number in (2, 1)]
    pages(one_connection, records)
    assert export(one_connection, "--format", "jsonl") == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == records


def test_times_bound_what_is_written_and_read(one_connection: FakeServer, capsys: Capture) -> None:
    pages(one_connection, [record(number) for number in range(9, 0, -1)])
    between = ("--since", "2026-11-18T11:06:43Z", "--until", "2026-11-18T12:06:47+01:00")
    assert export(one_connection, "--format", "jsonl", *between) == 0
    sessions = [json.loads(line)["session"] for line in capsys.readouterr().out.splitlines()]
    assert sessions == ["s6", "s5", "s4", "s3"]
    assert len(one_connection.requests) == 4


@pytest.mark.parametrize(
    ("time", "said"), [("yesterday", "is not a time"), ("2026-11-18T11:06:43", "no time zone")]
)
def test_time_that_is_none_is_said(server: FakeServer, capsys: Capture, time: str, said: str) -> None:
    assert export(server, "--since", time) == 2
    assert said in capsys.readouterr().err


def test_file_that_cannot_be_written_is_named(
    one_connection: FakeServer, tmp_path: Path, capsys: Capture
) -> None:
    pages(one_connection, [record(1)])
    assert export(one_connection, "--output", str(tmp_path / "no" / "x.csv")) == 1
    assert "x.csv: cannot be written" in capsys.readouterr().err


def test_parquet_without_its_package_says_what_to_install(
    server: FakeServer, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    assert export(server, "--format", "parquet", "--output", str(tmp_path / "x")) == 2
    assert capsys.readouterr().err == f"ocs: {NO_PYARROW}\n"


def test_parquet_has_exact_numbers(one_connection: FakeServer, tmp_path: Path) -> None:
    from pyarrow import parquet

    pages(one_connection, [record(1)])
    assert export(one_connection, "--format", "parquet", "--output", str(tmp_path / "x")) == 0
    assert parquet.read_table(tmp_path / "x").column("cost_nanos").to_pylist() == [1, 10**17 + 1]


def test_record_without_usage_is_one_row() -> None:
    [row] = flat(record(1, usage=[], extra={}))
    assert set(row) == set(COLUMNS)
    assert (row["used"], row["extra"]) == (None, "")
