"""Session calls per second over JSON-RPC: `python bench/rpc.py [calls]`.

Servers on a core of their own, durable before every answer, against an echo of the same envelopes on the same core
in the same run: the front door alone with a canned result, `ocs serve` with `OcsV1.Charge`, `ocs cgrates` with
`SessionSv1`. This process plays a proxy with a
connection for each of its workers. First as fast as it goes, then at half that rate for the latencies. Calls per
second of processor time are what one core does when it has nothing else to do; others on the machine do not count.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

from bench.load.rpc_client import Conversation, Load, Measured, measured  # noqa: E402
from bench.load.rpc_echo import loop_factory  # noqa: E402
from bench.load.server import Server, on_core, program_folder, usage  # noqa: E402
from tests.support.ports import free_port  # noqa: E402

CALLS = 30_000
AT_ONCE = 64
CONNECTIONS = 8
SUBSCRIBERS = 100  # of the shipped accounts
FIRST = 15550100001
FIRST_ACCOUNT = 1001  # of those that are made for `ocs cgrates`
START_S = 10.0
ECHOED = 60_000  # calls: the clock of processes is coarse
TICK_S = 0.01


def request(method: str, params: dict[str, Any]) -> bytes:
    """A request of 1.0 with a place for its id, on a line of its own as the echo wants it."""
    text = json.dumps({"method": method, "params": [params], "id": 0}, separators=(",", ":"))
    return text.replace("%", "%%").removesuffix("0}").encode() + b"%d}\n"


# --- what is asked


def ocs_v1(number: int, run: str) -> Conversation:
    """A voice call of three minutes by `OcsV1.Charge`."""
    base = {"SessionID": f"{run}-{number}", "Service": "voice", "Called": "4930123456"}
    first = base | {"Kind": "INITIAL", "Subscriber": str(FIRST + number % SUBSCRIBERS), "Requested": "60s"}
    update = base | {"Kind": "UPDATE", "EventID": 1, "Used": "60s", "Requested": "60s"}
    last = base | {"Kind": "TERMINATION", "Used": "60s"}
    return [request("OcsV1.Charge", params) for params in (first, update, last)]


def event(number: int, run: str, **fields: Any) -> dict[str, Any]:
    """The event of a call as OpenSIPS and the own agents of the incumbent send it."""
    return {
        "OriginID": f"{run}-{number}",
        "OriginHost": "sbc1",
        "ToR": "*voice",
        "RequestType": "*prepaid",
        "Tenant": "cgrates.org",
        "Category": "call",
        "Account": str(FIRST_ACCOUNT + number % SUBSCRIBERS),
        "Subject": str(FIRST_ACCOUNT + number % SUBSCRIBERS),
        "Destination": "1002",
        "SetupTime": "2026-11-22T10:00:00Z",
        "Usage": "60s",
    } | fields


def authorize(number: int, run: str) -> Conversation:
    """One authorisation."""
    return [request("SessionSv1.AuthorizeEvent", {"GetMaxUsage": True, "Event": event(number, run)})]


def session(number: int, run: str) -> Conversation:
    """A session: initiate, update, terminate."""
    answered = event(number, run, AnswerTime="2026-11-22T10:00:04Z")
    return [
        request("SessionSv1.InitiateSession", {"InitSession": True, "Event": answered}),
        request("SessionSv1.UpdateSession", {"UpdateSession": True, "Event": answered}),
        request("SessionSv1.TerminateSession", {"TerminateSession": True, "Event": answered}),
    ]


def rich(number: int) -> dict[str, Any]:
    """The parameters that give an account money."""
    account = {"Tenant": "cgrates.org", "Account": str(FIRST_ACCOUNT + number)}
    return account | {"BalanceType": "*monetary", "Value": 1_000_000, "Balance": {"ID": "main"}}


def many(make: Callable[[int, str], Conversation], calls: int, run: str) -> Iterator[Conversation]:
    """Conversations with so many calls in all."""
    size = len(make(0, run))
    return (make(number, run) for number in range(calls // size))


# --- who is asked


class Served(NamedTuple):
    """A server: where it is, and which process."""

    address: tuple[str, int]
    pid: int


@contextmanager
def bare(module: str, core: int | None) -> Iterator[Served]:
    """A server of `bench/load` that answers with a canned result, on a port of its own."""
    port = free_port()
    command = [sys.executable, "-m", f"bench.load.{module}", str(port)]
    with on_core(core):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield Served(("127.0.0.1", port), process.pid)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def ocs_serve(core: int | None) -> Iterator[Served]:
    """`ocs serve` with its shipped accounts and tariff."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), core=core)
        server.start()
        try:
            yield Served(("127.0.0.1", server.rpc_port), server.pid)
        finally:
            server.stop()


