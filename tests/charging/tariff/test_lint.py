"""Warnings about tariffs that can be used, each at its place; nothing is said of what is in order."""

from datetime import UTC

import pytest

from ocs.charging.tariff.import_cgrates.folder import ImportOptions
from ocs.charging.tariff.quantities import moment_ns
from ocs.charging.tariff.sources import CGRATES, YAML, Source, lint_source, read_source

AT_NS = moment_ns("2026-06-01T12:00:00Z", UTC)
HEAD = """currency: EUR
destinations: {de: ["49"], mobile: ["4915"], both: ["49", "4915"], but: ["49", "!4916"]}
zones: {eu: ["262"]}
windows: {day: {from: "08:00", to: "18:00"}, night: {from: "18:00", to: "08:00"}}
rates: {r: {price: "1", per: 1m, increment: 1s}}
plans:
  base:
    voice: [{to: [de, mobile, both, but], zone: eu, windows: [{during: day, rate: r}, {during: night, rate: r}]}]
  p:
    fallback: []
    voice:
"""


def lint(text: str) -> list[str]:
    source = Source(YAML, (("t.yaml", text),))
    tariff, findings = read_source(source)
    assert tariff is not None, [str(finding) for finding in findings]
    return [str(finding) for finding in lint_source(source, tariff, AT_NS)]


def lint_rules(*rules: str) -> list[str]:
    head = HEAD.replace("    fallback: []\n", "")
    return lint(head + "".join(f"      - {rule}\n" for rule in rules))


@pytest.mark.parametrize(
    "rules",
    [
        ("{name: a, to: de, rate: r}", "{name: b, to: mobile, rate: r}"),
        (
            "{name: a, to: de, weight: 1, rate: r}",
            "{name: b, to: de, weight: 2, windows: [{during: day, rate: r}]}",
        ),
        ("{name: a, to: but, rate: r}", "{name: b, to: de, rate: r}"),
        ("{name: a, zone: eu, rate: r}", "{name: b, rate: r}"),
        ("{name: a, to: mobile, windows: [{during: day, rate: r}]}", "{name: b, to: de, rate: r}"),
        ("{name: a, windows: [{during: day, rate: r}, {during: night, rate: r}]}",),
    ],
)
def test_what_is_in_order_is_not_mentioned(rules: tuple[str, ...]) -> None:
    assert lint_rules(*rules) == []


@pytest.mark.parametrize(
    ("rules", "column"),
    [
        (("{name: a, to: de, rate: r}", "{name: b, to: de, rate: r}"), "t.yaml:12:9: plans.p.voice[1]"),
        (("{name: a, to: both, rate: r}", "{name: b, to: mobile, rate: r}"), "t.yaml:12:9: plans.p.voice[1]"),
        (("{name: a, rate: r}", "{name: b, weight: 1, rate: r}"), "t.yaml:11:9: plans.p.voice[0]"),
        (("{name: a, to: but, rate: r}", "{name: b, to: but, rate: r}"), "t.yaml:12:9: plans.p.voice[1]"),
    ],
)
def test_a_rule_behind_others_for_all_it_is_about_is_never_reached(
    rules: tuple[str, ...], column: str
) -> None:
    assert lint_rules(*rules) == [
        f"{column}: warning: is never reached: rules before it hold for all it is about"
    ]


def test_a_time_without_a_price_is_told_with_its_place() -> None:
    assert lint_rules("{name: a, to: de, windows: [{during: day, rate: r}]}") == [
        "t.yaml:11:9: plans.p.voice[0]: warning: has no price from 2026-06-01 18:00:00Z until 2026-06-02 08:00:00Z"
    ]


def test_rules_with_the_same_gap_are_told_once() -> None:
    rules = [
        f"{{name: {name}, to: {name}, windows: [{{during: day, rate: r}}]}}" for name in ("de", "mobile")
    ]
    [found] = lint_rules(*rules)
    assert found.endswith("until 2026-06-02 08:00:00Z, and 1 rules like it")


def test_names_that_nothing_leads_to_are_told_at_their_place() -> None:
    text = """currency: EUR
destinations: {used: ["1"], idle: ["2"]}
zones:
  nowhere: "262"
windows:
  never: {weekdays: sat}
rates:
  used: {price: "1"}
  idle: {price: "2"}
plans: {p: {sms: {to: used, rate: used}}}
"""
    assert lint(text) == [
        "t.yaml:2:35: destinations.idle: warning: is never used",
        "t.yaml:4:12: zones.nowhere: warning: is never used",
        "t.yaml:6:10: windows.never: warning: is never used",
        "t.yaml:9:9: rates.idle: warning: is never used",
    ]


def test_rules_of_a_folder_are_told_at_the_row_they_come_from() -> None:
    files = (
        ("Timings.csv", "DAY,*any,*any,*any,*any,08:00:00\n"),
        ("Destinations.csv", "D,49\n"),
        ("Rates.csv", "R,0,1,60s,1s,0s\n"),
        ("DestinationRates.csv", "DR,D,R,*up,4,0,\n"),
        ("RatingPlans.csv", "RP,DR,DAY,10\nRQ,DR,*any,20\nRQ,DR,DAY,10\n"),
        ("RatingProfiles.csv", "t,call,1,,RP,\nt,call,2,,RQ,\n"),
    )
    source = Source(CGRATES, files, ImportOptions())
    tariff, _ = read_source(source)
    assert tariff is not None
    place = "DestinationRates.csv:1:1:"
    assert [str(finding) for finding in lint_source(source, tariff, AT_NS)] == [
        f"{place} t:1: voice RP:D: warning: has no price from 2026-06-02 00:00:00Z until 2026-06-02 08:00:00Z",
        f'{place} t:2: voice RQ:D: warning: its window "DAY" never counts: '
        "a price that always holds is asked before",
    ]
