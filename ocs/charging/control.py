"""What the charging core asks of an agent about a session that is running; agents implement `SessionControl`."""

from enum import IntEnum
from typing import Protocol

import msgspec

from ocs.charging.events import ChargingContext


class SessionAddress(msgspec.Struct, frozen=True):
    """Where a session lives: the client that opened it and the connection its last request came over.

    A request may be about a rating group, a service or a credit pool of it alone.
    """

    client: str
    session_id: str
    origin: str
    service: str
    rating_group: int | None = None
    service_identifier: int | None = None
    pool: int | None = None


class OpenSession(msgspec.Struct, frozen=True):
    """A session as the core has it, for an agent that has to find its calls again after a restart."""

    session_id: str
    service: str
    account: str
    opened_at_ns: int
    context: ChargingContext
    used: int  # units of all rating groups together, charged so far
    granted: int  # units of them that are out
    last_update: int = 0  # the highest number of an UPDATE; 0 where none was numbered
    client: str = ""


class Wish(IntEnum):
    """What is asked."""

    REAUTHORIZE = 1
    DISCONNECT = 2
    WARN = 3


class Ask(msgspec.Struct, frozen=True):
    """One request to the client of a session; a disconnection has a cause."""

    wish: Wish
    session: SessionAddress
    cause: str = ""


class ControlResult(IntEnum):
    """What the client said to a server-initiated request."""

    ACCEPTED = 1  # it will send an update or end the session
    UNDER_WAY = 2  # it was about to
    UNKNOWN_SESSION = 3
    REFUSED = 4
    NO_ANSWER = 5
    UNSUPPORTED = 6


class SessionControl(Protocol):
    """Requests of the server to the client that has the session."""

    async def reauthorize(self, session: SessionAddress) -> ControlResult:
        """Ask the client to ask for quota again (RAR, CoA)."""
        ...

    async def disconnect(self, session: SessionAddress, cause: str) -> ControlResult:
        """Tell the client to end the session (ASR, Disconnect-Request, hang-up)."""
        ...

    async def warn(self, session: SessionAddress) -> ControlResult:
        """Tell the user that the credit ends soon (an announcement, WarnDisconnect); UNSUPPORTED where none can."""
        ...


async def asked(control: SessionControl, ask: Ask) -> ControlResult:
    """What one agent gets for an answer."""
    match ask.wish:
        case Wish.REAUTHORIZE:
            return await control.reauthorize(ask.session)
        case Wish.DISCONNECT:
            return await control.disconnect(ask.session, ask.cause)
        case Wish.WARN:
            return await control.warn(ask.session)
