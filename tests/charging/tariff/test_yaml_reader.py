"""Claims about tariff files."""

from datetime import date
from textwrap import dedent

import pytest

from ocs.charging.events import Unit
from ocs.charging.money import Rounding
from ocs.charging.rating import CapStrategy, Rate, Slot
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.model import Query, Rule, Tariff, Verdict
from ocs.charging.tariff.windows import DAY_S, DateSet, Period
from ocs.charging.tariff.yaml_reader import read_yaml

S = 10**9

GOOD = """\
currency: EUR
time_zone: Europe/Berlin
fallback_depth: 2
destinations: {germany: ["49", "!49900"], mobile: +4915}
zones: {europe: [262, "208-01"], abroad: ["*", "!00101"]}
holidays: {feasts: ["12-25", "2026-04-06"], summer: 2026-07-01..2026-08-31}
windows:
  peak: {weekdays: mon-fri, from: 08:00, to: "18:00", except: [feasts, 2026-12-31]}
  odd:
    - {months: [jan, 6-7], month_days: 1-3, years: 2026-2027, time_zone: Europe/Berlin}
    - {on: summer, from: "22:00", to: "06:00"}
rates:
  call:
    connect_fee: 0.05
    slots:
      - {from: 0s, price: "0.12", per: 1m, increment: 30s}
      - {from: 60s, price: 0.1, per: 1m, increment: 1s}
    rounding: {method: middle, decimals: 4}
    max_cost: {amount: 3, strategy: disconnect}
  bytes: {price: 1.00, per: 100MB, increment: 1kB}
  message: {price: 0.09}
  pieces: {unit: events, price: 1, per: 10, increment: 5}
plans:
  base:
    voice: [{to: germany, rate: call}]
  main:
    fallback: base
    valid_until: 2027-01-01
    voice:
      - name: mobile
        to: [mobile, germany]
        category: [call, gold]
        weight: 10
        rate: call
        windows:
          - {during: odd, denied: true}
          - {during: peak, free: true, weight: 5}
    data:
      - {rating_group: [1, 10-20, none], service_identifier: [5], apn: Internet, zone: europe, rate: bytes}
      - {unit: events, rate: {price: 2}}
      - {rating_group: any, unit: time, free: true}
    sms: {rate: message}
    generic: {rate: pieces}
    versions:
      - {valid_from: "2027-01-01T00:00:00Z", mms: {denied: true}}
"""


def good() -> Tariff:
    tariff, problems = read_yaml(GOOD, "t.yaml")
    assert problems == []
    assert tariff is not None
    return tariff


def rule(plan: str, name: str) -> Rule:
    plans = {each.name: each for each in good().plans}
    return next(each for version in plans[plan].versions for each in version.rules if each.name == name)


def test_rates_are_read_exactly() -> None:
    rates = good().rates
    slots = (Slot(0, 120_000_000, 60 * S, 30 * S), Slot(60 * S, 100_000_000, 60 * S, S))
    assert rates["call"] == Rate(50_000_000, slots, Rounding.MIDDLE, 4, 3_000_000_000, CapStrategy.DISCONNECT)
    assert rates["bytes"] == Rate(0, (Slot(0, 1_000_000_000, 10**8, 1000),))
    assert rates["message"] == Rate(0, (Slot(0, 90_000_000, 1, 1),))
    assert rates["pieces"] == Rate(0, (Slot(0, 1_000_000_000, 10, 5),))


def test_prefixes_and_names_are_read() -> None:
    tariff = good()
    assert (tariff.currency, tariff.fallback_depth) == ("EUR", 2)
    assert tariff.destinations == {"germany": ("49", "!49900"), "mobile": ("4915",)}
    assert tariff.zones == {"europe": ("262", "20801"), "abroad": ("", "!00101")}


def test_conditions_of_a_rule_are_read() -> None:
    data = rule("main", "main.data[0]")
    assert data.rating_groups == ((1, 1), (10, 20))
    assert data.without_rating_group
    assert data.service_identifiers == frozenset({5})
    assert data.apns == frozenset({"internet"})
    assert data.zones == ("europe",)
    mobile = rule("main", "mobile")
    assert mobile.destinations == ("mobile", "germany")
    assert mobile.categories == frozenset({"call", "gold"})
    assert mobile.weight == 10
    assert mobile.source == "t.yaml:30"


