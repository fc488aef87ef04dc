"""The incumbent's account methods on `ocs serve`: accounts of the exact core as a portal for CGRateS sees them.

A balance is named by its `ID`, which is its `Uuid` too; money without a name is `main`. `Value` shows what is
available: what sessions hold is not in it. An account that a method opens gets the plan of
`charging.dynaprepaid_plan`, or the only one of the tariff.
"""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from ocs.cgrates.objects.errors import exists, not_found, server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.numbers import moment, number
from ocs.charging import acts
from ocs.charging.account import Account, Balance, Factor, Standing, Terms
from ocs.charging.actions.assign import assign, watch
from ocs.charging.decision import Change
from ocs.charging.entry import Posting
from ocs.charging.events import Identity, IdentityKind, Unit
from ocs.charging.ledger import MAIN
from ocs.charging.store import Table
from ocs.rpc.context import Context
from ocs.rpc.errors import RpcError
from ocs.rpc.methods.ocs_v1 import names
from ocs.rpc.registry import Registry, Role

OK = "OK"
VERSIONS = ("APIerSv1", "APIerSv2")
BY = "apier"
NANOS = 1_000_000_000
MOST_SHOWN = 1_000
SHORTEST_NUMBER, LONGEST_NUMBER = (
    5,
    15,
)  # digits of an account's name that is a number of the telephone network
UNITS = {
    "*monetary": Unit.MONEY,
    "*voice": Unit.TIME,
    "*data": Unit.OCTETS,
    "*sms": Unit.EVENTS,
    "*mms": Unit.EVENTS,
    "*generic": Unit.EVENTS,
}
SERVICES = {"*sms": ("sms",), "*mms": ("mms",), "*generic": ("generic",)}
Form = dict[str, Any]
Changing = Callable[[Account, acts.Act], tuple[Account, Posting | None]]


class Names(Protocol):
    """Who knows which account of the core an event's is."""

    async def key_of(self, tenant: str, name: str) -> str:
        """The key of an account; of one that is not there, the key it would have."""


