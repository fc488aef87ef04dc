"""Coroutine tests of this folder run on virtual time, with connections that lead to scripted switches."""

from tests.agents.freeswitch.conftest import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]
