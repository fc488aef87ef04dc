"""What is known of one call, and when something must be done about it. Pure; all times are given.

Kamailio counts whole seconds from its clock at the answer to its clock at the end, so what it reports may be up
to a second less, or more, than what the clock here says. While a call runs, it is debited that second behind:
no debit is ever more than the report at the end. A call that ended at its limit is charged for its limit.
"""

from enum import Enum, auto
from typing import Final, Protocol

import msgspec

from ocs.agents.kamailio.mapping import PROVISIONAL, STARTED_AT, Facts
from ocs.agents.voice.recent import Recent
from ocs.agents.voice.ticks import LAG_NS, SECOND_NS, certain_ns

CLOCK_STEP_NS: Final = LAG_NS
LEAD_NS: Final = 2 * SECOND_NS  # asked for more than the next slice needs: an answer may take a moment
LAST_TRY_NS: Final = SECOND_NS // 2  # so long before its credit ends a call asks once more
SOONEST_NS: Final = SECOND_NS // 5
RETRY_NS: Final = SECOND_NS
DISCONNECT_AGAIN_NS: Final = 5 * SECOND_NS
HANDLES: Final = ("h_entry", "h_id")


class Phase(Enum):
    """Where a call is in its life."""

    AUTHORISING = auto()
    RINGING = auto()  # authorised, not answered yet
    RUNNING = auto()
    ENDING = auto()  # its end is on the way to the disk


class Due(Enum):
    """What is to be done next."""

    RELEASE = auto()  # it has been ringing for too long
    SLICE = auto()
    DISCONNECT = auto()
    END = auto()  # once more: the last attempt did not get through
    FORGET = auto()  # its proxy has not been seen for longer than any call lasts


class Timer(Protocol):
    """What is set to wake a call up."""

    def cancel(self) -> None:
        """Let it sleep."""


