"""Sessions that were told that their credit ends: when their account has more, their clients ask again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ocs.cgrates.charging.record import NetworkSession
from ocs.cgrates.state import State
from ocs.charging.cgrates.account import Account, all_balances
from ocs.charging.control import SessionAddress


class Waiting:
    """The sessions by account; `ask` is told of those whose account has got more, once each."""

    def __init__(self, state: State, address_of: Callable[[str], SessionAddress | None]) -> None:
        self.ask: Callable[[SessionAddress], None] = _not_asked
        self._address_of = address_of
        self._by_account: dict[str, dict[str, None]] = {}
        self._deciding = ""
        state.awaited = self._by_account.keys()
        state.on_awaited = self._changed

    def note(self, key: str, record: NetworkSession) -> None:
        """A session waits for credit, or does not any more."""
        if record.is_final:
            self._by_account.setdefault(record.account, {})[key] = None
        else:
            self.forget(key, record.account)

    def forget(self, key: str, account: str) -> None:
        """A session does not wait."""
        keys = self._by_account.get(account)
        if keys is None:
            return
        keys.pop(key, None)
        if not keys:
            del self._by_account[account]

    @contextmanager
    def deciding(self, key: str) -> Iterator[None]:
        """What a session gives back itself is no news to it."""
        self._deciding = key
        try:
            yield
        finally:
            self._deciding = ""

    def _changed(self, before: Account, after: Account) -> None:
        if not has_more(before, after):
            return
        for key in list(self._by_account.get(after.account_id, ())):
            address = None if key == self._deciding else self._address_of(key)
            if address is not None:
                self.forget(key, after.account_id)
                self.ask(address)


def has_more(before: Account, after: Account) -> bool:
    """Whether any balance of an account has risen or is new, or the account may be used again."""
    known = {balance.uid: balance.value_nanos for _, balance in all_balances(before)}
    is_freed = before.is_disabled and not after.is_disabled
    return is_freed or any(
        balance.value_nanos > max(known.get(balance.uid, 0), 0) for _, balance in all_balances(after)
    )


def _not_asked(session: SessionAddress) -> None:
    """Nobody is asked."""
