"""What an agent needs of whatever charges its calls."""

from collections.abc import Callable
from typing import Protocol

from ocs.charging.control import OpenSession
from ocs.charging.events import ChargingAnswer, ChargingEvent

Deliver = Callable[[ChargingAnswer], None]


class ChargingDoor(Protocol):
    """Takes events, answers each exactly once, and knows which sessions are open."""

    def submit(self, event: ChargingEvent, deliver: Deliver) -> None:
        """Charge an event; `deliver` gets the answer once, when it is durable."""

    async def handle(self, event: ChargingEvent) -> ChargingAnswer:
        """Charge an event and wait for the answer."""
        ...

    async def sessions_of(self, client: str) -> list[OpenSession]:
        """The open sessions of a client; raises where the store cannot say now."""
        ...
