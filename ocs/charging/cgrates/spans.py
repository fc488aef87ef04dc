"""Cuts a call into spans of one price each, and chooses the price of every span.

Order of the cuts: activations, midnights, then hours and slots span by span. Calls that are no voice calls are cut
at slots only and keep the price that holds at their start.
"""

from ocs.charging.cgrates.call import VOICE, Call
from ocs.charging.cgrates.model import Matched
from ocs.charging.cgrates.plan import Rate, RateInterval, Slot
from ocs.charging.cgrates.timings import (
    DAY_NS,
    SECOND_NS,
    day_of_month,
    is_active,
    is_always,
    left_margin,
    midnight_before,
)


class Span:
    """Part of a call, in local ns; `index_ns` is what the session has used at its end. It is never changed."""

    __slots__ = ("end_ns", "index_ns", "interval", "start_ns")

    def __init__(
        self, start_ns: int, end_ns: int, index_ns: int, interval: RateInterval | None = None
    ) -> None:
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.index_ns = index_ns
        self.interval = interval

    @property
    def duration_ns(self) -> int:
        """Length of the span."""
        return self.end_ns - self.start_ns

    @property
    def position_ns(self) -> int:
        """What the session has used at the start of the span."""
        return max(0, self.index_ns - self.duration_ns)

    def cut(self, at_ns: int, right: RateInterval | None) -> tuple["Span", "Span"]:
        """Both parts; the right one gets its own interval, the left one keeps its."""
        tail = Span(at_ns, self.end_ns, self.index_ns, right)
        return Span(self.start_ns, at_ns, max(0, self.index_ns - tail.duration_ns), self.interval), tail


def split_call(call: Call, matched: Matched) -> tuple[tuple[Span, ...], tuple[RateInterval, ...]]:
    """Spans of a call in order, each rounded up to its slot's increment; `interval` is None where no price holds.

    The second value is the order in which the search has left the intervals: whoever goes on with the same match
    starts from it.
    """
    is_voice = call.kind == VOICE
    whole = Span(
        call.start_ns + call.offset_ns, call.end_ns + call.offset_ns, max(call.index_ns, call.duration_ns)
    )
    only = _only_price(matched, whole, is_voice)
    if only is not None:
        return (_to_increment(Span(whole.start_ns, whole.end_ns, whole.index_ns, only)),), matched.intervals
    spans = [whole]
    if is_voice:
        if matched.cut_ns is not None:
            spans = [*whole.cut(matched.cut_ns + call.offset_ns, None)]
        spans = [part for span in spans for part in _split_at_midnights(span)]
    order = list(matched.intervals)
    pending, done = spans[::-1], []
    while pending:
        left, rest = _price(pending.pop(), order, is_voice)
        done.append(left)
        pending.extend(rest)
    return tuple(_round_up(done)), tuple(order)


def slot_at(rate: Rate, position_ns: int) -> Slot | None:
    """The slot that prices what begins at a position; None before the first one."""
    found: Slot | None = None
    for slot in rate.slots:
        if slot.start_ns > position_ns:
            break
        found = slot
    return found


def _only_price(matched: Matched, whole: Span, is_voice: bool) -> RateInterval | None:
    """The interval of a call that nothing cuts: there is no other, and it holds always and from first to last."""
    if len(matched.intervals) != 1 or matched.cut_ns is not None:
        return None
    interval = matched.intervals[0]
    if not is_always(interval.timing) or (is_voice and not _same_day(whole)):
        return None
    position_ns, index_ns = whole.position_ns, whole.index_ns
    for slot in interval.rate.slots:
        if position_ns < slot.start_ns < index_ns:
            return None
    return interval


def _split_at_midnights(span: Span) -> list[Span]:
    parts = []
    while not _same_day(span):
        left, span = span.cut(midnight_before(span.start_ns) + DAY_NS, None)
        parts.append(left)
    return [*parts, span]


def _same_day(span: Span) -> bool:
    """The incumbent's test: equal days of the month, whatever the month, or an end at midnight's second."""
    start_ns, end_ns = span.start_ns, span.end_ns
    if start_ns // DAY_NS == end_ns // DAY_NS:
        return True
    return end_ns % DAY_NS < SECOND_NS or day_of_month(start_ns) == day_of_month(end_ns)


def _price(span: Span, order: list[RateInterval], is_voice: bool) -> tuple[Span, list[Span]]:
    """Sets the interval of a span's first part; the other parts come back last one first."""
    rest: list[Span] = []
    for interval in _candidates(span, order):
        span, right = _split(span, interval, is_voice)
        if right is not None:
            rest.append(right)
            if span.interval is not None:
                break
    return span, rest


