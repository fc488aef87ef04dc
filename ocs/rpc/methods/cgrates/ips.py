"""`IPsV1`: addresses of pools are promised, given, released and shown."""

from typing import Any

from ocs.cgrates import ip_pools
from ocs.cgrates.ip_pools import Allocated, NoAddress
from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.errors import missing, not_found
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.numbers import NO_TIME
from ocs.cgrates.objects.plain import plain
from ocs.cgrates.runtime import Runtime
from ocs.charging.cgrates.values import instant_ns
from ocs.rpc.errors import RpcError
from ocs.rpc.methods.cgrates.table import OK, Table, tenant_of
from ocs.rpc.registry import Role

TABLE = Table()
ALLOCATION_ID = "*ipAllocationID"
Record = dict[str, Any]


def _matching(runtime: Runtime, given: Given) -> list[Record]:
    """Profiles that an event matches, the heaviest first."""
    given.require("Event")
    tenant, event = tenant_of(runtime, given), plain(given.mapping("Event"))
    now_ns = runtime.wall_ns()
    found = [
        profile
        for profile in runtime.state.tables[Kind.IP].values()
        if profile["Tenant"] == tenant
        and _is_active(profile, now_ns)
        and runtime.surroundings.passes(list(profile["FilterIDs"] or ()), tenant, event)
    ]
    if not found:
        raise not_found()
    return sorted(found, key=lambda profile: -float(profile["Weight"] or 0))


def _is_active(profile: Record, now_ns: int) -> bool:
    interval = profile["ActivationInterval"] or {"ActivationTime": NO_TIME, "ExpiryTime": NO_TIME}
    start, end = interval["ActivationTime"], interval["ExpiryTime"]
    return (start == NO_TIME or instant_ns(start) <= now_ns) and (end == NO_TIME or now_ns < instant_ns(end))


def _key(profile: Record) -> str:
    return f"{profile['Tenant']}:{profile['ID']}"


def _held(runtime: Runtime, profile: Record) -> dict[str, dict[str, str]]:
    kept = runtime.state.tables[Kind.IP_ALLOCATION].get(_key(profile))
    return ip_pools.allocations_of(profile, kept, runtime.wall_ns())


def _allocation_id(given: Given) -> str:
    options = given.inner("APIOpts")
    found = options.text(ALLOCATION_ID) or given.inner("Event").text("OriginID")
    if not found:
        raise missing("AllocationID")
    return found


def _chosen(runtime: Runtime, given: Given, refusal: str) -> tuple[Record, Allocated]:
    """The profile and address an event gets; the first profile with a free one."""
    allocation_id = _allocation_id(given)
    tenant, event = tenant_of(runtime, given), plain(given.mapping("Event"))
    for profile in _matching(runtime, given):
        try:
            chosen = ip_pools.choose(
                profile,
                _held(runtime, profile),
                allocation_id,
                lambda filter_ids: runtime.surroundings.passes(filter_ids, tenant, event),
            )
        except NoAddress:
            continue
        return profile, chosen
    raise RpcError(refusal)


@TABLE.method("IPsV1.AuthorizeIP", role=Role.CHARGE)
def authorize_ip(runtime: Runtime, given: Given) -> dict[str, str]:
    """Tells which address an event would get."""
    return _chosen(runtime, given, "IP_UNAUTHORIZED")[1].form()


@TABLE.method("IPsV1.AllocateIP", role=Role.CHARGE)
def allocate_ip(runtime: Runtime, given: Given) -> dict[str, str]:
    """Gives an address to an event; one that has an address keeps it, and its time begins anew."""
    profile, chosen = _chosen(runtime, given, "IP_UNAVAILABLE")
    record = ip_pools.with_allocation(
        profile, _held(runtime, profile), _allocation_id(given), chosen, runtime.wall_ns()
    )
    runtime.state.put(Kind.IP_ALLOCATION, _key(profile), record)
    return chosen.form()


@TABLE.method("IPsV1.ReleaseIP", role=Role.CHARGE)
def release_ip(runtime: Runtime, given: Given) -> str:
    """Takes the address of an event back."""
    allocation_id = _allocation_id(given)
    for profile in _matching(runtime, given):
        held = _held(runtime, profile)
        if held.pop(allocation_id, None) is not None:
            runtime.state.put(Kind.IP_ALLOCATION, _key(profile), ip_pools.record_of(profile, held))
            return OK
    raise not_found()


@TABLE.method("IPsV1.GetIPAllocationForEvent", role=Role.READ)
def allocation_for_event(runtime: Runtime, given: Given) -> Record:
    """Shows the allocations of the profile that an event matches."""
    profile = _matching(runtime, given)[0]
    return ip_pools.record_of(profile, _held(runtime, profile))


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
    profile = _profile(runtime, given)
    return ip_pools.record_of(profile, _held(runtime, profile))


@TABLE.method("IPsV1.ClearIPAllocations", role=Role.ADMINISTER)
def clear_allocations(runtime: Runtime, given: Given) -> str:
    """Takes addresses of a profile back, those of the ids named or all."""
    profile = _profile(runtime, given)
    held = _held(runtime, profile)
    gone = given.texts("AllocationIDs")
    if any(name not in held for name in gone):
        raise not_found()
    kept = {name: one for name, one in held.items() if gone and name not in gone}
    runtime.state.put(Kind.IP_ALLOCATION, _key(profile), ip_pools.record_of(profile, kept))
    return OK
