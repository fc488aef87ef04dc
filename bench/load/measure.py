"""How many credit-control requests a second: CCR-U with two rating groups, rated, durable before every answer.

    .venv/bin/python bench/gy.py                      the windows, the comparisons, memory of a session
    .venv/bin/python bench/gy.py --accounts 1000000   the same, and with so many accounts against a thousand
    .venv/bin/python bench/gy.py --profile gy.prof    one long window under cProfile

Four servers get the same frames from the same generator in one run: `ocs serve` on SQLite with fsync; an echo
that only frames and copies; the transport of `ocs serve` alone, copying the same answer; a python-diameter node
that answers a constant. Each server with all its threads is
held to one core, the generator to another. An answer counts when it says 2001 and grants both rating groups.
"""

import argparse
import json
import os
import platform
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from bench.load.companion import Generator, Target
from bench.load.generator import FIRST_IMSI, FIRST_MSISDN
from bench.load.server import Server, Usage, on_core

WINDOWS = (1, 8, 64, 256)
PARTS = ("windows", "memory", "costs")
FINE, COARSE = (10, 11), (20, 21)  # rating groups billed by the kilobyte, by the megabyte
VARIANTS = {
    "1 kB increments": (FINE, 700_123),
    "1 MB increments": (COARSE, 700_123),
    "reports of 1 kB": (FINE, 1_000),
    "reports of 1 TB": (FINE, 10**12),
}
SESSIONS = 1_000
SETTLING = 20_000  # requests: what making the accounts left in the log of the store is moved meanwhile
ROUNDS = 3
WARM_SESSIONS, MEASURED_SESSIONS = 5_000, 20_000
BIG_SESSIONS = 100_000
TARIFFS = """
currency: EUR
time_zone: UTC
rates:
  fine: {price: "1.00", per: 100MB, increment: 1kB}
  coarse: {price: "1.00", per: 100MB, increment: 1MB}
plans:
  standard:
    data:
      - {name: fine, rating_group: 10-19, rate: fine}
      - {name: coarse, rating_group: 20-29, rate: coarse}
"""
TARGETS = (
    "targets: 10 000 requests/s on one core; half of the echo at window 64; p99 10 ms; 90 us of processor a"
    " request; 3 kB a session; 1.2 for accounts, increments and volumes"
)


class Measured(Protocol):
    """Anything whose processor time and memory can be read."""

    @property
    def pid(self) -> int: ...

    def usage(self) -> Usage: ...


def accounts_text(count: int) -> str:
    """Funded accounts, numbered as the generator numbers its subscribers."""
    return (
        f'accounts:\n  - {{count: {count}, key: "{{n}}", plan: standard, msisdn: "{FIRST_MSISDN}",'
        f' imsi: "{FIRST_IMSI:015d}", balances: [{{money: "1000000000.00"}}]}}\n'
    )


@contextmanager
def running(
    accounts: int,
    core: int | None,
    folder: Path | None,
    profile: str = "",
    store: dict[str, object] | None = None,
) -> Iterator[Server]:
    """An `ocs serve` with that many accounts, on a data folder of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name)
        (place / "tariffs.yaml").write_text(TARIFFS, encoding="utf-8")
        (place / "accounts.yaml").write_text(accounts_text(accounts), encoding="utf-8")
        server = Server(place, "tariffs.yaml", "accounts.yaml", core, store)
        if profile:
            server.prefix = ("-m", "cProfile", "-o", str(Path(profile).absolute()))
        server.started_s = server.start(timeout_s=60 + accounts / 1_000)
        try:
            yield server
        finally:
            if server.is_alive():
                server.stop()


def loop_ns(core: int) -> float:
    """What a turn of a plain loop takes on that core now: shared machines change their speed within minutes."""
    turns = 500_000
    with on_core(core):
        started, total = time.perf_counter_ns(), 0
        for turn in range(turns):
            total += turn & 7
        return (time.perf_counter_ns() - started) / turns


def measured(target: Measured, generator: Generator, requests: int, window: int, used: int) -> dict[str, Any]:
    """One window: what the generator saw, and what the server's process used for it."""
    (core,) = os.sched_getaffinity(target.pid)
    loop_before_ns, before = loop_ns(core), target.usage()
    found = generator.update(requests, window, used)
    after = target.usage()
    found["loop_ns"] = (loop_before_ns + loop_ns(core)) / 2
    found["cpu_us"] = (after.cpu_s - before.cpu_s) / requests * 1e6
    found["window"] = window
    if found["bad"]:
        raise SystemExit(f"{found['bad']} of {requests} answers were not 2001 with two grants")
    return found


