"""SessionSv1: sessions of events."""

from typing import Any

from ocs.cgrates.callbacks import FrontClient
from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Caller, Role
from ocs.rpc.errors import RpcError
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.registry import Registry
from ocs.sessions.model import CgrEvent
from ocs.sessions.service import checked

SUBSYSTEMS_MISSING = "MANDATORY_IE_MISSING: [Subsystems]"


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    for name, function in (
        ("AuthorizeEvent", authorize),
        ("InitiateSession", initiate),
        ("UpdateSession", update),
        ("TerminateSession", terminate),
        ("ProcessMessage", message),
        ("ProcessCDR", process_cdr),
    ):
        method(registry, f"SessionSv1.{name}", Role.CHARGE)(function)


def event_of(runtime: Runtime, params: Given) -> CgrEvent:
    """The event that is embedded in the parameters. Raises ServiceError where it lacks what every session needs."""
    event = params.mapping("Event")
    tenant = params.text("Tenant") or event.get("Tenant") or runtime.tenant
    return checked(CgrEvent(str(tenant), dict(event), dict(params.mapping("APIOpts")), params.text("ID")))


def client_of(caller: Caller) -> FrontClient | None:
    """The connection of a caller, where it answers requests."""
    return FrontClient(caller.client) if caller.client is not None else None


def authorize(runtime: Runtime, params: Given) -> dict[str, Any]:
    """How much of its usage an event may have."""
    event = event_of(runtime, params)
    if not params.flag("GetMaxUsage"):
        raise RpcError(SUBSYSTEMS_MISSING)
    return {"MaxUsage": runtime.sessions.authorize(event, forces=params.flag("ForceDuration"))}


def initiate(runtime: Runtime, params: Given, caller: Caller) -> dict[str, Any]:
    """Opens a session and debits its first period."""
    event = event_of(runtime, params)
    if not params.flag("InitSession"):
        raise RpcError(SUBSYSTEMS_MISSING)
    forces, client = params.flag("ForceDuration"), client_of(caller)
    return {"MaxUsage": runtime.sessions.initiate(event, forces=forces, client=client)}


def update(runtime: Runtime, params: Given, caller: Caller) -> dict[str, Any]:
    """Settles the last grant of a session and grants more."""
    event = event_of(runtime, params)
    if not params.flag("UpdateSession"):
        raise RpcError(SUBSYSTEMS_MISSING)
    forces, client = params.flag("ForceDuration"), client_of(caller)
    return {"MaxUsage": runtime.sessions.update(event, forces=forces, client=client)}


async def terminate(runtime: Runtime, params: Given) -> str:
    """Ends a session."""
    event = event_of(runtime, params)
    if not params.flag("TerminateSession"):
        raise RpcError(SUBSYSTEMS_MISSING)
    if not runtime.sessions.knows(event):
        await runtime.sessions.opened(event)
    runtime.sessions.terminate(event, forces=params.flag("ForceDuration"))
    return "OK"


def message(runtime: Runtime, params: Given) -> dict[str, Any]:
    """A session of one call."""
    event = event_of(runtime, params)
    if not params.flag("Debit"):
        raise RpcError(SUBSYSTEMS_MISSING)
    return {"MaxUsage": runtime.sessions.message(event, forces=params.flag("ForceDuration"))}


def process_cdr(runtime: Runtime, params: Given) -> str:
    """Makes the records of a session, or of an event without one."""
    runtime.cdrs.process(event_of(runtime, params))
    return "OK"
