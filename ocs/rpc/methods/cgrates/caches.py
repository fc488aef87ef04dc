"""`CacheSv1`: there is no cache here, everything is in memory; its methods show the records themselves.

Clearing and reloading have nothing to do and say OK. What asks for items gets the records of the kind that the
partition of that name would hold.
"""

from typing import Any

import msgspec

from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.errors import not_found
from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.rpc.methods.cgrates.table import OK, Table, page
from ocs.rpc.registry import Role

TABLE = Table()
PARTITIONS = {
    "*accounts": Kind.ACCOUNT,
    "*action_plans": Kind.ACTION_PLAN,
    "*action_triggers": Kind.ACTION_TRIGGERS,
    "*actions": Kind.ACTIONS,
    "*attribute_profiles": Kind.ATTRIBUTE,
    "*charger_profiles": Kind.CHARGER,
    "*closed_sessions": Kind.CLOSED_SESSION,
    "*destinations": Kind.DESTINATION,
    "*filters": Kind.FILTER,
    "*ip_allocations": Kind.IP_ALLOCATION,
    "*ip_profiles": Kind.IP,
    "*ranking_profiles": Kind.RANKING,
    "*rating_plans": Kind.RATING_PLAN,
    "*rating_profiles": Kind.RATING_PROFILE,
    "*resource_profiles": Kind.RESOURCE,
    "*resources": Kind.RESOURCE_USAGE,
    "*route_profiles": Kind.ROUTE,
    "*shared_groups": Kind.SHARED_GROUP,
    "*statqueue_profiles": Kind.STAT,
    "*statqueues": Kind.STAT_QUEUE,
    "*threshold_profiles": Kind.THRESHOLD,
    "*thresholds": Kind.THRESHOLD_HITS,
    "*timings": Kind.TIMING,
    "*trend_profiles": Kind.TREND,
}


@TABLE.method(
    *("CacheSv1.Clear", "CacheSv1.FlushCache", "CacheSv1.LoadCache", "CacheSv1.ReloadCache"),
    *("CacheSv1.RemoveGroup", "CacheSv1.RemoveItem", "CacheSv1.RemoveItems", "CacheSv1.ReplicateRemove"),
    *("CacheSv1.ReplicateSet",),
    role=Role.ADMINISTER,
)
def nothing_to_do(runtime: Runtime, given: Given) -> str:
    """Does nothing: what is set is in force at once, so there is nothing to reload, clear or remove."""
    return OK


def _items(runtime: Runtime, given: Given) -> dict[str, Any]:
    given.require("CacheID")
    kind = PARTITIONS.get(given.text("CacheID"))
    return {} if kind is None else runtime.state.tables[kind]


@TABLE.method("CacheSv1.GetItem", "CacheSv1.GetItemWithRemote", role=Role.READ)
def get_item(runtime: Runtime, given: Given) -> object:
    """Shows a record."""
    found = _items(runtime, given).get(given.text("ItemID"))
    if found is None:
        raise not_found()
    return msgspec.to_builtins(found)


@TABLE.method("CacheSv1.HasItem", role=Role.READ)
def has_item(runtime: Runtime, given: Given) -> bool:
    """Says whether a record is there."""
    return given.text("ItemID") in _items(runtime, given)


@TABLE.method("CacheSv1.GetItemIDs", role=Role.READ)
def item_ids(runtime: Runtime, given: Given) -> list[str]:
    """Lists the keys of a partition's records that begin with `ItemIDPrefix`."""
    prefix = given.text("ItemIDPrefix")
    names = [key for key in _items(runtime, given) if key.startswith(prefix)]
    if not names:
        raise not_found()
    return page(names, given)


@TABLE.method("CacheSv1.GetItemExpiryTime", role=Role.READ)
def item_expiry(runtime: Runtime, given: Given) -> str:
    """The time before all others, of a record that is there: nothing here is forgotten by age."""
    if given.text("ItemID") not in _items(runtime, given):
        raise not_found()
    return "0001-01-01T00:00:00Z"


@TABLE.method("CacheSv1.HasGroup", role=Role.READ)
def has_group(runtime: Runtime, given: Given) -> bool:
    """Says no: records are not kept in groups."""
    return False


@TABLE.method("CacheSv1.GetGroupItemIDs", role=Role.READ)
def group_items(runtime: Runtime, given: Given) -> list[str]:
    """NOT_FOUND: records are not kept in groups."""
    raise not_found()


@TABLE.method("CacheSv1.GetCacheStats", role=Role.READ)
def cache_stats(runtime: Runtime, given: Given) -> dict[str, dict[str, int]]:
    """Counts the records of every partition, or of those named."""
    wanted = given.texts("CacheIDs") or tuple(PARTITIONS)
    return {
        name: {"Items": len(runtime.state.tables[PARTITIONS[name]]), "Groups": 0}
        for name in wanted
        if name in PARTITIONS
    }


@TABLE.method("CacheSv1.PrecacheStatus", role=Role.READ)
def precache_status(runtime: Runtime, given: Given) -> dict[str, str]:
    """Every partition is ready."""
    wanted = given.texts("CacheIDs") or tuple(PARTITIONS)
    return dict.fromkeys(wanted, "*ready")
