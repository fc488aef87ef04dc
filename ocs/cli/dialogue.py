"""A connection to a server from the client's end: many requests under way, each waiting for its own answer.

The same codec and connection as the server's, with the roles changed.
"""

import asyncio
import os
import socket
import time
from typing import Any, Final, TypeVar

from ocs.diameter.capabilities import ADMIT, LocalCapabilities
from ocs.diameter.codes import CREDIT_CONTROL_APPLICATION, Command, DisconnectCause, ResultCode
from ocs.diameter.connection import Connection
from ocs.diameter.events import AnswerReceived, Closed, Event, Opened, RequestReceived
from ocs.diameter.identifiers import Identifiers
from ocs.diameter.message import Message, answer_message, identity
from ocs.diameter.outgoing import TooManyRequests
from ocs.diameter.peer import Role

Found = TypeVar("Found")
GOODBYE_S: Final = 1.0
READ_OCTETS: Final = 65_536


class ClientError(Exception):
    """What went wrong, for the person at the keyboard."""


class Dialogue:
    """One open connection; `open` makes it. What the server asks by itself (RAR, ASR) is answered 2001."""

    def __init__(
        self,
        server: str,
        local: LocalCapabilities,
        timeout_s: float,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self._server = server
        self._timeout_s = timeout_s
        self._reader, self._writer = streams
        self._identity = identity(local.origin_host, local.origin_realm)
        self._identifiers = Identifiers(int(time.time()), int.from_bytes(os.urandom(6), "big"))
        self._connection = Connection(local, lambda _: ADMIT, self._identifiers, role=Role.INITIATOR)
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers: dict[int, asyncio.Future[Message]] = {}
        self._lost: ClientError | None = None
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, server: str, origin_host: str, origin_realm: str, timeout_s: float) -> "Dialogue":
        """Connect and exchange capabilities; raises ClientError."""
        host, _, port = server.rpartition(":")
        try:
            async with asyncio.timeout(timeout_s):
                streams = await asyncio.open_connection(host.strip("[]"), int(port))
        except (OSError, ValueError, TimeoutError) as error:
            raise ClientError(f"{server} cannot be reached: {error or 'no answer'}") from error
        own: socket.socket = streams[1].get_extra_info("socket")
        local = LocalCapabilities(
            origin_host=origin_host,
            origin_realm=origin_realm,
            host_addresses=(str(own.getsockname()[0]),),
            origin_state_id=1,
            product_name="ocs client",
        )
        dialogue = cls(server, local, timeout_s, streams)
        try:
            await dialogue._within(dialogue._opened)
        except ClientError:
            await dialogue.leave()
            raise
        return dialogue

    async def ask(self, parts: list[bytes], is_repeat: bool = False) -> Message:
        """The answer to a CCR; raises ClientError when it does not come in time or the connection ends."""
        if self._lost is not None:
            raise self._lost
        end_to_end = self._identifiers.next_end_to_end() if is_repeat else None
        try:
            request = self._connection.send_request(
                Command.CREDIT_CONTROL, CREDIT_CONTROL_APPLICATION, parts, time.monotonic_ns(), end_to_end
            )
        except TooManyRequests:
            raise ClientError(f"{self._server} leaves too many requests unanswered") from None
        if request is None:
            raise ClientError(f"the connection to {self._server} is closing")
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[request] = answer
        self._flush()
        try:
            return await self._within(answer)
        finally:
            self._answers.pop(request, None)

    async def closed(self) -> None:
        """Wait until the connection is over; raises ClientError, which says why."""
        await asyncio.shield(self._reading)
        assert self._lost is not None
        raise self._lost

    async def leave(self) -> None:
        """DPR, DPA, close; a server that does not answer is not waited for."""
        self._connection.disconnect(time.monotonic_ns(), DisconnectCause.DO_NOT_WANT_TO_TALK_TO_YOU)
        self._flush()
        await asyncio.wait([self._reading], timeout=GOODBYE_S)
        self._reading.cancel()
        self._writer.close()

    async def _within(self, waited: "asyncio.Future[Found]") -> Found:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await waited
        except TimeoutError:
            raise ClientError(f"no answer from {self._server} in {self._timeout_s} s") from None

    async def _read(self) -> None:
        """Take what comes until the connection is closed; then everybody who waits is told why."""
        self._connection.connected(time.monotonic_ns())
        self._flush()
        while self._lost is None:
            try:
                data = await self._reader.read(READ_OCTETS)
            except OSError as error:
                data = b""
                self._lose(f"{self._server}: {error}")
            now_ns = time.monotonic_ns()
            if data:
                events = self._connection.receive_data(data, now_ns)
            else:
                events = self._connection.connection_lost(now_ns)
            for event in events:
                self._take(event)
            self._flush()
            if not data:
                self._lose("connection closed")

    def _take(self, event: Event) -> None:
        match event:
            case Opened():
                self._opened.set_result(None)
            case AnswerReceived(request_id=request, message=message):
                waiting = self._answers.get(request)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
            case RequestReceived(message=message):
                self._connection.send(answer_message(message, ResultCode.SUCCESS, self._identity))
            case Closed(reason=reason, detail=detail):
                self._lose(f"connection closed, {reason.value}{f': {detail}' if detail else ''}")
            case _:
                pass  # news of the connection that a client does not act on

    def _lose(self, why: str) -> None:
        """The connection is over; the first reason is the one that is told."""
        if self._lost is not None:
            return
        self._lost = ClientError(why)
        everybody: tuple[asyncio.Future[Any], ...] = (self._opened, *self._answers.values())
        for waiting in everybody:
            if not waiting.done():
                waiting.set_exception(self._lost)
                waiting.exception()  # whoever has stopped waiting is not reported as forgotten

    def _flush(self) -> None:
        data = self._connection.data_to_send()
        if data and not self._writer.is_closing():
            self._writer.write(data)
