"""The transport failure algorithm of RFC 3539 3.4.1 for one connection, as a table.

The owner of the clock passes `now_ns`; jitter comes from outside too, so that one seed makes one history.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Final

REOPEN_ANSWERS: Final = 3


class WatchdogState(Enum):
    """States of RFC 3539 3.4.1."""

    INITIAL = auto()
    OKAY = auto()
    SUSPECT = auto()
    DOWN = auto()
    REOPEN = auto()


class WatchdogInput(Enum):
    """Events of RFC 3539 3.4.1, split where the table splits them by Pending or NumDWA."""

    CONNECTION_UP = auto()
    CONNECTION_DOWN = auto()
    RECEIVED_DWA = auto()
    RECEIVED_LAST_DWA = auto()  # NumDWA == 2
    RECEIVED_OTHER = auto()
    EXPIRED = auto()  # no DWR pending
    EXPIRED_PENDING = auto()
    EXPIRED_PENDING_AGAIN = auto()  # NumDWA < 0


class WatchdogAction(Enum):
    """What the table asks for; SetWatchdog() happens with every action but COUNT."""

    NONE = auto()
    RESTART = auto()
    SEND = auto()
    SEND_AND_COUNT = auto()  # NumDWA = 0
    FAIL_OVER = auto()
    FAIL_BACK = auto()
    COUNT = auto()  # NumDWA++
    WAIT_ONCE_MORE = auto()  # NumDWA = -1
    CLOSE = auto()


_S = WatchdogState
_I = WatchdogInput
_A = WatchdogAction

# AttemptOpen() of INITIAL and DOWN belongs to who dials; a pair that is absent has no effect (Throwaway()).
TRANSITIONS: Final[dict[tuple[WatchdogState, WatchdogInput], tuple[WatchdogAction, WatchdogState]]] = {
    (_S.INITIAL, _I.CONNECTION_UP): (_A.RESTART, _S.OKAY),
    (_S.DOWN, _I.CONNECTION_UP): (_A.SEND_AND_COUNT, _S.REOPEN),
    (_S.OKAY, _I.RECEIVED_DWA): (_A.RESTART, _S.OKAY),
    (_S.OKAY, _I.RECEIVED_LAST_DWA): (_A.RESTART, _S.OKAY),
    (_S.OKAY, _I.RECEIVED_OTHER): (_A.RESTART, _S.OKAY),
    (_S.SUSPECT, _I.RECEIVED_DWA): (_A.FAIL_BACK, _S.OKAY),
    (_S.SUSPECT, _I.RECEIVED_LAST_DWA): (_A.FAIL_BACK, _S.OKAY),
    (_S.SUSPECT, _I.RECEIVED_OTHER): (_A.FAIL_BACK, _S.OKAY),
    (_S.REOPEN, _I.RECEIVED_DWA): (_A.COUNT, _S.REOPEN),
    (_S.REOPEN, _I.RECEIVED_LAST_DWA): (_A.FAIL_BACK, _S.OKAY),
    (_S.OKAY, _I.EXPIRED): (_A.SEND, _S.OKAY),
    (_S.OKAY, _I.EXPIRED_PENDING): (_A.FAIL_OVER, _S.SUSPECT),
    (_S.OKAY, _I.EXPIRED_PENDING_AGAIN): (_A.FAIL_OVER, _S.SUSPECT),
    (_S.SUSPECT, _I.EXPIRED): (_A.CLOSE, _S.DOWN),
    (_S.SUSPECT, _I.EXPIRED_PENDING): (_A.CLOSE, _S.DOWN),
    (_S.SUSPECT, _I.EXPIRED_PENDING_AGAIN): (_A.CLOSE, _S.DOWN),
    (_S.REOPEN, _I.EXPIRED): (_A.SEND, _S.REOPEN),
    (_S.REOPEN, _I.EXPIRED_PENDING): (_A.WAIT_ONCE_MORE, _S.REOPEN),
    (_S.REOPEN, _I.EXPIRED_PENDING_AGAIN): (_A.CLOSE, _S.DOWN),
    (_S.OKAY, _I.CONNECTION_DOWN): (_A.CLOSE, _S.DOWN),
    (_S.SUSPECT, _I.CONNECTION_DOWN): (_A.CLOSE, _S.DOWN),
    (_S.REOPEN, _I.CONNECTION_DOWN): (_A.CLOSE, _S.DOWN),
}


class Watchdog:
    """One connection's watchdog; `deadline_ns` is when `expire` wants to be called.

    `usable` tells whether new requests should be sent this way: not while SUSPECT, and after a failure not
    before three answered watchdogs (REOPEN). Requests of the peer are served in every state.
    """

    def __init__(self, interval_ns: int, jitter_ns: Callable[[], int], reopening: bool = False) -> None:
        self.state = WatchdogState.DOWN if reopening else WatchdogState.INITIAL
        self.pending = False
        self.answers = 0
        self.deadline_ns: int | None = None
        self._interval_ns = interval_ns
        self._jitter_ns = jitter_ns

    @property
    def usable(self) -> bool:
        """Whether this connection is the one to send requests on."""
        return self.state is WatchdogState.OKAY

    def connected(self, now_ns: int) -> WatchdogAction:
        """The capabilities exchange succeeded."""
        return self._step(WatchdogInput.CONNECTION_UP, now_ns)

    def disconnected(self, now_ns: int) -> WatchdogAction:
        """The transport is gone; the timer stops."""
        action = self._step(WatchdogInput.CONNECTION_DOWN, now_ns)
        self.deadline_ns = None
        return action

    def answered(self, now_ns: int) -> WatchdogAction:
        """A DWA came."""
        self.pending = False
        last = self.answers == REOPEN_ANSWERS - 1
        return self._step(WatchdogInput.RECEIVED_LAST_DWA if last else WatchdogInput.RECEIVED_DWA, now_ns)

    def heard(self, now_ns: int) -> WatchdogAction:
        """Any other message came."""
        return self._step(WatchdogInput.RECEIVED_OTHER, now_ns)

    def expire(self, now_ns: int) -> WatchdogAction:
        """Tw ran out."""
        if not self.pending:
            return self._step(WatchdogInput.EXPIRED, now_ns)
        if self.answers < 0:
            return self._step(WatchdogInput.EXPIRED_PENDING_AGAIN, now_ns)
        return self._step(WatchdogInput.EXPIRED_PENDING, now_ns)

    def _step(self, event: WatchdogInput, now_ns: int) -> WatchdogAction:
        row = TRANSITIONS.get((self.state, event))
        if row is None:
            return WatchdogAction.NONE
        action, self.state = row
        match action:
            case WatchdogAction.COUNT:
                self.answers = max(self.answers, 0) + 1
                return action
            case WatchdogAction.SEND:
                self.pending = True
            case WatchdogAction.SEND_AND_COUNT:
                self.pending, self.answers = True, 0
            case WatchdogAction.WAIT_ONCE_MORE:
                self.answers = -1
            case WatchdogAction.FAIL_BACK:
                self.answers = 0
            case _:
                pass  # only the timer is set
        self.deadline_ns = now_ns + self._interval_ns + self._jitter_ns()
        return action
