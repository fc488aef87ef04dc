"""Packets as access servers write them, and recorded ones."""

import ipaddress
import os
from pathlib import Path
from typing import NamedTuple

from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import Attribute, Packet, decode, encode_request
from ocs.agents.radius.wire.passwords import hidden

VECTORS = Path(__file__).parents[2] / "vectors" / "radius"
SECRET = b"s3cret of the tests"
NAS = "192.0.2.7"
NOON_S = 1_780_315_200


class Recorded(NamedTuple):
    """One packet that went over a wire."""

    source: int
    target: int
    octets: bytes

    @property
    def packet(self) -> Packet:
        """It, decoded."""
        return decode(self.octets)

    @property
    def secret(self) -> bytes:
        """The secret of its two ends."""
        return b"ocssecret" if {self.source, self.target} & {1812, 1813} else b"testing123"


def recorded(name: str) -> list[Recorded]:
    """The packets of a file."""
    lines = (VECTORS / f"{name}.txt").read_text().splitlines()
    return [Recorded(int(a), int(b), bytes.fromhex(c)) for a, b, c in map(str.split, lines)]


def number(kind: int, value: int) -> Attribute:
    """An attribute of four octets."""
    return kind, value.to_bytes(4, "big")


def text(kind: int, value: str) -> Attribute:
    """An attribute of text."""
    return kind, value.encode()


def nas(address: str = NAS) -> Attribute:
    """NAS-IP-Address."""
    return codes.NAS_IP_ADDRESS, ipaddress.IPv4Address(address).packed


def access(
    *attributes: Attribute,
    user: str = "1001",
    password: str | None = "pw",
    identifier: int = 1,
    signed: bool = True,
) -> bytes:
    """An Access-Request, by PAP where there is a password."""
    authenticator = os.urandom(16)
    said = [text(codes.USER_NAME, user)]
    if password is not None:
        said.append((codes.USER_PASSWORD, hidden(password.encode(), SECRET, authenticator)))
    said += [nas(), *attributes]
    return encode_request(codes.ACCESS_REQUEST, identifier, said, SECRET, authenticator, signed)


def accounting(
    status: int, *attributes: Attribute, session: str = "s1", user: str = "1001", identifier: int = 1
) -> bytes:
    """An Accounting-Request, without a Message-Authenticator, as nearly all are."""
    said = [number(codes.ACCT_STATUS_TYPE, status), text(codes.ACCT_SESSION_ID, session)]
    said += [text(codes.USER_NAME, user), nas(), *attributes]
    return encode_request(codes.ACCOUNTING_REQUEST, identifier, said, SECRET, has_authenticator=False)


def usage(seconds: int | None = None, received: int | None = None, sent: int = 0) -> list[Attribute]:
    """What a session has used, octets with their gigawords."""
    said = [] if seconds is None else [number(codes.ACCT_SESSION_TIME, seconds)]
    if received is not None:
        said += [
            number(codes.ACCT_INPUT_OCTETS, received & 0xFFFFFFFF),
            number(codes.ACCT_INPUT_GIGAWORDS, received >> 32),
            number(codes.ACCT_OUTPUT_OCTETS, sent & 0xFFFFFFFF),
            number(codes.ACCT_OUTPUT_GIGAWORDS, sent >> 32),
        ]
    return said


def at(seconds: int) -> Attribute:
    """Event-Timestamp."""
    return number(codes.EVENT_TIMESTAMP, seconds)
