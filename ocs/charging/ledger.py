"""Working copy of one account's balances during one turn: the only code that changes a balance.

Every method keeps `check` true: what is reserved on a balance is the sum of the holds on it, and every change of
a posted value has its entry. Balances stand in the order in which they are used.
"""

from typing import Final

import msgspec

from ocs.charging.account import Account, Balance, Hold
from ocs.charging.entry import Entry, EntryKind
from ocs.charging.events import Unit
from ocs.charging.money import MOST_NANOS

FOREVER_NS = 1 << 62
MOST = 1 << 63  # more than any balance
FEW = 8  # holds that are looked up one by one
MAIN = "main"  # the money balance that is made when something must be charged and there is none
DEBIT: Final = EntryKind.DEBIT  # before Python 3.12 looking a member up in its class is slow
MONEY: Final = Unit.MONEY


def use_order(balance: Balance) -> tuple[int, int]:
    """Sort key of balances: higher priority first, then the one that expires first."""
    return -balance.priority, FOREVER_NS if balance.expires_at_ns is None else balance.expires_at_ns


def serves(balance: Balance, unit: Unit, service: str, rating_group: int | None) -> bool:
    """Whether `balance` may pay for this."""
    return (
        balance.unit is unit
        and (not balance.services or service in balance.services)
        and (not balance.rating_groups or rating_group in balance.rating_groups)
    )