class Call:
    """One call; `granted_ns` counts from the answer, what was charged included."""

    __slots__ = (
        "asked_elapsed_ns",
        "authorised_at_ns",
        "charged_ns",
        "disconnects",
        "end_event",
        "end_total",
        "extra",
        "facts",
        "granted_ns",
        "h_entry",
        "h_id",
        "is_certain",
        "is_final",
        "is_late",
        "is_missing",
        "is_opened",
        "is_vanished",
        "is_waiting",
        "not_before_ns",
        "phase",
        "promised_to",
        "proven_ns",
        "reason",
        "session_id",
        "started_at_ns",
        "timer",
        "validity_ns",
    )

    def __init__(self, session_id: str, facts: Facts, now_ns: int) -> None:
        self.session_id = session_id
        self.facts = facts
        self.promised_to = facts.party
        self.phase = Phase.AUTHORISING
        self.extra = dict(facts.extra)
        self.h_entry = self.extra.get("h_entry", "")
        self.h_id = self.extra.get("h_id", "")
        self.authorised_at_ns = now_ns  # monotonic, as all times here
        self.started_at_ns = 0
        self.asked_elapsed_ns = 0
        self.charged_ns = 0  # the last total that was said
        self.granted_ns = 0
        self.not_before_ns = 0  # the core was busy: it is asked again then
        self.proven_ns = 0  # so long after the answer it was still there
        self.is_opened = False  # the core has a session of it
        self.is_final = False  # `granted_ns` is all there is
        self.is_waiting = False  # an answer of the core is under way
        self.is_certain = True  # the proxy is connected, and has it for all we know
        self.is_missing = False  # the proxy's list did not have it
        self.reason = ""  # why it must end
        self.disconnects = 0
        self.end_total: int | None = None
        self.end_event = "end"
        self.is_late = False  # said to have ended by a record that came by itself
        self.is_vanished = False  # it was closed before, when the proxy did not have it any more
        self.validity_ns = 0  # so long the core lets its session be silent
        self.timer: Timer | None = None

    @property
    def is_provisional(self) -> bool:
        """Whether its authorisation named no OriginID."""
        return self.session_id.startswith(PROVISIONAL)

    def learn(self, facts: Facts) -> None:
        """Take over what a later message says."""
        if facts.answer_ns is None:
            facts = msgspec.structs.replace(facts, answer_ns=self.facts.answer_ns)
        self.facts = facts
        self.extra.update(facts.extra)
        self.h_entry, self.h_id = (self.extra.get(name, "") for name in HANDLES)

    def start(self, facts: Facts, now_ns: int, wall_ns: int) -> None:
        """It was answered."""
        self.learn(facts)
        self.phase = Phase.RUNNING
        self.started_at_ns = now_ns
        self.extra[STARTED_AT] = str(wall_ns)

    def all_extra(self) -> tuple[tuple[str, str], ...]:
        """Everything said about it so far, for its record."""
        return tuple(self.extra.items())

    def elapsed_ns(self, now_ns: int) -> int:
        """How long ago it was answered."""
        return max(now_ns - self.started_at_ns, 0)

    # --- money

    def payable_ns(self, elapsed_ns: int) -> int:
        """The total to debit after so long: whole seconds, a second behind."""
        return certain_ns(elapsed_ns, self.charged_ns)

    def wanted_ns(self, elapsed_ns: int, slice_ns: int) -> int:
        """What to ask for beyond the payable, so that the next slice is paid for."""
        return elapsed_ns - self.payable_ns(elapsed_ns) + slice_ns + LEAD_NS

    def final_total_ns(self, reported_ns: int) -> int:
        """What the whole call is charged for: a report that is a clock step over the limit is the limit."""
        if self.is_final and self.granted_ns < reported_ns <= self.granted_ns + CLOCK_STEP_NS:
            return self.granted_ns
        return reported_ns

    def vanished_total_ns(self) -> int:
        """What a call is charged for whose end nobody reported: as long as it was known to run, no more."""
        total = max(self.proven_ns // SECOND_NS * SECOND_NS, self.charged_ns)
        return min(total, max(self.granted_ns, self.charged_ns)) if self.is_final else total

    # --- time

    def next_due(self, now_ns: int, slice_ns: int, ring_ns: int, longest_ns: int) -> tuple[int, Due] | None:
        """When something must be done, and what; None while others have to speak first."""
        if self.is_waiting:
            return None
        match self.phase:
            case Phase.AUTHORISING:
                return None
            case Phase.RINGING:
                return self.authorised_at_ns + ring_ns, Due.RELEASE
            case Phase.ENDING:
                return now_ns + RETRY_NS, Due.END
            case Phase.RUNNING:
                if self.is_certain:
                    return self._running_due(now_ns, slice_ns)
                return max(self.started_at_ns, self.authorised_at_ns) + longest_ns, Due.FORGET

    def _running_due(self, now_ns: int, slice_ns: int) -> tuple[int, Due]:
        if self.reason:
            again_ns = DISCONNECT_AGAIN_NS if self.disconnects else 0
            return now_ns + again_ns, Due.DISCONNECT
        asked_at_ns = self.started_at_ns + self.asked_elapsed_ns
        ends_at_ns = self.started_at_ns + self.granted_ns
        if self.is_final:
            last_try_ns = max(ends_at_ns - LAST_TRY_NS, self.not_before_ns)
            if asked_at_ns < last_try_ns < ends_at_ns and now_ns < ends_at_ns:
                return max(last_try_ns, now_ns), Due.SLICE
            return max(ends_at_ns, now_ns), Due.DISCONNECT
        next_ns = min(asked_at_ns + slice_ns, ends_at_ns - CLOCK_STEP_NS)
        return max(next_ns, asked_at_ns + SOONEST_NS, self.not_before_ns, now_ns), Due.SLICE


class Ended(Recent[tuple[str, str]]):
    """The last calls that have ended, by OriginID, with the handle of their dialog."""

    def has(self, origin_id: str, handle: tuple[str, str] = ("", "")) -> bool:
        """Whether that call has ended; with a handle, whether it was that dialog."""
        known = self.get(origin_id)
        return known is not None and (handle == ("", "") or known in (handle, ("", "")))
