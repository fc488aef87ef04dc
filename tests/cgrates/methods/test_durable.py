"""What administrative calls have set is there after a restart."""

import asyncio
from pathlib import Path
from typing import Any

from ocs.cgrates.journal import SqliteJournal
from ocs.cgrates.state import State
from tests.cgrates.methods.api import Api
from tests.cgrates.methods.test_costs import TARIFF
from tests.cgrates.methods.test_profiles import PROFILES

TOPUP = {"Identifier": "*topup", "BalanceId": "main", "BalanceType": "*monetary", "Units": "5", "Weight": 10}
TRIGGER = {
    "ThresholdType": "*min_event_counter",
    "ThresholdValue": 2,
    "BalanceType": "*sms",
    "ActionsID": "TOP",
}
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("APIerSv2.GetAccounts", {}),
    ("APIerSv1.GetActions", {"ActionsId": "TOP"}),
    ("APIerSv1.GetActionPlan", {}),
    ("APIerSv1.GetActionTriggers", {}),
    ("APIerSv1.GetTiming", {"ID": "NIGHT"}),
    ("APIerSv1.GetDestination", {"Id": "DST"}),
    ("APIerSv1.GetTPDestination", {"TPid": "TP1", "ID": "DST"}),
    *((f"APIerSv1.Get{word}", {"ID": "P1"}) for word in PROFILES),
]


def fill(api: Api) -> None:
    """Sets one thing of every kind."""
    api("APIerSv2.SetActions", ActionsId="TOP", Actions=[TOPUP])
    api("APIerSv1.SetActionPlan", Id="AP", ActionPlan=[{"ActionsId": "TOP", "Time": "*monthly", "Weight": 3}])
    api("APIerSv1.SetActionTrigger", GroupID="TRG", UniqueID="one", ActionTrigger=TRIGGER)
    api(
        "APIerSv1.SetBalance",
        Account="1001",
        BalanceType="*sms",
        Value=3,
        Balance={"ID": "s", "Factors": {"f": 2}},
    )
    api("APIerSv2.SetAccount", Account="1001", ActionPlanIDs=["AP"], ActionTriggerIDs=["TRG"])
    api("APIerSv1.SetTiming", ID="NIGHT", StartTime="19:00:00", WeekDays=[1, 7])
    api("APIerSv1.SetDestination", Id="DST", Prefixes=["49"])
    api("APIerSv1.SetTPDestination", TPid="TP1", ID="DST", Prefixes=["49"])
    for word, profile in PROFILES.items():
        api(f"APIerSv1.Set{word}", ID="P1", **profile)


def test_everything_set_is_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "cgrates.db"
    first = Api(state=State(SqliteJournal(path)))
    fill(first)
    before = [first(method, **params) for method, params in ASKED]
    first.runner.run(asyncio.sleep(0))
    first.runner.run(first.runtime.stop())
    first.close()
    state = State(SqliteJournal(path))
    state.load()
    second = Api(state=state)
    assert [second(method, **params) for method, params in ASKED] == before
    second.runner.run(second.runtime.stop())
    second.close()


def test_an_answer_waits_for_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "cgrates.db"
    api = Api(state=State(SqliteJournal(path)))
    api("APIerSv1.SetDestination", Id="DST", Prefixes=["49"])
    api.runtime.state._journal._connection.close()  # type: ignore[attr-defined]
    error = api.error("APIerSv1.SetDestination", Id="OTHER", Prefixes=["43"])
    assert error.startswith("SERVER_ERROR: ")
    api.close()


def test_a_session_is_shown_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    event = {
        "OriginID": "s1",
        "RequestType": "*prepaid",
        "ToR": "*voice",
        "Category": "call",
        "Account": "1001",
    }
    event |= {"Destination": "4912", "AnswerTime": "2026-06-15T12:00:00Z", "Usage": "60s"}
    path = tmp_path / "cgrates.db"
    first = Api(state=State(SqliteJournal(path)))
    first.engine.load(TARIFF)
    first("APIerSv1.SetBalance", Account="1001", BalanceType="*monetary", Value=5, Balance={"ID": "main"})
    first("SessionSv1.InitiateSession", InitSession=True, Tenant="cgrates.org", ID="i", Event=event)
    [before] = first("SessionSv1.GetActiveSessions")
    assert (before["Account"], before["DebitInterval"]) == ("1001", 0)
    first.runner.run(first.runtime.stop())
    first.close()
    state = State(SqliteJournal(path))
    state.load()
    second = Api(state=state)
    second.runner.run(second.runtime.start())
    assert second("SessionSv1.GetActiveSessions") == [before]
    ended = {**event, "Usage": "60s"}
    assert second("SessionSv1.TerminateSession", TerminateSession=True, ID="t", Event=ended) == "OK"
    assert second.balances() == {"*monetary": [("main", 4.4)]}
    second.runner.run(second.runtime.stop())
    second.close()


def test_configured_lengths_are_numbers_in_answers() -> None:
    api = Api({"sessions": {"default_usage": {"*voice": "10m"}, "debit_interval": "0s", "session_ttl": "1h"}})
    api.engine.load(TARIFF)
    event = {
        "OriginID": "s1",
        "RequestType": "*postpaid",
        "ToR": "*voice",
        "Account": "1001",
        "Destination": "4912",
    }
    asked = {"Tenant": "cgrates.org", "ID": "a", "Event": event}
    assert api("SessionSv1.AuthorizeEvent", GetMaxUsage=True, **asked) == {"MaxUsage": 600 * 10**9}
    assert api("SessionSv1.InitiateSession", InitSession=True, **asked) == {"MaxUsage": 600 * 10**9}
    assert len(api("SessionSv1.GetActiveSessions")) == 1
    api.runner.run(api.runtime.stop())
    api.close()
