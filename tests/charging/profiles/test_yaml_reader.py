"""Profiles from YAML: the names of the API in small letters, every problem at its place."""

import re
from pathlib import Path

import pytest

from ocs.charging.profiles.book import ProfileBook
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


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ('resources:\n  - {id: A, filter_ids: ["*strong:~*req.A:1"]}', (2, 5), "*strong"),
        ('attributes:\n  - id: A\n    attributes: [{path: "*req.A", value: "~*req.B:s/(/x/"}]', (2, 5), "("),
        ('routes:\n  - {id: OK}\n  - {id: A, sorting: "*best"}', (3, 5), "*best"),
        ('stats:\n  - {id: A, metrics: [{metric_id: "*nothing"}]}', (2, 5), "*nothing"),
        ('thresholds:\n  - {id: A, min_sleep: soon}', (2, 24), "duration"),
        ('routes:\n  - {id: A, routes: [{id: gw, filter_ids: ["*strange:~*req.A:x"]}]}', (2, 5), "*strange"),
        ('chargers:\n  - {id: A, run: x}', (2, 13), "run"),
        ('filters: {F: ["*regex:~*req.A:("]}', (1, 14), "("),
    ],
)  # fmt: skip
def test_what_the_server_could_not_use_has_its_place(text: str, place: tuple[int, int], message: str) -> None:
    found, problems = read_yaml(text, "profiles.yaml")
    assert found is None
    assert (problems[0].line, problems[0].column) == place
    assert message in f"{problems[0].path} {problems[0].message}"


def test_a_filter_of_somebody_else_is_no_mistake_here() -> None:
    found, problems = read_yaml("resources: [{id: A, filter_ids: [OF_THE_API]}]", "profiles.yaml")
    assert found is not None, problems


def test_the_example_of_the_page_has_every_kind_and_can_be_used() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "profiles.md"
    text = re.findall(
        r"^```yaml file=all.yaml\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )[0]
    found, problems = read_yaml(text, "all.yaml")
    assert found is not None, problems
    assert all(getattr(found, name) for name in found.__struct_fields__)
    assert ProfileBook().load(found) == []
