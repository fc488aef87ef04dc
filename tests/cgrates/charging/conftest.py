"""Coroutine tests of this folder run, as those of the core do."""

from tests.charging.conftest import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]
