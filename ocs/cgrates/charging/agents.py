"""Diameter and RADIUS of `ocs serve` on the event pipeline, and what the pipeline asks of them."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from ocs.agents.diameter.agent import DiameterAgent
from ocs.agents.diameter.listening import ListenError
from ocs.agents.diameter.states import ClientStates
from ocs.agents.radius.agent import RadiusAgent
from ocs.agents.radius.loading import LoadError
from ocs.cgrates.agents.events import Wishes
from ocs.cgrates.agents.peers import FIRST_NUMBER, AllClients
from ocs.cgrates.agents.properties import RadiusProperties
from ocs.cgrates.agents.results import ProfileSteps
from ocs.cgrates.charging.charges import Charges
from ocs.cgrates.charging.door import NetworkDoor
from ocs.cgrates.charging.radius import MeteredSessions, RadiusCore
from ocs.cgrates.kinds import Kind
from ocs.cgrates.listening import StartError
from ocs.cgrates.runtime import Runtime, connected
from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.metering import Metering
from ocs.config.settings import Settings
from ocs.config.shipped import shipped_dictionaries
from ocs.metrics import CONTENT_TYPE, Metrics
from ocs.policy import charging_policy
from ocs.sessions.clients import ClientError, Clients

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiohttp.web import Request, Response, RouteDef

log = structlog.get_logger()

NUMBER = FIRST_NUMBER - 2  # of all network elements together
PEER = "network"
BORN = "diameter born"  # key of the record that says when the data began, for the Origin-State-Id
STATES_FILE = "origin_states.jsonl"
SECOND_NS = 1_000_000_000
ALWAYS = dict.fromkeys(("*attributes", "*resources", "*accounts"), "")  # where there are profiles


class NetworkAgents:
    """Both on the pipeline of a server; to the pipeline they are one connection that can be asked."""

    number = NUMBER
    peer = PEER

    def __init__(
        self,
        runtime: Runtime,
        settings: Settings,
        data_dir: Path,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._runtime = runtime
        self._settings = settings
        self.metrics = Metrics()
        steps = ProfileSteps(runtime.surroundings, connected(runtime.settings))
        charges = Charges(runtime, steps, self._wishes_of, self)
        self.door = NetworkDoor(charges, charging_policy(settings), settings.store.queue, monotonic_ns)
        self.diameter = DiameterAgent(
            settings, self.door, self.metrics, self._born_s(), ClientStates(data_dir / STATES_FILE)
        )
        self._groups = groups = {client.name: client.rating_group for client in settings.radius.clients}
        self.radius = self._radius_agent(RadiusCore(self.door, charges, groups))
        self._metering = Metering(MeteredSessions(self.door, runtime.wall_ns, self._disconnect))
        self.door.waiting.ask = lambda session: self._spawn(self._reauthorized(session))
        self.door.abort = lambda session, cause: self._spawn(self._aborted(session, cause))
        self._watching: list[asyncio.Task[None]] = []

    def _wishes_of(self, client: str) -> Wishes:
        """Which profiles surround the sessions of a network element."""
        is_radius = client.partition("/")[0] in self._groups
        section = self._settings.radius if is_radius else self._settings.diameter
        return Wishes(ALWAYS | {f"*{name}": "" for name in section.subsystems}, is_default=True)

    def _radius_agent(self, core: RadiusCore) -> RadiusAgent:
        properties = RadiusProperties(self._runtime)
        try:
            return RadiusAgent(
                self._settings.radius, core, properties, self.metrics, shipped_dictionaries("radius")
            )
        except LoadError as error:
            raise StartError(str(error)) from error

    def _born_s(self) -> int:
        """When the data of this server began: clients know by it that their sessions are still here."""
        table = self._runtime.state.tables[Kind.META]
        if BORN not in table:
            self._runtime.state.put(Kind.META, BORN, str(time.time_ns() // SECOND_NS))
        return int(table[BORN])

    # --- life

    def beside(self, others: Clients) -> Clients:
        """All who can be asked about their sessions."""
        return AllClients(others, [self])

    async def start(self) -> None:
        """Takes over the sessions that were open when the server ended, and listens. Raises StartError, OSError."""
        sessions = self.door.take_over()
        try:
            await self.diameter.start()
            await self.radius.start()
        except ListenError as error:
            raise StartError(f"cannot listen: {error}") from error
        loop = asyncio.get_running_loop()
        self._watching = [loop.create_task(work) for work in (self.door.run(), self._metering.run())]
        log.info("diameter.started", sessions=sessions, addresses=self.diameter.addresses())

    async def stop(self) -> None:
        """Answers what is under way, and takes leave of the peers."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await self.radius.drain()
        await self.diameter.drain()

    def routes(self) -> "list[RouteDef]":
        """The page of metrics."""
        from aiohttp import web

        async def show(request: "Request") -> "Response":
            self.metrics.sessions_open(len(self.door.supervision))
            self.metrics.queue_depth(self.door.in_flight)
            return web.Response(body=self.metrics.render(), headers={"Content-Type": CONTENT_TYPE})

        return [web.get(self._settings.metrics.path, show)]

    # --- requests to network elements

    async def call(self, method: str, params: object, timeout_ns: int) -> object:
        """What the pipeline asks about one of its sessions, or about all. Raises ClientError."""
        method, event = method.rpartition(".")[2], _event_of(params)
        if method == "GetActiveSessionIDs":
            return self._ids()
        session = self.door.find(str(event.get("OriginHost") or ""), str(event.get("OriginID") or ""))
        if session is None:
            raise ClientError(ControlResult.UNKNOWN_SESSION.name)
        match method:
            case "DisconnectSession":
                said = await self._disconnect(session, str(event.get("DisconnectCause") or ""))
            case "AlterSession":
                said = await self._reauthorize(session)
            case _:
                raise ClientError(f"UNSUPPORTED_SERVICE_METHOD: {method}")
        if said not in (ControlResult.ACCEPTED, ControlResult.UNDER_WAY):
            raise ClientError(said.name)
        return "OK"

    def _ids(self) -> list[dict[str, str]]:
        mine = [each for each in self._runtime.state.sessions.values() if each.peer == PEER]
        return [
            {name: str(session.event.get(name) or "") for name in ("OriginHost", "OriginID")}
            for session in mine
        ]

    async def _reauthorized(self, session: SessionAddress) -> None:
        """A session whose account has more credit is asked to ask again; one that is not known any more ends."""
        if await self._reauthorize(session) is ControlResult.UNKNOWN_SESSION:
            ref = self.door.supervision.get(f"{session.client}|{session.session_id}")
            if ref is not None:
                await self.door.close_session(ref, "unknown to its client")

    async def _aborted(self, session: SessionAddress, cause: str) -> None:
        await self._disconnect(session, cause)

    async def _disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        """Asks the access server of that name, else the Diameter client."""
        said = await self.radius.disconnect(session, cause)
        return (
            said if said is not ControlResult.UNSUPPORTED else await self.diameter.disconnect(session, cause)
        )

    async def _reauthorize(self, session: SessionAddress) -> ControlResult:
        said = await self.radius.reauthorize(session)
        return said if said is not ControlResult.UNSUPPORTED else await self.diameter.reauthorize(session)

    def _spawn(self, work: "Coroutine[Any, Any, None]") -> None:
        self._runtime.in_background("diameter request", work)


def _event_of(params: object) -> Mapping[str, Any]:
    """The event of a session: `EventStart` of protocol 1.0, `Event` of 2.0, with the cause of its end."""
    first = params[0] if isinstance(params, list | tuple) and params else params
    told: Mapping[str, Any] = first if isinstance(first, Mapping) else {}
    for name in ("EventStart", "Event"):
        event = told.get(name)
        if isinstance(event, Mapping):
            return {**event, "DisconnectCause": event.get("DisconnectCause") or told.get("Reason")}
    return told
