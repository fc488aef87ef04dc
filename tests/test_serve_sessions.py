"""Claims about CGRateS' session API on `ocs serve`, from outside: a server process on the shipped data."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_ports
from tests.support.waiting import PATIENCE_S
from tests.test_app import read_until

ROOT = Path(__file__).resolve().parent.parent
S = 1_000_000_000
RICH, POOR, OTHER = "15550100001", "15550100995", "15550100002"
CREDIT = 1_000_000 * S  # the money of RICH, in nanos
SECOND_COST = 500_000  # 0.03 a minute inside the own network

SETTINGS = """
identity: {{origin_host: ocs.example.org, origin_realm: example.org}}
diameter: {{listen: [{{address: 127.0.0.1, port: {diameter}}}], {gy}}}
charging: {{accounts: demo}}
rpc: {{jsonrpc: "127.0.0.1:{jsonrpc}", bidirectional: "127.0.0.1:{both}", http: "127.0.0.1:{http}"}}
sessions: {{{sessions}}}
log: {{format: json}}
"""


class Server:
    """One server with a data folder, which outlives its processes."""

    def __init__(self, folder: Path, sessions: str = "", more: str = "", gy: str = "") -> None:
        self._folder = folder
        self.jsonrpc, self.both, self.http, self.diameter = free_ports(4)
        text = SETTINGS.format(
            diameter=self.diameter,
            jsonrpc=self.jsonrpc,
            both=self.both,
            http=self.http,
            sessions=sessions,
            gy=gy,
        )
        (folder / "ocs.yaml").write_text(text + more, encoding="utf-8")
        self.process = self._started()

    def _started(self) -> subprocess.Popen[str]:
        command = (sys.executable, "-m", "ocs", "serve", "--config", str(self._folder / "ocs.yaml"))
        process = subprocess.Popen(
            (*command, "--data-dir", str(self._folder / "data")),
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        read_until(process, "server.ready")
        return process

    def killed(self) -> None:
        """The process is killed without a word, and another one goes on."""
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)
        self.process = self._started()

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE_S)

    def answer(self, method: str, *params: object) -> dict[str, Any]:
        with socket.create_connection(("127.0.0.1", self.jsonrpc), timeout=PATIENCE_S) as connection:
            return asked(connection, method, *params)

    def call(self, method: str, *params: object) -> Any:
        answer = self.answer(method, *params)
        assert answer["error"] is None, answer
        return answer["result"]

    def refusal(self, method: str, *params: object) -> Any:
        return self.answer(method, *params)["error"]

    def money(self, account: str = RICH) -> tuple[int, int]:
        """What is posted and what is held of it, in nanos."""
        balances = self.call("OcsV1.AccountShow", {"account": account})["balances"]
        posted = sum(each["posted"]["nanos"] for each in balances)
        return posted, sum(each["reserved"]["nanos"] for each in balances)


def asked(connection: socket.socket, method: str, *params: object) -> dict[str, Any]:
    request = {"id": 1, "method": method, "params": params}
    connection.sendall(json.dumps(request).encode() + b"\n")
    answer: dict[str, Any] = json.loads(connection.makefile().readline())
    return answer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    made.stop()


def call_of(flag: str, usage: str, origin_id: str = "call-1", **more: Any) -> dict[str, Any]:
    """A request about a call inside the own network, as a client of CGRateS sends it."""
    event = {
        "OriginID": origin_id,
        "OriginHost": "192.0.2.1",
        "ToR": "*voice",
        "RequestType": "*prepaid",
        "Account": RICH,
        "Destination": OTHER,
        "SetupTime": "2026-01-05T10:00:00Z",
        "AnswerTime": "2026-01-05T10:00:02Z",
        "Usage": usage,
        **more,
    }
    return {flag: True, "Tenant": "cgrates.org", "ID": f"{origin_id}-{flag}", "Event": event}


def test_a_call_is_charged_to_the_nano_at_every_step(server: Server) -> None:
    assert server.call("SessionSv1.Ping", {}) == "Pong"
    assert server.call("SessionSv1.AuthorizeEvent", call_of("GetMaxUsage", "1h")) == {"MaxUsage": 3600 * S}
    digest = server.call("SessionSv1.AuthorizeEventWithDigest", call_of("GetMaxUsage", "1h"))
    assert digest["MaxUsage"] == 3600
    assert server.money() == (CREDIT, 0), "an authorization takes and holds nothing"
    assert server.call("SessionSv1.InitiateSession", call_of("InitSession", "60s")) == {"MaxUsage": 60 * S}
    assert server.money() == (CREDIT, 60 * SECOND_COST)
    more = call_of("UpdateSession", "60s", LastUsed="50s")
    assert server.call("SessionSv1.UpdateSession", more) == {"MaxUsage": 60 * S}
    assert server.money() == (CREDIT, 110 * SECOND_COST)
    (active,) = server.call("SessionSv1.GetActiveSessions", {})
    assert (active["OriginID"], active["RunID"], active["Usage"]) == ("call-1", "*default", 110 * S)
    assert server.call("SessionSv1.TerminateSession", call_of("TerminateSession", "75s")) == "OK"
    assert server.money() == (CREDIT - 75 * SECOND_COST, 0)
    assert server.call("SessionSv1.ProcessCDR", call_of("", "75s")) == "OK"
    assert server.money() == (CREDIT - 75 * SECOND_COST, 0), "the record is of a session that is paid for"
    (cdr,) = server.call("CDRsV1.GetCDRs", {"OriginIDs": ["call-1"]})
    assert (cdr["Usage"], cdr["Cost"], cdr["CostSource"]) == (75 * S, 0.0375, "*sessions")
    assert server.refusal("SessionSv1.GetActiveSessions", {}) == "NOT_FOUND"
    for name in ("call-1", cdr["CGRID"]):
        told = server.call("OcsV1.Explain", {"session": name})
        assert (told["cost_nanos"], told["is_complete"]) == (75 * SECOND_COST, True)


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Server]:
    """A server that knows a request again however long it takes to start."""
    made = Server(tmp_path, "repeat_window: 1h")
    yield made
    made.stop()


def test_a_request_that_comes_again_is_answered_as_it_was(patient: Server) -> None:
    server = patient
    begin, more = call_of("InitSession", "60s"), call_of("UpdateSession", "60s", LastUsed="50s")
    for _ in range(2):
        assert server.call("SessionSv1.InitiateSession", begin) == {"MaxUsage": 60 * S}
        assert server.money() == (CREDIT, 60 * SECOND_COST)
    server.killed()
    assert server.call("SessionSv1.InitiateSession", begin) == {"MaxUsage": 60 * S}
    for _ in range(3):
        assert server.call("SessionSv1.UpdateSession", more) == {"MaxUsage": 60 * S}
        assert server.money() == (CREDIT, 110 * SECOND_COST)
    server.killed()
    assert server.call("SessionSv1.UpdateSession", more) == {"MaxUsage": 60 * S}
    assert server.money() == (CREDIT, 110 * SECOND_COST)
    other = {**more, "ID": "another"}
    assert server.call("SessionSv1.UpdateSession", other) == {"MaxUsage": 60 * S}
    assert server.money() == (CREDIT, 160 * SECOND_COST)
    nameless = {**more, "ID": ""}
    for held in (210, 260):
        server.call("SessionSv1.UpdateSession", nameless)
        assert server.money() == (CREDIT, held * SECOND_COST)
    assert server.call("SessionSv1.UpdateSession", more) == {"MaxUsage": 60 * S}, (
        "it is not the last any more"
    )
    assert server.money() == (CREDIT, 310 * SECOND_COST)
    assert server.refusal("SessionSv1.InitiateSession", begin) == "EXISTS"


def test_requests_are_never_taken_for_one_another_where_the_window_is_shut(tmp_path: Path) -> None:
    server = Server(tmp_path, "repeat_window: 0s")
    try:
        server.call("SessionSv1.InitiateSession", call_of("InitSession", "60s"))
        for held in (120, 180):
            server.call("SessionSv1.UpdateSession", call_of("UpdateSession", "60s"))
            assert server.money() == (CREDIT, held * SECOND_COST)
        assert server.refusal("SessionSv1.InitiateSession", call_of("InitSession", "60s")) == "EXISTS"
    finally:
        server.stop()


def test_a_record_without_a_session_and_a_message_are_debited_once(server: Server) -> None:
    sms = call_of("Debit", "1", "sms-1", ToR="*sms")
    for _ in range(2):
        assert server.call("SessionSv1.ProcessMessage", sms) == {"MaxUsage": 1}
    assert server.money() == (CREDIT - S // 20, 0)
    record = {**call_of("", "60s", "record-1"), "Flags": ["*rals"]}
    assert server.call("CDRsV1.ProcessEvent", record) == "OK"
    assert server.refusal("CDRsV1.ProcessEvent", record) == "EXISTS"
    assert server.call("CDRsV1.RateCDRs", {"OriginIDs": ["record-1"]}) == "OK"
    assert server.money() == (CREDIT - S // 20 - 60 * SECOND_COST, 0)
    assert server.call("SessionSv1.GetCost", call_of("", "60s", "price"))["EventCost"]["Cost"] == 0.03


def test_who_has_no_credit_is_refused(server: Server) -> None:
    assert server.call("SessionSv1.AuthorizeEvent", call_of("GetMaxUsage", "1m", Account=POOR)) == {
        "MaxUsage": 0
    }
    forced = {**call_of("GetMaxUsage", "1m", Account=POOR), "ForceDuration": True}
    assert server.refusal("SessionSv1.AuthorizeEvent", forced) == "RALS_ERROR:INSUFFICIENT_CREDIT"
    assert server.money(POOR) == (0, 0)


@pytest.mark.parametrize("account", ["15559999999", ""])
def test_who_is_unknown_is_refused(server: Server, account: str) -> None:
    asked_for = call_of("GetMaxUsage", "1m", Account=account)
    assert server.refusal("SessionSv1.AuthorizeEvent", asked_for) == "RALS_ERROR:ACCOUNT_NOT_FOUND"


def test_a_tenant_does_not_reach_accounts_of_another(server: Server) -> None:
    foreign = {**call_of("GetMaxUsage", "1m"), "Tenant": "example.org"}
    assert server.refusal("SessionSv1.AuthorizeEvent", foreign) == "RALS_ERROR:ACCOUNT_NOT_FOUND"


def test_a_portal_of_cgrates_looks_after_accounts(server: Server) -> None:
    assert server.call("APIerSv1.Ping", {}) == "Pong"
    whose = {"Tenant": "cgrates.org", "Account": RICH}
    server.call("SessionSv1.InitiateSession", call_of("InitSession", "60s"))
    held = server.call("APIerSv2.GetAccount", whose)
    assert held["BalanceMap"]["*monetary"][0]["Value"] == (CREDIT - 60 * SECOND_COST) / S
    more = {**whose, "BalanceType": "*monetary", "Value": 2.5}
    assert server.call("APIerSv1.AddBalance", more) == "OK"
    server.killed()
    assert server.money() == (CREDIT + 5 * S // 2, 60 * SECOND_COST)
    assert server.call("APIerSv2.SetAccount", {**whose, "ExtraOptions": {"Disabled": True}}) == "OK"
    assert server.call("APIerSv1.GetAccount", whose)["Disabled"] is True
    refused = server.answer("SessionSv1.AuthorizeEvent", call_of("GetMaxUsage", "60s", "call-2"))
    assert refused["error"] or refused["result"] == {"MaxUsage": 0}
    assert held["ID"].removeprefix("cgrates.org:") in server.call("APIerSv1.GetAccountIDs", {})
    assert server.call("CoreSv1.Status", {})["node_id"] == "ocs"
    assert server.call("CacheSv1.ReloadCache", {}) == "OK"
    assert server.refusal("APIerSv1.RemoveAccount", whose).startswith("rpc: can't find method")


def test_a_killed_server_loses_nothing_and_charges_nothing_twice(server: Server) -> None:
    server.call("SessionSv1.InitiateSession", call_of("InitSession", "60s"))
    server.killed()
    assert server.money() == (CREDIT, 60 * SECOND_COST)
    assert server.call("SessionSv1.GetActiveSessionsCount", {}) == 1
    more = call_of("UpdateSession", "60s")
    assert server.call("SessionSv1.UpdateSession", more) == {"MaxUsage": 60 * S}
    server.killed()
    for _ in range(2):  # the second time because the answer may not have arrived
        assert server.call("SessionSv1.TerminateSession", call_of("TerminateSession", "90s")) == "OK"
        assert server.money() == (CREDIT - 90 * SECOND_COST, 0)
        server.killed()
    assert server.call("SessionSv1.ProcessCDR", call_of("", "90s")) == "OK"
    server.killed()
    assert server.refusal("SessionSv1.ProcessCDR", call_of("", "90s")) == "PARTIALLY_EXECUTED"
    assert server.call("SessionSv1.TerminateSession", call_of("TerminateSession", "90s")) == "OK"
    assert server.money() == (CREDIT - 90 * SECOND_COST, 0)
    assert server.call("CDRsV1.GetCDRsCount", {}) == 1


def test_a_server_killed_under_load_has_for_every_record_its_debit_and_for_every_debit_its_record(
    server: Server,
) -> None:
    """Killed in the middle of many steps, whose answers have partly left; then told all of them again."""
    total, heard = 1_600, 200
    with contextlib.ExitStack() as connections:
        clients = [connections.enter_context(Sending(server, number, total)) for number in range(CLIENTS)]
        assert all(clients[0].error() is None for _ in range(heard // CLIENTS))
        server.killed()
    kept = server.call("CDRsV1.GetCDRsCount", {})
    assert heard // CLIENTS <= kept <= total, "what was answered is there"
    assert server.money() == (CREDIT - kept * 60 * SECOND_COST, 0)
    with contextlib.ExitStack() as connections:
        clients = [connections.enter_context(Sending(server, number, total)) for number in range(CLIENTS)]
        again = [client.error() for client in clients for _ in range(total // CLIENTS)]
    assert again.count("EXISTS") == kept
    assert server.money() == (CREDIT - total * 60 * SECOND_COST, 0)


CLIENTS = 8


class Sending:
    """A connection that sends its share of many records to rate, as fast as the server takes them."""

    def __init__(self, server: Server, number: int, total: int) -> None:
        requests = [
            {"id": each, "method": "CDRsV1.ProcessEvent", "params": [rated(f"record-{each}")]}
            for each in range(number, total, CLIENTS)
        ]
        text = "".join(json.dumps(request) + "\n" for request in requests).encode()
        self._connection = socket.create_connection(("127.0.0.1", server.jsonrpc), timeout=PATIENCE_S)
        self._answers = self._connection.makefile()
        self._sender = threading.Thread(target=sent_or_cut, args=(self._connection, text))

    def __enter__(self) -> "Sending":
        self._sender.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._sender.join(PATIENCE_S)
        self._answers.close()
        self._connection.close()

    def error(self) -> object:
        """What the next answer says is wrong."""
        return json.loads(self._answers.readline())["error"]


def rated(origin_id: str) -> dict[str, Any]:
    """A record to rate."""
    return {**call_of("", "60s", origin_id), "Flags": ["*rals"]}


def sent_or_cut(connection: socket.socket, text: bytes) -> None:
    """Send what a server takes until it is killed."""
    with contextlib.suppress(OSError):
        connection.sendall(text)


def test_an_id_may_come_again_when_its_session_has_ended(server: Server) -> None:
    for seconds in (60, 120):
        assert server.call("SessionSv1.InitiateSession", call_of("InitSession", "60s")) == {
            "MaxUsage": 60 * S
        }
        assert server.call("SessionSv1.TerminateSession", call_of("TerminateSession", "60s")) == "OK"
        assert server.money() == (CREDIT - seconds * SECOND_COST, 0)


def test_the_client_of_a_connection_both_ways_is_asked_to_end_its_session(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.both), timeout=PATIENCE_S) as client:
        begun = asked(client, "SessionSv1.InitiateSession", call_of("InitSession", "60s"))
        assert begun["result"] == {"MaxUsage": 60 * S}
        with socket.create_connection(("127.0.0.1", server.jsonrpc), timeout=PATIENCE_S) as operator:
            operator.sendall(b'{"id":1,"method":"SessionSv1.ForceDisconnect","params":[{}]}\n')
            request = json.loads(client.makefile().readline())
            assert request["method"] == "SessionSv1.DisconnectSession"
            client.sendall(json.dumps({"id": request["id"], "result": "OK", "error": None}).encode() + b"\n")
            assert json.loads(operator.makefile().readline())["result"] == "OK"
    assert server.call("SessionSv1.GetActiveSessionsCount", {}) == 1, "its client ends it"
    assert server.call("SessionSv1.ForceDisconnect", {}) == "OK"
    assert server.money() == (CREDIT - 60 * SECOND_COST, 0), "nobody to ask: ended at what was granted"


def test_older_clients_have_their_methods_in_seconds(server: Server) -> None:
    event = call_of("", "60s", "old-1")["Event"]
    assert server.call("SMGenericV1.GetMaxUsage", event) == 60
    assert server.call("SMGenericV1.InitiateSession", event) == 60
    server.killed()
    assert server.call("SMGenericV1.TerminateSession", {**event, "Usage": "40s"}) == "OK"
    assert server.money() == (CREDIT - 40 * SECOND_COST, 0)


def test_http_takes_the_same_requests(server: Server) -> None:
    body = {"id": 1, "method": "SessionSv1.AuthorizeEvent", "params": [call_of("GetMaxUsage", "1m")]}
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.http}/jsonrpc",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        assert json.load(answer)["result"] == {"MaxUsage": 60 * S}


def test_an_operator_ends_a_session_of_this_api(server: Server) -> None:
    server.call("SessionSv1.InitiateSession", call_of("InitSession", "60s"))
    (session,) = server.call("OcsV1.SessionList", {})["sessions"]
    wanted = {"session": session["session"], "client": "sessions"}
    server.call("OcsV1.SessionDisconnect", wanted)
    assert server.money() == (CREDIT - 60 * SECOND_COST, 0), "nobody to ask: ended at what was granted"
    assert server.refusal("SessionSv1.GetActiveSessions", {}) == "NOT_FOUND"


PROFILES = """
attributes:
  - id: ALIAS
    contexts: ["*sessions"]
    filter_ids: ["*string:~*req.Account:alice"]
    attributes: [{path: "*req.Account", type: "*constant", value: "15550100001"}]
