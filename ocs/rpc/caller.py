"""Who calls: where from, by which name, what they are allowed to, and how the server can call them back."""

import ipaddress
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ocs.rpc.clients import Client


class Role(Enum):
    """What a caller must be allowed to."""

    READ = "read"
    CHARGE = "charge"
    ADMINISTER = "administer"


NOTHING: Final[frozenset[Role]] = frozenset()
EVERYTHING: Final = frozenset(Role)
LOCAL: Final = "local"  # the name of a caller of this machine who gave none


class Caller:
    """One per connection, or per request of HTTP; logging in changes `name` and `roles`."""

    __slots__ = ("client", "key", "name", "peer", "roles")

    def __init__(
        self,
        peer: str,
        name: str = LOCAL,
        roles: frozenset[Role] = EVERYTHING,
        client: "Client | None" = None,
    ) -> None:
        self.peer = peer
        self.name = name
        self.roles = roles
        self.key = ""  # the id of the key it showed
        self.client = client  # where the connection takes requests of the server


def implied(roles: frozenset[Role]) -> frozenset[Role]:
    """The roles with those they include: who administers may read and charge."""
    return EVERYTHING if Role.ADMINISTER in roles else roles


def is_loopback(host: str) -> bool:
    """Whether an address is one of this machine alone; a name is none."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
