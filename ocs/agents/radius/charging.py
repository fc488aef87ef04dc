"""What the agent charges through: the core, or what surrounds it."""

from collections.abc import Callable
from typing import Protocol

from ocs.charging.events import ChargingAnswer, ChargingEvent
from ocs.charging.supervision import SessionRef


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
