"""The server as its users run it: a process with a configuration file, asked over JSON-RPC."""

import sys
from pathlib import Path
from typing import Any

from ocs.cli.jsonrpc import call
from tests.interop.programs import Program, filled, is_listening
from tests.support.ports import free_ports

TEMPLATES = Path(__file__).parent / "ocs"
PROJECT = Path(__file__).parents[2]
HOST = "ocs.test.invalid"
REALM = "test.invalid"
NANOS_PER_SECOND = 1_000_000  # of a call, in tariffs.yaml


class Server:
    """`ocs serve` on ports of its own; what it has stored survives `kill` and `start`."""

    def __init__(self, folder: Path, config: str = "ocs.yaml") -> None:
        self.folder = folder
        self.diameter_port, self.rpc_port = free_ports(2)
        for name in ("tariffs.yaml", "accounts.yaml"):
            (folder / name).write_text((TEMPLATES / name).read_text())
        ports = {"diameter_port": self.diameter_port, "rpc_port": self.rpc_port}
        (folder / "ocs.yaml").write_text(filled(TEMPLATES / config, **ports))
        self.program = self.start()

    def start(self) -> Program:
        """Start it, and return when it takes connections."""
        files = "--config", self.folder / "ocs.yaml", "--data-dir", self.folder / "data"
        self.program = Program(
            [sys.executable, "-m", "ocs", "serve", *files], self.folder / "ocs.log", cwd=PROJECT
        )
        ports = self.rpc_port, self.diameter_port
        self.program.until(lambda: all(map(is_listening, ports)), "the server listens")
        return self.program

    def kill(self) -> None:
        """End it as a power failure would."""
        self.program.kill()

    def end(self) -> None:
        """Stop it in order."""
        self.program.end()

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a method of `OcsV1`."""
        return call(f"127.0.0.1:{self.rpc_port}", f"OcsV1.{method}", parameters)

    def money(self, account: str) -> tuple[int, int]:
        """Posted and reserved nanos of the main balance."""
        view = self.call("AccountShow", account=account)
        (main,) = [each for each in view["balances"] if each["id"] == "main"]
        return int(main["posted"]["nanos"]), int(main["reserved"]["nanos"])

    def sessions(self, account: str) -> list[dict[str, Any]]:
        """The open sessions of an account."""
        return list(self.call("SessionList", account=account)["sessions"])

    def records(self, account: str) -> list[dict[str, Any]]:
        """The charging records of an account, the newest first."""
        return list(self.call("CdrList", account=account)["cdrs"])

    def is_consistent(self) -> bool:
        """Whether every balance is what its entries and holds say."""
        return bool(self.call("AccountVerify")["ok"])

    def open_peers(self) -> set[str]:
        """The Origin-Hosts of the peers that are connected."""
        return {peer["origin_host"] for peer in self.call("PeerList")["peers"] if peer["state"] == "open"}
