"""Rated and paid calls as the incumbent's JSON. Pure."""

from collections.abc import Mapping
from typing import Any

from ocs.cgrates.objects.numbers import number, real, time_of_day
from ocs.charging.cgrates.account import Account
from ocs.charging.cgrates.call import Call
from ocs.charging.cgrates.model import (
    UNPAID,
    CallCost,
    Increments,
    PaidCall,
    PaidSpan,
    Payment,
    RatedSpan,
    Steps,
)
from ocs.charging.cgrates.plan import Rate, RateInterval, Timing
from ocs.sessions.values import moment_text

Form = dict[str, Any]


def call_cost_form(
    call: Call, cost: CallCost | PaidCall, owners: Mapping[str, Account] | None = None
) -> Form:
    """The outcome of a rating or a debit as a `CallCost`."""
    return {
        "Category": call.category,
        "Tenant": call.tenant,
        "Subject": call.subject,
        "Account": call.account,
        "Destination": call.destination,
        "ToR": call.kind,
        "Cost": number(cost.cost_nanos),
        "Timespans": [_span_form(call, span, owners or {}) for span in cost.spans] or None,
        "RatedUsage": cost.usage_ns,
        "AccountSummary": None,
    }


def _span_form(call: Call, span: RatedSpan | PaidSpan, owners: Mapping[str, Account]) -> Form:
    if isinstance(span, RatedSpan):
        steps = tuple(_step(part) for part in (span.fee, span.increments) if part is not None)
        cost_nanos, rounding_nanos = sum(one.cost_nanos * one.count for one in steps) * span.factor, 0
    else:
        steps, cost_nanos, rounding_nanos = span.steps, span.cost_nanos, span.rounding_nanos
    match = span.match
    return {
        "TimeStart": moment_text((span.start_ns, call.offset_ns)),
        "TimeEnd": moment_text((span.end_ns, call.offset_ns)),
        "Cost": number(cost_nanos),
        "RateInterval": interval_form(span.interval) if span.interval is not None else None,
        "DurationIndex": span.index_ns,
        "Increments": [_increment_form(one, owners) for one in steps] or None,
        "RoundIncrement": {
            "Duration": 0,
            "Cost": number(rounding_nanos),
            "BalanceInfo": _balance_info(steps[0].payment, steps[0], owners),
            "CompressFactor": 1,
        }
        if rounding_nanos
        else None,
        "MatchedSubject": match.subject,
        "MatchedPrefix": match.prefix,
        "MatchedDestId": match.destination_id,
        "RatingPlanId": match.plan_id,
        "CompressFactor": span.factor,
    }


def _step(increments: Increments) -> Steps:
    return Steps(increments.duration_ns, increments.cost_nanos, increments.count)


def _increment_form(steps: Steps, owners: Mapping[str, Account]) -> Form:
    return {
        "Duration": steps.duration_ns,
        "Cost": number(steps.cost_nanos),
        "BalanceInfo": _balance_info(steps.payment, steps, owners),
        "CompressFactor": steps.count,
    }


def _balance_info(payment: Payment, steps: Steps, owners: Mapping[str, Account]) -> Form:
    if payment == UNPAID:
        return {"Unit": None, "Monetary": None, "AccountID": ""}
    unit = money = None
    if payment.unit_uid:
        name, value = _named(owners.get(payment.account_id), payment.unit_uid)
        unit = dict[str, Any]({"UUID": payment.unit_uid, "ID": name, "Value": value})
        unit |= {"DestinationID": "", "Consumed": real(steps.duration_ns * payment.factor)}
        unit |= {"Factor": real(payment.factor), "ToR": "", "RateInterval": None}
    if payment.money_uid:
        name, value = _named(owners.get(payment.account_id), payment.money_uid)
        money = {"UUID": payment.money_uid, "ID": name, "Value": value, "RateInterval": None}
    return {"Unit": unit, "Monetary": money, "AccountID": payment.account_id}


def _named(account: Account | None, uid: str) -> tuple[str, int | float]:
    """Id and value of the balance with a uid."""
    for balances in account.balances.values() if account is not None else ():
        for balance in balances:
            if balance.uid == uid:
                return balance.balance_id, number(balance.value_nanos)
    return "", 0


def interval_form(interval: RateInterval) -> Form:
    """A rate interval with its hours and prices."""
    return {
        "Timing": timing_form(interval.timing),
        "Rating": {**rating_form(interval), "Rates": rates_form(interval.rate)},
        "Weight": real(interval.weight),
    }


def rating_form(interval: RateInterval) -> Form:
    """What of a rate interval is no time and no slot."""
    return {
        "ConnectFee": number(interval.rate.fee_nanos),
        "RoundingMethod": str(interval.rounding),
        "RoundingDecimals": interval.rounding_decimals,
        "MaxCost": number(interval.max_cost_nanos),
        "MaxCostStrategy": interval.max_cost_strategy,
    }


def rates_form(rate: Rate) -> list[Form]:
    """The slots of a rate."""
    return [
        {
            "GroupIntervalStart": slot.start_ns,
            "Value": real(slot.price),
            "RateIncrement": slot.increment_ns,
            "RateUnit": slot.unit_ns,
        }
        for slot in rate.slots
    ]


def timing_form(timing: Timing) -> Form:
    """Calendar conditions; weekdays count from Sunday, 0."""
    return {
        "ID": timing.tag,
        "Years": list(timing.years),
        "Months": list(timing.months),
        "MonthDays": list(timing.month_days),
        "WeekDays": list(timing.week_days),
        "StartTime": timing.schedule or time_of_day(timing.start_ns),
        "EndTime": "",
    }
