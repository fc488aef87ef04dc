"""What JSON-RPC messages are made of, and their limits. Pure.

Apart from the code that reads and writes them (`ocs.rpc.envelope`), which is compiled: mypyc does not keep the
keywords of a `Struct`.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from ocs.rpc.errors import RpcError


class EnvelopeLimits(msgspec.Struct, frozen=True):
    """The longest message, how deep and how many its brackets may be, and how many requests a batch may have."""

    message_octets: int = 1 << 20
    depth: int = 64
    objects: int = 10_000
    batch: int = 100


class Request(msgspec.Struct, frozen=True):
    """One request; `failure` says why it cannot be run. `params` is None where there are none."""

    method: str
    params: object
    id: object = None
    is_v2: bool = False
    is_notification: bool = False
    failure: RpcError | None = None


class Message(msgspec.Struct, frozen=True):
    """What one frame holds: a request, or in 2.0 several that get one answer."""

    requests: tuple[Request, ...]
    is_batch: bool = False


class Reply(msgspec.Struct, frozen=True):
    """What the other end says to a request of ours; `error` is its text, or None."""

    id: object
    result: object
    error: str | None


# --- as they stand on the wire


class Incoming(msgspec.Struct, gc=False):
    """A request or reply with its members as they are nearly always written."""

    method: str = ""
    params: list[Any] | dict[str, Any] | None = None
    id: int | str | UnsetType | None = UNSET
    jsonrpc: str | None = None
    result: Any = UNSET
    error: Any = UNSET


class Answer(msgspec.Struct, gc=False):
    """The answer of 1.0."""

    id: object
    result: object
    error: str | None


class Result(msgspec.Struct, gc=False):
    """The answer of 2.0 with a result."""

    jsonrpc: str
    id: object
    result: object


class Call(msgspec.Struct):
    """A request of the server in 1.0."""

    method: str
    params: tuple[object]
    id: int


class Call2(msgspec.Struct):
    """A request of the server in 2.0."""

    jsonrpc: str
    method: str
    params: tuple[object]
    id: int


class ErrorBody(msgspec.Struct):
    """What is wrong, in 2.0."""

    code: int
    message: str


class Error(msgspec.Struct):
    """The answer of 2.0 without a result."""

    jsonrpc: str
    id: object
    error: ErrorBody
