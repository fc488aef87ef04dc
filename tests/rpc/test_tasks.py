"""Tasks of a server: what is under way when it ends, and what that starts."""

import asyncio

from ocs.rpc.tasks import Tasks
from tests.support.waiting import PATIENCE_S


def test_the_end_waits_for_tasks_that_tasks_start() -> None:
    tasks = Tasks()
    done: list[str] = []

    async def later() -> None:
        await asyncio.sleep(0.01)
        done.append("later")

    async def first() -> None:
        await asyncio.sleep(0.01)
        tasks.spawn(later())

    async def served() -> None:
        tasks.spawn(first())
        await tasks.finish(10)

    asyncio.run(served())
    assert done == ["later"]


def test_tasks_that_start_each_other_for_ever_are_ended() -> None:
    tasks = Tasks()

    async def again() -> None:
        await asyncio.sleep(0.001)
        tasks.spawn(again())

    async def served() -> None:
        tasks.spawn(again())
        async with asyncio.timeout(PATIENCE_S):
            await tasks.finish(0.05)

    asyncio.run(served())
    assert not tasks.tasks