class ExactAccounts:
    """The methods; `tenant` is that of requests that name none."""

    def __init__(self, known: Names, tenant: str) -> None:
        self._known = known
        self._tenant = tenant

    def register(self, registry: Registry) -> None:
        """Adds the methods to a registry, all under the names of both versions."""
        for name, role, function in self._methods():
            for version in VERSIONS:
                registry.method(f"{version}.{name}", role, read=_given)(_named(function))

    def _methods(self) -> tuple[tuple[str, Role, Callable[..., Any]], ...]:
        return (
            ("GetAccountIDs", Role.READ, self.ids),
            ("GetAccountsCount", Role.READ, self.count),
            ("AddBalance", Role.ADMINISTER, self.add_balance),
            ("DebitBalance", Role.ADMINISTER, self.debit_balance),
            ("SetBalance", Role.ADMINISTER, self.set_balance),
            ("SetBalances", Role.ADMINISTER, self.set_balances),
            ("RemoveBalances", Role.ADMINISTER, self.remove_balances),
            ("GetAccount", Role.READ, self.show),
            ("GetAccounts", Role.READ, self.list_),
            ("SetAccount", Role.ADMINISTER, self.set_account),
        )

    # --- looking

    async def show(self, context: Context, given: Given) -> Form:
        """Shows an account with its balances."""
        return view(await self._account(context, given), self._told(given))

    async def list_(self, context: Context, given: Given) -> list[Form]:
        """Shows the accounts of a tenant, or those named."""
        wanted = given.texts("AccountIDs")
        offset, limit = max(given.integer("Offset"), 0), given.integer("Limit") or MOST_SHOWN
        if not 0 < limit <= MOST_SHOWN:
            raise server_error(f"more than {MOST_SHOWN} accounts: use Limit and Offset")
        if wanted:
            found = [await self._of(context, given, name) for name in wanted]
            return [view(each, self._told(given)) for each in found if each is not None][
                offset : offset + limit
            ]
        prefixes = await self._prefixes(given)
        shown: list[Form] = []
        async for account in names.accounts(context.service, Table.ACCOUNTS):
            if not account.key.startswith(prefixes):
                continue
            if offset:
                offset -= 1
                continue
            shown.append(view(account, self._told(given)))
            if len(shown) >= limit:
                break
        return shown

    async def ids(self, context: Context, given: Given) -> list[str]:
        """Lists the names of a tenant's accounts."""
        prefixes = await self._prefixes(given)
        offset, limit = max(given.integer("Offset"), 0), given.integer("Limit")
        found = [
            account.key.partition(":")[2]
            async for account in names.accounts(context.service, Table.ACCOUNTS)
            if account.key.startswith(prefixes)
        ]
        return found[offset : offset + limit] if limit > 0 else found[offset:]

    async def count(self, context: Context, given: Given) -> int:
        """Counts the accounts of a tenant."""
        prefixes, count = await self._prefixes(given), 0
        async for account in names.accounts(context.service, Table.ACCOUNTS):
            count += account.key.startswith(prefixes)
        return count

    # --- changing

    async def set_account(self, context: Context, given: Given) -> str:
        """Makes or changes an account: no credit limit, barred or not, with plans and triggers of the tariff."""
        given.require("Account")
        account = await self._of(context, given, given.text("Account"))
        if account is None:
            account = await self._opened(context, given)
        options = given.inner("ExtraOptions")
        limitless, is_barred = options.optional_flag("AllowNegative"), options.optional_flag("Disabled")
        accounting = context.service.catalogue.tariff.accounting
        plans = _known(given, accounting.plans, "ActionPlanID", "ActionPlanIDs")
        groups = _known(given, accounting.triggers, "ActionTriggersID", "ActionTriggerIDs")

        def change(account: Account) -> Change | None:
            changed = account
            if limitless is not None and limitless != (account.credit_limit_nanos is None):
                changed = msgspec.structs.replace(changed, credit_limit_nanos=None if limitless else 0)
            if is_barred is not None:
                standing = Standing.BARRED if is_barred else Standing.ACTIVE
                changed = msgspec.structs.replace(changed, standing=standing)
            for plan in plans:
                changed = assign(changed, plan, context.service.now_ns())
            for group in groups:
                changed = watch(changed, group)
            if changed == account:
                return None
            return Change(msgspec.structs.replace(changed, version=account.version + 1))

        await self._applied(context, account, change)
        return OK

    async def add_balance(self, context: Context, given: Given) -> str:
        """Tops up a balance, or makes it; with `Overwrite` it holds the value and nothing else afterwards."""
        if given.flag("Overwrite"):
            return await self.set_balance(context, given)
        shape = _shape(given)
        if shape.posted <= 0:
            raise server_error("Value: is more than zero; DebitBalance takes away")
        expires_at_ns = shape.expires_at_ns
        topup = acts.TopUp(
            shape.posted,
            shape.unit,
            shape.id,
            shape.priority,
            expires_at_ns,
            shape.services,
            (),
            shape.terms,
        )
        account = await self._found_or_opened(context, given)
        return await self._change(context, account, lambda known, act: acts.top_up(known, topup, act))

    async def debit_balance(self, context: Context, given: Given) -> str:
        """Takes from a balance that is there, also below zero."""
        shape = _shape(given)
        account = await self._account(context, given)
        amount = -abs(shape.posted)
        return await self._change(
            context, account, lambda known, act: acts.adjust(known, shape.id, amount, act)
        )

    async def set_balance(self, context: Context, given: Given) -> str:
        """Makes a balance as it is described; without `Value` it keeps what is on it."""
        shape = _shape(given)
        account = await self._found_or_opened(context, given)
        return await self._change(context, account, _setting([(shape, _has_value(given))]))

    async def set_balances(self, context: Context, given: Given) -> str:
        """Sets several balances of an account, all or none."""
        given.require("Account", "Balances")
        shapes = [(_shape(row, needs_account=False), _has_value(row)) for row in given.rows("Balances")]
        account = await self._found_or_opened(context, given)
        return await self._change(context, account, _setting(shapes))

    async def remove_balances(self, context: Context, given: Given) -> str:
        """Takes the balance of an ID off an account, or all of a type; PARTIALLY_EXECUTED where none matches."""
        given.require("Account", "BalanceType")
        unit, wanted = _unit(given), _name_in(given)
        account = await self._account(context, given)
        found = [each.id for each in account.balances if each.unit is unit and wanted in ("", each.id)]
        if not found:
            raise RpcError("PARTIALLY_EXECUTED")
        return await self._change(context, account, _removing(found))

    # --- within

    def _told(self, given: Given) -> str:
        """The tenant of a request."""
        return given.text("Tenant") or self._tenant

    async def _prefixes(self, given: Given) -> tuple[str, ...]:
        """Beginnings of the keys of a tenant's accounts."""
        tenant = self._told(given)
        return tuple(f"{each}:" for each in dict.fromkeys((tenant, await self._home(tenant))))

    async def _home(self, tenant: str) -> str:
        """The tenant that a new account of this one has in the core."""
        return (await self._known.key_of(tenant, "")).partition(":")[0]

    async def _of(self, context: Context, given: Given, name: str) -> Account | None:
        key = await self._known.key_of(self._told(given), name)
        return await context.service.account(key)

    async def _account(self, context: Context, given: Given) -> Account:
        given.require("Account")
        account = await self._of(context, given, given.text("Account"))
        if account is None:
            raise not_found()
        return account

    async def _found_or_opened(self, context: Context, given: Given) -> Account:
        given.require("Account")
        account = await self._of(context, given, given.text("Account"))
        return await self._opened(context, given) if account is None else account

    async def _opened(self, context: Context, given: Given) -> Account:
        name = given.text("Account")
        tenant = await self._home(self._told(given))
        if len(name) > names.LONGEST_NAME or not name.isprintable():
            raise server_error("Account: is a name of printable characters")
        is_number = name.isascii() and name.isdigit() and SHORTEST_NUMBER <= len(name) <= LONGEST_NUMBER
        identities = (Identity(IdentityKind.E164, name),) if is_number else ()
        new = acts.NewAccount(f"{tenant}:{name}", _plan(context), identities)
        account, _ = acts.create(new, _act(context))
        await context.lasting("create", self._create(context, account))
        return account

    async def _create(self, context: Context, account: Account) -> None:
        service = context.service
        if await service.account(account.key) is not None:
            raise exists()
        for identity in account.identities:
            if await service.find(identity) is not None:
                raise exists()
        await service.create(Change(account, has_new_identities=True))

    async def _change(self, context: Context, account: Account, changing: Changing) -> str:
        act = _act(context)

        def change(known: Account) -> Change:
            try:
                changed, posting = changing(known, act)
            except acts.ActError as error:
                raise server_error(error) from None
            return Change(changed, () if posting is None else (posting,))

        await self._applied(context, account, change)
        return OK

    async def _applied(
        self, context: Context, account: Account, change: Callable[[Account], Change | None]
    ) -> None:
        service = context.service
        changed = await context.lasting(f"act|{account.key}", service.apply(account.key, change))
        if changed is None:
            raise not_found()
        if changed.standing is Standing.BARRED and account.standing is Standing.ACTIVE:
            context.in_background("disconnect", service.disconnect_all(changed, "account barred"))
        else:
            context.in_background("reauthorize", service.reauthorize_starved(changed))


