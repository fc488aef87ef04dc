"""`OcsV1.Account...` that look, and those that open, bar and unbar."""

import asyncio
import uuid
from collections.abc import Container
from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from ocs.charging import acts
from ocs.charging.account import Account, Standing
from ocs.charging.decision import Change
from ocs.charging.entry import Posting
from ocs.charging.store import Query, Table
from ocs.rpc.context import Context
from ocs.rpc.errors import EXISTS, InvalidParams, NotFound, RpcError
from ocs.rpc.methods.ocs_v1.names import LONGEST_NAME, account_key, account_of, accounts, identity_of
from ocs.rpc.methods.ocs_v1.pages import Limit, Text, cursor, cursor_text
from ocs.rpc.methods.ocs_v1.quantities import charged_unit, quantity_of
from ocs.rpc.methods.ocs_v1.terms import BalanceTerms, terms_of
from ocs.rpc.methods.ocs_v1.views import AccountView, EntryView, account_view, entry_views
from ocs.rpc.registry import Registry, Role
from ocs.rpc.values import Amount, Moment, Money, Params

BY = "jsonrpc"
VERIFY_ATTEMPTS = 10
VERIFY_PAUSE_S = 0.05  # until what memory is ahead by is durable
VERIFY_NS = 5_000_000_000  # of one answer, when all accounts are verified


class AccountRef(Params, frozen=True, kw_only=True):
    """Which account: its key, or a number or another identity of its subscriber."""

    account: Text
    aliases: ClassVar = {"subscriber": "account", "msisdn": "account", "imsi": "account"}


class AccountPage(Params, frozen=True, kw_only=True):
    """Accounts in the order of their keys, from behind `after`."""

    after: Text = ""
    limit: Limit = 50


class AccountRow(msgspec.Struct, frozen=True):
    """An account as one line of a list."""

    account: str
    plan: str
    standing: str
    available_nanos: int
    open_sessions: int
    identities: tuple[str, ...]


class AccountRows(msgspec.Struct, frozen=True):
    """A page of accounts; `next_after` is where the next one begins."""

    accounts: list[AccountRow]
    next_after: str | UnsetType = UNSET


class NewBalance(Params, frozen=True, kw_only=True):
    """A balance to begin with."""

    amount: Amount
    unit: str = "money"
    balance: Text = "main"
    priority: int = 0
    expires: Moment | None = None
    services: tuple[Text, ...] = ()
    rating_groups: tuple[int, ...] = ()
    terms: BalanceTerms | None = None
    aliases: ClassVar = {"id": "balance"}


class AccountNew(Params, frozen=True, kw_only=True):
    """An account to open. `identities` are said as `msisdn:15550100001`, `imsi:...`, `sip:...`."""

    account: Text
    plan: Text
    identities: tuple[Text, ...] = ()
    balances: tuple[NewBalance, ...] = ()
    credit_limit: Money | None = None
    no_credit_limit: bool = False
    low_balance: Money | None = None
    barred: bool = False
    action_plans: tuple[Text, ...] = ()
    triggers: tuple[Text, ...] = ()
    reference: Text = ""
    note: Text = ""


class HistoryPage(Params, frozen=True, kw_only=True):
    """The last changes of an account, or of all accounts, from before `after`."""

    account: Text | None = None
    after: Text = ""
    limit: Limit = 50
    aliases: ClassVar = AccountRef.aliases


class EntryRows(msgspec.Struct, frozen=True):
    """Entries, the newest first; `next_after` is where the older ones begin."""

    entries: list[EntryView]
    next_after: str | UnsetType = UNSET


class AccountOrAll(Params, frozen=True, kw_only=True):
    """Which account; none means every one, from behind `after`."""

    account: Text | None = None
    after: Text = ""
    aliases: ClassVar = AccountRef.aliases


class Difference(msgspec.Struct, frozen=True):
    """Something that is wrong with the books of an account."""

    account: str
    problem: str


