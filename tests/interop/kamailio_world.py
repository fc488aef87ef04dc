"""Kamailio with the example configuration of docs/kamailio.md, callers and callees of sipp, a charging server."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tests.interop.programs import Program, is_listening
from tests.support.ports import free_ports
from tests.support.waiting import until

HERE = Path(__file__).parent / "kamailio_evapi"
SCENARIOS = HERE, Path(__file__).parent / "kamailio"
CONFIGURATION = Path(__file__).parents[2] / "docs" / "examples" / "kamailio" / "kamailio.cfg"
CALLED = "2001"


class Charging(Protocol):
    """What a call needs of the server that charges it."""

    def sessions(self, account: str) -> list[dict[str, Any]]:
        """The open sessions of an account."""
        ...

    def end(self) -> None:
        """Stop it in order."""


class World:
    """A proxy between a caller and a callee, with the charging server beside it."""

    def __init__(self, folder: Path, serve: Callable[[Path, int], Charging], tenant: str = "default") -> None:
        self.folder = folder
        self.tenant = tenant
        self.sip_port, self.evapi_port, self.callee_port = free_ports(3)
        self.calls = 0
        self.proxy = self.start_proxy()
        self.server = serve(folder, self.evapi_port)
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
            "TENANT": self.tenant,
        }
        given = [part for name, value in defines.items() for part in ("-A", f"{name}={value}")]
        fixed = "-DD", "-E", "-m", "64", "-M", "8", "-Y", folder, "-w", folder
        self.proxy = Program(["kamailio", "-f", CONFIGURATION, *given, *fixed], folder / "log")
        self.proxy.until(lambda: is_listening(self.evapi_port), "the proxy listens")
        return self.proxy

    def until_connected(self) -> None:
        """Wait until the proxy knows that it may ask."""
        self.proxy.until(lambda: self.connections() > 0, "ocs has connected")

    def connections(self) -> int:
        """Connections the proxy has now, as it has logged them."""
        log = self.proxy.output()
        return log.count("ocs has connected") - log.count("ocs has gone")

    def reasons(self) -> list[str]:
        """Why the server has ended calls, as the proxy has logged it."""
        return re.findall(r"ocs ends dialog \d+:\d+: (\w+)", self.proxy.output())

    def _sipp(self, name: str, *arguments: object) -> Program:
        command = ["sipp", "-nostdin", "-i", "127.0.0.1", "-trace_err", *map(str, arguments)]
        return Program(command, self.folder / f"{name}.log", cwd=self.folder)

    def call(self, scenario: str, caller: str, *arguments: object) -> Program:
        """Start one call."""
        self.calls += 1
        users = self.folder / f"users{self.calls}.csv"
        users.write_text(f"SEQUENTIAL\n{caller};{CALLED}\n")
        (port,) = free_ports(1)
        path = next(
            folder / f"{scenario}.xml" for folder in SCENARIOS if (folder / f"{scenario}.xml").exists()
        )
        fixed = "-sf", path, "-p", port, "-m", 1, "-inf", users, "-timeout", "200s", "-recv_timeout", 190_000
        return self._sipp(f"call{self.calls}", *fixed, *arguments, f"127.0.0.1:{self.sip_port}")

    def over(self, call: Program, caller: str) -> None:
        """Wait until a call has ended as its scenario says, and its session with it."""
        status = call.wait()  # of sipp, which gives up before this does
        assert status == 0, f"sipp ended with {status}\n{call.output()[-3000:]}"
        until(lambda: not self.server.sessions(caller), "the session is closed")

    def use_callee(self, scenario: str, rings_ms: int = 400) -> None:
        """Put somebody else at the other end."""
        self.callee.kill()
        changed = self.folder / f"{scenario}.xml"
        text = (HERE / changed.name).read_text()
        changed.write_text(text.replace('timeout="400"', f'timeout="{rings_ms}"'))
        self.callee = self._sipp(scenario, "-sf", changed, "-p", self.callee_port)

    def end(self) -> None:
        """End everything."""
        for program in (self.proxy, self.callee):
            program.kill()
        self.server.end()
