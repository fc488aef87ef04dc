"""What a turn changes as it goes along: quotas, and the reports they are settled and granted by."""

from ocs.charging.account import Hold, Quota
from ocs.charging.events import ChargingEvent, EventKind, Unit, UsageReport, UsedUnits
from ocs.charging.tariff.line import Line

SECOND_NS = 1_000_000_000
TIME_SLACK_NS = 86_400 * SECOND_NS  # how much longer than its session a usage may have lasted
LONGEST_RECORD_NS = 31 * 86_400 * SECOND_NS  # of a usage that a one-time event tells with its moment
SERVICE_UNITS = {"voice": Unit.TIME, "sms": Unit.EVENTS, "mms": Unit.EVENTS, "data": Unit.OCTETS}
MOST_UNITS = {
    Unit.OCTETS: 1 << 53,
    Unit.TIME: 1 << 53,
    Unit.EVENTS: 1 << 40,
    Unit.MONEY: 1 << 60,
    Unit.GENERIC: 1 << 60,
}  # of one quota
MOST_QUOTAS = 1_000  # rating groups and units of one session


class WorkingQuota:
    """A quota while its report is settled and granted; `frozen` makes the record of it again."""

    __slots__ = (
        "cost_nanos",
        "drawn",
        "granted",
        "granted_at_ns",
        "holds",
        "is_final",
        "pool",
        "rated",
        "rated_at_ns",
        "stretches",
        "unit",
        "used",
    )

    def __init__(self, quota: Quota) -> None:
        self.unit = quota.unit
        self.granted = quota.granted
        self.holds = quota.holds
        self.used = quota.used
        self.rated = quota.rated
        self.cost_nanos = quota.cost_nanos
        self.rated_at_ns = quota.rated_at_ns
        self.granted_at_ns = quota.granted_at_ns
        self.is_final = quota.is_final
        self.pool = quota.pool
        self.drawn = quota.drawn
        self.stretches = quota.stretches

    def frozen(self, quota: Quota) -> Quota:
        """The record, with what never changes taken from `quota`."""
        return Quota(
            quota.rating_group,
            quota.service_identifiers,
            self.unit,
            self.granted,
            self.holds,
            self.used,
            self.rated,
            self.cost_nanos,
            self.rated_at_ns,
            self.granted_at_ns,
            self.is_final,
            self.pool,
            self.drawn,
            self.stretches,
        )


class Part:
    """One report of the event, the session's quotas it is about, and what settling it found."""

    __slots__ = ("held", "is_unrated", "lines", "nanos", "quotas", "report")

    def __init__(self, report: UsageReport, quotas: list[WorkingQuota]) -> None:
        self.report = report
        self.quotas = quotas
        self.held: tuple[Hold, ...] = ()
        self.lines: dict[Unit | None, Line | None] = {}
        self.nanos = 0
        self.is_unrated = False


def longest_ns(event: ChargingEvent, used: UsedUnits) -> int:
    """How much longer than its session a usage may have lasted."""
    is_record = event.kind is EventKind.EVENT and used.at_ns is not None
    return LONGEST_RECORD_NS if is_record else TIME_SLACK_NS