class Verdict(msgspec.Struct, frozen=True):
    """Whether balances are what their entries and holds say; with `next_after` more are to be asked for."""

    ok: bool
    accounts: int
    differences: list[Difference]
    next_after: str | UnsetType = UNSET


async def show(context: Context, params: AccountRef) -> AccountView:
    """Show an account: balances, what is held, identities."""
    account = await account_of(context.service, params.account)
    return _view(context, account)


async def list_(context: Context, params: AccountPage) -> AccountRows:
    """List accounts page by page."""
    query = Query(Table.ACCOUNTS, after=params.after, limit=params.limit)
    page = await context.service.store.read(query)
    rows = [_row(context, account) for account in page.rows if isinstance(account, Account)]
    return AccountRows(rows, cursor_text(page.next_after))


async def create(context: Context, params: AccountNew) -> AccountView:
    """Open an account with identities and balances; nobody else may have them."""
    new = _new_account(context, params)
    act = acts.Act(params.reference or str(uuid.uuid4()), context.service.now_ns(), BY, params.note)
    try:
        account, posting = acts.create(new, act)
    except ValueError as error:
        raise InvalidParams(f"balances: {error}") from None
    await context.lasting("create", _open(context, account, posting))
    return _view(context, account)


async def history(context: Context, params: HistoryPage) -> EntryRows:
    """List the entries of an account or of all, newest first; `limit` counts changes, which may have several."""
    account = None if params.account is None else (await account_of(context.service, params.account)).key
    query = Query(Table.POSTINGS, account, cursor(params.after), params.limit)
    page = await context.service.store.read(query)
    rows = [view for row in page.rows if isinstance(row, Posting) for view in entry_views(row)]
    return EntryRows(rows, cursor_text(page.next_after))


async def verify(context: Context, params: AccountOrAll) -> Verdict:
    """Compare the balances of an account, or of all, with the sums of their entries and holds."""
    service, count, differences = context.service, 0, list[Difference]()
    if params.account is not None:
        account = await account_of(service, params.account)
        return Verdict(not (found := await _verified(context, account.key)), 1, found)
    until_ns = context.monotonic_ns() + VERIFY_NS
    async for account in accounts(service, Table.ACCOUNTS, params.after):
        count += 1
        differences += await _verified(context, account.key)
        if context.monotonic_ns() > until_ns:
            return Verdict(not differences, count, differences, account.key)
    return Verdict(not differences, count, differences)


async def bar(context: Context, params: AccountRef) -> AccountView:
    """Bar an account: nothing new is granted, what is used is charged; clients are told to end its sessions."""
    account = await _stand(context, params, Standing.BARRED)
    context.in_background("disconnect", context.service.disconnect_all(account, "account barred"))
    return _view(context, account)


async def unbar(context: Context, params: AccountRef) -> AccountView:
    """Make a barred account active again."""
    return _view(context, await _stand(context, params, Standing.ACTIVE))


def register(registry: Registry) -> None:
    """Put the methods of this module into a registry."""
    registry.method("OcsV1.AccountShow", Role.READ)(show)
    registry.method("OcsV1.AccountList", Role.READ)(list_)
    registry.method("OcsV1.AccountCreate", Role.ADMINISTER)(create)
    registry.method("OcsV1.AccountHistory", Role.READ)(history)
    registry.method("OcsV1.AccountVerify", Role.READ)(verify)
    registry.method("OcsV1.AccountBar", Role.ADMINISTER)(bar)
    registry.method("OcsV1.AccountUnbar", Role.ADMINISTER)(unbar)


def _view(context: Context, account: Account) -> AccountView:
    return account_view(account, context.settings.charging.currency, context.service.now_ns())


def _row(context: Context, account: Account) -> AccountRow:
    view = _view(context, account)
    return AccountRow(
        view.account, view.plan, view.standing, view.available_nanos, view.open_sessions, view.identities
    )


