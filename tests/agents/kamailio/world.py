"""A proxy's calls on virtual time with the real charging service: messages go in, what Kamailio is told comes out.

A second of a call costs 1000 nanos.
"""

import asyncio
import json
from typing import Any

from ocs.agents.kamailio.book import Clocks
from ocs.agents.kamailio.messages import decode_message
from ocs.agents.kamailio.proxy import ProxyCalls
from ocs.charging.entry import Cdr
from ocs.charging.events import EventKind, Identity, IdentityKind, Result
from ocs.config.settings import KamailioSettings
from tests.support.charging import SECOND_NS
from tests.support.door import Door
from tests.support.virtual_time import running

SETTINGS = KamailioSettings(debit_interval_ns=10 * SECOND_NS, ring_timeout_ns=60 * SECOND_NS)
HOUR_S = 3_600
PARTIES = {"Tenant": "default", "Account": "1001", "Destination": "2001"}


class Answered:
    """What was answered, as the metrics hear it."""

    def __init__(self) -> None:
        self.results: list[tuple[EventKind, Result]] = []

    def request_answered(self, kind: EventKind, result: Result, took_ns: int, command: str = "ccr") -> None:
        assert command == "kamailio"
        assert took_ns >= 0
        self.results.append((kind, result))


class ProxyWorld:
    """One Kamailio as the agent sees it; `said` is what it was told and has not been looked at yet."""

    def __init__(self, door: Door, settings: KamailioSettings = SETTINGS, name: str = "kam1") -> None:
        self.door = door
        self.settings = settings
        self.name = name
        self.said: list[dict[str, Any]] = []
        self.transactions = 0
        self.is_up = True
        self.calls = self.agent()

    def agent(self) -> ProxyCalls:
        """An agent that knows nothing yet."""
        clocks = Clocks(self.door.wall_ns, lambda: running().now_ns())
        self.metrics = Answered()
        calls = ProxyCalls(self.name, self.settings, self.door.service, self.metrics, clocks)
        calls.send = self._send
        return calls

    def _send(self, payload: bytes) -> bool:
        if self.is_up:
            self.said.append(json.loads(payload))
        return self.is_up

    async def restart(self) -> None:
        """The server dies and comes back, the store stays; the link is up again."""
        self.calls.stop()
        fresh = Door(self.door.truth)
        fresh.wall_step_ns = self.door.wall_step_ns
        self.door = fresh
        self.calls = self.agent()
        assert await self.calls.adopt()
        self.calls.connected()

    def tell(self, event: str, **fields: object) -> None:
        """The proxy says something."""
        self.calls.received(decode_message(json.dumps({"event": event, **fields}).encode()))

    async def heard(self) -> list[dict[str, Any]]:
        """What the proxy is told, after everything that waits for nothing has happened."""
        for _ in range(30):
            await asyncio.sleep(0)
        said, self.said = self.said, []
        return said

    def clock_s(self) -> int:
        """The proxy's clock, in whole seconds."""
        return self.door.wall_ns() // SECOND_NS

    async def cuts(self) -> list[str]:
        """Why calls were ended, since it was looked at last."""
        return [said["Reason"] for said in await self.heard() if said["Event"] == "CGR_SESSION_DISCONNECT"]

    async def authorise(self, origin_id: str = "c1", **fields: object) -> dict[str, Any]:
        """Ask for a call; the reply."""
        self.transactions += 1
        ids = {"tr_index": str(self.transactions), "tr_label": "77", "SetupTime": str(self.clock_s())}
        named = {"OriginID": origin_id} if origin_id else {}
        self.tell("CGR_AUTH_REQUEST", **ids, **named, **(PARTIES | fields))
        (reply,) = await self.heard()
        assert (reply["TransactionIndex"], reply["TransactionLabel"]) == (str(self.transactions), "77")
        return reply

    async def start(self, origin_id: str = "c1", h_id: str = "12", **fields: object) -> list[dict[str, Any]]:
        """The call is answered."""
        said = {"h_entry": "7", "h_id": h_id, "OriginID": origin_id, "AnswerTime": str(self.clock_s())}
        self.tell("CGR_CALL_START", **(PARTIES | said | fields))
        return await self.heard()

    async def end(self, usage: object, origin_id: str = "c1", h_id: str = "12", **fields: object) -> None:
        """The call is over."""
        said = {"h_entry": "7", "h_id": h_id, "OriginID": origin_id, "Usage": str(usage)}
        self.tell("CGR_CALL_END", **(PARTIES | said | fields))
        assert await self.heard() == []

    async def list_dialogs(self, *dialogs: dict[str, object]) -> None:
        """Answer the question for dialogs."""
        self.tell("CGR_DLG_LIST_REPLY", jsonrpl_body={"jsonrpc": "2.0", "id": 1, "result": list(dialogs)})
        await self.heard()

    def money(self, account: str = "default:1001") -> str:
        """The main balance as `posted` or `posted-reserved`."""
        books = self.door.books(account)
        return books.removeprefix("main ")

    def records(self) -> list[Cdr]:
        """The charging records so far, the first one first."""
        return list(self.door.truth.cdrs)


async def world(nanos: int = 1_000_000, settings: KamailioSettings = SETTINGS) -> ProxyWorld:
    """A proxy, and one caller with that much credit."""
    door = Door()
    await door.open_account(nanos, "default:1001", Identity(IdentityKind.E164, "4930"))
    return ProxyWorld(door, settings)


def dialog(origin_id: str = "c1", h_id: int = 12, **more: object) -> dict[str, object]:
    """One dialog of a list."""
    return {"h_entry": 7, "h_id": h_id, "call-id": origin_id, "from_tag": "t", **more}
