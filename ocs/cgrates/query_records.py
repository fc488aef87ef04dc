"""Trends and rankings between the records and answers of the API and the rules. Pure."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ocs.cgrates.objects.numbers import moment
from ocs.cgrates.objects.plain import plain
from ocs.charging.cron import cron
from ocs.charging.profiles.metrics import NO_VALUE
from ocs.charging.profiles.rankings import DESCENDING, Ranking, RankingProfile
from ocs.charging.profiles.trends import LAST, Run, Trend, TrendProfile
from ocs.charging.schedule import Interval, Schedule

Record = Mapping[str, Any]
Form = dict[str, Any]
SECOND_NS = 1_000_000_000


def trend_profile(record: Record) -> TrendProfile:
    """The profile of a record. Raises ValueError for a schedule that is none."""
    _checked(record)
    return TrendProfile(
        tenant=record["Tenant"],
        id=record["ID"],
        stat_id=record.get("StatID") or "",
        metric_ids=tuple(record.get("Metrics") or ()),
        schedule=record.get("Schedule") or "",
        ttl_ns=record.get("TTL") or -1,
        queue_length=record.get("QueueLength") or -1,
        min_items=record.get("MinItems") or 0,
        correlation=record.get("CorrelationType") or LAST,
        tolerance=Decimal(str(record.get("Tolerance") or 0)),
        is_stored=bool(record.get("Stored")),
        threshold_ids=tuple(record.get("ThresholdIDs") or ()),
    )


def ranking_profile(record: Record) -> RankingProfile:
    """The profile of a record. Raises ValueError for a schedule that is none."""
    _checked(record)
    return RankingProfile(
        tenant=record["Tenant"],
        id=record["ID"],
        stat_ids=tuple(record.get("StatIDs") or ()),
        metric_ids=tuple(record.get("MetricIDs") or ()),
        schedule=record.get("Schedule") or "",
        sorting=record.get("Sorting") or DESCENDING,
        sorting_parameters=tuple(record.get("SortingParameters") or ()),
        is_stored=bool(record.get("Stored")),
        threshold_ids=tuple(record.get("ThresholdIDs") or ()),
    )


def _checked(record: Record) -> None:
    if record.get("Schedule"):
        cron(record["Schedule"])


def schedule_of(text: str, now_ns: int) -> Schedule:
    """A schedule whose intervals begin at the full second before a moment. Raises ValueError."""
    found = cron(text)
    if isinstance(found, Interval):
        return Interval(found.every_ns, now_ns - now_ns % SECOND_NS)
    return found


def readings_form(run: Run) -> Form:
    """The metrics of one run by their ids."""
    return {
        each.metric_id: {
            "ID": each.metric_id,
            "Value": plain(each.value),
            "TrendGrowth": plain(each.growth),
            "TrendLabel": each.label,
        }
        for each in run.readings
    }


def trend_form(trend: Trend, runs: tuple[Run, ...]) -> Form:
    """Some runs of a trend."""
    return {
        "Tenant": trend.tenant,
        "ID": trend.id,
        "RunTimes": [moment(run.at_ns) for run in runs],
        "Metrics": {moment(run.at_ns): readings_form(run) for run in runs},
        "CompressedMetrics": None,
    }


def trend_summary(trend: Trend) -> Form:
    """The last run of a trend, which has one."""
    run = trend.runs[-1]
    return {
        "Tenant": trend.tenant,
        "ID": trend.id,
        "Time": moment(run.at_ns),
        "Metrics": readings_form(run),
    }


def ranking_form(ranking: Ranking) -> Form:
    """A ranking whole."""
    metrics = {
        name: {metric: NO_VALUE if value is None else plain(value) for metric, value in values.items()}
        for name, values in ranking.metrics.items()
    }
    return {
        "Tenant": ranking.tenant,
        "ID": ranking.id,
        "LastUpdate": moment(ranking.at_ns),
        "Metrics": metrics,
        "Sorting": ranking.sorting,
        "SortingParameters": list(ranking.sorting_parameters),
        "SortedStatIDs": list(ranking.sorted_stat_ids),
    }


def ranking_summary(ranking: Ranking) -> Form:
    """The order of a ranking."""
    return {
        "Tenant": ranking.tenant,
        "ID": ranking.id,
        "LastUpdate": moment(ranking.at_ns),
        "SortedStatIDs": list(ranking.sorted_stat_ids),
    }
