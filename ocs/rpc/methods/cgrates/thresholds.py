"""ThresholdSv1: hits of matching events and what they set off."""

from typing import Any

from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.charging.profiles.attributes import words_of
from ocs.charging.profiles.thresholds import Hits
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
        ("GetThresholdIDs", Role.READ, threshold_ids),
        ("GetThreshold", Role.READ, get),
        ("GetThresholdsForEvent", Role.READ, for_event),
        ("ResetThreshold", Role.ADMINISTER, reset),
    ):
        method(registry, f"ThresholdSv1.{name}", role)(function)


def process_event(runtime: Runtime, params: Given) -> list[str]:
    """Counts a hit of every threshold an event matches."""
    event = filtered_event(runtime, params)
    return runtime.surroundings.thresholds(event, words_of(event.options.get("*thdProfileIDs")))


def threshold_ids(runtime: Runtime, params: Given) -> list[str]:
    """Ids of all thresholds."""
    return found_or_error(runtime.state.book.thresholds.ids(params.text("Tenant") or runtime.tenant))


def get(runtime: Runtime, params: Given) -> Form:
    """A threshold's hits."""
    return _form(found_or_error(runtime.surroundings.thresholds_book.get(*name_of(runtime, params))))


def for_event(runtime: Runtime, params: Given) -> list[Form]:
    """The thresholds an event matches."""
    event = filtered_event(runtime, params)
    book = runtime.surroundings.thresholds_book
    ids = words_of(event.options.get("*thdProfileIDs"))
    matching = found_or_error(book.matching(runtime.surroundings.view(event), ids))
    found = [book.get(each.tenant, each.id) for each in matching]
    return [_form(hits) for hits in found if hits is not None]


def reset(runtime: Runtime, params: Given) -> str:
    """Begins to count anew."""
    if not runtime.surroundings.reset_threshold(*name_of(runtime, params)):
        raise ServiceError(NOT_FOUND)
    return "OK"


def _form(hits: Hits) -> Form:
    return {"Tenant": hits.tenant, "ID": hits.id, "Hits": hits.hits, "Snooze": rfc3339(hits.snooze_ns)}
