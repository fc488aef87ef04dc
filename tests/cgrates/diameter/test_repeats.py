"""Which requests are repeats, and for how long, and how many."""

import pytest

from ocs.cgrates.agents.repeats import Repeats
from ocs.diameter import avps
from ocs.diameter.avp import encode_i32, encode_u32, encode_utf8
from ocs.diameter.codes import REQUEST, RETRANSMITTED
from ocs.diameter.message import Message, encode_message


def request(
    end_to_end: int = 1,
    number: int | None = 0,
    *,
    again: bool = False,
    session: str = "s",
    host: str = "h",
    kind: int = 2,
    command: int = 272,
) -> Message:
    parts = [
        encode_utf8(avps.SESSION_ID, session),
        encode_utf8(avps.ORIGIN_HOST, host),
        encode_i32(avps.CC_REQUEST_TYPE, kind),
    ]
    if number is not None:
        parts.append(encode_u32(avps.CC_REQUEST_NUMBER, number))
    flags = REQUEST | (RETRANSMITTED if again else 0)
    return Message.decode(encode_message(flags, command, 4, end_to_end + 9, end_to_end, parts))


@pytest.mark.parametrize(
    ("later", "is_repeat"),
    [
        (request(), True),
        (request(again=True), True),
        (request(2, again=True), True),
        (request(2), False),
        (request(number=1, again=True), False),
        (request(session="t", again=True), False),
        (request(host="i", again=True), False),
        (request(kind=3, again=True), False),
        (request(command=271, again=True), False),
        (request(number=None, again=True), False),
    ],
)
def test_a_repeat_is_known_by_its_identifier_or_by_the_t_bit_and_its_name(
    later: Message, is_repeat: bool
) -> None:
    repeats: Repeats[str] = Repeats()
    repeats.keep(request(), "answer", 0)
    assert repeats.find(later, 1) == ("answer" if is_repeat else None)


def test_requests_without_a_number_are_known_by_their_identifiers_alone() -> None:
    repeats: Repeats[str] = Repeats()
    for end_to_end in (1, 2):
        repeats.keep(request(end_to_end, None), f"answer {end_to_end}", 0)
    assert [repeats.find(request(number, None, again=True), 1) for number in (1, 2, 3)] == [
        "answer 1",
        "answer 2",
        None,
    ]


def test_answers_are_kept_for_a_time_and_up_to_a_number() -> None:
    repeats: Repeats[str] = Repeats(most=3, kept_ns=100)
    for number in range(5):
        repeats.keep(request(number=number), str(number), number)
    assert len(repeats) == 3
    assert [repeats.find(request(number=number), 50) for number in range(5)] == [None, None, "2", "3", "4"]
    assert repeats.find(request(number=4), 105) is None
    repeats.keep(request(number=9), "9", 1_000)
    assert len(repeats) == 1, "what is over goes when another comes"


def test_what_was_not_done_is_new_when_it_comes_again() -> None:
    repeats: Repeats[str] = Repeats()
    repeats.keep(request(), "answer", 0)
    repeats.forget(request(again=True))
    assert repeats.find(request(again=True), 1) is None
