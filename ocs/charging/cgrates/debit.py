"""Pays a call from the balances of an account, as the incumbent does, with one division per span and balance.

Unit balances first, then money, again and again while they cover something; what is left is free, goes below zero
on the `*default` balance, or stays unpaid.
"""

from enum import Enum, auto

import msgspec

from ocs.charging.cgrates import values
from ocs.charging.cgrates.account import Balance
from ocs.charging.cgrates.call import MONETARY, Call, Refusal
from ocs.charging.cgrates.cost import connect_fee, last_part, rate_matched, total_nanos
from ocs.charging.cgrates.grid import NANOS, Rounding, round_to_nanos, snap_nanos
from ocs.charging.cgrates.matching import match_call
from ocs.charging.cgrates.model import Match, Matched, PaidCall, PaidSpan, Payment, RatedSpan, Spent, Steps
from ocs.charging.cgrates.paid import Opened, merge_spans
from ocs.charging.cgrates.plan import ANY, Settings, Tariff
from ocs.charging.cgrates.purse import Books, Purse
from ocs.charging.cgrates.usable import is_timed

_FREE = "*free"
_DISCONNECT = "*disconnect"
_ZERO = "*zero"


class _End(Enum):
    """Why no further balance is asked."""

    COVERED = auto()
    STOPPED = auto()  # dry run only: a blocker or the cap of a `*disconnect` rate


def debit(
    books: Books,
    tariff: Tariff,
    call: Call,
    settings: Settings,
    account_id: str,
    *,
    is_dry: bool,
    goes_negative: bool,
) -> Spent | Refusal:
    """Takes a call from the books; after a refusal they are not to be used."""
    debit_run = _Debit(books, tariff, call, settings, account_id, is_dry)
    end = debit_run.cover()
    if isinstance(end, Refusal):
        return end
    if end is None:
        refusal = debit_run.leave(goes_negative)
        if refusal is not None:
            return refusal
    return debit_run.spent(is_final=end is _End.COVERED and not debit_run.held_back)


def free_step_ns(balance: Balance, kind: str, settings: Settings, *, is_unit: bool) -> int | None:
    """Length of the steps of a balance that needs no price, None where one is needed.

    Unit balances without a subject use the default of the call's kind.
    """
    subject = balance.rating_subject
    if subject in ("", ANY) and is_unit:
        subject = settings.default_subject.get(kind) or settings.default_subject.get(ANY, "")
    if not subject.startswith(_ZERO):
        return None
    try:
        return values.length_ns(subject.removeprefix(_ZERO)) or None
    except ValueError:
        return None


def _own_subject(balance: Balance) -> str:
    """Subject that prices a balance's use; empty where it is the call's."""
    return "" if balance.rating_subject.startswith(_ZERO) else balance.rating_subject


def _told_fee(span: RatedSpan, purse: Purse) -> Steps:
    """The connect fee as a direct debit tells it: named, yet not taken."""
    return Steps(0, connect_fee(span), 1, Payment(purse.owner, money_uid=purse.balance.uid))


