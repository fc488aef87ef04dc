"""Why a call cost what it did: asked of a server, shown by the command."""

from pathlib import Path
from typing import Any

import pytest

from ocs.cgrates.journal import SqliteJournal
from ocs.cgrates.state import State
from ocs.cli.call_text import explained
from tests.cgrates.methods.api import Api

FOLDER = {
    "Destinations.csv": "DE,49\nMOBILE,4915\nMOBILE2,4915\nFREE,49800\nOTHER,491\n",
    "Timings.csv": "PEAK,*any,*any,*any,1;2;3;4;5,08:00:00\nNIGHT,*any,*any,*any,*any,20:00:00\n",
    "Rates.csv": (
        "R_PEAK,0.05,0.6,60s,30s,0s\nR_PEAK,,0.3,60s,1s,60s\nR_ANY,0,0.06,60s,1s,0s\nR_NIGHT,0,0.01,60s,1s,0s\n"
    ),
    "DestinationRates.csv": (
        "D_PEAK,MOBILE,R_PEAK,*up,2,0,\nD_ANY,MOBILE,R_ANY,*up,2,0,\nD_ANY,DE,R_ANY,*up,2,0,\n"
        "D_ANY,MOBILE2,R_ANY,*up,2,0,\nD_NIGHT,MOBILE,R_NIGHT,*up,2,0,\n"
    ),
    "RatingPlans.csv": "RP,D_PEAK,PEAK,20\nRP,D_ANY,*any,10\nRP,D_NIGHT,NIGHT,20\nOLD,D_ANY,*any,10\n",
    "RatingProfiles.csv": (
        "cgrates.org,call,*any,2014-01-14T00:00:00Z,OLD,\ncgrates.org,call,*any,2020-01-01T00:00:00Z,RP,\n"
        "cgrates.org,call,*any,2099-01-01T00:00:00Z,OLD,\n"
    ),
    "Chargers.csv": "cgrates.org,DEFAULT,,,*default,*none,0\n",
}
EVENT: dict[str, Any] = {
    "OriginID": "call-1",
    "OriginHost": "sbc",
    "RequestType": "*prepaid",
    "ToR": "*voice",
    "Category": "call",
    "Account": "1001",
    "Destination": "4915112345",
    "AnswerTime": "2026-06-15T12:00:00Z",
}


@pytest.fixture
def api() -> Any:
    server = Api()
    server.engine.load(FOLDER)
    server("APIerSv1.SetBalance", Account="1001", BalanceType="*monetary", Value=10, Balance={"ID": "main"})
    server("APIerSv1.SetBalance", Account="1001", BalanceType="*sms", Value=3, Balance={"ID": "texts"})
    yield server
    server.close()


def call(api: Api, *usages: str, **more: Any) -> None:
    """A session of debits, and its record."""
    event = {**EVENT, **more}
    first, *others = usages
    api("SessionSv1.InitiateSession", InitSession=True, Event={**event, "Usage": first})
    for usage in others:
        api("SessionSv1.UpdateSession", UpdateSession=True, Event={**event, "Usage": usage})
    total = f"{sum(int(usage[:-1]) for usage in usages)}s"
    api("SessionSv1.TerminateSession", TerminateSession=True, Event={**event, "Usage": total})
    api("SessionSv1.ProcessCDR", Event={**event, "Usage": total})


def test_a_session_is_explained_from_what_was_written_down(api: Api) -> None:
    call(api, "60s", "30s")
    hours = "hours PEAK (weekdays 1,2,3,4,5, from 08:00:00)"
    price = f"plan RP, destination MOBILE, prefix 4915, rate R_PEAK, {hours}"
    assert explained(api("OcsV1.Explain", session="call-1")).splitlines() == [
        "call call-1 of sbc, 03e13334ab3625b70e850a372d35aa619f6acbfc",
        "",
        "run *default (record 1), account cgrates.org:1001, *prepaid",
        "*voice to 4915112345, category call, subject 1001",
        "from 2026-06-15 12:00:00.000Z, 1m30s used",
        "",
        f"  from 0s: 1m: {price}",
        "    of *out:cgrates.org:call:*any",
        f"{'    connect fee, by main':<52} {'0.05':>14}",
        f"{'    2 x 30s at 0.6/1m, by main':<52} {'0.60':>14}",
        "    rounded up to 2 decimals: nothing to add",
        f"{'    cost':<52} {'0.65':>14}",
        "    subject 1001: it has no profile",
        "    plan OLD: RP has begun since",
        "    plan RP: chosen",
        "    plan OLD: begins later",
        "    prefix 4915 (MOBILE): chosen",
        "    prefix 4915 (MOBILE2): another destination of this prefix weighs more, or comes first",
        "    prefix 491 (OTHER): a longer prefix has a price",
        "    prefix 49 (DE): a longer prefix has a price",
        "    rate R_PEAK at PEAK (weekdays 1,2,3,4,5, from 08:00:00): chosen",
        "    rate R_ANY at *any: weight 10 against 20",
        "    rate R_NIGHT at NIGHT (from 20:00:00): does not hold at this hour",
        "",
        f"  from 1m: 30s: {price}",
        "    of *out:cgrates.org:call:*any",
        f"{'    30 x 1s at 0.3/1m from 1m on, by main':<52} {'0.15':>14}",
        "    rounded up to 2 decimals: nothing to add",
        f"{'    cost':<52} {'0.15':>14}",
        "    the same was looked at as for the part before",
        "",
        "  balance main of cgrates.org:1001: 10.00 -0.80 -> 9.20",
        "  balance texts of cgrates.org:1001: 3 -0 -> 3",
        f"{'  cost (*sessions)':<52} {'0.80':>14}",
    ]


