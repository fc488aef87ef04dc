"""Access-Requests: is it this user, and how much may be used; an Access-Accept or Access-Reject says so."""

import asyncio
import secrets
from collections.abc import Callable

import structlog

from ocs.agents.radius.charging import ChargingCore, ChargingDoor
from ocs.agents.radius.exchange import Exchange, tell
from ocs.agents.radius.mapping.access import (
    PASSWORD,
    REFUSED,
    Fields,
    accepted,
    fields_of,
    rejected,
    replies_of,
)
from ocs.agents.radius.mapping.charging import SECOND_NS, account_name, authorization, context_of
from ocs.agents.radius.mapping.report import facts_of, nas_name
from ocs.agents.radius.metrics import RadiusMetrics
from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import Attribute, Malformed
from ocs.agents.radius.wire.passwords import Method, digest_user, method_of, proves, salted
from ocs.agents.voice.outcomes import BUSY, NO_CREDIT, grant_of, outcome, reason
from ocs.agents.voice.parties import identities_of
from ocs.charging.events import ChargingAnswer, EventKind, Result, Unit
from ocs.config.settings import RadiusSettings

log = structlog.get_logger()

SESSION_ID = "Acct-Session-Id"

Altered = tuple[tuple[str, str], ...]
Properties = Callable[[str, Fields], Altered]  # (tenant, fields of the request) to those that profiles gave


class Refusal(Exception):
    """The request is refused; `attributes` go with the Access-Reject."""

    def __init__(self, text: str, attributes: tuple[Attribute, ...] = ()) -> None:
        super().__init__(text)
        self.attributes = attributes


