"""`ocs cgrates` as a process with the example folder of docs/freeswitch.md; a switch plays a recorded call."""

import asyncio
import contextlib
import json
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ocs.cli.jsonrpc import CallError, call
from tests.agents.freeswitch import recorded
from tests.agents.freeswitch.replay import EVENTS, event_bytes, reply_bytes
from tests.interop.programs import Program, is_listening
from tests.interop.server import PROJECT
from tests.support.ports import free_ports
from tests.support.waiting import PATIENCE_S, until

EXAMPLES = PROJECT / "docs" / "examples" / "cgrates"
TENANT = "cgrates.org"
TIMES = {"start_epoch": "1763805600", "answer_epoch": "1763805601", "billusec": "5000000"}
ACCOUNT = {"Tenant": TENANT, "Account": "1001"}


class TcpSwitch:
    """A switch with one recorded call, in a thread of its own; `heard` are the commands of the server."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        events = [event for event in recorded.events("01-answered-plain") if event["Event-Name"] in EVENTS]
        writer.write(b"Content-Type: auth/request\n\n")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # the server has gone
            while True:
                command = (await reader.readuntil(b"\n\n")).decode().strip()
                self.heard.append(command)
                writer.write(self._answer(command, events))
                await writer.drain()
        writer.close()

    def _answer(self, command: str, events: list[recorded.Fields]) -> bytes:
        """The reply to a command, and what happens then: the call parks, is answered and ends."""
        if command.startswith("bgapi"):
            job = command.rpartition(" ")[2]
            done = {"Event-Name": "BACKGROUND_JOB", "Job-UUID": job}
            listed = event_bytes(done, "plain", '{"row_count": 0}')
            return reply_bytes(f"+OK Job-UUID: {job}") + listed + event_bytes(events[0], "plain")
        if not command.startswith("api"):
            return reply_bytes("+OK")
        reply = b"Content-Type: api/response\nContent-Length: 4\n\n+OK\n"
        if "uuid_transfer" not in command:
            return reply
        return reply + b"".join(event_bytes(event, "plain") for event in events[1:])


@pytest.fixture
def switch() -> Iterator[TcpSwitch]:
    made = TcpSwitch()
    yield made
    made.end()


def test_a_recorded_call_is_charged_by_a_process(tmp_path: Path, switch: TcpSwitch) -> None:
    port, http_port = free_ports(2)
    address = f"127.0.0.1:{port}"
    folder = tmp_path / "cgrates"
    folder.mkdir()
    (folder / "cgrates.json").write_text((EXAMPLES / "freeswitch" / "cgrates.json").read_text())
    ports = {"listen": {"rpc_json": address, "birpc_json": "", "http": f"127.0.0.1:{http_port}"}}
    (folder / "ports.json").write_text(json.dumps(ports))
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "ocs",
        "cgrates",
        "-config_path",
        folder,
        "-data_dir",
        tmp_path / "data",
    ]
    first = Program(command, tmp_path / "log", cwd=PROJECT)
    first.until(lambda: is_listening(port), "the server listens")
    call(address, "APIerSv1.LoadTariffPlanFromFolder", {"FolderPath": str(EXAMPLES / "tariffs")})
    balance = {"BalanceType": "*monetary", "Value": 10, "Balance": {"ID": "main"}}
    call(address, "APIerSv1.SetBalance", ACCOUNT | balance)
    first.end()
    agent = {
        "event_socket_conns": [{"address": f"127.0.0.1:{switch.port}", "password": "ClueCon", "alias": "fs1"}]
    }
    (folder / "ports.json").write_text(json.dumps(ports | {"freeswitch_agent": agent}))
    second = Program(command, tmp_path / "log2", cwd=PROJECT)
    try:
        second.until(lambda: is_listening(port), "the server listens again")
        until(lambda: _records(address) != [], "the call has its record")
        (record,) = _records(address)
        end = recorded.template("01-answered-plain", "CHANNEL_HANGUP_COMPLETE")
        seconds = -(-int(end["variable_billusec"]) // 1_000_000)
        assert (record["OriginHost"], record["Account"], record["Destination"]) == (
            end["FreeSWITCH-IPv4"],  # the recording does not know the name it is given here
            "1001",
            "1002",
        )
        assert round(record["Cost"] * 1_000) == seconds
        assert record["ExtraFields"]["variable_sip_call_id"] == end["variable_sip_call_id"]
        found = call(address, "APIerSv2.GetAccount", ACCOUNT)["BalanceMap"]["*monetary"]
        assert [round(each["Value"] * 1_000) for each in found] == [10_000 - seconds]
        assert any("cgr_max_usage" in said for said in switch.heard)
        posted = {"variables": {"uuid": "other", "cgr_account": "1001", "cgr_destination": "1002", **TIMES}}
        request = urllib.request.Request(
            f"http://127.0.0.1:{http_port}/freeswitch_json",
            json.dumps(posted).encode(),
            {"Content-Type": "application/json"},
        )
        for _ in range(2):
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
                assert response.status == 200
        assert len(_records(address)) == 2
    finally:
        second.end()


def _records(address: str) -> list[dict[str, Any]]:
    try:
        return list(call(address, "APIerSv2.GetCDRs", {"Tenants": [TENANT]}) or [])
    except CallError as error:
        if "NOT_FOUND" in str(error):
            return []
        raise
