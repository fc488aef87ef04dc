"""The three questions put to an account: how long could this call last, debit what can be paid, debit it all."""

import msgspec

from ocs.charging.cgrates.account import DEFAULT_ID, Account, Snapshot
from ocs.charging.cgrates.call import MONETARY, Call, Refusal
from ocs.charging.cgrates.cost import correction_nanos, exceeds, rate
from ocs.charging.cgrates.debit import debit
from ocs.charging.cgrates.model import Debited, MaxUsage, PaidCall, PaidSpan, Spent
from ocs.charging.cgrates.paid import span_cost
from ocs.charging.cgrates.plan import Settings, Tariff
from ocs.charging.cgrates.purse import Books
from ocs.charging.cgrates.spans import slot_at

UNLIMITED = -1


class _Probe:
    """A dry run: how much can be paid, and what was tried, kept where a debit would do the very same."""

    def __init__(self, found: MaxUsage, spent: Spent | None = None, books: Books | None = None) -> None:
        self.found = found
        self.spent = spent
        self.books = books


def max_usage(snapshot: Snapshot, tariff: Tariff, call: Call, settings: Settings) -> MaxUsage | Refusal:
    """Longest usage the account can pay, at most the call's."""
    probe = _probe(snapshot, tariff, call, settings)
    return probe if isinstance(probe, Refusal) else probe.found


def _probe(snapshot: Snapshot, tariff: Tariff, call: Call, settings: Settings) -> _Probe | Refusal:
    duration_ns = call.end_ns - call.start_ns
    if exceeds(settings.max_usage, call.kind, duration_ns):
        return Refusal.MAX_USAGE_EXCEEDED
    account = snapshot.accounts.get(account_id(call))
    if account is None:
        return Refusal.ACCOUNT_NOT_FOUND
    if account.is_disabled:
        return Refusal.ACCOUNT_DISABLED
    if account.allows_negative:
        return _Probe(MaxUsage(UNLIMITED))
    if duration_ns <= 0:
        return _Probe(MaxUsage(0))
    books = Books(snapshot, settings)
    whole = _indexed(call)
    spent = debit(books, tariff, whole, settings, account.account_id, is_dry=True, goes_negative=False)
    if isinstance(spent, Refusal):
        return spent
    usage_ns = 0 if spent.owes_fee else _payable_ns(spent, call, account)
    if not call.performs_rounding:
        is_same = spent.is_final and usage_ns == duration_ns
        return _Probe(MaxUsage(usage_ns), spent if is_same else None, books if is_same else None)
    stored = Books(snapshot, settings)
    _book_rounding(_rounded(spent.paid, settings), stored)
    return _Probe(MaxUsage(usage_ns, stored.changed()))


def debit_call(snapshot: Snapshot, tariff: Tariff, call: Call, settings: Settings) -> Debited | Refusal:
    """Debits a call whole; what the balances lack goes below zero unless that is denied."""
    if exceeds(settings.max_usage, call.kind, call.duration_ns):
        return Refusal.MAX_USAGE_EXCEEDED
    account = snapshot.accounts.get(account_id(call))
    if account is None:
        return Refusal.ACCOUNT_NOT_FOUND
    if account.is_disabled:
        return Refusal.ACCOUNT_DISABLED
    return _debit(snapshot, tariff, call, settings)


def max_debit(snapshot: Snapshot, tariff: Tariff, call: Call, settings: Settings) -> Debited | Refusal:
    """Debits what the account can pay of a call, which may be nothing; all or nothing where the call forces it.

    What the dry run booked on the account stays only where nothing is debited: a debit writes over it. A dry run
    that covers the whole call, and held nothing back for being dry, is the debit.
    """
    probe = _probe(snapshot, tariff, call, settings)
    if isinstance(probe, Refusal):
        return probe
    if probe.spent is not None and probe.books is not None:
        return Debited(probe.spent.paid, probe.books.changed())
    found = probe.found
    usage_ns = found.usage_ns
    if usage_ns != UNLIMITED and call.forces_duration and usage_ns != call.duration_ns:
        return Refusal.INSUFFICIENT_CREDIT
    if usage_ns == 0:
        return Debited(PaidCall(), found.accounts)
    if usage_ns != UNLIMITED:
        missing_ns, call = call.duration_ns - usage_ns, _indexed(call)
        call = msgspec.structs.replace(
            call, end_ns=call.end_ns - missing_ns, index_ns=max(0, call.index_ns - missing_ns)
        )
    others = {key: account for key, account in found.accounts.items() if key != account_id(call)}
    seen = msgspec.structs.replace(snapshot, accounts={**snapshot.accounts, **others})
    debited = _debit(seen, tariff, call, settings)
    if isinstance(debited, Refusal):
        return debited
    return Debited(debited.paid, {**others, **debited.accounts})


