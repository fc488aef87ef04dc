"""Runs coroutine tests of this folder on virtual time, with connections that lead to scripted switches."""

import asyncio
import inspect

import pytest

from tests.agents.freeswitch.scripted import SwitchLoop


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function as a test."""
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    with asyncio.Runner(loop_factory=SwitchLoop) as runner:
        runner.run(pyfuncitem.function(**arguments))
    return True
