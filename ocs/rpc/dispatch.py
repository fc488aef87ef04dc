"""From the octets of a message to those of its answer: finds the method, reads parameters, tells what is wrong.

A plain function is run at once, without a task, and its answer may leave before `submit` returns; one that
returns a `Later` is answered when that is known; a coroutine function runs in a task that goes on when whoever
asked is gone.
"""

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

import structlog

from ocs.charging.store import StoreError
from ocs.rpc.caller import EVERYTHING, Caller, Role
from ocs.rpc.capacity import Capacity
from ocs.rpc.envelope import decode, encode_batch, encode_error, encode_result
from ocs.rpc.errors import INTERNAL_ERROR, UNAVAILABLE, RpcError
from ocs.rpc.gate import Gate, OpenGate
from ocs.rpc.later import Later
from ocs.rpc.messages import EnvelopeLimits, Message, Request
from ocs.rpc.registry import Method, Registry

log = structlog.get_logger()

DISCOVER = "rpc.discover"
LOGIN = "OcsV1.Login"
EXCEEDED = "MAX_CONCURRENT_RPC_EXCEEDED"
TIMEOUT_S = 30.0
FRAMES_LOGGED = 6

Deliver = Callable[[bytes | None], None]


class Background(Protocol):
    """Who owns tasks."""

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Run it to its end, whoever waits."""


class Dispatcher:
    """Runs requests; one for all transports of a server. `context` is the first argument of every method."""

    def __init__(
        self,
        registry: Registry,
        context: Background,
        limits: EnvelopeLimits,
        gate: Gate | None = None,
        capacity: Capacity | None = None,
    ) -> None:
        self.limits = limits
        self.gate: Gate = gate or OpenGate()
        self._registry = registry
        self._context = context
        self._capacity = capacity or Capacity()

    def submit(self, frame: bytes | Request, caller: Caller, deliver: Deliver) -> None:
        """Answer one message, which may have been read already; see `run`."""
        if isinstance(frame, bytes):
            self.run(decode(frame, self.limits), caller, deliver)
        elif not self._capacity.is_full:
            self._run_one(frame, caller, deliver)
        elif not self._capacity.waits(partial(self.submit, frame, caller, deliver)):
            self._refuse(frame, deliver)

    def run(self, message: Message, caller: Caller, deliver: Deliver) -> None:
        """Answer a message: `deliver` is called once, maybe at once, with None where nobody wants an answer."""
        if self._capacity.is_full:
            if not self._capacity.waits(partial(self.run, message, caller, deliver)):
                self._refuse(message.requests[0], deliver)
            return
        if not message.is_batch:
            self._run_one(message.requests[0], caller, deliver)
            return
        self._capacity.begun()
        self._context.spawn(self._run_batch(message, caller, deliver))

    def start(self, frame: bytes, caller: Caller) -> "asyncio.Future[bytes | None]":
        """Answer one message; the answer without a newline, or None. Cancelling the wait changes nothing."""
        answered: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()

        def deliver(answer: bytes | None) -> None:
            if not answered.done():
                answered.set_result(answer)

        self.submit(frame, caller, deliver)
        return answered

    def _refuse(self, request: Request, deliver: Deliver) -> None:
        deliver(encode_error(request, RpcError(EXCEEDED, UNAVAILABLE)))

    # --- one request

    def _run_one(self, request: Request, caller: Caller, deliver: Deliver) -> None:
        try:
            if request.failure is not None:
                raise request.failure
            if request.method in (DISCOVER, LOGIN):
                deliver(self._answer(request, self._built_in(request, caller)))
                return
            method = self._registry.methods.get(request.method) or self._registry.find(request.method)
            allowed = self._allowed(method, request, caller)
            params = method.read(request.params)
            if method.is_async:
                self._capacity.begun()
                self._context.spawn(self._run_task(method, request, params, allowed, deliver))
                return
            if method.takes_caller:
                outcome = method.function(self._context, params, caller=allowed)
            else:
                outcome = method.function(self._context, params)
        except Exception as error:
            self._finish(request, caller, deliver, None, error)
            return
        if isinstance(outcome, Later):
            self._capacity.begun()
            outcome.then(_Waiting(self, request, allowed, deliver).answered)
        else:
            self._finish(request, allowed, deliver, outcome, None)

    def answer_later(
        self, request: Request, caller: Caller, deliver: Deliver, value: object, error: Exception | None
    ) -> None:
        """A request that was waited for has its result, or an error."""
        try:
            self._finish(request, caller, deliver, value, error)
        finally:
            self._capacity.ended()

    async def _run_task(
        self, method: Method, request: Request, params: object, caller: Caller, deliver: Deliver
    ) -> None:
        value: object = None
        failure: Exception | None = None
        try:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    if method.takes_caller:
                        value = await _awaited(method.function(self._context, params, caller=caller))
                    else:
                        value = await _awaited(method.function(self._context, params))
            except Exception as error:
                failure = error
            self._finish(request, caller, deliver, value, failure)
        finally:
            self._capacity.ended()

    async def _run_batch(self, message: Message, caller: Caller, deliver: Deliver) -> None:
        """The requests of a batch one after the other: a client that wants them at once sends them apart."""
        loop = asyncio.get_running_loop()
        answers: list[bytes] = []
        try:
            for request in message.requests:
                answered: asyncio.Future[bytes | None] = loop.create_future()
                self._run_one(request, caller, answered.set_result)
                answer = await answered
                if answer is not None:
                    answers.append(answer)
            deliver(encode_batch(answers) if answers else None)
        finally:
            self._capacity.ended()

    # --- what leaves

    def _finish(
        self, request: Request, caller: Caller, deliver: Deliver, value: object, error: Exception | None
    ) -> None:
        """Say the result or what is wrong; administrative calls are put on record first."""
        try:
            answer = self._failed(request, error) if error is not None else self._answer(request, value)
        except Exception as unencodable:
            answer, error = self._failed(request, unencodable), unencodable
        if request.method in self._registry.administrative:
            self.gate.audit(caller, request.method, request.params, error, partial(deliver, answer))
        else:
            deliver(answer)

    def _answer(self, request: Request, value: object) -> bytes | None:
        return None if request.is_notification else encode_result(request, value)

    def _failed(self, request: Request, error: Exception) -> bytes | None:
        match error:
            case RpcError():
                told = error
            case StoreError() | TimeoutError():
                log.warning("rpc.unavailable", method=request.method[:200], error=str(error))
                text = str(error) or "not done in time"
                told = RpcError(f"the store is not available: {text}", UNAVAILABLE)
            case _:
                # Only where it happened: the text of an exception may hold a piece of the request.
                log.error(
                    "rpc.failed", method=request.method[:200], kind=type(error).__name__, at=places(error)
                )
                told = RpcError("internal error", INTERNAL_ERROR)
        return None if request.is_notification else encode_error(request, told)

    # --- who may

    def _allowed(self, method: Method, request: Request, caller: Caller) -> Caller:
        """The caller, or whoever the request's own key names; Forbidden where neither may."""
        if caller.roles is EVERYTHING or method.role in caller.roles:
            return caller
        return self.gate.allowed(caller, method.role, request.params)

    def _built_in(self, request: Request, caller: Caller) -> object:
        if request.method == LOGIN:
            return self.gate.login(caller, request.params)
        if Role.READ not in caller.roles:
            self.gate.allowed(caller, Role.READ, request.params)
        return self._registry.describe()


class _Waiting:
    """A request whose result comes later."""

    __slots__ = ("_caller", "_deliver", "_dispatcher", "_request")

    def __init__(self, dispatcher: Dispatcher, request: Request, caller: Caller, deliver: Deliver) -> None:
        self._dispatcher = dispatcher
        self._request = request
        self._caller = caller
        self._deliver = deliver

    def answered(self, value: object, error: Exception | None) -> None:
        """It is there."""
        self._dispatcher.answer_later(self._request, self._caller, self._deliver, value, error)


async def _awaited(work: Any) -> object:
    return await work


def places(error: BaseException | None) -> list[str]:
    """File, line and function of the last calls, the innermost last."""
    calls = [] if error is None else traceback.extract_tb(error.__traceback__)[-FRAMES_LOGGED:]
    return [f"{call.filename}:{call.lineno} {call.name}" for call in calls]
