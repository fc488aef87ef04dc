"""The reference store: dictionaries, durable as long as the process lives. The oracle of the contract test."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence

from ocs.charging.account import Account
from ocs.charging.decision import Change, EventAnswer
from ocs.charging.entry import Cdr, Posting
from ocs.charging.events import Identity
from ocs.charging.store import Done, Query, Record, Rows, Table, VersionConflict

KEPT_ROWS = 100_000  # postings and CDRs, each
KEPT_ANSWERS = 100_000


class MemoryStore:
    """Keeps everything in dictionaries; forgets the oldest postings, CDRs and answers when there are too many.

    `born_s` is when it was made: what was before is not known.
    """

    def __init__(self) -> None:
        self.born_s = int(time.time())
        self._failing = 0
        self._accounts: dict[str, Account] = {}
        self._identities: dict[Identity, str] = {}
        self._sessions: dict[str, str] = {}
        self._answers: OrderedDict[str, EventAnswer] = OrderedDict()
        self._postings: list[Posting] = []
        self._cdrs: list[Cdr] = []
        self._records: dict[tuple[str, str], bytes] = {}

    async def load(self, key: str) -> Account | None:
        """The account as last committed."""
        return self._accounts.get(key)

    async def find(self, name: Identity | str) -> str | None:
        """The account of an identity or of a session key."""
        return self._sessions.get(name) if isinstance(name, str) else self._identities.get(name)

    async def answer_of(self, key: str) -> EventAnswer | None:
        """The answer kept for a one-time event."""
        return self._answers.get(key)

    def commit(self, change: Change, done: Done) -> None:
        """Takes the change at once and says so on the next turn of the event loop."""
        loop = asyncio.get_running_loop()
        account = change.account
        before = self._accounts.get(account.key)
        behind = self._behind(change)
        if self._failing or behind is not None:
            self._fail(loop, done, f"{behind or account.key} is at another version")
            return
        if change.has_new_identities and self._is_taken(account):
            self._fail(loop, done, f"an identity of {account.key} is taken")
            return
        self._apply(change, before)
        loop.call_soon(done, None)

    def keep(self, records: tuple[Record, ...], done: Done) -> None:
        """Takes records of others; not where changes before them are being refused."""
        loop = asyncio.get_running_loop()
        if self._failing:
            self._fail(loop, done, "a change before it is refused")
            return
        for kind, key, value in records:
            if value is None:
                self._records.pop((kind, key), None)
            else:
                self._records[kind, key] = value
        loop.call_soon(done, None)

    def kept(self) -> list[tuple[str, str, bytes]]:
        """Every record of others: kind, key, value, in the order in which they came."""
        return [(*name, value) for name, value in self._records.items()]

    def _fail(self, loop: asyncio.AbstractEventLoop, done: Done, reason: str) -> None:
        """Refuse a change, and all that come before its author knows: they were decided on top of it."""
        self._failing += 1

        def failed() -> None:
            self._failing -= 1
            done(VersionConflict(reason))

        loop.call_soon(failed)

    def _behind(self, change: Change) -> str | None:
        """The key of an account of the change that is at another version than it was decided on."""
        for account in (change.account, *change.others):
            before = self._accounts.get(account.key)
            if account.version != (before.version if before else 0) + 1:
                return account.key
        return None

    def _is_taken(self, account: Account) -> bool:
        return any(self._identities.get(each, account.key) != account.key for each in account.identities)

    def _apply(self, change: Change, before: Account | None) -> None:
        account = change.account
        self._accounts[account.key] = account
        for other in change.others:
            self._accounts[other.key] = other
        if change.has_new_identities:
            for identity in before.identities if before else ():
                self._identities.pop(identity, None)
            self._identities.update(dict.fromkeys(account.identities, account.key))
        for key in change.closed_keys:
            self._sessions.pop(key, None)
        self._sessions.update(dict.fromkeys(change.opened_keys, account.key))
        for answered in change.answered:
            self._answers[answered.key] = answered
        while len(self._answers) > KEPT_ANSWERS:
            self._answers.popitem(last=False)
        self._postings.extend(change.postings)
        self._cdrs.extend(change.cdrs)
        del self._postings[:-KEPT_ROWS], self._cdrs[:-KEPT_ROWS]

    async def read(self, query: Query) -> Rows:
        """A page of rows."""
        match query.table:
            case Table.ACCOUNTS:
                return self._account_page(query, sorted(self._accounts))
            case Table.SESSIONS:
                keys = sorted(key for key, account in self._accounts.items() if account.sessions)
                return self._account_page(query, keys)
            case Table.POSTINGS:
                return _newest(query, self._postings)
            case Table.CDRS:
                return _newest(query, self._cdrs)

    def _account_page(self, query: Query, keys: list[str]) -> Rows:
        after = "" if query.after is None else str(query.after)
        keys = [key for key in keys if key > after and query.account in (None, key)]
        page = tuple(self._accounts[key] for key in keys[: query.limit])
        return Rows(page, keys[query.limit - 1] if len(keys) > query.limit else None)

    async def close(self) -> None:
        """Nothing to let go of."""


def _newest(query: Query, rows: Sequence[Posting | Cdr]) -> Rows:
    """Rows from the newest on; the cursor is the number of rows before the page's last one."""
    before = len(rows) if query.after is None else int(query.after)
    page: list[Posting | Cdr] = []
    for position in range(before - 1, -1, -1):
        if query.account in (None, rows[position].account):
            if len(page) == query.limit:
                return Rows(tuple(page), position + 1)
            page.append(rows[position])
    return Rows(tuple(page), None)
