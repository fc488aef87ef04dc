"""What changes between two tariffs about accounts: sets, plans, triggers, and the accounts they name. Pure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ocs.charging.actions.model import Accounting, Provision
from ocs.charging.actions.wording import action_text, entry_text, trigger_text


class Differs(NamedTuple):
    """One thing that differs; a side that is empty does not have it."""

    what: str
    name: str
    before: str
    after: str


def accounting_differences(before: Accounting, after: Accounting) -> Iterator[Differs]:
    """Everything that differs, by name."""
    if before.time_zone != after.time_zone and not (before.is_empty or after.is_empty):
        yield Differs("time zone of plans", "", before.time_zone, after.time_zone)
    yield from _pairs("actions", _sets(before), _sets(after))
    yield from _pairs("action plan", _plans(before), _plans(after))
    yield from _pairs("triggers", _triggers(before), _triggers(after))
    yield from _pairs("shared group", _groups(before), _groups(after))
    yield from _pairs("account", _accounts(before), _accounts(after))


def _pairs(what: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Differs]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            yield Differs(what, name, old, new)


def _sets(accounting: Accounting) -> dict[str, str]:
    return {
        name: "; ".join(map(action_text, one.actions)) or "nothing" for name, one in accounting.sets.items()
    }


def _plans(accounting: Accounting) -> dict[str, str]:
    return {
        name: "; ".join(map(entry_text, one.entries)) or "nothing" for name, one in accounting.plans.items()
    }


def _triggers(accounting: Accounting) -> dict[str, str]:
    return {
        name: "; ".join(map(trigger_text, group)) or "nothing" for name, group in accounting.triggers.items()
    }


def _groups(accounting: Accounting) -> dict[str, str]:
    return {
        name: f"{one.strategy.lower() or 'mine_random'} {one.subject}".strip()
        for name, one in accounting.groups.items()
    }


def _accounts(accounting: Accounting) -> dict[str, str]:
    return {one.key: _account(one) for one in accounting.accounts}


def _account(one: Provision) -> str:
    words = [
        f"plan {one.plan}",
        *(f"action plan {name}" for name in one.action_plans),
        *(f"triggers {name}" for name in one.trigger_groups),
        "no credit limit" if one.credit_limit_nanos is None else "",
        "barred" if one.is_barred else "",
    ]
    return ", ".join(filter(None, words))
