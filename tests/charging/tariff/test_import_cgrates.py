"""What rows of a CGRateS folder become, and what is said of rows that cannot."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ocs.charging.events import Unit
from ocs.charging.money import NANOS
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.findings import Severity
from ocs.charging.tariff.import_cgrates.cells import Exact, price
from ocs.charging.tariff.import_cgrates.folder import ImportOptions, read_cgrates
from ocs.charging.tariff.model import Query, Tariff, Verdict
from ocs.charging.tariff.quantities import moment_ns
from ocs.charging.what_if import what_if

S = NANOS
MONDAY_NS = moment_ns("2026-06-01T00:00:00Z", ZoneInfo("UTC"))
HOUR_NS = 3600 * S
FILES = {
    "Timings.csv": "PEAK,*any,*any,*any,1;2;3;4;5,08:00:00\nOFF,*any,*any,*any,*any,18:00:00\n",
    "Destinations.csv": "DE,49\nMOB,4915\nMOB,+4916\n",
    "Rates.csv": "R_DE,0.05,0.12,60s,30s,0s\nR_DE,0.05,0.06,60s,1s,60s\n"
    "R_MOB,0,0.3,60s,1s,0s\nR_ANY,0,1,60s,60s,0s\n",
    "DestinationRates.csv": "DR_A,DE,R_DE,*up,4,0,\nDR_A,MOB,R_MOB,*up,4,0,\nDR_B,*any,R_ANY,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR_A,*any,10\nRP,DR_B,*any,10\n",
    "RatingProfiles.csv": "t,call,*any,2026-01-01T00:00:00Z,RP,\n",
}


def read(**files: str) -> tuple[Tariff | None, list[str]]:
    """The tariff of the files above with some others, and the findings as text."""
    texts = FILES | {f"{name}.csv": text for name, text in files.items()}
    tariff, findings = read_cgrates(texts.items(), ImportOptions())
    return tariff, [str(finding) for finding in findings]


def cost(called: str, usage: int, at_ns: int = MONDAY_NS, plan: str = "t:*any", **files: str) -> int | str:
    """Nanos of a call, or why there is no price."""
    tariff, findings = read(**files)
    assert tariff is not None, findings
    found = what_if(Catalogue(tariff), plan, Query("voice", Unit.TIME, called=called), usage, at_ns)
    return found.cost_nanos if found.result == "RATED" else found.result


@pytest.mark.parametrize(
    ("called", "usage_s", "expected"),
    [
        ("491701234", 1, "0.11"),  # fee 0.05 and one increment of 30 s
        ("491701234", 95, "0.205"),  # 0.05 + 0.12 + 35 x 0.001
        ("4915112345", 10, "0.05"),
        ("4916112345", 10, "0.05"),
        ("33123", 61, "2"),
        ("", 1, "1"),
    ],
)
def test_the_longest_prefix_prices_a_call_with_its_fee_and_slots(
    called: str, usage_s: int, expected: str
) -> None:
    assert cost(called, usage_s * S) == round(float(expected) * NANOS)


def test_an_interval_holds_until_another_takes_over() -> None:
    plans = "RP,DR_A,PEAK,10\nRP,DR_C,OFF,10\n"
    rates = FILES["DestinationRates.csv"] + "DR_C,DE,R_ANY,*up,4,0,\n"
    prices = [
        cost("491701234", 60 * S, MONDAY_NS + hour * HOUR_NS, RatingPlans=plans, DestinationRates=rates)
        for hour in (7, 8, 17, 18, 23)
    ]
    peak, off = 170_000_000, NANOS
    assert prices == ["NO_RULE", peak, peak, off, off]


def test_the_heavier_interval_wins_though_another_began_later() -> None:
    plans = "RP,DR_A,OFF,10\nRP,DR_C,PEAK,20\n"
    rates = FILES["DestinationRates.csv"] + "DR_C,DE,R_ANY,*up,4,0,\n"
    assert cost("491701234", S, MONDAY_NS + 20 * HOUR_NS, RatingPlans=plans, DestinationRates=rates) == NANOS


def test_of_two_destinations_with_one_prefix_the_heavier_wins() -> None:
    destinations = FILES["Destinations.csv"] + "DE2,49\n"
    rates = FILES["DestinationRates.csv"] + "DR_C,DE2,R_ANY,*up,4,0,\n"
    for weight, expected in (("10", 110_000_000), ("11", NANOS), ("10.5", NANOS)):
        plans = FILES["RatingPlans.csv"] + f"RP,DR_C,*any,{weight}\n"
        found = cost("49170", S, Destinations=destinations, DestinationRates=rates, RatingPlans=plans)
        assert (weight, found) == (weight, expected)


def test_the_profile_of_everybody_holds_until_the_first_activation() -> None:
    plans = FILES["RatingPlans.csv"] + "RP2,DR_B,*any,10\n"
    profiles = FILES["RatingProfiles.csv"] + "t,call,1001,2026-06-01T12:00:00Z,RP2,\n"
    files: Any = {"RatingPlans": plans, "RatingProfiles": profiles, "plan": "t:1001"}
    noon_ns = MONDAY_NS + 12 * HOUR_NS
    assert cost("4917", S, noon_ns - S, **files) == 110_000_000
    assert cost("4917", S, noon_ns, **files) == NANOS
    assert cost("4917", S, MONDAY_NS - 200 * 24 * HOUR_NS, **files) == "NO_RULE"


def test_a_call_is_split_at_an_activation() -> None:
    profiles = FILES["RatingProfiles.csv"] + "t,call,*any,2026-06-01T12:00:00Z,RP2,\n"
    plans = FILES["RatingPlans.csv"] + "RP2,DR_B,*any,10\n"
    noon_ns = MONDAY_NS + 12 * HOUR_NS
    found = cost("33", 120 * S, noon_ns - 60 * S, RatingProfiles=profiles, RatingPlans=plans)
    assert found == 2 * NANOS


def test_fallback_subjects_are_asked_two_deep() -> None:
    plans = FILES["RatingPlans.csv"] + "RP_NONE,DR_N,*any,10\n"
    rates = FILES["DestinationRates.csv"] + "DR_N,N,R_MOB,*up,4,0,\n"
    destinations = FILES["Destinations.csv"] + "N,000999\n"
    chain = "".join(f"t,call,f{n},2026-01-01T00:00:00Z,RP_NONE,f{n + 1}\n" for n in range(3))
    profiles = f"{chain}t,call,f3,2026-01-01T00:00:00Z,RP,\n"
    files: Any = {"RatingPlans": plans, "DestinationRates": rates, "Destinations": destinations}
    asked = [cost("4917", S, plan=f"t:f{n}", RatingProfiles=profiles, **files) for n in range(3)]
    assert asked == ["NO_RULE", 110_000_000, 110_000_000]


@pytest.mark.parametrize(
    ("row", "usage_s", "expected"),
    [
        ("*up,2,0,", 61, 180_000_000),  # 0.171
        ("*down,2,0,", 61, 170_000_000),
        ("*middle,2,0,", 65, 180_000_000),  # 0.175
        ("*up,0,0,", 61, 171_000_000),
        (",2,0,", 61, 171_000_000),
        ("*up,4,0.15,*free", 600, 150_000_000),
        ("*up,4,0.15,*disconnect", 60, 170_000_000),
        ("*up,4,0.15,", 60, 170_000_000),
    ],
)
def test_rounding_and_maximum_cost(row: str, usage_s: int, expected: int) -> None:
    assert (
        cost("4917", usage_s * S, DestinationRates=f"DR_A,DE,R_DE,{row}\nDR_B,*any,R_ANY,*up,4,0,\n")
        == expected
    )


def test_a_disconnecting_cap_limits_what_is_granted() -> None:
    tariff, _ = read(DestinationRates="DR_A,DE,R_DE,*up,4,0.15,*disconnect\nDR_B,*any,R_ANY,*up,4,0,\n")
    assert tariff is not None
    [rate] = [rate for name, rate in tariff.rates.items() if name.startswith("R_DE")]
    assert (rate.cap_nanos, rate.cap_strategy.name) == (150_000_000, "DISCONNECT")


def test_one_plan_has_all_categories_of_a_subject() -> None:
    profiles = "".join(
        f"t,{name},*any,2026-01-01T00:00:00Z,RP,\n" for name in ("call", "sms", "data", "other")
    )
    tariff, _ = read(RatingProfiles=profiles)
    assert tariff is not None
    services = {plan.name: {rule.service for rule in plan.versions[0].rules} for plan in tariff.plans}
    assert services == {
        "t:*any": {"voice", "sms", "data"},
        "t:call:*any": {"voice"},
        "t:sms:*any": {"sms"},
        "t:data:*any": {"data"},
        "t:other:*any": {"voice", "sms", "data", "mms", "generic"},
    }
    found = what_if(Catalogue(tariff), "t:*any", Query("sms", Unit.EVENTS, called="4915"), 3, MONDAY_NS)
    assert (found.result, found.pieces[0].destination) == (Verdict.RATED.name, "MOB")


def test_plans_of_equal_rating_plans_share_their_rules() -> None:
    profiles = "".join(f"t,call,{subject},2026-01-01T00:00:00Z,RP,\n" for subject in range(3))
    tariff, _ = read(RatingProfiles=profiles)
    assert tariff is not None
    assert len({id(version.rules) for plan in tariff.plans for version in plan.versions}) == 1


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "Timings",
            "T,*any,13,*any,*any,08:00:00\n",
            'Timings.csv:1:3: Months: "13" has numbers that are not 1 to 12',
        ),
        (
            "Timings",
            "T,*any,*any,*any,*any,25:00:00\n",
            "Timings.csv:1:6: Time: not a time of day: '25:00:00'",
        ),
        ("Rates", "R_DE,0,-1,60s,1s,0s\n", 'Rates.csv:1:3: Rate: "-1" is negative; a price is 0 or more'),
        ("Rates", "#c\n\nR_DE,0,x,60s,1s,0s\n", 'Rates.csv:3:3: Rate: "x" is not a price'),
        ("Rates", "R_DE,0,1,60s,1q,0s\n", "Rates.csv:1:5: RateIncrement: not a duration: '1q'"),
        ("Rates", "R_DE,0,1,60s\n", "Rates.csv:1:1: 4 columns, 6 expected"),
        ("DestinationRates", "DR,DEE,R_DE,*up,4,0,\n", 'there is no destination "DEE" - did you mean "DE"?'),
        (
            "DestinationRates",
            "DR,DE,R_DD,*up,4,0,\n",
            'DestinationRates.csv:1:3: RatesTag: there is no rate "R_DD"',
        ),
        (
            "DestinationRates",
            "DR,DE,R_DE,*up,14,0,\n",
            'DestinationRates.csv:1:5: RoundingDecimals: "14" is not',
        ),
        (
            "RatingPlans",
            "RP,DR_X,*any,10\n",
            'RatingPlans.csv:1:2: DestratesTag: there is no destination rate "DR_X"',
        ),
        ("RatingPlans", "RP,DR_A,NEVER,10\n", 'RatingPlans.csv:1:3: TimingTag: there is no timing "NEVER"'),
        (
            "RatingProfiles",
            "t,call,*any,,RQ,\n",
            'RatingProfiles.csv:1:5: RatingPlanTag: there is no rating plan "RQ"',
        ),
        (
            "RatingProfiles",
            "t,call,*any,today,RP,\n",
            "RatingProfiles.csv:1:4: ActivationTime: not a point in time",
        ),
        ("Destinations", "DE,!49\n", 'Destinations.csv:1:2: Prefix: "!49" is not the beginning of a number'),
    ],
)
def test_an_error_has_its_file_line_and_column(name: str, text: str, expected: str) -> None:
    tariff, findings = read(**{name: text})
    assert tariff is None
    assert any(expected in finding for finding in findings), findings


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "Rates",
            "X,0.0000000001,1,1s,1s,0s\n",
            "Rates.csv:5:2: not carried over: ConnectFee: has more than 9 decimals",
        ),
        (
            "RatingProfiles",
            "t,call,*any,2027-01-01T00:00:00Z,RP,a\n",
            "not carried over: FallbackSubjects: differ",
        ),
        (
            "Destinations",
            "DE,0033\n",
            "Destinations.csv:4:2: not carried over: Prefix: a called number comes without 00",
        ),
        ("Actions", "A,*topup" + "," * 15 + "\n", 'Actions.csv:1:1: warning: Tag: the set of actions "A"'),
        ("Rates", "X,0,1,1s,1s,0s\n", 'Rates.csv:5:1: warning: Tag: the rate "X" is never used'),
        ("Destinations", "X,1\n", 'Destinations.csv:4:1: warning: Tag: the destination "X" is never used'),
        ("DestinationRates", "DR_C,DE,R_DE,*up,4,0,\n", 'the destination rate "DR_C" is never used'),
        ("RatingPlans", "RQ,DR_A,*any,10\n", 'the rating plan "RQ" is never used'),
        (
            "RatingProfiles",
            "t,call,1,2026-01-01T00:00:00Z,RP,2\n",
            'there is no profile of "2" to fall back to',
        ),
        (
            "Rates",
            "R_MOB,0,1,60s,1s,0s\n",
            "warning: GroupIntervalStart: another row of this tag begins here",
        ),
        (
            "Rates",
            "X,0,1,60s,1s,90s\n",
            "warning: GroupIntervalStart: no row of this tag begins at 0; the first 1m30s cost nothing",
        ),
        (
            "Rates",
            "R_MOB,7,1,60s,1s,60s\n",
            "warning: ConnectFee: only the fee in the first row of a tag counts",
        ),
    ],
)
def test_what_is_lost_or_suspicious_is_said_at_its_place(name: str, text: str, expected: str) -> None:
    tariff, findings = read(**{name: FILES.get(f"{name}.csv", "") + text})
    assert tariff is not None, findings
    assert any(expected in finding for finding in findings), findings


def test_a_category_may_stand_for_other_services() -> None:
    options = ImportOptions(services={"call": ("voice", "data")})
    profiles = FILES["RatingProfiles.csv"] + "t,data,*any,2026-01-01T00:00:00Z,RP,\n"
    tariff, findings = read_cgrates((FILES | {"RatingProfiles.csv": profiles}).items(), options)
    assert tariff is not None
    assert [plan.name for plan in tariff.plans] == ["t:call:*any", "t:data:*any"]
    lost = [finding for finding in findings if finding.severity is Severity.NOT_CARRIED_OVER]
    assert 'no plan "t:*any": several categories' in str(lost[0])


def test_timings_are_on_the_clock_of_the_zone_given() -> None:
    plans = "RP,DR_A,PEAK,10\n"
    texts = FILES | {"RatingPlans.csv": plans}
    tariff, _ = read_cgrates(texts.items(), ImportOptions(time_zone="Europe/Berlin"))
    assert tariff is not None
    line = Catalogue(tariff).line("t:*any", Query("voice", Unit.TIME, called="49"))
    assert line is not None
    assert [line.at(MONDAY_NS + hour * HOUR_NS).verdict for hour in (5, 6)] == [
        Verdict.NO_RULE,
        Verdict.RATED,
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1", Exact(100_000_000, 1)),
        ("", Exact(0, 1)),
        ("1e-3", Exact(1_000_000, 1)),
        ("0.00000000005", Exact(1, 20)),
        ("12", Exact(12 * NANOS, 1)),
    ],
)
def test_a_price_keeps_every_digit(text: str, expected: Exact) -> None:
    assert price(text) == expected


@pytest.mark.parametrize("text", ["nan", "inf", "1e99", "-0.1", "1,5", "0x1", "1e30"])
def test_what_is_no_price_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"price|negative"):
        price(text)


def test_nothing_at_all_is_an_error() -> None:
    tariff, findings = read_cgrates([], ImportOptions())
    assert tariff is None
    assert "RatingProfiles.csv:1:1: is missing or empty" in str(findings[0])


def test_progress_is_told_from_nothing_to_everything() -> None:
    told: list[tuple[str, int, int]] = []
    read_cgrates(FILES.items(), ImportOptions(), lambda *step: told.append(step))
    assert told[0] == ("reading Timings.csv", 0, sum(map(len, FILES.values())))
    assert told[-1][1] == told[-1][2]
