"""The life of the calls of one switch: authorised in the park, charged while they last, settled at their end.

Credit is reserved before a call is let through, so that two ringing calls are never promised the same; the switch
is armed to end the call with it, so that nothing is free when we are gone; and the switch's own time decides.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog

from ocs.agents.freeswitch import commands, mapping
from ocs.agents.freeswitch.calls import Call, Stage, charged_ns
from ocs.agents.freeswitch.commands import CreditEnd, is_word
from ocs.agents.freeswitch.esl import CommandError, Reply, SwitchEvent
from ocs.agents.freeswitch.mapping import SECOND_NS
from ocs.agents.freeswitch.transport import Link, LinkLost
from ocs.charging.control import ControlResult, RunningSession
from ocs.charging.events import ChargingAnswer, ChargingEvent, Grant, Result, UsedUnits
from ocs.config.settings import FreeswitchSettings

log = structlog.get_logger()

ENDED_KEPT = 10_000  # ids of calls that have ended: their loopback legs end after them
RETRY_S = (
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
)  # pauses before a report is given to a busy server again; the last repeats
GRANTED = (Result.SUCCESS, Result.FREE_OF_CHARGE)
LAST_KNOWN = (("closed", "at the last time it was known to be there"),)


class ChargingDoor(Protocol):
    """What the agent needs of the charging service."""

    async def handle(self, event: ChargingEvent) -> ChargingAnswer:
        """Charge an event and wait for the answer."""
        ...


class CallFlow:
    """The calls of one switch; `link` is the connection while there is one."""

    def __init__(self, client: str, settings: FreeswitchSettings, service: ChargingDoor) -> None:
        self.client = client
        self.settings = settings
        self.calls: dict[str, Call] = {}
        self.link: Link | None = None
        self.on_idle: Callable[[], None] = lambda: None
        self._service = service
        self._end: CreditEnd = commands.credit_end(settings)
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    # --- work

    @property
    def under_way(self) -> int:
        """Events and extensions being dealt with."""
        return len(self._tasks)

    def take(self, event: SwitchEvent) -> None:
        """Deal with an event of a call, after those of the same call that came before it."""
        if event.name == "CHANNEL_HANGUP_COMPLETE":
            self._start(self._hung_up(event))
        elif event.name in ("CHANNEL_PARK", "CHANNEL_ANSWER") and not mapping.is_ignored(event):
            call = self._call_of(event)
            if call is not None:
                call.seen_s = _now_s()
                parked = event.name == "CHANNEL_PARK"
                self._start(self._parked(call, event) if parked else self._answered(call, event))

    def _call_of(self, event: SwitchEvent) -> Call | None:
        """The call of an event, from now on if it is new; None where it is over already."""
        uuid = event.get("Unique-ID")
        call = self.calls.get(uuid)
        if call is None and uuid and uuid not in self._ended:
            call = self.calls[uuid] = Call(mapping.facts_of(event), _now_s())
        return call

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.on_idle()

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
            if call.stage is Stage.NEW:
                await self._admit(call, event)
            if call.stage is not Stage.REFUSED:
                await self._let_through(call)

    async def _answered(self, call: Call, event: SwitchEvent) -> None:
        async with call.lock:
            answered_ns = mapping.answered_at_ns(event)
            if call.is_ended or call.answered_s is not None or not answered_ns:
                return
            ago_ns = max(0, mapping.event_at_ns(event) - answered_ns)
            call.answered_ns, call.answered_s = answered_ns, _now_s() - ago_ns / SECOND_NS
            call.extra = mapping.merged(call.extra, mapping.extra_of(event, self.settings.extra_fields))
            if call.stage is Stage.NEW:
                await self._admit(call, event)
                if call.stage is Stage.OPEN:
                    await self._rearm(call)
            elif call.stage is Stage.OPEN:
                await self._begin_consuming(call)
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
            total_ns = mapping.billed_ns(event)
            if mapping.is_ignored(event):
                total_ns = call.reported_ns
            call.answered_ns = mapping.answered_at_ns(event)
            call.extra = mapping.merged(call.extra, mapping.extra_of(event, self.settings.extra_fields))
            await self._settle(call, total_ns)

    # --- admission

    async def _admit(self, call: Call, event: SwitchEvent) -> None:
        """Decide what the call is; where it is charged as it goes, reserve its first time."""
        facts = call.facts
        call.extra = mapping.extra_of(event, self.settings.extra_fields)
        if facts.parent and (facts.parent in self.calls or facts.parent in self._ended):
            call.stage = Stage.FREE  # the same call once more, through a loopback
        elif not facts.is_charged:
            call.stage = Stage.FREE
        elif missing := mapping.missing_facts(facts):
            await self._refuse(call, missing)
        elif not facts.is_limited:
            call.stage = Stage.AFTERWARDS
        else:
            await self._reserve(call, mapping.OPENED)

    async def _reserve(self, call: Call, event_id: int | str) -> None:
        """Open the session of a call, or refuse the call."""
        event = mapping.initial(self.client, call.facts, self.settings.max_call_ns, call.extra, event_id)
        answer = await self._service.handle(event)
        grant = _granted(answer)
        if grant is None:
            await self._refuse(call, _reason(answer))
            return
        call.stage = Stage.OPEN
        self._note(call, grant, call.reported_ns)
        if grant.amount < SECOND_NS:  # shorter than the switch can limit
            await self._release(call)
            await self._refuse(call, mapping.REASONS[Result.NO_CREDIT])

    def _note(self, call: Call, grant: Grant, from_ns: int) -> None:
        call.granted_ns = grant.amount
        call.validity_ns = grant.validity_ns or 0
        call.is_final = grant.final_unit is not None
        call.limit_ns = from_ns + grant.amount

    async def _let_through(self, call: Call) -> None:
        """Arm the switch, then let the call into its dialplan; never the second without the first."""
        uuid, number = call.facts.uuid, call.facts.dialled
        if not is_word(number):
            await self._refuse(call, "INVALID_NUMBER")
            return
        if call.stage is Stage.OPEN:
            variables = [("cgr_max_usage", str(commands.whole_seconds(call.granted_ns)))]
            if call.answered_s is None:
                variables += self._end.variables(number, call.granted_ns)
            variables.append(("cgr_originhost", self.client))
            if not await self._told(call, *[commands.setvar(uuid, *each) for each in variables]):
                return
        notify = commands.setvar(uuid, "cgr_notify", commands.AUTHORISED)
        call.is_through = await self._told(call, notify, commands.transfer(uuid, number))

    async def _told(self, call: Call, *said: str) -> bool:
        """Whether the switch did all of it; if it did not and the call is there still, the call is ended."""
        replies = await self._tell(call, *said)
        refused = next((reply for reply in replies if not reply.is_ok), None)
        if refused is None:
            return True
        log.warning(
            "freeswitch.command_failed", peer=self.client, session=call.facts.uuid, reply=refused.text
        )
        if not any(reply.is_unknown_channel for reply in replies):
            await self._tell(call, commands.kill(call.facts.uuid))
        return False

    async def _tell(self, call: Call, *said: str) -> list[Reply]:
        if not is_word(call.facts.uuid):
            raise CommandError(f"no id of a call: {call.facts.uuid[:80]!r}")
        if self.link is None:
            raise LinkLost("not connected")
        return await self.link.api(*said)

    async def _refuse(self, call: Call, reason: str) -> None:
        """Say why and give a parked call back to its dialplan, or end it."""
        call.stage = Stage.REFUSED
        call.is_through = True
        uuid, number = call.facts.uuid, call.facts.dialled
        notify = commands.setvar(uuid, "cgr_notify", reason)
        log.info("freeswitch.refused", peer=self.client, session=uuid, reason=reason)
        if call.answered_s is not None:
            await self._tell(call, *self._end.now(uuid, number if is_word(number) else "0", reason))
        elif self.settings.refusal == "hangup" or not is_word(number):
            await self._tell(call, notify, commands.kill(uuid, commands.REFUSAL_CAUSE))
        else:
            await self._tell(call, notify, commands.transfer(uuid, number))

    # --- while it lasts

    async def _begin_consuming(self, call: Call) -> None:
        """The answer: what was reserved is used from now on."""
        call.limit_ns = call.granted_ns
        call.updates += 1
        answer = await self._service.handle(
            mapping.update(self.client, call.facts.uuid, call.updates, extra=call.extra)
        )
        if answer.result is Result.UNKNOWN_SESSION:
            await self._open_again(call)
        elif answer.result is Result.DENIED:
            await self._refuse(call, _reason(answer))
        elif answer.is_low_balance:
            await self._warn(call)

    async def _open_again(self, call: Call) -> None:
        """The session was closed meanwhile, by silence or by an operator: without a new one nothing goes on."""
        call.openings += 1
        await self._reserve(call, f"again {call.openings}")
        if call.stage is Stage.OPEN:
            await self._rearm(call)

    def _look_later(self, call: Call) -> None:
        call.stop_timer()
        if call.stage is not Stage.OPEN or call.answered_s is None or call.is_ended or self.link is None:
            return
        wait_ns = call.next_look_ns(_now_s(), self.settings.extend_before_ns)
        self._look_in(call, wait_ns / SECOND_NS)

    def _look_in(self, call: Call, wait_s: float) -> None:
        call.stop_timer()
        loop = asyncio.get_running_loop()
        call.timer = loop.call_later(wait_s, lambda: self._start(self._looked(call)))

    async def _looked(self, call: Call) -> None:
        async with call.lock:
            if call.is_ended or call.stage is not Stage.OPEN or call.answered_s is None or self.link is None:
                return
            if call.is_final and call.left_ns(_now_s()) <= 0:
                if self._end.hangs_up:
                    log.warning("freeswitch.limit_overrun", peer=self.client, session=call.facts.uuid)
                    await self._disconnect(call, mapping.REASONS[Result.NO_CREDIT])
                return
            await self._extend(call)

    async def _extend(self, call: Call) -> ControlResult:
        """Report what was used and ask for more, then arm the switch anew."""
        used_until_ns = call.reportable_ns(_now_s())
        used = mapping.used_time(call.reported_ns, used_until_ns, call.answered_ns)
        number = call.updates + 1
        answer = await self._service.handle(
            mapping.update(self.client, call.facts.uuid, number, used, self.settings.max_call_ns)
        )
        if answer.result in (Result.TOO_BUSY, Result.FAILED):
            self._look_in(call, RETRY_S[1])  # nothing was charged; the limit at the switch stays where it is
            return ControlResult.NO_ANSWER
        if answer.result is Result.UNKNOWN_SESSION:
            await self._open_again(call)
            self._look_later(call)
            return ControlResult.ACCEPTED
        call.updates, call.reported_ns = number, used_until_ns
        grant = _granted(answer)
        if grant is None:
            await self._disconnect(call, _reason(answer))
            return ControlResult.ACCEPTED
        self._note(call, grant, used_until_ns)
        await self._rearm(call)
        self._look_later(call)
        if answer.is_low_balance:
            await self._warn(call)
        return ControlResult.ACCEPTED

    async def _rearm(self, call: Call) -> None:
        """Replace the timers of an answered call."""
        left_ns = call.left_ns(_now_s())
        number = call.facts.dialled
        if left_ns < SECOND_NS or not is_word(number):
            await self._disconnect(call, mapping.REASONS[Result.NO_CREDIT])
            return
        said = self._end.rearm(call.facts.uuid, number, left_ns)
        await self._told(call, *said)

    async def _warn(self, call: Call) -> None:
        """Tell the caller once that the balance is low."""
        file = self.settings.low_balance_announcement
        if file and not call.is_warned and call.answered_s is not None:
            call.is_warned = True
            await self._tell(call, commands.broadcast(call.facts.uuid, file))

    async def _disconnect(self, call: Call, cause: str) -> ControlResult:
        """End a call, or send it where calls without credit go."""
        call.is_final = True
        number = call.facts.dialled if is_word(call.facts.dialled) else "0"
        replies = await self._tell(call, *self._end.now(call.facts.uuid, number, cause))
        log.info("freeswitch.disconnected", peer=self.client, session=call.facts.uuid, cause=cause)
        if replies[-1].is_unknown_channel:
            return ControlResult.UNKNOWN_SESSION
        if not replies[-1].is_ok:
            return ControlResult.REFUSED
        if call.answered_s is not None and not self._end.hangs_up:
            call.limit_ns = min(call.limit_ns, call.elapsed_ns(_now_s()))
        return ControlResult.ACCEPTED

    async def reauthorize(self, uuid: str) -> ControlResult:
        """Ask for more at once: there may be more."""
        return await self._controlled(uuid, lambda call: self._extend(call))

    async def disconnect(self, uuid: str, cause: str) -> ControlResult:
        """End a call because the server says so."""
        return await self._controlled(uuid, lambda call: self._disconnect(call, cause))

    async def _controlled(
        self, uuid: str, do: Callable[[Call], Coroutine[Any, Any, ControlResult]]
    ) -> ControlResult:
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

    def _forget(self, call: Call) -> None:
        call.is_ended = True
        call.stop_timer()
        self.calls.pop(call.facts.uuid, None)
        self._remember_ended(call.facts.uuid)

    def _remember_ended(self, uuid: str) -> None:
        self._ended[uuid] = None
        if len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)

    async def _release(self, call: Call) -> None:
        await self._report(mapping.termination(self.client, call.facts.uuid, None, call.extra))

    async def _settle(self, call: Call, total_ns: int) -> None:
        """Charge what was not charged yet of a call that has ended; what was held goes back."""
        if call.stage is Stage.AFTERWARDS:
            await self._charge_afterwards(call, mapping.used_time(0, total_ns, call.answered_ns))
        if call.stage is not Stage.OPEN:
            return
        total_ns = charged_ns(total_ns, call.limit_ns, self._end.hangs_up)
        used = mapping.used_time(call.reported_ns, total_ns, call.answered_ns)
        answer = await self._report(mapping.termination(self.client, call.facts.uuid, used, call.extra))
        if answer.result is Result.UNKNOWN_SESSION:
            await self._charge_afterwards(call, used)

    async def _settle_unknown(self, event: SwitchEvent) -> None:
        """A call that ended and that nothing was known of: charged if it had to be, and was not."""
        uuid, facts = event.get("Unique-ID"), mapping.facts_of(event)
        if not uuid or uuid in self._ended:
            return
        self._remember_ended(uuid)
        is_leg = facts.parent and (facts.parent in self.calls or facts.parent in self._ended)
        notified = event.variable("cgr_notify")
        was_refused = notified not in ("", commands.AUTHORISED)
        if mapping.is_ignored(event) or is_leg or was_refused or not facts.is_charged:
            return
        call = Call(facts, _now_s())
        call.extra = mapping.extra_of(event, self.settings.extra_fields)
        used = mapping.used_time(0, mapping.billed_ns(event), mapping.answered_at_ns(event))
        await self._charge_afterwards(call, used)

    async def _charge_afterwards(self, call: Call, used: UsedUnits | None) -> None:
        if used is None:
            return
        answer = await self._report(mapping.afterwards(self.client, call.facts, used, call.extra))
        if answer.result is not Result.SUCCESS:
            log.warning(
                "freeswitch.usage_refused",
                peer=self.client,
                session=call.facts.uuid,
                result=answer.result.name,
                used_ns=used.amount,
            )

    async def _report(self, event: ChargingEvent) -> ChargingAnswer:
        """Charge an event that must not be lost: again and again while the server is busy."""
        attempt = 0
        while True:
            answer = await self._service.handle(event)
            if answer.result is not Result.TOO_BUSY:
                return answer
            await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            attempt += 1

    # --- after a time without the switch

    def suspend(self, heard_s: float) -> None:
        """The connection is gone: what is known of the calls ends here, and nothing is billed beyond it."""
        self.link = None
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
            total_ns = max(call.reported_ns, min(call.elapsed_ns(call.seen_s), call.limit_ns or 1 << 62))
            log.warning(
                "freeswitch.call_vanished", peer=self.client, session=call.facts.uuid, used_ns=total_ns
            )
            await self._settle(call, total_ns)

    async def close_session(self, session: RunningSession) -> None:
        """End a session of a time before this process whose call the switch has no more."""
        self._remember_ended(session.session_id)
        extra = mapping.merged(session.extra, LAST_KNOWN)
        await self._report(mapping.termination(self.client, session.session_id, None, extra))

    async def found(self, event: SwitchEvent, session: RunningSession | None) -> None:
        """Take up a call that the switch has, as its dump says it is."""
        if mapping.is_ignored(event):
            return
        call = self._call_of(event)
        if call is None:
            return
        notified = event.variable("cgr_notify")
        async with call.lock:
            if call.stage is Stage.NEW and session is not None:
                _resume(call, session, event)
            elif call.stage is Stage.NEW and notified not in ("", commands.AUTHORISED):
                call.stage, call.is_through = Stage.REFUSED, True
            elif notified == commands.AUTHORISED:
                call.is_through = True
            is_waiting = not call.is_through and event.variable("current_application") == "park"
        if is_waiting:
            await self._parked(call, event)
        if mapping.answered_at_ns(event) and call.answered_s is None:
            await self._answered(call, event)
        async with call.lock:
            if call.answered_s is not None and call.stage is Stage.OPEN and not call.is_ended:
                await self._extend(call)


def _resume(call: Call, session: RunningSession, event: SwitchEvent) -> None:
    """A call whose session is older than this process; until the next grant its limit is what was armed."""
    call.stage, call.is_through = Stage.OPEN, True
    call.reported_ns, call.updates, call.extra = session.used_ns, session.last_update, session.extra
    call.granted_ns = event.number("variable_cgr_max_usage") * SECOND_NS
    call.limit_ns = session.used_ns + call.granted_ns


def _granted(answer: ChargingAnswer) -> Grant | None:
    """The grant of an answer, where there is one."""
    if answer.result not in GRANTED or not answer.grants:
        return None
    grant = answer.grants[0]
    return grant if grant.result in GRANTED and grant.amount > 0 else None


def _reason(answer: ChargingAnswer) -> str:
    """What the dialplan is told: the reason of the grant, where the answer itself has none."""
    result = answer.result
    if result in GRANTED and answer.grants:
        result = answer.grants[0].result
    if result in GRANTED:
        result = Result.NO_CREDIT
    return mapping.REASONS.get(result, mapping.OTHER_REASON)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
