"""What profiles say reaches the switch, as far as the flags of an event ask for it."""

import asyncio
from typing import Any

import pytest

from ocs.cgrates.agents.results import route_options
from ocs.sessions.surroundings import RouteOptions
from tests.agents.freeswitch.scripted import Plan
from tests.cgrates.agents.test_kamailio import ProxyWorld
from tests.cgrates.agents.world import CALL_NANOS, SwitchWorld, switched

ALL_FLAGS = "*attributes;*resources;*accounts;*routes;*thresholds;*stats"


async def profiles(made: SwitchWorld, limit: str = "1") -> None:
    """One profile of each kind, for account 1001."""
    own = {"Tenant": "cgrates.org", "FilterIDs": ["*string:~*req.Account:1001"], "Weight": 10}
    said: list[tuple[str, dict[str, Any]]] = [
        (
            "SetAttributeProfile",
            {
                "ID": "ATTR",
                "Contexts": ["*any"],
                "Attributes": [{"Path": "*req.Office", "Type": "*constant", "Value": "Munich"}],
            },
        ),
        (
            "SetResourceProfile",
            {
                "ID": "RES",
                "Limit": float(limit),
                "UsageTTL": -1,
                "AllocationMessage": "ResGroup",
                "Stored": True,
            },
        ),
        (
            "SetRouteProfile",
            {
                "ID": "ROUTE",
                "Sorting": "*weight",
                "Routes": [
                    {"ID": "route1", "Weight": 10},
                    {"ID": "route2", "Weight": 20, "RouteParameters": "p"},
                ],
            },
        ),
        ("SetThresholdProfile", {"ID": "THD", "MaxHits": -1}),
        ("SetStatQueueProfile", {"ID": "SQ", "QueueLength": 10, "Metrics": [{"MetricID": "*sum#1"}]}),
    ]
    for method, params in said:
        assert await made.engine.result(f"APIerSv1.{method}", own | params) == "OK", method


async def test_a_dialplan_finds_attributes_resource_and_routes_in_its_variables() -> None:
    async with switched() as (made, switch):
        await profiles(made)
        call = switch.call(
            Plan(variables={"cgr_reqtype": "*prepaid", "cgr_flags": ALL_FLAGS}, ring_s=5, talk_s=8)
        )
        await asyncio.sleep(2)
        assert call.variables["Office"] == "Munich"
        assert call.variables["cgr_resource_allocation"] == "ResGroup"
        assert call.variables["cgr_routes"] == "ARRAY::2|:route2:p|:route1"
        assert call.variables["cgr_notify"] == "AUTH_OK"
        await asyncio.sleep(20)
        assert call.cause == "NORMAL_CLEARING"
        (cdr,) = made.cdrs()
        assert cdr.extra_fields["Office"] == "Munich"
        assert made.left() == 992 * CALL_NANOS


async def test_a_script_finds_them_in_its_reply() -> None:
    made = ProxyWorld()
    await profiles(made)
    reply = await made.authorise(cgr_flags=ALL_FLAGS)
    assert {
        name: reply[name]
        for name in ("Attributes", "ResourceAllocation", "Routes", "Thresholds", "StatQueues")
    } == {
        "Attributes": "Office:Munich",
        "ResourceAllocation": "ResGroup",
        "Routes": "route2:p,route1",
        "Thresholds": "THD",
        "StatQueues": "SQ",
    }
    assert reply["MaxUsage"] == 1_000


async def test_only_what_is_asked_for_is_done() -> None:
    made = ProxyWorld()
    await profiles(made)
    reply = await made.authorise(cgr_flags="*accounts;*routes")
    assert (reply["Attributes"], reply["ResourceAllocation"], reply["Routes"]) == ("", "", "route2:p,route1")


async def test_a_resource_is_taken_at_the_answer_refused_to_others_and_free_again_at_the_end() -> None:
    made = ProxyWorld()
    await profiles(made)
    flags = {"cgr_flags": "*accounts;*resources"}
    assert (await made.authorise("c1", **flags))["ResourceAllocation"] == "ResGroup"
    await made.start("c1", **flags)
    refused = await made.authorise("c2", **flags)
    assert refused["Error"] == "RESOURCES_ERROR:RESOURCE_UNAUTHORIZED"
    assert made.promises() == 0, "nothing is held for a call that is refused"
    await made.end(0, "c1", **flags)
    assert (await made.authorise("c3", **flags))["ResourceAllocation"] == "ResGroup"


async def test_an_answer_without_a_resource_ends_the_call() -> None:
    made = ProxyWorld()
    await profiles(made)
    flags = {"cgr_flags": "*accounts;*resources"}
    await made.authorise("c1", **flags)
    await made.authorise("c2", **flags)
    await made.start("c1", **flags)
    await made.start("c2", **flags)
    await asyncio.sleep(1)
    cut = [said["Reason"] for said in made.said if said["Event"] == "CGR_SESSION_DISCONNECT"]
    assert cut == ["RESOURCES_ERROR:RESOURCE_UNAVAILABLE"]
    assert len(made.runtime.state.sessions) == 1


async def test_a_subsystem_that_is_not_connected_refuses_by_name_what_asks_for_it() -> None:
    async with switched(sessions={"routes_conns": []}) as (_, switch):
        named = switch.call(Plan(variables={"cgr_flags": "*accounts;*routes"}))
        silent = switch.call(Plan(talk_s=2))
        await asyncio.sleep(5)
        assert named.variables["cgr_notify"] == "NOT_CONNECTED: RouteS"
        assert silent.cause == "NORMAL_CLEARING"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", RouteOptions()),
        ("*ignore_errors", RouteOptions(ignores_errors=True)),
        ("*event_cost", RouteOptions(max_cost="*event_cost")),
        ("*max_cost:0.5&*ignore_errors", RouteOptions(max_cost="0.5", ignores_errors=True)),
        ("*max_cost:1|*ignore_errors", RouteOptions(max_cost="1", ignores_errors=True)),
    ],
)
def test_options_of_routes_follow_their_flag(text: str, options: RouteOptions) -> None:
    assert route_options(text) == options
