"""A message to several recipients (TS 32.274): one report for each, so that each has its own price. Pure."""

from ocs.charging.events import RequestedUnits, UsageReport, UsedUnits


def per_recipient(reports: tuple[UsageReport, ...], recipients: tuple[str, ...]) -> tuple[UsageReport, ...]:
    """One report for each recipient of a message; a number of units that covers all is divided."""
    count = len(recipients)
    return tuple(
        UsageReport(
            report.rating_group,
            report.service_identifiers,
            _requested_share(report.requested, count),
            tuple([_used_share(used, count) for used in report.used]),
            report.reason,
            recipient,
        )
        for report in reports
        for recipient in recipients
    )


def _share(amount: int, count: int) -> int:
    return amount // count if amount >= count and amount % count == 0 else amount


def _requested_share(requested: RequestedUnits | None, count: int) -> RequestedUnits | None:
    if requested is None or requested.amount is None:
        return requested
    return RequestedUnits(requested.unit, _share(requested.amount, count))


def _used_share(used: UsedUnits, count: int) -> UsedUnits:
    return UsedUnits(used.unit, _share(used.amount, count), used.tariff_change, used.at_ns)
