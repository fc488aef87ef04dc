"""`APIerSv1` and `RALsV1`: what calls cost, what accounts can pay, and debits of single usages."""

from typing import Any

import msgspec

from ocs.cgrates.cost_forms import rated_form
from ocs.cgrates.forms import interval_form
from ocs.cgrates.objects.errors import not_found, server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.numbers import number
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates.authorize import default_usage
from ocs.charging.cgrates.call import DATA, VOICE, Call, Refusal
from ocs.charging.cgrates.cost import call_cost, event_cost
from ocs.charging.cgrates.event_cost import unpaid_charges
from ocs.charging.cgrates.model import CallCost, RatedSpan
from ocs.charging.cgrates.plan import ANY, Activation, Tariff
from ocs.charging.cgrates.usage import account_id, debit_call, max_usage
from ocs.rpc.methods.cgrates.table import OK, Table, tenant_of
from ocs.rpc.registry import Role
from ocs.sessions import values

TABLE = Table()


def _start(runtime: Runtime, given: Given, *names: str) -> values.Moment:
    """The first moment given, with its UTC offset; now where none is."""
    now_ns = runtime.wall_ns()
    for name in names:
        if name not in given:
            continue
        try:
            at_ns, offset_ns = values.moment(given.raw(name), now_ns)
        except ValueError:
            raise server_error(f"Unsupported time format: {given.text(name)[:60]}") from None
        if at_ns:
            return at_ns, offset_ns
    return now_ns, 0


def _usage_call(runtime: Runtime, given: Given) -> Call:
    """The call a usage record describes: voice, now, of the account itself, where it says nothing else."""
    start_ns, offset_ns = _start(runtime, given, "AnswerTime", "SetupTime")
    kind = given.text("ToR") or VOICE
    usage = given.duration("Usage") if "Usage" in given else default_usage(kind, runtime.arithmetic)
    account = given.text("Account") or given.text("Subject")
    return Call(
        tenant=tenant_of(runtime, given),
        category=given.text("Category") or runtime.settings.general.default_category,
        destination=given.text("Destination"),
        kind=kind,
        subject=given.text("Subject") or account,
        account=account,
        start_ns=start_ns,
        end_ns=start_ns + usage,
        offset_ns=offset_ns,
        factor_id=values.text(given.mapping("ExtraFields").get("BalanceFactorID")),
    )


def _asked_call(runtime: Runtime, given: Given) -> Call:
    """The call of `GetCost`: category, subject and destination are `call`, `*any` and `*any` where missing."""
    start_ns, offset_ns = _start(runtime, given, "AnswerTime", "SetupTime", "TimeStart", "StartTime")
    return Call(
        tenant=tenant_of(runtime, given),
        category=given.text("Category") or runtime.settings.general.default_category,
        destination=given.text("Destination") or ANY,
        subject=given.text("Subject") or ANY,
        start_ns=start_ns,
        end_ns=start_ns + given.duration("Usage"),
        offset_ns=offset_ns,
    )


