"""Which action plans and triggers an account has. Pure."""

import msgspec

from ocs.charging.account import Account, Extras, PlanState, Watched


def assign(account: Account, plan: str, at_ns: int) -> Account:
    """The account with a plan, whose words count from now; one that has it already stays the same object."""
    extras = account.extras or Extras()
    if any(state.plan == plan for state in extras.plans):
        return account
    return with_plans(account, (*extras.plans, PlanState(plan, at_ns, at_ns - 1)))


def unassign(account: Account, plan: str) -> Account:
    """The account without a plan."""
    extras = account.extras or Extras()
    left = tuple(state for state in extras.plans if state.plan != plan)
    return account if left == extras.plans else with_plans(account, left)


def watch(account: Account, group: str) -> Account:
    """The account with a group of triggers; one that has it already stays the same object."""
    extras = account.extras or Extras()
    if any(one.group == group for one in extras.watched):
        return account
    return with_watched(account, (*extras.watched, Watched(group)))


def unwatch(account: Account, group: str) -> Account:
    """The account without a group of triggers."""
    extras = account.extras or Extras()
    left = tuple(one for one in extras.watched if one.group != group)
    return account if left == extras.watched else with_watched(account, left)


def with_plans(account: Account, states: tuple[PlanState, ...]) -> Account:
    """The account with other states of its plans."""
    extras = msgspec.structs.replace(account.extras or Extras(), plans=states)
    return msgspec.structs.replace(account, extras=None if extras == Extras() else extras)


def with_watched(account: Account, watched: tuple[Watched, ...]) -> Account:
    """The account with other groups of triggers."""
    extras = msgspec.structs.replace(account.extras or Extras(), watched=watched)
    return msgspec.structs.replace(account, extras=None if extras == Extras() else extras)
