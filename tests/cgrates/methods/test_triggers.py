"""Action triggers over the wire: in groups, on accounts, and fired by debits, balance calls and sessions."""

from typing import Any

from tests.cgrates.methods.api import Api

WARN: dict[str, Any] = {
    "Identifier": "*topup",
    "BalanceId": "gift",
    "BalanceType": "*sms",
    "Units": 3,
    "Weight": 1,
}
LOW: dict[str, Any] = {
    "GroupID": "TRG",
    "UniqueID": "low",
    "ActionTrigger": {
        "ThresholdType": "*min_balance",
        "ThresholdValue": 2,
        "BalanceType": "*monetary",
        "ActionsID": "WARN",
        "Weight": 10,
    },
}


def with_trigger(api: Api, **more: Any) -> None:
    """An account with 10 and a trigger that gives three messages when 2 or less are left."""
    api("APIerSv2.SetActions", ActionsId="WARN", Actions=[WARN])
    trigger = {**LOW, "ActionTrigger": {**LOW["ActionTrigger"], **more}}
    assert api("APIerSv1.SetActionTrigger", **trigger) == "OK"
    balance = {"ID": "main"}
    api("APIerSv1.SetBalance", Account="1001", BalanceType="*monetary", Value=10, Balance=balance)
    assert api("APIerSv1.AddAccountActionTriggers", Account="1001", ActionTriggerIDs=["TRG"]) == "OK"


def spend(api: Api, value: float) -> None:
    """Debits money."""
    api("APIerSv1.DebitBalance", Account="1001", BalanceType="*monetary", Value=value, Balance={"ID": "main"})


def test_a_low_balance_runs_its_actions_once(api: Api) -> None:
    with_trigger(api)
    spend(api, 7)
    assert api.balances() == {"*monetary": [("main", 3)]}
    spend(api, 1)
    assert api.balances() == {"*monetary": [("main", 2)], "*sms": [("gift", 3)]}
    spend(api, 1)
    assert api.balances()["*sms"] == [("gift", 3)]
    assert api.account()["ActionTriggers"][0]["Executed"] is True


def test_a_reset_trigger_runs_again(api: Api) -> None:
    with_trigger(api)
    spend(api, 9)
    assert api("APIerSv1.ResetAccountActionTriggers", Account="1001", GroupID="TRG") == "OK"
    assert api("APIerSv1.GetAccountActionTriggers", Account="1001")[0]["Executed"] is False
    spend(api, 1)
    assert api.balances()["*sms"] == [("gift", 6)]


def test_a_call_that_is_debited_fires_too(api: Api) -> None:
    with_trigger(api)
    tariff = {
        "Destinations.csv": "DST,49\n",
        "Rates.csv": "RT,0,1,1s,1s,0s\n",
        "DestinationRates.csv": "DR,DST,RT,*up,4,0,\n",
        "RatingPlans.csv": "RP,DR,*any,10\n",
        "RatingProfiles.csv": "cgrates.org,call,*any,2020-01-01T00:00:00Z,RP,\n",
    }
    api.engine.load(tariff)
    usage = {"Account": "1001", "Destination": "4912", "Usage": "8s", "SetupTime": "2026-06-15T12:00:00Z"}
    assert api("APIerSv1.DebitUsage", **usage) == "OK"
    assert api.balances() == {"*monetary": [("main", 2)], "*sms": [("gift", 3)]}


def test_counters_count_what_events_cost(api: Api) -> None:
    with_trigger(api, ThresholdType="*max_event_counter", ThresholdValue=5)
    test = {
        "Rates.csv": "RT,0,1,1s,1s,0s\n",
        "DestinationRates.csv": "DR,*any,RT,*up,4,0,\n",
        "RatingPlans.csv": "RP,DR,*any,10\n",
        "RatingProfiles.csv": "cgrates.org,call,*any,2020-01-01T00:00:00Z,RP,\n",
    }
    api.engine.load(test)
    usage = {"Account": "1001", "Destination": "4912", "Usage": "3s", "SetupTime": "2026-06-15T12:00:00Z"}
    api("APIerSv1.DebitUsage", **usage)
    assert api.account()["UnitCounters"]["*monetary"][0]["Counters"][0]["Value"] == 3
    assert "*sms" not in api.balances()
    api("APIerSv1.DebitUsage", **usage)
    assert api.balances()["*sms"] == [("gift", 3)]


def test_top_ups_are_not_counted(api: Api) -> None:
    with_trigger(api, ThresholdType="*max_event_counter", ThresholdValue=5)
    api("APIerSv1.AddBalance", Account="1001", BalanceType="*monetary", Value=50, Balance={"ID": "main"})
    assert api.account()["UnitCounters"]["*monetary"][0]["Counters"][0]["Value"] == 0


def test_members_of_a_trigger_change_alone(api: Api) -> None:
    with_trigger(api)
    change = {"GroupID": "TRG", "UniqueID": "low", "ActionTrigger": {"ThresholdValue": 4}}
    api("APIerSv1.SetActionTrigger", **change)
    [shown] = api("APIerSv1.GetActionTriggers", GroupIDs=["TRG"])
    assert (shown["ThresholdValue"], shown["ThresholdType"], shown["ActionsID"]) == (
        4,
        "*min_balance",
        "WARN",
    )
    api("APIerSv1.SetAccountActionTriggers", Account="1001", **change)
    spend(api, 6)
    assert api.balances()["*sms"] == [("gift", 3)]


def test_triggers_leave_accounts_and_groups(api: Api) -> None:
    with_trigger(api)
    api("APIerSv1.RemoveAccountActionTriggers", Account="1001", GroupID="TRG", UniqueID="low")
    assert api.account()["ActionTriggers"] is None
    assert api("APIerSv1.RemoveActionTrigger", GroupID="TRG", UniqueID="low") == "OK"
    assert api("APIerSv1.GetActionTriggers") == []
    assert api.error("APIerSv1.RemoveActionTrigger", GroupID="TRG") == "SERVER_ERROR: NOT_FOUND"


def test_a_trigger_is_written_into_a_request(api: Api) -> None:
    api("APIerSv2.SetActions", ActionsId="WARN", Actions=[WARN])
    api("APIerSv1.SetBalance", Account="1001", BalanceType="*monetary", Value=10, Balance={"ID": "main"})
    trigger = {"ThresholdType": "*max_balance", "ThresholdValue": 20, "BalanceType": "*monetary"}
    assert api("APIerSv1.AddTriggeredAction", Account="1001", ActionsId="WARN", **trigger) == "OK"
    api("APIerSv1.AddBalance", Account="1001", BalanceType="*monetary", Value=10, Balance={"ID": "main"})
    assert api.balances() == {"*monetary": [("main", 20)], "*sms": [("gift", 3)]}


def test_triggers_of_a_tariff_folder_are_put_on_its_accounts(api: Api) -> None:
    api.engine.load(
        {
            "Actions.csv": "WARN,*topup,,,gift,*sms,,,,,*unlimited,,3,,,,10\n"
            "FILL,*topup,,,main,*monetary,,,,,*unlimited,,1,,,,10\n",
            "ActionPlans.csv": "AP,FILL,*asap,10\n",
            "ActionTriggers.csv": "TRG,low,*min_balance,2,false,0,,,,*monetary,,,,,,,,,,WARN,10\n",
            "AccountActions.csv": "cgrates.org,1001,AP,TRG,,\n",
        }
    )
    assert api.balances() == {"*monetary": [("main", 1)], "*sms": [("gift", 3)]}
