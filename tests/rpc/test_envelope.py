"""Framing and envelopes: the same messages however the stream is cut, and limits that hold."""

import json
import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocs.rpc.envelope import Framer, decode, encode, encode_error, encode_result
from ocs.rpc.errors import INVALID_REQUEST, PARSE_ERROR, RpcError
from ocs.rpc.messages import EnvelopeLimits, Request
from tests.support.effort import at_most

LIMITS = EnvelopeLimits()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def framed(data: bytes, limits: EnvelopeLimits = LIMITS) -> tuple[list[bytes], str]:
    framer = Framer(limits)
    frames = framer.receive(data)
    return frames, "" if framer.failure is None else framer.failure.text


@given(
    st.lists(JSON.map(lambda value: {"v": value}) | st.lists(JSON, max_size=3), max_size=4),
    st.sampled_from([b"", b"\n", b" \r\n\t"]),
    st.randoms(use_true_random=False),
)
def test_stream_gives_the_same_messages_however_it_is_cut(
    values: list[object], gap: bytes, chance: random.Random
) -> None:
    messages = [json.dumps(value, ensure_ascii=chance.random() < 0.5).encode() for value in values]
    stream = gap.join(messages)
    assert framed(stream) == (messages, "")
    framer, frames = Framer(LIMITS), list[bytes]()
    for position in range(len(stream)):
        frames += framer.receive(stream[position : position + 1])
    assert (frames, framer.failure) == (messages, None)
    framer, frames, position = Framer(LIMITS), [], 0
    while position < len(stream):
        step = chance.randint(1, 7)
        frames += framer.receive(stream[position : position + step])
        position += step
    assert (frames, framer.failure) == (messages, None)


@pytest.mark.parametrize(
    "text",
    [r'{"a":"}"}', r'{"a":"\""}', r'{"a":"\\"}', r'{"\\\"]":[{}]}', '{"a":"[[[[{{{{"}', r'["\\\\","]"]'],
)
def test_brackets_inside_texts_do_not_count(text: str) -> None:
    data = text.encode()
    for cut in range(len(data) + 1):
        framer = Framer(LIMITS)
        assert framer.receive(data[:cut]) + framer.receive(data[cut:] + b"{}") == [data, b"{}"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", False), (b" \n", False), (b' \n{"a', True), (b'{"a":1}\n', False), (b"{}[", True)],
)
def test_message_under_way_is_known(data: bytes, expected: bool) -> None:
    framer = Framer(LIMITS)
    framer.receive(data)
    assert framer.is_mid_message is expected


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "a message begins with { or ["),
        (b'"text"', "a message begins with { or ["),
        (b"}", "a message begins with { or ["),
        (b"\x00", "a message begins with { or ["),
        (b"[" * 100_000, "brackets nest deeper than 64"),
        (b'{"a":' * 65, "brackets nest deeper than 64"),
        (b'["' + b"x" * 2_000_000, "a message is longer than 1048576 octets"),
        (b"[" + b"[]," * 10_000, "a message has more than 10000 objects and arrays"),
    ],
)
def test_stream_beyond_the_limits_fails_at_once(data: bytes, failure: str) -> None:
    with at_most(1):
        assert framed(b"{}" + data) == ([b"{}"], failure)


def test_limits_are_exact() -> None:
    assert framed(b"[" * 64 + b"]" * 64)[1] == ""
    assert framed(b"[" * 65 + b"]" * 65)[1] != ""
    limits = EnvelopeLimits(message_octets=10)
    assert framed(b'["123456"]' * 2, limits) == ([b'["123456"]'] * 2, "")
    assert framed(b'["1234567"]', limits)[1] != ""


def test_long_text_in_single_octets_is_looked_at_once() -> None:
    framer = Framer(LIMITS)
    framer.receive(b'["')
    with at_most(5):
        for _ in range(100_000):
            framer.receive(b"a")
    assert framer.receive(b'"]')[0] == b'["' + b"a" * 100_000 + b'"]'


