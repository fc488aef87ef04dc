"""The pipeline's words as results, and usage as grants. Pure."""

from collections.abc import Mapping
from typing import Final

from ocs.charging.events import ChargingEvent, FinalUnitAction, Grant, Result, Unit, UsageReport, UsedUnits
from ocs.charging.quota import QuotaRule, threshold_for

SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS
UNITS: Final = {"voice": Unit.TIME, "data": Unit.OCTETS, "sms": Unit.EVENTS, "mms": Unit.EVENTS}
MOST: Final = {
    Unit.OCTETS: 1 << 53,
    Unit.TIME: 1 << 53,
    Unit.EVENTS: 1 << 40,
    Unit.MONEY: 1 << 60,
    Unit.GENERIC: 1 << 60,
}
UNPLANNED: Final = ("UNAUTHORIZED_DESTINATION", "RATING_PLAN_NOT_FOUND")
RESULTS: Final[Mapping[str, Result]] = {
    "ACCOUNT_NOT_FOUND": Result.UNKNOWN_SUBSCRIBER,
    "ACCOUNT_DISABLED": Result.DENIED,
    "INSUFFICIENT_CREDIT": Result.NO_CREDIT,
    "INSUFFICIENT_CREDIT_BALANCE_BLOCKER": Result.NO_CREDIT,
    "MAX_USAGE_EXCEEDED": Result.LIMIT_EXCEEDED,
    "RESOURCE_UNAVAILABLE": Result.LIMIT_EXCEEDED,
    "RESOURCE_UNAUTHORIZED": Result.LIMIT_EXCEEDED,
}
FAILED_FIELDS: Final[Mapping[Result, str]] = {
    Result.RATING_FAILED: "rating_group",
    Result.UNKNOWN_SUBSCRIBER: "identities",
    Result.UNKNOWN_SESSION: "session_id",
}


def result_of(text: str, refuses_unplanned: bool) -> Result:
    """What an error of the pipeline is to a network element: `RALS_ERROR:ACCOUNT_NOT_FOUND`."""
    word = text.rpartition(":")[2].strip()
    if word in UNPLANNED:
        return Result.NOT_AUTHORIZED if refuses_unplanned else Result.RATING_FAILED
    return RESULTS.get(word, Result.FAILED)


def unit_of(event: ChargingEvent, report: UsageReport, known: Unit | None) -> Unit:
    """What a report is charged by: what it asks for, what it had before, else what its service counts."""
    requested = report.requested
    if requested is not None and requested.unit is not None:
        return requested.unit
    if known is not None:
        return known
    usual = UNITS.get(event.service, Unit.EVENTS)
    told = [used.unit for used in report.used if used.unit is not Unit.MONEY and not used.is_total]
    return usual if requested is not None or usual in told or not told else told[0]


def used_of(report: UsageReport, unit: Unit, known: int) -> int:
    """What was used since the last report, of a unit; `known` is what was said of it before."""
    since = 0
    for used in report.used:
        if used.unit is unit:
            since += max(used.amount - known - since, 0) if used.is_total else max(used.amount, 0)
    return since


def is_possible(unit: Unit, known: int, since: int, lasted_ns: int) -> bool:
    """Whether a session can have used so much; no time passes faster than the clock, with a day to spare."""
    return known + since <= MOST[unit] and (unit is not Unit.TIME or since <= lasted_ns + DAY_NS)


def whole(unit: Unit, amount: int, event: ChargingEvent) -> int:
    """An amount as the client can be told it: time in whole seconds."""
    return amount - amount % SECOND_NS if unit is Unit.TIME and not event.slices_itself else amount


def nothing_wanted(report: UsageReport, rule: QuotaRule) -> Grant:
    """The answer to a report that asks for nothing: it is charged, and may ask again when its time is up."""
    return Grant(
        report.rating_group, report.service_identifiers, Result.SUCCESS, validity_ns=rule.validity_ns
    )


def refused(report: UsageReport, result: Result) -> Grant:
    """The answer to a report that gets nothing."""
    return Grant(report.rating_group, report.service_identifiers, result)


def granted(report: UsageReport, unit: Unit, amount: int, wanted: int, rule: QuotaRule) -> Grant:
    """The answer to a report that asks for units; less than is wanted is the last of them."""
    is_final = amount < wanted
    final_unit = rule.final_unit if is_final else None
    if not amount and (final_unit is None or final_unit.action is FinalUnitAction.TERMINATE):
        return refused(report, Result.NO_CREDIT)
    validity_ns = rule.validity_ns
    if is_final and amount:
        validity_ns = rule.last_validity_ns or validity_ns
    return Grant(
        report.rating_group,
        report.service_identifiers,
        Result.SUCCESS,
        unit if amount else None,
        amount,
        validity_ns,
        final_unit,
        None if is_final else threshold_for(rule, unit, amount),
        rule.holding_time_ns,
        triggers=rule.triggers,
        requested_unit=None if report.requested is None else report.requested.unit,
        consumption_time_ns=rule.consumption_time_ns if unit is Unit.TIME else None,
    )


def reported(units: tuple[UsedUnits, ...]) -> bool:
    """Whether anything was used."""
    return any(used.amount > 0 for used in units)
