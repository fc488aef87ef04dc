"""A Diameter client of one connection, for conversations written down message by message."""

import itertools
import socket
from collections.abc import Iterable
from types import TracebackType

from ocs.diameter import avps
from ocs.diameter.avp import decode_u32, encode_i32, encode_u32, encode_utf8
from ocs.diameter.codes import PROXIABLE, REQUEST, Command
from ocs.diameter.message import Message, encode_answer, encode_message
from tests.interop.server import REALM
from tests.support.gy import subscription
from tests.support.waiting import PATIENCE_S

INITIAL, UPDATE, TERMINATION, EVENT = 1, 2, 3, 4
DATA, VOICE, SMS = "32251@3gpp.org", "32260@3gpp.org", "32274@3gpp.org"


def result_of(message: Message) -> int:
    """Its Result-Code."""
    return decode_u32(message.frame, message.require(avps.RESULT_CODE))


class Client:
    """A client after its capabilities exchange; answers watchdogs while it waits for something else."""

    def __init__(self, port: int, host: str = "gw.test.invalid", realm: str = REALM) -> None:
        self.host = host
        self.realm = realm
        self.is_over = False
        self._ids = itertools.count(1)
        self._octets = b""
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.capabilities = self.ask(self.cer())
        assert result_of(self.capabilities) == 2001

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and not self.is_over:
                self.leave()
        finally:
            self._socket.close()

    # --- messages

    def identity(self) -> bytes:
        """Origin-Host and Origin-Realm."""
        return encode_utf8(avps.ORIGIN_HOST, self.host) + encode_utf8(avps.ORIGIN_REALM, self.realm)

    def cer(self) -> bytes:
        """A capabilities exchange for credit control."""
        parts = [
            self.identity(),
            bytes.fromhex("000001014000000e00017f0000010000"),  # Host-IP-Address 127.0.0.1
            encode_u32(avps.VENDOR_ID, 0),
            encode_utf8(avps.PRODUCT_NAME, "client", False),
            encode_u32(avps.AUTH_APPLICATION_ID, 4),
        ]
        return self.request(Command.CAPABILITIES_EXCHANGE, 0, parts, REQUEST)

    def request(
        self, command: int, application: int, parts: Iterable[bytes], flags: int = REQUEST | PROXIABLE
    ) -> bytes:
        """A request with identifiers of its own."""
        number = next(self._ids)
        return encode_message(flags, command, application, number, 0x5EED0000 + number, list(parts))

    def ccr(
        self,
        kind: int,
        number: int,
        *parts: bytes,
        who: str = "1001",
        session: str = "1",
        context: str = DATA,
        realm: str = REALM,
        to_host: str | None = None,
        without: Iterable[int] = (),
    ) -> bytes:
        """A Credit-Control-Request; `parts` follow what every request has."""
        fixed = {
            avps.SESSION_ID: encode_utf8(avps.SESSION_ID, f"{self.host};1;{session}"),
            avps.ORIGIN_HOST: self.identity(),
            avps.DESTINATION_REALM: encode_utf8(avps.DESTINATION_REALM, realm),
            avps.AUTH_APPLICATION_ID: encode_u32(avps.AUTH_APPLICATION_ID, 4),
            avps.SERVICE_CONTEXT_ID: encode_utf8(avps.SERVICE_CONTEXT_ID, context),
            avps.CC_REQUEST_TYPE: encode_i32(avps.CC_REQUEST_TYPE, kind),
            avps.CC_REQUEST_NUMBER: encode_u32(avps.CC_REQUEST_NUMBER, number),
            avps.SUBSCRIPTION_ID: subscription(0, who),
        }
        if to_host is not None:
            fixed[avps.DESTINATION_HOST] = encode_utf8(avps.DESTINATION_HOST, to_host)
        for key in without:
            del fixed[key]
        return self.request(Command.CREDIT_CONTROL, 4, [*fixed.values(), *parts])

    def dwr(self) -> bytes:
        """A watchdog."""
        return self.request(Command.DEVICE_WATCHDOG, 0, [self.identity()], REQUEST)

    # --- the wire

    def leave(self) -> Message:
        """End the connection in order; without it an agent distrusts the next one (RFC 3539 3.4.1)."""
        self.is_over = True
        parts = [self.identity(), encode_i32(avps.DISCONNECT_CAUSE, 0)]
        return self.ask(self.request(Command.DISCONNECT_PEER, 0, parts, REQUEST))

    def ask(self, *requests: bytes) -> Message:
        """The answer to the last of some requests sent in one piece."""
        return self.answers(*requests)[-1]

    def answers(self, *requests: bytes) -> list[Message]:
        """One answer for each request, in their order."""
        self._socket.sendall(b"".join(requests))
        waiting = [Message.decode(request).hop_by_hop for request in requests]
        found: dict[int, Message] = {}
        while len(found) < len(waiting):
            message = self.receive()
            if message.is_request:
                self.answer(message, 2001)
            else:
                assert message.hop_by_hop in waiting, "an answer to something asked"
                assert message.hop_by_hop not in found, "one answer only"
                found[message.hop_by_hop] = message
        return [found[number] for number in waiting]

    def receive(self) -> Message:
        """The next message."""
        head = self._read(4)
        return Message.decode(head + self._read(int.from_bytes(head[1:4], "big") - 4))

    def receive_request(self, command: int) -> Message:
        """The next request of that command; watchdogs before it are answered."""
        while True:
            message = self.receive()
            if message.is_request and message.command_code == command:
                return message
            assert message.command_code == Command.DEVICE_WATCHDOG, f"a {message.command_code} instead"
            self.answer(message, 2001)

    def answer_what_comes(self, seconds: float) -> None:
        """Answer the requests of so long."""
        self._socket.settimeout(seconds)
        try:
            self.answer(self.receive(), 2001)
        except TimeoutError:
            pass  # nobody has asked anything
        finally:
            self._socket.settimeout(PATIENCE_S)

    def answer(self, request: Message, code: int) -> None:
        """Answer a request of the other side."""
        self.is_over = request.command_code == Command.DISCONNECT_PEER
        session = request.octets(avps.SESSION_ID)
        parts = [] if session is None else [encode_utf8(avps.SESSION_ID, session.decode())]
        self._socket.sendall(
            encode_answer(request, [*parts, encode_u32(avps.RESULT_CODE, code), self.identity()])
        )

    def _read(self, count: int) -> bytes:
        """So many octets; what has come is kept over a time-out."""
        while len(self._octets) < count:
            chunk = self._socket.recv(65_536)
            assert chunk, "the connection is closed"
            self._octets += chunk
        read, self._octets = self._octets[:count], self._octets[count:]
        return read
