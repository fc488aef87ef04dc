"""Profiles around the events of an agent that is charged by the core itself: Diameter and RADIUS on `ocs serve`.

Attributes change who pays for an event and where it goes to; every matching charger makes a run of it, and all runs
are charged in one commit; a resource without room refuses a session before anything is charged; records feed
thresholds and statistics. Only an agent whose section of ocs.yaml names `subsystems` has this in front of it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress

import msgspec
import structlog

from ocs.agents.voice.parties import identities_of
from ocs.cgrates.kinds import Kind
from ocs.charging.account import RUN_MARK, Run, Session, session_key
from ocs.charging.decision import Decision
from ocs.charging.entry import Cdr
from ocs.charging.events import Action, ChargingAnswer, ChargingContext, ChargingEvent, EventKind, Result
from ocs.charging.pending import Behind
from ocs.charging.runs import RunEvent, event_of_run
from ocs.charging.service import ChargingService
from ocs.exact.accounting import REQUEST_TYPES
from ocs.exact.records import event_of
from ocs.exact.sessions import DEFAULT_RUN, ExactRuntime
from ocs.sessions import values
from ocs.sessions.errors import NOT_FOUND, ServiceError
from ocs.sessions.model import CgrEvent
from ocs.sessions.network_events import fields_of
from ocs.sessions.values import Event

log = structlog.get_logger()

CONTEXT = "*sessions"
USAGE_ID = "*rsUsageID"
BEGINNINGS = (EventKind.INITIAL, EventKind.EVENT)
ASKING = (Action.CHECK_BALANCE, Action.PRICE_ENQUIRY)  # of the account that the client names alone
ENDS = (EventKind.INITIAL, EventKind.TERMINATION)  # of a session: where places are taken and freed
MOST_CLIENTS = 10_000
SWEEP_S = 60.0

Deliver = Callable[[ChargingAnswer], None]


class SurroundedDoor:
    """The charging service with profiles in front of it; `mark` begins the ids of the usages of its sessions."""

    mark = "session|"

    def __init__(self, service: ChargingService, runtime: ExactRuntime, subsystems: Collection[str]) -> None:
        self._service = service
        self._runtime = runtime
        self._alters = "attributes" in subsystems
        self._forks = "chargers" in subsystems
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
        if RUN_MARK in event.session_id:
            log.warning(
                "profiles.session_refused", session=event.session_id, reason=f"{RUN_MARK} names a run"
            )
            deliver(ChargingAnswer(Result.INVALID_VALUE, failed="session_id"))
            return
        visit = self._visit(event, fields)
        if self._forks and visit is not None:
            try:
                event, payer, is_resolved = self._forked(event, payer, visit)
            except ServiceError as error:
                log.warning("profiles.not_forked", session=event.session_id, reason=str(error))
                deliver(ChargingAnswer(Result.FAILED))
                return
            if not is_resolved:
                self._runtime.spawn(self._charge_resolved(event, payer, deliver, visit))
                return
        self._charge(event, payer, deliver, visit)

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

    # --- chargers

    def _forked(self, event: ChargingEvent, payer: str, visit: "Visit") -> tuple[ChargingEvent, str, bool]:
        """The event as its first run has it, who pays for that, and whether all others who pay are known.

        Raises ServiceError.
        """
        try:
            forks = self._runtime.surroundings.fork(CgrEvent(self._runtime.tenant, visit.fields))
        except ServiceError as error:
            if str(error) == NOT_FOUND:
                return event, payer, True
            raise
        first = next((each for each in forks if each.run_id == DEFAULT_RUN), forks[0] if forks else None)
        if first is None:
            return event, payer, True
        visit.forks = {each.run_id: each.event for each in forks if each is not first}
        visit.plain = event
        name = values.text(first.event.get("Account"))
        if name != values.text(visit.fields.get("Account")):
            payer = self._payer(name, payer)
        event = with_fields(event, visit.fields, first.event)
        return event, payer, event.kind not in BEGINNINGS or self._resolved(visit)

    def _payer(self, name: str, before: str) -> str:
        """Who pays for the first run, where its charger says so."""
        return f"{self._runtime.tenant}:{name}"

    def _resolved(self, visit: "Visit") -> bool:
        """Whether the accounts of all runs are known by name; then the visit has them."""
        runs = []
        for run_id, fields in visit.forks.items():
            key = self._runtime.exact.known_key(self._runtime.tenant, values.text(fields.get("Account")))
            if key is None:
                return False
            runs.append(Run(run_id, key))
        visit.begun = tuple(runs)
        return True

    async def _charge_resolved(
        self, event: ChargingEvent, payer: str, deliver: Deliver, visit: "Visit"
    ) -> None:
        exact, tenant = self._runtime.exact, self._runtime.tenant
        runs = []
        try:
            for run_id, fields in visit.forks.items():
                await exact.prepare(tenant, fields)
                runs.append(Run(run_id, await exact.key_of(tenant, values.text(fields.get("Account")))))
        except Exception as error:  # whatever the store has: nothing was charged
            log.warning("profiles.account_not_read", session=event.session_id, error=repr(error))
            deliver(ChargingAnswer(Result.TOO_BUSY))
            return
        visit.begun = tuple(runs)
        self._charge(event, payer, deliver, visit)

    # --- resources

    def _visit(self, event: ChargingEvent, fields: Event) -> "Visit | None":
        """What goes along with an event that may take or free a place, or that more than one account pays for."""
        is_forked = self._forks and event.action not in ASKING
        takes = self._allocates and event.kind in ENDS and bool(self._runtime.state.tables[Kind.RESOURCE])
        return Visit(self, event, fields) if is_forked or takes else None

    def join(self, visit: "Visit", decision: Decision, *, may_learn: bool) -> ChargingAnswer | None:
        """A place for a session that opens, or its refusal; one that ends leaves its place with its record."""
        if not self._allocates or visit.event.kind not in ENDS:
            return None
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

    def settle(self, visit: "Visit", *, is_shared: bool) -> None:
        """Queue what goes along with a decision right behind it, so that all of it is in one piece."""
        for tell in visit.tells:
            tell()
        self._runtime.settle(always=is_shared)

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

    __slots__ = ("_door", "begun", "event", "fields", "forks", "plain", "refusal", "tells")

    def __init__(self, door: SurroundedDoor, event: ChargingEvent, fields: Event) -> None:
        self._door = door
        self.event = event
        self.fields = fields
        self.plain = event  # as it is before its first run changes it
        self.forks: dict[str, Event] = {}  # the fields of its other runs
        self.begun: tuple[Run, ...] = ()  # and who pays for them, where the event begins something
        self.tells: list[Callable[[], None]] = []  # thresholds of what changed
        self.refusal = ""  # why it has no place, where it is charged all the same

    def join(self, decision: Decision, *, may_learn: bool) -> ChargingAnswer | None:
        """Change what goes along with a decision, or refuse it. Raises Behind."""
        return self._door.join(self, decision, may_learn=may_learn)

    def runs(self, session: Session | None) -> Sequence[RunEvent]:
        """Who else is charged: those of the session, or those that chargers name where something begins."""
        is_begun = self.event.kind in BEGINNINGS
        runs = self.begun if is_begun else () if session is None else session.runs
        return [RunEvent(run, event_of_run(self._as_run(run.name), run)) for run in runs]

    def _as_run(self, name: str) -> ChargingEvent:
        fields = self.forks.get(name)
        return self.plain if fields is None else with_fields(self.plain, self.fields, fields)

    def queued(self, *, is_shared: bool) -> None:
        """The decision is on its way to the disk."""
        self._door.settle(self, is_shared=is_shared)

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
