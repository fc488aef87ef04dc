"""Calls signed and checked: against a published token, and against openssl on the other side."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ocs.cgrates import passport, stir
from tests.cgrates.engine import NOW_NS
from tests.cgrates.methods.api import Api

NOW = NOW_NS // 10**9
RFC_8225_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH
78YTU8qLS8I5HLHSSmlATLcslQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g==
-----END PUBLIC KEY-----
"""
# The token of draft-ietf-stir-passport-06, made with the key that RFC 8225 still prints; the RFC's own token,
# with another time, does not verify with it.
TOKEN = (
    "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9jZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9"
    ".eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6IjE0NDMyMDgzNDUiLCJvcmlnIjp7InRuIjoiMTIx"
    "NTU1NTEyMTIifX0"
    ".rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojNCpTzO3QfPOlckGaS6hEck7w"
)
RFC_8225_PAYLOAD = (
    "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI6MTQ3MTM3NTQxOCwib3JpZyI6eyJ0biI6IjEyMTU1"
    "NTUxMjEyIn19"
)


def unpadded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def octets_of(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def openssl(*arguments: str, given: bytes = b"") -> bytes:
    """What openssl says."""
    return subprocess.run(("openssl", *arguments), input=given, capture_output=True, check=True).stdout


class Keys:
    """A pair of keys and a certificate, made by openssl."""

    def __init__(self, folder: Path) -> None:
        self.private, self.public = str(folder / "key.pem"), str(folder / "pub.pem")
        self.certificate = str(folder / "cert.pem")
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.private)
        openssl("ec", "-in", self.private, "-pubout", "-out", self.public)
        subject = ("-subj", "/CN=SHAKEN", "-days", "30", "-out", self.certificate)
        openssl("req", "-x509", "-new", "-key", self.private, *subject)

    def signed(self, header: dict[str, Any], payload: dict[str, Any], parameters: str) -> str:
        """A header whose token is put together and signed without the code under test."""
        parts = (
            json.dumps(part, separators=(",", ":"), sort_keys=True).encode() for part in (header, payload)
        )
        token = ".".join(unpadded(part) for part in parts)
        signature = openssl("dgst", "-sha256", "-sign", self.private, given=token.encode())
        return f"{token}.{unpadded(side_by_side(signature))};{parameters}"


def side_by_side(der: bytes) -> bytes:
    """The two integers of a DER sequence, 32 octets each."""
    first = der[4 : 4 + der[3]]
    second = der[6 + der[3] :]
    return b"".join(part.lstrip(b"\0").rjust(32, b"\0") for part in (first, second))


def der(signature: bytes) -> bytes:
    """The reverse."""
    numbers = []
    for part in (signature[:32], signature[32:]):
        number = part.lstrip(b"\0")
        number = b"\0" + number if number[0] & 0x80 else number
        numbers.append(b"\x02" + bytes([len(number)]) + number)
    body = b"".join(numbers)
    return b"\x30" + bytes([len(body)]) + body


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


PAYLOAD: dict[str, Any] = {
    "attest": "A",
    "dest": {"tn": ["1002"]},
    "iat": NOW - 10,
    "orig": {"tn": "1001"},
    "origid": "call-1",
}


