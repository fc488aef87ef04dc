"""A UDP port: packets in, answers out through a queue, so that nobody waits for the socket."""

import asyncio
import contextlib
import socket

import asyncio_dgram
import structlog
from asyncio_dgram.aio import DatagramServer

from ocs.agents.radius.exchange import Address, RequestDoor
from ocs.config.settings import Endpoint

log = structlog.get_logger()

FLUSH_S = 1.0
SENT_AT_MOST = 10_000  # answers that wait for the socket


class Port:
    """One UDP port; answers wait in a queue for its socket."""

    def __init__(self, door: RequestDoor, endpoint: Endpoint, code: int) -> None:
        self.endpoint = endpoint
        self._door = door
        self._code = code
        self._outgoing: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue(SENT_AT_MOST)
        self._stream: DatagramServer | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, receive_buffer: int) -> None:
        """Bind and begin to take packets. Raises OSError."""
        family = socket.AF_INET6 if ":" in self.endpoint.address else socket.AF_INET
        plain = socket.socket(family, socket.SOCK_DGRAM)
        try:
            plain.setblocking(False)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            plain.bind((self.endpoint.address, self.endpoint.port))
        except OSError as error:
            plain.close()
            place = f"{self.endpoint.address}:{self.endpoint.port}"
            raise OSError(error.errno, f"udp {place}: {error.strerror}") from error
        stream = await asyncio_dgram.from_socket(plain)
        assert isinstance(stream, DatagramServer), "it is connected to nobody"
        self._stream = stream
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._receive(stream)),
            loop.create_task(self._send(stream)),
        ]

    async def close(self) -> None:
        """Let go of the socket, with what waits for it sent."""
        if self._stream is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_S):
                await self._outgoing.join()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._stream.close()
        self._stream = None

    async def _receive(self, stream: DatagramServer) -> None:
        while True:
            try:
                datagram, address = await stream.recv()
                assert isinstance(address, tuple), "the socket is one of IP"
            except OSError as error:  # somebody did not wait for an answer
                log.debug("radius.socket_error", error=str(error))
                continue
            host, port = address[:2]
            self._door.received(datagram, (str(host), int(port)), self._code, self.send)

    def send(self, octets: bytes, address: Address) -> None:
        """Queue an answer; one too many is lost, as on a network."""
        if not self._outgoing.full():
            self._outgoing.put_nowait((octets, address))

    async def _send(self, stream: DatagramServer) -> None:
        while True:
            octets, address = await self._outgoing.get()
            try:
                await stream.send(octets, address)
            except OSError as error:
                log.debug("radius.socket_error", error=str(error))
            finally:
                self._outgoing.task_done()
