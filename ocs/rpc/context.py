"""What methods work with: the charging service, facts about this server, and the tasks it owns."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import structlog

from ocs.charging.service import ChargingService
from ocs.config.settings import Settings
from ocs.metrics import Metrics
from ocs.rpc.activity import Activity
from ocs.tariffs import Tariffs

log = structlog.get_logger()

T = TypeVar("T")


class PeerInfo(Protocol):
    """A connection of a Diameter peer; `since_ns` is on the wall clock."""

    @property
    def origin_host(self) -> str: ...
    @property
    def realm(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def product(self) -> str: ...
    @property
    def profile(self) -> str: ...
    @property
    def since_ns(self) -> int: ...
    @property
    def requests(self) -> int: ...
    @property
    def answers(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def is_suspected(self) -> bool: ...


class RefusedPeer(Protocol):
    """A peer that was not let in; `remedy` is the line of ocs.yaml that would let it."""

    @property
    def origin_host(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def result_code(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def attempts(self) -> int: ...
    @property
    def last_ns(self) -> int: ...
    @property
    def remedy(self) -> str: ...


Peers = Callable[[], Sequence[PeerInfo]]
RefusedPeers = Callable[[], Sequence[RefusedPeer]]


def nobody() -> tuple[()]:
    """The peers of a server without Diameter."""
    return ()


class Context:
    """One per server; `wall_ns` and `monotonic_ns` are its clocks."""

    def __init__(
        self,
        service: ChargingService,
        settings: Settings,
        metrics: Metrics,
        activity: Activity,
        peers: Peers = nobody,
        refused: RefusedPeers = nobody,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.service = service
        self.settings = settings
        self.metrics = metrics
        self.activity = activity
        self.peers = peers
        self.refused = refused
        self.tariffs: Tariffs | None = None  # a server without versions has the tariff it was started with
        self.wall_ns = wall_ns
        self.monotonic_ns = monotonic_ns
        self.started_at_ns = wall_ns()
        self.tasks: set[asyncio.Task[Any]] = set()
        self._turns: dict[str, Turn] = {}

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something that goes on when whoever asked for it is gone."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def in_background(self, name: str, work: Awaitable[object]) -> None:
        """Run something nobody waits for; what goes wrong is logged."""

        async def run() -> None:
            try:
                await work
            except Exception:
                log.exception("rpc.background_failed", work=name)

        self.spawn(run())

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """One after the other for all that have the same key."""
        turn = self._turns.setdefault(key, Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[key]

    async def lasting(self, key: str, work: Coroutine[Any, Any, T]) -> T:
        """Do something to the end, after what goes on under the same key, also where nobody waits any more."""

        async def run() -> T:
            try:
                async with self.turn(key):
                    return await work
            finally:
                work.close()

        return await asyncio.shield(self.spawn(run()))

    async def finish(self, longest_s: float) -> None:
        """Wait for the tasks, and end those that take longer."""
        tasks = [task for task in self.tasks if task is not asyncio.current_task()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=longest_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


class Turn:
    """A lock and how many want it."""

    __slots__ = ("lock", "wanted")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.wanted = 0
