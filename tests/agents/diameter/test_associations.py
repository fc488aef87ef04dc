"""SCTP without SCTP: sockets of type SEQPACKET keep messages apart and refuse options of TCP as associations do."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from ocs.agents.diameter import listening
from ocs.agents.diameter.agent import DiameterAgent
from ocs.agents.diameter.associations import Association
from ocs.config.settings import DiameterSettings, Limits, Listener
from ocs.diameter.message import Message
from tests.agents.diameter.running import asking
from tests.support.diameter_peer import cer, code_of, dwr, settings
from tests.support.gy import CLIENT, CountingMetrics, FakeService
from tests.support.waiting import PATIENCE_S

LOOPS = (asyncio.new_event_loop, uvloop.new_event_loop)
MOST = 1 << 18


class Peer:
    """The other side of an association: reads exactly one message at a time."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(str(path))
        self.socket.setblocking(False)

    async def send(self, message: bytes) -> None:
        """One message."""
        await asyncio.get_running_loop().sock_sendall(self.socket, message)

    async def receive(self) -> bytes:
        """One message as it came; nothing at the end."""
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.get_running_loop().sock_recv(self.socket, MOST)

    async def answer(self) -> Message:
        """One message, which must be a Diameter message from its first to its last octet."""
        octets = await self.receive()
        assert int.from_bytes(octets[1:4], "big") == len(octets), "one message is one message"
        return Message.decode(octets)


@asynccontextmanager
async def served(
    path: Path, monkeypatch: pytest.MonkeyPatch, limits: Limits
) -> AsyncIterator[tuple[DiameterAgent, FakeService]]:
    """An agent that listens for associations at a path."""

    def opened(listener: Listener) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        made.bind(str(path))
        made.setblocking(False)
        return made

    monkeypatch.setattr(listening, "_sctp_socket", opened)
    diameter = DiameterSettings(
        listen=(Listener(port=0, transport="sctp"),), admit_unlisted="any", limits=limits
    )
    charging = FakeService()
    agent = DiameterAgent(settings(diameter), charging, CountingMetrics())
    await agent.start()
    try:
        yield agent, charging
    finally:
        await agent.drain()


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def serve(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Run a test with a served peer on one of the event loops."""

    def run(
        test: Callable[[Peer, DiameterAgent, FakeService], Awaitable[None]], limits: Limits | None = None
    ) -> None:
        async def body() -> None:
            path = tmp_path / "association"
            async with served(path, monkeypatch, limits or Limits()) as (agent, charging):
                peer = Peer(path)
                await test(peer, agent, charging)
                peer.socket.close()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(body())

    return run


def test_every_answer_is_a_message_of_its_own(serve: Callable[..., None]) -> None:
    async def test(peer: Peer, agent: DiameterAgent, charging: FakeService) -> None:
        await peer.send(cer())
        assert code_of(await peer.answer()) == 2001
        await peer.send(b"".join(asking() for _ in range(20)))  # a message of a peer may hold several
        assert [code_of(await peer.answer()) for _ in range(20)] == [2001] * 20
        (info,) = agent.peers()
        assert (info.origin_host, info.state, info.requests, info.answers) == (CLIENT, "open", 20, 20)

    serve(test)


def test_a_peer_that_leaves_is_gone(serve: Callable[..., None]) -> None:
    async def test(peer: Peer, agent: DiameterAgent, charging: FakeService) -> None:
        await peer.send(cer())
        await peer.answer()
        (served_peer,) = agent._connections
        peer.socket.close()
        async with asyncio.timeout(PATIENCE_S):
            await served_peer.gone
        assert not agent._connections

    serve(test)


def test_octets_of_something_else_end_the_association(serve: Callable[..., None]) -> None:
    async def test(peer: Peer, agent: DiameterAgent, charging: FakeService) -> None:
        await peer.send(b"GET / HTTP/1.1\r\n\r\n")
        assert await peer.receive() == b""

    serve(test)


def test_a_peer_that_does_not_read_is_ended_at_the_bound(serve: Callable[..., None]) -> None:
    async def test(peer: Peer, agent: DiameterAgent, charging: FakeService) -> None:
        await peer.send(cer())
        await peer.answer()
        (served_peer,) = agent._connections
        async with asyncio.timeout(PATIENCE_S):
            while not served_peer.gone.done():
                try:
                    await peer.send(b"".join(dwr() for _ in range(500)))
                except (BrokenPipeError, ConnectionResetError):
                    break
            await served_peer.gone
        assert not agent._connections

    serve(test, Limits(write_buffer_octets=100_000))


def test_the_agent_leaves_in_order(serve: Callable[..., None]) -> None:
    async def test(peer: Peer, agent: DiameterAgent, charging: FakeService) -> None:
        await peer.send(cer())
        await peer.answer()
        leaving = asyncio.create_task(agent.drain())
        asked = await peer.answer()
        assert asked.command_code == 282
        peer.socket.close()
        await leaving
        assert not agent._connections

    serve(test)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_what_waits_is_sent_before_the_end_and_reading_may_pause(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setblocking(False)
        far.setblocking(False)
        protocol = Collecting()
        transport = Association(loop, near, protocol)
        await protocol.made
        transport.pause_reading()
        assert not transport.is_reading()
        await loop.sock_sendall(far, b"held")
        await asyncio.sleep(0)
        assert protocol.received == []
        transport.resume_reading()
        async with asyncio.timeout(PATIENCE_S):
            assert await protocol.heard.get() == b"held"
        many = [b"\1" + (1_000).to_bytes(3, "big") + bytes([number % 256]) * 996 for number in range(1_000)]
        transport.write(b"".join(many))
        assert transport.get_write_buffer_size() > 0
        transport.close()
        assert transport.is_closing()
        transport.write(b"too late")
        assert [await loop.sock_recv(far, MOST) for _ in many] == many
        async with asyncio.timeout(PATIENCE_S):
            await protocol.lost
        assert await loop.sock_recv(far, MOST) == b""
        far.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(body())


class Collecting(asyncio.Protocol):
    """Keeps what comes."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.made: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.received: list[bytes] = []
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Something came."""
        self.received.append(data)
        self.heard.put_nowait(data)

    def connection_lost(self, error: Exception | None) -> None:
        """It ends."""
        self.lost.set_result(None)
