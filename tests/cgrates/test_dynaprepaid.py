"""Accounts that are opened by their first *dynaprepaid event."""

import asyncio
from typing import Any

import pytest

from tests.cgrates.engine import Engine

FOLDER = {
    "Destinations.csv": "DE,49\n",
    "Rates.csv": "RT,0,0.01,1s,1s,0s\n",
    "DestinationRates.csv": "DR,DE,RT,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\n",
    "RatingProfiles.csv": "cgrates.org,call,*any,2014-01-14T00:00:00Z,RP,\n",
    "Chargers.csv": "cgrates.org,DEFAULT,,,*default,*none,0\n",
    "Actions.csv": (
        "WELCOME,*topup_reset,,,main,*monetary,,*any,,,*unlimited,,5,10,false,false,10\n"
        "NOTHING,*log,,,,,,,,,,,,,,,10\n"
    ),
    "ActionPlans.csv": "OPEN,WELCOME,*asap,10\nIDLE,NOTHING,*asap,10\n",
}
EVENT = {
    "OriginID": "c-1",
    "RequestType": "*dynaprepaid",
    "ToR": "*voice",
    "Category": "call",
    "Account": "2001",
    "Destination": "49301",
    "AnswerTime": "2026-06-15T12:00:00Z",
    "Usage": "60s",
}


def engine(*plans: str, section: str = "schedulers") -> Engine:
    """A server whose new accounts get these plans."""
    found = Engine({section: {"enabled": True, "dynaprepaid_actionplans": list(plans)}})
    found.load(FOLDER)
    return found


async def _asked(found: Engine, method: str, **params: Any) -> tuple[object, float | None]:
    answer = await found.call(method, {"Event": EVENT, **params})
    account = found.runtime.state.accounts.get("cgrates.org:2001")
    money = None if account is None else account.balances["*monetary"][0].value_nanos / 1e9
    return answer["result"] if answer["error"] is None else answer["error"], money


@pytest.mark.parametrize("section", ["schedulers", "rals"])
@pytest.mark.parametrize(
    ("method", "params", "answer", "money"),
    [
        ("AuthorizeEvent", {"GetMaxUsage": True}, {"MaxUsage": 60 * 10**9}, 5.0),
        ("InitiateSession", {"InitSession": True}, {"MaxUsage": 60 * 10**9}, 4.4),
        ("UpdateSession", {"UpdateSession": True}, {"MaxUsage": 60 * 10**9}, 4.4),
        ("ProcessMessage", {"Debit": True}, {"MaxUsage": 60 * 10**9}, 4.4),
        ("ProcessCDR", {}, "OK", 4.4),
    ],
)
def test_the_first_event_opens_the_account(
    method: str, params: dict[str, Any], answer: object, money: float, section: str
) -> None:
    found = engine("OPEN", section=section)
    assert asyncio.run(_asked(found, f"SessionSv1.{method}", **params)) == (answer, money)


def test_an_account_is_opened_once() -> None:
    async def twice() -> object:
        found = engine("OPEN")
        await _asked(found, "SessionSv1.ProcessMessage", Debit=True)
        event = EVENT | {"OriginID": "c-2"}
        return await _asked(found, "SessionSv1.ProcessMessage", Debit=True, Event=event)

    assert asyncio.run(twice()) == ({"MaxUsage": 60 * 10**9}, 3.8)


@pytest.mark.parametrize("plans", [(), ("NONE",), ("IDLE",)])
def test_without_a_plan_that_gives_something_there_is_no_account(plans: tuple[str, ...]) -> None:
    answer = asyncio.run(_asked(engine(*plans), "SessionSv1.AuthorizeEvent", GetMaxUsage=True))
    assert answer == ("RALS_ERROR:ACCOUNT_NOT_FOUND", None)


def test_other_events_and_questions_open_no_account() -> None:
    async def asked() -> list[object]:
        found = engine("OPEN")
        prepaid = EVENT | {"RequestType": "*prepaid"}
        refused = await _asked(found, "SessionSv1.AuthorizeEvent", GetMaxUsage=True, Event=prepaid)
        priced = await _asked(found, "SessionSv1.GetCost")
        return [refused, priced[1]]

    assert asyncio.run(asked()) == [("RALS_ERROR:ACCOUNT_NOT_FOUND", None), None]
