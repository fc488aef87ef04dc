"""Connections that answer requests of the server: what the pipeline asks of them."""

from collections.abc import Iterator
from typing import Protocol


class ClientError(Exception):
    """A client did not do what it was asked; the text is its own answer, or why there is none."""


class Client(Protocol):
    """One connection; `number` is unique in the server's life and greater than 0, `peer` is who is at its end."""

    @property
    def number(self) -> int: ...
    @property
    def peer(self) -> str: ...

    async def call(self, method: str, params: object, timeout_ns: int) -> object:
        """Its result of a request. Raises ClientError, also where it is gone or does not answer in time."""


class Clients(Protocol):
    """The connections that are open now."""

    def __iter__(self) -> Iterator[Client]: ...

    def of_session(self, number: int, peer: str) -> Client | None:
        """The connection that opened a session, or where it has ended another of the same peer."""


class NoClients:
    """Nobody can be asked."""

    def __iter__(self) -> Iterator[Client]:
        return iter(())

    def of_session(self, number: int, peer: str) -> Client | None:
        """Nobody."""
        return None
