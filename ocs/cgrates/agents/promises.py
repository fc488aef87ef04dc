"""What ringing calls have been promised: kept beside the sessions, and told to nobody else meanwhile.

How a promise is kept from others is the core's own. Where it debits nothing (`HeldBeside`), balances stay as they
are until a call is answered, as with the incumbent; but a promise says how much of which balance it would take, and
whoever authorises another call sees balances without that.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable

import msgspec

from ocs.cgrates.agents import events
from ocs.cgrates.kinds import Kind
from ocs.cgrates.runtime import Runtime
from ocs.sessions.errors import wrapped
from ocs.sessions.identity import cgrid_of
from ocs.sessions.model import CgrEvent, Run, Session

PROMISED = "promised"
HELD = "held"
NOTES = "*agentNotes"


class Promises(ABC):
    """The promises of a server, by key."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._state = runtime.state

    async def restore(self) -> None:
        """Takes over what was promised when the server ended."""
        accounting = self._runtime.sessions.accounting
        for key, promise in list(self._state.tables[Kind.PROMISE].items()):
            runs = [msgspec.structs.replace(run, money=accounting.restore(run.money)) for run in promise.runs]
            restored = msgspec.structs.replace(promise, runs=tuple(runs))
            await self._runtime.prepare(restored)
            self._state.put(Kind.PROMISE, key, restored)
            self._given(restored)

    def all(self) -> Iterable[Session]:
        """Every promise."""
        return list(self._state.tables[Kind.PROMISE].values())

    def keys_of_others(self, peers: Collection[str]) -> list[str]:
        """The calls of switches that are none of these."""
        table = self._state.tables[Kind.PROMISE]
        return [key for key, promise in table.items() if promise.peer not in peers]

    def get(self, key: str) -> Session | None:
        """The promise of a call."""
        promise: Session | None = self._state.tables[Kind.PROMISE].get(key)
        return promise

    def give(self, key: str, cgr: CgrEvent, wanted: int, peer: str) -> int:
        """Promises a call what it may use of what it wants, in the place of a promise it had; how much that is.

        Raises ServiceError with the core's word where it refuses.
        """
        self.take(key)
        allowed, runs, notes = self._held(cgr, wanted)
        if allowed > 0:
            options = {**cgr.options, NOTES: {PROMISED: allowed, **notes}}
            promise = Session(cgrid_of(cgr.event), cgr.tenant, cgr.event, options, runs, peer=peer)
            self._state.put(Kind.PROMISE, key, promise)
            self._given(promise)
        return allowed

    def take(self, key: str) -> Session | None:
        """Removes the promise of a call, which it gets."""
        promise = self.get(key)
        if promise is not None:
            self._state.delete(Kind.PROMISE, key)
            self._taken(promise)
        return promise

    @abstractmethod
    def _held(self, cgr: CgrEvent, wanted: int) -> tuple[int, tuple[Run, ...], dict[str, object]]:
        """How much a call may use, its runs, and what is noted with the promise."""

    @abstractmethod
    def _given(self, promise: Session) -> None:
        """A promise holds."""

    @abstractmethod
    def _taken(self, promise: Session) -> None:
        """A promise does not hold any more."""


class HeldBeside(Promises):
    """Promises that debit nothing, and are held against other promises alone."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.held: dict[str, dict[str, int]] = {}  # of accounts by id: nanos by the uid of a balance

    def _held(self, cgr: CgrEvent, wanted: int) -> tuple[int, tuple[Run, ...], dict[str, object]]:
        sessions, accounting = self._runtime.sessions, self._runtime.accounting
        allowed = self._allowed(events.with_usage(cgr, wanted))
        if allowed <= 0:
            return allowed, (), {}
        runs = sessions.open_runs(events.with_usage(cgr, allowed), 0)
        return allowed, runs, {HELD: accounting.holds_of(runs, allowed, self.held)}

    def _allowed(self, cgr: CgrEvent) -> int:
        """What a call may use when all others that ring have used what they were promised."""
        sessions = self._runtime.sessions
        if not self.held:
            return sessions.authorize(cgr)
        allowed = []
        for run in sessions.open_runs(cgr, 0):
            outcome = self._runtime.accounting.authorize_beside(run, self.held)
            if outcome.refusal:
                raise wrapped("RALS", outcome.refusal)
            allowed.append(outcome.usage)
        return min(allowed)

    def _given(self, promise: Session) -> None:
        self._count(promise, 1)

    def _taken(self, promise: Session) -> None:
        self._count(promise, -1)

    def _count(self, promise: Session, sign: int) -> None:
        holds: dict[str, dict[str, int]] = promise.options[NOTES][HELD]
        for account_id, balances in holds.items():
            held = self.held.setdefault(account_id, {})
            for uid, nanos in balances.items():
                held[uid] = held.get(uid, 0) + sign * nanos
                if not held[uid]:
                    del held[uid]
            if not held:
                del self.held[account_id]
