"""Rates one run of a call detail record: from its session's charges, by a debit, or by price alone."""

import msgspec

from ocs.charging.cgrates import event_cost
from ocs.charging.cgrates.call import (
    DIRECT_DEBIT,
    DYNAPREPAID,
    NONE,
    POSTPAID,
    PREPAID,
    PSEUDOPREPAID,
    Call,
    Refusal,
)
from ocs.charging.cgrates.cost import call_cost
from ocs.charging.cgrates.grid import NANOS
from ocs.charging.cgrates.model import Charges, Context, RatedCdr, Run
from ocs.charging.cgrates.session import after
from ocs.charging.cgrates.usage import debit_call

UNRATED_NANOS = -NANOS
SESSIONS = "*sessions"
CDRS = "*cdrs"


def rate_cdr(context: Context, call: Call, request_type: str) -> tuple[RatedCdr, Context, Charges | None]:
    """Rates a run that has no charges yet; the charges are None where there is no cost."""
    usage_ns = call.duration_ns
    if request_type == NONE:
        return RatedCdr(usage_ns, UNRATED_NANOS, ""), context, None
    if request_type == DIRECT_DEBIT:
        if call.direct_nanos is None:
            return RatedCdr(usage_ns, UNRATED_NANOS, "", str(Refusal.COST_MISSING)), context, None
        if usage_ns <= 0:
            return RatedCdr(usage_ns, UNRATED_NANOS, "", str(Refusal.NO_INTERVAL)), context, None
    if request_type in (PREPAID, DYNAPREPAID, POSTPAID, PSEUDOPREPAID, DIRECT_DEBIT):
        call = msgspec.structs.replace(call, performs_rounding=True, index_ns=usage_ns)
        debited = debit_call(context.snapshot, context.tariff, call, context.settings)
        if isinstance(debited, Refusal):
            return RatedCdr(usage_ns, UNRATED_NANOS, "", str(debited)), context, None
        charges = event_cost.charges_of(debited.paid)
        return RatedCdr(usage_ns, debited.paid.cost_nanos, CDRS), after(context, debited.accounts), charges
    cost = call_cost(context.tariff, call, context.settings)
    if isinstance(cost, Refusal):
        return RatedCdr(usage_ns, UNRATED_NANOS, "", str(cost)), context, None
    return RatedCdr(usage_ns, cost.cost_nanos, CDRS), context, event_cost.unpaid_charges(cost)


def rate_session_cdr(context: Context, run: Run, first: Call) -> tuple[RatedCdr, Context, Charges | None]:
    """Rates a run of a session, `first` being the period of its init event.

    Charges that do not cover the usage are refunded and the whole usage is debited anew.
    """
    usage_ns = run.total_usage_ns
    charges: Charges | None = run.charges if run.request_type not in (NONE,) else None
    call = msgspec.structs.replace(first, end_ns=first.start_ns + usage_ns)
    if charges is None:
        return rate_cdr(context, call, run.request_type)
    if event_cost.usage_ns(charges) >= usage_ns:
        rated = RatedCdr(usage_ns, event_cost.cost_nanos(charges, context.settings), SESSIONS)
        return rated, context, charges
    books = event_cost.refund(context.snapshot, charges, call.kind, context.settings, is_partial=False)
    cdr, context, charges = rate_cdr(after(context, books.changed()), call, run.request_type)
    return msgspec.structs.replace(cdr, source=cdr.source or SESSIONS), context, charges
