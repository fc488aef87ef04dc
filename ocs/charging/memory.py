"""The accounts in memory: read from the store once, kept while there is room, thrown away when a change fails."""

import time
from collections.abc import Callable, Iterable

from ocs.charging.account import Account
from ocs.charging.actions.model import Notice
from ocs.charging.entry import Cdr
from ocs.charging.events import Identity
from ocs.charging.pending import Limits, Pending
from ocs.charging.store import Store
from ocs.charging.supervision import Supervision

LOADS = 8  # of a group whose members do not stay in memory together, before its turn fails
MOST_ABSENT = 10_000  # members of groups that are known not to exist


class Memory:
    """Accounts and identities as the decisions made so far have left them."""

    def __init__(
        self,
        store: Store,
        limits: Limits | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.store = store
        self.limits = limits or Limits()
        self.supervision = Supervision()
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._accounts: dict[str, Account] = {}
        self._identities: dict[Identity, str] = {}
        self._absent: set[str] = set()
        self.metered: dict[str, str] = {}  # by session whose time the server counts: its account
        self._undurable: dict[str, Pending] = {}  # by account: the last change under way
        self.on_records: list[Callable[[tuple[Cdr, ...]], None]] = []
        self.on_notices: Callable[[tuple[Notice, ...]], None] | None = None
        self.on_queued: Callable[[], None] | None = None  # all that belongs to a change has been said

    def _handed_over(self, cdrs: tuple[Cdr, ...], notices: tuple[Notice, ...]) -> None:
        """A change is on its way to the disk: what its records and notices change becomes durable with it."""
        if cdrs:
            for tell in self.on_records:
                tell(cdrs)
        if notices and self.on_notices is not None:
            self.on_notices(notices)

    async def _account(self, key: str) -> Account | None:
        """An account from memory or the store, which it then stays in memory from."""
        account = self._accounts.get(key)
        if account is None:
            loaded = await self.store.load(key)
            account = self._accounts.get(key)  # somebody may have been quicker, and have changed it
            if account is None and loaded is not None:
                account = loaded
                self._adopt(account)
                await self._load_others(account)
        return account

    async def _load_others(self, account: Account) -> None:
        """Take what an account needs beside it into memory as well."""

    def _known(self, keys: Iterable[str]) -> dict[str, Account]:
        return {key: self._accounts[key] for key in keys if key in self._accounts}

    def _adopt(self, account: Account) -> None:
        """Take an account just loaded into memory, making room where there is none."""
        while len(self._accounts) >= self.limits.accounts:
            key = next(iter(self._accounts))
            if key in self._undurable:
                self._accounts[key] = self._accounts.pop(key)
                break
            self._forget_identities(self._accounts.pop(key))
        self._accounts[account.key] = account
        self._absent.discard(account.key)
        for identity in account.identities:
            self._identities[identity] = account.key
        self._watch(account)

    def _forget_identities(self, account: Account) -> None:
        for identity in account.identities:
            if self._identities.get(identity) == account.key:
                del self._identities[identity]

    def _watch(self, account: Account) -> None:
        now_ns, now = self._wall_ns(), self._monotonic_ns()
        for session in account.sessions:
            if session.meter_ns:
                self.metered[session.key] = account.key
            if self.supervision.get(session.key) is None:
                self.supervision.touch(session.key, account.key, now + session.deadline_ns - now_ns)

    # --- the members of an account's groups

    def members_in_memory(self, account: Account) -> tuple[Account, ...]:
        """The other members of an account's groups as memory has them."""
        found = [self._accounts.get(key) for key in member_keys(account)]
        return tuple([member for member in found if member is not None])

    def _has_members(self, account: Account) -> bool:
        """Whether all fellow members are in memory; one that does not exist is not waited for."""
        return account.extras is None or all(
            key in self._accounts or key in self._absent for key in member_keys(account)
        )

    async def _load_members(self, account: Account) -> None:
        for key in member_keys(account):
            if await self._account(key) is None:
                if len(self._absent) >= MOST_ABSENT:
                    self._absent.clear()
                self._absent.add(key)

    async def _with_members(self, account: Account) -> Account:
        """The account, when it and all its fellow members that exist are in memory at once."""
        for _ in range(LOADS):
            await self._load_members(account)
            latest = await self._account(account.key)
            assert latest is not None, "accounts are not removed"
            account = latest
            if self._has_members(account):
                break
        return account


def member_keys(account: Account) -> tuple[str, ...]:
    """The keys of the other members of an account's groups, and of those it lends to or has lent from."""
    if account.extras is None:
        return ()
    keys = {key for group in account.extras.groups for key in group.members}
    for session in account.sessions:
        for quota in session.quotas:
            keys.update(hold.account for hold in quota.holds if hold.account)
    return tuple(sorted(keys - {account.key}))
