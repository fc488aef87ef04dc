"""An event loop on virtual time: nobody waits, a timer that is due next is due now."""

import asyncio
import selectors
from typing import Any


class _Jumping(selectors.SelectSelector):
    """Never blocks for a timer: the clock jumps to it. What a thread does takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.threads = 0  # at work; the last of them wakes the loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.threads and (timeout is None or timeout > 0):
            return super().select()
        if timeout is None:
            raise RuntimeError("everybody waits and no timer is set: this would hang for ever")
        self.now_s += max(timeout, 0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose clock moves only when there is nothing else to do."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """Have a thread do something, for which the clock waits."""
        working = super().run_in_executor(executor, func, *args)
        self._jumping.threads += 1
        working.add_done_callback(self._done)
        return working

    def _done(self, working: object) -> None:
        self._jumping.threads -= 1

    def time(self) -> float:
        """Seconds of virtual time since the loop was made."""
        return self._jumping.now_s

    def now_ns(self) -> int:
        """The same in ns."""
        return round(self._jumping.now_s * 1e9)


def run(coroutine: Any) -> Any:
    """The result of a coroutine on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


def running() -> VirtualLoop:
    """The virtual loop that runs now."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop
