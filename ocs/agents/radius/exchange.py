"""One request on its way to an answer: whose it is, whether it is genuine, whether it came before.

RFC 2865 3 and RFC 2866 3 (silence for what is not genuine), RFC 3579 3.2 and the advice against CVE-2024-3596
(no Access-Request without Message-Authenticator, and one before everything else in the answer), RFC 5997
(Status-Server).
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from ocs.agents.radius.mapping.access import proxy_states
from ocs.agents.radius.mapping.clients import Client, Clients
from ocs.agents.radius.metrics import RadiusMetrics
from ocs.agents.radius.replies import Key, Replies
from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import (
    Attribute,
    Malformed,
    Packet,
    decode,
    encode_response,
    has_valid_message_authenticator,
    is_signed_by,
)
from ocs.config.settings import RadiusSettings

log = structlog.get_logger()

Address = tuple[str, int]
Send = Callable[[bytes, Address], None]
SIGNED = (codes.ACCESS_ACCEPT, codes.ACCESS_REJECT, codes.ACCESS_CHALLENGE)


class Heard(Protocol):
    """What is counted of one access server."""

    answers: int


class Exchange:
    """A genuine request that waits for its answer, which is given once."""

    __slots__ = (
        "_door",
        "_key",
        "_send",
        "address",
        "arrived_ns",
        "client",
        "heard",
        "is_answered",
        "packet",
    )

    def __init__(
        self, door: "RequestDoor", client: Client, packet: Packet, address: Address, key: Key, send: Send
    ) -> None:
        self._door = door
        self._key = key
        self._send = send
        self.client = client
        self.packet = packet
        self.address = address
        self.arrived_ns = time.monotonic_ns()
        self.is_answered = False
        self.heard: Heard | None = None

    def reply(self, code: int, attributes: Sequence[Attribute] = ()) -> None:
        """Answer, with what proxies want back."""
        if self.is_answered:
            return
        everything = [*attributes, *proxy_states(self.packet)]
        is_signed = code in SIGNED or self.packet.code == codes.STATUS_SERVER
        try:
            octets = encode_response(code, self.packet, everything, self.client.secret, is_signed)
        except Malformed as error:
            log.warning("radius.answer_too_long", peer=self.client.name, reason=error.reason)
            self.drop("too_long")
            return
        self.is_answered = True
        if self.heard is not None:
            self.heard.answers += 1
        self._door.answered(self._key, octets)
        self._send(octets, self.address)

    def took_ns(self) -> int:
        """How long it has been here."""
        return time.monotonic_ns() - self.arrived_ns

    def drop(self, reason: str) -> None:
        """Leave it without an answer: its sender tries again."""
        if not self.is_answered:
            self.is_answered = True
            self._door.dropped(self._key, reason)


Handle = Callable[[Exchange], None]


class RequestDoor:
    """Lets in what is genuine and new; `handlers` are by packet code."""

    def __init__(
        self,
        settings: RadiusSettings,
        clients: Clients,
        metrics: RadiusMetrics,
        handlers: Mapping[int, Handle],
    ) -> None:
        self.clients = clients
        self.in_flight = 0
        self.is_closed = False
        self._idle = asyncio.Event()
        self._handlers = handlers
        self._metrics = metrics
        self._replies = Replies(settings.reply_lifetime_ns, settings.replies)
        self._limit = settings.requests_in_flight

    def received(self, datagram: bytes, address: Address, code: int, send: Send) -> None:
        """Take a datagram that came in at a port for packets of this code, and Status-Server."""
        client = self.clients.at(address[0])
        if client is None:
            self._drop("unknown_client")
            log.warning(
                "radius.client_unknown", peer=address[0], remedy="add it to radius.clients of ocs.yaml"
            )
            return
        try:
            packet = decode(datagram)
        except Malformed as error:
            self._drop("malformed")
            tell(client, error)
            return
        self._admit(client, packet, address, code, send)

    def _admit(self, client: Client, packet: Packet, address: Address, code: int, send: Send) -> None:
        if packet.code not in (code, codes.STATUS_SERVER):
            self._drop("wrong_code")
            log.warning("radius.code_refused", peer=client.name, code=packet.code, address=address[0])
            return
        reason = forgery(client, packet)
        if reason:
            self._drop(reason)
            log.warning("radius.packet_not_genuine", peer=client.name, address=address[0], reason=reason)
            return
        key = (address[0], address[1], packet.identifier, packet.authenticator)
        now_ns = time.monotonic_ns()
        if not self._replies.begin(key, now_ns):
            self._again(key, address, send)
        elif self.is_closed or self.in_flight >= self._limit:
            self._replies.forget(key)
            self._drop("too_busy")
        else:
            self.in_flight += 1
            self._handle(Exchange(self, client, packet, address, key, send), code)

    def _again(self, key: Key, address: Address, send: Send) -> None:
        reply = self._replies.reply(key)
        if reply is None:
            self._drop("under_way")
            return
        self._metrics.radius_repeated()
        send(reply, address)

    def _handle(self, exchange: Exchange, code: int) -> None:
        if exchange.packet.code == codes.STATUS_SERVER:
            is_accounting = code == codes.ACCOUNTING_REQUEST
            exchange.reply(codes.ACCOUNTING_RESPONSE if is_accounting else codes.ACCESS_ACCEPT)
            return
        try:
            self._handlers[code](exchange)
        except Malformed as error:
            exchange.drop("malformed")
            tell(exchange.client, error)
        except Exception:
            exchange.drop("failed")
            log.exception("radius.request_failed", peer=exchange.client.name, code=code)

    async def idle(self) -> None:
        """Return when nothing is under way."""
        while self.in_flight:
            self._idle.clear()
            await self._idle.wait()

    def _left(self) -> None:
        self.in_flight -= 1
        if not self.in_flight:
            self._idle.set()

    def answered(self, key: Key, reply: bytes) -> None:
        """A request has its answer."""
        self._left()
        self._replies.answered(key, reply, time.monotonic_ns())

    def dropped(self, key: Key, reason: str) -> None:
        """A request gets none."""
        self._left()
        self._replies.forget(key)
        self._drop(reason)

    def _drop(self, reason: str) -> None:
        log.debug("radius.packet_dropped", reason=reason)
        self._metrics.radius_dropped(reason)


def forgery(client: Client, packet: Packet) -> str:
    """Why a packet is not believed to be its client's; "" where it is."""
    is_right = has_valid_message_authenticator(packet, client.secret)
    if is_right is False:
        return "message_authenticator"
    if packet.code == codes.ACCOUNTING_REQUEST:
        return "" if is_signed_by(packet, client.secret) else "authenticator"
    if is_right is None and _must_be_signed(client, packet):
        return "no_message_authenticator"
    return ""


def _must_be_signed(client: Client, packet: Packet) -> bool:
    """Behind a proxy, and around EAP, none is ever believed: an attacker could write the answer to it."""
    if client.settings.message_authenticator == "required" or packet.code == codes.STATUS_SERVER:
        return True
    return any(packet.first(number) is not None for number in (codes.PROXY_STATE, codes.EAP_MESSAGE))


def tell(client: Client, error: Malformed) -> None:
    """Log what is wrong with a packet; the log leaves out what is said too often."""
    name = _name(client, error.attribute)
    log.warning("radius.packet_malformed", peer=client.name, attribute=name, reason=error.reason)


def _name(client: Client, attribute: int) -> str:
    if not attribute:
        return "header"
    definition = client.dictionary.by_path.get((attribute,))
    return f"{attribute}" if definition is None else f"{definition.name} ({attribute})"
