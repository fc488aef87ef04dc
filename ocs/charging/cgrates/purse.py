"""Balances while a request is worked on: opened from a snapshot, paid from, written back as new accounts."""

from collections.abc import Callable

from ocs.charging.cgrates.account import DEFAULT_ID, Account, Balance, Snapshot
from ocs.charging.cgrates.call import MONETARY, Call
from ocs.charging.cgrates.grid import drift_nanos, round_to_nanos, snap_nanos, to_double
from ocs.charging.cgrates.plan import Settings, SharedGroup, Tariff
from ocs.charging.cgrates.usable import destination_precision, has_category, kinds_for


class Purse:
    """One balance with its changing value."""

    __slots__ = ("balance", "decimals", "drifts", "kind", "opened_nanos", "owner", "value_nanos")

    def __init__(self, balance: Balance, owner: str, kind: str, settings: Settings) -> None:
        self.balance = balance
        self.owner = owner
        self.kind = kind
        self.decimals = settings.rounding_decimals
        self.drifts = settings.drifts_below_zero
        self.value_nanos = self.opened_nanos = balance.value_nanos

    def affordable(self, price_nanos: int, count: int) -> int:
        """How many of `count` steps of one price can be paid, one after the other, without going below zero."""
        if price_nanos <= 0:
            return count
        if count <= 0 or self.value_nanos < price_nanos:
            return 0
        rest = snap_nanos(self.value_nanos - price_nanos, self.decimals)
        return min(count, 1 + rest // price_nanos)

    def pay(self, price_nanos: int, count: int = 1) -> None:
        """Takes `count` steps; the first one puts the value onto the grid, the others stay there."""
        if count <= 0:
            return
        whole = min(count - 1, self.affordable(price_nanos, count))
        self._take(price_nanos, whole)
        if self.drifts and self.value_nanos < price_nanos:
            self.value_nanos = drift_nanos(self.value_nanos, price_nanos, count - whole, self.decimals)
        else:
            self._take(price_nanos, count - whole)

    def give(self, nanos: int, count: int = 1) -> None:
        """Adds an amount `count` times, as a refund does; a negative one is a charge."""
        if self.drifts and self.value_nanos + nanos < 0:
            below = min(count, -(-(nanos - self.value_nanos) // nanos) if nanos > 0 else count)
            self.value_nanos = drift_nanos(self.value_nanos, -nanos, below, self.decimals)
            count -= below
        self.value_nanos = snap_nanos(self.value_nanos + nanos * count, self.decimals)

    def correct(self, cost_nanos: int, rounded_nanos: int) -> None:
        """Charges what rounding adds to a cost already paid, or gives it back."""
        if self.drifts and self.value_nanos < rounded_nanos - cost_nanos:
            added = to_double(rounded_nanos) - to_double(cost_nanos)
            self.value_nanos = round_to_nanos(to_double(self.value_nanos) - added, self.decimals)
        else:
            self.give(cost_nanos - rounded_nanos)

    def _take(self, price_nanos: int, count: int) -> None:
        if count > 0:
            first = snap_nanos(self.value_nanos - price_nanos, self.decimals)
            self.value_nanos = snap_nanos(first - price_nanos * (count - 1), self.decimals)


class Books:
    """The accounts of a request, opened when first asked for."""

    def __init__(self, snapshot: Snapshot, settings: Settings) -> None:
        self._snapshot = snapshot
        self._settings = settings
        self._open: dict[str, dict[str, list[Purse]]] = {}

    def account(self, account_id: str) -> Account | None:
        """The account as it was."""
        return self._snapshot.accounts.get(account_id)

    def purses(self, account_id: str, kind: str) -> list[Purse]:
        """Balances of a kind in the account's order."""
        return self._opened(account_id).get(kind, [])

    def find(self, account_id: str, kinds: tuple[str, ...], uid: str) -> Purse | None:
        """The balance with a uid among some kinds."""
        for kind in kinds:
            for purse in self.purses(account_id, kind):
                if purse.balance.uid == uid:
                    return purse
        return None

    def default_purse(self, account_id: str) -> Purse:
        """The `*default` money of an account, made when missing."""
        money = self._opened(account_id).setdefault(MONETARY, [])
        for purse in money:
            if purse.balance.balance_id == DEFAULT_ID:
                return purse
        balance = Balance(uid=f"{account_id}:{DEFAULT_ID}", balance_id=DEFAULT_ID)
        money.append(Purse(balance, account_id, MONETARY, self._settings))
        return money[-1]

    def payers(self, call: Call, account_id: str, kind: str, tariff: Tariff) -> list[Purse]:
        """Balances that may pay for a call, in the order of their use; groups stand for their members' balances."""
        found: list[Purse] = []
        for purse in self._useful(call, account_id, kind, tariff, ""):
            groups = purse.balance.shared_groups
            if not groups:
                found.append(purse)
            for group_id in groups:
                group = tariff.shared_groups.get(group_id)
                if group is not None:
                    found.extend(self._shared(call, account_id, kind, tariff, group, purse))
        return found

    def changed(self) -> dict[str, Account]:
        """New accounts where a value differs or a balance was made."""
        accounts = {}
        for account_id, by_kind in self._open.items():
            account = self._snapshot.accounts[account_id]
            balances = {kind: tuple(map(_closed, purses)) for kind, purses in by_kind.items()}
            if balances != account.balances:
                accounts[account_id] = Account(
                    account_id, balances, account.allows_negative, account.is_disabled
                )
        return accounts

    def _opened(self, account_id: str) -> dict[str, list[Purse]]:
        if account_id not in self._open:
            account = self._snapshot.accounts[account_id]
            self._open[account_id] = {
                kind: [Purse(balance, account_id, kind, self._settings) for balance in balances]
                for kind, balances in account.balances.items()
            }
        return self._open[account_id]

    def _useful(self, call: Call, account_id: str, kind: str, tariff: Tariff, group_id: str) -> list[Purse]:
        ranked = []
        for purse in [purse for one in kinds_for(kind) for purse in self.purses(account_id, one)]:
            balance = purse.balance
            expires_ns = balance.expires_ns
            if balance.is_disabled or (expires_ns is not None and expires_ns <= call.start_ns):
                continue
            if purse.value_nanos <= 0 and not balance.shared_groups and not balance.is_blocker:
                continue
            if (group_id and not balance.shared_groups.get(group_id)) or not has_category(
                balance, call.category
            ):
                continue
            precision = destination_precision(balance, call.destination, tariff)
            if precision is not None:
                ranked.append((precision, balance.weight, purse))
        ranked.sort(key=lambda entry: (-entry[0], -entry[1]))
        return [purse for _, _, purse in ranked]

    def _shared(
        self, call: Call, account_id: str, kind: str, tariff: Tariff, group: SharedGroup, own: Purse
    ) -> list[Purse]:
        found: list[Purse] = []
        for member in self._snapshot.members.get(group.group_id, ()):
            account = self.account(member)
            if member == account_id or (account is not None and not account.is_disabled):
                found.extend(self._useful(call, member, kind, tariff, group.group_id))
        return _by_strategy(found, group.strategy(account_id), own)


def _by_strategy(purses: list[Purse], strategy: str, own: Purse) -> list[Purse]:
    """Members' balances in a group's order; where the order is left to chance, it is the members' order."""
    word = strategy or "*mine_random"
    order: Callable[[Purse], int] | None = None
    if word.endswith("lowest"):
        order = _value
    elif word.endswith("highest"):
        order = _debt
    if order is not None:
        purses = sorted(purses, key=order)
    if own in purses and word not in ("*lowest", "*highest", "*random"):
        at = purses.index(own)
        purses[0], purses[at] = purses[at], purses[0]
    return purses


def _value(purse: Purse) -> int:
    return purse.value_nanos


def _debt(purse: Purse) -> int:
    return -purse.value_nanos


def _closed(purse: Purse) -> Balance:
    if purse.value_nanos == purse.opened_nanos:
        return purse.balance
    balance = purse.balance
    return Balance(
        balance.uid,
        balance.balance_id,
        purse.value_nanos,
        balance.expires_ns,
        balance.weight,
        balance.destinations,
        balance.rating_subject,
        balance.categories,
        balance.shared_groups,
        balance.timings,
        balance.factors,
        balance.is_disabled,
        balance.is_blocker,
    )
