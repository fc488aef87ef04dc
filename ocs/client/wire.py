"""Octets of the client's side: requests out, answers and requests of the server in. Pure."""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET

from ocs.client.errors import Garbled, call_failed
from ocs.rpc.envelope import Framer
from ocs.rpc.messages import EnvelopeLimits

LIMITS = EnvelopeLimits(message_octets=64 << 20, depth=128, objects=5_000_000)
DEFAULT_PORT = 2012


class Incoming(msgspec.Struct):
    """What the server sends: an answer, or with `method` a request of its own."""

    method: str = ""
    params: Any = None
    id: Any = UNSET
    result: Any = UNSET
    error: Any = UNSET


_decoder = msgspec.json.Decoder(Incoming, float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


def address(server: str) -> tuple[str, int]:
    """Split `host:port`; an IPv6 address stands in brackets. Raises ValueError."""
    host, _, port = server.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f'"{server}" is not host:port such as 127.0.0.1:{DEFAULT_PORT}')
    return host, int(port)


def encode_call(method: str, params: object, name: int) -> bytes:
    """A request of 2.0 whose parameters also a server of 1.0 reads."""
    request = {"jsonrpc": "2.0", "method": method, "params": [{} if params is None else params], "id": name}
    return _encoder.encode(request) + b"\n"


def encode_answer(name: object, result: object, error: str | None) -> bytes:
    """The answer to a request of the server."""
    return _encoder.encode({"id": name, "result": result, "error": error}) + b"\n"


class Reader:
    """Cuts what the server sends; Garbled where that is not JSON-RPC."""

    def __init__(self) -> None:
        self._framer = Framer(LIMITS)
        self.is_empty = True

    def receive(self, data: bytes) -> list[Incoming]:
        """Take octets; return the messages they complete."""
        self.is_empty = self.is_empty and not data
        frames = self._framer.receive(data)
        if self._framer.failure is not None:
            raise Garbled("the server's answer is not JSON, or was cut off")
        return [_decoded(frame) for frame in frames]


def _decoded(frame: bytes) -> Incoming:
    try:
        message = _decoder.decode(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Garbled("the server answered something that is not JSON-RPC") from None
    if not message.method and message.id is UNSET:
        raise Garbled("the server answered something that is not JSON-RPC")
    return message


def result_of(message: Incoming, returns: Any) -> Any:
    """The result of an answer as a type; CallFailed where it is an error."""
    if message.error is not UNSET and message.error is not None:
        if isinstance(message.error, dict):
            text, code = message.error.get("message", ""), message.error.get("code", 0)
            raise call_failed(str(text), code if isinstance(code, int) else 0)
        raise call_failed(str(message.error), 0)
    value = None if message.result is UNSET else message.result
    if returns is object:
        return value
    try:
        return msgspec.convert(value, returns, strict=False)
    except msgspec.ValidationError as error:
        raise Garbled(f"the result is not what was expected: {error}") from None
