"""What a store costs: CCR-U with two rating groups, durable before every answer, on SQLite and on Redis in turn.

    .venv/bin/python bench/store.py
    .venv/bin/python bench/store.py --requests 20000 --rounds 5

Both servers get the same frames from the same generator, one after the other, round by round; each is held to one
core, the generator and redis-server to the others. Redis has `appendonly yes` and `appendfsync always`. With
`--nodes` two servers on one Redis are measured as well, each with a generator of its own at the same time.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from bench.load.companion import Generator
from bench.load.measure import FINE, SESSIONS, running
from bench.load.server import Server, usage
from tests.support.redis_server import RedisServer

WINDOW, USED_OCTETS = 256, 700_123


def measured(
    ports: list[int], processes: dict[str, list[int]], core: int, requests: int, first: int
) -> dict[str, float]:
    """A generator for each server, all at once: answers a second together, and the latency of the slowest.

    They begin anew each time: an idle connection would get watchdogs. `processes` are those whose time is told.
    """
    with contextlib.ExitStack() as stack:
        generators = []
        for number, port in enumerate(ports):
            generators.append(stack.enter_context(Generator(core, port, FINE, first + number)))
            generators[-1].open(SESSIONS, SESSIONS, number * SESSIONS)
        threads = stack.enter_context(ThreadPoolExecutor(len(ports)))
        before = {name: _cpu_s(pids) for name, pids in processes.items()}
        found = list(threads.map(lambda each: each.update(requests, WINDOW, USED_OCTETS), generators))
    bad = sum(each["bad"] for each in found)
    if bad:
        raise SystemExit(f"{bad} answers were not 2001 with two grants")
    used = {name: _cpu_s(pids) - before[name] for name, pids in processes.items()}
    return {
        **{f"{name}_us": 1e6 * each / (requests * len(ports)) for name, each in used.items()},
        "per_s": sum(each["per_s"] for each in found),
        "p50_ms": max(each["p50_ms"] for each in found),
        "p99_ms": max(each["p99_ms"] for each in found),
    }


def _cpu_s(pids: list[int]) -> float:
    return sum(usage(pid).cpu_s for pid in pids)


def compared(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The median of some rounds, by store."""
    rows: dict[str, list[dict[str, float]]] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        database = RedisServer(folder / "redis").start()
        stack.callback(database.kill)
        redis: dict[str, object] = {"kind": "redis", "redis": {"url": database.url}}

        def started(store: dict[str, object] | None) -> Server:
            accounts = 2 * SESSIONS
            return stack.enter_context(running(accounts, options.server_core, folder, store=store))

        servers = {"sqlite": [started(None)], "redis": [started(redis)]}
        if options.nodes:
            servers["redis, two servers"] = [*servers["redis"], started(redis)]
        first = 0
        for number in range(options.rounds + 1):  # the first one warms up
            for name, each in servers.items():
                processes = {"ocs": [server.pid for server in each], "redis": [database.pid]}
                ports = [server.diameter_port for server in each]
                row = measured(ports, processes, options.client_core, options.requests, first)
                first += len(each)
                if number:
                    rows.setdefault(name, []).append(row)
    return {
        name: {key: statistics.median(row[key] for row in found) for key in found[0]}
        for name, found in rows.items()
    }


def main() -> int:
    """Measure and print a table, or JSON."""
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=10_000, help="of each window")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nodes", action="store_true", help="two servers on one Redis as well")
    parser.add_argument("--folder", type=Path, help="where the data is kept; a disk, not memory")
    parser.add_argument("--server-core", type=int, default=cores[0])
    parser.add_argument("--client-core", type=int, default=cores[-1])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = compared(options)
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    print(f"CCR-U, window {WINDOW}, median of {options.rounds} rounds of {options.requests}")
    for name, row in found.items():
        told = (
            f"  {name:20} {row['per_s']:8.0f}/s   p50 {row['p50_ms']:6.1f} ms   p99 {row['p99_ms']:6.1f} ms"
        )
        print(f"{told}   a request: ocs {row['ocs_us']:4.0f} us, redis-server {row['redis_us']:4.0f} us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
