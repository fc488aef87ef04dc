"""Tariff folders: rows, merging, and the place of every problem."""

from pathlib import Path

import pytest

from ocs.charging.cgrates.compile import compile_tariff
from ocs.charging.cgrates.csv_folder import read_folder, read_texts
from ocs.charging.cgrates.spans import slot_at


def test_rows_of_equal_names_are_merged_in_the_order_of_their_paths(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "b" / "Destinations.csv").write_text("#Tag,Prefix\nUK,44\n")
    (tmp_path / "a" / "Destinations.csv").write_text("UK,447\n\n# over\nUK,4477\n")
    (tmp_path / "a" / "Other.csv").write_text("ignored\n")
    files = read_folder(tmp_path)
    assert [path for path, _ in files] == ["a/Destinations.csv", "b/Destinations.csv"]
    rows, problems = read_texts(files)
    assert [row.cells for row in rows["Destinations.csv"]] == [("UK", "447"), ("UK", "4477"), ("UK", "44")]
    assert problems == ()


def test_every_problem_has_its_place() -> None:
    files = [
        ("x/Destinations.csv", "UK,44,extra\nFR,33\n"),
        ("Rates.csv", "#Tag,ConnectFee,Rate,RateUnit,RateIncrement,GroupIntervalStart\nR,a,b,60s,1x,0s\n"),
        ("DestinationRates.csv", "DR,FR,R,*up,12,0,\nDR2,FR,NONE,*up,4,0,\n"),
        ("RatingPlans.csv", "P,DR,NEVER,10\n"),
        ("RatingProfiles.csv", "t,call,*any,yesterday,P,\n"),
        ("Timings.csv", "T,*any,*any,*any,1;x,25:00:00\n"),
    ]
    rows, problems = read_texts(files)
    _, more = compile_tariff(rows)
    assert [str(problem) for problem in problems] == ["x/Destinations.csv:1:0: 3 columns, 2 expected"]
    places = [str(problem).partition(": ")[0] for problem in more]
    assert set(places) == {
        "DestinationRates.csv:1:5",
        "DestinationRates.csv:2:3",
        "RatingPlans.csv:1:3",
        "RatingProfiles.csv:1:4",
        "Rates.csv:2:2",
        "Rates.csv:2:3",
        "Rates.csv:2:5",
        "Timings.csv:1:5",
        "Timings.csv:1:6",
    }
    assert "RatingPlans.csv:1:3: TimingTag: unknown: 'NEVER'" in [str(problem) for problem in more]


def test_quotes_and_an_unfinished_quote() -> None:
    header = ",".join(["ACT", "*topup", '"{""f1"":2}"', "", "main", "*monetary", *[""] * 6, "5", *[""] * 4])
    rows, problems = read_texts([("Actions.csv", header + "\n")])
    tariff, more = compile_tariff(rows)
    assert (problems, more) == ((), ())
    assert tariff.actions["ACT"][0].balance.factors == (("f1", 2.0),)
    _, problems = read_texts([("Destinations.csv", 'UK,"44\n')])
    assert [problem.line for problem in problems] == [1]


@pytest.mark.parametrize(
    ("cell", "kind", "nanos"), [("90s", "*voice", 90 * 10**18), ("2.5", "*monetary", 25 * 10**8)]
)
def test_units_of_voice_are_durations(cell: str, kind: str, nanos: int) -> None:
    row = ["ACT", "*topup", "", "", "main", kind, *[""] * 6, cell, *[""] * 4]
    rows, _ = read_texts([("Actions.csv", ",".join(row) + "\n")])
    tariff, problems = compile_tariff(rows)
    assert problems == ()
    assert tariff.actions["ACT"][0].balance.units_nanos == nanos


def test_fee_is_the_first_rows_and_zero_units_are_a_second() -> None:
    rows, _ = read_texts(
        [
            ("Rates.csv", "R,0.1,1,0s,0,10s\nR,0.2,2,60s,1s,0s\n"),
            ("DestinationRates.csv", "DR,*any,R,*odd,0,0,\n"),
            ("RatingPlans.csv", "P,DR,*any,10\n"),
        ]
    )
    tariff, problems = compile_tariff(rows)
    assert problems == ()
    rate = tariff.plans["P"].intervals["*any"][0].rate
    assert rate.fee_nanos == 10**8
    assert [slot.start_ns for slot in rate.slots] == [0, 10 * 10**9]
    assert (rate.slots[1].unit_ns, rate.slots[1].increment_ns) == (10**9, 10**9)
    assert slot_at(rate, 5) == rate.slots[0]
