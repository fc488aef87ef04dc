"""Routes: every strategy, limits and errors; order without chance, and a reason for each that lost."""

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.profiles.book import ProfileBook
from ocs.charging.profiles.filters import FilterBook
from ocs.charging.profiles.model import Route, RouteProfile
from ocs.charging.profiles.routes import Cost, Decision, Options, RouteFailed, decide, digest, routes_for
from ocs.charging.profiles.shelf import Shelf
from ocs.charging.profiles.values import Number
from ocs.charging.profiles.view import View

COSTS = {"RP_A": "0.6", "RP_B": "0.4", "RP_C": "0.4", "RP_D": "0.9"}
METRICS: dict[str, dict[str, Number]] = {
    "S1": {"*acd": 30, "*tcc": Decimal("1.5"), "*pdd": 4},
    "S2": {"*acd": 30, "*tcc": Decimal("2.5"), "*pdd": 2},
    "S3": {"*acd": 10, "*tcc": 9, "*pdd": -1},
    "L1": {"*sum#1": 6},
    "L2": {"*sum#1": 2},
}
USAGES = {"R1": 3, "R2": 1}


class Known:
    """A small world of prices, qualities and usages."""

    def cost(self, view: View, route: Route) -> Cost | None:
        if "RP_BAD" in route.rating_plan_ids:
            raise RouteFailed("RATING_PLAN_NOT_FOUND")
        found = [Cost(Decimal(COSTS[name]), name) for name in route.rating_plan_ids if name in COSTS]
        return min(found, key=lambda each: each.cost, default=None)

    def metrics(self, tenant: str, stat_id: str) -> Mapping[str, Number]:
        return METRICS[stat_id]

    def usage(self, tenant: str, resource_id: str) -> Number:
        return USAGES[resource_id]


def route(name: str, weight: float = 0, **more: object) -> Route:
    return Route(id=name, weight=weight, **more)  # type: ignore[arg-type]


def priced(name: str, plan: str, weight: float = 0) -> Route:
    return route(name, weight, rating_plan_ids=(plan,))


def profile(sorting: str, *routes: Route, parameters: tuple[str, ...] = ()) -> RouteProfile:
    return RouteProfile(tenant="t", id="RO", sorting=sorting, sorting_parameters=parameters, routes=routes)


def decided(found: RouteProfile, options: Options | None = None) -> Decision:
    return decide(found, FilterBook(), View({"Account": "1001"}, tenant="t"), Known(), options or Options())


def order(decision: Decision) -> list[str]:
    return [each.route.id for each in decision.routes]


def lost(decision: Decision) -> dict[str, str]:
    return {each.route_id: each.reason for each in decision.lost}


def test_weight_gives_the_recorded_answer_of_the_incumbent() -> None:
    found = decided(profile("*weight", route("gw2", 10), route("gw1", 20, parameters="sip:gw1.example.org")))
    assert [(each.route.id, each.data) for each in found.routes] == [
        ("gw1", {"Weight": 20}),
        ("gw2", {"Weight": 10}),
    ]
    assert digest([found]) == "gw1:sip:gw1.example.org,gw2"
    assert found.behind()[1] == "weight 10, gw1 has 20"
    assert digest([found, found]).endswith("gw2@RO")


def test_least_cost_then_weight_then_id_and_every_loser_knows_why() -> None:
    routes = priced("a", "RP_A", 99), priced("d", "RP_B"), priced("c", "RP_C"), priced("b", "RP_C", 5)
    found = decided(profile("*lc", *routes))
    assert order(found) == ["b", "c", "d", "a"]
    assert found.routes[0].data == {"Cost": Decimal("0.4"), "RatingPlanID": "RP_C", "Weight": 5}
    assert found.behind() == [
        "",
        "weight 0, b has 5",
        "equal to c; ids decide",
        "Cost 0.6, d has 0.4",
    ]
    assert order(decided(profile("*hc", *routes))) == ["a", "b", "c", "d"]


def test_routes_that_cannot_be_taken_are_told() -> None:
    routes = (
        priced("dear", "RP_D"),
        priced("unknown", "RP_X"),
        route("free"),
        route("other", filter_ids=("*string:~*req.Account:1002",), rating_plan_ids=("RP_A",)),
        priced("good", "RP_A"),
    )
    found = decided(profile("*lc", *routes), Options(max_cost=Decimal("0.8")))
    assert order(found) == ["good"]
    assert lost(found) == {
        "dear": "costs 0.9, more than 0.8",
        "unknown": "has no price for this event",
        "free": "has neither rating plans nor accounts",
        "other": "its filters do not pass",
    }


