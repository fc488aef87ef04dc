"""Disconnect-Requests over real sockets: sent until answered, by a genuine answer; sessions are named whole."""

import asyncio
import socket
from collections.abc import Callable

import pytest

from ocs.agents.radius.dynamic import DynamicAuthorization
from ocs.agents.radius.mapping.clients import Client
from ocs.agents.radius.mapping.session import NasSession
from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.dictionary import Dictionary
from ocs.agents.radius.wire.packet import (
    Packet,
    decode,
    encode_response,
    has_valid_message_authenticator,
    is_signed_by,
)
from ocs.charging.control import ControlResult
from ocs.config.settings import MS, SECOND, RadiusClient, RadiusSettings
from tests.agents.radius.packets import SECRET, number
from tests.agents.radius.world import like

Answer = Callable[[Packet], bytes | None]


class Outcomes:
    """What the metrics hear."""

    def __init__(self) -> None:
        self.disconnected: list[str] = []

    def request_answered(self, *facts: object, command: str = "") -> None:
        raise AssertionError("nobody asked")

    def radius_dropped(self, reason: str) -> None:
        raise AssertionError(reason)

    def radius_repeated(self) -> None:
        raise AssertionError("nobody asked")

    def radius_access(self, is_accepted: bool) -> None:
        raise AssertionError("nobody asked")

    def radius_disconnected(self, outcome: str) -> None:
        self.disconnected.append(outcome)


class Nas(asyncio.DatagramProtocol):
    """An access server that answers as the test wants."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[Packet] = []
        self.port = 0

    async def __aenter__(self) -> "Nas":
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0), family=socket.AF_INET
        )
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        packet = decode(data)
        self.asked.append(packet)
        answer = self.answers.pop(0)(packet) if self.answers else None
        if answer is not None:
            self._transport.sendto(answer, addr)


def said(code: int, error_cause: int | None = None, secret: bytes = SECRET) -> Answer:
    attributes = [] if error_cause is None else [number(codes.ERROR_CAUSE, error_cause)]
    return lambda packet: encode_response(code, packet, attributes, secret, True)


def nothing(packet: Packet) -> None:
    """The datagram was lost."""


def session() -> NasSession:
    found = NasSession("ap/10.9.8.7", "s_1", 1_780_000_000)
    found.origin = "127.0.0.1"
    found.facts = (
        ("User-Name", "1001"),
        ("NAS-IP-Address", "10.9.8.7"),
        ("Framed-IP-Address", "10.0.0.9"),
        ("NAS-Port", "7"),
        ("Calling-Station-Id", "02-00"),
        ("Acct-Session-Id", "s|1"),
    )
    return found


async def disconnect(
    nas: Nas, attempts: int = 3, timeout_ns: int = 60 * SECOND
) -> tuple[ControlResult, list[str]]:
    settings = RadiusSettings(disconnect_timeout_ns=timeout_ns, disconnect_attempts=attempts)
    outcomes = Outcomes()
    client = Client(like(disconnect_port=nas.port), SECRET, Dictionary())
    asked = DynamicAuthorization(settings, outcomes)
    return await asked.disconnect(client, session(), "INSUFFICIENT_CREDIT"), outcomes.disconnected


async def test_a_session_is_named_whole_and_the_request_is_signed() -> None:
    async with Nas(said(codes.DISCONNECT_ACK)) as nas:
        assert await disconnect(nas) == (ControlResult.ACCEPTED, ["accepted"])
    (asked,) = nas.asked
    assert asked.code == codes.DISCONNECT_REQUEST
    assert asked.attributes[0][0] == codes.MESSAGE_AUTHENTICATOR
    assert is_signed_by(asked, SECRET)
    assert has_valid_message_authenticator(asked, SECRET)
    assert asked.text(codes.ACCT_SESSION_ID) == "s|1"
    assert asked.text(codes.USER_NAME) == "1001"
    assert asked.text(codes.REPLY_MESSAGE) == "INSUFFICIENT_CREDIT"
    assert asked.first(codes.NAS_IP_ADDRESS) == bytes((10, 9, 8, 7))
    assert asked.first(codes.FRAMED_IP_ADDRESS) == bytes((10, 0, 0, 9))
    assert asked.number(codes.NAS_PORT) == 7
    assert asked.number(codes.EVENT_TIMESTAMP) is not None


@pytest.mark.parametrize(
    ("cause", "result"),
    [
        (codes.SESSION_CONTEXT_NOT_FOUND, ControlResult.UNKNOWN_SESSION),
        (codes.RESIDUAL_CONTEXT_REMOVED, ControlResult.UNKNOWN_SESSION),
        (501, ControlResult.REFUSED),
        (None, ControlResult.REFUSED),
    ],
)
async def test_a_refusal_says_why(cause: int | None, result: ControlResult) -> None:
    async with Nas(said(codes.DISCONNECT_NAK, cause)) as nas:
        assert (await disconnect(nas))[0] is result


async def test_a_request_is_sent_again_with_the_same_octets_until_it_is_answered() -> None:
    async with Nas(nothing, nothing, said(codes.DISCONNECT_ACK)) as nas:
        assert (await disconnect(nas, 10, 100 * MS))[0] is ControlResult.ACCEPTED
    assert len({packet.octets for packet in nas.asked}) == 1
    assert len(nas.asked) >= 3


async def test_silence_is_given_up() -> None:
    async with Nas() as nas:
        assert await disconnect(nas, 2, 100 * MS) == (ControlResult.NO_ANSWER, ["no_answer"])
    assert len(nas.asked) == 2


async def test_answers_of_others_do_not_count() -> None:
    def other_id(packet: Packet) -> bytes | None:
        octets = bytearray(packet.octets)
        octets[1] ^= 1
        return said(codes.DISCONNECT_ACK)(decode(bytes(octets)))

    def unsigned(packet: Packet) -> bytes:
        return encode_response(codes.DISCONNECT_ACK, packet, [], b"another", False)

    forged = said(codes.DISCONNECT_ACK, secret=b"another")
    wrong_kind = said(codes.COA_ACK)
    async with Nas(forged, unsigned, other_id, wrong_kind, lambda packet: b"\1\2") as nas:
        assert (await disconnect(nas, 5, 100 * MS))[0] is ControlResult.NO_ANSWER
    assert len(nas.asked) == 5


async def test_a_client_that_takes_none_is_not_asked() -> None:
    client = Client(RadiusClient("127.0.0.1", "ap", "x", disconnect=False), b"x", Dictionary())
    asked = DynamicAuthorization(RadiusSettings(), Outcomes())
    assert await asked.disconnect(client, session(), "x") is ControlResult.REFUSED
    assert await asked.change(client, session(), []) is ControlResult.REFUSED
