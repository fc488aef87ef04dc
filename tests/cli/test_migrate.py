"""`ocs migrate cgrates`: from a CGRateS folder to files that `ocs check` and `ocs rate` take."""

import json
from pathlib import Path

import pytest

from ocs.cli.main import main

Capture = pytest.CaptureFixture[str]
CONFIG = """
{
// the switch, and where clients connect
"general": {"default_timezone": "Europe/Berlin", "log_level": 7, "rounding_decimals": 6,},
"listen": {"rpc_json": "127.0.0.1:3012", "http": ":3080"},
"rals": {"enabled": true, "max_increments": 3000000},
"freeswitch_agent": {"enabled": true, "event_socket_conns": [{"address": "10.0.0.5:8021", "password": "ClueCon"}]},
}
"""
TARIFF = {
    "Destinations.csv": "DST_DE,49\n",
    "Rates.csv": "RT,0.1,0.6,60s,1s,0s\n",
    "DestinationRates.csv": "DR,DST_DE,RT,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\n",
    "RatingProfiles.csv": "cgrates.org,call,1001,2020-01-01T00:00:00Z,RP,\n",
    "AccountActions.csv": "cgrates.org,1001,,,,\n",
}


@pytest.fixture
def incumbent(tmp_path: Path) -> Path:
    """A configuration folder with a tariff folder beside it."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "cgrates.json").write_text(CONFIG)
    (tmp_path / "tp").mkdir()
    for name, text in TARIFF.items():
        (tmp_path / "tp" / name).write_text(text)
    return tmp_path


def migrate(incumbent: Path, *words: str) -> int:
    """Runs the command."""
    out = str(incumbent / "out")
    return main(["migrate", "cgrates", str(incumbent / "conf"), "--out", out, *words])


def test_what_is_written_passes_the_check(incumbent: Path, capsys: Capture) -> None:
    assert migrate(incumbent, "--tariff", str(incumbent / "tp")) == 0
    shown = capsys.readouterr().out
    assert "not carried over:" in shown
    assert "rals.max_increments" in shown
    assert main(["check", "--config", str(incumbent / "out" / "ocs.yaml")]) == 0
    text = (incumbent / "out" / "ocs.yaml").read_text()
    for line in ("jsonrpc: 127.0.0.1:3012", "http: 127.0.0.1:3080", "level: debug", "tariffs: tariffs"):
        assert line in text


def test_the_tariff_costs_the_same(incumbent: Path, capsys: Capture) -> None:
    migrate(incumbent, "--tariff", str(incumbent / "tp"))
    capsys.readouterr()
    folder = str(incumbent / "out" / "tariffs")
    words = f"rate --plan cgrates.org:1001 --service voice --called 49301 --usage 60s --tariff {folder}"
    assert main([*words.split(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost_nanos"] == 700_000_000


def test_the_figures_of_cgrates_may_stay(incumbent: Path, capsys: Capture) -> None:
    assert migrate(incumbent, "--rounding", "cgrates") == 2
    assert "needs --tariff" in capsys.readouterr().err
    assert migrate(incumbent, "--rounding", "cgrates", "--tariff", str(incumbent / "tp")) == 0
    assert "rounding: cgrates" in (incumbent / "out" / "ocs.yaml").read_text()
    assert main(["check", "--config", str(incumbent / "out" / "ocs.yaml")]) == 0


def test_json_names_everything_that_was_left(incumbent: Path, capsys: Capture) -> None:
    assert migrate(incumbent, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["written"].endswith("ocs.yaml")
    left = {each["key"]: each["meaning"] for each in told["left"]}
    assert {"general.rounding_decimals", "rals.max_increments", "listen.http", "tariff"} <= set(left)


def test_nothing_is_written_over_unasked(incumbent: Path, capsys: Capture) -> None:
    assert migrate(incumbent) == 0
    assert migrate(incumbent) == 1
    assert "is there already" in capsys.readouterr().err
    assert migrate(incumbent, "--force") == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [('{"general": {"a" 1}}', "cgrates.json:1:"), ("[]", "is not an object"), (None, "is not a folder")],
)
def test_a_folder_that_cannot_be_read_is_told_with_its_place(
    incumbent: Path, capsys: Capture, text: str | None, said: str
) -> None:
    folder = incumbent / "conf"
    if text is None:
        folder = incumbent / "none"
    else:
        (folder / "cgrates.json").write_text(text)
    assert main(["migrate", "cgrates", str(folder), "--out", str(incumbent / "out")]) == 2
    assert said in capsys.readouterr().err
    assert not (incumbent / "out").exists()


def test_profiles_are_carried_over_and_checked(incumbent: Path, capsys: Capture) -> None:
    (incumbent / "tp" / "Chargers.csv").write_text("cgrates.org,DEFAULT,,,*default,*none,0\n")
    assert migrate(incumbent, "--tariff", str(incumbent / "tp")) == 0
    assert (incumbent / "out" / "tariffs" / "Chargers.csv").exists()
    assert "profiles: tariffs" in (incumbent / "out" / "ocs.yaml").read_text()
    assert main(["check", "--config", str(incumbent / "out" / "ocs.yaml")]) == 0
    capsys.readouterr()
    (incumbent / "out" / "tariffs" / "Chargers.csv").write_text("cgrates.org\n")
    assert main(["check", "--config", str(incumbent / "out" / "ocs.yaml")]) == 2
