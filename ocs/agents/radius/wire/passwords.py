"""Passwords in requests, hidden, hashed or challenged: what a user knows, against what the server knows. Pure.

RFC 2865 5.2 and 5.3 (PAP, CHAP), RFC 2433 and RFC 2759 (MS-CHAP) in RFC 2548's attributes, RFC 5090 and
draft-sterman-aaa-sip-00 (SIP digest), RFC 2868 3.5 (salted values of answers).
"""

import hmac
from enum import Enum
from hashlib import md5, sha1, sha256
from typing import Final

from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.digests import des, md4
from ocs.agents.radius.wire.packet import Attribute, Malformed, Packet

LONGEST_PASSWORD: Final = 128
_SERVER_TO_CLIENT: Final = b"Magic server to client signing constant"
_PAD: Final = b"Pad to make it do more than one iteration"
# Of the nested attributes of draft-sterman-aaa-sip-00.
_STERMAN: Final = {
    1: codes.DIGEST_REALM,
    2: codes.DIGEST_NONCE,
    3: codes.DIGEST_METHOD,
    4: codes.DIGEST_URI,
    5: codes.DIGEST_QOP,
    6: codes.DIGEST_ALGORITHM,
    7: codes.DIGEST_ENTITY_BODY_HASH,
    8: codes.DIGEST_CNONCE,
    9: codes.DIGEST_NONCE_COUNT,
    10: codes.DIGEST_USERNAME,
}
_PLAIN: Final = {
    codes.DIGEST_REALM,
    codes.DIGEST_NONCE,
    codes.DIGEST_NONCE_COUNT,
    codes.DIGEST_METHOD,
    codes.DIGEST_URI,
    codes.DIGEST_QOP,
    codes.DIGEST_ALGORITHM,
    codes.DIGEST_ENTITY_BODY_HASH,
    codes.DIGEST_CNONCE,
    codes.DIGEST_USERNAME,
}


class Method(Enum):
    """How a request proves who its user is."""

    PAP = "pap"
    CHAP = "chap"
    MS_CHAP = "mschap"
    MS_CHAP2 = "mschapv2"
    DIGEST = "digest"
    STERMAN = "sterman"
    EAP = "eap"
    NONE = "none"


def method_of(packet: Packet) -> Method:
    """The proof a request offers; EAP is told apart because nothing here understands it."""
    first = packet.first
    if first(codes.EAP_MESSAGE) is not None:
        return Method.EAP
    if first(codes.USER_PASSWORD) is not None:
        return Method.PAP
    if first(codes.CHAP_PASSWORD) is not None:
        return Method.CHAP
    if packet.vendor(codes.MICROSOFT, codes.MS_CHAP2_RESPONSE) is not None:
        return Method.MS_CHAP2
    if packet.vendor(codes.MICROSOFT, codes.MS_CHAP_RESPONSE) is not None:
        return Method.MS_CHAP
    if first(codes.STERMAN_RESPONSE) is not None and first(codes.STERMAN_ATTRIBUTES) is not None:
        return Method.STERMAN
    return Method.DIGEST if first(codes.DIGEST_RESPONSE) is not None else Method.NONE


def proves(
    packet: Packet, method: Method, secret: bytes, password: str
) -> tuple[bool, tuple[Attribute, ...]]:
    """Whether a request proves knowledge of the password, and what the answer has to say about that."""
    known = password.encode("utf-8", "surrogateescape")
    match method:
        case Method.PAP:
            hidden = packet.first(codes.USER_PASSWORD) or b""
            return hmac.compare_digest(revealed(hidden, secret, packet.authenticator), known), ()
        case Method.CHAP:
            return _chap(packet, known), ()
        case Method.MS_CHAP:
            return _ms_chap(packet, password), ()
        case Method.MS_CHAP2:
            return _ms_chap2(packet, password)
        case Method.DIGEST:
            return _digest(packet.text(codes.DIGEST_RESPONSE), _plain_digest(packet), known), ()
        case Method.STERMAN:
            return _digest(packet.text(codes.STERMAN_RESPONSE), _sterman_digest(packet), known), ()
        case Method.EAP | Method.NONE:
            return False, ()


