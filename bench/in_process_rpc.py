"""What a session call of `ocs cgrates` costs inside the process: JSON in, durable, JSON out, without sockets.

    .venv/bin/python bench/in_process_rpc.py               processor time of each of 38 400 calls
    .venv/bin/python bench/in_process_rpc.py --callgrind   instructions of each of 3 072 (needs valgrind)

The same tariff, accounts and calls as the whole sessions of bench/rpc.py, 64 at a time over 8 connections.
"""

import argparse
import asyncio
import gc
import logging
import socket
import sys
import tempfile
import time
from pathlib import Path

import structlog

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from bench.in_process import counted, instrument
from bench.load.rpc_echo import loop_factory
from bench.rpc import CGRATES_SETTINGS, SUBSCRIBERS, TARIFF, request, rich, session
from ocs.cgrates import config
from ocs.cgrates.journal import SqliteJournal
from ocs.cgrates.program import GC_THRESHOLDS
from ocs.cgrates.runtime import Runtime
from ocs.cgrates.state import State
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.messages import EnvelopeLimits
from ocs.rpc.methods.cgrates import CGRATES
from ocs.rpc.tcp import TcpConnection, TcpLimits, TcpService

CONNECTIONS, EACH = 8, 8
WINDOW = CONNECTIONS * EACH
WARM_ROUNDS = 8
ROUNDS, CALLGRIND_ROUNDS = 200, 16


class Wire(asyncio.Transport):
    """A transport that counts the answers written, and tells when the last one of a window is there."""

    def __init__(self) -> None:
        super().__init__()
        self.socket = socket.socket()
        self.left = 0
        self.written: list[bytes] = []
        self.done: asyncio.Future[None] | None = None

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Both ends are here; the socket is one that is never connected."""
        if name == "socket":
            return self.socket
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits here."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep answers."""
        self.written.append(bytes(data))
        self.left -= self.written[-1].count(b"\n")
        if self.left == 0 and self.done is not None:
            self.done.set_result(None)

    def is_closing(self) -> bool:
        """Never."""
        return False

    def pause_reading(self) -> None:
        """What came is handled in several turns."""

    def resume_reading(self) -> None:
        """All of it was."""


class Client:
    """A connection with its wire."""

    def __init__(self, service: TcpService) -> None:
        self.wire = Wire()
        self.connection = TcpConnection(service)
        self.connection.connection_made(self.wire)

    def ask(self, calls: list[bytes]) -> "asyncio.Future[None]":
        """Send calls in one piece; done when all are answered."""
        self.wire.left = len(calls)
        self.wire.done = done = asyncio.get_running_loop().create_future()
        self.connection.data_received(b"".join(calls))
        return done

    def answers(self) -> list[bytes]:
        """What was answered."""
        found, self.wire.written = b"".join(self.wire.written).splitlines(), []
        return found


async def opened(folder: Path) -> tuple[Runtime, TcpService]:
    """State, runtime and front door put together as `ocs cgrates` does it."""
    state = State(SqliteJournal(folder / "cgrates.db"))
    runtime = Runtime(config.read(CGRATES_SETTINGS), state)
    service = TcpService(Dispatcher(CGRATES, runtime, EnvelopeLimits()), TcpLimits(in_flight=1_000))
    await runtime.start()
    await runtime.load_files(list(TARIFF.items()))
    client = Client(service)
    for number in range(SUBSCRIBERS):
        await client.ask([request("APIerSv1.SetBalance", rich(number)) % 1])
        assert b'"error":null' in client.answers()[0]
    return runtime, service


async def window(clients: list[Client], steps: list[list[bytes]]) -> None:
    """So many sessions side by side, step by step."""
    for step in steps:
        await asyncio.gather(
            *[client.ask(step[number * EACH : (number + 1) * EACH]) for number, client in enumerate(clients)]
        )
        for client in clients:
            for answer in client.answers():
                assert answer.endswith(b'"error":null}'), answer


def sessions(first: int) -> list[list[bytes]]:
    """The calls of a window: each step of all its sessions."""
    calls = [session(first + slot, "bench") for slot in range(WINDOW)]
    return [[calls[slot][step] % slot for slot in range(WINDOW)] for step in range(len(calls[0]))]


async def measured(rounds: int) -> float:
    """Seconds of processor for every call; under callgrind those alone are counted."""
    with tempfile.TemporaryDirectory() as name:
        runtime, service = await opened(Path(name))
        clients = [Client(service) for _ in range(CONNECTIONS)]
        windows = [sessions(number * WINDOW) for number in range(WARM_ROUNDS + rounds)]
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        for steps in windows[:WARM_ROUNDS]:
            await window(clients, steps)
        instrument("on")
        started_s = time.process_time()
        for steps in windows[WARM_ROUNDS:]:
            await window(clients, steps)
        took_s = time.process_time() - started_s
        instrument("off")
        await runtime.stop()
    return took_s / (rounds * WINDOW * len(windows[0]))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="windows of 64 sessions")
    parser.add_argument(
        "--callgrind", metavar="FILE", nargs="?", const="callgrind.rpc", help="count instructions"
    )
    options = parser.parse_args()
    if options.callgrind:
        calls = CALLGRIND_ROUNDS * WINDOW * len(session(0, ""))
        print(f"{counted(__file__, options.callgrind, CALLGRIND_ROUNDS) / calls:,.0f} instructions a call")
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(f"{runner.run(measured(options.rounds)) * 1e6:.1f} us of processor a call")


if __name__ == "__main__":
    main()
