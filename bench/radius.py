"""Accounting requests per second over RADIUS: `python bench/radius.py [sessions]`.

First the agent and the charging core alone, on a memory store without a network: the processor time of our own
code. Then `ocs serve` as it is, on a core of its own, with everything durable in SQLite before it is answered;
this process plays the access server, with so many requests out at a time. Before and behind it, in the same
run, the same datagrams go to an echo: a server in Python that reads a datagram and writes twenty octets back,
without looking.
"""

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))

import structlog  # noqa: E402

from bench.load.server import Server, on_core  # noqa: E402
from ocs.agents.radius.agent import RadiusAgent  # noqa: E402
from ocs.agents.radius.wire import codes  # noqa: E402
from ocs.agents.radius.wire.packet import Attribute, encode_request  # noqa: E402
from ocs.charging import acts  # noqa: E402
from ocs.charging.decision import Change  # noqa: E402
from ocs.charging.quota import ChargingPolicy  # noqa: E402
from ocs.charging.service import ChargingService  # noqa: E402
from ocs.charging.store.memory import MemoryStore  # noqa: E402
from ocs.charging.tariff.catalogue import Catalogue  # noqa: E402
from ocs.charging.tariff.files import read as read_tariff  # noqa: E402
from ocs.config.settings import RadiusClient, RadiusSettings  # noqa: E402
from ocs.config.shipped import demo_file, shipped_dictionaries  # noqa: E402
from ocs.metrics import Metrics  # noqa: E402
from tests.support.ports import free_port  # noqa: E402

SESSIONS = 5_000
INTERIMS = 4
AT_ONCE = 256
ACCOUNTS = 900  # those of the demo with much money
SECRET = b"s3cret-of-the-bench"
FIRST_ACCOUNT = 15_550_100_000
BATCH_S = 2.0  # without an answer: datagrams may get lost
ECHO = """
import socket, sys
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
own.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    datagram, address = own.recvfrom(4096)
    own.sendto(datagram[:20], address)
"""


def number(kind: int, value: int) -> Attribute:
    """An attribute of four octets."""
    return kind, (value & 0xFFFFFFFF).to_bytes(4, "big")


def request(session: int, step: int) -> bytes:
    """What an access server says at one step of a session: 0 Start, then interims, the last one Stop."""
    status = codes.START if step == 0 else codes.STOP if step > INTERIMS else codes.INTERIM_UPDATE
    said = [
        number(codes.ACCT_STATUS_TYPE, status),
        (codes.ACCT_SESSION_ID, f"{session:08x}".encode()),
        (codes.USER_NAME, str(FIRST_ACCOUNT + session % ACCOUNTS).encode()),
        (codes.NAS_IP_ADDRESS, bytes((127, 0, 0, 1))),
        number(codes.NAS_PORT, session),
        (codes.CALLING_STATION_ID, b"02-00-00-00-00-01"),
        (codes.CALLED_STATION_ID, b"02-00-00-00-00-02:bench"),
        (codes.FRAMED_IP_ADDRESS, bytes((10, 0, session >> 8 & 255, session & 255))),
        number(codes.EVENT_TIMESTAMP, int(time.time())),
        number(codes.ACCT_SESSION_TIME, step * 60),
        number(codes.ACCT_INPUT_OCTETS, step * 100_000),
        number(codes.ACCT_INPUT_GIGAWORDS, 0),
        number(codes.ACCT_OUTPUT_OCTETS, step * 900_000),
        number(codes.ACCT_OUTPUT_GIGAWORDS, 0),
    ]
    return encode_request(codes.ACCOUNTING_REQUEST, session % 256, said, SECRET, has_authenticator=False)


def requests(sessions: int) -> list[bytes]:
    """All requests, step by step over all sessions."""
    return [request(session, step) for step in range(INTERIMS + 2) for session in range(sessions)]


