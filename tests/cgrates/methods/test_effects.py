"""Actions that reach outside their account: calls of other methods, sessions, thresholds, posts."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ocs.cgrates import effects
from ocs.cgrates.journal import SqliteJournal
from ocs.cgrates.state import State
from ocs.cgrates.surroundings import DEEPEST
from ocs.charging.cgrates.account import all_balances
from ocs.sessions.model import CgrEvent
from tests.cgrates.methods.api import Api
from tests.cgrates.methods.test_costs import TARIFF
from tests.support.waiting import PATIENCE_S


def run(api: Api, **action: Any) -> None:
    """Runs one action on the account 1001, and lets what it started end."""
    api("APIerSv2.SetActions", ActionsId="ACT", Actions=[{"Weight": 1, **action}], Overwrite=True)
    if "cgrates.org:1001" not in api.runtime.state.accounts:
        api("APIerSv2.SetAccount", Account="1001")
    assert api("APIerSv1.ExecuteAction", Account="1001", ActionsId="ACT") == "OK"
    api.runner.run(api.runtime.finish(10))


def test_a_method_of_the_server_is_called(api: Api) -> None:
    told = (
        '{"Address":"*internal","Method":"APIerSv1.SetDestination","Params":{"Id":"DST","Prefixes":["49"]}}'
    )
    run(api, Identifier="*cgr_rpc", ExtraParameters=told)
    assert api("APIerSv1.GetDestination", Id="DST")["Prefixes"] == ["49"]


def test_a_method_that_fails_leaves_the_others_alone(api: Api) -> None:
    run(api, Identifier="*cgr_rpc", ExtraParameters='{"Address":"*internal","Method":"APIerSv1.Nonsense"}')
    run(api, Identifier="*cgr_rpc", ExtraParameters='{"Address":"other:2012","Method":"CoreSv1.Ping"}')
    assert api("CoreSv1.Ping") == "Pong"


def test_thresholds_are_reset(api: Api) -> None:
    api("APIerSv1.SetThresholdProfile", ID="T1", MaxHits=-1, MinHits=5)
    api("ThresholdSv1.ProcessEvent", ID="e", Event={"Account": "1001"})
    assert api("ThresholdSv1.GetThreshold", ID="T1")["Hits"] == 1
    run(api, Identifier="*reset_threshold", ExtraParameters="cgrates.org:T1")
    assert api("ThresholdSv1.GetThreshold", ID="T1")["Hits"] == 0


def test_sessions_are_ended(api: Api) -> None:
    api.engine.load(TARIFF)
    api("APIerSv1.SetBalance", Account="1001", BalanceType="*monetary", Value=5, Balance={"ID": "main"})
    event = {
        "OriginID": "s1",
        "RequestType": "*prepaid",
        "ToR": "*voice",
        "Category": "call",
        "Account": "1001",
        "Destination": "4912",
        "AnswerTime": "2026-06-15T12:00:00Z",
        "Usage": "60s",
    }
    api("SessionSv1.InitiateSession", InitSession=True, Tenant="cgrates.org", ID="i", Event=event)
    assert api("SessionSv1.GetActiveSessionsCount") == 1
    filters = "*internal;cgrates.org;*string:~*req.Account:1001;;;DisconnectCause:LOW"
    run(api, Identifier="*force_disconnect_sessions", ExtraParameters=filters)
    assert api("SessionSv1.GetActiveSessionsCount") == 0


def test_an_account_is_posted(api: Api) -> None:
    seen: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(await request.json())
        return web.Response()

    async def listen() -> tuple[web.AppRunner, int]:
        app = web.Application()
        app.router.add_post("/", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]

    runner, port = api.runner.run(listen())
    run(api, Identifier="*http_post", ExtraParameters=f"http://127.0.0.1:{port}/")
    api.runner.run(runner.cleanup())
    assert [one["ID"] for one in seen] == ["cgrates.org:1001"]


def test_a_post_is_repeated_as_often_as_the_configuration_says(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "POST_PAUSE_S", 0.0)
    seen: list[int] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(len(seen))
        return web.Response(status=503 if len(seen) < 3 else 200)

    async def listen() -> tuple[web.AppRunner, int]:
        app = web.Application()
        app.router.add_post("/", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, runner.addresses[0][1]

    runner, port = api.runner.run(listen())
    run(api, Identifier="*http_post", ExtraParameters=f"http://127.0.0.1:{port}/")
    assert len(seen) == 3  # as often as it takes, three times at most
    api("ConfigSv1.SetConfig", Config={"general": {"poster_attempts": 1}})
    seen.clear()
    run(api, Identifier="*http_post", ExtraParameters=f"http://127.0.0.1:{port}/")
    assert len(seen) == 1
    api.runner.run(runner.cleanup())


def test_a_post_nobody_takes_hurts_nobody(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "POST_PAUSE_S", 0.0)
    run(api, Identifier="*http_post", ExtraParameters="http://127.0.0.1:1/")
    assert api("CoreSv1.Ping") == "Pong"


def test_a_set_runs_without_an_account_where_it_needs_none(api: Api) -> None:
    told = (
        '{"Address":"*internal","Method":"APIerSv1.SetDestination","Params":{"Id":"DST","Prefixes":["49"]}}'
    )
    api("APIerSv2.SetActions", ActionsId="ACT", Actions=[{"Identifier": "*cgr_rpc", "ExtraParameters": told}])
    assert api("APIerSv1.ExecuteAction", ActionsId="ACT") == "OK"
    api.runner.run(asyncio.wait_for(api.runtime.finish(PATIENCE_S), PATIENCE_S))
    assert api("APIerSv1.GetDestination", Id="DST")["Prefixes"] == ["49"]
    topup = {"Identifier": "*topup", "BalanceType": "*monetary", "Units": 1}
    api("APIerSv2.SetActions", ActionsId="TOP", Actions=[topup])
    assert api.error("APIerSv1.ExecuteAction", ActionsId="TOP") == "PARTIALLY_EXECUTED"


def test_what_action_sets_change_is_told_to_thresholds() -> None:
    api = Api({"rals": {"thresholds_conns": ["*internal"]}})
    filters = ["*string:~*opts.*eventType:AccountUpdate", "*string:~*req.Account:1001"]
    api("APIerSv1.SetThresholdProfile", ID="T1", MaxHits=-1, MinHits=50, FilterIDs=filters)
    api("APIerSv2.SetAccount", Account="1001")
    run(api, Identifier="*topup", BalanceType="*monetary", BalanceId="main", Units=1)
    assert api("ThresholdSv1.GetThreshold", ID="T1")["Hits"] == 1
    api.close()


GIFT = {"Identifier": "*topup", "BalanceType": "*monetary", "BalanceId": "main", "Units": 5, "Weight": 1}
HIT = CgrEvent("cgrates.org", {"Account": "1001"}, {}, "e")


def with_threshold(api: Api, actions: str, *, is_async: bool, **profile: Any) -> None:
    """A threshold that runs a set at every event; the account has 1."""
    api("APIerSv2.SetActions", ActionsId="GIFT", Actions=[GIFT], Overwrite=True)
    api("APIerSv1.SetBalance", Account="1001", BalanceType="*monetary", Value=1, Balance={"ID": "main"})
    told = {"ID": "THD", "MaxHits": -1, "ActionIDs": [actions], "Async": is_async, **profile}
    assert api("APIerSv1.SetThresholdProfile", **told) == "OK"


@pytest.mark.parametrize(("is_async", "held_at_once"), [(False, 6.0), (True, 1.0)])
def test_an_asynchronous_threshold_acts_beside_its_event(
    api: Api, is_async: bool, held_at_once: float
) -> None:
    with_threshold(api, "GIFT", is_async=is_async)

    async def step() -> list[str]:
        hit = api.runtime.surroundings.thresholds(HIT, ())
        [(_, balance)] = list(all_balances(api.runtime.state.accounts["cgrates.org:1001"]))
        assert balance.value_nanos == held_at_once * 10**9
        return hit

    assert api.runner.run(step()) == ["THD"]
    api.runner.run(api.runtime.finish(10))
    assert api.balances() == {"*monetary": [("main", 6.0)]}


def test_what_an_asynchronous_threshold_cannot_do_is_not_told_to_its_event(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_threshold(api, "NOBODY", is_async=False)
    event = {"Tenant": "cgrates.org", "ID": "e", "Event": {"Account": "1001"}}
    assert api.error("ThresholdSv1.ProcessEvent", **event) == "PARTIALLY_EXECUTED"
    with_threshold(api, "NOBODY", is_async=True)
    assert api("ThresholdSv1.ProcessEvent", **event) == ["THD"]
    with_threshold(api, "GIFT", is_async=True)
    monkeypatch.setattr(api.runtime, "execute", lambda *_: 1 // 0)
    assert api("ThresholdSv1.ProcessEvent", **event) == ["THD"], "whatever it is that goes wrong there"
    api.runner.run(api.runtime.finish(10))
    assert api.balances() == {"*monetary": [("main", 1.0)]}


def test_asynchronous_thresholds_that_set_each_other_off_come_to_an_end() -> None:
    api = Api({"rals": {"thresholds_conns": ["*internal"]}})
    with_threshold(api, "GIFT", is_async=True)
    api.runner.run(api.runtime.finish(1))
    held = api.balances()["*monetary"][0][1]
    api("ThresholdSv1.ProcessEvent", ID="e", Event={"Account": "1001"})
    api.runner.run(api.runtime.finish(1))
    assert api.balances()["*monetary"][0][1] == held + 5 * DEEPEST
    api.close()


def test_what_an_asynchronous_threshold_does_is_on_disk_when_the_server_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "cgrates.db"
    api = Api(state=State(SqliteJournal(path)))
    with_threshold(api, "GIFT", is_async=True)

    async def last_event() -> None:
        """Its step is taken while the server ends."""
        await asyncio.sleep(0.05)
        api.runtime.surroundings.thresholds(HIT, ())

    async def drained() -> None:
        api.runtime.spawn(last_event())
        await api.runtime.stop()

    api.runner.run(drained())
    api.close()
    state = State(SqliteJournal(path))
    state.load()
    [(_, balance)] = list(all_balances(state.accounts["cgrates.org:1001"]))
    assert balance.value_nanos == 6 * 10**9
    asyncio.run(state.close())
