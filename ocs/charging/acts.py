"""What an operator does to an account: create, top up, adjust, bar, expire. Pure; every change is an entry.

An act has an id, given by who asks or made by the caller; its posting says who and why.
"""

import msgspec

from ocs.charging.account import Account, Balance, Standing
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
    """Credit for one balance, made where it does not exist; `expires_at_ns` then also moves the expiry."""

    amount: int
    unit: Unit = Unit.MONEY
    balance_id: str = MAIN
    priority: int | None = None
    expires_at_ns: int | None = None
    services: tuple[str, ...] = ()
    rating_groups: tuple[int, ...] = ()


class NewAccount(msgspec.Struct, frozen=True):
    """An account to be opened, with what it starts with."""

    key: str
    plan: str
    identities: tuple[Identity, ...] = ()
    topups: tuple[TopUp, ...] = ()
    credit_limit_nanos: int | None = 0
    low_balance_nanos: int = 0
    standing: Standing = Standing.ACTIVE


def create(new: NewAccount, act: Act) -> tuple[Account, Posting | None]:
    """The opened account; its first balances are top-ups like any other."""
    account = Account(
        new.key,
        new.plan,
        identities=new.identities,
        standing=new.standing,
        credit_limit_nanos=new.credit_limit_nanos,
        low_balance_nanos=new.low_balance_nanos,
    )
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
    if ledger.find(topup.balance_id) is None:
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
            )
        )
    elif topup.expires_at_ns is not None:
        ledger.extend(topup.balance_id, topup.expires_at_ns)
    ledger.credit(topup.balance_id, EntryKind.TOPUP, topup.amount)


def _done(account: Account, ledger: Ledger, act: Act) -> tuple[Account, Posting | None]:
    if any(abs(entry.amount) > MOST or abs(entry.after) > MOST for entry in ledger.entries):
        raise ActError(f"a balance holds {MOST} at most")
    changed = msgspec.structs.replace(account, balances=ledger.balances(), version=account.version + 1)
    if not ledger.entries:
        return changed, None
    posting = Posting(account.key, "", None, act.id, act.at_ns, tuple(ledger.entries), act.by, act.reason)
    return changed, posting
