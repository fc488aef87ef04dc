"""SMGenericV1: sessions as older clients ask for them, with a flat event and whole seconds."""

from ocs.cgrates.objects.given import Flat
from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Caller, Role
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.methods.cgrates.session_forms import client_of
from ocs.rpc.registry import Registry
from ocs.sessions import values
from ocs.sessions.model import CgrEvent
from ocs.sessions.service import checked

SECOND_NS = 1_000_000_000
UNLIMITED = -1


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    for name, function in (
        ("GetMaxUsage", longest),
        ("InitiateSession", initiate),
        ("UpdateSession", update),
        ("TerminateSession", terminate),
        ("ProcessCDR", process_cdr),
    ):
        method(registry, f"SMGenericV1.{name}", Role.CHARGE, Flat)(function)


def _event(runtime: Runtime, params: Flat) -> CgrEvent:
    tenant = values.text(params.event.get("Tenant")) or runtime.tenant
    return checked(CgrEvent(tenant, params.event, {}, runtime.new_id()[:7]))


def _seconds(usage: int) -> int:
    """Whole seconds, never more than there are; -1 is no limit."""
    return usage if usage == UNLIMITED else usage // SECOND_NS


def longest(runtime: Runtime, params: Flat) -> int:
    """How many seconds an event may last."""
    return _seconds(runtime.sessions.authorize(_event(runtime, params)))


def initiate(runtime: Runtime, params: Flat, caller: Caller) -> int:
    """Opens a session; how many seconds it may last, -1 where a debit loop takes over."""
    return _seconds(runtime.sessions.initiate(_event(runtime, params), client=client_of(caller)))


def update(runtime: Runtime, params: Flat, caller: Caller) -> int:
    """Settles the last grant of a session and grants more seconds."""
    return _seconds(runtime.sessions.update(_event(runtime, params), client=client_of(caller)))


async def terminate(runtime: Runtime, params: Flat) -> str:
    """Ends a session."""
    event = _event(runtime, params)
    if not runtime.sessions.knows(event):
        await runtime.sessions.opened(event)
    runtime.sessions.terminate(event)
    return "OK"


def process_cdr(runtime: Runtime, params: Flat) -> str:
    """Makes the records of a session, or of an event without one."""
    runtime.cdrs.process(_event(runtime, params))
    return "OK"
