"""Looks at statistics as often as trends and rankings say, and tells others what came of it.

At the start the profiles are scheduled that `scheduled_ids` of their section names, all where it names none; those
that come later wait for `ScheduleQueries`. A look that falls into a time at which the server is down is left out.
"""

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
import structlog

from ocs.cgrates import query_records
from ocs.cgrates.kinds import Kind
from ocs.cgrates.scheduler import LONGEST_WAIT_S, NS, zone_of
from ocs.charging.profiles import rankings, trends
from ocs.charging.profiles.metrics import NOT_AVAILABLE
from ocs.charging.profiles.model import NONE
from ocs.charging.profiles.rankings import Ranking, RankingProfile
from ocs.charging.profiles.trends import Trend, TrendProfile
from ocs.charging.profiles.values import Number
from ocs.charging.schedule import Schedule, next_run
from ocs.sessions.errors import NOT_FOUND, ServiceError
from ocs.sessions.model import CgrEvent
from ocs.sessions.values import Event

if TYPE_CHECKING:
    from ocs.cgrates.config import Subsystem
    from ocs.cgrates.runtime import Runtime

log = structlog.get_logger()

Key = tuple[Kind, str]  # of a profile
RESULTS = {Kind.TREND: Kind.TREND_RUNS, Kind.RANKING: Kind.RANKING_RESULT}


class Planned(msgspec.Struct, frozen=True):
    """A profile that is looked after: when next, and when last."""

    schedule: Schedule
    next_ns: int
    previous_ns: int | None = None


