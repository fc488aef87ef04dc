"""The RADIUS agent: its ports, the flows behind them, and what the server asks about sessions of access servers."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from ocs.agents.radius.access import AccessFlow, Properties
from ocs.agents.radius.accounting import AccountingFlow
from ocs.agents.radius.charging import ChargingDoor, WholeCore
from ocs.agents.radius.dynamic import DynamicAuthorization
from ocs.agents.radius.exchange import Exchange, RequestDoor
from ocs.agents.radius.loading import load_clients
from ocs.agents.radius.mapping.clients import Client, Clients
from ocs.agents.radius.mapping.report import nas_name
from ocs.agents.radius.mapping.session import NasSession
from ocs.agents.radius.metrics import RadiusMetrics
from ocs.agents.radius.port import Port
from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import Attribute
from ocs.charging.control import ControlResult, SessionAddress
from ocs.config.settings import RadiusSettings

log = structlog.get_logger()

DRAIN_S = 5.0
HEARD_AT_MOST = 10_000
CAUSE_UNKNOWN = "unknown to its access server"


class NasInfo(msgspec.Struct):
    """An access server that was heard of, as the list of peers shows it."""

    origin_host: str
    address: str
    product: str
    profile: str
    since_ns: int
    realm: str = ""
    state: str = "open"
    requests: int = 0
    answers: int = 0
    in_flight: int = 0
    is_suspected: bool = False


class Asks(Protocol):
    """Asks access servers about their sessions."""

    async def disconnect(self, client: Client, session: NasSession, cause: str) -> ControlResult:
        """Have a session ended."""
        ...

    async def change(
        self, client: Client, session: NasSession, attributes: Sequence[Attribute]
    ) -> ControlResult:
        """Have other attributes applied to a session."""
        ...


class RadiusAgent:
    """Serves access servers; without clients in the settings it does nothing."""

    def __init__(
        self,
        settings: RadiusSettings,
        service: WholeCore,
        properties: Properties,
        metrics: RadiusMetrics,
        dictionaries: Path,
        door: ChargingDoor | None = None,
    ) -> None:
        """Read secrets and dictionaries; raises LoadError. `door` is what surrounds the service."""
        self._settings = settings
        self._service = service
        self._clients = Clients(load_clients(settings, dictionaries) if settings.clients else ())
        self.dynamic: Asks = DynamicAuthorization(settings, metrics)
        self._charging: ChargingDoor = door or service
        self._access = AccessFlow(settings, service, self._charging, properties, metrics)
        self.accounting = AccountingFlow(
            settings, self._clients, service, self._charging, metrics, self._cut, self._extend
        )
        self._sweeping: asyncio.Task[None] | None = None
        self._heard: dict[str, NasInfo] = {}
        self._tasks: set[asyncio.Task[ControlResult]] = set()
        handlers = {
            codes.ACCESS_REQUEST: self._asked_for_access,
            codes.ACCOUNTING_REQUEST: self._told_of_usage,
        }
        self.door = RequestDoor(settings, self._clients, metrics, handlers)
        self._ports = [
            Port(self.door, endpoint, code)
            for listener in (settings.listen if settings.clients else ())
            for endpoint, code in (
                (listener.authentication, codes.ACCESS_REQUEST),
                (listener.accounting, codes.ACCOUNTING_REQUEST),
            )
            if endpoint is not None
        ]

    # --- life

    async def start(self) -> None:
        """Find the sessions of an earlier life again, then listen. Raises OSError, StoreError."""
        if not self._ports:
            return
        sessions = await self.accounting.adopt()
        self._sweeping = asyncio.get_running_loop().create_task(self.accounting.sweep())
        for port in self._ports:
            await port.open(self._settings.receive_buffer_octets)
        log.info(
            "radius.started", clients=len(self._clients.by_name), sessions=sessions, ports=self.addresses()
        )

    async def drain(self) -> None:
        """Take nothing new, answer what is under way, close the ports."""
        self.door.is_closed = True
        await self._access.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self.door.idle()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.accounting.stop()
        for port in self._ports:
            await port.close()

    def addresses(self) -> list[str]:
        """Where it listens."""
        return [f"{port.endpoint.address}:{port.endpoint.port}" for port in self._ports]

    def peers(self) -> list[NasInfo]:
        """The access servers that were heard of since the start."""
        return list(self._heard.values())

    # --- requests of access servers

    def _asked_for_access(self, exchange: Exchange) -> None:
        self._hear(exchange)
        self._access.take(exchange)

    def _told_of_usage(self, exchange: Exchange) -> None:
        self._hear(exchange)
        self.accounting.take(exchange)

    def _hear(self, exchange: Exchange) -> None:
        name = f"{exchange.client.name}/{nas_name(exchange.packet, exchange.address[0])}"
        heard = self._heard.get(name)
        if heard is None:
            if len(self._heard) >= HEARD_AT_MOST:
                del self._heard[next(iter(self._heard))]
            profile = exchange.client.settings.profile
            heard = NasInfo(name, exchange.address[0], "RADIUS", profile, self._service.now_ns())
            self._heard[name] = heard
        heard.requests += 1
        exchange.heard = heard

    # --- requests of the server

    def _cut(self, client: Client, session: NasSession, cause: str) -> None:
        """A session has no credit: its access server is asked to end it."""
        if session.is_being_cut:
            return
        task = asyncio.get_running_loop().create_task(self._end(client, session, cause))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _extend(self, client: Client, session: NasSession, seconds: int) -> None:
        """A session has credit again: its access server is told its new end, where it takes that."""
        if not client.settings.change_of_authorization:
            return
        timeout = codes.SESSION_TIMEOUT, seconds.to_bytes(4, "big")
        task = asyncio.get_running_loop().create_task(self.dynamic.change(client, session, [timeout]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, client: Client, session: NasSession, cause: str) -> ControlResult:
        session.is_being_cut = True
        try:
            result = await self.dynamic.disconnect(client, session, cause)
        finally:
            session.is_being_cut = False
        ref = self._service.supervision.get(session.key)
        if result is ControlResult.UNKNOWN_SESSION and ref is not None:
            await self._charging.close_session(ref, CAUSE_UNKNOWN)
        return result

    def _found(self, session: SessionAddress) -> tuple[Client, NasSession] | ControlResult:
        client = self._clients.by_name.get(session.client.partition("/")[0])
        if client is None or "/" not in session.client:
            return ControlResult.UNSUPPORTED
        found = self.accounting.find(session.client, session.session_id)
        return ControlResult.UNKNOWN_SESSION if found is None else (client, found)

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        """Have an access server end a session."""
        found = self._found(session)
        return found if isinstance(found, ControlResult) else await self._end(*found, cause)

    async def reauthorize(self, session: SessionAddress) -> ControlResult:
        """There may be credit again: ask the core at once, and not with the next report."""
        found = self._found(session)
        if isinstance(found, ControlResult):
            return found
        self.accounting.ask(*found)
        return ControlResult.ACCEPTED

    async def warn(self, session: SessionAddress) -> ControlResult:
        """RADIUS tells users nothing while their sessions last."""
        return ControlResult.UNSUPPORTED
