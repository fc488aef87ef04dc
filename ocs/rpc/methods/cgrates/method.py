"""How a method of the incumbent is registered: parameters as `Given`, the answer when its changes are durable."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from ocs.cgrates.journal import JournalError
from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Caller, Role
from ocs.rpc.errors import UNAVAILABLE, RpcError
from ocs.rpc.later import Later
from ocs.rpc.registry import Registry
from ocs.sessions.errors import Outrun, ServiceError

Function = Callable[..., Any]
TIMEOUT_S = 30.0


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
        registry.method(name, role, read=partial(_given, reads))(made)
        return function

    return add


def _given(reads: Callable[[object], Given], value: object) -> Given:
    """The parameters; an empty text, as some calls have it, stands for none."""
    return reads(None if value == "" else value)


def _plain(function: Function, takes_caller: bool) -> Function:
    def answer(context: Runtime, params: object, caller: Caller) -> object:
        changes = context.state.changes
        value: object = None
        failure: Exception | None = None
        try:
            value = function(context, params, caller) if takes_caller else function(context, params)
        except (ServiceError, ValueError) as error:
            failure = told(error)
        except RpcError as error:
            failure = error
        if inspect.iscoroutine(value):
            return _waited(context, value)
        return _when_durable(context, value, failure, has_changed=context.state.changes != changes)

    return answer


def _waiting(function: Function, takes_caller: bool) -> Callable[..., Awaitable[object]]:
    async def answer(context: Runtime, params: object, caller: Caller) -> object:
        try:
            if takes_caller:
                return await function(context, params, caller)
            return await function(context, params)
        except (ServiceError, ValueError) as error:
            raise told(error) from None
        finally:
            await _durable(context)

    return answer


def _waited(context: Runtime, work: Coroutine[Any, Any, object]) -> Later[object]:
    """The outcome of what a plain function has to wait for."""
    later: Later[object] = Later()

    async def wait() -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                value = await work
                await _durable(context)
        except (ServiceError, ValueError) as error:
            later.fail(told(error))
        except Exception as error:
            later.fail(error)
        else:
            later.set(value)

    context.spawn(wait())
    return later


def _when_durable(context: Runtime, value: object, failure: Exception | None, *, has_changed: bool) -> object:
    """The value, or a `Later` where the disk is waited for."""
    if not has_changed:
        if failure is not None:
            raise failure
        return value
    later: Later[object] = Later()

    def done(error: JournalError | None) -> None:
        if error is not None:
            later.fail(_lost(error))
        elif failure is not None:
            later.fail(failure)
        else:
            later.set(value)

    context.state.when_durable(done)
    return later


async def _durable(context: Runtime) -> None:
    try:
        await context.durable()
    except JournalError as error:
        raise _lost(error) from None


class TryAgain(RpcError):
    """Another server was quicker: nothing of the call has happened."""


def _lost(error: JournalError) -> RpcError:
    kind = TryAgain if isinstance(error, Outrun) else RpcError
    return kind(f"SERVER_ERROR: {error}", UNAVAILABLE)


def told(error: Exception) -> RpcError:
    """An error of the pipeline in its own words; a value that cannot be read as the server's."""
    return RpcError(str(error)) if isinstance(error, ServiceError) else RpcError(f"SERVER_ERROR: {error}")
