"""The tasks of a server that answers requests: they go on when whoever asked is gone, and end with the server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog

log = structlog.get_logger()

T = TypeVar("T")


class Tasks:
    """Owns tasks, and lets those with the same key run one after the other."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self._turns: dict[str, Turn] = {}

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something that goes on when whoever asked for it is gone."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def in_background(self, name: str, work: Awaitable[object]) -> None:
        """Run something nobody waits for; what goes wrong is logged."""

        async def run() -> None:
            try:
                await work
            except Exception:
                log.exception("rpc.background_failed", work=name)

        self.spawn(run())

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """One after the other for all that have the same key."""
        turn = self._turns.setdefault(key, Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[key]

    async def lasting(self, key: str, work: Coroutine[Any, Any, T]) -> T:
        """Do something to the end, after what goes on under the same key, also where nobody waits any more."""

        async def run() -> T:
            try:
                async with self.turn(key):
                    return await work
            finally:
                work.close()

        return await asyncio.shield(self.spawn(run()))

    async def finish(self, longest_s: float) -> None:
        """Wait for the tasks, and for those they start, and end what takes longer."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + longest_s
        while tasks := [
            task for task in self.tasks if task is not asyncio.current_task() and not task.done()
        ]:
            _, late = await asyncio.wait(tasks, timeout=max(end_s - loop.time(), 0))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


class Turn:
    """A lock and how many want it."""

    __slots__ = ("lock", "wanted")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.wanted = 0
