"""`ocs cgrates` and `ocs serve` killed in the middle of sessions with three runs and a resource, again and again.

Three accounts pay the same for every run, so their balances stay equal whatever moment the server dies at; every
active session holds its resource, and nothing else does. Every hit of an asynchronous threshold tops up a fourth
account by one.
"""

import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S
from tests.test_app import ROOT

ON = ["*internal"]
GIFTED = "gifted"
ACCOUNTS = ("customer", "carrier", "reseller")
FOLDER = {
    "Destinations.csv": "DE,49\n",
    "Rates.csv": "RT,0.01,0.6,60s,1s,0s\n",
    "DestinationRates.csv": "DR,DE,RT,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\n",
    "RatingProfiles.csv": "cgrates.org,call,*any,2014-01-14T00:00:00Z,RP,\n",
    "Chargers.csv": "".join(
        f"cgrates.org,{name},,,{name},*constant:*req.Account:{name},0\n" for name in ACCOUNTS
    ),
    "Actions.csv": "GIFT,*topup,,,main,*monetary,,,,,*unlimited,,1,10,false,false,10\n",
    "Thresholds.csv": "cgrates.org,GIVING,*string:~*req.EventName:HIT,,-1,1,0,false,10,GIFT,true,\n",
    "Resources.csv": "cgrates.org,CHANNELS,,,-1,-1,ok,false,true,10,*none\n",
}


SERVE = """
identity: {{origin_host: ocs.example.org, origin_realm: example.org}}
diameter: {{listen: []}}
charging: {{tariffs: tariff, accounts: accounts.yaml}}
sessions: {{profiles: tariff}}
rpc: {{jsonrpc: "127.0.0.1:{port}", bidirectional: none, http: none}}
log: {{format: json}}
"""


def configuration(port: int) -> dict[str, Any]:
    wired = (
        "rals_conns",
        "thresholds_conns",
        "cdrs_conns",
        "chargers_conns",
        "attributes_conns",
        "resources_conns",
    )
    return {
        "listen": {"rpc_json": f"127.0.0.1:{port}", "http": "", "birpc_json": ""},
        "rals": {"enabled": True},
        "apiers": {"enabled": True},
        "chargers": {"enabled": True, "attributes_conns": ON},
        "attributes": {"enabled": True},
        "resources": {"enabled": True},
        "thresholds": {"enabled": True},
        "cdrs": {"enabled": True, "rals_conns": ON},
        "sessions": {"enabled": True, **dict.fromkeys(wired, ON)},
    }


