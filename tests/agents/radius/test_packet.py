"""Packets: recorded ones are genuine, what is malformed is refused by its attribute, what is written is read."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.agents.radius.wire import codes
from ocs.agents.radius.wire.packet import (
    HEADER,
    LONGEST,
    Attribute,
    Malformed,
    Packet,
    decode,
    encode_attributes,
    encode_request,
    encode_response,
    has_valid_message_authenticator,
    is_answer_to,
    is_signed_by,
    vendor_parts,
)
from tests.agents.radius.packets import SECRET, Recorded, recorded

ATTRIBUTES = st.lists(
    st.tuples(st.integers(1, 255), st.binary(max_size=253)).filter(
        lambda each: (
            (each[0] != codes.VENDOR_SPECIFIC or len(each[1]) >= 4) and each[0] != codes.MESSAGE_AUTHENTICATOR
        )
    ),
    max_size=12,
)
SIGNED_REQUESTS = (codes.ACCOUNTING_REQUEST, codes.DISCONNECT_REQUEST, codes.COA_REQUEST)
ANSWERS = (2, 3, 5, 41, 42, 44, 45)


def octets_of(*attributes: Attribute, code: int = 1) -> bytes:
    body = encode_attributes(attributes)
    return bytes((code, 7)) + (HEADER + len(body)).to_bytes(2, "big") + bytes(16) + body


@pytest.mark.parametrize("name", ["radclient", "kamailio"])
def test_recorded_packets_are_genuine(name: str) -> None:
    asked: dict[tuple[int, int, int], Recorded] = {}
    answers = requests = 0
    for each in recorded(name):
        packet = each.packet
        if packet.code in ANSWERS:
            request = asked[each.target, each.source, packet.identifier]
            authenticator = request.packet.authenticator
            assert is_answer_to(packet, authenticator, each.secret)
            assert has_valid_message_authenticator(packet, each.secret, authenticator) is not False
            answers += 1
            continue
        asked[each.source, each.target, packet.identifier] = each
        if packet.code in SIGNED_REQUESTS:
            assert is_signed_by(packet, each.secret)
            requests += 1
        assert not is_signed_by(packet, b"another")
    assert answers > 5
    assert requests > 1


def test_message_authenticators_of_others_are_right_and_a_changed_octet_makes_them_wrong() -> None:
    found = [
        each
        for each in recorded("radclient")
        if each.packet.code in (codes.ACCESS_REQUEST, codes.STATUS_SERVER)
        and each.packet.first(codes.MESSAGE_AUTHENTICATOR)
    ]
    judged = [has_valid_message_authenticator(each.packet, each.secret) for each in found]
    wrong_secret = [each for each, is_right in zip(found, judged, strict=True) if not is_right]
    assert len(found) - len(wrong_secret) >= 4
    assert len(wrong_secret) == 1, "the one that was sent with a wrong secret"
    good = next(each for each, is_right in zip(found, judged, strict=True) if is_right)
    for place in (1, 5, len(good.octets) - 1):
        changed = bytearray(good.octets)
        changed[place] ^= 1
        assert has_valid_message_authenticator(decode(bytes(changed)), good.secret) is not True


def test_two_message_authenticators_are_never_right() -> None:
    packet = decode(encode_request(codes.ACCESS_REQUEST, 1, [(1, b"a")], SECRET, bytes(16)))
    assert has_valid_message_authenticator(packet, SECRET) is True
    twice = octets_of(*packet.attributes, packet.attributes[0])
    assert has_valid_message_authenticator(decode(twice), SECRET) is False


def test_a_message_authenticator_is_the_first_of_an_answer_and_the_answer_is_signed() -> None:
    request = Packet(octets_of((1, b"a")), [(1, b"a")])
    answer = decode(encode_response(codes.ACCESS_ACCEPT, request, [(18, b"welcome")], SECRET, True))
    assert [kind for kind, _ in answer.attributes] == [codes.MESSAGE_AUTHENTICATOR, 18]
    assert is_answer_to(answer, request.authenticator, SECRET)
    assert has_valid_message_authenticator(answer, SECRET, request.authenticator) is True
    assert not is_answer_to(answer, bytes(15) + b"\1", SECRET)


@pytest.mark.parametrize(
    ("datagram", "attribute", "reason"),
    [
        (b"", 0, "0 octets"),
        (bytes(19), 0, "19 octets"),
        (b"\1\1\0\x13" + bytes(16), 0, "says it has 19"),
        (b"\1\1\0\x15" + bytes(16), 0, "says it has 21"),
        (b"\1\1\x10\x01" + bytes(5000), 0, "says it has 4097"),
        (b"\1\1\0\x15" + bytes(16) + b"\x01", 1, "shorter than its header"),
        (b"\1\1\0\x16" + bytes(16) + b"\x2c\x01", 44, "shorter than its header"),
        (b"\1\1\0\x16" + bytes(16) + b"\x2c\x00", 44, "shorter than its header"),
        (b"\1\1\0\x16" + bytes(16) + b"\x2c\x03", 44, "runs over the end"),
        (octets_of((26, b"\0\0\0")), 26, "names no vendor"),
        (octets_of((80, bytes(15))), 80, "15 octets instead of 16"),
    ],
)
def test_what_is_no_packet_is_refused(datagram: bytes, attribute: int, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as caught:
        decode(datagram)
    assert caught.value.attribute == attribute


def test_octets_behind_the_length_are_padding() -> None:
    assert decode(octets_of((1, b"a")) + b"\0\0\0").attributes == [(1, b"a")]


def test_a_number_of_another_length_is_refused_when_it_is_asked_for() -> None:
    packet = decode(octets_of((46, b"\0\0\1"), (1, b"a")))
    with pytest.raises(Malformed, match="3 octets instead of 4"):
        packet.number(46)
    assert (packet.number(47), packet.text(1), packet.first(2)) == (None, "a", None)


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (b"\0\0\0\x09\x01\x04ab\x02\x02", [(1, b"ab"), (2, b"")]),
        (b"\0\0\0\x09", []),
        (b"\0\0\0\x09\x01", []),
        (b"\0\0\0\x09\x01\x01", []),
        (b"\0\0\0\x09\x01\x05ab", []),
    ],
)
def test_attributes_of_vendors_fill_their_place_or_are_none(value: bytes, parts: list[Attribute]) -> None:
    assert vendor_parts(value) == parts


def test_extended_attributes_are_put_together() -> None:
    packet = decode(
        octets_of(
            (241, b"\1\0\0\0\7"),
            (245, b"\2\x80one "),
            (245, b"\2\x80two "),
            (245, b"\2\0three"),
            (246, b"\1\0x"),
        )
    )
    assert packet.extended() == [(241, 1, b"\0\0\0\7"), (245, 2, b"one two three"), (246, 1, b"x")]


@pytest.mark.parametrize(
    ("attributes", "number"),
    [
        ([(241, b"")], 241),
        ([(245, b"\1")], 245),
        ([(245, b"\1\x80a")], 245),
        ([(245, b"\1\x80a"), (245, b"\2\0b")], 245),
        ([(245, b"\1\x80a"), (246, b"\1\0b")], 245),
    ],
)
def test_an_extended_attribute_with_a_part_missing_is_refused(
    attributes: list[Attribute], number: int
) -> None:
    with pytest.raises(Malformed) as caught:
        decode(octets_of(*attributes)).extended()
    assert caught.value.attribute == number


def test_an_answer_that_would_be_too_long_is_not_written() -> None:
    request = decode(octets_of())
    with pytest.raises(Malformed, match="too many"):
        encode_response(2, request, [(18, bytes(253))] * 16, SECRET, True)
    assert len(encode_response(2, request, [(18, bytes(253))] * 15, SECRET, True)) <= LONGEST


@given(ATTRIBUTES, st.integers(0, 255), st.sampled_from(SIGNED_REQUESTS))
def test_what_is_written_is_read_as_it_was(attributes: list[Attribute], identifier: int, code: int) -> None:
    octets = encode_request(code, identifier, attributes, SECRET)
    packet = decode(octets)
    assert packet.attributes[1:] == attributes
    assert (packet.code, packet.identifier, packet.octets) == (code, identifier, octets)
    assert is_signed_by(packet, SECRET)
    assert has_valid_message_authenticator(packet, SECRET) is True


@given(st.binary(max_size=300), st.binary(min_size=20, max_size=20))
def test_any_octets_are_a_packet_or_refused(body: bytes, head: bytes) -> None:
    for datagram in (body, head + body, head[:2] + (HEADER + len(body)).to_bytes(2, "big") + head[4:] + body):
        try:
            packet = decode(datagram)
        except Malformed:
            continue
        assert encode_attributes(packet.attributes) == packet.octets[HEADER:]
        assert has_valid_message_authenticator(packet, SECRET) is not True
        with contextlib.suppress(Malformed):
            assert isinstance(packet.extended(), list)
        assert isinstance(packet.vendor_attributes(9), list)


@given(st.integers(0), st.binary(min_size=1, max_size=1))
def test_a_recorded_packet_with_an_octet_changed_is_not_genuine(place: int, octet: bytes) -> None:
    (good,) = [each for each in recorded("kamailio") if each.packet.code == codes.ACCOUNTING_REQUEST][:1]
    index = place % len(good.octets)
    changed = good.octets[:index] + octet + good.octets[index + 1 :]
    if changed == good.octets:
        return
    with contextlib.suppress(Malformed):
        assert not is_signed_by(decode(changed), good.secret)
