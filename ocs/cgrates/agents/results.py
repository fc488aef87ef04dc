"""What profiles do around the charge of a call: the flags of an event, and their results for the switch."""

from typing import Protocol

from ocs.cgrates.agents.events import Wishes
from ocs.charging.events import ProfileResults
from ocs.sessions.model import CgrEvent

Told = tuple[CgrEvent, ProfileResults | None]


class Results(Protocol):
    """Runs what an event asks for. Raises ServiceError where that refuses the event."""

    def authorized(self, event: CgrEvent, wishes: Wishes) -> Told:
        """Before a call: the event as attributes alter it, and what the switch is told."""
        ...

    def initiated(self, event: CgrEvent, wishes: Wishes) -> Told:
        """At its answer."""
        ...

    def messaged(self, event: CgrEvent, wishes: Wishes) -> Told:
        """A message, which is all at once."""
        ...

    def terminated(self, event: CgrEvent, wishes: Wishes) -> None:
        """At its end."""
        ...


class NoResults:
    """Profiles that are switched off."""

    def authorized(self, event: CgrEvent, wishes: Wishes) -> Told:
        """The event as it is."""
        return event, None

    initiated = messaged = authorized

    def terminated(self, event: CgrEvent, wishes: Wishes) -> None:
        """Nothing."""