class Ledger:
    """Balances of one account while a turn works on them; `entries` collects what changed for good."""

    __slots__ = ("_balances", "_changed", "_now_ns", "_posted", "_promised", "_reserved", "_units", "entries")

    def __init__(self, balances: tuple[Balance, ...], now_ns: int) -> None:
        self._balances = balances
        self._posted = [balance.posted for balance in balances]
        self._reserved = [balance.reserved for balance in balances]
        self._units = {balance.unit for balance in balances}
        self._now_ns = now_ns
        self._changed = False
        self._promised: dict[str, int] = {}  # by expired balance: what was held there and may still be drawn
        self.entries: list[Entry] = []

    @property
    def now_ns(self) -> int:
        """The moment of the turn."""
        return self._now_ns

    def balances(self) -> tuple[Balance, ...]:
        """The balances as they are now."""
        if not self._changed:
            return self._balances
        changed = []
        for balance, posted, reserved in zip(self._balances, self._posted, self._reserved, strict=True):
            if balance.posted != posted or balance.reserved != reserved:
                balance = Balance(
                    balance.id,
                    balance.unit,
                    posted,
                    reserved,
                    balance.priority,
                    balance.expires_at_ns,
                    balance.services,
                    balance.rating_groups,
                    balance.terms,
                )
            changed.append(balance)
        return tuple(changed)

    def release(self, holds: tuple[Hold, ...]) -> None:
        """Give back what was set aside."""
        places = self._places() if len(holds) > FEW else None
        for hold in holds:
            index = self._index(hold.balance_id) if places is None else places[hold.balance_id]
            self._reserved[index] -= hold.amount
            self._changed = True
            expires_at_ns = self._balances[index].expires_at_ns
            if expires_at_ns is not None and expires_at_ns <= self._now_ns:
                self._promised[hold.balance_id] = self._promised.get(hold.balance_id, 0) + hold.amount

    def usable(
        self, unit: Unit, service: str, rating_group: int | None, held: tuple[Hold, ...] = ()
    ) -> list[int]:
        """Indexes of the balances that may pay, in the order of use.

        An expired balance still pays what was `held` of it for this and no more: a promise outlives the expiry.
        """
        if unit not in self._units:
            return []
        indexes = []
        for index, balance in enumerate(self._balances):
            if balance.unit is not unit:
                continue
            if balance.services and service not in balance.services:
                continue
            if balance.rating_groups and rating_group not in balance.rating_groups:
                continue
            expires_at_ns = balance.expires_at_ns
            if (
                expires_at_ns is not None
                and expires_at_ns <= self._now_ns
                and not any(hold.balance_id == balance.id for hold in held)
            ):
                continue
            indexes.append(index)
        return indexes

    # --- one balance at a time, for accounts whose balances have terms

    def all_balances(self) -> tuple[Balance, ...]:
        """The balances in the order of use; their amounts are those at the start of the turn."""
        return self._balances

    def may_pay(
        self, balance: Balance, service: str, rating_group: int | None, held: tuple[Hold, ...]
    ) -> bool:
        """Whether a balance is for this, and has not expired or had something `held` of it for this."""
        if balance.services and service not in balance.services:
            return False
        if balance.rating_groups and rating_group not in balance.rating_groups:
            return False
        expires_at_ns = balance.expires_at_ns
        if expires_at_ns is None or expires_at_ns > self._now_ns:
            return True
        return any(hold.balance_id == balance.id for hold in held)

    def free_at(self, index: int) -> int:
        """What may be taken from a balance; below zero where it is overdrawn."""
        free = self._posted[index] - self._reserved[index]
        return min(free, self._promise(index)) if self._promised else free

    def hold_at(self, index: int, amount: int) -> None:
        """Set a part of a balance aside."""
        self._reserved[index] += amount
        self._changed = True

    def debit_at(
        self,
        index: int,
        amount: int,
        rating_group: int | None,
        unit: Unit,
        units: int,
        rule: str,
        rated_from: int,
    ) -> None:
        """Debit a balance for `units`."""
        self._post(index, DEBIT, -amount, rating_group, unit, units, rule, rated_from)

    def write_off(
        self, nanos: int, rating_group: int | None, unit: Unit, units: int, rule: str, rated_from: int
    ) -> None:
        """Tell revenue that nothing may pay for."""
        index = self.ensure_money()
        self.entries.append(
            Entry(
                EntryKind.WRITE_OFF,
                MAIN,
                MONEY,
                -min(nanos, MOST_NANOS),
                self._posted[index],
                rating_group,
                unit,
                units,
                rule,
                rated_from,
            )
        )

    def overdraw(
        self,
        nanos: int,
        rating_group: int | None,
        unit: Unit,
        units: int,
        rule: str,
        rated_from: int,
        floor_nanos: int | None,
    ) -> None:
        """Debit the main balance beyond what is on it, down to the floor; the rest is written off."""
        main = self.ensure_money()
        self._overdraw([main], nanos, rating_group, unit, units, rule, rated_from, floor_nanos)

    # --- sums

    def free_amount(self, indexes: list[int]) -> int:
        """What is neither spent nor held on these balances; overdrawn ones count against the others."""
        posted, reserved = self._posted, self._reserved
        amount = 0
        for index in indexes:
            amount += posted[index] - reserved[index]
        return amount

    def hold(self, indexes: list[int], amount: int, beyond: bool = False) -> tuple[int, tuple[Hold, ...]]:
        """Set aside up to `amount`; with `beyond` the rest is held on the last balance past its value.

        Returns the amount set aside and the holds.
        """
        left = amount
        holds = []
        for index in indexes:
            part = min(left, self._posted[index] - self._reserved[index])
            if part > 0:
                self._reserved[index] += part
                holds.append(Hold(self._balances[index].id, part))
                left -= part
                if not left:
                    break
        if left and beyond and indexes:
            self._reserved[indexes[-1]] += left
            holds.append(Hold(self._balances[indexes[-1]].id, left))
            left = 0
        self._changed = self._changed or bool(holds)
        return amount - left, tuple(holds)

    def draw_units(
        self, indexes: list[int], unit: Unit, units: int, rating_group: int | None, rule: str
    ) -> int:
        """Debit up to `units` from unit balances; returns what they covered."""
        left = units
        for index in indexes:
            part = min(left, self._posted[index] - self._reserved[index])
            if self._promised:
                part = min(part, self._promise(index))
            if part > 0:
                self._post(index, DEBIT, -part, rating_group, unit, part, rule, 0)
                left -= part
                if not left:
                    break
        return units - left

    def draw_money(
        self,
        indexes: list[int],
        nanos: int,
        rating_group: int | None,
        unit: Unit,
        units: int,
        rule: str,
        rated_from: int,
        floor_nanos: int | None,
    ) -> None:
        """Debit all of `nanos`: what balances cannot pay overdraws the last of them that has not expired.

        No balance goes below the floor, or deeper than a store can keep; the rest becomes a write-off entry.
        """
        left = nanos
        for index in indexes:
            part = min(left, self._posted[index] - self._reserved[index])
            if self._promised:
                part = min(part, self._promise(index))
            if part > 0:
                self._post(index, DEBIT, -part, rating_group, unit, units, rule, rated_from)
                left -= part
                units = 0
                if not left:
                    return
        if left:
            self._overdraw(indexes, left, rating_group, unit, units, rule, rated_from, floor_nanos)

    def _overdraw(
        self,
        indexes: list[int],
        nanos: int,
        rating_group: int | None,
        unit: Unit,
        units: int,
        rule: str,
        rated_from: int,
        floor_nanos: int | None,
    ) -> None:
        index, nanos = self._last_valid(indexes), min(nanos, MOST_NANOS)
        floor = -MOST_NANOS if floor_nanos is None else floor_nanos
        part = max(0, min(nanos, self._posted[index] - floor))
        if part:
            self._post(index, DEBIT, -part, rating_group, unit, units, rule, rated_from)
        if part < nanos:
            self.entries.append(
                Entry(
                    EntryKind.WRITE_OFF,
                    self._balances[index].id,
                    MONEY,
                    part - nanos,
                    self._posted[index],
                    rating_group,
                    unit,
                    0 if part else units,
                    rule,
                    rated_from,
                )
            )

    def _promise(self, index: int) -> int:
        """What may be drawn from a balance: all there is, or of an expired one what had been held."""
        balance = self._balances[index]
        expires_at_ns = balance.expires_at_ns
        if expires_at_ns is None or expires_at_ns > self._now_ns:
            return MOST
        return self._promised.get(balance.id, 0)

    def _last_valid(self, indexes: list[int]) -> int:
        """The balance to overdraw: never an expired one, whose debt nobody would see again."""
        for index in reversed(indexes):
            expires_at_ns = self._balances[index].expires_at_ns
            if expires_at_ns is None or expires_at_ns > self._now_ns:
                return index
        return self.ensure_money()

    def money_free_nanos(self) -> int:
        """Money of all balances that have not expired, less what is held."""
        nanos = 0
        for index, balance in enumerate(self._balances):
            if balance.unit is MONEY and (
                balance.expires_at_ns is None or balance.expires_at_ns > self._now_ns
            ):
                nanos += self._posted[index] - self._reserved[index]
        return nanos

    def main_money(self) -> str:
        """Name of the balance that money without a better place goes to."""
        index = self.ensure_money()  # first: it may make the balance
        return self._balances[index].id

    def ensure_money(self) -> int:
        """Index of the main money balance; makes it where there is none."""
        self.ensure(MAIN, MONEY)
        return self._index(MAIN)

    def ensure(self, balance_id: str, unit: Unit) -> None:
        """Make an empty balance of that name where there is none."""
        if all(balance.id != balance_id for balance in self._balances):
            self.add(Balance(balance_id, unit, 0))

    def add(self, balance: Balance) -> None:
        """Put a new, empty balance in its place in the order of use; `credit` fills it."""
        place = next(
            (index for index, other in enumerate(self._balances) if use_order(other) > use_order(balance)),
            len(self._balances),
        )
        self._balances = (*self._balances[:place], balance, *self._balances[place:])
        self._units.add(balance.unit)
        self._posted.insert(place, balance.posted)
        self._reserved.insert(place, balance.reserved)
        self._changed = True

    def extend(self, balance_id: str, expires_at_ns: int) -> None:
        """Move the expiry of a balance, and the balance to its place in the order of use."""
        self.reshape(
            msgspec.structs.replace(self._balances[self._index(balance_id)], expires_at_ns=expires_at_ns)
        )

    def reshape(self, shape: Balance) -> None:
        """Give the balance of that name another priority, expiry or terms; what is on it stays."""
        index = self._index(shape.id)
        moved = msgspec.structs.replace(
            shape, posted=self._posted.pop(index), reserved=self._reserved.pop(index)
        )
        self._balances = (*self._balances[:index], *self._balances[index + 1 :])
        self.add(moved)

    def remove(self, balance_id: str) -> None:
        """Take an empty balance, of which nothing is held, out of the account."""
        index = self._index(balance_id)
        assert self._posted[index] == self._reserved[index] == 0, "only an empty balance is removed"
        self._balances = (*self._balances[:index], *self._balances[index + 1 :])
        del self._posted[index], self._reserved[index]
        self._changed = True

    def find(self, balance_id: str) -> Balance | None:
        """The balance of that name as it stood at the start of the turn, or None."""
        return next((balance for balance in self._balances if balance.id == balance_id), None)

    def credit(
        self,
        balance_id: str,
        kind: EntryKind,
        amount: int,
        unit: Unit | None = None,
        units: int = 0,
        rule: str = "",
        rating_group: int | None = None,
    ) -> None:
        """Change a posted value by a signed `amount`: top-up, refund, expiry, adjustment."""
        self._post(self._index(balance_id), kind, amount, rating_group, unit, units, rule, 0)

    def _post(
        self,
        index: int,
        kind: EntryKind,
        amount: int,
        rating_group: int | None,
        unit: Unit | None,
        units: int,
        rule: str,
        rated_from: int,
    ) -> None:
        balance = self._balances[index]
        after = self._posted[index] + amount
        self._posted[index] = after
        if self._promised and kind is DEBIT and balance.id in self._promised:
            self._promised[balance.id] += amount
        self._changed = True
        self.entries.append(
            Entry(kind, balance.id, balance.unit, amount, after, rating_group, unit, units, rule, rated_from)
        )

    def _places(self) -> dict[str, int]:
        return {balance.id: index for index, balance in enumerate(self._balances)}

    def _index(self, balance_id: str) -> int:
        for index, balance in enumerate(self._balances):
            if balance.id == balance_id:
                return index
        raise AssertionError(f"a hold or an entry names balance {balance_id!r}, which the account lacks")


def check(account: Account) -> list[str]:
    """What is wrong with the books of an account; empty when they are right."""
    held: dict[str, int] = {}
    for session in account.sessions:
        for quota in session.quotas:
            for hold in quota.holds:
                if not hold.account:
                    held[hold.balance_id] = held.get(hold.balance_id, 0) + hold.amount
    for loan in () if account.extras is None else account.extras.loans:
        held[loan.balance_id] = held.get(loan.balance_id, 0) + loan.amount
    problems = [
        f"balance {balance.id}: {balance.reserved} reserved, but holds sum to {amount}"
        for balance in account.balances
        if balance.reserved != (amount := held.pop(balance.id, 0))
    ]
    return problems + [
        f"held on unknown balance {balance_id}: {amount}" for balance_id, amount in held.items()
    ]
