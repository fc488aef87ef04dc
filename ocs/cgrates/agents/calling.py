"""What the processors of a request make of it: the session methods their flags choose, one after the other."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from ocs.agents.voice.recent import Recent
from ocs.cgrates.agents.processors import Processor, answer_form, wanted_of
from ocs.cgrates.agents.templates import (
    ANSWERED,
    CACHED,
    CGREQ,
    OPTS,
    Said,
    Scope,
    TemplateError,
    forget_oldest,
)
from ocs.cgrates.runtime import Runtime
from ocs.charging.profiles.values import Event
from ocs.sessions.clients import Client
from ocs.sessions.errors import ServiceError
from ocs.sessions.events import reply
from ocs.sessions.identity import cgrid_of
from ocs.sessions.model import Cdr, CgrEvent
from ocs.sessions.service import checked
from ocs.sessions.wanted import Wanted

log = structlog.get_logger()

ENDED_AT_MOST = 100_000
RECORDED_RUNS = ("*default", "*raw")
OwnCall = Callable[[Processor, Scope], bool]  # True where it has done what the processor's call is
Ran = Callable[[Scope], None]


class ProcessorCalls:
    """Runs requests of one agent through its processors; `client` is asked about their sessions, if it can be."""

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        processors: Sequence[Processor],
        client: Callable[[], Client | None],
    ) -> None:
        self._runtime = runtime
        self._name = name
        self._processors = processors
        self._client = client
        self._cached: dict[str, Any] = {}
        self._ended: Recent[int] = Recent(ENDED_AT_MOST)  # ids of sessions

    def scope(self, request: Event, variables: Event, said: dict[str, Said] | None = None) -> Scope:
        """A request before anything was made of it."""

        def rules(tenant: str, filters: Any) -> Any:
            return self._runtime.state.book.filters.rules(tenant, list(filters))

        runtime = self._runtime
        scope = Scope(runtime.tenant, request, variables, rules, runtime.surroundings, said)
        scope.roots[CACHED] = self._cached
        return scope

    async def run(self, scope: Scope, peer: str, own: OwnCall, ran: Ran) -> bool:
        """Have the processors that fit do what they say; False where none fits. Raises TemplateError.

        `own` does calls that are no session's; `ran` is told after each call, before the reply is made.
        """
        is_answered = False
        for processor in self._processors:
            if processor.tenant is not None:
                scope.tenant = processor.tenant.text(scope.view()) or self._runtime.tenant
            try:
                fits = scope.passes(processor.filters)
            except (ValueError, ServiceError) as error:
                raise TemplateError(f"{processor.name}: filters: {error}") from None
            if not fits:
                continue
            scope.roots[CGREQ], scope.roots[OPTS] = {}, {}
            scope.run(processor.request_fields)
            if "*log" in processor.flags or processor.call == "*dryrun":
                made = scope.roots[CGREQ]
                log.info("agent.request", agent=self._name, processor=processor.name, peer=peer, request=made)
            await self._called(scope, processor, own)
            ran(scope)
            scope.run(processor.reply_fields)
            is_answered = True
            if "*continue" not in processor.flags:
                break
        forget_oldest(self._cached)
        return is_answered

    async def _called(self, scope: Scope, processor: Processor, own: OwnCall) -> None:
        """Do what the flags say; the answer becomes `*cgrep`, an error its `Error`."""
        event = CgrEvent(
            str(scope.roots[CGREQ].get("Tenant") or scope.tenant),
            dict(scope.roots[CGREQ]),
            dict(scope.roots[OPTS]),
            self._runtime.short_id(),
        )
        if processor.call == "*message" and "*cdrs" in processor.flags:
            known = self._record(cgrid_of(event.event))
            if known is not None:  # it comes again: the answer to it was lost
                scope.roots[ANSWERED] = {"Error": "", "MaxUsage": known.usage}
                return
        try:
            if not own(processor, scope) and processor.call not in ("*dryrun", "*none", "*cdrs"):
                scope.roots[ANSWERED] = {"Error": ""}  # nothing of the processor before counts for this one
                scope.roots[ANSWERED] = await self._session(checked(event), processor)
        except ServiceError as error:
            scope.roots[ANSWERED]["Error"] = str(error)
        if "*cdrs" in processor.flags and processor.call not in ("*dryrun", "*none", "*event"):
            try:
                self._runtime.cdrs.process(event)
            except ServiceError as error:
                scope.roots[ANSWERED]["Error"] = str(error)

    async def _session(self, event: CgrEvent, processor: Processor) -> dict[str, Any]:
        pipeline, wanted = self._runtime.pipeline, wanted_of(processor.flags)
        match processor.call:
            case "*authorize":
                return answer_form(pipeline.authorize(event, wanted))
            case "*initiate":
                self._ended.forget(cgrid_of(event.event))
                return answer_form(pipeline.initiate(event, wanted, self._client()))
            case "*update":
                return answer_form(pipeline.update(event, wanted, self._client()))
            case "*message":
                return answer_form(pipeline.message(event, wanted))
            case "*terminate":
                return await self._ending(event, wanted)
            case _:
                found = self._runtime.events.process(event, processor.flags, self._client())
                return {"Error": "", **reply(found, lambda member, value: value)}

    def _record(self, cgrid: str) -> Cdr | None:
        """The record of what was charged under this id, where there is one."""
        records = (self._runtime.state.cdrs.get(cgrid, run) for run in RECORDED_RUNS)
        return next((record for record in records if record is not None), None)

    async def _ending(self, event: CgrEvent, wanted: Wanted) -> dict[str, Any]:
        """The end of a session, once: one that is told again, under another identifier, is charged already."""
        cgrid = cgrid_of(event.event)
        if wanted.charges and not self._runtime.sessions.knows(event):
            if cgrid in self._ended or self._record(cgrid) is not None:
                return {"Error": ""}
            await self._runtime.sessions.opened(event)
        answer = self._runtime.pipeline.terminate(event, wanted)
        self._ended.add(cgrid, 1)
        return answer_form(answer)
