"""The peer table of RFC 6733 5.6, row by row, and the election."""

import pytest

from ocs.diameter.peer import (
    TRANSITIONS,
    PeerAction,
    PeerInput,
    PeerState,
    Rival,
    Role,
    keeps_accepted,
    rival,
    transition,
)

S, I, A = PeerState, PeerInput, PeerAction  # noqa: E741

# The table once more, by state: input -> action and next state. What is not named here closes.
ROWS = {
    S.WAIT_CER: {I.CER: (A.ASK_OWNER, S.WAIT_VERDICT)},
    S.WAIT_VERDICT: {I.ADMITTED: (A.SEND_CEA, S.OPEN), I.REFUSED: (A.CLOSE, S.CLOSED)},
    S.WAIT_CEA: {I.CEA_SUCCESS: (A.PROCESS_CEA, S.OPEN), I.CEA_FAILURE: (A.CLOSE, S.CLOSED)},
    S.OPEN: {
        I.CER_REPEATED: (A.SEND_CEA_AGAIN, S.OPEN),
        I.CEA_SUCCESS: (A.DROP, S.OPEN),
        I.CEA_FAILURE: (A.DROP, S.OPEN),
        I.DWR: (A.ANSWER_DWR, S.OPEN),
        I.DPR: (A.ANSWER_DPR, S.LEAVING),
        I.DPA: (A.DROP, S.OPEN),
        I.REQUEST: (A.DELIVER, S.OPEN),
        I.ANSWER: (A.MATCH, S.OPEN),
        I.STOP: (A.DROP, S.CLOSING),
    },
    S.CLOSING: {
        I.CEA_SUCCESS: (A.DROP, S.CLOSING),
        I.CEA_FAILURE: (A.DROP, S.CLOSING),
        I.DWR: (A.ANSWER_DWR, S.CLOSING),
        I.DPR: (A.ANSWER_DPR, S.CLOSING),
        I.DPA: (A.CLOSE, S.CLOSED),
        I.REQUEST: (A.DROP, S.CLOSING),
        I.ANSWER: (A.MATCH, S.CLOSING),
        I.STOP: (A.DROP, S.CLOSING),
    },
    S.LEAVING: {
        I.CEA_SUCCESS: (A.DROP, S.LEAVING),
        I.CEA_FAILURE: (A.DROP, S.LEAVING),
        I.DWR: (A.ANSWER_DWR, S.LEAVING),
        I.DPR: (A.ANSWER_DPR, S.LEAVING),
        I.DPA: (A.DROP, S.LEAVING),
        I.REQUEST: (A.DROP, S.LEAVING),
        I.ANSWER: (A.MATCH, S.LEAVING),
        I.STOP: (A.DROP, S.LEAVING),
    },
}


@pytest.mark.parametrize("event", I)
@pytest.mark.parametrize("state", [state for state in S if state is not S.CLOSED])
def test_every_row_of_the_table(state: PeerState, event: PeerInput) -> None:
    action, following = ROWS[state].get(event, (A.CLOSE, S.CLOSED))
    assert transition(state, event) == ((action,), following)


@pytest.mark.parametrize("event", I)
def test_nothing_happens_once_closed(event: PeerInput) -> None:
    assert transition(S.CLOSED, event) == ((), S.CLOSED)


def test_before_the_capabilities_exchange_only_its_own_message_keeps_a_connection() -> None:
    assert [event for state, event in TRANSITIONS if state is S.WAIT_CER] == [I.CER]
    assert {event for state, event in TRANSITIONS if state is S.WAIT_CEA} == {I.CEA_SUCCESS, I.CEA_FAILURE}


@pytest.mark.parametrize(
    ("local", "peer", "keeps"),
    [
        ("b.example", "a.example", True),
        ("a.example", "b.example", False),
        ("B.example", "a.example", True),
        ("a.example", "B.EXAMPLE", False),
        ("a.example.net", "a.example", True),
        ("same.example", "SAME.example", False),
    ],
)
def test_the_higher_identity_keeps_the_connection_it_accepted(local: str, peer: str, keeps: bool) -> None:
    assert keeps_accepted(local, peer) is keeps


def test_exactly_one_side_of_an_election_wins() -> None:
    hosts = ["a.example", "A.example.net", "b.example", "bb.example"]
    for one in hosts:
        for other in hosts:
            assert one == other or keeps_accepted(one, other) is not keeps_accepted(other, one)


@pytest.mark.parametrize(
    ("role", "state", "local", "decision"),
    [
        (Role.RESPONDER, S.OPEN, "b", Rival.PROBE),
        (Role.INITIATOR, S.OPEN, "b", Rival.PROBE),
        (Role.INITIATOR, S.WAIT_CEA, "b", Rival.ADMIT_AND_CLOSE_OLD),
        (Role.INITIATOR, S.WAIT_CEA, "A", Rival.REFUSE),
        (Role.RESPONDER, S.WAIT_VERDICT, "z", Rival.REFUSE),
        (Role.RESPONDER, S.WAIT_CER, "z", Rival.REFUSE),
        (Role.RESPONDER, S.CLOSING, "a", Rival.ADMIT_AND_CLOSE_OLD),
        (Role.RESPONDER, S.LEAVING, "a", Rival.ADMIT_AND_CLOSE_OLD),
        (Role.RESPONDER, S.CLOSED, "a", Rival.ADMIT_AND_CLOSE_OLD),
    ],
)
def test_a_second_connection_is_decided_by_the_first_ones_state(
    role: Role, state: PeerState, local: str, decision: Rival
) -> None:
    assert rival(local, "aa", role, state) is decision
