"""Which sets of an account's action plans are due, and running them. Pure.

A state says up to when everything due has been run. After a pause each entry runs once, for the first moment that
was missed, and then goes on from now: what was missed several times is not made up several times. The id of a run
is made of plan, set and due time; it is noted with the run's changes, so no restart can run it twice.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from ocs.charging.account import Account, Extras, PlanState
from ocs.charging.actions.assign import with_plans
from ocs.charging.actions.model import Accounting, ActionPlan, Notice, PlanEntry
from ocs.charging.actions.work import Bench, accounts_of
from ocs.charging.acts import Act, ActError
from ocs.charging.entry import Posting
from ocs.charging.schedule import Once, Schedule, named, next_run


class Due(NamedTuple):
    """An entry of a plan that is to run; the earliest first, of equal ones the heaviest."""

    at_ns: int
    order: float
    plan: str
    actions: str


class Run(NamedTuple):
    """What became of one run; an error means that the account is as it was."""

    id: str
    account: str
    plan: str
    actions: str
    error: str = ""


class Ran(msgspec.Struct, frozen=True):
    """Changed accounts by key, what they leave behind, and the runs made."""

    accounts: Mapping[str, Account]
    postings: tuple[Posting, ...]
    runs: tuple[Run, ...]
    notices: tuple[Notice, ...] = ()


def next_due_ns(account: Account, accounting: Accounting) -> int | None:
    """When the first of the account's plans is due, perhaps long ago; None for never."""
    return min((due.at_ns for due in _coming(account, accounting)), default=None)


def due(account: Account, accounting: Accounting, now_ns: int) -> list[Due]:
    """The entries that are to run now, in their order."""
    return sorted(one for one in _coming(account, accounting) if one.at_ns <= now_ns)


def others_of(account: Account, accounting: Accounting, now_ns: int) -> frozenset[str]:
    """Keys of the other accounts that the entries due will change."""
    found: set[str] = set()
    for one in due(account, accounting, now_ns):
        actions = accounting.sets.get(one.actions)
        if actions is not None:
            found |= accounts_of(actions, account.key)
    return frozenset(found - {account.key})


def run_due(accounts: Mapping[str, Account], key: str, accounting: Accounting, now_ns: int) -> Ran | None:
    """Runs what is due on an account and notes it; None where nothing is.

    A set that fails is noted as run too: it has changed nothing, and is not tried again before it is due again.
    """
    account = accounts[key]
    found = due(account, accounting, now_ns)
    if not found:
        return None
    bench = Bench(accounts, accounting.time_zone)
    runs = []
    for one in found:
        run = Run(run_id(one), key, one.plan, one.actions)
        actions = accounting.sets.get(one.actions)
        act = Act(run.id, now_ns, f"plan {one.plan}", f"{one.actions}, due {_text(one.at_ns)}")
        try:
            if actions is None:
                raise ActError(f"there are no actions {one.actions}")
            bench.run(key, actions, act)
        except ActError as error:
            bench.failed(key, act, error)
            run = run._replace(error=str(error))
        runs.append(run)
    bench.accounts[key] = _noted(bench.accounts[key], {one.plan for one in found}, now_ns)
    return Ran(bench.changed(), tuple(bench.postings), tuple(runs), tuple(bench.notices))


def run_id(one: Due) -> str:
    """The name of a run, the same whenever and wherever it is made."""
    return f"plan|{one.plan}|{one.actions}|{one.at_ns}"


def schedule_of(entry: PlanEntry, set_at_ns: int, zone: ZoneInfo) -> Schedule | None:
    """The schedule of an entry for an account that got the plan at a moment."""
    return entry.when.schedule or named(entry.when.word, set_at_ns, zone)


def _coming(account: Account, accounting: Accounting) -> Iterator[Due]:
    """The next run of every entry of the account's plans."""
    if account.extras is None:
        return
    zone = ZoneInfo(accounting.time_zone)
    for state in account.extras.plans:
        plan = accounting.plans.get(state.plan)
        for entry in plan.entries if plan is not None else ():
            at_ns = _next_ns(entry, state, zone)
            if at_ns is not None:
                yield Due(at_ns, -entry.weight, state.plan, entry.actions)


def _next_ns(entry: PlanEntry, state: PlanState, zone: ZoneInfo) -> int | None:
    """The next run; only `*asap` is due at the very moment of the assignment."""
    schedule = schedule_of(entry, state.set_at_ns, zone)
    if schedule is None:
        return None
    is_first = isinstance(schedule, Once)
    after_ns = state.done_until_ns if is_first else max(state.done_until_ns, state.set_at_ns)
    return next_run(schedule, after_ns, zone)


def _noted(account: Account, plans: set[str], now_ns: int) -> Account:
    extras = account.extras or Extras()
    states = tuple(
        msgspec.structs.replace(state, done_until_ns=now_ns) if state.plan in plans else state
        for state in extras.plans
    )
    return with_plans(account, states)


def _text(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // 10**9, UTC).isoformat()


def plan_problems(plan: ActionPlan, accounting: Accounting) -> list[str]:
    """What keeps a plan from running as written."""
    return [
        f"there are no actions {entry.actions}"
        for entry in plan.entries
        if entry.actions not in accounting.sets
    ]
