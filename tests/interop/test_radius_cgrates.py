"""`ocs cgrates` with the example folder of docs/radius.md: radclient, FreeRADIUS and Kamailio in front of it."""

import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocs.cli.jsonrpc import CallError, call
from tests.interop.programs import Program, is_listening
from tests.interop.radius_world import FreeRadius, SipProxy, radclient
from tests.interop.server import PROJECT
from tests.support.ports import free_ports
from tests.support.waiting import until

pytestmark = pytest.mark.peer

EXAMPLES = PROJECT / "docs" / "examples" / "cgrates"
TENANT = "cgrates.org"
CREDIT = {"1001": 1_000.0, "1002": 0.0, "1003": 0.065}


class CgratesRadius:
    """The server with the example's processors on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rpc_port, self.auth_port, self.acct_port, self.coa_port = free_ports(4)
        self.configuration = folder / "cgrates"
        self.configuration.mkdir()
        shutil.copy(EXAMPLES / "radius" / "cgrates.json", self.configuration)
        address = "127.0.0.1:{}"
        listener = {
            "auth_address": address.format(self.auth_port),
            "acct_address": address.format(self.acct_port),
        }
        changed = {
            "listen": {"rpc_json": address.format(self.rpc_port), "birpc_json": "", "http": ""},
            "sessions": {"debit_interval": "1s"},
            "radius_agent": {
                "listeners": [listener],
                "client_da_addresses": {"127.0.0.1": {"port": self.coa_port}},
            },
        }
        (self.configuration / "ports.json").write_text(json.dumps(changed))
        folders = "-config_path", str(self.configuration), "-data_dir", str(folder / "data")
        command = [sys.executable, "-m", "ocs", "cgrates", *folders]
        self.program = Program(command, folder / "ocs.log", cwd=PROJECT)
        ready = "server.ready"
        self.program.until(lambda: is_listening(self.rpc_port) and ready in self.program.output(), ready)
        self.call("APIerSv1.LoadTariffPlanFromFolder", FolderPath=str(EXAMPLES / "tariffs"))
        for account, value in CREDIT.items():
            self.open_account(account, value)

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a method."""
        return call(f"127.0.0.1:{self.rpc_port}", method, parameters)

    def open_account(self, account: str, value: float) -> None:
        """An account with money and a password."""
        named = {"Tenant": TENANT, "Account": account, "BalanceType": "*monetary"}
        self.call("APIerSv1.SetBalance", **named, Value=value, Balance={"ID": "main"})
        password = {"Path": "*req.Password", "Type": "*constant", "Value": "pw"}
        self.call(
            "APIerSv1.SetAttributeProfile",
            Tenant=TENANT,
            ID=f"USER_{account}",
            Contexts=["*sessions"],
            FilterIDs=[f"*string:~*req.Account:{account}"],
            Attributes=[password],
            Weight=10,
        )

    def money(self, account: str) -> float:
        """What is left."""
        view = self.call("APIerSv2.GetAccount", Tenant=TENANT, Account=account)
        return float(view["BalanceMap"]["*monetary"][0]["Value"])

    def records(self, account: str) -> list[dict[str, Any]]:
        """The records of an account."""
        try:
            return list(self.call("CDRsV1.GetCDRs", Accounts=[account], RunIDs=["*default"]))
        except CallError:  # NOT_FOUND
            return []

    def end(self) -> None:
        """Stop it in order."""
        self.program.end()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CgratesRadius]:
    running = CgratesRadius(tmp_path)
    yield running
    running.end()


def asked(user: str, proof: str) -> str:
    call_ = f'Acct-Session-Id = "a-{user}", Called-Station-Id = "2001", NAS-IP-Address = 127.0.0.1'
    return f'User-Name = "{user}", {proof}, {call_}, Message-Authenticator = 0x00'


