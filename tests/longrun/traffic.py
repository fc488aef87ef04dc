"""Subscribers who use the server without mercy: sessions and top-ups, each repeated until it is acknowledged.

Every request has one identity (Session-Id and CC-Request-Number, or the reference of a top-up) for good. What has
been acknowledged goes into the client's own books; what has not is sent again after the server's next start.
"""

import asyncio
import random
from collections import Counter, deque

from bench.load import wire
from bench.load.generator import REALM
from bench.load.server import Server
from bench.load.wire import INITIAL, TERMINATION, UPDATE, Service, Subscriber
from tests.longrun.books import DEMO_MONEY_NANOS, TERMS, debit_nanos
from tests.longrun.link import Caller, Lost, Peer

FIRST_MSISDN, FIRST_IMSI = 15_550_100_000, 1_010_000_000_000  # of the demo accounts
GROUPS = tuple(TERMS)
REMEMBERED = 3  # answers of a session that are asked for again
RETRY_S = 0.02


class Line:
    """The way to the server, over all its lives."""

    may_be_busy = False  # whether "too busy" is an answer that is asked for again

    def __init__(self, server: Server, clients: int) -> None:
        self.server = server
        self.names = [f"kill{number}.load.test" for number in range(clients)]
        self.peers: list[Peer] = []
        self.caller: Caller | None = None
        self.strays = 0
        self.is_up = asyncio.Event()

    async def connect(self) -> None:
        """All connections anew."""
        await self.disconnect()
        self.peers = [await Peer.open(name, self.server.diameter_port) for name in self.names]
        self.is_up.set()

    async def disconnect(self) -> None:
        """Let go of all connections."""
        self.is_up.clear()
        for peer in self.peers:
            await peer.close()
            self.strays += len(peer.strays)
        self.peers = []

    @property
    def rpc_port(self) -> int:
        """Where operators call."""
        return self.server.rpc_port

    async def send(self, client: int, frame: bytearray) -> bytes:
        """One attempt: the answer, or Lost."""
        await self.is_up.wait()
        if not self.peers:
            raise Lost("nothing is open")
        return await self.peers[client].send(frame)


class Books:
    """What has been acknowledged."""

    def __init__(self) -> None:
        self.used: dict[str, Counter[int]] = {}  # by session
        self.owners: dict[str, int] = {}
        self.under_way: dict[str, Counter[int]] = {}
        self.topups_nanos: Counter[int] = Counter()
        self.acknowledged = self.repeated = self.compared = self.topups = 0

    def expected_nanos(self, account: int) -> int:
        """The balance when nothing is under way."""
        owed = sum(debit_nanos(used) for name, used in self.used.items() if self.owners[name] == account)
        return DEMO_MONEY_NANOS + self.topups_nanos[account] - owed


