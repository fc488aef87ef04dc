"""The running tariff and tariff plans over the wire."""

from pathlib import Path
from typing import Any

import pytest

from tests.cgrates.methods.api import Api

RATE = {"ConnectFee": 0.1, "Rate": 0.6, "RateUnit": "60s", "RateIncrement": "1s", "GroupIntervalStart": "0s"}
FILES = {
    "Timings.csv": "#Tag,Years,Months,MonthDays,WeekDays,Time\nWORK,*any,*any,*any,1;2;3;4;5,00:00:00\n",
    "Destinations.csv": "DST_DE,49\nDST_DE,4930\n",
    "Rates.csv": "RT,0.1,0.6,60s,1s,0s\n",
    "DestinationRates.csv": "DR,DST_DE,RT,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\n",
    "RatingProfiles.csv": "cgrates.org,call,*any,2020-01-01T00:00:00Z,RP,alice\n",
    "SharedGroups.csv": "SG,*any,*lowest,\n",
    "Chargers.csv": "cgrates.org,DEFAULT,,,*default,*none,0\n",
    "Actions.csv": "FILL,*topup,,,main,*monetary,,,,,*unlimited,,1,,,,10\n",
    "ActionPlans.csv": "AP,FILL,*asap,10\n",
    "AccountActions.csv": "cgrates.org,1001,AP,,,\n",
}
COST = {"Subject": "1001", "Destination": "4930123", "AnswerTime": "2026-06-15T12:00:00Z", "Usage": "60s"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tariff folder."""
    write(tmp_path, FILES)
    return tmp_path


def write(folder: Path, files: dict[str, str]) -> None:
    """Writes files of a tariff."""
    for name, text in files.items():
        (folder / name).write_text(text)


def load(api: Api, folder: Path, **more: Any) -> Any:
    """Loads a folder."""
    return api("APIerSv1.LoadTariffPlanFromFolder", FolderPath=str(folder), **more)


def test_a_folder_is_in_force_when_its_load_is_answered(api: Api, folder: Path) -> None:
    assert load(api, folder) == "OK"
    assert api("APIerSv1.GetCost", **COST)["Cost"] == 0.7
    assert api.balances() == {"*monetary": [("main", 1)]}
    assert api("APIerSv1.GetChargerProfile", ID="DEFAULT")["RunID"] == "*default"


def test_version_2_names_its_load(api: Api, folder: Path) -> None:
    answer = api("APIerSv2.LoadTariffPlanFromFolder", FolderPath=str(folder))
    assert answer["LoadTime"] == "2026-06-15T12:00:00Z"
    assert answer["RatingLoadID"] == answer["AccountingLoadID"] != ""


def test_a_dry_run_changes_nothing(api: Api, folder: Path) -> None:
    assert load(api, folder, DryRun=True) == "OK"
    assert api.error("APIerSv1.GetCost", **COST) == "SERVER_ERROR: RATING_PLAN_NOT_FOUND"


def test_a_folder_with_a_fault_is_loaded_not_at_all_and_its_place_told(api: Api, folder: Path) -> None:
    write(folder, {"RatingPlans.csv": "RP,DR,*any,10\nRP2,NONE,*any,10\n"})
    error = api.error("APIerSv1.LoadTariffPlanFromFolder", FolderPath=str(folder))
    assert error == "SERVER_ERROR: RatingPlans.csv:2:2: DestratesTag: unknown: 'NONE'"
    assert api("APIerSv1.GetAccountsCount") == 0


def test_validation_finds_gaps(api: Api, folder: Path) -> None:
    write(folder, {"RatingPlans.csv": "RP,DR,WORK,10\n"})
    assert load(api, folder) == "OK"
    error = api.error("APIerSv1.LoadTariffPlanFromFolder", FolderPath=str(folder), Validate=True)
    assert "rating plan RP has times without a price for DST_DE" in error


def test_a_path_that_is_no_folder_is_refused(api: Api, tmp_path: Path) -> None:
    for path in (tmp_path / "none", Path("/dev/null")):
        assert api.error("APIerSv1.LoadTariffPlanFromFolder", FolderPath=str(path)) == "INVALID_PATH"
    assert api.error("APIerSv1.LoadTariffPlanFromFolder") == "MANDATORY_IE_MISSING: [FolderPath]"


def test_rates_of_another_folder_leave_loaded_plans_alone(api: Api, folder: Path) -> None:
    load(api, folder)
    write(folder, {"Rates.csv": "RT,0,6,60s,1s,0s\n", "RatingPlans.csv": "RP_NEW,DR,*any,10\n"})
    load(api, folder)
    assert api("APIerSv1.GetCost", **COST)["Cost"] == 0.7


def test_a_folder_takes_back_what_it_brought(api: Api, folder: Path) -> None:
    load(api, folder)
    assert api("APIerSv1.RemoveTPFromFolder", FolderPath=str(folder)) == "OK"
    assert api("APIerSv1.GetAccountsCount") == 0
    assert api.error("APIerSv1.GetRatingPlan", ID="RP") == "NOT_FOUND"
    assert api.error("APIerSv1.GetChargerProfile", ID="DEFAULT") == "NOT_FOUND"
    assert api.error("APIerSv1.GetCost", **COST) == "SERVER_ERROR: RATING_PLAN_NOT_FOUND"


# --- single objects


def test_timings(api: Api) -> None:
    timing = {
        "ID": "NIGHT",
        "Years": [],
        "Months": [6],
        "MonthDays": "*any",
        "WeekDays": [1],
        "StartTime": "19:00:00",
    }
    assert api("APIerSv1.SetTiming", **timing) == "OK"
    assert api("APIerSv1.GetTiming", ID="NIGHT") == {
        "ID": "NIGHT",
        "Years": [],
        "Months": [6],
        "MonthDays": [],
        "WeekDays": [1],
        "StartTime": "19:00:00",
        "EndTime": "",
    }
    assert api("APIerSv1.TimingIsActiveAt", TimingID="NIGHT", Time="2026-06-15T19:30:00Z") is True
    assert api("APIerSv1.TimingIsActiveAt", TimingID="NIGHT", Time="2026-06-16T19:30:00Z") is False
    assert api("APIerSv1.TimingIsActiveAt", TimingID="NIGHT") is False
    assert api("APIerSv1.RemoveTiming", ID="NIGHT") == "OK"
    assert api.error("APIerSv1.GetTiming", ID="NIGHT") == "NOT_FOUND"
    assert api.error("APIerSv1.TimingIsActiveAt", TimingID="NIGHT") == "NOT_FOUND"


def test_destinations(api: Api) -> None:
    assert api("APIerSv1.SetDestination", Id="DST", Prefixes=["49", "43"]) == "OK"
    assert api.error("APIerSv1.SetDestination", Id="DST", Prefixes=["41"]) == "EXISTS"
    assert api.bare("APIerSv1.GetDestination", "DST") == {"Id": "DST", "Prefixes": ["49", "43"]}
    assert api("APIerSv2.GetDestinations", DestinationIDs=["DST"]) == [
        {"Id": "DST", "Prefixes": ["49", "43"]}
    ]
    assert api("APIerSv1.SetDestination", Id="DST", Prefixes=["41"], Overwrite=True) == "OK"
    assert api.bare("APIerSv1.GetReverseDestination", "41") == ["DST"]
    assert api("APIerSv1.RemoveDestination", DestinationIDs=["DST"]) == "OK"
    assert api.error("APIerSv1.GetDestination", Id="DST") == "NOT_FOUND"


def test_rating_plans_and_profiles(api: Api, folder: Path) -> None:
    load(api, folder)
    plan = api.bare("APIerSv1.GetRatingPlan", "RP")
    [reference] = plan["DestinationRates"]["DST_DE"]
    assert plan["Ratings"][reference["Rating"]]["ConnectFee"] == 0.1
    assert api("APIerSv1.GetRatingPlanIDs") == ["RP"]
    activations = [
        {"ActivationTime": "2025-01-01T00:00:00Z", "RatingPlanId": "RP", "FallbackSubjects": "bob"}
    ]
    profile = {"Category": "call", "Subject": "1001", "RatingPlanActivations": activations}
    assert api("APIerSv1.SetRatingProfile", **profile) == "OK"
    shown = api("APIerSv1.GetRatingProfile", Category="call", Subject="1001")
    assert shown == {
        "Id": "*out:cgrates.org:call:1001",
        "RatingPlanActivations": [
            {
                "ActivationTime": "2025-01-01T00:00:00Z",
                "RatingPlanId": "RP",
                "FallbackKeys": ["*out:cgrates.org:call:bob"],
            }
        ],
    }
    assert "*out:cgrates.org:call:1001" in api("APIerSv1.GetRatingProfileIDs", Tenant="cgrates.org")
    assert api("APIerSv1.RemoveRatingProfile", Tenant="cgrates.org", Category="call", Subject="1001") == "OK"
    assert api.error("APIerSv1.GetRatingProfile", Category="call", Subject="1001") == "NOT_FOUND"
    unknown = [{**activations[0], "RatingPlanId": "NONE"}]
    error = api.error("APIerSv1.SetRatingProfile", **{**profile, "RatingPlanActivations": unknown})
    assert error == "SERVER_ERROR: RATING_PLAN_NOT_FOUND:NONE"


def test_shared_groups_show_their_members(api: Api, folder: Path) -> None:
    load(api, folder)
    balance = {"ID": "shared", "SharedGroups": "SG"}
    api("APIerSv1.AddBalance", Account="1001", BalanceType="*monetary", Value=1, Balance=balance)
    group = api("APIerSv1.GetSharedGroup", ID="SG")
    assert group["MemberIds"] == {"cgrates.org:1001": True}
    assert group["AccountParameters"]["*any"]["Strategy"] == "*lowest"


# --- stored rows


def stored(api: Api) -> None:
    """A tariff under TP1, set object by object."""
    for method, params in (
        ("SetTPDestination", {"ID": "DST", "Prefixes": ["49"]}),
        ("SetTPRate", {"ID": "RT", "RateSlots": [RATE]}),
        (
            "SetTPDestinationRate",
            {
                "ID": "DR",
                "DestinationRates": [{"DestinationId": "DST", "RateId": "RT", "RoundingDecimals": 4}],
            },
        ),
        (
            "SetTPRatingPlan",
            {
                "ID": "RP",
                "RatingPlanBindings": [{"DestinationRatesId": "DR", "TimingId": "*any", "Weight": 10}],
            },
        ),
        (
            "SetTPRatingProfile",
            {
                "LoadId": "L1",
                "Tenant": "cgrates.org",
                "Category": "call",
                "Subject": "*any",
                "RatingPlanActivations": [{"ActivationTime": "2020-01-01T00:00:00Z", "RatingPlanId": "RP"}],
            },
        ),
    ):
        assert api(f"APIerSv1.{method}", TPid="TP1", **params) == "OK"


def test_stored_rows_are_used_when_they_are_loaded(api: Api) -> None:
    stored(api)
    assert api.error("APIerSv1.GetCost", **COST) == "SERVER_ERROR: RATING_PLAN_NOT_FOUND"
    assert api("APIerSv1.LoadRatingPlan", TPid="TP1", RatingPlanId="RP") == "OK"
    assert api("APIerSv1.GetRatingPlanIDs") == ["RP"]
    assert api("APIerSv1.LoadRatingProfile", TPid="TP1", RatingProfileId="*out:cgrates.org:call:*any") == "OK"
    assert api("APIerSv1.GetCost", **COST)["Cost"] == 0.7
    assert api.error("APIerSv1.LoadRatingPlan", TPid="TP1", RatingPlanId="NONE") == "NOT_FOUND"


def test_a_whole_stored_plan_is_loaded(api: Api) -> None:
    stored(api)
    assert api("APIerSv1.LoadTariffPlanFromStorDb", TPid="TP1") == "OK"
    assert api("APIerSv1.GetCost", **COST)["Cost"] == 0.7


def test_stored_objects_are_shown_listed_and_removed(api: Api) -> None:
    stored(api)
    timing = {
        "ID": "T",
        "Years": "*any",
        "Months": "*any",
        "MonthDays": "*any",
        "WeekDays": "1;2",
        "Time": "19:00:00",
    }
    api("APIerSv2.SetTPTiming", TPid="TP1", **timing)
    assert api("APIerSv2.GetTPTiming", TPid="TP1", ID="T") == {"TPid": "TP1", **timing}
    assert api("APIerSv1.GetTPTimingIds", TPid="TP1") == ["T"]
    assert api("APIerSv2.GetTPDestinationIDs", TPid="TP1") == ["DST"]
    assert api("APIerSv1.GetTPIds") == ["TP1"]
    assert api("APIerSv2.RemoveTPTiming", TPid="TP1", ID="T") == "OK"
    assert api.error("APIerSv1.GetTPTiming", TPid="TP1", ID="T") == "NOT_FOUND"
    assert api("APIerSv1.RemTP", TPid="TP1") == "OK"
    assert api.error("APIerSv1.GetTPIds") == "NOT_FOUND"


def test_a_folder_is_stored_written_out_and_loads_the_same(api: Api, folder: Path, tmp_path: Path) -> None:
    assert api("APIerSv1.ImportTariffPlanFromFolder", TPid="TP2", FolderPath=str(folder)) == "OK"
    out = tmp_path / "out"
    answer = api("APIerSv1.ExportTPToFolder", TPid="TP2", ExportPath=str(out))
    assert set(answer["ExportedFiles"]) == set(FILES)
    assert load(api, out) == "OK"
    assert api("APIerSv1.GetCost", **COST)["Cost"] == 0.7
    assert api.error("APIerSv1.ExportTPToFolder", TPid="NONE", ExportPath=str(out)) == "NOT_FOUND"


def test_profiles_are_written_out(api: Api, folder: Path, tmp_path: Path) -> None:
    load(api, folder)
    out = tmp_path / "profiles"
    assert api("APIerSv1.ExportToFolder", Path=str(out), Items=["*chargers"]) == "OK"
    lines = (out / "Chargers.csv").read_text().splitlines()
    assert lines[-1] == "cgrates.org,DEFAULT,,,*default,*none,0"
