"""Who may send: the clients of the configuration with their secrets and dictionaries, found by address. Pure."""

import ipaddress
from collections.abc import Iterable

import msgspec

from ocs.agents.radius.wire.dictionary import Dictionary
from ocs.config.settings import MINUTE, RadiusClient

KEPT_ADDRESSES = 10_000
METERED = ("voice", "kamailio", "cisco")


class Client(msgspec.Struct, frozen=True):
    """A client as the agent uses it."""

    settings: RadiusClient
    secret: bytes
    dictionary: Dictionary

    @property
    def name(self) -> str:
        """What its sessions and records say."""
        return self.settings.name

    @property
    def service(self) -> str:
        """What its sessions are charged as."""
        return "data" if self.settings.profile == "network" else "voice"

    @property
    def debit_interval_ns(self) -> int:
        """In which steps the server counts the time of its sessions; 0 where the client tells it."""
        given = self.settings.debit_interval_ns
        if given is not None:
            return given
        return MINUTE if self.settings.profile in METERED else 0

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"Client({self.settings.name})"


class Clients:
    """Clients by address; the smallest network an address is in decides."""

    def __init__(self, clients: Iterable[Client]) -> None:
        self.by_name = {client.name: client for client in clients}
        networks = [
            (ipaddress.ip_network(client.settings.address), client) for client in self.by_name.values()
        ]
        self._networks = sorted(networks, key=lambda each: -each[0].prefixlen)
        self._found: dict[str, Client | None] = {}

    def at(self, address: str) -> Client | None:
        """Whose address it is; None for strangers."""
        if address in self._found:
            return self._found[address]
        if len(self._found) >= KEPT_ADDRESSES:
            self._found.clear()
        found = self._found[address] = self._find(address)
        return found

    def _find(self, text: str) -> Client | None:
        address = ipaddress.ip_address(text.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return next(
            (
                client
                for network, client in self._networks
                if network.version == address.version and address in network
            ),
            None,
        )
