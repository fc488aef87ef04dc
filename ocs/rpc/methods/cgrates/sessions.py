"""SessionSv1: sessions of events. The parameters are flags beside an embedded event."""

from typing import Any

from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Caller, Role
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.methods.cgrates.session_forms import (
    AUTHORIZE,
    INITIATE,
    MESSAGE,
    TERMINATE,
    UPDATE,
    attributes_form,
    bare_event,
    client_of,
    event_of,
    reply_of,
)
from ocs.rpc.methods.cgrates.stir import authenticate_event, identify_event
from ocs.rpc.registry import Registry
from ocs.sessions import values
from ocs.sessions.events import reply
from ocs.sessions.flags import Flags
from ocs.sessions.model import CgrEvent
from ocs.sessions.wanted import Answer, Wanted

Form = dict[str, Any]
SECOND_NS = 1_000_000_000


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


def authorize(runtime: Runtime, params: Given) -> Form:
    """How much of its usage an event may have, with what profiles say; nothing is taken."""
    wanted = AUTHORIZE.wanted(params)
    return reply_of(runtime.pipeline.authorize(event_of(runtime, params), wanted))


def authorize_digest(runtime: Runtime, params: Given) -> Form:
    """The same, in texts and seconds."""
    wanted = AUTHORIZE.wanted(params)
    answer = runtime.pipeline.authorize(event_of(runtime, params), wanted)
    return {
        **_digest(answer),
        "RoutesDigest": answer.routes.digest if answer.routes else None,
        **_counted(answer),
    }


def initiate(runtime: Runtime, params: Given, caller: Caller) -> Form:
    """Opens a session and debits its first period; MaxUsage -1 where a debit loop takes over."""
    wanted = INITIATE.wanted(params)
    return reply_of(runtime.pipeline.initiate(event_of(runtime, params), wanted, client_of(caller)))


def initiate_digest(runtime: Runtime, params: Given, caller: Caller) -> Form:
    """The same, in texts and seconds."""
    wanted = INITIATE.wanted(params)
    answer = runtime.pipeline.initiate(event_of(runtime, params), wanted, client_of(caller))
    return {**_digest(answer), **_counted(answer)}


def update(runtime: Runtime, params: Given, caller: Caller) -> Form:
    """Settles the last grant of a session and grants more."""
    wanted = UPDATE.wanted(params)
    return reply_of(runtime.pipeline.update(event_of(runtime, params), wanted, client_of(caller)))


def terminate(runtime: Runtime, params: Given) -> Any:
    """Ends a session, one that is not there yet a little later."""
    event = event_of(runtime, params)
    wanted = TERMINATE.wanted(params)
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
    wanted = MESSAGE.wanted(params)
    return reply_of(runtime.pipeline.message(event_of(runtime, params), wanted))


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
