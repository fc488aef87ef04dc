"""Routes: the carriers an event may take, in order, and why each of the others may not or comes later. Pure.

What routes are sorted by comes from a `Sources`: cost, measured quality, resource usage. Equal routes come by
weight, then in the order of their ids.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Protocol

import msgspec

from ocs.charging.profiles.filters import FilterBook, passes
from ocs.charging.profiles.model import Route, RouteProfile
from ocs.charging.profiles.shelf import Shelf
from ocs.charging.profiles.values import Number, plain
from ocs.charging.profiles.view import View

NO_DATA = -1  # of a metric


class Sorting(Enum):
    """How routes are sorted."""

    WEIGHT = "*weight"
    LEAST_COST = "*lc"
    HIGHEST_COST = "*hc"
    QUALITY = "*qos"
    RESOURCES_ASCENDING = "*reas"
    RESOURCES_DESCENDING = "*reds"
    LOAD = "*load"


class RouteFailed(ValueError):
    """What a route is sorted by could not be found out."""


class Cost(msgspec.Struct, frozen=True):
    """What an event costs on a route; `max_usage_ns` where accounts were asked."""

    cost: Decimal
    rating_plan_id: str = ""
    account_id: str = ""
    max_usage_ns: int | None = None


class Sources(Protocol):
    """What is known about routes outside the event."""

    def cost(self, view: View, route: Route) -> Cost | None:
        """The cheapest of a route's rating plans or accounts; None where none has a price. Raises RouteFailed."""
        ...

    def metrics(self, tenant: str, stat_id: str) -> Mapping[str, Number]:
        """The metrics of a queue, -1 for one without data."""
        ...

    def usage(self, tenant: str, resource_id: str) -> Number:
        """Units in use of a resource."""
        ...


class PricedSources(Sources, Protocol):
    """Sources that know what an event costs besides any route."""

    def event_cost(self, view: View) -> Decimal:
        """What the event itself costs. Raises RouteFailed."""
        ...


class Options(msgspec.Struct, frozen=True):
    """What the caller wants; a limit of None is none."""

    limit: int | None = None
    offset: int = 0
    max_cost: Decimal | None = None
    ignores_errors: bool = False
    profile_count: int = 1


class Sorted(msgspec.Struct, frozen=True):
    """A route in its place; `data` is what it was sorted by."""

    route: Route
    data: Mapping[str, Number | str]


class Lost(msgspec.Struct, frozen=True):
    """A route that cannot be taken, and why."""

    route_id: str
    reason: str


class Decision(msgspec.Struct, frozen=True):
    """The routes of one profile."""

    profile_id: str
    sorting: str
    routes: tuple[Sorted, ...]
    lost: tuple[Lost, ...] = ()
    parameters: tuple[str, ...] = ()

    def behind(self) -> list[str]:
        """Why each route comes behind the one before it; nothing for the first."""
        sorting = Sorting(self.sorting)
        pairs = zip(self.routes, self.routes[1:], strict=False)
        found = [_reason(sorting, self.parameters, better, worse) for better, worse in pairs]
        return ["", *found] if self.routes else []


def routes_for(
    shelf: Shelf[RouteProfile], filters: FilterBook, view: View, sources: Sources, options: Options
) -> list[Decision]:
    """A decision per matching profile, best first, at most as many as wanted. Raises RouteFailed."""
    profiles = shelf.matching(view)[: max(options.profile_count, 1)]
    return [decide(profile, filters, view, sources, options) for profile in profiles]


