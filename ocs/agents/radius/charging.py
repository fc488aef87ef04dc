"""What the agent charges through: a core, and where profiles surround it what stands in front."""

from collections.abc import Callable
from typing import Protocol

from ocs.charging.account import Account
from ocs.charging.control import OpenSession
from ocs.charging.entry import Cdr
from ocs.charging.events import ChargingAnswer, ChargingEvent, Identity
from ocs.charging.supervision import SessionRef, Supervision


class ChargingDoor(Protocol):
    """The part of the charging service that profiles may stand in front of."""

    def submit(self, event: ChargingEvent, deliver: Callable[[ChargingAnswer], None]) -> None:
        """Charge an event; `deliver` gets the answer once."""

    async def handle(self, event: ChargingEvent) -> ChargingAnswer:
        """Answer an authorization; its `message`, where it grants something, is for the user."""
        ...

    async def close_session(self, ref: SessionRef, cause: str) -> bool:
        """End a session without its access server; False where it has ended already."""
        ...


class ChargingCore(Protocol):
    """What the agent asks the core besides: accounts, open sessions, and what closed ones were charged."""

    @property
    def supervision(self) -> Supervision: ...

    def now_ns(self) -> int:
        """The wall clock it charges by."""
        ...

    def keep_open(self, key: str, account_key: str, lifetime_ns: int) -> None:
        """Let a session be silent for so long from now."""

    async def account(self, key: str) -> Account | None:
        """The account of that key."""
        ...

    async def find(self, identity: Identity) -> Account | None:
        """The account of an identity."""
        ...

    async def sessions_below(self, clients: tuple[str, ...]) -> list[OpenSession]:
        """The open sessions of all clients whose names begin so."""
        ...

    async def records_of(self, account_key: str, client: str, session_id: str) -> list[Cdr]:
        """The records of a session among the newest of its account."""
        ...


class WholeCore(ChargingCore, ChargingDoor, Protocol):
    """A core that is charged through without anything in front of it."""
