"""Claims about explanations."""

from ocs.charging.events import Unit
from ocs.charging.tariff import explanation
from ocs.charging.tariff.model import Choice, Plan, PlanVersion, Query, Rule, Verdict
from tests.charging.tariff.rules import MONDAY_NOON_NS, PEAK, catalogue, plan, rated, rule

CALL = Query("voice", Unit.TIME, called="4915112345")


def test_the_winner_comes_first_then_the_losers_with_what_beat_them() -> None:
    tariff = catalogue(
        plan(
            "p",
            rule("world", destinations=("world",)),
            rule("light", rated("a"), destinations=("mobile",)),
            rule("mobile", rated("b", PEAK), destinations=("mobile",), weight=1),
            rule("never", rated("c", PEAK), destinations=("mobile",), weight=2, rating_groups=((1, 1),)),
            fallbacks=("q",),
        ),
        plan("q", rule("other", rated("d"))),
    )
    told = tariff.explain("p", CALL, MONDAY_NOON_NS)
    assert told.priced.rule == "mobile"
    assert [(each.rule, each.rank, each.reason) for each in told.considered] == [
        ("mobile", 1, 'chosen: rate "b" in window "peak"'),
        ("light", 2, 'would apply, but rule "mobile" comes first by weight'),
        ("world", 3, 'would apply, but rule "mobile" comes first by called prefix'),
        ("other", 4, 'would apply, but plan "p" comes first'),
        ("never", None, "is not for no rating group"),
    ]


def test_the_winner_is_what_the_line_says() -> None:
    tariff = catalogue(plan("p", rule("peak", rated("b", PEAK)), rule("any")))
    for hours in range(0, 168, 5):
        at_ns = MONDAY_NOON_NS + hours * 3_600_000_000_000
        told = tariff.explain("p", CALL, at_ns)
        line = tariff.line("p", CALL)
        assert line is not None
        assert told.priced == line.at(at_ns)
        assert [each.rule for each in told.considered if "chosen" in each.reason] == [told.priced.rule]


def test_a_closed_rule_and_an_invalid_plan_say_so() -> None:
    tariff = catalogue(
        Plan("p", (PlanVersion((rule("old"),), None, 10**9),), ("q", "r")),
        Plan("q", (PlanVersion((rule("coming"),), 4_000_000_000 * 10**9),)),
        plan("r", rule("closed", rated("b", PEAK))),
    )
    told = tariff.explain("p", CALL, MONDAY_NOON_NS + 12 * 3_600_000_000_000)
    assert told.priced.verdict is Verdict.NO_RULE
    assert [each.reason for each in told.considered] == [
        "not valid since 1970-01-01T00:00:01+00:00",
        "not valid before 2096-10-02T07:06:40+00:00",
        "none of its windows is open",
    ]


def test_every_reason_for_not_matching_is_told() -> None:
    def data(name: str, **conditions: object) -> Rule:
        return rule(name, service="data", **conditions)

    tariff = catalogue(
        plan(
            "p",
            data("unit", unit=Unit.TIME),
            data("group", rating_groups=((1, 2),)),
            data("identifier", service_identifiers=frozenset({1})),
            data("apn", apns=frozenset({"corp"})),
            data("zone", zones=("europe",)),
            data("to", destinations=("mobile",)),
            data("category", categories=frozenset({"gold"})),
        )
    )
    told = tariff.explain("p", Query("data", Unit.OCTETS, 7, 9, "33", "X", "00101", "c"), 0)
    assert [each.reason for each in told.considered] == [
        "rates time, not octets",
        "is not for rating group 7",
        "is not for service identifier 9",
        'is not for APN "x"',
        'network "00101" is in none of its zones',
        'called number "33" begins with no prefix of its destinations',
        'is not for category "c"',
    ]


def test_free_and_denied_are_told_and_long_lists_are_cut() -> None:
    others = [rule(str(n), destinations=("mobile",)) for n in range(explanation.MAX_CONSIDERED + 5)]
    for verdict, word in ((Verdict.FREE, "free"), (Verdict.DENIED, "denied")):
        tariff = catalogue(plan("p", *others, rule("x", Choice(verdict), unit=None)))
        told = tariff.explain("p", CALL._replace(called="33"), 0)
        assert told.considered[0].reason == f"chosen: {word} at any time"
        assert (len(told.considered), told.left_off) == (explanation.MAX_CONSIDERED + 1, 5)
