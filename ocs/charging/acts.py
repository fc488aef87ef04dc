"""What an operator does to an account: create, top up, adjust, bar, expire. Pure; every change is an entry.

An act has an id, given by who asks or made by the caller; its posting says who and why.
"""

import msgspec

from ocs.charging.account import Account, Balance, Extras, SharedGroup, Standing, Terms
from ocs.charging.actions.assign import assign, watch
from ocs.charging.entry import EntryKind, Posting
from ocs.charging.events import Identity, Unit
from ocs.charging.ledger import MAIN, Ledger

MOST = 1 << 62  # of any balance, in nanos or units: more is a typing error, and no store could keep it


class ActError(ValueError):
    """An act that makes no sense on this account; the message says why."""


class Act(msgspec.Struct, frozen=True):
    """Who does something, why, under which id, and when."""

    id: str
    at_ns: int
    by: str
    reason: str = ""


class TopUp(msgspec.Struct, frozen=True):
    """Credit for one balance, made where it does not exist.

    Where it exists `expires_at_ns` moves its expiry, and `terms` take the place of its terms.
    """

    amount: int
    unit: Unit = Unit.MONEY
    balance_id: str = MAIN
    priority: int | None = None
    expires_at_ns: int | None = None
    services: tuple[str, ...] = ()
    rating_groups: tuple[int, ...] = ()
    terms: Terms | None = None


class NewAccount(msgspec.Struct, frozen=True):
    """An account to be opened, with what it starts with."""

    key: str
    plan: str
    identities: tuple[Identity, ...] = ()
    topups: tuple[TopUp, ...] = ()
    credit_limit_nanos: int | None = 0
    low_balance_nanos: int = 0
    standing: Standing = Standing.ACTIVE
    extras: Extras | None = None
    action_plans: tuple[str, ...] = ()
    trigger_groups: tuple[str, ...] = ()


def create(new: NewAccount, act: Act) -> tuple[Account, Posting | None]:
    """The opened account; its first balances are top-ups like any other."""
    account = Account(
        new.key,
        new.plan,
        identities=new.identities,
        standing=new.standing,
        credit_limit_nanos=new.credit_limit_nanos,
        low_balance_nanos=new.low_balance_nanos,
        extras=new.extras,
    )
    for plan in new.action_plans:
        account = assign(account, plan, act.at_ns)
    for group in new.trigger_groups:
        account = watch(account, group)
    ledger = Ledger((), act.at_ns)
    for topup in new.topups:
        _credit(ledger, topup)
    return _done(account, ledger, act)


def top_up(account: Account, topup: TopUp, act: Act) -> tuple[Account, Posting | None]:
    """The account with more credit."""
    if topup.amount <= 0:
        raise ActError("a top-up is more than zero; use an adjustment to take credit away")
    ledger = Ledger(account.balances, act.at_ns)
    balance = ledger.find(topup.balance_id)
    if balance is not None and balance.unit is not topup.unit:
        raise ActError(f"balance {topup.balance_id} holds {balance.unit.name}, not {topup.unit.name}")
    _credit(ledger, topup)
    return _done(account, ledger, act)


def adjust(account: Account, balance_id: str, amount: int, act: Act) -> tuple[Account, Posting | None]:
    """The account with a signed correction of one balance."""
    ledger = Ledger(account.balances, act.at_ns)
    if ledger.find(balance_id) is None:
        raise ActError(f"no balance {balance_id}")
    ledger.credit(balance_id, EntryKind.ADJUSTMENT, amount)
    return _done(account, ledger, act)


