"""The methods, one package per service. `REGISTRY` has the product's own, made when first asked for."""

from ocs.rpc.registry import Registry

REGISTRY: Registry


def __getattr__(name: str) -> Registry:
    """Makes the registry: whoever wants another one does not import these methods."""
    if name != "REGISTRY":
        raise AttributeError(name)
    from ocs.rpc.methods.ocs_v1.all import register

    registry = Registry()
    register(registry)
    globals()["REGISTRY"] = registry
    return registry
