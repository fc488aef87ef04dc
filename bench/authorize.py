"""What surrounds an authorisation: attributes, resources, maximum usage, routes; with 10 and with 10 000 profiles.

Run with `python -m bench.authorize`, for `ocs serve` with `--exact`. Processor time of one core. The first rows are
the rules alone; `pipeline` is the method behind the wire with three carriers rated and sorted by cost (`by_weight`:
by weight), `request` the same with its JSON in and out, without a socket. The last column is the ratio to 10
profiles.
"""

import asyncio
import sys
import timeit
from collections.abc import Callable
from time import process_time
from typing import Any

import msgspec

from ocs.cgrates import config, tariff
from ocs.cgrates.runtime import Runtime
from ocs.charging import acts
from ocs.charging.cgrates.account import Account, Balance
from ocs.charging.cgrates.call import MONETARY
from ocs.charging.decision import Change
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
from ocs.charging.quota import ChargingPolicy
from ocs.charging.service import ChargingService
from ocs.charging.store.memory import MemoryStore
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.import_cgrates.folder import ImportOptions, read_cgrates
from ocs.config.settings import SessionSettings
from ocs.exact.sessions import ExactRuntime
from ocs.rpc.caller import Caller
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.messages import EnvelopeLimits
from ocs.rpc.methods.cgrates import CGRATES, on_exact
from ocs.rpc.registry import Registry
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
ROUTES = f"{TENANT},R,,,*lc,,gw,,,RP0;RP1;RP2,,,0,false,,0\n"
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
    asyncio.run(_measure("--exact" in sys.argv[1:]))


async def _measure(is_exact: bool) -> None:
    print(f"{'':<28}{'profiles':>10}{'us':>10}{'per second':>14}{'ratio':>8}")
    worlds = [ExactWorld(count) if is_exact else World(count) for count in COUNTS]
    for world in worlds:
        await world.ready()
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
        self.runtime = self._runtime()
        self.book = self.runtime.state.book
        for number in range(count):
            self._put(f"{number:05d}")
        self.event = CgrEvent(TENANT, EVENT, {}, "e")
        self.weighed = CgrEvent(TENANT, {**EVENT, "Trunk": "00007"}, {}, "e")
        self.wanted = Wanted(charges=True, attributes=True, resources=True, routes=True)
        self.dispatcher = Dispatcher(self._methods(), self.runtime, EnvelopeLimits())
        self.caller = Caller("127.0.0.1:1")
        flags = dict.fromkeys(("GetMaxUsage", "GetAttributes", "AuthorizeResources", "GetRoutes"), True)
        request = {"method": "SessionSv1.AuthorizeEvent", "id": 1, "params": [{**flags, "Event": EVENT}]}
        self.frame = msgspec.json.encode(request)

    def _runtime(self) -> Runtime:
        runtime = Runtime(config.read(CONFIGURATION), wall_ns=lambda: NOW_NS)
        tariff.load(runtime.state, list(TARIFF.items()))
        account = f"{TENANT}:00007"
        runtime.state.put_accounts(
            {account: Account(account, {MONETARY: (Balance("b", value_nanos=10**12),)})}
        )
        return runtime

    def _methods(self) -> Registry:
        return CGRATES

    async def ready(self) -> None:
        """Have what an authorisation needs in memory."""

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


class ExactWorld(World):
    """The same in front of the exact core, as on `ocs serve`."""

    def _runtime(self) -> Runtime:
        found, findings = read_cgrates([*TARIFF.items(), ("Routes.csv", ROUTES)], ImportOptions())
        assert found is not None, findings
        self.store = MemoryStore()
        self.service = ChargingService(
            self.store, Catalogue(found), ChargingPolicy(), Uncounted(), None, lambda: NOW_NS
        )
        return ExactRuntime(self.service, self.store, SessionSettings())

    def _methods(self) -> Registry:
        registry = Registry()
        on_exact.register(registry, self.runtime, self.runtime)
        return registry

    async def ready(self) -> None:
        """Open the account, and bring it into memory."""
        new = acts.NewAccount(f"{TENANT}:00007", f"{TENANT}:*any", (), (acts.TopUp(10**12),))
        account, posting = acts.create(new, acts.Act("bench", NOW_NS, "bench"))
        assert posting is not None
        await self.service.create(Change(account, (posting,)))
        await self.runtime.make_ready((self.event,))


class Uncounted:
    """Nobody counts."""

    def duplicate_answered(self) -> None:
        """A repeat was answered."""

    def answer_forgotten(self) -> None:
        """A kept answer made room."""

    def request_shed(self) -> None:
        """An event was turned away."""

    def debited(self, service: str, amount_nanos: int) -> None:
        """Money was taken."""

    def session_expired(self) -> None:
        """A session was silent for too long."""

    def sessions_open(self, count: int) -> None:
        """So many are open."""

    def queue_depth(self, waiting: int) -> None:
        """So many wait."""


if __name__ == "__main__":
    main()
