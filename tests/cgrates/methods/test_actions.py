"""Action sets, plans and the scheduler over the wire."""

from typing import Any

from ocs.charging.cgrates.values import instant_ns
from tests.cgrates.methods.api import Api

TOPUP: dict[str, Any] = {
    "Identifier": "*topup",
    "BalanceId": "main",
    "BalanceType": "*monetary",
    "Units": 5,
    "ExpiryTime": "*unlimited",
    "Weight": 10,
}


def with_actions(api: Api, name: str = "TOP", *rows: dict[str, Any]) -> None:
    """Sets an action set and an account."""
    assert api("APIerSv2.SetActions", ActionsId=name, Actions=list(rows) or [TOPUP]) == "OK"
    if "cgrates.org:1001" not in api.runtime.state.accounts:
        api("APIerSv2.SetAccount", Account="1001")


def test_actions_run_at_once(api: Api) -> None:
    with_actions(api)
    assert api("APIerSv1.ExecuteAction", Account="1001", ActionsId="TOP") == "OK"
    assert api.balances() == {"*monetary": [("main", 5)]}
    assert api.error("APIerSv1.ExecuteAction", Account="1001", ActionsId="NONE") == "NOT_FOUND"


def test_a_set_is_replaced_only_where_asked(api: Api) -> None:
    with_actions(api)
    changed = {**TOPUP, "Units": "7"}
    assert api.error("APIerSv1.SetActions", ActionsId="TOP", Actions=[changed]) == "EXISTS"
    assert api("APIerSv1.SetActions", ActionsId="TOP", Actions=[changed], Overwrite=True) == "OK"
    [shown] = api("APIerSv1.GetActions", ActionsId="TOP")
    assert (shown["Identifier"], shown["Units"], shown["BalanceType"]) == ("*topup", "7", "*monetary")
    assert api.bare("APIerSv1.GetActions", "TOP") == [shown]


def test_version_2_shows_actions_by_id(api: Api) -> None:
    with_actions(api)
    shown = api("APIerSv2.GetActions", ActionIDs=["TOP"])
    assert shown["TOP"][0]["Balance"]["Value"] == {"Static": 5, "Method": "", "Params": None}
    assert api.error("APIerSv2.GetActions", ActionIDs=["NONE"]) == "NOT_FOUND"


def test_filters_of_actions_look_at_the_account(api: Api) -> None:
    poor = {**TOPUP, "Filters": ["*lt:~*req.BalanceMap.*monetary[0].Value:20"]}
    with_actions(api, "TOP", poor)
    api("APIerSv1.SetBalance", Account="1001", BalanceType="*monetary", Value=18, Balance={"ID": "main"})
    api("APIerSv1.ExecuteAction", Account="1001", ActionsId="TOP")
    api("APIerSv1.ExecuteAction", Account="1001", ActionsId="TOP")
    assert api.balances() == {"*monetary": [("main", 23)]}


def test_a_set_in_use_is_not_removed(api: Api) -> None:
    with_actions(api)
    api("APIerSv1.SetActionPlan", Id="AP", ActionPlan=[{"ActionsId": "TOP", "Time": "*asap"}])
    assert "TOP" in api.error("APIerSv1.RemoveActions", ActionIDs=["TOP"])
    api("APIerSv1.RemoveActionPlan", ID="AP")
    assert api("APIerSv1.RemoveActions", ActionIDs=["TOP"]) == "OK"


def test_a_record_is_written_per_move(api: Api) -> None:
    with_actions(api, "TOP", TOPUP, {"Identifier": "*cdrlog", "Weight": 5})
    api("APIerSv1.ExecuteAction", Account="1001", ActionsId="TOP")
    [record] = api("APIerSv2.GetCDRs", RunIDs=["*topup"])
    assert (record["Cost"], record["ToR"], record["Usage"]) == (5, "*monetary", "1")


# --- plans


def test_what_is_due_at_once_runs_when_an_account_joins(api: Api) -> None:
    with_actions(api)
    assert api("APIerSv1.SetActionPlan", Id="AP", ActionPlan=[{"ActionsId": "TOP", "Time": "*asap"}]) == "OK"
    api("APIerSv2.SetAccount", Account="1001", ActionPlanIDs=["AP"])
    assert api.balances() == {"*monetary": [("main", 5)]}
    [plan] = api("APIerSv1.GetActionPlan", ID="AP")
    assert plan["AccountIDs"] == {"cgrates.org:1001": True}
    assert plan["ActionTimings"][0]["ActionsID"] == "TOP"


