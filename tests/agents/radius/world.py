"""The agent on virtual time with the real charging service: datagrams go in, datagrams come out.

An octet costs one nano, a millisecond of a call another. The access server's clock is the server's.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from ocs.agents.radius.agent import RadiusAgent
from ocs.agents.radius.mapping.access import Fields
from ocs.agents.radius.mapping.clients import Client
from ocs.agents.radius.mapping.session import NasSession
from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import Attribute, Packet, decode, is_answer_to
from ocs.charging import acts
from ocs.charging.account import Account
from ocs.charging.control import ControlResult
from ocs.charging.decision import Change
from ocs.charging.entry import Cdr
from ocs.charging.events import EventKind, Identity, IdentityKind, Result
from ocs.charging.metering import Metering
from ocs.config.settings import RadiusClient, RadiusSettings
from ocs.config.shipped import shipped_dictionaries
from tests.agents.radius.packets import NAS, SECRET, accounting, at, usage
from tests.support.charging import SECOND_NS
from tests.support.door import Door

CLIENT = RadiusClient("192.0.2.0/24", "ap", SECRET.decode(), message_authenticator="optional")
PORT = 40_000


class Counted:
    """What the metrics hear."""

    def __init__(self) -> None:
        self.dropped: list[str] = []
        self.repeats = 0
        self.access: list[bool] = []
        self.results: list[tuple[EventKind, Result]] = []

    def request_answered(self, kind: EventKind, result: Result, took_ns: int, command: str = "ccr") -> None:
        assert command == "radius"
        self.results.append((kind, result))

    def radius_dropped(self, reason: str) -> None:
        self.dropped.append(reason)

    def radius_repeated(self) -> None:
        self.repeats += 1

    def radius_access(self, is_accepted: bool) -> None:
        self.access.append(is_accepted)

    def radius_disconnected(self, outcome: str) -> None:
        raise AssertionError("the access server of the tests is asked otherwise")


class AskedNas:
    """An access server that is asked to end sessions, and says what the test wants."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.changed: list[tuple[str, list[Attribute]]] = []
        self.says = ControlResult.ACCEPTED

    async def disconnect(self, client: Client, session: NasSession, cause: str) -> ControlResult:
        self.asked.append((session.session_id, cause))
        return self.says

    async def change(
        self, client: Client, session: NasSession, attributes: Sequence[Attribute]
    ) -> ControlResult:
        self.changed.append((session.session_id, list(attributes)))
        return self.says


class RadiusWorld:
    """One access server in front of the agent; `sent` is what it got and has not looked at yet."""

    def __init__(self, door: Door, client: RadiusClient = CLIENT, **settings: object) -> None:
        self.door = door
        self.client = client
        self.settings = RadiusSettings((client,), reject_delay_ns=0, **settings)  # type: ignore[arg-type]
        self.given: dict[str, str] = {"Password": "pw"}
        self.asked: list[Fields] = []
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.identifier = 0
        self.build()

    def build(self) -> None:
        """An agent that knows nothing yet."""
        self.metrics, self.nas = Counted(), AskedNas()
        shipped = shipped_dictionaries("radius")
        self.agent = RadiusAgent(self.settings, self.door.service, self._properties, self.metrics, shipped)
        self.agent.dynamic = self.nas

    def _properties(self, tenant: str, fields: Fields) -> tuple[tuple[str, str], ...]:
        self.asked.append(fields)
        return tuple(self.given.items())

    async def restart(self) -> None:
        """The server dies and comes back; the store stays."""
        fresh = Door(self.door.truth)
        fresh.wall_step_ns = self.door.wall_step_ns
        self.door = fresh
        self.build()
        await self.agent.accounting.adopt()

    def now_s(self) -> int:
        """The time everywhere."""
        return self.door.wall_ns() // SECOND_NS

    async def say(
        self, datagram: bytes, code: int = codes.ACCOUNTING_REQUEST, source: str = NAS
    ) -> Packet | None:
        """Send a datagram; the answer, where there is one, is genuine."""
        self.agent.door.received(datagram, (source, PORT), code, lambda *sent: self.sent.append(sent))
        await settle()
        if not self.sent:
            return None
        ((octets, address),) = self.sent
        self.sent.clear()
        assert address == (source, PORT)
        answer = decode(octets)
        assert answer.identifier == datagram[1]
        assert is_answer_to(answer, datagram[4:20], SECRET)
        return answer

    async def report(
        self, status: int, *more: Attribute, session: str = "s1", user: str = "1001", timed: bool = True
    ) -> bool:
        """Send an Accounting-Request of now; whether it was answered."""
        self.identifier = (self.identifier + 1) % 256
        stamp = [at(self.now_s())] if timed else []
        datagram = accounting(status, *stamp, *more, session=session, user=user, identifier=self.identifier)
        answer = await self.say(datagram)
        assert answer is None or answer.code == codes.ACCOUNTING_RESPONSE
        return answer is not None

    async def start(self, *more: Attribute, session: str = "s1") -> None:
        """A session begins."""
        assert await self.report(codes.START, *more, session=session)

    async def interim(self, seconds: int, received: int, sent: int = 0, session: str = "s1") -> None:
        """A session goes on."""
        assert await self.report(codes.INTERIM_UPDATE, *usage(seconds, received, sent), session=session)

    async def stop(self, seconds: int, received: int, sent: int = 0, session: str = "s1") -> None:
        """A session has ended."""
        assert await self.report(codes.STOP, *usage(seconds, received, sent), session=session)

    def money(self, account: str = "1001") -> str:
        """The main balance as `posted` or `posted-reserved`."""
        return self.door.books(account).removeprefix("main ")

    def posted(self, account: str = "1001") -> int:
        """What is left, held or not."""
        (main,) = self.door.truth.accounts[account].balances
        return main.posted

    def records(self) -> list[Cdr]:
        """The charging records so far, the first one first."""
        return list(self.door.truth.cdrs)

    async def metered(self, seconds: int) -> None:
        """Time passes, and the server charges the sessions whose time it counts."""
        metering = Metering(self.door.service)
        for _ in range(seconds):
            await asyncio.sleep(1)
            await metering.step()


async def settle() -> None:
    """Let everything happen that waits for nothing."""
    for _ in range(60):
        await asyncio.sleep(0)


async def world(nanos: int = 1_000_000, client: RadiusClient = CLIENT, **settings: object) -> RadiusWorld:
    """An access server, and one user with that much credit."""
    door = Door()
    await door.open_account(nanos, "1001", Identity(IdentityKind.E164, "4930"))
    return RadiusWorld(door, client, **settings)


def like(**changes: object) -> RadiusClient:
    """The client of the tests with other settings."""
    return msgspec.structs.replace(CLIENT, **changes)


async def top_up(radius: RadiusWorld, nanos: int) -> None:
    """The user pays in."""

    def credit(account: Account) -> Change:
        act = acts.Act("t1", radius.door.wall_ns(), "test")
        changed, posting = acts.top_up(account, acts.TopUp(nanos), act)
        assert posting is not None
        return Change(changed, (posting,))

    await radius.door.service.apply("1001", credit)