def told(status: str, *more: str, session: str = "s1", user: str = "1001") -> str:
    named = f'Acct-Session-Id = "{session}", User-Name = "{user}", Called-Station-Id = "2001"'
    return ", ".join((f"Acct-Status-Type = {status}", named, "NAS-IP-Address = 127.0.0.1", *more))


def test_a_good_password_is_told_how_long_and_a_bad_one_is_refused(server: CgratesRadius) -> None:  # 94
    """The published result: Access-Accept with session_max_time#10800; a bad one RADAUTH_FAILED."""
    for proof in ('User-Password = "pw"', 'CHAP-Password = "pw"', 'MS-CHAP-Password = "pw"'):
        said = radclient(server.auth_port, "auth", asked("1001", proof))
        wanted = "0x" + b"session_max_time#10800".hex()
        assert said.has("Received Access-Accept", f"Attr-225 = {wanted}"), (
            said.output + server.program.output()
        )
    said = radclient(server.auth_port, "auth", asked("1001", 'User-Password = "bad"'))
    assert said.has("Received Access-Reject", 'Reply-Message = "RADAUTH_FAILED"'), said.output
    said = radclient(server.auth_port, "auth", asked("1002", 'User-Password = "pw"'))
    assert said.has("Received Access-Reject", 'Reply-Message = "INSUFFICIENT_CREDIT"'), said.output
    said = radclient(server.auth_port, "auth", asked("1003", 'User-Password = "pw"'))
    assert said.has("0x" + b"session_max_time#65".hex()), said.output


def test_a_call_is_charged_and_recorded_once(server: CgratesRadius) -> None:
    sent = [told("Start"), told("Stop", "Acct-Session-Time = 30"), told("Stop", "Acct-Session-Time = 30")]
    assert radclient(server.acct_port, "acct", *sent).output.count("Received Accounting-Response") == 3
    assert server.money("1001") == pytest.approx(1_000 - 0.03, abs=1e-9)
    (record,) = server.records("1001")
    assert (record["OriginID"], record["Usage"], float(record["Cost"])) == ("s1", 30_000_000_000, 0.03)


def test_an_access_server_is_asked_to_end_a_call_without_credit(
    server: CgratesRadius, tmp_path: Path
) -> None:
    folder = tmp_path / "freeradius"
    folder.mkdir()
    between = FreeRadius(folder, server)
    server.open_account("1004", 0.002)
    try:
        assert radclient(server.acct_port, "acct", told("Start", user="1004")).has("Accounting-Response")
        until(lambda: bool(between.asked()), "a Disconnect-Request")
        assert between.asked()[0].startswith("Disconnect-Request s1 1004"), between.asked()
    finally:
        between.end()


def test_kamailio_authenticates_and_accounts_a_call(server: CgratesRadius, tmp_path: Path) -> None:
    folder = tmp_path / "kamailio"
    folder.mkdir()
    proxy = SipProxy(folder, server)
    try:
        assert proxy.call("1001", "wrong", 1, is_refused=True) == 0
        began_s = time.monotonic()
        assert proxy.call("1001", "pw", 2) == 0, server.program.output()[-2000:]
        lasted_s = time.monotonic() - began_s
        until(lambda: bool(server.records("1001")), "a record of the call")
    finally:
        proxy.end()
    spent = 1_000 - server.money("1001")
    assert 0.001 < spent < (lasted_s + 1) / 1_000
    assert float(server.records("1001")[0]["Cost"]) == pytest.approx(spent)


def test_a_mistake_in_the_section_is_told_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        '{"radius_agent": {"enabled": true, "request_processors": ['
        '{"id": "x", "reply_fields": [{"path": "*rep.A", "type": "*magic", "value": "1"}]}]}}'
    )
    ended = Program(
        [sys.executable, "-m", "ocs", "cgrates", "-config_path", tmp_path], tmp_path / "log", PROJECT
    )
    assert ended.wait() == 2
    assert "radius_agent.request_processors[0].reply_fields[0].type: *magic is not offered" in ended.output()
