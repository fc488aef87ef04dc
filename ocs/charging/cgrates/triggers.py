"""Action triggers and unit counters of an account: what they count, when they fire, and what their actions do.

A `Watch` is kept beside the account it belongs to. After every change of the account `fire` compares balances and
counters with the thresholds, heaviest trigger first. A trigger that does not recur stays executed until a reset,
also where one of its actions fails: the actions before it keep their effect, those behind it do not run.
"""

import json
from collections.abc import Iterable, Mapping

import msgspec

from ocs.charging.cgrates import values
from ocs.charging.cgrates.account import Account, Balance, all_balances
from ocs.charging.cgrates.actions import Changed, Moment, Passes, execute, run_actions, unfiltered
from ocs.charging.cgrates.actions_model import Action, ActionTrigger, BalanceFilter
from ocs.charging.cgrates.call import MONETARY, Call
from ocs.charging.cgrates.model import PaidCall
from ocs.charging.cgrates.plan import ANY, Tariff

COUNTER_WORD = "counter"
BALANCE_EXPIRED = "*balance_expired"
WATCH_ACTIONS = frozenset(("*reset_triggers", "*set_recurrent", "*unset_recurrent", "*reset_counters"))


class TriggerState(msgspec.Struct, frozen=True):
    """A trigger of an account with what has become of it."""

    trigger: ActionTrigger
    is_recurrent: bool = False
    expires_ns: int | None = None
    active_ns: int | None = None
    executed: bool = False
    last_run_ns: int | None = None


class Counter(msgspec.Struct, frozen=True):
    """Units or money of one kind used so far: by events that match the filter, or from balances that do."""

    kind: str  # *monetary, *voice, ...
    counts_balances: bool
    balance: BalanceFilter
    value_nanos: int = 0

    def same_as(self, other: "Counter") -> bool:
        """Whether both count the same."""
        return msgspec.structs.replace(self, value_nanos=0) == msgspec.structs.replace(other, value_nanos=0)


class Watch(msgspec.Struct, frozen=True):
    """Triggers and counters of one account."""

    triggers: tuple[TriggerState, ...] = ()
    counters: tuple[Counter, ...] = ()


class Charge(msgspec.Struct, frozen=True):
    """What one balance paid; a negative amount was refunded. The kind is that of the balance."""

    kind: str
    uid: str
    nanos: int


class Run(msgspec.Struct, frozen=True):
    """A trigger that fired, and whether its actions went through."""

    tag: str
    unique_id: str
    actions_tag: str
    error: str = ""


class Fired(msgspec.Struct, frozen=True):
    """Accounts after the triggers (None where one was removed), and the watch to keep with the account."""

    accounts: Mapping[str, Account | None]
    watch: Watch
    runs: tuple[Run, ...] = ()
    joined: tuple[tuple[str, str], ...] = ()
    effects: tuple[Action, ...] = ()


class Outcome(msgspec.Struct, frozen=True):
    """An action set with everything it led to."""

    changed: Changed
    watch: Watch
    runs: tuple[Run, ...] = ()


def assign(
    watch: Watch, triggers: Iterable[ActionTrigger], now_ns: int, *, overwrites: bool = False
) -> Watch:
    """The watch with more triggers; one of the same group and unique id takes the place of the old one."""
    states = {} if overwrites else {_key(state.trigger): state for state in watch.triggers}
    for trigger in triggers:
        states[_key(trigger)] = TriggerState(
            trigger,
            trigger.is_recurrent,
            values.expiry_ns(trigger.expiry, now_ns),
            values.expiry_ns(trigger.activation, now_ns),
        )
    return _with_counters(tuple(states.values()), watch.counters)


def remove(watch: Watch, tag: str = "", unique_id: str = "") -> Watch:
    """The watch without the triggers of a group, or without the one of a unique id."""
    kept = tuple(
        state
        for state in watch.triggers
        if (tag and state.trigger.tag != tag) or (unique_id and state.trigger.unique_id != unique_id)
    )
    return _with_counters(kept, watch.counters)


def charges_of(paid: PaidCall, account: Account) -> tuple[Charge, ...]:
    """What each balance of an account paid for a call."""
    kinds = {balance.uid: kind for kind, balance in all_balances(account)}
    sums: dict[str, int] = {}
    for span in paid.spans:
        for steps in span.steps:
            count = steps.count * span.factor
            payment = steps.payment
            for uid, nanos in ((payment.unit_uid, payment.unit_nanos), (payment.money_uid, steps.cost_nanos)):
                if uid:
                    sums[uid] = sums.get(uid, 0) + nanos * count
    return tuple(Charge(kinds.get(uid, MONETARY), uid, nanos) for uid, nanos in sums.items() if nanos)


