"""Objects of the API: member names in any case, errors by member, and what goes in comes out."""

import pytest

from ocs.charging.profiles.api import decode, encode
from ocs.charging.profiles.filters import Filter
from ocs.charging.profiles.model import AttributeProfile, ResourceProfile, Route, RouteProfile, StatProfile

ATTRIBUTE = {
    "Tenant": "cgrates.org",
    "ID": "AT1",
    "Contexts": ["*sessions"],
    "FilterIDs": ["*string:~*req.Account:1001"],
    "ActivationInterval": {"ActivationTime": "2014-07-14T14:25:00Z", "ExpiryTime": "0001-01-01T00:00:00Z"},
    "Attributes": [{"FilterIDs": None, "Path": "*req.Password", "Type": "*constant", "Value": "x"}],
    "Blocker": False,
    "Weight": 10,
}


def test_what_goes_in_comes_out() -> None:
    assert encode(decode(AttributeProfile, ATTRIBUTE)) == ATTRIBUTE
    listed = decode(AttributeProfile, ATTRIBUTE | {"Contexts": None})
    assert encode(listed, [])["Contexts"] == []


def test_members_are_read_in_any_case_and_values_in_both_forms() -> None:
    found = decode(
        AttributeProfile,
        {
            "id": "A",
            "ATTRIBUTES": [{"path": "*req.X", "value": [{"Rules": "a"}, {"Rules": "~*req.B"}]}],
            "Other": 1,
        },
        tenant="cgrates.org",
    )
    assert (found.tenant, found.attributes[0].value) == ("cgrates.org", "a;~*req.B")
    resource = decode(ResourceProfile, {"Tenant": "", "ID": "R", "UsageTTL": "1h", "Limit": "2"}, tenant="t")
    assert (resource.tenant, resource.usage_ttl_ns, resource.limit) == ("t", 3600 * 10**9, 2.0)


def test_routes_and_metrics_and_rules_are_objects_inside() -> None:
    route = {"ID": "R", "Routes": [{"ID": "gw1", "Weight": 1.5, "RouteParameters": "sip:x"}]}
    assert decode(RouteProfile, route, tenant="t").routes == (
        Route(id="gw1", weight=1.5, parameters="sip:x"),
    )
    stat = {"ID": "S", "Metrics": [{"MetricID": "*asr"}]}
    assert decode(StatProfile, stat, tenant="t").metrics[0].id == "*asr"
    rules = [{"Type": "*string", "Element": "~*req.Account", "Values": ["1001"]}]
    written = {"Tenant": "t", "ID": "F", "Rules": rules, "ActivationInterval": None}
    assert encode(decode(Filter, written)) == written


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "is not an object"),
        ({"ID": "R", "Routes": {}}, "Routes: is not a list"),
        ({"ID": "R", "Routes": [{"Weight": 1}]}, r"Routes: \[0\].ID: is missing"),
        ({"ID": "R", "Routes": [{"ID": "x", "Weight": "much"}]}, r"Routes: \[0\].Weight: is not a number"),
        ({"ID": {"a": 1}}, "ID: is not a text"),
        ({"Weight": 1}, "ID: is missing"),
        (
            {"ID": "R", "ActivationInterval": {"ActivationTime": "soon"}},
            "ActivationTime: is not a point in time",
        ),
    ],
)
def test_what_cannot_be_read_is_named(value: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        decode(RouteProfile, value, tenant="t")
