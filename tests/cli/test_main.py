"""The command itself: help, arguments, exit codes, configuration errors."""

import importlib.util
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ocs import __version__
from ocs.cli.main import HANDLERS, build_parser, handler, main
from tests.support.waiting import PATIENCE_S

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("msgspec", "yaml", "structlog", "redis", "aiohttp", "prometheus_client", "diameter", "asyncio")


def ocs(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ocs", *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=ROOT,
        check=False,
    )


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom ocs.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_module_runs_as_the_command() -> None:
    done = ocs("version")
    assert (done.returncode, done.stdout) == (0, f"ocs {__version__}\n")


def test_no_command_is_an_error() -> None:
    done = ocs()
    assert done.returncode == 2
    assert "usage: ocs" in done.stderr


@pytest.mark.parametrize("name", HANDLERS)
def test_every_command_has_help_with_an_example(name: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*name.split(), "--help"])
    assert caught.value.code == 0
    assert f"example: ocs {name}" in capsys.readouterr().out.replace("\n", " ").replace("  ", " ")


@pytest.mark.parametrize(
    "name", [name for name in HANDLERS if importlib.util.find_spec(HANDLERS[name].split(":")[0])]
)
def test_every_command_has_its_function(name: str) -> None:
    assert callable(handler(name))


def test_client_request_is_parsed() -> None:
    words = (
        "client ccr --kind update --subscriber 15550100001 --rating-group 10 --rating-group 20 "
        "--request 100MB --used 5MB --number 3 --session 'a;1;2' --retransmit"
    )
    arguments = build_parser().parse_args(shlex.split(words))
    assert (arguments.handler, arguments.kind, arguments.number) == ("client ccr", "update", 3)
    assert (arguments.rating_group, arguments.request, arguments.used) == ([10, 20], "100MB", "5MB")
    assert (arguments.retransmit, arguments.server) == (True, "127.0.0.1:3868")


@pytest.mark.parametrize(
    "words",
    [
        "account topup 1001",
        "account verify",
        "session ls --limit 0",
        "client ccr --kind never",
        "cdr ls --limit ten",
    ],
)
def test_wrong_arguments_exit_2(words: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words.split())
    assert caught.value.code == 2
    assert "usage: ocs" in capsys.readouterr().err


def wrong_file(folder: Path) -> Path:
    path = folder / "wrong.yaml"
    path.write_text("identity: {origin_host: a.b}\nlog: {level: loud}\n")
    return path


def test_check_prints_all_problems_with_carets_and_exits_2(tmp_path: Path, capsys: Capture) -> None:
    path = wrong_file(tmp_path)
    assert main(["check", "--config", str(path)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"{path}:1:11: identity.origin_realm: missing",
        "    identity: {origin_host: a.b}",
        "              ^",
        f'{path}:2:14: log.level: "loud" is none of debug, info, warning, error',
        "    log: {level: loud}",
        "                 ^",
        "2 problems",
    ]


def test_check_of_a_good_file_exits_0(capsys: Capture) -> None:
    assert main(["check", "--config", str(ROOT / "ocs.yaml")]) == 0
    assert "no problems" in capsys.readouterr().out


def test_check_prints_json_for_editors(tmp_path: Path, capsys: Capture) -> None:
    assert main(["check", "--json", "--config", str(wrong_file(tmp_path))]) == 2
    found = json.loads(capsys.readouterr().out)
    assert [(one["line"], one["path"]) for one in found] == [(1, "identity.origin_realm"), (2, "log.level")]


def test_serve_with_a_wrong_file_exits_2_and_makes_no_folder(tmp_path: Path, capsys: Capture) -> None:
    data = tmp_path / "data"
    assert main(["serve", "--config", str(wrong_file(tmp_path)), "--data-dir", str(data)]) == 2
    assert "2 problems" in capsys.readouterr().err
    assert not data.exists()


def test_serve_with_an_impossible_data_folder_exits_2(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("x")
    words = ["serve", "--config", str(ROOT / "ocs.yaml"), "--data-dir", str(tmp_path / "file" / "data")]
    assert main(words) == 2
    assert "cannot be used as the data folder" in capsys.readouterr().err


def test_closed_pipe_ends_quietly() -> None:
    script = f"{sys.executable} -m ocs check --config nowhere --json | true"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=PATIENCE_S, cwd=ROOT, check=False
    )
    assert done.stderr == ""
