"""`APIerSv1` and `APIerSv2`: action sets and action plans, and running them."""

from typing import Any

import msgspec

from ocs.cgrates import plans
from ocs.cgrates.kinds import Kind, PlanEntry, StoredPlan
from ocs.cgrates.objects.actions import action_view, entry_view, plan_view, tariff_action_view
from ocs.cgrates.objects.errors import exists, missing, not_found, server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.numbers import moment
from ocs.cgrates.objects.sheets import SHEETS
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates import values
from ocs.charging.cgrates.plan import Timing
from ocs.rpc.errors import RpcError
from ocs.rpc.methods.cgrates.compiled import compiled
from ocs.rpc.methods.cgrates.table import OK, Table, account_id_of, page, tenant_of
from ocs.rpc.registry import Role

TABLE = Table()


@TABLE.method("APIerSv1.SetActions", "APIerSv2.SetActions", role=Role.ADMINISTER)
def set_actions(runtime: Runtime, given: Given) -> str:
    """Makes an action set, or replaces it where `Overwrite` says so."""
    given.require("ActionsId", "Actions")
    name = given.text("ActionsId")
    if name in runtime.state.tables[Kind.ACTIONS] and not given.flag("Overwrite"):
        raise exists()
    for row in given.rows("Actions"):
        row.require("Identifier")
    _, rows = SHEETS["Actions"].rows(Given({"ID": name, "Actions": given.raw("Actions")}))
    tariff = compiled({"Actions.csv": [_with_filters(cells, row) for cells, row in _pairs(rows, given)]})
    runtime.state.put(Kind.ACTIONS, name, tariff.actions[name])
    return OK


def _pairs(rows: tuple[tuple[str, ...], ...], given: Given) -> list[tuple[tuple[str, ...], Given]]:
    return list(zip(rows, given.rows("Actions"), strict=True))


def _with_filters(cells: tuple[str, ...], row: Given) -> tuple[str, ...]:
    """Filters may be called `Filter`, as older clients do."""
    return (*cells[:3], cells[3] or row.text("Filter"), *cells[4:])


@TABLE.method("APIerSv1.GetActions", role=Role.READ)
def get_actions(runtime: Runtime, given: Given) -> list[dict[str, Any]]:
    """Shows an action set in the form that sets it; the id alone, or as `ActionsId`."""
    name = given.bare or given.text("ActionsId")
    found = runtime.state.tables[Kind.ACTIONS].get(name)
    if not name:
        raise missing("ActionsId")
    if found is None:
        raise not_found()
    return [tariff_action_view(action) for action in found]


@TABLE.method("APIerSv2.GetActions", role=Role.READ)
def get_actions_by_id(runtime: Runtime, given: Given) -> dict[str, list[dict[str, Any]]]:
    """Shows action sets by their ids, all where `ActionIDs` is empty."""
    table = runtime.state.tables[Kind.ACTIONS]
    names = list(given.texts("ActionIDs"))
    if any(name not in table for name in names):
        raise not_found()
    chosen = page(names or list(table), given)
    return {name: [action_view(action) for action in table[name]] for name in chosen}


@TABLE.method("APIerSv1.GetActionsCount", role=Role.READ, also_v2=True)
def count_actions(runtime: Runtime, given: Given) -> int:
    """Counts the action sets."""
    return len(runtime.state.tables[Kind.ACTIONS])


@TABLE.method("APIerSv1.RemoveActions", role=Role.ADMINISTER, also_v2=True)
def remove_actions(runtime: Runtime, given: Given) -> str:
    """Removes action sets; one that a plan or trigger still runs stays."""
    given.require("ActionIDs")
    used = _used(runtime)
    for name in given.texts("ActionIDs"):
        if name in used:
            raise server_error(f"Cannot remove action <{name}> being referenced in action plan or trigger")
    for name in given.texts("ActionIDs"):
        if not runtime.state.delete(Kind.ACTIONS, name):
            raise server_error("NOT_FOUND")
    return OK


def _used(runtime: Runtime) -> set[str]:
    tables = runtime.state.tables
    by_plans = {entry.actions_tag for plan in tables[Kind.ACTION_PLAN].values() for entry in plan.entries}
    by_triggers = {
        trigger.actions_tag for group in tables[Kind.ACTION_TRIGGERS].values() for trigger in group
    }
    return by_plans | by_triggers


@TABLE.method("APIerSv1.ExecuteAction", role=Role.ADMINISTER, also_v2=True)
def execute_action(runtime: Runtime, given: Given) -> str:
    """Runs an action set on an account, or without one, at once."""
    given.require("ActionsId")
    key = f"{tenant_of(runtime, given)}:{given.text('Account')}"
    error = runtime.execute(key, given.text("ActionsId"))
    if error:
        raise RpcError(error)
    return OK


