"""What a method says when it cannot do what is asked: a text for people, and the code of JSON-RPC 2.0. Pure."""

PARSE_ERROR = -32_700
INVALID_REQUEST = -32_600
METHOD_NOT_FOUND = -32_601
INVALID_PARAMS = -32_602
INTERNAL_ERROR = -32_603
NOT_FOUND = -32_001
EXISTS = -32_002
REFUSED = -32_003
FORBIDDEN = -32_004
UNAVAILABLE = -32_010


class RpcError(Exception):
    """A request that gets an error: 1.0 carries the text alone, 2.0 the code too."""

    def __init__(self, text: str, code: int = REFUSED) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class InvalidParams(RpcError):
    """A parameter is missing, unknown or not what it should be; the text begins with its name."""

    def __init__(self, text: str) -> None:
        super().__init__(text, INVALID_PARAMS)


class NotFound(RpcError):
    """What the request names is not there."""

    def __init__(self, text: str) -> None:
        super().__init__(text, NOT_FOUND)


class Forbidden(RpcError):
    """The caller may not do this; the word is the incumbent's."""

    def __init__(self, text: str = "UNAUTHORIZED_API") -> None:
        super().__init__(text, FORBIDDEN)


class TryAgain(RpcError):
    """Another server was quicker: nothing of the call has happened."""
