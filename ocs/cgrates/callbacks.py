"""Connections of the front door as the event pipeline asks them."""

from collections.abc import Iterator

from ocs.rpc import clients as front
from ocs.sessions.clients import Client, ClientError

SECOND_NS = 1_000_000_000


class FrontClient:
    """One connection of the front door."""

    __slots__ = ("_client",)

    def __init__(self, client: front.Client) -> None:
        self._client = client

    @property
    def number(self) -> int:
        """Its number."""
        return self._client.number

    @property
    def peer(self) -> str:
        """The host at its other end."""
        return self._client.peer.rpartition(":")[0]

    async def call(self, method: str, params: object, timeout_ns: int) -> object:
        """Its result of a request. Raises ClientError."""
        try:
            return await self._client.call(method, params, timeout_ns / SECOND_NS)
        except TimeoutError:
            raise ClientError("REPLY_TIMEOUT") from None
        except front.ClientGone:
            raise ClientError("DISCONNECTED") from None
        except front.ClientError as error:
            raise ClientError(str(error)) from None


class FrontClients:
    """All connections of the front door that answer requests."""

    def __init__(self, clients: front.Clients) -> None:
        self._clients = clients

    def __iter__(self) -> Iterator[Client]:
        return iter([FrontClient(client) for client in self._clients])

    def of_session(self, number: int, peer: str) -> Client | None:
        """The connection that opened a session, or where it has ended the quietest other one of the same host."""
        found = self._clients.get(number)
        if found is not None:
            return FrontClient(found)
        for client in self._clients.quietest():
            if client.peer.rpartition(":")[0] == peer:
                return FrontClient(client)
        return None
