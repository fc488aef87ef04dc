"""Sessions with what surrounds them: attributes, resources, routes, thresholds, statistics, on one runtime."""

import asyncio
from typing import Any

import pytest

from tests.cgrates.engine import Engine

ON = ["*internal"]
CONNECTED: dict[str, Any] = {
    "sessions": {
        "attributes_conns": ON,
        "resources_conns": ON,
        "routes_conns": ON,
        "thresholds_conns": ON,
        "stats_conns": ON,
    },
    "rals": {"thresholds_conns": ON},
    "resources": {"enabled": True, "thresholds_conns": ON},
    "stats": {"enabled": True, "thresholds_conns": ON},
    "thresholds": {"enabled": True},
    "routes": {"enabled": True},
}
FOLDER = {
    "Destinations.csv": "DE,49\n",
    "Rates.csv": "RT,0,0.01,1s,1s,0s\n",
    "DestinationRates.csv": "DR,DE,RT,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\n",
    "RatingProfiles.csv": "cgrates.org,call,*any,2014-01-14T00:00:00Z,RP,\n",
    "Chargers.csv": (
        "cgrates.org,DEFAULT,,,*default,*none,0\n"
        "cgrates.org,CARRIER,,,carrier,*constant:*req.Account:carrier,0\n"
    ),
    "Actions.csv": (
        "TOPUP,*topup_reset,,,main,*monetary,,*any,,,*unlimited,,1,10,false,false,10\n"
        "LOTS,*topup_reset,,,main,*monetary,,*any,,,*unlimited,,100,10,false,false,10\n"
        "WARN,*disable_account,,,,,,,,,,,,,,,10\n"
    ),
    "ActionPlans.csv": "AP,TOPUP,*asap,10\nAP2,LOTS,*asap,10\n",
    "AccountActions.csv": "cgrates.org,1001,AP,,false,false\ncgrates.org,carrier,AP2,,false,false\n",
    "Attributes.csv": (
        "cgrates.org,ALIAS,*sessions,*string:~*req.Account:alice,,,*req.Account,*constant,1001,false,20\n"
        "cgrates.org,ALIAS,,,,,*req.Password,*constant,s3cret,,\n"
    ),
    "Resources.csv": "cgrates.org,CHANNELS,,,-1,2,two,false,true,10,*none\n",
    "Routes.csv": "cgrates.org,RO,,,*lc,,gw1,,,RP,,,10,false,sip:gw1,20\n",
    "Stats.csv": "cgrates.org,ST,*exists:~*req.OriginID:,,10,,1,*sum#1,,true,false,10,*none\n",
    "Thresholds.csv": (
        "cgrates.org,TH,*exists:~*req.OriginID:,,-1,1,0,false,10,*none,false,\n"
        "cgrates.org,LOW,*string:~*opts.*eventType:AccountUpdate;*string:~*req.Account:1001;"
        "*lt:~*asm.BalanceSummaries.main.Value:0.5,,-1,1,0,false,10,WARN,false,\n"
    ),
}
EVENT = {
    "OriginID": "c-1",
    "OriginHost": "sbc1",
    "RequestType": "*prepaid",
    "ToR": "*voice",
    "Category": "call",
    "Account": "alice",
    "Destination": "49301",
    "SetupTime": "2026-06-15T12:00:00Z",
    "AnswerTime": "2026-06-15T12:00:00Z",
    "Usage": "10s",
}
ALL = {"GetAttributes": True, "ProcessThresholds": True, "ProcessStats": True}


def engine() -> Engine:
    found = Engine(CONNECTED)
    found.load(FOLDER)
    return found


def used(found: Engine) -> object:
    return found.runtime.surroundings.resources.usage("cgrates.org", "CHANNELS", 0)


async def _authorized() -> dict[str, Any]:
    flags = {**ALL, "GetMaxUsage": True, "AuthorizeResources": True, "GetRoutes": True}
    answer: dict[str, Any] = await engine().result(
        "SessionSv1.AuthorizeEvent", {**flags, "ID": "a", "Event": EVENT}
    )
    return answer


def test_an_authorisation_answers_with_everything() -> None:
    answer = asyncio.run(_authorized())
    assert answer["Attributes"]["Event"]["Account"] == "1001"
    assert answer["Attributes"]["AlteredFields"] == ["*req.Account", "*req.Password"]
    assert answer["MaxUsage"] == 10 * 10**9
    assert answer["ResourceAllocation"] == "two"
    [profile] = answer["RouteProfiles"]
    assert profile["Routes"] == [
        {
            "RouteID": "gw1",
            "RouteParameters": "sip:gw1",
            "SortingData": {"Weight": 10, "Cost": 0.1, "RatingPlanID": "RP"},
        }
    ]
    assert (answer["ThresholdIDs"], answer["StatQueueIDs"]) == (["TH"], ["ST"])


async def _life() -> list[object]:
    found = engine()
    begin = {"GetAttributes": True, "InitSession": True, "AllocateResources": True, "Event": EVENT}
    seen = [(await found.result("SessionSv1.InitiateSession", begin))["ResourceAllocation"], used(found)]
    end = {"TerminateSession": True, "ReleaseResources": True, "Event": EVENT}
    seen += [await found.result("SessionSv1.TerminateSession", end), used(found)]
    return seen


def test_a_session_holds_its_resource_from_begin_to_end() -> None:
    assert asyncio.run(_life()) == ["two", 1, "OK", 0]


async def _refused(event: dict[str, Any], method: str, flag: str) -> tuple[str, object]:
    found = engine()
    request = {flag: True, "AllocateResources": True, "Event": event}
    return await found.error(f"SessionSv1.{method}", request), used(found)


@pytest.mark.parametrize(
    ("method", "flag"), [("InitiateSession", "InitSession"), ("ProcessMessage", "Debit")]
)
def test_a_session_that_cannot_begin_holds_nothing(method: str, flag: str) -> None:
    unknown = {**EVENT, "Account": "nobody"}
    assert asyncio.run(_refused(unknown, method, flag)) == ("RALS_ERROR:ACCOUNT_NOT_FOUND", 0)


async def _spent() -> tuple[bool, int]:
    found = engine()
    event = {**EVENT, "Account": "1001", "Usage": "60s"}
    await found.result("SessionSv1.ProcessMessage", {"Debit": True, "Event": event})
    account = await found.result("APIerSv2.GetAccount", {"Account": "1001"})
    hits = found.runtime.surroundings.thresholds_book.get("cgrates.org", "LOW")
    assert hits is not None
    return account["Disabled"], hits.hits


def test_a_low_balance_fires_its_threshold_in_the_step_that_made_it_low() -> None:
    disabled, hits = asyncio.run(_spent())
    assert disabled
    assert hits >= 1
