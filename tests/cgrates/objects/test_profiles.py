"""Profiles between JSON and the rows of their files."""

from typing import Any

import pytest

from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.profiles import BY_WORD, PROFILE_KINDS, check_filters
from ocs.rpc.errors import RpcError


def read(word: str, given: dict[str, Any]) -> dict[str, Any]:
    """A profile as its `Set` method stores it."""
    return BY_WORD[word].read(Given(given), "cgrates.org", 0)


def test_a_charger_shows_every_member() -> None:
    given = {"ID": "DEFAULT", "RunID": "*default", "AttributeIDs": ["*none"], "FilterIDs": []}
    assert read("ChargerProfile", given) == {
        "Tenant": "cgrates.org",
        "ID": "DEFAULT",
        "FilterIDs": [],
        "ActivationInterval": None,
        "RunID": "*default",
        "AttributeIDs": ["*none"],
        "Weight": 0,
    }


def test_attributes_stand_behind_the_interval_and_need_a_path() -> None:
    given: dict[str, Any] = {
        "Tenant": "acme.org",
        "ID": "AT1",
        "ActivationInterval": {"ActivationTime": "2026-01-01T00:00:00Z"},
        "Attributes": [
            {"Path": "*req.Password", "Type": "*constant", "Value": [{"Rules": "a"}, {"Rules": "b"}]}
        ],
        "Weight": 10,
    }
    profile = read("AttributeProfile", given)
    assert list(profile) == [
        *("Tenant", "ID", "Contexts", "FilterIDs", "ActivationInterval", "Attributes", "Blocker", "Weight")
    ]
    assert profile["Attributes"] == [
        {"FilterIDs": None, "Path": "*req.Password", "Type": "*constant", "Value": "a;b"}
    ]
    assert profile["ActivationInterval"] == {
        "ActivationTime": "2026-01-01T00:00:00Z",
        "ExpiryTime": "0001-01-01T00:00:00Z",
    }
    with pytest.raises(RpcError, match=r"MANDATORY_IE_MISSING: \[Path\]"):
        read("AttributeProfile", {"ID": "A", "Attributes": [{"Value": "x"}]})
    with pytest.raises(RpcError, match=r"MANDATORY_IE_MISSING: \[Attributes\]"):
        read("AttributeProfile", {"ID": "A"})


def test_durations_of_profiles_are_ns() -> None:
    profile = read("ResourceProfile", {"ID": "R1", "UsageTTL": "1m", "Limit": 2})
    assert (profile["UsageTTL"], profile["Limit"]) == (60 * 10**9, 2)
    assert read("ResourceProfile", {"ID": "R1", "UsageTTL": -1})["UsageTTL"] == -1


STATS = (
    ("acme.org", "ST_A", "F1", "", "100", "1h", "2", "*asr;*tcc", "", "true", "", "10", "*none"),
    ("acme.org", "ST_A", "F2", "", "", "", "", "*tcc", "F3", "", "", "", ""),
)


def test_rows_of_one_profile_are_joined() -> None:
    profile = BY_WORD["StatQueueProfile"].of_rows(STATS)
    assert profile == {
        "Tenant": "acme.org",
        "ID": "ST_A",
        "FilterIDs": ["F1", "F2"],
        "ActivationInterval": None,
        "QueueLength": 100,
        "TTL": 3_600 * 10**9,
        "MinItems": 2,
        "Metrics": [{"MetricID": "*asr", "FilterIDs": []}, {"MetricID": "*tcc", "FilterIDs": ["F3"]}],
        "Stored": True,
        "Blocker": False,
        "Weight": 10,
        "ThresholdIDs": ["*none"],
    }


ROWS = {
    "Filters.csv": (("t", "F", "*string", "~*req.Account", "1;2", "2026-01-01T00:00:00Z"),),
    "Attributes.csv": (
        (
            "t",
            "A",
            "*sessions",
            "F",
            "2026-01-01T00:00:00Z;2027-01-01T00:00:00Z",
            "",
            "*req.X",
            "*constant",
            "v",
            "",
            "1",
        ),
        ("t", "A", "", "", "", "F2", "*req.Y", "*constant", "w", "", ""),
    ),
    "Chargers.csv": (("t", "C", "F", "", "*raw", "*constant:*req.RequestType:*none", "0"),),
    "Resources.csv": (("t", "R", "F", "", "-1", "2", "chan", "false", "true", "10", "*none"),),
    "IPs.csv": (
        ("t", "I", "", "", "1h", "true", "10", "P", "", "*ipv4", "10.0.0.5/32", "*ascending", "", "10", ""),
    ),
    "Stats.csv": STATS,
    "Trends.csv": (("t", "T", "@every 1h", "S", "*acd", "-1", "-1", "1", "*average", "2.5", "true", ""),),
    "Rankings.csv": (("t", "K", "@every 5m", "S;Z", "*acd", "*desc", "", "true", ""),),
    "Thresholds.csv": (("t", "H", "F", "", "-1", "5", "1m", "false", "10", "ACT", "true", ""),),
    "Routes.csv": (
        ("t", "O", "F", "", "*lc", "", "c1", "", "", "RP", "", "", "10", "false", "gw=1", "20"),
        ("t", "O", "", "", "", "", "c2", "F2", "1001", "", "", "", "5", "", "", ""),
    ),
}


@pytest.mark.parametrize("file", list(PROFILE_KINDS))
def test_a_profile_survives_its_rows(file: str) -> None:
    kind = PROFILE_KINDS[file]
    rows = ROWS[file]
    assert all(len(cells) == kind.width for cells in rows)
    profile = kind.of_rows(rows)
    written = kind.to_rows(profile)
    assert all(len(cells) == kind.width for cells in written)
    assert kind.of_rows(written) == profile
    assert kind.read(Given(profile), "other", 0) == profile


def test_a_filter_that_is_not_there_is_named() -> None:
    profile = read("ThresholdProfile", {"ID": "T1", "FilterIDs": ["*string:~*req.Account:1", "F1", "F2"]})
    check_filters(profile, ["F1", "F2"])
    with pytest.raises(RpcError) as raised:
        check_filters(profile, ["F1"])
    assert (
        raised.value.text == "SERVER_ERROR: broken reference to filter: F2 for item with ID: cgrates.org:T1"
    )
