"""Proofs of passwords: those of recorded peers and of the RFCs are right, others wrong."""

from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.digests import des, md4
from ocs.agents.radius.wire.packet import Malformed, Packet, decode, encode_request
from ocs.agents.radius.wire.passwords import (
    Method,
    challenge_response,
    digest_user,
    hidden,
    method_of,
    ms_chap2_response,
    ms_chap2_success,
    nt_hash,
    proves,
    revealed,
    salted,
    vendor_attribute,
)
from tests.agents.radius.packets import SECRET, Recorded, recorded

# RFC 2759 9.2
SERVER = bytes.fromhex("5B5D7C7D7B3F2F3E3C2C602132262628")
PEER = bytes.fromhex("21402324255E262A28295F2B3A337C7E")
RESPONSE = bytes.fromhex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF")


def requests(name: str) -> list[Recorded]:
    return [
        each for each in recorded(name) if each.packet.code == codes.ACCESS_REQUEST and each.target == 1812
    ]


def request(*attributes: tuple[int, bytes], authenticator: bytes = bytes(range(16))) -> Packet:
    return decode(encode_request(codes.ACCESS_REQUEST, 1, attributes, SECRET, authenticator))


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"a", "bde52cb31de33e46245e05fbdbd6fb24"),
        (b"message digest", "d9130a8164549fe818874806e1c7014b"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4_of_the_rfc(message: bytes, digest: str) -> None:
    assert md4(message).hex() == digest


def test_des_of_rfc_2433() -> None:
    """RFC 2433 B: challenge and response for the password MyPw."""
    assert nt_hash("MyPw").hex().upper() == "FC156AF7EDCD6C0EDDE3337D427F4EAC"
    challenge = bytes.fromhex("102DB5DF085D3041")
    expected = "4E9D3C8F9CFD385D5BF4D3246791956CA4C351AB409A3D61"
    assert challenge_response(challenge, nt_hash("MyPw")).hex().upper() == expected
    assert len(des(bytes(7), bytes(8))) == 8


def test_ms_chap_version_2_of_the_rfc() -> None:
    assert ms_chap2_response(SERVER, PEER, b"User", "clientPass") == RESPONSE
    success = ms_chap2_success(SERVER, PEER, b"User", "clientPass", RESPONSE)
    assert success == b"S=407A5589115FD0D6209F510FE9C04566932CDA56"


def ms_chap2(user: bytes = b"User", response: bytes = RESPONSE) -> Packet:
    said = b"\x07\0" + PEER + bytes(8) + response
    return request(
        (codes.USER_NAME, user),
        vendor_attribute(codes.MICROSOFT, codes.MS_CHAP_CHALLENGE, SERVER),
        vendor_attribute(codes.MICROSOFT, codes.MS_CHAP2_RESPONSE, said),
    )


def test_ms_chap_version_2_is_proved_and_the_server_proves_itself() -> None:
    packet = ms_chap2()
    assert method_of(packet) is Method.MS_CHAP2
    is_proved, ((kind, value),) = proves(packet, Method.MS_CHAP2, SECRET, "clientPass")
    assert (is_proved, kind) == (True, codes.VENDOR_SPECIFIC)
    assert value[6:] == b"\x07S=407A5589115FD0D6209F510FE9C04566932CDA56"
    assert proves(ms_chap2(b"DOMAIN\\User"), Method.MS_CHAP2, SECRET, "clientPass")[0]
    is_proved, ((_, value),) = proves(packet, Method.MS_CHAP2, SECRET, "another")
    assert (is_proved, value[6:]) == (False, b"\x07E=691 R=0 V=3")


@pytest.mark.parametrize("size", [0, 49, 51])
def test_an_ms_chap_response_of_another_size_is_refused(size: int) -> None:
    packet = request(vendor_attribute(codes.MICROSOFT, codes.MS_CHAP2_RESPONSE, bytes(size)))
    with pytest.raises(Malformed, match="MS-CHAP response"):
        proves(packet, Method.MS_CHAP2, SECRET, "pw")


def test_ms_chap_version_1_is_proved() -> None:
    challenge = bytes.fromhex("102DB5DF085D3041")
    said = b"\1\1" + bytes(24) + challenge_response(challenge, nt_hash("MyPw"))
    packet = request(
        vendor_attribute(codes.MICROSOFT, codes.MS_CHAP_CHALLENGE, challenge),
        vendor_attribute(codes.MICROSOFT, codes.MS_CHAP_RESPONSE, said),
    )
    assert method_of(packet) is Method.MS_CHAP
    assert proves(packet, Method.MS_CHAP, SECRET, "MyPw") == (True, ())
    assert proves(packet, Method.MS_CHAP, SECRET, "mypw") == (False, ())


def test_recorded_users_have_proved_their_passwords() -> None:
    judged: dict[Method, list[bool]] = {}
    for each in requests("radclient"):
        packet = each.packet
        method = method_of(packet)
        judged.setdefault(method, []).append(proves(packet, method, each.secret, "pw")[0])
    assert True in judged[Method.PAP]
    assert False in judged[Method.PAP], "a wrong password, and a wrong secret"
    assert judged[Method.CHAP] == [True]
    assert judged[Method.DIGEST] == [True]


def test_a_sip_proxy_has_proved_the_password_of_its_user_by_the_draft_it_speaks() -> None:
    judged = []
    for each in requests("kamailio"):
        assert method_of(each.packet) is Method.STERMAN
        assert digest_user(each.packet, Method.STERMAN) == "1001"
        judged.append(proves(each.packet, Method.STERMAN, each.secret, "pw")[0])
        assert not proves(each.packet, Method.STERMAN, each.secret, "Pw")[0]
    assert judged[0]
    assert False in judged, "one had another password"


@pytest.mark.parametrize(
    "value", [b"\1", b"\1\1", b"\1\5abc\2", b"\2\x63ab"], ids=["cut", "short", "cut behind", "long"]
)
def test_nested_digest_attributes_fill_theirs(value: bytes) -> None:
    packet = request((codes.STERMAN_RESPONSE, b"0" * 32), (codes.STERMAN_ATTRIBUTES, value))
    with pytest.raises(Malformed, match="nested"):
        proves(packet, Method.STERMAN, SECRET, "pw")


def digest(algorithm: bytes, qop: bytes, response: str) -> Packet:
    parts = {
        codes.DIGEST_RESPONSE: response.encode(),
        codes.DIGEST_REALM: b"realm",
        codes.DIGEST_NONCE: b"nonce",
        codes.DIGEST_METHOD: b"INVITE",
        codes.DIGEST_URI: b"sip:a",
        codes.DIGEST_ALGORITHM: algorithm,
        codes.DIGEST_CNONCE: b"cnonce",
        codes.DIGEST_NONCE_COUNT: b"00000001",
        codes.DIGEST_USERNAME: b"1001",
        codes.DIGEST_ENTITY_BODY_HASH: b"bodyhash",
        **({codes.DIGEST_QOP: qop} if qop else {}),
    }
    return request(*parts.items())


def test_digests_with_sessions_and_bodies() -> None:
    def hashed(text: str) -> str:
        return md5(text.encode()).hexdigest()

    user = hashed("1001:realm:pw")
    session = hashed(f"{user}:nonce:cnonce")
    plain, whole = hashed("INVITE:sip:a"), hashed("INVITE:sip:a:bodyhash")
    tail = "nonce:00000001:cnonce"
    cases = [
        (b"MD5", b"", hashed(f"{user}:nonce:{plain}")),
        (b"", b"auth", hashed(f"{user}:{tail}:auth:{plain}")),
        (b"MD5-sess", b"auth", hashed(f"{session}:{tail}:auth:{plain}")),
        (b"MD5", b"auth-int", hashed(f"{user}:{tail}:auth-int:{whole}")),
    ]
    for algorithm, qop, response in cases:
        packet = digest(algorithm or b"MD5", qop, response.upper())
        assert proves(packet, Method.DIGEST, SECRET, "pw")[0], (algorithm, qop)
        assert not proves(packet, Method.DIGEST, SECRET, "no")[0]
    unknown = digest(b"AKAv1-MD5", b"", cases[0][2])
    assert not proves(unknown, Method.DIGEST, SECRET, "pw")[0]


@pytest.mark.parametrize("value", [b"", bytes(15), bytes(17), bytes(144)])
def test_a_hidden_password_of_another_length_is_refused(value: bytes) -> None:
    with pytest.raises(Malformed, match="octets"):
        proves(request((codes.USER_PASSWORD, value)), Method.PAP, SECRET, "pw")


def test_a_chap_password_of_another_length_is_refused() -> None:
    with pytest.raises(Malformed, match="instead of 17"):
        proves(request((codes.CHAP_PASSWORD, bytes(16))), Method.CHAP, SECRET, "pw")


def test_a_chap_challenge_of_its_own_is_used() -> None:
    given_ = b"\x05" + md5(b"\x05" + b"pw" + b"challenge").digest()
    packet = request((codes.CHAP_PASSWORD, given_), (codes.CHAP_CHALLENGE, b"challenge"))
    assert proves(packet, Method.CHAP, SECRET, "pw") == (True, ())
    assert proves(packet, Method.CHAP, SECRET, "pv") == (False, ())


@given(
    st.binary(max_size=128).filter(lambda each: not each.endswith(b"\0")), st.binary(min_size=16, max_size=16)
)
def test_a_hidden_password_is_revealed(password: bytes, authenticator: bytes) -> None:
    value = hidden(password, SECRET, authenticator)
    assert len(value) % 16 == 0
    assert revealed(value, SECRET, authenticator) == password
    assert password in (b"", revealed(value, SECRET, authenticator))


@given(st.binary(max_size=200), st.binary(min_size=16, max_size=16))
def test_a_salted_value_is_what_rfc_2868_says(value: bytes, authenticator: bytes) -> None:
    salt = b"\x80\x01"
    octets = salted(value, SECRET, authenticator, salt)
    plain, last = b"", authenticator + salt
    for start in range(2, len(octets), 16):
        block = octets[start : start + 16]
        plain += bytes(a ^ b for a, b in zip(block, md5(SECRET + last).digest(), strict=True))
        last = block
    assert octets[:2] == salt
    assert plain[1 : plain[0] + 1] == value
    assert not any(plain[plain[0] + 1 :])


def test_eap_and_nothing_prove_nothing() -> None:
    assert method_of(request((codes.EAP_MESSAGE, b"x"), (codes.USER_PASSWORD, bytes(16)))) is Method.EAP
    assert method_of(request()) is Method.NONE
    for method in (Method.EAP, Method.NONE):
        assert proves(request(), method, SECRET, "") == (False, ())
