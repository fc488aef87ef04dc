"""What ringing calls have been promised: kept beside the sessions, and held against other promises alone.

A promise debits nothing. Balances stay as they are until a call is answered, as with the incumbent; but whoever
authorises another call of the account sees them as if every promise before had been used up.
"""

from collections.abc import Collection, Iterable

import msgspec

from ocs.cgrates.accounting import CgratesAccounting
from ocs.cgrates.kinds import Kind
from ocs.cgrates.state import State
from ocs.sessions.model import Session

PROMISED = "promised"
NOTES = "*agentNotes"


class Promises:
    """The promises of a state, by key and by account."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._by_account: dict[str, dict[str, Session]] = {}

    def restore(self, accounting: CgratesAccounting) -> None:
        """Takes over what was promised when the server ended."""
        for key, promise in list(self._state.tables[Kind.PROMISE].items()):
            runs = [msgspec.structs.replace(run, money=accounting.restore(run.money)) for run in promise.runs]
            self.put(key, msgspec.structs.replace(promise, runs=tuple(runs)))

    def all(self) -> Iterable[Session]:
        """Every promise."""
        return [promise for held in self._by_account.values() for promise in held.values()]

    def keys_of_others(self, peers: Collection[str]) -> list[str]:
        """The calls of switches that are none of these."""
        return [
            key
            for held in self._by_account.values()
            for key, promise in held.items()
            if promise.peer not in peers
        ]

    def get(self, key: str) -> Session | None:
        """The promise of a call."""
        promise: Session | None = self._state.tables[Kind.PROMISE].get(key)
        return promise

    def put(self, key: str, promise: Session) -> None:
        """Adds a promise."""
        self._state.put(Kind.PROMISE, key, promise)
        self._by_account.setdefault(_account(promise), {})[key] = promise

    def take(self, key: str) -> Session | None:
        """Removes the promise of a call, which it gets."""
        promise = self.get(key)
        if promise is not None:
            self._state.delete(Kind.PROMISE, key)
            held = self._by_account.get(_account(promise), {})
            held.pop(key, None)
            if not held:
                self._by_account.pop(_account(promise), None)
        return promise

    def beside(self, key: str, tenant: str, account: str) -> list[Session]:
        """The promises of an account but that of one call."""
        held = self._by_account.get(f"{tenant}:{account}", {})
        return [promise for name, promise in held.items() if name != key]


def promised(promise: Session) -> int:
    """How much a call has been promised."""
    return int(promise.options[NOTES][PROMISED])


def _account(promise: Session) -> str:
    return f"{promise.tenant}:{promise.event.get('Account') or ''}"
