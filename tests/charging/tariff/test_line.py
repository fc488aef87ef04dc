"""Claims about what a line says over time."""

from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.events import Unit
from ocs.charging.tariff.line import LOOKAHEAD_NS, MAX_SPLITS, Line
from ocs.charging.tariff.model import Choice, Query, Rule, Verdict
from tests.charging.tariff.rules import (
    HOUR_NS,
    MONDAY_NOON_NS,
    NIGHT,
    PEAK,
    catalogue,
    plan,
    rated,
    rule,
)

SIX_PM_NS = MONDAY_NOON_NS + 6 * HOUR_NS
TEN_PM_NS = SIX_PM_NS + 4 * HOUR_NS


def line(*rules: Rule) -> Line:
    found = catalogue(plan("p", *rules)).line("p", Query("voice", Unit.TIME, called="4915"))
    assert found is not None
    return found


def test_the_open_window_decides_and_says_until_when() -> None:
    peak = line(rule("r", rated("b", PEAK), rated("a")))
    noon, evening = peak.at(MONDAY_NOON_NS), peak.at(SIX_PM_NS)
    assert (noon.rate_id, noon.window, noon.until_ns) == ("b", "peak", SIX_PM_NS)
    assert (evening.rate_id, evening.window, evening.until_ns) == ("a", "", SIX_PM_NS + 14 * HOUR_NS)


def test_an_answer_is_computed_once_until_it_changes() -> None:
    peak = line(rule("r", rated("b", PEAK), rated("a")))
    assert peak.at(MONDAY_NOON_NS) is peak.at(SIX_PM_NS - 1)
    assert peak.at(SIX_PM_NS - 1) is not peak.at(SIX_PM_NS)


def test_a_price_without_windows_holds_for_ever() -> None:
    assert line(rule("r")).at(MONDAY_NOON_NS).until_ns is None
    assert line(rule("r")).split(MONDAY_NOON_NS, 10**30)[0][1] == 10**30


def test_windows_behind_the_one_that_is_open_do_not_end_it() -> None:
    both = line(rule("r", rated("b", NIGHT), rated("a"), rated("c", PEAK)))
    assert both.at(MONDAY_NOON_NS).until_ns == TEN_PM_NS


def test_a_rule_none_of_whose_windows_is_open_leaves_the_next_one_its_turn() -> None:
    two = line(rule("mobile", rated("b", PEAK), destinations=("mobile",)), rule("any", rated("a")))
    assert [two.at(at_ns).rule for at_ns in (MONDAY_NOON_NS, SIX_PM_NS)] == ["mobile", "any"]


def test_where_no_window_is_open_there_is_no_rule_until_one_opens() -> None:
    closed = line(rule("r", rated("b", PEAK))).at(SIX_PM_NS)
    assert (closed.verdict, closed.rate, closed.until_ns) == (
        Verdict.NO_RULE,
        None,
        SIX_PM_NS + 14 * HOUR_NS,
    )


def test_a_change_between_equal_answers_is_no_change() -> None:
    same = line(rule("r", rated("a", PEAK), rated("a", NIGHT)), rule("s", rated("b")))
    assert same.at(MONDAY_NOON_NS).until_ns == SIX_PM_NS
    hidden = line(rule("r", rated("a")), rule("s", rated("b", PEAK)))
    assert hidden.at(MONDAY_NOON_NS).until_ns is None


def test_a_split_follows_the_windows() -> None:
    peak = line(rule("r", rated("b", PEAK), rated("a")))
    pieces = peak.split(MONDAY_NOON_NS + HOUR_NS, 20 * HOUR_NS)
    assert [(priced.rate_id, units // HOUR_NS) for priced, units in pieces] == [("b", 5), ("a", 14), ("b", 1)]


def test_a_split_of_nothing_is_nothing() -> None:
    assert line(rule("r")).split(MONDAY_NOON_NS, 0) == []


def test_a_split_of_a_million_years_ends() -> None:
    peak = line(rule("r", rated("b", PEAK), rated("a")))
    pieces = peak.split(MONDAY_NOON_NS, 10**6 * 365 * 24 * HOUR_NS)
    assert len(pieces) <= MAX_SPLITS
    assert sum(units for _, units in pieces) == 10**6 * 365 * 24 * HOUR_NS


def test_denied_at_some_hours_is_a_verdict_of_those_hours() -> None:
    night = line(rule("r", Choice(Verdict.DENIED, window=NIGHT), rated("a")))
    assert [night.at(at_ns).verdict for at_ns in (MONDAY_NOON_NS, TEN_PM_NS)] == [
        Verdict.RATED,
        Verdict.DENIED,
    ]


@given(st.integers(0, 40 * 365 * 24 * HOUR_NS), st.integers(1, 30 * 24 * HOUR_NS))
def test_pieces_add_up_and_each_is_at_its_own_price(from_ns: int, units: int) -> None:
    varied = line(rule("r", rated("b", PEAK), rated("c", NIGHT), rated("a")))
    pieces = varied.split(from_ns, units)
    assert sum(piece for _, piece in pieces) == units
    at_ns = from_ns
    for priced, piece in pieces:
        for moment_ns in (at_ns, at_ns + piece // 2, at_ns + piece - 1):
            assert varied.at(moment_ns).rate_id == priced.rate_id
        at_ns += piece


@given(st.integers(0, 40 * 365 * 24 * HOUR_NS))
def test_the_answer_differs_right_after_until(at_ns: int) -> None:
    varied = line(rule("r", rated("b", PEAK), rated("c", NIGHT), rated("a")))
    now = varied.at(at_ns)
    assert now.until_ns is not None
    assert now.until_ns - at_ns <= LOOKAHEAD_NS + 24 * HOUR_NS
    assert varied.at(now.until_ns).rate_id != now.rate_id
    assert varied.at(now.until_ns - 1).rate_id == now.rate_id
