"""A session of an access server: its totals, over counters that wrap, fall back or come late. Pure.

A server counts from the beginning of the session; the charging core is told totals, so that a report that comes
twice, or in the wrong order, costs nothing more. When the core has closed a session that goes on at its access
server, what it charged is left out of the totals of the next one: `settled`.
"""

from typing import Final

from ocs.agents.radius.mapping.model import Counters, Report
from ocs.agents.radius.mapping.report import GIGAWORD

SAME_START_S: Final = 10  # how far two accounts of one beginning may lie apart
SAME_UNTIMED_START_S: Final = 300
WRAPS_FROM: Final = 3 << 30  # a counter of 32 bits that was above this, and is small now, has wrapped
ACCOUNT: Final = "account"  # of the facts of a session, where the access server has told it by Class
COUNTERS: Final = "radius"  # of the facts of a session: what is needed to go on after a restart


class Counter:
    """One counter of a session: the last that was read, and what was counted before it began again."""

    __slots__ = ("base", "last")

    def __init__(self, base: int = 0, last: int = 0) -> None:
        self.base = base
        self.last = last

    @property
    def total(self) -> int:
        """What was counted in all."""
        return self.base + self.last

    def read(self, value: int, may_wrap: bool, may_restart: bool) -> None:
        """Take a value in; a smaller one is a counter that wrapped, one that began again, or nothing new."""
        if value < self.last:
            if may_wrap and self.last >= WRAPS_FROM and value < GIGAWORD - WRAPS_FROM:
                self.base += GIGAWORD
            elif may_restart:
                self.base += self.last
            else:
                return
        self.last = value


class NasSession:
    """What the agent knows of a session between its reports."""

    __slots__ = (
        "account",
        "address",
        "asked",
        "charged_octets",
        "charged_s",
        "client",
        "facts",
        "has_gigawords",
        "has_interims",
        "heard_ns",
        "is_being_cut",
        "is_open",
        "last_s",
        "openings",
        "origin",
        "received",
        "seconds",
        "sent",
        "session_id",
        "settled_octets",
        "settled_s",
        "started_s",
        "timer",
        "user",
    )

    def __init__(self, client: str, session_id: str, started_s: int) -> None:
        self.client = client
        self.session_id = session_id
        self.started_s = started_s
        self.last_s = started_s
        self.user = ""
        self.origin = ""
        self.address: bytes | None = None  # the user's, which may come later than the Start
        self.facts: tuple[tuple[str, str], ...] = ()
        self.seconds, self.received, self.sent = Counter(), Counter(), Counter()
        self.account = ""  # the key of it, where the access server was told it
        self.charged_s = self.charged_octets = 0  # what the core has taken
        self.settled_s = self.settled_octets = 0  # ... in sessions that it has closed
        self.openings = self.asked = 0
        self.is_open = False  # the charging core has a session of it
        self.is_being_cut = False  # its access server is asked to end it
        self.has_gigawords = False
        self.heard_ns = 0  # when a report of it came last
        self.has_interims = False
        self.timer: object | None = None

    def is_known(self, address: bytes | None) -> bool:
        """Whether its facts are there, with the address the user has now."""
        return bool(self.facts) and (address is None or address == self.address)

    @property
    def key(self) -> str:
        """Its name in the charging core."""
        return f"{self.client}|{self.session_id}"

    @property
    def octets(self) -> int:
        """Both directions, since the session began."""
        return self.received.total + self.sent.total

    @property
    def opening(self) -> str:
        """What the event that opens it in the core is called: once for each time that it is opened."""
        return f"start {self.started_s} {self.openings}"

    def is_same(self, started_s: int, is_timed: bool = True) -> bool:
        """Whether a beginning at that time is the one of this session, and not of another under its id.

        Where only the arrival of a packet tells the time, one may have been sent again and again.
        """
        return abs(started_s - self.started_s) <= (SAME_START_S if is_timed else SAME_UNTIMED_START_S)

    def read(self, report: Report) -> None:
        """Take the counters of a report in; what is older than the last one says nothing new."""
        counters = report.counters
        is_later = report.is_timed and report.happened_s > self.last_s
        self.last_s = max(self.last_s, report.happened_s)
        self.has_gigawords = self.has_gigawords or counters.has_gigawords
        seconds = counters.seconds
        if seconds is None:  # servers of voice may count by timestamps alone
            seconds = max(report.happened_s - self.started_s, self.seconds.last)
        is_back = seconds < self.seconds.last
        if is_back and not is_later:
            return
        self.seconds.read(seconds, may_wrap=False, may_restart=is_later)
        is_certain = is_later or counters.seconds is not None
        self._read_octets(counters, not self.has_gigawords and not is_back, is_certain)

    def _read_octets(self, counters: Counters, may_wrap: bool, may_restart: bool) -> None:
        if counters.received is not None:
            self.received.read(counters.received, may_wrap, may_restart)
        if counters.sent is not None:
            self.sent.read(counters.sent, may_wrap, may_restart)

    def totals(self) -> tuple[int, int]:
        """Seconds and octets since the session began."""
        return self.seconds.total, self.received.total + self.sent.total

    def charged(self, totals: tuple[int, int]) -> None:
        """The core has taken what was used up to there."""
        self.charged_s, self.charged_octets = (
            max(self.charged_s, totals[0]),
            max(self.charged_octets, totals[1]),
        )

    def settle(self) -> None:
        """The core has closed its session: the next one begins where that was charged."""
        self.settled_s, self.settled_octets = self.charged_s, self.charged_octets
        self.is_open = False

    def has_more(self) -> bool:
        """Whether something was used that no closed session of the core was charged for."""
        return self.seconds.total > self.settled_s or self.octets > self.settled_octets

    # --- over a restart

    def remembered(self) -> tuple[tuple[str, str], ...]:
        """The facts of the session with what is needed to go on, for the record of the core."""
        numbers = (
            *(self.started_s, self.last_s, self.openings, int(self.has_gigawords), int(self.has_interims)),
            *(self.seconds.base, self.seconds.last, self.received.base, self.received.last),
            *(self.sent.base, self.sent.last, self.settled_s, self.settled_octets),
        )
        return (*self.facts, (COUNTERS, " ".join(map(str, numbers))))

    def recall(self, facts: tuple[tuple[str, str], ...]) -> bool:
        """Take back what `remembered` said; False where there is nothing of the kind."""
        known = dict(facts)
        words = known.pop(COUNTERS, "").split()
        if len(words) != 13 or not all(word.isascii() and word.lstrip("-").isdigit() for word in words):
            return False
        numbers = [int(word) for word in words]
        self.started_s, self.last_s, self.openings = numbers[:3]
        self.has_gigawords, self.has_interims = bool(numbers[3]), bool(numbers[4])
        self.seconds = Counter(*numbers[5:7])
        self.received, self.sent = Counter(*numbers[7:9]), Counter(*numbers[9:11])
        self.settled_s, self.settled_octets = numbers[11:]
        self.charged_s, self.charged_octets = self.totals()
        self.facts = tuple(known.items())
        self.account = known.get(ACCOUNT, "")
        self.user = known.get("User-Name", "")
        self.is_open = True
        return True
