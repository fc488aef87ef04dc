"""The least a Diameter server can do: frame what comes, copy a canned answer, patch three fields.

Run as `python -m bench.load.echo PORT CLIENT GROUP...`; the loop is uvloop where that is installed, as in
`ocs serve`. What is measured against it pays the same for sockets, framing and the interpreter's loop.
"""

import asyncio
import sys
from collections.abc import Callable
from importlib.util import find_spec
from struct import Struct, pack
from typing import cast

from bench.load import wire
from bench.load.generator import REALM, session_name

_word = Struct(">I")
HOST = "echo.load.test"


def canned(session_octets: int, groups: tuple[int, ...]) -> bytes:
    """A CCA with the AVPs of a real one."""
    body = wire.avp(wire.SESSION_ID, bytes(session_octets)) + wire.u32(wire.RESULT_CODE, wire.SUCCESS)
    body += wire.text(wire.ORIGIN_HOST, HOST) + wire.text(wire.ORIGIN_REALM, REALM)
    body += wire.u32(wire.AUTH_APPLICATION, wire.GY)
    body += wire.u32(wire.REQUEST_TYPE, wire.UPDATE) + wire.u32(wire.REQUEST_NUMBER, 0)
    for group in groups:
        granted = wire.avp(wire.GRANTED, wire.u64(wire.TOTAL_OCTETS, 1_000_000))
        parts = granted + wire.u32(448, 3_600)  # Validity-Time
        parts += wire.u32(wire.RATING_GROUP, group) + wire.u32(wire.RESULT_CODE, wire.SUCCESS)
        body += wire.avp(wire.SERVICES, parts)
    return wire.message(wire.CCR, wire.GY, body, 0, 0, wire.PROXIABLE)


def capabilities_answer(request: bytes) -> bytes:
    """A CEA."""
    body = wire.u32(wire.RESULT_CODE, wire.SUCCESS) + wire.text(wire.ORIGIN_HOST, HOST)
    body += wire.text(wire.ORIGIN_REALM, REALM) + wire.avp(wire.HOST_IP_ADDRESS, b"\0\1\x7f\0\0\1")
    body += wire.u32(wire.VENDOR_ID, 0) + wire.avp(wire.PRODUCT_NAME, b"echo", flags=0)
    body += wire.u32(wire.AUTH_APPLICATION, wire.GY)
    return wire.message(wire.CER, 0, body, 0, 0, 0)[:12] + request[12:20] + body


class Echo(asyncio.Protocol):
    """One connection."""

    def __init__(self, answer: bytes, session_end: int) -> None:
        self._answer = answer
        self._session_end = session_end
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only

    def data_received(self, data: bytes) -> None:
        """One copy for every whole request."""
        data = self._buffer + data
        out: list[bytes | bytearray] = []
        place, end, session_end = 0, len(data), self._session_end
        while end - place >= 20:
            length = _word.unpack_from(data, place)[0] & 0xFFFFFF
            if end - place < length:
                break
            if data[place + 7] == 1:  # command 257
                out.append(capabilities_answer(data[place : place + length]))
            else:
                answer = bytearray(self._answer)
                answer[12:20] = data[place + 12 : place + 20]
                answer[28:session_end] = data[place + 28 : place + session_end]
                out.append(answer)
            place += length
        self._buffer = data[place:]
        assert self._transport is not None
        self._transport.write(b"".join(out))


async def serve(port: int, client: str, groups: tuple[int, ...]) -> None:
    """Until the process is ended."""
    name = session_name(client, 0)
    answer = canned(len(name), groups)
    assert answer[20:28] == pack(">II", wire.SESSION_ID, wire.MANDATORY << 24 | 8 + len(name))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Echo(answer, 28 + len(name)), "127.0.0.1", port)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serve on the port given."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if find_spec("uvloop") is not None:
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(int(sys.argv[1]), sys.argv[2], tuple(map(int, sys.argv[3:]))))


if __name__ == "__main__":
    main()