def set_balance(account: Account, shape: Balance, act: Act) -> tuple[Account, Posting | None]:
    """The account with a balance as it is described, made where it does not exist.

    `shape.posted` is what is on it afterwards, told as an adjustment; what is reserved stays reserved.
    """
    ledger = Ledger(account.balances, act.at_ns)
    balance = ledger.find(shape.id)
    if shape.id == MAIN and shape.unit is not Unit.MONEY:
        raise ActError(f"balance {MAIN} holds money; name another one for {shape.unit.name}")
    if balance is not None and balance.unit is not shape.unit:
        raise ActError(f"balance {shape.id} holds {balance.unit.name}, not {shape.unit.name}")
    if shape.terms == Terms():
        shape = msgspec.structs.replace(shape, terms=None)
    posted = 0 if balance is None else balance.posted
    if balance is None:
        ledger.add(msgspec.structs.replace(shape, posted=0, reserved=0))
    else:
        ledger.reshape(shape)
    if shape.posted != posted:
        ledger.credit(shape.id, EntryKind.ADJUSTMENT, shape.posted - posted)
    return _done(account, ledger, act)


def remove_balance(account: Account, balance_id: str, act: Act) -> tuple[Account, Posting | None]:
    """The account without a balance: what was left on it is taken off by an entry; held balances stay."""
    ledger = Ledger(account.balances, act.at_ns)
    balance = ledger.find(balance_id)
    if balance is None:
        raise ActError(f"no balance {balance_id}")
    if balance.reserved:
        raise ActError(f"sessions hold {balance.reserved} of balance {balance_id}: end them first")
    if balance.posted:
        ledger.credit(balance_id, EntryKind.ADJUSTMENT, -balance.posted)
    ledger.remove(balance_id)
    return _done(account, ledger, act)


def set_extras(account: Account, extras: Extras) -> Account:
    """The account with another category or other groups."""
    kept = None if extras == Extras() else extras
    return msgspec.structs.replace(account, extras=kept, version=account.version + 1)


def join_group(account: Account, group: SharedGroup) -> Account:
    """The account as a member of a group, in the place of the group of that name before."""
    extras = account.extras or Extras()
    others = tuple(each for each in extras.groups if each.name != group.name)
    return set_extras(account, msgspec.structs.replace(extras, groups=(*others, group)))


def set_standing(account: Account, standing: Standing) -> Account:
    """The account barred, or active again."""
    return msgspec.structs.replace(account, standing=standing, version=account.version + 1)


def expire(account: Account, act: Act) -> tuple[Account, Posting | None]:
    """The account with what is left on expired balances taken off, less what sessions still hold."""
    ledger = Ledger(account.balances, act.at_ns)
    for balance in account.balances:
        lost = balance.posted - balance.reserved
        if balance.expires_at_ns is not None and balance.expires_at_ns <= act.at_ns and lost > 0:
            ledger.credit(balance.id, EntryKind.EXPIRY, -lost)
    return _done(account, ledger, act)


def _credit(ledger: Ledger, topup: TopUp) -> None:
    """Fill a balance, after making it or moving its expiry."""
    if topup.balance_id == MAIN and topup.unit is not Unit.MONEY:
        raise ActError(f"balance {MAIN} holds money; name another one for {topup.unit.name}")
    balance = ledger.find(topup.balance_id)
    terms = None if topup.terms == Terms() else topup.terms
    if balance is None:
        ledger.add(
            Balance(
                topup.balance_id,
                topup.unit,
                0,
                0,
                topup.priority or 0,
                topup.expires_at_ns,
                topup.services,
                topup.rating_groups,
                terms,
            )
        )
    elif topup.expires_at_ns is not None or topup.terms is not None:
        expires_at_ns = balance.expires_at_ns if topup.expires_at_ns is None else topup.expires_at_ns
        terms = balance.terms if topup.terms is None else terms
        ledger.reshape(msgspec.structs.replace(balance, expires_at_ns=expires_at_ns, terms=terms))
    ledger.credit(topup.balance_id, EntryKind.TOPUP, topup.amount)


def _done(account: Account, ledger: Ledger, act: Act) -> tuple[Account, Posting | None]:
    if any(abs(entry.amount) > MOST or abs(entry.after) > MOST for entry in ledger.entries):
        raise ActError(f"a balance holds {MOST} at most")
    changed = msgspec.structs.replace(account, balances=ledger.balances(), version=account.version + 1)
    if not ledger.entries:
        return changed, None
    posting = Posting(account.key, "", None, act.id, act.at_ns, tuple(ledger.entries), act.by, act.reason)
    return changed, posting
