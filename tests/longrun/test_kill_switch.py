"""Servers killed while their tariff is switched, in sessions and traffic: never half a tariff, and no debit lost.

On `ocs serve` two versions are activated and rolled back; on `ocs cgrates` two folders are loaded in turn. Every
price of the second is three times that of the first, so that whatever was charged tells by which one it was.
"""

import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.longrun.test_kill_runs import ACCOUNTS as RUNS
from tests.longrun.test_kill_runs import FOLDER, GIFTED, ON, Link, World, configuration
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_S
from tests.test_app import ROOT

DESTINATIONS = ("49", "43", "41", "33", "44", "1", "7", "81")
FACTORS = (1, 3)  # of the two tariffs
NANOS = 10**9
PRICE_NANOS = NANOS // 1_000  # of a second, by the first tariff
MONEY = 1_000_000


# --- ocs serve


def tariff_text(factor: int) -> str:
    """A tariff of many rates, all `factor` times the first one's."""
    rates = "".join(
        f'  r{prefix}: {{price: "0.{factor:03d}", per: 1s, increment: 1s}}\n' for prefix in DESTINATIONS
    )
    places = "".join(f'  d{prefix}: ["{prefix}"]\n' for prefix in DESTINATIONS)
    rules = "".join(
        f"      - {{name: to_{prefix}, to: d{prefix}, rate: r{prefix}}}\n" for prefix in DESTINATIONS
    )
    return f"currency: EUR\ndestinations:\n{places}rates:\n{rates}plans:\n  standard:\n    voice:\n{rules}"


SERVE = """
identity: {{origin_host: ocs.example.org, origin_realm: example.org}}
diameter: {{listen: []}}
charging: {{tariffs: one.yaml, accounts: accounts.yaml}}
rpc: {{jsonrpc: "127.0.0.1:{port}", bidirectional: none, http: none}}
log: {{format: json}}
"""
ACCOUNTS = [f"4930{number}" for number in range(6)]
Name = tuple[str, str, int]  # session, kind of request, its number


class Reported:
    """A usage that was told, until it is known to be paid, and the factors that it may have been priced by."""

    def __init__(self, params: dict[str, Any], seconds: int) -> None:
        self.params = params
        self.seconds = seconds
        self.factors: set[int] = set()
        self.is_acknowledged = False


