"""Claims about sessions: which turn an event is, what is remembered, how reports are joined."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.account import Session, StoredAnswer
from ocs.charging.events import ChargingContext, EventKind, ReportingReason, UsedUnits
from ocs.charging.session import (
    KEPT_ANSWERS,
    KEPT_RANGES,
    Admission,
    admit,
    ends_quota,
    is_seen,
    merged_reports,
    overlay,
    remember,
    see,
    stored_answer,
)
from tests.support.charging import event, rg

I, U, T = EventKind.INITIAL, EventKind.UPDATE, EventKind.TERMINATION  # noqa: E741
ANSWERS = (StoredAnswer(U, "x", b"1"), StoredAnswer(T, 9, b"2"))
OPEN = Session("k", "c", "s", "data", "p", 0, 0, 0, 7, answers=ANSWERS, seen=((1, 3), (5, 5)))
CLOSED = Session("k", "c", "s", "data", "p", 0, 0, 0, 7, answers=ANSWERS, seen=((1, 3),), closed_at_ns=100)


@pytest.mark.parametrize(
    ("kind", "number", "opened", "closed", "grace_from_ns", "admission"),
    [
        (I, 7, None, None, 0, Admission.NEW),
        (I, 7, OPEN, None, 0, Admission.REPEATED),
        (I, 8, OPEN, None, 0, Admission.REPLACING),
        (I, 7, None, CLOSED, 0, Admission.REPEATED),
        (I, 8, None, CLOSED, 0, Admission.NEW),
        (U, 4, OPEN, None, 0, Admission.NEXT),
        (U, 2, OPEN, None, 0, Admission.REPEATED),
        (U, "x", OPEN, None, 0, Admission.REPEATED),
        (U, "y", OPEN, None, 0, Admission.NEXT),
        (U, 4, None, CLOSED, 100, Admission.LATE),
        (U, 4, None, CLOSED, 101, Admission.UNKNOWN),
        (U, 2, None, CLOSED, 101, Admission.REPEATED),
        (U, 1, None, None, 0, Admission.UNKNOWN),
        (T, 4, OPEN, None, 0, Admission.LAST),
        (T, 9, None, CLOSED, 101, Admission.REPEATED),
        (T, 4, None, CLOSED, 100, Admission.LATE),
        (T, 4, None, None, 0, Admission.UNKNOWN),
    ],
)
def test_admission(
    kind: EventKind,
    number: int | str,
    opened: Session | None,
    closed: Session | None,
    grace_from_ns: int,
    admission: Admission,
) -> None:
    assert admit(event(kind, number), opened, closed, grace_from_ns) is admission


@given(st.lists(st.integers(0, 60), max_size=60))
def test_every_number_seen_is_seen_and_the_ranges_are_joined(numbers: list[int]) -> None:
    seen: tuple[tuple[int, int], ...] = ()
    for number in numbers:
        seen = see(seen, number)
    if len(set(numbers)) <= KEPT_RANGES:
        assert {number for number in range(61) if is_seen(seen, number)} == set(numbers)
    assert all(is_seen(seen, number) for number in numbers)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(seen))


def test_too_many_holes_are_closed_from_below() -> None:
    seen: tuple[tuple[int, int], ...] = ()
    for number in range(0, 4 * KEPT_RANGES, 2):
        seen = see(seen, number)
    assert len(seen) == KEPT_RANGES
    assert is_seen(seen, 1)
    assert not is_seen(seen, 4 * KEPT_RANGES - 3)


def test_the_newest_answers_are_kept() -> None:
    answers: tuple[StoredAnswer, ...] = ()
    for number in range(10):
        answers = remember(answers, U, number, str(number).encode())
    session = Session("k", "c", "s", "data", "p", 0, 0, 0, 0, answers=answers)
    kept = [stored_answer(session, U, number) for number in range(10)]
    assert kept == [*[None] * (10 - KEPT_ANSWERS), b"6", b"7", b"8", b"9"]
    assert stored_answer(session, T, 9) is None


def test_news_overlay_what_is_known_and_empty_fields_keep_it() -> None:
    known = ChargingContext(called="1", apn="internet", plmn="00101")
    assert overlay(known, None) is known
    assert overlay(known, known) is known
    assert overlay(known, ChargingContext(plmn="26201")) == ChargingContext(
        called="1", apn="internet", plmn="26201"
    )


def test_reports_of_one_rating_group_are_joined_and_recipients_stay_apart() -> None:
    joined = merged_reports((rg(10, 5, 1), rg(11, 6), rg(10, None, 2)))
    assert [(each.rating_group, [used.amount for used in each.used]) for each in joined] == [
        (10, [1, 2]),
        (11, []),
    ]
    assert joined[0].requested is not None
    recipients = (rg(None, 1, called="1"), rg(None, 1, called="1"), rg(None, 1, called="2"))
    assert merged_reports(recipients) == recipients
    services = (rg(10, 1, services=(1,)), rg(10, 1, services=(2,)))
    assert merged_reports(services) == services


@pytest.mark.parametrize(
    ("used", "want", "reason", "ends"),
    [
        (None, None, None, False),
        (None, None, ReportingReason.VALIDITY_TIME, False),
        (None, None, ReportingReason.FINAL, True),
        (None, None, ReportingReason.QUOTA_HOLDING_TIME, True),
        (None, 1, None, True),
        (1, None, None, True),
    ],
)
def test_what_gives_a_quota_back(
    used: int | None, want: int | None, reason: ReportingReason | None, ends: bool
) -> None:
    report = rg(10, want, used, reason=reason)
    assert all(isinstance(each, UsedUnits) for each in report.used)
    assert ends_quota(report) is ends