def windows(target: Measured, port: int, options: argparse.Namespace, requests: int) -> list[dict[str, Any]]:
    """Every window on one server; small windows get fewer requests, as each waits for the disk alone."""
    rows = []
    with Generator(options.client_core, port, FINE) as generator:
        generator.open(SESSIONS, SESSIONS)
        generator.update(max(requests // 10, 200), 64, 700_123)
        for window in options.windows:
            share = requests if window >= 64 else requests // 4 if window > 1 else requests // 16
            rows.append(measured(target, generator, max(share, 200), window, 700_123))
    return rows


def comparisons(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """The windows on the three servers, one server after the other."""
    found = {}
    client = "load00.load.test"
    with Target("bench.load.echo", options.server_core, client, FINE) as echo:
        found["echo"] = windows(echo, echo.port, options, options.requests * 10)
    with Target("bench.load.transport", options.server_core, client, FINE) as transport:
        found["transport"] = windows(transport, transport.port, options, options.requests * 4)
    with running(SESSIONS, options.server_core, options.folder) as server:
        found["ocs"] = windows(server, server.diameter_port, options, options.requests)
    if not options.no_constant:
        with Target("bench.load.constant", options.server_core, client, FINE) as constant:
            found["python-diameter"] = windows(constant, constant.port, options, options.requests // 20)
    return found


def session_memory(options: argparse.Namespace) -> dict[str, float]:
    """Growth of the process over many sessions of two rating groups, after some have warmed it up."""
    total = WARM_SESSIONS + MEASURED_SESSIONS
    with (
        running(total, options.server_core, options.folder) as server,
        Generator(options.client_core, server.diameter_port, FINE) as generator,
    ):
        generator.open(WARM_SESSIONS, total)
        before = server.usage().resident_octets
        generator.open(MEASURED_SESSIONS, total)
        grown = server.usage().resident_octets - before
        return {"sessions": MEASURED_SESSIONS, "octets_per_session": grown / MEASURED_SESSIONS}


def costs(
    server: Server, generators: list[tuple[str, Generator, int]], requests: int
) -> dict[str, dict[str, float]]:
    """Processor time a request of every variant, taken in turns; the median of some rounds."""
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name, _, _ in generators}
    for _ in range(ROUNDS):
        for name, generator, used in generators:
            seen[name].append(measured(server, generator, requests, 64, used))
    return {
        name: {
            key: statistics.median(row[key] for row in rows)
            for key in ("cpu_us", "per_s", "p50_ms", "p99_ms", "loop_ns")
        }
        for name, rows in seen.items()
    }


def variants(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Increments and volumes: each variant has sessions and accounts of its own on one server."""
    with running(SESSIONS * len(VARIANTS), options.server_core, options.folder) as server:
        generators = []
        for number, (name, (groups, used)) in enumerate(VARIANTS.items()):
            generator = Generator(options.client_core, server.diameter_port, groups, number)
            generator.open(SESSIONS, SESSIONS, number * SESSIONS)
            generators.append((name, generator, used))
        try:
            return costs(server, generators, options.requests // 2)
        finally:
            for _, generator, _ in generators:
                generator.__exit__(None, None, None)


def account_costs(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The same number of sessions on as many accounts as there are sessions, and on a few of very many."""
    found = {}
    for count in (SESSIONS, options.accounts):
        with (
            running(count, options.server_core, options.folder) as server,
            Generator(options.client_core, server.diameter_port, FINE) as generator,
        ):
            generator.open(SESSIONS, count)
            generator.update(SETTLING, 64, 700_123)
            name = f"{count:,} accounts"
            found[name] = costs(server, [(name, generator, 700_123)], options.requests // 2)[name]
    return found


def many_sessions(options: argparse.Namespace) -> dict[str, Any]:
    """The cost of a request with very many accounts and sessions, and what a start costs with them."""
    with running(options.accounts, options.server_core, options.folder) as server:
        filled_s, filled_octets = server.started_s, server.usage().resident_octets
        with Generator(options.client_core, server.diameter_port, FINE) as generator:
            opened = generator.open(min(BIG_SESSIONS, options.accounts), options.accounts)
            cost = costs(server, [("many", generator, 700_123)], options.requests // 2)["many"]
        octets = server.usage().resident_octets
        database_octets = sum(path.stat().st_size for path in server.database.parent.glob("ocs.db*"))
        server.kill()
        started = time.monotonic()
        server.start(timeout_s=120)
        with Generator(options.client_core, server.diameter_port, FINE, 1) as generator:
            generator.open(1, options.accounts)
            first_answer_s = time.monotonic() - started
        return {
            "accounts": options.accounts,
            "sessions": opened["requests"],
            "opened_per_s": opened["per_s"],
            "filled_s": filled_s,
            "filled_octets": filled_octets,
            "resident_octets": octets,
            "database_octets": database_octets,
            "restart_to_first_answer_s": first_answer_s,
            **cost,
        }


def all_costs(options: argparse.Namespace) -> dict[str, Any]:
    """The variants, and very many accounts where that is asked for."""
    return {
        "variants": variants(options),
        "accounts": account_costs(options) if options.accounts else {},
        "many": many_sessions(options) if options.accounts else None,
    }


def profiled(options: argparse.Namespace) -> dict[str, Any]:
    """One long window under cProfile; read the file with `python -m pstats`."""
    with (
        running(SESSIONS, options.server_core, options.folder, options.profile) as server,
        Generator(options.client_core, server.diameter_port, FINE) as generator,
    ):
        generator.open(SESSIONS, SESSIONS)
        return measured(server, generator, options.requests, 64, 700_123)


def machine(folder: Path | None) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "python": platform.python_version(),
        "loop": "asyncio" if find_spec("uvloop") is None else "uvloop",
        "hot_path": "compiled" if _is_compiled() else "plain Python",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "fsync_ms": round(_fsync_ms(folder), 3),
    }


def _is_compiled() -> bool:
    engine = find_spec("ocs.charging.engine")
    return engine is not None and (engine.origin or "").endswith(".so")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _fsync_ms(folder: Path | None) -> float:
    """How long this disk takes to make 4 KiB durable."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(50):
            file.write(bytes(4_096))
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


def print_windows(found: dict[str, list[dict[str, Any]]]) -> None:
    """The servers side by side."""
    print(
        f"\n{'server':<16}{'window':>7}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'us CPU':>9}{'of echo':>9}"
        f"{'of transport':>14}{'ns loop':>9}"
    )
    for name, rows in found.items():
        for row, echo, transport in zip(rows, found["echo"], found["transport"], strict=True):
            print(
                f"{name:<16}{row['window']:>7}{row['per_s']:>12,.0f}{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}"
                f"{row['cpu_us']:>9.1f}{row['per_s'] / echo['per_s']:>9.1%}"
                f"{row['per_s'] / transport['per_s']:>14.1%}{row['loop_ns']:>9.0f}"
                + (
                    f"   generator {row['generator_cpu_share']:.0%} busy"
                    if row["generator_cpu_share"] > 0.7
                    else ""
                )
            )


def print_memory(found: dict[str, float]) -> None:
    """One line."""
    print(f"\nan open session of two rating groups: {found['octets_per_session']:,.0f} octets resident")


def print_costs(found: dict[str, Any]) -> None:
    """What a request costs, and how much more than the first kind."""
    print(f"\n{'window 64':<26}{'us CPU':>9}{'ratio':>8}{'requests/s':>12}{'p99 ms':>9}{'ns loop':>9}")
    many = found["many"]
    print_rows(list(found["variants"].items()))
    if found["accounts"]:
        rows: list[tuple[str, dict[str, Any]]] = list(found["accounts"].items())
        print_rows([*rows, (f"... {many['sessions']:,} sessions", many)])
    if many is not None:
        print(
            f"\n{many['accounts']:,} accounts, {many['sessions']:,} sessions: made in {many['filled_s']:.0f} s,"
            f" {many['filled_octets'] / 1e6:,.0f} MB resident after that, {many['resident_octets'] / 1e6:,.0f} MB"
            f" after the load, {many['database_octets'] / 1e6:,.0f} MB on disk;"
            f" kill -9 to first answer {many['restart_to_first_answer_s']:.2f} s"
        )


def print_rows(rows: list[tuple[str, dict[str, Any]]]) -> None:
    """Costs, each against the first of them."""
    base = rows[0][1]["cpu_us"]
    for name, row in rows:
        print(
            f"{name:<26}{row['cpu_us']:>9.1f}{row['cpu_us'] / base:>8.2f}"
            f"{row['per_s']:>12,.0f}{row['p99_ms']:>9.2f}{row['loop_ns']:>9.0f}"
        )


def arguments() -> argparse.Namespace:
    """The command line."""
    cores = sorted(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--windows", type=int, nargs="+", default=list(WINDOWS), help="requests under way")
    parser.add_argument("--requests", type=int, default=40_000, help="requests of a large window")
    parser.add_argument("--accounts", type=int, help="also measure with that many accounts")
    parser.add_argument("--server-core", type=int, default=cores[0])
    parser.add_argument("--client-core", type=int, default=cores[-1])
    parser.add_argument("--folder", type=Path, help="where the data folders go: the disk that is measured")
    parser.add_argument("--no-constant", action="store_true", help="leave python-diameter out: it is slow")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    parser.add_argument("--profile", metavar="FILE", help="run one window under cProfile instead")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    return parser.parse_args()


def main() -> int:
    """Measure and print."""
    options = arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that servers are ended
    found: dict[str, Any] = {
        "command": " ".join(["bench/gy.py", *sys.argv[1:]]),
        "machine": machine(options.folder),
    }
    if options.profile:
        found["profiled"] = profiled(options)
        print(json.dumps(found, indent=2))
        return 0
    if not options.json:
        print("\n".join(f"{name}: {value}" for name, value in found["machine"].items()))
    for name, measure, show in (
        ("windows", comparisons, print_windows),
        ("memory", session_memory, print_memory),
        ("costs", all_costs, print_costs),
    ):
        if name in options.parts:
            found[name] = measure(options)
            if not options.json:
                show(found[name])
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"\n{TARGETS}")
    return 0
