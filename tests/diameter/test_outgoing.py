"""Queues and outstanding requests."""

import pytest

from ocs.diameter.codes import Command
from ocs.diameter.identifiers import Identifiers
from ocs.diameter.message import Message
from ocs.diameter.outgoing import Outgoing, TooManyRequests


def outgoing(limit: int = 10) -> Outgoing:
    return Outgoing(Identifiers(1, 1), limit)


def test_urgent_messages_overtake_and_everything_is_taken_once() -> None:
    out = outgoing()
    out.put(b"b")
    out.put(b"c")
    out.put_first(b"a")
    assert out.take() == b"abc"
    assert out.take() == b""
    out.put(b"d")
    assert out.take() == b"d"


def test_base_requests_are_remembered_until_answered() -> None:
    out = outgoing()
    out.put_base_request(Command.DEVICE_WATCHDOG, b"")
    asked = Message.decode(out.take())
    assert out.answered_base_request(asked.hop_by_hop + 1) is None
    assert out.answered_base_request(asked.hop_by_hop) == Command.DEVICE_WATCHDOG
    assert out.answered_base_request(asked.hop_by_hop) is None


def test_requests_expire_in_the_order_of_their_deadlines() -> None:
    out = outgoing()
    ids = [out.put_request(258, 4, [], deadline, None) for deadline in (10, 20, 30)]
    assert out.first_deadline() == 10
    assert out.expire(9) == []
    assert out.expire(20) == ids[:2]
    assert not out.answered_request(ids[2], 274)  # the answer to another command is none to this one
    assert out.answered_request(ids[2], 258)
    assert not out.answered_request(ids[2], 258)
    assert out.first_deadline() is None


def test_forgetting_returns_what_was_outstanding_and_keeps_the_queue() -> None:
    out = outgoing()
    request_id = out.put_request(258, 4, [], 10, None)
    assert out.forget() == [request_id]
    assert out.forget() == []
    assert len(out.take()) == 20


def test_outstanding_requests_are_limited_and_answers_make_room() -> None:
    out = outgoing(limit=1)
    first = out.put_request(258, 4, [], 10, None)
    with pytest.raises(TooManyRequests):
        out.put_request(258, 4, [], 10, None)
    out.answered_request(first, 258)
    assert out.put_request(258, 4, [], 10, None) != first