def test_units_of_a_balance_pay_before_money(api: Api) -> None:
    api(
        "APIerSv1.SetBalance",
        Account="1001",
        BalanceType="*voice",
        Value=20 * 10**9,
        Balance={"ID": "minutes", "Weight": 10},
    )
    call(api, "60s")
    lines = explained(api("OcsV1.Explain", session="call-1")).splitlines()
    assert f"{'    20 x 1s, 20s of minutes':<52} {'0.00':>14}" in lines
    assert "    note: units of the balance itself, at its own increment" in lines
    assert "  balance minutes of cgrates.org:1001: 20s -20s -> 0s" in lines


def test_why_a_prefix_or_a_rate_lost() -> None:
    api = Api()
    plans = "RP,D_ANY,*any,10\nRP,D_PEAK,PEAK,10\n"
    api.engine.load(
        {**FOLDER, "RatingPlans.csv": plans, "Destinations.csv": "DE,49\nMOBILE,4915\nOTHER,49151\n"}
    )
    call(api, "10s", RequestType="*rated", AnswerTime="2026-06-14T12:00:00Z")  # a Sunday
    [run] = api("OcsV1.Explain", session="call-1")["runs"]
    told = {(each["what"], each["name"]): each["reason"] for each in run["charges"][0]["considered"]}
    assert told["prefix", "49151 (OTHER)"] == "plan RP has no rate for it"
    assert told["rate", "R_PEAK at PEAK (weekdays 1,2,3,4,5, from 08:00:00)"] == "does not hold at this hour"
    assert told["rate", "R_ANY at *any"] == "chosen"
    assert run["balances"] == []
    assert "nobody pays" in explained(api("OcsV1.Explain", session="call-1"))
    api.close()


def test_each_of_the_ways_to_ask_finds_the_same_call(api: Api) -> None:
    call(api, "60s")
    call(api, "10s", OriginID="call-2", Account="1002", RequestType="*rated")
    found = api("OcsV1.Explain", session="call-1")
    assert api("OcsV1.Explain", session=found["cgrid"]) == found
    assert api("OcsV1.Explain", account="1001") == found
    assert api("OcsV1.Explain", account="cgrates.org:1001") == found
    assert api("OcsV1.Explain", session="call-1", client="sbc") == found
    assert api("OcsV1.Explain", account="1002")["session"] == "call-2"
    assert api.error("OcsV1.Explain", session="call-1", client="other") == "no record of call-1"
    assert api.error("OcsV1.Explain", session="call-3") == "no record of call-3"
    assert api.error("OcsV1.Explain", account="1003") == "no record of 1003"
    assert api.error("OcsV1.Explain") == "session: is missing; or name the account"


def test_what_others_took_meanwhile_is_told(api: Api) -> None:
    api("SessionSv1.InitiateSession", InitSession=True, Event={**EVENT, "Usage": "60s"})
    api("APIerSv1.AddBalance", Account="1001", BalanceType="*monetary", Value=5, Balance={"ID": "main"})
    api("SessionSv1.TerminateSession", TerminateSession=True, Event={**EVENT, "Usage": "60s"})
    api("SessionSv1.ProcessCDR", Event={**EVENT, "Usage": "60s"})
    [run] = api("OcsV1.Explain", session="call-1")["runs"]
    main = next(use for use in run["balances"] if use["balance"] == "main")
    told = [main[f"{name}_nanos"] for name in ("before", "taken", "by_others", "after")]
    assert told == [10 * 10**9, 650_000_000, 5 * 10**9, 14_350_000_000]


def test_what_lost_is_told_only_while_the_tariff_is_the_same() -> None:
    api = Api(is_timed=True)
    api.engine.load(FOLDER)
    api("APIerSv1.SetBalance", Account="1001", BalanceType="*monetary", Value=10, Balance={"ID": "main"})
    call(api, "60s")
    [charge] = api("OcsV1.Explain", session="call-1")["runs"][0]["charges"]
    assert (charge["note"], bool(charge["considered"])) == ("", True)
    api.wait(10**9)
    api("APIerSv1.SetDestination", Id="NEW", Prefixes=["49151"])
    [after] = api("OcsV1.Explain", session="call-1")["runs"][0]["charges"]
    assert "the tariff" in after["note"]
    assert after == {**charge, "note": after["note"], "considered": []}
    api.close()


def test_an_open_session_and_a_record_without_cost_are_explained(api: Api) -> None:
    api("SessionSv1.InitiateSession", InitSession=True, Event={**EVENT, "Usage": "60s"})
    found = api("OcsV1.Explain", session="call-1")
    assert found["runs"][0]["is_open"] is True
    assert "(open)" in explained(found)
    event = {**EVENT, "OriginID": "call-9", "Destination": "0000", "RequestType": "*rated", "Usage": "5s"}
    api("CDRsV1.ProcessEvent", Flags=["*rals", "*chargers:false"], Event=event)
    assert "no cost: UNAUTHORIZED_DESTINATION" in explained(api("OcsV1.Explain", session="call-9"))


def test_records_on_disk_are_explained_after_a_restart(tmp_path: Path) -> None:
    texts: list[Any] = []
    for _ in range(2):
        state = State(SqliteJournal(tmp_path / "j"))
        state.load()
        api = Api(state=state)
        if not texts:
            api.engine.load(FOLDER)
            api(
                "APIerSv1.SetBalance",
                Account="1001",
                BalanceType="*monetary",
                Value=10,
                Balance={"ID": "main"},
            )
            call(api, "60s", "90s")
        texts.append(api("OcsV1.Explain", account="1001"))
        api.runner.run(api.runtime.stop())
        api.close()
    assert texts[0] == texts[1]
    assert texts[0]["is_complete"]
