"""`ocs serve` with `rounding: cgrates` as a process, a Diameter client of it, and its JSON-RPC port."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from ocs.diameter import avps
from ocs.diameter.avp import encode_utf8, group
from tests.cgrates.engine import write_folder
from tests.conformance.client import ALICE_IMSI, CLIENT, Client, cer
from tests.support.ports import free_ports
from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[3]
ALICE = ALICE_IMSI
TARIFF = {
    "Destinations.csv": "D,49\n",
    "Rates.csv": "RV,0.05,0.6,60s,1s,0s\nRD,0,1,1048576,1024,0s\nRS,0,0.7,1,1,0s\n",
    "DestinationRates.csv": "DV,D,RV,*up,4,0,\nDD,*any,RD,*up,4,0,\nDS,*any,RS,*up,4,0,\n",
    "RatingPlans.csv": "PV,DV,*any,10\nPD,DD,*any,10\nPS,DS,*any,10\n",
    "RatingProfiles.csv": (
        "cgrates.org,call,*any,2014-01-14T00:00:00Z,PV,\n"
        "cgrates.org,data,*any,2014-01-14T00:00:00Z,PD,\n"
        "cgrates.org,sms,*any,2014-01-14T00:00:00Z,PS,\n"
    ),
    "Actions.csv": "GIVE,*topup,,,main,*monetary,,*any,,,*unlimited,,2000,10,false,false,10\n",
    "ActionPlans.csv": "AP,GIVE,*asap,10\n",
    "AccountActions.csv": f"cgrates.org,{ALICE},AP,,,\n",
    "Chargers.csv": "cgrates.org,CH,,,*default,*none,0\n",
}
SETTINGS = """
identity: {{origin_host: ocs.example.net, origin_realm: example.net}}
diameter: {{listen: [{{port: {diameter}}}]{further}}}
charging:
  rounding: cgrates
  tariffs: {folder}
{charging}
rpc: {{jsonrpc: "127.0.0.1:{jsonrpc}", bidirectional: none, http: none}}
log: {{format: json, level: debug}}
{sections}
"""


class Served:
    """A server process in a folder; its ports stay when it is started again."""

    def __init__(
        self,
        folder: Path,
        tariff: Mapping[str, str],
        charging: str = "",
        further: str = "",
        sections: str = "",
    ) -> None:
        self.folder = folder
        self.diameter, self.jsonrpc = free_ports(2)
        (folder / "tariff").mkdir()
        write_folder(folder / "tariff", dict(tariff))
        (folder / "ocs.yaml").write_text(
            SETTINGS.format(
                diameter=self.diameter,
                jsonrpc=self.jsonrpc,
                folder=folder / "tariff",
                charging=charging,
                further=further,
                sections=sections,
            )
        )
        self._process: asyncio.subprocess.Process | None = None
        self._clients: list[Client] = []

    async def start(self) -> None:
        """Starts it, and waits until it is ready."""
        words = ("-m", "ocs", "serve", "--config", str(self.folder / "ocs.yaml"))
        with (self.folder / "log").open("ab") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, *words, "--data-dir", str(self.folder / "data")),
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stderr=log,
            )
        async with asyncio.timeout(PATIENCE_S):
            while "server.ready" not in self.log().rpartition("server.stopped")[2]:
                assert process.returncode is None, self.log()
                await asyncio.sleep(0.05)

    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "log").read_text()

    async def kill(self) -> None:
        """Ends it without a warning."""
        self._hang_up()
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        (self.folder / "log").rename(self.folder / "log.before")

    async def stop(self) -> None:
        """Ends it in order."""
        self._hang_up()
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                assert await self._process.wait() == 0, self.log()
            for line in self.log().splitlines():
                assert msgspec.json.decode(line)["level"] not in ("error", "critical"), line

    def _hang_up(self) -> None:
        for client in self._clients:
            client.writer.close()
        self._clients.clear()

    async def client(self, host: str = CLIENT, state_id: int | None = None) -> Client:
        """A Gy client that is let in."""
        client = await Client.connect(("127.0.0.1", self.diameter))
        client.host = host
        self._clients.append(client)
        assert (await client.ask(cer(host, state_id=state_id))).code == 2001
        return client

    async def call(self, method: str, asked: object, missing: object = None) -> Any:
        """The result of a method of the API; `missing` is that of one that finds nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.jsonrpc, limit=1 << 24)
        writer.write(msgspec.json.encode({"id": 1, "method": method, "params": [asked]}) + b"\n")
        async with asyncio.timeout(PATIENCE_S):
            answer = msgspec.json.decode(await reader.readline())
        writer.close()
        if missing is not None and answer["error"] == "SERVER_ERROR: NOT_FOUND":
            return missing
        assert answer["error"] is None, answer
        return answer["result"]

    async def balances(self, account: str = ALICE) -> dict[str, list[float]]:
        """The balances of an account by kind."""
        found = await self.call("APIerSv2.GetAccount", {"Tenant": "cgrates.org", "Account": account})
        return {kind: [each["Value"] for each in rows] for kind, rows in (found["BalanceMap"] or {}).items()}

    async def money(self, account: str = ALICE) -> float:
        """The money of an account."""
        return sum((await self.balances(account))["*monetary"])

    async def records(self) -> list[dict[str, Any]]:
        """All records."""
        found: list[dict[str, Any]] = await self.call("CDRsV1.GetCDRs", {"Event": {}}, missing=[])
        return found


def to(number: str) -> bytes:
    """Service-Information of a call."""
    called = encode_utf8(avps.CALLED_PARTY_ADDRESS, f"tel:+{number}")
    return group(avps.SERVICE_INFORMATION, [group(avps.IMS_INFORMATION, [called])])


@asynccontextmanager
async def serving(
    folder: Path,
    tariff: Mapping[str, str] = TARIFF,
    charging: str = "",
    further: str = "",
    sections: str = "",
) -> AsyncIterator[Served]:
    """A server that is ready, ended in order; what it has logged as an error fails the test."""
    served = Served(folder, tariff, charging, further, sections)
    await served.start()
    try:
        yield served
    finally:
        await served.stop()
