"""Actions, action plans and timings as the incumbent's answers show them. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from ocs.cgrates.objects.numbers import decimal, number, real, time_of_day
from ocs.charging.cgrates.actions_model import Action, BalanceFilter
from ocs.charging.cgrates.plan import Timing

Form = dict[str, Any]


def tariff_action_view(action: Action) -> Form:
    """An action in the form that sets it (`SetActions`, `GetActions` of version 1)."""
    balance = action.balance
    return {
        "Identifier": action.kind,
        "BalanceId": balance.balance_id or "",
        "BalanceUuid": balance.uid or "",
        "BalanceType": balance.kind or "",
        "Units": units_text(balance),
        "ExpiryTime": balance.expiry or "",
        "Filters": ";".join(action.filters),
        "TimingTags": ";".join(balance.timings or ()),
        "DestinationIds": ";".join(_signed(balance.destinations)),
        "RatingSubject": balance.rating_subject or "",
        "Categories": ";".join(balance.categories or ()),
        "SharedGroups": ";".join(balance.shared_groups or ()),
        "BalanceWeight": weight_text(balance),
        "ExtraParameters": action.parameters,
        "BalanceBlocker": _flag_text(balance.is_blocker),
        "BalanceDisabled": _flag_text(balance.is_disabled),
        "Weight": real(action.weight),
    }


def action_view(action: Action) -> Form:
    """An action as version 2 shows it: with its balance as a filter."""
    return {
        "Id": action.tag,
        "ActionType": action.kind,
        "ExtraParameters": action.parameters,
        "Filters": list(action.filters),
        "ExpirationString": action.balance.expiry or "",
        "Weight": real(action.weight),
        "Balance": filter_view(action.balance),
    }


def filter_view(balance: BalanceFilter) -> Form:
    """A balance filter: null where it does not care."""
    amount = None
    if balance.units_formula:
        amount = {"Static": 0, "Method": balance.units_formula, "Params": None}
    elif balance.units_nanos is not None:
        amount = {"Static": number(balance.units_nanos), "Method": "", "Params": None}
    return {
        "Uuid": balance.uid,
        "ID": balance.balance_id,
        "Type": balance.kind,
        "Value": amount,
        "ExpirationDate": None,
        "Weight": None if balance.weight is None else real(balance.weight),
        "DestinationIDs": None if balance.destinations is None else dict(balance.destinations),
        "RatingSubject": balance.rating_subject,
        "Categories": _set(balance.categories),
        "SharedGroups": _set(balance.shared_groups),
        "TimingIDs": _set(balance.timings),
        "Timings": None,
        "Disabled": balance.is_disabled,
        "Factors": None
        if balance.factors is None
        else {name: real(value) for name, value in balance.factors},
        "Blocker": balance.is_blocker,
    }


def plan_view(plan_id: str, accounts: Iterable[str], entries: Iterable[Mapping[str, Any]]) -> Form:
    """An action plan; entries are made by `entry_view`."""
    return {
        "Id": plan_id,
        "AccountIDs": dict.fromkeys(accounts, True) or None,
        "ActionTimings": list(entries),
    }


def entry_view(uid: str, actions_id: str, timing: Timing, weight: float) -> Form:
    """When a plan runs an action set."""
    return {
        "Uuid": uid,
        "Timing": {"ID": "", "Timing": timing_view(timing), "Rating": None, "Weight": 0},
        "ActionsID": actions_id,
        "ExtraData": None,
        "Weight": real(weight),
    }


def timing_view(timing: Timing) -> Form:
    """Calendar conditions; weekdays count from Sunday, 0. A word such as `*monthly` stands in the start time."""
    return {
        "ID": timing.tag,
        "Years": list(timing.years),
        "Months": list(timing.months),
        "MonthDays": list(timing.month_days),
        "WeekDays": list(timing.week_days),
        "StartTime": timing.schedule or time_of_day(timing.start_ns),
        "EndTime": "",
    }


def units_text(balance: BalanceFilter) -> str:
    """The Units cell of an action."""
    if balance.units_formula:
        return balance.units_formula
    return "" if balance.units_nanos is None else decimal(balance.units_nanos)


def weight_text(balance: BalanceFilter) -> str:
    """The BalanceWeight cell of an action."""
    if balance.weight_word:
        return balance.weight_word
    return "" if balance.weight is None else str(real(balance.weight))


def _flag_text(value: bool | None) -> str:
    return "" if value is None else ("true" if value else "false")


def _signed(names: Iterable[tuple[str, bool]] | None) -> list[str]:
    return [name if included else f"!{name}" for name, included in names or ()]


def _set(names: Iterable[str] | None) -> dict[str, bool] | None:
    return None if names is None else {name.lstrip("!"): not name.startswith("!") for name in names}


__all__ = [
    *("NO_TIME", "action_view", "entry_view", "filter_view", "plan_view", "tariff_action_view"),
    *("timing_view", "units_text", "weight_text"),
]
