"""A door that answers as it is told, for agents that leave it to the core what is charged."""

from collections.abc import Callable

from ocs.agents.voice.door import Deliver
from ocs.charging.control import OpenSession
from ocs.charging.events import ChargingAnswer, ChargingEvent, EventKind, Grant, Result, Unit


def granting(seconds: int, result: Result = Result.SUCCESS) -> ChargingAnswer:
    """An answer that grants so much time."""
    return ChargingAnswer(Result.SUCCESS, (Grant(None, (), result, Unit.TIME, seconds * 1_000_000_000),))


class AnsweringDoor:
    """Every event is heard and answered by `answer`."""

    def __init__(self, answer: Callable[[ChargingEvent], ChargingAnswer]) -> None:
        self.answer = answer
        self.heard: list[ChargingEvent] = []

    def submit(self, event: ChargingEvent, deliver: Deliver) -> None:
        self.heard.append(event)
        deliver(self.answer(event))

    async def handle(self, event: ChargingEvent) -> ChargingAnswer:
        self.heard.append(event)
        return self.answer(event)

    async def sessions_of(self, client: str) -> list[OpenSession]:
        return []

    def kinds(self) -> list[EventKind]:
        """What kinds of events there were, in order."""
        return [event.kind for event in self.heard]
