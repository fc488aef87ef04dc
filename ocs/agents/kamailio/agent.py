"""The Kamailio agent: all proxies of a server, and what the server asks about their calls."""

import asyncio
import time
from collections.abc import Callable

import structlog

from ocs.agents.kamailio.book import Clocks, KamailioMetrics
from ocs.agents.kamailio.proxy import ProxyCalls
from ocs.agents.kamailio.transport import Link
from ocs.agents.voice.door import ChargingDoor
from ocs.agents.voice.pauses import Pauses
from ocs.charging.control import ControlResult, SessionAddress
from ocs.config.settings import SECOND, KamailioSettings

log = structlog.get_logger()

RETRY_ADOPTION_NS = SECOND
LONGEST_ADOPTION_NS = 10 * SECOND


class KamailioAgent:
    """Connects to every proxy of the settings and charges its calls."""

    def __init__(
        self,
        settings: KamailioSettings,
        service: ChargingDoor,
        metrics: KamailioMetrics,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        says_all: bool = False,
    ) -> None:
        """`says_all` tells the core of every message in Kamailio's words, and leaves it to it what is charged."""
        self.proxies: dict[str, ProxyCalls] = {}
        self.links: dict[str, Link] = {}
        clocks = Clocks(wall_ns, monotonic_ns)
        for connection in settings.connections:
            name = connection.name or f"{connection.host}:{connection.port}"
            proxy = ProxyCalls(name, settings, service, metrics, clocks, says_all)
            link = Link(name, connection, settings, proxy)
            proxy.send = link.send
            self.proxies[name], self.links[name] = proxy, link
        self._sync_s = settings.sync_interval_ns / SECOND
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to connect; a proxy that is not there now is tried again."""
        loop = asyncio.get_running_loop()
        for name, link in self.links.items():
            self._tasks.append(loop.create_task(self._run(self.proxies[name], link)))

    async def _run(self, proxy: ProxyCalls, link: Link) -> None:
        """The calls of an earlier life of this server first, then the proxy, which says what became of them."""
        await self._adopt(proxy)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(link.run())
            tasks.create_task(self._sync(proxy))

    async def _adopt(self, proxy: ProxyCalls) -> None:
        pauses = Pauses(RETRY_ADOPTION_NS, LONGEST_ADOPTION_NS)
        while True:
            if await proxy.adopt():
                return
            await asyncio.sleep(pauses.next_s())

    async def _sync(self, proxy: ProxyCalls) -> None:
        while True:
            await asyncio.sleep(self._sync_s)
            proxy.ask_for_dialogs()

    async def drain(self) -> None:
        """Let go of the proxies; calls that are running go on, and are found again after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for proxy in self.proxies.values():
            proxy.stop()

    # --- requests of the server

    async def reauthorize(self, session: SessionAddress) -> ControlResult:
        """There is credit again: ask for the next slice now."""
        proxy = self.proxies.get(session.client)
        return ControlResult.UNSUPPORTED if proxy is None else proxy.reauthorize(session.session_id)

    async def warn(self, session: SessionAddress) -> ControlResult:
        """Kamailio plays nothing."""
        return ControlResult.UNSUPPORTED

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        """End a call; Kamailio is told the cause."""
        proxy = self.proxies.get(session.client)
        return ControlResult.UNSUPPORTED if proxy is None else proxy.disconnect(session.session_id, cause)
