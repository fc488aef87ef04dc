"""What `ocs serve` starts and stops: the front door with the methods, the live page, and the beat of its feed."""

import asyncio

import structlog

from ocs.charging.service import ChargingService
from ocs.config.settings import Settings
from ocs.log import masked
from ocs.metrics import Metrics
from ocs.rpc.activity import Activity
from ocs.rpc.clients import Clients
from ocs.rpc.context import Context, Peers, RefusedPeers, nobody
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.envelope import EnvelopeLimits
from ocs.rpc.feed import Feed
from ocs.rpc.front import FrontDoor, Listeners
from ocs.rpc.live import LivePages
from ocs.rpc.methods import REGISTRY
from ocs.rpc.tcp import TcpLimits

log = structlog.get_logger()

BEATS = 10  # a second
FINISH_S = 5.0


class RpcServer:
    """Everything programs and people talk to; listeners that the settings leave out are not there."""

    def __init__(
        self,
        service: ChargingService,
        settings: Settings,
        metrics: Metrics,
        activity: Activity,
        peers: Peers = nobody,
        refused: RefusedPeers = nobody,
        envelope_limits: EnvelopeLimits | None = None,
        tcp_limits: TcpLimits | None = None,
    ) -> None:
        if settings.log.mask_subscribers:
            activity.mask = masked
        self.context = Context(service, settings, metrics, activity, peers, refused)
        dispatcher = Dispatcher(REGISTRY, self.context, envelope_limits or EnvelopeLimits())
        self._feed = Feed(self.context)
        self._pages = LivePages(self.context, self._feed)
        rpc = settings.rpc
        self.front = FrontDoor(
            dispatcher,
            Listeners(rpc.jsonrpc, rpc.bidirectional, rpc.http),
            self._pages.routes(),
            tcp_limits,
            monotonic_ns=self.context.monotonic_ns,
        )
        self._beat: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> dict[str, tuple[str, int]]:
        """Where it listens, by the names of the settings."""
        return self.front.addresses

    @property
    def clients(self) -> Clients:
        """The connections the server can call."""
        return self.front.clients

    async def start(self) -> None:
        """Open the listeners, or none: OSError where an address is taken."""
        await self.front.start()
        self._beat = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Close the listeners, answer what was asked, close the connections."""
        self._pages.close()
        await self.front.close()
        await self.context.finish(FINISH_S)
        await self.front.end()
        if self._beat is not None:
            self._beat.cancel()
            await asyncio.gather(self._beat, return_exceptions=True)

    async def _run(self) -> None:
        """The beat: count the traffic, publish every second."""
        while True:
            for _ in range(BEATS):
                await asyncio.sleep(1 / BEATS)
                self.context.activity.collect(self.context.wall_ns())
            try:
                self._feed.publish(self.context.activity.tick(self.context.wall_ns()))
            except Exception:
                log.exception("rpc.beat_failed")
