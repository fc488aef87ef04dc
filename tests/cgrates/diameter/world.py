"""A server with a section `diameter_agent` in this process, clients that speak to it over sockets, its money."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ocs.cgrates import jsonc
from ocs.cgrates.agents.diameter import DiameterFront
from ocs.cgrates.agents.voice import VoiceAgents
from ocs.cgrates.kinds import Kind
from ocs.cgrates.program import capacity
from ocs.cgrates.state import State
from ocs.charging.cgrates.account import Account, Balance
from ocs.diameter import avps
from ocs.diameter.avp import decode_u32, decode_u64, encode_i32, encode_time, encode_u32, encode_utf8, group
from ocs.diameter.codes import PROXIABLE, REQUEST
from ocs.diameter.describe import describe
from ocs.diameter.dictionary import standard
from ocs.diameter.message import Message, encode_message
from ocs.sessions.clients import NoClients
from ocs.sessions.model import Cdr
from tests.cgrates.engine import NOW_NS, Engine
from tests.support.diameter_peer import Peer, answer_to
from tests.support.gy import CLIENT, subscription
from tests.support.waiting import PATIENCE_S

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "cgrates"
VOICE, DATA, SMS, MMS = "32260@3gpp.org", "32251@3gpp.org", "32274@3gpp.org", "32270@3gpp.org"
INITIAL, UPDATE, TERMINATION, EVENT = 1, 2, 3, 4
S = 1_000_000_000
CALLED = encode_utf8(avps.CALLED_PARTY_ADDRESS, "sip:2001@test.invalid")
TO = group(avps.SERVICE_INFORMATION, [group(avps.IMS_INFORMATION, [CALLED])])


def example() -> dict[str, Any]:
    """The configuration of docs/examples, on a port of the system's choice."""
    found: dict[str, Any] = jsonc.loads((EXAMPLES / "diameter" / "cgrates.json").read_text(), {})
    found["diameter_agent"]["listeners"] = [{"address": "127.0.0.1:0"}]
    return found