@TABLE.method("APIerSv1.GetCost", role=Role.READ, also_v2=True)
def get_cost(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Tells what a call would cost; it is rated as voice, and nobody pays."""
    return _cost(runtime, runtime.state.tariff, _asked_call(runtime, given))


def _cost(runtime: Runtime, tariff: Tariff, call: Call) -> dict[str, Any]:
    found = event_cost(tariff, call, runtime.arithmetic)
    if isinstance(found, Refusal):
        raise server_error(found)
    return rated_form(unpaid_charges(found), (call.start_ns, call.offset_ns), runtime.arithmetic)


@TABLE.method("RALsV1.GetRatingPlansCost", role=Role.READ)
def get_rating_plans_cost(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Tells what a call would cost by the first of some rating plans that has a price for it."""
    given.require("RatingPlanIDs", "Destination", "Usage")
    call, tariff = _asked_call(runtime, given), runtime.state.tariff
    for plan_id in given.texts("RatingPlanIDs"):
        if plan_id not in tariff.plans:
            continue
        profiles = {(call.tenant, call.category, call.subject): (Activation(0, plan_id),)}
        found = event_cost(msgspec.structs.replace(tariff, profiles=profiles), call, runtime.arithmetic)
        if isinstance(found, CallCost):
            start = call.start_ns, call.offset_ns
            form = rated_form(unpaid_charges(found), start, runtime.arithmetic)
            return {"EventCost": form, "RatingPlanID": plan_id}
    raise server_error(Refusal.UNAUTHORIZED_DESTINATION)


@TABLE.method("APIerSv1.GetDataCost", role=Role.READ, also_v2=True)
def get_data_cost(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Tells what a volume of data would cost, span by span."""
    call = msgspec.structs.replace(_asked_call(runtime, given), kind=DATA)
    call = msgspec.structs.replace(call, index_ns=call.duration_ns)
    found = call_cost(runtime.state.tariff, call, runtime.arithmetic)
    if isinstance(found, Refusal):
        raise server_error(found)
    return {
        "Category": call.category,
        "Tenant": call.tenant,
        "Subject": call.subject,
        "Account": given.text("Account"),
        "Destination": call.destination,
        "ToR": DATA,
        "Cost": number(found.cost_nanos),
        "DataSpans": [_data_span(call, span) for span in found.spans],
    }


def _data_span(call: Call, span: RatedSpan) -> dict[str, Any]:
    steps = [part for part in (span.fee, span.increments) if part is not None]
    match = span.match
    return {
        "DataStart": span.start_ns - call.start_ns,
        "DataEnd": span.end_ns - call.start_ns,
        "Cost": number(sum(part.cost_nanos * part.count for part in steps) * span.factor),
        "RateInterval": interval_form(span.interval) if span.interval is not None else None,
        "DataIndex": span.index_ns,
        "Increments": [
            {"Amount": part.duration_ns, "Cost": number(part.cost_nanos), "CompressFactor": part.count}
            for part in steps
        ],
        "MatchedSubject": match.subject,
        "MatchedPrefix": match.prefix,
        "MatchedDestId": match.destination_id,
        "RatingPlanId": match.plan_id,
    }


# --- on accounts


@TABLE.method("APIerSv1.GetMaxUsage", role=Role.READ, also_v2=True)
def get_max_usage(runtime: Runtime, given: Given) -> int:
    """Tells how much of a usage an account can pay; -1 where it has no limit."""
    given.require("Account")
    call = _usage_call(runtime, given)
    snapshot = runtime.state.snapshot(account_id(call))
    found = max_usage(snapshot, runtime.state.tariff, call, runtime.arithmetic)
    if isinstance(found, Refusal):
        raise server_error(found)
    return found.usage_ns


@TABLE.method("APIerSv1.DebitUsage", role=Role.CHARGE, also_v2=True)
def debit_usage(runtime: Runtime, given: Given) -> str:
    """Debits a usage, below zero where the balances do not suffice."""
    return _debit(runtime, given, denies_negative=False)


@TABLE.method("APIerSv1.DebitUsageWithOptions", role=Role.CHARGE, also_v2=True)
def debit_usage_with_options(runtime: Runtime, given: Given) -> str:
    """Debits a usage; `AllowNegativeAccount` says whether balances may end below zero."""
    outer = given
    given = outer.inner("UsageRecord") if "UsageRecord" in outer else outer
    return _debit(runtime, given, denies_negative=not outer.flag("AllowNegativeAccount", True))


def _debit(runtime: Runtime, given: Given, *, denies_negative: bool) -> str:
    given.require("Account", "Destination", "Usage")
    call = _usage_call(runtime, given)
    call = msgspec.structs.replace(
        call, index_ns=call.duration_ns, performs_rounding=True, denies_negative=denies_negative
    )
    snapshot = runtime.state.snapshot(account_id(call))
    found = debit_call(snapshot, runtime.state.tariff, call, runtime.arithmetic)
    if isinstance(found, Refusal):
        raise server_error(found)
    if denies_negative and found.paid.usage_ns < call.duration_ns:
        raise server_error(Refusal.INSUFFICIENT_CREDIT)
    runtime.state.put_accounts(found.accounts, {account_id(call): call})
    return OK


@TABLE.method("APIerSv1.GetAccountCost", role=Role.READ, also_v2=True)
def get_account_cost(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Tells what an event would cost its account and which balances would pay; nothing is debited."""
    outer = given
    given = outer.inner("Event") if "Event" in outer else outer
    given.require("Account")
    call = _usage_call(runtime, given)
    tenant = outer.text("Tenant") or given.text("Tenant") or runtime.tenant
    call = msgspec.structs.replace(call, tenant=tenant, index_ns=call.duration_ns)
    snapshot = runtime.state.snapshot(account_id(call))
    found = debit_call(snapshot, runtime.state.tariff, call, runtime.arithmetic)
    if isinstance(found, Refusal):
        raise server_error(found)
    return runtime.accounting.paid_cost(call, found)


@TABLE.method("APIerSv1.GetEventCost", role=Role.READ, also_v2=True)
def get_event_cost(runtime: Runtime, given: Given) -> dict[str, Any]:
    """Shows the cost of a stored call detail record."""
    given.require("CgrId")
    run_id = given.text("RunId") or "*default"
    record = runtime.state.cdrs.get(given.text("CgrId"), run_id)
    if record is None or record.cost_details is None:
        raise not_found()
    return runtime.accounting.cost_details(record.cgrid, record.run_id, record.cost_details)
