"""SessionSv1: sessions of events. The parameters are flags beside an embedded event."""

from typing import Any

import msgspec

from ocs.cgrates.callbacks import FrontClient
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.plain import plain
from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Caller, Role
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.methods.cgrates.stir import authenticate_event, identify_event
from ocs.rpc.registry import Registry
from ocs.sessions import values
from ocs.sessions.events import reply
from ocs.sessions.flags import Flags
from ocs.sessions.model import CgrEvent
from ocs.sessions.service import checked
from ocs.sessions.surroundings import Altered, RouteOptions
from ocs.sessions.wanted import Answer, Wanted

Form = dict[str, Any]
SECOND_NS = 1_000_000_000
NO_FLAGS = frozenset(("event", "apiopts", "tenant", "id", "time"))
REMEMBERED_FLAGS = 1_000
_KNOWN_FLAGS: dict[tuple[object, ...], Wanted] = {}


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    for name, function in (
        ("AuthorizeEvent", authorize),
        ("AuthorizeEventWithDigest", authorize_digest),
        ("InitiateSession", initiate),
        ("InitiateSessionWithDigest", initiate_digest),
        ("UpdateSession", update),
        ("TerminateSession", terminate),
        ("ProcessMessage", message),
        ("ProcessCDR", process_cdr),
        ("ProcessEvent", process_event),
        ("GetCost", get_cost),
    ):
        method(registry, f"SessionSv1.{name}", Role.CHARGE)(function)


def event_of(runtime: Runtime, params: Given) -> CgrEvent:
    """The event that is embedded in the parameters. Raises ServiceError where it lacks what every session needs."""
    return checked(bare_event(runtime, params))


def bare_event(runtime: Runtime, params: Given) -> CgrEvent:
    """The event that is embedded in the parameters, whatever it lacks."""
    event = dict(params.mapping("Event"))
    tenant = params.text("Tenant") or values.text(event.get("Tenant")) or runtime.tenant
    name = params.text("ID") or runtime.short_id()
    return CgrEvent(tenant, event, dict(params.mapping("APIOpts")), name, params.text("Time") or None)


def client_of(caller: Caller) -> FrontClient | None:
    """The connection of a caller, where it answers requests."""
    return FrontClient(caller.client) if caller.client is not None else None


def wanted_of(params: Given, charging: str, resources: str = "", ips: str = "") -> Wanted:
    """The flags of a request; how charging, resources and addresses are asked for differs by method.

    Clients send the same few sets of flags again and again: what they mean is remembered.
    """
    key = params.key(NO_FLAGS)
    if key is None:
        return _wanted_of(params, charging, resources, ips)
    names = (charging, *key)
    found = _KNOWN_FLAGS.get(names)
    if found is None:
        found = _wanted_of(params, charging, resources, ips)
        if len(_KNOWN_FLAGS) < REMEMBERED_FLAGS:
            _KNOWN_FLAGS[names] = found
    return found


def _wanted_of(params: Given, charging: str, resources: str, ips: str) -> Wanted:
    return Wanted(
        charges=params.flag(charging),
        forces=params.flag("ForceDuration"),
        attributes=params.flag("GetAttributes"),
        attribute_ids=params.texts("AttributeIDs"),
        resources=bool(resources) and params.flag(resources),
        ips=bool(ips) and params.flag(ips),
        routes=params.flag("GetRoutes"),
        route_options=RouteOptions(
            params.text("RoutesMaxCost"),
            params.flag("RoutesIgnoreErrors"),
            params.optional_integer("Limit"),
            params.integer("Offset"),
        ),
        thresholds=params.flag("ProcessThresholds"),
        threshold_ids=params.texts("ThresholdIDs"),
        stats=params.flag("ProcessStats"),
        stat_ids=params.texts("StatIDs"),
    )


def authorize(runtime: Runtime, params: Given) -> Form:
    """How much of its usage an event may have, with what profiles say; nothing is taken."""
    wanted = wanted_of(params, "GetMaxUsage", "AuthorizeResources", "AuthorizeIP")
    return _reply(runtime.pipeline.authorize(event_of(runtime, params), wanted))


def authorize_digest(runtime: Runtime, params: Given) -> Form:
    """The same, in texts and seconds."""
    wanted = wanted_of(params, "GetMaxUsage", "AuthorizeResources", "AuthorizeIP")
    answer = runtime.pipeline.authorize(event_of(runtime, params), wanted)
    return {
        **_digest(answer),
        "RoutesDigest": answer.routes.digest if answer.routes else None,
        **_counted(answer),
    }


def initiate(runtime: Runtime, params: Given, caller: Caller) -> Form:
    """Opens a session and debits its first period; MaxUsage -1 where a debit loop takes over."""
    wanted = wanted_of(params, "InitSession", "AllocateResources", "AllocateIP")
    return _reply(runtime.pipeline.initiate(event_of(runtime, params), _unrouted(wanted), client_of(caller)))


def initiate_digest(runtime: Runtime, params: Given, caller: Caller) -> Form:
    """The same, in texts and seconds."""
    wanted = _unrouted(wanted_of(params, "InitSession", "AllocateResources", "AllocateIP"))
    answer = runtime.pipeline.initiate(event_of(runtime, params), wanted, client_of(caller))
    return {**_digest(answer), **_counted(answer)}


