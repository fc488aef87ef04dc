"""TrendSv1 and RankingSv1: queues of statistics looked at by a schedule."""

from typing import Any

from ocs.cgrates import query_records
from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.errors import not_connected, not_found
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.numbers import moment
from ocs.cgrates.runtime import Runtime
from ocs.charging.profiles.rankings import Ranking
from ocs.charging.profiles.trends import Trend, selected
from ocs.rpc.errors import RpcError
from ocs.rpc.methods.cgrates.table import Table, tenant_of
from ocs.rpc.registry import Role
from ocs.sessions.errors import PARTIALLY_EXECUTED

TABLE = Table()
Form = dict[str, Any]


def _key(runtime: Runtime, given: Given, kind: Kind) -> str:
    """The key of the profile named. Raises RpcError where there is none."""
    given.require("ID")
    key = f"{tenant_of(runtime, given)}:{given.text('ID')}"
    if key not in runtime.state.tables[kind]:
        raise not_found()
    return key


def _plan(runtime: Runtime, given: Given, kind: Kind, member: str, service: str) -> int:
    if not runtime.queries.section(kind).enabled:
        raise not_connected(service)
    count, is_whole = runtime.queries.plan(kind, tenant_of(runtime, given), given.texts(member))
    if not is_whole:
        raise RpcError(PARTIALLY_EXECUTED)
    return count


def _planned(runtime: Runtime, given: Given, kind: Kind, name: str) -> list[Form]:
    """What is going to be looked at, the soonest first."""
    prefix, begins = f"{tenant_of(runtime, given)}:", given.texts(f"{name}Prefixes")
    found = [
        (key.removeprefix(prefix), planned)
        for (each, key), planned in runtime.queries.planned.items()
        if each is kind and key.startswith(prefix)
    ]
    found = [(key, planned) for key, planned in found if not begins or key.startswith(begins)]
    if not found:
        raise not_found()
    return [
        {name: key, "Next": moment(planned.next_ns), "Previous": moment(planned.previous_ns)}
        for key, planned in sorted(found, key=lambda one: one[1].next_ns)
    ]


# --- trends


@TABLE.method("TrendSv1.ScheduleQueries", role=Role.ADMINISTER)
def schedule_trends(runtime: Runtime, given: Given) -> int:
    """Has the queues of trends looked at by their schedules from now on; how many trends there are."""
    return _plan(runtime, given, Kind.TREND, "TrendIDs", "TrendS")


@TABLE.method("TrendSv1.GetTrend", role=Role.READ)
def get_trend(runtime: Runtime, given: Given) -> Form:
    """The runs of a trend, those between some numbers and times where asked."""
    trend = runtime.queries.trends.get(_key(runtime, given, Kind.TREND))
    now_ns = runtime.wall_ns()
    runs = selected(
        Trend("", "") if trend is None else trend,
        given.integer("RunIndexStart"),
        given.integer("RunIndexEnd"),
        given.moment("RunTimeStart", now_ns),
        given.moment("RunTimeEnd", now_ns),
    )
    if trend is None or not runs:
        raise not_found()
    return query_records.trend_form(trend, runs)


@TABLE.method("TrendSv1.GetTrendSummary", role=Role.READ)
def get_trend_summary(runtime: Runtime, given: Given) -> Form:
    """The last run of a trend."""
    trend = runtime.queries.trends.get(_key(runtime, given, Kind.TREND))
    if trend is None:
        raise not_found()
    return query_records.trend_summary(trend)


@TABLE.method("TrendSv1.GetScheduledTrends", role=Role.READ)
def get_scheduled_trends(runtime: Runtime, given: Given) -> list[Form]:
    """When trends are reckoned next, and were last; those whose ids begin with one of `TrendIDPrefixes`."""
    return _planned(runtime, given, Kind.TREND, "TrendID")


# --- rankings


@TABLE.method("RankingSv1.ScheduleQueries", role=Role.ADMINISTER)
def schedule_rankings(runtime: Runtime, given: Given) -> int:
    """Has the queues of rankings looked at by their schedules from now on; how many rankings there are."""
    return _plan(runtime, given, Kind.RANKING, "RankingIDs", "RankingS")


def _ranking(runtime: Runtime, given: Given) -> Ranking:
    key = _key(runtime, given, Kind.RANKING)
    tenant, _, name = key.partition(":")
    return runtime.queries.rankings.get(key) or Ranking(tenant, name)


@TABLE.method("RankingSv1.GetRanking", role=Role.READ)
def get_ranking(runtime: Runtime, given: Given) -> Form:
    """The queues of a ranking in their order, with their metrics; none before the first look."""
    return query_records.ranking_form(_ranking(runtime, given))


@TABLE.method("RankingSv1.GetRankingSummary", role=Role.READ)
def get_ranking_summary(runtime: Runtime, given: Given) -> Form:
    """The queues of a ranking in their order."""
    return query_records.ranking_summary(_ranking(runtime, given))


@TABLE.method("RankingSv1.GetSchedule", role=Role.READ)
def get_schedule(runtime: Runtime, given: Given) -> list[Form]:
    """When rankings are made next, and were last; those whose ids begin with one of `RankingIDPrefixes`."""
    return _planned(runtime, given, Kind.RANKING, "RankingID")
