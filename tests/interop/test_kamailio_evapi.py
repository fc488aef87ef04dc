"""Kamailio with the example configuration of docs/kamailio.md asks over evapi for calls of sipp.

The proxy counts whole seconds, so a call is paid for exactly when the money taken is the price of the seconds it
reported; what it reported is in the charging record.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.programs import Program, filled, free_ports, is_listening, until
from tests.interop.server import NANOS_PER_SECOND, TEMPLATES, Server

pytestmark = pytest.mark.peer

HERE = Path(__file__).parent / "kamailio_evapi"
SCENARIOS = HERE, Path(__file__).parent / "kamailio"
CONFIGURATION = Path(__file__).parents[2] / "docs" / "examples" / "kamailio" / "kamailio.cfg"
CALLED = "2001"
MESSAGE_NANOS = 50_000_000


class ChargingServer(Server):
    """`ocs serve` that connects to a proxy."""

    def __init__(self, folder: Path, evapi_port: int) -> None:
        self.folder = folder
        self.diameter_port, self.rpc_port = free_ports(2)
        (folder / "accounts.yaml").write_text((HERE / "accounts.yaml").read_text())
        (folder / "tariffs.yaml").write_text((TEMPLATES / "tariffs.yaml").read_text())
        ports = {"diameter_port": self.diameter_port, "rpc_port": self.rpc_port, "evapi_port": evapi_port}
        (folder / "ocs.yaml").write_text(filled(HERE / "ocs.yaml", **ports))
        self.program = self.start()


class World:
    """A proxy between a caller and a callee, with the charging server beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sip_port, self.evapi_port, self.callee_port = free_ports(3)
        self.calls = 0
        self.proxy = self.start_proxy()
        self.server = ChargingServer(folder, self.evapi_port)
        self.callee = self._sipp("callee", "-sf", HERE / "callee.xml", "-p", self.callee_port)
        self.until_connected()

    def start_proxy(self) -> Program:
        """Start Kamailio; return when the server can connect to it."""
        folder = self.folder / f"kamailio{time.monotonic_ns()}"
        folder.mkdir()
        defines = {
            "SIP": f"udp:127.0.0.1:{self.sip_port}",
            "EVAPI": f'"127.0.0.1:{self.evapi_port}"',
            "NEXT_HOP": f'"sip:127.0.0.1:{self.callee_port}"',
        }
        given = [part for name, value in defines.items() for part in ("-A", f"{name}={value}")]
        fixed = "-DD", "-E", "-m", "64", "-M", "8", "-Y", folder, "-w", folder
        self.proxy = Program(["kamailio", "-f", CONFIGURATION, *given, *fixed], folder / "log")
        self.proxy.until(lambda: is_listening(self.evapi_port), "the proxy listens")
        return self.proxy

    def until_connected(self) -> None:
        """Wait until the proxy knows that it may ask."""
        is_probe_gone = "ocs has connected"
        self.proxy.until(lambda: self.connections() > 0, is_probe_gone)

    def connections(self) -> int:
        """Connections the proxy has now, as it has logged them."""
        log = self.proxy.output()
        return log.count("ocs has connected") - log.count("ocs has gone")

    def _sipp(self, name: str, *arguments: object) -> Program:
        command = ["sipp", "-nostdin", "-i", "127.0.0.1", "-trace_err", *map(str, arguments)]
        return Program(command, self.folder / f"{name}.log", cwd=self.folder)

    def call(self, scenario: str, caller: str, *arguments: object) -> Program:
        """Start one call."""
        self.calls += 1
        users = self.folder / f"users{self.calls}.csv"
        users.write_text(f"SEQUENTIAL\n{caller};{CALLED}\n")
        (port,) = free_ports(1)
        path = next(folder / f"{scenario}.xml" for folder in SCENARIOS if (folder / f"{scenario}.xml").exists())
        fixed = "-sf", path, "-p", port, "-m", 1, "-inf", users, "-timeout", "20s", "-recv_timeout", 10_000
        return self._sipp(f"call{self.calls}", *fixed, *arguments, f"127.0.0.1:{self.sip_port}")

    def until_running(self, caller: str) -> None:
        """Wait until a call has been answered."""
        log = self.server.program.output
        until(lambda: bool(self.server.sessions(caller)), "the call has been authorised")
        until(lambda: f'"{caller}"' in log() or self._has_started(caller), "the call has been answered")

    def _has_started(self, caller: str) -> bool:
        sessions = self.server.call("SessionShow", session=self.server.sessions(caller)[0]["session"])
        return bool(sessions)

    def over(self, call: Program, caller: str) -> None:
        """Wait until a call has ended as its scenario says, and its session with it."""
        status = call.wait(25)
        assert status == 0, f"sipp ended with {status}\n{call.output()[-3000:]}"
        until(lambda: not self.server.sessions(caller), "the session is closed")

    def use_callee(self, scenario: str) -> None:
        """Put somebody else at the other end."""
        self.callee.kill()
        self.callee = self._sipp(scenario, "-sf", HERE / f"{scenario}.xml", "-p", self.callee_port)

    def end(self) -> None:
        """End everything."""
        for program in (self.proxy, self.callee):
            program.kill()
        self.server.end()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("evapi"))
    yield world
    world.end()


def paid(server: Server, account: str, before: int) -> int:
    """Seconds an account has paid for since; the books are right and nothing is held any more."""
    posted, reserved = server.money(account)
    seconds, rest = divmod(before - posted, NANOS_PER_SECOND)
    assert (rest, reserved) == (0, 0)
    assert server.is_consistent()
    return seconds


def reported(record: dict[str, object]) -> int:
    """The seconds Kamailio said the call had lasted."""
    extra = record["extra"]
    assert isinstance(extra, dict)
    return int(extra["Usage"])


def test_probe(world: World) -> None:
    before, _ = world.server.money("1001")
    world.over(world.call("caller_ends", "1001", "-d", 2_500), "1001")
    print(world.server.records("1001"))
    print(world.server.program.output()[-3000:])
    print(paid(world.server, "1001", before))
    assert False
