"""A client of the server's JSON-RPC: typed results, typed errors, time-outs, connections that are made again.

`Client` waits; `ocs.client.aio.AsyncClient` is for asyncio, has many calls under way on one connection, and answers
requests of the server. Both speak JSON-RPC 2.0 and understand servers that answer in 1.0.

    with Client("127.0.0.1:2012") as client:
        print(client.call("OcsV1.Status", {}, Status).open_sessions)
"""

from ocs.client.blocking import Client
from ocs.client.errors import (
    CallFailed,
    ClientError,
    Exists,
    Forbidden,
    Garbled,
    InvalidParams,
    NoAnswer,
    NotFound,
    Unavailable,
    UnknownMethod,
    Unreachable,
)

__all__ = [
    "CallFailed",
    "Client",
    "ClientError",
    "Exists",
    "Forbidden",
    "Garbled",
    "InvalidParams",
    "NoAnswer",
    "NotFound",
    "Unavailable",
    "UnknownMethod",
    "Unreachable",
]