def test_windows_are_read_and_come_by_weight_before_what_holds_otherwise() -> None:
    choices = rule("main", "mobile").choices
    assert [choice.verdict for choice in choices] == [Verdict.FREE, Verdict.DENIED, Verdict.RATED]
    peak, odd, otherwise = (choice.window for choice in choices)
    assert otherwise is None
    assert peak is not None
    assert odd is not None
    feasts = DateSet(frozenset({date(2026, 4, 6), date(2026, 12, 31)}), frozenset({(12, 25)}))
    summer = DateSet(spans=((date(2026, 7, 1), date(2026, 8, 31)),))
    assert peak.periods == (Period(28_800, 64_800, weekdays=frozenset(range(5)), exclude=feasts),)
    assert odd.periods == (
        Period(0, DAY_S, frozenset({2026, 2027}), frozenset({1, 6, 7}), frozenset({1, 2, 3})),
        Period(79_200, 21_600, only=summer),
    )
    assert peak.zone_name == "Europe/Berlin"


def test_units_come_from_the_rule_or_the_service() -> None:
    assert [rule("main", f"main.data[{index}]").unit for index in range(3)] == [
        Unit.OCTETS,
        Unit.EVENTS,
        Unit.TIME,
    ]
    assert rule("main", "main.sms[0]").unit is Unit.EVENTS
    assert rule("main", "main.versions[1].mms[0]").unit is None


def test_versions_are_valid_from_and_until_midnight_of_the_time_zone() -> None:
    first, second = next(plan for plan in good().plans if plan.name == "main").versions
    assert first.valid_until_ns == 1_798_758_000 * S
    assert second.valid_from_ns == 1_798_761_600 * S


def test_what_is_read_is_what_is_charged() -> None:
    line = Catalogue(good()).line("main", Query("data", Unit.OCTETS, 15, 5, "", "internet", "26202"))
    assert line is not None
    assert line.at(0).rate_id == "bytes"


def problems_of(text: str) -> list[str]:
    tariff, problems = read_yaml(dedent(text), "t.yaml")
    assert tariff is None
    return [str(problem) for problem in problems]


def test_every_problem_of_a_file_is_told_at_once() -> None:
    text = """\
    currency: Euro
    time_zone: Europe/Berln
    destinations: {germany: ["49x"]}
    windows: {peak: {weekdays: mon-fry, from: "8", except: [feats]}}
    holidays: {feasts: ["12-32"]}
    rates:
      call: {connect_fee: "-1", price: "0,12", per: 60, increment: 1s}
      bytes: {price: 1.0000000001, per: 1m, increment: 1kB}
      slots: {slots: [{price: 1, per: 1m, increment: 1s}, {from: 0s, price: 1, per: 1m, increment: 1s}]}
    plans:
      main:
        fallback: man
        voice:
          - {to: germny, rate: cal, weight: heavy}
          - {free: yes}
          - {rate: call, free: true}
          - {windows: [{rate: call}]}
          - {rating_group: [non, 7-5, -1], apn: [], rate: bytes, colour: red}
    """
    assert problems_of(text) == [
        't.yaml:1:11: currency: "Euro" is not an ISO 4217 currency such as EUR',
        't.yaml:2:12: time_zone: "Europe/Berln" is not a time zone such as UTC or Europe/Berlin',
        't.yaml:3:26: destinations.germany[0]: "49x" is not the beginning of a number',
        't.yaml:4:28: windows.peak.weekdays: "mon-fry" is not a weekday such as mon or mon-fri',
        't.yaml:4:43: windows.peak.from: "8" is not a time of day such as 08:00',
        't.yaml:4:57: windows.peak.except[0]: "feats" is neither a date nor a list of holidays'
        ' - did you mean "feasts"?',
        't.yaml:5:21: holidays.feasts[0]: "12-32" is no day of the year',
        't.yaml:7:23: rates.call.connect_fee: "-1" is negative',
        't.yaml:7:36: rates.call.price: "0,12" is not a decimal amount',
        "t.yaml:7:64: rates.call.increment: time needs a unit such as 60s",
        't.yaml:8:18: rates.bytes.price: "1.0000000001" has more than 9 decimals',
        "t.yaml:8:52: rates.bytes.increment: counts octets, the rest of the rate time",
        "t.yaml:9:62: rates.slots.slots[1].from: a slot begins after the one before it",
        't.yaml:12:15: plans.main.fallback: there is no plan "man" - did you mean "main"?',
        't.yaml:14:14: plans.main.voice[0].to: there is no destination "germny" - did you mean "germany"?',
        't.yaml:14:28: plans.main.voice[0].rate: there is no rate "cal" - did you mean "call"?',
        't.yaml:14:41: plans.main.voice[0].weight: "heavy" is not a whole number from -1000000 to 1000000',
        't.yaml:15:16: plans.main.voice[1].free: can only be true - did you mean "true"?',
        "t.yaml:16:9: plans.main.voice[2]: needs exactly one of rate, free: true and denied: true",
        "t.yaml:17:20: plans.main.voice[3].windows[0]: during is missing: the name of a window",
        't.yaml:18:25: plans.main.voice[4].rating_group[0]: "non" is not a rating group'
        ' - did you mean "none"?',
        't.yaml:18:30: plans.main.voice[4].rating_group[1]: "7-5" ends before it begins',
        't.yaml:18:35: plans.main.voice[4].rating_group[2]: "-1" is not a rating group',
        "t.yaml:18:45: plans.main.voice[4].apn: is empty",
        "t.yaml:18:62: plans.main.voice[4].colour: is not known here",
    ]


