"""What a price means to a turn: its name in the books, whether it is nothing, which of two is cheaper. Pure."""

from ocs.charging.rating import cost, not_dearer
from ocs.charging.tariff.line import Line
from ocs.charging.tariff.model import Priced, Verdict


def is_free(line: Line | None, at_ns: int) -> bool:
    """Whether the tariff gives it away: then no bundle is used for it."""
    return line is not None and line.at(at_ns).verdict is Verdict.FREE


def rule_text(priced: Priced) -> str:
    """What an entry says about its price: plan, rule, rate, the prefix or zone, and the window."""
    return f"{priced.plan}|{priced.rule}|{priced.rate_id}|{priced.prefix or priced.zone}|{priced.window}"


def bounded(
    pieces: list[tuple[Priced, int]], position: int, limit: tuple[int, int] | None
) -> list[tuple[Priced, int]]:
    """Pieces of a usage up to where a unit costs more than `limit` (nanos, for so many units)."""
    if limit is None:
        return pieces
    kept: list[tuple[Priced, int]] = []
    for priced, units in pieces:
        part = units if priced.rate is None else not_dearer(priced.rate, position, units, limit)
        if part:
            kept.append((priced, part))
        if part < units:
            break
        position += units
    return kept


def cheaper(before: Priced, after: Priced, position: int, units: int) -> Priced:
    """The cheaper of the prices around a tariff change: usage that lies on neither side is not overcharged."""
    if before.rate is None or after.rate is None:
        return after
    return before if cost(before.rate, position, units) < cost(after.rate, position, units) else after
