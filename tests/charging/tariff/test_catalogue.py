"""Claims about choosing the rule that prices a query."""

import itertools
from collections.abc import Iterable

import pytest

from ocs.charging.events import Unit
from ocs.charging.tariff import catalogue as catalogue_module
from ocs.charging.tariff.catalogue import Catalogue, network_identifier
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Query, Rule, Verdict
from ocs.charging.tariff.yaml_reader import read_yaml
from tests.charging.tariff.rules import MONDAY_NOON_NS, RATES, catalogue, chosen, plan, rated, rule

CALL = Query("voice", Unit.TIME, called="4915112345")
DATA = Query("data", Unit.OCTETS, 10, 5, "", "Internet", "26201", "gold")

DATA_RULES = (  # the least specific first; every one is asked before those above it
    rule("any", service="data"),
    rule("category", service="data", categories=frozenset({"gold"})),
    rule("everywhere", service="data", destinations=("world",)),
    rule("abroad", service="data", zones=("abroad",)),
    rule("europe", service="data", zones=("europe",)),
    rule("network", service="data", zones=("one",)),
    rule("apn", service="data", apns=frozenset({"internet"})),
    rule("service", service="data", service_identifiers=frozenset({5})),
    rule("wide", service="data", rating_groups=((1, 100),)),
    rule("narrow", service="data", rating_groups=((8, 12),)),
    rule("group", service="data", rating_groups=((10, 10),)),
)


@pytest.mark.parametrize("count", range(1, len(DATA_RULES) + 1))
@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_most_specific_rule_wins_wherever_it_stands(count: int, is_reversed: bool) -> None:
    rules: Iterable[Rule] = DATA_RULES[:count]
    ordered = list(rules)[::-1] if is_reversed else rules
    assert chosen(catalogue(plan("p", *ordered)), DATA) == DATA_RULES[count - 1].name


@pytest.mark.parametrize(
    "query",
    [
        DATA._replace(service="generic"),
        DATA._replace(unit=Unit.TIME),
        DATA._replace(rating_group=None),
        DATA._replace(rating_group=9),
        DATA._replace(service_identifier=None),
        DATA._replace(apn="other"),
        DATA._replace(plmn=""),
        DATA._replace(plmn="00101"),
        DATA._replace(called="33"),
        DATA._replace(category=""),
    ],
)
def test_a_rule_is_not_used_where_one_condition_fails(query: Query) -> None:
    only = rule(
        "only",
        service="data",
        rating_groups=((10, 10),),
        service_identifiers=frozenset({5}),
        apns=frozenset({"internet"}),
        zones=("abroad",),
        destinations=("germany",),
        categories=frozenset({"gold"}),
    )
    tariff = catalogue(plan("p", only))
    assert chosen(tariff, DATA._replace(called="4930")) == "only"
    assert chosen(tariff, query._replace(called=query.called or "4930")) is None


def test_the_longest_called_prefix_wins() -> None:
    tariff = catalogue(
        plan(
            "p",
            rule("world", destinations=("world",)),
            rule("germany", destinations=("germany",)),
            rule("mobile", destinations=("mobile",)),
        )
    )
    names = [chosen(tariff, CALL._replace(called=called)) for called in ("4915", "4930", "33", "")]
    assert names == ["mobile", "germany", "world", "world"]
    line = tariff.line("p", CALL)
    assert line is not None
    assert (line.at(0).destination, line.at(0).prefix) == ("mobile", "4915")


def test_equal_rules_go_by_weight_and_then_by_place() -> None:
    first, second = rule("first", destinations=("germany",)), rule("second", destinations=("same",))
    heavy = rule("heavy", destinations=("same",), weight=1)
    for rules in itertools.permutations((first, second)):
        assert chosen(catalogue(plan("p", *rules)), CALL) == rules[0].name
        assert chosen(catalogue(plan("p", *rules, heavy)), CALL) == "heavy"


def test_free_denied_and_no_rule_are_three_things() -> None:
    tariff = catalogue(
        plan(
            "p",
            rule("free", Choice(Verdict.FREE), destinations=("mobile",), unit=None),
            rule("denied", Choice(Verdict.DENIED), destinations=("germany",), unit=None),
        )
    )
    free, denied = tariff.line("p", CALL), tariff.line("p", CALL._replace(called="4930"))
    assert free is not None
    assert denied is not None
    assert (free.at(0).verdict, denied.at(0).verdict) == (Verdict.FREE, Verdict.DENIED)
    assert free.at(0).rate is not None
    assert denied.at(0).rate is None
    assert tariff.line("p", CALL._replace(called="33")) is None


def test_rules_for_different_units_stand_side_by_side() -> None:
    octets = rule("octets", rated("a"), service="data", unit=Unit.OCTETS)
    time = rule("time", rated("b"), service="data", unit=Unit.TIME)
    tariff = catalogue(plan("p", octets, time))
    assert chosen(tariff, Query("data", Unit.OCTETS)) == "octets"
    assert chosen(tariff, Query("data", Unit.TIME)) == "time"
    line = tariff.line("p", Query("data"))
    assert line is not None
    assert line.at(0).unit is Unit.OCTETS


def test_usage_without_a_rating_group_needs_a_rule_that_says_so() -> None:
    listed = rule("listed", service="data", rating_groups=((1, 9),))
    none = rule("none", service="data", rating_groups=(), without_rating_group=True)
    assert chosen(catalogue(plan("p", listed)), Query("data")) is None
    assert chosen(catalogue(plan("p", listed, none)), Query("data")) == "none"
    assert chosen(catalogue(plan("p", none)), Query("data", rating_group=1)) is None


