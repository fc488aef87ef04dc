"""`ocs tariff`: checking, keeping, comparing and switching, without and with a running server."""

import fcntl
import json
from pathlib import Path
from typing import Any

import pytest

from ocs.cli import tariff_files, tariff_switch
from ocs.cli.main import main
from ocs.tariff_versions import Versions
from tests.cli.conftest import FakeServer
from tests.support.tariff_texts import write_folder, yaml_text

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with two versions, at 0.10 and 0.20."""
    folder = tmp_path / "data"
    for price in ("0.10", "0.20"):
        path = tmp_path / f"{price}.yaml"
        path.write_text(yaml_text(price), encoding="utf-8")
        assert main(["tariff", "import", str(path), "--data-dir", str(folder), "--note", price]) == 0
    return folder


PROFILES = {
    "Filters.csv": "t,F,*strin,~*req.Account,1001,\n",
    "Attributes.csv": "t,A,,,,,*req.X,*constan,1,false,0\nt,B,,*strin:~*req.A:1,,,*req.X,*constant,1,false,0\n",
    "Chargers.csv": "t,C,,,*default,*constan:*req.X:y,0\nt,D,NO_SUCH,,*raw,,0\n",
    "Resources.csv": "t,R,*wrong:x:y,,1h,2,m,false,true,10,*none\n",
    "Stats.csv": "t,S,,,100,1h,2,*acx,,true,false,10,NO_SUCH\n",
    "Trends.csv": "t,T,@every 1h,S,*acd,-1,-1,1,*averag,2.5,true,\n",
    "Rankings.csv": "t,R,@every 1h,S,*acd,*des,,true,\n",
    "Thresholds.csv": "t,T,,,-1,5,1m,false,10,NO_SUCH,true,\n",
    "Routes.csv": "t,R,,,*lcc,,c1,,,,,,10,false,,20\n",
    "IPs.csv": "t,I,,,1h,true,10,P,,*ipv4,10.0.0.500/32,*ascending,,10,false\n",
}


def run(data: Path, *words: str) -> int:
    return main(["tariff", *words, "--data-dir", str(data)])


def test_lint_tells_errors_with_their_path_and_exits_2(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(yaml_text().replace("1m", "soon"), encoding="utf-8")
    assert main(["tariff", "lint", str(path)]) == 2
    assert f'{path}:2:67: plans.standard.voice.rate.per: "soon" is not' in capsys.readouterr().err
    folder = write_folder(tmp_path / "folder", Rates="R,0,x,60s,1s,0s\n")
    assert main(["tariff", "lint", str(folder), "--json"]) == 2
    [found] = json.loads(capsys.readouterr().out)
    assert (found["file"], found["line"], found["column"], found["severity"]) == (
        f"{folder}/Rates.csv",
        1,
        3,
        "error",
    )


def test_lint_of_a_good_tariff_exits_0_also_with_warnings(tmp_path: Path, capsys: Capture) -> None:
    folder = write_folder(tmp_path / "folder", Destinations="D,49\nE,1\n")
    assert main(["tariff", "lint", str(folder)]) == 0
    shown = capsys.readouterr().err.splitlines()
    assert shown == [
        f'{folder}/Destinations.csv:2:1: warning: Tag: the destination "E" is never used',
        "1 warning",
    ]


def test_lint_tells_what_is_wrong_in_profile_files_with_its_column(tmp_path: Path, capsys: Capture) -> None:
    folder = write_folder(tmp_path / "folder", Destinations="D,49\n")
    for name, text in PROFILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert main(["tariff", "lint", str(folder)]) == 0
    shown = capsys.readouterr().err.splitlines()
    found = {line.removeprefix(f"{folder}/").partition(": ")[0] for line in shown if ": warning: " in line}
    assert found == {
        *("Filters.csv:1:3", "Attributes.csv:1:8", "Attributes.csv:2:4", "Chargers.csv:1:6", "Stats.csv:1:8"),
        *("Resources.csv:1:3", "Routes.csv:1:5", "Thresholds.csv:1:10", "Trends.csv:1:9", "Rankings.csv:1:6"),
        *("IPs.csv:1:11", "Chargers.csv:2:3", "Stats.csv:1:13"),
    }
    assert "Stats.csv:1:8: warning: MetricIDs: no metric is called '*acx'" in "\n".join(shown)


def test_too_many_findings_are_cut_with_the_errors_first(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tariff_files, "MOST_SHOWN", 1)
    folder = write_folder(tmp_path / "folder", Destinations="D,49\nE,1\n", Rates="R,0,x,60s,1s,0s\n")
    assert main(["tariff", "lint", str(folder)]) == 2
    shown = capsys.readouterr().err.splitlines()
    assert shown == [f'{folder}/Rates.csv:1:3: Rate: "x" is not a price', "and 1 more", "1 error, 1 warning"]


@pytest.mark.parametrize(
    "words",
    [["--category", "call=fax"], ["--time-zone", "Mars/Base"], ["--currency", "euro"]],
)
def test_wrong_options_of_a_folder_exit_2(tmp_path: Path, capsys: Capture, words: list[str]) -> None:
    assert main(["tariff", "lint", str(write_folder(tmp_path / "f")), *words]) == 2
    assert words[0] in capsys.readouterr().err


def test_what_cannot_be_read_exits_2(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("nothing.yaml", "empty"):
        assert main(["tariff", "lint", str(tmp_path / name)]) == 2
    shown = capsys.readouterr().err
    assert f"{tmp_path}/nothing.yaml:1:1: cannot be read" in shown
    assert "has no file of a tariff" in shown


def test_import_keeps_a_folder_with_its_options(data: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = write_folder(tmp_path / "folder")
    options = ["--currency", "USD", "--category", "call=voice,data"]
    assert run(data, "import", str(folder), *options) == 0
    assert (
        "version 3: 2 plans, 1 rates, 1 destinations with 2 prefixes, prices in USD"
        in capsys.readouterr().out
    )
    version = Versions(data).get(3)
    assert (version.kind, version.options.services, version.origin) == (
        "cgrates",
        {"call": ("voice", "data")},
        str(folder),
    )


def test_a_wrong_tariff_is_not_kept(data: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", Rates="R,0,x,60s,1s,0s\n")
    assert run(data, "import", str(folder)) == 2
    assert len(Versions(data).all()) == 2


def test_dry_run_shows_price_changes_and_keeps_nothing(data: Path, tmp_path: Path, capsys: Capture) -> None:
    path = str(tmp_path / "0.20.yaml")
    assert run(data, "import", path, "--dry-run") == 0
    assert "no version is active to compare it with" in capsys.readouterr().out
    assert run(data, "activate", "1") == 0
    capsys.readouterr()
    assert run(data, "import", path, "--dry-run") == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "compared with version 1:",
        "~ rate call: 0.10/1m by 1s -> 0.20/1m by 1s   (standard/voice/call)",
    ]
    assert run(data, "import", path, "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["changes"][0]["name"] == "call"
    assert len(Versions(data).all()) == 2


def test_versions_are_listed_with_the_active_one(data: Path, capsys: Capture) -> None:
    run(data, "activate", "2")
    capsys.readouterr()
    assert run(data, "ls", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(row["version"], row["active"], row["note"]) for row in listed["versions"]] == [
        (1, False, "0.10"),
        (2, True, "0.20"),
    ]
    assert run(data, "ls") == 0
    assert capsys.readouterr().out.splitlines()[0].split()[:3] == ["VERSION", "ACTIVE", "CREATED"]


def test_an_empty_list_says_what_is_used(tmp_path: Path, capsys: Capture) -> None:
    assert run(tmp_path, "ls") == 0
    assert capsys.readouterr().out == "no versions; the tariff of ocs.yaml is used\n"


def test_versions_and_files_are_compared(data: Path, tmp_path: Path, capsys: Capture) -> None:
    run(data, "activate", "1")
    capsys.readouterr()
    for before, after in (("1", "2"), ("active", str(tmp_path / "0.20.yaml"))):
        assert run(data, "diff", before, after) == 0
        assert capsys.readouterr().out.startswith("~ rate call: 0.10/1m by 1s -> 0.20/1m by 1s")
    assert run(data, "diff", "2", "2") == 0
    assert capsys.readouterr().out == "nothing changes\n"
    assert run(data, "diff", "1", "8") == 1
    assert capsys.readouterr().err == "ocs: there is no tariff version 8\n"


def test_without_a_server_activate_and_rollback_decide_what_it_starts_with(
    data: Path, capsys: Capture
) -> None:
    assert [run(data, "activate", number) for number in ("1", "2", "9")] == [0, 0, 1]
    assert Versions(data).current() == 2
    assert [run(data, "rollback") for _ in range(3)] == [0, 0, 1]
    assert Versions(data).current() == 0
    assert "the tariff of ocs.yaml is active when the server starts" in capsys.readouterr().out


def test_a_damaged_version_is_not_activated(data: Path, capsys: Capture) -> None:
    (Versions(data).place(1) / "files" / "0.10.yaml").write_text("", encoding="utf-8")
    assert run(data, "activate", "1") == 1
    assert "damaged" in capsys.readouterr().err
    assert Versions(data).current() == 0


def test_activate_in_a_folder_that_is_not_there_fails(tmp_path: Path, capsys: Capture) -> None:
    assert run(tmp_path / "none", "activate", "1") == 1
    assert "is not a data folder" in capsys.readouterr().err


def test_a_running_server_is_asked_until_it_is_done(
    data: Path, server: FakeServer, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tariff_switch, "ASKED_EVERY_S", 0.0)
    compiling = {"version": 2, "state": "compiling", "error": "", "active": 0}
    active = compiling | {"state": "active", "warnings": ['1 account names plan "x", which is gone: a']}
    answers: list[Any] = [compiling, {"switch": compiling}, {"switch": active}]
    server.reply = lambda request: json.dumps({"id": 1, "result": answers.pop(0), "error": None}).encode()
    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(data, "activate", "2", "--reauthorize", "--server", server.address) == 0
    methods = [request["method"] for request in server.requests]
    assert methods == ["OcsV1.TariffActivate", "OcsV1.TariffList", "OcsV1.TariffList"]
    assert server.requests[0]["params"][0].items() >= {"version": 2, "reauthorize": True}.items()
    shown = capsys.readouterr()
    assert shown.out.endswith("version 2 is active\n")
    assert 'warning: 1 account names plan "x", which is gone: a' in shown.err
    assert Versions(data).current() == 0


@pytest.mark.parametrize(
    ("result", "error", "expected"),
    [
        (
            {"version": 2, "state": "failed", "error": "no", "active": 0},
            None,
            "ocs: version 2 is not used: no\n",
        ),
        (None, "version 2 is not used", "ocs: version 2 is not used\n"),
    ],
)
def test_a_server_that_says_no_is_heard(
    data: Path, server: FakeServer, capsys: Capture, result: Any, error: Any, expected: str
) -> None:
    server.answers(result, error)
    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(data, "rollback", "--server", server.address) == 1
    assert capsys.readouterr().err.endswith(expected)


def test_the_progress_bar_is_for_terminals(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    with tariff_files.progress_bar() as progress:
        progress("reading", 1, 2)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with tariff_files.progress_bar() as progress:
        progress("reading", 0, 2)
        progress("reading", 2, 2)
    shown = capsys.readouterr().err.split("\r")
    assert shown[1] == "[------------------------------]   0 % reading"
    assert shown[2] == "[##############################] 100 % reading"
    assert shown[3].strip() == shown[4] == ""
