"""Ends of balances and moments of plans: words of a tariff on the clock of its time zone. Pure."""

from datetime import UTC, datetime, tzinfo

from ocs.charging.actions.model import Share
from ocs.charging.ledger import FOREVER_NS
from ocs.charging.schedule import Calendar, Schedule, days_in, local_day, named, next_run
from ocs.charging.tariff.quantities import DURATIONS_NS, moment_ns, quantity

PERIOD_MINUTES = {"minute": 1, "hour": 60, "day": 1_440, "week": 10_080}
PERIODS = (*PERIOD_MINUTES, "month", "year")  # by length
NEVER = ("", "unlimited", "never")
_LENGTHS_NS = {
    "now": 0,
    "hourly": DURATIONS_NS["h"],
    "daily": DURATIONS_NS["d"],
    "weekly": 7 * DURATIONS_NS["d"],
}
_TURNS = {  # the moment at which the next one begins
    "day_end": Calendar(),
    "month_end": Calendar(month_days=(1,)),
    "year_end": Calendar(months=(1,), month_days=(1,)),
}
_LATER = {"monthly": "*monthly_estimated", "monthly_estimated": "*monthly_estimated", "yearly": "*yearly"}


def ends_ns(word: str, now_ns: int, zone: tzinfo) -> int | None:
    """The end that a word gives a balance; None for never, which is also what lies beyond 2116."""
    found = _ends_ns(word, now_ns, zone)
    return None if found is None or found >= FOREVER_NS else found


def _ends_ns(word: str, now_ns: int, zone: tzinfo) -> int | None:
    """Raises ValueError for a word that is none.

    `+30d` and `+24h` count from now; `monthly` and `yearly` are the same day of the next month or year, or the last
    one it has; `day_end`, `month_end` and `year_end` are midnight; else it is a moment such as 2027-01-01.
    """
    text = word.removeprefix("*")
    if text in NEVER:
        return None
    if text in _LENGTHS_NS:
        return now_ns + _LENGTHS_NS[text]
    if text in _TURNS:
        return next_run(_TURNS[text], now_ns, zone)
    if text in _LATER:
        return _later(_LATER[text], now_ns, zone)
    if text.startswith("+"):
        amount, _ = quantity(text[1:])
        return now_ns + amount
    return moment_ns(text, zone)


def part_of(amount: int, share: Share, now_ns: int, zone: tzinfo) -> int:
    """An amount times the increment over the interval, as long as they are now; rounded down."""
    return amount * _minutes(share.increment, now_ns, zone) // _minutes(share.interval, now_ns, zone)


def _minutes(word: str, now_ns: int, zone: tzinfo) -> int:
    if word in PERIOD_MINUTES:
        return PERIOD_MINUTES[word]
    today = local_day(now_ns, zone)
    if word == "month":
        return days_in(today.year, today.month) * PERIOD_MINUTES["day"]
    assert word == "year", "one of PERIODS"
    return sum(days_in(today.year, month) for month in range(1, 13)) * PERIOD_MINUTES["day"]


def check_end(word: str) -> str:
    """The word itself, if an end can be read from it; raises ValueError."""
    try:
        ends_ns(word, 0, UTC)
    except ValueError:
        raise ValueError(
            f'"{word}" is not an end such as +30d, month_end, monthly or 2027-01-01T00:00:00Z'
        ) from None
    return word


def _later(word: str, now_ns: int, zone: tzinfo) -> int | None:
    schedule: Schedule | None = named(word, now_ns, zone)
    assert isinstance(schedule, Calendar), "a word of a calendar"
    at = datetime.fromtimestamp(now_ns // 10**9, zone)
    if word == "*yearly" and (at.month, at.day) == (2, 29):
        schedule = Calendar(
            months=(2,),
            month_days=(29,),
            hours=schedule.hours,
            minutes=schedule.minutes,
            seconds=schedule.seconds,
            clips=True,
        )
    following = next_run(schedule, now_ns, zone)
    return None if following is None else following + now_ns % 10**9
