"""Thresholds: after how many hits of matching events what is to be done, and how often. Pure.

What is to be done comes out as data; doing it is for whoever runs actions and exporters.
"""

from collections.abc import Collection

import msgspec

from ocs.charging.profiles.model import NONE, ThresholdProfile
from ocs.charging.profiles.shelf import Shelf
from ocs.charging.profiles.view import View

NO_LIMIT = -1


class Hits(msgspec.Struct, frozen=True):
    """The state of one threshold: hits so far, and until when it sleeps."""

    tenant: str
    id: str
    hits: int = 0
    snooze_ns: int = 0


class Fired(msgspec.Struct, frozen=True):
    """What a threshold wants done for an event."""

    threshold_id: str
    action_ids: tuple[str, ...]
    exporter_ids: tuple[str, ...]
    is_async: bool


class Processed(msgspec.Struct, frozen=True):
    """Thresholds an event hit, their new states, and what they want done."""

    threshold_ids: tuple[str, ...]
    changes: tuple[Hits, ...]
    fired: tuple[Fired, ...]


class ThresholdBook:
    """The states of all thresholds."""

    def __init__(self, profiles: Shelf[ThresholdProfile]) -> None:
        self._profiles = profiles
        self._hits: dict[tuple[str, str], Hits] = {}

    def restore(self, hits: Hits) -> None:
        """Take over a state that was kept."""
        self._hits[hits.tenant, hits.id] = hits

    def clear(self) -> None:
        """Know of no hit any more."""
        self._hits.clear()

    def get(self, tenant: str, threshold_id: str) -> Hits | None:
        """A threshold's state; None where there is no such profile."""
        if self._profiles.get(tenant, threshold_id) is None:
            self._hits.pop((tenant, threshold_id), None)
            return None
        return self._hits.get((tenant, threshold_id)) or Hits(tenant, threshold_id)

    def reset(self, tenant: str, threshold_id: str) -> Hits | None:
        """Begin to count anew; None where there is no such profile."""
        if self._profiles.get(tenant, threshold_id) is None:
            return None
        hits = self._hits[tenant, threshold_id] = Hits(tenant, threshold_id)
        return hits

    def drop(self, tenant: str, threshold_id: str) -> None:
        """Forget a threshold whose profile is to go."""
        self._hits.pop((tenant, threshold_id), None)

    def matching(
        self, view: View, ids: Collection[str] = (), *, ignores_filters: bool = False
    ) -> list[ThresholdProfile]:
        """Thresholds of an event that still count, by weight, up to a blocker."""
        found = []
        for profile in self._profiles.matching(view, ids, ignores_filters=ignores_filters):
            hits = self._hits.get((view.tenant, profile.id))
            if hits is not None and 0 < profile.max_hits <= hits.hits:
                continue
            found.append(profile)
            if profile.is_blocker:
                break
        return found

    def process(self, view: View, ids: Collection[str] = (), *, ignores_filters: bool = False) -> Processed:
        """Count a hit of every matching threshold."""
        changes, fired = [], []
        profiles = self.matching(view, ids, ignores_filters=ignores_filters)
        for profile in profiles:
            hits = self._hit(profile)
            if _fires(profile, hits, view.now_ns):
                hits = msgspec.structs.replace(hits, snooze_ns=view.now_ns + max(profile.min_sleep_ns, 0))
                fired.append(_fired(profile))
            self._hits[hits.tenant, hits.id] = hits
            changes.append(hits)
        return Processed(tuple(profile.id for profile in profiles), tuple(changes), tuple(fired))

    def _hit(self, profile: ThresholdProfile) -> Hits:
        before = self._hits.get((profile.tenant, profile.id)) or Hits(profile.tenant, profile.id)
        return msgspec.structs.replace(before, hits=before.hits + 1)


def _fires(profile: ThresholdProfile, hits: Hits, now_ns: int) -> bool:
    is_awake = hits.snooze_ns <= now_ns
    is_within = profile.max_hits == NO_LIMIT or hits.hits <= profile.max_hits
    return is_awake and hits.hits >= profile.min_hits and is_within


def _fired(profile: ThresholdProfile) -> Fired:
    actions = tuple(each for each in profile.action_ids if each != NONE)
    exporters = tuple(each for each in profile.exporter_ids if each != NONE)
    return Fired(profile.id, actions, exporters, profile.is_async)
