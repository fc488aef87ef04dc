"""What the event pipeline asks of the profiles around charging."""

from typing import Protocol

import msgspec

from ocs.sessions.model import CgrEvent
from ocs.sessions.values import Event


class Forked(msgspec.Struct, frozen=True):
    """One charger's view of an event."""

    run_id: str
    event: Event


class Surroundings(Protocol):
    """Profiles with their state."""

    def fork(self, event: CgrEvent) -> tuple[Forked, ...]:
        """The event once per matching charger, heaviest first; empty where none matches."""

    def passes(self, filter_ids: list[str], tenant: str, event: Event) -> bool:
        """Whether an event passes filters, by id or inline. Raises ServiceError for an unknown one."""
