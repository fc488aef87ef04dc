"""The session methods whole: charging by the session service, and around it what the profiles say.

Attributes may rewrite the event before anything else; what fails before charging ends the request, what fails
behind it (thresholds, statistics) makes the answer PARTIALLY_EXECUTED.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import structlog

from ocs.sessions.cdrs import CdrService
from ocs.sessions.clients import Client
from ocs.sessions.errors import NOT_FOUND, PARTIALLY_EXECUTED, ServiceError, missing, wrapped
from ocs.sessions.flags import Flags
from ocs.sessions.identity import with_cgrid
from ocs.sessions.model import CgrEvent
from ocs.sessions.service import SessionService
from ocs.sessions.surroundings import Address, Surroundings
from ocs.sessions.wanted import Answer, Wanted

log = structlog.get_logger()

T = TypeVar("T")
SESSIONS = "*sessions"


class EventPipeline:
    """One per server."""

    def __init__(
        self,
        sessions: SessionService,
        cdrs: CdrService,
        surroundings: Surroundings,
        connected: frozenset[str],
    ) -> None:
        self.sessions = sessions
        self.cdrs = cdrs
        self.surroundings = surroundings
        self._connected = connected

    def connect(self, subsystems: frozenset[str]) -> None:
        """Sessions may use these subsystems from now on."""
        self._connected = subsystems

    # --- the methods

    def authorize(self, event: CgrEvent, wanted: Wanted) -> Answer:
        """Attributes, usage, resources, address, routes, thresholds, statistics: nothing is taken."""
        answer = Answer()
        event = self._begin(event, wanted, answer)
        if wanted.charges:
            answer.usage = self.sessions.authorize(event, forces=wanted.forces)
        if wanted.resources:
            answer.resources = self._asked(
                "ResourceS", "RESOURCES", self.surroundings.authorize_resources, event
            )
        if wanted.ips:
            answer.address = self._asked("IPs", "IPS", self.surroundings.authorize_ip, event)
        self._route(event, wanted, answer)
        self._count(event, wanted, answer)
        return answer

    def initiate(self, event: CgrEvent, wanted: Wanted, client: Client | None) -> Answer:
        """Attributes, resources, address, the session, thresholds, statistics."""
        answer = Answer()
        event = self._begin(with_cgrid(event), wanted, answer)
        if wanted.resources:
            answer.resources = self._asked(
                "ResourceS", "RESOURCES", self.surroundings.allocate_resources, event
            )
        try:
            if wanted.ips:
                answer.address = self._asked("IPs", "IPS", self.surroundings.allocate_ip, event)
            if wanted.charges:
                answer.usage = self.sessions.initiate(event, forces=wanted.forces, client=client)
        except ServiceError:
            self._give_back(event, answer)
            raise
        self._count(event, wanted, answer)
        return answer

    def update(self, event: CgrEvent, wanted: Wanted, client: Client | None) -> Answer:
        """Attributes, the session, thresholds, statistics."""
        answer = Answer()
        event = self._begin(with_cgrid(event), wanted, answer)
        if wanted.charges:
            answer.usage = self.sessions.update(event, forces=wanted.forces, client=client)
        self._count(event, wanted, answer)
        return answer

    def terminate(self, event: CgrEvent, wanted: Wanted) -> Answer:
        """The session, resources, address, thresholds, statistics."""
        if _is_empty(wanted):
            raise missing("Subsystems")
        answer = Answer()
        try:
            if wanted.charges:
                self.sessions.terminate(event, forces=wanted.forces)
        except ServiceError:
            if wanted.resources and "ResourceS" in self._connected:
                with suppress(ServiceError):  # nothing was held
                    self.surroundings.release_resources(event)
            if wanted.ips and "IPs" in self._connected:
                with suppress(ServiceError):
                    self.surroundings.release_ip(event)
            raise
        if wanted.resources:
            self._asked("ResourceS", "RESOURCES", self.surroundings.release_resources, event)
        if wanted.ips:
            self._asked("IPs", "IPS", self.surroundings.release_ip, event)
        self._count(event, wanted, answer)
        return answer

    def message(self, event: CgrEvent, wanted: Wanted) -> Answer:
        """A session of one call with all that goes around it."""
        answer = Answer()
        event = self._begin(with_cgrid(event), wanted, answer)
        if wanted.resources:
            answer.resources = self._asked(
                "ResourceS", "RESOURCES", self.surroundings.allocate_resources, event
            )
        try:
            if wanted.ips:
                answer.address = self._asked("IPs", "IPS", self.surroundings.allocate_ip, event)
            self._route(event, wanted, answer)
            if wanted.charges:
                answer.usage = self.sessions.message(event, forces=wanted.forces)
        except ServiceError:
            self._give_back(event, answer)
            raise
        self._count(event, wanted, answer)
        return answer

    # --- one subsystem alone

    def thresholds(self, event: CgrEvent, ids: tuple[str, ...]) -> list[str]:
        """The thresholds an event hit."""
        return self._asked(
            "ThresholdS", "THRESHOLDS", lambda one: self.surroundings.thresholds(one, ids), event
        )

    def stats(self, event: CgrEvent, ids: tuple[str, ...]) -> list[str]:
        """The queues an event went into."""
        return self._asked("StatS", "STATS", lambda one: self.surroundings.stats(one, ids), event)

    def resources(self, event: CgrEvent, flags: Flags) -> str | None:
        """What `*resources` names; None where it only releases."""
        message: str | None = None
        if flags.has("*resources", "*authorize"):
            message = self._asked("ResourceS", "RESOURCES", self.surroundings.authorize_resources, event)
        if flags.has("*resources", "*allocate"):
            message = self._asked("ResourceS", "RESOURCES", self.surroundings.allocate_resources, event)
        if flags.has("*resources", "*release"):
            self._asked("ResourceS", "RESOURCES", self.surroundings.release_resources, event)
        return message

    def address(self, event: CgrEvent, flags: Flags) -> Address | None:
        """What `*ips` names; None where it only releases."""
        found: Address | None = None
        if flags.has("*ips", "*authorize"):
            found = self._asked("IPs", "IPS", self.surroundings.authorize_ip, event)
        if flags.has("*ips", "*allocate"):
            found = self._asked("IPs", "IPS", self.surroundings.allocate_ip, event)
        if flags.has("*ips", "*release"):
            self._asked("IPs", "IPS", self.surroundings.release_ip, event)
        return found

    # --- what they share

    def need(self, subsystem: str) -> None:
        """Raises ServiceError for a subsystem that sessions may not use."""
        if subsystem not in self._connected:
            raise ServiceError(f"NOT_CONNECTED: {subsystem}")

    def _give_back(self, event: CgrEvent, answer: Answer) -> None:
        """Release what was allocated for a session that cannot be."""
        if answer.resources is not None:
            self.surroundings.release_resources(event)
        if answer.address is not None:
            self.surroundings.release_ip(event)

    def attributes(self, event: CgrEvent, wanted: Wanted, answer: Answer) -> CgrEvent:
        """The event after its attributes; one that no profile matches stays as it is."""
        self.need("AttributeS")
        try:
            answer.attributes = self.surroundings.attributes(event, wanted.attribute_ids, SESSIONS)
        except ServiceError as error:
            if str(error) == NOT_FOUND:
                return event
            raise wrapped("ATTRIBUTES", str(error)) from None
        return answer.attributes.event

    def _begin(self, event: CgrEvent, wanted: Wanted, answer: Answer) -> CgrEvent:
        if _is_empty(wanted):
            raise missing("Subsystems")
        if wanted.ips:
            self.need("IPs")
        return self.attributes(event, wanted, answer) if wanted.attributes else event

    def _asked(self, name: str, prefix: str, ask: Callable[[CgrEvent], T], event: CgrEvent) -> T:
        self.need(name)
        try:
            return ask(event)
        except ServiceError as error:
            raise wrapped(prefix, str(error)) from None

    def _route(self, event: CgrEvent, wanted: Wanted, answer: Answer) -> None:
        if wanted.routes:
            answer.routes = self._asked(
                "RouteS", "ROUTES", lambda each: self.surroundings.routes(each, wanted.route_options), event
            )

    def _count(self, event: CgrEvent, wanted: Wanted, answer: Answer) -> None:
        """Thresholds and statistics; PARTIALLY_EXECUTED where one of them failed."""
        if wanted.thresholds:
            answer.threshold_ids = self._counted(
                "ThresholdS", lambda: self.surroundings.thresholds(event, wanted.threshold_ids), answer
            )
        if wanted.stats:
            answer.stat_ids = self._counted(
                "StatS", lambda: self.surroundings.stats(event, wanted.stat_ids), answer
            )
        if answer.is_partial:
            raise ServiceError(PARTIALLY_EXECUTED)

    def _counted(self, name: str, count: Callable[[], list[str]], answer: Answer) -> list[str] | None:
        self.need(name)
        try:
            return count()
        except ServiceError as error:
            if str(error) != NOT_FOUND:
                log.warning("session.not_counted", subsystem=name, error=str(error))
                answer.is_partial = True
            return None


def _is_empty(wanted: Wanted) -> bool:
    """Whether nothing is asked for that counts alone; thresholds and statistics do not."""
    return not (wanted.charges or wanted.attributes or wanted.resources or wanted.ips or wanted.routes)
