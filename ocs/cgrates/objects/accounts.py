"""Accounts as the incumbent's answers show them: the present structure, and the one of version 1. Pure."""

from collections.abc import Mapping
from typing import Any

from ocs.cgrates.objects.numbers import moment, number, real
from ocs.charging.cgrates.account import Account, Balance

OUT = "*out"


def account_view(
    account: Account,
    triggers: list[dict[str, Any]] | None = None,
    counters: Mapping[str, Any] | None = None,
    updated_ns: int | None = None,
) -> dict[str, Any]:
    """The answer of `APIerSv2.GetAccount`; values of voice are ns."""
    balances = {kind: [balance_view(one) for one in held] for kind, held in account.balances.items()}
    return {
        "ID": account.account_id,
        "BalanceMap": balances or None,
        "UnitCounters": counters or None,
        "ActionTriggers": triggers or None,
        "AllowNegative": account.allows_negative,
        "Disabled": account.is_disabled,
        "UpdateTime": moment(updated_ns),
    }


def balance_view(balance: Balance) -> dict[str, Any]:
    """One balance of `BalanceMap`."""
    return {
        "Uuid": balance.uid,
        "ID": balance.balance_id,
        "Value": number(balance.value_nanos),
        "ExpirationDate": moment(balance.expires_ns),
        "Weight": real(balance.weight),
        "DestinationIDs": dict(balance.destinations),
        "RatingSubject": balance.rating_subject,
        "Categories": dict(balance.categories),
        "SharedGroups": dict(balance.shared_groups),
        "Timings": None,
        "TimingIDs": dict(balance.timings),
        "Disabled": balance.is_disabled,
        "Factors": {name: real(factor) for name, factor in balance.factors.items()} or None,
        "Blocker": balance.is_blocker,
    }


def old_account_view(
    account: Account, triggers: list[dict[str, Any]] | None = None, updated_ns: int | None = None
) -> dict[str, Any]:
    """The answer of `APIerSv1.GetAccount`: keys end with the direction, sets are texts."""
    balances = {
        f"{kind}{OUT}": [_old_balance_view(one) for one in held] for kind, held in account.balances.items()
    }
    return {
        "Id": f"{OUT}:{account.account_id}",
        "BalanceMap": balances,
        "UnitCounters": [],
        "ActionTriggers": [_old_trigger_view(one) for one in triggers or ()],
        "AllowNegative": account.allows_negative,
        "Disabled": account.is_disabled,
        "UpdateTime": moment(updated_ns),
    }


def _old_balance_view(balance: Balance) -> dict[str, Any]:
    return {
        "Uuid": balance.uid,
        "Id": balance.balance_id,
        "Value": number(balance.value_nanos),
        "ExpirationDate": moment(balance.expires_ns),
        "Weight": real(balance.weight),
        "DestinationIds": set_text(balance.destinations),
        "RatingSubject": balance.rating_subject,
        "Category": set_text(balance.categories),
        "SharedGroup": set_text(balance.shared_groups),
        "Timings": None,
        "TimingIDs": set_text(balance.timings),
        "Disabled": balance.is_disabled,
        "Factors": {name: real(factor) for name, factor in balance.factors.items()} or None,
        "Blocker": balance.is_blocker,
    }


def _old_trigger_view(view: dict[str, Any]) -> dict[str, Any]:
    balance = view["Balance"]
    return {
        "Id": view["ID"],
        "ThresholdType": view["ThresholdType"],
        "ThresholdValue": view["ThresholdValue"],
        "Recurrent": view["Recurrent"],
        "MinSleep": view["MinSleep"],
        "BalanceId": balance["ID"] or "",
        "BalanceType": balance["Type"] or "",
        "BalanceDestinationIds": set_text(balance["DestinationIDs"] or {}),
        "BalanceWeight": balance["Weight"] or 0,
        "BalanceRatingSubject": balance["RatingSubject"] or "",
        "BalanceDisabled": bool(balance["Disabled"]),
        "Weight": view["Weight"],
        "ActionsId": view["ActionsID"],
        "Executed": view["Executed"],
    }


def set_text(names: Mapping[str, bool]) -> str:
    """A set as text: `a;!b`."""
    return ";".join(name if included else f"!{name}" for name, included in names.items())
