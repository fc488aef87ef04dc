"""Requests of every kind get one answer each, and a hostile peer leaves the others served."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from ocs.diameter import avps
from ocs.diameter.avp import encode_octets, encode_u32, encode_utf8, group
from ocs.diameter.codes import ERROR, PROXIABLE, REQUEST
from ocs.diameter.message import encode_message
from tests.cgrates.diameter.processors import CCA, INIT, PAID, WHO, field, processor, wish
from tests.cgrates.diameter.world import (
    EVENT,
    INITIAL,
    TERMINATION,
    UPDATE,
    S,
    run,
    section,
    served,
    shown,
)
from tests.support.diameter_peer import Peer, cer, code_of
from tests.support.gy import requested, seconds

# --- the shape of the sample configurations


def test_the_sample_of_a_voice_call_is_granted() -> None:
    async def test() -> None:
        async with served(section(INIT)) as world:
            client = await world.client()
            answer = await client.ask(wish(client))
            assert code_of(answer) == 2001
            assert "Granted-Service-Unit (431) M\n    CC-Time (420) M 300" in shown(answer)
            (session,) = world.runtime.state.sessions.values()
            assert session.event["OriginHost"] == "127.0.0.1", "another port of the client is the same client"
            assert session.event["AnswerTime"] == "2026-06-15T12:00:00Z"

    run(test())


def test_a_forced_duration_beyond_all_bounds_is_refused() -> None:  # 93
    """The published result: an initial request of 3 000 000 000 s with ForceDuration is answered 5030."""

    async def test() -> None:
        async with served(section(processor("*initiate", "*accounts", "*fd"))) as world:
            client = await world.client()
            sent = client.ccr(INITIAL, 0, requested(seconds(3_000_000_000)))
            assert code_of(await client.ask(sent)) == 5030
            assert (world.left(), world.sessions) == (10 * S, [])

    run(test())


def test_a_session_of_no_usage_goes_on_under_the_name_of_its_rating_group() -> None:
    """The sample of a data session: CCR-I opens one with usage 0, the first update takes it over."""
    begins = processor("*initiate", "*accounts", fields=[*WHO[:-1], field("*cgreq.Usage", "0", "*constant")])
    moves = [
        *WHO[:-1],
        field("*cgreq.InitialOriginID", "~*req.Session-Id"),
        field("*cgreq.OriginID", "_grp1", "*composed"),
        field("*cgreq.Usage", "60s", "*constant"),
    ]
    goes_on = processor("*update", "*accounts", fields=moves, filters=["*string:~*req.CC-Request-Type:2"])
    begins["filters"] = ["*string:~*req.CC-Request-Type:1"]
    begins["reply_fields"] = [CCA]

    async def test() -> None:
        async with served(section(begins, goes_on)) as world:
            client = await world.client()
            assert code_of(await client.ask(client.ccr(INITIAL, 0))) == 2001
            assert (world.sessions, world.left()) == (["s;1"], 10 * S)
            assert code_of(await client.ask(client.ccr(UPDATE, 1))) == 2001
            assert (world.sessions, world.left()) == (["s;1_grp1"], 10 * S - 60 * PAID)

    run(test())


def test_what_one_processor_was_granted_is_not_granted_by_the_next_one_that_failed() -> None:
    def group_of(name: str, category: str) -> dict[str, Any]:
        fields = [
            *WHO[:-1],
            field("*cgreq.OriginID", name, "*composed"),
            field("*cgreq.Category", category, "*constant"),
            field("*cgreq.Usage", "60s", "*constant"),
        ]
        unit = "*rep.Multiple-Services-Credit-Control.Granted-Service-Unit.CC-Time"
        granted = field(
            unit,
            "~*cgrep.MaxUsage{*duration_seconds}",
            filters=["*gte:~*cgrep.MaxUsage:0s"],
            new_branch=True,
        )
        flags = ["*update", "*accounts", "*continue"]
        return INIT | {"flags": flags, "request_fields": fields, "reply_fields": [granted]}

    async def test() -> None:
        async with served(section(group_of("_1", "call"), group_of("_2", "unpriced"))) as world:
            client = await world.client()
            answer = await client.ask(client.ccr(INITIAL, 0))
            assert shown(answer).count("Granted-Service-Unit") == 1, shown(answer)
            assert world.left() == 10 * S - 60 * PAID

    run(test())


@pytest.mark.parametrize("flags", [["*dryrun", "*initiate"], ["*none", "*log"]])
def test_a_request_is_shown_and_nobody_is_charged(flags: list[str]) -> None:
    async def test() -> None:
        async with served(section(processor(*flags))) as world:
            client = await world.client()
            with capture_logs() as logs:
                assert code_of(await client.ask(wish(client))) == 2001
            (told,) = [each for each in logs if each["event"] == "agent.request"]
            assert (told["processor"], told["request"]["Account"]) == ("init", "1001")
            assert (world.left(), world.sessions) == (10 * S, [])

    run(test())


# --- what cannot be answered as it was asked


def test_what_no_processor_takes_and_what_fails_is_answered_5012_with_the_error_bit() -> None:
    fails = processor("*none", fields=[field("*tmp.X", "~*req.User-Name", mandatory=True)])
    fails["filters"] = ["*string:~*req.CC-Request-Type:2"]

    async def test() -> None:
        async with served(section(INIT | {"filters": ["*string:~*req.CC-Request-Type:1"]}, fails)) as world:
            client = await world.client()
            for kind in (TERMINATION, UPDATE):
                answer = await client.ask(client.ccr(kind, kind))
                assert (code_of(answer), answer.flags) == (5012, PROXIABLE | ERROR)
                assert answer.octets(avps.SESSION_ID) == b"s;1"
                assert answer.octets(avps.ORIGIN_HOST) == b"CGR-DA"
            assert code_of(await client.ask(wish(client))) == 2001

    run(test())


def test_a_fault_of_the_server_costs_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with served(section(INIT)) as world:
            client = await world.client()
            with monkeypatch.context() as patch:
                patch.setattr(world.front._calls, "_called", None)
                answer = await client.ask(wish(client))
                assert (code_of(answer), answer.is_error) == (5012, True)
            assert code_of(await client.ask(wish(client, session="s;2"))) == 2001

    run(test())


def test_unknown_applications_and_commands_are_refused() -> None:
    async def test() -> None:
        async with served(section(INIT, ce_applications=["Charging Control", 3])) as world:
            client = await world.client()
            refused = ((16777238, 272, 3007), (4, 8388635, 3001), (4, 999, 3001), (3, 272, 3001))
            for application, command, code in refused:
                answer = await client.ask(client.ccr(INITIAL, 0, application=application, command=command))
                assert (code_of(answer), answer.is_error) == (code, True), (application, command)
            assert code_of(await client.ask(wish(client))) == 2001

    run(test())


def test_any_command_of_any_application_can_be_served() -> None:
    accounting = {
        "id": "accounting",
        "filters": [
            "*string:~*vars.*cmd:ACR",
            "*string:~*vars.*appid:3",
            "*string:~*vars.*app:Base Accounting",
        ],
        "flags": ["*none"],
        "reply_fields": [
            field("*rep.Accounting-Record-Number", "~*req.Accounting-Record-Number"),
            field("*rep.Error-Message", "~*vars.ProductName; of ;~*vars.OriginRealm"),
        ],
    }

    async def test() -> None:
        async with served(section(accounting, product_name="mine")) as world:
            client = await world.client(application=3)
            request = client.ccr(
                1, 7, encode_u32(avps.ACCOUNTING_RECORD_NUMBER, 7), application=3, command=271
            )
            answer = await client.ask(request)
            assert code_of(answer) == 2001
            assert answer.octets(avps.ERROR_MESSAGE) == b"mine of cgrates.org"

    run(test())


def test_an_avp_that_is_not_what_it_should_be_is_sent_back() -> None:
    async def test() -> None:
        async with served(section(INIT)) as world:
            client = await world.client()
            broken = group(avps.REQUESTED_SERVICE_UNIT, [encode_octets(avps.CC_TIME, b"\0\1")])
            answer = await client.ask(client.ccr(INITIAL, 0, broken))
            assert (code_of(answer), answer.is_error) == (5014, True)
            assert "Failed-AVP (279) M\n    Requested-Service-Unit (437) M\n" in shown(answer)
            assert code_of(await client.ask(wish(client, session="s;2"))) == 2001

    run(test())


def test_a_hostile_peer_leaves_others_served() -> None:
    async def test() -> None:
        async with served(section(INIT)) as world:
            hostile, client = await world.client("evil.example"), await world.client("good.example")
            many = [group(avps.SUBSCRIPTION_ID, []) for _ in range(3_000)]
            assert code_of(await hostile.ask(hostile.ccr(INITIAL, 0, *many, session="x;1"))) in (
                2001,
                5012,
                5030,
            )
            deep = b""
            for _ in range(60):
                deep = group(avps.SUBSCRIPTION_ID, [deep])
            assert code_of(await hostile.ask(hostile.ccr(INITIAL, 0, deep, session="x;2"))) in (
                2001,
                5012,
                5030,
            )
            hostile.peer.send(b"\xff" * 64)
            assert await hostile.peer.closed()
            assert code_of(await client.ask(wish(client))) == 2001

    run(test())


# --- many at once


@pytest.mark.parametrize(
    "limits", [{"cores": {"caps": 2}}, {"diameter_agent": {"concurrent_requests": 2}}], ids=["cores", "own"]
)
def test_more_than_the_cap_is_answered_that_it_is_too_much(
    limits: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        settings = section(processor("*none"), **limits.get("diameter_agent", {}))
        async with served(settings | {"cores": limits.get("cores", {})}) as world:
            client = await world.client()
            gate = asyncio.Event()

            async def durable() -> None:
                await gate.wait()

            monkeypatch.setattr(world.runtime, "durable", durable)
            client.peer.send(*[wish(client, number) for number in range(3)])
            answer = await client.peer.receive()
            assert (code_of(answer), answer.hop_by_hop, answer.is_error) == (3004, 3, True)
            gate.set()
            assert [code_of(await client.peer.receive()) for _ in range(2)] == [2001, 2001]
            assert code_of(await client.ask(wish(client, 3))) == 2001

    run(test())


def test_what_is_over_the_cap_waits_where_there_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        cores = {"caps": 1, "caps_strategy": "*queue"}
        async with served(section(processor("*none")) | {"cores": cores}) as world:
            client = await world.client()
            gate = asyncio.Event()

            async def durable() -> None:
                await gate.wait()

            monkeypatch.setattr(world.runtime, "durable", durable)
            client.peer.send(*[wish(client, number) for number in range(3)])
            while len(world.front._repeats) < 3:  # noqa: ASYNC110 - all have come, by the agent's own count
                await asyncio.sleep(0)
            assert world.front._caps.running == 1
            gate.set()
            assert [code_of(await client.peer.receive()) for _ in range(3)] == [2001] * 3
            assert world.front._caps.running == 0

    run(test())


@pytest.mark.parametrize(("is_synced", "together"), [(False, 3), (True, 1)])
def test_requests_of_a_connection_are_taken_one_by_one_where_that_is_wished(
    is_synced: bool, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with served(section(processor("*none"), synced_conn_requests=is_synced)) as world:
            client = await world.client()
            under_way, most = 0, 0

            async def durable() -> None:
                nonlocal under_way, most
                under_way += 1
                most = max(most, under_way)
                for _ in range(20):
                    await asyncio.sleep(0)
                under_way -= 1

            monkeypatch.setattr(world.runtime, "durable", durable)
            client.peer.send(*[wish(client, number) for number in range(3)])
            answers = [await client.peer.receive() for _ in range(3)]
            assert [answer.hop_by_hop for answer in answers] == [1, 2, 3]
            assert most == together
            assert world.front._lines == {}

    run(test())


# --- what it says of itself


def test_the_capabilities_are_those_of_the_configuration() -> None:
    async def test() -> None:
        keys = {
            "origin_host": "me.example",
            "origin_realm": "example",
            "vendor_id": 7,
            "product_name": "mine",
        }
        async with served(section(INIT, ce_applications=["3gpp gx", 4], **keys)) as world:
            peer = await Peer.connect(world.front.node)
            world.peers.append(peer)
            peer.send(cer())
            said = shown(await peer.receive())
            for line in (
                'Origin-Host (264) M "me.example"',
                'Origin-Realm (296) M "example"',
                "Vendor-Id (266) M 7",
                'Product-Name (269) - "mine"',
                "Firmware-Revision (267) - 918",
                "Auth-Application-Id (258) M 4",
                "    Vendor-Id (266) M 10415\n    Auth-Application-Id (258) M 16777238",
            ):
                assert line in said, said

    run(test())


def test_a_peer_without_a_common_application_is_refused() -> None:
    async def test() -> None:
        async with served(section(INIT, ce_applications=[4])) as world:
            peer = await Peer.connect(world.front.node)
            world.peers.append(peer)
            peer.send(cer(application=16777251))
            assert code_of(await peer.receive()) == 5010

    run(test())


def test_errors_may_have_a_template_of_the_configuration() -> None:
    errors = [field("*rep.Error-Message", "not here, ;~*req.Session-Id")]

    async def test() -> None:
        settings = section(INIT | {"filters": ["*string:~*req.CC-Request-Type:4"]}) | {
            "templates": {"*err": errors}
        }
        async with served(settings) as world:
            client = await world.client()
            answer = await client.ask(wish(client))
            assert (code_of(answer), answer.is_error) == (5012, True)
            assert answer.octets(avps.ERROR_MESSAGE) == b"not here, s;1"

    run(test())


def test_an_error_that_no_template_speaks_of_is_no_success() -> None:
    async def test() -> None:
        async with served(section(processor("*initiate", "*accounts", reply_fields=[]))) as world:
            client = await world.client()
            assert code_of(await client.ask(wish(client, who="1999"))) == 5012
            answer = await client.ask(wish(client))
            assert code_of(answer) == 2001
            assert answer.avps[0][0] == avps.SESSION_ID
            names = (avps.SESSION_ID, avps.ORIGIN_HOST, avps.ORIGIN_REALM)
            assert [answer.octets(name) for name in names] == [b"s;1", b"CGR-DA", b"cgrates.org"]

    run(test())


def test_what_is_remembered_in_uch_is_there_for_the_next_request() -> None:
    counts = {
        "id": "uch",
        "filters": [],
        "flags": ["*none"],
        "reply_fields": [
            field("*rep.Error-Message", "~*uch.Before"),
            field("*uch.Before", "~*req.Session-Id"),
        ],
    }

    async def test() -> None:
        async with served(section(counts)) as world:
            client = await world.client()
            assert (await client.ask(client.ccr(EVENT, 0, session="a"))).octets(avps.ERROR_MESSAGE) is None
            assert (await client.ask(client.ccr(EVENT, 1, session="b"))).octets(avps.ERROR_MESSAGE) == b"a"

    run(test())


def test_a_message_without_a_session_is_answered() -> None:
    async def test() -> None:
        async with served(section(processor("*none", fields=[], reply_fields=[]))) as world:
            client = await world.client()
            bare = encode_message(REQUEST, 272, 4, 1, 1, [encode_utf8(avps.ORIGIN_HOST, client.host)])
            answer = await client.ask(bare)
            assert (code_of(answer), answer.octets(avps.SESSION_ID)) == (2001, None)

    run(test())
