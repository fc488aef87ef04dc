"""Decisions about routes as the API shows them. Pure."""

from typing import Any

from ocs.cgrates.objects.plain import plain
from ocs.charging.profiles.routes import Decision

Form = dict[str, Any]


def route_form(decision: Decision) -> Form:
    """The routes of a profile, best first."""
    return {
        "ProfileID": decision.profile_id,
        "Sorting": decision.sorting,
        "Routes": [
            {
                "RouteID": each.route.id,
                "RouteParameters": each.route.parameters,
                "SortingData": plain(each.data),
            }
            for each in decision.routes
        ],
    }


def explained(decision: Decision) -> Form:
    """The same, with why each comes behind the one before it, and why others cannot be taken."""
    form = route_form(decision)
    for route, behind in zip(form["Routes"], decision.behind(), strict=True):
        route["Behind"] = behind
    return form | {"Lost": [{"RouteID": each.route_id, "Reason": each.reason} for each in decision.lost]}
