"""Responder: rating and debits of a bare call descriptor."""

from typing import Any

import msgspec

from ocs.cgrates.forms import call_cost_form
from ocs.cgrates.objects.accounts import account_view
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.numbers import number
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates import event_cost
from ocs.charging.cgrates.call import Call, Refusal
from ocs.charging.cgrates.cost import call_cost
from ocs.charging.cgrates.model import Charge, Debited, Match, Payment, Steps
from ocs.charging.cgrates.plan import Activation
from ocs.charging.cgrates.usage import account_id, debit_call, max_debit, max_usage
from ocs.rpc.caller import Role
from ocs.rpc.errors import RpcError
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.registry import Registry
from ocs.sessions import values


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    method(registry, "Responder.GetCost", Role.READ)(get_cost)
    method(registry, "Responder.Debit", Role.CHARGE)(debit)
    method(registry, "Responder.MaxDebit", Role.CHARGE)(debit_most)
    method(registry, "Responder.GetMaxSessionTime", Role.CHARGE)(longest)
    method(registry, "Responder.GetMaxSessionTimeOnAccounts", Role.READ)(longest_of_accounts)
    method(registry, "Responder.GetCostOnRatingPlans", Role.READ)(cheapest_plan)
    method(registry, "Responder.RefundIncrements", Role.ADMINISTER)(refund_increments)
    method(registry, "Responder.RefundRounding", Role.ADMINISTER)(refund_rounding)


def get_cost(runtime: Runtime, params: Given) -> dict[str, Any]:
    """What a call costs that nobody pays."""
    call = call_of(runtime, params)
    found = call_cost(runtime.state.tariff, call, runtime.arithmetic)
    if isinstance(found, Refusal):
        raise RpcError(str(found))
    return call_cost_form(call, found)


def debit(runtime: Runtime, params: Given) -> dict[str, Any]:
    """Debits a call whole; what the balances lack goes below zero."""
    call = call_of(runtime, params)
    found = debit_call(_snapshot(runtime, call), runtime.state.tariff, call, runtime.arithmetic)
    if isinstance(found, Refusal):
        raise RpcError(str(found))
    return _debited(runtime, call, found)


def debit_most(runtime: Runtime, params: Given) -> dict[str, Any]:
    """Debits what the account can pay of a call."""
    call = call_of(runtime, params)
    found = max_debit(_snapshot(runtime, call), runtime.state.tariff, call, runtime.arithmetic)
    if isinstance(found, Refusal):
        raise RpcError(str(found))
    return _debited(runtime, call, found)


def longest(runtime: Runtime, params: Given) -> int:
    """How long an account can pay for a call, in ns; -1 where it may go below zero."""
    call = call_of(runtime, params)
    found = max_usage(_snapshot(runtime, call), runtime.state.tariff, call, runtime.arithmetic)
    if isinstance(found, Refusal):
        raise RpcError(str(found))
    runtime.state.put_accounts(found.accounts)
    return found.usage_ns


def longest_of_accounts(runtime: Runtime, params: Given) -> dict[str, Any]:
    """The account of a list that can pay longest; empty where none can pay at all."""
    call = call_of(runtime, params)
    best: dict[str, Any] = {}
    for name in params.texts("AccountIDs"):
        asked = msgspec.structs.replace(call, account=name, subject=name)
        found = max_usage(_snapshot(runtime, asked), runtime.state.tariff, asked, runtime.arithmetic)
        if isinstance(found, Refusal) or not found.usage_ns:
            continue
        if not best or found.usage_ns > best["MaxUsage"]:
            best = {"AccountID": name, "MaxUsage": found.usage_ns}
    return best


