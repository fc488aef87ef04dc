"""What the event pipeline asks of the profiles around charging.

Every method may raise ServiceError with the subsystem's own word (`NOT_FOUND`, `RESOURCE_UNAVAILABLE`); the
pipeline puts the subsystem's name in front of it.
"""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from ocs.sessions.model import CgrEvent
from ocs.sessions.values import Event


class Forked(msgspec.Struct, frozen=True, gc=False):
    """One charger's view of an event."""

    run_id: str
    event: Event
    charger_id: str = ""
    attribute_ids: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()


class Altered(msgspec.Struct, frozen=True):
    """An event after its attributes; `matched` are `tenant:id`."""

    event: CgrEvent
    matched: tuple[str, ...]
    altered: tuple[str, ...]
    make_digest: Callable[[], str]

    @property
    def digest(self) -> str:
        """`Field:Value,Field2:Value2`, made when it is asked for."""
        return self.make_digest()


class Address(Protocol):
    """An address that an event has, or would get."""

    def form(self) -> dict[str, str]:
        """As the API shows it."""

    def digest(self) -> str:
        """`profile:pool:message:address`."""


class Routed(msgspec.Struct, frozen=True):
    """The routes of an event, as the API shows them and as digest."""

    profiles: list[dict[str, Any]]
    digest: str


class RouteOptions(msgspec.Struct, frozen=True, gc=False):
    """What a caller wants of routes; `max_cost` is a number or `*event_cost`."""

    max_cost: str = ""
    ignores_errors: bool = False
    limit: int | None = None
    offset: int = 0


class Surroundings(Protocol):
    """Profiles with their state."""

    def fork(self, event: CgrEvent) -> tuple[Forked, ...]:
        """The event once per matching charger, heaviest first; empty where none matches."""

    def attributes(self, event: CgrEvent, ids: tuple[str, ...], context: str) -> Altered:
        """The event after its attributes."""

    def authorize_resources(self, event: CgrEvent) -> str:
        """The message an allocation would have."""

    def allocate_resources(self, event: CgrEvent) -> str:
        """Records a usage; the message of the first resource with room."""

    def release_resources(self, event: CgrEvent) -> None:
        """Forgets a usage."""

    def authorize_ip(self, event: CgrEvent) -> Address:
        """The address an event would get."""

    def allocate_ip(self, event: CgrEvent) -> Address:
        """Gives an event an address."""

    def release_ip(self, event: CgrEvent) -> None:
        """Takes the address of an event back."""

    def routes(self, event: CgrEvent, options: RouteOptions) -> Routed:
        """The routes of an event, best first."""

    def thresholds(self, event: CgrEvent, ids: tuple[str, ...]) -> list[str]:
        """Counts an event; the thresholds it hit."""

    def stats(self, event: CgrEvent, ids: tuple[str, ...]) -> list[str]:
        """Counts an event; the queues it went into."""

    def passes(self, filter_ids: list[str], tenant: str, event: Event) -> bool:
        """Whether an event passes filters, by id or inline."""
