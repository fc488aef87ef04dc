"""What ringing calls have been promised: kept beside the sessions, and held against other promises alone.

A promise debits nothing. Balances stay as they are until a call is answered, as with the incumbent; but a promise
says how much of which balance it would take, and whoever authorises another call sees balances without that.
"""

from collections.abc import Collection, Iterable

import msgspec

from ocs.cgrates.accounting import CgratesAccounting
from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from ocs.sessions.model import Session

PROMISED = "promised"
HELD = "held"
NOTES = "*agentNotes"


class Promises:
    """The promises of a state, by key and by account."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.held: dict[str, dict[str, int]] = {}  # of accounts by id: nanos by the uid of a balance

    def restore(self, accounting: CgratesAccounting) -> None:
        """Takes over what was promised when the server ended."""
        for key, promise in list(self._state.tables[Kind.PROMISE].items()):
            runs = [msgspec.structs.replace(run, money=accounting.restore(run.money)) for run in promise.runs]
            self._state.put(Kind.PROMISE, key, msgspec.structs.replace(promise, runs=tuple(runs)))
            self._count(promise, 1)

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

    def put(self, key: str, promise: Session) -> None:
        """Adds a promise, in the place of one that the call had."""
        self.take(key)
        self._state.put(Kind.PROMISE, key, promise)
        self._count(promise, 1)

    def take(self, key: str) -> Session | None:
        """Removes the promise of a call, which it gets."""
        promise = self.get(key)
        if promise is not None:
            self._state.delete(Kind.PROMISE, key)
            self._count(promise, -1)
        return promise

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
