"""`ocs route` on a folder: the decision, and why the losers lost."""

import json
from pathlib import Path

import pytest

from ocs.cli.main import main

FOLDER = {
    "Destinations.csv": "DE,49\n",
    "Rates.csv": "CHEAP,0,0.01,60s,60s,0s\nDEAR,0.02,0.03,60s,60s,0s\n",
    "DestinationRates.csv": "CHEAP,DE,CHEAP,*up,4,0,\nDEAR,DE,DEAR,*up,4,0,\n",
    "RatingPlans.csv": "RP_CHEAP,CHEAP,*any,10\nRP_DEAR,DEAR,*any,10\n",
    "Routes.csv": (
        "cgrates.org,CARRIERS,*prefix:~*req.Destination:49,,*lc,,,,,,,,,,,20\n"
        "cgrates.org,CARRIERS,,,,,gw1,,,RP_DEAR,,,30,false,,\n"
        "cgrates.org,CARRIERS,,,,,gw2,,,RP_CHEAP,,,10,false,,\n"
        "cgrates.org,CARRIERS,,,,,night,*string:~*req.Tariff:night,,RP_CHEAP,,,10,false,,\n"
    ),
}
ASKED = ["route", "--account", "1001", "--usage", "2m", "--at", "2026-11-22T10:00:00Z"]


def folder(path: Path) -> str:
    for name, text in FOLDER.items():
        (path / name).write_text(text)
    return str(path)


def test_the_winner_comes_first_and_every_loser_has_a_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ASKED, "--destination", "49301", "--folder", folder(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "CARRIERS: sorted by *lc"
    assert lines[2].split()[:2] == ["1", "gw2"]
    assert "Cost 0.08, gw2 has 0.02" in lines[3]
    assert lines[-1].split(maxsplit=1) == ["night", "its filters do not pass"]


def test_members_of_the_event_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--event", "Tariff=night", "--json", "--folder", folder(tmp_path)]
    assert main([*ASKED, "--destination", "49301", *more]) == 0
    [decision] = json.loads(capsys.readouterr().out)
    assert [each["RouteID"] for each in decision["Routes"]] == ["gw2", "night", "gw1"]
    assert decision["Lost"] == []


def test_an_event_without_routes_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASKED, "--destination", "33301", "--folder", folder(tmp_path)]) == 1
    assert capsys.readouterr().out == "no route profile matches this event\n"


def test_a_member_needs_a_name_and_a_value(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main([*ASKED, "--destination", "49301", "--event", "Tariff"])