# --- plans


@TABLE.method("APIerSv1.SetActionPlan", role=Role.ADMINISTER, also_v2=True)
def set_action_plan(runtime: Runtime, given: Given) -> str:
    """Makes an action plan, or replaces it where `Overwrite` says so; its accounts stay in it."""
    given.require("Id", "ActionPlan")
    name = given.text("Id")
    old: StoredPlan | None = runtime.state.tables[Kind.ACTION_PLAN].get(name)
    if old is not None and not given.flag("Overwrite"):
        raise exists()
    entries = []
    for at, row in enumerate(given.rows("ActionPlan")):
        entries.append(_entry(runtime, name, at, row))
    accounts = old.accounts if old is not None else ()
    runtime.state.put(Kind.ACTION_PLAN, name, StoredPlan(tuple(entries), accounts, runtime.wall_ns()))
    for account_id in accounts:
        plans.join(runtime, name, account_id)
    runtime.scheduler.wake()
    return OK


def _entry(runtime: Runtime, plan_id: str, at: int, row: Given) -> PlanEntry:
    row.require("ActionsId")
    actions_id = row.text("ActionsId")
    if actions_id not in runtime.state.tables[Kind.ACTIONS]:
        raise server_error(f"BROKEN_REFERENCE:{actions_id}")
    named = row.text("TimingID")
    timing = runtime.state.tariff.timings.get(named) if named else None
    if named and timing is None:
        raise server_error("NOT_FOUND")
    uid = f"{plan_id}:{at}:{runtime.wall_ns():x}"
    return PlanEntry(uid, actions_id, timing or _inline_timing(row), row.real("Weight"))


def _inline_timing(row: Given) -> Timing:
    """The timing written into a plan's entry; a Time that is no time of day is a word such as `*asap`."""
    time = row.text("Time") or "00:00:00"
    is_word = time[:1] in ("*", "+") or "*" in time
    try:
        return Timing(
            tag="",
            years=row.integers("Years"),
            months=row.integers("Months"),
            month_days=row.integers("MonthDays"),
            week_days=tuple(sorted({day % 7 for day in row.integers("WeekDays")})),
            start_ns=0 if is_word else values.time_of_day_ns(time),
            schedule=time if is_word else "",
        )
    except ValueError as error:
        raise server_error(error) from None


def plan_of(name: str, plan: StoredPlan) -> dict[str, Any]:
    """A plan as answers show it."""
    entries = [entry_view(entry.uid, entry.actions_tag, entry.timing, entry.weight) for entry in plan.entries]
    return plan_view(name, plan.accounts, entries)


@TABLE.method("APIerSv1.GetActionPlan", role=Role.READ, also_v2=True)
def get_action_plan(runtime: Runtime, given: Given) -> list[dict[str, Any]]:
    """Shows one action plan, or all of them."""
    table = runtime.state.tables[Kind.ACTION_PLAN]
    name = given.text("ID")
    if name and name not in table:
        raise not_found()
    return [plan_of(one, table[one]) for one in ([name] if name else table)]


@TABLE.method("APIerSv1.GetActionPlanIDs", role=Role.READ, also_v2=True)
def action_plan_ids(runtime: Runtime, given: Given) -> list[str]:
    """Lists the ids of action plans."""
    names = page(list(runtime.state.tables[Kind.ACTION_PLAN]), given)
    if not names:
        raise not_found()
    return names


@TABLE.method("APIerSv1.GetActionPlanCount", role=Role.READ, also_v2=True)
def count_action_plans(runtime: Runtime, given: Given) -> int:
    """Counts the action plans."""
    return len(runtime.state.tables[Kind.ACTION_PLAN])


@TABLE.method("APIerSv1.RemoveActionPlan", role=Role.ADMINISTER, also_v2=True)
def remove_action_plan(runtime: Runtime, given: Given) -> str:
    """Removes an action plan; nothing is run for its accounts any more."""
    given.require("ID")
    if not runtime.state.delete(Kind.ACTION_PLAN, given.text("ID")):
        raise server_error("NOT_FOUND")
    runtime.scheduler.wake()
    return OK


@TABLE.method("APIerSv1.GetAccountActionPlan", role=Role.READ, also_v2=True)
def account_action_plan(runtime: Runtime, given: Given) -> list[dict[str, Any]]:
    """Lists what will be run for an account, and when next."""
    key = account_id_of(runtime, given)
    next_ns = {due.entry.uid: due.at_ns for due in reversed(runtime.scheduler.upcoming())}
    found = []
    for name in plans.plans_of(runtime.state, key):
        for entry in runtime.state.tables[Kind.ACTION_PLAN][name].entries:
            found.append(
                {
                    "ActionPlanId": name,
                    "Uuid": entry.uid,
                    "ActionsId": entry.actions_tag,
                    "NextExecTime": moment(next_ns.get(entry.uid)),
                }
            )
    return found


