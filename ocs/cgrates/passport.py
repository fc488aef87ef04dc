"""SHAKEN PASSporTs as the Identity header of SIP: written, taken apart, and held against a call. Pure.

RFC 8224 (the header), RFC 8225 (the token), RFC 8588 (`shaken`). Members stand in the order of their names and
without spaces, so that equal claims are equal octets.
"""

import base64
import binascii
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

ANY = "*any"
ALGORITHM, KIND, TYPE = "ES256", "shaken", "passport"
LONGEST = 8_192  # characters of a header
NS = 1_000_000_000


class PassportError(Exception):
    """A header is none, or does not hold for the call."""


class Passport(msgspec.Struct, frozen=True):
    """A token taken apart; `signed` is what the signature is for."""

    header: dict[str, Any]
    payload: dict[str, Any]
    signed: bytes
    signature: bytes
    info: str

    @property
    def key_path(self) -> str:
        """Where the public key is."""
        return str(self.header["x5u"])


class Expected(msgspec.Struct, frozen=True):
    """What a call is known to be; a URI counts before a number. A negative age has no limit."""

    attests: Collection[str] = (ANY,)
    originator_tn: str = ""
    originator_uri: str = ""
    destination_tn: str = ""
    destination_uri: str = ""
    longest_ns: int = -1


def signing_input(payload: Mapping[str, Any], key_path: str) -> bytes:
    """Header and payload as the signature is made over them."""
    header = {"alg": ALGORITHM, "ppt": KIND, "typ": TYPE, "x5u": key_path}
    return b".".join(_encoded(part) for part in (header, payload))


def identity(signed: bytes, signature: bytes, key_path: str) -> str:
    """The Identity header of a signed token."""
    token = b".".join((signed, _base64(signature))).decode()
    return f"{token};info=<{key_path}>;alg={ALGORITHM};ppt={KIND}"


def parse(text: str) -> Passport:
    """An Identity header taken apart. Raises PassportError."""
    if len(text) > LONGEST:
        raise PassportError("header too long")
    token, *parameters = "".join(text.split()).split(";")
    if not parameters:
        raise PassportError("missing parts of the message header")
    parts = token.split(".")
    if len(parts) != 3:
        raise PassportError("wrong header format")
    told = dict(parameter.partition("=")[::2] for parameter in parameters)
    header, payload = _decoded(parts[0]), _decoded(parts[1])
    info = told.get("info", "").removeprefix("<").removesuffix(">")
    _check_header(header, told, info)
    signed = ".".join(parts[:2]).encode()
    return Passport(header, payload, signed, _octets(parts[2]), info)


def check(passport: Passport, expected: Expected, now_ns: int) -> None:
    """Holds a token against a call. Raises PassportError."""
    payload = passport.payload
    if ANY not in expected.attests and payload.get("attest") not in expected.attests:
        raise PassportError("wrong attest level")
    issued = payload.get("iat")
    if not isinstance(issued, int) or isinstance(issued, bool):
        raise PassportError("wrong payload")
    if 0 <= expected.longest_ns < now_ns - issued * NS:
        raise PassportError("expired payload")
    origin, destination = _inner(payload, "orig"), _inner(payload, "dest")
    if expected.originator_uri:
        _hold(expected.originator_uri, (origin.get("uri"),), "wrong originatorURI")
    else:
        _hold(expected.originator_tn, (origin.get("tn"),), "wrong originatorTn")
    if expected.destination_uri:
        _hold(expected.destination_uri, destination.get("uri"), "wrong destinationURI")
    else:
        _hold(expected.destination_tn, destination.get("tn"), "wrong destinationTn")


def _check_header(header: Mapping[str, Any], told: Mapping[str, str], info: str) -> None:
    kind = told.get("ppt", KIND).strip('"')
    fits = (header.get("alg"), header.get("ppt"), header.get("typ")) == (ALGORITHM, KIND, TYPE)
    if not fits or told.get("alg", ALGORITHM) != ALGORITHM or kind != KIND:
        raise PassportError("wrong header")
    if not info or header.get("x5u") != info:
        raise PassportError("wrong header: info is not x5u")


def _hold(wanted: str, told: object, message: str) -> None:
    if not isinstance(told, (list, tuple)) or wanted not in told:
        raise PassportError(message)


def _inner(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = payload.get(name)
    if not isinstance(found, dict):
        raise PassportError("wrong payload")
    return found


def _encoded(part: Mapping[str, Any]) -> bytes:
    return _base64(msgspec.json.encode(part, order="deterministic"))


def _base64(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise PassportError("wrong header format") from None


def _decoded(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(_octets(text), type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise PassportError("wrong header format") from None