async def in_process(datagrams: list[bytes]) -> None:
    """The processor time of a request, from its octets to those of its answer."""
    tariffs, problems = read_tariff(demo_file("tariffs.yaml"))
    assert tariffs is not None, problems
    service = ChargingService(MemoryStore(), Catalogue(tariffs), ChargingPolicy(), Metrics())
    for account_number in range(ACCOUNTS):
        new = acts.NewAccount(str(FIRST_ACCOUNT + account_number), "standard", (), (acts.TopUp(10**18),))
        account, posting = acts.create(new, acts.Act(f"seed {account_number}", 0, "bench"))
        assert posting is not None
        await service.create(Change(account, (posting,), has_new_identities=True))
    settings = RadiusSettings((RadiusClient("127.0.0.1", "bench", SECRET.decode()),))
    agent = RadiusAgent(
        settings, service, lambda tenant, fields: (), Metrics(), shipped_dictionaries("radius")
    )
    answers: list[bytes] = []
    began_s = time.process_time()
    for place, datagram in enumerate(datagrams):
        agent.door.received(
            datagram,
            ("127.0.0.1", 40_000),
            codes.ACCOUNTING_REQUEST,
            lambda octets, to: answers.append(octets),
        )
        if place % AT_ONCE == 0:
            await asyncio.sleep(0)
    await agent.door.idle()
    assert len(answers) == len(datagrams)
    took_s = time.process_time() - began_s
    each_us = took_s / len(datagrams) * 1e6
    print(f"agent and core alone: {len(datagrams) / took_s:8.0f} requests/s, {each_us:.1f} us each")


class AccessServer:
    """Sends datagrams, a window of them at a time, again where an answer is lost; by identifier and port."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(BATCH_S)
        self.lost = 0

    def run(self, datagrams: list[bytes]) -> float:
        """Send all of them; how many were answered a second."""
        own, began_s = self._socket, time.monotonic()
        waiting: dict[int, bytes] = {}
        queue = iter(datagrams)
        done = 0
        for datagram in queue:
            while datagram[1] in waiting or len(waiting) >= AT_ONCE:
                done += self._one(own, waiting)
            waiting[datagram[1]] = datagram
            own.send(datagram)
        while waiting:
            done += self._one(own, waiting)
        assert done == len(datagrams)
        return done / (time.monotonic() - began_s)

    def _one(self, own: socket.socket, waiting: dict[int, bytes]) -> int:
        try:
            answer = own.recv(4_096)
        except TimeoutError:
            self.lost += len(waiting)
            for datagram in waiting.values():
                own.send(datagram)
            return 0
        return 0 if waiting.pop(answer[1], None) is None else 1


def echoed(datagrams: list[bytes]) -> float:
    """The same datagrams against the echo."""
    port = free_port()
    with on_core(0):
        process = subprocess.Popen([sys.executable, "-c", ECHO, str(port)])
    try:
        time.sleep(0.5)
        return AccessServer(port).run(datagrams)
    finally:
        process.kill()
        process.wait()


def served(datagrams: list[bytes]) -> None:
    """A whole server, durable, between two runs of the echo."""
    with tempfile.TemporaryDirectory() as name:
        server = Server(Path(name), core=0)
        port = free_port()
        settings: dict[str, Any] = json.loads(server.config.read_text())
        client = {"address": "127.0.0.1", "name": "bench", "secret": SECRET.decode()}
        listen = [{"authentication": "none", "accounting": f"127.0.0.1:{port}"}]
        settings["radius"] = {"clients": [client], "listen": listen}
        server.config.write_text(json.dumps(settings))
        before = echoed(datagrams)
        server.start()
        try:
            access, used_s = AccessServer(port), server.usage().cpu_s
            rate = access.run(datagrams)
            cpu_s = server.usage().cpu_s - used_s
        finally:
            server.stop()
        after = echoed(datagrams)
    share = rate / ((before + after) / 2)
    print(
        f"ocs serve, durable:   {rate:8.0f} requests/s, {cpu_s / len(datagrams) * 1e6:.0f} us of processor each"
    )
    print(f"the echo:             {before:8.0f} and {after:.0f} requests/s; the server has {share:.2f} of it")
    if access.lost:
        print(f"datagrams sent again: {access.lost}")


def main() -> None:
    """Measure both."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS
    datagrams = requests(sessions)
    asyncio.run(in_process(datagrams))
    served(datagrams)


if __name__ == "__main__":
    main()
