"""What surrounds an authorisation: attributes, resources, maximum usage, routes; with 10 and with 10 000 profiles.

Run with `python -m bench.authorize`. Processor time of one core. The first rows are the rules alone; `pipeline` is
the method behind the wire with three carriers rated and sorted by cost (`by_weight`: by weight), `request` the same
with its JSON in and out, without a socket. The last column is the ratio to 10 profiles.
"""

import asyncio
import timeit
from collections.abc import Callable
from time import process_time
from typing import Any

import msgspec

from ocs.cgrates import config, tariff
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates.account import Account, Balance
from ocs.charging.cgrates.call import MONETARY
from ocs.charging.profiles.model import (
    AttributeProfile,
    AttributeRule,
    ChargerProfile,
    ResourceProfile,
    Route,
    RouteProfile,
    ThresholdProfile,
)
from ocs.charging.profiles.resources import Request
from ocs.charging.profiles.view import View
from ocs.rpc.caller import Caller
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.envelope import EnvelopeLimits
from ocs.rpc.methods.cgrates import CGRATES
from ocs.sessions.model import CgrEvent
from ocs.sessions.surroundings import RouteOptions
from ocs.sessions.wanted import Wanted

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
    "RatingPlans.csv": "RP,DR,*any,10\nRP0,DR,*any,10\nRP1,DR,*any,10\nRP2,DR,*any,10\n",
    "RatingProfiles.csv": f"{TENANT},call,*any,2014-01-14T00:00:00Z,RP,\n",
}
ON = ["*internal"]
CONFIGURATION: dict[str, Any] = {
    "rals": {"enabled": True},
    "chargers": {"enabled": True, "attributes_conns": ON},
    "sessions": {
        "enabled": True,
        **dict.fromkeys(
            ("rals_conns", "chargers_conns", "attributes_conns", "resources_conns", "routes_conns"), ON
        ),
    },
}
EVENT: dict[str, Any] = {
    "OriginID": "c-1",
    "OriginHost": "sbc1",
    "Account": "00007",
    "Destination": "4900007123",
    "Category": "call",
    "ToR": "*voice",
    "RequestType": "*prepaid",
    "SetupTime": "2026-05-28T20:26:40Z",
    "Usage": "10m",
}


def main() -> None:
    """Measures each part and the bundle, inside a running loop as the server has one."""
    asyncio.run(_measure())


async def _measure() -> None:
    print(f"{'':<28}{'profiles':>10}{'us':>10}{'per second':>14}{'ratio':>8}")
    worlds = [World(count) for count in COUNTS]
    for name in (
        "attributes",
        "chargers",
        "resources",
        "usage",
        "routes",
        "thresholds",
        "by_weight",
        "pipeline",
        "request",
    ):
        first = 0.0
        for world in worlds:
            took = measured(getattr(world, name))
            first = first or took
            print(f"{name:<28}{world.count:>10}{took * 1e6:>10.1f}{1 / took:>14,.0f}{took / first:>8.2f}")


def measured(call: Callable[[], object]) -> float:
    """Seconds of processor one call takes, the best of some."""
    call()
    return min(timeit.repeat(call, timer=process_time, number=ROUNDS, repeat=REPEATS)) / ROUNDS


class World:
    """A server with as many profiles of each kind as wanted, for accounts and prefixes of their own."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.runtime = Runtime(config.read(CONFIGURATION), wall_ns=lambda: NOW_NS)
        self.book = self.runtime.state.book
        tariff.load(self.runtime.state, list(TARIFF.items()))
        for number in range(count):
            self._put(f"{number:05d}")
        account = f"{TENANT}:00007"
        self.runtime.state.put_accounts(
            {account: Account(account, {MONETARY: (Balance("b", value_nanos=10**12),)})}
        )
        self.event = CgrEvent(TENANT, EVENT, {}, "e")
        self.weighed = CgrEvent(TENANT, {**EVENT, "Trunk": "00007"}, {}, "e")
        self.wanted = Wanted(charges=True, attributes=True, resources=True, routes=True)
        self.dispatcher = Dispatcher(CGRATES, self.runtime, EnvelopeLimits())
        self.caller = Caller("127.0.0.1:1")
        flags = dict.fromkeys(("GetMaxUsage", "GetAttributes", "AuthorizeResources", "GetRoutes"), True)
        request = {"method": "SessionSv1.AuthorizeEvent", "id": 1, "params": [{**flags, "Event": EVENT}]}
        self.frame = msgspec.json.encode(request)

    def _put(self, name: str) -> None:
        account = f"*string:~*req.Account:{name}"
        prefix = f"*prefix:~*req.Destination:49{name}"
        password = AttributeRule(path="*req.Password", type="*constant", value="secret")
        number = AttributeRule(path="*req.Number", value="~*req.Destination:s/^49(\\d+)$/+49$1/")
        routes = tuple(Route(id=f"gw{at}", rating_plan_ids=(f"RP{at}",), weight=at) for at in range(3))
        named: dict[str, Any] = {"tenant": TENANT, "id": name}
        self.book.put(
            AttributeProfile(
                **named, contexts=("*sessions",), filter_ids=(account,), attributes=(password, number)
            )
        )
        self.book.put(ChargerProfile(**named, filter_ids=(account,), attribute_ids=("*none",)))
        self.book.put(ResourceProfile(**named, filter_ids=(account,), limit=10, usage_ttl_ns=-1))
        self.book.put(RouteProfile(**named, filter_ids=(prefix,), sorting="*lc", routes=routes))
        weighed = tuple(Route(id=f"gw{at}", weight=at) for at in range(3))
        fixed: dict[str, Any] = {"tenant": TENANT, "id": f"{name}W", "weight": 1.0}
        by_weight = f"*string:~*req.Trunk:{name}"
        self.book.put(RouteProfile(**fixed, filter_ids=(by_weight,), sorting="*weight", routes=weighed))
        self.book.put(ThresholdProfile(**named, filter_ids=(account, "*gt:~*req.Cost:10"), max_hits=-1))

    def view(self) -> View:
        """The event as rules see it."""
        return self.runtime.surroundings.view(self.event)

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
        return self.runtime.surroundings.resources.authorize(self.view(), Request("u"))

    def usage(self) -> object:
        """What the account affords."""
        return self.runtime.sessions.authorize(self.event)

    def routes(self) -> object:
        """The three carriers, rated and sorted."""
        return self.runtime.surroundings.routes(self.event, RouteOptions())

    def thresholds(self) -> object:
        """The thresholds the event hits."""
        return self.book.thresholds.matching(self.view())

    def pipeline(self) -> object:
        """Attributes, usage, resources and routes."""
        answer = self.runtime.pipeline.authorize(self.event, self.wanted)
        assert answer.usage == 600 * SECOND_NS
        assert answer.routes is not None
        return answer

    def by_weight(self) -> object:
        """The same where carriers are sorted by weight, so that nothing but the event is rated."""
        return self.runtime.pipeline.authorize(self.weighed, self.wanted)

    def request(self) -> object:
        """The same as a request and its answer."""
        return self.dispatcher.start(self.frame, self.caller)


if __name__ == "__main__":
    main()
