"""What profiles say of RADIUS on `ocs serve`: passwords, who pays, attributes for answers, places."""

import asyncio

import msgspec
import structlog

from ocs.agents.radius.mapping.charging import account_name
from ocs.agents.voice.outcomes import GRANTED, grant_of
from ocs.charging.account import session_key
from ocs.charging.decision import Decision
from ocs.charging.events import (
    ChargingAnswer,
    ChargingContext,
    ChargingEvent,
    EventKind,
    Grant,
    ProfileResults,
    Result,
)
from ocs.charging.pending import Behind
from ocs.charging.service import ChargingService
from ocs.charging.store import StoreError
from ocs.charging.supervision import SessionRef
from ocs.config.settings import RadiusSettings
from ocs.exact.door import USAGE_ID, Deliver, SurroundedDoor, Visit
from ocs.exact.sessions import ExactRuntime
from ocs.sessions import values
from ocs.sessions.errors import NOT_FOUND, ServiceError
from ocs.sessions.model import CgrEvent
from ocs.sessions.network_events import fields_of
from ocs.sessions.surroundings import RouteOptions
from ocs.sessions.values import Event

log = structlog.get_logger()

SESSION_ID = "Acct-Session-Id"
UNAVAILABLE = "RESOURCE_UNAVAILABLE"


