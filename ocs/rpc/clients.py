"""Requests of the server to its clients, on the connections they opened (BiJSON): `await client.call(...)`.

The server's ids count from 1 on each connection and have nothing to do with the client's. OpenSIPS loses a request
that it reads together with the reply before it, so a request keeps a distance from the last reply written.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

import structlog

from ocs.rpc.envelope import encode_request
from ocs.rpc.messages import Reply

log = structlog.get_logger()

QUIET_S: Final = 0.02  # between a reply and a request behind it
QUIET_TRIES: Final = 25  # a client that never falls silent is asked all the same
WAITING_CALLS: Final = 1_000  # of one client


class ClientError(Exception):
    """A client was asked and did not do it."""


class ClientGone(ClientError):
    """The connection ended before the answer."""


class ClientRefused(ClientError):
    """The client answered with an error; the text is the client's."""


class Client:
    """A connection whose other end answers requests; `number` is unique in this server's life."""

    def __init__(
        self, number: int, peer: str, send: Callable[[bytes], None], quiet_s: float = QUIET_S
    ) -> None:
        self.number = number
        self.peer = peer
        self.is_open = True
        self.is_v2 = False  # as the client's own last request
        self.replied_s = 0.0  # when the last reply was written, on the loop's clock
        self._send = send
        self._quiet_s = quiet_s
        self._last_id = 0
        self._waiting: dict[object, asyncio.Future[object]] = {}

    @property
    def waiting(self) -> int:
        """How many requests the client has not answered."""
        return len(self._waiting)

    async def call(self, method: str, params: object, timeout_s: float) -> object:
        """The client's result; ClientError where it says no or is gone, TimeoutError where it says nothing."""
        async with asyncio.timeout(timeout_s):
            await self._quiet()
            if not self.is_open:
                raise ClientGone(f"the connection of {self.peer} is closed")
            if len(self._waiting) >= WAITING_CALLS:
                raise ClientError(f"{self.peer} has {WAITING_CALLS} requests to answer")
            self._last_id += 1
            name = self._last_id
            answered: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            self._waiting[name] = answered
            try:
                self._send(encode_request(method, params, name, self.is_v2))
                return await answered
            finally:
                self._waiting.pop(name, None)

    def received(self, reply: Reply) -> None:
        """An answer came; one that nobody waits for is dropped, and never answered itself."""
        answered = self._waiting.pop(reply.id, None) if isinstance(reply.id, int) else None
        if answered is None or answered.done():
            log.info("rpc.reply_unexpected", peer=self.peer)
        elif reply.error is not None:
            answered.set_exception(ClientRefused(reply.error))
        else:
            answered.set_result(reply.result)

    def closed(self) -> None:
        """The connection has ended: nobody waits any longer."""
        self.is_open = False
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(ClientGone(f"the connection of {self.peer} was closed"))
        self._waiting.clear()

    async def _quiet(self) -> None:
        """Wait until the last reply lies a little behind."""
        loop = asyncio.get_running_loop()
        for _ in range(QUIET_TRIES):
            left_s = self.replied_s + self._quiet_s - loop.time()
            if left_s <= 0 or not self.is_open:
                return
            await asyncio.sleep(left_s)


class Clients:
    """The live connections that can be called, the oldest first."""

    def __init__(self) -> None:
        self._clients: dict[int, Client] = {}
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[Client]:
        return iter(tuple(self._clients.values()))

    def get(self, number: int) -> Client | None:
        """The client of that number; None where its connection has ended."""
        return self._clients.get(number)

    def quietest(self) -> list[Client]:
        """All of them, the one whose last reply is longest ago first."""
        return sorted(self._clients.values(), key=lambda client: client.replied_s)

    def opened(self, peer: str, send: Callable[[bytes], None]) -> Client:
        """A connection was opened; `send` writes the octets of one request."""
        self._last_number += 1
        client = Client(self._last_number, peer, send)
        self._clients[client.number] = client
        return client

    def closed(self, client: Client) -> None:
        """It has ended; what it was asked fails. Once more does no harm."""
        self._clients.pop(client.number, None)
        client.closed()
