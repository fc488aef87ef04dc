"""Profiles of every kind are set, shown, listed, counted and removed over the wire."""

from pathlib import Path
from typing import Any

import pytest

from ocs.cgrates.kinds import Kind
from tests.cgrates.methods.api import Api

PROFILES: dict[str, dict[str, Any]] = {
    "Filter": {"Rules": [{"Type": "*string", "Element": "~*req.Account", "Values": ["1001"]}]},
    "AttributeProfile": {
        "Contexts": ["*any"],
        "Attributes": [{"Path": "*req.Password", "Type": "*constant", "Value": "x"}],
    },
    "ChargerProfile": {"RunID": "*default", "AttributeIDs": ["*none"]},
    "ResourceProfile": {"UsageTTL": "1m", "Limit": 2},
    "StatQueueProfile": {"QueueLength": 100, "TTL": "1h", "Metrics": [{"MetricID": "*tcd"}]},
    "ThresholdProfile": {"MaxHits": -1, "MinSleep": "1s", "ActionIDs": ["ACT"]},
    "RouteProfile": {"Sorting": "*weight", "Routes": [{"ID": "r1", "Weight": 10}]},
    "TrendProfile": {"Schedule": "@every 1s", "StatID": "S1", "Metrics": ["*tcd"]},
    "RankingProfile": {"Schedule": "@every 1s", "StatIDs": ["S1"], "Sorting": "*desc"},
    "IPProfile": {"TTL": "1h", "Pools": [{"ID": "P1", "Type": "*ipv4", "Range": "10.0.0.1/32"}]},
}


@pytest.mark.parametrize("word", list(PROFILES))
def test_a_profile_lives_from_set_to_remove(api: Api, word: str) -> None:
    profile = {"Tenant": "cgrates.org", "ID": "P1", **PROFILES[word]}
    assert api.error(f"APIerSv1.Get{word}", ID="P1") == "NOT_FOUND"
    assert api.error(f"APIerSv1.Get{word}IDs") == "NOT_FOUND"
    assert api(f"APIerSv1.Set{word}", **profile) == "OK"
    shown = api(f"APIerSv1.Get{word}", Tenant="cgrates.org", ID="P1")
    assert (shown["Tenant"], shown["ID"]) == ("cgrates.org", "P1")
    assert api(f"APIerSv1.Get{word}IDs") == ["P1"]
    assert api(f"APIerSv1.Get{word}Count") == 1
    assert api(f"APIerSv2.Set{word}", **{**shown, "ID": "P2"}) == "OK"
    assert api(f"APIerSv2.Get{word}", ID="P2") == {**shown, "ID": "P2"}
    assert [one["ID"] for one in api(f"APIerSv1.Get{word}s")] == ["P1", "P2"]
    assert api(f"APIerSv1.Remove{word}", ID="P1") == "OK"
    assert api.error(f"APIerSv1.Remove{word}", ID="P1") == "NOT_FOUND"
    assert api(f"APIerSv1.Get{word}IDs") == ["P2"]


def test_a_profile_without_id_is_refused(api: Api) -> None:
    assert api.error("APIerSv1.SetChargerProfile", RunID="x") == "MANDATORY_IE_MISSING: [ID]"


def test_a_filter_that_is_not_there_is_named(api: Api) -> None:
    error = api.error("APIerSv1.SetThresholdProfile", ID="T1", FilterIDs=["F1"])
    assert error == "SERVER_ERROR: broken reference to filter: F1 for item with ID: cgrates.org:T1"
    api("APIerSv1.SetFilter", ID="F1", **PROFILES["Filter"])
    assert api("APIerSv1.SetThresholdProfile", ID="T1", FilterIDs=["F1"]) == "OK"
    assert api.error("APIerSv1.RemoveFilter", ID="F1").startswith("SERVER_ERROR: ")


def test_a_filter_that_cannot_be_is_refused(api: Api) -> None:
    rules = [{"Type": "*nosuch", "Element": "~*req.Account", "Values": ["1"]}]
    assert "*nosuch" in api.error("APIerSv1.SetFilter", ID="F1", Rules=rules)
    assert api.error("APIerSv1.GetFilter", ID="F1") == "NOT_FOUND"


