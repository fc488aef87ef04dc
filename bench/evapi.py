"""Call set-ups per second over evapi: `python bench/evapi.py [calls]`.

First the agent and the charging core alone, on a memory store without a network: the processor time of our own
code. Then `ocs serve` as it is, on a core of its own, with every promise durable in SQLite before it is given;
this process plays the Kamailio, which asks for so many calls at a time and answers and ends each.

The baseline of the first, in the same run, is the least a client in Python can do with the same octets: netstrings
apart, JSON read and a reply written by the standard library, without a core.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

import msgspec  # noqa: E402
import structlog  # noqa: E402

from bench.load.server import Server  # noqa: E402
from ocs.agents.kamailio.book import Clocks  # noqa: E402
from ocs.agents.kamailio.messages import decode_message  # noqa: E402
from ocs.agents.kamailio.netstring import NetstringDecoder, encode_netstring  # noqa: E402
from ocs.agents.kamailio.proxy import ProxyCalls  # noqa: E402
from ocs.cgrates import config, tariff  # noqa: E402
from ocs.cgrates.agents.voice import VoiceAgents  # noqa: E402
from ocs.cgrates.kinds import Kind  # noqa: E402
from ocs.cgrates.runtime import Runtime  # noqa: E402
from ocs.charging import acts  # noqa: E402
from ocs.charging.cgrates.account import Account, Balance  # noqa: E402
from ocs.charging.decision import Change  # noqa: E402
from ocs.charging.quota import ChargingPolicy  # noqa: E402
from ocs.charging.service import ChargingService  # noqa: E402
from ocs.charging.store.memory import MemoryStore  # noqa: E402
from ocs.charging.tariff.catalogue import Catalogue  # noqa: E402
from ocs.charging.tariff.files import read as read_tariff  # noqa: E402
from ocs.config.settings import KamailioSettings  # noqa: E402
from ocs.config.shipped import demo_file  # noqa: E402
from ocs.metrics import Metrics  # noqa: E402

CALLS = 10_000
AT_ONCE = 200
ACCOUNTS = 500
TENANT = "default"
PATIENCE_S = 60.0


def message(event: str, number: int, tenant: str, **fields: str) -> bytes:
    """One message of a call as Kamailio writes it."""
    said = {
        "event": event,
        "cgr_flags": "*accounts",
        "OriginID": f"1-{number}@127.0.0.1",
        "RequestType": "*prepaid",
        "Tenant": tenant,
        "Account": str(number % ACCOUNTS),
        "Destination": "15550100001",
        "SetupTime": str(int(time.time())),
    }
    return json.dumps(said | fields, separators=(",", ":")).encode()


def authorise(number: int, tenant: str = TENANT) -> bytes:
    """A call is to be set up."""
    return message("CGR_AUTH_REQUEST", number, tenant, tr_index=str(number), tr_label="698469260")


def start(number: int, tenant: str = TENANT) -> bytes:
    """It was answered."""
    handle = {"h_entry": str(number % 4096), "h_id": str(number)}
    return message("CGR_CALL_START", number, tenant, **handle, AnswerTime=str(int(time.time())))


def end(number: int, tenant: str = TENANT) -> bytes:
    """It is over."""
    handle = {"h_entry": str(number % 4096), "h_id": str(number)}
    return message("CGR_CALL_END", number, tenant, **handle, AnswerTime=str(int(time.time())), Usage="45")


# --- without a network


async def in_process(calls: int) -> None:
    """The processor time of a set-up and of a whole call."""
    tariffs, problems = read_tariff(demo_file("tariffs.yaml"))
    assert tariffs is not None, problems
    service = ChargingService(MemoryStore(), Catalogue(tariffs), ChargingPolicy(), Metrics())
    for number in range(ACCOUNTS):
        new = acts.NewAccount(f"default:{number}", "standard", (), (acts.TopUp(10**18),))
        account, posting = acts.create(new, acts.Act(f"seed {number}", 0, "bench"))
        assert posting is not None
        await service.create(Change(account, (posting,), has_new_identities=True))
    clocks = Clocks(time.time_ns, time.monotonic_ns)
    proxy = ProxyCalls("kam1", KamailioSettings(), service, Metrics(), clocks)
    replies: list[bytes] = []

    def send(payload: bytes) -> bool:
        replies.append(encode_netstring(payload))
        return True

    proxy.send = send
    bare_s = baseline(calls)
    began_s = time.process_time()
    await _hear(proxy, [authorise(number) for number in range(calls)])
    set_up_s = time.process_time() - began_s
    assert len(replies) == calls
    assert all(b'"MaxUsage":10800' in reply for reply in replies), "every call is promised three hours"
    await _hear(proxy, [make(number) for number in range(calls) for make in (start, end)])
    whole_s = time.process_time() - began_s
    await service.drained()
    assert not proxy.calls, "every call has ended"
    sys.stdout.write(
        f"agent and core alone:  {calls / set_up_s:7.0f} set-ups/s  {calls / whole_s:7.0f} whole calls/s"
        f"  ({set_up_s / calls * 1e6:.0f} us a set-up)\n"
        f"bare client:           {calls / bare_s:7.0f} set-ups/s: agent and core take {set_up_s / bare_s:.1f} times"
        " as long\n"
    )


def baseline(calls: int) -> float:
    """Seconds a bare client takes to read so many authorisations and to answer them."""
    stream = b"".join(encode_netstring(authorise(number)) for number in range(calls))
    began_s = time.process_time()
    place = written = 0
    while place < len(stream):
        colon = stream.index(b":", place)
        end_at = colon + 1 + int(stream[place:colon])
        asked = json.loads(stream[colon + 1 : end_at])
        reply = {
            "Event": "CGR_AUTH_REPLY",
            "TransactionIndex": asked["tr_index"],
            "TransactionLabel": asked["tr_label"],
            **dict.fromkeys(("Attributes", "ResourceAllocation", "Routes", "Thresholds", "StatQueues"), ""),
            "MaxUsage": 10_800,
            "Error": "",
        }
        payload = json.dumps(reply).encode()
        written += len(b"%d:%b," % (len(payload), payload))
        place = end_at + 1
    assert written > calls * 100
    return time.process_time() - began_s


async def _hear(proxy: ProxyCalls, payloads: list[bytes]) -> None:
    decoder = NetstringDecoder()
    for first in range(0, len(payloads), AT_ONCE):
        stream = b"".join(map(encode_netstring, payloads[first : first + AT_ONCE]))
        for payload in decoder.feed(stream):
            proxy.received(decode_message(payload))
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)


async def cgrates_in_process(calls: int) -> None:
    """The same on the configuration and the arithmetic of CGRateS, without a journal."""
    folder = ROOT / "docs" / "examples" / "cgrates"
    configuration, _ = config.load(folder / "kamailio")
    runtime = Runtime(msgspec.structs.replace(configuration, raw={}))
    for account in range(ACCOUNTS):
        key = f"cgrates.org:{account}"
        balances = {"*monetary": (Balance(f"uid{account}", "main", 10**18),)}
        runtime.state.put_accounts({key: Account(key, balances)})
    tariff.load(runtime.state, tariff.read_folder(folder / "tariffs"))
    (proxy,) = VoiceAgents(runtime).kamailio.proxies.values()
    replies: list[bytes] = []

    def send(payload: bytes) -> bool:
        replies.append(payload)
        return True

    proxy.send = send
    began_s = time.process_time()
    await _hear(proxy, [authorise(number, "cgrates.org") for number in range(calls)])
    set_up_s = time.process_time() - began_s
    promised = sum(b'"MaxUsage":10800' in reply for reply in replies)
    assert promised == calls, f"{promised} of {calls} are promised three hours"
    both = [make(number, "cgrates.org") for number in range(calls) for make in (start, end)]
    await _hear(proxy, both)
    whole_s = time.process_time() - began_s
    assert not proxy.calls, "every call has ended"
    assert len(runtime.state.tables[Kind.CDR]) == calls, "every call has its record"
    sys.stdout.write(
        f"on CGRateS' arithmetic: {calls / set_up_s:6.0f} set-ups/s  {calls / whole_s:7.0f} whole calls/s"
        f"  ({set_up_s / calls * 1e6:.0f} us a set-up)\n"
    )


# --- a server


class EvapiServer(Server):
    """`ocs serve` that connects to this process."""

    def __init__(self, folder: Path, evapi_port: int, core: int | None) -> None:
        self.evapi_port = evapi_port
        super().__init__(folder, core=core)

    def _settings(self, tariffs: str, accounts: str) -> dict[str, object]:
        connection = {"host": "127.0.0.1", "port": self.evapi_port, "name": "kam1"}
        return super()._settings(tariffs, accounts) | {"kamailio": {"connections": [connection]}}


class Proxy(asyncio.Protocol):
    """A Kamailio with a fixed number of calls under way."""

    def __init__(self, calls: int, is_whole: bool) -> None:
        self.calls = calls
        self.is_whole = is_whole
        self.asked = self.promised = 0
        self.sent_s: deque[float] = deque()
        self.waits_s: list[float] = []
        self.done = asyncio.Event()
        self._decoder = NetstringDecoder()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The server has connected: begin."""
        self._transport = transport
        for _ in range(AT_ONCE):
            self._ask()

    def _ask(self) -> None:
        if self.asked < self.calls:
            self._transport.write(encode_netstring(authorise(self.asked)))
            self.sent_s.append(time.perf_counter())
            self.asked += 1

    def data_received(self, data: bytes) -> None:
        """Promises come back in the order of the questions."""
        for payload in self._decoder.feed(data):
            reply = json.loads(payload)
            if "MaxUsage" not in reply:
                continue
            assert reply["MaxUsage"] > 0, reply
            self.waits_s.append(time.perf_counter() - self.sent_s.popleft())
            number = int(reply["TransactionIndex"])
            self.promised += 1
            if self.is_whole:
                self._transport.write(encode_netstring(start(number)) + encode_netstring(end(number)))
            self._ask()
        if self.promised >= self.calls:
            self.done.set()


