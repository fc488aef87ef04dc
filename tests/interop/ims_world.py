"""Kamailio with ims_charging, callers and callees of sipp, and a charging server that it asks over Diameter."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tests.interop.capture import Capture
from tests.interop.programs import Program, filled
from tests.support.ports import free_ports
from tests.support.waiting import until

HERE = Path(__file__).parent / "kamailio"
KAMAILIO = "scscf.test.invalid"
CALLED = "2001"


class Charging(Protocol):
    """What calls need of the server that charges them."""

    diameter_port: int

    def open_peers(self) -> set[str]:
        """The Origin-Hosts of the peers that are connected."""
        ...

    def sessions(self, account: str) -> list[dict[str, Any]]:
        """The open sessions of an account."""
        ...

    def end(self) -> None:
        """Stop it in order."""


class Ims:
    """Kamailio between a caller and a callee, with the charging server beside it."""

    def __init__(self, folder: Path, serve: Callable[[Path], Charging]) -> None:
        self.folder = folder
        self.server = serve(folder)
        self.capture = Capture(folder / "ro.pcapng", self.server.diameter_port)
        self.sip_port, self.callee_port = free_ports(2)
        values = {
            "folder": folder,
            "sip_port": self.sip_port,
            "callee_port": self.callee_port,
            "diameter_port": self.server.diameter_port,
        }
        for name in ("kamailio.cfg", "DiameterPeer.xml"):
            (folder / name).write_text(filled(HERE / name, **values))
        runtime = "-Y", folder, "-w", folder
        self.kamailio = Program(
            ["kamailio", "-f", folder / "kamailio.cfg", "-DD", "-E", "-m", "64", "-M", "8", *runtime],
            folder / "kamailio.log",
        )
        self.callee = self._sipp("callee", "-sf", HERE / "callee.xml", "-p", self.callee_port)
        self.until_connected()
        self.calls = 0

    def _sipp(self, name: str, *arguments: object) -> Program:
        command = ["sipp", "-nostdin", "-i", "127.0.0.1", "-trace_err", *map(str, arguments)]
        return Program(command, self.folder / f"{name}.log", cwd=self.folder)

    def until_connected(self) -> None:
        """Wait until Kamailio's Diameter peer is the server."""
        self.kamailio.until(lambda: KAMAILIO in self.server.open_peers(), "Kamailio connects")

    def call(self, scenario: str, callers: list[str], *arguments: object) -> Program:
        """Start calls, one of each caller."""
        self.calls += 1
        users = self.folder / f"users{self.calls}.csv"
        users.write_text("SEQUENTIAL\n" + "".join(f"{caller};{CALLED}\n" for caller in callers))
        (port,) = free_ports(1)
        fixed = "-sf", HERE / f"{scenario}.xml", "-p", port, "-m", len(callers), "-inf", users
        limits = "-timeout", "200s", "-recv_timeout", 190_000
        return self._sipp(f"call{self.calls}", *fixed, *limits, *arguments, f"127.0.0.1:{self.sip_port}")

    def over(self, call: Program, *callers: str) -> None:
        """Wait until calls have ended as their scenario says, and their sessions with them."""
        status = call.wait()
        assert status == 0, f"sipp ended with {status}\n{call.output()[-3000:]}"
        until(lambda: not any(map(self.server.sessions, callers)), "the sessions are closed")

    def end(self) -> None:
        """End everything."""
        self.capture.end()
        for program in (self.kamailio, self.callee):
            program.kill()
        self.server.end()
