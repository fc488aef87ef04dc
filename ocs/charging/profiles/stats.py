"""Statistics: queues of matching events, by number and time to live, and the metrics over them. Pure.

A queue without limits keeps no events, only its metrics. Every operation answers with the items that came and went,
so that a stored queue can be made durable item by item.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping

import msgspec

from ocs.charging.profiles.filters import FilterBook, Rule, passes
from ocs.charging.profiles.metrics import NO_VALUE, NOT_AVAILABLE, Contribution, Kept, Kind, Window, kind_of
from ocs.charging.profiles.model import StatProfile
from ocs.charging.profiles.shelf import Shelf
from ocs.charging.profiles.values import Number
from ocs.charging.profiles.view import View

MOST_ITEMS = 100_000  # of one queue that only time limits


class Item(msgspec.Struct, frozen=True):
    """An event in a queue: what it gives to each metric, None where it does not count."""

    sequence: int
    event_id: str
    expires_ns: int
    values: tuple[Contribution | None, ...]


class Totals(msgspec.Struct, frozen=True):
    """The metrics of a queue that keeps no events: how many counted, and what brings each back."""

    counts: tuple[int, ...]
    kept: tuple[Kept, ...]


class Change(msgspec.Struct, frozen=True):
    """An item that came, or went where `item` is None; of a queue without limits its totals, as sequence 0."""

    tenant: str
    queue_id: str
    sequence: int
    item: Item | None = None
    totals: Totals | None = None


class Processed(msgspec.Struct, frozen=True):
    """Queues an event went into, and what of stored queues changed."""

    queue_ids: tuple[str, ...]
    changes: tuple[Change, ...]


class _Measure:
    """A metric of a queue."""

    __slots__ = ("count", "kind", "rules", "window")

    def __init__(self, kind: Kind, rules: tuple[Rule, ...]) -> None:
        self.kind = kind
        self.rules = rules
        self.window: Window = kind.make()
        self.count = 0

    def take(self, view: View) -> Contribution | None:
        return self.kind.take(view) if passes(self.rules, view) else None


class Queue:
    """The events of one profile."""

    def __init__(self, profile: StatProfile, filters: FilterBook, *, is_stored: bool) -> None:
        self.profile = profile
        self.is_stored = is_stored
        self.items: deque[Item] = deque()
        self._measures = [
            _Measure(kind_of(metric.id), filters.rules(profile.tenant, metric.filter_ids))
            for metric in profile.metrics
        ]
        self._sequence = 0
        self._gone: list[Change] = []  # what expired while somebody only looked

    @property
    def is_limited(self) -> bool:
        """Whether events leave the queue."""
        return self.profile.queue_length > 0 or self.profile.ttl_ns > 0

    def add(self, view: View, event_id: str) -> list[Change]:
        """Count an event."""
        changes = [*self._gone, *self.expire(view.now_ns)]
        self._gone = []
        profile = self.profile
        self._sequence += 1
        expires_ns = view.now_ns + profile.ttl_ns if profile.ttl_ns > 0 else 0
        item = Item(self._sequence, event_id, expires_ns, tuple(each.take(view) for each in self._measures))
        most = profile.queue_length if profile.queue_length > 0 else MOST_ITEMS
        while self.is_limited and len(self.items) >= most:
            changes.append(self._remove())
        self.restore(item)
        if self.is_limited:
            changes.append(Change(profile.tenant, profile.id, item.sequence, item))
        elif self.is_stored:
            changes.append(Change(profile.tenant, profile.id, 0, totals=self.totals()))
        return changes

    def totals(self) -> Totals:
        """The metrics as they are kept."""
        counts = tuple(each.count for each in self._measures)
        return Totals(counts, tuple(each.window.kept() for each in self._measures))

    def restore_totals(self, totals: Totals) -> None:
        """Take over metrics that were kept; those of another set of metrics are passed over."""
        if len(totals.counts) != len(self._measures):
            return
        for measure, count, kept in zip(self._measures, totals.counts, totals.kept, strict=True):
            measure.count = count
            measure.window.bring_back(kept)

    def restore(self, item: Item) -> None:
        """Take an item in."""
        self._sequence = max(self._sequence, item.sequence)
        for measure, value in zip(self._measures, item.values, strict=True):
            if value is not None:
                measure.window.add(value)
                measure.count += 1
        if self.is_limited:
            self.items.append(item)

    def expire(self, now_ns: int) -> list[Change]:
        """Let go what has expired."""
        changes = []
        while self.items and 0 < self.items[0].expires_ns <= now_ns:
            changes.append(self._remove())
        return changes

    def clear(self) -> list[Change]:
        """Let go everything."""
        gone, self._gone = self._gone, []
        gone += [Change(self.profile.tenant, self.profile.id, item.sequence) for item in self.items]
        if not self.is_limited:
            gone.append(Change(self.profile.tenant, self.profile.id, 0))
        self.items.clear()
        for measure in self._measures:
            measure.window, measure.count = measure.kind.make(), 0
        return gone

    def numbers(self, now_ns: int) -> dict[str, Number]:
        """Metrics as numbers; -1 where too few events count."""
        self._gone += self.expire(now_ns)
        return {
            each.kind.id: each.kind.number(each.window.value(each.count)) if self._tells(each) else NO_VALUE
            for each in self._measures
        }

    def texts(self, now_ns: int) -> dict[str, str]:
        """Metrics as texts; `N/A` where too few events count."""
        self._gone += self.expire(now_ns)
        return {
            each.kind.id: each.kind.text(each.window.value(each.count))
            if self._tells(each)
            else NOT_AVAILABLE
            for each in self._measures
        }

    def _tells(self, measure: _Measure) -> bool:
        return measure.count >= max(self.profile.min_items, 1)

    def _remove(self) -> Change:
        item = self.items.popleft()
        for measure, value in zip(self._measures, item.values, strict=True):
            if value is not None:
                measure.window.remove(value)
                measure.count -= 1
        return Change(self.profile.tenant, self.profile.id, item.sequence)


class StatBook:
    """The queues of all profiles; `stores_all`: also those whose profiles do not ask for it."""

    def __init__(
        self, profiles: Shelf[StatProfile], filters: FilterBook, *, stores_all: bool = False
    ) -> None:
        self._profiles = profiles
        self._stores_all = stores_all
        self._filters = filters
        self._queues: dict[tuple[str, str], Queue] = {}
        self._dropped: list[Change] = []  # items of queues that are no more

    def queue(self, tenant: str, queue_id: str) -> Queue | None:
        """A queue; None where there is no such profile. One whose profile changed begins anew."""
        profile = self._profiles.get(tenant, queue_id)
        queue = self._queues.get((tenant, queue_id))
        if queue is not None and queue.profile != profile:
            self._dropped += queue.clear()
            del self._queues[tenant, queue_id]
            queue = None
        if queue is None and profile is not None:
            is_stored = profile.is_stored or self._stores_all
            queue = self._queues[tenant, queue_id] = Queue(profile, self._filters, is_stored=is_stored)
        return queue

    def clear_stored(self) -> None:
        """Empty the queues that are kept, to be restored."""
        for queue in self._queues.values():
            if queue.is_stored:
                queue.clear()

    def restore(self, tenant: str, queue_id: str, items: Iterable[Item]) -> None:
        """Take over the items of a queue that were kept; those of another set of metrics are passed over."""
        queue = self.queue(tenant, queue_id)
        if queue is not None:
            width = len(queue.profile.metrics)
            for item in sorted(items, key=lambda each: each.sequence):
                if len(item.values) == width:
                    queue.restore(item)

    def restore_totals(self, tenant: str, queue_id: str, totals: Totals) -> None:
        """Take over the metrics of a queue without limits."""
        queue = self.queue(tenant, queue_id)
        if queue is not None and not queue.is_limited:
            queue.restore_totals(totals)

    def matching(
        self, view: View, ids: Collection[str] = (), *, ignores_filters: bool = False
    ) -> list[Queue]:
        """Queues of an event by weight, up to a blocker."""
        found = []
        for profile in self._profiles.matching(view, ids, ignores_filters=ignores_filters):
            queue = self.queue(view.tenant, profile.id)
            if queue is not None:
                found.append(queue)
            if profile.is_blocker:
                break
        return found

    def process(
        self, view: View, event_id: str, ids: Collection[str] = (), *, ignores_filters: bool = False
    ) -> Processed:
        """Count an event in every matching queue."""
        names: list[str] = []
        queues = self.matching(view, ids, ignores_filters=ignores_filters)
        changes, self._dropped = self._dropped, []
        for queue in queues:
            changed = queue.add(view, event_id)
            names.append(queue.profile.id)
            if queue.is_stored:
                changes += changed
        return Processed(tuple(names), tuple(changes))

    def numbers(self, tenant: str, queue_id: str, now_ns: int) -> Mapping[str, Number]:
        """Metrics of a queue as numbers; none where there is no such queue."""
        queue = self.queue(tenant, queue_id)
        return {} if queue is None else queue.numbers(now_ns)
