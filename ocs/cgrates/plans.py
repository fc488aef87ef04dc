"""Action plans: which accounts are in them, what runs at once, and when each entry is due.

A plan keeps its timings as they were when it was set, as the incumbent does; `*asap` entries run for an account as
soon as it joins.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from typing import TYPE_CHECKING

import msgspec
import structlog

from ocs.cgrates.kinds import Kind, PlanEntry, StoredPlan
from ocs.cgrates.state import State
from ocs.charging.cgrates.account import Account
from ocs.charging.cgrates.actions_model import ActionPlanEntry
from ocs.charging.cgrates.plan import Timing
from ocs.charging.cgrates.planned import schedule_of
from ocs.charging.schedule import next_run

if TYPE_CHECKING:
    from ocs.cgrates.runtime import Runtime

log = structlog.get_logger()

ASAP = "*asap"


def stored(
    entries: Iterable[ActionPlanEntry], timings: Mapping[str, Timing], old: StoredPlan | None, set_at_ns: int
) -> StoredPlan:
    """A plan of rows, with the accounts the one before it had; rows with an unknown timing are left out."""
    kept: list[PlanEntry] = []
    for entry in entries:
        timing = timings.get(entry.timing_tag)
        if timing is not None:
            uid = f"{entry.tag}:{len(kept)}:{set_at_ns:x}"
            kept.append(PlanEntry(uid, entry.actions_tag, timing, entry.weight))
    return StoredPlan(tuple(kept), old.accounts if old is not None else (), set_at_ns)


def plans_of(state: State, account_id: str) -> list[str]:
    """Ids of the plans an account is in."""
    table: Mapping[str, StoredPlan] = state.tables[Kind.ACTION_PLAN]
    return [name for name, plan in table.items() if account_id in plan.accounts]


def join(runtime: "Runtime", plan_id: str, account_id: str) -> None:
    """Puts an account into a plan and runs what is due at once, the heaviest entry first."""
    plan: StoredPlan = runtime.state.tables[Kind.ACTION_PLAN][plan_id]
    if account_id not in plan.accounts:
        changed = msgspec.structs.replace(plan, accounts=(*plan.accounts, account_id))
        runtime.state.put(Kind.ACTION_PLAN, plan_id, changed)
    for entry in sorted(plan.entries, key=lambda entry: -entry.weight):
        if entry.timing.schedule == ASAP:
            run(runtime, entry, account_id)


def leave(state: State, plan_id: str, account_id: str) -> None:
    """Takes an account out of a plan."""
    plan: StoredPlan = state.tables[Kind.ACTION_PLAN][plan_id]
    kept = tuple(name for name in plan.accounts if name != account_id)
    state.put(Kind.ACTION_PLAN, plan_id, msgspec.structs.replace(plan, accounts=kept))


def run(runtime: "Runtime", entry: PlanEntry, account_id: str) -> None:
    """Runs the actions of an entry on an account; a set that fails leaves it as it was."""
    error = runtime.execute(account_id, entry.actions_tag)
    if error:
        log.warning("actions.failed", account=account_id, actions=entry.actions_tag, error=error)


def open_account(runtime: "Runtime", account_id: str) -> None:
    """Opens an account by the plans of `dynaprepaid_actionplans`; where nothing comes of them there is none."""
    state = runtime.state
    known: Mapping[str, StoredPlan] = state.tables[Kind.ACTION_PLAN]
    found = [known[name] for name in runtime.settings.dynaprepaid_plans if name in known]
    if not found:
        log.warning("account.not_opened", account=account_id, reason="dynaprepaid_actionplans names no plan")
        return
    state.put(Kind.ACCOUNT, account_id, Account(account_id))
    for plan in found:
        for entry in sorted(plan.entries, key=lambda entry: -entry.weight):
            run(runtime, entry, account_id)
    if state.accounts.get(account_id) == Account(account_id):
        state.delete(Kind.ACCOUNT, account_id)


def due(plan: StoredPlan, after_ns: int, zone: tzinfo) -> Iterator[tuple[int, PlanEntry]]:
    """(moment, entry) of the next run of each entry that has one, after the plan was set."""
    after_ns = max(after_ns, plan.set_at_ns)
    for entry in plan.entries:
        if entry.timing.schedule == ASAP:
            continue
        try:
            at_ns = next_run(schedule_of(entry.timing, plan.set_at_ns, zone), after_ns, zone)
        except ValueError as error:
            log.warning("plan.timing_not_understood", entry=entry.uid, error=str(error))
            continue
        if at_ns is not None:
            yield at_ns, entry
