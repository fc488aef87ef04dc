"""A peer that sends broken requests over real connections and judges what comes back, and one that behaves."""

import asyncio
import time
from collections import Counter
from typing import NamedTuple

from diameter.message import Message
from diameter.message.avp.errors import AvpDecodeError

from bench.load import wire
from bench.load.generator import REALM
from bench.load.server import Server
from bench.load.wire import INITIAL, SUCCESS, TERMINATION, UPDATE, Service, Subscriber
from tests.longrun.link import Lost, Peer
from tests.longrun.mutator import Mutator
from tests.longrun.traffic import FIRST_IMSI, FIRST_MSISDN
from tests.support.waiting import PATIENCE_S

BATCH = 64
TORN_EVERY = 200  # frames
DECODED_EVERY = 50  # answers that python-diameter reads as well
ENDING = (wire.CER, wire.DPR)
HOST = "hostile.load.test"
GRANT = 1_000_000
PROXY_INFO = 284
UNKNOWN_SESSION = 5_002  # where another frame of the batch has ended it already


class Slow(NamedTuple):
    """The slowest answer the neighbour got."""

    took_s: float
    number: int


class Hostile:
    """Sends frames in batches; every request gets one sound answer, a stray CER or DPR may end its connection."""

    def __init__(self, server: Server, seed: int) -> None:
        self._server = server
        self._mutator = Mutator(seed)
        self._peer: Peer | None = None
        self.sent = self.answered = self.decoded = self.torn = 0
        self.codes: Counter[int] = Counter()
        self.closing: Counter[str] = Counter()

    async def send(self, count: int) -> None:
        """So many broken frames."""
        last = self.sent + count
        while self.sent < last:
            frames = [self._mutator.frame() for _ in range(min(BATCH, last - self.sent))]
            await self._batch(frames)
            self.sent += len(frames)
            if self.sent % TORN_EVERY < BATCH:
                await self._tear(self._mutator.torn())

    async def close(self) -> None:
        """Leave; whatever came that nobody had asked for is an error."""
        peer, self._peer = self._peer, None
        if peer is not None:
            await peer.close()
            assert peer.strays == [], f"not one answer for each request: {peer.strays[0].hex()}"

    async def _open(self) -> Peer:
        if self._peer is None or self._peer.gone.done():
            await self.close()
            self._peer = await Peer.open(HOST, self._server.diameter_port)
        return self._peer

    async def _batch(self, frames: list[bytearray]) -> None:
        """All at once, except those that may end the connection, which have one for themselves."""
        peer = await self._open()
        posted = []
        for frame in frames:
            if not frame[4] & wire.REQUEST:
                peer.write(bytes(frame))  # an answer that nobody has asked for is dropped
            elif _command(frame) not in ENDING:
                posted.append((frame, peer.post(frame)))
        async with asyncio.timeout(PATIENCE_S):
            opened = [self._judge(frame, await answered) for frame, answered in posted]
            for ending in [peer.post(frame) for frame in opened if frame is not None]:
                ended = wire.answer(await ending)
                assert ended.result_code in (SUCCESS, UNKNOWN_SESSION), ended.body.hex()
        for frame in frames:
            if frame[4] & wire.REQUEST and _command(frame) in ENDING:
                await self._alone(frame)

    async def _alone(self, frame: bytearray) -> None:
        """A CER or DPR where none should be: an answer, or the end; this side closes after a DPA."""
        peer = await self._open()
        try:
            self._judge(frame, await peer.send(frame))
        except Lost:
            self.closing[f"command {_command(frame)}"] += 1
        await self.close()

    def _judge(self, request: bytearray, frame: bytes) -> bytearray | None:
        """Check an answer; the request that ends the session it opened, if it did."""
        answer = wire.answer(frame)
        self.answered += 1
        self.codes[answer.result_code] += 1
        assert answer.command == _command(request)
        assert answer.end_to_end == int.from_bytes(request[16:20], "big")
        assert not answer.flags & (wire.REQUEST | wire.RETRANSMITTED)
        codes = [avp.code for avp in wire.members(answer.body) if not avp.vendor]
        assert codes.count(wire.ORIGIN_HOST) == codes.count(wire.ORIGIN_REALM) == 1
        assert 2_000 < answer.result_code < 6_000
        assert bool(answer.flags & wire.ERROR) or not 3_000 <= answer.result_code < 4_000
        if self.answered % DECODED_EVERY == 0:
            self._decode(frame, answer, request)
        is_charged = answer.result_code == SUCCESS and answer.command == wire.CCR
        return self._end(request, answer) if is_charged else None

    def _decode(self, frame: bytes, answer: wire.Answer, request: bytearray) -> None:
        """Have python-diameter read it; what it cannot is a Proxy-Info given back as it came (RFC 6733 6.7.2)."""
        try:
            decoded = Message.from_bytes(frame)
        except AvpDecodeError:
            given_back = [part.data for part in wire.members(answer.body) if part.code == PROXY_INFO]
            assert given_back
            assert all(data in request for data in given_back)
            return
        assert decoded.header.length == len(frame)
        assert any(part.code == wire.RESULT_CODE for part in decoded.avps)
        self.decoded += 1

    def _end(self, request: bytearray, answer: wire.Answer) -> bytearray | None:
        """Sessions opened under broken names are closed, so that only what the server forgets piles up."""
        parts: dict[int, bytes] = {}
        for avp in _readable(bytes(request[wire.HEADER_OCTETS :])):
            if not avp.vendor:
                parts.setdefault(avp.code, avp.data)
        if parts.get(wire.REQUEST_TYPE, b"")[-1:] != bytes([INITIAL]):
            return None
        session = next(avp.data for avp in wire.members(answer.body) if avp.code == wire.SESSION_ID)
        body = wire.avp(wire.SESSION_ID, session)
        for code in (wire.ORIGIN_HOST, wire.ORIGIN_REALM, wire.SERVICE_CONTEXT):
            body += wire.avp(code, parts.get(code, b""))
        body += wire.text(wire.DESTINATION_REALM, REALM) + wire.u32(wire.AUTH_APPLICATION, wire.GY)
        body += wire.u32(wire.REQUEST_TYPE, TERMINATION) + wire.u32(wire.REQUEST_NUMBER, 2**31)
        frame = wire.message(wire.CCR, wire.GY, body, 0, 0, wire.REQUEST | wire.PROXIABLE)
        return bytearray(frame)

    async def _tear(self, octets: bytes) -> None:
        """A frame without a proper end on a connection of its own: the server closes, whatever it answers."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.diameter_port)
        writer.write(wire.capabilities(f"torn{self.torn}.load.test", REALM) + octets)
        writer.write_eof()
        try:
            async with asyncio.timeout(PATIENCE_S):
                while await reader.read(65_536):
                    continue
        except ConnectionResetError:
            self.closing["reset"] += 1
        writer.transport.abort()
        self.torn += 1


def _command(frame: bytearray) -> int:
    return int.from_bytes(frame[5:8], "big")


def _readable(body: bytes) -> list[wire.Avp]:
    """The AVPs of a body up to the first that cannot be read."""
    found = []
    try:
        for part in wire.members(body):
            found.append(part)
    except wire.WireError:
        return found
    return found


class Neighbour:
    """A well-behaved peer beside the hostile one: session after session, every answer as it should be."""

    def __init__(self, server: Server, first_account: int, accounts: int) -> None:
        self._server = server
        self._first_account = first_account
        self._accounts = accounts
        self.answers = 0
        self.slowest = Slow(0.0, 0)
        self.stopping = False

    async def run(self) -> None:
        """Until told to stop; the connection lasts all the while."""
        peer = await Peer.open("neighbour.load.test", self._server.diameter_port)
        count = 0
        while not self.stopping:
            count += 1
            await self._session(peer, count)
        assert not peer.gone.done(), "the neighbour's connection was closed"
        assert peer.strays == []
        await peer.close()

    async def _session(self, peer: Peer, count: int) -> None:
        name = f"{peer.name};{count}"
        account = self._first_account + count % self._accounts
        someone = Subscriber(f"{FIRST_IMSI + account:015d}", str(FIRST_MSISDN + account))
        for number, kind in enumerate((INITIAL, UPDATE, UPDATE, TERMINATION)):
            wanted = None if kind == TERMINATION else GRANT
            used = None if kind == INITIAL else 4_711
            parts = tuple(Service(group, wanted, used) for group in (10, 11))
            frame = wire.credit_control(peer.name, REALM, name, kind, number, someone, parts)
            started = time.monotonic()
            answer = wire.answer(await peer.send(bytearray(frame)))
            took_s = time.monotonic() - started
            assert answer.result_code == SUCCESS
            assert answer.session_id == name
            assert answer.services == dict.fromkeys((10, 11), (SUCCESS, wanted or 0))
            self.answers += 1
            if took_s > self.slowest.took_s:
                self.slowest = Slow(took_s, self.answers)
