"""Damaged frames come to the whole client: it lives, and charges the next call to the millisecond."""

import asyncio
import random

import pytest

from tests.agents.freeswitch import recorded
from tests.agents.freeswitch.scripted import Plan
from tests.agents.freeswitch.test_recordings import CALLS
from tests.agents.freeswitch.world import connected, world

FRAMES = [recorded.raw_frame(*frame) for name in CALLS for frame in recorded.frames(name)]


def damaged(dice: random.Random) -> bytes:
    """A recorded frame with a few octets changed, lost, doubled, or cut off."""
    frame = bytearray(dice.choice(FRAMES))
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(frame))
        match dice.randrange(4):
            case 0:
                frame[place] = dice.randrange(256)
            case 1:
                del frame[place : place + dice.randint(1, 40)]
            case 2:
                frame[place:place] = frame[place : place + dice.randint(1, 40)]
            case _:
                del frame[place:]
        if not frame:
            break
    return bytes(frame)


async def check_fuzz(seed: int, frames: int) -> None:
    dice = random.Random(seed)
    async with world(event_format="plain", command_timeout_ns=500_000_000) as (made, switch):
        await made.open_account("2000", 1_000_000)
        for _ in range(frames):
            for pipe in tuple(switch.connections):
                pipe.give(damaged(dice))
            await asyncio.sleep(dice.choice((0, 0.01, 1)))
        for pipe in tuple(switch.connections):
            pipe.close()
        await asyncio.sleep(5)
        await connected(made)
        call = switch.call(Plan("2000", talk_s=4.5))
        await asyncio.sleep(10)
        assert call.cause == "NORMAL_CLEARING"
        assert made.left("2000") == (1_000_000 - 4_500, 0)
        assert all(not task.done() for task in made.agent._tasks), "no client has ended"


@pytest.mark.parametrize("seed", range(8))
async def test_damaged_frames_never_end_the_client(seed: int) -> None:
    await check_fuzz(seed, frames=40)


@pytest.mark.long
async def test_damaged_frames_never_end_the_client_however_many() -> None:
    for seed in range(100, 300):
        await check_fuzz(seed, frames=200)