CGRATES_SETTINGS = {
    "rals": {"enabled": True},
    "cdrs": {"enabled": True, "rals_conns": ["*internal"]},
    "chargers": {"enabled": True},
    "apiers": {"enabled": True},
    "schedulers": {"enabled": True},
    "sessions": {
        "enabled": True,
        "rals_conns": ["*internal"],
        "cdrs_conns": ["*internal"],
        "chargers_conns": ["*internal"],
    },
}
TARIFF = {
    "Destinations.csv": "#Id,Prefix\nDST_1002,1002\n",
    "Rates.csv": "#Id,ConnectFee,Rate,RateUnit,RateIncrement,GroupIntervalStart\nRT_1,0,0.01,60s,1s,0s\n",
    "DestinationRates.csv": (
        "#Id,DestinationId,RatesTag,RoundingMethod,RoundingDecimals,MaxCost,MaxCostStrategy\n"
        "DR_1,DST_1002,RT_1,*up,4,0,\n"
    ),
    "RatingPlans.csv": "#Id,DestinationRatesId,TimingTag,Weight\nRP_1,DR_1,*any,10\n",
    "RatingProfiles.csv": (
        "#Tenant,Category,Subject,ActivationTime,RatingPlanId,RatesFallbackSubject\n"
        "cgrates.org,call,*any,2014-01-14T00:00:00Z,RP_1,\n"
    ),
    "Chargers.csv": (
        "#Tenant,ID,FilterIDs,ActivationInterval,RunID,AttributeIDs,Weight\ncgrates.org,DEFAULT,,,*default,*none,0\n"
    ),
}


@contextmanager
def ocs_cgrates(core: int | None) -> Iterator[Served]:
    """`ocs cgrates` with a tariff and accounts, its journal on disk."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        plan = folder / "tariff"
        plan.mkdir()
        for file, text in TARIFF.items():
            (plan / file).write_text(text, encoding="utf-8")
        listen = {"rpc_json": f"127.0.0.1:{port}", "birpc_json": "", "http": "", "rpc_gob": ""}
        settings = CGRATES_SETTINGS | {"listen": listen}
        (folder / "cgrates.json").write_text(json.dumps(settings), encoding="utf-8")
        command = [sys.executable, "-m", "ocs", "cgrates", "-config_path", name]
        command += ["-data_dir", str(folder / "data")]
        environment = {**os.environ, "PYTHONPATH": str(program_folder())}
        with on_core(core), (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            _fill(port, plan)
            yield Served(("127.0.0.1", port), process.pid)
        finally:
            process.terminate()
            process.wait()


def _fill(port: int, plan: Path) -> None:
    """Load the tariff and give every account money."""
    deadline_s = time.monotonic() + START_S
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), 1.0)
            break
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.01)
    with connection, connection.makefile("rwb") as wire:

        def call(method: str, params: dict[str, Any]) -> None:
            wire.write(request(method, params) % 1)
            wire.flush()
            answer = json.loads(wire.readline())
            assert answer["error"] is None, answer

        connection.settimeout(START_S)
        call("APIerSv1.LoadTariffPlanFromFolder", {"FolderPath": str(plan)})
        for number in range(SUBSCRIBERS):
            balance = {"BalanceType": "*monetary", "Value": 1_000_000, "Balance": {"ID": "main"}}
            call(
                "APIerSv1.SetBalance",
                {"Tenant": "cgrates.org", "Account": str(FIRST_ACCOUNT + number), **balance},
            )


# --- the measurement


def driven(
    make: Callable[[int, str], Conversation], calls: int, run: str, served: Served
) -> tuple[Measured, float]:
    """As fast as it goes: what came out, and calls per second of processor time of the server."""
    before_s = usage(served.pid).cpu_s
    result = measured(Load(many(make, calls, run), AT_ONCE), served.address, CONNECTIONS, loop_factory())
    return result, result.calls / max(usage(served.pid).cpu_s - before_s, TICK_S)


def compare(
    title: str, make: Callable[[int, str], Conversation], calls: int, server: Served, core: int | None
) -> None:
    """Print the rates of the server and of the echo, and the latencies at half the server's rate."""
    driven(make, calls // 10, "warm", server)
    full, per_core = driven(make, calls, "full", server)
    half = Load(many(make, calls // 3, "half"), AT_ONCE, full.rate / len(make(0, "")) / 2)
    paced = measured(half, server.address, CONNECTIONS, loop_factory())
    with bare("rpc_echo", core) as other:
        driven(make, calls // 10, "warm", other)
        _, least = driven(make, ECHOED, "echo", other)
    failed = full.failed + paced.failed
    assert not failed, f"{title}: {failed} calls were refused"
    sys.stdout.write(
        f"{title:<40}{per_core:7.0f} calls per core-second, {per_core / least:.1%} of the echo ({least:.0f})\n"
        f"{'':<40}{full.rate:7.0f} calls/s, p50 {full.p50_s * 1e3:.2f} ms, p99 {full.p99_s * 1e3:.2f} ms;"
        f" at half the rate p50 {paced.p50_s * 1e3:.2f} ms, p99 {paced.p99_s * 1e3:.2f} ms\n"
    )
    sys.stdout.flush()


def main() -> None:
    """Everything, one server after the other."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    cores = sorted(os.sched_getaffinity(0))
    core = cores[-1] if len(cores) > 1 else None
    if core is not None:
        os.sched_setaffinity(0, set(cores[:-1]))
    with bare("front_door", core) as served:
        compare("the front door alone", authorize, ECHOED, served, core)
    with ocs_serve(core) as served:
        compare("OcsV1.Charge, three of a session", ocs_v1, calls, served, core)
    if find_spec("ocs.cgrates.program") is None:
        sys.stdout.write("SessionSv1 is not there\n")
        return
    with ocs_cgrates(core) as served:
        compare("SessionSv1.AuthorizeEvent", authorize, calls, served, core)
        compare("SessionSv1 initiate, update, terminate", session, calls, served, core)


if __name__ == "__main__":
    main()
