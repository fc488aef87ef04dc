"""Many sessions of one account at once on `ocs serve`, over Gy and JSON-RPC: no money is spent twice."""

import asyncio
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.client import TERMINATION, UPDATE, Client, ccr, cer, imsi
from tests.support.gy import requested, service, total, used
from tests.test_serve_sessions import OTHER, SECOND_COST, Server

IMSI = "001019999999999"
MB, S = 10**6, 10**9
CREDIT = 250_000_000  # nanos: 25 MB at 0.01 each
EACH = 50


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path)
    started.call(
        "OcsV1.AccountCreate",
        {
            "account": "one",
            "plan": "standard",
            "identities": [f"imsi:{IMSI}"],
            "balances": [{"balance": "main", "amount": "0.25"}],
        },
    )
    yield started
    started.stop()


class Rpc:
    """One connection of the API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._ids = reader, writer, count()

    @classmethod
    async def connect(cls, port: int) -> "Rpc":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def call(self, method: str, **params: object) -> Any:
        request = {"id": next(self._ids), "method": method, "params": [params]}
        self._writer.write(json.dumps(request).encode() + b"\n")
        async with asyncio.timeout(60):
            answer = json.loads(await self._reader.readline())
        assert answer["error"] is None, answer
        return answer["result"]

    async def charge(self, **event: object) -> Any:
        return await self.call("OcsV1.Charge", **event)

    def close(self) -> None:
        self._writer.close()


async def over_rpc(server: Server, name: str) -> int:
    """A session that uses all it is granted until there is no more; the octets it has used."""
    rpc = await Rpc.connect(server.jsonrpc)
    session: dict[str, Any] = {"session": name, "service": "data"}
    answer = await rpc.charge(kind="INITIAL", account="one", requested="1MB", **session)
    octets = 0
    for number in count(1):
        granted = answer["grants"][0]["granted"] if answer["grants"] else None
        if answer["result"] != "SUCCESS" or not granted:
            break
        octets += granted["octets"]
        answer = await rpc.charge(
            kind="UPDATE", event=number, used=f"{granted['octets']}B", requested="1MB", **session
        )
    await rpc.charge(kind="TERMINATION", **session)
    rpc.close()
    return octets


async def over_gy(server: Server, name: str) -> int:
    """The same over Diameter, a client of its own."""
    host = f"{name}.example.net"
    client = await Client.connect(("127.0.0.1", server.diameter))
    client.host = host
    assert (await client.ask(cer(host))).code == 2001
    session = f"{host};1;1"
    wish = requested(total(MB))
    answer = await client.ask(ccr(service(None, wish), session=session, host=host, who=imsi(IMSI)))
    octets = 0
    for number in count(1):
        granted = granted_octets(answer.said)
        if not granted:
            break
        octets += granted
        said = service(None, used(total(granted)), wish)
        answer = await client.ask(
            ccr(said, kind=UPDATE, number=number, session=session, host=host, who=imsi(IMSI))
        )
    await client.ask(ccr(kind=TERMINATION, number=999, session=session, host=host, who=imsi(IMSI)))
    client.abort()
    return octets


def granted_octets(said: str) -> int:
    """What `2001 -=1000000` grants; nothing where it is a code."""
    words = said.split()
    number = words[1].partition("=")[2].partition("!")[0] if len(words) > 1 else "0"
    return int(number) if words[0] == "2001" and number.isdigit() and int(number) > 5_999 else 0


async def watched(server: Server, over: asyncio.Event) -> int:
    """The least that was ever free on the account while others used it."""
    rpc = await Rpc.connect(server.jsonrpc)
    least = CREDIT
    while not over.is_set():
        account = await rpc.call("OcsV1.AccountShow", account="one")
        least = min(least, account["available_nanos"])
        await asyncio.sleep(0)
    rpc.close()
    return least


def test_fifty_sessions_at_once_over_two_protocols_never_spend_the_same_money_twice(server: Server) -> None:
    async def play() -> tuple[list[int], int]:
        over = asyncio.Event()
        watch = asyncio.create_task(watched(server, over))
        kinds = [over_gy if number % 2 else over_rpc for number in range(EACH)]
        octets = await asyncio.gather(*(kind(server, f"s{number}") for number, kind in enumerate(kinds)))
        over.set()
        return octets, await watch

    octets, least = asyncio.run(play())
    assert sum(octets) == 25 * MB, "all that the money pays for, and no octet more"
    assert sum(1 for each in octets if each) > 1
    assert least >= 0, "what is held and spent was never more than there is"
    assert server.money("one") == (0, 0)
    records = server.call("OcsV1.CdrList", {"account": "one"})["cdrs"]
    assert sum(record["cost_nanos"] for record in records) == CREDIT
    assert server.call("OcsV1.AccountVerify", {"account": "one"})["ok"] is True


def test_calls_that_ring_at_once_are_never_promised_the_same_credit(server: Server) -> None:
    """Five minutes inside the own network cost 0.15 at any hour; what is left of 0.25 pays for 200 s."""

    async def play() -> list[int]:
        async def ring(name: str) -> int:
            rpc = await Rpc.connect(server.jsonrpc)
            call = {"session": name, "service": "voice", "called": OTHER, "account": "one"}
            answer = await rpc.charge(
                kind="EVENT", event="1", action="authorize", requested="300s", reserve="60s", **call
            )
            rpc.close()
            granted = answer["grants"][0]["granted"] if answer["grants"] else None
            return 0 if granted is None else int(granted["ns"])

        return await asyncio.gather(*(ring(f"c{number}") for number in range(20)))

    promised = sorted(asyncio.run(play()), reverse=True)
    posted, held = server.money("one")
    assert promised == [300 * S, 200 * S] + [0] * 18
    assert held == posted == CREDIT == sum(promised) // S * SECOND_COST
    assert server.call("OcsV1.AccountVerify", {"account": "one"})["ok"] is True
