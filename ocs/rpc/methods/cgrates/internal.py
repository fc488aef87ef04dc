"""Methods called by the server itself: actions that reach other parts of it."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Caller
from ocs.rpc.later import Later
from ocs.rpc.registry import Registry

INTERNAL = Caller("internal", "internal")


def methods_of(registry: Registry, runtime: Runtime) -> Callable[[str, object], Awaitable[object]]:
    """A function that calls methods of a registry by name; it raises RpcError as they do."""

    async def call(name: str, params: object) -> object:
        method = registry.find(name)
        given = method.read(params)
        if method.takes_caller:
            outcome = method.function(runtime, given, caller=INTERNAL)
        else:
            outcome = method.function(runtime, given)
        if isawaitable(outcome):
            return await outcome
        return await _settled(outcome) if isinstance(outcome, Later) else outcome

    return call


async def _settled(later: "Later[object]") -> object:
    settled: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def deliver(value: object, error: Exception | None) -> None:
        if settled.done():
            return
        if error is None:
            settled.set_result(value)
        else:
            settled.set_exception(error)

    later.then(deliver)
    return await settled