class Queries:
    """Trends and rankings of one server."""

    def __init__(self, runtime: "Runtime", zone_name: str = "Local") -> None:
        self._runtime = runtime
        self._zone = zone_of(zone_name)
        self._changed = asyncio.Event()
        self.planned: dict[Key, Planned] = {}
        self.trends: dict[str, Trend] = dict(runtime.state.tables[Kind.TREND_RUNS])
        self.rankings: dict[str, Ranking] = dict(runtime.state.tables[Kind.RANKING_RESULT])

    def section(self, kind: Kind) -> "Subsystem":
        """What the configuration says about a kind of profile."""
        settings = self._runtime.settings
        return settings.trends if kind is Kind.TREND else settings.rankings

    # --- when

    def plan_all(self) -> None:
        """Schedules what the configuration names."""
        for kind in RESULTS:
            section = self.section(kind)
            if not section.enabled:
                continue
            table = self._runtime.state.tables[kind]
            tenants = dict.fromkeys(key.partition(":")[0] for key in table)
            wanted = section.scheduled_ids or {tenant: [] for tenant in tenants}
            for tenant, names in wanted.items():
                self.plan(kind, tenant, names)

    def plan(self, kind: Kind, tenant: str, names: Iterable[str]) -> tuple[int, bool]:
        """Schedules profiles anew, all of a tenant where none is named: how many, and whether all could be."""
        prefix = f"{tenant}:"
        table = self._runtime.state.tables[kind]
        keys = [f"{prefix}{name}" for name in names] or [key for key in table if key.startswith(prefix)]
        planned = [key for key in keys if self._plan(kind, key)]
        self._changed.set()
        return len(planned), len(planned) == len(keys)

    def _plan(self, kind: Kind, key: str) -> bool:
        record = self._runtime.state.tables[kind].get(key)
        self.planned.pop((kind, key), None)
        if record is None or not record.get("Schedule"):
            log.warning(
                "query.not_scheduled", kind=kind.value, profile=key, reason="no profile with a schedule"
            )
            return False
        now_ns = self._runtime.wall_ns()
        schedule = query_records.schedule_of(record["Schedule"], now_ns)
        next_ns = next_run(schedule, now_ns, self._zone)
        if next_ns is not None:
            self.planned[kind, key] = Planned(schedule, next_ns)
        return True

    def forget(self, kind: Kind, key: str) -> None:
        """A profile is to go, and what was seen for it."""
        self.planned.pop((kind, key), None)
        found = self.trends if kind is Kind.TREND else self.rankings
        found.pop(key, None)
        self._runtime.state.delete(RESULTS[kind], key)

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            self._changed.clear()
            now_ns = self._runtime.wall_ns()
            due = [key for key, each in self.planned.items() if each.next_ns <= now_ns]
            for key in due:
                self._take(key, now_ns)
            if due:
                await self._runtime.durable()
                continue
            soonest = min((each.next_ns for each in self.planned.values()), default=None)
            wait_s = LONGEST_WAIT_S if soonest is None else (soonest - now_ns) / NS
            try:
                async with asyncio.timeout(min(wait_s, LONGEST_WAIT_S)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _take(self, key: Key, now_ns: int) -> None:
        kind, name = key
        planned = self.planned.pop(key)
        next_ns = next_run(planned.schedule, now_ns, self._zone)
        if next_ns is not None:
            self.planned[key] = Planned(planned.schedule, next_ns, now_ns)
        try:
            self.take(kind, name, now_ns)
        except (ServiceError, ValueError) as error:
            log.warning("query.failed", kind=kind.value, profile=name, error=str(error))

    # --- what

    def take(self, kind: Kind, key: str, now_ns: int) -> None:
        """Looks at the queues of a profile now. Raises ServiceError, ValueError."""
        record = self._runtime.state.tables[kind].get(key)
        if record is None:
            raise ServiceError(NOT_FOUND)
        if not self.section(kind).stats_conns:
            raise ServiceError("NOT_CONNECTED: StatS")
        if kind is Kind.TREND:
            self._take_trend(query_records.trend_profile(record), key, now_ns)
        else:
            self._take_ranking(query_records.ranking_profile(record), key, now_ns)

    def _take_trend(self, profile: TrendProfile, key: str, now_ns: int) -> None:
        values = self._values(profile.tenant, profile.stat_id, now_ns)
        before = self.trends.get(key) or Trend(profile.tenant, profile.id)
        decimals = self._runtime.settings.general.rounding_decimals
        trend = self.trends[key] = trends.continued(before, profile, values, now_ns, decimals)
        if profile.is_stored:
            self._runtime.state.put(Kind.TREND_RUNS, key, trend)
        if len(trend.runs) >= profile.min_items:
            metrics = query_records.readings_form(trend.runs[-1])
            told = {"TrendID": profile.id, "Metrics": metrics}
            self._tell(Kind.TREND, profile, "TrendUpdate", told)

    def _take_ranking(self, profile: RankingProfile, key: str, now_ns: int) -> None:
        tenant = profile.tenant
        metrics = {name: self._values(tenant, name, now_ns) for name in profile.stat_ids}
        ranking = self.rankings[key] = rankings.ranked(profile, metrics, now_ns)
        if profile.is_stored:
            self._runtime.state.put(Kind.RANKING_RESULT, key, ranking)
        if ranking.sorted_stat_ids:
            form = query_records.ranking_summary(ranking)
            told = {"RankingID": profile.id} | {name: form[name] for name in ("LastUpdate", "SortedStatIDs")}
            self._tell(Kind.RANKING, profile, "RankingUpdate", told)

    def _values(self, tenant: str, stat_id: str, now_ns: int) -> dict[str, Number | None]:
        """The metrics of a queue. Raises ServiceError where there is no such queue."""
        queue = self._runtime.surroundings.stats_book.queue(tenant, stat_id)
        if queue is None:
            raise ServiceError(f"{NOT_FOUND}: statistics {stat_id}")
        texts = queue.texts(now_ns)
        return {
            name: None if texts[name] == NOT_AVAILABLE else value
            for name, value in queue.numbers(now_ns).items()
        }

    def _tell(self, kind: Kind, profile: TrendProfile | RankingProfile, what: str, told: Event) -> None:
        """Thresholds and exporters, as the section of the configuration says."""
        section = self.section(kind)
        event = CgrEvent(profile.tenant, told, {"*eventType": what}, self._runtime.new_id())
        if section.thresholds_conns and NONE not in profile.threshold_ids:
            try:
                self._runtime.surroundings.thresholds(event, profile.threshold_ids)
            except ServiceError as error:
                if str(error) != NOT_FOUND or profile.threshold_ids:
                    log.warning("query.not_told", profile=profile.id, event=what, error=str(error))
        if section.ees_conns:
            self._runtime.exchange.put(event, section.ees_exporter_ids)