def section(*processors: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """Settings with an agent that has these processors."""
    agent = {"enabled": True, "listen": "127.0.0.1:0", "request_processors": list(processors)}
    return {"diameter_agent": agent | keys}


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run one test to its end, within the patience of all tests."""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test

    asyncio.run(bounded())


class Client:
    """One connection after its capabilities exchange."""

    def __init__(self, peer: Peer, host: str) -> None:
        self.peer = peer
        self.host = host
        self._ids = itertools.count(1)

    def ccr(
        self,
        kind: int,
        number: int,
        *parts: bytes,
        context: str = VOICE,
        session: str = "s;1",
        who: str = "1001",
        flags: int = REQUEST | PROXIABLE,
        end_to_end: int | None = None,
        without: Iterable[int] = (),
        application: int = 4,
        command: int = 272,
    ) -> bytes:
        """A request; `parts` follow what every one has."""
        fixed = {
            avps.SESSION_ID: encode_utf8(avps.SESSION_ID, session),
            avps.ORIGIN_HOST: encode_utf8(avps.ORIGIN_HOST, self.host),
            avps.ORIGIN_REALM: encode_utf8(avps.ORIGIN_REALM, "client.example"),
            avps.DESTINATION_REALM: encode_utf8(avps.DESTINATION_REALM, "test.invalid"),
            avps.AUTH_APPLICATION_ID: encode_u32(avps.AUTH_APPLICATION_ID, application),
            avps.SERVICE_CONTEXT_ID: encode_utf8(avps.SERVICE_CONTEXT_ID, context),
            avps.CC_REQUEST_TYPE: encode_i32(avps.CC_REQUEST_TYPE, kind),
            avps.CC_REQUEST_NUMBER: encode_u32(avps.CC_REQUEST_NUMBER, number),
            avps.EVENT_TIMESTAMP: encode_time(avps.EVENT_TIMESTAMP, NOW_NS),
            avps.SUBSCRIPTION_ID: subscription(0, who),
        }
        kept = [part for key, part in fixed.items() if key not in tuple(without)]
        hop_by_hop = next(self._ids)
        end_to_end = 0x5EED0000 + hop_by_hop if end_to_end is None else end_to_end
        return encode_message(flags, command, application, hop_by_hop, end_to_end, [*kept, *parts])

    async def ask(self, request: bytes) -> Message:
        """The answer to a request; requests of the server before it are accepted."""
        self.peer.send(request)
        wanted = Message.decode(request)
        while True:
            message = await self.peer.receive()
            if message.is_request:
                self.peer.send(answer_to(message, 2001, self.host))
            else:
                assert message.hop_by_hop == wanted.hop_by_hop
                assert message.end_to_end == wanted.end_to_end
                return message


class World:
    """A server; what was durable is there for the next."""

    def __init__(self, settings: dict[str, Any], state: State | None = None) -> None:
        self.now_ns = NOW_NS
        self.peers: list[Peer] = []
        self.engine = Engine(settings, state, lambda: self.now_ns)
        self.runtime = self.engine.runtime
        self.agents = VoiceAgents(self.runtime, caps=capacity(self.runtime.settings))
        self.runtime.use_clients(self.agents.beside(NoClients()))
        assert self.agents.diameter is not None
        self.front: DiameterFront = self.agents.diameter

    async def client(self, host: str = CLIENT, application: int = 4) -> Client:
        """A new connection."""
        peer = await Peer.opened(self.front.node, host, None, application)
        self.peers.append(peer)
        return Client(peer, host)

    def open_account(self, name: str, nanos: int) -> None:
        """An account with money."""
        account_id = f"cgrates.org:{name}"
        balances = {"*monetary": (Balance(f"uid-{name}", "main", nanos),)}
        self.runtime.state.put_accounts({account_id: Account(account_id, balances)})

    def left(self, name: str = "1001") -> int:
        """Money of an account in nanos."""
        account = self.runtime.state.accounts[f"cgrates.org:{name}"]
        return sum(balance.value_nanos for balance in account.balances["*monetary"])

    def records(self) -> list[Cdr]:
        """The records, without those of `*raw`."""
        return [each for each in self.runtime.state.tables[Kind.CDR].values() if each.run_id != "*raw"]

    @property
    def sessions(self) -> list[str]:
        """OriginIDs of the active sessions."""
        return sorted(str(each.event["OriginID"]) for each in self.runtime.state.sessions.values())


@asynccontextmanager
async def served(settings: dict[str, Any], nanos: int = 10 * S) -> AsyncIterator[World]:
    """A server with the tariff of docs/examples and account 1001."""
    world = World(settings)
    world.engine.load({path.name: path.read_text() for path in (EXAMPLES / "tariffs").glob("*.csv")})
    world.open_account("1001", nanos)
    await world.runtime.start()
    await world.agents.start()
    try:
        yield world
    finally:
        for peer in world.peers:
            peer.close()
        async with asyncio.timeout(PATIENCE_S):
            await world.agents.stop()
            await world.runtime.stop()


def shown(message: Message) -> str:
    """A message as text."""
    return describe(message, standard())


def groups(message: Message) -> list[tuple[int, int, int | None]]:
    """Rating group, result and granted octets or seconds of each Multiple-Services-Credit-Control."""
    found = []
    for service in message.all(avps.MULTIPLE_SERVICES_CREDIT_CONTROL):
        members = {avp[0]: avp for avp in message.members(service)}
        units = members.get(avps.GRANTED_SERVICE_UNIT)
        granted = None
        if units is not None:
            (unit,) = message.members(units)
            decode = decode_u32 if unit[0] == avps.CC_TIME else decode_u64
            granted = decode(message.frame, unit)
        group = decode_u32(message.frame, members[avps.RATING_GROUP])
        found.append((group, decode_u32(message.frame, members[avps.RESULT_CODE]), granted))
    return found
