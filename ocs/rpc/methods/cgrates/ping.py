"""`<Service>.Ping` of every service."""

from ocs.cgrates.objects.given import Given
from ocs.cgrates.runtime import Runtime
from ocs.rpc.caller import Role
from ocs.rpc.methods.cgrates.method import method
from ocs.rpc.registry import Registry

SERVICES = (
    *("APIerSv1", "APIerSv2", "AttributeSv1", "CacheSv1", "CDRsV1", "CDRsV2", "ChargerSv1", "ConfigSv1"),
    *(
        "CoreSv1",
        "EeSv1",
        "ErSv1",
        "GuardianSv1",
        "IPsV1",
        "RALsV1",
        "RankingSv1",
        "Responder",
        "ResourceSv1",
    ),
    *("RouteSv1", "SchedulerSv1", "ServiceManagerV1", "SessionSv1", "StatSv1", "ThresholdSv1", "TrendSv1"),
)


def register(registry: Registry) -> None:
    """Adds the methods to a registry."""
    for service in SERVICES:
        method(registry, f"{service}.Ping", Role.READ)(ping)


def ping(runtime: Runtime, params: Given) -> str:
    """Says that the service is there."""
    return "Pong"
