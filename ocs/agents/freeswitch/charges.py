"""What the calls of one switch cost: credit reserved, time reported, the rest settled, and what follows from it."""

import asyncio
from abc import abstractmethod
from collections.abc import Coroutine
from typing import Any

import msgspec
import structlog

from ocs.agents.freeswitch import mapping
from ocs.agents.freeswitch.calls import Call, Stage, charged_ns
from ocs.agents.freeswitch.esl import SwitchEvent
from ocs.agents.freeswitch.free import free_event
from ocs.agents.freeswitch.orders import Orders
from ocs.agents.voice.door import ChargingDoor
from ocs.agents.voice.outcomes import BUSY, NO_CREDIT, grant_of, is_last_credit, reason
from ocs.agents.voice.recent import Recent
from ocs.agents.voice.ticks import SECOND_NS
from ocs.charging.control import ControlResult
from ocs.charging.events import ChargingAnswer, ChargingEvent, Result, UsedUnits
from ocs.config.settings import FreeswitchSettings

log = structlog.get_logger()

ENDED_KEPT = 10_000  # ids of calls that have ended: their loopback legs end after them
LEAD_NS = 2 * SECOND_NS  # asked for more than a slice needs: an answer may take a moment
# Pauses before a report is given to a busy server again; the last repeats.
RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0)