def test_tenants_do_not_see_each_other(api: Api) -> None:
    api("APIerSv1.SetChargerProfile", Tenant="acme.org", ID="C1", RunID="*default")
    assert api.error("APIerSv1.GetChargerProfile", ID="C1") == "NOT_FOUND"
    assert api("APIerSv1.GetChargerProfileIDs", Tenant="acme.org") == ["C1"]


def test_a_charger_is_in_force_at_once(api: Api) -> None:
    event = {
        "OriginID": "o1",
        "RequestType": "*none",
        "ToR": "*voice",
        "Account": "1001",
        "Destination": "49",
        "SetupTime": "2026-06-15T12:00:00Z",
        "AnswerTime": "2026-06-15T12:00:00Z",
        "Usage": "10s",
    }
    for run in ("*default", "second"):
        api("APIerSv1.SetChargerProfile", ID=run, RunID=run, AttributeIDs=["*none"])
    assert api("SessionSv1.ProcessCDR", Tenant="cgrates.org", ID="e", Event=event) == "OK"
    assert {cdr["RunID"] for cdr in api("CDRsV1.GetCDRs", OriginIDs=["o1"])} == {"*default", "second"}


def test_there_is_no_index_to_keep_up(api: Api) -> None:
    assert api("APIerSv1.ComputeFilterIndexes", Tenant="cgrates.org", AttributeS=True) == "OK"


KEPT = ("resource_usage", "stat_queue", "threshold_hits", "ip_allocation")
EVENT = {"Tenant": "cgrates.org", "ID": "e", "Event": {"OriginID": "o1", "Account": "1001"}}


def fill(api: Api) -> None:
    """Something is kept for a profile of every kind that keeps something, and for a neighbour of its name."""
    words = {
        "ResourceProfile": "Stored",
        "StatQueueProfile": "Stored",
        "ThresholdProfile": "Async",
        "IPProfile": "Stored",
    }
    for name in ("P1", "P1X"):
        for word, stored in words.items():
            api(f"APIerSv1.Set{word}", ID=name, **{**PROFILES[word], **({stored: True} if stored else {})})
    options = {"*rsUsageID": "u:1", "*rsUnits": 1, "*ipAllocationID": "a1"}
    api("ResourceSv1.AllocateResources", **EVENT, APIOpts=options)
    for _ in range(2):
        api("StatSv1.ProcessEvent", **EVENT)
        api("ThresholdSv1.ProcessEvent", **EVENT)
    api("IPsV1.AllocateIP", **EVENT, APIOpts=options)


def kept(api: Api, name: str) -> set[str]:
    """Kinds of what is kept for profiles of a name."""
    key = f"cgrates.org:{name}"
    tables = api.runtime.state.tables
    return {kind for kind in KEPT for each in tables[Kind(kind)] if each == key or each.startswith(f"{key}:")}


def test_a_removed_profile_takes_what_it_kept_with_it(api: Api) -> None:
    fill(api)
    assert kept(api, "P1") == set(KEPT)
    beside = kept(api, "P1X")
    for word in ("ResourceProfile", "StatQueueProfile", "ThresholdProfile", "IPProfile"):
        assert api(f"APIerSv1.Remove{word}", ID="P1") == "OK"
    assert (kept(api, "P1"), kept(api, "P1X")) == (set(), beside)


def test_profiles_removed_by_a_folder_take_what_they_kept_with_them(api: Api, tmp_path: Path) -> None:
    fill(api)
    beside = kept(api, "P1X")
    for file in ("Resources", "Stats", "Thresholds"):
        (tmp_path / f"{file}.csv").write_text("cgrates.org,P1\n", encoding="utf-8")
    assert api("APIerSv1.RemoveTPFromFolder", FolderPath=str(tmp_path)) == "OK"
    assert (kept(api, "P1"), kept(api, "P1X")) == ({"ip_allocation"}, beside)


def test_items_that_expired_unseen_go_when_the_queue_is_emptied(tmp_path: Path) -> None:
    api = Api(is_timed=True)
    profile = {"TTL": "1m", "QueueLength": 100, "Metrics": [{"MetricID": "*tcd"}], "Stored": True}
    api("APIerSv1.SetStatQueueProfile", ID="P1", **profile)
    api("StatSv1.ProcessEvent", **EVENT)
    api.wait(120 * 10**9)
    api("StatSv1.GetQueueFloatMetrics", ID="P1")
    assert api("APIerSv1.RemoveStatQueueProfile", ID="P1") == "OK"
    assert kept(api, "P1") == set()
    api.close()
