"""One turn: settling what was used and reserving what is wanted, on the working copy of an account.

Everything is settled before anything is granted, so the outcome does not depend on the order of the reports.
What was used is priced as the difference of two totals of the session, never as a sum of rounded parts.
"""

from typing import Final

from ocs.charging.account import Account, Hold, Quota
from ocs.charging.events import (
    ChargingContext,
    ChargingEvent,
    FinalUnitAction,
    Grant,
    Result,
    TariffChange,
    Unit,
    UsageReport,
    UsedUnits,
)
from ocs.charging.ledger import Ledger
from ocs.charging.money import MOST_NANOS
from ocs.charging.priced import bounded, cheaper, is_free, rule_text, validity
from ocs.charging.quota import ChargingPolicy, QuotaRule, threshold_for, wanted_amount
from ocs.charging.rating import CapStrategy, affordable, cost, price
from ocs.charging.session import ends_quota, gives_up
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.line import Line
from ocs.charging.tariff.model import Priced, Verdict
from ocs.charging.totals import Payments, begun, note, since_ns
from ocs.charging.wallet import Owner
from ocs.charging.working import MOST_QUOTAS, MOST_UNITS, SERVICE_UNITS, Part, WorkingQuota, longest_ns

BUNDLE = "bundle"
# Members named all the time; before Python 3.12 looking one up in its class is slow.
TIME: Final = Unit.TIME
EVENTS: Final = Unit.EVENTS
MONEY: Final = Unit.MONEY
SUCCESS: Final = Result.SUCCESS
RATED: Final = Verdict.RATED
FREE: Final = Verdict.FREE
DENIED: Final = Verdict.DENIED

NO_OTHERS: dict[str, Owner] = {}
Unrated = Priced(Verdict.NO_RULE, None, None)


