"""One connection to a switch: frames in, commands out, answers to those who asked. Replies come in order."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, cast
from uuid import uuid4

import structlog

from ocs.agents.freeswitch import esl
from ocs.agents.freeswitch.esl import Frame, FrameReader, Reply, SwitchEvent, WireError

log = structlog.get_logger()

COMMANDS_WAITING = 50_000  # a switch that answers none of so many is as good as gone
LATE = "-ERR no answer in time"
WRITE_LIMIT = 8 * 1024 * 1024


class LinkLost(Exception):
    """The connection is gone, or of no more use; what was asked over it may or may not have been done."""


class LinkRefused(Exception):
    """The switch does not let us in."""


class Link(asyncio.Protocol):
    """An authenticated Event Socket connection, once `connect` has returned."""

    def __init__(self, name: str, on_event: Callable[[SwitchEvent], None], timeout_s: float) -> None:
        self.name = name
        self.heard_s = 0.0
        self.is_closed = False
        loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[str] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()
        self._loop = loop
        self._on_event = on_event
        self._timeout_s = timeout_s
        self._reader = FrameReader()
        self._replies: deque[asyncio.Future[Reply]] = deque()
        self._jobs: dict[str, asyncio.Future[Reply]] = {}
        self._transport: asyncio.Transport | None = None
        self._notice = ""

    # --- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there; the switch speaks first."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self.heard_s = self._loop.time()

    def data_received(self, data: bytes) -> None:
        """Bytes came; a frame that is none ends the connection."""
        self.heard_s = self._loop.time()
        try:
            frames = self._reader.feed(data)
            for frame in frames:
                self._take(frame)
        except WireError as error:
            self.abort(f"not understood: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Everybody who waits for an answer learns that there will be none.

        An orderly end comes after everything that was said before it; a broken connection says nothing of when.
        """
        if exc is None and not self.is_closed:
            self.heard_s = self._loop.time()
        self._close(self._notice or (str(exc) if exc else "closed by the switch"))

    def abort(self, reason: str) -> None:
        """Give the connection up."""
        self._close(reason)
        if self._transport is not None:
            self._transport.abort()

    def _close(self, reason: str) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        waiting: list[asyncio.Future[Any]] = [*self._replies, *self._jobs.values(), self.greeted]
        for future in waiting:
            if not future.done():
                future.set_exception(LinkLost(reason))
                future.exception()  # whoever waited may be gone: that is no error of its own
        self._replies.clear()
        self._jobs.clear()
        self.closed.set_result(reason)

    # --- frames

    def _take(self, frame: Frame) -> None:
        match frame.content_type:
            case esl.EVENT_JSON | esl.EVENT_PLAIN:
                self._take_event(frame)
            case esl.COMMAND_REPLY | esl.API_RESPONSE:
                if not self._replies:
                    raise WireError("an answer that nobody asked for")
                future = self._replies.popleft()
                if not future.done():
                    future.set_result(esl.reply_of(frame))
            case esl.AUTH_REQUEST | esl.RUDE_REJECTION:
                if not self.greeted.done():
                    self.greeted.set_result(frame.content_type)
            case esl.DISCONNECT_NOTICE:
                self._notice = frame.body.decode("utf-8", "replace").partition("\n")[0]
            case other:
                log.debug("freeswitch.frame_ignored", peer=self.name, content_type=other)

    def _take_event(self, frame: Frame) -> None:
        try:
            event = esl.event_of(frame)
        except WireError as error:
            log.warning("freeswitch.event_refused", peer=self.name, error=str(error))
            return
        if event.name == "BACKGROUND_JOB":
            job = self._jobs.get(event.get("Job-UUID"))
            if job is not None and not job.done():
                job.set_result(Reply(event.body.strip("\r\n")))
        else:
            self._on_event(event)

    # --- commands

    def send(self, command: str, **headers: str) -> "asyncio.Future[Reply]":
        """Send one command; its reply comes after those of the commands before it."""
        return self._send((esl.encode_command(command, **headers),))[0]

    def _send(self, encoded: Iterable[bytes]) -> "list[asyncio.Future[Reply]]":
        if self.is_closed or self._transport is None:
            raise LinkLost("not connected")
        lines = tuple(encoded)
        if len(self._replies) > COMMANDS_WAITING or self._transport.get_write_buffer_size() > WRITE_LIMIT:
            self.abort("the switch takes no commands")
            raise LinkLost("the switch takes no commands")
        futures: list[asyncio.Future[Reply]] = [self._loop.create_future() for _ in lines]
        self._replies.extend(futures)
        self._transport.write(b"".join(lines))
        return futures

    async def api(self, *commands: str) -> list[Reply]:
        """Send API commands in one write and return their replies, in order."""
        futures = self._send([esl.encode_command(f"api {command}") for command in commands])
        for last in futures[-1:]:
            await self._within(last)  # replies come in order: those before it are there too
        return [future.result() for future in futures]

    async def ask(self, command: str) -> Reply:
        """Send one command of the protocol itself and return its reply."""
        return await self._within(self.send(command))

    async def job(self, command: str) -> Reply:
        """Run an API command that may take long in the background of the switch; return what it printed."""
        job_id = str(uuid4())
        done: asyncio.Future[Reply] = self._loop.create_future()
        self._jobs[job_id] = done
        try:
            accepted = await self._within(self.send(f"bgapi {command}", Job_UUID=job_id))
            if not accepted.is_ok:
                return accepted
            async with asyncio.timeout(self._timeout_s):
                return await done
        except TimeoutError:
            return Reply(LATE)  # replies to commands still come in order: the connection is good
        finally:
            self._jobs.pop(job_id, None)

    async def _within(self, future: "asyncio.Future[Reply]") -> Reply:
        """A reply that does not come in time ends the connection: the order of replies is lost with it."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await future
        except TimeoutError:
            self.abort("no answer in time")
            raise LinkLost("no answer in time") from None


async def connect(
    name: str,
    host: str,
    port: int,
    password: str,
    on_event: Callable[[SwitchEvent], None],
    timeout_s: float,
) -> Link:
    """Connect and log in; raises OSError, LinkLost or LinkRefused."""
    loop = asyncio.get_running_loop()
    link = Link(name, on_event, timeout_s)
    async with asyncio.timeout(timeout_s):
        await loop.create_connection(lambda: link, host, port)
        try:
            greeting = await link.greeted
            if greeting == esl.RUDE_REJECTION:
                raise LinkRefused("our address is not in the access list of the switch")
            reply = await link.send(f"auth {password}")
            if not reply.is_ok:
                raise LinkRefused("the switch does not take the password")
        except BaseException:
            link.abort("not logged in")
            raise
    return link
