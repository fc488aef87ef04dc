"""The calls of one proxy, their timers, and the way to the core and to Kamailio; `flow` says what is done."""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import msgspec
import structlog

from ocs.agents.kamailio import mapping
from ocs.agents.kamailio.calls import Call, Due, Ended
from ocs.agents.kamailio.free import free_event
from ocs.agents.kamailio.mapping import Facts, MappingError
from ocs.agents.kamailio.messages import DEFAULT_REPLY, Message, Reply, encode_disconnect, encode_reply
from ocs.agents.voice.door import ChargingDoor, Deliver
from ocs.agents.voice.outcomes import outcome
from ocs.charging.events import (
    ChargingAnswer,
    ChargingEvent,
    EventKind,
    ProfileResults,
    Result,
    UsageReport,
)
from ocs.config.settings import SECOND, KamailioSettings

log = structlog.get_logger()

COMMAND: Final = "kamailio"  # in the metrics
ENDED_KEPT: Final = 100_000
NOTHING_TOLD: Final = ProfileResults()
TIMER_STEP_NS: Final = 2_000_000  # timers of uvloop may ring this much too early


class KamailioMetrics(Protocol):
    """Facts of the Kamailio side."""

    def request_answered(self, kind: EventKind, result: Result, took_ns: int, command: str = "ccr") -> None:
        """A request was answered."""


class Clocks(NamedTuple):
    """Where time comes from."""

    wall_ns: Callable[[], int]
    monotonic_ns: Callable[[], int]


def _nobody(payload: bytes) -> bool:
    return False


