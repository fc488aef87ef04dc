"""OpenSIPS' side of recorded conversations, played against a runtime on virtual time."""

import asyncio
import json
import lzma
from pathlib import Path
from typing import Any

from ocs.cgrates.callbacks import FrontClients
from ocs.rpc.caller import Caller
from ocs.rpc.clients import Client, Clients
from ocs.rpc.dispatch import Dispatcher
from ocs.rpc.messages import EnvelopeLimits, Reply
from ocs.rpc.methods.cgrates import BIDIRECTIONAL, CGRATES
from tests.cgrates.engine import Engine
from tests.support.virtual_time import running
from tests.support.waiting import PATIENCE_S

FILE = Path(__file__).parents[1] / "vectors" / "opensips" / "recordings.json.xz"
JSON_PORT = 2012
LATE_S = 3.0  # a request of the server may come so much later than recorded
LARGEST_NS = 2**31 * 10**9
Document = dict[str, Any]


class Recordings:
    """All recordings with the tariff they were made with."""

    def __init__(self) -> None:
        found = json.loads(lzma.decompress(FILE.read_bytes()))
        self.tariff: dict[str, str] = found["tariff"]
        self.by_name: dict[str, Document] = found["recordings"]


class OpenSips:
    """One OpenSIPS: its connections, the dialogs it knows, and what it was asked."""

    def __init__(self, recordings: Recordings, name: str) -> None:
        self._recording = recordings.by_name[name]
        self._options = dict(self._recording["options"])
        self._is_json_port = self._options.pop("port", 0) == JSON_PORT
        began_s = _first_second(self._recording["c2s"])
        settings = {"client_protocol": 1.0, **self._options}
        for part in ("attributes", "resources", "routes"):
            settings[f"{part}_conns"] = ["*internal"]
        on = {part: {"enabled": True} for part in ("resources", "routes")}
        self.engine = Engine(
            {"sessions": settings, **on}, wall_ns=lambda: began_s * 10**9 + running().now_ns()
        )
        self.engine.load(recordings.tariff)
        registry = CGRATES if self._is_json_port else BIDIRECTIONAL
        self._dispatcher = Dispatcher(registry, self.engine.runtime, EnvelopeLimits())
        self._clients = Clients()
        self.engine.runtime.use_clients(FrontClients(self._clients))
        self._connections: dict[int, Client] = {}
        self._dialogs: dict[tuple[int, int], list[tuple[str, str]]] = {}
        self.asked: list[str] = []
        self.wrong: list[str] = []

    async def play(self) -> None:
        """Plays the conversation; everything that OpenSIPS would not take ends up in `wrong`."""
        await self.engine.runtime.start()
        due: list[str] = []
        for row in self._recording["rows"]:
            wait_s = row["ms"] / 1000 - running().time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            if row.get("event") == "open":
                self._open(row["conn"])
            elif row.get("event") in ("fin", "rst"):
                self._close(row["conn"])
            elif "line" in row:
                document = json.loads(self._recording[row["dir"]][row["line"] - 1])
                if row["dir"] == "c2s" and "method" in document:
                    await self._ask(row["conn"], document)
                elif row["dir"] == "s2c" and "method" in document:
                    due.append(document["method"])
                    await self._expect(document["method"], due.count(document["method"]))
        await asyncio.sleep(0.3)
        self.wrong += [f"asked {name}, which is not recorded" for name in sorted(set(self.asked) - set(due))]
        await self.engine.runtime.stop()

    def _open(self, number: int) -> None:
        self._connections[number] = self._clients.opened(
            f"127.0.0.1:{number}", lambda octets: self._answer(number, octets)
        )

    def _close(self, number: int) -> None:
        client = self._connections.pop(number, None)
        if client is not None:
            self._clients.closed(client)

    async def _expect(self, name: str, count: int) -> None:
        for _ in range(int(LATE_S * 100)):
            if self.asked.count(name) >= count:
                return
            await asyncio.sleep(0.01)
        self.wrong.append(f"did not ask {name}")

    # --- requests of OpenSIPS

    async def _ask(self, number: int, request: Document) -> None:
        client = self._connections[number]
        caller = Caller(client.peer, client=None if self._is_json_port else client)
        answered: asyncio.Future[bytes | None] = running().create_future()

        def deliver(answer: bytes | None) -> None:
            client.replied_s = running().time()
            answered.set_result(answer)

        self._dispatcher.submit(json.dumps(request).encode(), caller, deliver)
        answer = await asyncio.wait_for(answered, PATIENCE_S)
        assert answer is not None
        found: Document = json.loads(answer)
        self._judge(request, found)
        event = request["params"][0].get("Event", {})
        if found["error"] is None and "DialogID" in event:
            dialog = self._dialogs.setdefault((event["DialogID"], event["DialogEntry"]), [])
            dialog.append((event.get("OriginHost", ""), event["OriginID"]))
        if "TerminateSession" in request["method"]:
            for dialogs in self._dialogs.values():
                dialogs[:] = [each for each in dialogs if each[1] != event["OriginID"]]

    def _judge(self, request: Document, found: Document) -> None:
        documents = (json.loads(line) for line in self._recording["s2c"])
        recorded = next(each for each in documents if "method" not in each and each["id"] == request["id"])
        method = request["method"]
        if found["id"] != request["id"]:
            self.wrong.append(f"{method}: another id")
        if (found["error"] is None) != (recorded["error"] is None):
            self.wrong.append(f"{method}: {found['error']!r} for {recorded['error']!r}")
        elif found["error"] is not None:
            if found["error"] != recorded["error"]:
                self.wrong.append(f"{method}: {found['error']!r} for {recorded['error']!r}")
        elif not _is_taken(method, found["result"]):
            self.wrong.append(f"{method}: {found['result']!r} is not taken")
        elif isinstance(found["result"], dict):
            for member in ("MaxUsage", "AttributesDigest", "RoutesDigest", "ResourceAllocation"):
                if found["result"].get(member) != recorded["result"].get(member):
                    self.wrong.append(f"{method}: {member} {found['result'].get(member)!r}")

    # --- requests of the server

    def _answer(self, number: int, octets: bytes) -> None:
        request = json.loads(octets)
        (params,) = request["params"]
        self.asked.append(request["method"])
        error: str | None = None
        result: Any = "OK"
        match request["method"]:
            case "SessionSv1.DisconnectSession":
                started = params.get("EventStart")
                if not isinstance(started, dict) or type(started.get("DialogID")) is not int:
                    error = "EventStart parameter is invalid or not found"
                elif (started["DialogID"], started["DialogEntry"]) not in self._dialogs:
                    self.wrong.append("asked to end a dialog that is not there")
            case "SessionSv1.GetActiveSessionIDs":
                ids = [each for dialog in self._dialogs.values() for each in dialog]
                result = [{"OriginHost": host, "OriginID": name} for host, name in ids]
            case _:
                error = "Unknown Method"
        if error:
            self.wrong.append(f"{request['method']}: {error}")
        client = self._connections[number]
        reply = Reply(request["id"], None if error else result, error)
        asyncio.get_running_loop().call_soon(client.received, reply)


def _first_second(lines: list[str]) -> int:
    """When the first call was set up; OpenSIPS writes whole seconds."""
    events = [json.loads(line)["params"][0].get("Event", {}) for line in lines if '"method"' in line]
    found = [int(event["SetupTime"]) for event in events if str(event.get("SetupTime", "")).isdigit()]
    return min(found, default=1_795_452_000)


def _is_taken(method: str, result: Any) -> bool:
    """Whether OpenSIPS makes something of a result."""
    if method.endswith("AuthorizeEventWithDigest"):
        return isinstance(result, dict) and type(result.get("MaxUsage")) in (int, float)
    if method.endswith("InitiateSession"):
        top = result.get("MaxUsage", -1) if isinstance(result, dict) else None
        return type(top) is int and -1 <= top < LARGEST_NS
    return result is not None
