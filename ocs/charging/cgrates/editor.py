"""One account under change: balances found by a filter, topped up, set, moved, removed.

Action sets and the balance calls of the API are made of these steps.
"""

from collections.abc import Mapping

import msgspec

from ocs.charging.cgrates import values
from ocs.charging.cgrates.account import DEFAULT_ID, Account, Balance
from ocs.charging.cgrates.actions_model import BalanceFilter
from ocs.charging.cgrates.call import MONETARY
from ocs.charging.cgrates.grid import snap_nanos
from ocs.charging.cgrates.plan import Settings


class Editor:
    """Balances of one account; `prefix` makes the uids of new ones unique and repeatable."""

    def __init__(self, account: Account, settings: Settings, now_ns: int, prefix: str) -> None:
        self.account_id = account.account_id
        self.allows_negative = account.allows_negative
        self.is_disabled = account.is_disabled
        self.balances: dict[str, list[Balance]] = {
            kind: list(found) for kind, found in account.balances.items()
        }
        self.joined: list[str] = []  # shared groups the account is a member of from now on
        self._settings = settings
        self.now_ns = now_ns
        self._prefix = prefix
        self._made = 0

    @property
    def account(self) -> Account:
        """The account as changed so far."""
        balances = {kind: tuple(found) for kind, found in self.balances.items()}
        return Account(self.account_id, balances, self.allows_negative, self.is_disabled)

    def adopt(self, account: Account) -> None:
        """Goes on with balances that were changed elsewhere."""
        self.balances = {kind: list(found) for kind, found in account.balances.items()}

    def matches(self, balance: Balance, wanted: BalanceFilter, *, by_expiry: bool = True) -> bool:
        """Whether a filter names a balance: by its uid or id alone, or by every attribute given."""
        if wanted.uid:
            return balance.uid == wanted.uid
        if wanted.balance_id:
            return balance.balance_id == wanted.balance_id
        if by_expiry and wanted.expiry is not None and self._ends(wanted) != balance.expires_ns:
            return False
        return (
            (wanted.weight is None or balance.weight == wanted.weight)
            and (wanted.is_blocker is None or balance.is_blocker == wanted.is_blocker)
            and (wanted.is_disabled is None or balance.is_disabled == wanted.is_disabled)
            and (wanted.rating_subject is None or balance.rating_subject == wanted.rating_subject)
            and _includes(balance.destinations, wanted.destinations)
            and _includes(balance.categories, _included(wanted.categories))
            and _includes(balance.shared_groups, _included(wanted.shared_groups))
            and _includes(balance.timings, _included(wanted.timings))
        )

    def add(
        self, kind: str, wanted: BalanceFilter, nanos: int, *, resets: bool = False, resets_debt: bool = False
    ) -> None:
        """Adds an amount, which may be negative, to every matching balance; makes one where none matches."""
        found = self.balances.setdefault(kind, [])
        matched = False
        for at, balance in enumerate(found):
            if balance.expired_at(self.now_ns) or not self.matches(balance, wanted):
                continue
            value_nanos = 0 if resets or (resets_debt and balance.value_nanos < 0) else balance.value_nanos
            found[at] = msgspec.structs.replace(balance, value_nanos=self._snap(value_nanos + nanos))
            matched = True
        if not matched:
            self._append(kind, self._fresh(wanted, nanos))

    def set(self, kind: str, wanted: BalanceFilter, nanos: int | None) -> None:
        """Sets what is given of the balance with an id; makes it where it is missing. The value is not rounded."""
        found = self.balances.setdefault(kind, [])
        for at, balance in enumerate(found):
            is_it = (
                balance.uid == wanted.uid if wanted.uid else balance.balance_id == (wanted.balance_id or "")
            )
            if is_it and not balance.expired_at(self.now_ns):
                found[at] = self._modified(balance, wanted, nanos)
                self.joined.extend(wanted.shared_groups or ())
                return
        self._append(kind, self._modified(Balance(self._uid()), wanted, nanos))

    def set_expiry(self, kind: str, wanted: BalanceFilter) -> None:
        """Moves the end of every matching balance."""
        found = self.balances.get(kind, [])
        for at, balance in enumerate(found):
            if self.matches(balance, wanted, by_expiry=False):
                found[at] = msgspec.structs.replace(balance, expires_ns=self._ends(wanted))

    def remove(self, kind: str, wanted: BalanceFilter) -> bool:
        """Removes every matching balance, the last of the list taking its place; False where none matches."""
        found = self.balances.get(kind, [])
        before, at = len(found), 0
        while at < len(found):
            if self.matches(found[at], wanted):
                found[at] = found[-1]
                found.pop()
            else:
                at += 1
        return len(found) < before

    def reset(self) -> None:
        """Leaves one nameless empty balance per kind."""
        self.balances = {kind: [Balance(self._uid())] for kind in self.balances}

    def collect_money(self, wanted: BalanceFilter) -> None:
        """Moves what matching money balances hold to the `*default` one."""
        found = self.balances.setdefault(MONETARY, [])
        total_nanos = 0
        for at, balance in enumerate(found):
            if balance.balance_id != DEFAULT_ID and balance.value_nanos > 0 and self.matches(balance, wanted):
                total_nanos += balance.value_nanos
                found[at] = msgspec.structs.replace(balance, value_nanos=0)
        self.add(MONETARY, BalanceFilter(balance_id=DEFAULT_ID), total_nanos)

    def clean(self) -> None:
        """Removes balances that have ended; of two ended neighbours the second stays until the next time."""
        if not self._settings.remove_expired:
            return
        for found in self.balances.values():
            at = 0
            while at < len(found):
                if found[at].expired_at(self.now_ns):
                    del found[at]
                at += 1

    def _fresh(self, wanted: BalanceFilter, nanos: int) -> Balance:
        factors = dict(wanted.factors or ())
        value_nanos = self._snap(nanos)
        if wanted.balance_id == DEFAULT_ID:
            return Balance(self._uid(), DEFAULT_ID, value_nanos, factors=factors)
        return msgspec.structs.replace(
            self._modified(Balance(self._uid()), wanted, value_nanos), factors=factors
        )

    def _modified(self, balance: Balance, wanted: BalanceFilter, nanos: int | None) -> Balance:
        value_nanos = balance.value_nanos if nanos is None else nanos
        if wanted.balance_id == DEFAULT_ID:
            return msgspec.structs.replace(balance, balance_id=DEFAULT_ID, value_nanos=value_nanos)
        changes: dict[str, object] = {
            "balance_id": wanted.balance_id,
            "weight": wanted.weight,
            "rating_subject": wanted.rating_subject,
            "destinations": _mapping(wanted.destinations),
            "categories": _mapping(_included(wanted.categories)),
            "shared_groups": _mapping(_included(wanted.shared_groups)),
            "timings": _mapping(_included(wanted.timings)),
            "factors": dict(wanted.factors) if wanted.factors is not None else None,
            "is_blocker": wanted.is_blocker,
            "is_disabled": wanted.is_disabled,
        }
        given = {name: value for name, value in changes.items() if value is not None}
        if wanted.expiry is not None:
            given["expires_ns"] = self._ends(wanted)
        return msgspec.structs.replace(balance, value_nanos=value_nanos, **given)

    def _append(self, kind: str, balance: Balance) -> None:
        self.balances.setdefault(kind, []).append(balance)
        self.joined.extend(balance.shared_groups)

    def _ends(self, wanted: BalanceFilter) -> int | None:
        return values.expiry_ns(wanted.expiry or "", self.now_ns)

    def _snap(self, nanos: int) -> int:
        return snap_nanos(nanos, self._settings.rounding_decimals)

    def _uid(self) -> str:
        self._made += 1
        return f"{self._prefix}:{self._made}"


def _included(names: tuple[str, ...] | None) -> tuple[tuple[str, bool], ...] | None:
    return None if names is None else tuple((name.lstrip("!"), not name.startswith("!")) for name in names)


def _mapping(pairs: tuple[tuple[str, bool], ...] | None) -> dict[str, bool] | None:
    return None if pairs is None else dict(pairs)


def _includes(held: Mapping[str, bool], wanted: tuple[tuple[str, bool], ...] | None) -> bool:
    """Whether a set includes every name wanted; a name that is wanted or held as exclusion never matches."""
    return wanted is None or all(held.get(name, False) for name, _ in wanted)
