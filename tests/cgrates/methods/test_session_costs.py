"""Costs that others tell: with a record, or before it."""

import json
from typing import Any

import pytest

from tests.cgrates.methods.api import Api

FOLDER = {
    "Destinations.csv": "DE,49\n",
    "Rates.csv": "RT,0.1,0.01,1s,1s,0s\n",
    "DestinationRates.csv": "DR,DE,RT,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\n",
    "RatingProfiles.csv": "cgrates.org,call,*any,2014-01-14T00:00:00Z,RP,\n",
    "Chargers.csv": "cgrates.org,DEFAULT,,,*default,*none,0\n",
}
EVENT: dict[str, Any] = {
    "RunID": "*default",
    "OriginID": "o-1",
    "ToR": "*voice",
    "RequestType": "*prepaid",
    "Category": "call",
    "Account": "1001",
    "Destination": "49301",
    "AnswerTime": "2026-06-15T12:00:00Z",
    "Usage": "10s",
}
CGRID = "f7a3"
OTHER_CGRID = "b8c4"


@pytest.fixture
def rated(api: Api) -> Api:
    """A server with a price, an account of 10 and one bundle."""
    api.engine.load(FOLDER)
    api("APIerSv1.SetBalance", Account="1001", BalanceType="*monetary", Value=10, Balance={"ID": "main"})
    return api


def money(api: Api) -> float:
    """What the account has."""
    return api.balances()["*monetary"][0][1]


def cost_of(api: Api, usage: str) -> dict[str, Any]:
    """What was charged for a usage, in the words of a record."""
    event = EVENT | {"CGRID": OTHER_CGRID, "Usage": usage}
    [made] = api("CDRsV2.ProcessEvent", Flags=["*rals", "*chargers:false", "*store:false"], Event=event)
    found: dict[str, Any] = made["Event"]["CostDetails"]
    return found


def told(api: Api, usage: str, method: str = "CDRsV1.StoreSessionCost", **more: Any) -> Any:
    """Tells the cost of a session that was charged."""
    seconds = int(usage.rstrip("s"))
    cost: dict[str, Any] = {"CGRID": CGRID, "OriginID": "o-1", "CostSource": "*elsewhere"}
    cost |= {"Usage": seconds * 10**9, "CostDetails": cost_of(api, usage)}
    return api.runner.run(api.engine.call(method, {"Cost": cost, **more}))


def recorded(api: Api, event: dict[str, Any], *flags: str) -> dict[str, Any]:
    """The record that an event becomes."""
    [made] = api("CDRsV2.ProcessEvent", Flags=["*rals", "*chargers:false", *flags], Event=event)
    found: dict[str, Any] = made["Event"]
    return found


def test_a_record_takes_the_cost_that_was_told(rated: Api) -> None:
    assert told(rated, "10s")["result"] == "OK"
    assert money(rated) == 9.8  # as elsewhere
    record = recorded(rated, EVENT | {"CGRID": CGRID})
    assert (record["Cost"], record["CostSource"], record["Usage"]) == (0.2, "*elsewhere", 10 * 10**9)
    assert record["CostDetails"]["Charges"][0]["Increments"][0]["Cost"] == 0.1
    assert money(rated) == 9.8


def test_a_cost_of_another_usage_is_given_back_and_charged_anew(rated: Api) -> None:
    told(rated, "10s")
    record = recorded(rated, EVENT | {"CGRID": CGRID, "Usage": "60s"})
    assert (record["Cost"], record["CostSource"]) == (0.7, "*cdrs")
    assert money(rated) == 9.3


def test_a_told_cost_counts_once(rated: Api) -> None:
    told(rated, "10s")
    recorded(rated, EVENT | {"CGRID": CGRID, "Usage": "60s"}, "*store:false")
    recorded(rated, EVENT | {"CGRID": CGRID, "Usage": "60s"}, "*store:false")
    assert money(rated) == 8.6


def test_a_cost_is_told_once_where_asked(rated: Api) -> None:
    assert told(rated, "10s", CheckDuplicate=True)["error"] is None
    assert told(rated, "10s", CheckDuplicate=True)["error"] == "SERVER_ERROR: EXISTS"
    assert told(rated, "10s")["error"] is None


def test_the_later_version_rounds_what_it_keeps(rated: Api) -> None:
    rated.engine.load(
        {"Rates.csv": "RT,0,0.00011,1s,1s,0s\n", **{k: v for k, v in FOLDER.items() if k != "Rates.csv"}}
    )
    charged = cost_of(rated, "1s")
    for part in charged["Charges"]:
        part["Increments"] = [each for each in part["Increments"] if each["Usage"]]
    cost = {"CGRID": CGRID, "RunID": "*default", "Usage": 10**9, "CostDetails": charged}
    before = money(rated)
    assert rated("CDRsV2.StoreSessionCost", Cost=cost) == "OK"
    assert round(before - money(rated), 6) == 0.00009
    assert recorded(rated, EVENT | {"CGRID": CGRID, "Usage": "1s"})["Cost"] == 0.0002


def test_what_a_cost_must_have_is_told(rated: Api) -> None:
    assert rated.error("CDRsV1.StoreSessionCost") == "MANDATORY_IE_MISSING: [Cost]"
    error = rated.error("CDRsV1.StoreSessionCost", Cost={"RunID": "*default"})
    assert error == "MANDATORY_IE_MISSING: [CGRID CostDetails]"


@pytest.mark.parametrize("is_text", [False, True])
def test_a_record_that_comes_with_its_cost_is_not_charged_again(rated: Api, is_text: bool) -> None:
    details = cost_of(rated, "10s")
    event = EVENT | {"CGRID": CGRID, "CostDetails": json.dumps(details) if is_text else details}
    assert recorded(rated, event)["Cost"] == 0.2
    assert money(rated) == 9.8


def test_a_record_whose_cost_does_not_cover_it_is_charged_anew(rated: Api) -> None:
    event = EVENT | {"CGRID": CGRID, "CostDetails": cost_of(rated, "10s"), "Usage": "60s"}
    assert recorded(rated, event)["Cost"] == 0.7
    assert money(rated) == 9.3


def test_the_cost_an_event_comes_with_is_refunded_where_asked(rated: Api) -> None:
    event = EVENT | {"CGRID": CGRID, "CostDetails": cost_of(rated, "10s")}
    recorded(rated, event, "*refund", "*rals:false")
    assert money(rated) == 10


def test_free_units_come_back_as_units(rated: Api) -> None:
    bundle = {"ID": "bundle", "RatingSubject": "*zero1s", "Weight": 20}
    rated("APIerSv1.SetBalance", Account="1001", BalanceType="*voice", Value=60 * 10**9, Balance=bundle)
    event = EVENT | {"CGRID": CGRID, "CostDetails": cost_of(rated, "10s")}
    assert rated.balances()["*voice"] == [("bundle", 50 * 10**9)]
    recorded(rated, event, "*refund", "*rals:false")
    assert rated.balances()["*voice"] == [("bundle", 60 * 10**9)]


@pytest.mark.parametrize(
    "details", ["{", "[]", {"Charges": 3}, {"Charges": [{"Increments": [{"Usage": -1}]}]}]
)
def test_a_cost_that_cannot_be_read_is_told(rated: Api, details: Any) -> None:
    event = EVENT | {"CGRID": CGRID, "CostDetails": details}
    error = rated.error("CDRsV1.ProcessEvent", Flags=["*rals", "*chargers:false"], Event=event)
    assert error.startswith("SERVER_ERROR: CostDetails: ")
    assert money(rated) == 10
