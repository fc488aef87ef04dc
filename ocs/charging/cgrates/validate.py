"""What a tariff must fulfil where loading it asks for validation: plans without gaps, slots that fit together."""

from collections.abc import Iterator

from ocs.charging.cgrates.plan import Rate, RateInterval, RatingPlan, Tariff

ALL_DAYS = frozenset(range(7))


def faults(tariff: Tariff) -> Iterator[str]:
    """One text per fault."""
    for timing in tariff.timings.values():
        if timing.week_days and (timing.years or timing.months or timing.month_days):
            yield f"timing {timing.tag} mixes week days and dates"
    seen: set[str] = set()
    for plan in tariff.plans.values():
        for destination_id, intervals in plan.intervals.items():
            if not _is_continuous(intervals):
                yield f"rating plan {plan.plan_id} has times without a price for {destination_id}"
        yield from _faults_of_rates(plan, seen)


def _is_continuous(intervals: tuple[RateInterval, ...]) -> bool:
    """Whether a blank timing, or ones from midnight on all week days, leave no time without a price."""
    days: set[int] = set()
    for interval in intervals:
        timing = interval.timing
        if timing.years or timing.months or timing.month_days or timing.start_ns:
            continue
        if not timing.week_days:
            return True
        days.update(timing.week_days)
    return days == ALL_DAYS


def _faults_of_rates(plan: RatingPlan, seen: set[str]) -> Iterator[str]:
    for intervals in plan.intervals.values():
        for interval in intervals:
            if interval.rate.tag not in seen:
                seen.add(interval.rate.tag)
                yield from _faults_of_slots(interval.rate)


def _faults_of_slots(rate: Rate) -> Iterator[str]:
    for before, slot in zip(rate.slots, rate.slots[1:], strict=False):
        if slot.start_ns <= before.start_ns:
            yield f"rate {rate.tag} has two slots from {slot.start_ns} ns on"
        elif (slot.start_ns - before.start_ns) % before.increment_ns:
            yield f"rate {rate.tag}: the slot from {slot.start_ns} ns on cuts an increment of the one before it"
