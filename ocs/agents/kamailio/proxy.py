"""One proxy: its link, the calls found again after a restart or a lost link, and what the server asks."""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from ocs.agents.kamailio import mapping
from ocs.agents.kamailio.book import Clocks, KamailioMetrics
from ocs.agents.kamailio.calls import Call, Phase
from ocs.agents.kamailio.flow import CallFlow
from ocs.agents.kamailio.mapping import STARTED_AT
from ocs.agents.kamailio.messages import DIALOG_LIST_REQUEST, Dialog, DialogList, Kind, Message
from ocs.agents.voice.door import ChargingDoor
from ocs.agents.voice.ticks import SECOND_NS
from ocs.charging.control import ControlResult, OpenSession
from ocs.charging.events import FreeEvent
from ocs.config.settings import KamailioSettings

log = structlog.get_logger()

LIST_PATIENCE_S: Final = 5.0
MISSING_PATIENCE_S: Final = 2.0  # the end of a call the list does not have may be on its way
CUT_MISSING_PATIENCE_S: Final = 0.5  # a call that was cut has had time for it already
SETTLED_NS: Final = 5 * SECOND_NS  # an authorised call has its dialog by then
STATE_CONFIRMED: Final = 4  # of Kamailio's dialog module


class ProxyCalls(CallFlow):
    """Everything one proxy has told, and what is to be done about it."""

    def __init__(
        self,
        name: str,
        settings: KamailioSettings,
        door: ChargingDoor,
        metrics: KamailioMetrics,
        clocks: Clocks,
        says_all: bool = False,
    ) -> None:
        super().__init__(name, settings, door, metrics, clocks, says_all)
        self._list_asked_ns: int | None = None
        self._list_timer: asyncio.TimerHandle | None = None
        self._is_matched_by_name = False  # lists name calls as this proxy's messages do
        self._handlers: dict[Kind, Callable[[Message], None]] = {
            Kind.AUTHORISE: self._authorise,
            Kind.START: self._start,
            Kind.END: self._end,
            Kind.MESSAGE: self._message,
            Kind.RECORD: self._record,
        }

    # --- the link

    async def adopt(self) -> bool:
        """Take over the sessions the core has of this proxy; False where it cannot say now."""
        try:
            sessions = await self._door.sessions_of(self.name)
        except Exception as error:  # whatever the store has: it is asked again
            log.warning("kamailio.adoption_failed", peer=self.name, error=repr(error))
            return False
        for session in sessions:
            if session.service == "voice" and session.session_id not in self.calls:
                self._adopt(session)
        if self.calls:
            log.info("kamailio.calls_adopted", peer=self.name, calls=len(self.calls))
        return True

    def _adopt(self, session: OpenSession) -> None:
        facts = mapping.known_facts(session.session_id, session.service, session.context)
        call = Call(session.session_id, facts, self._now_ns())
        call.is_opened = True
        call.is_certain = False
        call.charged_ns = session.used
        call.granted_ns = session.used + session.granted
        started_at = call.extra.get(STARTED_AT, "")
        if started_at.isdecimal():
            call.phase = Phase.RUNNING
            call.started_at_ns = self._now_ns() - max(self._wall_ns() - int(started_at), 0)
        else:
            call.phase = Phase.RINGING
        self._keep(call)
        self._schedule(call)

    def connected(self) -> None:
        """The link is up: ask which calls are still there."""
        self.ask_for_dialogs()

    def lost(self) -> None:
        """The link is down: a call may have ended from now on, so none is debited until it is seen again."""
        self._forget_list()
        now_ns = self._now_ns()
        for call in self.calls.values():
            if call.phase is Phase.RUNNING and call.is_certain:
                call.is_certain = False
                call.proven_ns = call.elapsed_ns(now_ns)
                self._schedule(call)

    def stop(self) -> None:
        """No timer runs any more."""
        self._forget_list()
        super().stop()

    def received(self, message: Message | DialogList) -> None:
        """Something the proxy says."""
        if isinstance(message, DialogList):
            self._compare(message)
        else:
            self._handlers[message.kind](message)

    # --- which calls are still there

    def ask_for_dialogs(self) -> None:
        """Ask the proxy for its dialogs."""
        if self._list_asked_ns is None and self.calls and self.send(DIALOG_LIST_REQUEST):
            self._list_asked_ns = self._now_ns()
            self._list_timer = asyncio.get_running_loop().call_later(LIST_PATIENCE_S, self._list_overdue)

    def _list_overdue(self) -> None:
        self._forget_list()
        log.warning("kamailio.dialogs_not_listed", peer=self.name, calls=len(self.calls))

    def _forget_list(self) -> None:
        self._list_asked_ns = None
        if self._list_timer is not None:
            self._list_timer.cancel()
            self._list_timer = None

    def _compare(self, listed: DialogList) -> None:
        """Calls in the list go on; those it should have and has not are over. A list not asked for says nothing."""
        asked_ns = self._list_asked_ns
        if asked_ns is None:
            return
        self._forget_list()
        names = {name: dialog for dialog in listed.dialogs for name in dialog.names}
        handles = {(dialog.h_entry, dialog.h_id): dialog for dialog in listed.dialogs}
        known = [call for call in self.calls.values() if call.phase in (Phase.RINGING, Phase.RUNNING)]
        if any(call.facts.origin_id in names for call in known):
            self._is_matched_by_name = True
        for call in known:
            handle = call.h_entry, call.h_id
            dialog = names.get(call.facts.origin_id) or (handles.get(handle) if all(handle) else None)
            if dialog is None:
                self._absent(call, asked_ns)
            elif call.phase is Phase.RUNNING:
                self._present(call, asked_ns)
            else:
                self._ringing(call, dialog)

    def _present(self, call: Call, asked_ns: int) -> None:
        call.is_missing = False
        call.proven_ns = max(call.proven_ns, call.elapsed_ns(asked_ns))
        if not call.is_certain:
            call.is_certain = True
            self._schedule(call)

    def _ringing(self, call: Call, dialog: Dialog) -> None:
        """A call that was promised credit has its dialog; perhaps its start got lost."""
        now_ns, wall_ns = self._now_ns(), self._wall_ns()
        if dialog.state != STATE_CONFIRMED or not dialog.started_at_s:
            call.authorised_at_ns = now_ns
            self._schedule(call)
            return
        answer_ns = dialog.started_at_s * SECOND_NS
        said = ("h_entry", dialog.h_entry), ("h_id", dialog.h_id), ("AnswerTime", str(dialog.started_at_s))
        facts = msgspec.structs.replace(call.facts, answer_ns=answer_ns, extra=(*call.facts.extra, *said))
        if self._says_all:
            free = call.facts.free or FreeEvent()
            facts = msgspec.structs.replace(
                facts, free=msgspec.structs.replace(free, fields=(*free.fields, *said))
            )
        behind_ns = max(wall_ns - answer_ns - SECOND_NS, 0)  # a second for the clock of the proxy
        log.info("kamailio.start_recovered", peer=self.name, session=call.session_id)
        call.start(facts, now_ns - behind_ns, wall_ns - behind_ns)
        call.is_certain = True
        self._ask_slice(call)

    def _absent(self, call: Call, asked_ns: int) -> None:
        is_settled = call.authorised_at_ns < asked_ns - SETTLED_NS
        if call.phase is Phase.RUNNING:
            if call.started_at_ns < asked_ns and not call.is_missing:
                call.is_missing = True
                patience_s = CUT_MISSING_PATIENCE_S if call.disconnects else MISSING_PATIENCE_S
                asyncio.get_running_loop().call_later(patience_s, self._close_missing, call)
        elif self._is_matched_by_name and is_settled and not call.is_provisional:
            self._release(call, "no dialog")

    def _close_missing(self, call: Call) -> None:
        """A call that ended without a word is paid for as long as it was known to run."""
        if call.is_missing and call.phase is Phase.RUNNING and self.calls.get(call.session_id) is call:
            log.warning("kamailio.call_vanished", peer=self.name, session=call.session_id)
            self._close_vanished(call)

    # --- requests of the server

    def reauthorize(self, session_id: str) -> ControlResult:
        """Ask the core for the next slice of a call now, as there is credit again."""
        call = self.calls.get(session_id)
        if call is None:
            return ControlResult.NO_ANSWER
        if call.phase is not Phase.RUNNING or not call.is_certain or call.reason:
            return ControlResult.REFUSED
        if call.is_waiting:
            return ControlResult.UNDER_WAY
        self._ask_slice(call)
        return ControlResult.ACCEPTED

    def disconnect(self, session_id: str, cause: str) -> ControlResult:
        """End a call; one that rings is ended when it is answered."""
        call = self.calls.get(session_id)
        if call is None or call.phase is Phase.ENDING:
            return ControlResult.NO_ANSWER
        call.reason = cause
        self._schedule(call)
        return ControlResult.ACCEPTED if call.is_certain else ControlResult.NO_ANSWER
