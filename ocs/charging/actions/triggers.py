"""What a change of an account sets off. Pure.

After every change the triggers of the account are asked, the heaviest first: thresholds of balances where a balance
has changed, thresholds of use where events have taken from balances. What a trigger does is seen by the lighter
ones; none runs twice for one change. A trigger whose set fails counts as run all the same, and has changed nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from ocs.charging.account import Account, Balance, Extras, Mark, Watched, available
from ocs.charging.actions.assign import with_watched
from ocs.charging.actions.model import Accounting, Notice, Trigger, Watches
from ocs.charging.actions.work import Bench, accounts_of
from ocs.charging.acts import Act, ActError
from ocs.charging.entry import Entry, EntryKind, Posting


class Use(NamedTuple):
    """What the entries of a change were for, where an event made them."""

    service: str = ""
    category: str = ""
    called: str = ""


class Fired(NamedTuple):
    """A trigger that ran; an error means that its set changed nothing."""

    account: str
    group: str
    trigger: str
    actions: str
    error: str = ""


class Followed(msgspec.Struct, frozen=True):
    """Accounts as the triggers leave them; their versions are those of the change that set them off."""

    accounts: Mapping[str, Account]
    postings: tuple[Posting, ...] = ()
    fired: tuple[Fired, ...] = ()
    notices: tuple[Notice, ...] = ()


def others_of(account: Account, accounting: Accounting) -> frozenset[str]:
    """Keys of the other accounts that the account's triggers may change."""
    found: set[str] = set()
    for one in account.extras.watched if account.extras is not None else ():
        for trigger in accounting.triggers.get(one.group, ()):
            found |= _needed(trigger, accounting, account.key)
    return frozenset(found - {account.key})


def follow(
    before: Account,
    accounts: Mapping[str, Account],
    entries: Iterable[Entry],
    use: Use,
    accounting: Accounting,
    now_ns: int,
    cause: str,
    begins: Callable[[str, tuple[str, ...]], bool],
) -> Followed | None:
    """What a change of `before` sets off; `accounts` has the account after it, and others its sets may change.

    `begins` says whether a called number belongs to one of some destinations. `cause` is the id of the change. None
    where there are no triggers, or nothing of theirs has changed.
    """
    account = accounts[before.key]
    if account.extras is None or not account.extras.watched:
        return None
    taken = [entry for entry in entries if entry.kind in (EntryKind.DEBIT, EntryKind.REFUND)]
    counted = _counted(account, taken, use, accounting, begins)
    bench = Bench({**accounts, before.key: counted}, accounting.time_zone)
    fired: list[Fired] = []
    for group, trigger in _by_weight(counted, accounting):
        mark = _mark(bench.accounts[before.key], group, trigger.id)
        if not _is_due(trigger, mark, before, bench.accounts[before.key], now_ns):
            continue
        missing = _needed(trigger, accounting, before.key) - bench.accounts.keys()
        if missing:  # perhaps only for now: the trigger is not marked, and asked again at the next change
            fired.append(Fired(before.key, group, trigger.id, trigger.actions, _no_account(missing)))
            continue
        done = Mark(trigger.id, not trigger.recurs, now_ns, mark.counted)
        bench.accounts[before.key] = _with_mark(bench.accounts[before.key], group, done)
        fired.append(_run(bench, before.key, group, trigger, accounting, now_ns, cause))
    if not fired and counted is account:
        return None
    return Followed(bench.accounts, tuple(bench.postings), tuple(fired), tuple(bench.notices))


def _run(
    bench: Bench, key: str, group: str, trigger: Trigger, accounting: Accounting, now_ns: int, cause: str
) -> Fired:
    fired = Fired(key, group, trigger.id, trigger.actions)
    actions = accounting.sets.get(trigger.actions)
    act = Act(
        f"trigger|{group}|{trigger.id}|{cause}", now_ns, f"trigger {group}/{trigger.id}", trigger.actions
    )
    try:
        if actions is None:
            raise ActError(f"there are no actions {trigger.actions}")
        bench.run(key, actions, act)
    except ActError as error:
        bench.failed(key, act, error)
        return fired._replace(error=str(error))
    return fired


def _needed(trigger: Trigger, accounting: Accounting, key: str) -> frozenset[str]:
    actions = accounting.sets.get(trigger.actions)
    return frozenset() if actions is None else accounts_of(actions, key)


def _no_account(missing: frozenset[str]) -> str:
    return f"there is no account {', '.join(sorted(missing))}"


