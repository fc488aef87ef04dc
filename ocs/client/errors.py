"""What can go wrong with a call, as types; every text is for people."""

from ocs.rpc import errors as codes


class ClientError(Exception):
    """A call brought no result."""


class Unreachable(ClientError):
    """The server is not there, or the connection ended before the answer: whether it was done is not known then."""


class NoAnswer(ClientError):
    """The server did not answer in time; whether it was done is not known."""


class Garbled(ClientError):
    """What came is no answer of JSON-RPC."""


class CallFailed(ClientError):
    """The server says no; `code` is that of JSON-RPC 2.0, 0 where the server answers in 1.0."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class UnknownMethod(CallFailed):
    """There is no such method."""


class InvalidParams(CallFailed):
    """A parameter is wrong; the text begins with its name."""


class NotFound(CallFailed):
    """What the call names is not there."""


class Exists(CallFailed):
    """What the call makes is there already."""


class Forbidden(CallFailed):
    """The caller's key is not for this, or there is none."""


class Unavailable(CallFailed):
    """The server cannot do it now; it may be tried again."""


KINDS: dict[int, type[CallFailed]] = {
    codes.METHOD_NOT_FOUND: UnknownMethod,
    codes.INVALID_PARAMS: InvalidParams,
    codes.NOT_FOUND: NotFound,
    codes.EXISTS: Exists,
    codes.FORBIDDEN: Forbidden,
    codes.UNAVAILABLE: Unavailable,
}


def call_failed(text: str, code: int) -> CallFailed:
    """The error of a code."""
    return KINDS.get(code, CallFailed)(text, code)
