"""How a method of the incumbent is registered: parameters as `Given`, the answer when its changes are durable."""

import inspect
from collections.abc import Awaitable, Callable
from functools import partial

from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Caller, Role
from ocs.rpc.methods.cgrates.answering import Function, answer, durable, given, told
from ocs.rpc.registry import Registry
from ocs.sessions.errors import ServiceError


def method(
    registry: Registry, name: str, role: Role, reads: Callable[[object], Given] = Given
) -> Callable[[Function], Function]:
    """Decorator: `function(runtime, given)`, or with a third parameter `caller`, is the method of that name.

    A plain function runs at once and changes the state in one step; one that has to wait after all returns a
    coroutine. A coroutine function may await, but what it changes between two awaits is one step of its own. The
    answer, or the error, leaves when all is durable.
    """

    def add(function: Function) -> Function:
        takes_caller = "caller" in inspect.signature(function).parameters
        made = (
            _waiting(function, takes_caller)
            if inspect.iscoroutinefunction(function)
            else _plain(function, takes_caller)
        )
        made.__doc__ = function.__doc__
        registry.method(name, role, read=partial(given, reads))(made)
        return function

    return add


def _plain(function: Function, takes_caller: bool) -> Function:
    if takes_caller:

        def run(context: Runtime, params: object, caller: Caller) -> object:
            return answer(context, function, params, caller)

        return run

    def run_for_anybody(context: Runtime, params: object) -> object:
        return answer(context, function, params, None)

    return run_for_anybody


def _waiting(function: Function, takes_caller: bool) -> Callable[..., Awaitable[object]]:
    async def run(context: Runtime, params: object, caller: Caller) -> object:
        try:
            if takes_caller:
                return await function(context, params, caller)
            return await function(context, params)
        except (ServiceError, ValueError) as error:
            raise told(error) from None
        finally:
            await durable(context)

    return run
