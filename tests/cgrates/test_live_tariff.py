"""The tariff in force after any changes is the one the records say."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ocs.cgrates.kinds import Kind
from ocs.cgrates.live_tariff import PREDEFINED, LiveTariff
from ocs.charging.cgrates.plan import Activation, Timing

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
