"""CDRsV1 and CDRsV2: call detail records."""

from typing import Any

import msgspec

from ocs.cgrates.cdr_book import portions
from ocs.cgrates.cdr_filter import read_filter
from ocs.cgrates.cost_reader import read_details
from ocs.cgrates.details import Details
from ocs.cgrates.objects.errors import server_error
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.plain import plain
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates.event_cost import book_rounding
from ocs.rpc.caller import Role
from ocs.rpc.errors import RpcError
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.methods.cgrates.session_forms import bare_event
from ocs.rpc.registry import Registry
from ocs.sessions import values
from ocs.sessions.cdrs import DEFAULT_RUN
from ocs.sessions.errors import PARTIALLY_EXECUTED, ServiceError
from ocs.sessions.model import MAIN_FIELDS, Cdr, CgrEvent, SessionCost

Form = dict[str, Any]
NOT_FOUND = "SERVER_ERROR: NOT_FOUND"
UNRATED = ("-1", "0")  # costs that say that there is none


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    for version in ("CDRsV1", "CDRsV2"):
        method(registry, f"{version}.ProcessCDR", Role.CHARGE)(process_cdr)
        method(registry, f"{version}.ProcessExternalCDR", Role.CHARGE)(process_cdr)
        method(registry, f"{version}.ProcessEvents", Role.CHARGE)(process_events)
        method(registry, f"{version}.RateCDRs", Role.ADMINISTER)(rate)
        method(registry, f"{version}.ReprocessCDRs", Role.ADMINISTER)(reprocess)
    method(registry, "CDRsV1.ProcessEvent", Role.CHARGE)(process_event)
    method(registry, "CDRsV1.StoreSessionCost", Role.CHARGE)(store_cost)
    method(registry, "CDRsV2.StoreSessionCost", Role.CHARGE)(store_rounded_cost)
    method(registry, "CDRsV2.ProcessEvent", Role.CHARGE)(process_event_v2)


def process_event(runtime: Runtime, params: Given) -> str:
    """Makes the records of an event, by its flags."""
    _processed(runtime, params)
    return "OK"


def process_event_v2(runtime: Runtime, params: Given) -> list[Form]:
    """Makes the records of an event; the events they became, with their costs."""
    return [_event_form(runtime, cdr) for cdr in _processed(runtime, params)]


def process_events(runtime: Runtime, params: Given) -> str:
    """Makes the records of several events, by the same flags."""
    steps = runtime.cdrs.steps.with_flags(params.texts("Flags"))
    is_partial = False
    for one in params.rows("CGREvents"):
        try:
            runtime.cdrs.of_event(bare_event(runtime, one), steps)
        except ServiceError:
            is_partial = True
    if is_partial:
        raise ServiceError(PARTIALLY_EXECUTED)
    return "OK"


def _processed(runtime: Runtime, params: Given) -> list[Cdr]:
    params.require("Event")
    steps = runtime.cdrs.steps.with_flags(params.texts("Flags"))
    return runtime.cdrs.of_event(bare_event(runtime, params), steps)


def process_cdr(runtime: Runtime, params: Given) -> str:
    """Makes the records of a record of somebody else: its members are the event's."""
    event = _event_of_record(runtime, params)
    is_rated = params.flag("PreRated")
    steps = runtime.cdrs.steps.with_flags(("*rals:false", "*chargers:false") if is_rated else ("*rals",))
    runtime.cdrs.of_event(event, steps.with_flags(params.texts("Flags")))
    return "OK"


def _event_of_record(runtime: Runtime, params: Given) -> CgrEvent:
    event: Form = dict(params.mapping("ExtraFields"))
    for name in MAIN_FIELDS:
        value = params.raw(name)
        if value not in (None, "") and not (name == "Cost" and values.text(value) in UNRATED):
            event[name] = value
    tenant = params.text("Tenant") or runtime.tenant
    return CgrEvent(tenant, event, dict(params.mapping("APIOpts")), runtime.new_id()[:7])


async def rate(runtime: Runtime, params: Given) -> str:
    """Refunds the records a filter means, and rates them anew by the tariff of now."""
    flags = params.texts("Flags")
    base = runtime.cdrs.steps.with_flags(("*attributes:false", "*chargers:false"))
    await _again(runtime, params, base.with_flags(flags).with_flags(("*rerate",)))
    return "OK"


async def reprocess(runtime: Runtime, params: Given) -> str:
    """Puts the records a filter means through the steps of its flags again."""
    base = runtime.cdrs.steps.with_flags(("*attributes:false", "*chargers:false"))
    await _again(runtime, params, base.with_flags(params.texts("Flags")).with_flags(("*reprocess",)))
    return "OK"


def store_cost(runtime: Runtime, params: Given) -> str:
    """Keeps what a session was charged elsewhere until its record comes; once, where `CheckDuplicate` says so."""
    _store(runtime, params, _cost_of(params))
    return "OK"


def store_rounded_cost(runtime: Runtime, params: Given) -> str:
    """The same, after its charges were rounded and the payers charged the difference."""
    cost = _cost_of(params)
    details: Details = cost.details
    payers = {each.payment.account_id for charge in details.charges for each in charge.steps}
    snapshot = runtime.state.snapshot(*sorted(payers - {""}))
    charges, books = book_rounding(snapshot, details.charges, runtime.arithmetic)
    kept = msgspec.structs.replace(cost, details=msgspec.structs.replace(details, charges=charges))
    _store(runtime, params, kept)
    runtime.state.put_accounts(books.changed())
    return "OK"


def _store(runtime: Runtime, params: Given, cost: SessionCost) -> None:
    if params.flag("CheckDuplicate") and f"{cost.cgrid}:{cost.run_id}" in runtime.state.costs:
        raise server_error("EXISTS")
    runtime.state.put_cost(cost)


def _cost_of(params: Given) -> SessionCost:
    params.require("Cost")
    told = params.inner("Cost")
    told.require("CGRID", "CostDetails")
    return SessionCost(
        told.text("CGRID"),
        told.text("RunID") or DEFAULT_RUN,
        told.text("OriginHost"),
        told.text("OriginID"),
        told.text("CostSource"),
        told.duration("Usage"),
        read_details(told.mapping("CostDetails")),
    )


async def _again(runtime: Runtime, params: Given, steps: Any) -> None:
    is_found = False
    cdrs = runtime.state.cdrs
    async for found in portions(cdrs, read_filter(params, runtime.wall_ns())):
        is_found = True
        await runtime.make_ready(tuple([runtime.cdrs.event(cdr) for cdr in found]))
        for cdr in found:
            present = cdrs.get(cdr.cgrid, cdr.run_id)
            if present is not None:  # else somebody has removed it meanwhile
                runtime.cdrs.rate_again(present, steps)
    if not is_found:
        raise RpcError(NOT_FOUND)


def _event_form(runtime: Runtime, cdr: Cdr) -> Form:
    """A record as the event of `CDRsV2.ProcessEvent`."""
    event = runtime.cdrs.event(cdr)
    form = runtime.cdrs.form(cdr)
    members = {
        **plain(event.event),
        "CostSource": cdr.cost_source,
        "CostDetails": form["CostDetails"],
        "ExtraInfo": cdr.extra_info,
        "PreRated": cdr.is_pre_rated,
        "Partial": cdr.is_partial,
    }
    return {
        "Flags": [],
        "Tenant": cdr.tenant,
        "ID": event.event_id,
        "Time": None,
        "Event": members,
        "APIOpts": {},
    }