def test_a_plan_with_unknown_actions_is_refused(api: Api) -> None:
    rows = [{"ActionsId": "NONE", "Time": "*asap"}]
    assert (
        api.error("APIerSv1.SetActionPlan", Id="AP", ActionPlan=rows) == "SERVER_ERROR: BROKEN_REFERENCE:NONE"
    )
    assert api.error("APIerSv1.GetActionPlan", ID="AP") == "NOT_FOUND"


def with_monthly(api: Api) -> None:
    """An account in a plan that runs on the first of the month at 02:00."""
    with_actions(api)
    rows = [{"ActionsId": "TOP", "MonthDays": [1], "Time": "02:00:00", "Weight": 10}]
    api("APIerSv1.SetActionPlan", Id="AP", ActionPlan=rows)
    api("APIerSv2.SetAccount", Account="1001", ActionPlanIDs=["AP"])


def test_upcoming_runs_are_listed(api: Api) -> None:
    with_monthly(api)
    [due] = api("APIerSv1.GetScheduledActions")
    assert (due["NextRunTime"], due["ActionsID"], due["Accounts"]) == ("2026-07-01T02:00:00Z", "TOP", 1)
    [planned] = api("APIerSv1.GetAccountActionPlan", Account="1001")
    assert (planned["ActionPlanId"], planned["NextExecTime"]) == ("AP", "2026-07-01T02:00:00Z")
    assert api.error("APIerSv1.GetScheduledActions", TimeEnd="2026-07-01T00:00:00Z") == "NOT_FOUND"


def test_plans_run_now_where_asked(api: Api) -> None:
    with_monthly(api)
    assert api("SchedulerSv1.ExecuteActions", ActionPlanID="AP") == "OK"
    assert api("SchedulerSv1.ExecuteActionPlans", ActionPlanIDs=["AP"], AccountIDs=["1001"]) == "OK"
    assert api.balances() == {"*monetary": [("main", 10)]}


def test_an_entry_or_an_account_leaves_a_plan(api: Api) -> None:
    with_monthly(api)
    uid = api("APIerSv1.GetActionPlan", ID="AP")[0]["ActionTimings"][0]["Uuid"]
    api("APIerSv1.RemoveActionTiming", ActionPlanId="AP", Account="1001")
    assert api("APIerSv1.GetAccountActionPlan", Account="1001") == []
    api("APIerSv1.RemoveActionTiming", ActionPlanId="AP", ActionTimingId=uid)
    assert api("APIerSv1.GetActionPlan", ID="AP")[0]["ActionTimings"] == []


def test_the_scheduler_runs_plans_when_they_are_due(timed: Api) -> None:
    api = timed
    api.runner.run(api.runtime.start())
    with_monthly(api)
    api.wait(instant_ns("2026-07-01T01:59:59Z") - api.wall_ns())
    assert api.balances() == {}
    api.wait(instant_ns("2026-08-01T02:00:01Z") - api.wall_ns())
    assert api.balances() == {"*monetary": [("main", 10)]}
    api.runner.run(api.runtime.stop())


def test_a_plan_does_not_run_for_a_time_before_it_was_set(timed: Api) -> None:
    api = timed
    api.runner.run(api.runtime.start())
    api.wait(2 * 3_600 * 10**9)
    with_actions(api)
    plan = [{"ActionsId": "TOP", "Time": "13:00:00"}]
    api("APIerSv1.SetActionPlan", Id="AP", ActionPlan=[{**plan[0], "Time": "23:00:00"}])
    api("APIerSv2.SetAccount", Account="1001", ActionPlanIDs=["AP"])
    api("APIerSv1.SetActionPlan", Id="AP", ActionPlan=plan, Overwrite=True)
    api.wait(3_600 * 10**9)
    assert api.balances() == {}
    api.wait(22 * 3_600 * 10**9 + 10**9)
    assert api.balances() == {"*monetary": [("main", 5)]}
    api.runner.run(api.runtime.stop())
