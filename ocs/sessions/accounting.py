"""What the event pipeline asks of a charging core.

The core keeps what it needs of a run in a value of its own, here called money: the pipeline stores it with the
session and hands it back. A step is a call with all runs of a session; it changes accounts and gives the runs' new
money. Nothing in it waits: what a step changed is in memory when it returns, and durable when the records it goes
with are.

A refusal is a word, never an exception: `INSUFFICIENT_CREDIT`, `ACCOUNT_NOT_FOUND` ...
"""

from typing import Any, Protocol

import msgspec

from ocs.sessions.model import Run
from ocs.sessions.values import Event

Money = Any
UNLIMITED = -1


class Report(msgspec.Struct, frozen=True, gc=False):
    """What an update says: `wanted` more, `last_used` of the last grant, or a running `total`."""

    wanted: int
    last_used: int | None = None
    total: int | None = None


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """A usage, -1 for no limit; or a refusal. `is_low`: the account is at its low-balance mark."""

    usage: int = 0
    refusal: str = ""
    is_low: bool = False


class Step(msgspec.Struct, frozen=True, gc=False):
    """The runs after a step, and its outcome."""

    runs: tuple[Run, ...]
    outcome: Outcome


class Rated(msgspec.Struct, frozen=True, gc=False):
    """The cost of one run for its record; where it cannot be told, -1 of the currency and why.

    `details` is the core's own: who paid what, as the record keeps it.
    """

    usage: int
    cost_nanos: int
    source: str
    extra_info: str = ""
    details: Any = None


class Accounting(Protocol):
    """One charging core."""

    def open(
        self, tenant: str, event: Event, usage: int, *, forces: bool = False, request_type: str = ""
    ) -> Money:
        """The money of a new run that nothing was charged for yet. Raises ValueError for a bad member."""

    def restore(self, stored: Any) -> Money:
        """Money as it was, from its form in the journal."""

    def default_usage(self, tor: str) -> int:
        """Usage of an event that names none."""

    def authorize(self, run: Run) -> Outcome:
        """How much of its usage a run may have."""

    def update(self, runs: tuple[Run, ...], report: Report, *, is_paused: bool = False) -> Step:
        """Settles the last grant of every run and grants more; the smallest grant is the outcome."""

    def terminate(
        self, runs: tuple[Run, ...], usage: int | None, last_used: int | None, further: int = 0
    ) -> Step:
        """Ends every run at its usage, and `further` units beyond it that nobody reported.

        Debits what is missing, refunds what was too much, rounds.
        """

    def message(self, runs: tuple[Run, ...], report: Report, usage: int | None) -> Step:
        """A session of one request: grants, and ends at a usage or at the grant; a refused grant leaves nothing."""

    def rate_session(self, run: Run) -> Rated:
        """The cost of a session's run, whose usage is known."""

    def rate(self, run: Run, *, is_rerate: bool = False) -> Rated:
        """The cost of a run that has no session."""

    def told_details(self, run: Run) -> Any:
        """The cost a run's event comes with, as a record keeps it; None where there is none, or none is taken.

        Raises ValueError for one that cannot be read.
        """

    def settle(self, run: Run, details: Any, usage: int | None, source: str) -> Rated:
        """The cost of a run that was charged by somebody else, for a usage or as far as the details go.

        Where they are for another usage they are given back, and the run is charged anew.
        """

    def refund(self, run: Run, details: Any) -> None:
        """Gives back what a record's details say was taken."""

    def period(self, run: Run) -> int:
        """Usage of the event a run was opened for."""

    def used(self, run: Run) -> int:
        """Usage of a run so far."""

    def last_granted(self, run: Run) -> int:
        """The last usage a run was granted."""

    def details_of(self, run: Run) -> Any:
        """Who paid what of a session's run so far, as a record keeps it; None where nothing was charged."""

    def told(self, run: Run) -> dict[str, Any]:
        """Members of an external session that are the core's: LoopIndex, DurationIndex, MaxRate, MaxRateUnit,
        MaxCostSoFar."""

    def price(self, run: Run) -> Rated:
        """What a run's usage costs by price alone; nobody pays. A refusal is the `extra_info`."""

    def cost_details(self, cgrid: str, run_id: str, details: Any) -> dict[str, Any]:
        """A record's details as the `EventCost` of the API."""
