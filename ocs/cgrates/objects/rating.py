"""Rating plans, rating profiles, shared groups and destinations as the incumbent's answers show them. Pure."""

import hashlib
from collections.abc import Iterable
from typing import Any

from ocs.cgrates.objects.actions import timing_view
from ocs.cgrates.objects.numbers import moment, number, real
from ocs.charging.cgrates.plan import Activation, RateInterval, RatingPlan, SharedGroup

Form = dict[str, Any]
ID_LETTERS = 8


def rating_plan_view(plan: RatingPlan) -> Form:
    """A rating plan: timings and ratings by id, and which of them price each destination."""
    timings: dict[str, Form] = {}
    ratings: dict[str, Form] = {}
    rates: dict[str, list[Form]] = {}
    for destination_id, intervals in plan.intervals.items():
        rates[destination_id] = [_reference(interval, timings, ratings) for interval in intervals]
    return {"Id": plan.plan_id, "Timings": timings, "Ratings": ratings, "DestinationRates": rates}


def _reference(interval: RateInterval, timings: dict[str, Form], ratings: dict[str, Form]) -> Form:
    timing = {name: value for name, value in timing_view(interval.timing).items() if name != "ID"}
    rating = _rating(interval)
    timing_id, rating_id = _id(timing), _id(rating)
    timings[timing_id], ratings[rating_id] = timing, rating
    return {"Timing": timing_id, "Rating": rating_id, "Weight": real(interval.weight)}


def _rating(interval: RateInterval) -> Form:
    return {
        "ConnectFee": number(interval.rate.fee_nanos),
        "RoundingMethod": str(interval.rounding),
        "RoundingDecimals": interval.rounding_decimals,
        "MaxCost": number(interval.max_cost_nanos),
        "MaxCostStrategy": interval.max_cost_strategy,
        "Rates": [
            {
                "GroupIntervalStart": slot.start_ns,
                "Value": real(slot.price),
                "RateIncrement": slot.increment_ns,
                "RateUnit": slot.unit_ns,
            }
            for slot in interval.rate.slots
        ],
    }


def rating_profile_view(key: str, activations: Iterable[Activation]) -> Form:
    """A rating profile; `key` is `tenant:category:subject`."""
    tenant_and_category = key.rpartition(":")[0]
    return {
        "Id": f"*out:{key}",
        "RatingPlanActivations": [
            {
                "ActivationTime": moment(activation.active_ns or None),
                "RatingPlanId": activation.plan_id,
                "FallbackKeys": [
                    f"*out:{tenant_and_category}:{name}" for name in activation.fallback_subjects
                ]
                or None,
            }
            for activation in activations
        ],
    }


def shared_group_view(group: SharedGroup, members: Iterable[str]) -> Form:
    """A shared group with the accounts that are in it."""
    return {
        "Id": group.group_id,
        "AccountParameters": {
            account: {"Strategy": strategy, "RatingSubject": ""}
            for account, strategy in group.strategies.items()
        },
        "MemberIds": dict.fromkeys(members, True) or None,
    }


def destination_view(destination_id: str, prefixes: Iterable[str]) -> Form:
    """A destination."""
    return {"Id": destination_id, "Prefixes": list(prefixes)}


def _id(form: Form) -> str:
    """A short id of what a form says."""
    return hashlib.sha1(repr(form).encode(), usedforsecurity=False).hexdigest()[:ID_LETTERS]
