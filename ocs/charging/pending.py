"""One event on its way to an answer, and what bounds and counts all of them."""

from collections.abc import Callable, Sequence
from typing import Protocol

from ocs.charging.account import Session, session_key
from ocs.charging.decision import Decision
from ocs.charging.events import ChargingAnswer, ChargingEvent
from ocs.charging.runs import RunEvent
from ocs.charging.store import StoreError

Deliver = Callable[[ChargingAnswer], None]


class Limits:
    """What the door lets in: events under way, how long one may wait for its turn, what memory keeps."""

    __slots__ = ("accounts", "answers", "in_flight", "wait_ns")

    def __init__(
        self,
        in_flight: int = 20_000,
        wait_ns: int = 2_000_000_000,
        accounts: int = 200_000,
        answers: int = 100_000,
    ) -> None:
        self.in_flight = in_flight
        self.wait_ns = wait_ns
        self.accounts = accounts
        self.answers = answers


class Observer(Protocol):
    """What the door counts."""

    def duplicate_answered(self) -> None: ...
    def answer_forgotten(self) -> None: ...
    def request_shed(self) -> None: ...
    def debited(self, service: str, amount_nanos: int) -> None: ...
    def session_expired(self) -> None: ...
    def sessions_open(self, count: int) -> None: ...
    def queue_depth(self, waiting: int) -> None: ...


class Behind(Exception):
    """A companion does not know enough of what other servers have changed to say anything yet."""


class Companion(Protocol):
    """What stands or falls with the decision on an event: both become durable in one commit, or neither."""

    def join(self, decision: Decision, *, may_learn: bool) -> ChargingAnswer | None:
        """Change what goes along with a decision; an answer refuses it, and nothing at all is changed.

        It is called for every decision on the event, also after a lost race, when all was taken back. Raises
        Behind, where it may, to be asked again after `catch_up`.
        """
        ...

    def runs(self, session: Session | None) -> Sequence[RunEvent]:
        """Who else is charged for the event, given its session where there is one; in memory they are found."""
        ...

    def queued(self, *, is_shared: bool) -> None:
        """The decision is on its way to the disk: what is queued now becomes durable with it.

        `is_shared`: so does every run's, which only something queued behind them makes one piece.
        """
        ...

    async def catch_up(self) -> None:
        """Learn what other servers have changed. Raises StoreError."""
        ...


class Committer(Protocol):
    """Who hears that a change is durable, or never will be."""

    def committed(self, pending: "Pending", error: StoreError | None) -> None: ...


class Pending:
    """One event on its way to an answer."""

    __slots__ = (
        "account_key",
        "answer",
        "arrived_ns",
        "attempts",
        "companion",
        "deliver",
        "event",
        "followers",
        "has_looked",
        "is_informed",
        "is_verified",
        "key",
        "others",
        "service",
    )

    def __init__(
        self,
        service: Committer,
        event: ChargingEvent,
        deliver: Deliver,
        arrived_ns: int,
        companion: Companion | None = None,
    ) -> None:
        self.service = service
        self.companion = companion
        self.event = event
        self.key = session_key(event.client, event.session_id)
        self.deliver = deliver
        self.arrived_ns = arrived_ns
        self.account_key = ""
        self.answer: ChargingAnswer | None = None
        self.attempts = 0
        self.followers: list[Pending] | None = None
        self.others: tuple[str, ...] = ()  # accounts that its change changes besides its own
        self.has_looked = False  # for the accounts of its runs
        self.is_informed = False  # its companion has learned what other servers have changed
        self.is_verified = False  # decided on what the store has now, not only on what memory has

    def durable(self, error: StoreError | None) -> None:
        """The change behind the answer is on disk, or never will be."""
        self.service.committed(self, error)
