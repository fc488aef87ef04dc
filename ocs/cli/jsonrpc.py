"""Calls of the command line to a server, through `ocs.client`.

`OCS_KEY` is the key to show; `OCS_CA` a PEM file, with which the server is spoken to inside TLS.
"""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ocs.client import Client, ClientError

KEY, AUTHORITY = "OCS_KEY", "OCS_CA"


NOT_OWN = "rpc: can't find service OcsV1.", "rpc: can't find method OcsV1."  # it has a few of them
OTHER = (
    "the server at {} has no such method; if it is `ocs cgrates`, it has those of CGRateS:"
    """ ocs call APIerSv2.GetAccount '{{"Account":"1001"}}' --server {}"""
)


class CallError(Exception):
    """A call failed; the text says why and is meant for people."""


def call(server: str, method: str, parameters: object) -> Any:
    """Return the result of a method; CallError where the server is not there or says no."""
    with client(server) as connected:
        return connected.call(method, parameters)


def rows(server: str, method: str, parameters: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """All rows of a list, page by page; CallError as of `call`."""
    with client(server) as connected:
        yield from connected.rows(method, parameters, name)


@contextmanager
def client(server: str) -> Iterator[Client]:
    """A client as the environment wants it."""
    try:
        authority = os.environ.get(AUTHORITY)
        tls = None if not authority else ssl.create_default_context(cafile=authority)
        with Client(server, key=os.environ.get(KEY), tls=tls) as connected:
            yield connected
    except (ClientError, ValueError) as error:
        raise CallError(
            OTHER.format(server, server) if str(error).startswith(NOT_OWN) else str(error)
        ) from None
    except OSError as error:
        raise CallError(f"{AUTHORITY}: {os.environ.get(AUTHORITY)} cannot be used: {error}") from None