def decide(
    profile: RouteProfile, filters: FilterBook, view: View, sources: Sources, options: Options
) -> Decision:
    """The routes of a profile for an event. Raises RouteFailed unless errors are ignored."""
    sorting = Sorting(profile.sorting)
    lost: list[Lost] = []
    candidates: list[tuple[Route, dict[str, Number | str]]] = []
    for route in profile.routes:
        try:
            found = _data(profile, sorting, route, filters, view, sources, options)
        except RouteFailed as error:
            if not options.ignores_errors:
                raise
            found = f"error: {error}"
        if isinstance(found, str):
            lost.append(Lost(route.id, found))
        else:
            candidates.append((route, found))
    key = _KEYS[sorting](profile.sorting_parameters)
    candidates.sort(key=lambda pair: (*key(pair[1]), -pair[0].weight, pair[0].id))
    kept = _up_to_blocker(candidates, lost)
    ranked = tuple([Sorted(route, data) for route, data in kept])
    end = None if options.limit is None else options.offset + options.limit
    lost += [Lost(each.route.id, "before the offset") for each in ranked[: options.offset]]
    lost += [] if end is None else [Lost(each.route.id, "beyond the limit") for each in ranked[end:]]
    shown = ranked[options.offset : end]
    return Decision(profile.id, profile.sorting, shown, tuple(lost), profile.sorting_parameters)


Candidate = tuple[Route, dict[str, Number | str]]
Key = Callable[[Mapping[str, Number | str]], tuple[Number, ...]]


def _up_to_blocker(candidates: list[Candidate], lost: list[Lost]) -> list[Candidate]:
    for number, (route, _) in enumerate(candidates):
        if route.is_blocker:
            lost += [
                Lost(other.id, f"{route.id} blocks what follows it") for other, _ in candidates[number + 1 :]
            ]
            return candidates[: number + 1]
    return candidates


def _data(
    profile: RouteProfile,
    sorting: Sorting,
    route: Route,
    filters: FilterBook,
    view: View,
    sources: Sources,
    options: Options,
) -> dict[str, Number | str] | str:
    """What a route is sorted by; a text says why it cannot be taken."""
    if route.filter_ids and not passes(filters.rules(profile.tenant, route.filter_ids), view):
        return "its filters do not pass"
    data: dict[str, Number | str] = {"Weight": number(route.weight)}
    is_costly = sorting in (Sorting.LEAST_COST, Sorting.HIGHEST_COST)
    if route.rating_plan_ids or route.account_ids:
        cost = sources.cost(view, route)
        if cost is None:
            return "has no price for this event"
        if options.max_cost is not None and cost.cost > options.max_cost:
            return f"costs {plain(cost.cost)}, more than {plain(options.max_cost)}"
        data |= _cost_data(cost)
    elif is_costly:
        return "has neither rating plans nor accounts"
    if route.stat_ids:
        data |= _stat_data(sorting, route, view, sources)
    if route.resource_ids:
        data["ResourceUsage"] = sum((sources.usage(view.tenant, each) for each in route.resource_ids), 0)
    elif sorting in (Sorting.RESOURCES_ASCENDING, Sorting.RESOURCES_DESCENDING):
        return "has no resources"
    if sorting is Sorting.LOAD:
        data.setdefault("Load", 0)
        data["Ratio"] = _ratio(profile, route)
        if not data["Ratio"]:
            return "has a load ratio of 0"
    return data


def _cost_data(cost: Cost) -> dict[str, Number | str]:
    data: dict[str, Number | str] = {"Cost": cost.cost}
    if cost.rating_plan_id:
        data["RatingPlanID"] = cost.rating_plan_id
    if cost.account_id:
        data["AccountID"] = cost.account_id
    if cost.max_usage_ns is not None:
        data["MaxUsage"] = cost.max_usage_ns
    return data


def _stat_data(sorting: Sorting, route: Route, view: View, sources: Sources) -> dict[str, Number | str]:
    """Metrics over a route's queues: their mean; for load a sum, of one metric where `queue:metric` names it."""
    if sorting is Sorting.LOAD:
        return {"Load": sum((_load(view.tenant, each, sources) for each in route.stat_ids), 0)}
    values: dict[str, list[Number]] = {}
    for stat_id in route.stat_ids:
        for metric, value in sources.metrics(view.tenant, stat_id).items():
            values.setdefault(metric, []).append(value)
    return {metric: number(sum(map(Decimal, found)) / len(found)) for metric, found in values.items()}


