"""Bounds of the work something may be, so that a quadratic slip is noticed; `bench/` measures.

What is counted is the processor time of this thread alone, with the collector of garbage held back: it looks
through what all tests of a process have left. The bounds are many times what the work takes.
"""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most(cpu_s: float) -> Iterator[None]:
    """What is done inside takes no more than so many seconds of a processor."""
    gc.disable()
    began_s = time.thread_time()
    try:
        yield
    finally:
        took_s = time.thread_time() - began_s
        gc.enable()
    assert took_s < cpu_s, f"{took_s:.3f} s of a processor"
