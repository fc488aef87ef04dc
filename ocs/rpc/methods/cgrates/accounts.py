"""`APIerSv1` and `APIerSv2`: accounts, their flags, plans and triggers."""

from typing import Any

import msgspec

from ocs.cgrates import ledgers, plans, watching
from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.accounts import account_view, old_account_view
from ocs.cgrates.objects.errors import not_found, server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.triggers import counters_view, trigger_views
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates import triggers
from ocs.charging.cgrates.account import Account
from ocs.rpc.methods.cgrates.table import OK, Table, account_id_of, page, tenant_of
from ocs.rpc.registry import Role

TABLE = Table()
MOST_SHOWN = 100_000  # in one answer


@TABLE.method("APIerSv1.SetAccount", role=Role.ADMINISTER)
def set_account_v1(runtime: Runtime, given: Given) -> str:
    """Makes or changes an account, with one action plan and one group of triggers."""
    key = account_id_of(runtime, given)
    names = [given.text("ActionPlanID")] if given.text("ActionPlanID") else []
    triggers_ids = [given.text("ActionTriggersID")] if given.text("ActionTriggersID") else []
    _set_account(
        runtime, key, given, names, triggers_ids, overwrites_plans=bool(names), overwrites_triggers=False
    )
    return OK


@TABLE.method("APIerSv2.SetAccount", role=Role.ADMINISTER)
def set_account_v2(runtime: Runtime, given: Given) -> str:
    """Makes or changes an account, with any number of action plans and groups of triggers."""
    _set_account(
        runtime,
        account_id_of(runtime, given),
        given,
        list(given.texts("ActionPlanIDs")),
        list(given.texts("ActionTriggerIDs")),
        overwrites_plans=given.flag("ActionPlansOverwrite"),
        overwrites_triggers=given.flag("ActionTriggerOverwrite"),
    )
    return OK


def _set_account(
    runtime: Runtime,
    key: str,
    given: Given,
    plan_ids: list[str],
    triggers_ids: list[str],
    *,
    overwrites_plans: bool,
    overwrites_triggers: bool,
) -> None:
    state = runtime.state
    groups = state.tables[Kind.ACTION_TRIGGERS]
    known_plans = state.tables[Kind.ACTION_PLAN]
    if any(name not in known_plans for name in plan_ids) or any(name not in groups for name in triggers_ids):
        raise server_error("NOT_FOUND")
    account = runtime.account(key)
    options = given.inner("ExtraOptions")
    state.put(
        Kind.ACCOUNT,
        key,
        msgspec.structs.replace(
            account,
            allows_negative=_option(options, given, "AllowNegative", account.allows_negative),
            is_disabled=_option(options, given, "Disabled", account.is_disabled),
        ),
    )
    if triggers_ids or overwrites_triggers:
        added = [trigger for name in triggers_ids for trigger in groups[name]]
        watch = watching.watch_of(state, key)
        watch = triggers.assign(watch, added, runtime.wall_ns(), overwrites=overwrites_triggers)
        watching.put_watch(state, key, watch)
    if overwrites_plans:
        for name in plans.plans_of(state, key):
            if name not in plan_ids:
                plans.leave(state, name, key)
    for name in plan_ids:
        plans.join(runtime, name, key)


def _option(options: Given, given: Given, name: str, present: bool) -> bool:
    """A flag of `ExtraOptions`, or beside it as older clients write it."""
    return options.flag(name, given.flag(name, present))


@TABLE.method("APIerSv1.RemoveAccount", role=Role.ADMINISTER, also_v2=True)
def remove_account(runtime: Runtime, given: Given) -> str:
    """Removes an account and takes it out of action plans and shared groups."""
    key = account_id_of(runtime, given)
    ledgers.remove(runtime.state, key)
    return OK


def _found(runtime: Runtime, given: Given) -> Account:
    key = account_id_of(runtime, given)
    account = runtime.state.accounts.get(key)
    if account is None:
        raise not_found()
    return account


def _view(runtime: Runtime, account: Account) -> dict[str, Any]:
    watch = watching.watch_of(runtime.state, account.account_id)
    updated_ns = runtime.state.updated.get(account.account_id)
    return account_view(account, trigger_views(watch), counters_view(watch), updated_ns)


def _old_view(runtime: Runtime, account: Account) -> dict[str, Any]:
    watch = watching.watch_of(runtime.state, account.account_id)
    return old_account_view(account, trigger_views(watch), runtime.state.updated.get(account.account_id))


@TABLE.method("APIerSv2.GetAccount", role=Role.READ)
def get_account(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Shows an account with its balances, triggers and counters."""
    return _view(runtime, _found(runtime, given))


@TABLE.method("APIerSv1.GetAccount", role=Role.READ)
def get_account_old(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Shows an account in the structure of version 1."""
    return _old_view(runtime, _found(runtime, given))


@TABLE.method("APIerSv2.GetAccounts", role=Role.READ)
def get_accounts(runtime: Runtime, given: Given) -> list[dict[str, Any]]:
    """Shows the accounts of a tenant."""
    return [_view(runtime, account) for account in _selected(runtime, given)]


@TABLE.method("APIerSv1.GetAccounts", role=Role.READ)
def get_accounts_old(runtime: Runtime, given: Given) -> list[dict[str, Any]]:
    """Shows the accounts of a tenant in the structure of version 1."""
    return [_old_view(runtime, account) for account in _selected(runtime, given)]


def _selected(runtime: Runtime, given: Given) -> list[Account]:
    tenant, accounts = tenant_of(runtime, given), runtime.state.accounts
    names = given.texts("AccountIDs")
    keys = [f"{tenant}:{name}" for name in names] if names else _keys(runtime, tenant)
    flags = given.inner("Filter")
    wanted = {name: flags.optional_flag(name) for name in ("AllowNegative", "Disabled")}
    kept = []
    chosen = page(keys, given)
    if len(chosen) > MOST_SHOWN:
        raise server_error(f"more than {MOST_SHOWN} accounts: use Limit and Offset")
    for key in chosen:
        account = accounts.get(key)
        if account is None:
            continue
        has = {"AllowNegative": account.allows_negative, "Disabled": account.is_disabled}
        if all(value is None or has[name] == value for name, value in wanted.items()):
            kept.append(account)
    return kept


def _keys(runtime: Runtime, tenant: str) -> list[str]:
    prefix = f"{tenant}:"
    return [key for key in runtime.state.accounts if key.startswith(prefix)]


@TABLE.method("APIerSv1.GetAccountsCount", role=Role.READ, also_v2=True)
def count_accounts(runtime: Runtime, given: Given) -> int:
    """Counts the accounts of a tenant."""
    return len(_keys(runtime, tenant_of(runtime, given)))


@TABLE.method("APIerSv1.GetAccountIDs", role=Role.READ, also_v2=True)
def account_ids(runtime: Runtime, given: Given) -> list[str]:
    """Lists the names of a tenant's accounts."""
    tenant = tenant_of(runtime, given)
    names = [key[len(tenant) + 1 :] for key in _keys(runtime, tenant)]
    if not names:
        raise not_found()
    return page(names, given)
