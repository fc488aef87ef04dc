"""The least a JSON-RPC server can do: cut messages, read the envelope, answer with a canned result.

Run as `python -m bench.load.rpc_echo PORT`. It uses nothing of the server: brackets are counted by the decoder of
msgspec, one message after the other as the client of this bench sends them, a line each.
"""

import asyncio
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, cast

import msgspec

HOST = "127.0.0.1"
RESULT = {"MaxUsage": 60_000_000_000}


class Request(msgspec.Struct):
    """The envelope of 1.0."""

    method: str
    params: list[Any]
    id: int


class Answer(msgspec.Struct):
    """Its answer."""

    id: int
    result: object
    error: str | None


class Echo(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._rest = b""
        self._decoder = msgspec.json.Decoder(Request)
        self._encoder = msgspec.json.Encoder()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only

    def data_received(self, data: bytes) -> None:
        """One answer for every whole line, all in one write."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        out = [
            self._encoder.encode(Answer(request.id, RESULT, None))
            for request in map(self._decoder.decode, lines)
            if request.params[0] is not None
        ]
        assert self._transport is not None
        self._transport.write(b"\n".join([*out, b""]))


async def serve(port: int) -> None:
    """Until the process is ended."""
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(Echo, HOST, port)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await listener.serve_forever()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is there, as in the server."""
    if find_spec("uvloop") is None:
        return None
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(serve(int(sys.argv[1])))
