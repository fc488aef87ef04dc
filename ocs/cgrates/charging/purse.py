"""Money that a client names itself: taken from the balances of an account, heaviest first, and given back. Pure.

The incumbent has no such debit: its `*directdebit` needs a price, and tells that. Balances with conditions
(destinations, categories, timings, subjects) are for what has a price.
"""

import msgspec

from ocs.charging.cgrates.account import DEFAULT_ID, Account, Balance
from ocs.charging.cgrates.call import MONETARY

Taken = tuple[tuple[str, int], ...]  # nanos by uid of a balance


def draw(account: Account, nanos: int, now_ns: int) -> tuple[Account, Taken] | None:
    """The account without an amount, and who paid; None where there is less."""
    taken: dict[str, int] = {}
    left = nanos
    usable = [balance for balance in _money(account) if _may_pay(balance, now_ns)]
    for balance in sorted(usable, key=lambda balance: -balance.weight):
        part = min(left, balance.value_nanos)
        if part > 0:
            taken[balance.uid] = part
            left -= part
    if left and not account.allows_negative:
        return None
    if left:
        account, uid = _with_default(account)
        taken[uid] = taken.get(uid, 0) + left
    paid = tuple(taken.items())
    return _added(account, {uid: -amount for uid, amount in paid}), paid


def give(account: Account, amounts: Taken) -> Account:
    """The account with amounts given back to who paid them, or to `*default` where that balance is gone."""
    known = {balance.uid for balance in _money(account)}
    lost = sum(amount for uid, amount in amounts if uid not in known)
    found = {uid: amount for uid, amount in amounts if uid in known}
    if lost:
        account, uid = _with_default(account)
        found[uid] = found.get(uid, 0) + lost
    return _added(account, found)


def credit(account: Account, nanos: int) -> Account:
    """The account with an amount added to its balance `*default`."""
    account, uid = _with_default(account)
    return _added(account, {uid: nanos})


def _money(account: Account) -> tuple[Balance, ...]:
    return account.balances.get(MONETARY, ())


def _may_pay(balance: Balance, now_ns: int) -> bool:
    has_conditions = balance.destinations or balance.categories or balance.timings or balance.rating_subject
    return not (has_conditions or balance.is_disabled or balance.expired_at(now_ns))


def _with_default(account: Account) -> tuple[Account, str]:
    """The account with a balance `*default`, and the uid of that."""
    known = next((balance for balance in _money(account) if balance.balance_id == DEFAULT_ID), None)
    if known is not None:
        return account, known.uid
    uid = f"{account.account_id}:{DEFAULT_ID}"
    return _with_money(account, (*_money(account), Balance(uid, DEFAULT_ID))), uid


def _added(account: Account, amounts: dict[str, int]) -> Account:
    changed = tuple(
        msgspec.structs.replace(balance, value_nanos=balance.value_nanos + amounts.get(balance.uid, 0))
        for balance in _money(account)
    )
    return _with_money(account, changed)


def _with_money(account: Account, balances: tuple[Balance, ...]) -> Account:
    return msgspec.structs.replace(account, balances={**account.balances, MONETARY: balances})
