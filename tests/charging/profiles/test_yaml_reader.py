"""Profiles from YAML: the names of the API in small letters, every problem at its place."""

from ocs.charging.profiles.filters import Filter, FilterRule
from ocs.charging.profiles.model import AttributeRule, ChargerProfile, Metric, Route
from ocs.charging.profiles.yaml_reader import read_yaml

TEXT = """
tenant: acme.org
filters:
  VIP: ["*string:~*req.Account:1001|1002", "*prefix:~*req.Destination:+49"]
attributes:
  - id: PASSWORDS
    contexts: ["*sessions"]
    filter_ids: [VIP]
    weight: 10
    attributes:
      - {path: "*req.Password", type: "*constant", value: s3cret}
chargers:
  - id: DEFAULT
    run_id: "*default"
    attribute_ids: ["*none"]
resources:
  - id: CHANNELS
    usage_ttl: 1h
    limit: 2
    blocker: true
    activation_interval: {ActivationTime: "2026-01-01T00:00:00Z"}
routes:
  - id: CARRIERS
    sorting: "*lc"
    routes:
      - {id: gw1, rating_plan_ids: [RP_A], weight: 1.5, route_parameters: "sip:gw1"}
stats:
  - id: QUALITY
    queue_length: 100
    metrics: [{metric_id: "*asr"}, {metric_id: "*acd"}]
thresholds:
  - id: FRAUD
    min_hits: 3
    max_hits: -1
    min_sleep: 1m
    async: true
    ee_ids: [hook]
"""


def test_every_kind_is_read() -> None:
    found, problems = read_yaml(TEXT, "profiles.yaml")
    assert problems == []
    assert found is not None
    rules = (
        FilterRule("*string", "~*req.Account", ("1001", "1002")),
        FilterRule("*prefix", "~*req.Destination", ("+49",)),
    )
    assert found.filters == (Filter("acme.org", "VIP", rules),)
    [attribute] = found.attributes
    assert (attribute.tenant, attribute.filter_ids, attribute.weight) == ("acme.org", ("VIP",), 10)
    assert attribute.attributes == (AttributeRule(path="*req.Password", type="*constant", value="s3cret"),)
    assert found.chargers == (ChargerProfile(tenant="acme.org", id="DEFAULT", attribute_ids=("*none",)),)
    [resource] = found.resources
    assert (resource.usage_ttl_ns, resource.limit, resource.is_blocker) == (3600 * 10**9, 2, True)
    assert resource.activation.start_ns == 1_767_225_600 * 10**9
    gateway = Route(id="gw1", rating_plan_ids=("RP_A",), weight=1.5, parameters="sip:gw1")
    assert found.routes[0].routes == (gateway,)
    assert found.stats[0].metrics == (Metric(id="*asr"), Metric(id="*acd"))
    [threshold] = found.thresholds
    assert (threshold.min_hits, threshold.max_hits, threshold.min_sleep_ns) == (3, -1, 60 * 10**9)
    assert (threshold.is_async, threshold.exporter_ids) == (True, ("hook",))


def test_every_problem_has_its_place() -> None:
    text = """filters:
  F: ["Account:1001"]
resources:
  - limit: many
    usage_tl: 1h
routes:
  - id: R
    routes: [{weight: 1}]
"""
    found, problems = read_yaml(text, "p.yaml")
    assert found is None
    assert [str(problem) for problem in problems] == [
        "p.yaml:2:7: filters.F[0]: not a filter: 'Account:1001'",
        "p.yaml:4:5: resources[0]: id is missing",
        "p.yaml:4:12: resources[0].limit: is not a number",
        'p.yaml:5:5: resources[0].usage_tl: is not known here - did you mean "usage_ttl"?',
        "p.yaml:8:14: routes[0].routes[0]: id is missing",
    ]
