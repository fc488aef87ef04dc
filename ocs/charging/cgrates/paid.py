"""A call as it was paid: spans of steps that name who paid, their cost, and how equal ones are merged.

The incumbent keeps one object per increment. Where a compressed span is opened again, its copies share these
objects: the payment of the last copy is the one all of them show, and merging the equal steps of every copy adds up
in the same place. `Opened` reproduces that without any object per increment.
"""

import msgspec

from ocs.charging.cgrates.grid import snap_nanos
from ocs.charging.cgrates.model import PaidSpan, RatedSpan, Steps
from ocs.charging.cgrates.plan import RateInterval


class Opened:
    """The equal parts of one rated span: their common steps, and how far each part is paid."""

    def __init__(self, span: RatedSpan) -> None:
        self.span = span
        self.common: list[Steps] = []
        self.lengths: list[int] = []  # steps paid per part, the fee not counted
        self.fee: Steps | None = None

    def write(self, segments: list[Steps], length: int) -> None:
        """Records the payment of one more part: its steps overwrite those the parts before it have shown."""
        written = sum(steps.count for steps in segments)
        self.common = segments + _skip(self.common, written)
        self.lengths.append(length)

    def paid_spans(self) -> list[PaidSpan]:
        """The parts as spans of their own, with the counts merging makes of shared steps."""
        merged = _merge(self.common)
        groups = [_group_sizes(merged, length) for length in self.lengths]
        totals = [1 + sum(sizes[at] - 1 for sizes in groups if at < len(sizes)) for at in range(len(merged))]
        found, start_ns = [], self.span.start_ns
        for number, sizes in enumerate(groups):
            steps = [
                merged[at]
                if merged[at].count == totals[at]
                else msgspec.structs.replace(merged[at], count=totals[at])
                for at in range(len(sizes))
            ]
            if number == 0 and self.fee is not None:
                steps.insert(0, self.fee)
            found.append(self._part(number, start_ns, tuple(steps)))
            start_ns = found[-1].end_ns
        return found

    def _part(self, number: int, start_ns: int, steps: tuple[Steps, ...]) -> PaidSpan:
        span, rated = self.span, self.span.increments
        whole_ns = (span.end_ns - span.start_ns) // span.factor
        length = self.lengths[number]
        is_cut = rated is not None and length < rated.count
        duration_ns = rated.duration_ns * length if rated is not None and is_cut else whole_ns
        behind_ns = whole_ns * (span.factor - number - 1) + (whole_ns - duration_ns)
        return PaidSpan(
            start_ns,
            start_ns + duration_ns,
            max(0, span.index_ns - behind_ns),
            span.match,
            span.interval,
            steps,
            cost_nanos=self._cost_nanos(number, length),
            whole_nanos=0 if rated is not None else span.whole_nanos,
        )

    def _cost_nanos(self, number: int, length: int) -> int:
        if self.span.increments is None and not (self.fee and number == 0):
            return self.span.whole_nanos
        cost_nanos = self.fee.cost_nanos if self.fee and number == 0 else 0
        for steps in self.common:
            cost_nanos += steps.cost_nanos * min(length, steps.count)
            length = max(0, length - steps.count)
        return cost_nanos


def merge_spans(spans: list[PaidSpan]) -> tuple[PaidSpan, ...]:
    """Merges neighbours that look alike."""
    merged: list[PaidSpan] = []
    for span in spans:
        if merged and _alike(merged[-1], span):
            last = merged[-1]
            merged[-1] = msgspec.structs.replace(
                last,
                end_ns=span.end_ns,
                index_ns=span.index_ns,
                factor=last.factor + 1,
                cost_nanos=last.cost_nanos + span.cost_nanos,
            )
        else:
            merged.append(span)
    return tuple(merged)


def span_cost(span: PaidSpan, decimals: int) -> int:
    """Cost of a span in nanos: of its steps, or of the whole where it has none."""
    if not span.steps:
        return span.whole_nanos * span.factor
    once = sum(steps.cost_nanos * steps.count for steps in span.steps)
    return snap_nanos(snap_nanos(once, decimals) * span.factor, decimals)


def _alike(one: PaidSpan, other: PaidSpan) -> bool:
    return (
        one.steps == other.steps
        and one.whole_nanos == other.whole_nanos
        and (one.end_ns - one.start_ns) // one.factor == other.end_ns - other.start_ns
        and one.match == other.match
        and _same_hours(one.interval, other.interval)
    )


def _same_hours(one: RateInterval | None, other: RateInterval | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.weight == other.weight and one.timing.same_hours(other.timing)


def _merge(steps: list[Steps]) -> list[Steps]:
    merged: list[Steps] = []
    for one in steps:
        last = merged[-1] if merged else None
        if last is not None and msgspec.structs.replace(last, count=one.count) == one:
            merged[-1] = msgspec.structs.replace(last, count=last.count + one.count)
        elif one.count:
            merged.append(one)
    return merged


def _skip(steps: list[Steps], count: int) -> list[Steps]:
    rest = []
    for one in steps:
        skipped = min(count, one.count)
        count -= skipped
        if skipped < one.count:
            rest.append(msgspec.structs.replace(one, count=one.count - skipped))
    return rest


def _group_sizes(merged: list[Steps], length: int) -> list[int]:
    """How many steps of each group lie in the first `length` steps."""
    sizes = []
    for one in merged:
        if length <= 0:
            break
        sizes.append(min(length, one.count))
        length -= one.count
    return sizes
