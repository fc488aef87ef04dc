"""`OcsV1.Action...`, `Plan...`, `Triggers...`, `AccountTransfer`: what accounts do by themselves, and doing it now.

A run by hand, like a booking, has a reference that is done once: its answer is kept in the same change.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import ClassVar

import msgspec

from ocs.charging import acts
from ocs.charging.account import Account, Extras
from ocs.charging.actions.assign import assign, unassign, unwatch, watch
from ocs.charging.actions.model import Accounting, Action, ActionSet, Do
from ocs.charging.actions.plans import next_due_ns
from ocs.charging.actions.wording import action_text, entry_text, trigger_text
from ocs.charging.actions.work import Bench, accounts_of
from ocs.charging.decision import Change, EventAnswer
from ocs.rpc.context import Context
from ocs.rpc.errors import InvalidParams, NotFound, RpcError
from ocs.rpc.methods.ocs_v1.names import account_key, account_of
from ocs.rpc.methods.ocs_v1.pages import Text
from ocs.rpc.methods.ocs_v1.quantities import charged_unit, quantity_of
from ocs.rpc.methods.ocs_v1.server import Nothing
from ocs.rpc.methods.ocs_v1.views import EntryView, entry_views
from ocs.rpc.registry import Registry, Role
from ocs.rpc.values import Amount, Params

BY = "jsonrpc"
KEPT_NS = 90 * 86_400_000_000_000  # how long a reference is remembered
ATTEMPTS = 8
ALIASES = {"subscriber": "account", "msisdn": "account", "imsi": "account"}


class ActionRun(Params, frozen=True, kw_only=True):
    """A set of actions of the tariff, to be done on an account now."""

    account: Text
    actions: Text
    reference: Text = ""
    note: Text = ""
    by: Text = BY
    aliases: ClassVar = {"id": "reference", **ALIASES}


class TransferParams(Params, frozen=True, kw_only=True):
    """An amount to be moved from a balance of one account to one of another, or of the same."""

    account: Text
    to: Text
    amount: Amount
    unit: str = "money"
    balance: Text = "main"
    to_balance: Text = "main"
    reference: Text = ""
    note: Text = ""
    by: Text = BY
    aliases: ClassVar = {"id": "reference", **ALIASES}


class AccountAndName(Params, frozen=True, kw_only=True):
    """An account, and the name of an action plan or a group of triggers of the tariff."""

    account: Text
    name: Text
    aliases: ClassVar = {"plan": "name", "group": "name", "triggers": "name", **ALIASES}


class AccountOnly(Params, frozen=True, kw_only=True):
    """Which account."""

    account: Text
    aliases: ClassVar = ALIASES


class Ran(msgspec.Struct, frozen=True):
    """What was done, and the entries it made; a repeated reference gets the same answer."""

    account: str
    actions: str
    reference: str
    at_ns: int
    entries: list[EntryView]


class Named(msgspec.Struct, frozen=True):
    """A set, plan or group of triggers, its parts in words."""

    name: str
    parts: list[str]


class ActionRows(msgspec.Struct, frozen=True):
    """What the active tariff has."""

    time_zone: str
    actions: list[Named]
    plans: list[Named]
    triggers: list[Named]


class PlanRow(msgspec.Struct, frozen=True):
    """An action plan of an account."""

    plan: str
    set_at_ns: int
    done_until_at_ns: int
    is_known: bool


class TriggerRow(msgspec.Struct, frozen=True):
    """A trigger that has run or counted on an account."""

    group: str
    trigger: str
    executed: bool
    last_at_ns: int | None
    counted: int


class AccountActions(msgspec.Struct, frozen=True):
    """Plans and triggers of an account; `next_due_at_ns` is when the first plan runs next."""

    account: str
    plans: list[PlanRow]
    groups: list[str]
    triggers: list[TriggerRow]
    next_due_at_ns: int | None


async def list_(context: Context, params: Nothing) -> ActionRows:
    """List the actions, action plans and triggers of the active tariff."""
    accounting = _accounting(context)
    return ActionRows(
        accounting.time_zone,
        [
            Named(one.name, [action_text(action) for action in one.actions])
            for one in accounting.sets.values()
        ],
        [Named(one.name, [entry_text(entry) for entry in one.entries]) for one in accounting.plans.values()],
        [Named(name, [trigger_text(one) for one in group]) for name, group in accounting.triggers.items()],
    )


async def run(context: Context, params: ActionRun) -> Ran:
    """Do a set of actions on an account now; a repeated reference is done once and answered alike."""
    account = await account_of(context.service, params.account)
    actions = _accounting(context).sets.get(params.actions)
    if actions is None:
        raise NotFound(f"there are no actions {params.actions[:80]}")
    return await _do(context, account, actions, params.reference, params.by, params.note or actions.name)


async def transfer(context: Context, params: TransferParams) -> Ran:
    """Move an amount between balances; a repeated reference is done once and answered alike."""
    account = await account_of(context.service, params.account)
    target = await account_of(context.service, params.to)
    unit = charged_unit("unit", params.unit)
    amount = quantity_of("amount", params.amount, unit)
    if amount <= 0:
        raise InvalidParams("amount: is more than zero")
    step = Action(
        Do.TRANSFER, params.balance, unit, amount, to_account=target.key, to_balance=params.to_balance
    )
    actions = ActionSet(f"transfer {amount} {params.balance} {target.key}/{params.to_balance}", (step,))
    return await _do(context, account, actions, params.reference, params.by, params.note or "transfer")


async def show(context: Context, params: AccountOnly) -> AccountActions:
    """Show the action plans and triggers of an account."""
    return _shown(context, await account_of(context.service, params.account))


async def plan_assign(context: Context, params: AccountAndName) -> AccountActions:
    """Give an account an action plan; words such as `every: month` count from now."""
    if params.name not in _accounting(context).plans:
        raise NotFound(f"there is no action plan {params.name[:80]}")
    at_ns = context.service.now_ns()
    return await _change(context, params, lambda account: assign(account, params.name, at_ns))


async def plan_unassign(context: Context, params: AccountAndName) -> AccountActions:
    """Take an action plan from an account."""
    return await _change(context, params, lambda account: unassign(account, params.name))


async def triggers_assign(context: Context, params: AccountAndName) -> AccountActions:
    """Let a group of triggers watch an account."""
    if params.name not in _accounting(context).triggers:
        raise NotFound(f"there is no group of triggers {params.name[:80]}")
    return await _change(context, params, lambda account: watch(account, params.name))


async def triggers_unassign(context: Context, params: AccountAndName) -> AccountActions:
    """Let a group of triggers watch an account no more; what it counted is gone."""
    return await _change(context, params, lambda account: unwatch(account, params.name))


async def triggers_reset(context: Context, params: AccountAndName) -> AccountActions:
    """Let the triggers of a group run again, and count from zero."""

    def reset(account: Account) -> Account:
        extras = account.extras or Extras()
        watched = tuple(
            msgspec.structs.replace(one, marks=()) if one.group == params.name else one
            for one in extras.watched
        )
        if watched == extras.watched:
            return account
        return msgspec.structs.replace(account, extras=msgspec.structs.replace(extras, watched=watched))

    return await _change(context, params, reset)


def register(registry: Registry) -> None:
    """Put the methods of this module into a registry."""
    registry.method("OcsV1.ActionList", Role.READ)(list_)
    registry.method("OcsV1.ActionRun", Role.ADMINISTER)(run)
    registry.method("OcsV1.AccountTransfer", Role.ADMINISTER)(transfer)
    registry.method("OcsV1.AccountActions", Role.READ)(show)
    registry.method("OcsV1.PlanAssign", Role.ADMINISTER)(plan_assign)
    registry.method("OcsV1.PlanUnassign", Role.ADMINISTER)(plan_unassign)
    registry.method("OcsV1.TriggersAssign", Role.ADMINISTER)(triggers_assign)
    registry.method("OcsV1.TriggersUnassign", Role.ADMINISTER)(triggers_unassign)
    registry.method("OcsV1.TriggersReset", Role.ADMINISTER)(triggers_reset)


def _accounting(context: Context) -> Accounting:
    return context.service.catalogue.tariff.accounting


def _shown(context: Context, account: Account) -> AccountActions:
    accounting, extras = _accounting(context), account.extras or Extras()
    return AccountActions(
        account.key,
        [
            PlanRow(one.plan, one.set_at_ns, one.done_until_ns, one.plan in accounting.plans)
            for one in extras.plans
        ],
        [one.group for one in extras.watched],
        [
            TriggerRow(one.group, mark.trigger, mark.executed, mark.last_ns, mark.counted)
            for one in extras.watched
            for mark in one.marks
        ],
        next_due_ns(account, accounting),
    )


async def _change(
    context: Context, params: AccountAndName, change: Callable[[Account], Account]
) -> AccountActions:
    """An account with other plans or triggers, once that is durable."""
    account = await account_of(context.service, params.account)

    def act(account: Account) -> Change | None:
        changed = change(account)
        if changed is account:
            return None
        return Change(msgspec.structs.replace(changed, version=account.version + 1))

    changed = await context.lasting(f"act|{account.key}", context.service.apply(account.key, act))
    if changed is None:
        raise NotFound(f"no account {account.key[:80]}")
    return _shown(context, changed)


# --- doing a set


async def _do(
    context: Context, account: Account, actions: ActionSet, reference: str, by: str, reason: str
) -> Ran:
    act = acts.Act(reference or str(uuid.uuid4()), context.service.now_ns(), by, reason)
    key = f"act|{account.key}|{act.id}"
    ran = await context.lasting(key, _once(context, account.key, actions, act, key))
    if ran.actions != actions.name:
        raise RpcError(f"reference: {act.id[:80]} was used for something else on this account")
    return ran


class _Contended(Exception):
    """The account was changed by another node: look again whether the reference was done there."""


async def _once(context: Context, account: str, actions: ActionSet, act: acts.Act, key: str) -> Ran:
    """Do the set, unless the reference is known; every attempt looks again."""
    for _ in range(ATTEMPTS):
        kept = await context.service.store.answer_of(key)
        if kept is not None:
            return _decoded(kept.answer)
        try:
            return await _attempt(context, account, actions, act, key)
        except _Contended:
            continue
    raise RpcError(f"account {account[:80]} changes all the time")


def _decoded(answer: bytes) -> Ran:
    try:
        return msgspec.msgpack.decode(answer, type=Ran)
    except msgspec.ValidationError:
        raise RpcError("reference: was used for another kind of booking of this account") from None


async def _attempt(context: Context, account: str, actions: ActionSet, act: acts.Act, key: str) -> Ran:
    made: list[Ran] = []
    accounting = _accounting(context)

    def change(accounts: Mapping[str, Account]) -> Change:
        if made:
            raise _Contended
        bench = Bench(accounts, accounting.time_zone)
        try:
            bench.run(account, actions, act)
        except acts.ActError as error:
            raise RpcError(str(error)) from None
        entries = [view for posting in bench.postings for view in entry_views(posting)]
        made.append(Ran(account, actions.name, act.id, act.at_ns, entries))
        changed = bench.changed()
        own = changed.pop(account, None)
        if own is None:
            own = msgspec.structs.replace(accounts[account], version=accounts[account].version + 1)
        answered = EventAnswer(key, account, act.at_ns + KEPT_NS, msgspec.msgpack.encode(made[0]))
        return Change(
            own,
            tuple(bench.postings),
            answered=(answered,),
            others=tuple(changed.values()),
            notices=tuple(bench.notices),
        )

    others = [account_key(name) for name in accounts_of(actions, account)]
    changed = await context.service.apply_all(account, others, change)
    if changed is None:
        raise NotFound(f"no account {account[:80]}")
    context.in_background("reauthorize", context.service.reauthorize_starved(changed))
    return made[0]