def _by_weight(account: Account, accounting: Accounting) -> list[tuple[str, Trigger]]:
    extras = account.extras or Extras()
    found = [
        (one.group, trigger) for one in extras.watched for trigger in accounting.triggers.get(one.group, ())
    ]
    return sorted(found, key=lambda pair: -pair[1].weight)


def _counted(
    account: Account,
    taken: list[Entry],
    use: Use,
    accounting: Accounting,
    begins: Callable[[str, tuple[str, ...]], bool],
) -> Account:
    """The account with what was taken counted by the triggers it is about."""
    if not taken:
        return account
    for group, trigger in _by_weight(account, accounting):
        if not trigger.counts or not _is_about(trigger, use, begins):
            continue
        amount = -sum(
            entry.amount
            for entry in taken
            if entry.balance_unit is trigger.unit and trigger.balance_id in ("", entry.balance_id)
        )
        if amount:
            mark = _mark(account, group, trigger.id)
            mark = msgspec.structs.replace(mark, counted=max(0, mark.counted + amount))
            account = _with_mark(account, group, mark)
    return account


def _is_about(trigger: Trigger, use: Use, begins: Callable[[str, tuple[str, ...]], bool]) -> bool:
    return (
        (not trigger.services or use.service in trigger.services)
        and (not trigger.categories or use.category in trigger.categories)
        and (not trigger.destinations or begins(use.called, trigger.destinations))
    )


def _is_due(trigger: Trigger, mark: Mark, before: Account, account: Account, now_ns: int) -> bool:
    if (
        mark.executed
        or (trigger.from_ns is not None and now_ns < trigger.from_ns)
        or (trigger.until_ns is not None and now_ns >= trigger.until_ns)
        or (mark.last_ns is not None and now_ns - mark.last_ns < trigger.min_sleep_ns)
    ):
        return False
    old = {balance.id: balance for balance in before.balances}
    match trigger.watches:
        case Watches.USED_AT_LEAST:
            return mark.counted >= trigger.amount
        case Watches.USED_AT_MOST:
            return 0 < mark.counted <= trigger.amount
        case Watches.EXPIRED:
            return any(end_ns <= now_ns for end_ns in _ends(trigger, mark, account))
        case Watches.AT_MOST:
            changed = _changed(trigger, old, account)
            return any(available(balance) <= trigger.amount for balance in changed)
        case Watches.AT_LEAST:
            changed = _changed(trigger, old, account)
            return any(available(balance) >= trigger.amount for balance in changed)


def next_end_ns(account: Account, accounting: Accounting) -> int | None:
    """When a trigger that waits for the end of a balance is to be asked; None where there is none."""
    found = []
    for group, trigger in _by_weight(account, accounting):
        mark = _mark(account, group, trigger.id)
        if trigger.watches is not Watches.EXPIRED or mark.executed:
            continue
        earliest_ns = max(
            trigger.from_ns or 0, 0 if mark.last_ns is None else mark.last_ns + trigger.min_sleep_ns
        )
        asked = [max(end_ns, earliest_ns) for end_ns in _ends(trigger, mark, account)]
        found += [at_ns for at_ns in asked if trigger.until_ns is None or at_ns < trigger.until_ns]
    return min(found, default=None)


def _ends(trigger: Trigger, mark: Mark, account: Account) -> list[int]:
    """Ends of balances that the trigger has not run for yet."""
    ends = [balance.expires_at_ns for balance in _named(trigger, account)]
    return [
        end_ns for end_ns in ends if end_ns is not None and (mark.last_ns is None or end_ns > mark.last_ns)
    ]


def _named(trigger: Trigger, account: Account) -> list[Balance]:
    return [
        balance
        for balance in account.balances
        if balance.unit is trigger.unit
        and trigger.balance_id in ("", balance.id)
        and (not trigger.services or not balance.services or set(trigger.services) & set(balance.services))
    ]


def _changed(trigger: Trigger, old: Mapping[str, Balance], account: Account) -> list[Balance]:
    return [
        balance
        for balance in _named(trigger, account)
        if balance.id not in old or available(old[balance.id]) != available(balance)
    ]


def _mark(account: Account, group: str, trigger: str) -> Mark:
    extras = account.extras or Extras()
    found = (mark for one in extras.watched if one.group == group for mark in one.marks)
    return next((mark for mark in found if mark.trigger == trigger), Mark(trigger))


def _with_mark(account: Account, group: str, mark: Mark) -> Account:
    extras = account.extras or Extras()
    watched = tuple(
        Watched(group, (*(old for old in one.marks if old.trigger != mark.trigger), mark))
        if one.group == group
        else one
        for one in extras.watched
    )
    return with_watched(account, watched)
