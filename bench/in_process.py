"""What a credit-control request costs inside the process: bytes in, durable, bytes out, without sockets.

    .venv/bin/python bench/in_process.py               processor time of each of 12 800 CCR-U
    .venv/bin/python bench/in_process.py --callgrind   instructions of each of 1 024 (needs valgrind)

The same frames, tariff and accounts as bench/gy.py at window 64. Instructions do not depend on what else the
machine does: a gain of one percent is seen. `callgrind_annotate FILE` says afterwards where they went.
"""

import argparse
import asyncio
import gc
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import structlog

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from bench.load import wire
from bench.load.generator import DIGITS, FIRST_IMSI, FIRST_MSISDN, REALM, Template
from bench.load.measure import FINE, TARIFFS, accounts_text
from bench.load.rpc_echo import loop_factory
from bench.load.wire import INITIAL, UPDATE, Service
from ocs.agents.diameter.agent import DiameterAgent
from ocs.agents.diameter.peer import PeerProtocol
from ocs.app import GC_THRESHOLDS
from ocs.charging import acts
from ocs.charging.accounts_file import read_accounts
from ocs.charging.decision import Change
from ocs.charging.service import ChargingService
from ocs.charging.store.sqlite import SqliteStore
from ocs.charging.tariff.catalogue import Catalogue
from ocs.charging.tariff.yaml_reader import read_yaml
from ocs.config.settings import IdentitySettings, Settings
from ocs.metrics import Metrics
from ocs.policy import charging_policy, service_limits
from ocs.rpc.activity import Activity

CLIENT = "load00.load.test"
WINDOW, SESSIONS, WARM_ROUNDS = 64, 256, 8
ROUNDS, CALLGRIND_ROUNDS = 200, 16
USED = 700_123


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and tells when something is."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self._waiting: asyncio.Future[None] | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Both ends are here."""
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits here."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep an answer."""
        self.written += data
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def is_closing(self) -> bool:
        """Never."""
        return False

    def pause_reading(self) -> None:
        """What came is handled in several turns."""

    def resume_reading(self) -> None:
        """All of it was."""

    async def answers(self, count: int) -> list[bytes]:
        """So many answers."""
        found = wire.split(self.written)
        while len(found) < count:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
            found += wire.split(self.written)
        return found


def frames(kind: int, first: int, number: int) -> bytes:
    """One request of each session of a window, as the generator of bench/gy.py sends them."""
    used = USED if kind == UPDATE else None
    template = Template(
        CLIENT, kind, tuple(Service(group, 10_000_000, used) for group in FINE), int(time.time())
    )
    out = bytearray()
    for slot in range(WINDOW):
        frame, session = bytearray(template.frame), first + slot
        frame[12:16], frame[16:20] = slot.to_bytes(4, "big"), (number * SESSIONS + session).to_bytes(4, "big")
        frame[template.session : template.session + DIGITS] = b"%0*d" % (DIGITS, session)
        frame[template.imsi : template.imsi + 15] = b"%015d" % (FIRST_IMSI + session)
        frame[template.msisdn : template.msisdn + 11] = b"%d" % (FIRST_MSISDN + session)
        frame[template.number : template.number + 4] = number.to_bytes(4, "big")
        out += frame
    return bytes(out)


async def opened(folder: Path) -> tuple[ChargingService, DiameterAgent]:
    """Store, core and agent put together as `ocs serve` does it."""
    settings, metrics = Settings(IdentitySettings("ocs.load.test", REALM)), Metrics()
    tariff, _ = read_yaml(TARIFFS, "tariffs")
    assert tariff is not None, "the bench's own tariff"
    store = SqliteStore(folder / "ocs.db", on_commit=metrics.committed)
    service = ChargingService(
        store, Catalogue(tariff), charging_policy(settings), metrics, service_limits(settings)
    )
    service.loads_at_once = True
    service.watch = Activity().answered
    for template in read_accounts(accounts_text(SESSIONS), "accounts")[0]:
        for new in template.accounts():
            account, posting = acts.create(new, acts.Act("bench", service.now_ns(), "accounts"))
            postings = () if posting is None else (posting,)
            await service.create(Change(account, postings, has_new_identities=True))
    return service, DiameterAgent(settings, service, metrics)


async def exchange(peer: PeerProtocol, wires: Wire, data: bytes) -> None:
    """A window of requests and their answers, all of them good."""
    peer.data_received(data)
    for frame in await wires.answers(WINDOW):
        assert frame[4] == wire.PROXIABLE
        assert wire.u32(wire.RESULT_CODE, wire.SUCCESS) in frame


async def measured(rounds: int) -> float:
    """Seconds of processor for every UPDATE; under callgrind those alone are counted."""
    with tempfile.TemporaryDirectory() as name:
        service, agent = await opened(Path(name))
        peer, wires = agent.new_peer(asyncio.get_running_loop()), Wire()
        peer.connection_made(wires)
        peer.data_received(wire.capabilities(CLIENT, REALM))
        await wires.answers(1)
        firsts = range(0, SESSIONS, WINDOW)
        for first in firsts:
            await exchange(peer, wires, frames(INITIAL, first, 0))
        turns = [
            (firsts[turn % len(firsts)], 1 + turn // len(firsts)) for turn in range(WARM_ROUNDS + rounds)
        ]
        windows = [frames(UPDATE, first, number) for first, number in turns]
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        for data in windows[:WARM_ROUNDS]:
            await exchange(peer, wires, data)
        instrument("on")
        started_s = time.process_time()
        for data in windows[WARM_ROUNDS:]:
            await exchange(peer, wires, data)
        took_s = time.process_time() - started_s
        instrument("off")
        await service.store.close()
    return took_s / (rounds * WINDOW)


def instrument(state: str) -> None:
    """Let callgrind count, or count no more; nothing where this is not run by it."""
    if "OCS_CALLGRIND" in os.environ:
        subprocess.run(["callgrind_control", "-i", state, str(os.getpid())], check=True, capture_output=True)


def counted(program: str, file: str, rounds: int) -> int:
    """Instructions of all that a bench measures in so many rounds, in a process of its own."""
    command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={file}"]
    environment = {**os.environ, "OCS_CALLGRIND": "1", "PYTHONHASHSEED": "0"}
    again = [sys.executable, program, "--rounds", str(rounds)]
    subprocess.run([*command, *again], env=environment, check=True, capture_output=True)
    totals = next(line for line in Path(file).read_text("utf-8").splitlines() if line.startswith("totals:"))
    return int(totals.split()[1])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="windows of 64 requests")
    parser.add_argument(
        "--callgrind", metavar="FILE", nargs="?", const="callgrind.gy", help="count instructions"
    )
    options = parser.parse_args()
    if options.callgrind:
        requests = CALLGRIND_ROUNDS * WINDOW
        print(
            f"{counted(__file__, options.callgrind, CALLGRIND_ROUNDS) / requests:,.0f} instructions a request"
        )
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(f"{runner.run(measured(options.rounds)) * 1e6:.1f} us of processor a request")


if __name__ == "__main__":
    main()
