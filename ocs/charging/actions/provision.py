"""Which shared groups the accounts of a tariff are in: those of the balances that their plans give them. Pure."""

from ocs.charging.account import SharedGroup, Strategy
from ocs.charging.actions.model import Accounting


def groups_of_accounts(accounting: Accounting) -> dict[str, tuple[SharedGroup, ...]]:
    """Groups by key of account; the members of a group are in the order in which the tariff names them."""
    members: dict[str, dict[str, None]] = {}
    groups_of = {name: _groups(accounting, name) for name in accounting.plans}
    for account in accounting.accounts:
        for plan in account.action_plans:
            for group in groups_of.get(plan, ()):
                members.setdefault(group, {})[account.key] = None
    found: dict[str, tuple[SharedGroup, ...]] = {}
    for name, keys in members.items():
        told = accounting.groups.get(name)
        strategy = Strategy[told.strategy] if told is not None and told.strategy else Strategy.MINE_RANDOM
        shared = SharedGroup(name, strategy, tuple(keys), told.subject if told is not None else "")
        for key in keys:
            found[key] = (*found.get(key, ()), shared)
    return found


def _groups(accounting: Accounting, plan: str) -> frozenset[str]:
    """The groups of the balances that a plan's sets fill."""
    sets = [accounting.sets.get(entry.actions) for entry in accounting.plans[plan].entries]
    terms = [action.terms for one in sets if one is not None for action in one.actions]
    return frozenset(group for one in terms if one is not None for group in one.shared_groups)
