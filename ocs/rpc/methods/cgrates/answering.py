"""Running a method of the incumbent: its answer, or its error, leaves when what it changed is durable. Compiled."""

import asyncio
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any

from ocs.cgrates.journal import JournalError
from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Caller
from ocs.rpc.errors import UNAVAILABLE, RpcError, TryAgain
from ocs.rpc.later import Later
from ocs.sessions.errors import Outrun, ServiceError

Function = Callable[..., Any]
TIMEOUT_S = 30.0


def given(reads: Callable[[object], Given], value: object) -> Given:
    """The parameters; an empty text, as some calls have it, stands for none."""
    return reads(None if value == "" else value)


def answer(context: Runtime, function: Function, params: object, caller: Caller | None) -> object:
    """The outcome of a plain function, or a `Later` where the disk is waited for; `caller` where it takes one."""
    changes = context.state.changes
    value: object = None
    failure: Exception | None = None
    try:
        value = function(context, params) if caller is None else function(context, params, caller)
    except (ServiceError, ValueError) as error:
        failure = told(error)
    except RpcError as error:
        failure = error
    if isinstance(value, CoroutineType):
        return _waited(context, value)
    if context.state.changes != changes:
        later = _WhenDurable(value, failure)
        context.state.when_durable(later.settle)
        return later
    if failure is not None:
        raise failure
    return value


class _WhenDurable(Later[object]):
    """An outcome that is told when the state is on disk."""

    __slots__ = ("_failure", "_outcome")

    def __init__(self, outcome: object, failure: Exception | None) -> None:
        super().__init__()
        self._outcome = outcome
        self._failure = failure

    def settle(self, error: JournalError | None) -> None:
        """Everything changed so far is on disk, or never will be."""
        if error is not None:
            self.fail(lost(error))
        elif self._failure is not None:
            self.fail(self._failure)
        else:
            self.set(self._outcome)


def _waited(context: Runtime, work: Coroutine[Any, Any, object]) -> Later[object]:
    """The outcome of what a plain function has to wait for."""
    later: Later[object] = Later()

    async def wait() -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                value = await work
                await durable(context)
        except (ServiceError, ValueError) as error:
            later.fail(told(error))
        except Exception as error:
            later.fail(error)
        else:
            later.set(value)

    context.spawn(wait())
    return later


async def durable(context: Runtime) -> None:
    """Returns when everything is on disk. Raises RpcError."""
    try:
        await context.durable()
    except JournalError as error:
        raise lost(error) from None


def lost(error: JournalError) -> RpcError:
    """What was done is not on disk and never will be."""
    kind = TryAgain if isinstance(error, Outrun) else RpcError
    return kind(f"SERVER_ERROR: {error}", UNAVAILABLE)


def told(error: Exception) -> RpcError:
    """An error of the pipeline in its own words; a value that cannot be read as the server's."""
    return RpcError(str(error)) if isinstance(error, ServiceError) else RpcError(f"SERVER_ERROR: {error}")
