"""Trends and rankings over the wire: scheduled, shown, told to thresholds and exporters, kept over a restart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocs.cgrates import tariff
from ocs.cgrates.journal import SqliteJournal
from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from tests.cgrates.methods.api import TENANT, Api

ON = ["*internal"]
SECTIONS: dict[str, Any] = {
    "general": {"default_timezone": "UTC"},
    "stats": {"enabled": True},
    "thresholds": {"enabled": True},
    "trends": {"enabled": True, "stats_conns": ON, "thresholds_conns": ON},
    "rankings": {"enabled": True, "stats_conns": ON, "thresholds_conns": ON},
}
SECOND_NS = 10**9
FOLDER = {
    "Stats.csv": (
        f"{TENANT},S1,*string:~*req.Account:1001,,-1,-1,0,*sum#~*req.Cost,,true,false,10,*none\n"
        f"{TENANT},S2,*string:~*req.Account:1002,,-1,-1,0,*sum#~*req.Cost,,true,false,10,*none\n"
    ),
    "Trends.csv": f"{TENANT},T1,@every 1s,S1,,-1,-1,1,*last,1,true,\n",
    "Rankings.csv": f"{TENANT},R1,@every 1s,S1;S2,,*desc,*sum#~*req.Cost,true,\n",
    "Thresholds.csv": (
        f"{TENANT},TH_T,*string:~*req.TrendID:T1,,-1,1,0,false,10,*none,false,\n"
        f"{TENANT},TH_R,*string:~*req.RankingID:R1,,-1,1,0,false,10,*none,false,\n"
    ),
}
METRIC = "*sum#~*req.Cost"


def served(state: State | None = None, sections: dict[str, Any] | None = None) -> Api:
    """A server that has begun to work."""
    api = Api(SECTIONS | (sections or {}), state, is_timed=True)
    api.runner.run(_started(api))
    return api


async def _started(api: Api) -> None:
    await api.runtime.start()


@pytest.fixture
def trended() -> Iterator[Api]:
    """A server with profiles, which nobody has scheduled yet."""
    api = served()
    api.engine.load(FOLDER)
    yield api
    api.runner.run(api.runtime.stop())
    api.close()


def costs(api: Api, account: str, cost: int) -> None:
    """Counts an event."""
    event = {"Tenant": TENANT, "ID": "e", "Event": {"Account": account, "Cost": cost}}
    api("StatSv1.ProcessEvent", **event)


def test_a_trend_is_reckoned_when_it_is_scheduled(trended: Api) -> None:
    costs(trended, "1001", 100)
    trended.wait(3 * SECOND_NS)
    assert trended.error("TrendSv1.GetTrend", ID="T1") == "NOT_FOUND"
    assert trended("TrendSv1.ScheduleQueries", TrendIDs=["T1"]) == 1
    trended.wait(SECOND_NS)
    costs(trended, "1001", 50)
    trended.wait(SECOND_NS)
    trend = trended("TrendSv1.GetTrend", Tenant=TENANT, ID="T1")
    assert (trend["Tenant"], trend["ID"]) == (TENANT, "T1")
    assert trend["RunTimes"] == ["2026-06-15T12:00:04Z", "2026-06-15T12:00:05Z"]
    assert [trend["Metrics"][at][METRIC] for at in trend["RunTimes"]] == [
        {"ID": METRIC, "Value": 100, "TrendGrowth": -1, "TrendLabel": "N/A"},
        {"ID": METRIC, "Value": 150, "TrendGrowth": 50, "TrendLabel": "*positive"},
    ]
    summary = trended("TrendSv1.GetTrendSummary", ID="T1")
    assert (summary["Time"], summary["Metrics"][METRIC]["Value"]) == ("2026-06-15T12:00:05Z", 150)


def test_runs_are_shown_by_number_and_time(trended: Api) -> None:
    trended("TrendSv1.ScheduleQueries", TrendIDs=["T1"])
    trended.wait(4 * SECOND_NS)

    def runs(**wanted: Any) -> int:
        return len(trended("TrendSv1.GetTrend", ID="T1", **wanted)["RunTimes"])

    assert (runs(), runs(RunIndexStart=1, RunIndexEnd=3), runs(RunIndexEnd=9)) == (4, 2, 4)
    assert runs(RunTimeStart="2026-06-15T12:00:02Z", RunTimeEnd="2026-06-15T12:00:04Z") == 2
    for wanted in ({"RunIndexStart": 4}, {"RunIndexStart": 5, "RunIndexEnd": 3}, {"RunTimeStart": "+1m"}):
        assert trended.error("TrendSv1.GetTrend", ID="T1", **wanted) == "NOT_FOUND"
    assert trended.error("TrendSv1.GetTrend") == "MANDATORY_IE_MISSING: [ID]"


def test_a_ranking_is_made_when_it_is_scheduled(trended: Api) -> None:
    before = trended("RankingSv1.GetRanking", ID="R1")
    assert (before["LastUpdate"], before["SortedStatIDs"]) == ("0001-01-01T00:00:00Z", [])
    costs(trended, "1001", 100)
    costs(trended, "1002", 300)
    assert trended("RankingSv1.ScheduleQueries", RankingIDs=["R1"]) == 1
    trended.wait(SECOND_NS)
    assert trended("RankingSv1.GetRanking", ID="R1") == {
        "Tenant": TENANT,
        "ID": "R1",
        "LastUpdate": "2026-06-15T12:00:01Z",
        "Metrics": {"S1": {METRIC: 100}, "S2": {METRIC: 300}},
        "Sorting": "*desc",
        "SortingParameters": [METRIC],
        "SortedStatIDs": ["S2", "S1"],
    }
    costs(trended, "1001", 500)
    trended.wait(SECOND_NS)
    assert trended("RankingSv1.GetRankingSummary", ID="R1")["SortedStatIDs"] == ["S1", "S2"]


def test_schedules_are_shown(trended: Api) -> None:
    assert trended.error("TrendSv1.GetScheduledTrends") == "NOT_FOUND"
    trended("TrendSv1.ScheduleQueries")  # all of the tenant
    trended("RankingSv1.ScheduleQueries")
    trended.wait(SECOND_NS)
    planned = {"Next": "2026-06-15T12:00:02Z", "Previous": "2026-06-15T12:00:01Z"}
    assert trended("TrendSv1.GetScheduledTrends", TrendIDPrefixes=["T"]) == [{"TrendID": "T1"} | planned]
    assert trended("RankingSv1.GetSchedule") == [{"RankingID": "R1"} | planned]
    assert trended.error("RankingSv1.GetSchedule", RankingIDPrefixes=["X"]) == "NOT_FOUND"


def test_what_cannot_be_scheduled_is_told(trended: Api) -> None:
    assert trended.error("TrendSv1.ScheduleQueries", TrendIDs=["T1", "NONE"]) == "PARTIALLY_EXECUTED"
    assert trended.error("APIerSv1.SetTrendProfile", ID="T2", StatID="S1", Schedule="often").startswith(
        'SERVER_ERROR: "often" is not a cron expression'
    )
    off = served(sections={"trends": {"enabled": False}})
    assert off.error("TrendSv1.ScheduleQueries") == "NOT_CONNECTED: TrendS"
    off.close()


def test_a_bad_schedule_in_a_folder_is_told_with_its_place() -> None:
    found = tariff.load(State(), [("Trends.csv", f"{TENANT},T1,often,S1,,-1,-1,1,*last,1,true,\n")])
    assert [str(problem) for problem in found.problems] == [
        'Trends.csv:1:3: Schedule: "often" is not a cron expression of 5 to 7 fields'
    ]


def test_thresholds_hear_of_trends_and_rankings(trended: Api) -> None:
    costs(trended, "1001", 100)
    trended("TrendSv1.ScheduleQueries")
    trended("RankingSv1.ScheduleQueries")
    trended.wait(2 * SECOND_NS)
    assert trended("ThresholdSv1.GetThreshold", ID="TH_T")["Hits"] == 2
    assert trended("ThresholdSv1.GetThreshold", ID="TH_R")["Hits"] == 2


def test_a_trend_below_its_least_number_of_runs_is_not_told(trended: Api) -> None:
    patient = {"StatID": "S1", "Schedule": "@every 1s", "TTL": -1, "QueueLength": -1, "MinItems": 3}
    trended("APIerSv1.SetTrendProfile", Tenant=TENANT, ID="T1", **patient)
    trended("TrendSv1.ScheduleQueries")
    trended.wait(2 * SECOND_NS)
    assert trended("ThresholdSv1.GetThreshold", ID="TH_T")["Hits"] == 0
    trended.wait(SECOND_NS)
    assert trended("ThresholdSv1.GetThreshold", ID="TH_T")["Hits"] == 1


def test_a_profile_that_goes_takes_its_runs_along(trended: Api) -> None:
    trended("TrendSv1.ScheduleQueries")
    trended.wait(SECOND_NS)
    assert trended("APIerSv1.RemoveTrendProfile", ID="T1") == "OK"
    assert trended.error("TrendSv1.GetTrend", ID="T1") == "NOT_FOUND"
    assert trended.error("TrendSv1.GetScheduledTrends") == "NOT_FOUND"


def test_runs_survive_a_restart(tmp_path: Path) -> None:
    first = Api(SECTIONS, State(SqliteJournal(tmp_path / "cgrates.db")))
    first.engine.load(FOLDER)
    costs(first, "1001", 100)
    for kind, key in ((Kind.TREND, f"{TENANT}:T1"), (Kind.RANKING, f"{TENANT}:R1")):
        first.runtime.queries.take(kind, key, first.wall_ns())
    first.runner.run(first.runtime.stop())
    first.close()

    kept = State(SqliteJournal(tmp_path / "cgrates.db"))
    kept.load()
    second = Api(SECTIONS, kept)
    costs(second, "1001", 300)
    second.runtime.queries.take(Kind.TREND, f"{TENANT}:T1", second.wall_ns() + SECOND_NS)
    assert second("TrendSv1.GetTrendSummary", ID="T1")["Metrics"][METRIC]["TrendGrowth"] == 300
    assert second("RankingSv1.GetRankingSummary", ID="R1")["SortedStatIDs"] == ["S1", "S2"]
    second.runner.run(second.runtime.stop())
    second.close()


def test_profiles_that_are_there_at_the_start_are_scheduled() -> None:
    state = State()
    api = Api(
        SECTIONS | {"rankings": {"enabled": True, "stats_conns": ON, "scheduled_ids": {TENANT: ["X"]}}}, state
    )
    api.engine.load(FOLDER)
    api.runtime.queries.plan_all()
    assert [key for _, key in api.runtime.queries.planned] == [f"{TENANT}:T1"]
    api.close()
