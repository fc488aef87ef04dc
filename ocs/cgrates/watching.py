"""Action triggers and counters of a state's accounts: kept beside them, counted and fired after every change."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import structlog

from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from ocs.charging.cgrates.account import Account, all_balances
from ocs.charging.cgrates.call import Call
from ocs.charging.cgrates.triggers import Charge, Fired, Watch, count, fire

if TYPE_CHECKING:
    from ocs.cgrates.runtime import Runtime

log = structlog.get_logger()

NOTHING = Watch()


def watch_of(state: State, account_id: str) -> Watch:
    """Triggers and counters of an account."""
    found: Watch | None = state.tables[Kind.WATCH].get(account_id)
    return NOTHING if found is None else found


def put_watch(state: State, account_id: str, watch: Watch) -> None:
    """Keeps triggers and counters of an account; nothing is kept of an account without any."""
    if watch == NOTHING:
        state.delete(Kind.WATCH, account_id)
    elif watch is not state.tables[Kind.WATCH].get(account_id):
        state.put(Kind.WATCH, account_id, watch)


def changed(runtime: "Runtime", before: Mapping[str, Account | None], calls: Mapping[str, Call]) -> None:
    """Counts what the calls of accounts have cost and fires the triggers that changes have made due.

    `before` are the accounts without the change. What the actions of triggers change is changed here too.
    """
    for key, old in before.items():
        watch = watch_of(runtime.state, key)
        if watch == NOTHING:
            continue
        account = runtime.state.accounts.get(key)
        if account is None:
            put_watch(runtime.state, key, NOTHING)
            continue
        moment = runtime.moment()
        if key in calls:
            tariff = runtime.state.tariff
            watch = count(watch, _charges(old, account), account, tariff, moment, calls[key])
        fired = fire(
            watch,
            old or Account(key),
            runtime.state.accounts,
            key,
            runtime.state.tariff,
            moment,
            runtime.effects.passes,
        )
        take_over(runtime, key, fired)


def take_over(runtime: "Runtime", key: str, fired: Fired) -> None:
    """Keeps what the triggers of an account have done."""
    state = runtime.state
    before = state.accounts.get(key) or Account(key)
    put_watch(state, key, fired.watch)
    for name, account in fired.accounts.items():
        if account is None:
            state.delete(Kind.ACCOUNT, name)
        elif state.accounts.get(name) is not account:
            state.put(Kind.ACCOUNT, name, account)
    for group, member in fired.joined:
        state.join(group, member)
    for run in fired.runs:
        log.info("trigger.fired", account=key, trigger=run.unique_id or run.tag, actions=run.actions_tag)
    runtime.effects.carry_out(key, before, fired.effects)


def _charges(old: Account | None, account: Account) -> Iterator[Charge]:
    """What each balance paid, told by its value before and after."""
    values = {balance.uid: balance.value_nanos for _, balance in all_balances(old)} if old is not None else {}
    for kind, balance in all_balances(account):
        paid = values.get(balance.uid, 0) - balance.value_nanos
        if paid:
            yield Charge(kind, balance.uid, paid)
