"""Calls over JSON-RPC, a fixed number at a time or so many a second, with their latencies.

A conversation is a list of requests that follow each other; many run at once on a few connections, as those of a
SIP proxy do: its workers each have one.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

Conversation = list[bytes]  # requests without their ids: `... "id":%d}`
PATIENCE_S = 60.0
GRANTED = (b'"result":"SUCCESS"', b'"MaxUsage":', b'"result":"OK"')


class Measured(NamedTuple):
    """What came out: calls, seconds, the latency that half and that 99 of a hundred calls do not exceed."""

    calls: int
    seconds: float
    p50_s: float
    p99_s: float
    failed: int

    @property
    def rate(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds


class Client(asyncio.Protocol):
    """One connection; answers come as lines that begin with `{"id":`."""

    def __init__(self, answered: Callable[[int, bytes], None]) -> None:
        self._answered = answered
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answers."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._answered(int(line[6 : line.index(b",")]), line)

    def send(self, octets: bytes) -> None:
        """A request."""
        assert self._transport is not None
        self._transport.write(octets)

    def close(self) -> None:
        """Close."""
        assert self._transport is not None
        self._transport.close()


class Load:
    """Runs conversations; `at_once` of them are under way, or with a rate one begins every so often."""

    def __init__(self, conversations: Iterator[Conversation], at_once: int, per_second: float = 0.0) -> None:
        self._conversations = conversations
        self._at_once = at_once
        self._per_second = per_second
        self._clients: list[Client] = []
        self._under_way: dict[int, tuple[Iterator[bytes], Client, float]] = {}
        self._latencies: list[float] = []
        self._failed = 0
        self._number = 0
        self._is_over = False
        self._done = asyncio.Event()

    async def run(self, address: tuple[str, int], connections: int) -> Measured:
        """All conversations, to their end."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, client = await loop.create_connection(lambda: Client(self._answered), *address)
            self._clients.append(client)
        began_s = time.perf_counter()
        if self._per_second:
            pacing = asyncio.create_task(self._paced(began_s))
        else:
            for _ in range(self._at_once):
                self._begin()
        async with asyncio.timeout(PATIENCE_S):
            await self._done.wait()
        seconds = time.perf_counter() - began_s
        if self._per_second:
            await pacing
        for client in self._clients:
            client.close()
        ordered = sorted(self._latencies)
        count = len(ordered)
        return Measured(count, seconds, ordered[count // 2], ordered[count * 99 // 100], self._failed)

    async def _paced(self, began_s: float) -> None:
        begun = 0
        while not self._is_over:
            due = int((time.perf_counter() - began_s) * self._per_second)
            while begun < due and not self._is_over:
                self._begin()
                begun += 1
            await asyncio.sleep(0.0005)

    def _begin(self) -> None:
        requests = iter(next(self._conversations, []))
        first = next(requests, None)
        if first is None:
            self._is_over = True
            self._end()
            return
        self._ask(requests, first, self._clients[self._number % len(self._clients)])

    def _ask(self, requests: Iterator[bytes], request: bytes, client: Client) -> None:
        self._number += 1
        self._under_way[self._number] = requests, client, time.perf_counter()
        client.send(request % self._number)

    def _answered(self, number: int, line: bytes) -> None:
        requests, client, asked_s = self._under_way.pop(number)
        self._latencies.append(time.perf_counter() - asked_s)
        self._failed += not (line.endswith(b'"error":null}') and any(word in line for word in GRANTED))
        following = next(requests, None)
        if following is not None:
            self._ask(requests, following, client)
        elif not self._per_second:
            self._begin()
        self._end()

    def _end(self) -> None:
        if self._is_over and not self._under_way:
            self._done.set()


def measured(load: Load, address: tuple[str, int], connections: int, factory: Any) -> Measured:
    """Run a load on a loop of its own."""
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(load.run(address, connections))
