"""Round trips for values nobody thought of."""

import hypothesis.strategies as st
from hypothesis import given

from ocs.diameter import avps
from ocs.diameter.avp import (
    RawAvp,
    decode_i32,
    decode_i64,
    decode_octets,
    decode_time,
    decode_u32,
    decode_u64,
    decode_utf8,
    encode_i32,
    encode_i64,
    encode_octets,
    encode_time,
    encode_u32,
    encode_u64,
    encode_utf8,
    group,
    raw,
    scan,
)
from ocs.diameter.describe import describe
from ocs.diameter.dictionary import standard
from ocs.diameter.framing import Framer
from ocs.diameter.message import Message, encode_message

keys = st.builds(
    lambda vendor, code: vendor << 32 | code, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)
)
leaves = st.builds(encode_octets, keys, st.binary(max_size=40), st.booleans())
trees = st.recursive(
    leaves, lambda inner: st.builds(group, keys, st.lists(inner, max_size=4), st.booleans()), max_leaves=20
)


def framed(part: bytes) -> tuple[bytes, RawAvp]:
    frame = encode_message(0xC0, 272, 4, 1, 1, [part])
    (avp,) = scan(frame, 20, len(frame))
    return frame, avp


@given(keys, st.integers(0, 2**32 - 1), st.booleans())
def test_unsigned32_round_trip(key: int, value: int, mandatory: bool) -> None:
    frame, avp = framed(encode_u32(key, value, mandatory))
    assert (avp[0], decode_u32(frame, avp), bool(avp[1] & 0x40)) == (key, value, mandatory)


@given(st.integers(0, 2**64 - 1))
def test_unsigned64_round_trip(value: int) -> None:
    assert decode_u64(*framed(encode_u64(avps.CC_TOTAL_OCTETS, value))) == value


@given(st.integers(-(2**31), 2**31 - 1))
def test_integer32_round_trip(value: int) -> None:
    assert decode_i32(*framed(encode_i32(avps.EXPONENT, value))) == value


@given(st.integers(-(2**63), 2**63 - 1))
def test_integer64_round_trip(value: int) -> None:
    assert decode_i64(*framed(encode_i64(avps.VALUE_DIGITS, value))) == value


@given(st.integers(-61_505_152, 4_233_462_143))
def test_time_round_trip_from_1968_to_2104(seconds: int) -> None:
    assert decode_time(*framed(encode_time(avps.EVENT_TIMESTAMP, seconds * 10**9))) == seconds * 10**9


@given(st.binary(max_size=200))
def test_any_octets_survive_as_text(octets: bytes) -> None:
    frame, avp = framed(encode_octets(avps.SESSION_ID, octets))
    assert decode_octets(frame, avp) == octets
    assert encode_utf8(avps.SESSION_ID, decode_utf8(frame, avp)) == raw(frame, avp)


@given(st.lists(trees, max_size=6))
def test_scanning_finds_exactly_the_avps_that_were_encoded(parts: list[bytes]) -> None:
    frame = encode_message(0xC0, 272, 4, 1, 1, parts)
    message = Message.decode(frame)
    assert [raw(frame, avp) for avp in message.avps] == parts


@given(st.lists(trees, max_size=6))
def test_any_message_can_be_shown(parts: list[bytes]) -> None:
    lines = describe(Message.decode(encode_message(0xC0, 272, 4, 1, 1, parts)), standard()).splitlines()
    assert len(lines) > len(parts)


@given(st.lists(st.binary(max_size=60), max_size=8), st.lists(st.integers(1, 50), max_size=60))
def test_a_stream_is_cut_the_same_however_it_arrives(bodies: list[bytes], sizes: list[int]) -> None:
    frames = [encode_message(0xC0, 272, 4, 1, 1, [encode_octets(1, body)]) for body in bodies]
    stream, framer, found = b"".join(frames), Framer(65_536), []
    for size in sizes:
        found += framer.take(stream[:size])
        stream = stream[size:]
    assert [*found, *framer.take(stream)] == frames
