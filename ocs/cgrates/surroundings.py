"""The profiles of a state as the event pipeline sees them."""

from collections.abc import Callable

from ocs.cgrates.state import State
from ocs.charging.profiles import chargers, filters
from ocs.charging.profiles.attributes import AttributeFailed
from ocs.charging.profiles.view import View
from ocs.sessions.errors import NOT_FOUND, ServiceError, wrapped
from ocs.sessions.model import CgrEvent
from ocs.sessions.surroundings import Forked
from ocs.sessions.values import Event


class ProfileSurroundings:
    """Chargers and filters of a state."""

    def __init__(self, state: State, now_ns: Callable[[], int]) -> None:
        self._state = state
        self._now_ns = now_ns

    def fork(self, event: CgrEvent) -> tuple[Forked, ...]:
        """The event once per matching charger, heaviest first."""
        book = self._state.book
        view = self._view(event.tenant, event.event, event.options)
        try:
            runs = chargers.runs_of(book.chargers, book.attributes, view)
        except AttributeFailed as error:
            raise wrapped("CHARGERS", str(error)) from None
        return tuple([Forked(run.run_id, run.event) for run in runs])

    def passes(self, filter_ids: list[str], tenant: str, event: Event) -> bool:
        """Whether an event passes filters, by id or inline."""
        try:
            rules = self._state.book.filters.rules(tenant, filter_ids)
        except ValueError:
            raise ServiceError(NOT_FOUND) from None
        return filters.passes(rules, self._view(tenant, event, {}))

    def _view(self, tenant: str, event: Event, options: Event) -> View:
        return View(event, options, tenant=tenant, now_ns=self._now_ns())
