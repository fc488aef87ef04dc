"""The life of a call: promised, started, debited slice by slice, cut at zero, paid for at its end."""

import asyncio
from abc import abstractmethod
from typing import Final

import structlog

from ocs.agents.kamailio import mapping
from ocs.agents.kamailio.book import CallBook, count_of, no_matter, sleep, transaction_of
from ocs.agents.kamailio.calls import RETRY_NS, Call, Due, Phase
from ocs.agents.kamailio.mapping import PROVISIONAL, Facts, MappingError
from ocs.agents.kamailio.messages import Message
from ocs.agents.voice.outcomes import (
    BUSY,
    GRANTED,
    NO_CREDIT,
    error_text,
    granted,
    is_last_credit,
    outcome,
    reason,
)
from ocs.agents.voice.ticks import SECOND_NS
from ocs.charging.events import Action, ChargingAnswer, EventKind, Result, Unit

log = structlog.get_logger()

UNLIMITED: Final = -1
GRANTING: Final = (*GRANTED, Result.NO_CREDIT)
CUT_PATIENCE_S: Final = 1.0  # so long after a cut the end of a call has come, or is lost
MOST_DISCONNECTS: Final = 3  # a call that still has no end then has lost it
OVERTIME_NS: Final = 5 * SECOND_NS  # Kamailio ends a call at its limit by itself
MAX_USAGE_REACHED: Final = "MAX_USAGE_REACHED"
SESSION_CLOSED: Final = "SESSION_CLOSED"


