"""Reservation arithmetic of sessions: what initiating, updating and ending one does to its runs.

A session has one run per charger. Every function takes the state and returns the new one with the accounts it
changed; nothing is kept here.
"""

from collections.abc import Mapping

import msgspec

from ocs.charging.cgrates import event_cost
from ocs.charging.cgrates.account import Account, Snapshot
from ocs.charging.cgrates.authorize import authorize
from ocs.charging.cgrates.call import DYNAPREPAID, PREPAID, PSEUDOPREPAID, Call, Refusal
from ocs.charging.cgrates.model import Charge, Context, Match, Report, Run, Stepped, Steps
from ocs.charging.cgrates.usage import debit_call, max_debit, max_usage

DEBITING = (PREPAID, DYNAPREPAID)  # runs that take money while the session lasts
PAUSE = Match("", "", "", "*pause")  # rating of time that is not charged


def after(context: Context, accounts: Mapping[str, Account]) -> Context:
    """A context with changed accounts."""
    if not accounts:
        return context
    snapshot = context.snapshot
    merged = Snapshot({**snapshot.accounts, **accounts}, snapshot.members)
    return Context(merged, context.tariff, context.settings, context.now_ns)


def update(context: Context, runs: tuple[Run, ...], report: Report) -> Stepped:
    """Settles the last grant of every run and grants more; the smallest grant is the answer.

    An error ends it, with the runs before it debited.
    """
    report = _from_total(report, runs[0]) if runs else report
    done: list[Run] = []
    grants: list[int] = []
    for number, run in enumerate(runs):
        run, context, outcome = _update_run(context, run, report)
        done.append(run)
        if isinstance(outcome, Refusal):
            return Stepped((*done, *runs[number + 1 :]), context, outcome)
        grants.append(outcome)
    return Stepped(tuple(done), context, min(grants, default=report.wanted_ns))


def pause(context: Context, runs: tuple[Run, ...], report: Report) -> Stepped:
    """Lets time pass that nobody pays: the pool goes back into it, and later debits do not start a call."""
    done: list[Run] = []
    for run in runs:
        if run.request_type in DEBITING:
            call = next_period(run.call, report.wanted_ns)
            step = Steps(report.wanted_ns, 0, 1)
            charge = Charge(PAUSE, None, (step,))
            run = msgspec.structs.replace(
                run,
                call=msgspec.structs.replace(call, loop=call.loop + 1),
                last_usage_ns=report.wanted_ns,
                total_usage_ns=run.total_usage_ns + report.wanted_ns,
                charges=event_cost.merge(run.charges or (), (charge,)),
            )
        done.append(run)
    return Stepped(tuple(done), context, report.wanted_ns)


def terminate(
    context: Context,
    runs: tuple[Run, ...],
    usage_ns: int | None,
    last_used_ns: int | None,
    further_ns: int = 0,
) -> Stepped:
    """Ends every run at its usage: debits what is missing, refunds what was too much, rounds.

    What is used `further` than that, which only a session that fell silent has, is a charge of its own.
    """
    done: list[Run] = []
    refusal: Refusal | None = None
    for run in runs:
        total_ns = usage_ns
        if total_ns is None and last_used_ns is not None:
            total_ns = run.total_usage_ns - run.last_usage_ns + last_used_ns
        elif total_ns is None:
            total_ns = run.total_usage_ns
        run, context, refused = _end_run(context, run, total_ns, further_ns)
        refusal = refusal or refused
        done.append(run)
    return Stepped(tuple(done), context, refusal or 0)


def message(context: Context, runs: tuple[Run, ...], report: Report, usage_ns: int | None) -> Stepped:
    """A session of one request: it grants, and ends at a usage, or at what was granted where none is given.

    A refused grant gives everything back; a refused end is the outcome, with the grant kept.
    """
    granted = update(context, runs, report)
    if isinstance(granted.outcome, Refusal):
        return Stepped(granted.runs, refund_all(granted.context, granted.runs), granted.outcome)
    ended = terminate(granted.context, granted.runs, granted.outcome if usage_ns is None else usage_ns, None)
    outcome = ended.outcome if isinstance(ended.outcome, Refusal) else granted.outcome
    return Stepped(ended.runs, ended.context, outcome)


def refund_all(context: Context, runs: tuple[Run, ...]) -> Context:
    """Gives everything back that the runs have taken."""
    for run in runs:
        if run.charges:
            books = event_cost.refund(
                context.snapshot, run.charges, run.call.kind, context.settings, is_partial=False
            )
            context = after(context, books.changed())
    return context


def _from_total(report: Report, run: Run) -> Report:
    """A report by running total as one by requested and used; less than what is booked is charged once more."""
    total_ns, known_ns = report.total_ns, run.total_usage_ns
    if total_ns is None:
        return report
    if known_ns == 0:
        return Report(total_ns)
    if total_ns >= known_ns:
        return Report(total_ns - known_ns)
    return Report(0, known_ns - total_ns + run.last_usage_ns)


