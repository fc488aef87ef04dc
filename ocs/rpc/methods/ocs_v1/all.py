"""All methods of the service, put into a registry together."""

from ocs.rpc.methods.ocs_v1 import (
    accounts,
    actions,
    balances,
    bookings,
    charge,
    explain,
    rating,
    server,
    sessions,
    tariffs,
)
from ocs.rpc.registry import Registry


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    for service in (
        server,
        accounts,
        actions,
        bookings,
        balances,
        sessions,
        charge,
        tariffs,
        rating,
        explain,
    ):
        service.register(registry)