def test_a_plan_falls_back_depth_first_and_its_own_rules_come_first() -> None:
    germany = rule("germany", destinations=("germany",))
    tariff = catalogue(
        plan("p", rule("own", destinations=("world",)), fallbacks=("q",)),
        plan("q", germany),
        plan("r", rule("sms", service="sms"), fallbacks=("s", "q")),
        plan("s", rule("mobile", destinations=("mobile",)), fallbacks=("p",)),
    )
    assert chosen(tariff, CALL) == "own"
    assert chosen(tariff, CALL, plan_name="r") == "mobile"
    assert chosen(tariff, CALL._replace(called="4930"), plan_name="r") == "own"


def test_fallbacks_are_followed_only_so_deep_and_never_in_circles() -> None:
    plans = [plan(str(depth), fallbacks=(str(depth + 1),)) for depth in range(3)]
    last = plan("3", rule("last"), fallbacks=("0",))
    assert chosen(catalogue(*plans, last, fallback_depth=3), CALL, plan_name="0") == "last"
    assert chosen(catalogue(*plans, last, fallback_depth=2), CALL, plan_name="0") is None


def test_an_unknown_plan_has_no_line() -> None:
    tariff = catalogue(plan("p", rule("any")))
    assert tariff.line("x", CALL) is None
    assert (tariff.has_plan("p"), tariff.has_plan("x")) == (True, False)
    assert tariff.rate("a") is RATES["a"]
    assert tariff.rate("x") is None


def test_a_version_of_a_plan_ends_when_the_next_begins() -> None:
    versions = (
        PlanVersion((rule("new"),), valid_from_ns=200, valid_until_ns=300),
        PlanVersion((rule("old"),), valid_from_ns=100),
    )
    line = catalogue(Plan("p", versions)).line("p", CALL)
    assert line is not None
    answers = [(line.at(at_ns).rule, line.at(at_ns).until_ns) for at_ns in (50, 100, 199, 200, 299, 300, 150)]
    assert answers == [
        ("", 100),
        ("old", 200),
        ("old", 200),
        ("new", 300),
        ("new", 300),
        ("", None),
        ("old", 200),
    ]


def test_queries_that_no_rule_tells_apart_share_a_line() -> None:
    tariff = catalogue(plan("p", rule("mobile", destinations=("mobile",))))
    one = tariff.line("p", CALL._replace(rating_group=9, category="x", apn="y", service_identifier=7))
    assert one is tariff.line("p", CALL._replace(called="491519999", rating_group=8))
    assert one is tariff.line("p", CALL._replace(rating_group=7, category="z"))
    assert one is not tariff.line("p", CALL._replace(called="4916"))


def test_memories_stay_bounded_and_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_module, "REMEMBERED_QUERIES", 20)
    monkeypatch.setattr(catalogue_module, "REMEMBERED_LINES", 3)
    rules = [rule(str(number), service="data", rating_groups=((number, number),)) for number in range(100)]
    tariff = catalogue(plan("p", *rules))
    for group in [*range(100), *range(100)]:
        assert chosen(tariff, Query("data", Unit.OCTETS, group)) == str(group)
    assert len(tariff._queries) <= 20
    assert len(tariff._lines) <= 3


def test_a_query_of_absurd_length_is_answered_but_not_remembered() -> None:
    tariff = catalogue(plan("p", rule("germany", destinations=("germany",))))
    assert chosen(tariff, CALL._replace(called="49" * 50_000)) == "germany"
    assert not tariff._queries


@pytest.mark.parametrize(
    ("apn", "identifier"),
    [
        ("Internet", "internet"),
        ("corp.example.mnc001.mcc262.gprs", "corp.example"),
        ("mnc001.mcc262.gprs", "mnc001.mcc262.gprs"),
        ("a.gprs", "a.gprs"),
        ("", ""),
    ],
)
def test_the_operator_identifier_of_an_apn_does_not_count(apn: str, identifier: str) -> None:
    assert network_identifier(apn) == identifier
    rules = plan("p", rule("apn", service="data", apns=frozenset({identifier})))
    assert chosen(catalogue(rules), Query("data", apn=apn), MONDAY_NOON_NS) == "apn"


PROFILES = """
currency: EUR
rates:
  cheap: {price: "0.01", per: 60s, increment: 1s}
  dear: {price: "0.05", per: 60s, increment: 1s}
plans:
  retail: {voice: {rate: dear}}
  "acme:call:1001":
    versions:
      - {valid_from: 2026-01-01, voice: {rate: cheap}}
    fallback: "acme:call:*any"
  "acme:call:*any": {fallback: retail}
  "acme:1002": {voice: {rate: cheap}}
"""


@pytest.mark.parametrize(
    ("tenant", "category", "subject", "plan"),
    [
        ("acme:a", "call", "1001", "acme:call:1001"),
        ("acme:a", "call", "1002", "acme:1002"),
        ("acme:a", "call", "9999", "acme:call:*any"),
        ("acme:a", "sms", "retail", "retail"),
        ("other:a", "call", "1001", "1001"),
    ],
)
def test_a_subject_leads_to_its_profile_then_to_that_of_any(
    tenant: str, category: str, subject: str, plan: str
) -> None:
    tariff, problems = read_yaml(PROFILES, "t.yaml")
    assert (problems, tariff is None) == ([], False)
    assert tariff is not None
    assert Catalogue(tariff).plan_of(tenant, category, subject) == plan


def test_a_profile_that_begins_later_leaves_what_is_before_to_its_fallback() -> None:
    tariff, _ = read_yaml(PROFILES, "t.yaml")
    assert tariff is not None
    line = Catalogue(tariff).line("acme:call:1001", Query("voice", Unit.TIME, called="49"))
    assert line is not None
    new_year_ns = 1_767_225_600 * 10**9
    assert [line.at(new_year_ns + step).rate_id for step in (-1, 0)] == ["dear", "cheap"]
