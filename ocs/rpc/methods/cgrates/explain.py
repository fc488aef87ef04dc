"""`OcsV1.Explain` on CGRateS' arithmetic: why a record, or a session that is open, cost what it did."""

from typing import Any

import msgspec

from ocs.cgrates.cdr_filter import CdrFilter
from ocs.cgrates.details import Details
from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates import event_cost
from ocs.charging.cgrates.call import Call
from ocs.charging.cgrates.explain import Explained, explain
from ocs.rpc.errors import InvalidParams, NotFound
from ocs.rpc.methods.cgrates.table import Table
from ocs.rpc.registry import Role
from ocs.sessions.accounting import Rated
from ocs.sessions.cdrs import cdr_of
from ocs.sessions.model import Cdr, Session

TABLE = Table()
MOST_RUNS = 100  # that one id may have


class BalanceUse(msgspec.Struct, frozen=True):
    """What a run took of a balance, in nanos of its currency or unit.

    `before_nanos` is what it held before the first debit of the run, `after_nanos` when the record was made; what
    others took or gave meanwhile is the difference. None where it was not written down: of balances of others.
    """

    account: str
    balance: str
    kind: str
    taken_nanos: int
    before_nanos: int | None = None
    after_nanos: int | None = None
    by_others_nanos: int | None = None


class ExplainedRun(msgspec.Struct, frozen=True):
    """One charged view of a call."""

    run: str
    order_id: int
    request_type: str
    account: str
    subject: str
    category: str
    kind: str
    destination: str
    started_at_ns: int
    usage: int
    cost_nanos: int
    source: str
    info: str
    charges: tuple[Explained, ...]
    balances: tuple[BalanceUse, ...]
    charges_nanos: int
    is_open: bool = False


class ExplainedCall(msgspec.Struct, frozen=True):
    """A call with all its runs; `is_complete` where the charges of each add up to its cost."""

    session: str
    client: str
    cgrid: str
    tenant: str
    runs: tuple[ExplainedRun, ...]
    is_complete: bool
    arithmetic: str = "cgrates"


@TABLE.method("OcsV1.Explain", role=Role.READ)
async def explain_call(runtime: Runtime, given: Given) -> Any:
    """Explain a call by its OriginID or CGRID, or the last one of an account: price, increments and balances."""
    session, account, client = given.text("session"), given.text("account"), given.text("client")
    if session:
        cdrs, is_open = await _by_name(runtime, session, client, account)
    elif account:
        cdrs, is_open = await _last(runtime, account), False
    else:
        raise InvalidParams("session: is missing; or name the account")
    if not cdrs:
        raise NotFound(f"no record of {(session or account)[:200]}")
    runs = tuple(_run(runtime, cdr, is_open) for cdr in cdrs)
    first = cdrs[0]
    is_complete = all(run.charges_nanos == run.cost_nanos for run in runs if run.charges)
    found = ExplainedCall(first.origin_id, first.origin_host, first.cgrid, first.tenant, runs, is_complete)
    return msgspec.to_builtins(found)


async def _by_name(runtime: Runtime, name: str, client: str, account: str) -> tuple[list[Cdr], bool]:
    """The records of the newest call of that name, else what is known of it while it is open."""
    hosts = {"OriginHost": frozenset([client])} if client else {}
    for member in ("CGRID", "OriginID"):
        wanted = {member: frozenset([name]), **hosts, **_of_account(account)}
        found = await runtime.state.cdrs.select(CdrFilter(wanted=wanted, is_descending=True, limit=MOST_RUNS))
        if found:
            return [cdr for cdr in found if cdr.cgrid == found[0].cgrid][::-1], False
    sessions = runtime.state.sessions
    one = sessions.get(name) or next(
        (each for each in sessions.values() if _is_called(each, name, client)), None
    )
    return ([] if one is None else _so_far(runtime, one)), True


def _of_account(account: str) -> dict[str, frozenset[str]]:
    tenant, colon, name = account.rpartition(":")
    found = {"Account": frozenset([name])} if name else {}
    return {**found, "Tenant": frozenset([tenant])} if colon else found


