"""`ocs call`: any method of either server; and what other commands say to `ocs cgrates`."""

import io
import json
from pathlib import Path

import pytest

from ocs.cli.main import main
from tests.cgrates.test_process import engine
from tests.support.ports import free_port

Capture = pytest.CaptureFixture[str]


def test_the_methods_of_ocs_cgrates_are_called(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    at = ("--server", f"127.0.0.1:{port}")
    with engine(tmp_path, port):
        added = {"Account": "1001", "BalanceType": "*monetary", "Value": 5, "Balance": {"ID": "b"}}
        assert main(["call", "APIerSv1.AddBalance", json.dumps(added), *at]) == 0
        assert capsys.readouterr().out == '"OK"\n'
        monkeypatch.setattr("sys.stdin", io.StringIO('{"Account":"1001"}'))
        assert main(["call", "APIerSv2.GetAccount", "-", *at]) == 0
        [balance] = json.loads(capsys.readouterr().out)["BalanceMap"]["*monetary"]
        assert (balance["ID"], balance["Value"]) == ("b", 5)
        assert main(["call", "CoreSv1.Ping", *at]) == 0
        assert capsys.readouterr().out == '"Pong"\n'
        assert main(["call", "APIerSv1.GetActions", '"none"', *at]) == 1
        assert capsys.readouterr().err == "ocs: NOT_FOUND\n"
        assert main(["account", "ls", *at]) == 1
        told = capsys.readouterr().err
        assert "`ocs cgrates`" in told
        assert f'ocs call APIerSv2.GetAccount \'{{"Account":"1001"}}\' --server 127.0.0.1:{port}' in told


def test_parameters_that_are_no_json_are_refused_before_anybody_is_asked(capsys: Capture) -> None:
    assert main(["call", "CoreSv1.Ping", "{'a'", "--server", "127.0.0.1:1"]) == 2
    assert "line 1 column 2" in capsys.readouterr().err


def test_an_export_without_a_server_leaves_nothing(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "records.csv"
    words = ["cdr", "export", "--server", "127.0.0.1:1"]
    assert main(words) == 1
    assert main([*words, "--output", str(file)]) == 1
    assert capsys.readouterr().out == ""
    assert not file.exists()
