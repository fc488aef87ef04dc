"""Costs, single debits and records over the wire."""

from typing import Any

import msgspec
import pytest

from tests.cgrates.methods.api import Api

TARIFF = {
    "Destinations.csv": "DST,49\n",
    "Rates.csv": "RT,0.4,0.2,60s,60s,0s\nRT,0,0.1,60s,1s,60s\nFREE,0,0,1s,1s,0s\nOCTET,0,1,1024,1024,0\n",
    "DestinationRates.csv": "DR,DST,RT,*up,4,0,\nDR_FREE,DST,FREE,*up,4,0,\nDR_DATA,*any,OCTET,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\nRP_FREE,DR_FREE,*any,10\nRP_DATA,DR_DATA,*any,10\n",
    "RatingProfiles.csv": "cgrates.org,call,*any,2020-01-01T00:00:00Z,RP,\n"
    "cgrates.org,data,*any,2020-01-01T00:00:00Z,RP_DATA,\n",
    "Chargers.csv": "cgrates.org,DEFAULT,,,*default,*none,0\n",
}
CALL = {"Subject": "1001", "Destination": "4912", "AnswerTime": "2026-06-15T12:00:00Z", "Usage": "2m10s"}
USAGE = {"Account": "1001", "Destination": "4912", "SetupTime": "2026-06-15T12:00:00Z", "Usage": "2m"}


@pytest.fixture
def rated(api: Api) -> Api:
    """A server with a tariff, and an account with 5."""
    api.engine.load(TARIFF)
    api("APIerSv1.SetBalance", Account="1001", BalanceType="*monetary", Value=5, Balance={"ID": "main"})
    return api


def test_a_cost_names_its_rates(rated: Api) -> None:
    cost = rated("APIerSv1.GetCost", **CALL)
    assert (cost["Cost"], cost["Usage"], cost["AccountSummary"]) == (0.7169, 130_000_000_000, None)
    charge = cost["Charges"][-1]
    rating = cost["Rating"][charge["RatingID"]]
    assert cost["RatingFilters"][rating["RatingFiltersID"]]["RatingPlanID"] == "RP"


def test_costs_of_rating_plans_take_the_first_with_a_price(rated: Api) -> None:
    asked = {**CALL, "RatingPlanIDs": ["NONE", "RP_FREE", "RP"]}
    found = rated("RALsV1.GetRatingPlansCost", **asked)
    assert (found["RatingPlanID"], found["EventCost"]["Cost"]) == ("RP_FREE", 0)


def test_data_costs_by_octets(rated: Api) -> None:
    cost = rated("APIerSv1.GetDataCost", Category="data", Subject="1001", Usage=2048)
    assert (cost["Cost"], cost["ToR"], cost["DataSpans"][0]["DataEnd"]) == (2, "*data", 2048)


def test_usage_is_debited_once(rated: Api) -> None:
    assert rated("APIerSv1.GetMaxUsage", **{**USAGE, "Usage": "10h"}) == 2_694 * 10**9
    assert rated("APIerSv1.DebitUsage", **USAGE) == "OK"
    assert rated.balances() == {"*monetary": [("main", 4.2998)]}


def test_a_debit_may_not_go_below_zero_where_that_is_denied(rated: Api) -> None:
    record = {**USAGE, "Usage": "3h"}
    error = rated.error("APIerSv1.DebitUsageWithOptions", UsageRecord=record, AllowNegativeAccount=False)
    assert error == "SERVER_ERROR: INSUFFICIENT_CREDIT"
    assert rated.balances() == {"*monetary": [("main", 5)]}
    assert rated("APIerSv1.DebitUsageWithOptions", UsageRecord=record, AllowNegativeAccount=True) == "OK"
    assert sum(value for _, value in rated.balances()["*monetary"]) < 0


def test_an_account_cost_shows_who_would_pay(rated: Api) -> None:
    cost = rated("APIerSv1.GetAccountCost", Tenant="cgrates.org", ID="c", Event={**USAGE, "ToR": "*voice"})
    assert cost["Cost"] == 0.7002
    assert {one["AccountID"] for one in cost["Accounting"].values()} == {"cgrates.org:1001"}
    assert rated.balances() == {"*monetary": [("main", 5)]}


def event(name: str, **more: Any) -> dict[str, Any]:
    """A postpaid call."""
    return {
        "OriginID": name,
        "OriginHost": "sbc",
        "RequestType": "*postpaid",
        "ToR": "*voice",
        "Category": "call",
        "Account": "1001",
        "Destination": "4912",
        "SetupTime": "2026-06-15T12:00:00Z",
        "AnswerTime": "2026-06-15T12:00:01Z",
        "Usage": "60s",
        **more,
    }


def test_records_are_found_counted_and_removed(rated: Api) -> None:
    for name, more in (("a", {}), ("b", {"Usage": "90s", "Carrier": "c1"}), ("c", {"Destination": "1"})):
        rated("SessionSv1.ProcessCDR", Tenant="cgrates.org", ID=name, Event=event(name, **more))
    assert rated("CDRsV1.GetCDRsCount") == 3

    def names(**asked: Any) -> list[str]:
        return [cdr["OriginID"] for cdr in rated("CDRsV1.GetCDRs", **asked)]

    assert names(OriginIDs=["a", "b"]) == ["a", "b"]
    assert names(NotOriginIDs=["a", "b"]) == ["c"]
    assert names(DestinationPrefixes=["49"], OrderBy="Usage;desc") == ["b", "a"]
    assert names(MinUsage="61s") == ["b"]
    assert names(ExtraFields={"Carrier": "c1"}) == ["b"]
    assert names(Costs=[-1]) == ["c"]
    assert names(AnswerTimeStart="2026-06-15T12:00:01Z", AnswerTimeEnd="2026-06-15T12:00:02Z", Limit=1) == [
        "a"
    ]
    assert rated("APIerSv2.CountCDRs", RunIDs=["*default"]) == 3
    assert rated("APIerSv1.RemoveCDRs", OriginIDs=["a"]) == "OK"
    assert rated.error("CDRsV1.GetCDRs", OriginIDs=["a"]) == "SERVER_ERROR: NOT_FOUND"
    assert rated.error("APIerSv2.GetCDRs", OriginIDs=["a"]) == "NOT_FOUND"
    assert rated.error("APIerSv1.GetCDRs", Accounts=["nobody"]) == "SERVER_ERROR: NOT_FOUND"


def test_external_records_have_usage_and_details_as_text(rated: Api) -> None:
    rated("SessionSv1.ProcessCDR", Tenant="cgrates.org", ID="a", Event=event("a", Usage="90s"))
    [cdr] = rated("APIerSv2.GetCDRs", Accounts=["1001"])
    assert (cdr["Usage"], cdr["Cost"]) == ("1m30s", 0.6501)
    assert msgspec.json.decode(cdr["CostDetails"])["Cost"] == cdr["Cost"]
    [old] = rated("APIerSv1.GetCDRs", ReqTypes=["*postpaid"], SkipErrors=True)
    assert old["OriginID"] == "a"
    assert rated("APIerSv1.GetEventCost", CgrId=cdr["CGRID"], RunId="*default")["Cost"] == cdr["Cost"]
    assert rated.error("APIerSv1.GetEventCost", CgrId="none") == "NOT_FOUND"
