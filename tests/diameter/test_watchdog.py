"""The watchdog of RFC 3539 3.4.1, row by row."""

import pytest

from ocs.diameter.watchdog import TRANSITIONS, Watchdog, WatchdogAction, WatchdogInput, WatchdogState

S, I, A = WatchdogState, WatchdogInput, WatchdogAction  # noqa: E741
TW = 30_000

# RFC 3539 3.4.1, the rows in its order.
ROWS = [
    (S.OKAY, I.RECEIVED_DWA, A.RESTART, S.OKAY),
    (S.OKAY, I.RECEIVED_OTHER, A.RESTART, S.OKAY),
    (S.SUSPECT, I.RECEIVED_DWA, A.FAIL_BACK, S.OKAY),
    (S.SUSPECT, I.RECEIVED_OTHER, A.FAIL_BACK, S.OKAY),
    (S.REOPEN, I.RECEIVED_LAST_DWA, A.FAIL_BACK, S.OKAY),
    (S.REOPEN, I.RECEIVED_DWA, A.COUNT, S.REOPEN),
    (S.OKAY, I.EXPIRED, A.SEND, S.OKAY),
    (S.OKAY, I.EXPIRED_PENDING, A.FAIL_OVER, S.SUSPECT),
    (S.SUSPECT, I.EXPIRED_PENDING, A.CLOSE, S.DOWN),
    (S.REOPEN, I.EXPIRED, A.SEND, S.REOPEN),
    (S.REOPEN, I.EXPIRED_PENDING_AGAIN, A.CLOSE, S.DOWN),
    (S.REOPEN, I.EXPIRED_PENDING, A.WAIT_ONCE_MORE, S.REOPEN),
    (S.INITIAL, I.CONNECTION_UP, A.RESTART, S.OKAY),
    (S.DOWN, I.CONNECTION_UP, A.SEND_AND_COUNT, S.REOPEN),
    (S.OKAY, I.CONNECTION_DOWN, A.CLOSE, S.DOWN),
    (S.SUSPECT, I.CONNECTION_DOWN, A.CLOSE, S.DOWN),
    (S.REOPEN, I.CONNECTION_DOWN, A.CLOSE, S.DOWN),
]


def watchdog(reopening: bool = False) -> Watchdog:
    made = Watchdog(TW, lambda: 5, reopening)
    made.connected(0)
    return made


@pytest.mark.parametrize(("state", "event", "action", "following"), ROWS)
def test_every_row_of_the_table(
    state: WatchdogState, event: WatchdogInput, action: WatchdogAction, following: WatchdogState
) -> None:
    assert TRANSITIONS[state, event] == (action, following)


@pytest.mark.parametrize(
    ("state", "event"), [(S.DOWN, I.RECEIVED_DWA), (S.DOWN, I.RECEIVED_OTHER), (S.REOPEN, I.RECEIVED_OTHER)]
)
def test_throwaway_rows_change_nothing(state: WatchdogState, event: WatchdogInput) -> None:
    assert (state, event) not in TRANSITIONS


def test_any_message_restarts_the_timer_with_jitter() -> None:
    dog = watchdog()
    assert dog.deadline_ns == TW + 5
    dog.heard(10_000)
    assert dog.deadline_ns == 10_000 + TW + 5
    dog.answered(20_000)
    assert dog.deadline_ns == 20_000 + TW + 5


def test_silence_sends_once_then_suspects_then_closes() -> None:
    dog = watchdog()
    assert [dog.expire(1), dog.expire(2), dog.expire(3)] == [A.SEND, A.FAIL_OVER, A.CLOSE]
    assert dog.state is S.DOWN
    assert not dog.usable


def test_an_answer_allows_the_next_watchdog_to_be_sent() -> None:
    dog = watchdog()
    assert dog.expire(1) is A.SEND
    dog.answered(2)
    assert dog.expire(3) is A.SEND
    assert dog.usable


def test_a_suspected_peer_that_speaks_is_used_again() -> None:
    dog = watchdog()
    dog.expire(1)
    dog.expire(2)
    assert not dog.usable
    assert dog.heard(3) is A.FAIL_BACK
    assert dog.usable


def test_a_reopened_connection_is_usable_after_three_answers_only() -> None:
    dog = watchdog(reopening=True)
    assert dog.pending
    assert dog.heard(1) is A.NONE
    for answered in (A.COUNT, A.COUNT):
        assert dog.answered(2) is answered
        assert not dog.usable
        assert dog.expire(3) is A.SEND
    assert dog.answered(4) is A.FAIL_BACK
    assert dog.usable


def test_a_reopened_connection_without_answers_gets_one_more_interval_then_closes() -> None:
    dog = watchdog(reopening=True)
    assert [dog.expire(1), dog.expire(2)] == [A.WAIT_ONCE_MORE, A.CLOSE]


def test_an_answer_after_one_more_interval_starts_counting_again() -> None:
    dog = watchdog(reopening=True)
    dog.expire(1)
    assert dog.answered(2) is A.COUNT
    assert dog.answers == 1


def test_the_timer_stops_with_the_connection() -> None:
    dog = watchdog()
    dog.disconnected(1)
    assert dog.deadline_ns is None
    assert dog.state is S.DOWN
