"""Calendar conditions of tariff rows: when a rate, a balance or a plan entry is active.

A moment is given as local time: UTC ns since the epoch plus the UTC offset of the event's own timestamp, because
the incumbent reads hours and weekdays on the clock of that timestamp.
"""

from datetime import date

from ocs.charging.cgrates.plan import Timing

DAY_NS = 86_400 * 1_000_000_000
SECOND_NS = 1_000_000_000
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def midnight_before(local_ns: int) -> int:
    """Start of the local day that holds `local_ns`."""
    return local_ns - local_ns % DAY_NS


def left_margin(timing: Timing, local_ns: int) -> int:
    """Moment of the local day at which the timing starts."""
    return midnight_before(local_ns) + timing.start_ns


def is_active(timing: Timing, local_ns: int) -> bool:
    """Whether the timing holds at a moment: its day matches and its start of day has passed."""
    if local_ns % DAY_NS < timing.start_ns:
        return False
    if not (timing.years or timing.months or timing.month_days or timing.week_days):
        return True
    day = date.fromordinal(_EPOCH_ORDINAL + local_ns // DAY_NS)
    return (
        (not timing.years or day.year in timing.years)
        and (not timing.months or day.month in timing.months)
        and (not timing.month_days or day.day in timing.month_days)
        and (not timing.week_days or day.isoweekday() % 7 in timing.week_days)
    )


def is_always(timing: Timing) -> bool:
    """Whether the timing holds at every moment."""
    return not (timing.start_ns or timing.years or timing.months or timing.month_days or timing.week_days)


def day_of_month(local_ns: int) -> int:
    """Day of the month of a local moment."""
    return date.fromordinal(_EPOCH_ORDINAL + local_ns // DAY_NS).day


def predefined_timings() -> dict[str, Timing]:
    """Timings that need no row of their own."""
    words = (
        "*asap",
        "*every_minute",
        "*hourly",
        "*daily",
        "*weekly",
        "*monthly",
        "*monthly_estimated",
        "*month_end",
        "*yearly",
    )
    named = {word: Timing(tag=word, schedule=word) for word in words}
    return {"*any": Timing(tag="*any"), "*always": Timing(tag="*always"), **named}
