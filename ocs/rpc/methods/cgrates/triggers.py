"""`APIerSv1`: action triggers, in groups and on accounts."""

from typing import Any

import msgspec

from ocs.cgrates import watching
from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.errors import not_found, server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.sheets import SHEETS
from ocs.cgrates.objects.triggers import group_views, trigger_views
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates import triggers
from ocs.charging.cgrates.actions_model import ActionTrigger
from ocs.charging.cgrates.triggers import TriggerState, Watch
from ocs.rpc.methods.cgrates.compiled import compiled
from ocs.rpc.methods.cgrates.table import OK, Table, account_id_of
from ocs.rpc.registry import Role

TABLE = Table()
# Members of a request, where they are not called as the columns of ActionTriggers.csv are.
NAMES = {
    "BalanceId": ("BalanceID",),
    "ActionsId": ("ActionsID",),
    "BalanceExpirationDate": ("BalanceExpiryTime",),
    "BalanceSharedGroups": ("BalanceSharedGroup",),
    "BalanceCategories": ("BalanceCategory",),
    "BalanceDestinationIds": ("BalanceDestinationIDs",),
    "ExpirationDate": ("ExpiryTime",),
}


def _cells(given: Given, group: str, unique_id: str, old: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """A row of ActionTriggers.csv; members that are not given stay as they were."""
    sheet = SHEETS["ActionTriggers"]
    cells = list(old or [""] * 21)
    cells[0], cells[1] = group, unique_id
    for member in sheet.members:
        name = next((one for one in (member.name, *NAMES.get(member.name, ())) if one in given), None)
        if name is None or member.column == 1:
            continue
        raw = given.raw(name)
        cells[member.column] = (
            ";".join(given.texts(name)) if isinstance(raw, (list, dict)) else given.text(name)
        )
    return tuple(cells)


def trigger_cells(trigger: ActionTrigger) -> tuple[str, ...]:
    """The row of a trigger."""
    from ocs.cgrates.objects.actions import weight_text
    from ocs.cgrates.objects.numbers import decimal, duration

    balance = trigger.balance
    flags = {True: "true", False: "false", None: ""}
    destinations = ((name if included else f"!{name}") for name, included in balance.destinations or ())
    return (
        trigger.tag,
        trigger.unique_id,
        trigger.threshold_kind,
        decimal(trigger.threshold_nanos),
        flags[trigger.is_recurrent],
        duration(trigger.min_sleep_ns),
        trigger.expiry,
        trigger.activation,
        balance.balance_id or "",
        balance.kind or "",
        ";".join(balance.categories or ()),
        ";".join(destinations),
        balance.rating_subject or "",
        ";".join(balance.shared_groups or ()),
        balance.expiry or "",
        ";".join(balance.timings or ()),
        weight_text(balance),
        flags[balance.is_blocker],
        flags[balance.is_disabled],
        trigger.actions_tag,
        str(trigger.weight),
    )


def _compiled(cells: tuple[str, ...]) -> ActionTrigger:
    return compiled({"ActionTriggers.csv": [cells]}).action_triggers[cells[0]][0]


@TABLE.method("APIerSv1.SetActionTrigger", role=Role.ADMINISTER, also_v2=True)
def set_action_trigger(runtime: Runtime, given: Given) -> str:
    """Adds a trigger to a group, or changes the members given of the one with that unique id."""
    outer = given
    outer.require("GroupID")
    group, unique_id = outer.text("GroupID"), outer.text("UniqueID")
    given = outer.inner("ActionTrigger") if "ActionTrigger" in outer else outer
    known: tuple[ActionTrigger, ...] = runtime.state.tables[Kind.ACTION_TRIGGERS].get(group, ())
    old = next((trigger for trigger in known if unique_id and trigger.unique_id == unique_id), None)
    unique_id = unique_id or runtime.new_id()
    trigger = _compiled(_cells(given, group, unique_id, trigger_cells(old) if old is not None else None))
    kept = tuple(trigger if one is old else one for one in known) if old is not None else (*known, trigger)
    runtime.state.put(Kind.ACTION_TRIGGERS, group, kept)
    return unique_id if "UniqueID" not in outer else OK


@TABLE.method("APIerSv1.GetActionTriggers", role=Role.READ, also_v2=True)
def get_action_triggers(runtime: Runtime, given: Given) -> list[dict[str, Any]]:
    """Lists the triggers of some groups, of all where none is named."""
    table = runtime.state.tables[Kind.ACTION_TRIGGERS]
    names = given.texts("GroupIDs")
    if any(name not in table for name in names):
        raise not_found()
    return [view for name in names or list(table) for view in group_views(table[name])]


@TABLE.method("APIerSv1.RemoveActionTrigger", role=Role.ADMINISTER, also_v2=True)
def remove_action_trigger(runtime: Runtime, given: Given) -> str:
    """Removes a group, or the one trigger of it with that unique id."""
    given.require("GroupID")
    group, unique_id = given.text("GroupID"), given.text("UniqueID")
    known: tuple[ActionTrigger, ...] | None = runtime.state.tables[Kind.ACTION_TRIGGERS].get(group)
    if known is None:
        raise server_error("NOT_FOUND")
    kept = tuple(trigger for trigger in known if unique_id and trigger.unique_id != unique_id)
    if kept:
        runtime.state.put(Kind.ACTION_TRIGGERS, group, kept)
    else:
        runtime.state.delete(Kind.ACTION_TRIGGERS, group)
    return OK


# --- on accounts


def _watch(runtime: Runtime, given: Given) -> tuple[str, Watch]:
    key = account_id_of(runtime, given)
    if key not in runtime.state.accounts:
        raise server_error("NOT_FOUND")
    return key, watching.watch_of(runtime.state, key)


def _kept(runtime: Runtime, key: str, watch: Watch) -> str:
    watching.put_watch(runtime.state, key, watch)
    return OK


@TABLE.method("APIerSv1.AddTriggeredAction", role=Role.ADMINISTER, also_v2=True)
def add_triggered_action(runtime: Runtime, given: Given) -> str:
    """Puts one trigger, written in the request, on an account."""
    given.require("Account", "ActionsId")
    key, watch = _watch(runtime, given)
    group = given.text("ActionTriggersId")
    unique_id = given.text("ActionTriggersUniqueId") or runtime.new_id()
    trigger = _compiled(_cells(given, group, unique_id))
    return _kept(runtime, key, triggers.assign(watch, [trigger], runtime.wall_ns()))


@TABLE.method("APIerSv1.GetAccountActionTriggers", role=Role.READ, also_v2=True)
def account_action_triggers(runtime: Runtime, given: Given) -> list[dict[str, Any]]:
    """Lists the triggers of an account with what has become of them."""
    _, watch = _watch(runtime, given)
    return trigger_views(watch)


@TABLE.method("APIerSv1.AddAccountActionTriggers", role=Role.ADMINISTER, also_v2=True)
def add_account_action_triggers(runtime: Runtime, given: Given) -> str:
    """Puts groups of triggers on an account."""
    given.require("ActionTriggerIDs")
    key, watch = _watch(runtime, given)
    table = runtime.state.tables[Kind.ACTION_TRIGGERS]
    added: list[ActionTrigger] = []
    for name in given.texts("ActionTriggerIDs"):
        if name not in table:
            raise server_error("NOT_FOUND")
        added.extend(table[name])
    now_ns = runtime.wall_ns()
    watch = triggers.assign(watch, added, now_ns, overwrites=given.flag("ActionTriggerOverwrite"))
    active_ns = given.moment("ActivationDate", now_ns)
    if active_ns is not None or given.flag("Executed"):
        names = {trigger.tag for trigger in added}
        states = tuple(
            msgspec.structs.replace(state, active_ns=active_ns, executed=given.flag("Executed"))
            if state.trigger.tag in names
            else state
            for state in watch.triggers
        )
        watch = msgspec.structs.replace(watch, triggers=states)
    return _kept(runtime, key, watch)


@TABLE.method("APIerSv1.SetAccountActionTriggers", role=Role.ADMINISTER, also_v2=True)
def set_account_action_triggers(runtime: Runtime, given: Given) -> str:
    """Changes the members given of an account's triggers, by group and unique id."""
    outer = given
    key, watch = _watch(runtime, outer)
    given = outer.inner("ActionTrigger") if "ActionTrigger" in outer else outer
    now_ns = runtime.wall_ns()
    states = []
    for state in watch.triggers:
        if not _is_meant(state, outer):
            states.append(state)
            continue
        old = state.trigger
        trigger = _compiled(_cells(given, old.tag, old.unique_id, trigger_cells(old)))
        fresh = triggers.assign(Watch(), [trigger], now_ns).triggers[0]
        executed = given.flag("Executed", state.executed)
        states.append(msgspec.structs.replace(fresh, executed=executed, last_run_ns=state.last_run_ns))
    return _kept(runtime, key, Watch(tuple(states), watch.counters))


@TABLE.method("APIerSv1.RemoveAccountActionTriggers", role=Role.ADMINISTER, also_v2=True)
def remove_account_action_triggers(runtime: Runtime, given: Given) -> str:
    """Takes triggers off an account, by group and unique id; all where neither is given."""
    key, watch = _watch(runtime, given)
    kept = triggers.remove(watch, given.text("GroupID"), given.text("UniqueID"))
    return _kept(runtime, key, kept)


@TABLE.method("APIerSv1.ResetAccountActionTriggers", role=Role.ADMINISTER, also_v2=True)
def reset_account_action_triggers(runtime: Runtime, given: Given) -> str:
    """Lets triggers of an account run again, or not (`Executed`)."""
    key, watch = _watch(runtime, given)
    states = tuple(
        msgspec.structs.replace(state, executed=given.flag("Executed")) if _is_meant(state, given) else state
        for state in watch.triggers
    )
    return _kept(runtime, key, msgspec.structs.replace(watch, triggers=states))


def _is_meant(state: TriggerState, given: Given) -> bool:
    group, unique_id = given.text("GroupID"), given.text("UniqueID")
    return (not group or state.trigger.tag == group) and (
        not unique_id or state.trigger.unique_id == unique_id
    )
