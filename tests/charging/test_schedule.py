"""Schedules: calendars over clock changes and month ends, words, cron expressions."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.charging.cgrates.plan import Timing
from ocs.charging.cgrates.planned import schedule_of
from ocs.charging.cron import cron
from ocs.charging.schedule import Calendar, Interval, Once, Schedule, named, next_run

BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


def ns(text: str) -> int:
    """RFC 3339 text as ns since the epoch."""
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def runs(schedule: Schedule, after: str, count: int, zone: ZoneInfo = BERLIN) -> list[str]:
    """The next runs on the wall clock of a zone, with its offset."""
    found: list[str] = []
    at_ns = ns(after)
    for _ in range(count):
        following = next_run(schedule, at_ns, zone)
        if following is None:
            return [*found, "never"]
        at_ns = following
        found.append(datetime.fromtimestamp(at_ns // 10**9, zone).isoformat())
    return found


def test_a_time_left_out_by_the_clock_runs_at_the_change() -> None:
    daily = Calendar(hours=(2,), minutes=(30,))
    assert runs(daily, "2026-03-28T12:00:00+01:00", 2) == [
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ]


def test_a_time_that_comes_twice_runs_at_its_first_occurrence() -> None:
    daily = Calendar(hours=(2,), minutes=(30,))
    assert runs(daily, "2026-10-24T12:00:00+02:00", 2) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ]


def test_hourly_runs_follow_elapsed_time() -> None:
    hourly = Calendar(hours=(), minutes=(30,))
    assert runs(hourly, "2026-10-25T01:30:00+02:00", 3) == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:30:00+01:00",
    ]
    assert runs(hourly, "2026-03-29T01:30:00+01:00", 1) == ["2026-03-29T03:30:00+02:00"]


def test_hourly_runs_where_the_clock_changes_by_half_an_hour() -> None:
    hourly = Calendar(hours=(), minutes=(45,))
    assert runs(hourly, "2026-04-05T00:45:00+11:00", 3, LORD_HOWE) == [
        "2026-04-05T01:45:00+11:00",
        "2026-04-05T01:45:00+10:30",
        "2026-04-05T02:45:00+10:30",
    ]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Calendar(month_days=(31,)), ["2026-01-31", "2026-03-31", "2026-05-31"]),
        (Calendar(month_days=(31,), clips=True), ["2026-01-31", "2026-02-28", "2026-03-31"]),
        (Calendar(month_days=(-1,)), ["2026-01-31", "2026-02-28", "2026-03-31"]),
        (Calendar(months=(2,), month_days=(29,)), ["2028-02-29", "2032-02-29", "2036-02-29"]),
        (Calendar(months=(2,), month_days=(29, 30), clips=True), ["2026-02-28", "2027-02-28", "2028-02-29"]),
        (Calendar(week_days=(0, 6)), ["2026-01-17", "2026-01-18", "2026-01-24"]),
        (Calendar(month_days=(20,), week_days=(1,)), ["2026-01-19", "2026-01-20", "2026-01-26"]),
        (Calendar(years=(2027,), month_days=(1,), months=(1,)), ["2027-01-01", "never"]),
        (Calendar(months=(2,), month_days=(30,)), ["never"]),
    ],
)
def test_days_of_a_calendar(schedule: Calendar, expected: list[str]) -> None:
    found = runs(schedule, "2026-01-15T12:00:00+01:00", 3)
    assert [text[:10] for text in found] == expected


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("*every_minute", "2026-01-31T10:21:30+01:00"),
        ("*hourly", "2026-01-31T11:20:30+01:00"),
        ("*daily", "2026-02-01T10:20:30+01:00"),
        ("*weekly", "2026-02-07T10:20:30+01:00"),
        ("*monthly", "2026-03-31T10:20:30+02:00"),
        ("*monthly_estimated", "2026-02-28T10:20:30+01:00"),
        ("*month_end", "2026-02-28T10:20:30+01:00"),
        ("*yearly", "2027-01-31T10:20:30+01:00"),
        ("*asap", "never"),
    ],
)
def test_words_count_from_when_they_were_set(word: str, expected: str) -> None:
    schedule = named(word, ns("2026-01-31T10:20:30+01:00"), BERLIN)
    assert schedule is not None
    assert runs(schedule, "2026-01-31T10:20:30+01:00", 1) == [expected]


def test_an_interval_keeps_its_beat() -> None:
    beat = Interval(90 * 10**9, ns("2026-01-01T00:00:00+00:00"))
    assert next_run(beat, beat.from_ns, UTC) == beat.from_ns + beat.every_ns
    assert next_run(beat, beat.from_ns + 10 * beat.every_ns - 1, UTC) == beat.from_ns + 10 * beat.every_ns
    assert next_run(beat, beat.from_ns - 1, UTC) == beat.from_ns


def test_once_is_over_afterwards() -> None:
    assert (next_run(Once(5), 4, UTC), next_run(Once(5), 5, UTC)) == (5, None)


@given(
    st.integers(ns("2026-01-01T00:00:00+00:00"), ns("2028-01-01T00:00:00+00:00")),
    st.sampled_from(["", "7", "2;3"]),
    st.lists(st.integers(0, 59), min_size=1, max_size=3, unique=True),
    st.sampled_from([BERLIN, LORD_HOWE, ZoneInfo("UTC"), ZoneInfo("America/New_York")]),
)
def test_the_next_run_is_the_first_second_whose_clock_fits(
    after_ns: int, hours: str, minutes: list[int], zone: ZoneInfo
) -> None:
    calendar = Calendar(
        hours=tuple(int(hour) for hour in hours.split(";") if hour), minutes=tuple(sorted(minutes))
    )
    found = next_run(calendar, after_ns, zone)
    assert found is not None
    assert found > after_ns
    clock = datetime.fromtimestamp(found // 10**9, UTC).astimezone(zone)
    fits = clock.minute in calendar.minutes and (not calendar.hours or clock.hour in calendar.hours)
    before = (datetime.fromtimestamp(found // 10**9, UTC) - timedelta(seconds=1)).astimezone(zone)
    is_change = before.utcoffset() != clock.utcoffset()
    assert fits or is_change
    assert clock.second == 0 or is_change
    step_ns = (after_ns // 60_000_000_000 + 1) * 60_000_000_000
    while step_ns < found and step_ns < after_ns + 3 * 3600 * 10**9:
        passed = datetime.fromtimestamp(step_ns // 10**9, UTC).astimezone(zone)
        is_repeated = passed.fold == 1 and bool(calendar.hours)
        matches = passed.minute in calendar.minutes and (not calendar.hours or passed.hour in calendar.hours)
        assert not matches or is_repeated
        step_ns += 60_000_000_000


@pytest.mark.parametrize(
    ("text", "calendar"),
    [
        ("30 8 * * mon-fri", Calendar(week_days=(1, 2, 3, 4, 5), hours=(8,), minutes=(30,))),
        ("0 0 L * *", Calendar(month_days=(-1,))),
        ("*/15 * * * *", Calendar(hours=(), minutes=(0, 15, 30, 45))),
        ("5 0 0 1 jan ? 2027", Calendar((2027,), (1,), (1,), (), (0,), (0,), (5,))),
        ("0 0 0 * * 7", Calendar(week_days=(0,))),
        ("0 0 * * 0-7", Calendar()),
        ("@monthly", Calendar(month_days=(1,))),
        ("@hourly", Calendar(hours=())),
    ],
)
def test_cron_expressions(text: str, calendar: Calendar) -> None:
    assert cron(text) == calendar


def test_cron_every_is_an_interval() -> None:
    assert cron("@every 1h30m") == Interval(5400 * 10**9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("* * *", "5 to 7 fields"),
        ("60 * * * *", "minute"),
        ("0 8-6 * * *", "ends before"),
        ("0 0 * foo *", "month"),
        ("@every 1x", "length"),
        ("@every 0s", "length"),
        ("*" * 300, "256"),
    ],
)
def test_cron_expressions_that_make_no_sense_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cron(text)


def test_rows_of_timings_are_schedules() -> None:
    set_ns = ns("2026-01-31T10:20:30+01:00")
    assert schedule_of(Timing("*any"), set_ns, BERLIN) == Calendar()
    assert schedule_of(Timing("T", years=(2027,), start_ns=3600 * 10**9), set_ns, BERLIN) == Calendar(
        (2027,), (1,), (1,), (), (1,)
    )
    assert schedule_of(Timing("T", schedule="+10m"), set_ns, BERLIN) == Once(set_ns + 600 * 10**9)
    assert schedule_of(Timing("T", schedule="*:*:05"), set_ns, BERLIN) == Calendar(
        hours=(), minutes=(), seconds=(5,)
    )
    clipped = schedule_of(Timing("T", month_days=(31,), schedule="*monthly_estimated"), set_ns, BERLIN)
    assert clipped == Calendar(month_days=(31,), hours=(10,), minutes=(20,), seconds=(30,), clips=True)
    with pytest.raises(ValueError, match="not a time"):
        schedule_of(Timing("T", schedule="*sometimes"), set_ns, BERLIN)
