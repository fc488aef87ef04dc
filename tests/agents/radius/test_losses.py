"""Sessions over a network that loses, repeats and reorders, and a server that dies: every octet is charged once."""

import asyncio
import random

import pytest

from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import Attribute
from tests.agents.radius.packets import at, usage
from tests.agents.radius.world import RadiusWorld, world

VIRTUAL_TIME = True
CREDIT = 10**9
SESSIONS = 4
STEPS = 6


class NasSide:
    """What an access server has counted of one session, and the reports it still has to send."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.name = name
        self.chance = chance
        self.began_s = 0
        self.octets = 0
        self.reports: list[tuple[int, list[Attribute]]] = []

    def start(self, now_s: int) -> None:
        """The session begins."""
        self.began_s = now_s
        self.reports.append((codes.START, [at(now_s)]))

    def count(self, now_s: int, status: int) -> None:
        """Something was used, and a report is due."""
        self.octets += self.chance.randrange(1, 5_000)
        self.reports.append((status, [at(now_s), *usage(now_s - self.began_s, self.octets)]))


async def deliver(radius: RadiusWorld, side: NasSide, chance: random.Random) -> None:
    """Send what waits, with losses, repeats and changes of order; the Stop is sent until it is answered."""
    waiting, side.reports = side.reports, []
    if chance.random() < 0.3:
        chance.shuffle(waiting)
    for status, said in waiting:
        if status != codes.STOP and chance.random() < 0.3:
            continue
        for _ in range(1 + (chance.random() < 0.3)):
            assert await radius.report(status, *said, session=side.name, timed=False)


@pytest.mark.parametrize("seed", range(40))
async def test_whatever_is_lost_every_octet_is_charged_once(seed: int) -> None:
    chance = random.Random(seed)
    radius = await world(CREDIT)
    sides = [NasSide(f"s{number}", chance) for number in range(SESSIONS)]
    for side in sides:
        side.start(radius.now_s())
    for step in range(STEPS):
        await asyncio.sleep(chance.choice((1, 30, 300)))
        for side in sides:
            side.count(radius.now_s(), codes.STOP if step == STEPS - 1 else codes.INTERIM_UPDATE)
            if chance.random() < 0.7 or step == STEPS - 1:
                await deliver(radius, side, chance)
        if chance.random() < 0.3:
            await radius.restart()
    if chance.random() < 0.5:
        await radius.restart()
    assert radius.money() == str(CREDIT - sum(side.octets for side in sides))
    assert sum(record.cost_nanos for record in radius.records()) == sum(side.octets for side in sides)
    assert radius.agent.accounting.sessions == {}
    assert await radius.door.problems("1001") == []
