"""Runs the entries of action plans when they are due.

A run that falls into a time at which the server is down is left out, as the incumbent does; the next one is
reckoned from now.
"""

import asyncio
import zoneinfo
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

import msgspec
import structlog

from ocs.cgrates import plans
from ocs.cgrates.kinds import Kind, PlanEntry

if TYPE_CHECKING:
    from ocs.cgrates.runtime import Runtime

log = structlog.get_logger()

LONGEST_WAIT_S = 3_600.0  # the clock may be set meanwhile
NS = 1_000_000_000


class Due(msgspec.Struct, frozen=True):
    """One run to come."""

    at_ns: int
    plan_id: str
    entry: PlanEntry


class Scheduler:
    """One per server; `wake` after every change of a plan."""

    def __init__(self, runtime: "Runtime", zone_name: str = "Local") -> None:
        self.zone = zone_of(zone_name)
        self._runtime = runtime
        self._changed = asyncio.Event()
        self._done_ns = runtime.wall_ns()

    def wake(self) -> None:
        """Reckon anew: plans have changed."""
        self._changed.set()

    def upcoming(self) -> list[Due]:
        """The next run of every entry of every plan, the soonest first, heavier ones before lighter ones."""
        found = [
            Due(at_ns, plan_id, entry)
            for plan_id, plan in self._runtime.state.tables[Kind.ACTION_PLAN].items()
            for at_ns, entry in plans.due(plan, self._done_ns, self.zone)
        ]
        return sorted(found, key=lambda due: (due.at_ns, -due.entry.weight))

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            self._changed.clear()
            upcoming = self.upcoming()
            now_ns = self._runtime.wall_ns()
            if upcoming and upcoming[0].at_ns <= now_ns:
                await self.carry_out(upcoming[0].at_ns)
                continue
            wait_s = (upcoming[0].at_ns - now_ns) / NS if upcoming else LONGEST_WAIT_S
            try:
                async with asyncio.timeout(min(wait_s, LONGEST_WAIT_S)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def carry_out(self, at_ns: int) -> None:
        """Runs everything that is due at a moment, account by account, and makes it durable."""
        for one in self.upcoming():
            if one.at_ns != at_ns:
                break
            plan = self._runtime.state.tables[Kind.ACTION_PLAN].get(one.plan_id)
            for account_id in plan.accounts if plan is not None else ():
                plans.run(self._runtime, one.entry, account_id)
            log.info("plan.run", plan=one.plan_id, actions=one.entry.actions_tag)
        self._done_ns = max(self._done_ns, at_ns)
        await self._runtime.durable()


def zone_of(name: str) -> tzinfo:
    """The time zone of a name; `Local` and names that are not known are the machine's own."""
    if name not in ("", "Local"):
        try:
            return zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            log.warning("scheduler.zone_unknown", zone=name)
    return datetime.now(UTC).astimezone().tzinfo or UTC