class CallCharges:
    """The calls of one switch, and how they are charged. `says_all` leaves it to the core what a call costs."""

    def __init__(
        self, client: str, settings: FreeswitchSettings, service: ChargingDoor, says_all: bool = False
    ) -> None:
        self.client = client
        self.calls: dict[str, Call] = {}
        self.orders = Orders(client, settings)
        self._settings = settings
        self._service = service
        self._says_all = says_all
        self._ended: Recent[int] = Recent(ENDED_KEPT)  # call ids, with the time of their set-up

    @abstractmethod
    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something, beside everything else."""

    @abstractmethod
    async def _looked(self, call: Call) -> None:
        """The time has come to see to a call."""

    # --- what is known

    def _learn(self, call: Call, event: SwitchEvent) -> None:
        fields = self._settings.extra_fields
        call.extra = mapping.merged(call.extra, mapping.extra_of(event, fields))
        if self._says_all:
            call.free = free_event(event, self.client, fields)

    def _is_leg(self, parent: str) -> bool:
        """Whether a call is another one once more, through a loopback."""
        return bool(parent) and (parent in self.calls or parent in self._ended)

    # --- the core

    async def _handle(self, call: Call, event: ChargingEvent) -> ChargingAnswer:
        return await self._service.handle(_with_words(call, event))

    async def _report(self, call: Call, event: ChargingEvent) -> ChargingAnswer:
        return await self._report_event(_with_words(call, event))

    async def _report_event(self, event: ChargingEvent) -> ChargingAnswer:
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

    # --- credit

    async def _reserve(self, call: Call, event_id: int | str, until_ns: int = 0) -> Stage:
        """Open the session of a call, charging what was used up to `until_ns`, or refuse the call."""
        is_running = call.answered_s is not None
        wanted_ns = self._wanted_ns(call, until_ns) if is_running else self._settings.max_call_ns
        used = mapping.used_time(call.reported_ns, until_ns, call.answered_ns)
        event = mapping.initial(self.client, call.facts, wanted_ns, call.extra, event_id, used)
        answer = await self._handle(call, msgspec.structs.replace(event, slices_itself=self._slices))
        grant = grant_of(answer)
        call.profiles = answer.profiles
        if answer.result not in BUSY:
            call.reported_ns = max(call.reported_ns, until_ns)
        if grant is None:
            await self.orders.refuse(call, reason(answer))
        elif grant.amount < SECOND_NS:  # shorter than the switch can limit
            await self._report(call, mapping.termination(self.client, call.facts.uuid, None, call.extra))
            await self.orders.refuse(call, NO_CREDIT)
        else:
            is_free = grant.result is Result.FREE_OF_CHARGE and self._says_all
            call.stage, call.has_session = Stage.FREE if is_free else Stage.OPEN, True
            call.note(grant, call.reported_ns)
        return call.stage

    @property
    def _slices(self) -> bool:
        """Whether less is held while a call lasts than was promised to it: the rest is others' to use."""
        return self._settings.debit_interval_ns is not None

    def _wanted_ns(self, call: Call, until_ns: int) -> int:
        """How much to ask for beyond what has been reported."""
        interval_ns = self._settings.debit_interval_ns
        if interval_ns is None:
            return self._settings.max_call_ns
        return call.elapsed_ns(_now_s()) - until_ns + interval_ns + LEAD_NS

    async def _begin_consuming(self, call: Call) -> None:
        """The answer: what was reserved is used from now on, or gives way to a first slice."""
        call.limit_ns = call.reported_ns + call.granted_ns
        call.armed_ns = call.armed_ns or call.limit_ns
        call.updates += 1
        wanted_ns = self._wanted_ns(call, call.reported_ns) if self._slices else None
        event = mapping.update(self.client, call.facts.uuid, call.updates, None, wanted_ns, call.extra)
        answer = await self._handle(call, event)
        if answer.result is Result.UNKNOWN_SESSION or answer.has_ended:
            await self._open_again(call)
        elif answer.result is Result.DENIED:
            await self.orders.refuse(call, reason(answer))
        elif wanted_ns is not None and answer.result not in BUSY:
            await self._go_on(call, answer, call.reported_ns)
        elif answer.is_low_balance:
            await self.orders.warn(call)

    async def _open_again(self, call: Call, until_ns: int = 0) -> None:
        """The session was closed meanwhile, by silence or by an operator: without a new one nothing goes on."""
        call.openings += 1
        event_id = f"again {call.updates} {call.openings}"
        call.has_session = False
        if await self._reserve(call, event_id, until_ns) is Stage.OPEN:
            await self.orders.rearm(call)

    async def _extend(self, call: Call) -> ControlResult:
        """Report what was used and ask for more."""
        until_ns = call.reportable_ns(_now_s())
        used = mapping.used_time(call.reported_ns, until_ns, call.answered_ns)
        number = call.updates + 1
        event = mapping.update(self.client, call.facts.uuid, number, used, self._wanted_ns(call, until_ns))
        answer = await self._handle(call, event)
        if answer.result in BUSY:  # nothing was charged; the limit at the switch stays where it is
            self._look_in(call, RETRY_S[1])
            return ControlResult.NO_ANSWER
        call.updates = number
        if answer.result is Result.UNKNOWN_SESSION:
            await self._open_again(call, until_ns)
            self._look_later(call)
            return ControlResult.ACCEPTED
        call.reported_ns = until_ns
        said = ControlResult.ACCEPTED
        if answer.has_ended:
            await self._open_again(call)
        else:
            said = await self._go_on(call, answer, until_ns)
        self._look_later(call)
        return said

    async def _go_on(self, call: Call, answer: ChargingAnswer, until_ns: int) -> ControlResult:
        """A running call with what it was granted, or without."""
        if self._slices and not self._says_all and (is_last_credit(answer) or grant_of(answer) is None):
            answer = await self._squeezed(call, until_ns) or answer
        grant = grant_of(answer)
        if grant is None:
            return await self.orders.disconnect(call, reason(answer))
        call.note(grant, until_ns)
        if call.stage is Stage.OPEN and self._must_arm(call):
            await self.orders.rearm(call)
        if answer.is_low_balance:
            await self.orders.warn(call)
        return ControlResult.ACCEPTED

    async def _squeezed(self, call: Call, until_ns: int) -> ChargingAnswer | None:
        """The slice of a running call once more, with what ringing calls of its account were promised.

        They keep what is left then; how long they may really last, their own slices will show.
        """
        account = call.facts.account
        ringing = [each for each in self.calls.values() if each.is_ringing and each.facts.account == account]
        if not ringing:
            return None
        for each in ringing:
            await self._hold(each, SECOND_NS)
        call.updates += 1
        wanted_ns = self._wanted_ns(call, until_ns)
        event = mapping.update(self.client, call.facts.uuid, call.updates, None, wanted_ns)
        answer = await self._handle(call, event)
        for each in ringing:
            await self._hold(each, self._settings.max_call_ns)
        return None if answer.result in BUSY else answer

    async def _hold(self, call: Call, wanted_ns: int) -> None:
        """Reserve something else for a call that rings."""
        if not call.is_ringing:
            return
        call.updates += 1
        event = mapping.update(self.client, call.facts.uuid, call.updates, None, wanted_ns)
        grant = grant_of(await self._handle(call, event))
        if grant is not None and call.is_ringing:
            call.granted_ns = grant.amount

    def _must_arm(self, call: Call) -> bool:
        """A slice within the limit the switch is armed with needs no command; the last one is a limit itself."""
        is_other = call.limit_ns != call.armed_ns
        return not self._slices or call.limit_ns > call.armed_ns or (call.is_final and is_other)

    # --- timers

    def _look_later(self, call: Call) -> None:
        """Look again before the granted time is over."""
        call.stop_timer()
        if call.stage is Stage.OPEN and call.answered_s is not None and not call.is_ended:
            settings = self._settings
            wait_ns = call.next_look_ns(_now_s(), settings.extend_before_ns, settings.debit_interval_ns)
            self._look_in(call, wait_ns / SECOND_NS)

    def _look_in(self, call: Call, wait_s: float) -> None:
        call.stop_timer()
        if self.orders.link is not None:
            loop = asyncio.get_running_loop()
            call.timer = loop.call_later(wait_s, lambda: self._start(self._looked(call)))

    # --- the end

    async def _settle(self, call: Call, total_ns: int) -> None:
        """Charge what was not charged yet of a call that has ended; what was held goes back."""
        facts = call.facts
        total_ns = charged_ns(total_ns, call.armed_ns, self.orders.end.hangs_up)
        used = mapping.used_time(call.reported_ns, total_ns, call.answered_ns)
        if call.has_session or (self._says_all and not self._is_leg(facts.parent)):
            answer = await self._report(call, mapping.termination(self.client, facts.uuid, used, call.extra))
            if answer.result is Result.UNKNOWN_SESSION:
                await self._charge_afterwards(call, used)
        elif call.stage is Stage.NEW:
            if facts.is_charged and not self._is_leg(facts.parent):
                await self._charge_afterwards(call, used)
        elif call.stage is Stage.AFTERWARDS or call.openings:
            await self._charge_afterwards(call, used)

    async def _charge_afterwards(self, call: Call, used: UsedUnits | None) -> None:
        if used is None:
            return
        answer = await self._report(call, mapping.afterwards(self.client, call.facts, used, call.extra))
        if answer.result is not Result.SUCCESS:
            uuid, result = call.facts.uuid, answer.result.name
            log.warning(
                "freeswitch.usage_refused", peer=self.client, session=uuid, result=result, used_ns=used.amount
            )


def _with_words(call: Call, event: ChargingEvent) -> ChargingEvent:
    """An event with the words of the switch, where the core goes by them."""
    return event if call.free is None else msgspec.structs.replace(event, free=call.free)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