class CallBook:
    """What is known of the calls of one proxy, and how to talk about them."""

    def __init__(
        self,
        name: str,
        settings: KamailioSettings,
        door: ChargingDoor,
        metrics: KamailioMetrics,
        clocks: Clocks,
        says_all: bool = False,
    ) -> None:
        self.name = name
        self.calls: dict[str, Call] = {}
        self.send: Callable[[bytes], bool] = _nobody
        self._settings = settings
        self._door = door
        self._metrics = metrics
        self._says_all = says_all
        self._wall_ns, self._now_ns = clocks
        self._born_ns = self._wall_ns()
        self._ended = Ended(ENDED_KEPT)
        self._vanished = Ended(ENDED_KEPT)  # closed without their end: what it says later is no new call
        self._provisional: dict[
            tuple[str, str, str], list[str]
        ] = {}  # by party: authorised without an OriginID

    def stop(self) -> None:
        """No timer of any call runs any more."""
        for call in self.calls.values():
            sleep(call)

    # --- calls

    def _keep(self, call: Call) -> None:
        self.calls[call.session_id] = call
        if call.is_provisional:
            self._provisional.setdefault(call.facts.party, []).append(call.session_id)

    def _drop(self, call: Call) -> None:
        """Forget a call, unless a newer one has its name."""
        sleep(call)
        if self.calls.get(call.session_id) is not call:
            return
        del self.calls[call.session_id]
        if call.is_provisional:
            waiting = self._provisional.get(call.promised_to, [])
            if call.session_id in waiting:
                waiting.remove(call.session_id)
            if not waiting:
                self._provisional.pop(call.promised_to, None)

    def _find_provisional(self, facts: Facts) -> Call | None:
        """The promise made to these parties under no name: the one of that set-up time, else the oldest."""
        waiting = [self.calls[session_id] for session_id in self._provisional.get(facts.party, ())]
        same = [call for call in waiting if call.facts.setup_time == facts.setup_time]
        return next(iter(same or waiting), None)

    def _schedule(self, call: Call) -> None:
        """Wake up when the next thing is due for a call."""
        sleep(call)
        now_ns = self._now_ns()
        due = self._next_due(call, now_ns)
        if due is not None:
            delay_s = max(due[0] - now_ns, 0) / SECOND
            call.timer = asyncio.get_running_loop().call_later(delay_s, self._wake, call, due[1])

    def _next_due(self, call: Call, now_ns: int) -> tuple[int, Due] | None:
        settings = self._settings
        return call.next_due(now_ns, self._slice_ns(call), settings.ring_timeout_ns, settings.max_usage_ns)

    def _wake(self, call: Call, planned: Due) -> None:
        call.timer = None
        now_ns = self._now_ns()
        due = self._next_due(call, now_ns)
        is_retry = planned in (Due.END, Due.DISCONNECT)  # due a while from whenever it is asked
        if due is not None and due[1] is planned and (is_retry or due[0] <= now_ns + TIMER_STEP_NS):
            self._do(call, planned)
        else:
            self._schedule(call)

    @abstractmethod
    def _do(self, call: Call, due: Due) -> None:
        """Something is due for a call."""

    def _slice_ns(self, call: Call) -> int:
        """How long until the next debit: a session must not seem silent meanwhile."""
        interval_ns = self._settings.debit_interval_ns
        return min(interval_ns, call.validity_ns // 2) if call.validity_ns else interval_ns

    # --- the core

    def _event(self, kind: EventKind, call: Call, event_id: str, report: UsageReport) -> ChargingEvent:
        return mapping.event(kind, self.name, call.session_id, event_id, call.facts, report, call.all_extra())

    def _submit(self, event: ChargingEvent, deliver: Deliver) -> None:
        asked_ns = self._now_ns()

        def answered(answer: ChargingAnswer) -> None:
            took_ns = self._now_ns() - asked_ns
            self._metrics.request_answered(event.kind, outcome(answer), took_ns, COMMAND)
            deliver(answer)

        self._door.submit(event, answered)

    def _submit_release(self, call: Call) -> None:
        """Give back what was held for a call that does not take place."""
        event = self._event(EventKind.TERMINATION, call, "release", mapping.used(call.facts.unit, 0, None))
        self._submit(event, no_matter)

    # --- Kamailio

    def _facts(self, message: Message) -> Facts | MappingError:
        try:
            tenant = self._settings.default_tenant
            facts = mapping.facts_of(message, tenant, self._wall_ns(), self._says_all)
            if self._says_all:
                facts = msgspec.structs.replace(facts, free=free_event(message, self.name))
            return facts
        except MappingError as error:
            return error

    def _facts_or_refusal(self, message: Message) -> Facts | None:
        """What a message says; one that makes no sense is answered with the reason."""
        facts = self._facts(message)
        if isinstance(facts, Facts):
            return facts
        log.warning("kamailio.message_refused", peer=self.name, reason=str(facts))
        if message.get("tr_index"):
            self._reply(message, 0, str(facts))
        return None

    def _reply(
        self, message: Message, max_usage: int, error: str = "", profiles: ProfileResults | None = None
    ) -> None:
        told = profiles or NOTHING_TOLD
        reply = Reply(
            Event=message.get("reply_route") or DEFAULT_REPLY[message.kind],
            TransactionIndex=message.get("tr_index"),
            TransactionLabel=message.get("tr_label"),
            Attributes=",".join(f"{name}:{value}" for name, value in told.attributes),
            ResourceAllocation=told.resource,
            MaxUsage=max_usage,
            Routes=",".join(told.routes),
            Thresholds=",".join(told.thresholds),
            StatQueues=",".join(told.stat_queues),
            Error=error,
        )
        self.send(encode_reply(reply))

    def _cut(self, h_entry: str, h_id: str, reason: str) -> None:
        if not h_entry or not h_id:
            log.warning("kamailio.call_not_cut", peer=self.name, reason=reason)
            return
        self.send(encode_disconnect(h_entry, h_id, reason))


def transaction_of(message: Message) -> str:
    """What names a transaction of the proxy; its numbers begin anew when the proxy does, so the time is in it."""
    return f"{message.get('tr_index')};{message.get('tr_label')};{message.get('SetupTime')}"


def count_of(facts: Facts) -> int:
    """What a message asks for: one, where it does not say."""
    return 1 if facts.usage is None else facts.usage


def sleep(call: Call) -> None:
    """Take back a call's timer."""
    if call.timer is not None:
        call.timer.cancel()
        call.timer = None


def no_matter(answer: ChargingAnswer) -> None:
    """Whatever became of it, there is nothing more to do."""
