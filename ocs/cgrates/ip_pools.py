"""Addresses of pools given to whoever asks, under an id, until they are released or their time is over. Pure.

Profiles and allocations are records as the API shows them; every function gives new records back. A pool's range is
a network in CIDR form; `*ascending` and `*descending` take the first free address from that end.
"""

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from ocs.cgrates.objects.numbers import moment
from ocs.charging.cgrates.values import instant_ns

Record = Mapping[str, Any]
Passes = Callable[[list[str]], bool]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_TRIED = 65_536  # addresses of a pool that are looked at
DESCENDING = "*descending"


class NoAddress(Exception):
    """No pool has a free address."""


class Allocated(msgspec.Struct, frozen=True):
    """An address with where it comes from."""

    profile_id: str
    pool_id: str
    message: str
    address: str

    def form(self) -> dict[str, str]:
        """As the API shows it."""
        return {
            "ProfileID": self.profile_id,
            "PoolID": self.pool_id,
            "Message": self.message,
            "Address": self.address,
        }

    def digest(self) -> str:
        """`profile:pool:message:address`."""
        return ":".join((self.profile_id, self.pool_id, self.message, self.address))


def allocations_of(profile: Record, kept: Record | None, now_ns: int) -> dict[str, dict[str, str]]:
    """Allocations of a profile whose time is not over, by their ids."""
    held: dict[str, dict[str, str]] = dict(kept["Allocations"]) if kept is not None else {}
    ttl_ns = int(profile["TTL"] or 0)
    if ttl_ns <= 0:
        return held
    return {name: one for name, one in held.items() if instant_ns(one["Time"]) + ttl_ns > now_ns}


def choose(profile: Record, held: Mapping[str, Record], allocation_id: str, passes: Passes) -> Allocated:
    """The address an id has, or would get. Raises NoAddress, ValueError for a range that is none."""
    known = held.get(allocation_id)
    pools = sorted(profile["Pools"] or (), key=lambda pool: -float(pool["Weight"] or 0))
    if known is not None:
        message = next((pool["Message"] for pool in pools if pool["ID"] == known["PoolID"]), "")
        return Allocated(profile["ID"], known["PoolID"], message, known["Address"])
    taken = {one["Address"] for one in held.values()}
    for pool in pools:
        if not passes(list(pool["FilterIDs"] or ())):
            continue
        address = next((found for found in _addresses(pool) if found not in taken), None)
        if address is not None:
            return Allocated(profile["ID"], pool["ID"], pool["Message"], address)
        if pool["Blocker"]:
            break
    raise NoAddress


def with_allocation(
    profile: Record, held: Mapping[str, Record], allocation_id: str, chosen: Allocated, now_ns: int
) -> dict[str, Any]:
    """The record of a profile's allocations with one more, or one renewed."""
    added = {"PoolID": chosen.pool_id, "Address": chosen.address, "Time": moment(now_ns)}
    return record_of(profile, {**held, allocation_id: added})


def record_of(profile: Record, held: Mapping[str, Record]) -> dict[str, Any]:
    """Allocations as they are kept and shown."""
    by_time = sorted(held, key=lambda name: instant_ns(held[name]["Time"]))
    return {
        "Tenant": profile["Tenant"],
        "ID": profile["ID"],
        "Allocations": dict(held),
        "TTLIndex": by_time if int(profile["TTL"] or 0) > 0 else None,
    }


def network_of(written: str) -> Network:
    """A range of addresses. Raises ValueError."""
    return ipaddress.ip_network(written, strict=False)


def _addresses(pool: Record) -> Iterator[str]:
    """Addresses of a pool in its order; network and broadcast address of a larger IPv4 network are left out."""
    try:
        network = network_of(pool["Range"])
    except ValueError as error:
        raise ValueError(f"pool {pool['ID']}: Range: {error}") from None
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.version == 4 and network.num_addresses > 2:
        first, last = first + 1, last - 1
    numbers = range(last, first - 1, -1) if pool["Strategy"] == DESCENDING else range(first, last + 1)
    make = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
    for number in numbers[:MOST_TRIED]:
        yield str(make(number))
