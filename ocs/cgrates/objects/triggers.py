"""Action triggers and unit counters as the incumbent's answers show them. Pure."""

from typing import Any

from ocs.cgrates.objects.actions import filter_view
from ocs.cgrates.objects.numbers import moment, number, real
from ocs.charging.cgrates.actions_model import ActionTrigger
from ocs.charging.cgrates.triggers import Counter, TriggerState, Watch

Form = dict[str, Any]


def trigger_views(watch: Watch) -> list[Form]:
    """The triggers of an account with what has become of them."""
    return [trigger_view(state) for state in watch.triggers]


def trigger_view(state: TriggerState) -> Form:
    """One trigger of an account."""
    trigger = state.trigger
    return {
        "ID": trigger.tag,
        "UniqueID": trigger.unique_id,
        "ThresholdType": trigger.threshold_kind,
        "ThresholdValue": number(trigger.threshold_nanos),
        "Recurrent": state.is_recurrent,
        "MinSleep": trigger.min_sleep_ns,
        "ExpirationDate": moment(state.expires_ns),
        "ActivationDate": moment(state.active_ns),
        "Balance": filter_view(trigger.balance),
        "Weight": real(trigger.weight),
        "ActionsID": trigger.actions_tag,
        "MinQueuedItems": 0,
        "Executed": state.executed,
        "LastExecutionTime": moment(state.last_run_ns),
    }


def group_views(triggers: tuple[ActionTrigger, ...]) -> list[Form]:
    """The triggers of a group, that no account has yet."""
    return [trigger_view(TriggerState(trigger, trigger.is_recurrent)) for trigger in triggers]


def counters_view(watch: Watch) -> dict[str, list[Form]]:
    """Counters by kind of balance; those that count the same way stand together."""
    found: dict[str, list[Form]] = {}
    for counter in watch.counters:
        way = "*balance" if counter.counts_balances else "*event"
        group = next((one for one in found.get(counter.kind, ()) if one["CounterType"] == way), None)
        if group is None:
            group = {"CounterType": way, "Counters": []}
            found.setdefault(counter.kind, []).append(group)
        group["Counters"].append(_counter_view(counter))
    return found


def _counter_view(counter: Counter) -> Form:
    return {"Value": number(counter.value_nanos), "Filter": filter_view(counter.balance)}
