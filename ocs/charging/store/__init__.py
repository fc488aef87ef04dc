"""Where accounts live: the `Store` the charging service needs, and its implementations."""

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

import msgspec

from ocs.charging.account import Account
from ocs.charging.decision import Change, EventAnswer
from ocs.charging.entry import Cdr, Posting
from ocs.charging.events import Identity


class StoreError(Exception):
    """A change that is not durable and never will be by itself; memory must be thrown away."""


class StoreUnavailable(StoreError):
    """The store cannot be written or read now: full disk, broken file, lost connection."""


class VersionConflict(StoreError):
    """Somebody else changed the account first; load it again and decide again."""


Done = Callable[[StoreError | None], None]
Record = tuple[str, str, bytes | None]  # kind, key, value; None takes the record away


class Table(Enum):
    """What `Store.read` lists."""

    ACCOUNTS = auto()  # key order
    POSTINGS = auto()  # newest first
    CDRS = auto()  # newest first
    SESSIONS = auto()  # key order; only accounts with open sessions, as accounts


class Query(msgspec.Struct, frozen=True):
    """Which rows to read: of one account or of all, after a cursor, at most `limit`."""

    table: Table
    account: str | None = None
    after: str | int | None = None
    limit: int = 100


class Rows(msgspec.Struct, frozen=True):
    """A page of rows and where the next one begins; None at the end."""

    rows: tuple[Account | Posting | Cdr, ...]
    next_after: str | int | None = None


class Store(Protocol):
    """Six methods; every implementation passes the same contract test, with the memory store as its oracle."""

    async def load(self, key: str) -> Account | None:
        """The account as last committed."""
        ...

    async def find(self, name: Identity | str) -> str | None:
        """The key of the account that has this identity, or of the one that knows the session of this key."""
        ...

    async def answer_of(self, key: str) -> EventAnswer | None:
        """The answer kept for a one-time event, until it expires."""
        ...

    def commit(self, change: Change, done: Done) -> None:
        """Queue a change; `done` is called from the event loop once it is durable, or with the error.

        Changes become durable in the order of their commits. After an error every change queued behind it fails
        too, so that what memory made of them is thrown away with it.
        """
        ...

    async def read(self, query: Query) -> Rows:
        """A page of rows as last committed."""
        ...

    async def close(self) -> None:
        """Make everything queued durable and let go of the medium."""
        ...


class Keeper(Protocol):
    """A store that also keeps records of others, in one order with its changes."""

    def keep(self, records: tuple[Record, ...], done: Done) -> None:
        """Queue records; what was queued right before them becomes durable with them, or fails with them."""
        ...

    def kept(self) -> list[tuple[str, str, bytes]]:
        """Every record: kind, key, value, in the order in which they came. Raises StoreError."""
        ...
