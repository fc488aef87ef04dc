"""Thresholds: when they fire, and when they sleep or are done."""

from ocs.charging.profiles.filters import FilterBook
from ocs.charging.profiles.model import ThresholdProfile
from ocs.charging.profiles.shelf import Shelf
from ocs.charging.profiles.thresholds import Fired, Hits, ThresholdBook
from ocs.charging.profiles.view import View

SECOND_NS = 10**9


def threshold(name: str = "T", **more: object) -> ThresholdProfile:
    given = {"max_hits": -1, "action_ids": ("ACT",)}
    return ThresholdProfile(tenant="t", id=name, **{**given, **more})  # type: ignore[arg-type]


def fires(profile: ThresholdProfile, seconds: list[int]) -> list[int]:
    """The seconds of hits at which the threshold fired."""
    book = ThresholdBook(Shelf(FilterBook(), [profile]))
    return [
        second for second in seconds if book.process(View({}, tenant="t", now_ns=second * SECOND_NS)).fired
    ]


def test_it_fires_from_the_least_to_the_most_hits() -> None:
    assert fires(threshold(), [1, 2, 3]) == [1, 2, 3]
    assert fires(threshold(min_hits=2), [1, 2, 3]) == [2, 3]
    assert fires(threshold(min_hits=2, max_hits=3), [1, 2, 3, 4, 5]) == [2, 3]
    assert fires(threshold(max_hits=1), [1, 2]) == [1]
    assert fires(threshold(max_hits=0), [1, 2]) == []


def test_it_sleeps_after_it_fired_and_counts_on() -> None:
    assert fires(threshold(min_sleep_ns=10 * SECOND_NS), [1, 5, 10, 11, 12, 30]) == [1, 11, 30]


def test_what_it_wants_done_is_data() -> None:
    profile = threshold(action_ids=("*none", "ACT_WARN"), exporter_ids=("*none",), is_async=True)
    book = ThresholdBook(Shelf(FilterBook(), [profile]))
    processed = book.process(View({}, tenant="t", now_ns=1))
    assert processed.fired == (Fired("T", ("ACT_WARN",), (), True),)
    assert processed.changes == (Hits("t", "T", 1, 1),)


def test_one_that_is_done_matches_no_more_until_it_is_reset() -> None:
    book = ThresholdBook(Shelf(FilterBook(), [threshold(max_hits=1)]))
    view = View({}, tenant="t", now_ns=1)
    assert book.process(view).threshold_ids == ("T",)
    assert book.process(view).threshold_ids == ()
    book.reset("t", "T")
    assert book.process(view).threshold_ids == ("T",)


def test_a_blocker_ends_the_search_and_ids_narrow_it() -> None:
    profiles = [threshold("A", weight=20, is_blocker=True), threshold("B", weight=10)]
    book = ThresholdBook(Shelf(FilterBook(), profiles))
    view = View({}, tenant="t", now_ns=1)
    assert book.process(view).threshold_ids == ("A",)
    assert book.process(view, ["B"]).threshold_ids == ("B",)


def test_states_that_were_kept_count_on() -> None:
    shelf = Shelf(FilterBook(), [threshold(min_hits=3)])
    first = ThresholdBook(shelf)
    view = View({}, tenant="t", now_ns=1)
    for _ in range(2):
        changes = first.process(view).changes
    second = ThresholdBook(shelf)
    second.restore(changes[0])
    assert second.process(view).fired
    assert second.get("t", "T") == Hits("t", "T", 3, 1)
    assert second.get("t", "NO") is None
