"""What profiles do around the charge of a call: the flags of an event, and their results for the switch.

An event without flags asks for attributes and resources, as with the incumbent's agents, where they are connected.
What is refused before a charge refuses the call; what fails behind it (thresholds, statistics) is logged.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec
import structlog

from ocs.cgrates.agents.events import Wishes
from ocs.charging.events import ProfileResults
from ocs.sessions.errors import NOT_FOUND, ServiceError, wrapped
from ocs.sessions.identity import with_cgrid
from ocs.sessions.model import CgrEvent
from ocs.sessions.surroundings import RouteOptions, Surroundings

log = structlog.get_logger()

T = TypeVar("T")
CONTEXT = "*sessions"
REQUEST = "*req."
ATTRIBUTES, RESOURCES, ROUTES = "AttributeS", "ResourceS", "RouteS"
THRESHOLDS, STATS = "ThresholdS", "StatS"
Attributes = tuple[tuple[str, str], ...]


class ProfileSteps:
    """Runs what an event asks for. Raises ServiceError where that refuses the event."""

    def __init__(self, surroundings: Surroundings, connected: frozenset[str]) -> None:
        self._surroundings = surroundings
        self._connected = connected

    def altered(self, event: CgrEvent, wishes: Wishes) -> tuple[CgrEvent, Attributes]:
        """The event after its attributes, and the fields that they gave new values; first of all steps."""
        event = with_cgrid(event)
        if not self._asks(wishes, "*attributes", ATTRIBUTES):
            return event, ()
        try:
            found = self._surroundings.attributes(event, tuple(wishes.ids("*attributes")), CONTEXT)
        except ServiceError as error:
            if str(error) == NOT_FOUND:
                return event, ()
            raise wrapped("ATTRIBUTES", str(error)) from None
        names = [name.removeprefix(REQUEST) for name in found.altered if name.startswith(REQUEST)]
        fields = found.event.event
        return found.event, tuple((name, str(fields[name])) for name in names if name in fields)

    def authorized(self, event: CgrEvent, wishes: Wishes, attributes: Attributes) -> ProfileResults:
        """Behind the charge of a call that may take place: what a resource would say, routes, counts."""
        resource = ""
        if self._asks(wishes, "*resources", RESOURCES):
            resource = self._resource(self._surroundings.authorize_resources, event, wishes)
        return self.told(event, wishes, attributes, resource)

    def allocated(self, event: CgrEvent, wishes: Wishes) -> str:
        """At the answer: a place in a resource."""
        if not self._asks(wishes, "*resources", RESOURCES):
            return ""
        return self._resource(self._surroundings.allocate_resources, event, wishes)

    def told(self, event: CgrEvent, wishes: Wishes, attributes: Attributes, resource: str) -> ProfileResults:
        """The routes, what is counted, and what was found before."""
        routes: tuple[str, ...] = ()
        if self._asks(wishes, "*routes", ROUTES):
            routes = self._routes(event, wishes)
        thresholds, stats = self._counted(event, wishes)
        return ProfileResults(attributes, resource, routes, thresholds, stats)

    def released(self, event: CgrEvent, wishes: Wishes) -> None:
        """The place in a resource is free again; one that is not held is no matter."""
        if wishes.has("*resources") and RESOURCES in self._connected:
            try:
                self._surroundings.release_resources(event)
            except ServiceError as error:
                log.debug("agents.resource_not_released", reason=str(error))

    def ended(self, event: CgrEvent, wishes: Wishes) -> None:
        """At the end: resources are free again, and the end is counted."""
        self.released(event, wishes)
        self._counted(event, wishes)

    # --- within

    def _counted(self, event: CgrEvent, wishes: Wishes) -> tuple[tuple[str, ...], tuple[str, ...]]:
        thresholds: tuple[str, ...] = ()
        stats: tuple[str, ...] = ()
        if self._asks(wishes, "*thresholds", THRESHOLDS):
            ids = tuple(wishes.ids("*thresholds"))
            thresholds = self._count(lambda: self._surroundings.thresholds(event, ids), THRESHOLDS)
        if self._asks(wishes, "*stats", STATS):
            queues = tuple(wishes.ids("*stats"))
            stats = self._count(lambda: self._surroundings.stats(event, queues), STATS)
        return thresholds, stats

    def _count(self, count: Callable[[], list[str]], name: str) -> tuple[str, ...]:
        try:
            return tuple(count())
        except ServiceError as error:
            if str(error) != NOT_FOUND:
                log.warning("agents.not_counted", subsystem=name, reason=str(error))
            return ()

    def _routes(self, event: CgrEvent, wishes: Wishes) -> tuple[str, ...]:
        """The routes of an event; one that did not ask for them by name needs none."""
        options = route_options(wishes.flags["*routes"])
        try:
            found = self._asked("ROUTES", lambda each: self._surroundings.routes(each, options), event)
        except ServiceError as error:
            if wishes.is_default and str(error) == f"ROUTES_ERROR:{NOT_FOUND}":
                return ()
            raise
        return tuple(filter(None, found.digest.split(",")))

    def _resource(self, ask: Callable[[CgrEvent], str], event: CgrEvent, wishes: Wishes) -> str:
        """What a resource says; an event that did not ask for one by name needs none."""
        try:
            return self._asked("RESOURCES", ask, event)
        except ServiceError as error:
            if wishes.is_default and str(error) == f"RESOURCES_ERROR:{NOT_FOUND}":
                return ""
            raise

    def _asks(self, wishes: Wishes, flag: str, name: str) -> bool:
        """Whether a step is to be done. Raises ServiceError where it is asked for by name and is not connected."""
        if not wishes.has(flag):
            return False
        if name in self._connected:
            return True
        if wishes.is_default:
            return False
        raise ServiceError(f"NOT_CONNECTED: {name}")

    def _asked(self, prefix: str, ask: Callable[[CgrEvent], T], event: CgrEvent) -> T:
        try:
            return ask(event)
        except ServiceError as error:
            raise wrapped(prefix, str(error)) from None


def route_options(text: str) -> RouteOptions:
    """What follows `*routes:` in a flag: `*ignore_errors`, `*event_cost`, `*max_cost:0.5`, with `&` between."""
    options = RouteOptions()
    for each in text.replace("|", "&").split("&"):
        name, _, value = each.partition(":")
        match name:
            case "*ignore_errors":
                options = msgspec.structs.replace(options, ignores_errors=True)
            case "*event_cost":
                options = msgspec.structs.replace(options, max_cost="*event_cost")
            case "*max_cost":
                options = msgspec.structs.replace(options, max_cost=value)
    return options