def identity(keys: Keys, path: str = "", **changed: Any) -> str:
    """An Identity header of a call from 1001 to 1002."""
    path = path or keys.public
    header = {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": path}
    return keys.signed(header, PAYLOAD | changed, f'info=<{path}>;alg=ES256;ppt="shaken"')


CALL = {"OriginatorTn": "1001", "DestinationTn": "1002"}


def test_the_published_token_is_verified() -> None:
    signed, signature = TOKEN.rsplit(".", 1)
    key = stir._loaded(RFC_8225_KEY, "rfc8225.pem", is_private=False)
    stir._verify(key, octets_of(signature), signed.encode())
    with pytest.raises(passport.PassportError, match="wrong signature"):
        stir._verify(key, octets_of(signature), signed.replace("eyJh", "eyJi", 1).encode())


def test_claims_are_written_as_the_standard_prints_them() -> None:
    claims = {"orig": {"tn": "12155551212"}, "iat": 1471375418, "dest": {"uri": ["sip:alice@example.com"]}}
    assert passport.signing_input(claims, "x").split(b".")[1].decode() == RFC_8225_PAYLOAD


def test_what_another_program_signed_is_accepted(api: Api, keys: Keys) -> None:
    for path in (keys.public, keys.certificate):
        assert api("SessionSv1.STIRAuthenticate", Identity=identity(keys, path), **CALL) == "OK"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ({"OriginatorTn": "1003"}, "wrong originatorTn"),
        ({"DestinationTn": "1003"}, "wrong destinationTn"),
        ({"OriginatorURI": "sip:1001@x"}, "wrong originatorURI"),
        ({"DestinationURI": "sip:1002@x"}, "wrong destinationURI"),
        ({"Attest": ["B", "C"]}, "wrong attest level"),
        ({"PayloadMaxDuration": "5s"}, "expired payload"),
    ],
)
def test_another_call_is_refused(api: Api, keys: Keys, call: dict[str, Any], error: str) -> None:
    given = {"Identity": identity(keys), **CALL, **call}
    assert api.error("SessionSv1.STIRAuthenticate", **given) == f"*stir_authenticate: {error}"


def test_ages_and_levels_within_the_limits_are_accepted(api: Api, keys: Keys) -> None:
    limits = {"Attest": ["A", "B"], "PayloadMaxDuration": "10s"}
    assert api("SessionSv1.STIRAuthenticate", Identity=identity(keys), **CALL, **limits) == "OK"
    parties: dict[str, Any] = {"orig": {"uri": "sip:1001@x"}, "dest": {"uri": ["sip:1@x", "sip:1002@x"]}}
    named = {"OriginatorURI": "sip:1001@x", "DestinationURI": "sip:1002@x"}
    assert api("SessionSv1.STIRAuthenticate", Identity=identity(keys, **parties), **named) == "OK"


def test_a_changed_token_is_refused(api: Api, keys: Keys) -> None:
    told = identity(keys)
    header, _, rest = told.split(".", 2)
    payload = json.dumps(PAYLOAD | {"origid": "call-2"}, separators=(",", ":"), sort_keys=True).encode()
    changed = f"{header}.{unpadded(payload)}.{rest}"
    assert api.error("SessionSv1.STIRAuthenticate", Identity=changed, **CALL).endswith("wrong signature")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x", "missing parts of the message header"),
        ("a.b;info=<x>", "wrong header format"),
        ("a!.b.c;info=<x>", "wrong header format"),
        (f"{unpadded(b'[]')}.{unpadded(b'{}')}.AA;info=<x>", "wrong header format"),
        (f"{unpadded(b'{}')}.{unpadded(b'{}')}.AA;info=<x>", "wrong header"),
        ("x" * 9000, "header too long"),
    ],
)
def test_what_is_no_header_is_told(api: Api, text: str, error: str) -> None:
    assert api.error("SessionSv1.STIRAuthenticate", Identity=text) == f"*stir_authenticate: {error}"


def test_keys_that_are_none_are_told(api: Api, keys: Keys, tmp_path: Path) -> None:
    told = identity(keys, "/nowhere/key.pem")
    error = api.error("SessionSv1.STIRAuthenticate", Identity=told, **CALL)
    assert error == "*stir_authenticate: the key /nowhere/key.pem cannot be had: No such file or directory"
    other = tmp_path / "rsa.pem"
    openssl("genrsa", "-out", str(other), "1024")
    params = {"Payload": PAYLOAD, "PublicKeyPath": keys.public}
    error = api.error("SessionSv1.STIRIdentity", **params, PrivateKeyPath=str(other))
    assert error == f"*stir_authenticate: {other} is no key of the curve P-256"
    error = api.error("SessionSv1.STIRIdentity", **params, PrivateKeyPath=keys.public)
    assert error == f"*stir_authenticate: {keys.public} is no key in PEM"
    assert api.error("SessionSv1.STIRIdentity", **params) == "*stir_authenticate: no private key is named"


def test_only_keys_of_trusted_places_count_where_some_are_named(keys: Keys) -> None:
    api = Api({"sessions": {"stir": {"trusted_keys": ["https://keys.example.org/"]}}})
    error = api.error("SessionSv1.STIRAuthenticate", Identity=identity(keys), **CALL)
    assert error == "*stir_authenticate: the key is not of a trusted place"
    api.close()


