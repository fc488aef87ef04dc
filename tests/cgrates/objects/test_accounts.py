"""Accounts and balances in the incumbent's two structures, and balance objects as filters."""

import pytest

from ocs.cgrates.objects.accounts import account_view, old_account_view
from ocs.cgrates.objects.balances import balance_filter
from ocs.cgrates.objects.given import Given
from ocs.charging.cgrates.account import Account, Balance
from ocs.charging.cgrates.actions import Moment, set_balance
from ocs.charging.cgrates.actions_model import BalanceFilter
from ocs.charging.cgrates.plan import Settings
from ocs.charging.cgrates.values import instant_ns
from ocs.rpc.errors import RpcError

MAIN = Balance(
    "u1",
    "main",
    90 * 10**18,
    instant_ns("2035-06-01T00:00:00Z"),
    20.0,
    destinations={"DST_FR": True, "DST_UK": False},
    shared_groups={"SG1": True},
    is_blocker=True,
)
ACCOUNT = Account("acme.org:1001", {"*voice": (MAIN,), "*monetary": ()}, allows_negative=True)


def test_an_account_shows_every_member() -> None:
    assert account_view(ACCOUNT) == {
        "ID": "acme.org:1001",
        "BalanceMap": {
            "*voice": [
                {
                    "Uuid": "u1",
                    "ID": "main",
                    "Value": 90_000_000_000,
                    "ExpirationDate": "2035-06-01T00:00:00Z",
                    "Weight": 20,
                    "DestinationIDs": {"DST_FR": True, "DST_UK": False},
                    "RatingSubject": "",
                    "Categories": {},
                    "SharedGroups": {"SG1": True},
                    "Timings": None,
                    "TimingIDs": {},
                    "Disabled": False,
                    "Factors": None,
                    "Blocker": True,
                }
            ],
            "*monetary": [],
        },
        "UnitCounters": None,
        "ActionTriggers": None,
        "AllowNegative": True,
        "Disabled": False,
        "UpdateTime": "0001-01-01T00:00:00Z",
    }


def test_an_account_without_balances_has_no_map() -> None:
    assert account_view(Account("acme.org:1"))["BalanceMap"] is None


def test_the_old_structure_has_directions_and_sets_as_text() -> None:
    view = old_account_view(ACCOUNT)
    assert (view["Id"], list(view["BalanceMap"])) == ("*out:acme.org:1001", ["*voice*out", "*monetary*out"])
    balance = view["BalanceMap"]["*voice*out"][0]
    assert (balance["Id"], balance["DestinationIds"], balance["SharedGroup"]) == (
        "main",
        "DST_FR;!DST_UK",
        "SG1",
    )


def test_a_balance_object_is_a_filter_of_what_it_names() -> None:
    given = {"id": "main", "Weight": 0, "ExpiryTime": "+1h", "DestinationIDs": "A;!B", "Factors": {"f": 2}}
    assert balance_filter(Given(given), "*sms") == BalanceFilter(
        balance_id="main",
        kind="*sms",
        weight=0.0,
        expiry="+1h",
        destinations=(("A", True), ("B", False)),
        factors=(("f", 2.0),),
    )


def test_factors_are_numbers() -> None:
    with pytest.raises(RpcError, match="Factors"):
        balance_filter(Given({"Factors": {"f": "two"}}))


def test_a_balance_is_set_by_its_uid() -> None:
    moment = Moment(Settings(), 0, "e")
    wanted = balance_filter(Given({"UUID": "u1", "ID": "other"}), "*voice")
    changed = set_balance(ACCOUNT, "*voice", wanted, 5 * 10**9, moment).accounts["acme.org:1001"]
    assert changed is not None
    assert [(one.uid, one.balance_id, one.value_nanos) for one in changed.balances["*voice"]] == [
        ("u1", "other", 5 * 10**9)
    ]
