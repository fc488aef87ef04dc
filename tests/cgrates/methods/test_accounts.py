"""Accounts and their balances over the wire."""

from pathlib import Path

import pytest

from ocs.cgrates.journal import SqliteJournal
from ocs.cgrates.state import State
from tests.cgrates.methods.api import Api

MAIN = {"ID": "main", "Weight": 10, "ExpiryTime": "*unlimited"}


def top_up(api: Api, value: float = 10, name: str = "1001", **more: object) -> object:
    """Adds money."""
    return api(
        "APIerSv1.AddBalance", Account=name, BalanceType="*monetary", Value=value, Balance=MAIN, **more
    )


def test_a_top_up_makes_account_and_balance(api: Api) -> None:
    assert top_up(api) == "OK"
    [balance] = api.account()["BalanceMap"]["*monetary"]
    assert (balance["ID"], balance["Value"], balance["Weight"]) == ("main", 10, 10)
    assert api.account()["ID"] == "cgrates.org:1001"


def test_version_2_answers_to_methods_of_version_1(api: Api) -> None:
    params = {"Account": "1001", "BalanceType": "*monetary", "Value": 3, "Balance": {"ID": "b"}}
    assert api("APIerSv2.SetBalance", **params) == "OK"
    assert api.balances() == {"*monetary": [("b", 3)]}


def test_overwriting_starts_from_zero_and_debits_go_below(api: Api) -> None:
    top_up(api)
    top_up(api, 4, Overwrite=True)
    assert api.balances() == {"*monetary": [("main", 4)]}
    debit = {"Account": "1001", "BalanceType": "*monetary", "Value": 5, "Balance": {"ID": "main"}}
    assert api("APIerSv1.DebitBalance", **debit) == "OK"
    assert api.balances() == {"*monetary": [("main", -1)]}


def test_amounts_are_exact_decimals(api: Api) -> None:
    api("APIerSv1.SetBalance", Account="1001", BalanceType="*monetary", Value="0.1", Balance={"ID": "a"})
    api("APIerSv1.SetBalance", Account="1001", BalanceType="*voice", Value=90000000000, Balance={"ID": "v"})
    assert api.balances() == {"*monetary": [("a", 0.1)], "*voice": [("v", 90000000000)]}


def test_a_balance_is_set_by_uuid(api: Api) -> None:
    top_up(api)
    uid = api.account()["BalanceMap"]["*monetary"][0]["Uuid"]
    api("APIerSv1.SetBalance", Account="1001", BalanceType="*monetary", Value=7, Balance={"UUID": uid})
    assert api.balances() == {"*monetary": [("main", 7)]}


def test_several_balances_are_set_all_or_none(api: Api) -> None:
    rows = [
        {"BalanceType": "*monetary", "Value": 5, "Balance": {"ID": "m"}},
        {"BalanceType": "*sms", "Value": 20, "Balance": {"ID": "s"}},
    ]
    assert api("APIerSv1.SetBalances", Account="1001", Balances=rows) == "OK"
    assert api.balances() == {"*monetary": [("m", 5)], "*sms": [("s", 20)]}
    rows[0]["Value"], rows[1]["Balance"] = 9, {}
    error = api.error("APIerSv1.SetBalances", Account="1001", Balances=rows)
    assert error == "MANDATORY_IE_MISSING: [BalanceID or BalanceUUID]"
    assert api.balances() == {"*monetary": [("m", 5)], "*sms": [("s", 20)]}


def test_balances_are_removed_by_filter(api: Api) -> None:
    top_up(api)
    remove = {"Account": "1001", "BalanceType": "*monetary", "Balance": {"ID": "main"}}
    assert api("APIerSv1.RemoveBalances", **remove) == "OK"
    assert api.error("APIerSv1.RemoveBalances", **remove) == "PARTIALLY_EXECUTED"
    assert api.error("APIerSv1.RemoveBalances", **{**remove, "Account": "nobody"}) == "NOT_FOUND"


def transfer(**more: object) -> dict[str, object]:
    """Parameters that move money from 1001 to 1002."""
    return {
        "SourceAccountID": "1001",
        "SourceBalanceID": "main",
        "DestinationAccountID": "1002",
        "DestinationBalanceID": "main",
        "Units": 4,
        **more,
    }


def test_units_move_between_accounts(api: Api) -> None:
    top_up(api)
    top_up(api, name="1002")
    assert api("APIerSv1.TransferBalance", **transfer()) == ""
    assert (api.balances(), api.balances("1002")) == (
        {"*monetary": [("main", 6)]},
        {"*monetary": [("main", 14)]},
    )
    for units in (7, -1):
        error = api.error("APIerSv1.TransferBalance", **transfer(Units=units))
        assert error == "SERVER_ERROR: PARTIALLY_EXECUTED"


def test_a_reference_value_is_filled_up_to(api: Api) -> None:
    top_up(api)
    top_up(api, 1, name="1002")
    api("APIerSv1.TransferBalance", **transfer(DestinationReferenceValue=3))
    assert api.balances("1002") == {"*monetary": [("main", 3)]}


