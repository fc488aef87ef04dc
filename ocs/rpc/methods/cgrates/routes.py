"""RouteSv1: which carriers an event may take, and why the others come later or not at all."""

from typing import Any

from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.given import Given
from ocs.cgrates.route_forms import explained
from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Role
from ocs.rpc.methods.cgrates.attributes import record_of
from ocs.rpc.methods.cgrates.events import filtered_event, found_or_error
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.registry import Registry
from ocs.sessions.model import CgrEvent
from ocs.sessions.surroundings import RouteOptions

Form = dict[str, Any]


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    method(registry, "RouteSv1.GetRoutes", Role.READ)(get_routes)
    method(registry, "RouteSv1.GetRoutesList", Role.READ)(get_list)
    method(registry, "RouteSv1.GetRouteProfilesForEvent", Role.READ)(profiles_for_event)
    method(registry, "RouteSv1.ExplainRoutes", Role.READ)(explain)


def get_routes(runtime: Runtime, params: Given) -> list[Form]:
    """The routes of the profiles an event matches, best first."""
    event = filtered_event(runtime, params)
    return runtime.surroundings.routes(event, _options(event)).profiles


def get_list(runtime: Runtime, params: Given) -> list[str]:
    """The same routes as `route:parameters`."""
    event = filtered_event(runtime, params)
    profiles = runtime.surroundings.routes(event, _options(event)).profiles
    routes = [route for profile in profiles for route in profile["Routes"]]
    return [
        f"{each['RouteID']}:{each['RouteParameters']}" if each["RouteParameters"] else each["RouteID"]
        for each in routes
    ]


def profiles_for_event(runtime: Runtime, params: Given) -> list[Form]:
    """The route profiles an event matches."""
    event = filtered_event(runtime, params)
    matching = found_or_error(runtime.state.book.routes.matching(runtime.surroundings.view(event)))
    return [record_of(runtime, Kind.ROUTE, each.tenant, each.id) for each in matching]


def explain(runtime: Runtime, params: Given) -> list[Form]:
    """The routes with why each comes behind the one before it, and those that cannot be taken with the reason."""
    event = filtered_event(runtime, params)
    return [
        explained(each) for each in found_or_error(runtime.surroundings.decisions(event, _options(event)))
    ]


def _options(event: CgrEvent) -> RouteOptions:
    given = Given(event.options)
    return RouteOptions(
        max_cost=given.text("*rouMaxCost"),
        ignores_errors=given.flag("*rouIgnoreErrors"),
        limit=given.optional_integer("*rouLimit"),
        offset=given.integer("*rouOffset"),
    )
