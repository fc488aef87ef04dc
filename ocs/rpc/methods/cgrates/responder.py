"""Responder: rating and debits of a bare call descriptor."""

from typing import Any

from ocs.cgrates.forms import call_cost_form
from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates.call import Call, Refusal
from ocs.charging.cgrates.cost import call_cost
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
    runtime.state.put_accounts(found.accounts, {account_id(call): call})
    form = call_cost_form(call, found.paid, runtime.state.accounts)
    return form


def debit_most(runtime: Runtime, params: Given) -> dict[str, Any]:
    """Debits what the account can pay of a call."""
    call = call_of(runtime, params)
    found = max_debit(_snapshot(runtime, call), runtime.state.tariff, call, runtime.arithmetic)
    if isinstance(found, Refusal):
        raise RpcError(str(found))
    runtime.state.put_accounts(found.accounts, {account_id(call): call})
    form = call_cost_form(call, found.paid, runtime.state.accounts)
    return form


def longest(runtime: Runtime, params: Given) -> int:
    """How long an account can pay for a call, in ns; -1 where it may go below zero."""
    call = call_of(runtime, params)
    found = max_usage(_snapshot(runtime, call), runtime.state.tariff, call, runtime.arithmetic)
    if isinstance(found, Refusal):
        raise RpcError(str(found))
    runtime.state.put_accounts(found.accounts)
    return found.usage_ns


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