class SwitchWorld:
    """`ocs serve` with two tariffs, and the books of its clients."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.port = free_port()
        self.reports: dict[Name, Reported] = {}
        self.open: dict[str, int] = {}  # sessions, with the number of their last update
        self.sessions = self.switches = 0
        self.factor = 1  # by the last switch that is known to be done
        self.asked: set[int] = set()  # what switches under way may lead to
        for name, factor in (("one", 1), ("three", 3)):
            (folder / f"{name}.yaml").write_text(tariff_text(factor), encoding="utf-8")
        accounts = [
            f'  - {{key: {name}, plan: standard, msisdn: "{name}", balances: [{{money: "{MONEY}.00"}}]}}\n'
            for name in ACCOUNTS
        ]
        (folder / "accounts.yaml").write_text(f"accounts:\n{''.join(accounts)}", encoding="utf-8")
        (folder / "ocs.yaml").write_text(SERVE.format(port=self.port), encoding="utf-8")
        (folder / "data").mkdir()
        self.run("tariff", "import", str(folder / "three.yaml"), "--data-dir", str(folder / "data"))

    def run(self, *words: str) -> None:
        """A command, which has to do what it is told."""
        ran = subprocess.run([sys.executable, "-m", "ocs", *words], cwd=ROOT, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def start(self) -> "subprocess.Popen[bytes]":
        """A server on the data of the one before."""
        command = [sys.executable, "-m", "ocs", "serve", "--config", str(self.folder / "ocs.yaml")]
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--data-dir", str(self.folder / "data")], cwd=ROOT, stdout=log, stderr=log
            )

    # --- what holds after every start

    def check(self, link: Link) -> None:
        """One tariff is in force, a whole one, and the one that was acknowledged last."""
        active = link.call("OcsV1.TariffList", {})["active"]
        costs = {
            link.call(
                "OcsV1.Rate",
                {"service": "voice", "plan": "standard", "called": f"{prefix}555", "usage": "10s"},
            )["cost_nanos"]
            for prefix in DESTINATIONS
        }
        factor = FACTORS[active]
        assert costs == {10 * PRICE_NANOS * factor}
        assert factor == self.factor or factor in self.asked
        self.factor, self.asked = factor, set()

    # --- traffic

    def traffic(self, link: Link) -> None:
        """Sends again what has no answer yet, then more, and reads some of the answers."""
        sent: dict[int, Reported | int] = {}  # a switch takes longer than what is asked behind it
        for report in self.reports.values():
            if not report.is_acknowledged:
                self._send(link, report, sent)
        for _ in range(self.chance.randrange(6, 40)):
            if self.chance.random() < 0.12:
                self._switch(link, sent)
            else:
                self._send(link, self._next(), sent)
        for _ in range(self.chance.randrange(len(sent) + 1)):
            answer = link.answer()
            self._take(sent.pop(answer["id"]), answer)

    def _send(self, link: Link, report: Reported, sent: dict[int, Reported | int]) -> None:
        report.factors |= {self.factor} | self.asked
        sent[link.send("OcsV1.Charge", report.params)] = report

    def _switch(self, link: Link, sent: dict[int, Reported | int]) -> None:
        if self.asked:
            return  # one at a time
        factor = next(each for each in FACTORS if each != self.factor)
        self.asked = {factor}
        if factor == 1 and self.chance.random() < 0.5:
            number = link.send("OcsV1.TariffRollback", {})
        else:
            number = link.send("OcsV1.TariffActivate", {"version": FACTORS.index(factor)})
        self.switches += 1
        sent[number] = factor

    def _take(self, one: Reported | int, answer: dict[str, Any]) -> None:
        assert answer["error"] is None, answer
        if isinstance(one, Reported):
            one.is_acknowledged = True
        elif answer["result"]["state"] == "active":
            self.factor, self.asked = one, set()

    def _next(self) -> Reported:
        """A new session, or one step of an open one."""
        if not self.open or self.chance.random() < 0.3:
            self.sessions += 1
            name = f"s{self.sessions}"
            self.open[name] = 0
            called = f"{self.chance.choice(DESTINATIONS)}555"
            account = self.chance.choice(ACCOUNTS)
            first = {"subscriber": account, "service": "voice", "called": called, "requested": "60s"}
            return self._report(name, "INITIAL", 0, 0, first)
        name = self.chance.choice(list(self.open))
        seconds = self.chance.randrange(1, 60)
        if self.chance.random() < 0.3:
            del self.open[name]
            return self._report(name, "TERMINATION", 0, seconds, {})
        self.open[name] += 1
        return self._report(name, "UPDATE", self.open[name], seconds, {"requested": "60s"})

    def _report(self, name: str, kind: str, number: int, seconds: int, more: dict[str, Any]) -> Reported:
        params = {"session": name, "kind": kind, **more}
        params |= {"used": f"{seconds}s"} if seconds else {}
        params |= {"event": number} if number else {}
        report = self.reports[name, kind, number] = Reported(params, seconds)
        return report

    def end_all(self, link: Link) -> None:
        """Everything is told and answered."""
        for name in list(self.open):
            del self.open[name]
            self._report(name, "TERMINATION", 0, self.chance.randrange(1, 60), {})
        for report in self.reports.values():
            if not report.is_acknowledged:
                report.factors.add(self.factor)
                self._take(report, _answered(link, "OcsV1.Charge", report.params))

    # --- the books

    def audit(self) -> Counter[int]:
        """Adds the file up against the books; how many reports were priced by which factor."""
        kinds = {1: "INITIAL", 2: "UPDATE", 3: "TERMINATION"}
        with sqlite3.connect(self.folder / "data" / "ocs.db") as connection:
            postings = [
                msgspec.msgpack.decode(row) for (row,) in connection.execute("select record from posting")
            ]
            accounts = [
                msgspec.msgpack.decode(row) for (row,) in connection.execute("select record from account")
            ]
        paid: dict[Name, int] = {}
        left = dict.fromkeys(ACCOUNTS, 0)
        for posting in postings:
            account, session_key, kind, event_id, _, entries = posting[:6]
            amount = sum(entry[3] for entry in entries)
            left[account.rpartition(":")[2]] += amount
            if session_key:
                name = session_key.partition("|")[2], kinds[kind], event_id if kinds[kind] == "UPDATE" else 0
                assert name not in paid, f"{name} was booked twice"
                paid[name] = -amount
        for record in accounts:
            assert record[2][0][2] == left[record[0].rpartition(":")[2]], (
                "a balance is not what its entries say"
            )
        priced: Counter[int] = Counter()
        for name, report in self.reports.items():
            amount = paid.pop(name, 0)
            factor, rest = divmod(amount, max(report.seconds * PRICE_NANOS, 1))
            assert rest == 0, f"{name}: {amount} for {report.seconds} s"
            assert not report.seconds or factor in report.factors, f"{name}: {factor} of {report.factors}"
            priced[factor] += bool(report.seconds)
        assert not paid, "something was booked that nobody has told"
        return priced


def _answered(link: Link, method: str, params: dict[str, Any]) -> dict[str, Any]:
    link.send(method, params)
    return link.answer()


def killed(world: Any, kills: int) -> None:
    """Kills a server as often as told, in the middle of traffic; at the end everything is ended in peace."""
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
        server.send_signal(signal.SIGTERM)
        server.wait(PATIENCE_S)


def switched(folder: Path, seed: int, kills: int) -> Counter[int]:
    """The whole story of `ocs serve`: how many reports were priced by which factor."""
    world = SwitchWorld(folder, seed)
    killed(world, kills)
    return world.audit()


# --- ocs cgrates


class LoadWorld(World):
    """`ocs cgrates` that loads two folders in turn; each load gives one message to the account `loads`, at once."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder, seed)
        self.asked: list[int] = []  # the factor of every load that counts, or may
        self.loads = 0  # how often one was sent
        self.acknowledged = 0  # of those that count
        self.started: set[str] = set()
        self.ended: set[str] = set()
        self.recorded: set[str] = set()
        wired = configuration(self.port)
        wired["chargers"]["enabled"] = True
        wired["cdrs"]["chargers_conns"] = ON
        (folder / "etc" / "cgrates.json").write_text(json.dumps(wired))
        for factor in FACTORS:
            place = folder / str(factor)
            place.mkdir()
            for name, text in cgrates_folder(factor).items():
                (place / name).write_text(text, encoding="utf-8")

    def event(self, origin_id: str) -> dict[str, Any]:
        """Every session has a destination of its own."""
        prefix = DESTINATIONS[int(origin_id[1:]) % len(DESTINATIONS)]
        return {**super().event(origin_id), "Destination": f"{prefix}301"}

    def fill(self, link: Link) -> None:
        """Money for everybody; the first load is that of `traffic`."""
        for name, value in (*[(each, MONEY) for each in RUNS], (GIFTED, 0)):
            balance = {"ID": "main", "Weight": 10}
            request = {"Account": name, "BalanceType": "*monetary", "Value": value, "Balance": balance}
            assert link.call("APIerSv1.SetBalance", request) == "OK"
        self.load(link)
        assert link.answer()["result"] == "OK"
        self.acknowledged = 1

    def load(self, link: Link) -> int:
        """Asks for the other folder; the number of the request."""
        factor = FACTORS[len(self.asked) % 2]
        self.asked.append(factor)
        self.loads += 1
        folder = {"FolderPath": str(self.folder / str(factor))}
        return link.send("APIerSv1.LoadTariffPlanFromFolder", folder)

    def check(self, link: Link) -> None:
        """The runs were charged alike; one folder is in force, a whole one, with what it has done at once."""
        super().check(link)
        found = link.call("APIerSv2.GetAccount", {"Account": "loads"})["BalanceMap"]["*sms"][0]["Value"]
        assert self.acknowledged <= found <= len(self.asked), "a load was lost, or its actions were run twice"
        costs = {
            link.call(
                "APIerSv1.GetCost",
                {
                    "Tenant": "cgrates.org",
                    "Category": "call",
                    "Subject": "x",
                    "Destination": f"{prefix}301",
                    "AnswerTime": "2026-06-15T12:00:00Z",
                    "Usage": "100s",
                },
            )["Cost"]
            for prefix in DESTINATIONS
        }
        assert costs == {round(0.1 * self.asked[int(found) - 1], 4)}
        self.asked = self.asked[: int(found)]
        self.acknowledged = len(self.asked)
        records = link.call("CDRsV1.GetCDRs", {}) if self.recorded else []
        assert self.recorded <= {each["OriginID"] for each in records}, "an acknowledged record is lost"

    def traffic(self, link: Link) -> None:
        """Begins, continues, ends and records sessions without waiting, and loads in between."""
        sent: dict[int, tuple[set[str] | None, str]] = {}  # a load takes longer than what is asked behind it

        def ask(method: str, flags: dict[str, Any], name: str, known: set[str], **more: Any) -> None:
            request = {**flags, "Event": {**self.event(name), **more}}
            sent[link.send(f"SessionSv1.{method}", request)] = known, name

        loads_at = self.chance.randrange(10)
        for number in range(self.chance.randrange(3, 14)):
            if number == loads_at:
                sent[self.load(link)] = None, "load"
            self.sessions += 1
            name = f"s{self.sessions}"
            ask("InitiateSession", {"InitSession": True, "AllocateResources": True}, name, self.started)
            if self.chance.random() < 0.7:
                ask("UpdateSession", {"UpdateSession": True}, name, self.started)
            if self.chance.random() < 0.6:
                flags = {"TerminateSession": True, "ReleaseResources": True}
                ask("TerminateSession", flags, name, self.ended, Usage="45s")
                ask("ProcessCDR", {}, name, self.recorded, Usage="45s")
            if self.chance.random() < 0.2:
                sent[link.send("CacheSv1.ReloadCache", {})] = set(), "cache"
        for _ in range(self.chance.randrange(len(sent) + 1)):
            answer = link.answer()
            known, name = sent.pop(answer["id"])
            assert answer["error"] is None, (name, answer)
            if known is None:
                self.acknowledged += 1
            else:
                known.add(name)

    def end_all(self, link: Link) -> None:
        """Ends and records everything, and adds it up."""
        super().end_all(link)
        for number in range(1, self.sessions + 1):  # also what was begun, and never answered
            _answered(link, "SessionSv1.ProcessCDR", {"Event": self.event(f"s{number}")})
        records = link.call("CDRsV1.GetCDRs", {})
        for each in records:
            self._check_record(each)
        names = Counter((each["OriginID"], each["RunID"]) for each in records)
        assert set(names.values()) == {1}
        for run in RUNS:
            cost = sum(each["Cost"] for each in records if each["RunID"] == run)
            assert round(cost + self.balance(link, run), 6) == MONEY
            assert self.started | self.recorded <= {
                each["OriginID"] for each in records if each["RunID"] == run
            }

    def balance(self, link: Link, name: str) -> float:
        """What an account has."""
        found = super().balance(link, name)
        assert isinstance(found, int | float)
        return found

    def _check_record(self, record: dict[str, Any]) -> None:
        """Every part of a call has the price of one folder or of the other, and the parts make its cost."""
        details = record["CostDetails"]
        total = 0.0
        for charge in details["Charges"]:
            rates = details["Rates"][details["Rating"][charge["RatingID"]]["RatesID"]]
            price = rates[0]["Value"]
            assert price in [round(0.001 * factor, 3) for factor in FACTORS]
            for step in charge["Increments"]:
                assert round(step["Cost"], 9) == round(price * step["Usage"] / NANOS, 9)
                total += step["Cost"] * step["CompressFactor"] * charge["CompressFactor"]
        assert round(total, 6) == round(record["Cost"], 6)
        if record["OriginID"] in self.ended:
            assert record["Usage"] == 45 * NANOS


