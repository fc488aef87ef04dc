"""What is known of a call that is being charged, and the arithmetic of its time. Pure.

Moments of a call (`elapsed_ns`, `reported_ns`, `limit_ns`) count from its answer. `*_s` are seconds of the
loop's clock, which says how long ago something was; the switch's clock says when.
"""

import asyncio

from ocs.agents.freeswitch.mapping import SECOND_NS, CallFacts

REPORT_LAG_NS = SECOND_NS  # a call may have ended a moment ago: what is reported before its end stays behind
TIMER_SLACK_NS = SECOND_NS  # the switch's timers work on whole seconds of its clock


class Call:
    """A call from its first event to its last."""

    __slots__ = (
        "answered_ns",
        "answered_s",
        "extra",
        "facts",
        "granted_ns",
        "is_ended",
        "is_final",
        "is_open",
        "is_passed",
        "is_warned",
        "limit_ns",
        "lock",
        "openings",
        "reported_ns",
        "seen_s",
        "timer",
        "unseen",
        "updates",
        "validity_ns",
    )

    def __init__(self, facts: CallFacts, seen_s: float) -> None:
        self.facts = facts
        self.lock = asyncio.Lock()
        self.extra: tuple[tuple[str, str], ...] = ()
        self.is_open = False  # a session is there for it
        self.is_passed = False  # let through without credit control
        self.is_ended = False
        self.is_final = False  # the last credit is granted
        self.is_warned = False
        self.openings = 0
        self.updates = 0
        self.granted_ns = 0
        self.validity_ns = 0
        self.limit_ns = 0  # the switch ends the call here, whatever happens to us
        self.reported_ns = 0
        self.answered_ns = 0
        self.answered_s: float | None = None
        self.seen_s = seen_s  # when it was last known to be alive
        self.unseen = 0  # lists of calls in a row that it was missing from
        self.timer: asyncio.TimerHandle | None = None

    def elapsed_ns(self, now_s: float) -> int:
        """Time since the answer; 0 before it."""
        return 0 if self.answered_s is None else max(0, round((now_s - self.answered_s) * SECOND_NS))

    def reportable_ns(self, now_s: float) -> int:
        """Up to where the call has certainly been used: whole seconds, a moment behind the clock."""
        certain_ns = (self.elapsed_ns(now_s) - REPORT_LAG_NS) // SECOND_NS * SECOND_NS
        return max(self.reported_ns, certain_ns)

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


def extend_in_ns(call: Call, now_s: float, before_ns: int) -> int:
    """How long to wait before more time is asked for: before the end of what is granted, and of its validity."""
    left_ns = call.limit_ns - call.elapsed_ns(now_s)
    wait_ns = left_ns - min(before_ns, call.granted_ns // 2)
    if call.is_final:
        wait_ns = call.validity_ns or wait_ns
    elif call.validity_ns:
        wait_ns = min(wait_ns, call.validity_ns)
    return max(wait_ns, 0)
