"""Prices and payments by brute force: fractions and loops over single steps, nothing of the program.

Every step (a second, an octet, a message) is paid for on its own, increment by increment, from the first pocket in
the row that can. It takes as long as the usage is large, and shows what the closed forms have to come to.
"""

import math
from dataclasses import dataclass, field
from fractions import Fraction

ENDLESS = Fraction(10**30)


@dataclass(frozen=True)
class Slot:
    """From `start` steps on, `price` for `per` steps, in started increments."""

    start: int
    price: Fraction
    per: int
    increment: int


@dataclass
class Tariff:
    """A connect fee and slots; `paid_until` is how far increments have been begun and paid for."""

    fee: Fraction
    slots: tuple[Slot, ...]
    method: str = "*up"
    decimals: int = 9
    cap: Fraction | None = None
    disconnects: bool = False
    position: int = 0
    paid_until: int = 0
    total: Fraction = Fraction(0)

    def begun(self) -> Slot | None:
        """The slot of the next step; None before the first."""
        found = [slot for slot in self.slots if slot.start <= self.position]
        return found[-1] if found else None

    def next_cost(self, owes_fee: bool) -> Fraction:
        """What the next step costs: nothing inside an increment that is paid for."""
        cost = self.fee if owes_fee else Fraction(0)
        slot = self.begun()
        if slot is not None and self.position >= self.paid_until:
            cost += slot.price / slot.per * slot.increment
        if self.cap is not None and not self.disconnects:
            cost = min(cost, max(self.cap - self.total, Fraction(0)))
        return cost

    def next_taken(self) -> int:
        """How many steps the next step takes from a balance of units."""
        slot = self.begun()
        if self.position < self.paid_until:
            return 0
        return 1 if slot is None else slot.increment

    def step(self, cost: Fraction) -> None:
        """Go one step on."""
        slot = self.begun()
        if self.position >= self.paid_until:
            self.paid_until = self.position + (1 if slot is None else slot.increment)
        self.position += 1
        self.total += cost

    def rounded(self) -> Fraction:
        """The total as the tariff rounds it."""
        steps = self.total * 10**self.decimals
        whole = {
            "*up": math.ceil(steps),
            "*down": math.floor(steps),
            "*middle": math.floor(steps + Fraction(1, 2)),
        }[self.method]
        return Fraction(whole, 10**self.decimals)


@dataclass
class Pocket:
    """A balance: of steps, or of money. With `increment` its own steps are taken so many at a time."""

    name: str
    value: Fraction
    is_money: bool = False
    increment: int = 0
    factor: Fraction = Fraction(1)
    tariff: Tariff | None = None
    is_blocker: bool = False
    position: int = 0