def update(runtime: Runtime, params: Given, caller: Caller) -> Form:
    """Settles the last grant of a session and grants more."""
    wanted = _unrouted(wanted_of(params, "UpdateSession"))
    return _reply(runtime.pipeline.update(event_of(runtime, params), wanted, client_of(caller)))


def terminate(runtime: Runtime, params: Given) -> Any:
    """Ends a session, one that is not there yet a little later."""
    event = event_of(runtime, params)
    wanted = _only_released(wanted_of(params, "TerminateSession", "ReleaseResources", "ReleaseIP"))
    if wanted.charges and not runtime.sessions.knows(event):
        return _terminate_later(runtime, event, wanted)
    runtime.pipeline.terminate(event, wanted)
    return "OK"


async def _terminate_later(runtime: Runtime, event: CgrEvent, wanted: Wanted) -> str:
    await runtime.sessions.opened(event)
    runtime.pipeline.terminate(event, wanted)
    return "OK"


def message(runtime: Runtime, params: Given) -> Form:
    """A session of one call."""
    wanted = wanted_of(params, "Debit", "AllocateResources", "AllocateIP")
    return _reply(runtime.pipeline.message(event_of(runtime, params), wanted))


def process_cdr(runtime: Runtime, params: Given) -> str:
    """Makes the records of a session, or of an event without one."""
    runtime.cdrs.process(event_of(runtime, params))
    return "OK"


async def process_event(runtime: Runtime, params: Given, caller: Caller) -> Form:
    """Does to an event what the flags name."""
    event, flags = event_of(runtime, params), Flags(params.texts("Flags"))
    if flags.has("*rals", "*terminate") and not runtime.sessions.knows(event):
        await runtime.sessions.opened(event)
    await authenticate_event(runtime, event, flags)
    identities = await identify_event(runtime, event, flags)
    answer = reply(runtime.events.process(event, flags, client_of(caller)), _shown)
    return {**answer, "STIRIdentity": identities} if identities else answer


def _shown(member: str, value: Any) -> Any:
    match member:
        case "Cost":
            return values.number(value)
        case "Attributes":
            return attributes_form(value)
        case "AllocatedIP":
            return value.form()
        case "RouteProfiles":
            return value.profiles
        case _:
            return value


def get_cost(runtime: Runtime, params: Given) -> Form:
    """What an event costs that nobody pays."""
    attributes, rated = runtime.events.cost(bare_event(runtime, params), Flags(params.texts("Flags")))
    found: Form = {} if attributes is None else {"Attributes": attributes_form(attributes)}
    return {**found, "EventCost": runtime.sessions.accounting.cost_details("", "", rated.details)}


def _unrouted(wanted: Wanted) -> Wanted:
    """Flags that come with every request of a client and mean nothing to this method are passed over."""
    return msgspec.structs.replace(wanted, routes=False)


def _only_released(wanted: Wanted) -> Wanted:
    return msgspec.structs.replace(wanted, routes=False, attributes=False)


def _reply(answer: Answer) -> Form:
    """What was asked for, and nothing else."""
    reply: Form = {}
    if answer.attributes is not None:
        reply["Attributes"] = attributes_form(answer.attributes)
    if answer.resources is not None:
        reply["ResourceAllocation"] = answer.resources
    if answer.address is not None:
        reply["AllocatedIP"] = answer.address.form()
    if answer.usage is not None:
        reply["MaxUsage"] = answer.usage
    if answer.routes is not None:
        reply["RouteProfiles"] = answer.routes.profiles
    if answer.threshold_ids is not None:
        reply["ThresholdIDs"] = answer.threshold_ids
    if answer.stat_ids is not None:
        reply["StatQueueIDs"] = answer.stat_ids
    return reply


def attributes_form(found: Altered) -> Form:
    """An event after its attributes."""
    event = found.event
    return {
        "MatchedProfiles": list(found.matched),
        "AlteredFields": list(found.altered),
        "Tenant": event.tenant,
        "ID": event.event_id,
        "Time": event.time,
        "Event": plain(event.event),
        "APIOpts": plain(event.options),
    }


def _digest(answer: Answer) -> Form:
    usage = answer.usage or 0
    return {
        "AttributesDigest": answer.attributes.digest if answer.attributes is not None else None,
        "AllocatedIP": answer.address.digest() if answer.address is not None else None,
        "ResourceAllocation": answer.resources,
        "MaxUsage": seconds(usage),
    }


def seconds(usage: int) -> int | float:
    """ns as seconds, whole ones without a point; -1 stays what it is."""
    if usage == -1:
        return -1
    whole, rest = divmod(usage, SECOND_NS)
    return whole if not rest else usage / SECOND_NS


def _counted(answer: Answer) -> Form:
    return {
        "Thresholds": ",".join(answer.threshold_ids) if answer.threshold_ids is not None else None,
        "StatQueues": ",".join(answer.stat_ids) if answer.stat_ids is not None else None,
    }
