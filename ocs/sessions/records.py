"""Where the pipeline keeps its sessions and records."""

from collections.abc import Mapping
from typing import Protocol

from ocs.sessions.model import Cdr, Session, SessionCost


class Records(Protocol):
    """Sessions by cgrid, records by `cgrid:run id`; a change becomes durable with those of accounts beside it."""

    @property
    def sessions(self) -> Mapping[str, Session]: ...
    @property
    def closed(self) -> Mapping[str, Session]: ...
    @property
    def cdrs(self) -> Mapping[str, Cdr]: ...
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

    def put_cdr(self, cdr: Cdr) -> None:
        """Adds or replaces a record."""

    def remove_cdr(self, cdr: Cdr) -> None:
        """Removes a record."""

    def put_cost(self, cost: SessionCost) -> None:
        """Adds or replaces the cost of a run."""

    def forget_cost(self, cost: SessionCost) -> None:
        """Forgets the cost of a run, for its record has it."""
