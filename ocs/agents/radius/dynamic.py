"""Requests to access servers: sent again until they are answered, or given up (RFC 5176, RFC 5080 2.2.1)."""

import asyncio
import random
import secrets
import time
from collections.abc import Sequence

import asyncio_dgram
import structlog
from asyncio_dgram.aio import DatagramClient

from ocs.agents.radius.mapping.clients import Client
from ocs.agents.radius.mapping.dynamic import identifying, outcome
from ocs.agents.radius.mapping.session import NasSession
from ocs.agents.radius.metrics import RadiusMetrics
from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import (
    Attribute,
    Malformed,
    Packet,
    decode,
    encode_request,
    has_valid_message_authenticator,
    is_answer_to,
)
from ocs.charging.control import ControlResult
from ocs.config.settings import SECOND, RadiusSettings

log = structlog.get_logger()

AT_ONCE = 64
ANSWERS = {
    codes.DISCONNECT_REQUEST: (codes.DISCONNECT_ACK, codes.DISCONNECT_NAK),
    codes.COA_REQUEST: (codes.COA_ACK, codes.COA_NAK),
}


class DynamicAuthorization:
    """Asks access servers about their sessions; each request has a socket of its own."""

    def __init__(self, settings: RadiusSettings, metrics: RadiusMetrics) -> None:
        self._timeout_s = settings.disconnect_timeout_ns / SECOND
        self._attempts = settings.disconnect_attempts
        self._metrics = metrics
        self._room = asyncio.Semaphore(AT_ONCE)

    async def disconnect(self, client: Client, session: NasSession, cause: str) -> ControlResult:
        """Have an access server end a session."""
        if not client.settings.disconnect:
            return ControlResult.REFUSED
        said = [(codes.REPLY_MESSAGE, cause.encode("utf-8", "replace")[:253])]
        result = await self._about(client, session, codes.DISCONNECT_REQUEST, said)
        self._metrics.radius_disconnected(result.name.lower())
        return result

    async def change(
        self, client: Client, session: NasSession, attributes: Sequence[Attribute]
    ) -> ControlResult:
        """Have an access server apply other attributes to a session."""
        if not client.settings.disconnect:
            return ControlResult.REFUSED
        return await self._about(client, session, codes.COA_REQUEST, attributes)

    async def _about(
        self, client: Client, session: NasSession, code: int, attributes: Sequence[Attribute]
    ) -> ControlResult:
        address = client.settings.disconnect_address or session.origin
        if not address:
            return ControlResult.REFUSED
        place = (address, client.settings.disconnect_port)
        asked = [*identifying(session, int(time.time())), *attributes]
        return await self.ask(client, place, code, asked, session.session_id)

    async def ask(
        self, client: Client, place: tuple[str, int], code: int, asked: Sequence[Attribute], name: str
    ) -> ControlResult:
        """Send a request with these attributes about the session of that name; what its answer says."""
        octets = encode_request(code, secrets.randbelow(256), asked, client.secret)
        async with self._room:
            try:
                answer = await self._exchanged(place, octets, client)
            except OSError as error:
                log.warning("radius.access_server_unreachable", peer=client.name, error=str(error))
                return ControlResult.NO_ANSWER
        if answer is None:
            log.warning("radius.access_server_silent", peer=client.name, session=name)
            return ControlResult.NO_ANSWER
        result, cause = outcome(answer)
        log.info(
            "radius.access_server_answered",
            peer=client.name,
            session=name,
            result=result.name.lower(),
            error_cause=cause,
        )
        return result

    async def _exchanged(self, place: tuple[str, int], octets: bytes, client: Client) -> Packet | None:
        stream = await asyncio_dgram.connect(place)
        try:
            wait_s = self._timeout_s
            for _ in range(self._attempts):
                answer = await self._attempt(stream, octets, client, wait_s * random.uniform(0.9, 1.1))
                if answer is not None:
                    return answer
                wait_s *= 2
            return None
        finally:
            stream.close()

    async def _attempt(
        self, stream: DatagramClient, octets: bytes, client: Client, wait_s: float
    ) -> Packet | None:
        """Send once, and wait for a genuine answer; what else comes is left out."""
        try:
            async with asyncio.timeout(wait_s):
                await _sent(stream, octets)
                while True:
                    answer = await _received(stream)
                    if answer is not None and _is_genuine(answer, octets, client.secret):
                        return answer
        except TimeoutError:
            return None


async def _sent(stream: DatagramClient, octets: bytes) -> None:
    """Send; that nobody listened for the one before does not matter: it may be starting."""
    try:
        await stream.send(octets)
    except ConnectionRefusedError:
        await stream.send(octets)


async def _received(stream: DatagramClient) -> Packet | None:
    try:
        datagram, _ = await stream.recv()
        return decode(datagram)
    except (ConnectionRefusedError, Malformed):
        return None


def _is_genuine(answer: Packet, request: bytes, secret: bytes) -> bool:
    authenticator = request[4:20]
    return (
        answer.identifier == request[1]
        and answer.code in ANSWERS[request[0]]
        and is_answer_to(answer, authenticator, secret)
        and has_valid_message_authenticator(answer, secret, authenticator) is not False
    )
