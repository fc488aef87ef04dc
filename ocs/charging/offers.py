"""What a grant may say beyond its units: a credit pool, a second quota after a tariff change, its price. Pure.

Pools (RFC 8506 5.1.2): rating groups of one session that name the same pool share what was granted to each. A unit
of a member takes its multiplier from the credit of the pool: nanos where money pays, units where a bundle does. The
two are not mixed in one pool; whoever would mix them stays outside with a quota of its own.
"""

from typing import Final

from msgspec.structs import replace

from ocs.charging.account import Hold
from ocs.charging.events import Grant, Result, ShownPrice, Unit
from ocs.charging.full_turn import FullTurn
from ocs.charging.ledger import Ledger
from ocs.charging.rating import Rate, affordable, cost
from ocs.charging.session import gives_up
from ocs.charging.tariff.line import Line
from ocs.charging.tariff.model import Verdict
from ocs.charging.turn import Turn
from ocs.charging.working import Part, WorkingQuota

SECOND_NS: Final = 1_000_000_000
MILLION: Final = 1_000_000
NANOS: Final = 1_000_000_000


def extended(turn: Turn, parts: list[Part], grants: list[Grant]) -> list[Grant]:
    """The grants with what the policy and the client's abilities add to them."""
    return [_extended(turn, part, grant) for part, grant in zip(parts, grants, strict=True)]


def _extended(turn: Turn, part: Part, grant: Grant) -> Grant:
    event, report = turn.event, part.report
    rule = turn.policy.rule(turn.service, report.rating_group, turn.context.apn, event.profile)
    if report.requested is None:
        if rule.pool is not None and gives_up(report) and not isinstance(turn, FullTurn):
            _leave(turn, part, rule.pool)
        return grant
    unit, line = turn.unit_and_line(part)
    quota = next((quota for quota in part.quotas if quota.unit is unit), None)
    if quota is None:
        return grant
    if event.wants_tariff and line is not None:
        grant = replace(grant, price=shown_price(line, unit, turn.now_ns, quota.rated))
    if isinstance(turn, FullTurn):
        return grant  # its balances have their own conditions: a quota of its own is all it gets
    if event.knows_dual_quota and grant.tariff_change_at_ns is not None and line is not None:
        grant = _with_second_quota(turn, part, quota, line, grant)
    if rule.pool is not None and grant.amount_after is None:
        grant = _pooled(turn, quota, line, grant, rule.pool)
    return grant


# --- pools


def _pooled(turn: Turn, quota: WorkingQuota, line: Line | None, grant: Grant, pool: int) -> Grant:
    """The grant as a member of a pool; where nothing is left to grant, it shares what the others have."""
    others = turn.pool_holds(pool, quota)
    holds = quota.holds or others
    kinds = {_unit_of(turn.ledger, hold) for hold in (*holds, *others)}
    if len(kinds) != 1 or grant.result not in (Result.SUCCESS, Result.NO_CREDIT):
        return grant
    rate = None if line is None else line.at(turn.now_ns).rate
    multiplier = _multiplier(kinds.pop(), quota.unit, rate, quota.rated, grant.amount)
    if multiplier is None:
        return grant
    quota.pool = (pool, multiplier)
    if grant.amount:
        return replace(grant, pool=quota.pool)
    rule = turn.policy.rule(turn.service, grant.rating_group, turn.context.apn, turn.event.profile)
    return replace(grant, result=Result.SUCCESS, unit=quota.unit, final_unit=rule.final_unit, pool=quota.pool)


def _multiplier(kind: Unit | None, unit: Unit, rate: Rate | None, position: int, amount: int) -> int | None:
    """Millionths of the pool's credit that one unit on the wire takes; None where that is not always the same."""
    if kind is unit:
        return NANOS * MILLION if unit is Unit.MONEY else MILLION
    if kind is not Unit.MONEY or rate is None or rate.cap_nanos is not None:
        return None
    if rate.connect_fee_nanos and not position:
        return None
    starts = [slot.start_units for slot in rate.slots]
    if not starts or position < starts[0] or any(position < start < position + amount for start in starts):
        return None
    slot = [slot for slot in rate.slots if slot.start_units <= position][-1]
    scale = SECOND_NS if unit is Unit.TIME else 1
    return slot.price_nanos * MILLION * scale // slot.per_units or None


def _leave(turn: Turn, part: Part, pool: int) -> None:
    """A member gives up its quota: what it has not used stays with the pool while there are others in it."""
    left = sum(hold.amount for hold in part.held) - part.nanos
    kinds = {_unit_of(turn.ledger, hold) for hold in part.held}
    heir = turn.pool_member(pool, part.quotas)
    if heir is None or left <= 0 or kinds != {Unit.MONEY}:
        return
    ledger = turn.ledger
    funds = ledger.usable(Unit.MONEY, turn.service, part.report.rating_group)
    _, holds = ledger.hold(funds, left)
    heir.holds += holds


def _unit_of(ledger: Ledger, hold: Hold) -> Unit | None:
    balance = ledger.find(hold.balance_id)
    return None if balance is None else balance.unit


# --- two quotas


def _with_second_quota(turn: Turn, part: Part, quota: WorkingQuota, line: Line, grant: Grant) -> Grant:
    """The grant with as many units for after the tariff change, as far as money pays for them."""
    rate = line.at(grant.tariff_change_at_ns or turn.now_ns).rate
    ledger = turn.ledger
    if rate is None or not grant.amount:
        return grant
    if any(_unit_of(ledger, hold) is not Unit.MONEY for hold in quota.holds):
        return grant
    funds = ledger.usable(Unit.MONEY, turn.service, part.report.rating_group)
    credit = turn.account.credit_limit_nanos
    units, nanos = grant.amount, cost(rate, quota.rated, grant.amount)
    if credit is not None and nanos > (available := max(ledger.free_amount(funds) + credit, 0)):
        units = affordable(rate, quota.rated, available) or 0
        nanos = cost(rate, quota.rated, units)
    if not units:
        return grant
    if nanos > 0:
        _, holds = ledger.hold(funds or [ledger.ensure_money()], nanos, beyond=credit != 0)
        quota.holds += holds
    quota.granted += units
    return replace(grant, amount_after=units)


# --- prices


def shown_price(line: Line, unit: Unit, at_ns: int, position: int) -> ShownPrice | None:
    """The price of the next unit of a session, and the one after the next change; None where there is none."""
    priced = line.at(at_ns)
    now = _price_of(priced.rate, position)
    if priced.verdict is Verdict.FREE:
        now = (0, 1)
    if now is None:
        return None
    until_ns = priced.until_ns
    later = None if until_ns is None else _price_of(line.at(until_ns).rate, position)
    if later is None or later == now:
        return ShownPrice(unit, *now)
    return ShownPrice(unit, *now, until_ns, *later)


def _price_of(rate: Rate | None, position: int) -> tuple[int, int] | None:
    if rate is None:
        return None
    slots = [slot for slot in rate.slots if slot.start_units <= position] or rate.slots[:1]
    return (slots[-1].price_nanos, slots[-1].per_units) if slots else None
