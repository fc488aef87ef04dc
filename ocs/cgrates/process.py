"""The process as its supervisors see it: its name, and the signals it stops at."""

import ctypes
import os
import sys
from pathlib import Path

ENGINE = "cgr-engine"
PR_SET_NAME = 15


def take_name(started_as: str) -> None:
    """Takes the name of the executable it was started through, where that is the incumbent's."""
    if Path(started_as).name != ENGINE:
        return
    try:
        Path("/proc/self/comm").write_text(ENGINE, encoding="ascii")
    except OSError:
        if sys.platform == "linux":
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NAME, ENGINE.encode(), 0, 0, 0)


def leave(status: int) -> None:
    """Ends at once: everything that must be kept is on disk, and a successor waits for the ports."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
