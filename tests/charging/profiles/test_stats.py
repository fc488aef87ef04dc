"""Statistics: every metric over windows by number and by time, exact; memory that does not grow."""

from collections import deque
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.profiles.filters import FilterBook
from ocs.charging.profiles.metrics import Extreme, kind_of, rounded
from ocs.charging.profiles.model import Metric, StatProfile
from ocs.charging.profiles.shelf import Shelf
from ocs.charging.profiles.stats import Change, Item, StatBook
from ocs.charging.profiles.values import Event
from ocs.charging.profiles.view import View

SECOND_NS = 10**9
ALL = (
    *("*asr", "*acd", "*tcd", "*acc", "*tcc", "*pdd", "*ddc"),
    *("*sum#~*req.Cost", "*average#~*req.Cost", "*highest#~*req.Cost"),
)
ANSWERED: Event = {
    "AnswerTime": "2026-11-22T10:00:00Z",
    "Usage": "1m30s",
    "Cost": Decimal("0.1"),
    "PDD": "2s",
    "Destination": "49301",
}
FAILED: Event = {"Usage": 0, "Destination": "49302"}


def queue(*metrics: str, **more: object) -> StatProfile:
    return StatProfile(
        tenant="t",
        id="Q",
        metrics=tuple(Metric(id=name) for name in metrics),
        **more,  # type: ignore[arg-type]
    )


def book(*profiles: StatProfile) -> StatBook:
    filters = FilterBook()
    return StatBook(Shelf(filters, profiles), filters)


def fed(profile: StatProfile, *events: Event, second: int = 0) -> StatBook:
    found = book(profile)
    for number, event in enumerate(events):
        found.process(View(event, tenant="t", now_ns=second * SECOND_NS + 1), f"e{number}")
    return found


def texts(found: StatBook, second: int = 0) -> dict[str, str]:
    own = found.queue("t", "Q")
    assert own is not None
    return own.texts(second * SECOND_NS + 1)


def test_metrics_of_two_calls() -> None:
    found = fed(queue(*ALL), ANSWERED, FAILED, {**ANSWERED, "Cost": Decimal("0.25"), "Usage": "30s"})
    assert texts(found) == {
        "*asr": "66.66667%",
        "*acd": "40s",
        "*tcd": "2m0s",
        "*acc": "0.175",
        "*tcc": "0.35",
        "*pdd": "2s",
        "*ddc": "2",
        "*sum#~*req.Cost": "0.35",
        "*average#~*req.Cost": "0.175",
        "*highest#~*req.Cost": "0.25",
    }
    assert found.numbers("t", "Q", 1)["*tcd"] == 120 * SECOND_NS
    assert found.numbers("t", "Q", 1)["*asr"] == Decimal("66.66667")


def test_too_few_events_tell_nothing() -> None:
    found = fed(queue("*asr", "*tcc", min_items=2), ANSWERED, FAILED)
    assert texts(found) == {"*asr": "50%", "*tcc": "N/A"}
    assert found.numbers("t", "Q", 1) == {"*asr": 50, "*tcc": -1}
    assert texts(fed(queue("*acd"))) == {"*acd": "N/A"}


def test_a_queue_keeps_as_many_as_it_may_for_as_long_as_it_may() -> None:
    events = [{"Cost": cost} for cost in (1, 5, 2, 3)]
    by_length = fed(queue("*tcc", "*highest#~*req.Cost", "*lowest#~*req.Cost", queue_length=2), *events)
    assert list(texts(by_length).values()) == ["5", "3", "2"]
    by_time = fed(queue("*tcc", ttl_ns=10 * SECOND_NS), {"Cost": 1})
    by_time.process(View({"Cost": 2}, tenant="t", now_ns=5 * SECOND_NS), "e")
    assert texts(by_time, 5) == {"*tcc": "3"}
    assert texts(by_time, 10) == {"*tcc": "2"}
    assert texts(by_time, 15) == {"*tcc": "N/A"}


def test_a_queue_without_limits_keeps_no_events() -> None:
    found = fed(queue("*tcc", "*acd"), *[ANSWERED] * 1000)
    own = found.queue("t", "Q")
    assert own is not None
    assert len(own.items) == 0
    assert texts(found) == {"*tcc": "100", "*acd": "1m30s"}


