"""What a call costs: increments of a span, compression of equal neighbours, and the three ways to add them up."""

from collections.abc import Mapping

import msgspec

from ocs.charging.cgrates.call import Call, Refusal
from ocs.charging.cgrates.grid import DECIMALS_MAX, round_double, round_to_nanos, snap_nanos, to_double
from ocs.charging.cgrates.matching import match_call
from ocs.charging.cgrates.model import CallCost, Increments, Match, Matched, RatedSpan
from ocs.charging.cgrates.plan import RateInterval, Settings, Tariff
from ocs.charging.cgrates.spans import Span, slot_at, split_call


def exceeds(limits: Mapping[str, int], kind: str, usage: int) -> bool:
    """Whether a usage is above the limit of its kind; kinds without one of their own have the `*any` limit."""
    limit = limits.get(kind, limits.get("*any"))
    return limit is not None and usage > limit


def rate(tariff: Tariff, call: Call, settings: Settings) -> tuple[RatedSpan, ...] | Refusal:
    """Spans of a call with their increments, without connect fee; a period without any price is refused."""
    matched = match_call(tariff, call, settings)
    if call.duration_ns <= 0:
        return () if isinstance(matched, Refusal) else (_empty_span(call, matched.match),)
    if isinstance(matched, Refusal):
        return matched
    spans, _ = rate_matched(call, matched, settings)
    return spans or Refusal.UNAUTHORIZED_DESTINATION


def rate_matched(call: Call, matched: Matched, settings: Settings) -> tuple[tuple[RatedSpan, ...], Matched]:
    """Spans of a call by a match found before, and that match as it is left; no spans where a price is missing."""
    spans, order = split_call(call, matched)
    left = matched if order == matched.intervals else msgspec.structs.replace(matched, intervals=order)
    if any(span.interval is None for span in spans):
        return (), left
    return compress([_priced(span, matched.match, call.offset_ns, settings) for span in spans]), left


def with_fee(spans: tuple[RatedSpan, ...], call: Call) -> tuple[RatedSpan, ...]:
    """Puts the connect fee in front of the first debit of a session.

    It joins the first span after compression, so where that stands for k equal parts the fee counts k times.
    """
    if call.loop != 0 or not spans or spans[0].interval is None:
        return spans
    fee = Increments(0, connect_fee(spans[0]))
    return (msgspec.structs.replace(spans[0], fee=fee), *spans[1:])


def connect_fee(span: RatedSpan) -> int:
    """Connect fee of a span's rate in nanos."""
    return span.interval.rate.fee_nanos if span.interval else 0


def compress(spans: list[RatedSpan]) -> tuple[RatedSpan, ...]:
    """Merges neighbours that look alike; their rates are not compared."""
    merged: list[RatedSpan] = []
    for span in spans:
        if merged and _alike(merged[-1], span):
            last = merged[-1]
            merged[-1] = msgspec.structs.replace(
                last, end_ns=span.end_ns, index_ns=span.index_ns, factor=last.factor + 1
            )
        else:
            merged.append(span)
    return tuple(merged)


def call_cost(tariff: Tariff, call: Call, settings: Settings) -> CallCost | Refusal:
    """Cost of a call nobody pays: `Responder.GetCost`, and CDRs of `*rated` events."""
    if exceeds(settings.max_usage, call.kind, call.duration_ns):
        return Refusal.MAX_USAGE_EXCEEDED
    spans = rate(tariff, call, settings)
    if isinstance(spans, Refusal):
        return spans
    spans = with_fee(spans, call)
    usage_ns = sum(span.end_ns - span.start_ns for span in spans)
    return CallCost(_capped_nanos(spans, call, settings), usage_ns, spans)


def event_cost(tariff: Tariff, call: Call, settings: Settings) -> CallCost | Refusal:
    """Cost as `APIerSv1.GetCost` tells it: rated as voice, without cap and final rounding."""
    if exceeds(settings.max_usage, "*any", call.duration_ns):
        return Refusal.MAX_USAGE_EXCEEDED
    spans = rate(tariff, call, settings)
    if isinstance(spans, Refusal):
        return spans
    spans = with_fee(spans, call)
    cost_nanos = sum(charge_nanos(span, settings.rounding_decimals) for span in spans)
    usage_ns = sum(charge_ns(span) for span in spans)
    return CallCost(cost_nanos, usage_ns, spans)


def charge_nanos(span: RatedSpan, decimals: int) -> int:
    """Cost of a span as charge of an event cost: its increments alone count."""
    fee_nanos = span.fee.cost_nanos if span.fee else 0
    steps = span.increments
    once = fee_nanos + (steps.cost_nanos * steps.count if steps else 0)
    return snap_nanos(snap_nanos(once, decimals) * span.factor, decimals)