def _is_called(session: Session, name: str, client: str) -> bool:
    event = session.event
    return event.get("OriginID") == name and (not client or event.get("OriginHost") == client)


async def _last(runtime: Runtime, account: str) -> list[Cdr]:
    """The newest call of an account that cost anything, or that was for nothing."""
    newest = CdrFilter(wanted=_of_account(account), min_cost_nanos=0, is_descending=True, limit=1)
    found = await runtime.state.cdrs.select(newest)
    if not found:
        return []
    runs = CdrFilter(wanted={"CGRID": frozenset([found[0].cgrid])}, limit=MOST_RUNS)
    return await runtime.state.cdrs.select(runs)


def _so_far(runtime: Runtime, session: Session) -> list[Cdr]:
    """What the records of an open session would be now."""
    accounting, now_ns = runtime.sessions.accounting, runtime.wall_ns()
    found = []
    for run in session.runs:
        details: Details | None = accounting.details_of(run)
        cost_nanos = 0 if details is None else event_cost.cost_nanos(details.charges, runtime.arithmetic)
        rated = Rated(accounting.used(run), cost_nanos, "", details=details)
        found.append(cdr_of(session.tenant, session.cgrid, run, rated, now_ns))
    return [msgspec.structs.replace(cdr, updated_ns=now_ns) for cdr in found]


def _run(runtime: Runtime, cdr: Cdr, is_open: bool) -> ExplainedRun:
    details = None if cdr.cost_details is None else _details(cdr.cost_details)
    charges: tuple[Explained, ...] = ()
    balances: tuple[BalanceUse, ...] = ()
    if details is not None:
        is_same = runtime.state.prices_changed_ns <= cdr.updated_ns
        tariff = runtime.state.tariff if is_same else None
        names = {each.uid: each.balance_id or each.uid for each in details.balances}
        charges = explain(details.charges, _call(cdr, details), tariff, runtime.arithmetic, names)
        balances = tuple(_uses(cdr, details))
    return ExplainedRun(
        cdr.run_id,
        cdr.order_id,
        cdr.request_type,
        f"{cdr.tenant}:{cdr.account}",
        cdr.subject,
        cdr.category,
        cdr.tor,
        cdr.destination,
        cdr.answer[0] or cdr.setup[0],
        cdr.usage,
        cdr.cost_nanos,
        cdr.cost_source,
        cdr.extra_info,
        charges,
        balances,
        0 if details is None else event_cost.cost_nanos(details.charges, runtime.arithmetic),
        is_open,
    )


def _details(stored: Any) -> Details:
    return stored if isinstance(stored, Details) else msgspec.convert(stored, Details)


def _call(cdr: Cdr, details: Details) -> Call:
    return Call(
        tenant=cdr.tenant,
        category=cdr.category,
        destination=cdr.destination,
        kind=details.kind,
        subject=cdr.subject,
        account=cdr.account,
        start_ns=details.start_ns,
        end_ns=details.start_ns + max(cdr.usage, 1),
        offset_ns=details.offset_ns,
    )


def _uses(cdr: Cdr, details: Details) -> list[BalanceUse]:
    """The balances that paid, in the order in which they did, then those of the account that did not."""
    taken = event_cost.taken_nanos(details.charges)
    payers = {
        uid: steps.payment.account_id
        for charge in details.charges
        for steps in charge.steps
        for uid in (steps.payment.unit_uid, steps.payment.money_uid)
        if uid
    }
    known = {each.uid: each for each in details.balances}
    before = dict(details.before)
    found = []
    for uid in dict.fromkeys((*payers, *known)):
        balance, took = known.get(uid), taken.get(uid, 0)
        after_nanos = None if balance is None else balance.value_nanos
        before_nanos = before.get(uid)
        others = None
        if before_nanos is not None and after_nanos is not None:
            others = after_nanos - (before_nanos - took)
        name = uid if balance is None else balance.balance_id or uid
        kind = "" if balance is None else balance.kind
        owner = payers.get(uid) or details.account_id
        found.append(BalanceUse(owner, name, kind, took, before_nanos, after_nanos, others))
    return found
