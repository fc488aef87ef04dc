"""Profiles around the events of an agent that is charged by the core itself: Diameter and RADIUS on `ocs serve`.

Attributes change who pays for an event and where it goes to; a resource without room refuses a session before
anything is charged; records feed thresholds and statistics. Chargers and routes have no place in such a protocol:
one request has one account, and one answer. Only an agent whose section of ocs.yaml names `subsystems` has this in
front of it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

import msgspec
import structlog

from ocs.agents.voice.parties import identities_of
from ocs.cgrates.kinds import Kind
from ocs.charging.account import session_key
from ocs.charging.decision import Decision
from ocs.charging.entry import Cdr
from ocs.charging.events import ChargingAnswer, ChargingContext, ChargingEvent, EventKind, Result
from ocs.charging.pending import Behind
from ocs.charging.service import ChargingService
from ocs.config.settings import DiameterSubsystem
from ocs.exact.accounting import REQUEST_TYPES
from ocs.exact.records import event_of
from ocs.exact.sessions import ExactRuntime
from ocs.sessions import values
from ocs.sessions.errors import NOT_FOUND, ServiceError
from ocs.sessions.model import CgrEvent
from ocs.sessions.network_events import fields_of
from ocs.sessions.values import Event

log = structlog.get_logger()

CONTEXT = "*sessions"
USAGE_ID = "*rsUsageID"
BEGINNINGS = (EventKind.INITIAL, EventKind.EVENT)
ENDS = (EventKind.INITIAL, EventKind.TERMINATION)  # of a session: where places are taken and freed
MOST_CLIENTS = 10_000
SWEEP_S = 60.0

Deliver = Callable[[ChargingAnswer], None]


class SurroundedDoor:
    """The charging service with profiles in front of it; `mark` begins the ids of the usages of its sessions."""

    mark = "session|"

    def __init__(
        self, service: ChargingService, runtime: ExactRuntime, subsystems: Collection[DiameterSubsystem]
    ) -> None:
        self._service = service
        self._runtime = runtime
        self._alters = "attributes" in subsystems
        self._allocates = "resources" in subsystems
        self._counts = tuple([name for name in ("stats", "thresholds") if name in subsystems])
        self._clients: set[str] = set()  # whose records are counted
        if self._counts:
            service.on_records.append(self._count)
        if self._allocates:
            service.on_records.append(self._ended)

    async def client_restarted(self, client: str) -> int:
        """Close the sessions of a client that lost them."""
        return await self._service.client_restarted(client)

    def submit(self, event: ChargingEvent, deliver: Deliver) -> None:
        """Charge an event with what its profiles make of it; `deliver` gets the answer once."""
        if self._counts and event.client not in self._clients and len(self._clients) < MOST_CLIENTS:
            self._clients.add(event.client)
        fields, payer = self._fields(event), ""
        if self._alters:
            try:
                event, fields, payer = self._altered(event, fields)
            except ServiceError as error:
                log.warning("profiles.not_applied", session=event.session_id, reason=str(error))
                if event.kind in BEGINNINGS:
                    deliver(ChargingAnswer(Result.FAILED))
                    return
        self._charge(event, payer, deliver, self._visit(event, fields))

    # --- attributes

    def _fields(self, event: ChargingEvent) -> Event:
        return fields_of(event)

    def _altered(self, event: ChargingEvent, fields: Event) -> tuple[ChargingEvent, Event, str]:
        """The event as its attributes have it, its fields, and who pays where they say so: `tenant:name`.

        Raises ServiceError.
        """
        asked = CgrEvent(self._runtime.tenant, fields, {}, str(event.event_id))
        try:
            found = self._runtime.surroundings.attributes(asked, (), CONTEXT).event
        except ServiceError as error:
            if str(error) == NOT_FOUND:
                return event, fields, ""
            raise
        is_payer = found.tenant != asked.tenant or found.event.get("Account") != fields.get("Account")
        payer = f"{found.tenant}:{values.text(found.event.get('Account'))}" if is_payer else ""
        return with_fields(event, fields, found.event), found.event, payer

    def _charge(self, event: ChargingEvent, payer: str, deliver: Deliver, visit: "Visit | None") -> None:
        """Hand the event to the core; where attributes name who pays, as one of the account of that name."""
        if not payer or event.kind not in BEGINNINGS:
            self._service.submit(event, deliver, visit)
            return
        tenant, _, name = payer.partition(":")
        event = msgspec.structs.replace(event, identities=identities_of(name))
        known = self._runtime.exact.known_key(tenant, name)
        if known is not None:
            self._service.submit(msgspec.structs.replace(event, account=known), deliver, visit)
        else:
            self._runtime.spawn(self._charge_unknown(event, tenant, name, deliver, visit))

    async def _charge_unknown(
        self, event: ChargingEvent, tenant: str, name: str, deliver: Deliver, visit: "Visit | None"
    ) -> None:
        exact = self._runtime.exact
        try:
            await exact.prepare(tenant, {"Account": name})
            key = exact.known_key(tenant, name) or await exact.key_of(tenant, name)
        except Exception as error:  # whatever the store has: nothing was charged
            log.warning("profiles.account_not_read", session=event.session_id, error=repr(error))
            deliver(ChargingAnswer(Result.TOO_BUSY))
            return
        self._service.submit(msgspec.structs.replace(event, account=key), deliver, visit)

    # --- resources

    def _visit(self, event: ChargingEvent, fields: Event) -> "Visit | None":
        """What goes along with an event that may take or free a place."""
        if not self._allocates or event.kind not in ENDS or not self._runtime.state.tables[Kind.RESOURCE]:
            return None
        return Visit(self, event, fields)

    def join(self, visit: "Visit", decision: Decision, *, may_learn: bool) -> ChargingAnswer | None:
        """A place for a session that opens, or its refusal; one that ends leaves its place with its record."""
        if decision.opened is not None:
            return self._taken(visit, decision, may_learn=may_learn)
        if may_learn and decision.closed_keys and self._is_unheard_of(visit):
            raise Behind  # the place that is to be free again was given by another server
        return None

    def _taken(self, visit: "Visit", decision: Decision, *, may_learn: bool) -> ChargingAnswer | None:
        visit.refusal, visit.tells = "", []
        surroundings = self._runtime.surroundings
        own = session_key(visit.event.client, visit.event.session_id)
        left = [f"{self.mark}{key}" for key in decision.closed_keys if key != own]
        with (
            surroundings.without_usages(self._runtime.tenant, left),
            surroundings.postponing() as visit.tells,
        ):
            try:
                surroundings.allocate_resources(self._asked(visit))
            except ServiceError as error:
                if str(error) == NOT_FOUND:
                    return None
                if may_learn:
                    raise Behind from error  # a place may be free by now
                log.info("profiles.refused", session=visit.event.session_id, reason=str(error))
                return self._full(visit, str(error))
        return None

    def _full(self, visit: "Visit", reason: str) -> ChargingAnswer | None:
        """Refuse a session that no resource has room for."""
        return ChargingAnswer(Result.LIMIT_EXCEEDED, message=reason)

    def _asked(self, visit: "Visit") -> CgrEvent:
        return CgrEvent(self._runtime.tenant, visit.fields, {USAGE_ID: self._usage_id(visit.event)})

    def _is_unheard_of(self, visit: "Visit") -> bool:
        """Whether a session should have a place that is not known here."""
        resources, asked = self._runtime.surroundings.resources, self._asked(visit)
        if resources.holds(asked.tenant, self._usage_id(visit.event)):
            return False
        return bool(resources.matching(self._runtime.surroundings.view(asked)))

    def settle(self, visit: "Visit") -> None:
        """Queue what goes along with a decision, right behind it."""
        for tell in visit.tells:
            tell()
        self._runtime.settle()

    async def catch_up(self) -> None:
        """Learn what other servers have changed. Raises StoreError."""
        await self._runtime.catch_up()

    def _ended(self, cdrs: Iterable[Cdr]) -> None:
        """Frees the places of sessions in the transaction of the records of their ends."""
        for cdr in cdrs:
            key = session_key(cdr.client, cdr.session_id)
            if self._service.supervision.get(key) is None:  # else it has begun anew in the same step
                self._release(f"{self.mark}{key}")

    def _release(self, usage_id: str) -> None:
        asked = CgrEvent(self._runtime.tenant, {}, {USAGE_ID: usage_id})
        if self._runtime.surroundings.resources.holds(asked.tenant, usage_id):
            with suppress(ServiceError):  # its resource is gone
                self._runtime.surroundings.release_resources(asked)

    def _usages(self) -> set[str]:
        table = self._runtime.state.tables[Kind.RESOURCE_USAGE].values()
        return {change.usage_id for change in table if change.usage_id.startswith(self.mark)}

    async def run(self) -> None:
        """Free from time to time the places of sessions that ended where nobody knew of them."""
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await self.sweep()
            except Exception:
                log.exception("profiles.sweep_failed")

    async def sweep(self) -> None:
        """Free the places of sessions that the core does not have."""
        for usage_id in self._usages():
            key = usage_id.removeprefix(self.mark)
            if not await self._service.is_open(key) and self._service.supervision.get(key) is None:
                self._release(usage_id)
        await self._runtime.durable()

    # --- records

    def _count(self, cdrs: Iterable[Cdr]) -> None:
        """Feeds records to thresholds and statistics, with the change that makes them."""
        surroundings = self._runtime.surroundings
        count = {"stats": surroundings.stats, "thresholds": surroundings.thresholds}
        for cdr in cdrs:
            if not self._is_mine(cdr.client):
                continue
            event = event_of(cdr, self._runtime.tenant)
            for name in self._counts:
                try:
                    count[name](event, ())
                except ServiceError as error:
                    if str(error) != NOT_FOUND:
                        log.warning("profiles.not_counted", subsystem=name, reason=str(error))

    def _is_mine(self, client: str) -> bool:
        """Whether the records of a client are counted here."""
        return client in self._clients

    def _usage_id(self, event: ChargingEvent) -> str:
        return f"{self.mark}{session_key(event.client, event.session_id)}"


class Visit:
    """An event on its way to the core, with what goes along with its decision."""

    __slots__ = ("_door", "event", "fields", "refusal", "tells")

    def __init__(self, door: SurroundedDoor, event: ChargingEvent, fields: Event) -> None:
        self._door = door
        self.event = event
        self.fields = fields
        self.tells: list[Callable[[], None]] = []  # thresholds of what changed
        self.refusal = ""  # why it has no place, where it is charged all the same

    def join(self, decision: Decision, *, may_learn: bool) -> ChargingAnswer | None:
        """Change what goes along with a decision, or refuse it. Raises Behind."""
        return self._door.join(self, decision, may_learn=may_learn)

    def queued(self) -> None:
        """The decision is on its way to the disk."""
        self._door.settle(self)

    async def catch_up(self) -> None:
        """Learn what other servers have changed. Raises StoreError."""
        await self._door.catch_up()


def with_fields(event: ChargingEvent, before: Event, after: Event) -> ChargingEvent:
    """The event with what attributes made of its fields, but for who pays."""
    changed = {name for name in after if after[name] != before.get(name)}
    names = {"Destination": "called", "Category": "category", "APN": "apn"}
    said = {names[name]: values.text(after[name]) for name in changed.intersection(names)}
    if said:
        context = event.context or ChargingContext()
        event = msgspec.structs.replace(event, context=msgspec.structs.replace(context, **said))
    if "Subject" in changed:
        event = msgspec.structs.replace(event, subject=values.text(after["Subject"]))
    if "RequestType" in changed:
        kind = REQUEST_TYPES.get(values.text(after["RequestType"]))
        event = event if kind is None else msgspec.structs.replace(event, request_type=kind)
    return event
