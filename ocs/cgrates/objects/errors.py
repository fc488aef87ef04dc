"""The incumbent's error texts, as its clients compare them. Pure."""

from ocs.rpc.errors import EXISTS, INVALID_PARAMS, NOT_FOUND, REFUSED, RpcError


class Wrong(RpcError):
    """A parameter of another form than the member has, in the words of the incumbent's decoder."""

    def __init__(self, what: str, name: str, wanted: str) -> None:
        text = f"json: cannot unmarshal {what} into Go struct field {name} of type {wanted}"
        super().__init__(text, INVALID_PARAMS)


def not_found() -> RpcError:
    """What the request names is not there."""
    return RpcError("NOT_FOUND", NOT_FOUND)


def exists() -> RpcError:
    """What the request would make is there."""
    return RpcError("EXISTS", EXISTS)


def missing(*names: str) -> RpcError:
    """Members that must be given and are not."""
    return RpcError(f"MANDATORY_IE_MISSING: [{' '.join(names)}]", INVALID_PARAMS)


def server_error(text: object) -> RpcError:
    """A failure as the administrative methods wrap it."""
    return RpcError(f"SERVER_ERROR: {text}", REFUSED)


def not_connected(subsystem: str) -> RpcError:
    """A subsystem that is switched off in the configuration."""
    return RpcError(f"NOT_CONNECTED: {subsystem}", REFUSED)
