"""The tariff in force after any changes is the one the records say."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.cgrates.kinds import Kind
from ocs.cgrates.live_tariff import PREDEFINED, LiveTariff
from ocs.charging.cgrates.call import Call
from ocs.charging.cgrates.matching import match_call
from ocs.charging.cgrates.model import Match, Matched
from ocs.charging.cgrates.plan import (
    HOUR_NS,
    Activation,
    Rate,
    RateInterval,
    RatingPlan,
    Settings,
    Slot,
    Timing,
)
from ocs.charging.cgrates.spans import Span, split_call
from ocs.charging.cgrates.timings import DAY_NS, SECOND_NS

MINUTE_NS = 60 * SECOND_NS

NAMES = st.sampled_from(["A", "B", "C"])
PREFIXES = st.lists(st.sampled_from(["4", "49", "491", "33"]), max_size=3).map(tuple)


@given(st.lists(st.tuples(NAMES, st.none() | PREFIXES), max_size=30))
def test_prefixes_follow_their_destinations(changes: list[tuple[str, tuple[str, ...] | None]]) -> None:
    live = LiveTariff()
    held: dict[str, tuple[str, ...]] = {}
    for name, prefixes in changes:
        live.change(Kind.DESTINATION, name, held.pop(name, None), prefixes)
        if prefixes is not None:
            held[name] = prefixes
    expected: dict[str, tuple[str, ...]] = {}
    for prefix in {prefix for prefixes in held.values() for prefix in prefixes}:
        expected[prefix] = tuple(sorted(name for name, prefixes in held.items() if prefix in prefixes))
    assert live.tariff.destinations == expected


def test_a_removed_timing_leaves_the_predefined_one() -> None:
    live = LiveTariff()
    own: Any = Timing("*any", week_days=(1,))
    live.change(Kind.TIMING, "*any", None, own)
    assert live.tariff.timings["*any"] == own
    live.change(Kind.TIMING, "*any", own, None)
    assert live.tariff.timings == PREDEFINED


def test_profiles_are_keyed_by_their_three_parts() -> None:
    live = LiveTariff()
    activations = (Activation(0, "RP"),)
    live.change(Kind.RATING_PROFILE, "t:call:a:b", None, activations)
    assert live.tariff.profiles == {("t", "call", "a:b"): activations}
    live.change(Kind.RATING_PROFILE, "t:call:a:b", activations, None)
    assert live.tariff.profiles == {}


ALWAYS, SUNDAY = Timing("*any"), Timing("sunday", week_days=(0,))
ONE, ANOTHER = Slot(0, 0.1, SECOND_NS, SECOND_NS), Slot(MINUTE_NS, 0.2, SECOND_NS, SECOND_NS)
INTERVALS = st.builds(
    RateInterval,
    st.sampled_from([ALWAYS, SUNDAY, Timing("morning", start_ns=8 * HOUR_NS)]),
    st.sampled_from([10.0, 20.0]),
    st.sampled_from([Rate("R", 0, (ONE,)), Rate("S", 0, (ONE, ANOTHER))]),
)
MONDAY_NS, THURSDAY_NS, NEXT_SUNDAY_NS = 4 * DAY_NS, 7 * DAY_NS, 10 * DAY_NS  # the epoch began on a Thursday


def plan(name: str, **prices: Timing) -> tuple[Kind, str, RatingPlan]:
    """A plan with a price of some hours for each destination."""
    rate = Rate("R", 0, (ONE,))
    intervals = {each: (RateInterval(timing, 10.0, rate),) for each, timing in prices.items()}
    return Kind.RATING_PLAN, name, RatingPlan(name, intervals)


def profile(subject: str, *activations: Activation) -> tuple[Kind, str, tuple[Activation, ...]]:
    """A profile."""
    return Kind.RATING_PROFILE, f"t:call:{subject}", activations


A, B = (Kind.DESTINATION, "A", ("491",)), (Kind.DESTINATION, "B", ("4",))
P, Q, R = plan("P", A=ALWAYS), plan("Q", A=ALWAYS, B=ALWAYS), plan("R", A=ALWAYS)
FALLBACK = profile("f", Activation(0, "Q"), Activation(THURSDAY_NS, "R"))


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ([A, P, profile("s", Activation(THURSDAY_NS, "P")), NEXT_SUNDAY_NS, MONDAY_NS], ["P A", ""]),
        (
            [
                A,
                P,
                Q,
                profile("s", Activation(0, "P"), Activation(THURSDAY_NS, "Q")),
                MONDAY_NS,
                NEXT_SUNDAY_NS,
            ],
            ["P A", "Q A"],
        ),
        (
            [
                A,
                B,
                plan("P", A=SUNDAY, B=ALWAYS),
                profile("s", Activation(0, "P")),
                MONDAY_NS,
                NEXT_SUNDAY_NS,
            ],
            ["P B", "P A"],
        ),
        (
            [
                A,
                plan("P"),
                Q,
                R,
                profile("s", Activation(0, "P", ("f",))),
                FALLBACK,
                MONDAY_NS,
                NEXT_SUNDAY_NS,
            ],
            ["Q A", "R A"],
        ),
        (
            [A, B, Q, profile("s", Activation(0, "Q")), MONDAY_NS, (Kind.DESTINATION, "A", ()), MONDAY_NS],
            ["Q A", "Q B"],
        ),
        (
            [
                A,
                P,
                Q,
                profile("s", Activation(0, "P")),
                MONDAY_NS,
                profile("s", Activation(0, "Q")),
                MONDAY_NS,
            ],
            ["P A", "Q A"],
        ),
        (
            [A, B, Q, profile("s", Activation(0, "Q")), MONDAY_NS, plan("Q", B=ALWAYS), MONDAY_NS],
            ["Q A", "Q B"],
        ),
    ],
    ids=["not yet", "two plans", "hours", "fallback", "destination", "profile", "plan"],
)
def test_what_is_remembered_of_a_tariff_is_what_it_says(steps: list[Any], found: list[str]) -> None:
    live, held, told = LiveTariff(), dict[tuple[Kind, str], Any](), []
    for step in steps:
        if isinstance(step, tuple):
            kind, key, record = step
            live.change(kind, key, held.get((kind, key)), record)
            held[kind, key] = record
            continue
        call = Call(
            tenant="t", category="call", destination="491", subject="s", start_ns=step, end_ns=step + 1
        )
        matches = [match_call(live.tariff, call, Settings()) for _ in range(2)]
        assert matches[0] == matches[1]
        match = matches[0].match if isinstance(matches[0], Matched) else None
        told.append("" if match is None else f"{match.plan_id} {match.destination_id}")
    assert told == found


CALLS = st.builds(
    lambda start, length: Call(
        tenant="t", category="call", destination="491", subject="s", start_ns=start, end_ns=start + length
    ),
    st.integers(0, 12 * 4).map(lambda quarters: quarters * 6 * HOUR_NS),
    st.sampled_from([MINUTE_NS, 2 * MINUTE_NS, 26 * HOUR_NS]),
)


@given(INTERVALS, CALLS, st.sampled_from(["*voice", "*data"]), st.integers(0, 3 * MINUTE_NS))
def test_call_that_nothing_cuts_is_what_cutting_leaves_of_it(
    interval: RateInterval, call: Call, kind: str, index_ns: int
) -> None:
    call = msgspec.structs.replace(call, kind=kind, index_ns=index_ns)
    twin = msgspec.structs.replace(
        interval
    )  # a second one that is no better changes nothing but the way it goes
    match = Match("A", "49", "P", "s")
    spans, _ = split_call(call, Matched(match, (interval,)))
    others, _ = split_call(call, Matched(match, (interval, twin)))
    assert list(map(shown, spans)) == list(map(shown, others))


def shown(span: Span) -> tuple[int, int, int, RateInterval | None]:
    """A span as it can be compared."""
    return span.start_ns, span.end_ns, span.index_ns, span.interval
