"""StatSv1: metrics over windows of events."""

from typing import Any

from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.plain import plain
from ocs.cgrates.runtime import Runtime
from ocs.charging.profiles.attributes import words_of
from ocs.charging.profiles.stats import Queue
from ocs.charging.profiles.values import rfc3339
from ocs.rpc.caller import Role
from ocs.rpc.methods.cgrates.events import filtered_event, found_or_error, name_of
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.registry import Registry
from ocs.sessions.errors import NOT_FOUND, ServiceError

Form = dict[str, Any]


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    for name, role, function in (
        ("ProcessEvent", Role.CHARGE, process_event),
        ("GetQueueIDs", Role.READ, queue_ids),
        ("GetQueueStringMetrics", Role.READ, texts),
        ("GetQueueFloatMetrics", Role.READ, numbers),
        ("GetStatQueue", Role.READ, get),
        ("GetStatQueuesForEvent", Role.READ, for_event),
        ("ResetStatQueue", Role.ADMINISTER, reset),
    ):
        method(registry, f"StatSv1.{name}", role)(function)


def process_event(runtime: Runtime, params: Given) -> list[str]:
    """Counts an event in every queue it matches."""
    event = filtered_event(runtime, params)
    return runtime.surroundings.stats(event, words_of(event.options.get("*stsProfileIDs")))


def queue_ids(runtime: Runtime, params: Given) -> list[str]:
    """Ids of all queues."""
    return found_or_error(runtime.state.book.stats.ids(params.text("Tenant") or runtime.tenant))


def texts(runtime: Runtime, params: Given) -> dict[str, str]:
    """The metrics of a queue as texts."""
    return _queue(runtime, params).texts(runtime.wall_ns())


def numbers(runtime: Runtime, params: Given) -> Form:
    """The metrics of a queue as numbers, -1 where there are too few events."""
    return {name: plain(value) for name, value in _queue(runtime, params).numbers(runtime.wall_ns()).items()}


def get(runtime: Runtime, params: Given) -> Form:
    """A queue with its events and metrics."""
    queue = _queue(runtime, params)
    queue.texts(runtime.wall_ns())
    items = [
        {"EventID": each.event_id, "ExpiryTime": rfc3339(each.expires_ns) if each.expires_ns else None}
        for each in queue.items
    ]
    return {
        "Tenant": queue.profile.tenant,
        "ID": queue.profile.id,
        "SQItems": items or None,
        "SQMetrics": {name: {"Value": value} for name, value in queue.texts(runtime.wall_ns()).items()},
    }


def for_event(runtime: Runtime, params: Given) -> list[str]:
    """Ids of the queues an event matches."""
    event = filtered_event(runtime, params)
    ids = words_of(event.options.get("*stsProfileIDs"))
    matching = runtime.surroundings.stats_book.matching(runtime.surroundings.view(event), ids)
    return [queue.profile.id for queue in found_or_error(matching)]


def reset(runtime: Runtime, params: Given) -> str:
    """Empties a queue."""
    if not runtime.surroundings.reset_queue(*name_of(runtime, params)):
        raise ServiceError(NOT_FOUND)
    return "OK"


def _queue(runtime: Runtime, params: Given) -> Queue:
    return found_or_error(runtime.surroundings.stats_book.queue(*name_of(runtime, params)))