def _update_run(context: Context, run: Run, report: Report) -> tuple[Run, Context, int | Refusal]:
    if run.request_type in DEBITING:
        return _debit_run(context, run, report)
    if run.request_type == PSEUDOPREPAID:
        found = max_usage(context.snapshot, context.tariff, run.call, context.settings)
        if isinstance(found, Refusal):
            return run, context, found
        return run, after(context, found.accounts), found.usage_ns
    return run, context, report.wanted_ns


def _debit_run(context: Context, run: Run, report: Report) -> tuple[Run, Context, int | Refusal]:
    """The pool of debited but unused time pays first; what it lacks is debited.

    A debit that fails gives the pool back but leaves the moved period; one that covers nothing ends at the present
    time, from which later ones go on.
    """
    used_ns, wanted_ns = report.last_used_ns, report.wanted_ns
    if used_ns is not None and used_ns != run.last_usage_ns:
        unused_ns = run.last_usage_ns - used_ns
        run = msgspec.structs.replace(
            run,
            extra_ns=run.extra_ns + unused_ns,
            total_usage_ns=run.total_usage_ns - unused_ns,
            last_usage_ns=used_ns,
        )
    if run.extra_ns >= wanted_ns:
        run = msgspec.structs.replace(
            run,
            extra_ns=run.extra_ns - wanted_ns,
            last_usage_ns=wanted_ns,
            total_usage_ns=run.total_usage_ns + wanted_ns,
        )
        return run, context, wanted_ns
    pool_ns, missing_ns = run.extra_ns, wanted_ns - run.extra_ns
    call = next_period(run.call, missing_ns)
    debited = max_debit(context.snapshot, context.tariff, call, context.settings)
    if isinstance(debited, Refusal):
        return msgspec.structs.replace(run, call=call, extra_ns=pool_ns), context, debited
    paid = debited.paid
    covered_ns = sum(span.end_ns - span.start_ns for span in paid.spans)
    granted_ns = wanted_ns if covered_ns >= missing_ns else covered_ns + pool_ns
    end_ns = paid.spans[-1].end_ns if paid.spans else context.now_ns
    charges = run.charges
    if covered_ns != 0:
        fresh = event_cost.charges_of(paid, is_late=charges is not None)
        charges = event_cost.merge(charges, fresh) if charges is not None else fresh
    run = msgspec.structs.replace(
        run,
        call=msgspec.structs.replace(
            call,
            end_ns=end_ns,
            index_ns=call.index_ns + covered_ns - missing_ns,
            max_cost_so_far_nanos=call.max_cost_so_far_nanos + paid.cost_nanos,
            loop=call.loop + 1,
        ),
        extra_ns=max(0, covered_ns - missing_ns),
        last_usage_ns=granted_ns,
        total_usage_ns=run.total_usage_ns + granted_ns,
        charges=charges,
    )
    return run, after(context, debited.accounts), granted_ns


def next_period(call: Call, missing_ns: int) -> Call:
    """The period behind the last debit."""
    start_ns = call.end_ns if call.loop > 0 else call.start_ns
    return msgspec.structs.replace(
        call, start_ns=start_ns, end_ns=start_ns + missing_ns, index_ns=call.index_ns + missing_ns
    )


def _end_run(
    context: Context, run: Run, total_ns: int, further_ns: int = 0
) -> tuple[Run, Context, Refusal | None]:
    """Brings the charges to a usage and rounds them, be the missing part refused or not."""
    total_ns += further_ns
    run = msgspec.structs.replace(run, total_usage_ns=total_ns)
    if run.charges is None:
        return run, context, None
    charges, refusal = run.charges, None
    missing_ns = total_ns - event_cost.usage_ns(charges)
    if missing_ns > 0:
        call = next_period(run.call, missing_ns)
        debited = debit_call(context.snapshot, context.tariff, call, context.settings)
        if isinstance(debited, Refusal):
            refusal = debited
        else:
            context = after(context, debited.accounts)
            late = event_cost.charges_of(debited.paid, is_late=True)
            charges = (*charges, *late) if further_ns else event_cost.merge(charges, late)
    elif missing_ns < 0:
        charges, surplus = event_cost.trim(charges, total_ns)
        books = event_cost.refund(
            context.snapshot, surplus, run.call.kind, context.settings, is_partial=bool(charges)
        )
        context = after(context, books.changed())
    charges, books = event_cost.book_rounding(context.snapshot, charges, context.settings)
    return msgspec.structs.replace(run, charges=charges), after(context, books.changed()), refusal


def authorize_run(context: Context, run: Run) -> int | Refusal:
    """What an authorization of a run would allow."""
    found = authorize(context.snapshot, context.tariff, run.call, run.request_type, context.settings)
    return found if isinstance(found, Refusal) else found.usage_ns
