"""`APIerSv1`: profiles of every kind are set, shown, listed, counted and removed; one function per verb."""

from typing import Any

from ocs.cgrates.kinds import Kind
from ocs.cgrates.objects.errors import not_found
from ocs.cgrates.objects.given import Given
from ocs.cgrates.objects.profiles import BY_WORD, ProfileKind, check_filters
from ocs.cgrates.queries import RESULTS
from ocs.cgrates.runtime import Runtime
from ocs.rpc.methods.cgrates.table import OK, V1, V2, Table, page, tenant_of
from ocs.rpc.registry import Role

TABLE = Table()
KINDS = {
    "Filter": Kind.FILTER,
    "AttributeProfile": Kind.ATTRIBUTE,
    "ChargerProfile": Kind.CHARGER,
    "ResourceProfile": Kind.RESOURCE,
    "IPProfile": Kind.IP,
    "StatQueueProfile": Kind.STAT,
    "TrendProfile": Kind.TREND,
    "RankingProfile": Kind.RANKING,
    "ThresholdProfile": Kind.THRESHOLD,
    "RouteProfile": Kind.ROUTE,
}


def _key(runtime: Runtime, given: Given) -> str:
    given.require("ID")
    return f"{tenant_of(runtime, given)}:{given.text('ID')}"


def _keys(runtime: Runtime, kind: Kind, given: Given) -> list[str]:
    """Ids of a tenant's profiles; those of every tenant, with it, where none is named and several are there."""
    prefix = f"{tenant_of(runtime, given)}:"
    return [key[len(prefix) :] for key in runtime.state.tables[kind] if key.startswith(prefix)]


def _add(word: str, profile: ProfileKind, kind: Kind) -> None:
    """Lists the methods of one kind of profile."""

    def set_profile(runtime: Runtime, given: Given) -> str:
        found = profile.read(given, runtime.tenant, runtime.wall_ns())
        prefix = f"{found['Tenant']}:"
        filters = runtime.state.tables[Kind.FILTER]
        if kind is not Kind.FILTER:
            check_filters(found, [key[len(prefix) :] for key in filters if key.startswith(prefix)])
        runtime.state.put_profile(kind, f"{prefix}{found['ID']}", found)
        return OK

    def get_profile(runtime: Runtime, given: Given) -> dict[str, Any]:
        found: dict[str, Any] | None = runtime.state.tables[kind].get(_key(runtime, given))
        if found is None:
            raise not_found()
        return found

    def list_profiles(runtime: Runtime, given: Given) -> list[str]:
        names = _keys(runtime, kind, given)
        if not names:
            raise not_found()
        return page(names, given)

    def list_all(runtime: Runtime, given: Given) -> list[dict[str, Any]]:
        tenant = tenant_of(runtime, given)
        table = runtime.state.tables[kind]
        found = [table[f"{tenant}:{name}"] for name in page(_keys(runtime, kind, given), given)]
        if not found:
            raise not_found()
        return found

    def count_profiles(runtime: Runtime, given: Given) -> int:
        count = len(_keys(runtime, kind, given))
        if not count:
            raise not_found()
        return count

    def remove_profile(runtime: Runtime, given: Given) -> str:
        key = _key(runtime, given)
        if key not in runtime.state.tables[kind]:
            raise not_found()
        runtime.surroundings.forget(kind, *key.split(":", 1))
        if kind in RESULTS:
            runtime.queries.forget(kind, key)
        runtime.state.delete_profile(kind, key)
        return OK

    plural = f"{word}s"
    for function, name, role, text in (
        (set_profile, f"Set{word}", Role.ADMINISTER, f"Makes or replaces a {word}."),
        (get_profile, f"Get{word}", Role.READ, f"Shows a {word}."),
        (list_profiles, f"Get{word}IDs", Role.READ, f"Lists the ids of a tenant's {plural}."),
        (list_all, f"Get{plural}", Role.READ, f"Shows a tenant's {plural}."),
        (count_profiles, f"Get{word}Count", Role.READ, f"Counts a tenant's {plural}."),
        (remove_profile, f"Remove{word}", Role.ADMINISTER, f"Removes a {word}."),
    ):
        function.__doc__ = text
        TABLE.method(f"{V1}.{name}", f"{V2}.{name}", role=role)(function)


for _word, _kind in KINDS.items():
    _add(_word, BY_WORD[_word], _kind)


def _no_index(runtime: Runtime, given: Given) -> str:
    """Does nothing: indexes are made in memory from the profiles themselves, and are always current."""
    return OK


for _name in ("ComputeFilterIndexes", "ComputeFilterIndexIDs", "RemoveFilterIndexes"):
    TABLE.method(f"{V1}.{_name}", f"{V2}.{_name}", role=Role.ADMINISTER)(_no_index)
