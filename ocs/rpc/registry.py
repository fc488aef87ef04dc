"""The methods by name: what they take, what they return, who may call them.

A method is a function `(context, params) -> result` with both types in its signature, put into a `Registry` by a
decorator; a third parameter `caller: Caller` is who calls. The types are all that is needed to read parameters and
to describe the method. A coroutine function runs in a task; a plain function at once, and it may return a `Later`.
"""

import inspect
import typing
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, TypeVar

import msgspec

from ocs import __version__
from ocs.rpc.caller import Role
from ocs.rpc.errors import METHOD_NOT_FOUND, InvalidParams, RpcError
from ocs.rpc.later import Later
from ocs.rpc.values import Params, read, schema_of

__all__ = ["Method", "Registry", "Role"]

Function = TypeVar("Function", bound=Callable[..., object])
OPENRPC = "1.3.2"


class Method(msgspec.Struct, frozen=True):
    """One method; `params` and `result` are the types of its signature."""

    name: str
    function: Callable[..., object]
    params: Any
    result: Any
    role: Role
    summary: str
    read: Callable[[object], object]
    is_async: bool
    takes_caller: bool


class Registry:
    """Methods by name."""

    def __init__(self, missing: str = "") -> None:
        self._missing = missing
        self.methods: dict[str, Method] = {}
        self.administrative: set[str] = set()  # names of methods that change things
        self._services: set[str] = set()
        self._document: dict[str, object] | None = None

    def __len__(self) -> int:
        return len(self.methods)

    def __contains__(self, name: object) -> bool:
        return name in self.methods

    def __iter__(self) -> Iterator[Method]:
        return iter(self.methods.values())

    def method(
        self, name: str, role: Role, read: Callable[[object], object] | None = None
    ) -> Callable[[Function], Function]:
        """Decorator: the function is the method of that name.

        `read` makes its parameters of decoded JSON (numbers with a point are Decimals), by default by their type.
        """

        def add(function: Function) -> Function:
            assert name not in self.methods, f"{name} is there already"
            hints = typing.get_type_hints(function)
            self.methods[name] = Method(
                name,
                function,
                hints["params"],
                _result_type(hints["return"]),
                role,
                (function.__doc__ or "").strip().partition("\n")[0],
                read or _reader(hints["params"]),
                inspect.iscoroutinefunction(function),
                "caller" in inspect.signature(function).parameters,
            )
            self._services.add(name.rpartition(".")[0])
            if role is Role.ADMINISTER:
                self.administrative.add(name)
            self._document = None
            return function

        return add

    def find(self, name: str) -> Method:
        """The method of that name; RpcError in the words of Go's net/rpc where there is none."""
        method = self.methods.get(name)
        if method is not None:
            return method
        if self._missing:
            raise RpcError(f"{self._missing} {name[:200]}", METHOD_NOT_FOUND)
        if "." not in name:
            raise RpcError(f"rpc: service/method request ill-formed: {name[:200]}", METHOD_NOT_FOUND)
        what = "method" if name.rpartition(".")[0] in self._services else "service"
        raise RpcError(f"rpc: can't find {what} {name[:200]}", METHOD_NOT_FOUND)

    def only(self, services: Collection[str], missing: str) -> "Registry":
        """A registry of some services; `missing` is what it says of any other method, with its name behind."""
        found = Registry(missing)
        for name, method in self.methods.items():
            if name.rpartition(".")[0] in services:
                found.methods[name] = method
        found._services = set(services)
        found.administrative = self.administrative & set(found.methods)
        return found

    def describe(self) -> dict[str, object]:
        """Every method as an OpenRPC document (https://spec.open-rpc.org); made once."""
        if self._document is None:
            self._document = self._described()
        return self._document

    def _described(self) -> dict[str, object]:
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


def _reader(kind: Any) -> Callable[[object], object]:
    """How parameters of a type are read; what is no struct is left as it came."""
    if isinstance(kind, type) and issubclass(kind, Params):
        return partial(_read_object, kind)
    return _as_it_came


def _read_object(kind: type[Params], value: object) -> object:
    if not isinstance(value, (dict, type(None))):
        raise InvalidParams("params: is an object")
    return read(kind, value)


def _as_it_came(value: object) -> object:
    return value


def _result_type(hint: Any) -> Any:
    """What a method returns in the end."""
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Later else hint
