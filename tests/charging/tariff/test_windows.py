"""Claims about time windows on the wall clock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.tariff.windows import DAY_S, SECOND_NS, DateSet, Period, Window, instant_ns

BERLIN = "Europe/Berlin"
HOUR_S = 3600
WORKDAYS = frozenset(range(5))


def ns(text: str, zone: str = BERLIN) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    return round(moment.timestamp()) * SECOND_NS


def window(*periods: Period, zone: str = BERLIN) -> Window:
    return Window("w", periods, zone)


PEAK = Period(8 * HOUR_S, 18 * HOUR_S, weekdays=WORKDAYS)


@pytest.mark.parametrize(
    ("at", "start", "end", "is_open"),
    [
        ("2026-06-01T08:00", "2026-06-01T08:00", "2026-06-01T18:00", True),
        ("2026-06-01T17:59:59", "2026-06-01T08:00", "2026-06-01T18:00", True),
        ("2026-06-01T18:00", "2026-06-01T18:00", "2026-06-02T08:00", False),
        ("2026-06-05T20:00", "2026-06-05T18:00", "2026-06-08T08:00", False),
        ("2026-06-07T12:00", "2026-06-07T00:00", "2026-06-08T08:00", False),
    ],
)
def test_a_span_reaches_to_the_next_change(at: str, start: str, end: str, is_open: bool) -> None:
    span = window(PEAK).span(ns(at))
    assert (span.start_ns, span.end_ns, span.is_open) == (ns(start), ns(end), is_open)


def test_a_period_past_midnight_belongs_to_the_day_it_starts_on() -> None:
    friday_night = window(Period(22 * HOUR_S, 6 * HOUR_S, weekdays=frozenset({4})))
    span = friday_night.span(ns("2026-06-06T05:00"))
    assert (span.start_ns, span.end_ns) == (ns("2026-06-05T22:00"), ns("2026-06-06T06:00"))
    assert not friday_night.is_open(ns("2026-06-05T05:00"))


def test_periods_that_touch_are_one_span() -> None:
    both = window(Period(0, 8 * HOUR_S), Period(18 * HOUR_S, DAY_S))
    span = both.span(ns("2026-06-01T20:00"))
    assert (span.start_ns, span.end_ns) == (ns("2026-06-01T18:00"), ns("2026-06-02T08:00"))


@pytest.mark.parametrize(
    ("period", "day_in", "day_out"),
    [
        (Period(years=frozenset({2026})), "2026-06-01", "2027-06-01"),
        (Period(months=frozenset({6})), "2026-06-01", "2026-07-01"),
        (Period(month_days=frozenset({31})), "2026-07-31", "2026-07-30"),
        (Period(weekdays=frozenset({6})), "2026-06-07", "2026-06-08"),
        (Period(only=DateSet(frozenset({date(2026, 6, 1)}))), "2026-06-01", "2026-06-02"),
        (Period(only=DateSet(yearly=frozenset({(12, 25)}))), "2031-12-25", "2031-12-24"),
        (Period(only=DateSet(spans=((date(2026, 6, 1), date(2026, 6, 3)),))), "2026-06-03", "2026-06-04"),
        (Period(exclude=DateSet(frozenset({date(2026, 6, 1)}))), "2026-06-02", "2026-06-01"),
    ],
)
def test_every_condition_of_a_period_is_kept(period: Period, day_in: str, day_out: str) -> None:
    assert window(period).is_open(ns(day_in + "T12:00"))
    assert not window(period).is_open(ns(day_out + "T12:00"))


def test_the_clock_change_in_spring_shortens_a_night_window() -> None:
    span = window(Period(0, 6 * HOUR_S)).span(ns("2026-03-29T01:00"))
    assert span.end_ns - span.start_ns == 5 * HOUR_S * SECOND_NS


def test_the_clock_change_in_autumn_lengthens_a_night_window() -> None:
    span = window(Period(0, 6 * HOUR_S)).span(ns("2026-10-25T01:00"))
    assert span.end_ns - span.start_ns == 7 * HOUR_S * SECOND_NS


def test_a_skipped_time_is_the_moment_of_the_change() -> None:
    ordinal = date(2026, 3, 29).toordinal()
    skipped_ns = instant_ns(ordinal, 2 * HOUR_S + 1800, ZoneInfo(BERLIN))
    assert skipped_ns == ns("2026-03-29T01:00+00:00")


def test_a_repeated_time_is_its_first_occurrence() -> None:
    ordinal = date(2026, 10, 25).toordinal()
    assert instant_ns(ordinal, 2 * HOUR_S + 1800, ZoneInfo(BERLIN)) == ns("2026-10-25T00:30+00:00")


def test_a_midnight_that_the_clock_skips_is_the_moment_of_the_change() -> None:
    ordinal = date(2018, 11, 4).toordinal()
    assert instant_ns(ordinal, 0, ZoneInfo("America/Sao_Paulo")) == ns("2018-11-04T03:00+00:00")


def test_each_window_keeps_its_own_time_zone() -> None:
    at_ns = ns("2026-06-01T06:30+00:00")
    assert window(PEAK).is_open(at_ns)
    assert not window(PEAK, zone="UTC").is_open(at_ns)


def test_nothing_is_lost_when_more_spans_are_asked_for_than_are_remembered() -> None:
    peak = window(PEAK)
    days = [ns(f"2026-06-{day:02d}T09:00") for day in range(1, 31)]
    weekdays = [datetime.fromtimestamp(at // SECOND_NS, ZoneInfo(BERLIN)).weekday() for at in days]
    for _ in range(2):
        assert [peak.is_open(at) for at in days] == [weekday < 5 for weekday in weekdays]


@pytest.mark.parametrize("at_ns", [-(10**30), -1, 10**30])
def test_times_off_the_calendar_are_answered(at_ns: int) -> None:
    span = window(PEAK).span(at_ns)
    assert span.start_ns <= at_ns < span.end_ns


zones = st.sampled_from([BERLIN, "UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
periods = st.builds(
    Period,
    st.integers(0, DAY_S - 1),
    st.integers(0, DAY_S),
    weekdays=st.one_of(st.none(), st.frozensets(st.integers(0, 6), min_size=1)),
)
moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31)).map(
    lambda each: int(each.replace(tzinfo=UTC).timestamp()) * SECOND_NS
)


@given(st.lists(periods, min_size=1, max_size=3), zones, moments)
def test_spans_tile_the_time_line(parts: list[Period], zone: str, at_ns: int) -> None:
    either = Window("w", tuple(parts), zone)
    for _ in range(6):
        span = either.span(at_ns)
        assert span.start_ns <= at_ns < span.end_ns
        fresh = Window("w", tuple(parts), zone)
        assert fresh.is_open(span.end_ns - 1) == span.is_open
        assert fresh.is_open(max(span.start_ns, at_ns)) == span.is_open
        at_ns = span.end_ns


@given(st.lists(periods, min_size=1, max_size=3), moments)
def test_in_a_zone_without_clock_changes_the_window_is_open_when_the_clock_says_so(
    parts: list[Period], at_ns: int
) -> None:
    local = datetime.fromtimestamp(at_ns // SECOND_NS, UTC)
    second = local.hour * HOUR_S + local.minute * 60 + local.second
    today, yesterday = local.date(), local.date() - timedelta(days=1)
    expected = False
    for part in parts:
        if part.end_s > part.start_s:
            expected |= part.covers(today) and part.start_s <= second < part.end_s
        else:
            expected |= part.covers(today) and second >= part.start_s
            expected |= part.covers(yesterday) and second < part.end_s
    assert Window("w", tuple(parts), "UTC").is_open(at_ns) == expected