def test_an_error_ends_it_unless_errors_are_ignored() -> None:
    broken = profile("*lc", priced("bad", "RP_BAD"), priced("good", "RP_A"))
    with pytest.raises(RouteFailed, match="RATING_PLAN_NOT_FOUND"):
        decided(broken)
    found = decided(broken, Options(ignores_errors=True))
    assert order(found) == ["good"]
    assert lost(found) == {"bad": "error: RATING_PLAN_NOT_FOUND"}


def test_quality_looks_at_its_metrics_in_their_order() -> None:
    routes = tuple(route(name, stat_ids=(stat,)) for name, stat in (("x", "S1"), ("y", "S2"), ("z", "S3")))
    assert order(decided(profile("*qos", *routes, parameters=("*acd", "*tcc")))) == ["y", "x", "z"]
    assert order(decided(profile("*qos", *routes, parameters=("*tcc",)))) == ["z", "y", "x"]
    by_delay = decided(profile("*qos", *routes, parameters=("*pdd",)))
    assert order(by_delay) == ["y", "x", "z"], "a small delay is good, none measured is worst"
    assert by_delay.behind()[2] == "*pdd no data, x has 4"
    both = decided(profile("*qos", route("m", stat_ids=("S1", "S2")), parameters=("*tcc",)))
    assert both.routes[0].data["*tcc"] == 2


def test_resources_and_load_spread_calls() -> None:
    used = route("two", resource_ids=("R1", "R2")), route("one", resource_ids=("R2",)), route("none")
    ascending = decided(profile("*reas", *used))
    assert order(ascending) == ["one", "two"]
    assert ascending.routes[1].data == {"Weight": 0, "ResourceUsage": 4}
    assert lost(ascending) == {"none": "has no resources"}
    assert order(decided(profile("*reds", *used))) == ["two", "one"]
    loaded = route("heavy", stat_ids=("L1",)), route("light", stat_ids=("L2:*sum#1",)), route("off")
    found = decided(profile("*load", *loaded, parameters=("heavy:4", "*default:1", "off:0")))
    assert [(each.route.id, each.data["Load"], each.data["Ratio"]) for each in found.routes] == [
        ("heavy", 6, 4),
        ("light", 2, 1),
    ]
    assert lost(found) == {"off": "has a load ratio of 0"}


def test_limits_offsets_and_blockers_cut() -> None:
    routes = tuple(route(str(number), 10 - number) for number in range(5))
    found = decided(profile("*weight", *routes), Options(limit=2, offset=1))
    assert order(found) == ["1", "2"]
    assert lost(found) == {"0": "before the offset", "3": "beyond the limit", "4": "beyond the limit"}
    blocked = decided(profile("*weight", route("a", 2, is_blocker=True), route("b", 1)))
    assert (order(blocked), lost(blocked)) == (["a"], {"b": "a blocks what follows it"})


def test_as_many_profiles_as_wanted_answer_by_weight() -> None:
    filters = FilterBook()
    shelf = Shelf(
        filters,
        [
            RouteProfile(tenant="t", id=name, weight=weight, routes=(route("r"),))
            for name, weight in (("A", 1), ("B", 2))
        ],
    )
    view = View({}, tenant="t")
    assert [each.profile_id for each in routes_for(shelf, filters, view, Known(), Options())] == ["B"]
    both = routes_for(shelf, filters, view, Known(), Options(profile_count=2))
    assert [each.profile_id for each in both] == ["B", "A"]


@given(st.permutations(["RP_A", "RP_B", "RP_C", "RP_D"]), st.permutations([0, 0, 1, 1]))
def test_the_order_of_the_configuration_does_not_matter(plans: list[str], weights: list[int]) -> None:
    routes = [priced(plan, plan, weight) for plan, weight in zip(plans, weights, strict=True)]
    assert order(decided(profile("*lc", *routes))) == order(decided(profile("*lc", *reversed(routes))))


def test_an_unknown_strategy_is_refused_when_it_is_put() -> None:
    with pytest.raises(ValueError, match=r"\*random"):
        ProfileBook().put(profile("*random"))