def span_nanos(span: RatedSpan, decimals: int) -> int:
    """Cost of a span; without any increments it is what the whole span would cost."""
    if span.fee is None and span.increments is None:
        return span.whole_nanos * span.factor
    return charge_nanos(span, decimals)


def charge_ns(span: RatedSpan) -> int:
    """Usage of a span as charge of an event cost."""
    steps = span.increments
    return steps.duration_ns * steps.count * span.factor if steps else 0


def last_part(span: RatedSpan) -> RatedSpan:
    """The last of the equal parts of a span."""
    part_ns = (span.end_ns - span.start_ns) // max(1, span.factor)
    return msgspec.structs.replace(span, start_ns=span.end_ns - part_ns, factor=min(1, span.factor))


def total_nanos(spans: tuple[RatedSpan, ...], call: Call, settings: Settings) -> int:
    """Cost of spans with the connect fee, rounded by the plan."""
    costs = [to_double(span_nanos(span, settings.rounding_decimals)) for span in with_fee(spans, call)]
    return _finally_rounded(sum(costs), spans)


def correction_nanos(cost_nanos: int, interval: RateInterval) -> int:
    """What rounding by the plan adds to a cost; here zero decimals do round."""
    if not interval.rounding:
        return 0
    rounded = round_to_nanos(to_double(cost_nanos), interval.rounding_decimals, interval.rounding)
    return rounded - cost_nanos


def final_rounding(spans: tuple[RatedSpan, ...]) -> RateInterval | None:
    """The interval whose method rounds a total: the first with the most decimals, if it has any."""
    best: RateInterval | None = None
    for span in spans:
        if span.interval and span.interval.rounding_decimals > (best.rounding_decimals if best else 0):
            best = span.interval
    return best


def _empty_span(call: Call, match: Match) -> RatedSpan:
    return RatedSpan(call.start_ns, call.end_ns, 0, match, factor=0)


def _priced(span: Span, match: Match, offset_ns: int, settings: Settings) -> RatedSpan:
    decimals = settings.rounding_decimals
    blank = RatedSpan(span.start_ns - offset_ns, span.end_ns - offset_ns, span.index_ns, match, span.interval)
    slot = slot_at(span.interval.rate, span.position_ns) if span.interval else None
    if slot is None:
        return blank
    whole_nanos = round_to_nanos(slot.price / slot.unit_ns * span.duration_ns, decimals)
    count = span.duration_ns // slot.increment_ns
    steps = None
    if count <= settings.max_increments:
        steps = Increments(slot.increment_ns, round_to_nanos(to_double(whole_nanos) / count, decimals), count)
    return RatedSpan(
        blank.start_ns,
        blank.end_ns,
        blank.index_ns,
        match,
        span.interval,
        increments=steps,
        whole_nanos=whole_nanos,
    )


def _alike(one: RatedSpan, other: RatedSpan) -> bool:
    if one.interval is None or other.interval is None:
        return False
    return (
        one.increments == other.increments
        and (one.increments is not None or one.whole_nanos == other.whole_nanos)
        and (one.end_ns - one.start_ns) // one.factor == other.end_ns - other.start_ns
        and one.match == other.match
        and one.interval.weight == other.interval.weight
        and one.interval.timing.same_hours(other.interval.timing)
    )


def _capped_nanos(spans: tuple[RatedSpan, ...], call: Call, settings: Settings) -> int:
    """Sum of the spans, capped by `*free` rates, rounded once; a sum of doubles, as its residue moves `*down`.

    The cap is compared with a sum to which the running total is added again at every span.
    """
    total, so_far = 0.0, to_double(call.max_cost_so_far_nanos)
    for span in spans:
        total += to_double(span_nanos(span, settings.rounding_decimals))
        so_far += total
        cap = span.interval
        if (
            cap
            and cap.max_cost_strategy == "*free"
            and cap.max_cost_nanos > 0
            and so_far >= to_double(cap.max_cost_nanos)
        ):
            total = so_far = to_double(cap.max_cost_nanos)
    return _finally_rounded(total, spans)


def _finally_rounded(total: float, spans: tuple[RatedSpan, ...]) -> int:
    rounding = final_rounding(spans)
    if rounding is None:
        return round_to_nanos(total, DECIMALS_MAX)
    return round_to_nanos(round_double(total, rounding.rounding_decimals, rounding.rounding), DECIMALS_MAX)
