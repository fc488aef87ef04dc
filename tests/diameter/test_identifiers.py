"""Identifiers of our own requests."""

from ocs.diameter.identifiers import Identifiers


def test_the_high_bits_of_end_to_end_are_the_low_bits_of_the_start_time() -> None:
    identifiers = Identifiers(start_s=0x12345ABC, seed=0)
    assert identifiers.next_end_to_end() == 0xABC00001
    assert identifiers.next_end_to_end() == 0xABC00002


def test_counters_wrap_within_their_bits() -> None:
    identifiers = Identifiers(start_s=1, seed=0xFFFFF_FFFFFFFF)
    assert identifiers.next_hop_by_hop() == 0
    assert identifiers.next_end_to_end() == 0x00100000


def test_hop_by_hop_identifiers_do_not_repeat() -> None:
    identifiers = Identifiers(start_s=1, seed=5)
    assert len({identifiers.next_hop_by_hop() for _ in range(10_000)}) == 10_000


def test_the_same_seed_gives_the_same_identifiers() -> None:
    one, other = Identifiers(9, 77), Identifiers(9, 77)
    assert [one.next_end_to_end() for _ in range(5)] == [other.next_end_to_end() for _ in range(5)]