def _named(function: Callable[[Context, Given], Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """A function with the parameters that a registry knows by their names."""

    async def answer(context: Context, params: Given) -> Any:
        return await function(context, params)

    answer.__doc__ = function.__doc__
    return answer


def _given(value: object) -> Given:
    return Given(None if value == "" else value)


def _act(context: Context) -> acts.Act:
    return acts.Act(str(uuid.uuid4()), context.service.now_ns(), BY)


def _plan(context: Context) -> str:
    """The plan of an account that a request opens."""
    named = context.settings.charging.dynaprepaid_plan
    plans = [plan.name for plan in context.service.catalogue.tariff.plans]
    if named is not None:
        return named
    if len(plans) == 1:
        return plans[0]
    raise server_error(
        "the tariff has several plans: name the one of new accounts in charging.dynaprepaid_plan,"
        " or open the account by OcsV1.AccountCreate"
    )


def _known(given: Given, known: Any, *members: str) -> tuple[str, ...]:
    """Names in the parameters that the tariff has."""
    found = tuple(name for member in members for name in given.texts(member) if name)
    if any(name not in known for name in found):
        raise not_found()
    return found


def _unit(given: Given) -> Unit:
    unit = UNITS.get(given.text("BalanceType"))
    if unit is None:
        raise server_error(f"BalanceType: is one of {', '.join(UNITS)}")
    return unit


def _name_in(given: Given) -> str:
    inner = given.inner("Balance")
    return inner.text("ID") or inner.text("Uuid")


def _has_value(given: Given) -> bool:
    return "Value" in given or "Value" in given.inner("Balance")


def _shape(given: Given, *, needs_account: bool = True) -> Balance:
    """The balance a request describes; `posted` is its value."""
    given.require(*(("Account",) if needs_account else ()), "BalanceType")
    unit, inner = _unit(given), given.inner("Balance")
    nanos = given.nanos("Value") or inner.nanos("Value")
    amount, rest = (nanos, 0) if unit is Unit.MONEY else divmod(nanos, NANOS)
    weight = inner.real("Weight")
    if rest or weight != int(weight):
        raise server_error("Value, Weight: whole numbers alone, but for money")
    kind = given.text("BalanceType")
    name = _name_in(given) or (MAIN if unit is Unit.MONEY else kind.removeprefix("*"))
    expires_at_ns = (
        inner.moment("ExpiryTime", 0) if inner.text("ExpiryTime") not in ("", "*unlimited") else None
    )
    return Balance(
        name, unit, amount, 0, int(weight), expires_at_ns, SERVICES.get(kind, ()), (), _terms(inner)
    )


def _terms(inner: Given) -> Terms | None:
    """What few balances have; `*any` stands for nothing."""
    factors = tuple(
        Factor(name, *Given({"f": told}).real("f").as_integer_ratio())
        for name, told in inner.mapping("Factors").items()
    )
    terms = Terms(
        _words(inner, "DestinationIDs"),
        _words(inner, "Categories"),
        inner.text("RatingSubject"),
        _words(inner, "TimingIDs"),
        _words(inner, "SharedGroups"),
        factors,
        inner.flag("Blocker"),
        inner.flag("Disabled"),
    )
    return None if terms == Terms() else terms


def _words(inner: Given, name: str) -> tuple[str, ...]:
    return tuple(word for word in inner.texts(name) if word not in ("", "*any"))


def _setting(shapes: list[tuple[Balance, bool]]) -> Changing:
    """All balances as described, in one act; those without a value keep theirs."""

    def change(account: Account, act: acts.Act) -> tuple[Account, Posting | None]:
        version, posting = account.version + 1, None
        for shape, has_value in shapes:
            known = next((each for each in account.balances if each.id == shape.id), None)
            kept = (
                shape if has_value or known is None else msgspec.structs.replace(shape, posted=known.posted)
            )
            account, added = acts.set_balance(account, kept, act)
            posting = _joined(posting, added)
        return msgspec.structs.replace(account, version=version), posting

    return change


def _removing(found: list[str]) -> Changing:
    """All of some balances, in one act."""

    def change(account: Account, act: acts.Act) -> tuple[Account, Posting | None]:
        version, posting = account.version + 1, None
        for name in found:
            account, added = acts.remove_balance(account, name, act)
            posting = _joined(posting, added)
        return msgspec.structs.replace(account, version=version), posting

    return change


def _joined(posting: Posting | None, added: Posting | None) -> Posting | None:
    """Two postings of one act as one."""
    if posting is None or added is None:
        return posting or added
    return msgspec.structs.replace(posting, entries=(*posting.entries, *added.entries))


# --- how an account looks


def view(account: Account, tenant: str) -> Form:
    """An account in the form of `APIerSv2.GetAccount`, as one of a tenant."""
    balances: dict[str, list[Form]] = {}
    for balance in account.balances:
        balances.setdefault(_kind(balance), []).append(_balance_view(balance))
    return {
        "ID": f"{tenant}:{account.key.partition(':')[2]}",
        "BalanceMap": balances or None,
        "UnitCounters": None,
        "ActionTriggers": None,
        "AllowNegative": account.credit_limit_nanos is None,
        "Disabled": account.standing is Standing.BARRED,
        "UpdateTime": moment(None),
    }


def _kind(balance: Balance) -> str:
    for kind, services in SERVICES.items():
        if balance.services == services:
            return kind
    return next((kind for kind, unit in UNITS.items() if unit is balance.unit), "*generic")


def _balance_view(balance: Balance) -> Form:
    terms = balance.terms or Terms()
    available = balance.posted - balance.reserved
    return {
        "Uuid": balance.id,
        "ID": balance.id,
        "Value": number(available) if balance.unit is Unit.MONEY else available,
        "ExpirationDate": moment(balance.expires_at_ns),
        "Weight": balance.priority,
        "DestinationIDs": _set(terms.destinations),
        "RatingSubject": terms.subject,
        "Categories": _set(terms.categories),
        "SharedGroups": _set(terms.shared_groups),
        "Timings": None,
        "TimingIDs": _set(terms.timings),
        "Disabled": terms.is_disabled,
        "Factors": {each.service: each.numerator / each.denominator for each in terms.factors} or None,
        "Blocker": terms.is_blocker,
    }


def _set(words: tuple[str, ...]) -> dict[str, bool]:
    return {word.removeprefix("!"): not word.startswith("!") for word in words}
