"""`ocs cdr rate`: foreign records with their cost, and a run that goes on where it was ended."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ocs.cli.main import main

TARIFF = """
currency: EUR
destinations: {germany: "49"}
rates: {minute: {price: "0.06", per: 60s, increment: 1s}}
plans: {standard: {voice: [{to: germany, rate: minute}]}}
"""
RECORDS = (
    "dst,usage,at,who\n"
    "+4930,60s,2026-06-01T10:00:00Z,a\n"
    "33,60s,2026-06-01T10:00:00Z,b\n"
    "49301,x,2026-06-01,c\n"
)
RATED = (
    "dst,usage,at,who,result,cost,currency\n"
    "+4930,60s,2026-06-01T10:00:00Z,a,RATED,0.06,EUR\n"
    "33,60s,2026-06-01T10:00:00Z,b,NO_RULE,0.00,EUR\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tariffs.yaml").write_text(TARIFF)
    (tmp_path / "in.csv").write_text(RECORDS)
    return tmp_path


def rate(folder: Path, source: str = "") -> int:
    out = ["--out", str(folder / "out.csv"), "--column", "called=dst", "--plan", "standard"]
    return main(
        ["cdr", "rate", source or str(folder / "in.csv"), "--tariff", str(folder / "tariffs.yaml"), *out]
    )


def test_every_row_gets_its_cost_or_why_it_has_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rate(folder) == 1
    written = (folder / "out.csv").read_text()
    assert written.startswith(RATED)
    assert '"""x"" is not a quantity' in written.splitlines()[3]
    assert "2 rows without a price" in capsys.readouterr().err


def test_a_run_goes_on_behind_the_last_whole_row(folder: Path) -> None:
    rate(folder)
    whole = (folder / "out.csv").read_bytes()
    first = whole.index(b"\n33")
    (folder / "out.csv").write_bytes(whole[: first + 9])
    rate(folder)
    assert (folder / "out.csv").read_bytes() == whole
    rate(folder)
    assert (folder / "out.csv").read_bytes() == whole, "a whole output stays as it is"


@pytest.fixture
def served(folder: Path) -> Iterator[str]:
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/in.csv"
        server.shutdown()
        thread.join()


def test_records_may_come_from_a_url(folder: Path, served: str) -> None:
    rate(folder, served)
    assert (folder / "out.csv").read_text().startswith(RATED)


def test_a_missing_column_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "in.csv").write_text("number,usage,at\n")
    assert rate(folder) == 1
    assert 'in.csv:1: has no column "dst"; name another: --column called=TITLE' in capsys.readouterr().err