class _Debit:
    """One debit under way."""

    def __init__(
        self, books: Books, tariff: Tariff, call: Call, settings: Settings, account_id: str, is_dry: bool
    ) -> None:
        self.books = books
        self.tariff = tariff
        self.settings = settings
        self.account_id = account_id
        self.is_dry = is_dry
        self.call = call  # start and index move on as parts are covered
        self.so_far_nanos = call.max_cost_so_far_nanos
        self.parts: list[PaidSpan] = []
        self.matched: Matched | None = None  # of the last rating: what is left is rated by it
        self.owes_fee = False  # of the last part alone: a later one that owes nothing clears it
        self.fee_is_negative = False
        self.hit_cap = False
        self.held_back = False  # a dry run did not do what a real one would have
        self.money: list[Purse] = []

    def cover(self) -> _End | Refusal | None:
        """Asks the balances until they cover nothing more; None where something is left to charge otherwise."""
        is_direct = self.call.direct_nanos is not None
        units = (
            [] if is_direct else self.books.payers(self.call, self.account_id, self.call.kind, self.tariff)
        )
        self.money = self.books.payers(self.call, self.account_id, MONETARY, self.tariff)
        while self.call.end_ns > self.call.start_ns:
            before = len(self.parts)
            for purses, is_unit in ((units, True), (self.money, False)):
                end = self._exhaust(purses, is_unit)
                if end is not None:
                    return end
            if len(self.parts) == before:
                break
        return None

    def _exhaust(self, purses: list[Purse], is_unit: bool) -> _End | Refusal | None:
        while True:
            before = len(self.parts)
            for purse in purses:
                end = self._use(purse, is_unit)
                if end is not None:
                    return end
            if len(self.parts) == before:
                return None

    def _use(self, purse: Purse, is_unit: bool) -> _End | Refusal | None:
        """Debits one balance; says whether the debit ends there."""
        self.fee_is_negative = False
        found = self._take(purse, is_unit)
        if isinstance(found, Refusal):
            return found
        if is_unit and _own_subject(purse.balance):
            self.matched = None
        if found:
            self.owes_fee = self.fee_is_negative
            self.parts.extend(found)
            if found[-1].end_ns >= self.call.end_ns:
                return _End.COVERED
            self.call = msgspec.structs.replace(self.call, start_ns=found[-1].end_ns)
        if self.is_dry and (self.hit_cap or purse.balance.is_blocker):
            return _End.STOPPED
        return Refusal.BALANCE_BLOCKER if purse.balance.is_blocker else None

    def _take(self, purse: Purse, is_unit: bool) -> list[PaidSpan] | Refusal:
        call = self.call
        if purse.value_nanos <= 0 or not is_timed(purse.balance, call.start_ns + call.offset_ns, self.tariff):
            return []
        step_ns = free_step_ns(purse.balance, call.kind, self.settings, is_unit=is_unit)
        if step_ns is not None:
            return self._take_free(purse, step_ns)
        return self._take_priced(purse, is_unit)

    def _take_free(self, purse: Purse, step_ns: int) -> list[PaidSpan]:
        """Units without price; too many steps cover everything and take nothing."""
        start_ns = self.call.start_ns
        match = Match(*self._free_match(purse.balance), "*none", purse.balance.uid)
        count = -(-self.call.duration_ns // step_ns)
        beyond_ns = count * step_ns - self.call.duration_ns
        if count > self.settings.max_increments:
            return [PaidSpan(start_ns, start_ns + count * step_ns, beyond_ns, match, None)]
        price_nanos, factor = self._units(purse.balance, step_ns)
        covered = purse.affordable(price_nanos, count)
        if covered == 0:
            return []
        purse.pay(price_nanos, covered)
        payment = Payment(purse.owner, purse.balance.uid, price_nanos, factor)
        steps = Steps(step_ns, 0, covered, payment)
        index_ns = max(0, beyond_ns - (count - covered) * step_ns)
        return [PaidSpan(start_ns, start_ns + covered * step_ns, index_ns, match, None, (steps,))]

    def _units(self, balance: Balance, step_ns: int) -> tuple[int, float]:
        """Nanos of units that one step takes, and the factor in it."""
        factor = balance.factor(self.call.factor_id)
        if factor == 1:
            return step_ns * NANOS, factor
        return round_to_nanos(float(step_ns) * factor, self.settings.rounding_decimals, Rounding.UP), factor

    def _free_match(self, balance: Balance) -> tuple[str, str]:
        number = self.call.destination
        if balance.destinations and ANY not in balance.destinations:
            for length in range(len(number), 0, -1):
                for name in self.tariff.destinations.get(number[:length], ()):
                    if balance.destinations.get(name):
                        return name, number[:length]
        return ANY, number

    def _take_priced(self, purse: Purse, is_unit: bool) -> list[PaidSpan] | Refusal:
        """Rates what is left, with the balance's subject if it has one, and pays as much as possible."""
        spans = self._rate(_own_subject(purse.balance))
        if isinstance(spans, Refusal):
            return spans
        fee = None
        if not self.parts and self.call.loop == 0:
            fee = (
                self._pay_fee(spans[0], purse.owner)
                if self.call.direct_nanos is None
                else _told_fee(spans[0], purse)
            )
            if fee is None:
                return []
        before_nanos = purse.value_nanos
        found = self._pay_spans(spans, purse, is_unit, fee)
        if self.call.direct_nanos is not None and found and found[-1].end_ns >= self.call.end_ns:
            purse.value_nanos = before_nanos
            purse.pay(self.call.direct_nanos)
        return found

    def _pay_spans(
        self, spans: tuple[RatedSpan, ...], purse: Purse, is_unit: bool, fee: Steps | None
    ) -> list[PaidSpan]:
        found: list[PaidSpan] = []
        for number, span in enumerate(spans):
            opened = Opened(span)
            if number == 0 and fee is not None and fee.cost_nanos > 0:
                opened.fee = fee
            is_whole = self._pay_parts(opened, purse, is_unit)
            found.extend(opened.paid_spans())
            if not is_whole:
                break
        return found

    def _rate(self, subject: str) -> tuple[RatedSpan, ...] | Refusal:
        call = self.call
        if subject:
            call = msgspec.structs.replace(call, subject=subject, account=subject)
        matched = match_call(self.tariff, call, self.settings)
        if isinstance(matched, Refusal):
            return matched
        return self._rate_matched(matched)

    def _rate_matched(self, matched: Matched) -> tuple[RatedSpan, ...] | Refusal:
        call = self.call
        spans, self.matched = rate_matched(call, matched, self.settings)
        if not spans:
            return Refusal.UNAUTHORIZED_DESTINATION
        duration_ns = call.end_ns - call.start_ns
        if call.index_ns < duration_ns:
            self.call = msgspec.structs.replace(call, index_ns=duration_ns)
        return spans

    def _pay_fee(self, span: RatedSpan, owner: str) -> Steps | None:
        """Takes the connect fee: from money that can pay it, else below zero; None where a blocker forbids it."""
        fee_nanos = connect_fee(span)
        local_ns = self.call.start_ns + self.call.offset_ns
        for purse in self.money:
            if purse.value_nanos >= fee_nanos and is_timed(purse.balance, local_ns, self.tariff):
                break
            if purse.balance.is_blocker:
                return None
        else:
            if fee_nanos == 0:
                return Steps(0, 0, 1)
            purse = self.books.default_purse(owner)
            self.fee_is_negative = True
        purse.pay(fee_nanos)
        return Steps(0, fee_nanos, 1, Payment(owner, money_uid=purse.balance.uid))

    def _pay_parts(self, opened: Opened, purse: Purse, is_unit: bool) -> bool:
        """Pays the equal parts of a span in turn; False where one of them could not be paid whole."""
        rated = opened.span.increments
        for number in range(opened.span.factor):
            if rated is None:
                opened.write([], 0)
                continue
            segments = self._pay_steps(opened.span, rated.count, purse, is_unit)
            paid = sum(steps.count for steps in segments)
            if paid or (number == 0 and opened.fee is not None):
                opened.write(segments, paid)
            if paid < rated.count:
                return False
        return True

    def _pay_steps(self, span: RatedSpan, count: int, purse: Purse, is_unit: bool) -> list[Steps]:
        """Pays up to `count` steps; every turn of the loop changes who pays or reaches the cap."""
        assert span.increments is not None
        assert span.interval is not None
        step_ns, cost_nanos = span.increments.duration_ns, span.increments.cost_nanos
        cap_nanos, strategy = span.interval.max_cost_nanos, span.interval.max_cost_strategy
        segments: list[Steps] = []
        while count > 0:
            is_capped = strategy in (_FREE, _DISCONNECT) and self.so_far_nanos >= cap_nanos
            if is_capped and strategy == _FREE:
                segments.append(Steps(step_ns, 0, count, Payment(purse.owner, money_uid=purse.balance.uid)))
                break
            if is_capped and self.is_dry:
                self.hit_cap = self.held_back = True
                break
            room = count
            if not is_capped and strategy in (_FREE, _DISCONNECT) and cost_nanos > 0:
                room = min(count, -(-(cap_nanos - self.so_far_nanos) // cost_nanos))
            paid = (
                self._pay_units(purse, step_ns, cost_nanos, room)
                if is_unit
                else self._pay_money(purse, step_ns, cost_nanos, room)
            )
            if paid is None:
                break
            segments.append(paid)
            self.so_far_nanos += paid.count * cost_nanos
            count -= paid.count
        return segments

    def _pay_money(self, purse: Purse, step_ns: int, cost_nanos: int, count: int) -> Steps | None:
        covered = purse.affordable(cost_nanos, count)
        if covered == 0:
            return None
        purse.pay(cost_nanos, covered)
        return Steps(step_ns, cost_nanos, covered, Payment(purse.owner, money_uid=purse.balance.uid))

    def _pay_units(self, purse: Purse, step_ns: int, cost_nanos: int, count: int) -> Steps | None:
        """Steps that take units and, where they have a price, money of the first balance that can pay it."""
        price_nanos, factor = self._units(purse.balance, step_ns)
        money: Purse | None = None
        covered = purse.affordable(price_nanos, count)
        if covered and cost_nanos:
            money = self._payer(purse.owner, cost_nanos)
            if money is None:
                return None
            if money is purse:
                highest = max(price_nanos, cost_nanos)
                covered = min(count, (purse.value_nanos - highest) // (price_nanos + cost_nanos) + 1)
            elif money.value_nanos >= cost_nanos:
                covered = money.affordable(cost_nanos, covered)
        if covered <= 0:
            return None
        purse.pay(price_nanos, covered)
        if money is not None:
            money.pay(cost_nanos, covered)
        uid = money.balance.uid if money is not None else ""
        return Steps(
            step_ns, cost_nanos, covered, Payment(purse.owner, purse.balance.uid, price_nanos, factor, uid)
        )

    def _payer(self, owner: str, cost_nanos: int) -> Purse | None:
        for money in self.money:
            if money.value_nanos >= cost_nanos:
                return money
        account = self.books.account(owner)
        if not self.is_dry or (account is not None and account.allows_negative):
            return self.books.default_purse(owner)
        self.held_back = True
        return None

    def leave(self, goes_negative: bool) -> Refusal | None:
        """Charges what no balance covered: free where its rounded cost is zero, else below zero if allowed.

        It goes on with the match of the last rating, be it that of a balance's own subject.
        """
        spans = self._rate("") if self.matched is None else self._rate_matched(self.matched)
        if isinstance(spans, Refusal):
            return spans
        if total_nanos(spans, self.call, self.settings) == 0:
            self.parts.extend(self._unpaid(span) for span in spans)
        elif goes_negative:
            self._overdraw(spans)
        return None

    def _unpaid(self, span: RatedSpan) -> PaidSpan:
        payment = Payment(self.account_id)
        steps = span.increments
        once_nanos = steps.cost_nanos * steps.count if steps else span.whole_nanos
        return PaidSpan(
            span.start_ns,
            span.end_ns,
            span.index_ns,
            span.match,
            span.interval,
            (Steps(steps.duration_ns, steps.cost_nanos, steps.count, payment),) if steps else (),
            factor=span.factor,
            cost_nanos=once_nanos * span.factor,
            whole_nanos=0 if steps else span.whole_nanos,
        )

    def _overdraw(self, spans: tuple[RatedSpan, ...]) -> None:
        """Takes the rest from the `*default` balance; of equal parts all are paid, but only the last is told."""
        fee = None
        if not self.parts and self.call.loop == 0:
            fee = self._pay_fee(spans[0], self.account_id)
        purse = self.books.default_purse(self.account_id)
        payment = Payment(self.account_id, money_uid=purse.balance.uid)
        for number, span in enumerate(spans):
            opened = Opened(last_part(span))
            if number == 0 and span.factor == 1 and fee is not None and fee.cost_nanos > 0:
                opened.fee = fee
            steps = span.increments
            if steps is None:
                opened.write([], 0)
            else:
                purse.pay(steps.cost_nanos, steps.count * span.factor)
                opened.write([Steps(steps.duration_ns, steps.cost_nanos, steps.count, payment)], steps.count)
            self.parts.extend(opened.paid_spans())

    def spent(self, *, is_final: bool) -> Spent:
        """The outcome, with equal neighbours merged."""
        decimals = self.settings.rounding_decimals
        cost_nanos = 0
        for part in self.parts:
            cost_nanos = snap_nanos(cost_nanos + part.cost_nanos, decimals)
        usage_ns = sum(part.end_ns - part.start_ns for part in self.parts)
        return Spent(
            PaidCall(cost_nanos, usage_ns, merge_spans(self.parts)),
            self.owes_fee,
            self.so_far_nanos,
            is_final,
        )
