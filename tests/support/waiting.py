"""Waiting for what another process, thread or task does: looked for again and again, one deadline for all tests.

The deadline is what a hang costs, not what anything may take: a loaded machine must not reach it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENCE_S = 240.0
LOOKS_S = 0.01  # between two looks


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that happens elsewhere; AssertionError says what did not."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s, f"not within {PATIENCE_S} s: {what}"
        time.sleep(LOOKS_S)


async def until_so(condition: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """The same in a coroutine, whose loop goes on meanwhile; a condition may be a coroutine itself."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        holds = condition()
        if holds if isinstance(holds, bool) else await holds:
            return
        assert time.monotonic() < deadline_s, f"not within {PATIENCE_S} s: {what}"
        await asyncio.sleep(LOOKS_S)
