"""Paying for a usage, or setting aside for a wish, from balances that say where, when and how they pay. Pure.

Every balance is asked once for each stretch of time in which no window opens or closes: how many units it covers
follows from what is on it and from its rate, in closed form. Nothing loops over increments or units. What a
balance, or the rate of a subject, has covered of the session so far is kept in the quota, so that an increment
that was paid for is used up by later reports, and a report costs what the price of the session has grown by.
"""

from typing import NamedTuple

from ocs.charging.account import Drawn, Hold
from ocs.charging.entry import Entry
from ocs.charging.events import Unit
from ocs.charging.ledger import Ledger
from ocs.charging.priced import rule_text
from ocs.charging.rating import (
    CapStrategy,
    Rate,
    affordable,
    cost,
    fitting,
    not_dearer,
    price,
    started,
    without_cap,
    without_fee,
)
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.line import MAX_SPLITS, Line
from ocs.charging.tariff.model import Priced, Query, Verdict
from ocs.charging.wallet import Source, Wallet
from ocs.charging.working import WorkingQuota

BUNDLE = "bundle"
UNRATED = Priced(Verdict.NO_RULE, None, None)


class Pool(NamedTuple):
    """Money balances of one rate, one behind the other; an increment may be paid by several of them.

    An open pool is where the account may be overdrawn; behind a closed one nothing pays.
    """

    plan: str
    sources: list[Source]
    is_open: bool = False


class Circumstances(NamedTuple):
    """What paying depends on besides the balances."""

    catalogue: Catalogue
    account_key: str
    query: Query
    opened_at_ns: int
    ledger: Ledger  # of the session's own account
    rating_group: int | None
    credit_nanos: int | None  # how far money may be held below zero
    floor_nanos: int | None  # how far used units may debit it below zero
    highest_price: tuple[int, int] | None = None  # no dearer unit is promised: nanos, for so many units


class Spending:
    """One usage or wish on its way through a wallet; `nanos`, `holds` and `is_rated` say what came of it."""

    def __init__(
        self, wallet: Wallet, quota: WorkingQuota, circumstances: Circumstances, is_hold: bool
    ) -> None:
        self._wallet = wallet
        self._quota = quota
        self._given = circumstances
        self._is_hold = is_hold
        self._unit = circumstances.query.unit or Unit.EVENTS
        self._drawn = {drawn.name: drawn for drawn in quota.drawn}
        self._rated = quota.rated
        self._lines = {plan: self._line(plan) for plan in sorted(wallet.plans())}
        self._windows = wallet.windows()
        self._held: dict[tuple[str, str], int] = {}
        self._room = self._credit() if is_hold else None
        self.taken: list[
            tuple[str, Entry]
        ] = []  # debits of balances, in order, with the accounts they are on
        self.nanos = 0
        self.is_rated = False
        self.is_unrated = False

    @property
    def holds(self) -> tuple[Hold, ...]:
        """What was set aside."""
        return tuple(Hold(balance, amount, account) for (account, balance), amount in self._held.items())

    def keep(self) -> None:
        """Let the quota know how far its balances and rates have got."""
        self._quota.drawn = tuple(self._drawn.values())
        self._quota.rated = self._rated

    def pay_money(self, nanos: int, at_ns: int) -> int:
        """Pay an amount that the client has priced itself; returns how much of it was paid for."""
        sources = self._money_sources(at_ns)
        is_closed = bool(sources) and sources[-1].is_blocker
        limit = self._limit(Pool("", sources, not is_closed))
        paid = nanos if limit is None else min(nanos, limit)
        self._pay(sources, paid, paid, "money", 0)
        if paid < nanos and not self._is_hold:
            left = nanos - paid
            self._write_off(left, left, "money", 0)
            self.nanos += left
        return paid

    def cover(self, priced: Priced, units: int, at_ns: int) -> int:
        """Pay for `units` from a moment on, `priced` by the session's own plan; returns what was paid for."""
        left = units
        for step in range(MAX_SPLITS):
            until_ns = self._until_ns(at_ns) if self._unit is Unit.TIME and step < MAX_SPLITS - 1 else None
            part = left if until_ns is None else min(left, until_ns - at_ns)
            covered = self._stretch(priced, part, at_ns)
            left -= covered
            at_ns += part
            if covered < part or not left:
                break
        return units - left

    # --- one stretch of time

    def _until_ns(self, at_ns: int) -> int | None:
        """The next moment at which a balance begins or ends to pay, or its rate changes."""
        ends = [window.span(at_ns).end_ns for window in self._windows]
        for line in self._lines.values():
            if line is not None and (until_ns := line.at(at_ns).until_ns) is not None:
                ends.append(until_ns)
        return min(ends, default=None)

    def _stretch(self, priced: Priced, units: int, at_ns: int) -> int:
        left = units
        if priced.verdict is Verdict.FREE:
            self._rated += 0 if self._is_hold else units
            self.is_rated = True
            return units
        for source in self._wallet.units:
            if not source.is_active(at_ns):
                continue
            left -= self._draw(source, left, at_ns)
            if not left:
                return units
            if source.is_blocker:
                return units - left + self._blocked(priced, left)
        return units - left + self._money(priced, left, at_ns)

    def _blocked(self, priced: Priced, units: int) -> int:
        """Behind a blocker nothing pays: what was used all the same is written off."""
        if self._is_hold:
            return 0
        rate = self._due(priced.rate)
        if rate is None:
            self.is_unrated = True
            return 0
        nanos = cost(rate, self._rated, units)
        if nanos:
            self._write_off(nanos, units, rule_text(priced), self._rated)
        self._rated += units
        self.nanos += nanos
        return units

    # --- units

    def _draw(self, source: Source, wanted: int, at_ns: int) -> int:
        """Units that a balance of units covers; those of a priced one need money too."""
        if source.increment:
            return self._draw_free(source, wanted)
        priced = self._priced(source.plan, at_ns)
        rate = self._due(priced.rate, source.plan)
        if rate is None:
            return 0
        self.is_rated = True
        position = self._position(source.plan)
        taken = source.amount(started(rate, position))
        most = fitting(rate, source.units(taken + max(source.free(), 0))) - position
        money = self._money_sources(at_ns)
        units = self._most(rate, position, min(wanted, max(most, 0)), self._funds(money))
        if units <= 0:
            return 0
        amount = source.amount(started(rate, position + units)) - taken
        rule = rule_text(priced)
        self._take(source, amount, units, rule, position)
        self._pay(money, cost(rate, position, units), units if not amount else 0, rule, position)
        self._advance(source.plan, units)
        return units

    def _draw_free(self, source: Source, wanted: int) -> int:
        """Units of a `*zero` balance, in started increments of its own; the rest of one is used first."""
        if source.increment == 1 and source.denominator == 1:
            units = min(wanted, source.free() // source.numerator)
            if units <= 0:
                return 0
            self.is_rated = True
            self._take(source, units * source.numerator, units, BUNDLE, 0)
            return units
        increment, name = source.increment, source.name
        before = self._drawn[name].units if name in self._drawn else 0
        taken = source.amount(-(-before // increment) * increment)
        most = source.units(taken + max(source.free(), 0)) // increment * increment - before
        units = min(wanted, max(most, 0))
        if units <= 0:
            return 0
        self.is_rated = True
        after = before + units
        self._take(source, source.amount(-(-after // increment) * increment) - taken, units, BUNDLE, 0)
        self._drawn[name] = Drawn(name, after)
        return units

    # --- money

    def _money(self, priced: Priced, wanted: int, at_ns: int) -> int:
        """Units that money covers, pool by pool."""
        left = wanted
        for pool in self._pools(at_ns):
            if pool.sources and pool.sources[0].increment:
                left -= self._draw_free(pool.sources[0], left)
            else:
                left -= self._pay_by_rate(pool, priced, left, at_ns)
            if not left:
                return wanted
        if not self._is_hold and self._is_closed(at_ns):
            left -= self._blocked(priced, left)
        elif left and not self._is_hold:
            self.is_unrated = True
        return wanted - left

    def _pay_by_rate(self, pool: Pool, priced: Priced, wanted: int, at_ns: int) -> int:
        told = self._priced(pool.plan, at_ns) if pool.plan else priced
        rate = self._due(told.rate, pool.plan)
        if rate is None:
            return 0
        self.is_rated = True
        position = self._position(pool.plan)
        units = self._most(rate, position, wanted, self._limit(pool))
        if units:
            self._pay(pool.sources, cost(rate, position, units), units, rule_text(told), position)
            self._advance(pool.plan, units)
        return units

    def _most(self, rate: Rate, position: int, wanted: int, limit: int | None) -> int:
        """How many of the wanted units cost no more than `limit`, and where only promised no more than the cap."""
        if self._is_hold and self._given.highest_price is not None:
            wanted = not_dearer(rate, position, wanted, self._given.highest_price)
        if rate.cap_strategy is CapStrategy.DISCONNECT and rate.cap_nanos is not None:
            if self._is_hold:
                room = max(rate.cap_nanos - price(rate, position), 0)
                limit = room if limit is None else min(room, limit)
            rate = without_cap(rate)
        if limit is None or cost(rate, position, wanted) <= limit:
            return wanted
        most = affordable(rate, position, limit)
        return wanted if most is None else min(most, wanted)

    def _pools(self, at_ns: int) -> list[Pool]:
        """The money balances by rate; the last pool is the open one unless a blocker closes the row."""
        pools: list[Pool] = []
        sources = self._money_sources(at_ns)
        for source in sources:
            plan = source.name if source.increment else source.plan
            if pools and pools[-1].plan == plan:
                pools[-1].sources.append(source)
            else:
                pools.append(Pool(plan, [source]))
        if sources and sources[-1].is_blocker:
            return pools
        if pools and pools[-1].plan == "":
            pools[-1] = pools[-1]._replace(is_open=True)
        else:
            pools.append(Pool("", [], True))
        return pools

    def _money_sources(self, at_ns: int) -> list[Source]:
        """The money balances that pay at a moment, up to the first blocker."""
        found: list[Source] = []
        for source in self._wallet.money:
            if source.is_active(at_ns):
                found.append(source)
                if source.is_blocker:
                    break
        return found

    def _is_closed(self, at_ns: int) -> bool:
        sources = self._money_sources(at_ns)
        return bool(sources) and sources[-1].is_blocker

    def _limit(self, pool: Pool) -> int | None:
        """What a pool may pay: what is on it, and in the open one of a wish what the account may owe."""
        free = sum(max(source.free(), 0) for source in pool.sources)
        credit = self._given.credit_nanos
        if pool.is_open and (credit is None or not self._is_hold):
            return None
        limit = free + (self._headroom(credit or 0) if pool.is_open else 0)
        return limit if self._room is None else min(limit, max(self._room, 0))

    def _credit(self) -> int | None:
        """All that may be held: what is free on money balances and how far the account may owe."""
        credit = self._given.credit_nanos
        if credit is None:
            return None
        sources = [source for source in self._wallet.money if not source.increment]
        return sum(source.free() for source in sources) + credit

    def _funds(self, money: list[Source]) -> int | None:
        """Money for units that have a price of their own; None where there is no limit to it."""
        free = sum(max(source.free(), 0) for source in money if not source.increment)
        if money and money[-1].is_blocker:
            return free
        credit = self._given.credit_nanos
        if credit is None:
            return None
        limit = free + self._headroom(credit)
        return limit if self._room is None else min(limit, max(self._room, 0))

    def _headroom(self, credit: int) -> int:
        """How far the account may still owe, less what it owes already."""
        owed = sum(min(source.free(), 0) for source in self._wallet.money if not source.increment)
        return max(credit + owed, 0)

    # --- taking

    def _pay(self, sources: list[Source], nanos: int, units: int, rule: str, rated_from: int) -> None:
        """Take money from balances one after the other; what they lack overdraws the account."""
        self.nanos += nanos
        left = nanos
        for source in sources:
            part = 0 if source.increment else min(left, source.free())
            if part > 0:
                self._take(source, part, units, rule, rated_from)
                left -= part
                units = 0
                if not left:
                    break
        if self._room is not None:
            self._room -= nanos
        if not left:
            return
        ledger, given = self._given.ledger, self._given
        if self._is_hold:
            ledger.hold_at(ledger.ensure_money(), left)
            key = ("", ledger.main_money())
            self._held[key] = self._held.get(key, 0) + left
        else:
            mark = len(ledger.entries)
            ledger.overdraw(left, given.rating_group, self._unit, units, rule, rated_from, given.floor_nanos)
            self.taken += [("", entry) for entry in ledger.entries[mark:]]

    def _write_off(self, nanos: int, units: int, rule: str, rated_from: int) -> None:
        given = self._given
        given.ledger.write_off(nanos, given.rating_group, self._unit, units, rule, rated_from)
        self.taken.append(("", given.ledger.entries[-1]))

    def _take(self, source: Source, amount: int, units: int, rule: str, rated_from: int) -> None:
        if not amount:
            return
        if self._is_hold:
            source.ledger.hold_at(source.index, amount)
            key = (source.account, source.balance.id)
            self._held[key] = self._held.get(key, 0) + amount
        else:
            source.ledger.debit_at(
                source.index, amount, self._given.rating_group, self._unit, units, rule, rated_from
            )
            self.taken.append((source.account, source.ledger.entries[-1]))

    # --- positions in rates

    def _line(self, subject: str) -> Line | None:
        given = self._given
        plan = given.catalogue.plan_of(given.account_key, given.query.category, subject)
        return given.catalogue.line(plan, given.query)

    def _priced(self, plan: str, at_ns: int) -> Priced:
        line = self._lines.get(plan)
        return UNRATED if line is None else line.used_at(at_ns, self._given.opened_at_ns)

    def _position(self, plan: str) -> int:
        if not plan:
            return self._rated
        drawn = self._drawn.get(f"plan {plan}")
        return 0 if drawn is None else drawn.units

    def _advance(self, plan: str, units: int) -> None:
        if not plan:
            self._rated += units
            return
        name = f"plan {plan}"
        before = self._drawn.get(name)
        if before is None:
            before = Drawn(name, 0, not self._is_fee_due_elsewhere(plan))
        self._drawn[name] = Drawn(name, before.units + units, before.has_fee)

    def _due(self, rate: Rate | None, plan: str = "") -> Rate | None:
        """A rate with its connect fee where that is due here: once in a session, with the first price."""
        if rate is None or not rate.connect_fee_nanos:
            return rate
        return without_fee(rate) if self._is_fee_due_elsewhere(plan) else rate

    def _is_fee_due_elsewhere(self, plan: str) -> bool:
        own = self._drawn.get(f"plan {plan}") if plan else None
        if own is not None:
            return not own.has_fee
        if any(drawn.has_fee for drawn in self._drawn.values()):
            return True
        return bool(plan and self._rated)
