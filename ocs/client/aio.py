"""`AsyncClient`: many calls under way on one connection; answers requests of the server where it is told how."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, TypeVar, overload

from ocs.client.blocking import LOGIN, TIMEOUT_S
from ocs.client.errors import ClientError, Garbled, NoAnswer, Unreachable
from ocs.client.wire import Incoming, Reader, address, encode_answer, encode_call, result_of

T = TypeVar("T")

Handler = Callable[[str, Any], Awaitable[object]]

CHUNK = 1 << 16
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0


class AsyncClient:
    """Connects when it is first needed, and again when the connection has ended.

    `handler` answers requests of the server: it gets a method and the one element of its parameters; what it raises
    is the error the server is told. With a handler the client stays connected (`port` 2014).
    """

    def __init__(
        self,
        server: str = "127.0.0.1:2012",
        *,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
        handler: Handler | None = None,
    ) -> None:
        self._server = server
        self._address = address(server)
        self._key = key
        self._timeout_s = timeout_s
        self._tls = tls
        self._handler = handler
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Incoming]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._connecting = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "AsyncClient":
        if self._handler is not None:
            await self._in_time(self._connected(), self._timeout_s)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @overload
    async def call(
        self, method: str, params: object = None, *, timeout_s: float | None = None, repeatable: bool = False
    ) -> Any: ...

    @overload
    async def call(
        self,
        method: str,
        params: object,
        returns: type[T],
        *,
        timeout_s: float | None = None,
        repeatable: bool = False,
    ) -> T: ...

    async def call(
        self,
        method: str,
        params: object = None,
        returns: Any = object,
        *,
        timeout_s: float | None = None,
        repeatable: bool = False,
    ) -> Any:
        """The result of a method as `returns`; ClientError says why not. `repeatable` as of `Client.call`."""
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        message = await self._in_time(self._asked(method, params, repeatable), limit_s)
        return result_of(message, returns)

    async def close(self) -> None:
        """Close the connection; the next call makes another."""
        if self._writer is not None:
            self._writer.close()
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._lost(Unreachable("the client was closed"))

    async def _in_time(self, work: Awaitable[T], limit_s: float) -> T:
        try:
            async with asyncio.timeout(limit_s):
                return await work
        except TimeoutError:
            raise NoAnswer(f"{self._server} did not answer in time") from None

    async def _asked(self, method: str, params: object, repeatable: bool) -> Incoming:
        await self._connected()
        try:
            return await self._exchange(method, params)
        except Unreachable:
            if not repeatable:
                raise
        await self._connected(is_patient=True)
        return await self._exchange(method, params)

    async def _exchange(self, method: str, params: object) -> Incoming:
        writer = self._writer
        if writer is None:
            raise Unreachable(f"{self._server} closed the connection")
        self._number += 1
        name = self._number
        answered: asyncio.Future[Incoming] = asyncio.get_running_loop().create_future()
        self._waiting[name] = answered
        try:
            writer.write(encode_call(method, params, name))
            await writer.drain()
            return await answered
        except OSError as error:
            raise Unreachable(f"{self._server}: {error}") from None
        finally:
            self._waiting.pop(name, None)

    async def _connected(self, is_patient: bool = False) -> None:
        """Connect where that is needed; one who is patient tries until it works."""
        pause_s = FIRST_PAUSE_S
        async with self._connecting:
            while self._writer is None:
                try:
                    reader, self._writer = await asyncio.open_connection(*self._address, ssl=self._tls)
                except OSError as error:
                    if not is_patient:
                        reason = error.strerror or str(error)
                        raise Unreachable(f"no server at {self._server} ({reason})") from None
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                    continue
                self._spawn(self._read(reader, self._writer))
                if self._key is not None:
                    result_of(await self._exchange(LOGIN, {"key": self._key}), object)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        incoming = Reader()
        failure: ClientError = Unreachable(f"{self._server} closed the connection")
        try:
            while data := await reader.read(CHUNK):
                for message in incoming.receive(data):
                    self._take(message, writer)
        except OSError as error:
            failure = Unreachable(f"{self._server}: {error}")
        except Garbled as error:
            failure = error
        finally:
            writer.close()
            if self._writer is writer:
                self._lost(failure)

    def _take(self, message: Incoming, writer: asyncio.StreamWriter) -> None:
        if message.method:
            self._spawn(self._answer(message, writer))
            return
        answered = self._waiting.get(message.id) if isinstance(message.id, int) else None
        if answered is not None and not answered.done():
            answered.set_result(message)

    async def _answer(self, message: Incoming, writer: asyncio.StreamWriter) -> None:
        """Do what the server asks; it is told what went wrong with it."""
        params = message.params[0] if isinstance(message.params, list) and message.params else message.params
        try:
            if self._handler is None:
                raise NotImplementedError(f"nobody answers {message.method} here")
            answer = encode_answer(message.id, await self._handler(message.method, params), None)
        except Exception as error:
            answer = encode_answer(message.id, None, str(error) or type(error).__name__)
        if not writer.is_closing():
            writer.write(answer)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _lost(self, failure: ClientError) -> None:
        self._writer = None
        for answered in self._waiting.values():
            if not answered.done():
                answered.set_exception(failure)
        self._waiting.clear()
