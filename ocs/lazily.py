"""Modules that are imported when something of them is first used: what a server needs to start comes first."""

import importlib
from types import ModuleType
from typing import Any


class _Later(ModuleType):
    """Stands for a module until its first attribute is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


def lazily(name: str) -> Any:
    """The module of a name, imported when it is first used."""
    return _Later(name)
