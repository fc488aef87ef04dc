"""What surrounds an authorisation: attributes, resources, maximum usage, routes; with 10 and with 10 000 profiles.

Run with `python -m bench.authorize`. One core, rules alone, no network. The last column is the ratio to 10
profiles.
"""

import timeit
from collections.abc import Callable, Mapping
from decimal import Decimal

from ocs.charging.cgrates.account import Account, Balance, Snapshot
from ocs.charging.cgrates.authorize import authorize
from ocs.charging.cgrates.call import MONETARY, Call
from ocs.charging.cgrates.compile import compile_tariff
from ocs.charging.cgrates.csv_folder import read_texts
from ocs.charging.cgrates.plan import Settings, Tariff
from ocs.charging.profiles.book import ProfileBook
from ocs.charging.profiles.model import (
    AttributeProfile,
    AttributeRule,
    ChargerProfile,
    ResourceProfile,
    Route,
    RouteProfile,
    ThresholdProfile,
)
from ocs.charging.profiles.resources import Request, ResourceBook
from ocs.charging.profiles.routes import Cost, Options, routes_for
from ocs.charging.profiles.values import Number
from ocs.charging.profiles.view import View

COUNTS = (10, 10_000)
REPEATS = 5
ROUNDS = 400
SECOND_NS = 10**9
NOW_NS = 1_780_000_000 * SECOND_NS
TENANT = "cgrates.org"
TARIFF = {
    "Destinations.csv": "DST,49\n",
    "Rates.csv": "RT,0,0.01,60s,1s,0s\n",
    "DestinationRates.csv": "DR,DST,RT,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\n",
    "RatingProfiles.csv": f"{TENANT},call,*any,2014-01-14T00:00:00Z,RP,\n",
}


class Sources:
    """Carriers whose prices are known."""

    def cost(self, view: View, route: Route) -> Cost | None:
        """A price by the route's name."""
        return Cost(Decimal(len(route.id)), route.rating_plan_ids[0])

    def metrics(self, tenant: str, stat_id: str) -> Mapping[str, Number]:
        """None."""
        return {}

    def usage(self, tenant: str, resource_id: str) -> Number:
        """None."""
        return 0


def main() -> None:
    """Measures each part and the bundle."""
    print(f"{'':<28}{'profiles':>10}{'us':>10}{'per second':>14}{'ratio':>8}")
    worlds = [World(count) for count in COUNTS]
    for name in ("attributes", "chargers", "resources", "usage", "routes", "thresholds", "bundle"):
        first = 0.0
        for world in worlds:
            took = measured(getattr(world, name))
            first = first or took
            print(f"{name:<28}{world.count:>10}{took * 1e6:>10.1f}{1 / took:>14,.0f}{took / first:>8.2f}")


def measured(call: Callable[[], object]) -> float:
    """Seconds one call takes, the best of some."""
    call()
    return min(timeit.repeat(call, number=ROUNDS, repeat=REPEATS)) / ROUNDS


class World:
    """As many profiles of each kind as wanted, for accounts and prefixes of their own."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.book = ProfileBook()
        for number in range(count):
            self._put(f"{number:05d}")
        self.resources_book = ResourceBook(self.book.resources)
        self.tariff = tariff()
        self.settings = Settings()
        account = f"{TENANT}:00007"
        self.snapshot = Snapshot({account: Account(account, {MONETARY: (Balance("b", value_nanos=10**12),)})})
        self.event: dict[str, object] = {
            "Account": "00007",
            "Destination": "4900007123",
            "Category": "call",
            "ToR": "*voice",
            "RequestType": "*prepaid",
            "SetupTime": "2026-05-28T20:26:40Z",
            "Usage": "10m",
        }

    def _put(self, name: str) -> None:
        account = f"*string:~*req.Account:{name}"
        prefix = f"*prefix:~*req.Destination:49{name}"
        self.book.put(
            AttributeProfile(
                tenant=TENANT,
                id=name,
                contexts=("*sessions",),
                filter_ids=(account,),
                attributes=(
                    AttributeRule(path="*req.Password", type="*constant", value="secret"),
                    AttributeRule(path="*req.Number", value="~*req.Destination:s/^49(\\d+)$/+49$1/"),
                ),
            )
        )
        self.book.put(
            ChargerProfile(
                tenant=TENANT, id=name, filter_ids=(account,), run_id="*default", attribute_ids=("*none",)
            )
        )
        self.book.put(
            ResourceProfile(tenant=TENANT, id=name, filter_ids=(account,), limit=10, usage_ttl_ns=-1)
        )
        routes = tuple(Route(id=f"gw{'x' * at}", rating_plan_ids=("RP",), weight=at) for at in range(3))
        self.book.put(
            RouteProfile(tenant=TENANT, id=name, filter_ids=(prefix,), sorting="*lc", routes=routes)
        )
        self.book.put(
            ThresholdProfile(tenant=TENANT, id=name, filter_ids=(account, "*gt:~*req.Cost:10"), max_hits=-1)
        )

    def view(self) -> View:
        """The event as it comes in."""
        return View(self.event, tenant=TENANT, now_ns=NOW_NS)

    def attributes(self) -> object:
        """The event rewritten."""
        found = self.book.attributes.process(self.view(), context="*sessions")
        assert found is not None
        assert found.event["Number"] == "+4900007123"
        return found

    def chargers(self) -> object:
        """The runs of the event."""
        return self.book.chargers.matching(self.view())

    def resources(self) -> object:
        """The answer of the resource."""
        return self.resources_book.authorize(self.view(), Request("u"))

    def usage(self) -> object:
        """What the account affords."""
        call = Call(
            tenant=TENANT,
            category="call",
            account="00007",
            subject="00007",
            destination="4900007123",
            start_ns=NOW_NS,
            end_ns=NOW_NS + 600 * SECOND_NS,
        )
        return authorize(self.snapshot, self.tariff, call, "*prepaid", self.settings)

    def routes(self) -> object:
        """The carriers, cheapest first."""
        return routes_for(self.book.routes, self.book.filters, self.view(), Sources(), Options())

    def thresholds(self) -> object:
        """The thresholds the event hits."""
        return self.book.thresholds.matching(self.view())

    def bundle(self) -> object:
        """Attributes, runs, usage, resources and routes."""
        return (self.attributes(), self.chargers(), self.usage(), self.resources(), self.routes())


def tariff() -> Tariff:
    """One price for all destinations."""
    rows, problems = read_texts(TARIFF.items())
    assert not problems
    found, problems = compile_tariff(rows)
    assert not problems
    return found


if __name__ == "__main__":
    main()