def count(
    watch: Watch,
    charges: Iterable[Charge],
    account: Account,
    tariff: Tariff,
    moment: Moment,
    call: Call | None = None,
) -> Watch:
    """The watch with charges counted; only events of a call count as events."""
    if not watch.counters:
        return watch
    balances = {balance.uid: balance for _, balance in all_balances(account)}
    editor = moment.edit(account)
    found = list(watch.counters)
    for charge in charges:
        for at, counter in enumerate(found):
            if counter.kind != charge.kind:
                continue
            if counter.counts_balances:
                balance = balances.get(charge.uid)
                counts = balance is not None and editor.matches(balance, _nameless(counter.balance))
            else:
                counts = call is not None and _is_about(counter.balance, call, tariff)
            if counts:
                found[at] = msgspec.structs.replace(counter, value_nanos=counter.value_nanos + charge.nanos)
    return msgspec.structs.replace(watch, counters=tuple(found))


def fire(
    watch: Watch,
    before: Account,
    accounts: Mapping[str, Account],
    account_id: str,
    tariff: Tariff,
    moment: Moment,
    passes: Passes = unfiltered,
) -> Fired:
    """Runs the triggers that a change has made due; `before` is the account without the change.

    Balance thresholds look at balances that have changed, `*balance_expired` at those that have ended since too.
    A trigger runs once per call, and what its actions change is seen by the lighter ones.
    """
    held: dict[str, Account | None] = dict(accounts)
    states = list(watch.triggers)
    runs: list[Run] = []
    joined: list[tuple[str, str]] = []
    effects: list[Action] = []
    for at in sorted(range(len(states)), key=lambda at: -states[at].trigger.weight):
        account, state = held.get(account_id), states[at]
        if account is None:
            break
        watched = Watch(tuple(states), watch.counters)
        if not is_due(state, watched, before, account, moment) or _sleeps(state, moment.now_ns):
            continue
        states[at] = msgspec.structs.replace(state, last_run_ns=moment.now_ns)
        actions = tariff.actions.get(state.trigger.actions_tag)
        if actions is None or account.is_disabled:
            continue
        states[at] = msgspec.structs.replace(states[at], executed=not state.is_recurrent)
        part = msgspec.structs.replace(moment, event_id=f"{moment.event_id}:{state.trigger.unique_id or at}")
        current = {key: one for key, one in held.items() if one is not None}
        done = run_actions(current, account_id, actions, part, passes)
        held |= done.accounts
        watch, effects_left = _watch_effects(Watch(tuple(states), watch.counters), done.effects)
        states = list(watch.triggers)
        joined.extend(done.joined)
        effects.extend(effects_left)
        runs.append(Run(state.trigger.tag, state.trigger.unique_id, state.trigger.actions_tag, done.error))
    return Fired(held, Watch(tuple(states), watch.counters), tuple(runs), tuple(joined), tuple(effects))


def execute_watched(
    accounts: Mapping[str, Account],
    watch: Watch,
    account_id: str,
    tag: str,
    tariff: Tariff,
    moment: Moment,
    passes: Passes = unfiltered,
) -> Outcome:
    """Runs an action set, then the triggers it has made due."""
    changed = execute(accounts, account_id, tag, tariff, moment, passes)
    if changed.error:
        return Outcome(changed, watch)
    watch, effects = _watch_effects(watch, changed.effects)
    merged: dict[str, Account | None] = {**accounts, **changed.accounts}
    held = {key: account for key, account in merged.items() if account is not None}
    fired = fire(watch, accounts[account_id], held, account_id, tariff, moment, passes)
    touched = {
        key: account
        for key, account in {**changed.accounts, **fired.accounts}.items()
        if account is None or account != accounts.get(key) or key == account_id
    }
    removed = {key: None for key, account in changed.accounts.items() if account is None}
    whole = Changed({**touched, **removed}, (*changed.joined, *fired.joined), (*effects, *fired.effects))
    return Outcome(whole, fired.watch, fired.runs)


def adjust(watch: Watch, action: Action) -> Watch:
    """The watch after `*reset_triggers`, `*set_recurrent`, `*unset_recurrent` or `*reset_counters`."""
    if action.kind == "*reset_counters":
        kind = action.balance.kind
        counters = tuple(
            msgspec.structs.replace(counter, value_nanos=0) if kind in (None, counter.kind) else counter
            for counter in watch.counters
        )
        return msgspec.structs.replace(watch, counters=counters)
    changes: dict[str, bool] = {
        "*reset_triggers": {"executed": False},
        "*set_recurrent": {"is_recurrent": True},
        "*unset_recurrent": {"is_recurrent": False},
    }[action.kind]
    states = tuple(
        msgspec.structs.replace(state, **changes) if is_named(state.trigger, action) else state
        for state in watch.triggers
    )
    return msgspec.structs.replace(watch, triggers=states)


