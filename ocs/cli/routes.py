"""`ocs route`: which carrier an event takes, and why the others come later or not at all."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ocs.cli.jsonrpc import CallError, call
from ocs.cli.tables import table

FAILED, WRONG = 1, 2


def route(arguments: argparse.Namespace) -> int:
    """Show the decision of the running server, or of a tariff folder."""
    event = _event(arguments)
    try:
        if arguments.folder is not None:
            decisions = _of_folder(arguments, event)
        else:
            parameters = {"Tenant": arguments.tenant, "Event": event}
            decisions = call(arguments.server, "RouteSv1.ExplainRoutes", parameters)
    except (CallError, OSError, ValueError) as error:
        print(f"ocs: {error}", file=sys.stderr)
        return FAILED
    if arguments.json:
        print(json.dumps(decisions, indent=2, ensure_ascii=False))
    else:
        print("\n\n".join(shown(decision) for decision in decisions) or "no route profile matches this event")
    return 0 if any(decision["Routes"] for decision in decisions) else FAILED


def shown(decision: dict[str, Any]) -> str:
    """A decision for people."""
    routes = [
        {
            "place": str(place),
            "route": each["RouteID"],
            "sorted_by": ", ".join(f"{name} {value}" for name, value in each["SortingData"].items()),
            "why_not_earlier": each["Behind"] or "-",
        }
        for place, each in enumerate(decision["Routes"], 1)
    ]
    lines = [f"{decision['ProfileID']}: sorted by {decision['Sorting']}"]
    lines += [table(routes)] if routes else ["no route can be taken"]
    lost = [{"lost": each["RouteID"], "why": each["Reason"]} for each in decision["Lost"]]
    return "\n".join([*lines, *(["", table(lost)] if lost else [])])


def _event(arguments: argparse.Namespace) -> dict[str, str]:
    event = {
        "Account": arguments.account,
        "Destination": arguments.destination,
        "Category": arguments.category,
        "Usage": arguments.usage,
        "SetupTime": arguments.at,
        "ToR": "*voice",
    }
    return event | dict(arguments.event)


def _of_folder(arguments: argparse.Namespace, event: dict[str, str]) -> list[dict[str, Any]]:
    """The decision by the files of a folder alone: nothing is measured and nothing in use."""
    from ocs.cgrates import config, tariff
    from ocs.cgrates.route_forms import explained
    from ocs.cgrates.runtime import Runtime
    from ocs.sessions.errors import ServiceError
    from ocs.sessions.model import CgrEvent
    from ocs.sessions.surroundings import RouteOptions

    runtime = Runtime(config.read({}))
    try:
        loaded = tariff.load(runtime.state, tariff.read_folder(Path(arguments.folder)))
        for problem in loaded.problems:
            print(f"ocs: {problem}", file=sys.stderr)
        asked = CgrEvent(arguments.tenant or runtime.tenant, event)
        return [explained(each) for each in runtime.surroundings.decisions(asked, RouteOptions())]
    except (tariff.TariffError, ServiceError) as error:
        raise ValueError(str(error)) from None
