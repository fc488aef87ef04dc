"""What is known of a call that is being charged, and the arithmetic of its time.

Moments of a call (`elapsed_ns`, `reported_ns`, `limit_ns`) count from its answer. `*_s` are seconds of the
loop's clock, which says how long ago something was; the switch's clock says when.
"""

import asyncio
from enum import Enum, auto

from ocs.agents.freeswitch.mapping import CallFacts
from ocs.agents.voice.ticks import LAG_NS, SECOND_NS, certain_ns
from ocs.charging.events import FreeEvent, Grant, ProfileResults

TIMER_SLACK_NS = SECOND_NS  # the switch's timers work on whole seconds of its clock
SOONEST_NS = SECOND_NS // 5
COMMAND_NS = SECOND_NS // 20  # a command is there by then
LAST_TRY_NS = 3 * SECOND_NS // 2  # the timers of the switch may end a call a second early
OVERRUN_NS = 3 * SECOND_NS  # past its limit the switch should have ended the call; then we do


class Stage(Enum):
    """What was decided about a call."""

    NEW = auto()
    OPEN = auto()  # charged as it goes
    FREE = auto()  # nobody is charged
    AFTERWARDS = auto()  # charged when it has ended
    REFUSED = auto()


class Call:
    """A call from its first event to its last."""

    __slots__ = (
        "answered_ns",
        "answered_s",
        "armed_ns",
        "begun_s",
        "extra",
        "facts",
        "free",
        "granted_ns",
        "has_session",
        "is_ended",
        "is_final",
        "is_through",
        "is_warned",
        "limit_ns",
        "lock",
        "openings",
        "profiles",
        "reported_ns",
        "seen_s",
        "stage",
        "timer",
        "unseen",
        "updates",
        "validity_ns",
    )

    def __init__(self, facts: CallFacts, now_s: float) -> None:
        self.facts = facts
        self.lock = asyncio.Lock()  # one thing at a time, in the order of arrival
        self.stage = Stage.NEW
        self.extra: tuple[tuple[str, str], ...] = ()
        self.free: FreeEvent | None = None  # the latest words of the switch, where the core goes by them
        self.profiles: ProfileResults | None = None
        self.has_session = False  # credit is held, and goes back at the end
        self.is_through = False  # not parked any more
        self.is_ended = False
        self.is_final = False  # the last credit is granted
        self.is_warned = False
        self.openings = 0
        self.updates = 0
        self.granted_ns = 0
        self.validity_ns = 0
        self.limit_ns = 0  # up to here it is paid for
        self.armed_ns = 0  # the switch ends the call here, whatever happens to us
        self.reported_ns = 0
        self.answered_ns = 0  # by the switch's clock
        self.answered_s: float | None = None
        self.begun_s = now_s
        self.seen_s = now_s  # when it was last known to be alive
        self.unseen = 0  # lists of calls in a row that it was missing from
        self.timer: asyncio.TimerHandle | None = None

    @property
    def is_ringing(self) -> bool:
        """Whether it holds credit for an answer that has not come."""
        return self.has_session and self.answered_s is None and not self.is_ended

    def elapsed_ns(self, now_s: float) -> int:
        """Time since the answer; 0 before it."""
        return 0 if self.answered_s is None else max(0, round((now_s - self.answered_s) * SECOND_NS))

    def reportable_ns(self, now_s: float) -> int:
        """Up to where the call has certainly been used: whole seconds, a moment behind the clock."""
        return certain_ns(self.elapsed_ns(now_s), self.reported_ns)

    def left_ns(self, now_s: float) -> int:
        """Time until the limit."""
        return self.limit_ns - self.elapsed_ns(now_s)

    def ticks_left(self, now_s: float) -> int:
        """Ticks of the switch's clock, which its timers count, to the last one within the limit."""
        at_ns = self.answered_ns + self.elapsed_ns(now_s) + COMMAND_NS
        return (self.answered_ns + self.limit_ns) // SECOND_NS - at_ns // SECOND_NS

    def note(self, grant: Grant, from_ns: int) -> None:
        """It is paid for so much further."""
        self.granted_ns = grant.amount
        self.validity_ns = grant.validity_ns or 0
        self.is_final = grant.final_unit is not None
        self.limit_ns = from_ns + grant.amount

    def next_look_ns(self, now_s: float, before_ns: int, slice_ns: int | None = None) -> int:
        """How long to wait before more time is asked for: before the grant ends, or its validity does.

        There is nothing to ask for after the last credit; then the look is whether the call has ended. Where the
        credit is shared slice by slice, others may have given some back: it is asked for once more before the end.
        """
        left_ns = self.left_ns(now_s)
        if self.is_final and slice_ns is not None and left_ns > LAST_TRY_NS:
            wait_ns = max(left_ns - LAST_TRY_NS, SOONEST_NS)
        elif self.is_final:
            wait_ns = left_ns + OVERRUN_NS
        elif slice_ns is not None:
            wait_ns = max(min(slice_ns, left_ns - LAG_NS), SOONEST_NS)
        else:
            wait_ns = left_ns - min(before_ns, self.granted_ns // 2)
        return max(min(wait_ns, self.validity_ns) if self.validity_ns else wait_ns, 0)

    def stop_timer(self) -> None:
        """Nothing is to be done later."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def charged_ns(billed_ns: int, limit_ns: int, hangs_up: bool) -> int:
    """The part of a call that is charged.

    The switch's timers work on whole seconds: the moment by which one is late is not the caller's. What follows
    the end of credit elsewhere, an announcement or a menu to top up, is free.
    """
    if limit_ns and billed_ns > limit_ns and (not hangs_up or billed_ns - limit_ns <= TIMER_SLACK_NS):
        return limit_ns
    return billed_ns
