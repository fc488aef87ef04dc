"""The live feed: once a second what changed, encoded once for all pages that listen."""

import asyncio

from msgspec import UNSET, Struct, UnsetType

from ocs.rpc.activity import Answered, Second
from ocs.rpc.context import Context
from ocs.rpc.envelope import encode
from ocs.rpc.methods.ocs_v1.server import Peers, Status, peers_now, status_now

LISTENERS = 32
WAITING = 8  # seconds a page may be behind before it is let go


class Delta(Struct, frozen=True):
    """One second. `results` are totals; answers and rejections are those since the last second."""

    status: Status
    second: Second
    results: dict[str, int]
    answers: list[Answered]
    rejections: list[Answered]
    peers: Peers | UnsetType = UNSET


class Snapshot(Struct, frozen=True):
    """What a page begins with."""

    status: Status
    seconds: list[Second]
    results: dict[str, int]
    answers: list[Answered]
    rejections: list[Answered]
    peers: Peers


class Feed:
    """Pages listen by a queue each; one that does not keep up gets None and is let go."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        self._answer = self._rejection = 0  # the last ones published
        self._peers: Peers | None = None

    def listen(self) -> "asyncio.Queue[bytes | None] | None":
        """A queue that begins with a snapshot; None where too many listen."""
        if len(self._listeners) >= LISTENERS:
            return None
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)
        queue.put_nowait(_event("snapshot", self._snapshot()))
        self._listeners.add(queue)
        return queue

    def leave(self, queue: "asyncio.Queue[bytes | None]") -> None:
        """A page is gone."""
        self._listeners.discard(queue)

    def publish(self, second: Second) -> None:
        """Tell everybody about the second that ended."""
        activity = self._context.activity
        answers = [each for each in activity.answers if each.number > self._answer]
        rejections = [each for each in activity.rejections if each.number > self._rejection]
        self._answer = answers[-1].number if answers else self._answer
        self._rejection = rejections[-1].number if rejections else self._rejection
        if not self._listeners:
            return
        peers = peers_now(self._context)
        changed = UNSET if peers == self._peers else peers
        self._peers = peers
        delta = Delta(status_now(self._context), second, dict(activity.results), answers, rejections, changed)
        event = _event("delta", delta)
        for queue in list(self._listeners):
            if queue.full():
                self._let_go(queue)
            else:
                queue.put_nowait(event)

    def close(self) -> None:
        """Let go of everybody."""
        for queue in list(self._listeners):
            self._let_go(queue)

    def _let_go(self, queue: "asyncio.Queue[bytes | None]") -> None:
        self._listeners.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)

    def _snapshot(self) -> Snapshot:
        """What was published until now; what came since is in the next delta."""
        activity = self._context.activity
        return Snapshot(
            status_now(self._context),
            list(activity.seconds),
            dict(activity.results),
            [each for each in activity.answers if each.number <= self._answer],
            [each for each in activity.rejections if each.number <= self._rejection],
            peers_now(self._context),
        )


def _event(name: str, data: object) -> bytes:
    """A server-sent event (WHATWG HTML 9.2)."""
    return b"event: " + name.encode() + b"\ndata: " + encode(data) + b"\n\n"