class CallFlow(CallBook):
    """What the messages of a proxy do to its calls."""

    def _do(self, call: Call, due: Due) -> None:
        match due:
            case Due.RELEASE:
                self._release(call, "ringing for too long")
            case Due.SLICE:
                self._ask_slice(call)
            case Due.DISCONNECT:
                self._disconnect(call)
            case Due.END:
                self._terminate(call)
            case Due.FORGET:
                self._close_vanished(call)

    # --- authorisation

    def _authorise(self, message: Message) -> None:
        facts = self._facts_or_refusal(message)
        if facts is None:
            return
        if not facts.is_charged:
            self._reply(message, UNLIMITED)
        elif facts.unit is not Unit.TIME:
            self._look(message, facts)
        else:
            self._reserve(message, facts)

    def _look(self, message: Message, facts: Facts) -> None:
        """Whether a message could be paid for; nothing is held for it."""
        amount = count_of(facts)
        transaction = transaction_of(message)
        event = mapping.one_time(
            self.name,
            facts.origin_id or transaction,
            f"look:{transaction}",
            facts,
            amount,
            Action.CHECK_BALANCE,
        )

        def answered(answer: ChargingAnswer) -> None:
            told = answer.profiles
            self._reply(message, amount if answer.has_credit else 0, error_text(answer), told)

        self._submit(event, answered)

    def _reserve(self, message: Message, facts: Facts) -> None:
        """Set the whole promise aside, so that no other call is promised the same credit."""
        transaction = transaction_of(message)
        session_id = facts.origin_id
        known = self.calls.get(session_id)
        if not session_id or (known is not None and known.phase in (Phase.RUNNING, Phase.ENDING)):
            session_id = f"{PROVISIONAL}{transaction}"
            known = self.calls.get(session_id)
        if known is not None:
            sleep(known)
        self._ended.forget(session_id)
        call = Call(session_id, facts, self._now_ns())
        self._keep(call)
        wanted_ns = self._settings.max_usage_ns
        event = self._event(
            EventKind.INITIAL, call, f"auth:{transaction}", mapping.asking(Unit.TIME, wanted_ns)
        )

        def answered(answer: ChargingAnswer) -> None:
            self._authorised(call, message, answer)

        self._submit(event, answered)

    def _authorised(self, call: Call, message: Message, answer: ChargingAnswer) -> None:
        granted_ns = granted(answer)
        is_known = self.calls.get(call.session_id) is call and call.phase is Phase.AUTHORISING
        if granted_ns < SECOND_NS:
            is_credit = outcome(answer) in GRANTING
            self._reply(message, 0, "" if is_credit else error_text(answer), answer.profiles)
            if is_known:
                if granted_ns:
                    self._submit_release(call)
                self._drop(call)
            return
        is_unlimited = call.facts.is_postpaid and granted_ns >= self._settings.max_usage_ns
        is_unlimited = is_unlimited or outcome(answer) is Result.FREE_OF_CHARGE
        self._reply(message, UNLIMITED if is_unlimited else granted_ns // SECOND_NS, "", answer.profiles)
        if is_known:
            call.is_opened = True
            call.phase = Phase.RINGING
            call.granted_ns = granted_ns
            call.is_final = is_last_credit(answer)
            self._schedule(call)

    def _release(self, call: Call, reason: str) -> None:
        log.info("kamailio.call_not_started", peer=self.name, session=call.session_id, reason=reason)
        self._submit_release(call)
        self._drop(call)

    # --- start and slices

    def _start(self, message: Message) -> None:
        facts = self._facts(message)
        if isinstance(facts, MappingError):
            self._cut(message.get("h_entry"), message.get("h_id"), str(facts))
            return
        handle = message.get("h_entry"), message.get("h_id")
        if not facts.is_charged or self._ended.has(facts.origin_id, handle):
            return
        call = self.calls.get(facts.origin_id)
        if call is not None and call.phase in (Phase.RUNNING, Phase.ENDING):
            if (call.h_entry, call.h_id) != handle:
                log.warning("kamailio.call_started_twice", peer=self.name, session=call.session_id)
            return
        self._ended.forget(facts.origin_id)
        if call is None:
            call = self._started_unasked(facts)
        call.start(facts, self._now_ns(), self._wall_ns())
        self._ask_slice(call)

    def _started_unasked(self, facts: Facts) -> Call:
        """A call authorised without its OriginID, or not here; it takes the place of a promise made to it."""
        promised = self._find_provisional(facts)
        if promised is not None:
            self._submit_release(promised)
            self._drop(promised)
        call = Call(facts.origin_id, facts, self._now_ns())
        self._keep(call)
        return call

    def _ask_slice(self, call: Call, has_squeezed: bool = False) -> None:
        """Debit what has been used so far, and ask for what the next slice needs."""
        elapsed_ns = call.elapsed_ns(self._now_ns())
        total_ns = call.payable_ns(elapsed_ns)
        wanted_ns = call.wanted_ns(elapsed_ns, self._slice_ns(call))
        answer_ns = call.facts.answer_ns
        if not call.is_opened:
            kind, report = EventKind.INITIAL, mapping.asking(Unit.TIME, wanted_ns)
            event_id = f"start:{call.h_entry}:{call.h_id}"
        else:
            kind, report = EventKind.UPDATE, mapping.used(Unit.TIME, total_ns, answer_ns, wanted_ns)
            event_id = f"at:{self._wall_ns()}{':again' if has_squeezed else ''}"
        call.is_waiting = True

        def answered(answer: ChargingAnswer) -> None:
            self._sliced(call, elapsed_ns, total_ns, answer)
            if call.is_final and not has_squeezed:
                self._squeeze(call)

        self._submit(self._event(kind, call, event_id, report), answered)

    def _squeeze(self, call: Call) -> None:
        """A call that runs comes before those that ring: what it lacks is taken from what they were promised.

        They keep what is left then; how long they may really last, their own slices will show.
        """
        payer = call.facts.party[:2]
        ringing = [
            each
            for each in self.calls.values()
            if each.phase is Phase.RINGING and each.is_opened and each.facts.party[:2] == payer
        ]
        if not ringing or call.phase is not Phase.RUNNING or call.is_waiting or self._says_all:
            return
        for each in ringing:
            self._hold(each, SECOND_NS)
        self._ask_slice(call, has_squeezed=True)
        for each in ringing:
            self._hold(each, self._settings.max_usage_ns)

    def _hold(self, call: Call, wanted_ns: int) -> None:
        """Set something else aside for a call that rings."""

        def answered(answer: ChargingAnswer) -> None:
            if call.phase is Phase.RINGING and answer.result is Result.SUCCESS:
                call.granted_ns = granted(answer)
                call.is_final = is_last_credit(answer)

        report = mapping.used(Unit.TIME, 0, None, wanted_ns)
        event_id = f"hold:{self._wall_ns()}:{wanted_ns}"
        self._submit(self._event(EventKind.UPDATE, call, event_id, report), answered)

    def _sliced(self, call: Call, elapsed_ns: int, total_ns: int, answer: ChargingAnswer) -> None:
        call.is_waiting = False
        if call.phase is not Phase.RUNNING or self.calls.get(call.session_id) is not call:
            return
        result = outcome(answer)
        if answer.result in BUSY:
            call.not_before_ns = self._now_ns() + RETRY_NS
        elif (answer.result is Result.UNKNOWN_SESSION or answer.has_ended) and not call.charged_ns:
            call.is_opened = False  # what was set aside has been given back meanwhile
            self._ask_slice(call)
            return
        elif answer.has_ended:
            call.reason = call.reason or SESSION_CLOSED
        elif answer.result is Result.SUCCESS and result in GRANTING:
            call.is_opened = True
            call.asked_elapsed_ns = elapsed_ns
            call.charged_ns = total_ns
            call.granted_ns = total_ns + granted(answer)
            call.is_final = is_last_credit(answer)
            if elapsed_ns > self._settings.max_usage_ns + OVERTIME_NS and not call.facts.is_postpaid:
                call.reason = call.reason or MAX_USAGE_REACHED
            call.validity_ns = max((grant.validity_ns or 0 for grant in answer.grants), default=0)
        else:
            call.reason = call.reason or reason(answer)
        self._schedule(call)

    def _disconnect(self, call: Call) -> None:
        if call.disconnects >= MOST_DISCONNECTS:
            self._close_vanished(call)
            return
        call.reason = call.reason or NO_CREDIT
        elapsed_ns = call.elapsed_ns(self._now_ns())
        if not call.disconnects:
            call.proven_ns = elapsed_ns
            log.info("kamailio.call_cut", peer=self.name, session=call.session_id, reason=call.reason)
        call.disconnects += 1
        self._cut(call.h_entry, call.h_id, call.reason)
        asyncio.get_running_loop().call_later(CUT_PATIENCE_S, self._look_after, call)
        self._schedule(call)

    def _look_after(self, call: Call) -> None:
        """Kamailio may end a call without saying so, where the parties answer its BYE too quickly."""
        if call.phase is Phase.RUNNING and self.calls.get(call.session_id) is call:
            self.ask_for_dialogs()

    @abstractmethod
    def ask_for_dialogs(self) -> None:
        """Ask the proxy which calls are still there."""

    # --- the end

    def _end(self, message: Message) -> None:
        facts = self._facts(message)
        if isinstance(facts, MappingError):
            log.warning("kamailio.message_ignored", peer=self.name, reason=str(facts))
            return
        if self._ended.has(facts.origin_id):
            return
        call = self.calls.get(facts.origin_id) or self._find_provisional(facts)
        if call is None and not facts.is_charged:
            return
        self._finish(call or self._unknown(facts), facts)

    def _record(self, message: Message) -> None:
        """A record of a call: of one that was charged here it says nothing new, any other is paid for now."""
        facts = self._facts_or_refusal(message)
        if facts is None:
            return
        if facts.is_charged and not self._ended.has(facts.origin_id):
            call = self.calls.get(facts.origin_id) or self._find_provisional(facts) or self._unknown(facts)
            call.is_late = not call.is_opened
            self._finish(call, facts)
        elif self._says_all and facts.is_charged:  # the core has records of its own, and knows which it has
            self._submit(mapping.afterwards(self.name, facts, facts.usage or 0), no_matter)
        if message.get("tr_index"):
            self._reply(message, 0)

    def _unknown(self, facts: Facts) -> Call:
        """A call this agent has not heard of; the core may have."""
        call = Call(facts.origin_id, facts, self._now_ns())
        call.is_vanished = self._vanished.has(facts.origin_id)
        self._keep(call)
        return call

    def _close_vanished(self, call: Call) -> None:
        """End a call whose end nobody reported."""
        self._vanished.add(call.facts.origin_id, (call.h_entry, call.h_id))
        call.end_total = call.vanished_total_ns()
        call.end_event = "vanished"
        call.is_vanished = True
        self._terminate(call)

    def _finish(self, call: Call, facts: Facts) -> None:
        now_ns = self._now_ns()
        reported = facts.usage
        if reported is None:
            is_running = call.phase is Phase.RUNNING
            reported = call.elapsed_ns(now_ns) // SECOND_NS * SECOND_NS if is_running else 0
        call.learn(facts)
        self._ended.add(facts.origin_id, (call.h_entry, call.h_id))
        call.end_total = call.final_total_ns(reported)
        if reported < call.charged_ns:
            log.warning(
                "kamailio.usage_below_charged",
                peer=self.name, session=call.session_id, reported_ns=reported, charged_ns=call.charged_ns,
            )  # fmt: skip
        self._terminate(call)

    def _terminate(self, call: Call) -> None:
        """Charge what is left of a call and close its session; tried until the core has done it."""
        call.phase = Phase.ENDING
        call.is_waiting = True
        sleep(call)
        total = call.end_total or 0
        report = mapping.used(call.facts.unit, total, call.facts.answer_ns)

        def answered(answer: ChargingAnswer) -> None:
            self._terminated(call, answer)

        self._submit(self._event(EventKind.TERMINATION, call, call.end_event, report), answered)

    def _terminated(self, call: Call, answer: ChargingAnswer) -> None:
        call.is_waiting = False
        if answer.result in BUSY:
            self._schedule(call)
            return
        if answer.result is Result.UNKNOWN_SESSION and call.end_total:
            is_new = call.is_late or (call.facts.answer_ns or 0) >= self._born_ns
            if is_new and not call.is_vanished:
                self._pay_afterwards(call, call.end_total)
                return
            log.warning(
                "kamailio.usage_unclaimed", peer=self.name, session=call.session_id, used=call.end_total
            )
        self._drop(call)

    def _pay_afterwards(self, call: Call, total: int) -> None:
        """A call without a session that cannot have been charged before."""

        def answered(answer: ChargingAnswer) -> None:
            if answer.result in BUSY:
                call.is_waiting = False
                self._schedule(call)
                return
            if answer.result is not Result.SUCCESS:
                log.warning(
                    "kamailio.usage_not_charged",
                    peer=self.name, session=call.session_id, used=total, result=answer.result.name,
                )  # fmt: skip
            self._drop(call)

        call.is_waiting = True
        self._submit(mapping.afterwards(self.name, call.facts, total), answered)

    # --- messages

    def _message(self, message: Message) -> None:
        facts = self._facts_or_refusal(message)
        if facts is None:
            return
        amount = count_of(facts)
        is_time = facts.unit is Unit.TIME
        if not facts.is_charged:
            self._reply(message, amount // SECOND_NS if is_time else amount)
            return
        transaction = transaction_of(message)
        event = mapping.one_time(
            self.name, facts.origin_id or transaction, f"message:{transaction}", facts, amount,
            Action.DIRECT_DEBITING,
        )  # fmt: skip

        def answered(answer: ChargingAnswer) -> None:
            units = granted(answer)
            usage = units // SECOND_NS if is_time else units
            self._reply(message, usage, error_text(answer), answer.profiles)

        self._submit(event, answered)