chargers:
  - {id: DEFAULT, run_id: "*default", attribute_ids: ["*none"]}
  - id: OWNER
    run_id: owner
    attribute_ids: ["*constant:*req.Account:15550100003"]
    filter_ids: ["*string:~*req.Split:yes"]
resources:
  - {id: LINES, usage_ttl: 1h, limit: 1, allocation_message: one line}
"""


def test_profiles_of_a_folder_say_who_pays_and_what_there_is_room_for(tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "profiles.yaml").write_text(PROFILES, encoding="utf-8")
    server = Server(tmp_path, "profiles: profiles")
    try:
        begun = call_of("InitSession", "60s", Account="alice", Split="yes")
        lines = {"AllocateResources": True, "APIOpts": {"*usageID": "call-1", "*units": 1}}
        answer = server.call("SessionSv1.InitiateSession", {**begun, **lines, "GetAttributes": True})
        assert (answer["MaxUsage"], answer["ResourceAllocation"]) == (60 * S, "one line")
        assert server.money() == (CREDIT, 60 * SECOND_COST)
        assert server.money("15550100003") == (CREDIT, 60 * SECOND_COST)
        server.killed()
        second = {
            **call_of("InitSession", "60s", "call-2"),
            **lines,
            "APIOpts": {"*usageID": "call-2", "*units": 1},
        }
        refused = server.refusal("SessionSv1.InitiateSession", second)
        assert refused == "RESOURCES_ERROR:RESOURCE_UNAVAILABLE", "usages survive too"
        ended = call_of("TerminateSession", "30s", Account="alice", Split="yes")
        assert (
            server.call(
                "SessionSv1.TerminateSession",
                {**ended, "ReleaseResources": True, "APIOpts": lines["APIOpts"]},
            )
            == "OK"
        )
        assert server.money() == (CREDIT - 30 * SECOND_COST, 0)
        assert server.money("15550100003") == (CREDIT - 30 * SECOND_COST, 0)
    finally:
        server.stop()


def test_a_profile_that_leaves_the_folder_is_unloaded_and_those_of_the_api_stay(tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    file = folder / "profiles.yaml"
    file.write_text(PROFILES, encoding="utf-8")
    server = Server(tmp_path, "profiles: profiles")
    lines, own = {"Tenant": "cgrates.org", "ID": "LINES"}, {"Tenant": "cgrates.org", "ID": "OWN", "Limit": 1}
    try:
        assert server.call("APIerSv1.SetResourceProfile", own) == "OK"
        usage = {
            "Tenant": "cgrates.org",
            "Event": {"Account": "x"},
            "APIOpts": {"*rsUsageID": "u", "*rsUnits": 1},
        }
        assert server.call("ResourceSv1.AllocateResources", usage) == "one line"
        file.write_text(PROFILES.partition("resources:")[0] + "thresholds: [{id: A, max_hitz: 1}]", "utf-8")
        assert "profiles.yaml:13:22: thresholds[0].max_hitz" in str(server.refusal("OcsV1.Reload", {}))
        assert len(server.call("ResourceSv1.GetResource", lines)["Usages"]) == 1, "a mistake changes nothing"
        file.write_text(PROFILES.partition("resources:")[0], encoding="utf-8")
        server.call("OcsV1.Reload", {})
        assert server.refusal("ResourceSv1.GetResource", lines) == "NOT_FOUND"
        server.killed()
        assert server.refusal("ResourceSv1.GetResource", lines) == "NOT_FOUND"
        assert server.call("ResourceSv1.GetResource", own)["ID"] == "OWN"
        file.write_text(PROFILES, encoding="utf-8")
        server.call("OcsV1.Reload", {})
        assert not server.call("ResourceSv1.GetResource", lines)["Usages"], "what it had kept is gone"
    finally:
        server.stop()


def test_a_mistake_in_a_profile_is_told_with_its_place_by_check_and_serve(tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "profiles.yaml").write_text("chargers:\n  - {id: A, run_idd: x}\n", encoding="utf-8")
    text = SETTINGS.format(diameter=1, jsonrpc=2, both=3, http=4, sessions="profiles: profiles", gy="")
    (tmp_path / "ocs.yaml").write_text(text, encoding="utf-8")
    for command in (("check",), ("serve", "--data-dir", str(tmp_path / "data"))):
        done = subprocess.run(
            (sys.executable, "-m", "ocs", command[0], "--config", str(tmp_path / "ocs.yaml"), *command[1:]),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 2
        assert re.search(r"profiles\.yaml:2:\d+: .*run_id", done.stderr), done.stderr
        assert "Traceback" not in done.stderr
