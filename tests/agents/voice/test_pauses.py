"""Pauses before a peer is tried again."""

from ocs.agents.voice.pauses import Pauses

S = 1_000_000_000


def test_pauses_grow_to_a_limit_and_begin_anew() -> None:
    pauses = Pauses(S, 5 * S)
    for longest_s in (1, 2, 4, 5, 5):
        assert 0.75 * longest_s <= pauses.next_s() <= longest_s
    pauses.reset()
    assert pauses.next_s() <= 1


def test_a_peer_that_refused_is_left_alone_for_longer() -> None:
    pauses = Pauses(S, 5 * S)
    pauses.at_least(30.0)
    assert 22.5 <= pauses.next_s() <= 30
    assert pauses.next_s() <= 5
