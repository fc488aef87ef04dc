"""A runtime per test."""

from collections.abc import Iterator

import pytest

from tests.cgrates.methods.api import Api


@pytest.fixture
def api() -> Iterator[Api]:
    """A server with an empty state."""
    api = Api({"schedulers": {"enabled": True}})
    yield api
    api.close()


@pytest.fixture
def timed() -> Iterator[Api]:
    """A server whose clock goes with the virtual time of its loop."""
    api = Api({"schedulers": {"enabled": True}, "general": {"default_timezone": "UTC"}}, is_timed=True)
    yield api
    api.close()