@pytest.mark.parametrize("seed", range(20))
def test_random_octets_give_messages_or_a_failure(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        data = bytes(chance.choice(b'{}[]"\\:,1ae \n\xff') for _ in range(chance.randint(1, 60)))
        framer = Framer(LIMITS)
        frames = [
            frame for position in range(len(data)) for frame in framer.receive(data[position : position + 1])
        ]
        assert frames == framed(data)[0]
        for frame in frames:
            for request in decode(frame, LIMITS).requests:
                assert request.failure is not None or isinstance(request.method, str)


def test_request_of_1_0_has_one_object() -> None:
    [request] = decode(b'{"method":"A.B","params":[{"x":1.10}],"id":"n"}', LIMITS).requests
    assert request == Request("A.B", {"x": Decimal("1.10")}, "n")
    assert encode_result(request, {"ok": True}) == b'{"id":"n","result":{"ok":true},"error":null}'
    assert encode_error(request, RpcError("NOT_FOUND")) == b'{"id":"n","result":null,"error":"NOT_FOUND"}'


def test_request_of_2_0_is_answered_as_2_0() -> None:
    [request] = decode(b'{"jsonrpc":"2.0","method":"A.B","params":{"x":1},"id":7}', LIMITS).requests
    assert (request.params, request.is_v2, request.is_notification) == ({"x": 1}, True, False)
    assert encode_result(request, 1) == b'{"jsonrpc":"2.0","id":7,"result":1}'
    error = json.loads(encode_error(request, RpcError("no", -32_000)))
    assert error == {"jsonrpc": "2.0", "id": 7, "error": {"code": -32_000, "message": "no"}}


def test_only_a_2_0_request_without_id_is_a_notification() -> None:
    [old] = decode(b'{"method":"A.B","params":[{}]}', LIMITS).requests
    [new] = decode(b'{"jsonrpc":"2.0","method":"A.B"}', LIMITS).requests
    assert (old.is_notification, new.is_notification) == (False, True)


@pytest.mark.parametrize(
    ("frame", "failure", "code"),
    [
        (b"{]", "not JSON: ", PARSE_ERROR),
        (b'{"a":\xff}', "not JSON: ", PARSE_ERROR),
        (b'{"a":NaN}', "not JSON: ", PARSE_ERROR),
        (b'{"a":1' + b"0" * 10_000 + b"}", "not JSON: ", PARSE_ERROR),
        (b"[]", "a batch is not empty", INVALID_REQUEST),
        (b"[" + b"{}," * 100 + b"{}]", "a batch has at most 100 requests", INVALID_REQUEST),
        (b"[1]", "a request is an object", INVALID_REQUEST),
        (b'{"id":1}', "method: is the name of a method", INVALID_REQUEST),
        (b'{"method":5,"params":[{}]}', "method: is the name of a method", INVALID_REQUEST),
        (b'{"method":"a","params":[{}],"id":{}}', "id: is a text, a number or null", INVALID_REQUEST),
        (b'{"method":"a"}', "jsonrpc: request body missing params", INVALID_REQUEST),
        (b'{"method":"a","params":{}}', "jsonrpc: request body missing params", INVALID_REQUEST),
        (
            b'{"jsonrpc":"2.0","method":"a","params":[{},{}]}',
            "params: has more than one element",
            INVALID_REQUEST,
        ),
        (
            b'{"jsonrpc":"2.0","method":"a","params":5}',
            "params: is an object or an array of one",
            INVALID_REQUEST,
        ),
    ],
)
def test_frame_that_is_no_request_says_why(frame: bytes, failure: str, code: int) -> None:
    [request] = decode(frame, LIMITS).requests
    assert request.failure is not None
    assert request.failure.text.startswith(failure)
    assert request.failure.code == code


def test_text_that_was_no_utf8_is_shown_with_escapes() -> None:
    assert json.loads(encode({"session": "a\udcffb", "list": ["\udc80", 1]})) == {
        "session": "a\\xffb",
        "list": ["\\x80", 1],
    }