def is_named(trigger: ActionTrigger, action: Action) -> bool:
    """Whether an action is about a trigger: by kind of balance, and by the ExtraParameters given.

    These may hold GroupID, UniqueID and ThresholdType.
    """
    if action.balance.kind is not None and action.balance.kind != trigger.balance.kind:
        return False
    if not action.parameters.startswith("{"):
        return True
    try:
        told = json.loads(action.parameters)
    except ValueError:
        return True
    named = {
        "GroupID": trigger.tag,
        "UniqueID": trigger.unique_id,
        "ThresholdType": trigger.threshold_kind,
    }
    return all(told.get(name) in (None, "", value) for name, value in named.items())


def is_due(state: TriggerState, watch: Watch, before: Account, account: Account, moment: Moment) -> bool:
    """Whether a trigger is in force, has not run yet, and finds its threshold reached."""
    now_ns = moment.now_ns
    if (
        state.executed
        or (state.expires_ns is not None and state.expires_ns <= now_ns)
        or (state.active_ns is not None and state.active_ns > now_ns)
    ):
        return False
    trigger = state.trigger
    if COUNTER_WORD in trigger.threshold_kind:
        wanted = _counter(trigger)
        return any(
            counter.same_as(wanted) and _reaches(trigger, counter.value_nanos) for counter in watch.counters
        )
    editor = moment.edit(account)
    return any(
        editor.matches(balance, trigger.balance) for balance in _candidates(trigger, before, account, now_ns)
    )


def _candidates(trigger: ActionTrigger, before: Account, account: Account, now_ns: int) -> Iterable[Balance]:
    """Balances on the wrong side of a trigger's threshold."""
    kind = trigger.balance.kind or ""
    old = {balance.uid: balance for balance in before.balances.get(kind, ())}
    held = account.balances.get(kind, ())
    if trigger.threshold_kind == BALANCE_EXPIRED:
        present = {balance.uid for balance in held}
        ended = [balance for balance in old.values() if balance.uid not in present]
        return [balance for balance in (*held, *ended) if balance.expired_at(now_ns)]
    if trigger.threshold_kind not in ("*min_balance", "*max_balance"):
        return ()
    return [
        balance
        for balance in held
        if _reaches(trigger, balance.value_nanos)
        and (balance.uid not in old or old[balance.uid].value_nanos != balance.value_nanos)
    ]


def _reaches(trigger: ActionTrigger, nanos: int) -> bool:
    if trigger.threshold_kind.startswith("*max"):
        return nanos >= trigger.threshold_nanos
    return nanos <= trigger.threshold_nanos


def _sleeps(state: TriggerState, now_ns: int) -> bool:
    return (
        state.is_recurrent
        and state.last_run_ns is not None
        and now_ns - state.last_run_ns < state.trigger.min_sleep_ns
    )


def _counter(trigger: ActionTrigger) -> Counter:
    """The counter a trigger looks at; one without an id in its filter is named by its unique id."""
    balance = trigger.balance
    if not balance.balance_id and trigger.unique_id:
        balance = msgspec.structs.replace(balance, balance_id=trigger.unique_id)
    return Counter(balance.kind or "", "balance" in trigger.threshold_kind, balance)


def _with_counters(states: tuple[TriggerState, ...], old: tuple[Counter, ...]) -> Watch:
    """A watch whose counters are those its triggers need; what was counted already is kept."""
    counters: list[Counter] = []
    for state in states:
        if COUNTER_WORD in state.trigger.threshold_kind:
            wanted = _counter(state.trigger)
            if not any(counter.same_as(wanted) for counter in counters):
                counters.append(next((one for one in old if one.same_as(wanted)), wanted))
    return Watch(states, tuple(counters))


def _watch_effects(watch: Watch, effects: tuple[Action, ...]) -> tuple[Watch, tuple[Action, ...]]:
    """The watch after the actions that are about it, and the other ones."""
    left = []
    for action in effects:
        if action.kind in WATCH_ACTIONS:
            watch = adjust(watch, action)
        else:
            left.append(action)
    return watch, tuple(left)


def _is_about(wanted: BalanceFilter, call: Call, tariff: Tariff) -> bool:
    """Whether an event counter's filter lets a call count: by category and destination."""
    if wanted.categories and not any(name in (ANY, call.category) for name in wanted.categories):
        return False
    if not wanted.destinations:
        return True
    names = {name for name, included in wanted.destinations if included}
    number = call.destination
    return any(
        names.intersection(tariff.destinations.get(number[:length], ()))
        for length in range(len(number), 0, -1)
    )


def _nameless(wanted: BalanceFilter) -> BalanceFilter:
    return msgspec.structs.replace(wanted, balance_id=None)


def _key(trigger: ActionTrigger) -> tuple[str, str]:
    return trigger.tag, trigger.unique_id
