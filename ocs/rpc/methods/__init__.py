"""The methods, one package per service. `REGISTRY` has them all."""

from ocs.rpc.methods.ocs_v1 import (
    accounts,
    actions,
    bookings,
    charge,
    explain,
    rating,
    server,
    sessions,
    tariffs,
)
from ocs.rpc.registry import Registry

REGISTRY = Registry()
for _service in (server, accounts, actions, bookings, sessions, charge, tariffs, rating, explain):
    _service.register(REGISTRY)
