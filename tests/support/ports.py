"""Ports for programs under test that nobody takes between their being chosen and being used, or over a restart.

The port a socket gets for 0 is of the range that the system hands out to every listener and every outgoing
connection: found free there, it may be taken a moment later. These ones are below that range, and each process of
the tests has a block of them to itself as long as it lives, by a lock that every run on the machine respects.
"""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import IO

FIRST, END, BLOCK = 10_240, 32_768, 256  # from END on Linux hands out ports itself


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has, neither for TCP nor for UDP; it is long until it comes again."""
    ports, _ = _own()
    return next(port for port in ports if _is_free(port))


def free_ports(count: int) -> list[int]:
    """As many ports, all of them different."""
    return [free_port() for _ in range(count)]


@cache
def _own() -> tuple[Iterator[int], IO[str]]:
    """The block of this process, and the file whose lock says so."""
    folder = Path(tempfile.gettempdir()) / f"ocs-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for first in range(FIRST, END, BLOCK):
        lock = (folder / str(first)).open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return cycle(range(first, first + BLOCK)), lock
    raise AssertionError(f"every block of ports is locked in {folder}")


def _is_free(port: int) -> bool:
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
