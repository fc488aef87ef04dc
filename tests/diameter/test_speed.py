"""Generous bounds on the hot path, so that a quadratic slip is noticed; bench/ measures."""

import time
from collections.abc import Callable

from ocs.diameter.events import RequestReceived
from ocs.diameter.message import Message
from tests.diameter.support import open_connection, sample
from tests.support.effort import at_most


def fastest_us(run: Callable[[], object], times: int = 200, rounds: int = 20) -> float:
    """The best round's microseconds per call of CPU time."""
    best = float("inf")
    for _ in range(rounds):
        started = time.thread_time()
        for _ in range(times):
            run()
        best = min(best, (time.thread_time() - started) / times)
    return best * 1e6


def test_decoding_a_recorded_request_stays_within_100_us() -> None:
    frame = sample("open5gs_ccr_i")
    assert fastest_us(lambda: Message.decode(frame)) < 100


def test_reading_many_requests_at_once_costs_no_more_each_than_reading_few() -> None:
    frame = sample("open5gs_ccr_i")
    few, many = frame * 8, frame * 512
    made = open_connection()
    few_us = fastest_us(lambda: made.receive_data(few, 1), times=64) / 8
    many_us = fastest_us(lambda: made.receive_data(many, 1), times=1) / 512
    assert many_us < 4 * few_us


def test_a_message_in_single_octets_costs_linear_time() -> None:
    frame = sample("open5gs_ccr_i")
    made = open_connection()
    with at_most(0.2):
        events = [event for at in range(len(frame)) for event in made.receive_data(frame[at : at + 1], 1)]
    assert isinstance(events[0], RequestReceived)