class Turn:
    """Working state of one event on one account."""

    __slots__ = (
        "_records",
        "_working",
        "account",
        "catalogue",
        "context",
        "event",
        "ledger",
        "now_ns",
        "opened_at_ns",
        "others",
        "plan",
        "policy",
        "service",
        "used_at_ns",
    )

    def __init__(
        self,
        account: Account,
        event: ChargingEvent,
        catalogue: Catalogue,
        policy: ChargingPolicy,
        now_ns: int,
        service: str,
        plan: str,
        context: ChargingContext,
        quotas: tuple[Quota, ...] = (),
        opened_at_ns: int | None = None,
    ) -> None:
        self.account = account
        self.event = event
        self.catalogue = catalogue
        self.policy = policy
        self.now_ns = now_ns
        self.ledger = Ledger(account.balances, now_ns)
        self.service = service
        self.plan = plan
        self.context = context
        self._records = list(quotas)
        self._working: list[WorkingQuota | None] = [None] * len(quotas)
        self.opened_at_ns = now_ns if opened_at_ns is None else opened_at_ns
        self.used_at_ns = event.occurred_at_ns or now_ns
        self.others: dict[str, Owner] = NO_OTHERS  # members of the account's groups

    # --- quotas

    def part(self, report: UsageReport) -> Part:
        """A report with the quotas of its rating group and services."""
        rating_group, services = report.rating_group, report.service_identifiers
        working = self._working
        quotas = []
        for index, record in enumerate(self._records):
            if record.rating_group == rating_group and record.service_identifiers == services:
                quota = working[index]
                if quota is None:
                    quota = working[index] = WorkingQuota(record)
                quotas.append(quota)
        return Part(report, quotas)

    def quotas(self) -> tuple[Quota, ...]:
        """The quotas as they are now."""
        return tuple(
            [
                record if quota is None else quota.frozen(record)
                for record, quota in zip(self._records, self._working, strict=True)
            ]
        )

    def release_all(self) -> None:
        """Give back every hold of the session."""
        for index, record in enumerate(self._records):
            quota = self._working[index]
            if quota is None:
                if not record.holds and not record.granted:
                    continue
                quota = self._working[index] = WorkingQuota(record)
            self._release(quota)

    def has_others_out(self) -> bool:
        """Whether units are out that no report of this event is about."""
        working = self._working
        return any(working[index] is None and record.granted for index, record in enumerate(self._records))

    def pool_holds(self, pool: int, but: WorkingQuota) -> tuple[Hold, ...]:
        """What is set aside for the other members of a credit pool of this session."""
        holds: tuple[Hold, ...] = ()
        for record, working in zip(self._records, self._working, strict=True):
            quota = record if working is None else working
            if quota is not but and quota.pool is not None and quota.pool[0] == pool:
                holds += quota.holds
        return holds

    def pool_member(self, pool: int, but: list[WorkingQuota]) -> WorkingQuota | None:
        """Another member of a credit pool of this session that has units out."""
        for index, record in enumerate(self._records):
            working = self._working[index]
            quota = record if working is None else working
            if working in but or not quota.granted or quota.pool is None or quota.pool[0] != pool:
                continue
            if working is None:
                working = self._working[index] = WorkingQuota(record)
            return working
        return None

    def forget_quotas(self) -> None:
        """Start the next report as if nothing had been used before."""
        self._records.clear()
        self._working.clear()

    def has_entries(self) -> bool:
        """Whether anything was debited, on this account or on a member of its groups."""
        return bool(self.ledger.entries) or any(owner.ledger.entries for owner in self.others.values())

    def release(self, holds: tuple[Hold, ...]) -> None:
        """Give back what was set aside."""
        self.ledger.release(holds)

    def _release(self, quota: WorkingQuota) -> None:
        self.release(quota.holds)
        quota.holds = ()
        quota.granted = 0
        quota.is_final = False
        quota.pool = None

    def quota(self, part: Part, unit: Unit) -> WorkingQuota:
        """The part's quota of that unit; a new one where there is none."""
        for quota in part.quotas:
            if quota.unit is unit:
                return quota
        record = Quota(part.report.rating_group, part.report.service_identifiers, unit)
        quota = WorkingQuota(record)
        if len(self._records) < MOST_QUOTAS:  # beyond, usage is charged and its place in the rate forgotten
            self._records.append(record)
            self._working.append(quota)
            part.quotas.append(quota)
        return quota

    def line(self, part: Part, unit: Unit | None, context: ChargingContext) -> Line | None:
        """The tariff line for a part's usage in a unit; unit None lets the tariff choose."""
        is_current = context is self.context
        if is_current and unit in part.lines:
            return part.lines[unit]
        report = part.report
        services = report.service_identifiers
        words = (  # of a Query
            self.service,
            unit,
            report.rating_group,
            services[0] if services else None,
            report.called or context.called,
            context.apn,
            context.plmn,
            context.category,
            context.rat,
            self.catalogue.facts(context.extra),
        )
        line = self.catalogue.line(self.plan, words)
        if is_current:
            part.lines[unit] = line
        return line

    # --- settling

    def settle(self, part: Part, context: ChargingContext) -> None:
        """Debit what a report says was used, at the conditions of `context`; the cost goes to `part.nanos`."""
        report = part.report
        if ends_quota(report):
            for quota in part.quotas:
                if quota.holds or quota.granted:
                    part.held += quota.holds
                    is_waiting = quota.is_final and report.requested is None and not gives_up(report)
                    self._release(quota)
                    quota.is_final = is_waiting  # a final action has begun: a top-up is of interest still
        for used in report.used:
            if used.amount > 0:
                self._charge(part, used, context)

    def _charge(self, part: Part, used: UsedUnits, context: ChargingContext) -> None:
        unit, units, is_money = used.unit, used.amount, used.unit is MONEY
        line = None if is_money else self.line(part, unit, context)
        if line is None and not is_money and self._is_charged_otherwise(part, unit, context):
            return  # another unit of this rating group is the one that is charged
        quota = self.quota(part, unit)
        if used.is_total:
            units -= quota.used
            if units <= 0:
                return
        if unit is TIME and units > self.now_ns - self.opened_at_ns + longest_ns(self.event, used):
            return  # some clients report the time of day
        if quota.used + units > MOST_UNITS[unit]:
            part.is_unrated = True
            return
        if used.is_total or quota.stretches:
            self._pay_noted(part, used, line, quota, units)
        else:
            self._pay(part, used, line, quota, units)
        quota.used += units
        if unit is TIME:
            quota.rated_at_ns = used.at_ns or self.used_at_ns

    def _pay_noted(
        self, part: Part, used: UsedUnits, line: Line | None, quota: WorkingQuota, units: int
    ) -> None:
        """Debit, and keep what paid: the total of the end may be a smaller one."""
        mark = len(self.ledger.entries)
        stretch = begun(quota, used, units, self.used_at_ns, self.now_ns)
        self._pay(part, used, line, quota, units)
        note(quota, stretch, self._payments(mark), since_ns(self.catalogue))

    def _payments(self, mark: int) -> Payments:
        """What the last usage took, in order; `mark` entries of the own account are older."""
        return [("", entry) for entry in self.ledger.entries[mark:]]

    def _pay(self, part: Part, used: UsedUnits, line: Line | None, quota: WorkingQuota, units: int) -> None:
        """Debit balances of units, then money for the rest."""
        left = units
        if used.unit is not MONEY:
            rating_group = part.report.rating_group
            indexes = self.ledger.usable(used.unit, self.service, rating_group, part.held)
            if indexes and not is_free(line, used.at_ns or self.used_at_ns):
                left -= self.ledger.draw_units(indexes, used.unit, units, rating_group, BUNDLE)
        if left:
            self._charge_money(part, used, line, quota, left)

    def _is_charged_otherwise(self, part: Part, unit: Unit, context: ChargingContext) -> bool:
        """Whether the rating group is charged by another unit than this one, which no rule is about."""
        if any(quota.unit is unit for quota in part.quotas):
            return False
        return bool(part.quotas) or any(
            used.unit is not unit and self.line(part, used.unit, context) is not None
            for used in part.report.used
        )

    def _charge_money(
        self, part: Part, used: UsedUnits, line: Line | None, quota: WorkingQuota, units: int
    ) -> None:
        """Debit the money for `units`."""
        ledger, rating_group, floor_nanos = self.ledger, part.report.rating_group, self.policy.floor_nanos
        if used.unit is MONEY:
            indexes = ledger.usable(MONEY, self.service, rating_group, part.held)
            ledger.draw_money(indexes, units, rating_group, MONEY, units, "money", 0, floor_nanos)
            pieces, nanos = [], units
        else:
            pieces, nanos = self._pieces(line, used, quota, units), 0
        for priced, piece in pieces:
            if priced.rate is None:
                part.is_unrated = True
                continue
            before = quota.rated
            piece_nanos = cost(priced.rate, before, piece)
            if piece_nanos:
                indexes = ledger.usable(MONEY, self.service, rating_group, part.held)
                rule = rule_text(priced)
                ledger.draw_money(
                    indexes, piece_nanos, rating_group, used.unit, piece, rule, before, floor_nanos
                )
                nanos += piece_nanos
            quota.rated = before + piece
        quota.cost_nanos = min(quota.cost_nanos + nanos, MOST_NANOS)
        part.nanos = min(part.nanos + nanos, MOST_NANOS)

    def _pieces(
        self, line: Line | None, used: UsedUnits, quota: WorkingQuota, units: int
    ) -> list[tuple[Priced, int]]:
        """`units` split into parts of one price; time is split by the clock, the rest goes by its moment."""
        if line is None:
            return [(Unrated, units)]
        at_ns = used.at_ns or self.used_at_ns
        if used.unit is TIME:
            start_ns = at_ns - units
            if quota.rated_at_ns is not None and quota.rated_at_ns > start_ns:
                start_ns = quota.rated_at_ns
            return line.split_used(start_ns, units, self.opened_at_ns)
        if used.tariff_change is TariffChange.BEFORE:
            return [(line.used_at(quota.granted_at_ns or at_ns, self.opened_at_ns), units)]
        priced = line.used_at(at_ns, self.opened_at_ns)
        if used.tariff_change is TariffChange.INDETERMINATE:
            before = line.used_at(quota.granted_at_ns or at_ns, self.opened_at_ns)
            priced = cheaper(before, priced, quota.rated, units)
        return [(priced, units)]

    # --- granting

    def grant(self, part: Part) -> Grant:
        """Reserve what a report asks for."""
        report, nanos = part.report, part.nanos
        rating_group, services = report.rating_group, report.service_identifiers
        rule = self.policy.rule(self.service, rating_group, self.context.apn, self.event.profile)
        if report.requested is None or part.is_unrated:  # who cannot be charged is not given more
            result = Result.RATING_FAILED if part.is_unrated else SUCCESS
            return Grant(rating_group, services, result, validity_ns=rule.validity_ns, cost_nanos=nanos)
        if not part.quotas and len(self._records) >= MOST_QUOTAS:
            return Grant(rating_group, services, Result.LIMIT_EXCEEDED, cost_nanos=nanos)
        unit, line = self.unit_and_line(part)
        asked = report.requested.amount
        wanted = asked if self.event.slices_itself and asked is not None else wanted_amount(rule, unit, asked)
        quota = self.quota(part, unit)
        priced = None if line is None else line.at(self.now_ns)
        if priced is not None and priced.verdict is not RATED:
            if priced.verdict is DENIED:
                return Grant(rating_group, services, Result.DENIED, cost_nanos=nanos)
            if priced.verdict is FREE:
                wanted = max(wanted, rule.maximum.get(unit, wanted))
        change_before_ns = self.now_ns + rule.validity_ns
        amount, holds, is_rated = self.reserve(part, unit, wanted, line, quota, change_before_ns)
        if not amount and not is_rated:
            return Grant(rating_group, services, Result.RATING_FAILED, cost_nanos=nanos)
        quota.granted += amount  # of a report before this one, about another recipient
        quota.holds += holds
        quota.granted_at_ns = self.now_ns
        quota.is_final = amount < wanted
        return self._granted(report, unit, amount, quota.is_final, rule, priced, nanos)

    def _granted(
        self,
        report: UsageReport,
        unit: Unit,
        amount: int,
        is_final: bool,
        rule: QuotaRule,
        priced: Priced | None,
        nanos: int,
    ) -> Grant:
        final_unit = rule.final_unit if is_final else None
        result = SUCCESS
        if not amount and (final_unit is None or final_unit.action is FinalUnitAction.TERMINATE):
            result, final_unit = Result.NO_CREDIT, None
        elif priced is not None and priced.verdict is FREE:
            result = Result.FREE_OF_CHARGE
        validity_ns, change_at_ns = validity(self.event, rule, unit, priced, self.now_ns)
        if is_final and amount and validity_ns == rule.validity_ns:  # some clients end with them
            validity_ns = rule.last_validity_ns or validity_ns
        return Grant(
            report.rating_group,
            report.service_identifiers,
            result,
            unit if amount else None,
            amount,
            validity_ns,
            final_unit,
            None if is_final else threshold_for(rule, unit, amount),
            rule.holding_time_ns,
            change_at_ns,
            rule.triggers,
            None,
            nanos,
            None if report.requested is None else report.requested.unit,
            rule.consumption_time_ns if unit is TIME else None,
        )

    def unit_and_line(self, part: Part) -> tuple[Unit, Line | None]:
        """The unit to grant in: what is asked for, else what the session has, else what the tariff rates."""
        requested = part.report.requested
        unit = None if requested is None else requested.unit
        if unit is None:
            unit = next((quota.unit for quota in part.quotas if quota.granted_at_ns), None)
        if unit is MONEY:
            return unit, None
        line = self.line(part, unit, self.context)
        if unit is None:
            unit = line.at(self.now_ns).unit if line else None
            unit = unit or SERVICE_UNITS.get(self.service, EVENTS)
        return unit, line

    def reserve(
        self,
        part: Part,
        unit: Unit,
        wanted: int,
        line: Line | None,
        quota: WorkingQuota,
        change_before_ns: int = 0,
    ) -> tuple[int, tuple[Hold, ...], bool]:
        """Hold units, then money for the rest; returns units granted, holds, and whether anything rates it.

        A tariff change before `change_before_ns` may happen while the units are used.
        """
        ledger, service, rating_group = self.ledger, self.service, part.report.rating_group
        covered, holds, is_rated = 0, tuple[Hold, ...](), unit is MONEY
        if not is_rated:
            indexes = ledger.usable(unit, service, rating_group)
            if indexes and not is_free(line, self.now_ns):
                is_rated = True
                covered, holds = ledger.hold(indexes, wanted)
                if covered == wanted:
                    return covered, holds, True
        funds = ledger.usable(MONEY, service, rating_group)
        credit = self.account.credit_limit_nanos
        available = None if credit is None else ledger.free_amount(funds) + credit
        if unit is MONEY:
            amount = nanos = wanted if available is None else max(0, min(wanted, available))
        elif line is None:
            return covered, holds, is_rated
        else:
            amount, nanos, is_line_rated = self._afford(
                line, unit, wanted - covered, quota.rated, available, change_before_ns
            )
            is_rated = is_rated or is_line_rated
        if nanos > 0:
            if not funds:
                funds = [ledger.ensure_money()]
            _, more = ledger.hold(funds, nanos, beyond=credit != 0)
            holds += more
        return covered + amount, holds, is_rated

    def _afford(
        self, line: Line, unit: Unit, wanted: int, rated: int, available: int | None, change_before_ns: int
    ) -> tuple[int, int, bool]:
        """How many of `wanted` units the money pays for, what to hold for them, whether they are rated.

        Volume that may be used on both sides of a tariff change is granted and held at the dearer price.
        """
        is_time = unit is TIME
        pieces = line.split(self.now_ns, wanted) if is_time else [(line.at(self.now_ns), wanted)]
        pieces = bounded(pieces, rated, self.event.highest_price)
        units = nanos = 0
        for priced, piece in pieces:
            rate = priced.rate
            if rate is None:
                return units, nanos, bool(units)
            position = rated + units
            piece_nanos = cost(rate, position, piece)
            budget = None if available is None else available - nanos if available > nanos else 0
            if rate.cap_nanos is not None and rate.cap_strategy is CapStrategy.DISCONNECT:
                room = max(rate.cap_nanos - price(rate, position), 0)
                budget = room if budget is None else min(room, budget)
            if budget is not None and piece_nanos > budget:
                # Who owes is given nothing, not even the rest of an increment that is paid for.
                is_owing = available is not None and available < 0
                part_units = 0 if is_owing else affordable(rate, position, budget) or 0
                nanos += cost(rate, position, part_units)
                units += part_units
                break
            nanos += piece_nanos
            units += piece
        until_ns = pieces[-1][0].until_ns if pieces else None
        if until_ns is None or is_time or until_ns >= change_before_ns or not self.event.knows_tariff_change:
            return units, nanos, True
        after, now = line.at(until_ns).rate, pieces[-1][0].rate
        if after is None or now is None:
            return units, nanos, True
        if available is not None and cost(after, rated, units) > max(available, 0):
            units = affordable(after, rated, available) or 0
        return units, max(cost(now, rated, units), cost(after, rated, units)), True
