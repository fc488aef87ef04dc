"""`ocs serve` with RADIUS, and the programs of FreeRADIUS and Kamailio around it."""

import shutil
import subprocess
from pathlib import Path
from typing import Protocol

from tests.interop.programs import Program, filled
from tests.interop.server import TEMPLATES, Server
from tests.support.ports import free_ports
from tests.support.waiting import PATIENCE_S

HERE = Path(__file__).parent / "radius"
EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "radius"
SECRET = "s3cret-of-the-tests"


class Ports(Protocol):
    """Where a server listens, and where it sends Disconnect-Requests."""

    auth_port: int
    acct_port: int
    coa_port: int


class RadiusServer(Server):
    """The server with RADIUS; `client` are more settings of its one client, all of 127.0.0.1."""

    def __init__(self, folder: Path, client: str = "message_authenticator: optional") -> None:
        self.folder = folder
        self.diameter_port, self.rpc_port, self.auth_port, self.acct_port, self.coa_port = free_ports(5)
        for name in ("tariffs.yaml", "accounts.yaml"):
            (folder / name).write_text((TEMPLATES / name).read_text())
        (folder / "secret").write_text(f"{SECRET}\n")
        shutil.copytree(EXAMPLES / "profiles", folder / "profiles")
        values = {
            "diameter_port": self.diameter_port,
            "rpc_port": self.rpc_port,
            "auth_port": self.auth_port,
            "acct_port": self.acct_port,
            "client": f"disconnect_port: {self.coa_port}, {client}",
        }
        (folder / "ocs.yaml").write_text(filled(HERE / "ocs.yaml", **values))
        self.program = self.start()

    def start(self) -> Program:
        """Start it, and return when it takes packets."""
        log = self.folder / "ocs.log"
        before = log.read_text().count("server.ready") if log.exists() else 0
        program = super().start()
        program.until(lambda: program.output().count("server.ready") > before, "the server is ready")
        return program


class Said:
    """What radclient got: its exit status and all it printed."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.status = done.returncode
        self.output = done.stdout + done.stderr

    def has(self, *texts: str) -> bool:
        """Whether all of these were printed."""
        return all(text in self.output for text in texts)


def radclient(port: int, command: str, *packets: str, secret: str = SECRET, timeout_s: int = 60) -> Said:
    """Send packets, each in the words of radclient, one after the other."""
    done = subprocess.run(
        ["radclient", "-x", "-r", "1", "-p", "1", "-t", str(timeout_s), f"127.0.0.1:{port}", command, secret],
        input="\n\n".join(packets) + "\n",
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    return Said(done)


class FreeRadius:
    """FreeRADIUS as a proxy in front of a server, and as its access server."""

    def __init__(self, folder: Path, server: Ports) -> None:
        self.folder = folder
        self.auth_port, self.acct_port = free_ports(2)
        values = {
            "folder": folder,
            "secret": SECRET,
            "auth_port": server.auth_port,
            "acct_port": server.acct_port,
            "edge_auth_port": self.auth_port,
            "edge_acct_port": self.acct_port,
            "coa_port": server.coa_port,
        }
        (folder / "radiusd.conf").write_text(filled(HERE / "radiusd.conf", **values))
        command = ["freeradius", "-f", "-l", "stdout", "-d", str(folder), "-n", "radiusd"]
        self.program = Program(command, folder / "freeradius.log")
        self.program.until(lambda: "Ready to process" in self.program.output(), "FreeRADIUS is ready")

    def asked(self) -> list[str]:
        """What it was asked to do with sessions."""
        log = self.folder / "asked.log"
        return log.read_text().splitlines() if log.exists() else []

    def end(self) -> None:
        """Stop it."""
        self.program.end()


class SipProxy:
    """Kamailio with the example configuration, and a callee behind it."""

    def __init__(self, folder: Path, server: Ports) -> None:
        self.folder = folder
        self.sip_port, callee_port = free_ports(2)
        (folder / "servers").write_text(f"127.0.0.1 {SECRET}\n")
        (folder / "servers").chmod(0o600)
        (folder / "radius.conf").write_text(
            f"authserver 127.0.0.1:{server.auth_port}\n"
            f"acctserver 127.0.0.1:{server.acct_port}\n"
            f"servers {folder}/servers\n"
            f"dictionary {EXAMPLES}/dictionary.proxy\n"
            "default_realm\nradius_timeout 30\nradius_retries 1\nbindaddr 127.0.0.1\n"
        )
        defines = {
            "SIP": f"udp:127.0.0.1:{self.sip_port}",
            "NEXT_HOP": f'"sip:127.0.0.1:{callee_port}"',
            "RADIUS": f'"{folder}/radius.conf"',
        }
        given = [part for name, value in defines.items() for part in ("-A", f"{name}={value}")]
        fixed = ["-DD", "-E", "-m", "64", "-M", "8", "-Y", str(folder), "-w", str(folder)]
        command = ["kamailio", "-f", str(EXAMPLES / "kamailio.cfg"), *given, *fixed]
        self.proxy = Program(command, folder / "kamailio.log")
        self.proxy.until(lambda: is_bound(self.sip_port), "the proxy listens")
        callee = Path(__file__).parent / "kamailio_evapi" / "callee.xml"
        self.callee = self._sipp("callee", "-sf", callee, "-p", callee_port)
        self.callee.until(lambda: is_bound(callee_port), "the callee listens")

    def _sipp(self, name: str, *arguments: object) -> Program:
        command = ["sipp", "-nostdin", "-i", "127.0.0.1", "-trace_err", *map(str, arguments)]
        return Program(command, self.folder / f"{name}.log", cwd=self.folder)

    def call(self, caller: str, password: str, seconds: int, is_refused: bool = False) -> int:
        """Make a call; the exit status of sipp, 0 where all went as it was to go."""
        users = self.folder / "users.csv"
        users.write_text(
            f"SEQUENTIAL\n{caller};2001;[authentication username={caller} password={password}]\n"
        )
        (port,) = free_ports(1)
        lasting = "-d", seconds * 1_000, "-m", 1, "-inf", users, "-p", port
        target = f"127.0.0.1:{self.sip_port}"
        scenario = HERE / ("refused.xml" if is_refused else "caller.xml")
        return self._sipp("caller", "-sf", scenario, *lasting, target).wait()

    def end(self) -> None:
        """Stop everything."""
        self.callee.end()
        self.proxy.end()


def is_bound(port: int) -> bool:
    """Whether somebody has a UDP port of 127.0.0.1."""
    return f"0100007F:{port:04X} " in Path("/proc/net/udp").read_text()
