"""From the octets of a message to those of its answer: finds the method, reads parameters, tells what is wrong."""

import asyncio

import structlog

from ocs.charging.store import StoreError
from ocs.rpc.context import Context
from ocs.rpc.envelope import (
    EnvelopeLimits,
    Message,
    Request,
    decode,
    encode_batch,
    encode_error,
    encode_result,
)
from ocs.rpc.errors import INTERNAL_ERROR, UNAVAILABLE, InvalidParams, RpcError
from ocs.rpc.registry import Registry
from ocs.rpc.values import read

log = structlog.get_logger()

DISCOVER = "rpc.discover"
TIMEOUT_S = 30.0
AT_ONCE = 4_000  # messages of all connections


class Dispatcher:
    """Runs requests; one for all transports of a server."""

    def __init__(self, registry: Registry, context: Context, limits: EnvelopeLimits) -> None:
        self.limits = limits
        self._registry = registry
        self._context = context
        self._running = 0

    def start(self, frame: bytes) -> asyncio.Task[bytes | None]:
        """Answer one message in a task that goes on when whoever sent it is gone: without a newline, or None."""
        return self._context.spawn(self.answer(frame))

    async def answer(self, frame: bytes) -> bytes | None:
        """The answer to one message, without a newline; None where nobody wants one."""
        message = decode(frame, self.limits)
        if self._running >= AT_ONCE:
            return encode_error(message.requests[0], RpcError("MAX_CONCURRENT_RPC_EXCEEDED", UNAVAILABLE))
        self._running += 1
        try:
            return await self._answer(message)
        finally:
            self._running -= 1

    async def _answer(self, message: Message) -> bytes | None:
        if message.is_batch:
            return await self._answer_batch(message)
        return await self._answer_one(message.requests[0])

    async def _answer_batch(self, message: Message) -> bytes | None:
        """The requests of a batch one after the other: a client that wants them at once sends them apart."""
        answers = [await self._answer_one(request) for request in message.requests]
        wanted = [answer for answer in answers if answer is not None]
        return encode_batch(wanted) if wanted else None

    async def _answer_one(self, request: Request) -> bytes | None:
        try:
            answer = encode_result(request, await self._result(request))
        except RpcError as error:
            answer = encode_error(request, error)
        except (StoreError, TimeoutError) as error:
            log.warning("rpc.unavailable", method=request.method, error=str(error))
            text = str(error) or "not done in time"
            answer = encode_error(request, RpcError(f"the store is not available: {text}", UNAVAILABLE))
        except Exception:
            log.exception("rpc.failed", method=request.method)
            answer = encode_error(request, RpcError("internal error", INTERNAL_ERROR))
        return None if request.is_notification else answer

    async def _result(self, request: Request) -> object:
        if request.failure is not None:
            raise request.failure
        if request.method == DISCOVER:
            return self._registry.describe()
        method = self._registry.find(request.method)
        if not isinstance(request.params, (dict, type(None))):
            raise InvalidParams("params: is an object")
        params: object = read(method.params, request.params)
        async with asyncio.timeout(TIMEOUT_S):
            return await method.function(self._context, params)