class Subscription:
    """One subscriber's sessions, one after the other, until told to stop."""

    def __init__(self, line: Line, books: Books, account: int, lane: int, seed: int) -> None:
        self._line = line
        self._books = books
        self._account = account
        self._lane = lane
        self._client = (account + lane) % len(line.names)
        self._random = random.Random(seed)
        self._count = 0
        self._answered: deque[tuple[int, int, tuple[Service, ...], bytes]] = deque(maxlen=REMEMBERED)
        self.stopping = False

    async def run(self) -> None:
        """Session after session."""
        while not self.stopping:
            await self._session()

    async def _session(self) -> None:
        self._count += 1
        name = f"{self._line.names[self._client]};{self._account};{self._lane};{self._count}"
        self._books.used[name], self._books.owners[name] = Counter(), self._account
        self._answered.clear()
        groups = self._random.sample(GROUPS, self._random.randint(1, len(GROUPS)))
        await self._request(name, INITIAL, 0, [Service(group, 50_000_000) for group in groups])
        for number in range(1, self._random.randint(2, 30)):
            parts = [Service(group, 50_000_000, self._random.randint(0, 3_000_000)) for group in groups]
            await self._request(name, UPDATE, number, parts)
            if self.stopping:
                break
        parts = [Service(group, None, self._random.randint(0, 3_000_000)) for group in groups]
        await self._request(name, TERMINATION, 100, parts)
        self._books.under_way.pop(name, None)

    async def _request(self, name: str, kind: int, number: int, parts: list[Service]) -> None:
        """Until acknowledged; then it counts."""
        services = tuple(parts)
        usage = Counter({part.rating_group: part.used_octets or 0 for part in parts})
        self._books.under_way[name] = usage
        body, attempts = await self._until_answered(name, kind, number, services)
        self._books.under_way[name] = Counter()
        self._books.used[name].update(usage)
        self._books.acknowledged += 1
        self._answered.append((kind, number, services, body))
        if attempts > 1:
            self._books.repeated += attempts - 1
            for known in tuple(self._answered):
                await self._compare(name, *known)

    async def _compare(
        self, name: str, kind: int, number: int, services: tuple[Service, ...], body: bytes
    ) -> None:
        """A repeat of what was answered, before or after the server's death, gets the same octets."""
        again, _ = await self._until_answered(name, kind, number, services, is_repeat=True)
        assert again == body, f"{name} {kind} {number}: {body.hex()} was answered, now {again.hex()}"
        self._books.compared += 1

    async def _until_answered(
        self, name: str, kind: int, number: int, services: tuple[Service, ...], is_repeat: bool = False
    ) -> tuple[bytes, int]:
        attempts = 0
        while True:
            attempts += 1
            flagged = (is_repeat or attempts > 1) and self._random.random() < 0.5
            try:
                frame = await self._line.send(
                    self._client, self._frame(name, kind, number, services, flagged)
                )
            except Lost:
                await asyncio.sleep(RETRY_S)
                continue
            answer = wire.answer(frame)
            if answer.result_code == wire.TOO_BUSY and self._line.may_be_busy:
                await asyncio.sleep(RETRY_S)
                continue
            assert answer.result_code == wire.SUCCESS, f"{name} {kind} {number}: {answer.result_code}"
            assert answer.session_id == name
            self._check_services(answer, kind, services)
            return answer.body, attempts

    def _check_services(self, answer: wire.Answer, kind: int, services: tuple[Service, ...]) -> None:
        for part in services:
            result, octets = answer.services[part.rating_group]
            assert result == wire.SUCCESS
            assert octets == (part.requested_octets or 0), f"{octets} octets granted"

    def _frame(
        self, name: str, kind: int, number: int, services: tuple[Service, ...], flagged: bool
    ) -> bytearray:
        someone = Subscriber(f"{FIRST_IMSI + self._account:015d}", str(FIRST_MSISDN + self._account))
        client = self._line.names[self._client]
        end_to_end = self._random.getrandbits(32)
        frame = wire.credit_control(
            client, REALM, name, kind, number, someone, services, 0, end_to_end, retransmitted=flagged
        )
        return bytearray(frame)


class Topups:
    """Money for all accounts in turn, over a JSON-RPC connection of its own."""

    def __init__(self, line: Line, books: Books, accounts: int, seed: int) -> None:
        self._line = line
        self._books = books
        self._accounts = accounts
        self._random = random.Random(seed)
        self._caller: Caller | None = None
        self.stopping = False

    async def run(self) -> None:
        """One after the other, each under its own reference until acknowledged."""
        count = 0
        while not self.stopping:
            count += 1
            account = self._random.randrange(self._accounts)
            amount_nanos = self._random.randint(1, 10**12)
            await self._book(account, amount_nanos, f"topup-{count}")
        await self.close()

    async def _book(self, account: int, amount_nanos: int, reference: str) -> None:
        while True:
            try:
                await self._line.is_up.wait()
                if self._caller is None:
                    self._caller = await Caller.open(self._line.rpc_port)
                result = await self._caller.call(
                    "OcsV1.AccountTopup",
                    account=str(FIRST_MSISDN + account),
                    amount_nanos=amount_nanos,
                    reference=reference,
                )
            except Lost:
                await self.close()
                await asyncio.sleep(RETRY_S)
                continue
            assert result["reference"] == reference
            self._books.topups_nanos[account] += amount_nanos
            self._books.topups += 1
            return

    async def close(self) -> None:
        """Let go of the connection."""
        if self._caller is not None:
            await self._caller.close()
            self._caller = None
