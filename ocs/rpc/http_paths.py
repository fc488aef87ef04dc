"""Where JSON-RPC is over HTTP, and who may ask; apart from the service, which takes long to import."""

import msgspec


class HttpPaths(msgspec.Struct, frozen=True):
    """Paths, and passwords by user name that are asked for, where there are any."""

    jsonrpc: str = "/jsonrpc"
    websocket: str = "/ws"
    users: dict[str, str] = {}
