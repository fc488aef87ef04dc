"""`OcsV1.AccountSetBalance`, `AccountRemoveBalance` and `AccountShare`; `SessionRerate` and `SessionRefund`."""

import uuid
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from ocs.charging import acts
from ocs.charging.account import Account, Balance, SharedGroup, Strategy
from ocs.charging.decision import Change, Decision
from ocs.charging.entry import Posting
from ocs.charging.events import Result
from ocs.rpc.context import Context
from ocs.rpc.errors import InvalidParams, NotFound, RpcError
from ocs.rpc.methods.ocs_v1.names import account_of, ended_session_of
from ocs.rpc.methods.ocs_v1.pages import Text
from ocs.rpc.methods.ocs_v1.quantities import charged_unit, quantity_of
from ocs.rpc.methods.ocs_v1.terms import BalanceTerms, terms_of
from ocs.rpc.methods.ocs_v1.views import AccountView, account_view
from ocs.rpc.registry import Registry, Role
from ocs.rpc.values import Amount, Moment, Params

BY = "jsonrpc"
MOST_MEMBERS = 100  # of a shared group: every member is changed with every change of one
STRATEGIES = {strategy.name.lower(): strategy for strategy in Strategy}


class BalanceRef(Params, frozen=True, kw_only=True):
    """One balance of one account."""

    account: Text
    balance: Text
    note: Text = ""
    by: Text = BY


class BalanceShape(BalanceRef, frozen=True, kw_only=True):
    """A balance as it is to be; `amount` is what is on it afterwards, what is held stays held."""

    amount: Amount
    unit: str = "money"
    priority: int = 0
    expires: Moment | None = None
    services: tuple[Text, ...] = ()
    rating_groups: tuple[int, ...] = ()
    terms: BalanceTerms | None = None


class ShareParams(Params, frozen=True, kw_only=True):
    """Accounts whose balances of a group pay for each other; this list takes the place of the one before."""

    group: Text
    accounts: tuple[Text, ...]
    strategy: Literal["mine_random", "lowest", "highest", "random", "mine_lowest", "mine_highest"] = (
        "mine_random"
    )
    subject: Text = ""


class Shared(msgspec.Struct, frozen=True):
    """A group as its members have it now."""

    group: str
    strategy: str
    members: tuple[str, ...]


class StoredSession(Params, frozen=True, kw_only=True):
    """A session of an account that has ended; `client` where those of several had one id."""

    account: Text
    session: Text
    client: Text | None = None
    reference: Text = ""
    note: Text = ""
    by: Text = BY


class Recharged(msgspec.Struct, frozen=True):
    """What the session costs now."""

    account: str
    session: str
    cost_nanos: int
    available_nanos: int


async def set_balance(context: Context, params: BalanceShape) -> AccountView:
    """Make a balance as it is described, also one that does not exist yet."""
    unit = charged_unit("unit", params.unit)
    amount = quantity_of("amount", params.amount, unit)
    expires_at_ns = None if params.expires is None else params.expires.at_ns
    shape = Balance(
        params.balance,
        unit,
        amount,
        0,
        params.priority,
        expires_at_ns,
        params.services,
        params.rating_groups,
        terms_of(params.terms),
    )
    return await _changed(context, params, lambda account, act: acts.set_balance(account, shape, act))


async def remove_balance(context: Context, params: BalanceRef) -> AccountView:
    """Take a balance off an account; what is left on it is gone, and told so in the history."""
    return await _changed(
        context, params, lambda account, act: acts.remove_balance(account, params.balance, act)
    )


async def _changed(
    context: Context,
    params: BalanceRef,
    act: Callable[[Account, acts.Act], tuple[Account, Posting | None]],
) -> AccountView:
    service = context.service
    account = await account_of(service, params.account)
    stamp = acts.Act(str(uuid.uuid4()), service.now_ns(), params.by, params.note)

    def change(account: Account) -> Change:
        try:
            changed, posting = act(account, stamp)
        except acts.ActError as error:
            raise RpcError(str(error)) from None
        return Change(changed, () if posting is None else (posting,))

    changed = await context.lasting(f"act|{account.key}|{stamp.id}", service.apply(account.key, change))
    assert changed is not None, "accounts are not removed"
    context.in_background("reauthorize", service.reauthorize_starved(changed))
    return account_view(changed, service.catalogue.currency, service.now_ns())


async def share(context: Context, params: ShareParams) -> Shared:
    """Let accounts share their balances of a group; all of them change together."""
    if not 1 <= len(params.accounts) <= MOST_MEMBERS:
        raise InvalidParams(f"accounts: a group has 1 to {MOST_MEMBERS} members")
    service = context.service
    found = [await account_of(service, name) for name in params.accounts]
    keys = tuple(dict.fromkeys(account.key for account in found))
    group = SharedGroup(params.group, STRATEGIES[params.strategy], keys, params.subject)

    def act(known: Mapping[str, Account]) -> Change:
        changed = [acts.join_group(known[key], group) for key in keys]
        return Change(changed[0], others=tuple(changed[1:]))

    await context.lasting(f"share|{params.group}|{keys[0]}", service.apply_all(keys[0], keys[1:], act))
    return Shared(params.group, params.strategy, keys)


async def rerate(context: Context, params: StoredSession) -> Recharged:
    """Charge an ended session anew by the tariff of now: given back and debited in one change."""
    return await _recharged(context, params, is_refund=False)


async def refund(context: Context, params: StoredSession) -> Recharged:
    """Give an ended session back to the balances that paid, once."""
    return await _recharged(context, params, is_refund=True)


async def _recharged(context: Context, params: StoredSession, is_refund: bool) -> Recharged:
    service = context.service
    account = await account_of(service, params.account)
    stamp = acts.Act(params.reference or str(uuid.uuid4()), service.now_ns(), params.by, params.note)
    client, session = await ended_session_of(service, account.key, params.session, params.client)
    name = f"rerate|{account.key}|{client}|{session}"
    decision: Decision | None = await context.lasting(
        name, service.rerate(account.key, client, session, stamp, is_refund)
    )
    if decision is None or decision.answer.result is Result.UNKNOWN_SESSION:
        raise NotFound(f"account {account.key[:80]} has no record of session {session[:80]}")
    if decision.answer.result is not Result.SUCCESS:
        raise RpcError("the present tariff has no price for what the session used; nothing was changed")
    answer = decision.answer
    return Recharged(account.key, session, answer.cost_nanos or 0, answer.remaining_nanos or 0)


def register(registry: Registry) -> None:
    """Put the methods of this module into a registry."""
    registry.method("OcsV1.AccountSetBalance", Role.ADMINISTER)(set_balance)
    registry.method("OcsV1.AccountRemoveBalance", Role.ADMINISTER)(remove_balance)
    registry.method("OcsV1.AccountShare", Role.ADMINISTER)(share)
    registry.method("OcsV1.SessionRerate", Role.ADMINISTER)(rerate)
    registry.method("OcsV1.SessionRefund", Role.ADMINISTER)(refund)
