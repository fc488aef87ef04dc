"""`SessionSv1.ProcessEvent` and `GetCost`: whatever its flags name is done to one event.

What is asked per run of a charger (`*chargers` with `*derived_reply`) is answered by run id, else as `*raw`. An
error ends the request with `*blocker_error`, and makes it PARTIALLY_EXECUTED otherwise.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import structlog

from ocs.sessions.accounting import Rated
from ocs.sessions.clients import Client
from ocs.sessions.errors import NOT_FOUND, PARTIALLY_EXECUTED, ServiceError, wrapped
from ocs.sessions.flags import Flags
from ocs.sessions.identity import with_cgrid
from ocs.sessions.model import CgrEvent
from ocs.sessions.pipeline import EventPipeline
from ocs.sessions.surroundings import Address, Altered, Routed, RouteOptions
from ocs.sessions.wanted import Answer, Wanted

log = structlog.get_logger()

RAW = "*raw"
DERIVED = "*derived_reply"
BLOCKER = "*blocker_error"


class Processed(msgspec.Struct):
    """What was done, by run id."""

    usage: dict[str, int] = {}
    cost: dict[str, int] = {}
    resources: dict[str, str] = {}
    addresses: dict[str, Address] = {}
    attributes: dict[str, Altered] = {}
    routes: dict[str, Routed] = {}
    threshold_ids: dict[str, list[str]] = {}
    stat_ids: dict[str, list[str]] = {}


class EventProcessor:
    """One per server."""

    def __init__(self, pipeline: EventPipeline) -> None:
        self._pipeline = pipeline

    def process(self, event: CgrEvent, flags: Flags, client: Client | None) -> Processed:
        """Does what the flags name."""
        work = _Work(self._pipeline, with_cgrid(event), flags, client)
        work.run()
        return work.done

    def cost(self, event: CgrEvent, flags: Flags) -> tuple[Altered | None, Rated]:
        """What an event would cost; nobody pays."""
        answer = Answer()
        if "*attributes" in flags:
            wanted = Wanted(attributes=True, attribute_ids=flags.values("*attributes", "*ids"))
            event = self._pipeline.attributes(event, wanted, answer)
        rated = _priced(self._pipeline, event)
        if rated.extra_info:
            raise wrapped("RALS", rated.extra_info)
        return answer.attributes, rated


def _priced(pipeline: EventPipeline, event: CgrEvent) -> Rated:
    sessions = pipeline.sessions
    missing_usage = sessions.usage_of(event.event)
    run = sessions.open_run(event.tenant, RAW, event.event, missing_usage)
    return sessions.accounting.price(run)


class _Work:
    """One event on its way."""

    def __init__(self, pipeline: EventPipeline, event: CgrEvent, flags: Flags, client: Client | None) -> None:
        self.done = Processed()
        self._pipeline = pipeline
        self._event = event
        self._runs: dict[str, CgrEvent] = {RAW: event}
        self._flags = flags
        self._client = client
        self._is_partial = False

    def run(self) -> None:
        """The subsystems in their order."""
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("*attributes", self._attributes),
            ("*chargers", self._chargers),
            ("*routes", self._routes),
            ("*thresholds", self._thresholds),
            ("*stats", self._stats),
            ("*resources", self._resources),
            ("*ips", self._ips),
            ("*rals", self._rals),
            ("*cdrs", self._cdrs),
        )
        if "*ips" in self._flags:
            self._pipeline.need("IPs")
        for name, step in steps:
            if name not in self._flags:
                continue
            try:
                step()
            except ServiceError as error:
                if BLOCKER in self._flags or name in ("*attributes", "*chargers"):
                    raise
                log.info("session.event_step_failed", step=name, error=str(error))
                self._is_partial = True
        if self._is_partial:
            raise ServiceError(PARTIALLY_EXECUTED)

    def _asked(self, name: str) -> Iterator[tuple[str, CgrEvent]]:
        """The events a subsystem is asked about: that of each run, or the one that came."""
        derived = self._flags.has(name, DERIVED) or DERIVED in self._flags
        for run_id, event in self._runs.items():
            if derived or run_id == RAW:
                yield run_id, event

    def _attributes(self) -> None:
        answer = Answer()
        wanted = Wanted(attributes=True, attribute_ids=self._flags.values("*attributes", "*ids"))
        self._event = self._pipeline.attributes(self._event, wanted, answer)
        self._runs[RAW] = self._event
        if answer.attributes is not None:
            self.done.attributes = {**self.done.attributes, RAW: answer.attributes}

    def _chargers(self) -> None:
        forked = self._pipeline.surroundings.fork(self._event)
        if not forked:
            raise wrapped("CHARGERS", NOT_FOUND)
        for each in forked:
            self._runs[each.run_id] = msgspec.structs.replace(self._event, event=each.event)

    def _routes(self) -> None:
        flags = self._flags
        max_cost = "*event_cost" if flags.has("*routes", "*event_cost") else ""
        max_cost = next(iter(flags.values("*routes", "*maxcost")), max_cost)
        options = RouteOptions(max_cost, flags.has("*routes", "*ignore_errors"))
        for run_id, event in self._asked("*routes"):
            wanted = Wanted(routes=True, route_options=options)
            found = self._pipeline.authorize(event, wanted).routes
            if found is not None:
                self.done.routes = {**self.done.routes, run_id: found}

    def _thresholds(self) -> None:
        ids = self._flags.values("*thresholds", "*ids")
        for run_id, event in self._asked("*thresholds"):
            found = self._pipeline.thresholds(event, ids)
            self.done.threshold_ids = {**self.done.threshold_ids, run_id: found}

    def _stats(self) -> None:
        ids = self._flags.values("*stats", "*ids")
        for run_id, event in self._asked("*stats"):
            self.done.stat_ids = {**self.done.stat_ids, run_id: self._pipeline.stats(event, ids)}

    def _resources(self) -> None:
        for run_id, event in self._asked("*resources"):
            message = self._pipeline.resources(event, self._flags)
            if message is not None:
                self.done.resources = {**self.done.resources, run_id: message}

    def _ips(self) -> None:
        for run_id, event in self._asked("*ips"):
            address = self._pipeline.address(event, self._flags)
            if address is not None:
                self.done.addresses = {**self.done.addresses, run_id: address}

    def _rals(self) -> None:
        flags, sessions = self._flags, self._pipeline.sessions
        forces = flags.has("*rals", "*fd") or "*fd" in flags
        if flags.has("*rals", "*authorize"):
            self._usage(lambda event: sessions.authorize(event, forces=forces))
        if flags.has("*rals", "*cost"):
            self._costs()
        if flags.has("*rals", "*initiate"):
            self._usage(lambda event: sessions.initiate(event, forces=forces, client=self._client))
        if flags.has("*rals", "*update"):
            self._usage(lambda event: sessions.update(event, forces=forces, client=self._client))
        if flags.has("*rals", "*terminate"):
            sessions.terminate(self._event, forces=forces)

    def _usage(self, step: Callable[[CgrEvent], int]) -> None:
        self.done.usage = {**self.done.usage, RAW: step(self._event)}

    def _costs(self) -> None:
        for run_id, event in self._asked("*rals"):
            rated = _priced(self._pipeline, event)
            if rated.extra_info:
                raise wrapped("RALS", rated.extra_info)
            self.done.cost = {**self.done.cost, run_id: rated.cost_nanos}

    def _cdrs(self) -> None:
        cdrs = self._pipeline.cdrs
        steps = cdrs.steps.with_flags((*_cdr_flags(self._flags), "*chargers:false"))
        named = {name: event for name, event in self._runs.items() if name != RAW} or self._runs
        for event in named.values():
            try:
                cdrs.of_event(event, steps)
            except ServiceError as error:
                raise wrapped("CDRS", str(error)) from None


def _cdr_flags(flags: Flags) -> tuple[str, ...]:
    """What `*cdrs` says about its steps; rating is on unless it is switched off."""
    return ("*rals", *(option for option in flags.options("*cdrs") if option.startswith("*")))


def reply(done: Processed, shown: Callable[[str, Any], Any]) -> dict[str, Any]:
    """The members of the answer that something was done for."""
    members: dict[str, dict[str, Any]] = {
        "MaxUsage": done.usage,
        "Cost": done.cost,
        "ResourceAllocation": done.resources,
        "AllocatedIP": done.addresses,
        "Attributes": done.attributes,
        "RouteProfiles": done.routes,
        "ThresholdIDs": done.threshold_ids,
        "StatQueueIDs": done.stat_ids,
    }
    return {
        name: {run_id: shown(name, value) for run_id, value in found.items()}
        for name, found in members.items()
        if found
    }
