"""The switch agents of a configuration, on the event pipeline."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from ocs.agents.freeswitch.agent import FreeswitchAgent
from ocs.agents.kamailio.agent import KamailioAgent
from ocs.cgrates.agents.door import PipelineDoor
from ocs.cgrates.agents.peers import FIRST_NUMBER, AgentClient, AllClients, Switches
from ocs.cgrates.agents.promises import HeldBeside
from ocs.cgrates.agents.results import ProfileSteps
from ocs.cgrates.agents.sections import Pace, SectionError, freeswitch_settings, kamailio_settings
from ocs.cgrates.runtime import Runtime, connected
from ocs.charging.events import EventKind, Result
from ocs.config.settings import FreeswitchSettings, KamailioSettings
from ocs.rpc.capacity import Capacity
from ocs.sessions.clients import Clients

if TYPE_CHECKING:
    from ocs.cgrates.agents.diameter import DiameterFront
    from ocs.cgrates.agents.radius import RadiusFront

__all__ = ["SectionError", "VoiceAgents"]

log = structlog.get_logger()

VOICE = "*voice"
RADIUS_NUMBER = FIRST_NUMBER - 1
DIAMETER_NUMBER = FIRST_NUMBER - 2
DRAIN_S = 1.0


class Unmeasured:
    """Nobody counts."""

    def request_answered(self, kind: EventKind, result: Result, took_ns: int, command: str = "ccr") -> None:
        """A request was answered."""


class VoiceAgents:
    """All agents, those of voice each with a door of its own. Raises SectionError for what cannot be used."""

    def __init__(
        self,
        runtime: Runtime,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        *,
        unencrypted: bool = False,
        caps: Capacity | None = None,
    ) -> None:
        self._runtime = runtime
        settings = runtime.settings
        told = settings.sessions
        pace = Pace(
            int(told.debit_interval),
            runtime.accounting.default_usage(VOICE),
            int(told.channel_sync_interval),
            settings.general.default_tenant,
        )
        switches = freeswitch_settings(settings.freeswitch_agent, pace)
        proxies = kamailio_settings(settings.kamailio_agent, pace)
        steps = ProfileSteps(runtime.surroundings, connected(settings))
        promises = self._promises = HeldBeside(runtime)
        self._freeswitch_door = PipelineDoor(runtime, steps, promises, settings.freeswitch_agent.create_cdr)
        self._kamailio_door = PipelineDoor(runtime, steps, promises, settings.kamailio_agent.create_cdr)
        self.freeswitch = FreeswitchAgent(switches, self._freeswitch_door, says_all=True)
        self.kamailio = KamailioAgent(
            proxies, self._kamailio_door, Unmeasured(), runtime.wall_ns, monotonic_ns, says_all=True
        )
        self.clients: list[AgentClient] = []
        self.radius = self._radius()
        self.diameter = self._diameter(unencrypted, Capacity() if caps is None else caps)
        self._know(_names(switches), self.freeswitch, self._freeswitch_door)
        self._know(_names(proxies), self.kamailio, self._kamailio_door)

    def _know(self, names: list[str], agent: Switches, door: PipelineDoor) -> None:
        for name in names:
            client = AgentClient(FIRST_NUMBER + len(self.clients), name, agent, door.ids_of)
            door.clients[name] = client
            self.clients.append(client)

    def _radius(self) -> "RadiusFront | None":
        """The RADIUS agent; what it needs is not imported where it is off."""
        section = self._runtime.settings.radius_agent
        if not section.enabled:
            return None
        from ocs.cgrates.agents.radius import RadiusFront

        return RadiusFront(self._runtime, section, RADIUS_NUMBER)

    def _diameter(self, unencrypted: bool, caps: Capacity) -> "DiameterFront | None":
        """The Diameter agent, likewise."""
        section = self._runtime.settings.diameter_agent
        if not section.enabled:
            return None
        from ocs.cgrates.agents.diameter import DiameterFront

        return DiameterFront(self._runtime, section, DIAMETER_NUMBER, caps, unencrypted=unencrypted)

    def beside(self, front: Clients) -> AllClients:
        """All who can be asked about their sessions."""
        fronts = [each for each in (self.radius, self.diameter) if each is not None]
        return AllClients(front, [*self.clients, *fronts])

    async def take_over(self) -> None:
        """Goes on with what there was when the server ended; promises of switches that are gone are void."""
        await self._promises.restore()
        known = {client.peer for client in self.clients}
        for key in self._promises.keys_of_others(known):
            self._promises.take(key)
        for door in (self._freeswitch_door, self._kamailio_door):
            door.start()

    async def start(self) -> None:
        """Takes over what there was when the server ended, and connects."""
        await self.take_over()
        await self.freeswitch.start()
        await self.kamailio.start()
        if self.radius is not None:
            await self.radius.start()
        if self.diameter is not None:
            await self.diameter.start()
        if self.clients:
            log.info("agents.started", peers=[client.name for client in self.clients])

    async def stop(self) -> None:
        """Lets go of the switches; calls go on within the limits they are armed with.

        What is still under way with a switch that does not answer is given up: a successor waits.
        """
        if self.diameter is not None:
            self.diameter.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await asyncio.gather(self.freeswitch.drain(), self.kamailio.drain())
        if self.radius is not None:
            await self.radius.stop()
        if self.diameter is not None:
            await self.diameter.stop()


def _names(settings: FreeswitchSettings | KamailioSettings) -> list[str]:
    connections = settings.switches if isinstance(settings, FreeswitchSettings) else settings.connections
    return [connection.name or "" for connection in connections]
