"""What a price means to a turn: its name in the books, whether it is nothing, how long it holds. Pure."""

from typing import Final
from zlib import crc32

from ocs.charging.events import ChargingEvent, Unit
from ocs.charging.quota import SECOND_NS, QuotaRule
from ocs.charging.rating import cost, not_dearer
from ocs.charging.tariff.line import Line
from ocs.charging.tariff.model import Priced, Verdict

CHANGE_SPREAD_S = 60  # re-authorisations at a tariff change are spread over this many seconds
TIME: Final = Unit.TIME


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


def validity(
    event: ChargingEvent, rule: QuotaRule, unit: Unit, priced: Priced | None, now_ns: int
) -> tuple[int, int | None]:
    """How long a grant holds, and the tariff change inside it where the client can report around one.

    For other clients the grant ends at the change, spread a little against all of them asking at once.
    """
    until_ns = None if priced is None else priced.until_ns
    if until_ns is None or unit is TIME or until_ns - now_ns >= rule.validity_ns:
        return rule.validity_ns, None
    if event.knows_tariff_change:
        return rule.validity_ns, until_ns
    spread_s = crc32(event.session_id.encode("utf-8", "surrogateescape")) % CHANGE_SPREAD_S
    return max(SECOND_NS, until_ns - now_ns + spread_s * SECOND_NS), None
