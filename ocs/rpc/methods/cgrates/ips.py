"""`IPsV1`: addresses of pools are promised, given, released and shown."""

from typing import Any

from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.errors import not_found
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.plain import plain
from ocs.cgrates.runtime import Runtime
from ocs.rpc.methods.cgrates.table import OK, Table, tenant_of
from ocs.rpc.registry import Role
from ocs.sessions.model import CgrEvent

TABLE = Table()
Record = dict[str, Any]


def _event(runtime: Runtime, given: Given) -> CgrEvent:
    given.require("Event")
    return CgrEvent(
        tenant_of(runtime, given),
        plain(given.mapping("Event")),
        dict(given.mapping("APIOpts")),
        given.text("ID"),
    )


@TABLE.method("IPsV1.AuthorizeIP", role=Role.CHARGE)
def authorize_ip(runtime: Runtime, given: Given) -> dict[str, str]:
    """Tells which address an event would get."""
    return runtime.surroundings.addresses.authorize(_event(runtime, given)).form()


@TABLE.method("IPsV1.AllocateIP", role=Role.CHARGE)
def allocate_ip(runtime: Runtime, given: Given) -> dict[str, str]:
    """Gives an address to an event; one that has an address keeps it, and its time begins anew."""
    return runtime.surroundings.addresses.allocate(_event(runtime, given)).form()


@TABLE.method("IPsV1.ReleaseIP", role=Role.CHARGE)
def release_ip(runtime: Runtime, given: Given) -> str:
    """Takes the address of an event back."""
    runtime.surroundings.addresses.release(_event(runtime, given))
    return OK


@TABLE.method("IPsV1.GetIPAllocationForEvent", role=Role.READ)
def allocation_for_event(runtime: Runtime, given: Given) -> Record:
    """Shows the allocations of the profile that an event matches."""
    addresses = runtime.surroundings.addresses
    return addresses.record(addresses.matching(_event(runtime, given))[0])


def _profile(runtime: Runtime, given: Given) -> Record:
    given.require("ID")
    found: Record | None = runtime.state.tables[Kind.IP].get(
        f"{tenant_of(runtime, given)}:{given.text('ID')}"
    )
    if found is None:
        raise not_found()
    return found


@TABLE.method("IPsV1.GetIPAllocations", role=Role.READ)
def get_allocations(runtime: Runtime, given: Given) -> Record:
    """Shows the allocations of a profile."""
    return runtime.surroundings.addresses.record(_profile(runtime, given))


@TABLE.method("IPsV1.ClearIPAllocations", role=Role.ADMINISTER)
def clear_allocations(runtime: Runtime, given: Given) -> str:
    """Takes addresses of a profile back, those of the ids named or all."""
    addresses, profile = runtime.surroundings.addresses, _profile(runtime, given)
    held = addresses.held(profile)
    gone = given.texts("AllocationIDs")
    if any(name not in held for name in gone):
        raise not_found()
    addresses.keep(profile, {name: one for name, one in held.items() if gone and name not in gone})
    return OK