def test_a_signed_call_is_verified_by_another_program(api: Api, keys: Keys, tmp_path: Path) -> None:
    paths = {"PublicKeyPath": keys.public, "PrivateKeyPath": keys.private}
    told = api("SessionSv1.STIRIdentity", Payload=PAYLOAD, **paths)
    token, *parameters = told.split(";")
    assert parameters == [f"info=<{keys.public}>", "alg=ES256", "ppt=shaken"]
    signed, signature = token.rsplit(".", 1)
    header, payload = (json.loads(octets_of(part)) for part in signed.split("."))
    assert header == {"alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": keys.public}
    assert payload == PAYLOAD
    (tmp_path / "signature").write_bytes(der(octets_of(signature)))
    checked = ("-verify", keys.public, "-signature", str(tmp_path / "signature"))
    assert openssl("dgst", "-sha256", *checked, given=signed.encode()) == b"Verified OK\n"
    assert api("SessionSv1.STIRAuthenticate", Identity=told, **CALL) == "OK"


def test_the_time_of_a_signature_may_be_that_of_now(api: Api, keys: Keys) -> None:
    paths = {"PublicKeyPath": keys.public, "PrivateKeyPath": keys.private, "OverwriteIAT": True}
    token = api("SessionSv1.STIRIdentity", Payload=PAYLOAD, **paths).split(";")[0]
    assert json.loads(octets_of(token.split(".")[1]))["iat"] == NOW


def test_events_are_signed_and_checked_by_their_flags(api: Api, keys: Keys) -> None:
    event = {"OriginID": "c-1", "Account": "1001", "Destination": "1002"}
    options = {"*stirPublicKeyPath": keys.public, "*stirPrivateKeyPath": keys.private, "*stirATest": "B"}
    signing = {"Flags": ["*stir_initiate"], "Event": event, "APIOpts": options}
    told = api("SessionSv1.ProcessEvent", **signing)["STIRIdentity"]["*raw"]
    assert json.loads(octets_of(told.split(".")[1])) == {
        "attest": "B",
        "dest": {"tn": ["1002"]},
        "iat": NOW,
        "orig": {"tn": "1001"},
        "origid": "c-1",
    }
    checking = {"Flags": ["*stir_authenticate"], "Event": event}
    assert api("SessionSv1.ProcessEvent", **checking, APIOpts={"*stirIdentity": told}) == {}
    other = {"*stirIdentity": told, "*stirOriginatorTn": "1003"}
    assert api.error("SessionSv1.ProcessEvent", **checking, APIOpts=other).endswith("wrong originatorTn")
    assert api.error("SessionSv1.ProcessEvent", **checking).endswith("missing parts of the message header")


def test_a_key_of_the_web_is_fetched_once(api: Api, keys: Keys) -> None:
    asked: list[str] = []
    certificate = Path(keys.certificate).read_bytes()

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(body=certificate)

    async def conversation() -> list[object]:
        server = web.Application()
        server.router.add_get("/cert.pem", answer)
        runner = web.AppRunner(server)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        told = identity(keys, f"http://{host}:{port}/cert.pem")
        found = [
            (await api.engine.call("SessionSv1.STIRAuthenticate", {"Identity": told, **CALL}))["result"]
            for _ in range(3)
        ]
        await runner.cleanup()
        return found

    assert api.runner.run(conversation()) == ["OK"] * 3
    assert asked == ["/cert.pem"]


def test_without_the_package_a_request_says_what_is_missing(
    api: Api, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    error = api.error("SessionSv1.STIRAuthenticate", Identity=identity(keys), **CALL)
    assert error == "*stir_authenticate: the package cryptography is not installed: pip install 'ocs[stir]'"


def test_requests_must_have_what_they_are_about(api: Api) -> None:
    assert api.error("SessionSv1.STIRAuthenticate") == "MANDATORY_IE_MISSING: [Identity]"
    assert api.error("SessionSv1.STIRIdentity") == "MANDATORY_IE_MISSING: [Payload]"
