"""`ocs rate` and `ocs explain`: what they ask, and what they show."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ocs.charging import acts
from ocs.charging.explain import explain, facts_of
from ocs.cli.main import main
from tests.charging.test_explain import used
from tests.cli.conftest import FakeServer
from tests.support.charging import NOON_NS, TARIFF, money
from tests.support.tariff_texts import write_folder, yaml_text

Capture = pytest.CaptureFixture[str]


def test_a_price_of_a_folder_is_shown_slot_by_slot(tmp_path: Path, capsys: Capture) -> None:
    folder = write_folder(tmp_path / "f")
    words = ["rate", "--plan", "t:*any", "--called", "+49301", "--usage", "95s", "--tariff", str(folder)]
    assert main([*words, "--at", "2026-12-24T18:00:00+01:00"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1m35s of voice to 49301, plan t:*any, at 2026-12-24 17:00:00.000Z",
        "",
        "1m35s from 2026-12-24 17:00:00.000Z: plan t:*any, rule RP:D, rate R up 4, prefix 49 of D",
        f"{'  connect fee':<52} {'0.05':>14}",
        f"{'  from 0s: 2 x 30s at 0.12/1m':<52} {'0.12':>14}",
        f"{'  from 1m: 35 x 1s at 0.06/1m':<52} {'0.035':>14}",
        "  0.205 rounded up to 4 decimals",
        f"{'  cost':<52} {'0.205':>14}",
        "",
        f"{'RATED: total in EUR':<52} {'0.205':>14}",
        "",
        "prefixes, the longest first: 49 (D)",
        '  1 t:*any RP:D (DestinationRates.csv:1): chosen: rate "R up 4" at any time',
    ]


def test_parts_of_a_nano_are_shown(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(yaml_text("0.10"), encoding="utf-8")
    words = ["rate", "--plan", "standard", "--usage", "10s", "--tariff", str(path)]
    assert main([*words, "--used-before", "1s"]) == 0
    shown = capsys.readouterr().out
    assert f"{'  from 0s: 10 x 1s at 0.10/1m':<52} 0.016666666 + 2/3 nano" in shown
    assert "session rounded up to 9 decimals; 1s before: 0.001666667, with this: 0.018333334" in shown
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pieces"][0]["breakdown"]["exact_nanos"] == "16666666 2/3"


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["--usage", "95"], 2, '"95" has no unit: write 95s'),
        (["--usage", "5MB", "--used-before", "1s"], 2, '"1s" does not count octets'),
        (["--usage", "soon"], 2, '"soon" is not a quantity'),
        (["--usage", "1s", "--at", "noon"], 2, '"noon" is not a moment'),
        (["--usage", "1s", "--plan", "nobody"], 1, 'there is no plan "nobody"'),
    ],
)
def test_wrong_questions_are_refused(
    tmp_path: Path, capsys: Capture, words: list[str], code: int, expected: str
) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(yaml_text(), encoding="utf-8")
    plan = [] if "--plan" in words else ["--plan", "standard"]
    assert main(["rate", *plan, "--tariff", str(path), *words]) == code
    assert expected in capsys.readouterr().err


def test_the_running_server_is_asked_with_exact_units(server: FakeServer, capsys: Capture) -> None:
    server.answers({"result": "RATED"})
    words = ["rate", "--account", "1001", "--service", "data", "--usage", "1GB", "--rating-group", "7"]
    assert main([*words, "--at", "1970-01-01T00:00:01Z", "--json", "--server", server.address]) == 0
    assert server.requests[0]["method"] == "OcsV1.Rate"
    assert server.requests[0]["params"] == [
        {
            "account": "1001",
            "service": "data",
            "rating_group": 7,
            "usage": 10**9,
            "unit": "octets",
            "at": 10**9,
            "rated_from": 0,
        }
    ]


def explained() -> Any:
    world = used(money(10_000), 900, 200)
    facts = facts_of(world.cdrs, "standard")
    assert facts is not None
    return msgspec.to_builtins(explain(facts, world.postings, lambda at_ns: [(3, TARIFF)]))


def test_an_explanation_shows_entries_increments_and_balances(server: FakeServer, capsys: Capture) -> None:
    server.answers(explained())
    assert main(["explain", "s1", "--server", server.address]) == 0
    assert server.requests[0]["params"] == [{"session": "s1"}]
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "session s1 of smf.example, account default:alice"
    assert shown[2].endswith("(terminated), cost 0.0000022")
    assert shown[3] == "  rating group 40: 1100B used, cost 0.0000022"
    assert "  rating group 40, 900B: plan standard, rule tiers, rate tiers, tariff version 3" in shown
    assert "    debit main: 0.00001 -0.0000019 -> 0.0000081" in shown
    assert f"{'    from 0B: 900 x 1B at 0.000000002/1B':<54} {'0.0000018':>14}" in shown
    assert f"{'all entries together':<52} {'0.0000022':>14}" in shown


def test_the_last_session_of_an_account_is_asked_for(server: FakeServer) -> None:
    server.answers(explained())
    assert main(["explain", "--account", "1001", "--last", "--json", "--server", server.address]) == 0
    assert server.requests[0]["params"] == [{"account": "1001"}]
    assert main(["explain", "--account", "1001", "--server", server.address]) == 2
    assert len(server.requests) == 1


def test_what_cost_nothing_and_who_did_what_why_is_shown(server: FakeServer, capsys: Capture) -> None:
    world = used(money(10_000), 700, rating_group=50)
    act = acts.Act("a1", NOON_NS, "ops", "a gift")
    _, posting = acts.adjust(world.account, "main", 5, act)
    assert posting is not None
    facts = facts_of(world.cdrs, "standard")
    assert facts is not None
    told = explain(facts, [posting], lambda at_ns: [(3, TARIFF)])
    server.answers(msgspec.to_builtins(told))
    assert main(["explain", "s1", "--server", server.address]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "2026-06-01 12:00:00.000Z OPERATOR a1 by ops: a gift" in shown
    after = shown.index("used for nothing, with no entry; looked up in the tariff:")
    assert shown[after + 1] == "  rating group 50, 700B: plan standard, rule free, tariff version 3"
