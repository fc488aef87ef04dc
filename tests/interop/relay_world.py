"""freeDiameter as an agent in front of a charging server, and what goes between them."""

from collections.abc import Callable
from pathlib import Path

from tests.interop.capture import Capture
from tests.interop.freediameter_rules import make_certificate
from tests.interop.ims_world import Charging
from tests.interop.programs import Program, filled
from tests.interop.server import HOST
from tests.support.ports import free_ports

HERE = Path(__file__).parent / "freediameter"
AGENT = "dra.test.invalid"
OPENED = f"-> 'STATE_OPEN'\t'{HOST}'"


class Relayed:
    """A server, freeDiameter in front of it, and what goes between them."""

    def __init__(self, folder: Path, serve: Callable[[Path], Charging]) -> None:
        self.folder = folder
        self.server = serve(folder)
        self.capture = Capture(folder / "gy.pcapng", self.server.diameter_port)
        (self.port,) = free_ports(1)
        make_certificate(folder, AGENT)
        values = {"folder": folder, "port": self.port, "diameter_port": self.server.diameter_port}
        for name in ("dra.conf", "acl.conf", "route.conf"):
            (folder / name).write_text(filled(HERE / name, **values))
        self.agent = self.start()

    def start(self) -> Program:
        """Start the agent, and return when it and the server have each other as peers.

        It takes the server for one only when it has read the answer that has made it the server's.
        """
        log = self.folder / "dra.log"
        before = log.read_text().count(OPENED) if log.exists() else 0
        self.agent = Program(["freeDiameterd", "-c", self.folder / "dra.conf"], log)
        self.agent.until(lambda: self.agent.output().count(OPENED) > before, "freeDiameter connects")
        self.agent.until(lambda: AGENT in self.server.open_peers(), "the server knows it")
        return self.agent

    def end(self) -> None:
        """End everything."""
        self.capture.end()
        self.agent.kill()
        self.server.end()
