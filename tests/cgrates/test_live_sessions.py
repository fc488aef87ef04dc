"""Sessions looked at, ended and changed from outside; restarts; events with flags; records rated again."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from ocs.cgrates.callbacks import FrontClients
from ocs.cgrates.journal import SqliteJournal
from ocs.cgrates.state import State
from ocs.rpc.caller import Caller
from ocs.rpc.clients import Client, Clients
from ocs.rpc.messages import Reply
from tests.cgrates.calls import Call
from tests.cgrates.engine import Engine
from tests.charging.cgrates.small import Price, S, texts_of
from tests.support.virtual_time import run, running

SECOND = Price("0 0.01/1s/1s")
FILTER = {"Tenant": "t", "Filters": ["*string:~*req.RunID:*default"]}


async def opened(**settings: Any) -> Call:
    """A session of one minute."""
    call = Call(SECOND, settings=settings)
    await call.engine.runtime.start()
    await call.give("*monetary", 10)
    assert await call.initiate(Usage="1m") == 60 * S
    return call


def test_active_sessions_are_found_by_filters() -> None:
    async def play() -> None:
        call = await opened()
        (shown,) = await call.engine.result("SessionSv1.GetActiveSessions", FILTER)
        assert (shown["OriginID"], shown["RunID"], shown["Usage"]) == ("o1", "*default", 60 * S)
        assert (shown["Source"], shown["LoopIndex"], shown["MaxCostSoFar"]) == ("SessionS_", 1, 0.6)
        assert await call.engine.result("SessionSv1.GetActiveSessionsCount", {"Tenant": "t"}) == 2
        other = {**FILTER, "Filters": ["*string:~*req.Account:nobody"]}
        assert await call.engine.error("SessionSv1.GetActiveSessions", other) == "NOT_FOUND"
        await call.engine.runtime.stop()

    run(play())


def test_a_session_whose_client_cannot_be_asked_is_ended_and_recorded() -> None:
    async def play() -> None:
        call = await opened()
        assert await call.engine.result("SessionSv1.ForceDisconnect", FILTER) == "OK"
        assert call.engine.runtime.state.sessions == {}
        assert (await call.record(made=True))["Cost"] == 0.6
        assert await call.engine.error("SessionSv1.ForceDisconnect", FILTER) == "NOT_FOUND"
        await call.engine.runtime.stop()

    run(play())


def test_a_passive_session_is_kept_and_comes_back() -> None:
    async def play() -> None:
        call = await opened()
        (cgrid,) = call.engine.runtime.state.sessions
        assert await call.engine.result("SessionSv1.DeactivateSessions", {"IDs": [cgrid]}) == "OK"
        assert await call.engine.error("SessionSv1.GetActiveSessions", FILTER) == "NOT_FOUND"
        (shown,) = await call.engine.result("SessionSv1.GetPassiveSessions", FILTER)
        assert shown["CGRID"] == cgrid
        assert await call.engine.result("SessionSv1.ActivateSessions", {"IDs": [cgrid]}) == "OK"
        assert await call.engine.error("SessionSv1.GetPassiveSessions", FILTER) == "NOT_FOUND"
        await call.end(Usage="30s")
        assert await call.held() == [9.7]
        await call.engine.runtime.stop()

    run(play())


def test_a_client_that_is_refused_leaves_no_session_behind() -> None:
    async def play() -> None:
        call = Call(SECOND)
        await call.give("*monetary", 0)
        assert await call.initiate(Usage="1m") == 0
        params = call.params("InitSession", Usage="1m")
        assert await call.engine.error("SessionSv1.InitiateSession", params) == "EXISTS"
        call.engine._caller = Caller("127.0.0.1:2", client=Client(7, "127.0.0.1:2", lambda octets: None))
        call.event["OriginID"] = "o2"
        assert await call.initiate(Usage="1m") == 0
        origins = [each.event["OriginID"] for each in call.engine.runtime.state.sessions.values()]
        assert origins == ["o1"]

    run(play())


def test_a_client_is_warned_once_that_the_credit_ends_soon_and_told_when_it_has() -> None:
    async def play() -> None:
        call = Call(SECOND, settings={"debit_interval": "10s", "min_dur_low_balance": "5s"})
        await call.engine.runtime.start()
        clients, asked = Clients(), []

        def said(octets: bytes) -> None:
            request = msgspec.json.decode(octets)
            asked.append((running().now_ns() // S, request["method"], request["params"][0]))
            client.received(Reply(request["id"], "OK", None))

        client = clients.opened("127.0.0.1:2", said)
        call.engine.runtime.use_clients(FrontClients(clients))
        call.engine._caller = Caller("127.0.0.1:2", client=client)
        await call.give("*monetary", 0.23)
        await call.initiate(Usage="1m")
        await asyncio.sleep(30)
        assert [(at_s, method.partition(".")[2]) for at_s, method, _ in asked] == [
            (20, "WarnDisconnect"),
            (23, "DisconnectSession"),
        ]
        assert asked[0][2]["OriginID"] == "o1"
        await call.engine.runtime.stop()

    run(play())


def test_the_end_of_a_call_may_come_a_little_before_its_begin() -> None:
    async def play() -> None:
        call = Call(SECOND)
        await call.give("*monetary", 10)
        params = call.params("TerminateSession", Usage="30s")
        ending = asyncio.ensure_future(call.engine.result("SessionSv1.TerminateSession", params))
        await asyncio.sleep(0.003)
        assert await call.initiate(Usage="1m") == 60 * S
        assert await ending == "OK"
        assert (await call.held(), call.engine.runtime.state.sessions) == ([9.7], {})

    run(play())


def test_the_end_of_an_unknown_call_is_charged_whole() -> None:
    async def play() -> None:
        call = Call(SECOND)
        params = call.params("TerminateSession", Usage="30s")
        assert await call.engine.error("SessionSv1.TerminateSession", params) == "ACCOUNT_NOT_FOUND"
        await call.give("*monetary", 10)
        assert await call.engine.result("SessionSv1.TerminateSession", params) == "OK"
        assert await call.held() == [9.7]

    run(play())


def test_a_session_of_another_engine_is_kept_passive() -> None:
    async def play() -> None:
        call = Call(SECOND)
        session = {"CGRID": "c", "Tenant": "t", "EventStart": call.event, "SRuns": [{"Event": call.event}]}
        assert await call.engine.result("SessionSv1.SetPassiveSession", session) == "OK"
        (shown,) = await call.engine.result("SessionSv1.GetPassiveSessions", {"Tenant": "t"})
        assert (shown["CGRID"], shown["RunID"], shown["Account"]) == ("c", "*default", "a")

    run(play())


def test_ended_sessions_are_forgotten_when_they_have_their_record() -> None:
    async def play() -> None:
        call = await opened()
        await call.end(Usage="30s")
        await asyncio.sleep(60)
        assert len(call.engine.runtime.state.closed) == 1
        assert (await call.record())["Usage"] == 30 * S
        await asyncio.sleep(30)
        assert call.engine.runtime.state.closed == {}
        assert await call.engine.error("SessionSv1.ProcessCDR", call.params("", Usage="30s")) == "EXISTS"
        await call.engine.runtime.stop()

    run(play())


def test_sessions_go_on_after_a_restart(tmp_path: Path) -> None:
    texts = {**dict(texts_of(SECOND)), "Chargers.csv": "t,D,,,*default,*none,0\n"}
    event = {"OriginID": "o", "ToR": "*voice", "RequestType": "*prepaid", "Category": "call", "Account": "a"}
    event |= {"Destination": "33", "AnswerTime": "2025-03-05T10:00:00Z"}

    def engine() -> Engine:
        state = State(SqliteJournal(tmp_path / "j"))
        state.load()
        return Engine(state=state)

    async def before() -> None:
        first = engine()
        await first.runtime.start()
        first.load(texts)
        given = {"Tenant": "t", "Account": "a", "BalanceType": "*monetary", "Value": 10}
        await first.result("APIerSv2.SetBalance", {**given, "Balance": {"ID": "main"}})
        params = {"InitSession": True, "Tenant": "t", "Event": {**event, "Usage": "1m"}}
        assert await first.result("SessionSv1.InitiateSession", params) == {"MaxUsage": 60 * S}
        await first.runtime.stop()

    async def after() -> None:
        second = engine()
        await second.runtime.start()
        params = {"TerminateSession": True, "Tenant": "t", "Event": {**event, "Usage": "20s"}}
        assert await second.result("SessionSv1.TerminateSession", params) == "OK"
        await second.runtime.stop()

    async def later() -> None:
        third = engine()
        await third.runtime.start()
        assert await third.result("SessionSv1.ProcessCDR", {"Tenant": "t", "Event": event}) == "OK"
        (record,) = await third.result("CDRsV1.GetCDRs", {"OriginIDs": ["o"]})
        assert (record["Usage"], record["Cost"], record["CostSource"]) == (20 * S, 0.2, "*sessions")
        account = await third.result("APIerSv2.GetAccount", {"Tenant": "t", "Account": "a"})
        assert account["BalanceMap"]["*monetary"][0]["Value"] == 9.8
        await third.runtime.stop()

    for part in (before, after, later):
        asyncio.run(part())


def test_an_event_goes_through_what_its_flags_name() -> None:
    async def play() -> None:
        call = Call(SECOND)
        await call.give("*monetary", 10)
        params = {**call.params("", Usage="1m"), "Flags": ["*rals:*authorize", "*rals:*cost"]}
        found = await call.engine.result("SessionSv1.ProcessEvent", params)
        assert found == {"MaxUsage": {"*raw": 60 * S}, "Cost": {"*raw": 0.6}}
        params["Flags"] = ["*rals:*initiate", "*blocker_error"]
        assert await call.engine.result("SessionSv1.ProcessEvent", params) == {"MaxUsage": {"*raw": 60 * S}}
        assert await call.held() == [9.4]
        assert await call.engine.error("SessionSv1.ProcessEvent", params) == "EXISTS"
        params["Flags"] = ["*rals:*initiate"]
        assert await call.engine.error("SessionSv1.ProcessEvent", params) == "PARTIALLY_EXECUTED"
        for flag in ("*stir_authenticate", "*stir_initiate", "*ips"):
            params["Flags"] = [flag, "*rals:*authorize"]
            assert (await call.engine.error("SessionSv1.ProcessEvent", params)).startswith(
                ("*stir", "NOT_CONNECTED")
            )
        cost = await call.engine.result("SessionSv1.GetCost", call.params("", Usage="30s"))
        assert (cost["EventCost"]["Cost"], cost["EventCost"]["Usage"]) == (0.3, 30 * S)

    run(play())


def test_a_record_is_rated_again_by_the_tariff_of_now() -> None:
    async def play() -> None:
        call = Call(SECOND)
        await call.give("*monetary", 10)
        params = {**call.params("", Usage="1m"), "Flags": ["*rals"]}
        assert await call.engine.result("CDRsV1.ProcessEvent", params) == "OK"
        assert await call.engine.error("CDRsV1.ProcessEvent", params) == "EXISTS"
        assert await call.held() == [9.4]
        call.engine.load(dict(texts_of(Price("0 0.02/1s/1s"))))
        again = {"RunIDs": ["*default"], "OriginIDs": ["o1"], "Flags": ["*chargers:false"]}
        assert await call.engine.result("CDRsV1.RateCDRs", again) == "OK"
        record = await call.record(made=True)
        assert (record["Cost"], await call.held()) == (1.2, [8.8])

    run(play())


def test_a_record_of_somebody_else_is_taken_with_its_cost() -> None:
    async def play() -> None:
        call = Call(SECOND)
        record = {"OriginID": "x", "ToR": "*voice", "RequestType": "*rated", "Tenant": "t", "Account": "a"}
        record |= {"Category": "call", "Destination": "33", "AnswerTime": "2025-03-05T10:00:00Z"}
        await call.engine.result("CDRsV1.ProcessExternalCDR", {**record, "Usage": "30s"})
        told = {**record, "OriginID": "y", "Usage": 1, "PreRated": True, "Cost": 7.5, "CostSource": "carrier"}
        await call.engine.result("CDRsV1.ProcessCDR", told)
        found = await call.engine.result("CDRsV1.GetCDRs", {"NotRunIDs": ["*raw"]})
        assert [(cdr["Cost"], cdr["CostSource"]) for cdr in found] == [(0.3, "*cdrs"), (7.5, "carrier")]

    run(play())


def test_an_event_that_cannot_be_recorded_is_not_charged() -> None:
    async def play() -> None:
        call = Call(SECOND)
        await call.give("*monetary", 10)
        found: tuple[dict[str, Any], ...] = (
            {"SetupTime": "soon"},
            {"SetupTime": 10**40},
            {"Usage": "1e99999"},
        )
        for broken in found:
            params = {**call.params("", **{"Usage": "1m", **broken}), "Flags": ["*rals"]}
            assert (await call.engine.error("CDRsV1.ProcessEvent", params)).startswith("SERVER_ERROR: ")
        assert await call.held() == [10]

    run(play())


def test_messages_without_flags_are_refused_with_what_is_missing() -> None:
    async def play() -> None:
        call = Call(SECOND)
        for method, params, error in (
            ("AuthorizeEvent", call.params(""), "MANDATORY_IE_MISSING: [Subsystems]"),
            ("InitiateSession", {"InitSession": True}, "MANDATORY_IE_MISSING: [CGREvent]"),
            ("UpdateSession", call.params("UpdateSession", OriginID=""), "MANDATORY_IE_MISSING: [OriginID]"),
            ("AuthorizeEvent", call.params("GetAttributes"), "NOT_CONNECTED: AttributeS"),
        ):
            assert await call.engine.error(f"SessionSv1.{method}", params) == error

    run(play())


def test_older_clients_are_told_whole_seconds() -> None:
    async def play() -> None:
        call = Call(SECOND)
        await call.give("*monetary", 0.105)
        flat = {**call.event, "Tenant": "t"}
        assert await call.engine.result("SMGenericV1.GetMaxUsage", flat) == 10
        assert await call.engine.result("SMGenericV1.InitiateSession", {**flat, "Usage": "5s"}) == 5
        assert await call.engine.result("SMGenericV1.TerminateSession", {**flat, "Usage": "5s"}) == "OK"
        assert await call.engine.result("SMGenericV1.ProcessCDR", {**flat, "Usage": "5s"}) == "OK"
        assert round((await call.held())[0], 9) == 0.055

    run(play())


def test_increments_are_given_back_to_whom_paid_them() -> None:
    async def play() -> None:
        call = Call(SECOND)
        await call.give("*monetary", 10)
        descriptor = {"Tenant": "t", "Account": "a", "Category": "call", "Destination": "33", "ToR": "*voice"}
        descriptor |= {"TimeStart": "2025-03-05T10:00:00Z", "TimeEnd": "2025-03-05T10:00:30Z"}
        cost = await call.engine.result("Responder.Debit", descriptor)
        assert (cost["Cost"], await call.held()) == (0.3, [9.7])
        increments = [each for span in cost["Timespans"] for each in span["Increments"]]
        account = await call.engine.result(
            "Responder.RefundIncrements", {**descriptor, "Increments": increments}
        )
        assert account["BalanceMap"]["*monetary"][0]["Value"] == 10

    run(play())
