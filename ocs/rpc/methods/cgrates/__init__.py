"""The incumbent's methods, one module per service. `CGRATES` has them all.

A method is a function `(runtime, params)`, its parameters as `ocs.cgrates.objects.given.Given`. A module has
`register(registry)` with `method(registry, "APIerSv1.Ping", Role.READ)(ping)` per method (see `method`), and is
named below. A method changes the state by `runtime.state.put`, `put_profile` or `runtime.keep`; its answer leaves
when that is durable. The answer is what the function returns: dicts, lists, texts and numbers in the incumbent's
form, whole numbers as integers. An error is an RpcError or a ServiceError with the incumbent's text.
"""

from ocs.rpc.methods.cgrates import (
    accounts,
    actions,
    attributes,
    balances,
    caches,
    cdr_queries,
    cdrs,
    configuration,
    core,
    costs,
    exchange,
    explain,
    exports,
    generic_sessions,
    ips,
    live_sessions,
    ping,
    plans,
    profiles,
    resources,
    responder,
    routes,
    sessions,
    stats,
    stir,
    tariff,
    thresholds,
    trends,
    triggers,
)
from ocs.rpc.registry import Registry

CGRATES = Registry()
SERVICES = (
    *(sessions, generic_sessions, live_sessions, stir, cdrs, responder, ping),
    *(attributes, resources, routes, stats, thresholds, exchange),
)
for _service in SERVICES:
    _service.register(CGRATES)
ADMINISTRATIVE = (
    accounts,
    balances,
    actions,
    triggers,
    tariff,
    plans,
    profiles,
    costs,
    explain,
    cdr_queries,
    exports,
    ips,
    trends,
    core,
    configuration,
    caches,
)
for _module in ADMINISTRATIVE:
    _module.TABLE.register(CGRATES)

# What connections of both directions may ask; the incumbent has no other service there.
BIDIRECTIONAL = CGRATES.only(("SessionSv1", "ThresholdSv1"), "birpc: can't find method")
