"""The incumbent's session and record methods on `ocs serve`: the same functions, when their accounts are in memory.

A step is taken at once, as everywhere; what it needs of the store is fetched before it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from ocs.cgrates.objects.given import Flat, Given
from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Caller, Role
from ocs.rpc.errors import TryAgain
from ocs.rpc.later import Later
from ocs.rpc.methods.cgrates import (
    attributes,
    caches,
    cdr_queries,
    cdrs,
    core,
    exchange,
    generic_sessions,
    live_sessions,
    ping,
    profiles,
    resources,
    routes,
    sessions,
    stats,
    stir,
    thresholds,
)
from ocs.rpc.methods.cgrates.answering import TIMEOUT_S
from ocs.rpc.methods.cgrates.session_forms import bare_event
from ocs.rpc.registry import Method, Registry
from ocs.rpc.tasks import Tasks
from ocs.sessions import values
from ocs.sessions.model import MAIN_FIELDS, CgrEvent

SERVICES = (
    *(sessions, generic_sessions, live_sessions, stir, cdrs),
    *(attributes, resources, routes, stats, thresholds, exchange),
)
PINGED = frozenset(
    (
        *("SessionSv1", "CDRsV1", "CDRsV2", "ChargerSv1", "AttributeSv1", "ResourceSv1", "RouteSv1"),
        *("StatSv1", "ThresholdSv1", "EeSv1", "ErSv1", "APIerSv1", "APIerSv2", "CoreSv1", "CacheSv1"),
    )
)
OF_RECORDS = frozenset(  # which make ready what their records need by themselves
    f"{version}.{name}" for version in ("CDRsV1", "CDRsV2") for name in ("RateCDRs", "ReprocessCDRs")
)
LEFT_OUT = frozenset(
    ("CDRsV1.StoreSessionCost", "CDRsV2.StoreSessionCost")
)  # costs are those of this core alone


ATTEMPTS = 8  # of a call that other servers outrun


class Ready(Protocol):
    """A runtime whose steps need accounts in memory."""

    def is_ready(self, events: tuple[CgrEvent, ...]) -> bool:
        """Whether steps of these events can be taken at once."""

    async def make_ready(self, events: tuple[CgrEvent, ...]) -> None:
        """Brings what they need into memory."""

    is_shared: bool  # with other servers, which may be quicker

    async def catch_up(self) -> None:
        """Learns what they have changed."""


def offered() -> list[Method]:
    """The methods that are the same functions here."""
    own, pings = Registry(), Registry()
    for service in SERVICES:
        service.register(own)
    for table in (cdr_queries.TABLE, profiles.TABLE, core.TABLE, caches.TABLE):
        table.register(own)
    ping.register(pings)
    found = [each for each in own if each.name not in LEFT_OUT]
    return found + [each for each in pings if each.name.rpartition(".")[0] in PINGED]


def register(registry: Registry, runtime: Runtime, ready: Ready) -> None:
    """Adds the methods of a runtime to the registry of a server."""
    for method in offered():
        made = _waiting if method.is_async else _plain
        function = made(method, runtime, ready)
        function.__doc__ = method.function.__doc__
        registry.method(method.name, method.role, read=method.read)(function)


def _plain(method: Method, runtime: Runtime, ready: Ready) -> Callable[..., object]:
    call = _call(method, runtime)
    charges = method.role is Role.CHARGE or method.name in OF_RECORDS

    def answer(context: Tasks, params: object, caller: Caller) -> object:
        events = events_of(runtime, method.name, params) if charges else ()
        if not ready.is_shared and (not events or ready.is_ready(events)):
            return call(params, caller)
        later: Later[object] = Later()
        left = ATTEMPTS

        def attempt() -> None:
            outcome = call(params, caller)
            if isinstance(outcome, Later):
                outcome.then(settle)
            else:
                later.set(outcome)

        def settle(value: object, error: Exception | None) -> None:
            nonlocal left
            left -= 1
            if isinstance(error, TryAgain) and left:
                runtime.spawn(wait(catches_up=True))
            elif error is None:
                later.set(value)
            else:
                later.fail(error)

        async def wait(catches_up: bool = False) -> None:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    if catches_up:
                        await ready.catch_up()
                    await ready.make_ready(events)
                attempt()
            except Exception as error:
                later.fail(error)

        if not events or ready.is_ready(events):
            attempt()
        else:
            runtime.spawn(wait())
        return later

    return answer


def _waiting(method: Method, runtime: Runtime, ready: Ready) -> Callable[..., Awaitable[object]]:
    call = _call(method, runtime)

    async def answer(context: Tasks, params: object, caller: Caller) -> object:
        for left in range(ATTEMPTS - 1, -1, -1):
            await ready.make_ready(events_of(runtime, method.name, params))
            outcome = call(params, caller)
            assert isinstance(outcome, Awaitable), "a coroutine function"
            try:
                return await outcome
            except TryAgain:
                if not left:
                    raise
                await ready.catch_up()
        raise AssertionError("the last attempt returns or raises")

    return answer


def _call(method: Method, runtime: Runtime) -> Callable[[object, Caller], object]:
    if method.takes_caller:
        return lambda params, caller: method.function(runtime, params, caller=caller)
    return lambda params, caller: method.function(runtime, params)


def events_of(runtime: Runtime, name: str, params: object) -> tuple[CgrEvent, ...]:
    """The events that a request is about, as they came."""
    if not isinstance(params, Given) or name in OF_RECORDS:
        return ()
    if isinstance(params, Flat):
        return (CgrEvent(values.text(params.event.get("Tenant")) or runtime.tenant, params.event),)
    if "CGREvents" in params:
        return tuple([bare_event(runtime, one) for one in params.rows("CGREvents")])
    if "Event" in params:
        return (bare_event(runtime, params),)
    members = {name: params.raw(name) for name in MAIN_FIELDS if params.raw(name) is not None}
    return (CgrEvent(params.text("Tenant") or runtime.tenant, members),) if members else ()
