"""Replays the rating steps of recorded worlds."""

from typing import Any

from ocs.charging.cgrates import values
from ocs.charging.cgrates.call import Call, Refusal
from ocs.charging.cgrates.cost import call_cost, event_cost
from ocs.charging.cgrates.model import CallCost, RatedSpan
from tests.charging.cgrates.worlds import Step, World, call_of, moment


def answer(world: World, step: Step) -> tuple[Any, str | None]:
    """(result, error) of one step, both levels in the result."""
    params = step["params"]
    if step["call"] == "Responder.GetCost":
        call = call_of(params)
        found = call_cost(world.tariff, call, world.settings)
        return (None, str(found)) if isinstance(found, Refusal) else (call_cost_text(found, call), None)
    start_ns, offset_ns = values.instant(params["AnswerTime"])
    call = Call(
        tenant=params["Tenant"],
        category=params["Category"],
        destination=params["Destination"],
        subject=params["Subject"],
        start_ns=start_ns,
        end_ns=start_ns + values.duration_ns(params["Usage"]),
        offset_ns=offset_ns,
    )
    found = event_cost(world.tariff, call, world.settings)
    return (None, f"SERVER_ERROR: {found}") if isinstance(found, Refusal) else (event_cost_text(found), None)


def call_cost_text(cost: CallCost, call: Call) -> dict[str, Any]:
    """A call cost in its reduced JSON form."""
    spans = [
        {
            "start": moment(span.start_ns, call.offset_ns),
            "end": moment(span.end_ns, call.offset_ns),
            "idx": span.index_ns,
            "cf": span.factor,
            "match": match_text(span),
            "inc": steps_text(span),
        }
        for span in cost.spans
    ]
    return {"Cost": cost.cost_nanos / 10**9, "RatedUsage": cost.usage_ns, "spans": spans}


def event_cost_text(cost: CallCost) -> dict[str, Any]:
    """An event cost in its reduced JSON form."""
    charges = [
        {"cf": span.factor, "inc": steps_text(span)} | ({"match": match_text(span)} if span.interval else {})
        for span in cost.spans
    ]
    return {"Cost": cost.cost_nanos / 10**9, "Usage": cost.usage_ns, "Charges": charges}


def match_text(span: RatedSpan) -> dict[str, str]:
    """Why a span has its price."""
    match = span.match
    return {
        "dest": match.destination_id,
        "prefix": match.prefix,
        "plan": match.plan_id,
        "subject": match.subject,
    }


def steps_text(span: RatedSpan) -> list[list[Any]]:
    """Increments of a span as [duration, cost, count]."""
    found = [steps for steps in (span.fee, span.increments) if steps is not None]
    return [[steps.duration_ns, steps.cost_nanos / 10**9, steps.count] for steps in found]