def _indexed(call: Call) -> Call:
    """The call with an index of at least its own length, so that parts in front count as used."""
    duration_ns = call.end_ns - call.start_ns
    return call if call.index_ns >= duration_ns else msgspec.structs.replace(call, index_ns=duration_ns)


def account_id(call: Call) -> str:
    """Key of the account that pays a call: its subject where no account is named."""
    return f"{call.tenant}:{call.account or call.subject}"


def book_rounding(snapshot: Snapshot, paid: PaidCall, settings: Settings) -> Debited:
    """Rounds a paid call by its plan and books the difference."""
    books = Books(snapshot, settings)
    rounded = _rounded(paid, settings)
    _book_rounding(rounded, books)
    return Debited(rounded, books.changed())


def _debit(snapshot: Snapshot, tariff: Tariff, call: Call, settings: Settings) -> Debited | Refusal:
    if call.duration_ns <= 0:
        return Debited(_nothing(tariff, call, settings))
    books = Books(snapshot, settings)
    spent = debit(
        books,
        tariff,
        call,
        settings,
        account_id(call),
        is_dry=False,
        goes_negative=not call.denies_negative,
    )
    if isinstance(spent, Refusal):
        return spent
    paid = spent.paid
    if call.performs_rounding:
        paid = _rounded(paid, settings)
        _book_rounding(paid, books)
    return Debited(paid, books.changed())


def _nothing(tariff: Tariff, call: Call, settings: Settings) -> PaidCall:
    """A call without duration: no cost, but its match where there is one."""
    spans = rate(tariff, call, settings)
    if isinstance(spans, Refusal):
        return PaidCall()
    return PaidCall(spans=tuple(PaidSpan(s.start_ns, s.end_ns, 0, s.match, None, factor=0) for s in spans))


def _payable_ns(spent: Spent, call: Call, account: Account) -> int:
    """Walks what a dry run covered up to the first step paid with debt, or priced above the limit of the call."""
    credit_nanos, uid = _default_credit(account)
    total_ns, wanted_ns = 0, call.end_ns - call.start_ns
    for span in spent.paid.spans:
        if _is_too_dear(span, call):
            return total_ns
        for _ in range(span.factor):
            for steps in span.steps:
                count = steps.count
                if steps.payment.money_uid == uid and steps.cost_nanos > 0:
                    count = min(count, max(0, credit_nanos // steps.cost_nanos))
                    credit_nanos -= steps.cost_nanos * count
                total_ns += steps.duration_ns * count
                if total_ns >= wanted_ns and steps.duration_ns:
                    return wanted_ns
                if count < steps.count:
                    return total_ns
    return total_ns


def _default_credit(account: Account) -> tuple[int, str]:
    for balance in account.balances.get(MONETARY, ()):
        if balance.balance_id == DEFAULT_ID:
            return balance.value_nanos, balance.uid
    return 0, f"{account.account_id}:{DEFAULT_ID}"


def _is_too_dear(span: PaidSpan, call: Call) -> bool:
    if call.max_rate <= 0 or call.max_rate_unit_ns <= 0 or span.interval is None:
        return False
    slot = slot_at(span.interval.rate, max(0, span.index_ns - (span.end_ns - span.start_ns)))
    if slot is None:
        return False
    return slot.price / (slot.unit_ns / 1e9) > call.max_rate / (call.max_rate_unit_ns / 1e9)


def _rounded(paid: PaidCall, settings: Settings) -> PaidCall:
    """The call with the rounding correction of every span whose first step was paid with money."""
    spans = tuple(_with_correction(span, settings) for span in paid.spans)
    corrected = sum(span.rounding_nanos for span in spans)
    return PaidCall(paid.cost_nanos + corrected, paid.usage_ns, spans)


def _with_correction(span: PaidSpan, settings: Settings) -> PaidSpan:
    if not span.steps or span.interval is None:
        return span
    first = span.steps[0]
    if not first.payment.money_uid or first.cost_nanos == 0:
        return span
    cost_nanos = span_cost(span, settings.rounding_decimals)
    return msgspec.structs.replace(span, rounding_nanos=correction_nanos(cost_nanos, span.interval))


def _book_rounding(paid: PaidCall, books: Books) -> None:
    """Charges the corrections to those who paid; a balance that is gone ends it."""
    for span in paid.spans:
        if span.rounding_nanos == 0:
            continue
        payment = span.steps[0].payment
        purse = books.find(payment.account_id, (MONETARY,), payment.money_uid)
        if purse is None:
            return
        cost_nanos = span_cost(span, purse.decimals)
        purse.correct(cost_nanos, cost_nanos + span.rounding_nanos)
