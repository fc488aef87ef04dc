"""CDRsV1 and CDRsV2: call detail records."""

from typing import Any

from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Role
from ocs.rpc.errors import RpcError
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.registry import Registry


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    method(registry, "CDRsV1.GetCDRs", Role.READ)(get_cdrs)


def get_cdrs(runtime: Runtime, params: Given) -> list[dict[str, Any]]:
    """Records that a filter finds."""
    wanted = set(params.texts("OriginIDs"))
    found = [
        runtime.cdrs.form(cdr) for cdr in runtime.state.cdrs.values() if not wanted or cdr.origin_id in wanted
    ]
    if not found:
        raise RpcError("SERVER_ERROR: NOT_FOUND")
    return found