# --- PAP


def hidden(password: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """The value of a User-Password."""
    padded = password + bytes(-len(password) % 16 if password else 16)
    found, last = b"", authenticator
    for start in range(0, len(padded), 16):
        last = _xored(padded[start : start + 16], md5(secret + last).digest())
        found += last
    return found


def revealed(value: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """The password in a User-Password, without its padding. Raises Malformed for a length it cannot have."""
    if not value or len(value) % 16 or len(value) > LONGEST_PASSWORD:
        raise Malformed(f"has {len(value)} octets", codes.USER_PASSWORD)
    found, last = b"", authenticator
    for start in range(0, len(value), 16):
        block = value[start : start + 16]
        found += _xored(block, md5(secret + last).digest())
        last = block
    return found.rstrip(b"\0")


def salted(value: bytes, secret: bytes, authenticator: bytes, salt: bytes) -> bytes:
    """A value of an answer hidden with a salt of two octets, the first bit of which is set."""
    plain = bytes((len(value),)) + value
    plain += bytes(-len(plain) % 16)
    found, last = salt, authenticator + salt
    for start in range(0, len(plain), 16):
        last = _xored(plain[start : start + 16], md5(secret + last).digest())
        found += last
    return found


def _xored(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")


# --- CHAP


def _chap(packet: Packet, password: bytes) -> bool:
    given = packet.first(codes.CHAP_PASSWORD) or b""
    if len(given) != 17:
        raise Malformed(f"has {len(given)} octets instead of 17", codes.CHAP_PASSWORD)
    challenge = packet.first(codes.CHAP_CHALLENGE) or packet.authenticator
    return hmac.compare_digest(md5(given[:1] + password + challenge).digest(), given[1:])


# --- MS-CHAP


def nt_hash(password: str) -> bytes:
    """The hash Windows keeps of a password."""
    return md4(password.encode("utf-16-le", "surrogatepass"))


def challenge_response(challenge: bytes, password_hash: bytes) -> bytes:
    """A challenge of 8 octets enciphered three times (RFC 2433 A.5)."""
    keys = password_hash + bytes(5)
    return b"".join(des(keys[start : start + 7], challenge) for start in (0, 7, 14))


def ms_chap2_response(authenticator: bytes, peer: bytes, user: bytes, password: str) -> bytes:
    """NT-Response of RFC 2759 8.1."""
    challenge = sha1(peer + authenticator + user).digest()[:8]
    return challenge_response(challenge, nt_hash(password))


def ms_chap2_success(authenticator: bytes, peer: bytes, user: bytes, password: str, response: bytes) -> bytes:
    """The authenticator response of RFC 2759 8.7, by which the server proves that it knows the password too."""
    digest = sha1(md4(nt_hash(password)) + response + _SERVER_TO_CLIENT).digest()
    challenge = sha1(peer + authenticator + user).digest()[:8]
    return b"S=" + sha1(digest + challenge + _PAD).hexdigest().upper().encode()


def _challenge(packet: Packet, length: int) -> bytes:
    challenge = packet.vendor(codes.MICROSOFT, codes.MS_CHAP_CHALLENGE) or b""
    if len(challenge) != length:
        raise Malformed(f"MS-CHAP-Challenge has {len(challenge)} octets", codes.VENDOR_SPECIFIC)
    return challenge


def _response(packet: Packet, number: int) -> bytes:
    response = packet.vendor(codes.MICROSOFT, number) or b""
    if len(response) != 50:
        raise Malformed(f"MS-CHAP response has {len(response)} octets", codes.VENDOR_SPECIFIC)
    return response


def _ms_chap(packet: Packet, password: str) -> bool:
    """RFC 2433, the NT-Response alone: what the LM-Response tells is not worth asking for."""
    response = _response(packet, codes.MS_CHAP_RESPONSE)
    expected = challenge_response(_challenge(packet, 8), nt_hash(password))
    return bool(response[1] & 1) and hmac.compare_digest(expected, response[26:50])


def _ms_chap2(packet: Packet, password: str) -> tuple[bool, tuple[Attribute, ...]]:
    response = _response(packet, codes.MS_CHAP2_RESPONSE)
    challenge, identifier, peer = _challenge(packet, 16), response[:1], response[2:18]
    user = (packet.first(codes.USER_NAME) or b"").rpartition(b"\\")[2]  # without the domain (RFC 2759 4)
    if not hmac.compare_digest(ms_chap2_response(challenge, peer, user, password), response[26:50]):
        error = identifier + b"E=691 R=0 V=3"
        return False, (vendor_attribute(codes.MICROSOFT, codes.MS_CHAP_ERROR, error),)
    success = identifier + ms_chap2_success(challenge, peer, user, password, response[26:50])
    return True, (vendor_attribute(codes.MICROSOFT, codes.MS_CHAP2_SUCCESS, success),)


def vendor_attribute(vendor: int, number: int, value: bytes) -> Attribute:
    """A vendor's attribute in the format RFC 2865 5.26 recommends."""
    return codes.VENDOR_SPECIFIC, vendor.to_bytes(4, "big") + bytes((number, len(value) + 2)) + value


# --- SIP digest


def _plain_digest(packet: Packet) -> dict[int, bytes]:
    return {kind: value for kind, value in packet.attributes if kind in _PLAIN}


def _sterman_digest(packet: Packet) -> dict[int, bytes]:
    """The nested attributes; one attribute may hold several, and none continues in the next."""
    found: dict[int, bytes] = {}
    for value in packet.all(codes.STERMAN_ATTRIBUTES):
        place = 0
        while place < len(value):
            length = value[place + 1] if place + 1 < len(value) else 0
            if length < 2 or place + length > len(value):
                raise Malformed("nested attributes do not fill it", codes.STERMAN_ATTRIBUTES)
            if value[place] in _STERMAN:
                found[_STERMAN[value[place]]] = value[place + 2 : place + length]
            place += length
    return found


def _digest(response: str, parts: dict[int, bytes], password: bytes) -> bool:
    """RFC 2617 3.2.2 with the extensions of RFC 7616; `-sess` and qop `auth-int` as well."""
    algorithm = parts.get(codes.DIGEST_ALGORITHM, b"MD5").strip(b'"').upper()
    digest = sha256 if algorithm.startswith(b"SHA-256") else md5
    if algorithm not in (b"MD5", b"MD5-SESS", b"SHA-256", b"SHA-256-SESS"):
        return False

    def hashed(*words: bytes) -> bytes:
        return digest(b":".join(words)).hexdigest().encode()

    def part(number: int) -> bytes:
        return parts.get(number, b"")

    nonce, cnonce, qop = part(codes.DIGEST_NONCE), part(codes.DIGEST_CNONCE), part(codes.DIGEST_QOP)
    user = hashed(part(codes.DIGEST_USERNAME), part(codes.DIGEST_REALM), password)
    if algorithm.endswith(b"-SESS"):
        user = hashed(user, nonce, cnonce)
    asked = [part(codes.DIGEST_METHOD), part(codes.DIGEST_URI)]
    if qop == b"auth-int":
        asked.append(part(codes.DIGEST_ENTITY_BODY_HASH))
    middle = [nonce, part(codes.DIGEST_NONCE_COUNT), cnonce, qop] if qop else [nonce]
    expected = hashed(user, *middle, hashed(*asked))
    return hmac.compare_digest(expected, response.lower().encode("utf-8", "surrogateescape"))


def digest_user(packet: Packet, method: Method) -> str:
    """The user name of a SIP digest; a request that names another user proves nothing about that one."""
    parts = _plain_digest(packet) if method is Method.DIGEST else _sterman_digest(packet)
    return parts.get(codes.DIGEST_USERNAME, b"").decode("utf-8", "backslashreplace")
