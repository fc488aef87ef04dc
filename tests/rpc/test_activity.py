"""What the live page counts: every answer, quantiles, rings that forget the oldest, masked numbers."""

import time

import msgspec

from ocs.charging.events import (
    ChargingAnswer,
    ChargingContext,
    ChargingEvent,
    EventKind,
    Grant,
    Identity,
    IdentityKind,
    Result,
    Unit,
    UsageReport,
)
from ocs.rpc.activity import KEPT_ANSWERS, KEPT_REJECTIONS, KEPT_SECONDS, SHOWN_PER_SECOND, Activity

EVENT = ChargingEvent(
    EventKind.UPDATE,
    "smf",
    "smf;1",
    1,
    "data",
    (Identity(IdentityKind.E164, "15550100001"),),
    (UsageReport(10),),
    ChargingContext(called="4930123"),
)
GRANTED = ChargingAnswer(Result.SUCCESS, (Grant(10, (), Result.SUCCESS, Unit.OCTETS, 1),))
EMPTY = ChargingAnswer(
    Result.SUCCESS, (Grant(10, (), Result.SUCCESS, Unit.OCTETS, 1), Grant(20, (), Result.NO_CREDIT))
)
FAILED = ChargingAnswer(Result.RATING_FAILED, failed="rating_group", message="no rule")


def test_second_has_counts_and_quantiles() -> None:
    activity = Activity()
    for took_ns in range(1, 201):
        activity.answered(EVENT, GRANTED, took_ns)
    activity.answered(EVENT, FAILED, 1_000)
    second = activity.tick(7)
    assert (second.at_ns, second.requests, second.p50_ns, second.p99_ns, second.rejected) == (
        7,
        201,
        101,
        199,
        1,
    )
    assert activity.results == {"SUCCESS": 200, "RATING_FAILED": 1}
    empty = activity.tick(8)
    assert (empty.requests, empty.p50_ns, empty.p99_ns) == (0, 0, 0)


def test_rating_group_that_gets_nothing_is_a_rejection() -> None:
    activity = Activity()
    activity.answered(EVENT, EMPTY, 5)
    activity.answered(EVENT, FAILED, 6)
    activity.collect(9)
    first, second = activity.rejections
    assert (first.result, first.rating_group, first.number) == ("NO_CREDIT", 20, 1)
    assert (second.result, second.failed, second.message) == ("RATING_FAILED", "rating_group", "no rule")
    assert (second.subscriber, second.called, second.rating_group) == ("15550100001", "4930123", 10)
    assert activity.results == {"NO_CREDIT": 1, "RATING_FAILED": 1}


def test_numbers_are_masked_where_asked() -> None:
    activity = Activity(mask=lambda text: "*" * len(str(text)))
    activity.answered(msgspec.structs.replace(EVENT, context=None), FAILED, 5)
    activity.collect(0)
    assert (activity.rejections[0].subscriber, activity.rejections[0].called) == ("*" * 11, "")


def test_rings_are_bounded_and_counts_are_not() -> None:
    activity = Activity()
    for second in range(KEPT_SECONDS + 10):
        for _ in range(50):
            activity.answered(EVENT, GRANTED, 1)
            activity.answered(EVENT, FAILED, 1)
        activity.tick(second)
    assert len(activity.seconds) == KEPT_SECONDS
    assert (len(activity.answers), len(activity.rejections)) == (KEPT_ANSWERS, KEPT_REJECTIONS)
    assert activity.results["SUCCESS"] == 50 * (KEPT_SECONDS + 10)
    assert SHOWN_PER_SECOND < 50


def test_noting_an_answer_costs_less_than_a_microsecond() -> None:
    activity, best_ns = Activity(), 1 << 62
    for _ in range(20):
        began_ns = time.thread_time_ns()
        for _ in range(2_000):
            activity.answered(EVENT, GRANTED, 1)
        best_ns = min(best_ns, (time.thread_time_ns() - began_ns) // 2_000)
    assert best_ns < 1_000
    activity.collect(0)
    assert activity.results["SUCCESS"] == 40_000
