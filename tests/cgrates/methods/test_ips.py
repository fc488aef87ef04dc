"""Addresses of pools over the wire."""

from typing import Any

import pytest

from tests.cgrates.methods.api import Api

POOLS = [
    {"ID": "SMALL", "Type": "*ipv4", "Range": "10.0.0.5/32", "Message": "small", "Weight": 20},
    {"ID": "LARGE", "Type": "*ipv4", "Range": "10.1.0.0/30", "Message": "large", "Weight": 10},
]


@pytest.fixture
def pooled(timed: Api) -> Api:
    """A server with a profile of two pools, one address and two."""
    timed("APIerSv1.SetIPProfile", ID="IP1", FilterIDs=["*string:~*req.Account:1001"], TTL="1h", Pools=POOLS)
    return timed


def asked(name: str, account: str = "1001") -> dict[str, Any]:
    """Parameters of a call about one allocation."""
    return {
        "Tenant": "cgrates.org",
        "ID": "e",
        "Event": {"Account": account},
        "APIOpts": {"*ipAllocationID": name},
    }


def test_addresses_are_given_heaviest_pool_first(pooled: Api) -> None:
    promised = pooled("IPsV1.AuthorizeIP", **asked("a"))
    assert promised == {"ProfileID": "IP1", "PoolID": "SMALL", "Message": "small", "Address": "10.0.0.5"}
    given = [pooled("IPsV1.AllocateIP", **asked(name))["Address"] for name in "abc"]
    assert given == ["10.0.0.5", "10.1.0.1", "10.1.0.2"]
    assert pooled("IPsV1.AllocateIP", **asked("b"))["Address"] == "10.1.0.1"
    assert pooled.error("IPsV1.AllocateIP", **asked("d")) == "IP_UNAVAILABLE"
    assert pooled.error("IPsV1.AuthorizeIP", **asked("d")) == "IP_UNAUTHORIZED"


def test_a_released_address_is_given_again(pooled: Api) -> None:
    pooled("IPsV1.AllocateIP", **asked("a"))
    assert pooled("IPsV1.ReleaseIP", **asked("a")) == "OK"
    assert pooled("IPsV1.AllocateIP", **asked("b"))["Address"] == "10.0.0.5"
    assert pooled.error("IPsV1.ReleaseIP", **asked("a")) == "NOT_FOUND"


def test_an_address_comes_back_when_its_time_is_over(pooled: Api) -> None:
    pooled("IPsV1.AllocateIP", **asked("a"))
    pooled.wait(3_601 * 10**9)
    assert pooled("IPsV1.GetIPAllocations", ID="IP1")["Allocations"] == {}
    assert pooled("IPsV1.AllocateIP", **asked("b"))["Address"] == "10.0.0.5"


def test_allocations_are_shown_and_cleared(pooled: Api) -> None:
    for name in "ab":
        pooled("IPsV1.AllocateIP", **asked(name))
    shown = pooled("IPsV1.GetIPAllocationForEvent", **asked("a"))
    assert (shown["ID"], sorted(shown["Allocations"])) == ("IP1", ["a", "b"])
    assert pooled("IPsV1.ClearIPAllocations", ID="IP1", AllocationIDs=["a"]) == "OK"
    assert sorted(pooled("IPsV1.GetIPAllocations", ID="IP1")["Allocations"]) == ["b"]
    assert pooled("IPsV1.ClearIPAllocations", ID="IP1") == "OK"
    assert pooled("IPsV1.GetIPAllocations", ID="IP1")["Allocations"] == {}


def test_who_matches_nothing_gets_nothing(pooled: Api) -> None:
    assert pooled.error("IPsV1.AllocateIP", **asked("a", "1002")) == "NOT_FOUND"
    assert pooled.error("IPsV1.GetIPAllocations", ID="NONE") == "NOT_FOUND"
    nameless = {"Tenant": "cgrates.org", "Event": {"Account": "1001"}}
    assert pooled.error("IPsV1.AllocateIP", **nameless) == "MANDATORY_IE_MISSING: [AllocationID]"


def test_a_range_that_is_none_is_told(timed: Api) -> None:
    timed("APIerSv1.SetIPProfile", ID="BAD", Pools=[{"ID": "P", "Range": "10.0.0"}])
    assert timed.error("IPsV1.AllocateIP", **asked("a")).startswith("SERVER_ERROR: pool P: Range: ")


def test_a_pool_counts_down_where_it_says_so(timed: Api) -> None:
    pool = {"ID": "P", "Range": "2001:db8::/126", "Strategy": "*descending"}
    timed("APIerSv1.SetIPProfile", ID="SIX", Pools=[pool])
    given = [timed("IPsV1.AllocateIP", **asked(name))["Address"] for name in "ab"]
    assert given == ["2001:db8::3", "2001:db8::2"]


def test_pools_come_from_a_folder(timed: Api) -> None:
    rows = (
        "cgrates.org,IP1,*string:~*req.Account:1001,,1h,true,10,P1,,*ipv4,10.0.0.5/32,*ascending,first,20,false\n"
        "cgrates.org,IP1,,,,,,P2,,*ipv4,10.0.0.6/32,*ascending,second,10,false\n"
    )
    timed.engine.load({"IPs.csv": rows})
    given = [timed("IPsV1.AllocateIP", **asked(name))["Message"] for name in "ab"]
    assert given == ["first", "second"]


def test_a_session_that_the_server_ends_gives_its_address_back() -> None:
    here = ["*internal"]
    api = Api({"ips": {"enabled": True}, "sessions": {"ips_conns": here, "session_ttl": "1s"}}, is_timed=True)
    pool = {"ID": "P", "Range": "10.0.0.5/32"}
    api("APIerSv1.SetIPProfile", ID="IP1", TTL="1h", Pools=[pool])
    api("APIerSv1.SetChargerProfile", ID="D", RunID="*default", AttributeIDs=["*none"])
    api.runner.run(api.runtime.start())
    for name in ("a", "b"):
        event = {"OriginID": name, "RequestType": "*none", "ToR": "*voice", "Account": "1001"}
        answer = api("SessionSv1.InitiateSession", InitSession=True, AllocateIP=True, Event=event)
        assert answer["AllocatedIP"]["Address"] == "10.0.0.5"
        api.wait(2 * 10**9)
    api.runner.run(api.runtime.stop())
    api.close()