@dataclass
class Purse:
    """Pockets in the order of their use, and the tariff of the session."""

    pockets: list[Pocket]
    tariff: Tariff
    credit: Fraction | None = Fraction(0)
    debt: Fraction = Fraction(0)
    fee_paid_by: Tariff | None = None
    tariffs: list[Tariff] = field(default_factory=list)
    forced: bool = False

    def spend(self, steps: int, forced: bool = False) -> int:
        """Pay for steps, as far as pockets and credit go; with `forced` for all of them. How many were paid for."""
        self.forced = forced
        for covered in range(steps):
            if not self._pay_one(forced):
                return covered
        return steps

    def cost(self) -> Fraction:
        """What all tariffs came to, each rounded."""
        found = {id(tariff): tariff for tariff in [*self.tariffs, self.tariff]}
        return sum((tariff.rounded() for tariff in found.values()), Fraction(0))

    def _owes_fee(self, tariff: Tariff) -> bool:
        return self.fee_paid_by is None and tariff.position == 0 and not any(t.position for t in self.tariffs)

    def _pay_one(self, forced: bool) -> bool:
        for pocket in self.pockets:
            if self._pays(pocket):
                return True
            if pocket.is_blocker:
                return False
        cost = self.tariff.next_cost(self._owes_fee(self.tariff))
        funds = sum((pocket.value for pocket in self._last_row()), Fraction(0))
        room = None if self.credit is None else self.credit - self.debt
        if self._ends(self.tariff, cost):
            return False
        if not forced and room is not None and cost > funds + room:
            return False
        self._take_money(cost, self._last_row())
        self._step(self.tariff, cost)
        return True

    def _pays(self, pocket: Pocket) -> bool:
        if pocket.is_money and not pocket.increment:
            return self._pays_money(pocket)
        if pocket.increment:
            return self._pays_own(pocket)
        assert pocket.tariff is not None
        cost = pocket.tariff.next_cost(self._owes_fee(pocket.tariff))
        taken = pocket.tariff.next_taken() * pocket.factor
        if self._ends(pocket.tariff, cost) or taken > pocket.value or (cost > self._funds_of_all()):
            return False
        pocket.value -= taken
        self._take_money(cost, self._money())
        self._step(pocket.tariff, cost)
        return True

    def _pays_own(self, pocket: Pocket) -> bool:
        taken = Fraction(0)
        if pocket.position % pocket.increment == 0:
            taken = pocket.increment * pocket.factor
        if taken > pocket.value:
            return False
        pocket.value -= taken
        pocket.position += 1
        return True

    def _pays_money(self, pocket: Pocket) -> bool:
        """From a pocket and those behind it of the same tariff, as far as no blocker stands between."""
        tariff = pocket.tariff or self.tariff
        cost = tariff.next_cost(self._owes_fee(tariff))
        left = cost
        for other in self._row(pocket):
            left -= min(left, other.value)
        if left > 0:
            return False
        if self._ends(tariff, cost):
            return False
        left = cost
        for other in self._row(pocket):
            part = min(left, other.value)
            other.value -= part
            left -= part
        self._step(tariff, cost)
        return True

    def _ends(self, tariff: Tariff, cost: Fraction) -> bool:
        """Whether a step would cost more than the session may."""
        if tariff.cap is None or not tariff.disconnects or self.forced:
            return False
        return tariff.total + cost > tariff.cap

    def _row(self, pocket: Pocket) -> list[Pocket]:
        """A money pocket and those right behind it at the same tariff."""
        found = []
        for other in self.pockets[self.pockets.index(pocket) :]:
            if not other.is_money or other.tariff is not pocket.tariff or other.increment:
                break
            found.append(other)
            if other.is_blocker:
                break
        return found

    def _last_row(self) -> list[Pocket]:
        """The money pockets at the session's own tariff at the end of the row: where it may be overdrawn."""
        found: list[Pocket] = []
        for pocket in reversed([each for each in self.pockets if each.is_money]):
            if pocket.tariff is not None or pocket.increment:
                break
            found.insert(0, pocket)
        return found

    def _funds_of_all(self) -> Fraction:
        found = sum((pocket.value for pocket in self._money()), Fraction(0))
        if self._is_closed():
            return found
        return ENDLESS if self.credit is None else found + self.credit - self.debt

    def _money(self) -> list[Pocket]:
        found = []
        for pocket in self.pockets:
            if pocket.is_money and not pocket.increment:
                found.append(pocket)
            if pocket.is_money and pocket.is_blocker:
                break
        return found

    def _is_closed(self) -> bool:
        return any(pocket.is_money and pocket.is_blocker for pocket in self.pockets)

    def _take_money(self, cost: Fraction, pockets: list[Pocket]) -> None:
        left = cost
        for pocket in pockets:
            part = min(left, pocket.value)
            pocket.value -= part
            left -= part
        self.debt += left

    def _step(self, tariff: Tariff, cost: Fraction) -> None:
        if self._owes_fee(tariff):
            self.fee_paid_by = tariff
        if not any(tariff is other for other in self.tariffs):
            self.tariffs.append(tariff)
        tariff.step(cost)
