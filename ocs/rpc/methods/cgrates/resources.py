"""ResourceSv1: what is in use at once."""

from typing import Any

from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.plain import plain
from ocs.cgrates.runtime import Runtime
from ocs.charging.profiles.resources import Resource
from ocs.charging.profiles.values import ZERO_TIME, rfc3339
from ocs.rpc.caller import Role
from ocs.rpc.methods.cgrates.attributes import record_of
from ocs.rpc.methods.cgrates.events import filtered_event, found_or_error, name_of
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.registry import Registry
from ocs.sessions.errors import missing
from ocs.sessions.model import CgrEvent
from ocs.sessions.values import text

Form = dict[str, Any]


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    for name, role, function in (
        ("AuthorizeResources", Role.CHARGE, authorize),
        ("AllocateResources", Role.CHARGE, allocate),
        ("ReleaseResources", Role.CHARGE, release),
        ("GetResource", Role.READ, get),
        ("GetResourceWithConfig", Role.READ, get_with_profile),
        ("GetResourcesForEvent", Role.READ, for_event),
    ):
        method(registry, f"ResourceSv1.{name}", role)(function)


def authorize(runtime: Runtime, params: Given) -> str:
    """The message an allocation would have now."""
    return runtime.surroundings.authorize_resources(_usage_event(runtime, params))


def allocate(runtime: Runtime, params: Given) -> str:
    """Puts units into use; the message of the first resource with room."""
    return runtime.surroundings.allocate_resources(_usage_event(runtime, params))


def release(runtime: Runtime, params: Given) -> str:
    """Gives units back."""
    runtime.surroundings.release_resources(_usage_event(runtime, params))
    return "OK"


def get(runtime: Runtime, params: Given) -> Form:
    """A resource with its usages."""
    tenant, name = name_of(runtime, params)
    return resource_form(tenant, name, found_or_error(runtime.surroundings.resource(tenant, name)))


def get_with_profile(runtime: Runtime, params: Given) -> Form:
    """A resource with its usages and its profile."""
    tenant, name = name_of(runtime, params)
    return {**get(runtime, params), "Config": record_of(runtime, Kind.RESOURCE, tenant, name)}


def for_event(runtime: Runtime, params: Given) -> list[Form]:
    """The resources an event matches."""
    event = filtered_event(runtime, params)
    around = runtime.surroundings
    usage_id = text(event.options.get("*rsUsageID"))
    matching = found_or_error(around.resources.matching(around.view(event), usage_id))
    found = [(each, around.resource(each.tenant, each.id)) for each in matching]
    return [resource_form(each.tenant, each.id, held) for each, held in found if held is not None]


def resource_form(tenant: str, name: str, resource: Resource) -> Form:
    """A resource as the API shows it."""
    usages = {
        usage.id: {
            "Tenant": tenant,
            "ID": usage.id,
            "ExpiryTime": rfc3339(usage.expires_ns) if usage.expires_ns else ZERO_TIME,
            "Units": plain(usage.units),
        }
        for usage in resource.usages.values()
    }
    ending = sorted(
        (each for each in resource.usages.values() if each.expires_ns), key=lambda each: each.expires_ns
    )
    return {"Tenant": tenant, "ID": name, "Usages": usages, "TTLIdx": [each.id for each in ending] or None}


def _usage_event(runtime: Runtime, params: Given) -> CgrEvent:
    event = filtered_event(runtime, params)
    if not text(event.options.get("*rsUsageID")) and not text(event.event.get("OriginID")):
        raise missing("UsageID")
    return event
