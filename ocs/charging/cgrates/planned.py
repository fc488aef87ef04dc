"""When the entries of an action plan run: rows of Timings.csv and the predefined words as schedules."""

from datetime import tzinfo

from ocs.charging.cgrates.plan import Timing
from ocs.charging.cgrates.timings import SECOND_NS
from ocs.charging.cgrates.values import duration_ns
from ocs.charging.schedule import Calendar, Once, Schedule, named


def schedule_of(timing: Timing, set_at_ns: int, zone: tzinfo) -> Schedule:
    """The schedule of a timing that was set, or loaded, at a moment.

    A year without months means January, a month without days its first. The hour and minute of a Time such as
    `*:*:30` are any; `*asap` and `+10m` run once. Raises ValueError for another word.
    """
    if timing.schedule.startswith("+"):
        return Once(set_at_ns + duration_ns(timing.schedule[1:]))
    found = named(timing.schedule, set_at_ns, zone) if timing.schedule else None
    has_days = bool(timing.years or timing.months or timing.month_days or timing.week_days)
    if found is not None and not (isinstance(found, Calendar) and has_days):
        return found
    months = timing.months or ((1,) if timing.years else ())
    month_days = timing.month_days or ((1,) if months else ())
    hours, minutes, seconds = _clock(timing) if found is None else (found.hours, found.minutes, found.seconds)
    clips = timing.schedule == "*monthly_estimated"
    return Calendar(
        tuple(sorted(timing.years)),
        tuple(sorted(months)),
        tuple(sorted(month_days)),
        tuple(sorted(timing.week_days)),
        hours,
        minutes,
        seconds,
        clips,
    )


def _clock(timing: Timing) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Hours, minutes and seconds of a time of day; `*` is any."""
    if not timing.schedule:
        at_s = timing.start_ns // SECOND_NS
        return (at_s // 3600,), (at_s // 60 % 60,), (at_s % 60,)
    parts = timing.schedule.split(":")
    hours, minutes, seconds = (
        () if part == "*" else (int(part),) if part.isdecimal() else (-1,) for part in (*parts, *"000")[:3]
    )
    if len(parts) not in (2, 3) or max(hours, default=0) > 23 or max((*minutes, *seconds), default=0) > 59:
        raise ValueError(f"not a time: {timing.schedule!r}")
    if min((*hours, *minutes, *seconds), default=0) < 0:
        raise ValueError(f"not a time: {timing.schedule!r}")
    return hours, minutes, seconds
