"""A real server under broken requests: one sound answer each or a clean close, nothing logged, nothing leaked."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from bench.load.server import Server
from tests.longrun.hostile import Hostile, Neighbour
from tests.longrun.mutator import Mutator, recorded_requests, tree
from tests.support.waiting import until_so

FAULTS = ("Traceback", "charging.turn_failed", "charging.delivery_failed", "request.failed")
NEIGHBOUR_ACCOUNTS = (700, 100)
QUARTERS = 4  # bounded tables have their size after the first
GROWTH_OCTETS = 25_000_000  # decoded groups are remembered by their octets, in tables with a limit
PAGE_CACHE = "1MiB"  # full soon: the pages of a growing file kept in memory are no leak


async def attacked(server: Server, frames: int, seed: int) -> tuple[Hostile, Neighbour, list[int]]:
    """All frames, with a neighbour beside; the memory of the process after each quarter."""
    hostile, neighbour = Hostile(server, seed), Neighbour(server, *NEIGHBOUR_ACCOUNTS)
    resident: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        behaving = tasks.create_task(neighbour.run())
        for _ in range(QUARTERS):
            await hostile.send(frames // QUARTERS)
            resident.append(server.usage().resident_octets)
        await hostile.close()
        await until_so(lambda: neighbour.answers > frames // 100, "the neighbour is served")
        neighbour.stopping = True
        await behaving
    return hostile, neighbour, resident


def faults(log: Path) -> list[str]:
    """Lines of the server's log that speak of an error of its own."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        return [line[:400] for line in lines if any(fault in line for fault in FAULTS)]


def run(folder: Path, frames: int, seed: int) -> Hostile:
    """Attack a server and check that it does not mind."""
    print(f"seed {seed}")  # pytest shows it where the run fails
    server = Server(folder)
    settings = json.loads(server.config.read_text(encoding="utf-8"))
    settings["store"] = {"page_cache": PAGE_CACHE}
    server.config.write_text(json.dumps(settings), encoding="utf-8")
    server.start()
    started = time.monotonic()
    try:
        hostile, neighbour, resident = asyncio.run(attacked(server, frames, seed))
        took_s = time.monotonic() - started
        assert server.is_alive()
        assert server.stop() == 0
    finally:
        server.kill()
    print(
        f"{hostile.sent} frames (seed {seed}) in {took_s:.0f} s: {hostile.answered} answers"
        f" ({hostile.decoded} read by python-diameter too), closed after {dict(hostile.closing)},"
        f" {hostile.torn} torn, results {dict(sorted(hostile.codes.items()))}; neighbour {neighbour.answers}"
        f" answers, slowest {neighbour.slowest.took_s * 1e3:.0f} ms; MB resident by quarters"
        f" {[round(octets / 1e6) for octets in resident]}"
    )
    assert faults(server.log) == []
    assert resident[-1] - resident[0] < GROWTH_OCTETS
    return hostile


def test_recorded_requests_survive_being_taken_apart() -> None:
    frames = recorded_requests()
    assert len(frames) > 100
    for frame in frames:
        assert b"".join(node.encoded() for node in tree(frame[20:])) == frame[20:]


def test_a_seed_says_everything_and_most_frames_are_broken() -> None:
    first, second = Mutator(7), Mutator(7)
    frames = [first.frame() for _ in range(500)]
    assert frames == [second.frame() for _ in range(500)]
    assert all(int.from_bytes(frame[1:4], "big") == len(frame) for frame in frames)
    known = {bytes(frame[20:]) for frame in recorded_requests()}
    assert sum(bytes(frame[20:]) in known for frame in frames) < 100


def test_twenty_thousand_broken_requests_change_nothing_for_others(tmp_path: Path) -> None:
    hostile = run(tmp_path, 20_000, seed=2)
    assert hostile.answered > 15_000
    assert len(hostile.codes) > 5, "the frames are all broken in the same way"


@pytest.mark.long
@pytest.mark.timeout(3_600)
def test_a_million_broken_requests_change_nothing_for_others(tmp_path: Path) -> None:
    hostile = run(tmp_path, 1_000_000, seed=time.time_ns() % 1_000_000)
    assert hostile.answered > 750_000
