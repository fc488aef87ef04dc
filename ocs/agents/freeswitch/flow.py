"""The life of the calls of one switch: authorised in the park, charged while they last, settled at their end.

Credit is reserved before a call is let through, so that two ringing calls are never promised the same; the switch
is armed to end the call with it, so that nothing is free when we are gone; and the switch's own time decides.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from ocs.agents.freeswitch import commands, mapping
from ocs.agents.freeswitch.calls import Call, Stage, charged_ns
from ocs.agents.freeswitch.commands import is_word
from ocs.agents.freeswitch.esl import CommandError, SwitchEvent
from ocs.agents.freeswitch.orders import INVALID_NUMBER, Orders
from ocs.agents.freeswitch.transport import Link, LinkLost
from ocs.agents.voice.door import ChargingDoor
from ocs.agents.voice.outcomes import BUSY, NO_CREDIT, grant_of, reason
from ocs.agents.voice.recent import Recent
from ocs.agents.voice.ticks import SECOND_NS
from ocs.charging.control import ControlResult, OpenSession
from ocs.charging.events import ChargingAnswer, ChargingEvent, Grant, Result, UsedUnits
from ocs.config.settings import FreeswitchSettings

log = structlog.get_logger()

PARKED = "CHANNEL_PARK"
ANSWERED = "CHANNEL_ANSWER"
HUNG_UP = "CHANNEL_HANGUP_COMPLETE"
ENDED_KEPT = 10_000  # ids of calls that have ended: their loopback legs end after them
ANY_TIME = -1
RETRY_S = (
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
)  # pauses before a report is given to a busy server again; the last repeats
LAST_KNOWN = (("closed", "at the last time it was known to be there"),)

Control = Callable[[Call], Coroutine[Any, Any, ControlResult]]


class CallFlow:
    """The calls of one switch."""

    def __init__(self, client: str, settings: FreeswitchSettings, service: ChargingDoor) -> None:
        self.client = client
        self.calls: dict[str, Call] = {}
        self.orders = Orders(client, settings)
        self._settings = settings
        self._service = service
        self._ended: Recent[int] = Recent(ENDED_KEPT)  # call ids, with the time of their set-up
        self._tasks: set[asyncio.Task[None]] = set()

    # --- work

    @property
    def under_way(self) -> int:
        """How much is being dealt with."""
        return len(self._tasks)

    def take(self, event: SwitchEvent) -> None:
        """Deal with an event of a call, after those of the same call that came before it."""
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
            call = self.calls[uuid] = Call(mapping.facts_of(event), _now_s())
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
            if call.stage is Stage.OPEN:
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

    def _learn(self, call: Call, event: SwitchEvent) -> None:
        call.extra = mapping.merged(call.extra, mapping.extra_of(event, self._settings.extra_fields))

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

    def _is_leg(self, parent: str) -> bool:
        """Whether a call is another one once more, through a loopback."""
        return bool(parent) and (parent in self.calls or parent in self._ended)

    async def _reserve(self, call: Call, event_id: int | str, until_ns: int = 0) -> Stage:
        """Open the session of a call, charging what was used up to `until_ns`, or refuse the call."""
        wanted_ns = self._settings.max_call_ns
        used = mapping.used_time(call.reported_ns, until_ns, call.answered_ns)
        event = mapping.initial(self.client, call.facts, wanted_ns, call.extra, event_id, used)
        answer = await self._service.handle(event)
        grant = grant_of(answer)
        if answer.result not in BUSY:
            call.reported_ns = max(call.reported_ns, until_ns)
        if grant is None:
            await self.orders.refuse(call, reason(answer))
        elif grant.amount < SECOND_NS:  # shorter than the switch can limit
            await self._report(mapping.termination(self.client, call.facts.uuid, None, call.extra))
            await self.orders.refuse(call, NO_CREDIT)
        else:
            call.stage, call.has_session = Stage.OPEN, True
            _note(call, grant, call.reported_ns)
        return call.stage

    # --- while it lasts

    async def _begin_consuming(self, call: Call) -> None:
        """The answer: what was reserved is used from now on."""
        call.limit_ns = call.reported_ns + call.granted_ns
        call.updates += 1
        said = mapping.update(self.client, call.facts.uuid, call.updates, extra=call.extra)
        answer = await self._service.handle(said)
        if answer.result is Result.UNKNOWN_SESSION or answer.has_ended:
            await self._open_again(call)
        elif answer.result is Result.DENIED:
            await self.orders.refuse(call, reason(answer))
        elif answer.is_low_balance:
            await self.orders.warn(call)

    async def _open_again(self, call: Call, until_ns: int = 0) -> None:
        """The session was closed meanwhile, by silence or by an operator: without a new one nothing goes on."""
        call.openings += 1
        event_id = f"again {call.updates} {call.openings}"
        call.has_session = False
        if await self._reserve(call, event_id, until_ns) is Stage.OPEN:
            await self.orders.rearm(call)

    def _look_later(self, call: Call) -> None:
        """Look again before the granted time is over."""
        call.stop_timer()
        if call.stage is Stage.OPEN and call.answered_s is not None and not call.is_ended:
            wait_ns = call.next_look_ns(_now_s(), self._settings.extend_before_ns)
            self._look_in(call, wait_ns / SECOND_NS)

    def _look_in(self, call: Call, wait_s: float) -> None:
        call.stop_timer()
        if self.orders.link is not None:
            loop = asyncio.get_running_loop()
            call.timer = loop.call_later(wait_s, lambda: self._start(self._looked(call)))

    async def _looked(self, call: Call) -> None:
        async with call.lock:
            if call.is_ended or call.stage is not Stage.OPEN or self.orders.link is None:
                return
            if not call.is_final or call.left_ns(_now_s()) > 0:
                await self._extend(call)
            elif self.orders.end.hangs_up:
                log.warning("freeswitch.limit_overrun", peer=self.client, session=call.facts.uuid)
                await self.orders.disconnect(call, NO_CREDIT)

    async def _extend(self, call: Call) -> ControlResult:
        """Report what was used and ask for more, then arm the switch anew."""
        until_ns = call.reportable_ns(_now_s())
        used = mapping.used_time(call.reported_ns, until_ns, call.answered_ns)
        wanted_ns = self._settings.max_call_ns
        number = call.updates + 1
        answer = await self._service.handle(
            mapping.update(self.client, call.facts.uuid, number, used, wanted_ns)
        )
        if answer.result in BUSY:  # nothing was charged; the limit at the switch stays where it is
            self._look_in(call, RETRY_S[1])
            return ControlResult.NO_ANSWER
        call.updates = number
        if answer.result is Result.UNKNOWN_SESSION:
            await self._open_again(call, until_ns)
            self._look_later(call)
            return ControlResult.ACCEPTED
        call.reported_ns = until_ns
        grant = grant_of(answer)
        if answer.has_ended:
            await self._open_again(call)
        elif grant is None:
            return await self.orders.disconnect(call, reason(answer))
        else:
            _note(call, grant, until_ns)
            await self.orders.rearm(call)
        self._look_later(call)
        if answer.is_low_balance:
            await self.orders.warn(call)
        return ControlResult.ACCEPTED

    async def reauthorize(self, uuid: str) -> ControlResult:
        """Ask for more at once: there may be more."""
        return await self._controlled(uuid, self._extend)

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

    async def _settle(self, call: Call, total_ns: int) -> None:
        """Charge what was not charged yet of a call that has ended; what was held goes back."""
        facts = call.facts
        total_ns = charged_ns(total_ns, call.limit_ns, self.orders.end.hangs_up)
        used = mapping.used_time(call.reported_ns, total_ns, call.answered_ns)
        if call.has_session:
            answer = await self._report(mapping.termination(self.client, facts.uuid, used, call.extra))
            if answer.result is Result.UNKNOWN_SESSION:
                await self._charge_afterwards(call, used)
        elif call.stage is Stage.NEW:
            if facts.is_charged and not self._is_leg(facts.parent):
                await self._charge_afterwards(call, used)
        elif call.stage is Stage.AFTERWARDS or call.openings:
            await self._charge_afterwards(call, used)

    async def _settle_unknown(self, event: SwitchEvent) -> None:
        """A call that ended and that nothing was known of: charged if it had to be, and was not."""
        if self._is_over(event) or mapping.is_ignored(event):
            return
        call = Call(mapping.facts_of(event), _now_s())
        notified = event.variable("cgr_notify")
        if notified in ("", commands.AUTHORISED):
            call.answered_ns = mapping.answered_at_ns(event)
            self._learn(call, event)
            self._forget(call)
            await self._settle(call, mapping.billed_ns(event))

    async def _charge_afterwards(self, call: Call, used: UsedUnits | None) -> None:
        if used is None:
            return
        answer = await self._report(mapping.afterwards(self.client, call.facts, used, call.extra))
        if answer.result is not Result.SUCCESS:
            uuid, result = call.facts.uuid, answer.result.name
            log.warning(
                "freeswitch.usage_refused", peer=self.client, session=uuid, result=result, used_ns=used.amount
            )

    async def _report(self, event: ChargingEvent) -> ChargingAnswer:
        """Charge an event that must not be lost: again and again while the server is busy."""
        attempt = 0
        while True:
            answer = await self._service.handle(event)
            if answer.result is not Result.TOO_BUSY:
                return answer
            try:
                await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            except asyncio.CancelledError:
                used_ns = sum(used.amount for report in event.reports for used in report.used)
                uuid = event.session_id
                log.error("freeswitch.report_abandoned", peer=self.client, session=uuid, used_ns=used_ns)
                raise
            attempt += 1

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
            total_ns = min(call.elapsed_ns(call.seen_s), call.limit_ns or call.elapsed_ns(call.seen_s))
            total_ns = max(call.reported_ns, total_ns)
            uuid = call.facts.uuid
            log.warning("freeswitch.call_vanished", peer=self.client, session=uuid, used_ns=total_ns)
            await self._settle(call, total_ns)

    async def close_session(self, session: OpenSession) -> None:
        """End a session of a time before this process whose call the switch has no more."""
        self._ended.add(session.session_id, ANY_TIME)
        extra = mapping.merged(session.context.extra, LAST_KNOWN)
        await self._report(mapping.termination(self.client, session.session_id, None, extra))

    def resume_session(self, event: SwitchEvent, session: OpenSession) -> None:
        """Go on with a session of a time before this process; `event` is about its call."""
        call = self._call_of(event)
        if call is None or call.stage is not Stage.NEW:
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
                await self._extend(call)


def _note(call: Call, grant: Grant, from_ns: int) -> None:
    call.granted_ns = grant.amount
    call.validity_ns = grant.validity_ns or 0
    call.is_final = grant.final_unit is not None
    call.limit_ns = from_ns + grant.amount


def _now_s() -> float:
    return asyncio.get_running_loop().time()
