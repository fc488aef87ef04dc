"""Cutting streams into messages."""

import pytest

from ocs.diameter.framing import Framer, FramingFault
from tests.diameter.support import ccr, recordings


def frames_of(chunks: list[bytes]) -> tuple[list[bytes], Framer]:
    framer = Framer(65_536)
    return [frame for chunk in chunks for frame in framer.take(chunk)], framer


def test_messages_come_out_the_same_whole_byte_by_byte_and_in_one_piece() -> None:
    messages = [path.read_bytes() for path in recordings()]
    stream = b"".join(messages)
    assert frames_of(messages)[0] == messages
    assert frames_of([stream])[0] == messages
    assert frames_of([stream[at : at + 1] for at in range(len(stream))])[0] == messages
    assert frames_of([stream[at : at + 7] for at in range(0, len(stream), 7)])[0] == messages


def test_a_tail_is_kept_for_later() -> None:
    frames, framer = frames_of([ccr() + ccr()[:10]])
    assert frames == [ccr()]
    assert framer.incomplete
    assert framer.take(ccr()[10:]) == [ccr()]
    assert not framer.incomplete


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        ("01000000", FramingFault.TOO_SHORT),
        ("01000010", FramingFault.TOO_SHORT),
        ("01000013", FramingFault.TOO_SHORT),
        ("01fffffc", FramingFault.TOO_LONG),
        ("01010001", FramingFault.TOO_LONG),
    ],
)
def test_a_bad_length_is_found_in_four_octets_and_ends_the_stream(head: str, fault: FramingFault) -> None:
    frames, framer = frames_of([ccr() + bytes.fromhex(head)])
    assert frames == [ccr()]
    assert framer.fault is fault
    assert not framer.incomplete
    assert framer.take(ccr()) == []


def test_an_unaligned_message_is_the_last_one() -> None:
    odd = bytes.fromhex("01000016") + bytes(18)
    frames, framer = frames_of([odd + ccr()])
    assert frames == [odd]
    assert framer.fault is FramingFault.UNALIGNED


def test_the_longest_allowed_message_is_taken() -> None:
    message = bytes.fromhex("01010000") + bytes(65_532)
    assert frames_of([message])[0] == [message]


def test_text_of_another_protocol_is_a_fault_at_once() -> None:
    assert frames_of([b"GET / HTTP/1.1\r\n"])[1].fault is FramingFault.TOO_LONG


@pytest.mark.parametrize("piece", [1, 3, 7, 19, 20, 21, 64, 10_000])
def test_a_message_that_is_too_long_is_read_past_in_any_pieces(piece: int) -> None:
    small = bytes.fromhex("01000014") + bytes(16)
    long = bytes.fromhex("01000100") + bytes(0x100 - 4)
    stream = small + long + long + small
    framer, frames, heads = Framer(64, 1_024), list[bytes](), list[bytes]()
    for at in range(0, len(stream), piece):
        frames += framer.take(stream[at : at + piece])
        while framer.oversized is not None:
            heads.append(framer.oversized)
            frames += framer.resume()
    assert frames == [small, small]
    assert len(heads) == 2
    assert all(20 <= len(head) <= 64 and long.startswith(head) for head in heads)
    assert framer.fault is None
    assert not framer.incomplete


def test_a_message_that_is_far_too_long_or_unaligned_is_a_fault() -> None:
    for length in (1_028, 1_023):
        framer = Framer(64, 1_024)
        assert framer.take((0x01 << 24 | length).to_bytes(4, "big") + bytes(16)) == []
        assert framer.fault is FramingFault.TOO_LONG
        assert framer.oversized is None