def test_changes_leave_records_where_asked(api: Api) -> None:
    top_up(api, Cdrlog=True)
    [record] = api("CDRsV1.GetCDRs", Accounts=["1001"])
    assert (record["Source"], record["RunID"], record["ToR"], record["Cost"]) == (
        "*cdrlog",
        "*topup",
        "*monetary",
        10,
    )


def test_flags_of_an_account_are_set_and_kept(api: Api) -> None:
    assert api("APIerSv2.SetAccount", Account="1001", ExtraOptions={"AllowNegative": True}) == "OK"
    api("APIerSv2.SetAccount", Account="1001", ExtraOptions={"Disabled": True})
    assert (api.account()["AllowNegative"], api.account()["Disabled"]) == (True, True)
    api("APIerSv1.SetAccount", Account="1001", ExtraOptions={"AllowNegative": False})
    assert (api.account()["AllowNegative"], api.account()["Disabled"]) == (False, True)


@pytest.mark.parametrize("name", ["ActionPlanIDs", "ActionTriggerIDs"])
def test_unknown_plans_and_triggers_are_refused_and_make_no_account(api: Api, name: str) -> None:
    assert api.error("APIerSv2.SetAccount", Account="1001", **{name: ["X"]}) == "SERVER_ERROR: NOT_FOUND"
    assert api.error("APIerSv2.GetAccount", Account="1001") == "NOT_FOUND"


def test_accounts_are_listed_counted_and_removed(api: Api) -> None:
    for name in ("1001", "1002", "1003"):
        top_up(api, name=name)
    api("APIerSv2.SetAccount", Account="1002", ExtraOptions={"Disabled": True})
    listed = api("APIerSv2.GetAccounts", Limit=2, Offset=1)
    assert [one["ID"] for one in listed] == ["cgrates.org:1002", "cgrates.org:1003"]
    named = api("APIerSv2.GetAccounts", AccountIDs=["1003", "nobody"])
    assert [one["ID"] for one in named] == ["cgrates.org:1003"]
    assert [one["ID"] for one in api("APIerSv2.GetAccounts", Filter={"Disabled": True})] == [
        "cgrates.org:1002"
    ]
    assert api("APIerSv1.GetAccountsCount") == 3
    assert api("APIerSv1.GetAccountIDs", Limit=1) == ["1001"]
    assert api("APIerSv1.RemoveAccount", Account="1001") == "OK"
    assert api("APIerSv2.GetAccountsCount", Tenant="cgrates.org") == 2
    assert api.error("APIerSv1.GetAccountIDs", Tenant="other.org") == "NOT_FOUND"


def test_version_1_shows_the_old_structure(api: Api) -> None:
    top_up(api)
    old = api("APIerSv1.GetAccount", Account="1001")
    assert old["Id"] == "*out:cgrates.org:1001"
    assert old["BalanceMap"]["*monetary*out"][0]["Id"] == "main"
    assert api("APIerSv1.GetAccounts")[0]["Id"] == "*out:cgrates.org:1001"


@pytest.mark.parametrize(
    ("method", "params", "error"),
    [
        ("APIerSv1.AddBalance", {"BalanceType": "*monetary", "Value": 1}, "MANDATORY_IE_MISSING: [Account]"),
        ("APIerSv1.AddBalance", {"Account": "1", "Value": 1}, "MANDATORY_IE_MISSING: [BalanceType]"),
        ("APIerSv2.GetAccount", {}, "MANDATORY_IE_MISSING: [Account]"),
        ("APIerSv2.GetAccount", {"Account": "none"}, "NOT_FOUND"),
    ],
)
def test_what_is_missing_is_named(api: Api, method: str, params: dict[str, object], error: str) -> None:
    assert api.error(method, **params) == error


@pytest.mark.parametrize("method", ["AddBalance", "DebitBalance", "SetBalance", "RemoveBalances"])
def test_all_that_a_request_lacks_is_told_at_once(api: Api, method: str) -> None:
    assert api.error(f"APIerSv1.{method}") == "MANDATORY_IE_MISSING: [Account BalanceType]"


def test_an_account_tells_when_it_was_changed_last(timed: Api) -> None:
    timed("APIerSv1.AddBalance", Account="1001", BalanceType="*monetary", Value=1)
    assert timed.account()["UpdateTime"] == "2026-06-15T12:00:00Z"
    timed.wait(5 * 10**9)
    timed("APIerSv1.AddBalance", Account="1001", BalanceType="*monetary", Value=1)
    timed.wait(5 * 10**9)
    assert timed.account()["UpdateTime"] == "2026-06-15T12:00:05Z"
    assert timed("APIerSv1.GetAccount", Account="1001")["UpdateTime"] == "2026-06-15T12:00:05Z"


def test_the_time_of_the_last_change_survives_a_restart(tmp_path: Path) -> None:
    first = Api(None, State(SqliteJournal(tmp_path / "cgrates.db")))
    first("APIerSv1.AddBalance", Account="1001", BalanceType="*monetary", Value=1)
    first.runner.run(first.runtime.stop())
    first.close()
    kept = State(SqliteJournal(tmp_path / "cgrates.db"))
    kept.load()
    second = Api(None, kept)
    assert second.account()["UpdateTime"] == "2026-06-15T12:00:00Z"
    assert second.balances()["*monetary"][0][1] == 1
    second.runner.run(second.runtime.stop())
    second.close()