def test_filters_of_a_metric_and_blockers_choose() -> None:
    filtered = StatProfile(
        tenant="t", id="Q", metrics=(Metric(id="*tcc", filter_ids=("*gt:~*req.Cost:1",)), Metric(id="*ddc"))
    )
    assert texts(fed(filtered, {"Cost": 1, "Destination": "1"}, {"Cost": 2})) == {"*tcc": "2", "*ddc": "1"}
    blocker = StatProfile(tenant="t", id="B", weight=10, is_blocker=True)
    found = book(blocker, queue("*tcc"))
    assert found.process(View({}, tenant="t"), "e").queue_ids == ("B",)


def test_items_that_were_kept_bring_a_queue_back() -> None:
    profile = queue("*tcc", "*ddc", queue_length=3, is_stored=True)
    found = book(profile)
    kept: dict[int, Item] = {}
    for number in range(7):
        event = {"Cost": number, "Destination": str(number % 2)}
        for change in found.process(View(event, tenant="t"), f"e{number}").changes:
            kept.pop(change.sequence, None)
            if change.item is not None:
                kept[change.sequence] = change.item
    assert len(kept) == 3
    again = book(profile)
    again.restore("t", "Q", kept.values())
    assert texts(again) == texts(found) == {"*tcc": "15", "*ddc": "2"}
    again.process(View({"Cost": 10}, tenant="t"), "e")
    assert texts(again)["*tcc"] == "21"


def test_changes_go_through_the_journal_s_encoding() -> None:
    for profile in (queue("*tcc", "*ddc", queue_length=3, is_stored=True), queue("*tcc", is_stored=True)):
        event = {"Cost": Decimal("0.25"), "Destination": "49"}
        [change] = book(profile).process(View(event, tenant="t"), "e").changes
        packed = msgspec.msgpack.encode(change)
        assert msgspec.msgpack.decode(packed, type=Change) == change


def test_totals_that_were_kept_bring_an_endless_queue_back() -> None:
    profile = queue("*tcc", "*ddc", "*lowest#~*req.Cost", is_stored=True)
    found = book(profile)
    for number in range(5):
        event = {"Cost": 5 - number, "Destination": str(number % 2)}
        [change] = found.process(View(event, tenant="t"), f"e{number}").changes
    assert change.totals is not None
    again = book(profile)
    again.restore_totals("t", "Q", change.totals)
    assert texts(again) == texts(found) == {"*tcc": "15", "*ddc": "2", "*lowest#~*req.Cost": "1"}


def test_what_expires_while_somebody_looks_is_told_with_the_next_event() -> None:
    found = book(queue("*tcc", ttl_ns=SECOND_NS, is_stored=True))
    found.process(View({"Cost": 1}, tenant="t", now_ns=1), "e")
    assert texts(found, 5) == {"*tcc": "N/A"}
    changes = found.process(View({"Cost": 1}, tenant="t", now_ns=6 * SECOND_NS), "e").changes
    assert [(change.sequence, change.item is None) for change in changes] == [(1, True), (2, False)]


def test_replies_are_counted_by_their_state() -> None:
    events = [{"ReplyState": state} for state in ("OK", "OK", "ERR_X", "ERR_Y")]
    assert list(texts(fed(queue("*repsc", "*repfc", "*repfc#ERR_X"), *events)).values()) == ["2", "2", "1"]


@pytest.mark.parametrize("name", ["*strange", "*sum", "asr", "*sum#~*req.X{*nothing}"])
def test_an_unknown_metric_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"metric|converter"):
        kind_of(name)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40), st.integers(1, 5), st.sampled_from([1, -1]))
def test_extremes_are_those_of_the_window(values: list[int], width: int, sign: int) -> None:
    extreme, window = Extreme(sign), deque[int]()
    for value in values:
        if len(window) == width:
            extreme.remove(window.popleft())
        extreme.add(value)
        window.append(value)
        assert extreme.value(len(window)) == (max(window) if sign == 1 else min(window))


@given(st.lists(st.decimals(min_value=0, max_value=1000, places=9), min_size=1, max_size=50))
def test_a_sum_gives_back_exactly_what_it_took(costs: list[Decimal]) -> None:
    found = fed(queue("*tcc", queue_length=1), *[{"Cost": cost} for cost in costs])
    assert found.numbers("t", "Q", 1)["*tcc"] == rounded(costs[-1])


def test_a_small_cost_beside_a_huge_one_is_not_lost() -> None:
    small, huge = Decimal("0.000000001"), Decimal(10) ** 40
    found = fed(queue("*tcc", queue_length=2), {"Cost": huge}, {"Cost": small}, {"Cost": small})
    kept = found.queue("t", "Q")
    assert kept is not None
    assert [item.values for item in kept.items] == [("1E-9",), ("1E-9",)]
    assert found.numbers("t", "Q", 1)["*tcc"] == 0, "told with five decimals"
