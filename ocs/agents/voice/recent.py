"""The last names something was known by, so that what is said of them again is known for what it is. Pure."""

from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Names with a value each; the oldest is forgotten when there are too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[str, Value] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def add(self, name: str, value: Value) -> None:
        """Remember a name as the latest."""
        self._values.pop(name, None)
        self._values[name] = value
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def get(self, name: str) -> Value | None:
        """The value of a name, if it is remembered."""
        return self._values.get(name)

    def forget(self, name: str) -> None:
        """The name is used again by something new."""
        self._values.pop(name, None)
