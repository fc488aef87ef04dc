"""A JSON-RPC 1.0 call over one TCP connection: one object each way, nothing between objects."""

import json
import socket
import time
from decimal import Decimal
from typing import Any

TIMEOUT_S = 10
ANSWER_LIMIT = 64 << 20  # octets
_CHUNK = 1 << 16


class CallError(Exception):
    """A call failed; the text says why and is meant for people."""


def call(server: str, method: str, parameters: dict[str, Any]) -> Any:
    """Return the result of a method; CallError where the server is not there or says no."""
    request = json.dumps({"method": method, "params": [parameters], "id": 1}) + "\n"
    host, port = address(server)
    try:
        with socket.create_connection((host, port), TIMEOUT_S) as connection:
            connection.sendall(request.encode())
            answer = _receive(connection)
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        raise CallError(f"no server at {server} ({reason}): is `ocs serve` running there?") from None
    if not isinstance(answer, dict) or answer.get("id") != 1:
        raise CallError(f"{server} answered something that is not JSON-RPC")
    if answer.get("error") is not None:
        raise CallError(_error_text(answer["error"]))
    return answer.get("result")


def address(server: str) -> tuple[str, int]:
    """Split `host:port`; an IPv6 address stands in brackets."""
    host, _, port = server.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        raise CallError(f'"{server}" is not host:port such as 127.0.0.1:2012')
    return host, int(port)


def _receive(connection: socket.socket) -> Any:
    """Read until the bytes are one whole object: it ends where its brackets do."""
    deadline = time.monotonic() + TIMEOUT_S
    received = bytearray()
    scan = _BracketScan()
    while len(received) < ANSWER_LIMIT:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise CallError(f"the server did not answer within {TIMEOUT_S} s")
        connection.settimeout(remaining)
        try:
            chunk = connection.recv(_CHUNK)
        except TimeoutError:
            raise CallError(f"the server did not answer within {TIMEOUT_S} s") from None
        received += chunk
        if not chunk or scan.is_complete(chunk):
            break
    return _decode(bytes(received))


def _decode(received: bytes) -> Any:
    if not received:
        raise CallError("the server closed the connection without an answer")
    try:
        return json.loads(received, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise CallError("the server's answer is not JSON, or was cut off") from None


class _BracketScan:
    """Counts brackets outside strings, chunk by chunk, to see where an object ends."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def is_complete(self, chunk: bytes) -> bool:
        """Take more bytes; say whether the outermost object has ended."""
        for octet in chunk:
            if self._in_string:
                if self._escaped:
                    self._escaped = False
                elif octet == 0x5C:  # backslash
                    self._escaped = True
                elif octet == 0x22:  # quotation mark
                    self._in_string = False
            elif octet == 0x22:
                self._in_string = True
            elif octet in b"{[":
                self._depth += 1
            elif octet in b"}]":
                self._depth -= 1
                if self._depth == 0:
                    return True
        return False


def _error_text(error: Any) -> str:
    if isinstance(error, dict):
        return str(error.get("message", error))
    return str(error)