class RadiusDoor(SurroundedDoor):
    """The charging service with profiles in front of it, for access servers.

    An Access-Request is refused where no resource has room. A session that has begun at its access server is
    charged all the same: it is granted nothing, so that it is cut. Who pays is said by the profiles of `*radius`
    alone, because records are looked for by the account of the user.
    """

    mark = "radius|"

    def __init__(self, service: ChargingService, runtime: ExactRuntime, settings: RadiusSettings) -> None:
        super().__init__(service, runtime, settings.subsystems)
        self._routes_calls = "routes" in settings.subsystems
        self._strips_realm = {client.name: client.strip_realm for client in settings.clients}

    async def handle(self, event: ChargingEvent) -> ChargingAnswer:
        """Answer an authorization; one that grants has the message of the resource with room."""
        fields = self._fields(event)
        if self._alters:
            try:
                event, fields, _ = self._altered(event, fields)
            except ServiceError as error:
                log.warning("profiles.not_applied", session=event.session_id, reason=str(error))
                return ChargingAnswer(Result.FAILED)
        message = ""
        if self._allocates:
            asked = CgrEvent(self._runtime.tenant, fields, {USAGE_ID: self._usage_id(event)})
            try:
                message = await self._place_for(asked)
            except ServiceError as error:
                if str(error) != NOT_FOUND:
                    said = self._named(str(error), asked)
                    return ChargingAnswer(Result.LIMIT_EXCEEDED, message=said)
            except StoreError as error:
                log.warning("profiles.not_caught_up", session=event.session_id, error=str(error))
                return ChargingAnswer(Result.TOO_BUSY)
        answer = await self._authorized(event, fields)
        if grant_of(answer) is None:
            return answer
        profiles = ProfileResults(routes=self._routes(fields)) if self._routes_calls else None
        return msgspec.structs.replace(answer, message=message, profiles=profiles)

    def _routes(self, fields: Event) -> tuple[str, ...]:
        """The routes of a request, best first; none where they cannot be told."""
        try:
            found = self._runtime.surroundings.routes(CgrEvent(self._runtime.tenant, fields), RouteOptions())
        except ServiceError as error:
            if str(error) != NOT_FOUND:
                log.warning("radius.routes_failed", reason=str(error))
            return ()
        return tuple(filter(None, found.digest.split(",")))

    async def _authorized(self, event: ChargingEvent, fields: Event) -> ChargingAnswer:
        """What all who pay for a session may use of it."""
        answered: asyncio.Future[ChargingAnswer] = asyncio.get_running_loop().create_future()
        visit = self._visit(event, fields)
        try:
            if self._forks and visit is not None:
                event, _, is_resolved = self._forked(event, "", visit)
                if not is_resolved:
                    await self._charge_resolved(event, "", answered.set_result, visit)
                    return await answered
        except ServiceError as error:
            log.warning("profiles.not_forked", session=event.session_id, reason=str(error))
            return ChargingAnswer(Result.FAILED)
        return await self._service.handle(event, visit)

    def _payer(self, name: str, before: str) -> str:
        return before

    async def _place_for(self, asked: CgrEvent) -> str:
        """The message of a resource with room, also as other servers have it. Raises ServiceError, StoreError."""
        surroundings = self._runtime.surroundings
        try:
            return surroundings.authorize_resources(asked)
        except ServiceError as error:
            if str(error) == NOT_FOUND or not self._runtime.is_shared:
                raise
        await self._runtime.catch_up()
        return surroundings.authorize_resources(asked)

    async def close_session(self, ref: SessionRef, cause: str) -> bool:
        """End a session without its client; its place is free with its record."""
        return await self._service.close_session(ref, cause)

    def _fields(self, event: ChargingEvent) -> Event:
        """The fields of an event; its account has the user's name, before as after the Access-Accept."""
        fields = fields_of(event)
        strips_realm = self._strips_realm.get(event.client.partition("/")[0], False)
        user = account_name(values.text(fields.get("User-Name")), strips_realm)
        return fields | {"Account": user} if user else fields

    def _altered(self, event: ChargingEvent, fields: Event) -> tuple[ChargingEvent, Event, str]:
        altered, found, _ = super()._altered(event, fields)
        return altered, found, ""

    def _charge(self, event: ChargingEvent, payer: str, deliver: Deliver, visit: Visit | None) -> None:
        if visit is None:
            super()._charge(event, payer, deliver, None)
            return

        def answered(answer: ChargingAnswer) -> None:
            deliver(_granting_nothing(answer, visit.refusal) if visit.refusal else answer)

        super()._charge(event, payer, answered, visit)

    def join(self, visit: Visit, decision: Decision, *, may_learn: bool) -> ChargingAnswer | None:
        """A place for a session that opens; one that has none is charged, and granted nothing."""
        if decision.is_repeat and visit.event.kind is EventKind.INITIAL and self._is_unheard_of(visit):
            if may_learn:
                raise Behind
            return self._full(visit, UNAVAILABLE)
        return super().join(visit, decision, may_learn=may_learn)

    def _full(self, visit: Visit, reason: str) -> ChargingAnswer | None:
        visit.refusal = self._named(reason, self._asked(visit))
        return None

    def _named(self, reason: str, asked: CgrEvent) -> str:
        """Why there is no place, with the resources that have none."""
        surroundings = self._runtime.surroundings
        matching = surroundings.resources.matching(surroundings.view(asked))
        return f"{reason}: {', '.join([profile.id for profile in matching])}"

    def _is_mine(self, client: str) -> bool:
        name, slash, _ = client.partition("/")
        return bool(slash) and name in self._strips_realm

    def _usage_id(self, event: ChargingEvent) -> str:
        """The usage of a session; an authorization that names its session asks for the place of that."""
        context = event.context or ChargingContext()
        session_id = event.session_id
        if event.kind is EventKind.EVENT:
            session_id = dict(context.extra).get(SESSION_ID, session_id).replace("|", "_")
        return f"{self.mark}{session_key(event.client, session_id)}"


def _granting_nothing(answer: ChargingAnswer, message: str) -> ChargingAnswer:
    """What the core made of a session that is to end: it is open, and has no more."""
    if answer.result not in GRANTED or not answer.grants:
        return answer
    first = answer.grants[0]
    refused = Grant(first.rating_group, first.service_identifiers, Result.LIMIT_EXCEEDED)
    return msgspec.structs.replace(answer, grants=(refused,), message=message)
