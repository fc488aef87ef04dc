"""Runs coroutine tests: on virtual time where the module says `VIRTUAL_TIME = True`."""

import asyncio
import inspect

import pytest

from tests.support.virtual_time import VirtualLoop


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function as a test."""
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    factory = VirtualLoop if getattr(pyfuncitem.module, "VIRTUAL_TIME", False) else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(pyfuncitem.function(**arguments))
    return True
