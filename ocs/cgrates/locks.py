"""Named locks for clients: `GuardianSv1.RemoteLock`."""

import asyncio

from ocs.rpc.errors import RpcError

LONGEST_LOCK_S = 3_600.0
LOCKS_AT_ONCE = 10_000


class Locks:
    """Locks by name, taken together under a reference and freed by it, or when their time is over."""

    def __init__(self) -> None:
        self._held: dict[str, str] = {}  # name: reference
        self._names: dict[str, tuple[str, ...]] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._expiring: set[asyncio.Task[tuple[str, ...]]] = set()
        self._freed = asyncio.Condition()

    async def take(self, reference: str, names: tuple[str, ...], longest_s: float) -> None:
        """Waits until all names are free and takes them."""
        if len(self._names) >= LOCKS_AT_ONCE:
            raise RpcError("MAX_CONCURRENT_RPC_EXCEEDED")
        async with self._freed:
            await self._freed.wait_for(lambda: not any(name in self._held for name in names))
            self._names[reference] = names
            self._held |= dict.fromkeys(names, reference)
        loop = asyncio.get_running_loop()
        wait_s = min(longest_s or LONGEST_LOCK_S, LONGEST_LOCK_S)
        self._timers[reference] = loop.call_later(wait_s, self._expire, reference)

    def _expire(self, reference: str) -> None:
        task = asyncio.get_running_loop().create_task(self.free(reference))
        self._expiring.add(task)
        task.add_done_callback(self._expiring.discard)

    async def free(self, reference: str) -> tuple[str, ...]:
        """Frees what a reference holds; the names it held."""
        timer = self._timers.pop(reference, None)
        if timer is not None:
            timer.cancel()
        async with self._freed:
            names = self._names.pop(reference, ())
            for name in names:
                self._held.pop(name, None)
            self._freed.notify_all()
        return names
