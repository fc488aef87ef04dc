"""Clients of a simulated network: they retransmit until they are answered, to any process."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Protocol

import msgspec

from ocs.charging.events import Action, ChargingAnswer, ChargingEvent, EventKind, Result, Unit
from tests.support.charging import initial, once, rg, terminate, update
from tests.support.virtual_time import running

TRIES = 60
PATIENCE_S = 1.0
PRICES = {10: 1, 20: 3, None: 5}  # nanos a unit, of octets and messages
Deliver = Callable[[ChargingAnswer], None]
EventKey = tuple[str, EventKind, int | str]


class Process(Protocol):
    """A charging process as the network sees it."""

    def receive(self, event: ChargingEvent, deliver: Deliver) -> None: ...


class Acknowledged(msgspec.Struct):
    """What a client sent and was told at last; None where it gave up."""

    event: ChargingEvent
    cost_nanos: int  # of what it used, if that is charged
    answer: ChargingAnswer | None = None


class Network:
    """Carries events to processes: late, twice, or never; keeps what every client was told."""

    def __init__(self, random: Random, processes: list[Process]) -> None:
        self.random = random
        self.processes = processes
        self.exchanges: dict[EventKey, Acknowledged] = {}
        self.heard: dict[EventKey, set[Result]] = {}

    async def exchange(self, event: ChargingEvent, cost_nanos: int = 0) -> ChargingAnswer | None:
        """Send an event until it is answered."""
        key = (event.session_id, event.kind, event.event_id)
        kept = self.exchanges[key] = Acknowledged(event, cost_nanos)
        for attempt in range(TRIES):
            answer = await self._try(key, msgspec.structs.replace(event, is_retransmission=attempt > 0))
            if answer is not None and answer.result is not Result.TOO_BUSY:
                kept.answer = answer
                return answer
            await asyncio.sleep(self.random.uniform(0.01, 0.5))
        return None

    async def _try(self, key: EventKey, event: ChargingEvent) -> ChargingAnswer | None:
        answered: asyncio.Future[ChargingAnswer] = asyncio.get_running_loop().create_future()

        def deliver(answer: ChargingAnswer) -> None:
            if answer.result is not Result.TOO_BUSY:
                self.heard.setdefault(key, set()).add(answer.result)
            if not answered.done():
                answered.set_result(answer)

        for _ in range(2 if self.random.random() < 0.1 else 1):
            if self.random.random() < 0.95:
                process = self.random.choice(self.processes)
                delay_s = self.random.choice((0.001, 0.01, 0.3))
                running().call_later(delay_s, process.receive, event, deliver)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await answered
        except TimeoutError:
            return None


async def use_data(network: Network, session: str, more: dict[str, object]) -> None:
    """One data session: some reports one after the other, some at once, an end that may overtake the last."""
    random = network.random
    group = random.choice((10, 20))
    opened = await network.exchange(initial(rg(group, 200), session=session, **more))
    if opened is None or opened.result is not Result.SUCCESS:
        return
    number = 0
    for _ in range(random.randint(1, 4)):
        await asyncio.sleep(random.uniform(0, 2))
        async with asyncio.TaskGroup() as reports:
            for _ in range(random.choice((1, 1, 2))):
                number += 1
                used = random.randint(0, 200)
                event = update(number, rg(group, 200, used), session=session, **more)
                reports.create_task(network.exchange(event, used * PRICES[group]))
    used, late = random.randint(0, 200), random.randint(0, 50)
    async with asyncio.TaskGroup() as last:
        if random.random() < 0.3:
            event = update(number + 2, rg(group, 200, late), session=session, **more)
            last.create_task(network.exchange(event, late * PRICES[group]))
        event = terminate(number + 1, rg(group, used=used), session=session, **more)
        last.create_task(network.exchange(event, used * PRICES[group]))


async def send_messages(network: Network, session: str, more: dict[str, object]) -> None:
    """One-time debits, some of which are refunded, perhaps twice."""
    random = network.random
    for number in range(random.randint(1, 3)):
        count = random.randint(1, 3)
        report = rg(None, count, unit=Unit.EVENTS, called="15551")
        event = once(Action.DIRECT_DEBITING, report, session=f"{session}.{number}", **more)
        answer = await network.exchange(event, count * PRICES[None])
        if answer is None or answer.refund_token is None or random.random() < 0.5:
            continue
        async with asyncio.TaskGroup() as refunds:
            for copy in range(random.choice((1, 2))):
                refund = once(
                    Action.REFUND_ACCOUNT,
                    session=f"{session}.{number}.r{copy}",
                    refund_token=answer.refund_token,
                    **more,
                )
                refunds.create_task(network.exchange(refund, -count * PRICES[None]))