class AccessFlow:
    """Answers Access-Requests; `properties` are the profiles' word on a request, the password among it."""

    def __init__(
        self,
        settings: RadiusSettings,
        service: ChargingCore,
        charging: ChargingDoor,
        properties: Properties,
        metrics: RadiusMetrics,
    ) -> None:
        self._settings = settings
        self._service = service
        self._charging = charging
        self._properties = properties
        self._metrics = metrics
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, exchange: Exchange) -> None:
        """Begin to answer a request."""
        task = asyncio.get_running_loop().create_task(self._guarded(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Leave without an answer what has none yet."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _guarded(self, exchange: Exchange) -> None:
        try:
            await self._answer(exchange)
        except Malformed as error:
            exchange.drop("malformed")
            tell(exchange.client, error)
        except Exception:
            exchange.drop("failed")
            log.exception("radius.request_failed", peer=exchange.client.name, code=exchange.packet.code)
        finally:
            exchange.drop("stopped")

    async def _answer(self, exchange: Exchange) -> None:
        packet, client = exchange.packet, exchange.client
        method = method_of(packet)
        altered = self._properties(self._settings.default_tenant, fields_of(client, packet, method))
        try:
            proof = self._proved(exchange, method, dict(altered).get(PASSWORD))
            account = await self._account(dict(altered).get("Account") or self._name(exchange))
            answer = await self._authorized(exchange, account)
        except Refusal as refusal:
            await self._reject(exchange, str(refusal), refusal.attributes)
            return
        if answer.result in BUSY:
            exchange.drop("too_busy")
            return
        self._metrics.request_answered(EventKind.EVENT, outcome(answer), exchange.took_ns(), "radius")
        grant = grant_of(answer)
        if grant is None or (grant.unit is Unit.TIME and grant.amount < SECOND_NS):
            await self._reject(exchange, reason(answer) if grant is None else NO_CREDIT, ())
            return
        given = self._given(exchange, (*altered, *self._told(answer)))
        most_s = self._settings.max_session_ns // SECOND_NS
        exchange.reply(codes.ACCESS_ACCEPT, [*proof, *accepted(client, account, grant, given, most_s)])
        self._metrics.radius_access(True)

    def _proved(self, exchange: Exchange, method: Method, password: str | None) -> tuple[Attribute, ...]:
        """What the answer has to say about the proof. Raises Refusal for a wrong one."""
        packet, client = exchange.packet, exchange.client
        if client.settings.authentication == "none":
            return ()
        if password is None or method in (Method.EAP, Method.NONE):
            log.warning(
                "radius.user_not_proved",
                peer=client.name,
                method=method.value,
                has_password=password is not None,
            )
            raise Refusal(REFUSED)
        if method in (Method.DIGEST, Method.STERMAN):
            named = digest_user(packet, method)
            if named not in (packet.text(codes.USER_NAME), packet.text(codes.USER_NAME).partition("@")[0]):
                raise Refusal(REFUSED)
        is_proved, said = proves(packet, method, client.secret, password)
        if not is_proved:
            raise Refusal(REFUSED, said)
        return said

    def _name(self, exchange: Exchange) -> str:
        return account_name(exchange.packet.text(codes.USER_NAME), exchange.client.settings.strip_realm)

    async def _account(self, name: str) -> str:
        """The key of the account of that name. Raises Refusal where there is none."""
        found = await self._service.account(name) if name else None
        for identity in identities_of(name) if found is None else ():
            found = await self._service.find(identity)
            if found is not None:
                break
        if found is None:
            raise Refusal("RALS_ERROR:ACCOUNT_NOT_FOUND")
        return found.key

    async def _authorized(self, exchange: Exchange, account: str) -> ChargingAnswer:
        """How much time may be used; where time has no price, how much volume."""
        client = exchange.client
        answer = await self._asked(exchange, account, Unit.TIME, self._settings.max_session_ns)
        if outcome(answer) is Result.RATING_FAILED and client.service == "data":
            answer = await self._asked(exchange, account, Unit.OCTETS, self._settings.max_volume_octets)
        return answer

    async def _asked(self, exchange: Exchange, account: str, unit: Unit, amount: int) -> ChargingAnswer:
        packet, client = exchange.packet, exchange.client
        session_id = packet.text(codes.ACCT_SESSION_ID).replace("|", "_")
        is_call = bool(session_id) and client.service == "voice"
        facts = facts_of(packet)
        if session_id and not is_call:
            facts = (*facts, (SESSION_ID, session_id))
        context = context_of(
            client,
            packet.text(codes.CALLING_STATION_ID),
            packet.text(codes.CALLED_STATION_ID),
            facts,
        )
        return await self._charging.handle(
            authorization(
                client,
                nas_name(packet, exchange.address[0]),
                session_id if is_call else f"access {secrets.token_hex(8)}",
                account,
                unit,
                amount,
                self._settings.authorize_hold_ns if is_call else 0,
                context,
            )
        )

    def _told(self, answer: ChargingAnswer) -> Altered:
        """The message of the resource that has room and the routes, as the attributes that are to tell them."""
        settings = self._settings
        message = ((settings.allocation_attribute, answer.message),) if answer.message else ()
        routes = () if answer.profiles is None else answer.profiles.routes
        return (*message, *[(settings.route_attribute, each) for each in routes])

    def _given(self, exchange: Exchange, altered: Altered) -> list[Attribute]:
        """The attributes that profiles gave for the answer."""
        packet, client = exchange.packet, exchange.client

        def hide(value: bytes) -> bytes:
            salt = bytes((secrets.randbits(7) | 0x80, secrets.randbits(8)))
            return salted(value, client.secret, packet.authenticator, salt)

        attributes, problems = replies_of(client.dictionary, altered, hide)
        if problems:
            log.warning("radius.reply_attributes_left_out", peer=client.name, problems=problems)
        return attributes

    async def _reject(self, exchange: Exchange, text: str, attributes: tuple[Attribute, ...]) -> None:
        """Say no, after a while: guessing passwords takes time."""
        log.warning("radius.access_rejected", peer=exchange.client.name, reason=text)
        await asyncio.sleep(self._settings.reject_delay_ns / SECOND_NS)
        exchange.reply(codes.ACCESS_REJECT, rejected(text, attributes))
        self._metrics.radius_access(False)
