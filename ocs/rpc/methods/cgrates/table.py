"""How the administrative methods are listed: one function under all its names, into any registry."""

from collections.abc import Callable
from typing import TypeVar

from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.registry import Registry, Role

Function = TypeVar("Function", bound=Callable[..., object])
Item = TypeVar("Item")
OK = "OK"
V1, V2 = "APIerSv1", "APIerSv2"


class Table:
    """Functions and their names; `also_v2` methods answer under `APIerSv2` too, as there."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, Role, Callable[..., object]]] = []

    def method(self, *names: str, role: Role, also_v2: bool = False) -> Callable[[Function], Function]:
        """Decorator: the function `(runtime, given)` answers to these names."""

        def add(function: Function) -> Function:
            for name in names:
                self._rows.append((name, role, function))
                if also_v2 and name.startswith(f"{V1}."):
                    self._rows.append((f"{V2}.{name.partition('.')[2]}", role, function))
            return function

        return add

    def names(self) -> list[str]:
        """Every name."""
        return [name for name, _, _ in self._rows]

    def register(self, registry: Registry) -> None:
        """Adds the methods to a registry."""
        for name, role, function in self._rows:
            method(registry, name, role)(function)


def tenant_of(runtime: Runtime, given: Given) -> str:
    """The tenant of a request."""
    return given.text("Tenant") or runtime.tenant


def account_id_of(runtime: Runtime, given: Given, member: str = "Account") -> str:
    """The account of a request, `tenant:name`."""
    given.require(member)
    return f"{tenant_of(runtime, given)}:{given.text(member)}"


def page(names: list[Item], given: Given) -> list[Item]:
    """The part of a list that `Limit` and `Offset` name."""
    offset, limit = max(0, given.integer("Offset")), given.integer("Limit")
    return names[offset : offset + limit] if limit > 0 else names[offset:]