def test_what_every_file_needs_is_asked_for() -> None:
    assert problems_of("{}") == ["t.yaml:1:1: currency is missing", "t.yaml:1:1: plans is missing"]
    assert problems_of("[]") == ["t.yaml:1:1: must be a mapping"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{plans: {}}", ["t.yaml:1:24: plans: there is no plan"]),
        ("{plans: {a: {}}}", ["plans.a: has neither rules nor a fallback"]),
        (
            "{plans: {a: {fallback: b}, b: {fallback: a}}}",
            ["plans.a: falls back to itself", "plans.b: falls back to itself"],
        ),
        ("{plans: {a: {sms: {}}}}", ["plans.a.sms: needs exactly one of rate"]),
        ("{plans: {a: {smss: {}}}}", ["has neither rules", 'did you mean "sms"?']),
        (
            "{plans: {a: {sms: [{name: x, free: true}, {name: x, free: true}]}}}",
            ['there is another rule "x" in this plan'],
        ),
        (
            "{plans: {a: {valid_from: 2026-01-02, valid_until: 2026-01-01, sms: {free: true}}}}",
            ["valid_until: is not after valid_from"],
        ),
        ("{plans: {a: {data: {rate: {price: 1}}}}}", ["the rate counts events, the rule octets"]),
        (
            "{plans: {a: {voice: {rate: {price: 1, per: 60, increment: 1}}}}}",
            ["the rate counts events or octets, the rule time"],
        ),
        ("{plans: {a: {voice: {rate: {price: 1, per: 1m}}}}}", ["increment is missing"]),
        ("{plans: {a: {voice: {rate: {}}}}}", ["has neither a price nor slots nor a connect_fee"]),
        ("{plans: {a: {sms: {rate: {price: 1, per: 0}}}}}", ["per: must be more than 0"]),
        ("{plans: {a: {sms: {rate: {price: 1, slots: [{price: 1}]}}}}}", ["belongs into the slots"]),
        ("{plans: {a: {sms: {rate: {slots: [{from: 2, price: 1}]}}}}}", ["the first slot begins at 0"]),
        ("{plans: {a: {sms: {rate: {slots: [{}]}}}}}", ["price is missing"]),
        ("{plans: {a: {sms: {rate: {price: 1, max_cost: {}}}}}}", ["amount is missing"]),
        (
            "{plans: {a: {sms: {rate: {price: 1, max_cost: {amount: 1, strategy: fre}}}}}}",
            ['there is no strategy "fre" - did you mean "free"?'],
        ),
        (
            "{plans: {a: {sms: {rate: {price: 1, rounding: {method: upp, decimals: 10}}}}}}",
            ['there is no rounding method "upp" - did you mean "up"?', "whole number from 0 to 9"],
        ),
        ("{plans: {a: {sms: {rating_group: [any, 1], free: true}}}}", ["any stands alone"]),
        ("{destinations: {'!a': '1'}, plans: {a: {sms: {free: true}}}}", ["does not begin with !"]),
        ("{windows: {w: {from: 24:00}}, plans: {a: {sms: {free: true}}}}", ["begins before midnight"]),
        (
            "{windows: {w: [{}, {time_zone: Asia/Tokyo}]}, plans: {a: {sms: {free: true}}}}",
            ["in one time zone"],
        ),
        (
            "{holidays: {h: [2026-02-02..2026-02-01, 02-30]}, plans: {a: {sms: {free: true}}}}",
            ["ends before it begins", "is no day of the year"],
        ),
        ("{fallback_depth: 65, plans: {a: {sms: {free: true}}}}", ["from 0 to 64"]),
    ],
)
def test_each_mistake_has_its_own_sentence(text: str, told: list[str]) -> None:
    found = problems_of(text.replace("{", "{currency: EUR, ", 1))
    assert len(found) == len(told), found
    for line, part in zip(found, told, strict=True):
        assert part in line
