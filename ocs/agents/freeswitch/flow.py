"""The life of the calls of one switch: authorised in the park, charged while they last, settled at their end.

Credit is reserved before a call is let through, so that two ringing calls are never promised the same; the switch
is armed to end the call with it, so that nothing is free when we are gone; and the switch's own time decides.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from ocs.agents.freeswitch import commands, mapping
from ocs.agents.freeswitch.calls import Call, Stage
from ocs.agents.freeswitch.charges import CallCharges
from ocs.agents.freeswitch.commands import is_word
from ocs.agents.freeswitch.esl import CommandError, SwitchEvent
from ocs.agents.freeswitch.orders import INVALID_NUMBER
from ocs.agents.freeswitch.transport import Link, LinkLost
from ocs.agents.voice.door import ChargingDoor
from ocs.agents.voice.outcomes import NO_CREDIT
from ocs.agents.voice.ticks import SECOND_NS
from ocs.charging.control import ControlResult, OpenSession
from ocs.config.settings import FreeswitchSettings

log = structlog.get_logger()

PARKED = "CHANNEL_PARK"
ANSWERED = "CHANNEL_ANSWER"
HUNG_UP = "CHANNEL_HANGUP_COMPLETE"
ANY_TIME = -1
LAST_KNOWN = (("closed", "at the last time it was known to be there"),)

Control = Callable[[Call], Coroutine[Any, Any, ControlResult]]


class CallFlow(CallCharges):
    """The calls of one switch."""

    def __init__(
        self, client: str, settings: FreeswitchSettings, service: ChargingDoor, says_all: bool = False
    ) -> None:
        super().__init__(client, settings, service, says_all)
        self.unclaimed: dict[
            str, OpenSession
        ] = {}  # of the process before this one, until their calls are heard of
        self._tasks: set[asyncio.Task[None]] = set()

    # --- work

    @property
    def under_way(self) -> int:
        """How much is being dealt with."""
        return len(self._tasks)

    def take(self, event: SwitchEvent) -> None:
        """Deal with an event of a call, after those of the same call that came before it."""
        if self.unclaimed:
            self.claim(event)
        if event.name == HUNG_UP:
            self._start(self._hung_up(event))
        elif event.name in (PARKED, ANSWERED) and not mapping.is_ignored(event):
            call = self._call_of(event)
            if call is not None:
                call.seen_s = _now_s()
                is_parked = event.name == PARKED
                self._start(self._parked(call, event) if is_parked else self._answered(call, event))

    def _call_of(self, event: SwitchEvent) -> Call | None:
        """The call of an event, from now on if it is new; None where it is over already."""
        uuid = event.get("Unique-ID")
        call = self.calls.get(uuid)
        if call is None and uuid and not self._is_over(event):
            call = self.calls[uuid] = Call(mapping.facts_of(event, self._says_all), _now_s())
        return call

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """One call's failure is not another's: a lost link is made good after the next connection."""
        try:
            await work
        except LinkLost as error:
            log.info("freeswitch.interrupted", peer=self.client, reason=str(error))
        except CommandError as error:
            log.warning("freeswitch.command_refused", peer=self.client, reason=str(error))
        except Exception:
            log.exception("freeswitch.call_failed", peer=self.client)

    async def drain(self, patience_s: float) -> None:
        """Let what has begun come to its end; calls go on, and are found again after the next start."""
        for call in self.calls.values():
            call.stop_timer()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience_s)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- events

    async def _parked(self, call: Call, event: SwitchEvent) -> None:
        async with call.lock:
            if call.is_ended or call.is_through:
                return  # parked again by somebody: that is no new call
            if not is_word(call.facts.dialled):
                await self.orders.refuse(call, INVALID_NUMBER)
            elif await self._admitted(call, event) is not Stage.REFUSED:
                await self.orders.let_through(call)

    async def _answered(self, call: Call, event: SwitchEvent) -> None:
        async with call.lock:
            answered_ns = mapping.answered_at_ns(event)
            if call.is_ended or call.answered_s is not None or not answered_ns:
                return
            ago_ns = max(0, mapping.event_at_ns(event) - answered_ns)
            call.answered_ns, call.answered_s = answered_ns, _now_s() - ago_ns / SECOND_NS
            self._learn(call, event)
            if call.has_session:
                await self._begin_consuming(call)
            elif call.stage is Stage.NEW and await self._admitted(call, event) is Stage.OPEN:
                await self.orders.rearm(call)
            self._look_later(call)

    async def _hung_up(self, event: SwitchEvent) -> None:
        uuid = event.get("Unique-ID")
        call = self.calls.get(uuid)
        if call is None:
            await self._settle_unknown(event)
            return
        async with call.lock:
            if call.is_ended:
                return
            self._forget(call)
            self._learn(call, event)
            call.answered_ns = mapping.answered_at_ns(event)
            is_ignored = mapping.is_ignored(event)
            await self._settle(call, call.reported_ns if is_ignored else mapping.billed_ns(event))

    # --- admission

    async def _admitted(self, call: Call, event: SwitchEvent) -> Stage:
        """What the call is; where it is charged as it goes, its first time is reserved now."""
        if call.stage is not Stage.NEW:
            return call.stage
        facts = call.facts
        self._learn(call, event)
        missing = mapping.missing_facts(facts)
        if self._is_leg(facts.parent) or not facts.is_charged:
            call.stage = Stage.FREE
        elif not is_word(
            facts.uuid
        ):  # nothing can be said about it: it stays parked, or is charged at its end
            call.stage = Stage.AFTERWARDS
            log.warning("freeswitch.call_unlimited", peer=self.client, session=facts.uuid[:80])
        elif missing:
            await self.orders.refuse(call, missing)
        elif not facts.is_limited:
            call.stage = Stage.AFTERWARDS
        else:
            await self._reserve(call, event.number("Caller-Channel-Created-Time"))
        return call.stage

    # --- while it lasts

    async def _looked(self, call: Call) -> None:
        async with call.lock:
            if call.is_ended or call.stage is not Stage.OPEN or self.orders.link is None:
                return
            if not call.is_final or call.left_ns(_now_s()) > 0:
                await self._extend(call)
            elif self.orders.end.hangs_up:
                log.warning("freeswitch.limit_overrun", peer=self.client, session=call.facts.uuid)
                await self.orders.disconnect(call, NO_CREDIT)

    async def reauthorize(self, uuid: str) -> ControlResult:
        """Ask for more at once: there may be more."""
        return await self._controlled(uuid, self._extend)

    async def warn(self, uuid: str) -> ControlResult:
        """Tell the caller that the credit ends soon."""
        return await self._controlled(uuid, self._warn)

    async def _warn(self, call: Call) -> ControlResult:
        await self.orders.warn(call)
        return ControlResult.ACCEPTED

    async def disconnect(self, uuid: str, cause: str) -> ControlResult:
        """End a call because the server says so."""
        return await self._controlled(uuid, lambda call: self.orders.disconnect(call, cause))

    async def _controlled(self, uuid: str, do: Control) -> ControlResult:
        call = self.calls.get(uuid)
        if call is None:
            return ControlResult.NO_ANSWER  # not known to be gone: the next list of calls says that
        async with call.lock:
            if call.is_ended:
                return ControlResult.UNDER_WAY
            try:
                return await do(call)
            except (LinkLost, CommandError):
                return ControlResult.NO_ANSWER

    # --- the end

    def _is_over(self, event: SwitchEvent) -> bool:
        """Whether this call has been dealt with; its id may come again with another call."""
        ended = self._ended.get(event.get("Unique-ID"))
        return ended is not None and ended in (ANY_TIME, event.number("Caller-Channel-Created-Time"))

    def _forget(self, call: Call) -> None:
        call.is_ended = True
        call.stop_timer()
        self.calls.pop(call.facts.uuid, None)
        self._ended.add(call.facts.uuid, call.facts.created_us)

    async def _settle_unknown(self, event: SwitchEvent) -> None:
        """A call that ended and that nothing was known of: charged if it had to be, and was not."""
        if self._is_over(event) or mapping.is_ignored(event):
            return
        call = Call(mapping.facts_of(event, self._says_all), _now_s())
        notified = event.variable("cgr_notify")
        if notified in ("", commands.AUTHORISED):
            call.answered_ns = mapping.answered_at_ns(event)
            self._learn(call, event)
            self._forget(call)
            await self._settle(call, mapping.billed_ns(event))

    # --- after a time without the switch

    def resume(self, link: Link) -> None:
        """There is a connection again."""
        self.orders.link = link

    def suspend(self, heard_s: float) -> None:
        """The connection is gone: what is known of the calls ends here, and nothing is billed beyond it."""
        self.orders.link = None
        for call in self.calls.values():
            call.stop_timer()
            call.seen_s = max(call.seen_s, heard_s)

    async def close_at_last_known(self, call: Call) -> None:
        """End a call that the switch has no more: it is charged up to when it was last known to be there."""
        async with call.lock:
            if call.is_ended:
                return
            self._forget(call)
            call.extra = mapping.merged(call.extra, LAST_KNOWN)
            elapsed_ns = call.elapsed_ns(call.seen_s)
            total_ns = min(elapsed_ns, call.armed_ns or elapsed_ns)
            total_ns = max(call.reported_ns, total_ns)
            uuid = call.facts.uuid
            log.warning("freeswitch.call_vanished", peer=self.client, session=uuid, used_ns=total_ns)
            await self._settle(call, total_ns)

    async def close_session(self, session: OpenSession) -> None:
        """End a session of a time before this process whose call the switch has no more."""
        self.unclaimed.pop(session.session_id, None)
        self._ended.add(session.session_id, ANY_TIME)
        extra = mapping.merged(session.context.extra, LAST_KNOWN)
        await self._report_event(mapping.termination(self.client, session.session_id, None, extra))

    def claim(self, event: SwitchEvent) -> None:
        """Go on with the session of a time before this process that an event is about, if there is one."""
        session = self.unclaimed.pop(event.get("Unique-ID"), None)
        call = None if session is None else self._call_of(event)
        if session is None or call is None or call.stage is not Stage.NEW:
            return
        call.stage, call.has_session, call.is_through = Stage.OPEN, True, True
        call.reported_ns, call.updates, call.extra = session.used, session.last_update, session.context.extra
        call.granted_ns = event.number("variable_cgr_max_usage") * SECOND_NS

    def find_again(self, event: SwitchEvent) -> None:
        """Take up a call that the switch has, as its dump says it is."""
        call = None if mapping.is_ignored(event) else self._call_of(event)
        if call is not None:
            call.seen_s = _now_s()
            self._start(self._found(call, event))

    async def _found(self, call: Call, event: SwitchEvent) -> None:
        notified = event.variable("cgr_notify")
        async with call.lock:
            if call.stage is Stage.NEW and notified not in ("", commands.AUTHORISED):
                call.stage, call.is_through = Stage.REFUSED, True
            elif notified == commands.AUTHORISED:
                call.is_through = True
        if not call.is_through and event.variable("current_application") == "park":
            await self._parked(call, event)
        await self._answered(call, event)
        async with call.lock:
            if call.answered_s is not None and call.stage is Stage.OPEN and not call.is_ended:
                call.armed_ns = 0  # whatever the switch is armed with, it is armed anew
                await self._extend(call)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
