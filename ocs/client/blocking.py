"""`Client`: one call at a time on one connection, for programs without asyncio. May be used by several threads."""

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar, overload

from ocs.client.errors import ClientError, Garbled, NoAnswer, Unreachable
from ocs.client.wire import Incoming, Reader, address, encode_call, result_of

T = TypeVar("T")

LOGIN = "OcsV1.Login"
TIMEOUT_S = 10.0
CHUNK = 1 << 16
PAGE = 500


class Client:
    """Connects when it is first needed, and again when the connection has ended."""

    def __init__(
        self,
        server: str = "127.0.0.1:2012",
        *,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._address = address(server)
        self._key = key
        self._timeout_s = timeout_s
        self._tls = tls
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._reader = Reader()
        self._number = 0

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @overload
    def call(
        self, method: str, params: object = None, *, timeout_s: float | None = None, repeatable: bool = False
    ) -> Any: ...

    @overload
    def call(
        self,
        method: str,
        params: object,
        returns: type[T],
        *,
        timeout_s: float | None = None,
        repeatable: bool = False,
    ) -> T: ...

    def call(
        self,
        method: str,
        params: object = None,
        returns: Any = object,
        *,
        timeout_s: float | None = None,
        repeatable: bool = False,
    ) -> Any:
        """The result of a method as `returns`; ClientError says why not.

        A call that is `repeatable` is made once more where the connection ended before its answer.
        """
        deadline_s = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        with self._lock:
            try:
                return result_of(self._ask(method, params, deadline_s), returns)
            except Unreachable:
                if not repeatable:
                    raise
            return result_of(self._ask(method, params, deadline_s), returns)

    def rows(self, method: str, params: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
        """All rows of a list, page by page; `name` is the member that has them."""
        after: dict[str, Any] = {}
        while True:
            page = self.call(method, {"limit": PAGE, **params, **after}, dict[str, Any], repeatable=True)
            yield from page[name]
            if not page.get("next_after"):
                return
            after = {"after": page["next_after"]}

    def close(self) -> None:
        """Close the connection; the next call makes another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, method: str, params: object, deadline_s: float) -> Incoming:
        try:
            if self._socket is not None and _has_ended(self._socket):
                self.close()
            if self._socket is None:
                self._connect(deadline_s)
            return self._exchange(method, params, deadline_s)
        except ClientError:
            self.close()
            raise
        except TimeoutError:
            self.close()
            raise NoAnswer(f"{self._server} did not answer in time") from None
        except OSError as error:
            self.close()
            reason = error.strerror or str(error) or type(error).__name__
            raise Unreachable(
                f"no server at {self._server} ({reason}): is `ocs serve` running there?"
            ) from None

    def _connect(self, deadline_s: float) -> None:
        self._reader = Reader()
        connection = socket.create_connection(self._address, _left(deadline_s))
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_hostname=self._address[0])
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            connection.close()
            raise
        self._socket = connection
        if self._key is not None:
            result_of(self._exchange(LOGIN, {"key": self._key}, deadline_s), object)

    def _exchange(self, method: str, params: object, deadline_s: float) -> Incoming:
        connection = self._socket
        assert connection is not None, "it is connected"
        self._number += 1
        connection.settimeout(_left(deadline_s))
        connection.sendall(encode_call(method, params, self._number))
        reader = self._reader
        reader.is_empty = True
        while True:
            connection.settimeout(_left(deadline_s))
            data = connection.recv(CHUNK)
            for message in reader.receive(data):
                if message.method:
                    continue  # a request of the server: this client answers none
                if message.id not in (self._number, None):
                    raise Garbled(f"{self._server} answered something that is not JSON-RPC")
                return message
            if not data:
                raise Unreachable(
                    f"{self._server} closed the connection without an answer"
                    if reader.is_empty
                    else "the server's answer is not JSON, or was cut off"
                )


def _left(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _has_ended(connection: socket.socket) -> bool:
    """Whether the server has closed the connection, or said something, while nothing was asked."""
    readable, _, _ = select.select([connection], [], [], 0)
    if not readable:
        return False
    try:
        connection.setblocking(False)
        connection.recv(CHUNK)
        return True
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
