"""Where the pipeline keeps its sessions and records."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ocs.sessions.model import Cdr, Session, SessionCost


class Cdrs(Protocol):
    """Call detail records by the runs they are of."""

    def has(self, cgrid: str, run_id: str) -> bool:
        """Whether a run has its record."""

    def get(self, cgrid: str, run_id: str) -> Cdr | None:
        """The record of a run."""


class Records(Protocol):
    """Sessions by cgrid, costs by `cgrid:run id`; a change becomes durable with those of accounts beside it."""

    @property
    def sessions(self) -> Mapping[str, Session]: ...
    @property
    def closed(self) -> Mapping[str, Session]: ...
    @property
    def cdrs(self) -> Cdrs: ...
    @property
    def costs(self) -> Mapping[str, SessionCost]: ...

    def put_session(self, session: Session) -> None:
        """Adds or replaces an active session."""

    def set_passive(self, session: Session) -> None:
        """A session that is kept and not charged; putting it as active ends that."""

    def close_session(self, session: Session) -> None:
        """A session that has ended: no longer active, remembered for its record."""

    def drop_session(self, cgrid: str) -> None:
        """Forgets an active session."""

    def forget_closed(self, cgrid: str) -> None:
        """Forgets a session that has ended."""

    def recorded(self, sessions: Sequence[Session]) -> set[str]:
        """The cgrids of those sessions that have ended with a record of every run."""

    def put_cdr(self, cdr: Cdr) -> None:
        """Adds or replaces a record."""

    def last_order(self) -> int:
        """The largest order id that a record has, or had."""

    def remove_cdr(self, cdr: Cdr) -> None:
        """Removes a record."""

    def put_cost(self, cost: SessionCost) -> None:
        """Adds or replaces the cost of a run."""

    def forget_cost(self, cost: SessionCost) -> None:
        """Forgets the cost of a run, for its record has it."""
