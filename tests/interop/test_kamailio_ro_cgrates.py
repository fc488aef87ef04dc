"""Kamailio's ims_charging asks for calls of sipp, and is charged with the figures of CGRateS."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cgrates.engine import write_folder
from tests.interop.cgrates_server import SECOND, CgratesServer
from tests.interop.ims_world import CALLED, KAMAILIO, Ims
from tests.interop.programs import Program, filled, is_listening
from tests.interop.server import PROJECT
from tests.support.ports import free_ports

pytestmark = pytest.mark.peer

SETTINGS = """
identity: {origin_host: ocs.test.invalid, origin_realm: test.invalid}
diameter:
  listen: [{address: 127.0.0.1, port: @DIAMETER_PORT@}]
  peers: [{origin_host: scscf.test.invalid, profile: kamailio}]
  timers: {watchdog: 6s}
charging:
  rounding: cgrates
  tariffs: tariff
  quotas: [{service: voice, time: 8s, validity: 1m}]
rpc: {jsonrpc: "127.0.0.1:@RPC_PORT@", bidirectional: none, http: none}
log: {level: debug, format: json, mask_subscribers: false}
"""
MONEY = {"1001": "10", "1002": "0", "1003": "0.01"}  # a second costs a thousandth
TARIFF = {
    "Destinations.csv": "ALL,2\n",
    "Rates.csv": "R,0,0.06,60s,1s,0s\n",
    "DestinationRates.csv": "DR,ALL,R,*up,4,0,\n",
    "RatingPlans.csv": "RP,DR,*any,10\n",
    "RatingProfiles.csv": "cgrates.org,call,*any,2014-01-14T00:00:00Z,RP,\n",
    "Chargers.csv": "cgrates.org,CH,,,*default,*none,0\n",
    "Actions.csv": "".join(
        f"A{name},*topup,,,main,*monetary,,*any,,,*unlimited,,{units},10,false,false,10\n"
        for name, units in MONEY.items()
    ),
    "ActionPlans.csv": "".join(f"P{name},A{name},*asap,10\n" for name in MONEY),
    "AccountActions.csv": "".join(f"cgrates.org,{name},P{name},,,\n" for name in MONEY),
}


class Served(CgratesServer):
    """`ocs serve` with `rounding: cgrates`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.diameter_port, self.rpc_port = free_ports(2)
        (folder / "tariff").mkdir()
        write_folder(folder / "tariff", TARIFF)
        template = folder / "template.yaml"
        template.write_text(SETTINGS)
        ports = {"diameter_port": self.diameter_port, "rpc_port": self.rpc_port}
        (folder / "ocs.yaml").write_text(filled(template, **ports).replace("tariff\n", f"{folder}/tariff\n"))
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

    def open_peers(self) -> set[str]:
        """Who has connected."""
        said = self.program.output()
        return {KAMAILIO} if f'"peer":"{KAMAILIO}"' in said and "peer.opened" in said else set()


class ServedIms(Ims):
    """It beside Kamailio."""

    server: Served


@pytest.fixture(scope="module")
def ims(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedIms]:
    world = ServedIms(tmp_path_factory.mktemp("kamailio"), Served)
    yield world
    world.end()


def test_a_call_is_recorded_and_paid_second_by_second(ims: ServedIms) -> None:
    ims.over(ims.call("caller_ends", ["1001"], "-d", 7_000), "1001")
    (record,) = ims.server.records("1001")
    seconds = round(record["Cost"] * 1000)
    assert seconds in range(6, 9)
    assert (record["Destination"], record["Usage"]) == (CALLED, f"{seconds}s")
    assert ims.server.nanos("1001") == 10 * 10**9 - seconds * SECOND


def test_a_caller_without_credit_is_refused_before_the_call_is_set_up(ims: ServedIms) -> None:
    ims.over(ims.call("refused", ["1002"]), "1002")
    assert ims.server.sessions("1002") == []
    assert ims.server.nanos("1002") == 0


def test_a_call_is_cut_on_both_sides_when_the_credit_is_used_up(ims: ServedIms) -> None:
    ims.over(ims.call("network_ends", ["1003"]), "1003")
    (record,) = ims.server.records("1003")
    seconds = round(record["Cost"] * 1000)
    assert seconds in (10, 11), "the grant, and a second until Kamailio looks at its clock"
    assert ims.server.nanos("1003") == (10 - seconds) * SECOND
