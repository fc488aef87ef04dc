"""Profiles around the events of an agent that is charged by the core itself: Diameter and RADIUS on `ocs serve`.

Attributes change who pays for an event and where it goes to; a resource without room refuses a session before
anything is charged; records feed thresholds and statistics. Chargers and routes have no place in such a protocol:
one request has one account, and one answer. Only an agent whose section of ocs.yaml names `subsystems` has this in
front of it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable

import msgspec
import structlog

from ocs.agents.voice.parties import identities_of
from ocs.cgrates.journal import JournalError
from ocs.cgrates.kinds import Kind
from ocs.charging.account import session_key
from ocs.charging.entry import Cdr
from ocs.charging.events import ChargingAnswer, ChargingContext, ChargingEvent, EventKind, Result
from ocs.charging.service import ChargingService
from ocs.charging.store import StoreError
from ocs.config.settings import DiameterSubsystem
from ocs.exact.accounting import REQUEST_TYPES
from ocs.exact.records import TORS, event_of
from ocs.exact.sessions import ExactRuntime
from ocs.sessions import values
from ocs.sessions.errors import NOT_FOUND, Outrun, ServiceError
from ocs.sessions.model import CgrEvent
from ocs.sessions.values import Event

log = structlog.get_logger()

CONTEXT = "*sessions"
USAGE_ID = "*rsUsageID"
BEGINNINGS = (EventKind.INITIAL, EventKind.EVENT)
MOST_CLIENTS = 10_000
BUSY = (Result.TOO_BUSY, Result.FAILED)  # the client may say it again
SWEEP_S = 60.0
ATTEMPTS = 8  # to take a place that other servers want too
CAUSE_NO_PLACE = "no place of its resource is free"

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
        self._opening: dict[str, int] = {}  # usages of sessions that the core does not have yet
        self._counts = tuple([name for name in ("stats", "thresholds") if name in subsystems])
        self._clients: set[str] = set()  # whose records are counted
        if self._counts:
            service.on_records.append(self._count)

    async def client_restarted(self, client: str) -> int:
        """Close the sessions of a client that lost them, and free their places."""
        closed = await self._service.client_restarted(client)
        await self.sweep()
        return closed

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
        if self._allocates and event.kind is EventKind.INITIAL:
            self._allocated(event, fields, payer, deliver)
        elif self._allocates and event.kind is EventKind.TERMINATION:
            self._service.submit(event, self._released(event, deliver))
        else:
            self._charge(event, payer, deliver)

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

    def _charge(self, event: ChargingEvent, payer: str, deliver: Deliver) -> None:
        """Hand the event to the core; where attributes name who pays, as one of the account of that name."""
        if not payer or event.kind not in BEGINNINGS:
            self._service.submit(event, deliver)
            return
        tenant, _, name = payer.partition(":")
        event = msgspec.structs.replace(event, identities=identities_of(name))
        known = self._runtime.exact.known_key(tenant, name)
        if known is not None:
            self._service.submit(msgspec.structs.replace(event, account=known), deliver)
        else:
            self._runtime.spawn(self._charge_unknown(event, tenant, name, deliver))

    async def _charge_unknown(self, event: ChargingEvent, tenant: str, name: str, deliver: Deliver) -> None:
        exact = self._runtime.exact
        try:
            await exact.prepare(tenant, {"Account": name})
            key = exact.known_key(tenant, name) or await exact.key_of(tenant, name)
        except Exception as error:  # whatever the store has: nothing was charged
            log.warning("profiles.account_not_read", session=event.session_id, error=repr(error))
            deliver(ChargingAnswer(Result.TOO_BUSY))
            return
        self._service.submit(msgspec.structs.replace(event, account=key), deliver)

    # --- resources

    def _allocated(
        self, event: ChargingEvent, fields: Event, payer: str, deliver: Deliver, left: int = ATTEMPTS
    ) -> None:
        """A place for a session, or a refusal; a session that is refused leaves its place.

        Where another server was quicker the place is asked for again; the core repeats its answer then.
        """
        usage_id, tenant = self._usage_id(event), self._runtime.tenant
        asked = CgrEvent(tenant, fields, {USAGE_ID: usage_id})
        had_one = self._runtime.surroundings.resources.holds(tenant, usage_id)
        try:
            self._runtime.surroundings.allocate_resources(asked)
        except ServiceError as error:
            if str(error) == NOT_FOUND:
                self._charge(event, payer, deliver)
            else:
                log.info("profiles.refused", session=event.session_id, reason=str(error))
                self._without_place(event, fields, payer, str(error), deliver, left < ATTEMPTS)
            return
        self._opening[usage_id] = self._opening.get(usage_id, 0) + 1

        def answered(answer: ChargingAnswer) -> None:
            self._opening[usage_id] -= 1
            if not self._opening[usage_id]:
                del self._opening[usage_id]
            if answer.result is not Result.SUCCESS and not had_one:
                self._release(usage_id)

            def durable(error: Exception | None) -> None:
                if isinstance(error, Outrun) and left and answer.result is Result.SUCCESS:
                    self._runtime.spawn(self._allocated_again(event, fields, payer, deliver, left - 1))
                else:
                    deliver(answer if error is None else _lost(answer))

            self._when_durable(durable)

        self._charge(event, payer, answered)

    async def _allocated_again(
        self, event: ChargingEvent, fields: Event, payer: str, deliver: Deliver, left: int
    ) -> None:
        try:
            await self._runtime.catch_up()
        except StoreError as error:
            log.warning("profiles.not_caught_up", session=event.session_id, error=str(error))
            deliver(ChargingAnswer(Result.TOO_BUSY))
            return
        self._allocated(event, fields, payer, deliver, left)

    def _without_place(
        self, event: ChargingEvent, fields: Event, payer: str, reason: str, deliver: Deliver, is_open: bool
    ) -> None:
        """Refuse a session that no resource has room for; one that the core has opened meanwhile ends."""
        deliver(ChargingAnswer(Result.LIMIT_EXCEEDED, message=reason))
        if is_open:
            self._abandon(event)

    def _abandon(self, event: ChargingEvent) -> None:
        """End a session that the core has opened and that has no place after all."""
        ref = self._service.supervision.get(session_key(event.client, event.session_id))
        if ref is not None:
            self._runtime.spawn(self._service.close_session(ref, CAUSE_NO_PLACE))

    def _released(self, event: ChargingEvent, deliver: Deliver) -> Deliver:
        """Frees the place of a session that has ended before its end is answered."""

        def answered(answer: ChargingAnswer) -> None:
            if answer.result in BUSY:
                deliver(answer)
                return
            self._release(self._usage_id(event))
            self._when_durable(lambda error: deliver(answer))  # it was charged, whatever became of the place

        return answered

    def _release(self, usage_id: str) -> None:
        asked = CgrEvent(self._runtime.tenant, {}, {USAGE_ID: usage_id})
        try:
            self._runtime.surroundings.release_resources(asked)
        except ServiceError:
            return  # it held none

    def _when_durable(self, done: Callable[[JournalError | None], None]) -> None:
        self._runtime.state.when_durable(done)

    def _usages(self) -> set[str]:
        table = self._runtime.state.tables[Kind.RESOURCE_USAGE].values()
        return {change.usage_id for change in table if change.usage_id.startswith(self.mark)}

    async def run(self) -> None:
        """Free from time to time the places of sessions that ended without their client."""
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
            is_open = self._service.supervision.get(key) is not None or await self._service.is_open_elsewhere(
                key
            )
            if not is_open and usage_id not in self._opening:
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
        self._when_durable(_told)

    def _is_mine(self, client: str) -> bool:
        """Whether the records of a client are counted here."""
        return client in self._clients

    def _usage_id(self, event: ChargingEvent) -> str:
        return f"{self.mark}{session_key(event.client, event.session_id)}"


def fields_of(event: ChargingEvent) -> Event:
    """What rules may look at of an event; the names are those of the session API, and of its own facts."""
    context = event.context or ChargingContext()
    named: Event = {each.kind.name: each.value for each in reversed(event.identities)}
    found = {
        **dict(context.extra),
        **named,
        "EventType": event.kind.name,
        "ToR": TORS.get(event.service, "*generic"),
        "OriginID": event.session_id,
        "OriginHost": event.client,
        "Account": event.account.partition(":")[2] or (event.identities[0].value if event.identities else ""),
        "Subject": event.subject,
        "Destination": context.called,
        "Calling": context.calling,
        "Category": context.category,
        "APN": context.apn,
        "PLMN": context.plmn,
        "RAT": context.rat,
        "RequestType": "" if event.request_type is None else f"*{event.request_type.name.lower()}",
    }
    return {name: value for name, value in found.items() if value}


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


def _lost(answer: ChargingAnswer) -> ChargingAnswer:
    """What is said where the place of a session could not be written: nothing is promised."""
    return ChargingAnswer(Result.TOO_BUSY) if answer.result is Result.SUCCESS else answer


def _told(error: JournalError | None) -> None:
    """Counts that could not be written are those of memory; the store has said so itself."""
