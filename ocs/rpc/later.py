"""A result that comes later, without a task: set once, handed on once. Pure."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Later(Generic[T]):
    """What a method returns whose answer waits for the disk; whoever makes it durable calls `set` or `fail`."""

    __slots__ = ("_error", "_is_done", "_value", "_waiting")

    def __init__(self) -> None:
        self._value: T | None = None
        self._error: Exception | None = None
        self._is_done = False
        self._waiting: Callable[[object, Exception | None], None] | None = None

    def set(self, value: T) -> None:
        """The result is there; only the first `set` or `fail` counts."""
        self._finish(value, None)

    def fail(self, error: Exception) -> None:
        """There will be no result."""
        self._finish(None, error)

    def then(self, deliver: Callable[[object, Exception | None], None]) -> None:
        """Call `deliver(value, error)` once it is known which, at once where it is known already."""
        if self._is_done:
            deliver(self._value, self._error)
        else:
            self._waiting = deliver

    def _finish(self, value: T | None, error: Exception | None) -> None:
        if self._is_done:
            return
        self._value, self._error, self._is_done = value, error, True
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting(value, error)
