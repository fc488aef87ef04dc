"""What a store that several servers share can do besides, and who listens to the others."""

from typing import Protocol

import msgspec

from ocs.charging.store import Done, Record


class Recorded(msgspec.Struct, frozen=True):
    """Records that were kept together, at a position of their own; `is_mine` where this server kept them."""

    position: int
    is_mine: bool
    records: tuple[Record, ...]


class Listener(Protocol):
    """Who hears what other servers change and say."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Where something may be said."""
        ...

    def changed(self, key: str, version: int, is_planned: bool) -> None:
        """Another server has changed an account, which has plans or triggers or not."""
        ...

    def recorded(self, entry: Recorded) -> None:
        """Records have been kept, by this server or another one."""
        ...

    def said(self, channel: str, message: bytes) -> None:
        """Somebody has said something on one of `channels`."""
        ...

    def missed(self) -> None:
        """The connection is there (again): what was said before has not been heard."""
        ...


class SharedStore(Protocol):
    """Beside the methods of every store; what is not heard of others costs a retry, never money.

    Each time records are kept they get a position; `kept` sets `position` to that of the last that it tells.
    """

    position: int

    def keep_at(
        self, records: tuple[Record, ...], domains: tuple[str, ...], position: int, done: Done
    ) -> None:
        """`keep`, refused where another server has kept records of one of the domains behind a position."""
        ...

    async def recorded_since(self, position: int) -> list[Recorded] | None:
        """What was kept behind a position, in order; None where that is too long ago to be known."""
        ...

    async def overdue(self, after_ms: int, before_ms: int, limit: int) -> list[tuple[str, int]]:
        """Accounts with sessions that somebody should have seen to by then, and since when, earliest first."""
        ...

    async def subscribe(self, listener: Listener) -> None:
        """Tell a listener what other servers change and say, until closed."""
        ...

    async def say(self, channel: str, message: bytes) -> int:
        """Say something to the servers that listen to a channel; to how many, this one included."""
        ...
