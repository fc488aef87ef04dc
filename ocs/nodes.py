"""Several servers on one store: what each does so that nothing is done twice, and nothing is left undone.

Whatever changes an account is decided by versions, so two servers that do the same thing do it once. What remains:
an account that another server has changed leaves memory; sessions of a server that is gone are taken over when
their time has come; plans of accounts opened elsewhere are known here too; and a client is asked by the server that
has its connection.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec
import structlog

from ocs.charging.account import Account
from ocs.charging.control import Ask, ControlResult
from ocs.charging.service import ChargingService
from ocs.charging.store import StoreError
from ocs.charging.store.shared import Recorded, SharedStore

log = structlog.get_logger()

LOOKED_EVERY_S = 1.0
LEFT_NS = 3_000_000_000  # how late something is before it is taken for left undone
TAKEN_AT_ONCE = 200
ANSWER_S = 12.0  # longer than an agent waits for its client
ASKS = "asks"
UNHEARD = (ControlResult.NO_ANSWER, ControlResult.UNSUPPORTED)


class _Question(msgspec.Struct, frozen=True):
    """Asked by one server of all others."""

    number: str
    answer_to: str
    ask: Ask


class _Answer(msgspec.Struct, frozen=True):
    number: str
    said: ControlResult


class Alone:
    """The only server of its store."""

    async def start(self) -> None:
        """There is nobody to listen to."""

    async def run(self) -> None:
        """Nothing is left undone by others."""

    async def stop(self) -> None:
        """Nobody is answered."""


class Nodes:
    """This server among the others."""

    def __init__(
        self,
        service: ChargingService,
        store: SharedStore,
        on_planned: Callable[[Account], None],
        on_missed: Callable[[], None],
        answer_s: float = ANSWER_S,
    ) -> None:
        self._service = service
        self._store = store
        self._on_planned = on_planned
        self._on_missed = on_missed
        self._answer_s = answer_s
        self._mine = f"node:{uuid.uuid4().hex}"
        self.on_recorded: Callable[[Recorded], None] | None = None
        self.catch_up: Callable[[], Awaitable[None]] | None = None  # with what others have recorded
        self.channels: tuple[str, ...] = (ASKS, self._mine)
        self._after_ms = 0
        self._planned: set[str] = set()
        self._asked: dict[str, asyncio.Future[ControlResult]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen to the others, and let the service ask them."""
        await self._store.subscribe(self)
        self._service.elsewhere = self.ask

    async def run(self) -> None:
        """Look for what others have left undone, every second, until cancelled."""
        while True:
            await asyncio.sleep(LOOKED_EVERY_S)
            try:
                await self.look()
            except StoreError as error:
                log.warning("nodes.look_failed", error=str(error))

    async def stop(self) -> None:
        """Answer nobody any more."""
        self._service.elsewhere = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- what was left undone

    async def look(self) -> None:
        """Take accounts into memory whose sessions are overdue, or whose plans others have set."""
        before_ms = (self._service.now_ns() - LEFT_NS) // 1_000_000
        found = await self._store.overdue(self._after_ms, before_ms, TAKEN_AT_ONCE)
        self._after_ms = found[-1][1] if len(found) == TAKEN_AT_ONCE else 0
        for key, _ in found:
            await self._service.take_over(key)
        planned, self._planned = self._planned, set()
        for key in planned:
            account = await self._service.account(key)
            if account is not None:
                self._on_planned(account)

    # --- what is heard of others

    def changed(self, key: str, version: int, is_planned: bool) -> None:
        """Another server has changed an account: what memory has of it is of no use any more."""
        self._service.outdated(key, version)
        if is_planned:
            self._planned.add(key)

    def recorded(self, entry: Recorded) -> None:
        """Records have been kept."""
        if self.on_recorded is not None:
            self.on_recorded(entry)

    def missed(self) -> None:
        """Plans and records may have been set that were not heard of."""
        self._on_missed()
        if self.catch_up is not None:
            self._spawn(self._caught_up(self.catch_up))

    async def _caught_up(self, catch_up: Callable[[], Awaitable[None]]) -> None:
        try:
            await catch_up()
        except StoreError as error:
            log.warning("nodes.not_caught_up", error=str(error))

    def said(self, channel: str, message: bytes) -> None:
        """A question of another server, or the answer to one of this server's."""
        if channel == ASKS:
            question = msgspec.msgpack.decode(message, type=_Question)
            if question.answer_to != self._mine:
                self._spawn(self._answer(question))
            return
        answer = msgspec.msgpack.decode(message, type=_Answer)
        waiting = self._asked.get(answer.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.said)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- clients of others

    async def ask(self, ask: Ask) -> ControlResult:
        """Have the server that has the client's connection ask it; NO_ANSWER where none has, or none says."""
        number = uuid.uuid4().hex
        waiting: asyncio.Future[ControlResult] = asyncio.get_running_loop().create_future()
        self._asked[number] = waiting
        try:
            question = msgspec.msgpack.encode(_Question(number, self._mine, ask))
            if await self._store.say(ASKS, question) < 2:  # nobody but this server is there
                return ControlResult.NO_ANSWER
            async with asyncio.timeout(self._answer_s):
                return await waiting
        except (StoreError, TimeoutError):
            return ControlResult.NO_ANSWER
        finally:
            del self._asked[number]

    async def _answer(self, question: _Question) -> None:
        """Only the server that reaches the client has something to say."""
        try:
            said = await self._service.ask_here(question.ask)
            if said not in UNHEARD:
                await self._store.say(
                    question.answer_to, msgspec.msgpack.encode(_Answer(question.number, said))
                )
        except StoreError as error:
            log.warning("nodes.not_answered", error=str(error))