def cheapest_plan(runtime: Runtime, params: Given) -> dict[str, Any]:
    """The first plan of a list that has a price for a call, and that price."""
    call = call_of(runtime, params)
    for plan_id in params.texts("RatingPlanIDs"):
        alone = {(call.tenant, call.category, call.subject): (Activation(0, plan_id),)}
        tariff = msgspec.structs.replace(runtime.state.tariff, profiles=alone)
        found = call_cost(tariff, call, runtime.arithmetic)
        if not isinstance(found, Refusal):
            return {"Cost": number(found.cost_nanos), "RatingPlanID": plan_id}
    return {}


def refund_increments(runtime: Runtime, params: Given) -> dict[str, Any]:
    """Gives increments back to the balances that paid them; the account after it."""
    steps = tuple(_steps_of(one) for one in params.rows("Increments"))
    return _refunded(runtime, params, steps)


def refund_rounding(runtime: Runtime, params: Given) -> dict[str, Any]:
    """Gives rounding corrections back to the balances that paid them; the account after it."""
    steps = tuple(msgspec.structs.replace(_steps_of(one), duration_ns=0) for one in params.rows("Increments"))
    return _refunded(runtime, params, steps)


def _refunded(runtime: Runtime, params: Given, steps: tuple[Steps, ...]) -> dict[str, Any]:
    call = call_of(runtime, params)
    own = account_id(call)
    payers = {one.payment.account_id or own for one in steps}
    charge = Charge(Match("", "", "", ""), None, steps)
    books = event_cost.refund(
        runtime.state.snapshot(own, *payers), (charge,), call.kind, runtime.arithmetic, is_partial=False
    )
    runtime.state.put_accounts(books.changed())
    return account_view(runtime.account(own), updated_ns=runtime.wall_ns())


def _steps_of(increment: Given) -> Steps:
    """An increment of a call descriptor with who paid it."""
    told = increment.inner("BalanceInfo")
    unit, money = told.inner("Unit"), told.inner("Monetary")
    duration_ns = increment.duration("Duration")
    consumed = unit.real("Consumed")
    payment = Payment(
        told.text("AccountID"),
        unit.text("UUID"),
        round(consumed * 10**9),
        consumed / duration_ns if duration_ns and consumed else 1.0,
        money.text("UUID"),
    )
    return Steps(duration_ns, increment.nanos("Cost"), increment.integer("CompressFactor") or 1, payment)


def _debited(runtime: Runtime, call: Call, found: Debited) -> dict[str, Any]:
    """Keeps the accounts that a debit has changed; its cost with what is left."""
    runtime.state.put_accounts(found.accounts, {account_id(call): call})
    form = call_cost_form(call, found.paid, runtime.state.accounts)
    return {**form, "AccountSummary": runtime.accounting.summary(call, found)}


def _snapshot(runtime: Runtime, call: Call) -> Any:
    return runtime.state.snapshot(account_id(call))


def call_of(runtime: Runtime, params: Given) -> Call:
    """A call descriptor as a call."""
    now_ns = runtime.wall_ns()
    start_ns, offset_ns = values.moment(params.raw("TimeStart"), now_ns)
    end_ns, _ = values.moment(params.raw("TimeEnd"), now_ns)
    account, subject = params.text("Account"), params.text("Subject")
    return Call(
        tenant=params.text("Tenant") or runtime.tenant,
        category=params.text("Category"),
        destination=params.text("Destination"),
        kind=params.text("ToR"),
        subject=subject or account,
        account=account or subject,
        start_ns=start_ns,
        end_ns=end_ns,
        offset_ns=offset_ns,
        index_ns=params.duration("DurationIndex"),
        loop=params.integer("LoopIndex"),
        max_cost_so_far_nanos=params.nanos("MaxCostSoFar"),
        max_rate=params.real("MaxRate"),
        max_rate_unit_ns=params.duration("MaxRateUnit"),
        factor_id=values.text(params.mapping("ExtraFields").get("BalanceFactorID")),
        performs_rounding=params.flag("PerformRounding"),
        denies_negative=params.flag("DenyNegativeAccount"),
        forces_duration=params.flag("ForceDuration"),
    )
