"""A server that speaks JSON-RPC 1.0 over TCP and answers what the test says."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.waiting import PATIENCE_S


class FakeServer:
    """Answers one request per connection with `reply`, cut into pieces of `piece` octets."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.reply: Callable[[Any], bytes] = lambda request: b""
        self.piece = 1 << 16
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def answers(self, result: Any, error: Any = None) -> None:
        """Answer every request with this result."""
        self.reply = lambda request: json.dumps(
            {"id": request["id"], "result": result, "error": error}
        ).encode()

    def close(self) -> None:
        """Stop listening and wait for the thread."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE_S)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(PATIENCE_S)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        received = b""
        while not received.endswith(b"\n"):
            received += connection.recv(1 << 16)
        request = json.loads(received)
        self.requests.append(request)
        answer = self.reply(request)
        for start in range(0, len(answer), self.piece):
            connection.sendall(answer[start : start + self.piece])


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Start a fake server and stop it after the test."""
    fake = FakeServer()
    yield fake
    fake.close()
