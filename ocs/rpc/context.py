"""What methods work with: the charging service, facts about this server, and the tasks it owns."""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from ocs.charging.service import ChargingService
from ocs.config.settings import Settings
from ocs.metrics import Metrics
from ocs.reload import Reloader
from ocs.rpc.activity import Activity
from ocs.rpc.tasks import Tasks
from ocs.tariffs import Tariffs


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


class Context(Tasks):
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
        super().__init__()
        self.service = service
        self.settings = settings
        self.metrics = metrics
        self.activity = activity
        self.peers = peers
        self.refused = refused
        self.tariffs: Tariffs | None = None  # a server without versions has the tariff it was started with
        self.reloader: Reloader | None = None  # a server that was not started from a file has none
        self.wall_ns = wall_ns
        self.monotonic_ns = monotonic_ns
        self.started_at_ns = wall_ns()
