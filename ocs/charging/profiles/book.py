"""All profiles of a server together: put, removed and found by kind. Pure.

A profile is checked when it is put; a filter in use can be changed but not removed.
"""

from collections.abc import Callable
from typing import TypeVar

from ocs.charging.profiles.attributes import AttributeShelf
from ocs.charging.profiles.csv_reader import Profiles
from ocs.charging.profiles.filters import Filter, FilterBook
from ocs.charging.profiles.metrics import kind_of
from ocs.charging.profiles.model import (
    AttributeProfile,
    ChargerProfile,
    ProfileBase,
    ResourceProfile,
    RouteProfile,
    StatProfile,
    ThresholdProfile,
)
from ocs.charging.profiles.routes import Sorting
from ocs.charging.profiles.shelf import Shelf

T = TypeVar("T")


class ProfileBook:
    """Filters and profiles of all kinds and tenants."""

    def __init__(self) -> None:
        self.filters = FilterBook()
        self.attributes = AttributeShelf(self.filters)
        self.chargers: Shelf[ChargerProfile] = Shelf(self.filters)
        self.resources: Shelf[ResourceProfile] = Shelf(self.filters)
        self.routes: Shelf[RouteProfile] = Shelf(self.filters)
        self.stats: Shelf[StatProfile] = Shelf(self.filters)
        self.thresholds: Shelf[ThresholdProfile] = Shelf(self.filters)

    def put(self, profile: ProfileBase) -> None:
        """Add or replace a profile of any kind. Raises ValueError that says what is wrong with it."""
        match profile:
            case AttributeProfile():
                self.attributes.put(profile)
            case ChargerProfile():
                self.chargers.put(profile)
            case ResourceProfile():
                self.resources.put(profile)
            case RouteProfile():
                Sorting(profile.sorting)
                for route in profile.routes:
                    self.filters.rules(profile.tenant, route.filter_ids)
                self.routes.put(profile)
            case StatProfile():
                for metric in profile.metrics:
                    kind_of(metric.id)
                    self.filters.rules(profile.tenant, metric.filter_ids)
                self.stats.put(profile)
            case ThresholdProfile():
                self.thresholds.put(profile)
            case _:
                raise AssertionError(type(profile))

    def put_filter(self, found: Filter) -> None:
        """Add or replace a filter, also for the profiles that have it. Raises ValueError."""
        self.filters.put(found)
        self.attributes.refile(found.tenant, found.id)
        for shelf in (self.chargers, self.resources, self.routes, self.stats, self.thresholds):
            shelf.refile(found.tenant, found.id)

    def remove_filter(self, tenant: str, filter_id: str) -> bool:
        """Remove a filter; False where there is none. Raises ValueError while a profile has it."""
        for kind, shelf in self.shelves().items():
            if shelf.uses(tenant, filter_id):
                raise ValueError(f"filter {filter_id} is used by {kind} profiles")
        return self.filters.remove(tenant, filter_id)

    def shelves(self) -> dict[str, Shelf]:  # type: ignore[type-arg]
        """The shelf of each kind by the incumbent's name."""
        return {
            "Attribute": self.attributes.shelf,
            "Charger": self.chargers,
            "Resource": self.resources,
            "Route": self.routes,
            "StatQueue": self.stats,
            "Threshold": self.thresholds,
        }

    def load(self, profiles: Profiles) -> list[str]:
        """Put everything that was read; what cannot be used is left out and said."""
        wrong: list[str] = []
        for found in profiles.filters:
            _try(self.put_filter, found, f"filter {found.id}", wrong)
        kinds: tuple[tuple[ProfileBase, ...], ...] = (
            profiles.attributes,
            profiles.chargers,
            profiles.resources,
            profiles.routes,
            profiles.stats,
            profiles.thresholds,
        )
        for kind in kinds:
            for profile in kind:
                _try(self.put, profile, f"profile {profile.id}", wrong)
        return wrong


def _try(put: Callable[[T], None], found: T, what: str, wrong: list[str]) -> None:
    try:
        put(found)
    except ValueError as error:
        wrong.append(f"{what}: {error}")