def _new_account(context: Context, params: AccountNew) -> acts.NewAccount:
    if not params.account or len(params.account) > LONGEST_NAME or not params.account.isprintable():
        raise InvalidParams("account: is a name of printable characters")
    plans = {plan.name for plan in context.service.catalogue.tariff.plans}
    if params.plan not in plans:
        raise InvalidParams(
            f'plan: there is no plan "{params.plan[:80]}", but {", ".join(sorted(plans)[:10])}'
        )
    if params.no_credit_limit and params.credit_limit is not None:
        raise InvalidParams("credit_limit: is given, and no_credit_limit too")
    accounting = context.service.catalogue.tariff.accounting
    limit_nanos = 0 if params.credit_limit is None else params.credit_limit.nanos
    low_nanos = 0 if params.low_balance is None else params.low_balance.nanos
    if limit_nanos < 0 or low_nanos < 0:
        raise InvalidParams("credit_limit: and low_balance are not below zero")
    return acts.NewAccount(
        account_key(params.account),
        params.plan,
        tuple(dict.fromkeys(identity_of(text) for text in params.identities)),
        tuple(_first_topup(balance) for balance in params.balances),
        None if params.no_credit_limit else limit_nanos,
        low_nanos,
        Standing.BARRED if params.barred else Standing.ACTIVE,
        action_plans=_known(params.action_plans, accounting.plans, "action plan"),
        trigger_groups=_known(params.triggers, accounting.triggers, "group of triggers"),
    )


def _known(names: tuple[str, ...], known: Container[str], what: str) -> tuple[str, ...]:
    """Names that the active tariff has."""
    for name in names:
        if name not in known:
            raise InvalidParams(f'there is no {what} "{name[:80]}"')
    return tuple(dict.fromkeys(names))


def _first_topup(balance: NewBalance) -> acts.TopUp:
    unit = charged_unit("balances", balance.unit)
    amount = quantity_of("balances", balance.amount, unit)
    if amount <= 0:
        raise InvalidParams("balances: amount is more than zero")
    expires_at_ns = None if balance.expires is None else balance.expires.at_ns
    return acts.TopUp(
        amount,
        unit,
        balance.balance,
        balance.priority,
        expires_at_ns,
        balance.services,
        balance.rating_groups,
        terms_of(balance.terms),
    )


async def _open(context: Context, account: Account, posting: Posting | None) -> None:
    """Look whether the names are free and take them; one account at a time, so that no two take one name."""
    service = context.service
    if await service.account(account.key) is not None:
        raise RpcError(f"there is an account {account.key[:80]} already", EXISTS)
    for identity in account.identities:
        owner = await service.find(identity)
        if owner is not None:
            raise RpcError(f"{identity.value[:80]} is an identity of account {owner.key[:80]}", EXISTS)
    await service.create(Change(account, () if posting is None else (posting,), has_new_identities=True))


async def _stand(context: Context, params: AccountRef, standing: Standing) -> Account:
    account = await account_of(context.service, params.account)

    def act(account: Account) -> Change | None:
        if account.standing is standing:
            return None
        return Change(acts.set_standing(account, standing))

    changed = await context.lasting(f"act|{account.key}", context.service.apply(account.key, act))
    if changed is None:
        raise NotFound(f"no account {account.key[:80]}")
    return changed


async def _verified(context: Context, key: str) -> list[Difference]:
    """What is wrong with an account; looked at again where it changed meanwhile."""
    service = context.service
    for _ in range(VERIFY_ATTEMPTS):
        before = await service.store.load(key)
        problems = await service.verify(key)
        after = await service.account(key)
        if not problems or (before is not None and after is not None and before.version == after.version):
            return [Difference(key, problem) for problem in problems]
        await asyncio.sleep(VERIFY_PAUSE_S)
    raise RpcError(f"account {key[:80]} changes all the time: verify it when it is quieter")