def cgrates_folder(factor: int) -> dict[str, str]:
    """A tariff of many rates, all `factor` times the first one's, and what is run at once."""
    every = DESTINATIONS
    profiles = "cgrates.org,call,*any,2014-01-14T00:00:00Z,RP,\n"
    return {
        "Destinations.csv": "".join(f"D{prefix},{prefix}\n" for prefix in every),
        "Rates.csv": "".join(f"R{prefix},0,0.{factor:03d},1s,1s,0s\n" for prefix in every),
        "DestinationRates.csv": "".join(f"DR{prefix},D{prefix},R{prefix},*up,4,0,\n" for prefix in every),
        "RatingPlans.csv": "".join(f"RP,DR{prefix},*any,10\n" for prefix in every),
        "RatingProfiles.csv": profiles,
        "Chargers.csv": FOLDER["Chargers.csv"],
        "Resources.csv": FOLDER["Resources.csv"],
        "Thresholds.csv": FOLDER["Thresholds.csv"],
        "Actions.csv": FOLDER["Actions.csv"]
        + "ONE,*topup,,,count,*sms,,,,,*unlimited,,1,10,false,false,10\n",
        "ActionPlans.csv": "AP,ONE,*asap,10\n",
        "AccountActions.csv": "cgrates.org,loads,AP,,,\n",
    }


def loaded(folder: Path, seed: int, kills: int) -> LoadWorld:
    """The whole story of `ocs cgrates`."""
    world = LoadWorld(folder, seed)
    server = world.start()
    link = Link(world.port)
    world.fill(link)
    link.close()
    server.kill()
    server.wait(PATIENCE_S)
    killed(world, kills)
    return world


# --- the tests


def test_serve_is_killed_in_switches_of_its_tariff(tmp_path: Path) -> None:
    priced = switched(tmp_path, 7, kills=4)
    assert priced[1] + priced[3] > 20


def test_cgrates_is_killed_while_it_loads_a_folder(tmp_path: Path) -> None:
    world = loaded(tmp_path, 7, kills=4)
    assert world.loads > 2
    assert len(world.recorded) > 1


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_serve_is_killed_in_thirty_switches_of_its_tariff(tmp_path: Path) -> None:
    priced = switched(tmp_path, random.randrange(10**6), kills=30)
    assert all(priced[factor] > 30 for factor in FACTORS), priced


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_cgrates_is_killed_in_thirty_loads_of_a_folder(tmp_path: Path) -> None:
    world = loaded(tmp_path, random.randrange(10**6), kills=30)
    assert len(world.asked) > 5
    assert len(world.recorded) > 20