def _candidates(span: Span, order: list[RateInterval]) -> list[RateInterval]:
    """The interval in force at the start of a span, then those that may take over before its end."""
    _insertion_sort(order)
    best, best_weight, nearest_ns = 0, 0.0, -1
    for index, interval in enumerate(order):
        if not is_active(interval.timing, span.start_ns):
            continue
        if interval.weight < best_weight:
            break
        distance_ns = span.start_ns - left_margin(interval.timing, span.start_ns)
        if nearest_ns == -1 or distance_ns < nearest_ns:
            best, best_weight, nearest_ns = index, interval.weight, distance_ns
    chosen = [order[best]]
    for interval in order[best + 1 :]:
        if interval.weight < best_weight:
            break
        if left_margin(interval.timing, span.start_ns) < span.end_ns:
            chosen.append(interval)
    return chosen


def _insertion_sort(order: list[RateInterval]) -> None:
    """Sorts in place by a test that is no order: heavier, or earlier in the day. So the algorithm is part of it."""
    for end in range(1, len(order)):
        at = end
        while at > 0 and _goes_before(order[at], order[at - 1]):
            order[at], order[at - 1] = order[at - 1], order[at]
            at -= 1


def _goes_before(one: RateInterval, other: RateInterval) -> bool:
    return one.weight > other.weight or one.timing.start_ns < other.timing.start_ns


def _is_better(one: RateInterval, other: RateInterval) -> bool:
    """Heavier, or as heavy and starting later in the day."""
    return one.weight > other.weight or (
        one.weight == other.weight and one.timing.start_ns > other.timing.start_ns
    )


def _split(span: Span, interval: RateInterval, is_voice: bool) -> tuple[Span, Span | None]:
    """The part of a span to which an interval applies, and the rest."""
    has_start = is_active(interval.timing, span.start_ns)
    has_end = is_voice and _holds_end(interval, span.end_ns)
    if not has_start and not has_end:
        return span, None
    position_ns = span.position_ns
    for slot in interval.rate.slots:
        if position_ns < slot.start_ns < span.index_ns:
            cut_ns = span.start_ns + slot.start_ns - position_ns
            left, right = _with_interval(span, interval).cut(cut_ns, None)
            return left, _with_interval(right, interval)
    if not is_voice or (has_start and has_end):
        return _with_interval(span, interval), None
    if has_start:
        return _cut_at_midnight(_with_interval(span, interval))
    cut_ns = left_margin(interval.timing, span.start_ns if interval.timing.start_ns else span.end_ns)
    return span.cut(cut_ns, interval) if cut_ns != span.end_ns else (span, None)


def _holds_end(interval: RateInterval, end_ns: int) -> bool:
    """Whether an interval holds at a span's end; midnight counts as the second before it."""
    return is_active(interval.timing, end_ns - SECOND_NS if end_ns % DAY_NS < SECOND_NS else end_ns)


def _cut_at_midnight(span: Span) -> tuple[Span, Span | None]:
    cut_ns = midnight_before(span.start_ns) + DAY_NS
    return span.cut(cut_ns, None) if cut_ns != span.end_ns else (span, None)


def _with_interval(span: Span, interval: RateInterval) -> Span:
    """The span with an interval, unless that starts after the span does or the span has one that is no worse."""
    if left_margin(interval.timing, span.start_ns) > span.start_ns:
        return span
    if span.interval is not None and not _is_better(interval, span.interval):
        return span
    return Span(span.start_ns, span.end_ns, span.index_ns, interval)


def _round_up(spans: list[Span]) -> list[Span]:
    """Extends every span to a multiple of its increment, at the cost of those behind it."""
    done: list[Span] = []
    end_ns = spans[0].start_ns
    for span in spans:
        if done and span.end_ns <= end_ns:
            continue
        if span.start_ns < end_ns:
            span = Span(end_ns, span.end_ns, span.index_ns, span.interval)
        span = _to_increment(span)
        end_ns = span.end_ns
        done.append(span)
    return done


def _to_increment(span: Span) -> Span:
    slot = slot_at(span.interval.rate, span.position_ns) if span.interval else None
    if slot is None:
        return span
    missing_ns = -span.duration_ns % slot.increment_ns
    return Span(span.start_ns, span.end_ns + missing_ns, span.index_ns + missing_ns, span.interval)
