"""Profiles around the sessions of access servers: who has a place, what is told of it, what is counted."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ocs.agents.radius.agent import RadiusAgent
from ocs.agents.radius.loading import LoadError, load_clients
from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import Packet
from ocs.charging.control import ControlResult, SessionAddress
from ocs.charging.events import Identity, IdentityKind
from ocs.charging.supervision import SessionRef
from ocs.cli.server import _radius_problems
from ocs.config.settings import RadiusClient, RadiusSettings, SessionSettings
from ocs.config.shipped import shipped_dictionaries
from ocs.exact.radius import RadiusDoor
from ocs.exact.sessions import ExactRuntime
from ocs.rpc.methods.cgrates import CGRATES
from ocs.rpc.methods.cgrates.internal import methods_of
from tests.agents.radius.packets import NAS, access, text
from tests.agents.radius.world import CLIENT, RadiusWorld, like, settle
from tests.support.charging import NOON_NS
from tests.support.door import Door

VIRTUAL_TIME = True
CREDIT = 1_000_000_000
ALL = ("attributes", "chargers", "resources", "routes", "thresholds", "stats")


class Surrounded(RadiusWorld):
    """An access server in front of an agent with profiles around its sessions."""

    def build(self) -> None:
        """An agent that knows nothing yet."""
        super().build()
        service = self.door.service
        self.runtime = ExactRuntime(service, self.door.truth, SessionSettings())
        self.methods = methods_of(CGRATES, self.runtime)
        self.surrounding = RadiusDoor(service, self.runtime, self.settings)
        self.agent = RadiusAgent(
            self.settings,
            service,
            self._properties,
            self.metrics,
            shipped_dictionaries("radius"),
            self.surrounding,
        )
        self.agent.dynamic = self.nas

    async def set(self, kind: str, **profile: Any) -> None:
        own = {"Tenant": "cgrates.org", "FilterIDs": [], "Weight": 10}
        assert await self.methods(f"APIerSv1.Set{kind}", own | profile) == "OK"

    async def ask(self, session: str = "") -> Packet:
        said = [text(codes.ACCT_SESSION_ID, session)] if session else []
        answer = await self.say(access(*said), codes.ACCESS_REQUEST)
        assert answer is not None
        return answer

    def used(self) -> float:
        return float(self.runtime.surroundings.resources.usage("cgrates.org", "LINES", NOON_NS))


async def surrounded(client: RadiusClient = CLIENT, **settings: object) -> Surrounded:
    """One place for the sessions of user 1001, who has credit."""
    door = Door()
    made = Surrounded(door, client, subsystems=ALL, **settings)
    await door.open_account(CREDIT, "1001")
    filters = ["*string:~*req.Account:1001", "*string:~*req.NAS-IP-Address:192.0.2.7"]
    await made.set(
        "ResourceProfile", ID="LINES", Limit=1.0, UsageTTL=-1, FilterIDs=filters, AllocationMessage="one line"
    )
    return made


async def test_a_user_is_let_in_as_long_as_there_is_a_place_and_told_its_message() -> None:
    radius = await surrounded()
    let_in = await radius.ask()
    assert (let_in.code, let_in.text(codes.REPLY_MESSAGE)) == (codes.ACCESS_ACCEPT, "one line")
    assert radius.used() == 0, "a place is taken by the Start"
    await radius.start()
    assert radius.used() == 1
    refused = await radius.ask()
    assert (refused.code, refused.text(codes.REPLY_MESSAGE)) == (
        codes.ACCESS_REJECT,
        "RESOURCE_UNAUTHORIZED: LINES",
    )
    assert (await radius.ask("s1")).code == codes.ACCESS_ACCEPT, "authenticated again, it has its place"
    await radius.stop(60, 1_000)
    assert radius.used() == 0
    assert (await radius.ask()).code == codes.ACCESS_ACCEPT


async def test_a_call_that_rings_asks_for_the_place_it_will_have() -> None:
    radius = await surrounded(like(profile="voice"), allocation_attribute="Filter-Id")
    assert (await radius.ask("c1")).text(11) == "one line"
    await radius.start(session="c1")
    assert (await radius.ask("c2")).text(codes.REPLY_MESSAGE) == "RESOURCE_UNAUTHORIZED: LINES"


async def test_a_user_has_one_name_for_a_limit_whatever_the_key_of_the_account() -> None:
    radius = await surrounded(like(strip_realm=True, profile="voice"))
    await radius.door.open_account(CREDIT, "default:7", Identity(IdentityKind.E164, "4930"))
    named = ["*string:~*req.Account:4930"]
    await radius.set("ResourceProfile", ID="LINES", Limit=1.0, UsageTTL=-1, FilterIDs=named)
    request = access(text(codes.ACCT_SESSION_ID, "a|b"), user="4930@isp")
    let_in = await radius.say(request, codes.ACCESS_REQUEST)
    assert let_in is not None
    assert let_in.text(codes.REPLY_MESSAGE) == "LINES", "a resource without message is named"
    account = codes.CLASS, let_in.first(codes.CLASS) or b""
    assert account[1] == b"ocs:default:7"
    assert await radius.report(codes.START, account, session="a|b", user="4930@isp")
    assert radius.used() == 1
    same = access(text(codes.ACCT_SESSION_ID, "a|b"), user="4930@isp", identifier=3)
    repeated = await radius.say(same, codes.ACCESS_REQUEST)
    assert repeated is not None
    assert repeated.code == codes.ACCESS_ACCEPT


async def test_without_credit_the_reason_is_not_the_message_of_a_resource() -> None:
    radius = await surrounded()
    await radius.start()
    await radius.stop(60, CREDIT)
    answer = await radius.ask()
    assert (answer.code, answer.text(codes.REPLY_MESSAGE)) == (codes.ACCESS_REJECT, "INSUFFICIENT_CREDIT")


async def test_repeats_take_and_free_one_place() -> None:
    radius = await surrounded()
    for _ in range(3):
        await radius.start()
        assert radius.used() == 1
    await radius.interim(30, 500)
    for _ in range(3):
        await radius.stop(60, 1_000)
        assert radius.used() == 0
    assert radius.money() == str(CREDIT - 1_000)


async def test_a_session_that_began_without_a_place_is_cut_and_charged_to_its_end() -> None:
    radius = await surrounded()
    await radius.start()
    await radius.start(session="s2")
    assert radius.nas.asked == [("s2", "RESOURCE_UNAVAILABLE: LINES")]
    await radius.stop(60, 7_000, session="s2")
    assert (radius.used(), radius.posted()) == (1, CREDIT - 7_000), "the other keeps its place"
    await radius.stop(60, 1_000)
    assert (radius.used(), radius.money()) == (0, str(CREDIT - 8_000))


async def test_a_stop_whose_start_was_lost_is_charged_in_full_where_no_place_is_free() -> None:
    radius = await surrounded()
    await radius.start()
    await radius.stop(60, 7_000, session="s2")
    assert (radius.used(), radius.posted()) == (1, CREDIT - 7_000)
    assert radius.nas.asked == []


async def test_a_lost_stop_leaks_no_place() -> None:
    radius = await surrounded()
    await radius.start()
    await radius.interim(60, 1_000)
    work = [asyncio.create_task(each) for each in (radius.door.service.run(), radius.surrounding.run())]
    await asyncio.sleep(4 * 300 - 10)
    assert radius.used() == 1, "it may still be there"
    await asyncio.sleep(3 * 60)
    assert (radius.used(), radius.money()) == (0, str(CREDIT - 1_000)), "four intervals were missed"
    await radius.interim(2_000, 3_000)
    assert (radius.used(), radius.posted()) == (1, CREDIT - 3_000), "heard of again it has its place again"
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)


async def test_an_access_server_that_begins_anew_has_all_its_places_at_once() -> None:
    radius = await surrounded()
    await radius.start()
    await asyncio.sleep(20)
    assert await radius.report(codes.ACCOUNTING_ON, session="boot")
    assert radius.used() == 0
    await radius.start(session="s2")
    assert (radius.used(), radius.nas.asked) == (1, [])


async def test_a_session_its_access_server_does_not_know_leaves_its_place_at_once() -> None:
    radius = await surrounded()
    await radius.start()
    radius.nas.says = ControlResult.UNKNOWN_SESSION
    address = SessionAddress("ap/192.0.2.7", "s1", NAS, "data")
    assert await radius.agent.disconnect(address, "operator") is ControlResult.UNKNOWN_SESSION
    assert radius.used() == 0


async def test_a_session_id_that_is_used_again_keeps_one_place() -> None:
    radius = await surrounded()
    await radius.start()
    await asyncio.sleep(600)
    await radius.start()
    await settle()
    assert (radius.used(), radius.nas.asked) == (1, [])
    await radius.stop(60, 1_000)
    assert radius.used() == 0


async def test_places_are_kept_over_a_restart() -> None:
    radius = await surrounded()
    await radius.start()
    await radius.restart()
    await radius.door.service._adopt_open_sessions()
    await radius.surrounding.sweep()
    assert radius.used() == 1
    await radius.stop(60, 1_000)
    assert radius.used() == 0


async def test_a_session_the_operator_closes_leaves_its_place() -> None:
    radius = await surrounded()
    await radius.start()
    (session,) = radius.agent.accounting.sessions["ap/192.0.2.7"].values()
    ref = radius.door.service.supervision.get(session.key)
    assert ref is not None
    await radius.door.service.close_session(SessionRef(ref.key, ref.account_key, 0), "operator")
    await radius.surrounding.sweep()
    assert radius.used() == 0


async def test_records_are_counted_also_those_of_sessions_closed_after_a_restart() -> None:
    radius = await surrounded()
    await radius.set("StatQueueProfile", ID="SPENT", Metrics=[{"MetricID": "*sum#~*req.Usage"}], Stored=True)
    await radius.set(
        "ThresholdProfile", ID="THD", MaxHits=-1, FilterIDs=["*string:~*req.OriginHost:ap/192.0.2.7"]
    )
    await radius.start()
    await radius.interim(60, 1_000)
    await radius.restart()
    await radius.door.service._adopt_open_sessions()
    assert await radius.report(codes.ACCOUNTING_OFF, session="boot")
    numbers = radius.runtime.surroundings.stats_book.numbers("cgrates.org", "SPENT", radius.door.wall_ns())
    assert numbers["*sum#~*req.Usage"] == 1_000
    hits = radius.runtime.surroundings.thresholds_book.get("cgrates.org", "THD")
    assert hits is not None
    assert hits.hits == 1


async def resold(reseller: int = CREDIT) -> Surrounded:
    """A reseller pays for every session too."""
    radius = await surrounded()
    await radius.door.open_account(reseller, "default:reseller", Identity(IdentityKind.PRIVATE, "seller"))
    await radius.set("ChargerProfile", ID="DEFAULT", RunID="*default", AttributeIDs=["*none"])
    pays = "*constant:*req.Account:reseller"
    await radius.set("ChargerProfile", ID="RESELLER", RunID="reseller", AttributeIDs=[pays])
    return radius


async def test_a_reseller_pays_for_the_same_session_over_a_restart() -> None:
    radius = await resold()
    assert (await radius.ask()).code == codes.ACCESS_ACCEPT
    await radius.start()
    await radius.interim(60, 5_000)
    await radius.restart()
    await radius.interim(120, 7_000)
    await radius.stop(180, 9_000)
    paid = {key: CREDIT - account.balances[0].posted for key, account in radius.door.truth._accounts.items()}
    assert paid == {"1001": 9_000, "default:reseller": 9_000}
    assert [record.account for record in radius.records()] == ["1001", "default:reseller"]
    assert radius.agent.accounting.sessions == {} or not radius.nas.asked


async def test_a_user_is_let_in_as_far_as_the_reseller_can_pay() -> None:
    radius = await resold(0)
    answer = await radius.ask()
    assert (answer.code, answer.text(codes.REPLY_MESSAGE)) == (codes.ACCESS_REJECT, "INSUFFICIENT_CREDIT")


async def test_routes_are_told_best_first() -> None:
    radius = await surrounded(like(profile="voice"), route_attribute="Callback-Id")
    routes = [{"ID": "gw1", "Weight": 10, "RouteParameters": "sip:gw1"}, {"ID": "gw2", "Weight": 20}]
    await radius.set("RouteProfile", ID="OUT", Sorting="*weight", Routes=routes)
    answer = await radius.ask("c1")
    assert [value for code, value in answer.attributes if code == 20] == [b"gw2", b"gw1:sip:gw1"]


async def test_attributes_change_the_network_but_not_who_pays() -> None:
    radius = await surrounded()
    await radius.door.open_account(1_000, "boss", Identity(IdentityKind.PRIVATE, "boss"))
    changed = [{"Path": "*req.APN", "Type": "*constant", "Value": "lounge"}]
    pays = [{"Path": "*req.Account", "Type": "*constant", "Value": "boss"}]
    await radius.set("AttributeProfile", ID="A", Contexts=["*sessions"], Attributes=[*changed, *pays])
    await radius.start()
    await radius.stop(60, 1_000)
    (record,) = radius.records()
    assert (record.account, record.context.apn) == ("1001", "lounge")


def test_an_attribute_that_no_dictionary_has_is_named(tmp_path: Path) -> None:
    settings = tmp_path / "ocs.yaml"
    settings.write_text(
        "identity: {origin_host: ocs.example.org, origin_realm: example.org}\n"
        "radius:\n"
        "  subsystems: [resources]\n"
        "  allocation_attribute: Nothing-Of-It\n"
        "  clients: [{address: 127.0.0.1, name: nas, secret: s}]\n"
    )
    (problem,) = _radius_problems(str(settings))
    assert problem.path == "radius.allocation_attribute"
    assert problem.message == "Nothing-Of-It is not in the dictionaries of nas"
    radius = RadiusSettings((CLIENT,), allocation_attribute="Nothing-Of-It")
    with pytest.raises(LoadError, match=r"radius\.allocation_attribute: Nothing-Of-It is not .* of ap$"):
        load_clients(radius, shipped_dictionaries("radius"))
