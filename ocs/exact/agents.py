"""The switch agents of `ocs serve` where profiles surround their calls: the event pipeline is their charging core.

A section of ocs.yaml that names `subsystems` has its agent charge through the pipeline: attributes change a call,
chargers make several runs of it, resources give it a place, routes and counts go into its answers. A section
without them has its agent talk to the core itself, and costs nothing of all that.
"""

import time
from collections.abc import Callable, Sequence

from ocs.agents.freeswitch.agent import FreeswitchAgent
from ocs.agents.kamailio.agent import KamailioAgent
from ocs.agents.kamailio.book import KamailioMetrics
from ocs.cgrates.agents import events
from ocs.cgrates.agents.door import PipelineDoor
from ocs.cgrates.agents.peers import FIRST_NUMBER, AgentClient, AllClients, Switches
from ocs.cgrates.agents.promises import Promises
from ocs.cgrates.agents.results import ATTRIBUTES, RESOURCES, ROUTES, STATS, THRESHOLDS, ProfileSteps
from ocs.charging.authorize import LONGEST_RESERVE_NS
from ocs.charging.service import ChargingService
from ocs.config.settings import FreeswitchSettings, KamailioSettings, Subsystem
from ocs.exact.sessions import ExactRuntime
from ocs.sessions.clients import Clients
from ocs.sessions.errors import wrapped
from ocs.sessions.model import CgrEvent, Run, Session

PREPAID = "*prepaid"  # calls that say nothing else, as where no profiles surround them
NAMES = {
    "attributes": ATTRIBUTES,
    "resources": RESOURCES,
    "routes": ROUTES,
    "thresholds": THRESHOLDS,
    "stats": STATS,
}


class HeldByCore(Promises):
    """Promises that are reservations of the core, one for every run of a call."""

    def __init__(self, runtime: ExactRuntime) -> None:
        super().__init__(runtime)
        self._exact = runtime.exact

    def _held(self, cgr: CgrEvent, wanted: int) -> tuple[int, tuple[Run, ...], dict[str, object]]:
        runs = self._runtime.sessions.open_runs(events.with_usage(cgr, wanted), 0)
        allowed, held = wanted, list[tuple[Run, int]]()
        for run in runs:
            outcome = self._exact.reserve(run, wanted, LONGEST_RESERVE_NS)
            if outcome.refusal or not outcome.usage:
                for before, _ in held:
                    self._exact.let_go(before)
                if outcome.refusal:
                    raise wrapped("RALS", outcome.refusal)
                return 0, (), {}
            held.append((run, outcome.usage))
            allowed = min(allowed, outcome.usage)
        for run, usage in held:
            if usage > allowed:
                self._exact.reserve(run, allowed, LONGEST_RESERVE_NS)
        return allowed, runs, {}

    def _given(self, promise: Session) -> None:
        """The core has it."""

    def _taken(self, promise: Session) -> None:
        for run in promise.runs:
            self._exact.let_go(run)


class VoiceAgents:
    """Both agents, on the pipeline or on the core as their sections say."""

    def __init__(
        self,
        runtime: ExactRuntime,
        service: ChargingService,
        freeswitch: FreeswitchSettings,
        kamailio: KamailioSettings,
        metrics: KamailioMetrics,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Raises OSError where the password of a switch cannot be read."""
        self._runtime = runtime
        self._promises = HeldByCore(runtime)
        self._doors: list[PipelineDoor] = []
        self.clients: list[AgentClient] = []
        freeswitch_door = self._door(freeswitch.subsystems)
        self.freeswitch = FreeswitchAgent(
            freeswitch, freeswitch_door or service, says_all=freeswitch_door is not None
        )
        kamailio_door = self._door(kamailio.subsystems)
        self.kamailio = KamailioAgent(
            kamailio,
            kamailio_door or service,
            metrics,
            wall_ns,
            monotonic_ns,
            says_all=kamailio_door is not None,
        )
        if freeswitch_door is not None:
            named = [switch.name or f"{switch.host}:{switch.port}" for switch in freeswitch.switches]
            self._know(named, self.freeswitch, freeswitch_door)
        if kamailio_door is not None:
            self._know(list(self.kamailio.proxies), self.kamailio, kamailio_door)

    def _door(self, subsystems: Sequence[Subsystem]) -> PipelineDoor | None:
        if not subsystems:
            return None
        runtime = self._runtime
        steps = ProfileSteps(runtime.surroundings, frozenset([NAMES[name] for name in subsystems]))
        flags = {"*accounts": "", **{f"*{name}": "" for name in subsystems}}
        door = PipelineDoor(
            runtime, steps, self._promises, creates_cdrs=True, default_flags=flags, request_type=PREPAID
        )
        self._doors.append(door)
        return door

    def _know(self, names: list[str], agent: Switches, door: PipelineDoor) -> None:
        for name in names:
            client = AgentClient(FIRST_NUMBER + len(self.clients), name, agent, door.ids_of)
            door.clients[name] = client
            self.clients.append(client)

    def beside(self, front: Clients) -> Clients:
        """All who can be asked about their sessions."""
        return AllClients(front, self.clients) if self.clients else front

    async def take_over(self) -> None:
        """Goes on with what there was when the server ended; promises of switches that are gone are void."""
        await self._promises.restore()
        for key in self._promises.keys_of_others({client.peer for client in self.clients}):
            self._promises.take(key)
        for door in self._doors:
            door.start()
