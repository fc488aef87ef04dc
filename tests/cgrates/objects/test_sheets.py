"""Objects of tariff plans between JSON and rows."""

from typing import Any

import pytest

from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.sheets import SHEETS
from ocs.charging.cgrates.csv_folder import COLUMNS
from ocs.rpc.errors import RpcError

RATE = {"ConnectFee": 0.4, "Rate": 0.2, "RateUnit": "60s", "RateIncrement": "60s", "GroupIntervalStart": "0s"}
OBJECTS: list[tuple[str, dict[str, Any]]] = [
    (
        "Timing",
        {
            "ID": "T",
            "Years": "*any",
            "Months": "1;2",
            "MonthDays": "*any",
            "WeekDays": "1",
            "Time": "19:00:00",
        },
    ),
    ("Destination", {"ID": "D", "Prefixes": ["33", "44"]}),
    ("Rate", {"ID": "R", "RateSlots": [RATE, {**RATE, "ConnectFee": 0, "GroupIntervalStart": "60s"}]}),
    (
        "DestinationRate",
        {
            "ID": "DR",
            "DestinationRates": [
                {
                    "DestinationId": "D",
                    "RateId": "R",
                    "RoundingMethod": "*up",
                    "RoundingDecimals": 4,
                    "MaxCost": 0.62,
                    "MaxCostStrategy": "*free",
                }
            ],
        },
    ),
    (
        "RatingPlan",
        {"ID": "RP", "RatingPlanBindings": [{"DestinationRatesId": "DR", "TimingId": "T", "Weight": 10}]},
    ),
    (
        "SharedGroups",
        {"ID": "SG", "SharedGroups": [{"Account": "*any", "Strategy": "*lowest", "RatingSubject": ""}]},
    ),
    ("ActionPlan", {"ID": "AP", "ActionPlan": [{"ActionsId": "A", "TimingId": "*asap", "Weight": 10}]}),
]


@pytest.mark.parametrize(("name", "shown"), OBJECTS, ids=[name for name, _ in OBJECTS])
def test_an_object_comes_back_as_it_was_given(name: str, shown: dict[str, Any]) -> None:
    sheet = SHEETS[name]
    key, rows = sheet.rows(Given({"TPid": "TP1", **shown}))
    assert key == shown["ID"]
    assert all(len(cells) == len(COLUMNS[sheet.file]) for cells in rows)
    assert sheet.shown(rows, "TP1") == {"TPid": "TP1", **shown}


def test_a_rating_profile_is_keyed_by_three_columns() -> None:
    given = {
        "Tenant": "acme.org",
        "Category": "call",
        "Subject": "*any",
        "RatingPlanActivations": [{"ActivationTime": "2026-01-01T00:00:00Z", "RatingPlanId": "RP"}],
    }
    key, rows = SHEETS["RatingProfile"].rows(Given(given))
    assert (key, rows) == (
        "acme.org:call:*any",
        (("acme.org", "call", "*any", "2026-01-01T00:00:00Z", "RP", ""),),
    )


def test_every_column_of_a_file_has_a_member() -> None:
    for sheet in SHEETS.values():
        columns = sorted(member.column for member in (*sheet.key, *sheet.members))
        assert columns == list(range(len(COLUMNS[sheet.file]))), sheet.name


@pytest.mark.parametrize(
    ("given", "text"),
    [({"Prefixes": ["1"]}, "MANDATORY_IE_MISSING: [ID]"), ({"ID": "D"}, "MANDATORY_IE_MISSING: [Prefixes]")],
)
def test_an_object_without_key_or_rows_is_refused(given: dict[str, Any], text: str) -> None:
    with pytest.raises(RpcError) as raised:
        SHEETS["Destination"].rows(Given(given))
    assert raised.value.text == text
