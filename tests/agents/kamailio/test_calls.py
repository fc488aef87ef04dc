"""What is due for a call, and what it is charged for, by its times alone."""

import pytest

from ocs.agents.kamailio.calls import Call, Due, Ended, Phase
from ocs.agents.kamailio.mapping import Facts, facts_of
from ocs.agents.kamailio.messages import Kind, Message
from ocs.agents.voice.ticks import SECOND_NS

SLICE_NS, RING_NS, LONGEST_NS = 10 * SECOND_NS, 60 * SECOND_NS, 3_600 * SECOND_NS
FIELDS = {
    "h_entry": "1", "h_id": "2", "OriginID": "c1", "AnswerTime": "1763805604", "Account": "1001",
    "Destination": "2001",
}  # fmt: skip


def facts(**more: str) -> Facts:
    return facts_of(Message(Kind.START, FIELDS | more), "default", 1_763_805_605 * SECOND_NS)


def call(**settings: object) -> Call:
    """A call answered at 100 s with 12 s granted, and what `settings` make of it."""
    made = Call("c1", facts(), 0)
    made.start(facts(), 100 * SECOND_NS, 7)
    made.granted_ns = 12 * SECOND_NS
    for name, value in settings.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("settings", "now_s", "due_s", "due"),
    [
        ({}, 100, 110, Due.SLICE),
        ({}, 111, 111, Due.SLICE),
        ({"granted_ns": 5 * SECOND_NS}, 100, 104, Due.SLICE),  # a second before it is used up
        ({"not_before_ns": 115 * SECOND_NS}, 100, 115, Due.SLICE),
        ({"is_final": True}, 100, 111.5, Due.SLICE),  # perhaps there is credit again
        ({"is_final": True, "asked_elapsed_ns": 11_500_000_000}, 111.5, 112, Due.DISCONNECT),
        ({"is_final": True, "not_before_ns": 115 * SECOND_NS}, 111.5, 112, Due.DISCONNECT),
        ({"is_final": True, "granted_ns": 0}, 100, 100, Due.DISCONNECT),
        ({"reason": "FRAUD"}, 103, 103, Due.DISCONNECT),
        ({"reason": "FRAUD", "disconnects": 1}, 103, 108, Due.DISCONNECT),
        ({"is_certain": False}, 103, 3_700, Due.FORGET),
        ({"phase": Phase.RINGING, "authorised_at_ns": 90 * SECOND_NS}, 103, 150, Due.RELEASE),
        ({"phase": Phase.ENDING}, 103, 104, Due.END),
    ],
)
def test_what_is_due_and_when(settings: dict[str, object], now_s: float, due_s: float, due: Due) -> None:
    found = call(**settings).next_due(int(now_s * SECOND_NS), SLICE_NS, RING_NS, LONGEST_NS)
    assert found == (int(due_s * SECOND_NS), due)


def test_nothing_is_due_while_an_answer_is_under_way() -> None:
    assert call(is_waiting=True).next_due(0, SLICE_NS, RING_NS, LONGEST_NS) is None
    assert Call("c1", facts(), 0).next_due(0, SLICE_NS, RING_NS, LONGEST_NS) is None


@pytest.mark.parametrize(
    ("elapsed_s", "payable_s"), [(0, 0), (0.9, 0), (1.9, 0), (2, 1), (10.5, 9), (11.99, 10)]
)
def test_debits_stay_a_second_behind_and_never_go_back(elapsed_s: float, payable_s: int) -> None:
    elapsed_ns = int(elapsed_s * SECOND_NS)
    assert call().payable_ns(elapsed_ns) == payable_s * SECOND_NS
    assert call(charged_ns=20 * SECOND_NS).payable_ns(elapsed_ns) == 20 * SECOND_NS
    asked_ns = call().payable_ns(elapsed_ns) + call().wanted_ns(elapsed_ns, SLICE_NS)
    assert asked_ns == elapsed_ns + SLICE_NS + 2 * SECOND_NS


@pytest.mark.parametrize(("reported_s", "charged_s"), [(11, 11), (12, 12), (13, 12), (14, 14)])
def test_a_tick_over_the_last_credit_is_not_charged(reported_s: int, charged_s: int) -> None:
    assert call(is_final=True).final_total_ns(reported_s * SECOND_NS) == charged_s * SECOND_NS
    assert call().final_total_ns(reported_s * SECOND_NS) == reported_s * SECOND_NS


def test_a_vanished_call_is_charged_as_long_as_it_was_seen() -> None:
    assert call(proven_ns=5_900_000_000).vanished_total_ns() == 5 * SECOND_NS
    assert call(proven_ns=0, charged_ns=9 * SECOND_NS).vanished_total_ns() == 9 * SECOND_NS
    assert call(proven_ns=30 * SECOND_NS, is_final=True).vanished_total_ns() == 12 * SECOND_NS


def test_what_later_messages_say_is_added() -> None:
    made = call()
    made.learn(facts(Trunk="north", h_id="3"))
    assert (made.h_entry, made.h_id) == ("1", "3")
    assert dict(made.all_extra())["Trunk"] == "north"
    assert dict(made.all_extra())["started_at_ns"] == "7"


def test_the_calls_that_ended_are_remembered_to_a_limit() -> None:
    ended = Ended(2)
    for name in ("a", "b", "c"):
        ended.add(name, ("1", name))
    assert [ended.has(name) for name in ("a", "b", "c")] == [False, True, True]
    assert ended.has("b", ("1", "b"))
    assert not ended.has("b", ("1", "x"))
    ended.forget("b")
    assert not ended.has("b")