@TABLE.method("APIerSv1.RemoveActionTiming", role=Role.ADMINISTER, also_v2=True)
def remove_action_timing(runtime: Runtime, given: Given) -> str:
    """Removes an entry of a plan (`ActionTimingId`), an account from it (`Account`), or all its entries."""
    given.require("ActionPlanId")
    name = given.text("ActionPlanId")
    plan: StoredPlan | None = runtime.state.tables[Kind.ACTION_PLAN].get(name)
    if plan is None:
        raise server_error("NOT_FOUND")
    if given.text("Account"):
        plans.leave(runtime.state, name, account_id_of(runtime, given))
    elif given.flag("RemoveAllPlans") or not given.text("ActionTimingId"):
        runtime.state.delete(Kind.ACTION_PLAN, name)
    else:
        kept = tuple(entry for entry in plan.entries if entry.uid != given.text("ActionTimingId"))
        if len(kept) == len(plan.entries):
            raise server_error("NOT_FOUND")
        runtime.state.put(Kind.ACTION_PLAN, name, msgspec.structs.replace(plan, entries=kept))
    runtime.scheduler.wake()
    return OK


@TABLE.method("APIerSv1.GetScheduledActions", role=Role.READ, also_v2=True)
def scheduled_actions(runtime: Runtime, given: Given) -> list[dict[str, Any]]:
    """Lists what is going to run, soonest first; of one tenant or account, or in a span of time, where asked."""
    now_ns = runtime.wall_ns()
    start_ns, end_ns = given.moment("TimeStart", now_ns), given.moment("TimeEnd", now_ns)
    tenant, account = given.text("Tenant"), given.text("Account")
    found = []
    for due in runtime.scheduler.upcoming():
        plan = runtime.state.tables[Kind.ACTION_PLAN][due.plan_id]
        if (start_ns and due.at_ns < start_ns) or (end_ns and due.at_ns >= end_ns):
            continue
        if tenant and not any(key.startswith(f"{tenant}:") for key in plan.accounts):
            continue
        if account and not any(key.partition(":")[2] == account for key in plan.accounts):
            continue
        found.append(
            {
                "NextRunTime": moment(due.at_ns),
                "Accounts": len(plan.accounts),
                "ActionPlanID": due.plan_id,
                "ActionTimingUUID": due.entry.uid,
                "ActionsID": due.entry.actions_tag,
            }
        )
    if not found:
        raise not_found()
    return page(found, given)


@TABLE.method("SchedulerSv1.ExecuteActions", "APIerSv1.ExecuteScheduledActions", role=Role.ADMINISTER)
def execute_scheduled(runtime: Runtime, given: Given) -> str:
    """Runs the entries of a plan now (`ActionPlanID`), or all that fall into a span of time."""
    name = given.text("ActionPlanID")
    if name:
        _run_plan(runtime, name)
    now_ns = runtime.wall_ns()
    start_ns, end_ns = given.moment("TimeStart", now_ns), given.moment("TimeEnd", now_ns)
    if start_ns or end_ns:
        for due in runtime.scheduler.upcoming():
            if (start_ns or 0) <= due.at_ns < (end_ns or due.at_ns + 1):
                plan: StoredPlan = runtime.state.tables[Kind.ACTION_PLAN][due.plan_id]
                for account_id in plan.accounts:
                    plans.run(runtime, due.entry, account_id)
    return OK


@TABLE.method("SchedulerSv1.ExecuteActionPlans", role=Role.ADMINISTER)
def execute_plans(runtime: Runtime, given: Given) -> str:
    """Runs the entries of some plans now, for the accounts named."""
    given.require("ActionPlanIDs")
    accounts = [f"{tenant_of(runtime, given)}:{name}" for name in given.texts("AccountIDs")]
    for name in given.texts("ActionPlanIDs"):
        _run_plan(runtime, name, accounts)
    return OK


def _run_plan(runtime: Runtime, name: str, accounts: list[str] | None = None) -> None:
    plan: StoredPlan | None = runtime.state.tables[Kind.ACTION_PLAN].get(name)
    if plan is None:
        raise server_error("NOT_FOUND")
    for entry in sorted(plan.entries, key=lambda entry: -entry.weight):
        for account_id in accounts or plan.accounts:
            plans.run(runtime, entry, account_id)


@TABLE.method("SchedulerSv1.Reload", "APIerSv1.ReloadScheduler", role=Role.ADMINISTER)
def reload_scheduler(runtime: Runtime, given: Given) -> str:
    """Reckons anew when plans are due."""
    runtime.scheduler.wake()
    return OK
