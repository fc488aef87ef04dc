"""The methods by name: what they take, what they return, who may call them.

A method is a coroutine function `(context, params) -> result` with both types in its signature, put into a
`Registry` by a decorator. The types are all that is needed to read parameters and to describe the method.
"""

import typing
from collections.abc import Awaitable, Callable, Iterator
from enum import Enum
from typing import Any, TypeVar

import msgspec

from ocs import __version__
from ocs.rpc.errors import METHOD_NOT_FOUND, RpcError
from ocs.rpc.values import schema_of

Function = TypeVar("Function", bound=Callable[..., Awaitable[object]])
OPENRPC = "1.3.2"


class Role(Enum):
    """What a caller must be allowed to."""

    READ = "read"
    OPERATE = "operate"
    CHARGE = "charge"


class Method(msgspec.Struct, frozen=True):
    """One method; `params` and `result` are the types of its signature."""

    name: str
    function: Callable[[Any, Any], Awaitable[object]]
    params: type
    result: Any
    role: Role
    summary: str


class Registry:
    """Methods by name."""

    def __init__(self) -> None:
        self._methods: dict[str, Method] = {}

    def __iter__(self) -> Iterator[Method]:
        return iter(self._methods.values())

    def method(self, name: str, role: Role) -> Callable[[Function], Function]:
        """Decorator: the function is the method of that name."""

        def add(function: Function) -> Function:
            assert name not in self._methods, f"{name} is there already"
            hints = typing.get_type_hints(function)
            summary = (function.__doc__ or "").strip().partition("\n")[0]
            self._methods[name] = Method(name, function, hints["params"], hints["return"], role, summary)
            return function

        return add

    def find(self, name: str) -> Method:
        """The method of that name; RpcError in the words of Go's net/rpc where there is none."""
        method = self._methods.get(name)
        if method is not None:
            return method
        service = f"{name.rpartition('.')[0]}."
        what = "method" if any(known.startswith(service) for known in self._methods) else "service"
        raise RpcError(f"rpc: can't find {what} {name[:200]}", METHOD_NOT_FOUND)

    def describe(self) -> dict[str, object]:
        """Every method as an OpenRPC document (https://spec.open-rpc.org)."""
        kinds = [kind for method in self for kind in (method.params, method.result)]
        schemas, components = msgspec.json.schema_components(
            kinds, ref_template="#/components/schemas/{name}", schema_hook=schema_of
        )
        return {
            "openrpc": OPENRPC,
            "info": {"title": "ocs", "version": __version__},
            "methods": [
                {
                    "name": method.name,
                    "summary": method.summary,
                    "paramStructure": "by-position",
                    "params": [{"name": "params", "required": True, "schema": schemas[2 * index]}],
                    "result": {"name": "result", "schema": schemas[2 * index + 1]},
                    "x-role": method.role.value,
                }
                for index, method in enumerate(self)
            ],
            "components": {"schemas": components},
        }