async def served(calls: int, is_whole: bool) -> None:
    """Set-ups per second of a server, and how long one takes."""
    loop = asyncio.get_running_loop()
    proxy = Proxy(calls, is_whole)
    listener = await loop.create_server(lambda: proxy, "127.0.0.1", 0)
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        port = listener.sockets[0].getsockname()[1]
        server = EvapiServer(Path(folder), port, cores[-1] if len(cores) > 1 else None)
        started = loop.run_in_executor(None, server.start)
        while proxy.asked == 0:  # noqa: ASYNC110 - it begins when the server has connected
            await asyncio.sleep(0.001)
        began_s, cpu_s = time.perf_counter(), server.usage().cpu_s
        try:
            async with asyncio.timeout(PATIENCE_S):
                await proxy.done.wait()
                took_s = time.perf_counter() - began_s
                cpu_s = server.usage().cpu_s - cpu_s
                await started
        finally:
            listener.close()
            server.kill()
    waits_ms = sorted(wait_s * 1_000 for wait_s in proxy.waits_s)
    name = "whole calls" if is_whole else "set-ups"
    p50_ms, p99_ms = waits_ms[calls // 2], waits_ms[calls * 99 // 100]
    sys.stdout.write(
        f"ocs serve, {AT_ONCE} at once: {calls / took_s:6.0f} {name}/s on one core,"
        f" p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms, {cpu_s / took_s:.0%} of the core\n"
    )


def main() -> int:
    """Print a line for each measurement."""
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else CALLS
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    asyncio.run(in_process(calls))
    asyncio.run(cgrates_in_process(calls // 4))
    for is_whole in (False, True):
        asyncio.run(served(calls, is_whole))
    return 0


if __name__ == "__main__":
    sys.exit(main())