class Link:
    """One connection; requests may be sent before earlier answers are there."""

    def __init__(self, port: int) -> None:
        self._socket = self._connect(port)
        self._file = self._socket.makefile("rb")
        self._last = 0

    def _connect(self, port: int) -> socket.socket:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), PATIENCE_S)
            except ConnectionRefusedError:
                assert time.monotonic() < until, "the server does not come up"
                time.sleep(0.02)  # another process: there is nothing to wait for but its port

    def send(self, method: str, params: dict[str, Any]) -> int:
        """Asks; the number that the answer will have."""
        self._last += 1
        self._socket.sendall(json.dumps({"method": method, "id": self._last, "params": [params]}).encode())
        return self._last

    def answer(self) -> dict[str, Any]:
        line = self._file.readline()
        if not line:
            raise ConnectionError
        found: dict[str, Any] = json.loads(line)
        return found

    def call(self, method: str, params: dict[str, Any]) -> Any:
        self.send(method, params)
        answer = self.answer()
        assert answer["error"] in (None, "NOT_FOUND"), answer
        return answer["result"]

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class World:
    """A server in a folder of its own, and what was asked of it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.port = free_port()
        self.sessions = 0
        (folder / "etc").mkdir()
        (folder / "tariff").mkdir()
        (folder / "etc" / "cgrates.json").write_text(json.dumps(configuration(self.port)))
        for name, text in FOLDER.items():
            (folder / "tariff" / name).write_text(text)

    def start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "ocs", "cgrates", "-config_path", str(self.folder / "etc")]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*command, "-data_dir", str(self.folder / "data")],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def event(self, origin_id: str) -> dict[str, Any]:
        return {
            "OriginID": origin_id,
            "OriginHost": "sbc",
            "RequestType": "*prepaid",
            "ToR": "*voice",
            "Category": "call",
            "Account": "customer",
            "Destination": "49301",
            "AnswerTime": "2026-06-15T12:00:00Z",
            "Usage": "30s",
        }

    def traffic(self, link: Link) -> None:
        """Begins, continues and ends sessions without waiting; returns when enough was answered."""
        sent = 0
        for _ in range(self.chance.randrange(2, 12)):
            self.sessions += 1
            event = self.event(f"s{self.sessions}")
            link.send(
                "SessionSv1.InitiateSession", {"InitSession": True, "AllocateResources": True, "Event": event}
            )
            link.send("SessionSv1.UpdateSession", {"UpdateSession": True, "Event": event})
            hit = {"Event": {"EventName": "HIT", "Account": GIFTED}}
            link.send(
                "ThresholdSv1.ProcessEvent", {"Tenant": "cgrates.org", "ID": f"h{self.sessions}", **hit}
            )
            sent += 3
            if self.chance.random() < 0.5:
                end = {"TerminateSession": True, "ReleaseResources": True, "Event": event | {"Usage": "45s"}}
                link.send("SessionSv1.TerminateSession", end)
                sent += 1
        for _ in range(self.chance.randrange(sent)):
            link.answer()

    def check(self, link: Link) -> None:
        """What must hold at any moment."""
        balances = [self.balance(link, name) for name in ACCOUNTS]
        assert all(each == balances[0] for each in balances), (
            f"a run was charged without its siblings: {balances}"
        )
        hits = link.call("ThresholdSv1.GetThreshold", {"Tenant": "cgrates.org", "ID": "GIVING"})["Hits"]
        until = time.monotonic() + PATIENCE_S
        while (gifts := self.gifts(link)) != hits:
            assert time.monotonic() < until, f"{hits} hits have made {gifts} gifts"
            time.sleep(0.02)  # what the last process could not do is done beside
        held = set(link.call("ResourceSv1.GetResource", {"ID": "CHANNELS"})["Usages"])
        active = link.call("SessionSv1.GetActiveSessions", {}) or []
        assert held == {each["OriginID"] for each in active}
        assert len(active) == len(ACCOUNTS) * len(held), "every active session has all its runs"

    def balance(self, link: Link, name: str) -> object:
        account = link.call("APIerSv2.GetAccount", {"Account": name})
        value: float = account["BalanceMap"]["*monetary"][0]["Value"]
        return round(value, 6)

    def gifts(self, link: Link) -> int:
        account = link.call("APIerSv2.GetAccount", {"Account": GIFTED})
        return int(account["BalanceMap"]["*monetary"][0]["Value"])

    def fill(self, link: Link) -> None:
        """Loads the tariff and gives every account its money."""
        folder = {"FolderPath": str(self.folder / "tariff")}
        assert link.call("APIerSv1.LoadTariffPlanFromFolder", folder) == "OK"
        for name, value in (*[(each, 100_000) for each in ACCOUNTS], (GIFTED, 0)):
            balance = {"ID": "main", "Weight": 10}
            request = {"Account": name, "BalanceType": "*monetary", "Value": value, "Balance": balance}
            assert link.call("APIerSv1.SetBalance", request) == "OK"

    def end_all(self, link: Link) -> None:
        """Ends what is active; nothing is held any more."""
        for each in {each["OriginID"] for each in link.call("SessionSv1.GetActiveSessions", {}) or []}:
            end = {"TerminateSession": True, "ReleaseResources": True, "Event": self.event(each)}
            assert link.call("SessionSv1.TerminateSession", end) == "OK"
        assert link.call("ResourceSv1.GetResource", {"ID": "CHANNELS"})["Usages"] == {}
        self.check(link)


class ExactWorld(World):
    """The same on `ocs serve`: what is held is the same for every run too."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder, seed)
        accounts = [
            f'- {{tenant: cgrates.org, key: {name}, plan: "cgrates.org:*any", balances: [{{money: "{value}"}}]}}'
            for name, value in (*[(each, "100000.00") for each in ACCOUNTS], (GIFTED, "0.00"))
        ]
        (folder / "accounts.yaml").write_text("accounts:\n" + "\n".join(accounts), encoding="utf-8")
        (folder / "ocs.yaml").write_text(SERVE.format(port=self.port), encoding="utf-8")
        (folder / "data").mkdir()

    def start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "ocs", "serve", "--config", str(self.folder / "ocs.yaml")]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--data-dir", str(self.folder / "data")],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def balance(self, link: Link, name: str) -> object:
        account = link.call("OcsV1.AccountShow", {"account": f"cgrates.org:{name}"})
        return [(each["posted"]["nanos"], each["reserved"]["nanos"]) for each in account["balances"]]

    def gifts(self, link: Link) -> int:
        account = link.call("OcsV1.AccountShow", {"account": f"cgrates.org:{GIFTED}"})
        return sum(int(each["posted"]["nanos"]) for each in account["balances"]) // 10**9

    def fill(self, link: Link) -> None:
        """The accounts are there from the start."""


def prepare(world: World) -> None:
    """Loads the tariff and fills the accounts."""
    server = world.start()
    link = Link(world.port)
    world.fill(link)
    link.close()
    server.kill()
    server.wait(PATIENCE_S)


def kill_and_check(world: World, kills: int) -> int:
    """Kills a server as often as told, and looks at it each time; the sessions there were."""
    prepare(world)
    for _ in range(kills):
        server = world.start()
        try:
            link = Link(world.port)
            world.check(link)
            world.traffic(link)
        finally:
            server.kill()
            server.wait(PATIENCE_S)
        link.close()
    server = world.start()
    try:
        link = Link(world.port)
        world.check(link)
        world.end_all(link)
        link.close()
    finally:
        server.kill()
        server.wait(PATIENCE_S)
    return world.sessions


def test_no_run_is_charged_without_its_siblings_and_no_resource_leaks(tmp_path: Path) -> None:
    assert kill_and_check(World(tmp_path, 1), kills=3) > 3


def test_nor_on_the_exact_core(tmp_path: Path) -> None:
    assert kill_and_check(ExactWorld(tmp_path, 1), kills=3) > 3


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_same_a_hundred_times(tmp_path: Path) -> None:
    assert kill_and_check(World(tmp_path, 2), kills=100) > 100


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_same_a_hundred_times_on_the_exact_core(tmp_path: Path) -> None:
    assert kill_and_check(ExactWorld(tmp_path, 2), kills=100) > 100
