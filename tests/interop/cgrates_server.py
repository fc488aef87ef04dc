"""`ocs cgrates` as its users run it: a process with an example folder, asked over JSON-RPC."""

import json
import sys
from pathlib import Path
from typing import Any

from ocs.cli.jsonrpc import CallError, call
from tests.interop.programs import Program, is_listening
from tests.interop.server import PROJECT
from tests.support.ports import free_ports

EXAMPLES = PROJECT / "docs" / "examples" / "cgrates"
TENANT = "cgrates.org"
SECOND = 1_000_000  # nanos a second of a call costs
CREDIT = {"1002": 0.0, "1003": 0.065, "1005": 0.003}
RICH = ("1001", "1004", "1006", "1007", "1008", "1009")


class CgratesServer:
    """`ocs cgrates` with an example and what is `changed` in it; what it has stored survives `kill` and `start`."""

    def __init__(self, folder: Path, example: str, changed: dict[str, Any]) -> None:
        self.folder = folder
        (self.rpc_port,) = free_ports(1)
        self.configuration = folder / "cgrates"
        self.configuration.mkdir()
        text = (EXAMPLES / example / "cgrates.json").read_text()
        (self.configuration / "cgrates.json").write_text(text)
        listen = {"rpc_json": f"127.0.0.1:{self.rpc_port}", "birpc_json": "", "http": ""}
        (self.configuration / "ports.json").write_text(json.dumps({"listen": listen, **changed}))
        self.program = self.start()
        self.call("APIerSv1.LoadTariffPlanFromFolder", FolderPath=str(EXAMPLES / "tariffs"))
        for account, value in (CREDIT | dict.fromkeys(RICH, 10.0)).items():
            self.set_money(account, value)

    def start(self) -> Program:
        """Start it, and return when it answers."""
        folders = "-config_path", self.configuration, "-data_dir", self.folder / "data"
        self.program = Program(
            [sys.executable, "-m", "ocs", "cgrates", *folders], self.folder / "ocs.log", cwd=PROJECT
        )
        self.program.until(lambda: is_listening(self.rpc_port), "the server listens")
        return self.program

    def kill(self) -> None:
        """End it as a power failure would."""
        self.program.kill()

    def end(self) -> None:
        """Stop it in order."""
        self.program.end()

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a method."""
        return call(f"127.0.0.1:{self.rpc_port}", method, parameters)

    def set_money(self, account: str, value: float) -> None:
        """Set the money of an account."""
        named = {"Tenant": TENANT, "Account": account, "BalanceType": "*monetary"}
        self.call("APIerSv1.SetBalance", **named, Value=value, Balance={"ID": "main"})

    def nanos(self, account: str) -> int:
        """Money of an account."""
        found = self.call("APIerSv2.GetAccount", Tenant=TENANT, Account=account)
        return sum(round(each["Value"] * 1_000_000_000) for each in found["BalanceMap"]["*monetary"])

    def sessions(self, account: str) -> list[dict[str, Any]]:
        """The active sessions of an account."""
        try:
            found = self.call("SessionSv1.GetActiveSessions", Tenant=TENANT, Filters=[])
        except CallError as error:
            if "NOT_FOUND" in str(error):
                return []
            raise
        return [each for each in found if each["Account"] == account]

    def records(self, account: str) -> list[dict[str, Any]]:
        """The records of an account."""
        found = self.call("APIerSv2.GetCDRs", Tenants=[TENANT], Accounts=[account])
        return list(found or [])
