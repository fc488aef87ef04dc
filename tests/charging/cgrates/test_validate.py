"""What validation of a tariff finds."""

from ocs.charging.cgrates.compile import compile_tariff
from ocs.charging.cgrates.csv_folder import read_texts
from ocs.charging.cgrates.validate import faults

RATES = "RT,0,0.1,60s,60s,0s\nRT,0,0.05,60s,1s,{second}\n"


def found(timings: str, plans: str, second: str = "60s") -> list[str]:
    """Faults of a tariff with these timings and rows of its plan."""
    rows, problems = read_texts(
        [
            ("Timings.csv", timings),
            ("Destinations.csv", "DST,49\n"),
            ("Rates.csv", RATES.format(second=second)),
            ("DestinationRates.csv", "DR,DST,RT,*up,4,0,\n"),
            ("RatingPlans.csv", plans),
        ]
    )
    assert problems == ()
    tariff, problems = compile_tariff(rows)
    assert problems == ()
    return list(faults(tariff))


def test_a_plan_at_any_time_has_no_fault() -> None:
    assert found("", "RP,DR,*any,10\n") == []


def test_all_week_days_from_midnight_on_have_no_fault() -> None:
    timings = "WORK,*any,*any,*any,1;2;3;4;5,00:00:00\nEND,*any,*any,*any,6;7,00:00:00\n"
    assert found(timings, "RP,DR,WORK,10\nRP,DR,END,10\n") == []


def test_a_day_without_price_is_found() -> None:
    timings = "WORK,*any,*any,*any,1;2;3;4;5,00:00:00\n"
    assert found(timings, "RP,DR,WORK,10\n") == ["rating plan RP has times without a price for DST"]


def test_hours_without_price_are_found() -> None:
    assert found("DAY,*any,*any,*any,*any,08:00:00\n", "RP,DR,DAY,10\n") != []


def test_week_days_with_dates_are_found() -> None:
    timings = "MIX,*any,12,24,1,00:00:00\n"
    assert found(timings, "RP,DR,*any,10\nRP,DR,MIX,20\n") == ["timing MIX mixes week days and dates"]


def test_a_slot_that_cuts_an_increment_is_found() -> None:
    assert "cuts an increment" in found("", "RP,DR,*any,10\n", "90s")[0]


def test_two_slots_at_one_place_are_found() -> None:
    assert "two slots" in found("", "RP,DR,*any,10\n", "0s")[0]
