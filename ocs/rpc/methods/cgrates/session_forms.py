"""What session methods are asked with, and what they answer. Compiled, for every session call comes by."""

from typing import Any

from ocs.cgrates.callbacks import FrontClient
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.plain import plain
from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Caller
from ocs.sessions import values
from ocs.sessions.model import CgrEvent
from ocs.sessions.service import checked
from ocs.sessions.surroundings import Altered, RouteOptions
from ocs.sessions.wanted import Answer, Wanted

Form = dict[str, Any]
NO_FLAGS = frozenset(("event", "apiopts", "tenant", "id", "time"))
REMEMBERED_FLAGS = 1_000


class Asking:
    """What the flags of a method are called. Those that others have and that mean nothing to it are passed over."""

    __slots__ = ("_attributes", "_charging", "_ips", "_known", "_resources", "_routes")

    def __init__(
        self,
        charging: str,
        resources: str = "",
        ips: str = "",
        *,
        attributes: bool = True,
        routes: bool = False,
    ) -> None:
        self._charging = charging
        self._resources = resources
        self._ips = ips
        self._attributes = attributes
        self._routes = routes
        self._known: dict[tuple[object, ...], Wanted] = {}

    def wanted(self, params: Given) -> Wanted:
        """The flags of a request.

        Clients send the same few sets of flags again and again: what they mean is remembered.
        """
        key = params.key(NO_FLAGS)
        if key is None:
            return self._read(params)
        found = self._known.get(key)
        if found is None:
            found = self._read(params)
            if len(self._known) < REMEMBERED_FLAGS:
                self._known[key] = found
        return found

    def _read(self, params: Given) -> Wanted:
        return Wanted(
            charges=params.flag(self._charging),
            forces=params.flag("ForceDuration"),
            attributes=params.flag("GetAttributes") and self._attributes,
            attribute_ids=params.texts("AttributeIDs"),
            resources=bool(self._resources) and params.flag(self._resources),
            ips=bool(self._ips) and params.flag(self._ips),
            routes=params.flag("GetRoutes") and self._routes,
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


AUTHORIZE = Asking("GetMaxUsage", "AuthorizeResources", "AuthorizeIP", routes=True)
INITIATE = Asking("InitSession", "AllocateResources", "AllocateIP")
UPDATE = Asking("UpdateSession")
TERMINATE = Asking("TerminateSession", "ReleaseResources", "ReleaseIP", attributes=False)
MESSAGE = Asking("Debit", "AllocateResources", "AllocateIP", routes=True)


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


def reply_of(answer: Answer) -> Form:
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