def _load(tenant: str, stat_id: str, sources: Sources) -> Number:
    queue, _, metric = stat_id.partition(":")
    found = sources.metrics(tenant, queue)
    values = [found.get(metric, NO_DATA)] if metric else list(found.values())
    return sum((value for value in values if value != NO_DATA), 0)


def _ratio(profile: RouteProfile, route: Route) -> Number:
    ratios = dict(each.rpartition(":")[::2] for each in profile.sorting_parameters)
    text = ratios.get(route.id, ratios.get("*default", "1"))
    return int(text) if text.isascii() and text.isdigit() else 1


def number(value: "float | Decimal") -> Number:
    """A number as int where it is whole."""
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    return int(exact) if exact == exact.to_integral_value() else exact


def _first(name: str, sign: int) -> Callable[[Sequence[str]], Key]:
    return lambda parameters: lambda data: (sign * _number(data, name),)


def _number(data: Mapping[str, Number | str], name: str) -> Number:
    value = data.get(name, NO_DATA)
    return NO_DATA if isinstance(value, str) else value


def _quality(parameters: Sequence[str]) -> Key:
    """Metrics in their order: the delay is better small, all others large; one without data is worst."""

    def key(data: Mapping[str, Number | str]) -> tuple[Number, ...]:
        return tuple(number for metric in parameters for number in _graded(metric, _number(data, metric)))

    return key


def _graded(metric: str, value: Number) -> tuple[Number, Number]:
    if metric.startswith("*pdd"):
        return (1 if value == NO_DATA else 0, value)
    return (0, -value)


def _load_key(parameters: Sequence[str]) -> Key:
    return lambda data: (Decimal(_number(data, "Load")) / Decimal(_number(data, "Ratio")),)


_KEYS: Mapping[Sorting, Callable[[Sequence[str]], Key]] = {
    Sorting.WEIGHT: lambda parameters: lambda data: (),
    Sorting.LEAST_COST: _first("Cost", 1),
    Sorting.HIGHEST_COST: _first("Cost", -1),
    Sorting.QUALITY: _quality,
    Sorting.RESOURCES_ASCENDING: _first("ResourceUsage", 1),
    Sorting.RESOURCES_DESCENDING: _first("ResourceUsage", -1),
    Sorting.LOAD: _load_key,
}


def _reason(sorting: Sorting, parameters: Sequence[str], better: Sorted, worse: Sorted) -> str:
    """Why one route comes behind the one before it."""
    for name in _looked_at(sorting, parameters):
        mine, other = _number(worse.data, name), _number(better.data, name)
        if mine != other:
            return f"{name} {_told(mine)}, {better.route.id} has {_told(other)}"
    if worse.route.weight != better.route.weight:
        return f"weight {worse.route.weight:g}, {better.route.id} has {better.route.weight:g}"
    return f"equal to {better.route.id}; ids decide"


def _looked_at(sorting: Sorting, parameters: Sequence[str]) -> Sequence[str]:
    match sorting:
        case Sorting.WEIGHT:
            return ()
        case Sorting.LEAST_COST | Sorting.HIGHEST_COST:
            return ("Cost",)
        case Sorting.QUALITY:
            return parameters
        case Sorting.RESOURCES_ASCENDING | Sorting.RESOURCES_DESCENDING:
            return ("ResourceUsage",)
        case Sorting.LOAD:
            return ("Load", "Ratio")


def _told(value: Number) -> str:
    return plain(Decimal(value)) if value != NO_DATA else "no data"


def digest(decisions: Sequence[Decision]) -> str:
    """`route1:parameters,route2`; with several profiles each route names its own: `route2@PROFILE`."""
    pairs = []
    for decision in decisions:
        for each in decision.routes:
            text = f"{each.route.id}:{each.route.parameters}" if each.route.parameters else each.route.id
            pairs.append(f"{text}@{decision.profile_id}" if len(decisions) > 1 else text)
    return ",".join(pairs)
