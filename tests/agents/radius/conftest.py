"""Coroutine tests run here too."""

from tests.charging.conftest import pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]
